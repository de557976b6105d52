"""The kappa spread tilts to what hosts as far as hosting is worth more, and earns if that pays."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.kappa_spread import KappaSpreadTilt
from toolkit.errors import ConfigError
from toolkit.panel import Panel

MINERS = ["MINE1", "MINE2", "MINE3"]
HOSTS = ["HOST1", "HOST2", "HOST3"]
STATIC = KappaSpreadTilt(tilt=0.0)


def opinion(panel: Panel, agreement: float) -> dict[str, pd.DataFrame]:
    return {"hosting_is_worth_more": pd.DataFrame({"agreement": agreement}, panel.sessions)}


def hosting_pays(truth: pd.DataFrame) -> pd.Series:
    """1 where the true hash price of 30 days is below 130 USD, -1 where it is above."""
    return (truth["hash_price"].rolling(30).mean() < 130.0).astype(float) * 2.0 - 1.0


@pytest.mark.parametrize(
    ("agreement", "miners", "hosts"),
    [(1.0, 0.10, 0.50), (0.75, 0.175, 0.425), (0.5, 0.25, 0.35), (0.0, 0.40, 0.20)],
)
def test_the_tilt_follows_how_many_combinations_agree(make_market, agreement, miners, hosts):
    panel = make_market(0)
    targets = KappaSpreadTilt().targets(panel, opinion(panel, agreement))
    assert np.allclose(targets["COIN"], 0.35)
    assert np.allclose(targets[MINERS], miners / 3.0)
    assert np.allclose(targets[HOSTS], hosts / 3.0)


def test_the_tilt_never_makes_a_share_negative(make_market):
    panel = make_market(0)
    strategy = KappaSpreadTilt(miners=0.1, ai_infrastructure=0.2, tilt=1.0)
    to_hosts = strategy.targets(panel, opinion(panel, 1.0))
    to_miners = strategy.targets(panel, opinion(panel, 0.0))
    assert np.allclose(to_hosts[MINERS], 0.0)
    assert np.allclose(to_hosts[HOSTS], 0.1)
    assert np.allclose(to_miners[HOSTS], 0.0)
    assert np.allclose(to_miners[MINERS], 0.1)


def test_it_earns_where_the_better_use_of_power_pays_afterwards(excess):
    effect = {"HOST": 0.002, "MINE": -0.002}
    assert excess(KappaSpreadTilt(), STATIC, hosting_pays, effect, 130.0) > 3.0


def test_it_earns_nothing_where_prices_do_not_care(excess):
    assert abs(excess(KappaSpreadTilt(), STATIC, hash_price=130.0)) < 2.5


def test_without_its_signal_it_is_the_static_mix(make_market):
    panel = make_market(1)
    off = KappaSpreadTilt().targets(panel, opinion(panel, np.nan))
    pd.testing.assert_frame_equal(off, STATIC.targets(panel))
    assert not KappaSpreadTilt().targets(panel).equals(off)


def test_a_hash_price_reaches_the_decision_of_the_next_session(make_market, changed):
    panel, day = make_market(2, hash_price=110.0), pd.Timestamp("2024-05-01")
    whole = KappaSpreadTilt().targets(panel)
    other = KappaSpreadTilt().targets(changed(panel, "hash_price", day, 1e3))
    pd.testing.assert_frame_equal(other.loc[:day], whole.loc[:day])
    assert other["MINE1"].loc[day:].iloc[1] == pytest.approx(0.40 / 3.0)
    assert whole["MINE1"].loc[day:].iloc[1] < 0.40 / 3.0


def test_the_past_alone_gives_the_same_targets(make_market):
    panel = make_market(3, hash_price=110.0)
    whole = KappaSpreadTilt().targets(panel)
    for session in panel.sessions[3::157]:
        cut = KappaSpreadTilt().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-12)


def test_its_settings_reach_the_signal():
    strategy = KappaSpreadTilt(power_price=40.0, capex_usd_per_mw=9e6, renewal_usd_per_mw_year=1e5)
    signal = strategy.signals["hosting_is_worth_more"]
    assert signal.statistic == "agreement"
    assert signal.cost.power_price == 40.0
    assert signal.hosting.capex_usd_per_mw == 9e6
    assert signal.mining.renewal_usd_per_mw_year == 1e5


def test_dearer_construction_moves_less_to_hosts(make_market):
    panel = make_market(4, hash_price=110.0)
    usual, dear = (
        KappaSpreadTilt(capex_usd_per_mw=capex).targets(panel)[HOSTS].sum(axis=1).mean()
        for capex in (8e6, 11e6)
    )
    assert dear < usual


def test_shares_above_the_whole_are_refused():
    with pytest.raises(ConfigError, match=r"shares of KappaSpreadTilt sum to 1\.1"):
        KappaSpreadTilt(bitcoin=0.5)
