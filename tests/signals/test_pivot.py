"""Composite, momentum, sector index and detector of the pivot."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times, sessions_between
from toolkit.errors import ConfigError, DataError
from toolkit.panel import Field, Panel
from toolkit.signals.pivot import PivotMomentum, PivotShare, SectorPivot
from toolkit.signals.pivot_detector import PivotDetector
from toolkit.signals.signal import Signal
from toolkit.universe import Asset, Membership, Sleeve, Universe

START, PIVOT = date(2019, 1, 2), 700
MINERS = ("OLD", "DIG", "ORE", "RIG", "HOST")


@dataclass(frozen=True)
class Planted:
    """What happens in a market: who turns to AI after the pivot's session, and by how much."""

    turn: float = 1.0
    noise: float = 0.03
    leverage: float = 1.0
    rally: float = 0.0
    seed: int = 1


def market(planted: Planted) -> Panel:
    """Five miners in 1,000 sessions; HOST turns within 120 sessions of session 700."""
    random = np.random.default_rng(planted.seed)
    sessions = sessions_between("XNYS", START, date(2023, 1, 31))[:1000]
    count = len(sessions)
    bitcoin = 0.035 * random.standard_normal(count)
    ai = 0.018 * random.standard_normal(count)
    mining = bitcoin + 0.015 * random.standard_normal(count)
    since = np.clip((np.arange(count) - PIVOT) / 120.0, 0.0, 1.0)
    returns = {"COIN": bitcoin, "CHIP": ai + 0.004 * random.standard_normal(count)}
    for name in MINERS:
        share = planted.turn * since if name == "HOST" else 0.0 * since
        scale = 1.0 + (planted.leverage - 1.0) * since
        follows = scale * ((1.0 - share) * mining + (0.4 + 1.6 * share) * ai)
        returns[name] = follows + planted.noise * random.standard_normal(count)
    moves = pd.DataFrame(returns, sessions) + planted.rally * (since > 0.0)[:, None]
    prices = 100.0 * np.exp(moves.cumsum())
    sleeves = {"COIN": Sleeve.BITCOIN, "CHIP": Sleeve.AI_INFRASTRUCTURE}
    assets = tuple(
        Asset(
            name,
            (Membership(sleeves.get(name, Sleeve.LEGACY_MINERS), START),),
            calendar="24/7" if name == "COIN" else "XNYS",
        )
        for name in prices
    )
    close = Field(prices, decision_times(sessions), "USD", "drawn")
    return Panel(Universe(assets), sessions, {"close": close})


class Given(Signal):
    """A signal with given columns, by session."""

    def __init__(self, **columns: np.ndarray | float):
        self.columns = columns

    def compute(self, panel: Panel) -> pd.DataFrame:
        rows = len(panel.sessions)
        values = {
            name: np.full(rows, value) if np.isscalar(value) else np.asarray(value)[:rows]
            for name, value in self.columns.items()
        }
        return pd.DataFrame(values, panel.sessions, dtype=float)


def steps(at: int, before: float, after: float, rows: int = 1000) -> np.ndarray:
    return np.where(np.arange(rows) < at, before, after)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return market(Planted())


# Composite


def test_the_composite_is_the_mean_of_the_components_that_exist_and_names_them(panel):
    market_share = Given(HOST=steps(500, np.nan, 0.4), OLD=0.1, RIG=np.nan)
    disclosure = Given(HOST=steps(800, 0.2, np.nan), OLD=np.nan)
    estimate = PivotShare(market=market_share, disclosure=disclosure).estimate(panel)
    host, used = estimate.composite["HOST"], estimate.used["HOST"]
    for row, value, names in (
        (100, 0.2, "disclosure"), (600, 0.3, "market+disclosure"), (900, 0.4, "market"),
    ):  # fmt: skip
        assert host.iloc[row] == pytest.approx(value)
        assert used.iloc[row] == names
    assert (estimate.composite["OLD"] == 0.1).all()
    assert estimate.composite["RIG"].isna().all()
    assert (estimate.used["RIG"] == "").all()
    assert list(estimate.components) == ["market", "disclosure"]


