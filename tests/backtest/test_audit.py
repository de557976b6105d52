"""The look-ahead audit: planted cheaters are caught, and named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.audit import audit, demand_clean
from toolkit.backtest.engine import TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import LookAheadError
from toolkit.optimize.costs import ProportionalCost
from toolkit.panel import Field, Panel
from toolkit.risk.estimators import CovarianceEstimate, RiskModel
from toolkit.signals.price import Momentum
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, share_equally
from toolkit.universe import Asset, Closing, Membership, Sleeve, Universe

BITCOIN = "SIMBTC"
Given = Mapping[str, pd.DataFrame] | None

SESSIONS = "later sessions"
UNIVERSE = "later assets or events of the universe"
PRICES = {SESSIONS, "later rows of close"}


def loop_with(risk_model: RiskModel | None) -> TimeLoop:
    return TimeLoop(None, risk_model, ProportionalCost(), Schedule(), 1, 1e6)


LOOP = loop_with(None)


def panel_of(market: SampleMarket) -> Panel:
    return assemble([market], market.universe())


MARKETS = {
    "embedded": SampleMarket(),
    "short 21": SampleMarket(seed=21, years=3.0),
    "short 22": SampleMarket(seed=22, years=3.0),
}


@pytest.fixture(scope="module", params=MARKETS)
def panel(request: pytest.FixtureRequest) -> Panel:
    """The embedded default, and two shorter markets, so that a catch is not luck."""
    return panel_of(MARKETS[request.param])


def bitcoin_where(panel: Panel, held: pd.Series) -> pd.DataFrame:
    """A two-state rule: all in bitcoin or all in cash; NaN keeps the state."""
    state = held.astype(float).ffill().fillna(0.0)
    return state.to_frame(BITCOIN)


def where(held: pd.Series, known: pd.Series) -> pd.Series:
    """True or false where the numbers are known, NaN where they are not."""
    return held.astype(float).where(known.notna())


class TomorrowsReturn(Strategy):
    """shift(-1), and a forward fill that hides the last row."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        move = panel.returns()[BITCOIN].shift(-1)
        return bitcoin_where(panel, where(move > 0.0, move.where(move.abs() > 0.04)))


class CentredAverage(Strategy):
    """A centred window, with min_periods=1 so that its end is filled too."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        price = panel.prices()[BITCOIN]
        return bitcoin_where(panel, price < price.rolling(41, center=True, min_periods=1).mean())


class LabelOfTheMonth(Strategy):
    """A month's last price under the label of its first day."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        monthly = panel.prices()[BITCOIN].resample("MS").last()
        rises = monthly.diff() > 0.0
        return bitcoin_where(panel, rises.reindex(panel.sessions, method="ffill"))


class LabelOfTheWeek(Strategy):
    """A week's last price under the label of its Monday."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        price = panel.prices()[BITCOIN]
        weekly = price.resample("W-MON", label="left", closed="left").last()
        rises = weekly.diff() > 0.0
        return bitcoin_where(panel, rises.reindex(panel.sessions, method="ffill"))


class BackFill(Strategy):
    """Momentum of every 21st session, filled backwards in between."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        momentum = Momentum(63).compute(panel)[BITCOIN]
        seldom = momentum.where(np.arange(len(momentum)) % 21 == 0).bfill()
        return bitcoin_where(panel, seldom > 0.0)


class FullSampleScore(Strategy):
    """Growth of the hash rate against the mean and deviation of the full sample."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        growth = np.log(panel.known("hash_rate")["hash_rate"]).diff(30)
        return bitcoin_where(panel, (growth - growth.mean()) / growth.std() > 0.0)


class FutureMembers(Strategy):
    """The same weight in all assets of the universe, listed or not."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        risky = [asset.id for asset in panel.universe if not asset.is_cash]
        return pd.DataFrame(1.0 / len(risky), panel.sessions, risky)


