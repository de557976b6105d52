"""The spread from highs and lows: exact where there is no noise, and as rough as it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.risk.spread import (
    LARGEST_HALF_SPREAD,
    SMALLEST_HALF_SPREAD,
    half_spreads,
    two_day_spreads,
)


def bounce(seed: int, days: int, volatility: float, spread: float) -> pd.DataFrame:
    """Bars of a random walk whose 390 trades a day are at the bid or the ask, half and half."""
    random = np.random.default_rng(seed)
    steps = random.normal(0.0, volatility / np.sqrt(390.0), (days, 390))
    value = np.exp(np.cumsum(steps.ravel()).reshape(days, 390))
    trades = 50.0 * value * (1.0 + random.choice([-0.5, 0.5], (days, 390)) * spread)
    bars = {"high": trades.max(axis=1), "low": trades.min(axis=1), "close": trades[:, -1]}
    return pd.DataFrame(bars, pd.bdate_range("2015-01-01", periods=days))


def estimated(bars: pd.DataFrame, lookback: int = 63) -> pd.Series:
    return half_spreads(bars["high"], bars["low"], bars["close"], lookback)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(spread=st.floats(1e-4, 0.5), price=st.floats(0.01, 1e5))
def test_where_only_the_spread_moves_the_price_it_is_found_exactly(spread, price):
    high, low = (np.full(5, price * (1.0 + side * spread / 2.0)) for side in (1.0, -1.0))
    assert two_day_spreads(high, low, high)[1:] == pytest.approx(np.full(4, spread), rel=1e-9)


def test_the_formula_by_hand():
    high, low, close = np.array([52.0, 53.0]), np.array([50.0, 51.5]), np.array([51.0, 52.0])
    # The second day's range lies above the first close by ln(51.5 / 51): it is moved down to it.
    leap = np.log(51.5 / 51.0)
    beta = np.log(52.0 / 50.0) ** 2 + np.log(53.0 / 51.5) ** 2
    gamma = (max(np.log(52.0), np.log(53.0) - leap) - np.log(50.0)) ** 2
    k = 3.0 - 2.0 * 2.0**0.5
    alpha = ((2.0 * beta) ** 0.5 - beta**0.5) / k - (gamma / k) ** 0.5
    expected = 2.0 * (np.exp(alpha) - 1.0) / (1.0 + np.exp(alpha))
    found = two_day_spreads(high, low, close)
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("volatility", "spread"), [(0.02, 0.01), (0.02, 0.03), (0.05, 0.03)])
def test_a_known_spread_is_found_again(volatility, spread):
    found = 2.0 * estimated(bounce(1, 4_000, volatility, spread)).dropna()
    assert found.mean() == pytest.approx(spread, rel=0.08)
    assert found.std() < 0.012


@pytest.mark.parametrize(("volatility", "most"), [(0.02, 30e-4), (0.05, 70e-4)])
def test_of_no_spread_at_all_the_estimate_is_above_zero_by_what_the_notes_say(volatility, most):
    found = 2.0 * estimated(bounce(2, 4_000, volatility, 0.0)).dropna()
    assert 2.0 * SMALLEST_HALF_SPREAD < found.mean() < most


def test_an_estimate_uses_its_own_and_earlier_days_alone():
    bars = bounce(3, 300, 0.04, 0.004)
    whole, cut = estimated(bars), estimated(bars.iloc[:200])
    assert np.array_equal(whole.iloc[:200], cut, equal_nan=True)
    # A pair a day from the second day on, half of 63 of them at least.
    assert whole.first_valid_index() == bars.index[31]


def test_a_split_between_two_days_is_no_spread():
    bars = bounce(4, 200, 0.03, 0.005)
    split = bars.copy()
    split.iloc[100:] /= 8.0
    found, without = two_day_spreads(*split.to_numpy().T), two_day_spreads(*bars.to_numpy().T)
    same = np.arange(200) != 100
    assert found[same][1:] == pytest.approx(without[same][1:], rel=1e-9)
    # On the day itself the leap is taken for a night's: the level is moved back.
    assert abs(found[100]) < 0.2


def test_estimates_are_bounded_and_days_without_bars_left_out():
    wide = bounce(5, 150, 0.01, 0.4)
    assert estimated(wide).max() == LARGEST_HALF_SPREAD
    calm = pd.DataFrame(50.0, wide.index, ["high", "low", "close"])
    assert estimated(calm).dropna().unique() == pytest.approx([SMALLEST_HALF_SPREAD])
    holes = bounce(6, 150, 0.03, 0.01)
    holes.iloc[::7, 0] = np.nan
    assert estimated(holes).index.equals(holes.index[holes["high"].notna()])
