"""The rotation votes by documented thresholds, and earns where stress precedes losses only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.difficulty_rotation import VOTES, DifficultyRotation, score
from toolkit.panel import Panel
from toolkit.signals.reading import GAUGES

MINERS = ["MINE1", "MINE2", "MINE3"]
STATIC = DifficultyRotation(tilt=0.0)
SILENT = dict.fromkeys(VOTES, np.nan)


def votes(panel: Panel, **values: float) -> dict[str, pd.DataFrame]:
    return {
        name: pd.DataFrame({name: value}, panel.sessions)
        for name, value in {**SILENT, **values}.items()
    }


def growing(truth: pd.DataFrame) -> pd.Series:
    """1 where the true hash rate of 30 days is above that of 60, -1 where it is below."""
    rate = truth["hash_rate"]
    return (rate.rolling(30).mean() >= rate.rolling(60).mean()).astype(float) * 2.0 - 1.0


def test_every_voter_is_read_by_the_thresholds_of_its_gauge():
    assert len(VOTES) == 6
    for gauge in VOTES.values():
        assert gauge in GAUGES
        assert gauge.low is not None
        assert gauge.high is not None


@pytest.mark.parametrize(
    ("name", "value", "vote"),
    [
        ("epoch_change_denoised", -0.07, -1.0),
        ("epoch_change_denoised", -0.05, 0.0),
        ("epoch_change_denoised", 0.07, 1.0),
        ("next_retarget", -0.07, -1.0),
        ("next_retarget", 0.07, 1.0),
        ("hash_ribbons", -1.0, -1.0),
        ("hash_ribbons", 1.0, 1.0),
        ("epoch_reversal", 0.1, -1.0),
        ("epoch_reversal", 0.4, 0.0),
        ("epoch_reversal", 0.9, 1.0),
        ("ribbon_compression", -0.06, -1.0),
        ("ribbon_compression", 0.06, 1.0),
        ("hash_price_over_cost_percentile", 0.05, -1.0),
        ("hash_price_over_cost_percentile", 0.95, 1.0),
    ],
)
def test_a_voter_alone_decides_by_its_thresholds(make_market, name, value, vote):
    panel = make_market(0)
    assert (score(votes(panel, **{name: value})) == vote).all()


def test_the_score_is_the_mean_of_those_with_an_opinion(make_market):
    panel = make_market(0)
    found = score(votes(panel, hash_ribbons=1.0, next_retarget=0.0, ribbon_compression=-0.2))
    assert np.allclose(found, 0.0)
    found = score(votes(panel, hash_ribbons=1.0, next_retarget=0.0, epoch_reversal=0.7))
    assert np.allclose(found, 2.0 / 3.0)


def test_silence_is_neutral(make_market):
    panel = make_market(0)
    assert (score(votes(panel)) == 0.0).all()


def test_it_earns_where_miners_fall_while_the_hash_rate_does(excess):
    assert excess(DifficultyRotation(), STATIC, growing, {"MINE": 0.004}) > 3.0


def test_it_earns_nothing_where_the_hash_rate_tells_nothing(excess):
    assert abs(excess(DifficultyRotation(), STATIC)) < 2.5


@pytest.mark.parametrize("off", sorted(VOTES))
def test_a_voter_switched_off_leaves_the_mean_of_the_others(make_market, off):
    panel = make_market(1)
    strategy = DifficultyRotation()
    values = dict(strategy.read(panel))
    values[off] = values[off] * np.nan
    others = pd.concat([values[name].iloc[:, 0] for name in VOTES if name != off], axis=1)
    thresholds = [(VOTES[name].low, VOTES[name].high) for name in VOTES if name != off]
    by_hand = []
    for row in others.to_numpy():
        cast = [
            (value > high) * 1.0 - (value < low) * 1.0
            for value, (low, high) in zip(row, thresholds, strict=True)
            if not np.isnan(value)
        ]
        by_hand.append(np.mean(cast) if cast else 0.0)
    rising = values["momentum"][MINERS] > 0.0
    judged = values["momentum"][MINERS].notna().sum(axis=1)
    expected = rising.mul((0.25 + 0.15 * np.array(by_hand)) / judged, axis=0)
    targets = strategy.targets(panel, values)[MINERS]
    decided = targets.notna().all(axis=1)
    pd.testing.assert_frame_equal(targets[decided], expected[decided], rtol=0.0, atol=1e-12)


def test_without_all_voters_it_is_the_static_mix(make_market):
    panel = make_market(1)
    momentum = {"momentum": DifficultyRotation().signals["momentum"].compute(panel)}
    off = DifficultyRotation().targets(panel, {**votes(panel), **momentum})
    pd.testing.assert_frame_equal(off, STATIC.targets(panel))
    assert not DifficultyRotation().targets(panel).equals(off)


def test_a_hash_rate_reaches_the_decision_of_the_next_session(make_market, changed):
    panel, strategy = make_market(2), DifficultyRotation()
    regime = strategy.read(panel)["hash_ribbons"].iloc[:, 0]
    day = regime.index[regime == -1.0][20]
    other = changed(panel, "hash_rate", day, 100.0)
    before, after = (score(strategy.read(one)) for one in (panel, other))
    row = panel.sessions.get_loc(day)
    np.testing.assert_array_equal(after[: row + 1], before[: row + 1])
    assert after[row + 1] > before[row + 1]


def test_the_past_alone_gives_the_same_targets(make_market):
    panel = make_market(3)
    whole = DifficultyRotation().targets(panel)
    retarget = panel.decisions.searchsorted(panel.field("difficulty").available_at[-10])
    for session in panel.sessions[[150, 400, retarget - 1, retarget, 900]]:
        cut = DifficultyRotation().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-11)
