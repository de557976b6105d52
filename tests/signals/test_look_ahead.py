"""Every network signal, computed on the past alone, is what it was in the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.panel import Panel
from toolkit.signals.daily import bitcoin_price
from toolkit.signals.reading import GAUGES
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons
from toolkit.signals.signal import Signal

# The t-ratio is made of the residual and its standard error.
SIGNALS: dict[str, Signal] = {
    gauge.name: gauge.signal for gauge in GAUGES if gauge.name != "non_price_exit_standard_error"
} | {
    "cross on difficulty": HashRibbonCross(HashRibbons(band=0.0, on="difficulty"), confirmed=False),
}
every_signal = pytest.mark.parametrize("signal", SIGNALS.values(), ids=list(SIGNALS))


def cuts(panel: Panel, seed: int, count: int) -> list[pd.Timestamp]:
    """Random sessions, and those around the last two retargets, where the news is."""
    random = np.random.default_rng(seed)
    places = random.choice(np.arange(260, len(panel.sessions)), count, replace=False)
    public = panel.field("difficulty").available_at[-2:]
    at = panel.decisions.searchsorted(public)
    news = np.concatenate([at - 1, at, at + 1])
    return list(panel.sessions[np.union1d(places, news[news < len(panel.sessions)])])


def assert_same_past(signal: Signal, panel: Panel, sessions: list[pd.Timestamp]) -> None:
    whole = signal.compute(panel)
    assert whole.notna().to_numpy().any()
    for session in sessions:
        part = signal.compute(panel.until(session))
        pd.testing.assert_frame_equal(part, whole.loc[:session], rtol=0.0, atol=1e-11)


@every_signal
def test_the_sample_has_the_same_past(sample_panel, signal):
    assert_same_past(signal, sample_panel, cuts(sample_panel, 1, 8))


@every_signal
def test_the_real_folder_has_the_same_past(real_panel, signal):
    days = ["2016-07-11", "2020-05-12", "2021-07-02", "2021-07-06", "2024-04-22", "2024-04-24"]
    sessions = [pd.Timestamp(day) for day in days]
    assert_same_past(signal, real_panel, sessions + cuts(real_panel, 2, 3))


def test_a_signal_that_sees_the_next_retarget_is_caught(sample_panel):
    class Peeking(Signal):
        def compute(self, panel: Panel) -> pd.DataFrame:
            field = panel.field("difficulty")
            early = replace(field, values=field.values.pct_change().shift(-1))
            return panel.known(early)

    with pytest.raises(AssertionError):
        assert_same_past(Peeking(), sample_panel, cuts(sample_panel, 1, 20))


@every_signal
def test_it_is_one_column_on_the_sessions(sample_panel, signal):
    found = signal.compute(sample_panel)
    assert found.shape == (len(sample_panel.sessions), 1)
    assert found.index.equals(sample_panel.sessions)
    assert not np.isinf(found.to_numpy()).any()


def test_the_price_of_bitcoin_is_public_from_the_session_it_is_usable(sample_panel):
    late = sample_panel.sessions[300]
    coin, *others = sample_panel.universe.assets
    universe = replace(
        sample_panel.universe, assets=(replace(coin, usable_from=late.date()), *others)
    )
    panel = replace(sample_panel, universe=universe)
    known = panel.known(bitcoin_price(panel))["price"]
    assert known.iloc[:300].isna().all()
    assert known.iloc[300] == panel.field("close").values["SIMBTC"][late]
    assert len(bitcoin_price(panel.until(panel.sessions[299])).values) == 0
    for name in ("puell_multiple", "hash_ribbon_cross", "difficulty_regression"):
        assert_same_past(SIGNALS[name], panel, list(panel.sessions[[298, 299, 300, 301, 800]]))
