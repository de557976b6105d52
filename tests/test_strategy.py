"""Signals in, target weights out: reading, switching off, and sharing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, share_equally, share_in_proportion
from toolkit.universe import Universe

drawn = settings(deadline=None, derandomize=True)
SESSIONS = pd.bdate_range(date(2024, 1, 2), periods=4, unit="ns")
PANEL = Panel(Universe(()), SESSIONS, {})


class Constant(Signal):
    """One number for the whole market."""

    def __init__(self, value: float):
        self.value = value

    def compute(self, panel: Panel) -> pd.DataFrame:
        return pd.DataFrame({"market": self.value}, panel.sessions)


class Mood(Strategy):
    """Holds A in proportion to two signals."""

    @property
    def signals(self) -> Mapping[str, Signal]:
        return {"joy": Constant(0.5), "fear": Constant(0.2)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        values = self.read(panel, signals)
        return (values["joy"] - values["fear"]).set_axis(["A"], axis=1)


class Silent(Strategy):
    """Reads nothing."""

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame({"A": 1.0}, panel.sessions)


def test_a_strategy_computes_the_signals_it_names():
    read = Mood().read(PANEL)
    assert list(read) == ["joy", "fear"]
    assert Mood().targets(PANEL)["A"].tolist() == pytest.approx([0.3] * 4)


def test_given_signals_are_used_instead_of_computing_them():
    off = {"joy": Constant(0.5).compute(PANEL), "fear": Constant(0.0).compute(PANEL)}
    assert Mood().targets(PANEL, off)["A"].tolist() == [0.5] * 4


def test_a_signal_that_is_not_given_is_named_with_a_proposal():
    with pytest.raises(ConfigError, match=r"Mood reads the signal 'fear'.*Did you mean 'fears'\?"):
        Mood().targets(PANEL, {"joy": pd.DataFrame(), "fears": pd.DataFrame()})


def test_a_strategy_without_signals_reads_nothing():
    assert Silent().read(PANEL) == {}
    assert dict(Silent().signals) == {}


def test_a_strategy_without_targets_cannot_be_made():
    with pytest.raises(TypeError, match="abstract"):
        Strategy()


def test_equal_shares_go_to_the_chosen_and_sum_to_one():
    chosen = pd.DataFrame(
        [[True, False, True], [False, False, False], [True, True, True]], columns=list("ABC")
    )
    assert share_equally(chosen).to_numpy().tolist() == [
        [0.5, 0.0, 0.5], [0.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3],
    ]  # fmt: skip


@drawn
@given(
    st.lists(
        st.lists(st.one_of(st.just(np.nan), st.floats(-10.0, 1e6)), min_size=3, max_size=3),
        min_size=1,
        max_size=6,
    )
)
def test_shares_are_in_proportion_to_positive_scores_and_zero_elsewhere(rows):
    found = share_in_proportion(pd.DataFrame(rows, columns=list("ABC"))).to_numpy()
    for row, scores in zip(found, rows, strict=True):
        positive = [score if score > 0.0 else 0.0 for score in scores]
        total = sum(positive)
        expected = [score / total if total > 0.0 else 0.0 for score in positive]
        assert row == pytest.approx(expected, abs=1e-15)
        assert row.sum() == pytest.approx(1.0 if total > 0.0 else 0.0, abs=1e-12)


def test_of_flags_by_asset_one_decides_a_session():
    weights = pd.DataFrame(0.5, SESSIONS, ["A", "B"])
    flags = np.array([[True, False], [False, False], [False, True], [True, True]])
    by_asset, by_session = decided_where(weights, flags), decided_where(weights, flags.any(axis=1))
    assert by_asset.notna().to_numpy().tolist() == [[True] * 2, [False] * 2, [True] * 2, [True] * 2]
    pd.testing.assert_frame_equal(by_asset, by_session)
