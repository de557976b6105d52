"""Signals of the difficulty epochs themselves: exact, and known at the retarget."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.network.difficulty import (
    BLOCK_SECONDS,
    BLOCKS_PER_EPOCH,
    EPOCH_SECONDS,
    HASHES_PER_DIFFICULTY,
)
from toolkit.panel import Field, Panel
from toolkit.signals.published import DAY, STALE_EPOCH, PublishedSignal
from toolkit.units import Fraction, component

_CLAMP = 3.99
"""Changes beyond this factor are cut by the protocol, or rounded from what it cut."""

_TOLERANCE_DAYS = 1.5
"""Of a retarget's time. An absent epoch shifts it by a fortnight."""

_HASH_RATE_PER_DIFFICULTY = (
    (BLOCKS_PER_EPOCH - 1) / BLOCKS_PER_EPOCH * HASHES_PER_DIFFICULTY / BLOCK_SECONDS
)


def epochs(panel: Panel) -> Field:
    """Difficulty of each epoch, a row a retarget, checked to be whole.

    The change of difficulty says how long the epoch before it took. Where the time between two
    rows is another one, an epoch is absent.

    Raises
    ------
    DataError
        A difficulty that is not positive and finite, or an absent epoch; the message says where.
    """
    return panel.derived(epochs, lambda: _epochs(panel))


def _epochs(panel: Panel) -> Field:
    field = panel.field("difficulty")
    values = field.column()
    days = field.values.index
    wrong = ~((values > 0.0) & np.isfinite(values))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"difficulty ({field.source}) of {days[row].date()} is {values[row]}; it is positive, "
            "finite, and every epoch has one."
        )
    ratio = values[1:] / values[:-1]
    found = np.diff(field.moments) / DAY.value
    expected = EPOCH_SECONDS / DAY.total_seconds() / ratio
    late = (found > expected + _TOLERANCE_DAYS) & (ratio > 1.0 / _CLAMP) & (values[1:] > 1.0)
    early = (found < expected - _TOLERANCE_DAYS) & (ratio < _CLAMP)
    if (late | early).any():
        row = int(np.argmax(late | early))
        raise DataError(
            f"difficulty ({field.source}): the epochs of {days[row].date()} and "
            f"{days[row + 1].date()} are {found[row]:.1f} days apart; a change by "
            f"{ratio[row] - 1.0:+.2%} comes after {expected[row]:.1f} days. Complete the rows "
            "between them, one every 2,016 blocks, or correct their times."
        )
    return field


@component
class EpochChange(PublishedSignal):
    """Logarithm of the change of difficulty at a retarget, plain or denoised.

    Parameters
    ----------
    denoised
        Add half of the change before it. The luck of an epoch enters two changes with opposite
        signs, so part of each change is the one before it undone.

    Notes
    -----
    One column, ``epoch_change``: a log change (-0.06 = -6 %). Known at the retarget block, exact,
    never revised; NaN before the second retarget (denoised: the third), and where the last one is
    more than 60 days old. Threshold in use: below -6 %. Under a constant hash rate block luck
    alone gives a standard deviation of 3.15 % and a correlation of -0.5 from change to change;
    denoised 2.73 %. Steady growth by g an epoch reads g, denoised 1.5 g. Changes in a row
    telescope: the noise of the sum of three is 3.15 % as well.
    """

    denoised: bool = False

    max_age: ClassVar[pd.Timedelta] = STALE_EPOCH

    def rows(self, panel: Panel) -> Field:
        """Change at each retarget."""
        source = epochs(panel)
        change = np.diff(np.log(source.column()), prepend=np.nan)
        if self.denoised:
            change[1:] += 0.5 * change[:-1].copy()
        return source.derive("epoch_change", change, "log change")


@component
class ImpliedHashRate(PublishedSignal):
    """Mean hash rate of the epoch that has just ended, as its retarget measured it.

    Notes
    -----
    One column, ``implied_hash_rate``, H/s: 2015/2016 of the new difficulty times 2^32 / 600, an
    identity for the estimate by counting blocks. Known at the retarget; NaN where the retarget was
    limited to a factor of four or difficulty was at its floor, which leave only a bound, and where
    it is more than 60 days old. Sampling noise 2.23 %, against 8.3 % for one day. It has no
    threshold: it is a level.
    """

    max_age: ClassVar[pd.Timedelta] = STALE_EPOCH

    def rows(self, panel: Panel) -> Field:
        """Hash rate of the epoch before each retarget."""
        source = epochs(panel)
        return source.derive("implied_hash_rate", implied_hash_rate(source.column()), "H/s")


def implied_hash_rate(difficulty: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean hash rate (H/s) of the epoch before each one, NaN where the protocol cut the change."""
    ratio = np.full(len(difficulty), np.nan)
    ratio[1:] = difficulty[1:] / difficulty[:-1]
    whole = (ratio < _CLAMP) & (ratio > 1.0 / _CLAMP) & (difficulty > 1.0)
    return np.where(whole, difficulty * _HASH_RATE_PER_DIFFICULTY, np.nan)


@component
class EpochReversal(PublishedSignal):
    """Share of a large fall of the hash rate that came back within one epoch.

    Parameters
    ----------
    fall
        Smallest relative fall of difficulty that is judged.

    Notes
    -----
    One column, ``epoch_reversal``: with H the mean hash rates of the epoch before the fall, in it
    and after it, (H_after - H_in) / (H_before - H_in); 1 = all of it came back, 0 = none, negative
    = it fell further. Thresholds in use: above 0.6 weather (curtailment that reverses), below 0.3
    lasting (economic or structural). Known one epoch after the fall; a verdict stands until the
    next one, and is NaN after 60 days. A fall by f leaves the share a standard deviation of about
    0.03 / f: on 5 % the thresholds cannot be told apart, on 20 % they can. Falls of 5 % happen by
    block luck alone, of which half comes back on average: as often weather as not.
    """

    fall: Fraction = 0.05

    max_age: ClassVar[pd.Timedelta] = STALE_EPOCH

    def rows(self, panel: Panel) -> Field:
        """Verdict at each retarget that follows a large fall, NaN at the others."""
        source = epochs(panel)
        rate = implied_hash_rate(source.column())
        before, low, after = rate[:-2], rate[1:-1], rate[2:]
        fell = (low < (1.0 - self.fall) * before) & (before > low)
        share = np.full(len(rate), np.nan)
        share[2:] = np.divide(after - low, before - low, out=share[2:].copy(), where=fell)
        return source.derive("epoch_reversal", share, "share")
