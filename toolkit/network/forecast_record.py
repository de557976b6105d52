"""The record of the retarget forecast on past epochs, beside the plain estimate and the floor.

What is exact: block counts (by height), difficulties, changes. What is estimated: the time an epoch
started and, with it, the elapsed time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from toolkit.errors import DataError
from toolkit.network.difficulty import BLOCK_SECONDS, BLOCKS_PER_EPOCH
from toolkit.network.forecast import (
    FIT_EPOCHS,
    INTERVALS,
    LARGEST_FALL,
    LARGEST_RISE,
    forecast_epochs,
)

POINTS = (0.05, 0.10, 0.25, 0.50, 0.75, 0.90)
"""Shares of an epoch at which forecasts are judged."""

_DAY = pd.Timedelta(days=1)


def epoch_progress(
    mined: pd.Series[float], epochs: pd.DataFrame, day_lag_seconds: float = 0.0
) -> pd.DataFrame:
    """How far the epoch in force was at each day's end.

    Parameters
    ----------
    mined
        Blocks of the chain up to the end of each UTC day, the first block included, by the day's
        end; every day present. The height of the last one is one less.
    epochs
        Columns ``height`` (of the first block) and ``difficulty``, by the epoch's start (UTC).
    day_lag_seconds
        How long after its stated end a day really ends. Days bounded by the median time of the
        last eleven blocks, as those of Coin Metrics seem to be, end about 3,300 s late.

    Returns
    -------
    progress
        By day's end: ``epoch`` (row of `epochs`), ``difficulty``, ``blocks`` of the epoch, and
        ``elapsed_seconds`` since its start. Where the start is estimated, the hours around it may
        have an elapsed time at or below zero, which no forecast takes.

    Raises
    ------
    DataError
        A day is absent, blocks or starts go backwards, epochs do not follow each other, or the
        epochs do not cover a day.
    """
    ends, heights = pd.DatetimeIndex(mined.index), epochs["height"].to_numpy(dtype=float)
    starts = pd.DatetimeIndex(epochs.index)
    counts = mined.to_numpy(dtype=float)
    _first_wrong(np.diff(ends) == _DAY, ends[1:], "mined: this end is not one day after the last")
    _first_wrong(np.diff(counts) >= 0.0, ends[1:], "mined: the number of blocks falls, or is NaN")
    _first_wrong(
        np.diff(heights) == BLOCKS_PER_EPOCH,
        starts[1:],
        f"epochs: this height is not {BLOCKS_PER_EPOCH} above the last",
    )
    _first_wrong(np.diff(starts) > pd.Timedelta(0), starts[1:], "epochs: time goes backwards")
    epoch = np.searchsorted(heights, counts - 1.0, side="right") - 1
    blocks = counts - heights[epoch]
    covered = (epoch >= 0) & (blocks <= BLOCKS_PER_EPOCH)
    _first_wrong(covered, ends, "epochs: none of them holds the last block of this day")
    elapsed = (ends - starts[epoch]).total_seconds() + day_lag_seconds
    return pd.DataFrame(
        {
            "epoch": epoch,
            "difficulty": epochs["difficulty"].to_numpy(dtype=float)[epoch],
            "blocks": blocks,
            "elapsed_seconds": elapsed.to_numpy(),
        },
        index=ends,
    )


def past_forecasts(
    progress: pd.DataFrame,
    epochs: pd.DataFrame,
    first: pd.Timestamp,
    elapsed_error_seconds: float = 3600.0,
    fit_epochs: int = FIT_EPOCHS,
) -> pd.DataFrame:
    """Forecasts of ended epochs at each of `POINTS`, each fitted on the epochs before it.

    Parameters
    ----------
    progress, epochs
        What `epoch_progress` gives and takes.
    first
        Epochs that start from here on are forecast; the earlier ones only teach.
    elapsed_error_seconds
        Standard error of the elapsed times.
    fit_epochs
        Latest changes that each prior learns from.

    Returns
    -------
    forecasts
        One row for the first day's end at which a share of an epoch is mined: ``epoch``,
        ``point``, the columns of `forecast_retargets`, ``outcome`` (the change that came),
        ``plain`` (600 s over the mean time per block so far, less 1), ``plain_interval`` (the
        same over the mean complete interval), and ``floor``, the mean absolute error that the luck
        of the blocks to come leaves even to who knows the hash rate of the whole epoch.

    Raises
    ------
    InsufficientHistoryError
        Too few epochs before the first one to fit on.
    """
    difficulties = epochs["difficulty"].to_numpy(dtype=float)
    changes = difficulties[1:] / difficulties[:-1] - 1.0
    ended = progress[progress["epoch"] < len(changes)]
    judged = ended[pd.DatetimeIndex(epochs.index)[ended["epoch"]] >= first]
    rows = pd.concat(
        [
            judged[judged["blocks"] >= point * BLOCKS_PER_EPOCH]
            .drop_duplicates("epoch")
            .assign(point=point)
            for point in POINTS
        ]
    ).reset_index(names="day_end")
    epoch, blocks, elapsed = (
        rows[name].to_numpy() for name in ("epoch", "blocks", "elapsed_seconds")
    )
    forecasts = forecast_epochs(
        difficulties, epoch, blocks, elapsed, elapsed_error_seconds, fit_epochs
    )
    outcome = changes[epoch]
    luck = np.sqrt(2.0 / np.pi * (BLOCKS_PER_EPOCH - blocks)) / INTERVALS
    return pd.DataFrame(forecasts).assign(
        epoch=epoch,
        point=rows["point"],
        day_end=rows["day_end"],
        outcome=outcome,
        plain=_plain(blocks, elapsed),
        plain_interval=_plain(blocks - 1.0, elapsed),
        floor=luck * (1.0 + outcome),
    )


def forecast_errors(forecasts: pd.DataFrame) -> pd.DataFrame:
    """Errors of past forecasts by `POINTS`: number, mean absolute errors, ratios, coverage.

    Errors are fractions of the difficulty; ``ratio`` is ours to the plain estimate's,
    ``ratio_interval`` to that of complete intervals, ``coverage`` the share of outcomes inside the
    90 % band.
    """
    inside = forecasts["outcome"].between(forecasts["band_low"], forecasts["band_high"])
    misses = pd.DataFrame(
        {
            "error": _miss(forecasts, "change"),
            "plain": _miss(forecasts, "plain"),
            "plain_interval": _miss(forecasts, "plain_interval"),
            "floor": forecasts["floor"],
            "coverage": inside.astype(float),
        }
    )
    by_point = misses.groupby(forecasts["point"])
    table = by_point.mean()
    return table.assign(
        epochs=by_point.size(),
        ratio=table["error"] / table["plain"],
        ratio_interval=table["error"] / table["plain_interval"],
    )


def _plain(
    blocks: npt.NDArray[np.float64], elapsed: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    return np.clip(BLOCK_SECONDS * blocks / elapsed - 1.0, LARGEST_FALL, LARGEST_RISE)


def _miss(forecasts: pd.DataFrame, name: str) -> pd.Series[float]:
    return (forecasts[name] - forecasts["outcome"]).abs()


def _first_wrong(
    valid: Sequence[bool] | npt.NDArray[np.bool_], when: pd.DatetimeIndex, problem: str
) -> None:
    if not np.all(valid):
        raise DataError(f"{problem}: {when[int(np.argmin(valid))]}.")
