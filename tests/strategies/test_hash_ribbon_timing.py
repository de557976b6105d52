"""Hash ribbon timing holds bitcoin when its rule says so, and earns where the rule holds only."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import StaticMix
from strategies.hash_ribbon_timing import HashRibbonTiming
from toolkit.errors import ConfigError
from toolkit.panel import Panel

forms = pytest.mark.parametrize("form", ["cross", "state"])


def given(panel: Panel, regime: list[float], recovery: list[float]) -> dict[str, pd.DataFrame]:
    """Opinions on the first sessions; the last one lasts."""

    def column(name: str, values: list[float]) -> pd.DataFrame:
        whole = values + values[-1:] * (len(panel.sessions) - len(values))
        return pd.DataFrame({name: whole}, panel.sessions)

    return {"regime": column("regime", regime), "recovery": column("recovery", recovery)}


def held(panel: Panel, form: str, regime: list[float], recovery: list[float]) -> list[float]:
    targets = HashRibbonTiming(form).targets(panel, given(panel, regime, recovery))
    assert (targets.drop(columns="COIN").fillna(0.0) == 0.0).all(axis=None)
    return targets["COIN"].iloc[: len(regime)].tolist()


def growing(truth: pd.DataFrame) -> pd.Series:
    """1 where the true hash rate of 30 days is above that of 60, -1 where it is below."""
    rate = truth["hash_rate"]
    return (rate.rolling(30).mean() >= rate.rolling(60).mean()).astype(float) * 2.0 - 1.0


def only_bitcoin(share: float) -> StaticMix:
    return StaticMix(
        bitcoin=share, legacy_miners=0.0, pivoting_miners=0.0, ai_infrastructure=0.0, ai_tokens=0.0
    )


def mean_share(make_market, form: str) -> float:
    strategy = HashRibbonTiming(form)
    return float(np.mean([strategy.targets(make_market(seed))["COIN"].mean() for seed in range(8)]))


def test_the_cross_buys_at_the_recovery_and_sells_at_the_next_capitulation(make_market):
    regime = [1.0, -1.0, -1.0, 1.0, 1.0, 1.0, 1.0, -1.0, 1.0]
    recovery = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    assert held(make_market(0), "cross", regime, recovery) == [0, 0, 0, 0, 1, 1, 1, 0, 0]


def test_a_capitulation_outranks_a_recovery_that_is_still_told(make_market):
    assert held(make_market(0), "cross", [1, -1, -1], [1, 1, 0]) == [1, 0, 0]


def test_the_state_holds_while_the_hash_rate_grows(make_market):
    regime = [1.0, -1.0, -1.0, 1.0, 1.0, -1.0]
    assert held(make_market(0), "state", regime, [0.0] * 6) == [1, 0, 0, 1, 1, 0]


@forms
def test_without_a_reading_there_is_no_decision(make_market, form):
    found = held(make_market(0), form, [np.nan, 1.0], [np.nan, 1.0])
    assert np.isnan(found[0])
    assert found[1] == 1.0


@forms
def test_it_earns_where_capitulations_precede_falls_of_the_price(make_market, excess, form):
    static = only_bitcoin(mean_share(make_market, form))
    assert excess(HashRibbonTiming(form), static, growing, {"COIN": 0.003}) > 3.0


@forms
def test_it_earns_nothing_where_the_price_does_not_listen(make_market, excess, form):
    static = only_bitcoin(mean_share(make_market, form))
    assert abs(excess(HashRibbonTiming(form), static)) < 2.5


def test_without_recoveries_the_cross_stays_in_cash(make_market):
    panel = make_market(1)
    strategy = HashRibbonTiming()
    values = dict(strategy.read(panel))
    assert strategy.targets(panel, values)["COIN"].max() == 1.0
    values["recovery"] = values["recovery"] * 0.0
    assert strategy.targets(panel, values)["COIN"].max() == 0.0


@forms
def test_a_hash_rate_reaches_the_decision_of_the_next_session(make_market, changed, form):
    panel, strategy = make_market(2), HashRibbonTiming(form)
    whole = strategy.targets(panel)["COIN"]
    rate = panel.field("hash_rate").values["hash_rate"]
    ratio = rate.rolling(30).mean() / rate.rolling(60).mean()
    # A day without any hash rate lowers the ratio by 1.7 %, enough to turn the regime.
    close = ratio.between(1.0, 1.01) & (whole == 1.0) & (whole.shift(-1) == 1.0)
    day = close.index[close][0]
    other = strategy.targets(changed(panel, "hash_rate", day, 1e-6))["COIN"]
    pd.testing.assert_series_equal(other.loc[:day], whole.loc[:day])
    assert other.loc[day:].iloc[1] == 0.0


@forms
def test_the_past_alone_gives_the_same_targets(make_market, form):
    panel, strategy = make_market(3), HashRibbonTiming(form)
    whole = strategy.targets(panel)
    for session in panel.sessions[150::191]:
        cut = strategy.targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session])


def test_it_names_the_signals_it_reads():
    cross, state = HashRibbonTiming(), HashRibbonTiming("state", band=0.011)
    assert set(cross.signals) == {"regime", "recovery"}
    assert cross.signals["recovery"].ribbons == cross.signals["regime"]
    assert cross.signals["regime"].band == 0.0
    assert set(state.signals) == {"regime"}
    assert state.signals["regime"].band == 0.011


def test_another_form_is_refused():
    with pytest.raises(ConfigError, match=r"HashRibbonTiming\.form = 'both'"):
        HashRibbonTiming("both")