class FuturePivots(Strategy):
    """The same weight in the miners whose last membership says that they pivot."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        pivoting = [
            asset.id
            for asset in panel.universe
            if asset.memberships[-1].sleeve is Sleeve.PIVOTING_MINERS
        ]
        return pd.DataFrame(1.0 / max(1, len(pivoting)), panel.sessions, pivoting)


class RawHashRate(Strategy):
    """The hash rate of a day at the decision of the same day, an hour before it is public."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        raw = panel.field("hash_rate").values["hash_rate"]
        grows = raw.rolling(10).mean() > raw.rolling(30).mean()
        return bitcoin_where(panel, grows.reindex(panel.sessions))


class FullSampleCovariance(Strategy):
    """Minimum variance by the covariance of all returns."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        risky = [name for name in panel.universe.ids if name != panel.universe.cash]
        covariance = panel.returns()[risky].cov().fillna(0.0).to_numpy()
        raw = np.linalg.pinv(covariance).sum(axis=1).clip(min=0.0)
        members = panel.members(list(Sleeve))[risky]
        weights = members * (raw / raw.sum())
        return weights.astype(float)


class SellsBeforeTheEnd(Strategy):
    """The same weight in all listed assets, out of each twenty sessions before its last."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        members = panel.members([sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH])
        for asset in panel.universe:
            if asset.closing:
                last = panel.sessions.searchsorted(pd.Timestamp(asset.closing.last_session))
                members.iloc[max(0, last - 20) :, members.columns.get_loc(asset.id)] = False
        return share_equally(members)


class EpochLengthAtItsStart(Strategy):
    """The length of an epoch at the epoch's own label, two weeks before it is over."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        days = panel.field("epoch_days").values["epoch_days"]
        return bitcoin_where(panel, (days < 14.0).reindex(panel.sessions, method="ffill"))


class KnowsTheLastSession(Strategy):
    """Bitcoin in the later half of the sample."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        middle = panel.sessions[0] + (panel.sessions[-1] - panel.sessions[0]) / 2
        return bitcoin_where(panel, pd.Series(panel.sessions > middle, panel.sessions))


class FullSampleRank(Strategy):
    """Bitcoin where its momentum is in the upper half of the full sample's."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        return bitcoin_where(panel, Momentum(63).compute(panel)[BITCOIN].rank(pct=True) > 0.5)


class AbstainsBeforeAFall(Strategy):
    """No decision, all NaN, on the sessions before a fall; the weights never change."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        falls = panel.returns()[BITCOIN].shift(-1) < -0.03
        return pd.DataFrame({BITCOIN: np.where(falls, np.nan, 1.0)}, panel.sessions)


class Calm(Signal):
    """Whether the next five sessions are calm; one column."""

    def compute(self, panel: Panel) -> pd.DataFrame:
        moves = panel.returns()[BITCOIN].abs()
        calm = moves.rolling(5).max().shift(-5) < 0.10
        return calm.where(moves.notna()).astype(float).ffill().to_frame("calm")


class UnusedSignal(Strategy):
    """A signal that peeks, and targets that do not use it."""

    @property
    def signals(self) -> Mapping[str, Signal]:
        return {"momentum": Momentum(126), "calm": Calm()}

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        return pd.DataFrame({BITCOIN: 1.0}, panel.sessions)


