"""The next retarget, forecast from the part of the epoch that is mined.

The difficulty in force is the last epoch's mean hash rate, so it is a forecast by itself; the blocks
of this epoch are another. Both carry block luck, and the hash rate wanders between and within them.
The forecast weighs the two, and its band adds up all that can still go wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from pydantic import Field

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.network.difficulty import BLOCK_SECONDS, BLOCKS_PER_EPOCH, EPOCH_SECONDS
from toolkit.units import NonNegative, component

INTERVALS = BLOCKS_PER_EPOCH - 1
"""Intervals between the first and the last block of an epoch: what a retarget measures."""

LARGEST_FALL, LARGEST_RISE = -0.75, 3.0
"""Changes at which the protocol clamps a retarget: by a factor of four, down or up."""

FIT_EPOCHS = 26
"""Epochs, about one year, from which `fit_prior` learns.

Chosen among 13, 26 and 52 on the epochs of 2012 to 2016 alone: the shorter, the smaller the error
while growth changed as fast as then, and 26 is the shortest whose bands held 85 % at every point.
"""

_CLAMPS = (np.log1p(LARGEST_FALL), np.log1p(LARGEST_RISE))
_BAND_DEVIATIONS = 1.6448536269514722
"""Normal deviations on either side of a 90 % band."""

Numbers = npt.NDArray[np.float64]


@component
class RetargetPrior:
    """What is known of an epoch before it is mined.

    Parameters
    ----------
    growth
        Expected logarithm of the epoch's hash rate over the last epoch's (0.02 = 2 %). It stays as
        it is within the epoch: growth on the way and an hour's error in the start look the same.
        A retarget follows a factor of four at most, hence -1.4 to 1.4.
    volatility
        Standard deviation of the change of the hash rate's logarithm in the time of one epoch.
    elapsed_error_seconds
        Standard error of the elapsed time: 0 from block timestamps, about an hour where the start
        of an epoch is estimated from daily counts.

    Notes
    -----
    The default growth and volatility are `fit_prior` of the 26 epochs before 2017, rounded. Growth
    has slowed since, so fit on the latest epochs where they are at hand.
    """

    growth: Annotated[float, Field(ge=-1.4, le=1.4)] = 0.04
    volatility: NonNegative = 0.05
    elapsed_error_seconds: NonNegative = 3600.0


DEFAULT_PRIOR = RetargetPrior()


@dataclass(frozen=True)
class RetargetForecast:
    """Distribution of the next difficulty change.

    Attributes
    ----------
    change
        Expected change of difficulty, a fraction (0.03 = +3 %), between -0.75 and 3.
    standard_error
        Of the change, a fraction.
    band_low, band_high
        Bounds of the change with 90 % between them, 5 % on either side.
    difficulty
        The next one, if the change is as expected.
    fraction
        Share of the epoch's 2,016 blocks that is mined.
    remaining_seconds
        Expected time to the last block of the epoch.
    """

    change: float
    standard_error: float
    band_low: float
    band_high: float
    difficulty: float
    fraction: float
    remaining_seconds: float


def forecast_retarget(
    difficulty: float,
    blocks: int,
    elapsed_seconds: float,
    prior: RetargetPrior = DEFAULT_PRIOR,
) -> RetargetForecast:
    """Forecast the next difficulty change from the blocks of the epoch so far.

    Parameters
    ----------
    difficulty
        In force in this epoch.
    blocks
        Blocks of this epoch that are mined, 0 to 2,016. The first of them opens the epoch, so 0 and
        1 both mean that no interval is complete.
    elapsed_seconds
        From the first block's timestamp to the moment of the count; once all 2,016 are mined, to
        the last block's timestamp.
    prior
        What was known before; `fit_prior` learns it from past epochs.

    Raises
    ------
    DataError
        A difficulty or a time that is not positive and finite, or a count out of range.

    Notes
    -----
    The logarithm of the hash rate is a random walk with variance s2 an epoch, seen through block
    luck. Against the difficulty it starts at the prior's growth with variance 1/2015 + s2/3: the
    luck of the last epoch, and the way from that epoch's mean to its end. With a share f of the
    intervals seen, the past mean has variance s2 f/3 more, the mean of the rest s2 (1 + 2 f)/3
    more, and s2 f/2 of that in common. The blocks so far move the forecast of the rest by

        (1/2015 + s2/3 + s2 f/2) / (1/2015 + s2/3 + s2 f/3 + luck + error of the clock)

    of their surprise. The rest is then mined at that pace, and the change is 1,209,600 seconds over
    the whole time. The band holds the variance left in the pace, the luck of the blocks to come
    and the clock's error, taken as normal in the logarithm.
    """
    columns = _forecast(_Progress(difficulty, blocks, elapsed_seconds), *_columns([prior]))
    return RetargetForecast(**{name: float(values[0]) for name, values in columns.items()})


def forecast_retargets(
    difficulty: npt.ArrayLike,
    blocks: npt.ArrayLike,
    elapsed_seconds: npt.ArrayLike,
    prior: RetargetPrior | Sequence[RetargetPrior] = DEFAULT_PRIOR,
) -> pd.DataFrame:
    """Forecasts of many moments: rows x the attributes of `RetargetForecast`.

    Parameters
    ----------
    difficulty, blocks, elapsed_seconds
        As in `forecast_retarget`, one value a row; none may be NaN.
    prior
        One for all rows, or one a row.

    Raises
    ------
    DataError
        As in `forecast_retarget`, with the first wrong row; or lengths that differ.
    """
    priors = [prior] if isinstance(prior, RetargetPrior) else prior
    progress = _Progress(difficulty, blocks, elapsed_seconds)
    if len(priors) not in (1, len(progress.blocks)):
        raise DataError(
            f"{len(priors)} priors for {len(progress.blocks)} rows: expected one, or one a row."
        )
    return pd.DataFrame(_forecast(progress, *_columns(priors)))


def forecast_epochs(
    difficulties: npt.ArrayLike,
    epoch: npt.NDArray[np.int64],
    blocks: npt.ArrayLike,
    elapsed_seconds: npt.ArrayLike,
    elapsed_error_seconds: float = 3600.0,
    epochs: int = FIT_EPOCHS,
) -> dict[str, Numbers]:
    """Forecasts of many moments, each with the prior that the epochs before its own give.

    Arrays by the names of the attributes of `RetargetForecast`.

    Parameters
    ----------
    difficulties
        One an epoch, oldest first.
    epoch
        Row in `difficulties` of the epoch that each moment lies in.
    blocks, elapsed_seconds
        As in `forecast_retarget`, one value a moment.
    elapsed_error_seconds, epochs
        As in `fit_prior`.

    Raises
    ------
    InsufficientHistoryError, DataError, ConfigError
        As in `fit_prior` and `forecast_retargets`.
    """
    levels = np.asarray(difficulties, dtype=float)
    first = int(np.min(epoch, initial=len(levels)))
    _check_history(levels[: first + 1], epochs)
    growth, volatility = _fitted(sliding_window_view(levels, epochs + 1))
    progress = _Progress(levels[epoch], blocks, elapsed_seconds)
    fit = epoch - epochs
    return _forecast(progress, growth[fit], volatility[fit], elapsed_error_seconds)


def fit_prior(
    difficulties: npt.ArrayLike,
    elapsed_error_seconds: float = 3600.0,
    epochs: int = FIT_EPOCHS,
) -> RetargetPrior:
    """Prior of an epoch from the difficulties known at its start.

    Parameters
    ----------
    difficulties
        One an epoch, oldest first, up to the one in force: all are public from its first block on.
        Exact numbers, so the fit needs no block times.
    elapsed_error_seconds
        Passed on to the prior.
    epochs
        Latest changes to learn from; older ones are not read.

    Raises
    ------
    InsufficientHistoryError
        Fewer changes than `epochs`.
    DataError
        A difficulty that is not positive and finite.
    ConfigError
        `epochs` below 2.

    Notes
    -----
    The mean log change is the growth. Under the random walk of `forecast_retarget` the variance of
    the changes is 2/3 of the volatility squared, plus the block luck of two epochs, 2/2015; the
    volatility is 0 where luck explains it all.
    """
    levels = np.asarray(difficulties, dtype=float)
    _check_history(levels, epochs)
    growth, volatility = _fitted(levels[-epochs - 1 :])
    return RetargetPrior(float(growth), float(volatility), elapsed_error_seconds)


def _check_history(levels: Numbers, epochs: int) -> None:
    if epochs < 2:
        raise ConfigError(f"fit_prior: epochs = {epochs}; a variance needs at least 2 changes.")
    if levels.ndim != 1 or len(levels) <= epochs:
        raise InsufficientHistoryError(
            f"fit_prior: difficulties of shape {levels.shape}; {epochs} changes need a row of "
            f"{epochs + 1}. Give more epochs or learn from fewer."
        )


def _fitted(levels: Numbers) -> tuple[Numbers, Numbers]:
    """Growth and volatility from the difficulties along the last axis."""
    _require(
        _positive(levels).ravel(), levels.ravel(), "difficulties", "a positive, finite difficulty"
    )
    changes = np.diff(np.log(levels), axis=-1)
    wandering = 1.5 * (changes.var(axis=-1, ddof=1) - 2.0 / INTERVALS)
    return changes.mean(axis=-1), np.sqrt(np.maximum(wandering, 0.0))


class _Progress:
    """Checked rows of difficulty, blocks and elapsed seconds."""

    def __init__(
        self, difficulty: npt.ArrayLike, blocks: npt.ArrayLike, elapsed_seconds: npt.ArrayLike
    ):
        try:
            given = [
                np.atleast_1d(np.asarray(a, float)) for a in (difficulty, blocks, elapsed_seconds)
            ]
        except (TypeError, ValueError):
            raise DataError(
                f"difficulty = {difficulty!r}, blocks = {blocks!r} and elapsed_seconds = "
                f"{elapsed_seconds!r}: one of them is no number."
            ) from None
        lengths = [values.shape for values in given]
        if len(set(lengths)) != 1 or given[0].ndim != 1:
            raise DataError(
                f"difficulty, blocks and elapsed_seconds have shapes {lengths}: expected three "
                f"rows of the same length."
            )
        self.difficulty, self.blocks, self.elapsed = given
        whole = (self.blocks % 1.0 == 0.0) & (self.blocks >= 0.0)
        count = f"a whole number from 0 to {BLOCKS_PER_EPOCH}, the blocks of one epoch"
        _require(_positive(self.difficulty), self.difficulty, "difficulty", "positive and finite")
        _require(whole & (self.blocks <= BLOCKS_PER_EPOCH), self.blocks, "blocks", count)
        _require(
            _positive(self.elapsed),
            self.elapsed,
            "elapsed_seconds",
            "positive and finite: the count comes after the first block of the epoch",
        )


def _columns(priors: Sequence[RetargetPrior]) -> list[Numbers]:
    """Settings of priors, an array each."""
    return [
        np.array([getattr(prior, entry.name) for prior in priors])
        for entry in fields(RetargetPrior)
    ]


def _forecast(
    progress: _Progress, growth: Numbers, volatility: Numbers, clock_error: Numbers | float
) -> dict[str, Numbers]:
    intervals = np.maximum(progress.blocks - 1.0, 0.0)
    remaining, share = INTERVALS - intervals, intervals / INTERVALS
    # Half an interval for the block that is under way when the count is taken.
    seen = intervals + 0.5
    # Relative to the elapsed time, but never more for a shorter one: the weight must not fall with
    # time, or a later count of the same blocks could forecast a higher difficulty.
    clock = clock_error / np.maximum(progress.elapsed, BLOCK_SECONDS * seen)
    luck = 1.0 / seen + clock**2
    walk = volatility**2
    start = 1.0 / INTERVALS + walk / 3.0
    common = start + walk * share / 2.0
    weight = common / (start + walk * share / 3.0 + luck)
    expected = BLOCK_SECONDS * np.exp(-growth)
    # Where the hash rate wanders much the weight passes 1: what rose goes on rising. Blocks several
    # times too fast, beyond the clamp of the protocol, would then leave less than no time.
    interval = np.maximum(expected + weight * (progress.elapsed / seen - expected), 0.0)
    left = start + walk * (1.0 + 2.0 * share) / 3.0 - weight * common

    seconds = remaining * interval
    total = progress.elapsed + seconds
    ahead = seconds / total
    # An error of the clock shifts the time so far, and through the pace the time ahead as well.
    shift = (clock_error / total) ** 2 * (1.0 + 2.0 * weight * remaining / seen)
    deviation = np.sqrt(ahead**2 * (left + 1.0 / np.maximum(remaining, 1.0)) + shift)

    ratio = np.log(EPOCH_SECONDS / total)
    change, low, high = (
        np.expm1(np.clip(ratio + step * deviation, *_CLAMPS))
        for step in (0.0, -_BAND_DEVIATIONS, _BAND_DEVIATIONS)
    )
    return {
        "change": change,
        "standard_error": (1.0 + change) * deviation,
        "band_low": low,
        "band_high": high,
        "difficulty": progress.difficulty * (1.0 + change),
        "fraction": progress.blocks / BLOCKS_PER_EPOCH,
        "remaining_seconds": seconds,
    }


def _positive(values: Numbers) -> npt.NDArray[np.bool_]:
    return np.isfinite(values) & (values > 0.0)


def _require(valid: npt.NDArray[np.bool_], values: Numbers, name: str, expected: str) -> None:
    if not valid.all():
        row = int(np.argmin(valid))
        raise DataError(f"{name} = {values[row]} in row {row}: expected {expected}.")
