"""Intervals and tests for what a record says, and the correction for asking it many questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import InsufficientHistoryError
from toolkit.units import Fraction, Sessions, component

Floats = NDArray[np.float64]


@component
class Blocks:
    """A block bootstrap: how rows are drawn again.

    Parameters
    ----------
    length
        Rows of a block, which keeps what rows that follow one another have in common.
    draws
        How often; few of them cannot show a small probability, however clear the case.
    confidence
        Of the interval.
    seed
        Of the draws.
    """

    length: Sessions = 21
    draws: Sessions = 2_000
    confidence: Fraction = 0.9
    seed: int = 20250630

    def rows(self, count: int, stream: int = 0) -> NDArray[np.int64]:
        """Rows drawn again, draws x count: blocks that begin anywhere and go round the end.

        Raises
        ------
        InsufficientHistoryError
            Fewer than three blocks.
        """
        if count < 3 * self.length:
            raise InsufficientHistoryError(
                f"{count} rows are fewer than three blocks of {self.length}; an interval needs more."
            )
        random = np.random.default_rng([self.seed, stream])
        starts = random.integers(0, count, (self.draws, -(-count // self.length)))
        offsets = starts[:, :, None] + np.arange(self.length)
        return np.asarray((offsets.reshape(self.draws, -1)[:, :count]) % count)


@dataclass(frozen=True)
class Estimate:
    """A number with its doubt.

    Attributes
    ----------
    value
        On the rows as they are.
    low, high
        Bounds of the percentile interval.
    p_value
        Two-sided, that the true value is 0: twice the share of draws on the other side of it.
    """

    value: float
    low: float
    high: float
    p_value: float


def estimate(value: float, draws: Floats, confidence: float) -> Estimate:
    """A number, and what drawing the rows again makes of it."""
    tail = 0.5 * (1.0 - confidence)
    low, high = (float(bound) for bound in np.quantile(draws, (tail, 1.0 - tail)))
    # One more on either side: draws cannot show a probability of 0.
    beyond = 1 + min(int((draws <= 0.0).sum()), int((draws >= 0.0).sum()))
    return Estimate(float(value), low, high, min(1.0, 2.0 * beyond / (len(draws) + 1)))


def bootstrap(
    statistic: Callable[[Floats], float], rows: Floats, blocks: Blocks | None = None
) -> Estimate:
    """A statistic of rows, with the interval that a block bootstrap gives it.

    Parameters
    ----------
    rows
        Periods, or periods x series, without NaN.
    """
    blocks = blocks or Blocks()
    draws = np.array([statistic(rows[drawn]) for drawn in blocks.rows(len(rows))])
    return estimate(statistic(rows), draws, blocks.confidence)


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Probabilities corrected for how many were looked at.

    References
    ----------
    Holm, A simple sequentially rejective multiple test procedure, Scand. J. of Statistics 6 (1979).
    """
    ordered = sorted(p_values, key=lambda name: p_values[name])
    adjusted, highest = {}, 0.0
    for place, name in enumerate(ordered):
        highest = max(highest, min(1.0, (len(ordered) - place) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
