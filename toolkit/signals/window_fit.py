"""The arithmetic of regressions over all windows of some series at once, from sums over blocks.

A window is some blocks of rows, and the spread of the blocks' scores is what the standard errors
come from. No running total reaches beyond its window, so a wild row leaves no rounding error
behind it, and a result depends on the rows of its window alone.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
import pydantic
from numpy.typing import NDArray

from toolkit.errors import ConfigError
from toolkit.units import Fraction, Sessions, component

Array = NDArray[np.float64]

STILL = 1e-12
"""Variance over mean square below which a series never moves: what rounding leaves of a constant."""

_AT_ONCE = 20_000
"""Cells fitted together, so few that their sums stay in a processor's cache."""


@component
class Window:
    """The rows a regression is fitted to.

    Parameters
    ----------
    sessions
        Rows of a window; a whole number of blocks.
    block
        Rows of a block. Scores of rows further apart than about that are taken as unrelated.
    least
        Share of the rows that must be complete; rows with a NaN are left out.
    """

    sessions: Sessions = 126
    block: Annotated[int, pydantic.Field(ge=1, le=260)] = 6
    least: Fraction = 0.8

    def __post_init__(self) -> None:
        if self.sessions % self.block or self.blocks < 8:
            raise ConfigError(
                f"Window of {self.sessions} sessions in blocks of {self.block}: expected a whole "
                "number of blocks, at least 8, since standard errors come from their spread."
            )

    @property
    def blocks(self) -> int:
        """Number of blocks in a window."""
        return self.sessions // self.block


@dataclass(frozen=True)
class WindowFits:
    """Regressions of whole windows: arrays of windows x series, or with factors behind.

    Parameters
    ----------
    count
        Complete rows.
    enough
        Whether they are enough; what is not must not be read.
    coefficients, covariance
        Of the factors.
    cross
        Sums of products of the factors about their means.
    r_squared
        Share of the variance that is fitted.
    still
        1 where the series, or one of the factors after it, never moves.
    inflation
        Largest variance inflation of a factor.
    """

    count: Array
    enough: NDArray[np.bool_]
    coefficients: Array
    covariance: Array
    cross: Array
    r_squared: Array
    still: Array
    inflation: Array


def fit_windows(data: Array, window: Window) -> WindowFits:
    """Regressions of every whole window.

    Parameters
    ----------
    data
        Ones, the series and its factors: (2 + factors) x rows x series, all 0 on incomplete rows.
    """
    windows, series = data.shape[1] - window.sessions + 1, data.shape[2]
    at_once = max(1, _AT_ONCE // data.shape[1])
    present = data[0] > 0.0
    # Those that begin together are fitted together, from the first window that any of them is in.
    order = np.argsort(np.argmax(present, axis=0), kind="stable")
    whole: dict[str, Array] = {}
    for place in range(0, series, at_once):
        columns = order[place : place + at_once]
        start = max(0, int(np.argmax(present[:, columns].any(axis=1))) - window.sessions + 1)
        part = _fit(np.ascontiguousarray(data[:, start:, columns]), window)
        for entry in fields(WindowFits):
            fitted = getattr(part, entry.name)
            if entry.name not in whole:
                whole[entry.name] = np.zeros((windows, series, *fitted.shape[2:]), fitted.dtype)
            whole[entry.name][start:, columns] = fitted
    return WindowFits(**whole)  # type: ignore[arg-type]


def _fit(data: Array, window: Window) -> WindowFits:
    size = len(data)
    blocks, place = _block_moments(data, window.block)
    windows = data.shape[1] - window.sessions + 1
    starts = range(0, window.sessions, window.block)
    packed = np.zeros((len(blocks), windows, data.shape[2]))
    for start in starts:
        packed += blocks[:, start : start + windows]
    total = packed[place]
    count = total[0, 0]
    enough = (count >= window.least * window.sessions) & (count > size)
    mean = total[0] / np.maximum(count, 1.0)
    cross = total - mean[:, None] * total[0]
    spread = np.maximum(np.diagonal(cross).transpose(2, 0, 1)[1:], 0.0)
    raw = np.diagonal(total).transpose(2, 0, 1)[1:]
    still = np.where(spread <= STILL * raw, 1.0, 0.0)
    usable = enough & (still.sum(axis=0) == 0.0)
    scale = np.sqrt(np.where(usable, spread, 1.0))
    inverse, inflation = _inverse(cross[2:, 2:], scale[1:], usable)
    coefficients = np.einsum("klwn,lwn->kwn", inverse, cross[2:, 1])
    fitted = (coefficients * cross[2:, 1]).sum(axis=0)
    # The residual as a combination of the columns, and a block's sums of it times each factor.
    weights = np.concatenate([np.ones((2, *count.shape)), -coefficients])
    weights[0] = -(weights[1:] * mean[1:]).sum(axis=0)
    meat = np.zeros((size - 2, size - 2, *count.shape))
    for start in starts:
        block = blocks[:, start : start + windows]
        residual, *products = (_product(block, place[row], weights) for row in (0, *range(2, size)))
        score = np.stack(products) - mean[2:] * residual
        meat += score[:, None] * score[None]
    few = window.blocks / (window.blocks - 1.0)
    correction = few * (count - 1.0) / np.maximum(count - size + 1.0, 1.0)
    half = np.einsum("ikwn,klwn->ilwn", inverse, meat * correction)
    covariance = np.einsum("ilwn,ljwn->ijwn", half, inverse)
    return WindowFits(
        count=count,
        enough=enough,
        coefficients=np.moveaxis(coefficients, 0, -1),
        covariance=covariance.transpose(2, 3, 0, 1),
        cross=cross[2:, 2:].transpose(2, 3, 0, 1),
        r_squared=fitted / scale[0] ** 2,
        still=np.moveaxis(still, 0, -1),
        inflation=inflation,
    )


def _product(block: Array, places: NDArray[np.int64], weights: Array) -> Array:
    """Sum of some of a block's moments, each times its weight."""
    total: Array = block[places[0]] * weights[0]
    for place, weight in zip(places[1:], weights[1:], strict=True):
        total += block[place] * weight
    return total


def _block_moments(data: Array, block: int) -> tuple[Array, NDArray[np.int64]]:
    """Sums of each product of columns over the rows from each row on, and where which one is."""
    size, rows, series = data.shape
    one, other = np.triu_indices(size)
    place = np.zeros((size, size), dtype=np.int64)
    place[one, other] = place[other, one] = np.arange(len(one))
    moments = np.zeros((len(one), rows - block + 1, series))
    for row, (left, right) in enumerate(zip(one, other, strict=True)):
        product = data[left] * data[right]
        for later in range(block):
            moments[row] += product[later : later + moments.shape[1]]
    return moments, place


def _inverse(cross: Array, scale: Array, usable: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Inverse of each window's cross product, by way of correlations, and its largest inflation.

    Swept, which needs no pivots for a correlation matrix and is all windows at once.
    """
    unit = np.eye(len(cross))[:, :, None, None]
    scales = scale[:, None] * scale[None]
    # A ridge far below what counts as collinear, so that what is refused later can be swept.
    swept = np.where(usable, cross / scales + 1e-14 * unit, unit)
    for row in range(len(cross)):
        pivot = swept[row, row].copy()
        column = swept[row] / pivot
        swept -= column[:, None] * swept[row].copy()
        swept[row] = swept[:, row] = column
        swept[row, row] = -1.0 / pivot
    inflation = -np.diagonal(swept).min(axis=-1)
    return -swept / scales, inflation