class RareSwitch(Strategy):
    """Weights that drift every session, times a switch that peeks and seldom moves."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        returns = panel.returns()[BITCOIN]
        drift = (0.10 / (returns.rolling(63).std() * np.sqrt(252.0))).clip(upper=1.0)
        jump = returns.shift(-1)
        safe = where(jump > 0.0, jump.where(jump.abs() > 0.10)).ffill().fillna(1.0)
        return (drift * (0.5 + 0.5 * safe)).to_frame(BITCOIN)


@dataclass
class FittedOnce(Strategy):
    """A threshold fitted on the first panel it is shown, and remembered."""

    memory: list[float] = field(default_factory=list)

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        momentum = Momentum(63).compute(panel)[BITCOIN]
        if not self.memory:
            self.memory.append(float(momentum.median()))
        return bitcoin_where(panel, momentum > self.memory[0])


CHEATERS: dict[type[Strategy], set[str]] = {
    TomorrowsReturn: PRICES,
    CentredAverage: PRICES,
    LabelOfTheMonth: PRICES,
    LabelOfTheWeek: PRICES,
    BackFill: PRICES,
    FullSampleScore: {SESSIONS, "later rows of hash_rate"},
    FutureMembers: {UNIVERSE},
    FuturePivots: {UNIVERSE},
    RawHashRate: {"later rows of hash_rate"},
    FullSampleCovariance: PRICES | {UNIVERSE},
    SellsBeforeTheEnd: {SESSIONS, UNIVERSE},
    EpochLengthAtItsStart: {"later rows of epoch_days"},
    KnowsTheLastSession: {SESSIONS},
    FullSampleRank: PRICES,
    AbstainsBeforeAFall: PRICES,
    UnusedSignal: PRICES,
    RareSwitch: PRICES,
    FittedOnce: PRICES,
}
"""Strategies that use the future, and the parts of the panel that they could use it through."""


@pytest.mark.parametrize("cheater", CHEATERS, ids=lambda cheater: cheater.__name__)
def test_a_cheater_is_caught_with_the_default_cuts_and_its_source_is_named(
    cheater: type[Strategy], panel: Panel
) -> None:
    result = audit(LOOP, cheater(), panel)
    assert result.cuts == 40
    assert result.differences > 0
    named = {part for found in result.findings[:3] for part in found.culprit.split(" and ")}
    assert named
    assert named <= CHEATERS[cheater]


def test_a_signal_is_caught_although_no_target_changes() -> None:
    found = audit(LOOP, UnusedSignal(), panel_of(MARKETS["short 21"]))
    assert {finding.what for finding in found.findings} == {"signal calm"}


@pytest.mark.parametrize("cheater", [SellsBeforeTheEnd, RareSwitch, LabelOfTheWeek])
def test_other_cuts_catch_the_rarest_cheaters_too(cheater: type[Strategy]) -> None:
    panel = panel_of(MARKETS["short 22"])
    assert all(audit(LOOP, cheater(), panel, seed=seed).differences for seed in (1, 2))


# What is said of a cheater


def test_the_refusal_names_value_asset_session_source_and_remedy() -> None:
    panel = panel_of(MARKETS["short 21"])
    result = audit(LOOP, RawHashRate(), panel)
    first = result.findings[0]
    with pytest.raises(LookAheadError) as refusal:
        demand_clean(result)
    text = str(refusal.value)
    assert text.startswith(f"targets of {first.asset} on {first.session}: ")
    assert f"with the data known on {first.cut}" in text
    assert "through later rows of hash_rate." in text
    assert f"{result.differences} differences at 40 cuts" in text
    assert "Panel.known" in text
    assert refusal.value.exit_code == 4


def test_a_hit_shows_the_value_with_the_future_and_without() -> None:
    panel = panel_of(MARKETS["short 21"])
    for found in audit(LOOP, TomorrowsReturn(), panel).findings:
        assert {found.full, found.without_future} == {0.0, 1.0}
        assert found.session <= found.cut


# A tiny market: sixty sessions, one asset that is listed late, one that ends


DAYS = pd.bdate_range("2024-01-02", periods=60, unit="ns")


def member(name: str, sleeve: Sleeve, row: int = 0, closing: Closing | None = None) -> Asset:
    since = DAYS[row].date()
    return Asset(name, (Membership(sleeve, since),), usable_from=since, closing=closing)


def tiny_panel() -> Panel:
    random = np.random.default_rng(5)
    ends = Closing("delisting", DAYS[50].date(), DAYS[40].date())
    universe = Universe(
        (
            member(BITCOIN, Sleeve.BITCOIN),
            member("OLD", Sleeve.LEGACY_MINERS, closing=ends),
            member("NEW", Sleeve.AI_INFRASTRUCTURE, row=30),
            member("CASH", Sleeve.CASH),
        )
    )
    moves = random.normal(0.0, 0.03, (60, 4)) * [1.0, 1.0, 1.0, 0.0]
    closes = pd.DataFrame(100.0 * np.cumprod(1.0 + moves, axis=0), DAYS, list(universe.ids))
    closes.loc[: DAYS[29], "NEW"] = np.nan
    closes.loc[DAYS[51] :, "OLD"] = np.nan
    public = (DAYS + pd.Timedelta(hours=21)).tz_localize("UTC")
    return Panel(universe, DAYS, {"close": Field(closes, public, "USD", "test")})


class Momentary(Strategy):
    """Bitcoin where it rose today: honest, and different nearly every session."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        return bitcoin_where(panel, panel.returns()[BITCOIN] > 0.0)


