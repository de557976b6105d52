"""A result: every number follows from prices, orders and costs by an independent formula."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.metadata import version

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import BitcoinOnly
from strategies.difficulty_rotation import DifficultyRotation
from toolkit.backtest.audit import Audit, Finding
from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.costs_log import executed_total
from toolkit.backtest.replay import reconcile
from toolkit.backtest.result import BacktestResult
from toolkit.backtest.schedule import Schedule
from toolkit.clock import sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize import (
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)
from toolkit.panel import Field, Panel
from toolkit.record import RunRecord
from toolkit.report.tables import tiles
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.strategy import Strategy
from toolkit.units import Fraction, component
from toolkit.universe import MINERS, Asset, Closing, Membership, Sleeve, Universe

COST = ProportionalCost(fee_bps=5.0, half_spread_bps=3.0, slippage_bps=2.0)
START = date(2017, 7, 3)


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(years=4.0)
    return assemble([market], market.universe(), start=START)


@pytest.fixture(scope="module")
def result(panel) -> BacktestResult:
    limits = (
        MaxWeight(cap=0.4),
        MaxSleeveWeight(sleeve=MINERS, cap=0.35),
        MinCash(floor=0.02),
        MaxTurnover(cap=0.3),
        MaxVolatility(cap=0.4),
    )
    backtester = Backtester(
        optimizer=Optimizer(TrackTarget(), limits, COST),
        risk_model=ExponentialCovariance(),
        cost=COST,
        schedule=Schedule("month", START),
        checks=Checks(audit_cuts=6),
    )
    return backtester.run(DifficultyRotation(), panel)


class Holds(Strategy):
    """Given weights, every day."""

    def __init__(self, **weights: float):
        self.weights = weights

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame(self.weights, index=panel.sessions)


SESSIONS = sessions_between("XNYS", date(2024, 1, 2), date(2024, 3, 28))


def small(closing: Closing | None = None, bitcoin: bool = True) -> Panel:
    """Two months of one share, of bitcoin, and of cash that earns a basis point a day."""
    random = np.random.default_rng(5)
    prices = pd.DataFrame(
        {
            "SHARE": 20.0 * np.exp(np.cumsum(0.03 * random.standard_normal(len(SESSIONS)))),
            "COIN": 100.0 * np.exp(np.cumsum(0.04 * random.standard_normal(len(SESSIONS)))),
            "CASH": 100.0 * 1.0001 ** np.arange(len(SESSIONS)),
        },
        SESSIONS,
    )
    since = date(2020, 1, 1)
    share = Asset("SHARE", (Membership(Sleeve.LEGACY_MINERS, since),), closing=closing)
    coin = Asset("COIN", (Membership(Sleeve.BITCOIN, since),), "24/7")
    cash = Asset("CASH", (Membership(Sleeve.CASH, since),), "24/7")
    if closing:
        prices.loc[prices.index > pd.Timestamp(closing.last_session), "SHARE"] = np.nan
    assets = (share, coin, cash) if bitcoin else (share, cash)
    prices = prices[[asset.id for asset in assets]]
    moments = (SESSIONS + pd.Timedelta(days=1)).tz_localize("UTC")
    return Panel(Universe(assets), SESSIONS, {"close": Field(prices, moments, "USD", "drawn")})


def run(panel: Panel, strategy: Strategy, **given) -> BacktestResult:
    return Backtester(**{"cost": COST, "checks": Checks(audit_cuts=5), **given}).run(
        strategy, panel
    )


class Flatters(Holds):
    """Holds bitcoin, and takes its losses out of the frame that the panel handed it."""

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        close = panel.field("close").values
        close["SIMBTC"] = close["SIMBTC"].cummax()
        return super().targets(panel, signals)


def test_a_strategy_that_changes_the_prices_it_reads_earns_what_bitcoin_earned(panel):
    monthly = Schedule("month", START)
    flattered = run(panel, Flatters(SIMBTC=1.0), schedule=monthly)
    honest = run(panel, Holds(SIMBTC=1.0), schedule=monthly)
    assert honest.metrics()["net"]["max_drawdown"] < -0.2
    pd.testing.assert_series_equal(flattered.returns["net"], honest.returns["net"])
    assert flattered.manifest()["hashes"]["data"] == honest.manifest()["hashes"]["data"]


# Returns, weights, orders


def test_net_returns_compound_to_the_equity(result):
    returns = result.returns
    assert list(returns.columns) == [
        "net", "gross", "cash", "benchmark", "equity", "fees", "slippage", "beta_matched",
    ]  # fmt: skip
    assert np.allclose(1e6 * (1.0 + returns["net"]).cumprod(), returns["equity"], rtol=1e-12)
    assert returns.notna().all(axis=None)


def test_gross_is_net_with_the_costs_of_the_session_given_back(result):
    returns = result.returns
    before = returns["equity"] / (1.0 + returns["net"])
    paid = (returns["fees"] + returns["slippage"]) / before
    assert np.allclose(returns["gross"], returns["net"] + paid, atol=1e-14)
    traded = pd.Index(result.orders["session"].unique())
    assert (paid[~paid.index.isin(traded)] == 0.0).all()
    assert paid.min() == 0.0
    assert paid.max() > 0.0


def test_cash_and_benchmark_are_returns_of_the_panel(result, panel):
    market = panel.returns().loc[result.returns.index]
    assert (result.returns["cash"] == market["CASH"]).all()
    assert (result.returns["benchmark"] == market["SIMBTC"]).all()


def test_the_account_starts_at_the_start_and_ends_with_the_panel(result, panel):
    assert result.weights.index[0] == pd.Timestamp(START)
    assert result.returns.index[-1] == panel.sessions[-1]
    manifest = result.manifest()
    assert (manifest["start"], manifest["end"]) == ("2017-07-03", f"{panel.sessions[-1]:%Y-%m-%d}")
    assert manifest["sessions"] == len(result.weights) == len(result.returns) + 1


def test_weights_are_long_only_and_sum_to_one_once_invested(result):
    weights = result.weights
    assert (weights.fillna(0.0) >= -1e-9).all(axis=None)
    assert np.allclose(weights.iloc[2:].sum(axis=1), 1.0, atol=1e-9)


def test_orders_carry_the_price_of_their_session_and_their_value(result, panel):
    orders, prices = result.orders, panel.prices()
    for order in orders.itertuples():
        assert order.price == prices.loc[order.session, order.asset]
        assert order.value == pytest.approx(order.units * order.price, rel=1e-15)
    assert orders["session"].is_monotonic_increasing
    assert (orders["units"] != 0.0).all()


def test_orders_fill_at_the_session_after_their_decision(result, panel):
    decided = set(panel.sessions.get_indexer(result.targets["session"].unique()))
    at = panel.sessions.get_indexer(pd.Index(result.orders["session"]))
    ends = {panel.sessions.get_loc(entry["session"]) for entry in result.manifest()["endings"]}
    # The account opens by putting its money into the cash asset, which is no decision.
    assert (result.orders["asset"][at == at[0]] == "CASH").all()
    assert {row - 1 for row in at if row not in ends and row != at[0]} <= decided


def test_costs_are_the_rates_on_everything_traded_but_cash(result):
    orders = result.orders[result.orders["asset"] != "CASH"]
    endings = {(e["asset"], e["session"]) for e in result.manifest()["endings"]
               if e["kind"] != "coverage_ended"}  # fmt: skip
    free = [(o.asset, f"{o.session:%Y-%m-%d}") in endings for o in orders.itertuples()]
    value = orders["value"].abs()[~np.array(free)]
    returns = result.returns
    assert returns["slippage"].sum() == pytest.approx(5e-4 * value.sum(), rel=1e-9)
    # The fee is charged on what is paid: the close and the slippage on it.
    signed = orders["value"][~np.array(free)]
    paid = (signed * (1.0 + 5e-4 * np.sign(signed))).abs().sum()
    assert returns["fees"].sum() == pytest.approx(5e-4 * paid, rel=1e-9)


def test_targets_hold_what_was_wanted_and_what_was_allocated(result, panel):
    targets = result.targets
    assert list(targets.columns) == ["session", "asset", "target", "allocated"]
    wanted = targets.pivot(index="session", columns="asset", values="target")
    strategy = DifficultyRotation().targets(panel).loc[wanted.index]
    risky = [name for name in panel.universe.ids if name != "CASH"]
    assert np.allclose(wanted[risky], strategy[risky], atol=1e-15)
    sized = targets.pivot(index="session", columns="asset", values="allocated")
    for frame in (wanted, sized):
        assert np.allclose(frame.sum(axis=1), 1.0, atol=1e-8)


# Metrics


def test_metrics_follow_from_the_net_returns_by_their_formulas(result):
    returns = result.returns
    net, cash = returns["net"].to_numpy(), returns["cash"].to_numpy()
    found = result.metrics()["net"]
    years = len(net) / 252.0
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + net)])
    excess = net - cash
    expected = {
        "cagr": wealth[-1] ** (1.0 / years) - 1.0,
        "volatility": np.std(net, ddof=1) * np.sqrt(252.0),
        "sharpe": excess.mean() / np.std(excess, ddof=1) * np.sqrt(252.0),
        "max_drawdown": (wealth / np.maximum.accumulate(wealth) - 1.0).min(),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-10)
    assert found["max_drawdown"] <= 0.0
    assert found["expected_shortfall_95"] > 0.0


def test_costs_are_a_fraction_of_initial_cash(result):
    found = result.metrics()["net"]["total_costs"]
    returns = result.returns
    assert found == pytest.approx((returns["fees"] + returns["slippage"]).sum() / 1e6, rel=1e-12)


def test_turnover_is_one_way_a_year_and_what_is_not_traded_does_not_count():
    flip = pd.DataFrame(0.0, SESSIONS, ["SHARE", "COIN"])
    flip.iloc[0::2, 0], flip.iloc[1::2, 1] = 1.0, 1.0

    class Flips(Holds):
        def targets(self, panel, signals=None):
            return flip.loc[panel.sessions]

    still = small()
    close = still.fields["close"]
    still = replace(still, fields={"close": replace(close, values=close.values * 0.0 + 50.0)})
    free = ProportionalCost(0.0, 0.0, 0.0)
    years = (len(SESSIONS) - 1) / 252.0
    flips = run(still, Flips(), cost=free, schedule=Schedule("day"))
    # Cash into one share, then that share into the other, once a session after the first.
    assert flips.metrics()["net"]["turnover"] == pytest.approx(252.0, rel=1e-9)
    once = run(still, Holds(SHARE=0.5), cost=free)
    assert once.metrics()["net"]["turnover"] == pytest.approx(0.5 / years, rel=1e-9)
    never = run(still, Holds(CASH=1.0), cost=free)
    assert never.metrics()["net"]["turnover"] == pytest.approx(0.0, abs=1e-12)


def test_the_basis_of_every_annualised_number_is_stated(result):
    assert result.metrics()["basis"] == {
        "periods_per_year": 252.0,
        "clock": "XNYS",
        "excess_of": "cash",
        "sessions": len(result.returns),
        "net_of": "fees, half-spread, slippage",
        "simulated": True,
    }
    assert result.manifest()["periods_per_year"] == 252.0


def test_gross_beats_net_by_about_the_costs(result):
    found = result.metrics()
    years = len(result.returns) / 252.0
    assert found["gross"]["cagr"] > found["net"]["cagr"]
    assert found["gross"]["cagr"] - found["net"]["cagr"] < 2 * found["net"]["total_costs"] / years


# Limits, three times


def test_every_limit_is_logged_at_every_decision(result):
    limits = result.limits
    assert limits["limit"].nunique() == 5
    assert len(limits) == 5 * result.targets["session"].nunique()


def test_at_the_decision_each_limit_holds_but_for_its_recorded_slack(result):
    limits = result.limits
    low = limits["limit"] == "MinCash"
    excess = np.where(
        low, limits["cap"] - limits["at_decision"], limits["at_decision"] - limits["cap"]
    )
    assert (excess <= limits["slack"] + 1e-6).all()


def test_after_the_fill_and_in_between_limits_are_measured_on_what_was_held(result, panel):
    limits, weights = result.limits, result.weights
    risky = weights.drop(columns="CASH")
    miners = pd.DataFrame(
        {
            a.id: [a.sleeve_on(day.date()) in MINERS for day in weights.index]
            for a in panel.universe
        },
        weights.index,
    )
    paths = {
        "MaxWeight": risky.max(axis=1),
        f"MaxSleeveWeight({', '.join(MINERS)})": weights.where(miners, 0.0).sum(axis=1),
        "MinCash": weights["CASH"],
    }
    decided = pd.DatetimeIndex(result.targets["session"].unique())
    for name, path in paths.items():
        log = limits[limits["limit"] == name].set_index("session")
        worst = pd.Series.min if name == "MinCash" else pd.Series.max
        for position, session in enumerate(decided):
            row = path.index.get_loc(session)
            stop = (
                path.index.get_loc(decided[position + 1])
                if position + 1 < len(decided)
                else len(path)
            )
            if row + 1 < len(path):
                assert log.loc[session, "after_fill"] == pytest.approx(path.iloc[row + 1], abs=1e-9)
            between = path.iloc[row + 2 : stop + 1]
            if len(between):
                assert log.loc[session, "drift"] == pytest.approx(worst(between), abs=1e-9)


def test_drift_is_not_turnover(result):
    log = result.limits[result.limits["limit"] == "MaxTurnover"]
    assert log["drift"].isna().all()
    # A first investment does not count.
    assert log["at_decision"].iloc[0] == pytest.approx(0.0, abs=1e-12)
    assert (log["at_decision"].iloc[1:] > 0.0).any()


# Identity


def test_the_order_list_is_hashed_line_by_line_with_ten_digits(result):
    text = "".join(
        f"{o.session.date().isoformat()},{o.asset},{o.units:.10g},{o.price:.10g}\n"
        for o in result.orders.itertuples()
    )
    assert result.order_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert result.manifest()["order_sha256"] == result.order_sha256


def test_the_same_inputs_give_the_same_hashes_and_another_input_another():
    again = [run(small(), Part(0.5), checks=Checks(0, False)) for _ in range(2)]
    assert again[0].input_sha256 == again[1].input_sha256
    assert again[0].order_sha256 == again[1].order_sha256
    other = run(small(), Part(0.6), checks=Checks(0, False))
    assert other.order_sha256 != again[0].order_sha256
    shorter = run(small().until(SESSIONS[-2]), Part(0.5), checks=Checks(0, False))
    assert shorter.input_sha256 != again[0].input_sha256


@pytest.mark.parametrize("change", [{"config": "x = 1\n"}, {"code": "f" * 64}])
def test_another_configuration_or_code_is_another_run(result, change):
    other = replace(result, origin=replace(result.origin, **change))
    assert other.input_sha256 != result.input_sha256
    assert other.run_id[-8:] != result.run_id[-8:]


def test_the_clock_on_the_wall_is_in_the_name_and_not_in_the_hash(result):
    later = replace(result, created_at=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC))
    assert later.run_id == f"20300102T030405Z-{result.input_sha256[:8]}"
    assert later.run_id[-8:] == result.run_id[-8:]


def test_the_way_a_run_was_called_is_not_in_the_hash(result):
    other = replace(result, origin=replace(result.origin, command="another"))
    assert other.input_sha256 == result.input_sha256


# Checks


def test_a_clean_run_is_ok(result):
    assert result.failures == ()
    assert result.manifest()["status"] == "ok"
    assert result.reconciliation.max_relative_gap <= 1e-9
    assert result.reconciliation.orders == result.reconciliation.records == len(result.orders)
    assert (result.audit.cuts, result.audit.differences) == (6, 0)
    assert result.portfolio is not None


def test_accounts_that_differ_fail_the_run(result):
    off = replace(result.reconciliation, max_relative_gap=1.1e-9)
    failed = replace(result, reconciliation=off)
    assert failed.manifest()["status"] == "failed"
    assert failed.failures[0].startswith("Reconciliation: the two accounts differ by 1.1e-09")


def test_a_missing_record_fails_the_run_and_the_count_is_named(result):
    off = replace(result.reconciliation, records=result.reconciliation.records - 1)
    (failure,) = replace(result, reconciliation=off).failures
    assert str(off.records) in failure


def test_accounts_that_cannot_be_compared_fail_the_run_and_it_is_written(result, tmp_path):
    second = replace(result.replay, equity=result.replay.equity * np.nan)
    lost = reconcile(result.account.simulation.equity, len(result.orders), second)
    failed = replace(result, replay=second, reconciliation=lost)
    again = RunRecord.load(failed.save(tmp_path))
    assert again.manifest["status"] == "failed"
    assert again.manifest["reconciliation"]["max_relative_gap"] is None
    assert "the two accounts cannot be compared" in again.manifest["failures"][0]
    page = (tmp_path / again.name / "report.html").read_text()
    assert "Their equity cannot be compared" in page


@pytest.mark.parametrize(("slack", "failures"), [(0.0, 1), (0.0009, 1), (0.001, 0), (None, 0)])
@pytest.mark.parametrize(("name", "cap", "side"), [("MaxWeight", 0.4, 1), ("MinCash", 0.02, -1)])
def test_a_limit_broken_beyond_its_recorded_slack_fails_the_run(
    result, name, cap, side, slack, failures
):
    made = result.account.decisions[3]
    value = cap + side * (1e-7 if slack is None else 0.001)
    measured = replace(
        made.allocation,
        values={**made.allocation.values, name: value},
        relaxed={name: slack} if slack else {},
    )
    wrong = list(result.account.decisions)
    wrong[3] = replace(made, allocation=measured)
    found = replace(result, account=replace(result.account, decisions=tuple(wrong)))
    assert len(found.failures) == failures
    assert found.manifest()["status"] == ("failed" if failures else "ok")
    if failures:
        (told,) = found.failures
        assert told.startswith("Limits: broken 1 times at a decision, the worst ")
        assert f"{name} on {made.decision.session:%Y-%m-%d} by " in told


def test_versions_are_told_of_every_package_that_can_change_a_number(result):
    told = result.manifest()["versions"]
    for package in (
        "arch", "clarabel", "cvxpy", "exchange-calendars", "highspy", "numba", "numpy", "pandas",
        "daqp", "piqp", "scikit-learn", "scipy", "vectorbt",
    ):  # fmt: skip
        assert told[package] == version(package)


def test_a_tile_calls_every_comparison_by_a_reader_s_name(result):
    names = {name for tile in tiles(result.metrics()) for name, _ in tile.others}
    assert {"gross", "benchmark", "beta-matched"} <= names
    assert not any("_" in name for name in names)


def test_a_finding_of_the_audit_fails_the_run(result):
    finding = Finding("targets", "2018-01-02", "COIN", "2018-01-01", 1.0, 0.0, "rows of close")
    failed = replace(result, audit=Audit(40, (finding,)))
    assert failed.manifest()["status"] == "failed"
    assert failed.failures == ("Look-ahead: 1 differences at 40 cuts.",)


def test_a_check_that_was_switched_off_is_none_and_no_failure():
    found = run(small(), Holds(SHARE=0.5), checks=Checks(audit_cuts=0, replay=False))
    assert (found.audit, found.reconciliation, found.portfolio) == (None, None, None)
    assert found.failures == ()
    assert found.manifest()["reconciliation"] is None


def test_the_page_of_an_unchecked_run_says_so(tmp_path):
    found = run(small(), Holds(SHARE=0.5), checks=Checks(audit_cuts=0, replay=False))
    assert "NOT CHECKED" in found.to_html(tmp_path / "page.html").read_text()


# Events


def test_a_bankruptcy_pays_its_recovery_without_costs_and_is_listed():
    closing = Closing("bankruptcy", date(2024, 2, 9), date(2024, 2, 5), date(2024, 3, 1), 1.5)
    found = run(small(closing), Holds(SHARE=1.0))
    (ending,) = found.manifest()["endings"]
    assert (ending["asset"], ending["kind"], ending["session"]) == (
        "SHARE", "bankruptcy", "2024-03-01",
    )  # fmt: skip
    assert ending["proceeds"] == pytest.approx(ending["units"] * 1.5)
    assert found.returns.loc["2024-03-01", ["fees", "slippage"]].sum() == 0.0
    assert found.failures == ()


def test_the_end_of_coverage_sells_at_the_last_price_with_costs():
    closing = Closing("coverage_ended", date(2024, 2, 9), date(2024, 2, 5))
    panel = small(closing)
    found = run(panel, Holds(SHARE=1.0))
    (ending,) = found.manifest()["endings"]
    assert (ending["kind"], ending["session"]) == ("coverage_ended", "2024-02-09")
    assert ending["value_per_unit"] == panel.prices().loc["2024-02-09", "SHARE"]
    assert found.returns.loc["2024-02-09", "fees"] > 0.0
    assert found.failures == ()


def test_a_book_that_loses_everything_is_reported_and_not_a_crash(tmp_path):
    closing = Closing("bankruptcy", date(2024, 2, 9), date(2024, 2, 5), date(2024, 3, 1), 0.0)
    found = run(small(closing), Holds(SHARE=1.0), cost=ProportionalCost(0.0, 0.0, 0.0))
    assert found.returns.loc["2024-03-01", "net"] == pytest.approx(-1.0, abs=1e-6)
    assert found.failures == ()
    assert found.metrics()["net"]["max_drawdown"] == pytest.approx(-1.0, abs=1e-6)
    RunRecord.load(found.save(tmp_path))


@pytest.mark.parametrize("fee_bps", [0.0, 5.0])
def test_a_book_worth_exactly_nothing_is_reported_and_not_a_crash(tmp_path, fee_bps):
    closing = Closing("bankruptcy", date(2024, 2, 9), date(2024, 2, 5), date(2024, 3, 1), 0.0)
    ended = small(closing)
    close = ended.fields["close"]
    still = close.values.assign(SHARE=close.values["SHARE"] * 0.0 + 16.0, CASH=1.0)
    ended = replace(ended, fields={"close": replace(close, values=still)})
    cost = ProportionalCost(fee_bps, 0.0, 0.0)
    sized = Optimizer(TrackTarget(), (MaxWeight(cap=1.0),))
    for optimizer in (None, sized):
        found = run(
            ended,
            Holds(SHARE=1.0),
            cost=cost,
            optimizer=optimizer,
            risk_model=ExponentialCovariance(minimum=5),
            schedule=Schedule("week", date(2024, 1, 16)),
        )
        assert np.allclose(found.returns.loc["2024-03-01":, "equity"], 0.0, atol=1e-6)
        assert found.returns.loc["2024-03-01", "net"] == pytest.approx(-1.0, abs=1e-9)
        assert found.returns.notna().all(axis=None)
        assert found.failures == ()
        assert found.metrics()["net"]["cagr"] == pytest.approx(-1.0, abs=1e-9)
        assert found.metrics()["net"]["max_drawdown"] == pytest.approx(-1.0, abs=1e-9)
        RunRecord.load(found.save(tmp_path))


def test_a_universe_without_bitcoin_has_no_benchmark_and_still_a_page(tmp_path):
    found = run(small(bitcoin=False), Holds(SHARE=0.5))
    benchmark = found.metrics()["benchmark"]
    assert benchmark["cagr"] is None
    assert "None" not in str(benchmark.get("name") or "")
    RunRecord.load(found.save(tmp_path))


def test_a_run_of_three_sessions_has_undefined_numbers_and_no_nan(tmp_path):
    panel = small().until(SESSIONS[2])
    found = run(panel, Holds(SHARE=0.5), schedule=Schedule("day"))
    json.dumps(found.metrics(), allow_nan=False)
    RunRecord.load(found.save(tmp_path))


def test_an_order_that_never_found_a_session_is_told(panel):
    silent = small()
    close = silent.fields["close"]
    values = close.values.copy()
    values.loc["2024-03-20":, "SHARE"] = np.nan
    silent = replace(silent, fields={"close": replace(close, values=values)})
    found = run(silent, Holds(SHARE=0.5), schedule=Schedule("week", date(2024, 3, 20)))
    (notice,) = [n for n in found.manifest()["notices"] if n["kind"] == "unfilled"]
    assert notice["asset"] == "SHARE"


# Plain data


def test_a_saved_run_reads_back_with_the_same_numbers(result, tmp_path):
    folder = result.save(tmp_path)
    record = RunRecord.load(folder)
    assert folder.name == result.run_id == record.name
    assert record.manifest == json.loads(json.dumps(result.manifest()))
    assert record.metrics == json.loads(json.dumps(result.metrics()))
    for table in ("returns", "weights", "targets", "orders", "limits", "executed", "costs"):
        pd.testing.assert_frame_equal(
            getattr(record, table), getattr(result, table), check_dtype=False, check_freq=False,
            check_column_type=False,
        )  # fmt: skip


def test_what_sizing_did_is_on_the_result_and_in_its_description(result):
    told = result.manifest()["sizing"]
    assert told == result.sizing
    assert told["executed_share"] == pytest.approx(executed_total(result.executed))
    paid = result.returns[["fees", "slippage"]].to_numpy().sum()
    assert told["costs"]["charged_usd"] == pytest.approx(paid, rel=1e-9)
    assert told["costs"]["assumed_usd"] == pytest.approx(result.costs["assumed_usd"].sum())
    assert told["decisions"] == sum(told["statuses"].values()) == len(result.account.decisions)


def test_the_page_can_be_left_out(result, tmp_path):
    assert not (result.save(tmp_path, page=False) / "report.html").exists()


def test_the_page_and_the_notebook_view_come_from_the_record(result, tmp_path):
    page = result.to_html(tmp_path / "page.html").read_text()
    assert page.lower().startswith("<!doctype html>")
    assert "SIMULATED" in page
    assert "<script" not in result._repr_html_()
    assert len(result._repr_html_()) < 100_000


def test_a_simulated_market_is_marked_wherever_the_result_appears(result, tmp_path):
    assert result.manifest()["simulated"] is True
    assert "SIMULATED" in result._repr_html_().upper()


def test_a_run_composed_in_python_describes_itself(panel):
    found = run(panel, BitcoinOnly(), schedule=Schedule("quarter", START))
    manifest = found.manifest()
    assert manifest["strategy"] == "BitcoinOnly"
    assert "BitcoinOnly()" in found.origin.config
    assert manifest["versions"]["vectorbt"] == "1.2.0"
    assert {field["name"] for field in manifest["data"]["fields"]} >= {"close", "hash_rate"}
    assert manifest["hashes"]["data"] == panel.digest()


@component
class Part(Strategy):
    """Part of the book in bitcoin."""

    weight: Fraction = 0.5

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame({"COIN": self.weight}, index=panel.sessions)


def test_strategies_composed_in_python_with_other_settings_are_other_runs():
    hashes = {run(small(), Part(weight)).input_sha256 for weight in (0.2, 0.3)}
    assert len(hashes) == 2


@pytest.mark.parametrize("strategy", [Part, lambda: Holds(SHARE=0.5)])
def test_a_strategy_composed_in_python_has_the_same_hash_in_every_process(strategy):
    first, second = (run(small(), strategy(), checks=Checks(0, False)) for _ in range(2))
    assert first.input_sha256 == second.input_sha256
    assert "0x" not in first.origin.config


def test_its_text_is_a_line_and_not_its_data(result):
    assert len(repr(result)) < 200
    assert "decisions" in repr(result)
