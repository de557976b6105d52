"""The pivot rotation goes to miners that turn to AI, and earns where the turn is paid for only."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import sum_of_sleeves
from strategies.pivot_rotation import PivotRotation, heading
from toolkit.clock import decision_times, sessions_between
from toolkit.errors import ConfigError
from toolkit.panel import Field, Panel
from toolkit.signals.disclosure import ContractedMegawatts, DisclosedShare
from toolkit.strategy import share_equally
from toolkit.universe import MINERS, Asset, Membership, Sleeve, Universe

FIRST, LAST = date(2021, 1, 4), date(2023, 6, 30)
MINES = ["MINE1", "MINE2", "MINE3", "MINE4", "TURN1", "TURN2"]
HOSTS = ["HOST1", "HOST2", "HOST3"]
SLEEVES = {
    "COIN": Sleeve.BITCOIN,
    **dict.fromkeys(MINES, Sleeve.LEGACY_MINERS),
    **dict.fromkeys(HOSTS, Sleeve.AI_INFRASTRUCTURE),
}
UNIVERSE = Universe(
    tuple(Asset(name, (Membership(sleeve, FIRST),), "24/7") for name, sleeve in SLEEVES.items())
)
TURNS, SHOWS, PAID_FOR = 300, 60, 126
MARKETS = 10


def simulated(seed: int, a_day: float = 0.0, turning: float = 1.0) -> Panel:
    """Two of six miners turn from mining to AI at a session; nothing else can be foreseen.

    Parameters
    ----------
    a_day
        What they return more, a session, from the time on that the turn can be seen.
    turning
        Part of their loading that turns.
    """
    random = np.random.default_rng(seed)
    days = sessions_between("XNYS", FIRST, LAST)
    count = len(days)
    coin, sector = 0.03 * random.standard_normal((2, count))
    ai = 0.025 * random.standard_normal(count)
    after = np.arange(count) >= TURNS
    paid = (np.arange(count) >= TURNS + SHOWS) & (np.arange(count) < TURNS + SHOWS + PAID_FOR)
    moves = {"COIN": coin}
    for name in MINES:
        turned = turning * after if name.startswith("TURN") else np.zeros(count)
        own = 0.02 * random.standard_normal(count)
        moves[name] = (1.0 - turned) * (0.8 * coin + sector) + 1.3 * turned * ai + own
        if name.startswith("TURN"):
            moves[name] = moves[name] + a_day * paid
    for name in HOSTS:
        moves[name] = ai + 0.01 * random.standard_normal(count)
    closes = 100.0 * (1.0 + pd.DataFrame(moves, days).clip(lower=-0.9)).cumprod()
    public = decision_times(days)
    nothing = pd.DataFrame(0.0, days[:1], MINES)
    fields = {
        name: Field(nothing, public[:1], "MW", "simulated")
        for name in ("contracted_mw", "gpu_cloud_mw", "financed_mw", "energised_mw")
    }
    fields["close"] = Field(closes, public, "USD", "simulated")
    return Panel(UNIVERSE, days, fields, clock="XNYS", simulated=True)


def neutral(panel: Panel, shares: tuple[float, float, float] = (0.35, 0.25, 0.35)) -> pd.DataFrame:
    """The mix without a view."""
    weights = sum_of_sleeves(
        panel, {Sleeve.BITCOIN: shares[0], Sleeve.AI_INFRASTRUCTURE: shares[2]}
    )
    return weights + shares[1] * share_equally(panel.members(MINERS))


def t_ratio(a_day: float) -> float:
    """Of what the rotation earns beyond the mix without a view, over markets."""
    found = []
    for seed in range(MARKETS):
        panel = simulated(seed, a_day)
        tilt = PivotRotation().targets(panel) - neutral(panel)
        found.append((tilt.shift(2) * panel.returns()).sum(axis=1).mean())
    return float(np.mean(found) / np.std(found, ddof=1) * np.sqrt(MARKETS))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return simulated(100)


def given(
    panel: Panel,
    share: dict[str, float],
    rise: dict[str, float],
    alarm: dict[str, float] | None = None,
) -> dict[str, pd.DataFrame]:
    """Opinions that hold on every session; NaN for the assets that are not named."""

    def frame(values: dict[str, float]) -> pd.DataFrame:
        row = [values.get(name, np.nan) for name in panel.universe.ids]
        return pd.DataFrame([row] * len(panel.sessions), panel.sessions, panel.universe.columns)

    values = {"pivot_share": share, "pivot_momentum": rise, "pivot_alarm": alarm or {}}
    return {name: frame(opinion) for name, opinion in values.items()}


def last(panel: Panel, *opinions: dict[str, float]) -> pd.Series:
    return PivotRotation().targets(panel, given(panel, *opinions)).iloc[-1]


def test_without_its_signals_it_is_the_neutral_mix(panel):
    off = PivotRotation().targets(panel, given(panel, {}, {}))
    pd.testing.assert_frame_equal(off, neutral(panel), rtol=0.0, atol=1e-15)
    assert not PivotRotation().targets(panel).equals(off)


def test_a_miner_that_begins_to_turn_is_held_at_the_cost_of_the_others(panel):
    found = last(panel, dict.fromkeys(MINES, 0.0), {"TURN1": 0.2})
    assert found["TURN1"] == pytest.approx(0.25 * 0.3 / 0.8)
    assert found["MINE1"] == pytest.approx(0.25 * 0.1 / 0.8)
    assert found[HOSTS].sum() == pytest.approx(0.35)


def test_what_has_turned_is_held_as_ai_infrastructure(panel):
    found = last(panel, {**dict.fromkeys(MINES, 0.0), "TURN1": 0.4}, {})
    assert found["TURN1"] == pytest.approx(0.25 * 0.5 / 1.0 * 0.6)
    assert found[HOSTS].sum() == pytest.approx(0.35 + 0.25 * 0.5 * 0.4)
    assert found.sum() == pytest.approx(0.95)
    whole = last(panel, dict.fromkeys(MINES, 1.0), {})
    assert whole[MINES].sum() == 0.0
    assert whole[HOSTS].sum() == pytest.approx(0.60)


def test_a_turn_that_is_taken_back_counts_less_than_one_that_stays(panel):
    share = dict.fromkeys(MINES, 0.2)
    found = last(panel, share, {"TURN1": -0.1, "TURN2": 0.1})
    assert found["TURN1"] < found["MINE1"] < found["TURN2"]


def test_a_miner_in_an_alarm_is_held_as_one_that_turns(panel):
    found = last(panel, dict.fromkeys(MINES, 0.0), {}, {"TURN1": 1.0, "MINE1": 0.0})
    assert found["TURN1"] == pytest.approx(0.25 * 0.4 / 0.9)
    assert found["MINE1"] == found["MINE2"] == pytest.approx(0.25 * 0.1 / 0.9)
    known = last(panel, {"TURN1": 0.5}, {}, {"TURN1": 1.0})
    assert known["TURN1"] == pytest.approx(0.25 * 0.6 / 1.1 * 0.5)


def test_each_of_its_signals_moves_it(panel):
    values = dict(PivotRotation().read(panel))
    targets = PivotRotation().targets(panel, values)
    for name in values:
        without = PivotRotation().targets(panel, {**values, name: values[name] * np.nan})
        assert not np.allclose(without, targets)


def test_it_finds_the_miners_that_turn(panel):
    targets = PivotRotation().targets(panel).iloc[TURNS + 60 : TURNS + 126].mean()
    assert targets[["TURN1", "TURN2"]].mean() > 2.0 * targets[MINES[:4]].mean()


def test_later_it_hands_them_over_to_ai_infrastructure(panel):
    targets = PivotRotation().targets(panel)
    assert targets[HOSTS].sum(axis=1).iloc[TURNS - 1] < 0.37
    assert targets[HOSTS].sum(axis=1).iloc[TURNS + 252] > 0.42


def test_it_earns_where_miners_that_turn_are_paid_for_it():
    assert t_ratio(0.006) > 3.0


def test_it_earns_nothing_where_nobody_pays_for_the_turn():
    assert abs(t_ratio(0.0)) < 2.5


def test_it_wants_the_eligible_only_and_never_more_than_its_shares(panel):
    targets = PivotRotation().targets(panel)
    assert targets.notna().all(axis=None)
    assert (targets >= 0.0).all(axis=None)
    assert np.allclose(targets.sum(axis=1), 0.95)
    assert not (targets.gt(0.0) & ~panel.eligible()).any(axis=None)


def test_the_past_alone_gives_the_same_targets(panel):
    whole = PivotRotation().targets(panel)
    for session in panel.sessions[260::160]:
        cut = PivotRotation().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-9)


def test_a_contract_counts_where_the_capacity_is_known(panel):
    def field(values: dict[str, float]) -> Field:
        frame = pd.DataFrame([values], panel.sessions[400:401])
        return Field(frame, decision_times(panel.sessions[400:401]), "MW", "simulated")

    fields = {
        **panel.fields,
        "contracted_mw": field({"MINE2": 100.0}),
        "mining_mw": field({"MINE2": 140.0}),
    }
    signed = Panel(panel.universe, panel.sessions, fields, panel.clock, panel.simulated)
    before, after = PivotRotation().targets(panel), PivotRotation().targets(signed)
    pd.testing.assert_frame_equal(before.iloc[:400], after.iloc[:400])
    assert after["MINE2"].iloc[400] > 1.5 * before["MINE2"].iloc[400]


def test_heading_is_the_share_if_it_went_on_and_an_alarm_at_least():
    values = {
        "pivot_share": [0.2, 0.9, np.nan, 0.1, 0.0],
        "pivot_momentum": [0.1, 0.3, np.nan, -0.4, 0.5],
        "pivot_alarm": [0.0, 1.0, np.nan, 1.0, 1.0],
    }
    found = heading({name: pd.DataFrame({"a": row}) for name, row in values.items()}, 0.25)
    assert found["a"].tolist() == pytest.approx([0.3, 1.0, 0.0, 0.25, 0.5])


def test_its_settings_reach_its_signals():
    signals = PivotRotation(lookback=30).signals
    assert signals["pivot_momentum"].lookback == 30
    assert signals["pivot_momentum"].share == signals["pivot_share"]
    assert signals["pivot_share"].disclosure == DisclosedShare()
    assert signals["pivot_alarm"].contracts == ContractedMegawatts()


def test_shares_above_the_whole_are_refused():
    with pytest.raises(ConfigError, match=r"shares of PivotRotation sum to 1\.2"):
        PivotRotation(bitcoin=0.6)
