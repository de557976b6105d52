"""Honest strategies never trip the look-ahead audit, and no account sees tomorrow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import BitcoinOnly, EqualWeight, InverseVolatility, StaticMix
from strategies.difficulty_rotation import DifficultyRotation
from strategies.hash_ribbon_timing import HashRibbonTiming
from strategies.kappa_spread import KappaSpreadTilt
from strategies.miner_margin import MinerMarginSwitch
from strategies.trend_control import TrendControl
from toolkit.backtest.audit import audit
from toolkit.backtest.engine import Account, TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.clock import ClockName
from toolkit.config import Experiment
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import UnknownAssetError
from toolkit.optimize.costs import ProportionalCost
from toolkit.optimize.limits import MaxSleeveWeight, MaxTurnover, MaxVolatility, MaxWeight, MinCash
from toolkit.optimize.objectives import TrackTarget
from toolkit.optimize.optimizer import Optimizer
from toolkit.panel import Field, Panel
from toolkit.risk.estimators import ExponentialCovariance, LedoitWolf, RiskModel
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, share_equally, share_in_proportion
from toolkit.universe import MINERS, Sleeve

BITCOIN = "SIMBTC"
Given = Mapping[str, pd.DataFrame] | None

SHIPPED = (
    BitcoinOnly(),
    EqualWeight(),
    StaticMix(),
    InverseVolatility(),
    TrendControl(),
    DifficultyRotation(),
    HashRibbonTiming(),
    MinerMarginSwitch(),
    KappaSpreadTilt(),
)
names = [type(strategy).__name__ for strategy in SHIPPED]


def loop(
    risk_model: RiskModel | None = None,
    optimizer: Optimizer | None = None,
    schedule: Schedule | None = None,
) -> TimeLoop:
    return TimeLoop(optimizer, risk_model, ProportionalCost(), schedule or Schedule("week"), 1, 1e6)


WITH_RISK = loop(ExponentialCovariance())


def market(seed: int, years: float = 3.0, clock: ClockName = "XNYS") -> Panel:
    source = SampleMarket(seed=seed, years=years)
    return assemble([source], source.universe(), clock)


@pytest.fixture(scope="module")
def panel() -> Panel:
    """Three years with late listings, a bankruptcy, a halt, a hole, a split and two pivots."""
    return market(seed=31)


# Honest strategies


@pytest.mark.parametrize("turn", range(len(SHIPPED)), ids=names)
def test_no_shipped_strategy_trips_the_audit_on_200_markets_taken_in_turn(turn: int) -> None:
    strategy = SHIPPED[turn]
    tripped = {}
    for seed in range(turn, 200, len(SHIPPED)):
        found = audit(WITH_RISK, strategy, market(seed))
        assert found.cuts == 40
        if found.differences:
            tripped[seed] = found.findings[0]
    assert tripped == {}


@pytest.mark.parametrize("name", ["ai_token_satellite", "investors_dilemma", "pivot_rotation"])
def test_no_strategy_of_the_pivot_trips_the_audit(name: str) -> None:
    strategy = Experiment.from_toml(name).strategy()
    assert audit(WITH_RISK, strategy, market(200), 10).findings == ()


@pytest.mark.parametrize("strategy", SHIPPED, ids=names)
def test_the_24_7_clock_trips_no_shipped_strategy(strategy: Strategy) -> None:
    on_all_days = market(seed=32, clock="24/7")
    assert audit(WITH_RISK, strategy, on_all_days, 20).differences == 0


@pytest.mark.parametrize("strategy", SHIPPED, ids=names)
def test_every_session_around_a_bankruptcy_and_a_late_listing_is_clean(
    strategy: Strategy, panel: Panel
) -> None:
    """Around the dated facts every session is a cut: the panel is shortened to end after them."""
    closing = panel.universe["ORPHAN"].closing
    assert closing is not None
    listed = panel.universe["JOULES"].usable_from
    for day in (closing.known_from, closing.last_session, closing.settlement, listed):
        after = panel.sessions.searchsorted(pd.Timestamp(day)) + 3
        short = panel.until(panel.sessions[after])
        whole = strategy.targets(short)
        for row in range(after - 5, after):
            cut = short.sessions[row]
            again = strategy.targets(short.until(cut))
            columns = list(again.columns)
            pd.testing.assert_frame_equal(whole.loc[:cut, columns], again, rtol=0.0, atol=1e-12)


class NeutralFill(Signal):
    """Momentum ranks across assets, one half where there is none, also for assets not listed."""

    def compute(self, panel: Panel) -> pd.DataFrame:
        prices = panel.prices()
        return (prices / prices.shift(63)).rank(axis=1, pct=True).fillna(0.5)


class Dollars(Signal):
    """A number of the order of 1e21, a sum over however many assets there are.

    Its last bits depend on the number of columns, whether or not they hold anything.
    """

    def compute(self, panel: Panel) -> pd.DataFrame:
        values = np.ascontiguousarray(panel.prices().fillna(0.0).to_numpy()) * (1e18 / 3.0)
        return pd.DataFrame({"value": values.sum(axis=1)}, panel.sessions)


class Patchwork(Strategy):
    """What honest authors write: expanding moments, ranks, months by the calendar, stale limits."""

    @property
    def signals(self) -> Mapping[str, Signal]:
        return {"rank": NeutralFill(), "dollars": Dollars()}

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        rank = self.read(panel, signals)["rank"]
        epoch = panel.known("epoch_days", max_age=pd.Timedelta(days=60))["epoch_days"]
        growth = np.log(panel.known("hash_rate")["hash_rate"]).diff(20)
        score = (growth - growth.expanding(60).mean()) / growth.expanding(60).std()
        fast = ((epoch < 14.0) & (score > 0.0)).astype(float)
        month = panel.sessions.to_period("M")
        first_of_month = ~pd.Series(month, panel.sessions).duplicated()
        chosen = panel.members([Sleeve.AI_INFRASTRUCTURE, *MINERS]) & (rank > 0.5)
        held = share_equally(chosen).where(first_of_month).ffill()
        return held.mul(0.4 + 0.4 * fast, axis=0)


class BuysWhatIsListed(Strategy):
    """Everything from its listing on, by age; out of what is known to end."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        age = panel.prices().notna().cumsum().where(panel.eligible(), 0)
        return share_in_proportion(age.drop(columns=[panel.universe.cash]))


