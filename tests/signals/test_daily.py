"""Daily series: windows of days against pandas, and days that are absent."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.panel import Panel
from toolkit.signals.daily import (
    bitcoin_price,
    daily_amounts,
    difficulty_by_day,
    together,
    trailing_mean,
    trailing_rank,
)


def series(seed: int, days: int = 400) -> np.ndarray:
    """A wandering level with ties, a stretch that stands still, and three absent days."""
    random = np.random.default_rng(seed)
    values = np.round(100.0 * np.exp(np.cumsum(0.02 * random.standard_normal(days))), 0)
    values[200:260] = 0.1 * values[200]
    values[random.choice(days, 3, replace=False)] = np.nan
    return values


@pytest.mark.parametrize("days", [1, 2, 9, 30, 365, 400, 401])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_trailing_mean_is_that_of_pandas(seed, days):
    values = series(seed)
    expected = pd.Series(values).rolling(days).mean().to_numpy()
    np.testing.assert_allclose(trailing_mean(values, days), expected, rtol=1e-13, atol=0.0)


@pytest.mark.parametrize("days", [1, 2, 30, 365, 401])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_trailing_rank_is_that_of_pandas(seed, days):
    values = series(seed)
    expected = pd.Series(values).rolling(days).rank(method="max", pct=True).to_numpy()
    np.testing.assert_array_equal(trailing_rank(values, days), expected)


@pytest.mark.parametrize("days", [3, 7, 30, 60])
def test_the_mean_of_a_standstill_is_its_level_to_the_last_bit(days):
    values = np.concatenate([np.linspace(1.0, 2.0, 50), np.full(100, 0.1)])
    assert (trailing_mean(values, days)[50 + days :] == 0.1).all()


def test_no_mean_depends_on_days_outside_its_window():
    calm = 1e-3 * (1.0 + np.arange(300.0))
    wild = calm.copy()
    wild[100] = 1e15
    later = slice(100 + 30, None)
    np.testing.assert_array_equal(trailing_mean(wild, 30)[later], trailing_mean(calm, 30)[later])


def test_fields_together_are_those_of_the_days_that_all_have(sample_panel: Panel):
    parts = {
        "difficulty": difficulty_by_day(sample_panel),
        "price": bitcoin_price(sample_panel),
        "blocks": daily_amounts(sample_panel, "blocks"),
    }
    both = together(parts)
    frames = [part.values.set_axis([name], axis=1) for name, part in parts.items()]
    expected = pd.concat(frames, axis=1, join="inner")
    pd.testing.assert_frame_equal(both.values, expected, check_freq=False)
    moments = pd.concat(
        [pd.Series(part.available_at, part.values.index) for part in parts.values()], axis=1
    ).dropna()
    assert (both.available_at == moments.max(axis=1).to_numpy()).all()


def test_fields_without_a_day_in_common_are_together_on_none(sample_panel: Panel):
    blocks = daily_amounts(sample_panel, "blocks")
    early, late = blocks.until(blocks.available_at[9]), blocks.until(blocks.available_at[0])
    middle = blocks.available_at[5]
    rest = type(blocks)(
        blocks.values.loc[blocks.available_at > middle],
        blocks.available_at[blocks.available_at > middle],
        blocks.unit,
        blocks.source,
    )
    assert len(together({"early": early, "rest": rest}).values) == 4
    assert len(together({"late": late, "rest": rest}).values) == 0
    assert list(together({"late": late, "rest": rest}).values.columns) == ["late", "rest"]
