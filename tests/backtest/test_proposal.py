"""Today's decision is the backtest's own, and its trades lead there from what is held."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.engine import TimeLoop
from toolkit.backtest.holdings import Holdings
from toolkit.backtest.overlays import DrawdownStop, VolatilityTarget
from toolkit.backtest.proposal import Proposal, panel_at, propose
from toolkit.backtest.trades import TradeTerms, trades_to
from toolkit.config import Experiment
from toolkit.errors import DataError, UnknownAssetError
from toolkit.optimize.costs import LARGEST_IMPACT
from toolkit.panel import Panel
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.strategy import Strategy

SCHEDULED, BETWEEN = pd.Timestamp("2024-06-28"), pd.Timestamp("2024-07-16")
DATA = os.environ.get("HASHPIVOT_DATA", "")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment.from_toml("pivot_rotation", ["data.start=2023-06-01"])


@pytest.fixture(scope="module")
def panel(experiment) -> Panel:
    return experiment.panel()


@pytest.fixture(scope="module")
def strategy(experiment) -> Strategy:
    return experiment.strategy()


@pytest.fixture(scope="module")
def loop(experiment) -> TimeLoop:
    return experiment.backtester().loop


@pytest.fixture(scope="module")
def scheduled(loop, strategy, panel) -> Proposal:
    return propose(loop, strategy, panel.until(SCHEDULED))


def own_units(loop, strategy, panel) -> Holdings:
    """What the backtest's account holds after the panel's last session."""
    simulation = loop.run(strategy, panel).simulation
    units = simulation.units.iloc[-1]
    cash = panel.universe.cash
    money = simulation.book.cash[-1] + units[cash] * panel.prices()[cash].iloc[-1]
    return Holdings(units.drop(cash).to_dict(), float(money))


def test_at_a_scheduled_decision_it_is_what_the_backtest_orders(loop, strategy, panel, scheduled):
    account = loop.run(strategy, panel)
    (made,) = [d for d in account.decisions if d.decision.session == SCHEDULED]
    assert scheduled.session == scheduled.last_scheduled == SCHEDULED
    gap = (made.weights - scheduled.weights.reindex(made.weights.index).fillna(0.0)).abs().max()
    assert gap <= 1e-12


def test_the_backtest_s_own_holdings_given_as_holdings_change_nothing(
    loop, strategy, panel, scheduled
):
    cut = panel.until(SCHEDULED)
    given = propose(loop, strategy, cut, own_units(loop, strategy, cut))
    assert given.own_holdings
    assert not scheduled.own_holdings
    assert (given.weights - scheduled.weights).abs().max() <= 1e-9
    assert given.trades.equity == pytest.approx(scheduled.trades.equity, rel=1e-12)


def test_between_scheduled_decisions_it_decides_from_the_last_session(loop, strategy, panel):
    found = propose(loop, strategy, panel.until(BETWEEN))
    assert (found.session, found.last_scheduled) == (BETWEEN, SCHEDULED)
    daily = replace(loop, schedule=replace(loop.schedule, every="day"))
    target = daily.run(strategy, panel.until(BETWEEN)).decisions[-1].decision.target
    pd.testing.assert_series_equal(found.explanation.target, target, check_names=False)


def test_what_comes_after_changes_nothing(loop, strategy, panel):
    later = replace(panel, sessions=panel.sessions[: panel.sessions.get_loc(BETWEEN) + 30])
    short = propose(loop, strategy, panel_at(later.until(BETWEEN), BETWEEN.date())[0])
    full = propose(loop, strategy, panel_at(panel, BETWEEN.date())[0])
    assert short.as_json() == full.as_json()


def test_trades_times_prices_and_cash_sum_to_the_equity_that_costs_leave(scheduled):
    trades = scheduled.trades
    after = trades.table["held_units"] + trades.table["units"]
    worth = float((after * trades.table["price"]).sum()) + trades.cash_after
    assert worth == pytest.approx(trades.equity_after, rel=1e-12)
    assert trades.equity_after == pytest.approx(
        trades.equity - trades.fees - trades.slippage, rel=1e-12
    )
    assert trades.fees > 0.0
    held = trades.table["weight"]
    wanted = scheduled.weights[held.index]
    np.testing.assert_allclose(held, wanted, rtol=0.0, atol=1e-9)


def terms_of(prices: list[float], **changes) -> TradeTerms:
    """Terms of A, B and USD: free, known and open, but for the changes."""
    names = pd.Index(["A", "B", "USD"])
    terms = TradeTerms(
        prices=pd.Series(prices, names),
        fee=0.0,
        slippage=pd.Series(0.0, names),
        impact=pd.Series(0.0, names),
        volumes=pd.Series(np.nan, names),
        buyable=pd.Series(True, names),
        tradable=pd.Series(True, names),
        cash="USD",
    )
    series = {k: v if k == "fee" else pd.Series(v, names) for k, v in changes.items()}
    return replace(terms, **series)


def book(a: float, b: float, usd: float) -> pd.Series:
    return pd.Series([a, b, usd], ["A", "B", "USD"])


def test_costs_are_those_of_the_rates_on_both_sides():
    terms = terms_of(
        [6.0, 5.0, 1.0], fee=0.01, slippage=[0.02, 0.03, 0.0], volumes=[1200.0, np.nan, np.nan]
    )
    found = trades_to(book(0.0, 0.5, 0.5), book(600.0, 0.0, 400.0), terms)
    sold, bought = found.table.loc["A"], found.table.loc["B"]
    assert (sold["units"], sold["days"]) == (pytest.approx(-100.0), pytest.approx(0.5))
    assert np.isnan(bought["days"])
    assert found.as_json()["liquidity"] == "NOT CHECKED"
    cost = 600.0 * (1.0 - 0.98 * 0.99) + bought["value"] * (1.03 * 1.01 - 1.0)
    assert found.equity - found.equity_after == pytest.approx(cost)
    assert found.costs == pytest.approx(cost)
    assert bought["value"] == pytest.approx(0.5 * found.equity_after)


def test_impact_grows_with_the_root_of_the_trade_and_is_bounded():
    found = trades_to(
        book(0.5, 0.5, 0.0),
        book(0.0, 0.0, 10_000.0),
        terms_of([1.0, 1.0, 1.0], impact=[1e-4, 1.0, 0.0]),
    )
    first, second = found.table["value"]
    assert found.impact == pytest.approx(1e-4 * first**1.5 + LARGEST_IMPACT * second)
    assert found.cash_after == pytest.approx(0.0, abs=1e-6)


def test_what_may_not_be_bought_is_not_and_what_is_closed_waits():
    terms = terms_of([1.0, 1.0, 1.0], buyable=[False, True, True], tradable=[True, False, True])
    found = trades_to(book(0.5, 0.5, 0.0), book(0.0, 0.0, 100.0), terms)
    assert list(found.table.index) == ["B"]
    assert found.table.loc["B", "waits"]
    assert found.cash_after == pytest.approx(50.0)


def test_with_impact_the_expected_costs_are_what_the_ledger_would_charge_at_these_prices(
    experiment, strategy, panel
):
    settings = [
        "data.start=2023-06-01", "cost.kind=SquareRootCost", "cost.estimated_spread=true",
        "account.initial_cash=100_000_000.0",
    ]  # fmt: skip
    costly = Experiment.from_toml("pivot_rotation", settings).backtester().loop
    row = panel.sessions.get_loc(SCHEDULED)
    # The fill at the prices of the decision: the next session repeats them.
    still = frozen(panel, row)
    found = propose(costly, strategy, still.until(SCHEDULED))
    account = costly.run(strategy, still)
    charged = account.simulation.fees.iloc[row - account.first + 1]
    slipped = account.simulation.slippage.iloc[row - account.first + 1]
    trades = found.trades
    assert trades.impact > 0.0
    assert trades.fees == pytest.approx(charged, rel=1e-6)
    assert trades.slippage + trades.impact == pytest.approx(slipped, rel=1e-6)
    assert trades.as_json()["liquidity"] == "checked"


def frozen(panel: Panel, row: int) -> Panel:
    """The panel, whose prices of the session after a row repeat those of the row."""
    close = panel.field("close")
    values = close.values.copy()
    day, following = panel.sessions[row], panel.sessions[row + 1]
    values.loc[following] = values.loc[:day].ffill().iloc[-1]
    return replace(panel, fields={**panel.fields, "close": replace(close, values=values)})


def test_risk_before_and_after_is_that_of_the_weights(loop, strategy, panel, scheduled):
    cut = panel.until(SCHEDULED)
    covariance = loop.view(cut).covariance(len(cut.sessions) - 1).matrix
    weights = scheduled.weights[covariance.columns].to_numpy()
    expected = np.sqrt(weights @ covariance.to_numpy() @ weights)
    assert scheduled.after.volatility == pytest.approx(expected, rel=1e-9)
    assert scheduled.before.volatility != scheduled.after.volatility
    assert scheduled.after.expected_shortfall_95 > 0.0
    assert scheduled.after.betas["bitcoin"] > 0.0


def test_without_a_risk_model_volatility_is_not_checked(panel):
    bare = Experiment.from_toml("equal_weight", ["data.start=2024-01-02"])
    loop = replace(bare.backtester().loop, risk_model=None, optimizer=None)
    found = propose(loop, bare.strategy(), panel.until(SCHEDULED))
    assert found.after.volatility is None
    assert found.explanation.limits == ()


def test_overlays_are_those_of_the_backtest_and_their_share_is_applied(loop, strategy, panel):
    cut = panel.until(BETWEEN)
    overlays = (VolatilityTarget(target=0.1, floor=0.2), DrawdownStop(stages=((0.5, 0.0),)))
    watched = replace(loop, overlays=overlays)
    account = watched.run(strategy, cut)
    found = propose(watched, strategy, cut)
    assert found.share == account.watch.share < 1.0
    assert [state.state for state in found.overlays] == [m.state for m in account.watch.machines]
    plain = propose(loop, strategy, cut)
    cash = cut.universe.cash
    expected = plain.weights * found.share
    expected[cash] += 1.0 - found.share
    assert (found.weights - expected).abs().max() <= 1e-9
    assert any("Overlays keep" in text for text in found.warnings)


def test_holdings_under_overlays_stand_for_the_book_that_they_are_the_share_of(
    loop, strategy, panel
):
    cut = panel.until(BETWEEN)
    watched = replace(loop, overlays=(VolatilityTarget(target=0.1, floor=0.2, band=0.5),))
    found = propose(watched, strategy, cut, own_units(watched, strategy, cut))
    account = watched.run(strategy, cut)
    book = found.explanation.current
    assert book.sum() == pytest.approx(1.0)
    assert (book - account.full.weights.iloc[-1]).abs().max() < 0.05


def test_without_a_target_what_is_held_stays(loop, strategy, panel):
    cut = panel.until(BETWEEN)
    silent = Silent(strategy, BETWEEN)
    found = propose(loop, silent, cut)
    assert not found.decided
    assert (found.trades.table["units"] == 0.0).all()
    assert any("no target" in text for text in found.warnings)
    given = propose(loop, silent, cut, Holdings({"SIMBTC": 3.0}, 1000.0))
    assert (given.trades.table["units"] == 0.0).all()


class Silent(Strategy):
    """Another strategy that says nothing after one session."""

    def __init__(self, other: Strategy, silent: pd.Timestamp) -> None:
        self.other, self.silent = other, silent

    @property
    def signals(self):
        return self.other.signals

    def targets(self, panel, signals=None):
        targets = self.other.targets(panel, signals)
        targets.loc[targets.index == self.silent] = np.nan
        return targets


def test_an_order_that_is_still_open_stands(loop, strategy, panel):
    slow = replace(loop, fill_delay=5)
    after = panel.until(pd.Timestamp("2024-07-02"))
    found = propose(slow, strategy, after)
    assert found.explanation.session == SCHEDULED
    assert any("still open" in text for text in found.warnings)


def test_data_are_stale_after_three_sessions(panel):
    last = panel.sessions[-1]
    assert str(last.date()) == "2025-01-03"
    assert panel_at(panel, date(2025, 1, 8))[1] == 3
    with pytest.raises(DataError, match=r"2025-01-03, 4 sessions before 2025-01-10"):
        panel_at(panel, date(2025, 1, 10))  # 9 January 2025 was a day of mourning
    assert panel_at(panel, date(2025, 1, 10), allow_stale=True)[1] == 4
    assert panel_at(panel, date(2025, 1, 5))[1] == 0
    with pytest.raises(DataError, match="no data as of"):
        panel_at(panel, date(2010, 1, 4))


def written(tmp_path, text: str):
    path = tmp_path / "held.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_holdings_are_read_as_they_stand(tmp_path, panel):
    path = written(tmp_path, "\ufeffunits,note,asset\n2.5,mine,SIMBTC\n\n1000,,USD\n0,,NONCE\n")
    assert Holdings.read(path, panel.universe) == Holdings({"SIMBTC": 2.5, "NONCE": 0.0}, 1000.0)
    path = written(tmp_path, "asset,units\nCASH,7\n")
    assert Holdings.read(path, panel.universe) == Holdings({}, 7.0)


@pytest.mark.parametrize(
    ("text", "kind", "told"),
    [
        ("asset,units\nSIMBTZ,1\n", UnknownAssetError, r"line 2: asset 'SIMBTZ'.*'SIMBTC'"),
        ("asset,units\nSIMBTC,-1\n", DataError, "line 2: units of SIMBTC are -1"),
        ("asset,units\nSIMBTC,1\nSIMBTC,2\n", DataError, "line 3: SIMBTC is there twice"),
        ("asset,units\nUSD,1\nCASH,2\n", DataError, "line 3: CASH is there twice"),
        ("asset,units\nSIMBTC,nan\n", DataError, "line 2: units of SIMBTC are 'nan'"),
        ("asset,units\nSIMBTC,inf\n", DataError, "finite"),
        ("asset,units\nSIMBTC,\n", DataError, "line 2: units of SIMBTC are ''"),
        ("asset,units\nSIMBTC,1,000\n", DataError, "line 2: 3 cells under 2 columns"),
        ("asset,shares\nSIMBTC,1\n", DataError, "line 1: expected one column 'units'"),
        ("", DataError, "found nothing"),
        ("asset,units\n", DataError, "holds nothing"),
        ('asset,units\n"SIMBTC,1\n', DataError, "no valid CSV"),
        ("asset,units\n" + "SIMBTC,1\n" * 120_000, DataError, "larger than 1 MB"),
    ],
)
def test_bad_holdings_are_refused_with_file_and_line(tmp_path, panel, text, kind, told):
    with pytest.raises(kind, match=told) as refused:
        Holdings.read(written(tmp_path, text), panel.universe)
    assert "held.csv" in str(refused.value)


def test_a_holding_without_a_price_is_refused():
    # Over the whole market one name has come to its end.
    bare = Experiment.from_toml("bitcoin_only", ["data.start=2017-01-03"])
    loop, strategy, whole = bare.backtester().loop, bare.strategy(), bare.panel()
    cut = whole.until(whole.sessions[-1])
    unpriced = next(name for name, p in cut.prices().iloc[-1].items() if not p > 0.0)
    with pytest.raises(DataError, match=f"{unpriced}, which has no price"):
        propose(loop, strategy, cut, Holdings({unpriced: 1.0}, 10.0))


@pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA is not set")
def test_on_real_prices_the_limits_hold_from_any_holdings():
    settings = [f'data.folder="{DATA}"', "data.start=2024-01-02"]
    experiment = Experiment.from_toml("pivot_rotation", settings)
    panel, _ = panel_at(experiment.panel(), date(2025, 6, 30))
    held = Holdings({"BTC": 3.0, "NVDA": 800.0}, 50_000.0)
    found = propose(experiment.backtester().loop, experiment.strategy(), panel, held)
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-9)
    for limit in found.explanation.limits:
        beyond = (
            limit.cap - limit.at_weights
            if limit.name == "MinCash"
            else (limit.at_weights - limit.cap)
        )
        assert beyond <= limit.relaxed + 1e-6
    assert {x.name for x in found.explanation.limits if x.shadow_price} >= {"MaxTurnover"}


class Repaired(ExponentialCovariance):
    """An estimate that says it was repaired."""

    def covariance(self, returns, periods_per_year, factors=None):
        return replace(super().covariance(returns, periods_per_year, factors), repair=0.07)


def test_a_repaired_covariance_is_a_warning(loop, strategy, panel, scheduled):
    assert not any("repaired" in text for text in scheduled.warnings)
    found = propose(replace(loop, risk_model=Repaired()), strategy, panel)
    assert any("an eigenvalue of its correlations was -0.07" in text for text in found.warnings)