class SmoothedField(Strategy):
    """A field smoothed on its own rows, a window of the past, and seen as it was known."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        smooth = panel.field("hash_price").apply(lambda rows: rows.ewm(halflife=20).mean(), "USD")
        price = panel.known(smooth)["hash_price"]
        return (price > price.rolling(60).mean()).astype(float).to_frame(BITCOIN)


class Sensitive(Strategy):
    """A weight that moves with the last known value of every field."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        fields = {name: panel.known(name) for name in sorted(panel.fields) if name != "close"}
        known = [np.log1p(values).sum(axis=1) for values in (panel.prices(), *fields.values())]
        return (0.5 + 0.4 * np.sin(sum(known))).to_frame(BITCOIN)


OTHERS = (Patchwork(), BuysWhatIsListed(), SmoothedField(), Sensitive())


@pytest.mark.parametrize("strategy", OTHERS, ids=lambda strategy: type(strategy).__name__)
@pytest.mark.parametrize("clock", ["XNYS", "24/7"])
def test_what_honest_authors_write_does_not_trip_the_audit(
    strategy: Strategy, clock: ClockName
) -> None:
    for seed in (33, 34):
        found = audit(WITH_RISK, strategy, market(seed, clock=clock))
        assert found.findings == ()


@pytest.mark.parametrize("risk_model", [ExponentialCovariance(), LedoitWolf()], ids=repr)
def test_no_risk_model_of_ours_counts_assets_not_listed_yet(
    risk_model: RiskModel, panel: Panel
) -> None:
    listed = panel.sessions.searchsorted(pd.Timestamp(panel.universe["GRADIENT"].usable_from))
    for row in range(70, int(listed) + 80, 7):
        cut = panel.sessions[row]
        past = panel.until(cut)
        whole = risk_model.covariance(panel.returns().iloc[: row + 1], 252.0).matrix
        again = risk_model.covariance(past.returns(), 252.0).matrix
        pd.testing.assert_frame_equal(whole, again, rtol=0.0, atol=1e-12)


# Sized decisions


def test_the_deep_audit_of_a_sized_strategy_under_all_limits_is_clean(panel: Panel) -> None:
    cost = ProportionalCost()
    limits = (
        MaxWeight(0.40),
        MaxSleeveWeight(MINERS, 0.35),
        MinCash(0.02),
        MaxTurnover(0.30),
        MaxVolatility(0.40),
    )
    sized = loop(ExponentialCovariance(), Optimizer(TrackTarget(), limits, cost), Schedule("month"))
    result = audit(sized, DifficultyRotation(), panel, 8, deep=True)
    assert (result.cuts, result.findings) == (8, ())


def test_a_limit_on_an_asset_that_lists_later_does_not_trip_the_deep_audit(panel: Panel) -> None:
    """Before its listing the program cannot be stated; after it decisions are compared."""
    limits = (MaxWeight(0.05, ("GRADIENT",)),)
    sized = loop(ExponentialCovariance(), Optimizer(TrackTarget(), limits), Schedule("month"))
    result = audit(sized, EqualWeight(), panel, 12, deep=True)
    assert (result.cuts, result.findings) == (12, ())