def test_without_a_number_every_session_is_a_cut() -> None:
    result = audit(LOOP, Momentary(), tiny_panel(), None)
    assert (result.cuts, result.differences) == (60, 0)


def test_every_session_that_peeks_is_found_when_every_session_is_a_cut() -> None:
    panel = tiny_panel()
    moves = panel.returns()[BITCOIN].to_numpy()

    class Tomorrow(Strategy):
        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            return bitcoin_where(panel, panel.returns()[BITCOIN].shift(-1) > 0.0)

    found = audit(LOOP, Tomorrow(), panel, None).findings
    rises_tomorrow = np.flatnonzero(moves[1:] > 0.0)
    assert [finding.cut for finding in found] == [f"{DAYS[row]:%Y-%m-%d}" for row in rises_tomorrow]
    assert [finding.session for finding in found] == [finding.cut for finding in found]


def test_a_strategy_that_fails_without_the_future_has_used_it() -> None:
    class NamesALateAsset(Strategy):
        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            listed = panel.prices()["NEW"].notna()
            return pd.DataFrame({BITCOIN: np.where(listed, 0.5, 1.0)}, panel.sessions)

    result = audit(LOOP, NamesALateAsset(), tiny_panel(), None)
    assert result.differences == 30
    assert result.findings[0].culprit == UNIVERSE
    with pytest.raises(LookAheadError, match=r"KeyError\('NEW'\)"):
        demand_clean(result)


def test_a_strategy_that_fails_before_its_first_target_is_honest() -> None:
    class NeedsHistory(Strategy):
        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            held = panel.returns()[BITCOIN].rolling(20).mean() > 0.0
            if len(held) < 20:
                raise ValueError("not enough history")
            return held.astype(float).where(np.arange(len(held)) >= 19).to_frame(BITCOIN)

    assert audit(LOOP, NeedsHistory(), tiny_panel(), None).differences == 0


def test_chance_is_told_from_the_future() -> None:
    class Dice(Strategy):
        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            drawn = np.random.default_rng().random(len(panel.sessions))
            return pd.DataFrame({BITCOIN: drawn}, panel.sessions)

    result = audit(LOOP, Dice(), tiny_panel(), 5)
    assert result.differences == 5
    assert result.findings[0].culprit.startswith("chance")


def test_an_infinite_value_is_no_difference_and_never_reported_as_a_number() -> None:
    class Infinite(Signal):
        def compute(self, panel: Panel) -> pd.DataFrame:
            first = panel.returns() * 0.0 + np.inf
            first.iloc[-1] = -np.inf
            return first

    class Watches(Strategy):
        @property
        def signals(self) -> Mapping[str, Signal]:
            return {"infinite": Infinite()}

        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            return pd.DataFrame({BITCOIN: 1.0}, panel.sessions)

    found = audit(LOOP, Watches(), tiny_panel(), None).findings
    # The last row of the cut differs, the rows before it are infinite in both.
    assert all(finding.session == finding.cut for finding in found)
    assert {finding.full for finding in found} == {None}


# Risk models


class Remembers(RiskModel):
    """Keeps the last session of each frame it is shown."""

    def __init__(self) -> None:
        self.shown: list[pd.Timestamp] = []

    def covariance(self, returns: pd.DataFrame, periods_per_year: float) -> CovarianceEstimate:
        self.shown.append(returns.index[-1])
        matrix = pd.DataFrame(np.eye(returns.shape[1]), returns.columns, returns.columns)
        return CovarianceEstimate(matrix, 0.0, returns.notna().sum())


