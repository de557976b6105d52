"""The satellite holds tokens that outrun bitcoin, within its limits, and earns where running lasts."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from strategies.ai_token_satellite import AiTokenSatellite
from toolkit.clock import decision_times
from toolkit.config import Experiment
from toolkit.errors import ConfigError
from toolkit.panel import Field, Panel
from toolkit.universe import Asset, Membership, Sleeve, Universe

FIRST, DAYS, LISTED, LASTS = date(2021, 1, 1), 900, 200, 150
TOKENS = ["TOKEN1", "TOKEN2", "TOKEN3", "TOKEN4"]
SLEEVES = {
    "COIN": Sleeve.BITCOIN,
    "HOST1": Sleeve.AI_INFRASTRUCTURE,
    "HOST2": Sleeve.AI_INFRASTRUCTURE,
    **dict.fromkeys(TOKENS, Sleeve.AI_TOKENS),
}
UNIVERSE = Universe(
    tuple(Asset(name, (Membership(sleeve, FIRST),), "24/7") for name, sleeve in SLEEVES.items())
)
CORE = AiTokenSatellite(most_tokens=0.0)
MARKETS = 24


def simulated(seed: int, a_day: float = 0.0) -> Panel:
    """Tokens that do better or worse than bitcoin for 150 days at a time, by so much a day."""
    random = np.random.default_rng(seed)
    days = pd.date_range(FIRST, periods=DAYS, freq="D").as_unit("ns")
    coin = 0.03 * random.standard_normal(DAYS)
    moves = {"COIN": coin}
    for name in ("HOST1", "HOST2"):
        moves[name] = 0.02 * random.standard_normal(DAYS)
    for number, name in enumerate(TOKENS):
        turns = random.choice([-1.0, 1.0], DAYS // LASTS + 1).repeat(LASTS)[:DAYS]
        own = (0.03 + 0.01 * number) * random.standard_normal(DAYS)
        moves[name] = coin + a_day * turns + own
    closes = 100.0 * (1.0 + pd.DataFrame(moves, days).clip(lower=-0.9)).cumprod()
    closes.loc[days[:LISTED], "TOKEN4"] = np.nan
    fields = {"close": Field(closes, decision_times(days), "USD", "simulated")}
    return Panel(UNIVERSE, days, fields, clock="24/7", simulated=True)


def t_ratio(a_day: float) -> float:
    """Of what the satellite earns beyond its core, over markets."""
    found = []
    for seed in range(MARKETS):
        panel = simulated(seed, a_day)
        tilt = AiTokenSatellite().targets(panel) - CORE.targets(panel)
        found.append((tilt.shift(2) * panel.returns()).sum(axis=1).mean())
    return float(np.mean(found) / np.std(found, ddof=1) * np.sqrt(MARKETS))


@pytest.fixture(scope="module")
def panel() -> Panel:
    return simulated(100, 0.004)


def given(
    panel: Panel, momentum: dict[str, float], volatility: dict[str, float]
) -> dict[str, pd.DataFrame]:
    """Opinions that hold on every session; NaN for the assets that are not named."""

    def frame(values: dict[str, float]) -> pd.DataFrame:
        row = [values.get(name, np.nan) for name in panel.universe.ids]
        return pd.DataFrame([row] * len(panel.sessions), panel.sessions, panel.universe.columns)

    return {"momentum": frame(momentum), "volatility": frame(volatility)}


def test_tokens_that_outran_bitcoin_are_held_by_inverse_volatility_up_to_a_limit(panel):
    momentum = {"COIN": 0.1, "TOKEN1": 0.2, "TOKEN2": 0.3, "TOKEN3": 0.05, "TOKEN4": 0.4}
    volatility = {"TOKEN1": 0.5, "TOKEN2": 1.0, "TOKEN3": 1.0, "TOKEN4": 1.0}
    found = AiTokenSatellite().targets(panel, given(panel, momentum, volatility)).iloc[-1]
    assert found["TOKEN1"] == pytest.approx(0.02)
    assert found["TOKEN2"] == found["TOKEN4"] == pytest.approx(0.05 / 4.0)
    assert found["TOKEN3"] == 0.0
    assert found["COIN"] == pytest.approx(0.40 - 0.02 - 0.025)
    assert found["HOST1"] == found["HOST2"] == pytest.approx(0.275)


def test_a_rise_below_bitcoins_is_no_reason(panel):
    momentum = {"COIN": 0.5, **dict.fromkeys(TOKENS, 0.4)}
    opinions = given(panel, momentum, dict.fromkeys(TOKENS, 1.0))
    found = AiTokenSatellite().targets(panel, opinions).iloc[-1]
    assert (found[TOKENS] == 0.0).all()
    assert found["COIN"] == pytest.approx(0.40)


@pytest.mark.parametrize("name", ["momentum", "volatility"])
def test_without_either_signal_it_is_the_core(panel, name):
    values = dict(AiTokenSatellite().read(panel))
    off = AiTokenSatellite().targets(panel, {**values, name: values[name] * np.nan})
    pd.testing.assert_frame_equal(off, CORE.targets(panel), rtol=0.0, atol=1e-15)
    assert not np.allclose(AiTokenSatellite().targets(panel, values), off)


def test_the_limits_hold_on_every_session(panel):
    targets = AiTokenSatellite().targets(panel)
    assert targets[TOKENS].max().max() == pytest.approx(0.02)
    assert targets[TOKENS].sum(axis=1).max() <= 0.05 + 1e-15
    assert np.allclose(targets.sum(axis=1), 0.95)
    assert (targets >= 0.0).all(axis=None)
    assert not (targets.gt(0.0) & ~panel.eligible()).any(axis=None)


def test_its_file_caps_the_tokens_at_what_it_wants_of_them():
    limits = Experiment.from_toml("ai_token_satellite").backtester().optimizer.limits
    caps = [limit.cap for limit in limits if getattr(limit, "sleeve", None) == ("ai_tokens",)]
    assert caps == [AiTokenSatellite().most_tokens]


def test_it_earns_where_outrunning_lasts():
    assert t_ratio(0.004) > 3.0


def test_it_earns_nothing_where_it_does_not():
    assert abs(t_ratio(0.0)) < 2.5


def test_the_past_alone_gives_the_same_targets(panel):
    whole = AiTokenSatellite().targets(panel)
    for session in panel.sessions[70::83]:
        cut = AiTokenSatellite().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-12)


def test_shares_above_the_whole_are_refused():
    with pytest.raises(ConfigError, match=r"shares of AiTokenSatellite sum to 1\.15"):
        AiTokenSatellite(bitcoin=0.6)
