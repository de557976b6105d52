"""The margin switch leaves miners when mining hardly pays, and earns where that matters only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.miner_margin import MinerMarginSwitch
from toolkit.errors import ConfigError
from toolkit.panel import Panel

MINERS = ["MINE1", "MINE2", "MINE3"]
HOSTS = ["HOST1", "HOST2", "HOST3"]
STATIC = MinerMarginSwitch(tilt=0.0)


def opinion(panel: Panel, margin: float) -> dict[str, pd.DataFrame]:
    return {"margin": pd.DataFrame({"miner_margin": margin}, panel.sessions)}


def thin(truth: pd.DataFrame) -> pd.Series:
    """1 where the true hash price leaves a machine of 32 J/TH less than 30 % of its revenue."""
    return (1.0 - 32.0 * 50.0 * 24.0 / 1000.0 / truth["hash_price"] < 0.3).astype(float)


@pytest.mark.parametrize(
    ("margin", "bitcoin", "miners"),
    [
        (0.9, 0.25, 0.25),
        (0.4, 0.25, 0.25),
        (0.35, 0.2875, 0.2125),
        (0.3, 0.325, 0.175),
        (0.2, 0.40, 0.10),
        (-0.5, 0.40, 0.10),
        (np.nan, 0.25, 0.25),
    ],
)
def test_the_margin_moves_the_tilt_from_miners_to_bitcoin(make_market, margin, bitcoin, miners):
    panel = make_market(0)
    targets = MinerMarginSwitch().targets(panel, opinion(panel, margin))
    assert np.allclose(targets["COIN"], bitcoin)
    assert np.allclose(targets[MINERS], miners / 3.0)
    assert np.allclose(targets[HOSTS], 0.40 / 3.0)


def test_no_more_than_the_miners_share_is_moved(make_market):
    panel = make_market(0)
    targets = MinerMarginSwitch(miners=0.1, tilt=1.0).targets(panel, opinion(panel, 0.0))
    assert np.allclose(targets[MINERS], 0.0)
    assert np.allclose(targets["COIN"], 0.35)


def test_it_earns_where_miners_fall_after_thin_margins(excess):
    assert excess(MinerMarginSwitch(), STATIC, thin, {"MINE": -0.004}) > 3.0


def test_it_earns_nothing_where_margins_tell_nothing(excess):
    assert abs(excess(MinerMarginSwitch(), STATIC)) < 2.5


def test_without_its_signal_it_is_the_static_mix(make_market):
    panel = make_market(1)
    off = MinerMarginSwitch().targets(panel, opinion(panel, np.nan))
    pd.testing.assert_frame_equal(off, STATIC.targets(panel))
    assert not MinerMarginSwitch().targets(panel).equals(off)


def test_a_hash_price_reaches_the_decision_of_the_next_session(make_market, changed):
    panel = make_market(2)
    whole = MinerMarginSwitch().targets(panel)
    day = panel.sessions[whole["COIN"] < 0.30][40]
    other = MinerMarginSwitch().targets(changed(panel, "hash_price", day, 1e-3))
    pd.testing.assert_frame_equal(other.loc[:day], whole.loc[:day])
    assert other["COIN"].loc[day:].iloc[1] == 0.40
    assert whole["COIN"].loc[day:].iloc[1] < 0.40


def test_the_past_alone_gives_the_same_targets(make_market):
    panel = make_market(3)
    whole = MinerMarginSwitch().targets(panel)
    for session in panel.sessions[3::157]:
        cut = MinerMarginSwitch().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-12)


def test_shares_above_the_whole_are_refused():
    with pytest.raises(ConfigError, match=r"shares of MinerMarginSwitch sum to 1\.15"):
        MinerMarginSwitch(bitcoin=0.5)