def test_a_risk_model_cannot_cheat_for_it_is_shown_no_row_after_the_decision() -> None:
    panel = panel_of(MARKETS["short 21"])
    decided, audited = Remembers(), Remembers()
    made = loop_with(decided).run(Momentary(), panel).decisions
    assert decided.shown == [decision.decision.session for decision in made]
    result = audit(loop_with(audited), Momentary(), panel, 10)
    assert result.differences == 0
    cuts = sorted(set(audited.shown))
    assert len(cuts) == 10
    assert audited.shown == [cut for cut in cuts for _ in ("whole", "past")]


class SpreadOverAll(RiskModel):
    """One variance for all columns, listed or not: the mean over all of them."""

    def covariance(self, returns: pd.DataFrame, periods_per_year: float) -> CovarianceEstimate:
        variance = float(returns.fillna(0.0).var().mean()) * periods_per_year
        matrix = pd.DataFrame(variance * np.eye(returns.shape[1]), returns.columns, returns.columns)
        return CovarianceEstimate(matrix, 0.0, returns.notna().sum())


def test_a_risk_model_that_counts_assets_not_listed_yet_is_caught() -> None:
    result = audit(loop_with(SpreadOverAll()), Momentary(), tiny_panel(), None)
    assert {finding.what for finding in result.findings} == {"covariance"}
    assert {finding.culprit for finding in result.findings[:3]} == {UNIVERSE}
    assert max(finding.cut for finding in result.findings) < f"{DAYS[30]:%Y-%m-%d}"


# Sized decisions


class PeekingSchedule(Schedule):
    """Decides only before bitcoin rises."""

    def decisions(self, panel: Panel, decided: np.ndarray) -> np.ndarray:
        rises = panel.returns()[BITCOIN].shift(-1) > 0.0
        return np.flatnonzero(rises.to_numpy() & decided)


def test_the_deep_audit_sees_what_happens_after_the_targets() -> None:
    class Half(Strategy):
        def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
            return pd.DataFrame({BITCOIN: 0.5}, panel.sessions)

    peeking = TimeLoop(None, None, ProportionalCost(), PeekingSchedule(), 1, 1e6)
    assert audit(peeking, Half(), tiny_panel(), 20).differences == 0
    found = audit(peeking, Half(), tiny_panel(), 20, deep=True).findings
    assert {finding.what for finding in found} == {"sized weights"}
    assert found[0].culprit == f"{SESSIONS} and later rows of close"


# What was written or laid out with hindsight


@dataclass(frozen=True)
class CountsColumns(Strategy):
    """Shares over all columns of the prices, also those of assets that list years later."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        known = panel.known("close")
        return known.notna() / known.shape[1]


@dataclass(frozen=True)
class ReadsNotices(Strategy):
    """Leaves out what the notices of the data speak of."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        named = {notice.asset for notice in panel.notices}
        held = panel.members([Sleeve.AI_INFRASTRUCTURE])
        return share_equally(held & ~held.columns.isin(named))


@dataclass(frozen=True)
class ReadsNotes(Strategy):
    """Leaves out assets with a note, which was written knowing their fate."""

    def targets(self, panel: Panel, signals: Given = None) -> pd.DataFrame:
        noted = [asset.id for asset in panel.universe if asset.note]
        held = panel.members([Sleeve.LEGACY_MINERS])
        return share_equally(held & ~held.columns.isin(noted))


@pytest.mark.parametrize("cheater", [CountsColumns, ReadsNotices, ReadsNotes])
def test_hindsight_in_columns_notices_and_notes_is_caught(cheater: type[Strategy]) -> None:
    panel = panel_of(SampleMarket())
    noted = tuple(
        replace(asset, note="acquired later") if asset.id == "MERKLE" else asset
        for asset in panel.universe
    )
    panel = replace(panel, universe=replace(panel.universe, assets=noted))
    assert audit(LOOP, cheater(), panel).differences > 0