def test_without_disclosure_the_composite_is_the_markets_share(panel):
    share = PivotShare()
    estimate = share.estimate(panel)
    pd.testing.assert_frame_equal(estimate.composite, share.market.compute(panel))
    known = estimate.composite.notna()
    assert known["HOST"].sum() > 400
    assert (estimate.used["HOST"][known["HOST"]] == "market").all()


def test_the_composite_of_a_planted_pivot_goes_from_mining_to_ai(panel):
    host = PivotShare().compute(panel)["HOST"]
    assert host.iloc[300:PIVOT].median() < 0.2
    assert host.iloc[-60:].median() > 0.8
    assert PivotShare().compute(panel)["OLD"].iloc[300:].median() < 0.2


@pytest.mark.parametrize("wrong", [-0.1, 1.5])
def test_a_share_outside_its_range_is_refused(panel, wrong):
    share = PivotShare(market=Given(HOST=0.3), disclosure=Given(HOST=steps(10, 0.0, wrong)))
    day = panel.sessions[10].date()
    with pytest.raises(
        DataError, match=rf"disclosure share of HOST on {day} is {wrong}.*megawatts"
    ):
        share.compute(panel)


# Momentum and sector


def test_momentum_is_the_change_of_the_share(panel):
    ramp = np.linspace(0.0, 0.999, 1000)
    momentum = PivotMomentum(PivotShare(market=Given(HOST=ramp)), lookback=60).compute(panel)
    assert momentum["HOST"].iloc[:60].isna().all()
    np.testing.assert_allclose(momentum["HOST"].iloc[60:], 0.06)


def test_a_component_that_appears_or_goes_is_no_momentum(panel):
    share = PivotShare(market=Given(HOST=steps(500, np.nan, 0.9)), disclosure=Given(HOST=0.1))
    assert share.compute(panel)["HOST"].diff().max() > 0.3
    assert (PivotMomentum(share).compute(panel)["HOST"].dropna() == 0.0).all()


def test_the_sector_is_the_mean_of_its_miners_and_of_nobody_else(panel):
    shares = Given(OLD=0.1, DIG=0.2, HOST=steps(400, np.nan, 0.9), CHIP=1.0, COIN=0.0)
    sector = SectorPivot(PivotShare(market=shares)).compute(panel)
    assert list(sector.columns) == ["sector_pivot"]
    assert sector["sector_pivot"].iloc[:400].isna().all()
    np.testing.assert_allclose(sector["sector_pivot"].iloc[400:], 0.4)


# Detector


def first_alarm(panel: Panel, detector: PivotDetector, asset: str = "HOST") -> int | None:
    """Sessions from the pivot to the first alarm, negative if it came before."""
    on = detector.compute(panel)[asset].to_numpy() == 1.0
    return int(np.argmax(on)) - PIVOT if on.any() else None


def test_a_planted_pivot_raises_an_alarm_within_126_sessions_and_none_elsewhere():
    found, false = [], 0
    for seed in range(12):
        panel = market(Planted(seed=seed))
        alarms = PivotDetector().compute(panel)
        late = first_alarm(panel, PivotDetector())
        found.append(late is not None and 0 <= late <= 126)
        false += int((alarms[["OLD", "DIG", "ORE", "RIG"]] == 1.0).any().sum())
        false += int((alarms["HOST"].iloc[:PIVOT] == 1.0).any())
    assert np.mean(found) >= 0.8
    # 12 markets of 5 miners and some 2.6 years with a reading.
    assert false <= 12 * 5 * 2.6 / 10


def test_a_contract_lets_a_weaker_turn_of_the_market_raise_the_alarm():
    with_contract, alone = [], []
    contracts = Given(HOST=steps(PIVOT, 0.0, 200.0))
    for seed in range(20, 32):
        panel = market(Planted(turn=0.45, noise=0.045, seed=seed))
        for detector, alarms in (
            (PivotDetector(contracts), with_contract), (PivotDetector(), alone),
        ):  # fmt: skip
            late = first_alarm(panel, detector)
            alarms.append(late is not None and 0 <= late <= 126)
    assert np.mean(with_contract) >= 0.8
    assert np.mean(alone) <= 0.5


