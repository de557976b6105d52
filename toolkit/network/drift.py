"""How fast a quantity of the network drifts, and how little a few years say about that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import InsufficientHistoryError
from toolkit.network.chain import Floats, numbers
from toolkit.network.economics import DAYS_PER_YEAR
from toolkit.network.quantities import positive

_YEAR_WEEKS, _BLOCK_WEEKS = 52, 26
_BAND_DEVIATIONS = 1.6448536269514722
"""Normal deviations on either side of a 90 % interval."""


@dataclass(frozen=True)
class Drift:
    """Growth of a series, log per year, with 90 % intervals.

    Attributes
    ----------
    trend, trend_low, trend_high
        Slope of the straight line through the past. Its interval takes the line for true and its
        errors for correlated up to a year: how well a line describes these years.
    mean, mean_low, mean_high
        Mean change from week to week. Its interval draws half-years of changes anew: what other
        years like these might have brought, and so what a forecast can count on.
    """

    trend: float
    trend_low: float
    trend_high: float
    mean: float
    mean_low: float
    mean_high: float


def drift(values: pd.Series, *, seed: int = 2019, draws: int = 4_000) -> Drift:
    """Drift of a daily series, over the weekly means of its logs.

    Parameters
    ----------
    values
        Positive, by day; NaN where unknown.
    seed, draws
        Of the interval of the mean.

    Raises
    ------
    InsufficientHistoryError
        Less than two years.
    DataError
        A value that is not positive and finite, or a week without any.

    References
    ----------
    Newey and West, Econometrica 55 (1987); Politis and Romano, in Exploring the Limits of
    Bootstrap (1992), on blocks of a circle.
    """
    weeks = _weekly_logs(values)
    years = np.arange(len(weeks)) * 7.0 / DAYS_PER_YEAR
    slope, level = np.polyfit(years, weeks, 1)
    centred = years - years.mean()
    score = centred * (weeks - level - slope * years)
    variance = score @ score
    for lag in range(1, _YEAR_WEEKS + 1):
        variance += 2.0 * (1.0 - lag / (_YEAR_WEEKS + 1.0)) * (score[lag:] @ score[:-lag])
    half = _BAND_DEVIATIONS * math.sqrt(variance) / (centred @ centred)

    steps = np.diff(weeks) * DAYS_PER_YEAR / 7.0
    blocks = -(-len(steps) // _BLOCK_WEEKS)
    first = np.random.default_rng(seed).integers(0, len(steps), (draws, blocks, 1))
    picked = (first + np.arange(_BLOCK_WEEKS)).reshape(draws, -1)[:, : len(steps)] % len(steps)
    low, high = np.quantile(steps[picked].mean(axis=1), (0.05, 0.95))
    return Drift(
        trend=float(slope),
        trend_low=float(slope - half),
        trend_high=float(slope + half),
        mean=float(steps.mean()),
        mean_low=float(low),
        mean_high=float(high),
    )


def trends_by_start(values: pd.Series, least_years: float = 3.0) -> pd.Series:
    """Slopes of the lines from the start of each month to the end, log per year.

    Parameters
    ----------
    values
        As in `drift`.
    least_years
        Length of the shortest line.
    """
    days = pd.DatetimeIndex(values.index)
    latest = days[-1] - pd.Timedelta(days=least_years * DAYS_PER_YEAR)
    starts = pd.date_range(days[0], latest, freq="MS")
    slopes = []
    for start in starts:
        weeks = _weekly_logs(values.loc[start:])
        slopes.append(np.polyfit(np.arange(len(weeks)) * 7.0 / DAYS_PER_YEAR, weeks, 1)[0])
    return pd.Series(slopes, index=starts, dtype=float)


def _weekly_logs(values: pd.Series) -> Floats:
    """Means over whole weeks up to the last day; a week in part would count as much as a whole."""
    logs, days = np.log(positive("values", values)), pd.DatetimeIndex(values.index)
    weeks = ((days[-1] - days[0]).days + 1) // 7
    if weeks < 2 * _YEAR_WEEKS:
        raise InsufficientHistoryError(
            f"A drift needs {2 * _YEAR_WEEKS} weeks; found {weeks}, up to {days[-1].date()}."
        )
    means = logs.loc[days[-1] - pd.Timedelta(days=7 * weeks - 1) :].resample("7D").mean()
    return numbers("the mean of a week", means.to_numpy(), means.index)