def test_a_limit_on_an_asset_that_never_lists_is_an_error_and_no_clean_audit(panel: Panel) -> None:
    limits = (MaxWeight(0.05, ("GRADIEND",)),)
    sized = loop(ExponentialCovariance(), Optimizer(TrackTarget(), limits), Schedule("month"))
    with pytest.raises(UnknownAssetError, match="GRADIEND"):
        audit(sized, EqualWeight(), panel, 4, deep=True)


def test_the_deep_audit_of_a_strategy_that_is_not_sized_is_clean(panel: Panel) -> None:
    assert audit(WITH_RISK, TrendControl(), panel, 8, deep=True).findings == ()


# Perturbations: what is changed later, or closes later, changes nothing before


def with_field(panel: Panel, name: str, values: pd.DataFrame) -> Panel:
    return replace(panel, fields={**panel.fields, name: replace(panel.field(name), values=values)})


def shaken(panel: Panel, row: int, seed: int) -> Panel:
    """Everything that was not public at the decision of a row is multiplied by random numbers."""
    random = np.random.default_rng(seed)
    fields: dict[str, Field] = {}
    for name, quantity in panel.fields.items():
        later = np.asarray(quantity.available_at > panel.decisions[row])
        # Difficulty within what the days between its rows allow: what contradicts them is refused.
        size = 0.02 if name == "difficulty" else 0.5
        factors = np.exp(random.normal(0.0, size, quantity.values.shape))
        values = quantity.values * np.where(later[:, None], factors, 1.0)
        fields[name] = replace(quantity, values=values)
    return replace(panel, fields=fields)


def bytes_until(account: Account, last: int) -> list[bytes]:
    """Decisions, units, orders, cash and equity up to a row, bit by bit."""
    book = account.simulation.book
    stop = last - account.first + 1
    made = [made for made in account.decisions if made.row <= last]
    past = [book.holdings, book.trades, book.cash, book.equity, book.fees, book.slipped]
    return [
        account.dense.iloc[: last + 1].to_numpy().tobytes(),
        *(values[:stop].tobytes() for values in past),
        *(decision.weights.to_numpy().tobytes() for decision in made),
    ]


NEW_YORK_FIRST = pytest.mark.parametrize(
    "strategy", [StaticMix(), DifficultyRotation()], ids=["StaticMix", "DifficultyRotation"]
)


@NEW_YORK_FIRST
def test_the_bitcoin_close_of_a_fill_day_changes_no_share_bought_that_day(
    strategy: Strategy, panel: Panel
) -> None:
    account = WITH_RISK.run(strategy, panel)
    shares = [asset.id for asset in panel.universe if asset.calendar == "XNYS"]
    closes = panel.field("close").values
    fills = [made.row + 1 for made in account.decisions if made.row + 1 < len(panel.sessions)]
    bought = account.simulation.ordered_units
    tested = 0
    for row in fills[30::15]:
        day = panel.sessions[row]
        if not (bought.loc[day, shares] != 0.0).any():
            continue
        tested += 1
        changed = closes.copy()
        changed.loc[day, BITCOIN] *= 1.3
        other = WITH_RISK.run(strategy, with_field(panel, "close", changed))
        again = other.simulation.ordered_units
        assert again.loc[day, shares].to_numpy().tobytes() == (
            bought.loc[day, shares].to_numpy().tobytes()
        )
        assert bytes_until(other, row - 1) == bytes_until(account, row - 1)
        # The test can fail: bitcoin itself is bought later that day, at the changed close.
        assert again.loc[day, BITCOIN] != bought.loc[day, BITCOIN]
        assert other.simulation.equity[day] != account.simulation.equity[day]
    assert tested >= 3


@pytest.mark.parametrize("strategy", [*SHIPPED, Sensitive()], ids=[*names, "Sensitive"])
def test_what_becomes_public_after_a_decision_changes_no_bit_of_the_account_before(
    strategy: Strategy, panel: Panel
) -> None:
    account = WITH_RISK.run(strategy, panel)
    for seed, row in enumerate((200, 201, 420, 640)):
        other = WITH_RISK.run(strategy, shaken(panel, row, seed))
        assert bytes_until(other, row) == bytes_until(account, row)
        assert bytes_until(other, row + 10) != bytes_until(account, row + 10)


@pytest.mark.parametrize("strategy", SHIPPED, ids=names)
def test_an_account_up_to_a_session_is_that_of_a_run_which_ended_then(
    strategy: Strategy, panel: Panel
) -> None:
    account = WITH_RISK.run(strategy, panel)
    for row in (200, 300, 455, 470, 640):
        cut = panel.sessions[row]
        ended = WITH_RISK.run(strategy, panel.until(cut)).simulation
        whole = account.simulation
        pd.testing.assert_series_equal(whole.equity[:cut], ended.equity, rtol=1e-12)
        assets = list(ended.units.columns)
        pd.testing.assert_frame_equal(whole.units.loc[:cut, assets], ended.units, rtol=1e-9)
        assert not whole.units.loc[:cut].drop(columns=assets).to_numpy().any()