def test_a_contract_without_any_turn_is_confirmed_in_a_minority_of_cases():
    confirmed = []
    for seed in range(40, 70):
        panel = market(Planted(turn=0.0, seed=seed))
        late = first_alarm(panel, PivotDetector(Given(HOST=steps(PIVOT, 0.0, 200.0))))
        confirmed.append(late is not None and 0 <= late <= 126)
    assert 0.0 < np.mean(confirmed) < 0.5


def test_a_contract_counts_for_its_sessions_from_the_one_that_knows_it(panel):
    power = steps(PIVOT, 0.0, 200.0) + steps(PIVOT + 150, 0.0, 50.0)
    contract = PivotDetector(Given(HOST=power)).evidence(panel).contract["HOST"].to_numpy()
    expected = np.zeros(1000, dtype=bool)
    expected[PIVOT : PIVOT + 126] = expected[PIVOT + 150 : PIVOT + 276] = True
    np.testing.assert_array_equal(contract, expected)


def test_power_that_is_known_from_the_first_session_is_a_contract_then(panel):
    contract = PivotDetector(Given(HOST=80.0)).evidence(panel).contract["HOST"]
    assert contract.iloc[:126].all()
    assert not contract.iloc[126:].any()


@pytest.mark.parametrize("change", [{"leverage": 2.5}, {"rally": 0.006}])
def test_leverage_and_a_rally_of_all_raise_no_alarm(change):
    alarms = 0
    for seed in range(60, 66):
        panel = market(replace(Planted(turn=0.0, seed=seed), **change))
        alarms += int((PivotDetector().compute(panel)[list(MINERS)] == 1.0).any().sum())
    # 6 markets of 5 miners: 8 of 78 miner-years are what chance may bring at the stated rate.
    assert alarms <= 8


def test_an_alarm_lasts_until_the_turn_is_undone_and_needs_a_reading(panel):
    detector = PivotDetector()
    state, ratio = detector.compute(panel)["HOST"], detector.evidence(panel).t_ratio["HOST"]
    assert state[ratio.isna()].isna().all()
    assert (state[ratio >= 3.5] == 1.0).all()
    assert (state[ratio < 0.0] == 0.0).all()
    started = (state == 1.0) & (state.shift(1) == 0.0)
    assert started.any()
    assert (ratio[started] >= 3.5).all()
    between = (ratio >= 0.0) & (ratio < 3.5) & state.shift(1).notna()
    assert (state[between] == state.shift(1)[between]).all()
    assert (state[between] == 1.0).any()


def test_the_t_ratio_is_the_turn_between_two_windows_over_its_error(panel):
    evidence = PivotDetector().evidence(panel)
    row = PIVOT + 100
    assert evidence.change["HOST"].iloc[row] > 0.3
    assert evidence.t_ratio.iloc[: 84 + 202 - 1].isna().all(axis=None)
    assert evidence.t_ratio[["COIN", "CHIP"]].isna().all(axis=None)
    quiet = evidence.t_ratio[["OLD", "DIG", "ORE", "RIG"]].to_numpy()
    assert 0.7 < np.nanstd(quiet) < 1.4


def test_a_contract_that_makes_an_alarm_harder_is_refused():
    with pytest.raises(ConfigError, match="must not make an alarm harder"):
        PivotDetector(alone=2.0, with_contract=2.5)


# Timing


@pytest.mark.parametrize(
    "signal",
    [
        PivotShare(disclosure=Given(HOST=steps(720, 0.0, 0.5))),
        PivotMomentum(),
        SectorPivot(),
        PivotDetector(Given(HOST=steps(PIVOT, 0.0, 200.0))),
    ],
    ids=["share", "momentum", "sector", "detector"],
)
def test_a_cut_panel_gives_the_same_values(panel, signal):
    whole = signal.compute(panel)
    for session in panel.sessions[[0, 50, 300, PIVOT - 1, PIVOT, PIVOT + 60, 998]]:
        cut = signal.compute(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-12)
