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
        Of the factors; the latter NaN where no errors were asked for.
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


def fit_windows(data: Array, window: Window, errors: bool = True) -> WindowFits:
    """Regressions of every whole window.

    Parameters
    ----------
    data
        Ones, the series and its factors: (2 + factors) x rows x series, all 0 on incomplete rows.
    errors
        Whether to compute the covariance of the coefficients, which is most of the work.
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
        part = _fit(np.ascontiguousarray(data[:, start:, columns]), window, errors)
        for entry in fields(WindowFits):
            fitted = getattr(part, entry.name)
            if entry.name not in whole:
                whole[entry.name] = np.zeros((windows, series, *fitted.shape[2:]), fitted.dtype)
            whole[entry.name][start:, columns] = fitted
    return WindowFits(**whole)  # type: ignore[arg-type]


def _fit(data: Array, window: Window, errors: bool) -> WindowFits:
    size = len(data)
    blocks, place = _block_moments(data, window.block)
    total = _sums(blocks, window.blocks, window.block)[place]
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
    covariance = np.full_like(inverse, np.nan)
    if errors:
        scores = _score_products(blocks, place, coefficients, mean, window)
        few = window.blocks / (window.blocks - 1.0)
        correction = few * (count - 1.0) / np.maximum(count - size + 1.0, 1.0)
        half = np.einsum("ikwn,klwn->ilwn", inverse, scores * correction)
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


def _score_products(
    blocks: Array, place: NDArray[np.int64], coefficients: Array, mean: Array, window: Window
) -> Array:
    """Sum over a window's blocks of the products of their scores: factors x factors x windows x series."""
    # The residual as a combination of the columns, and a block's sums of it times each factor.
    weights = np.concatenate([np.ones((2, *coefficients.shape[1:])), -coefficients])
    weights[0] = -(weights[1:] * mean[1:]).sum(axis=0)
    wanted = blocks[place[[0, *range(2, len(place))]]]
    total = np.zeros((len(coefficients), *coefficients.shape))
    for start in range(0, window.sessions, window.block):
        block = wanted[:, :, start : start + coefficients.shape[1]]
        residual, *products = np.einsum("ikwn,kwn->iwn", block, weights)
        score = np.stack(products) - mean[2:] * residual
        total += score[:, None] * score[None]
    return total


def _block_moments(data: Array, block: int) -> tuple[Array, NDArray[np.int64]]:
    """Sums of each product of columns over the rows from each row on, and where which one is."""
    size, rows, series = data.shape
    one, other = np.triu_indices(size)
    place = np.zeros((size, size), dtype=np.int64)
    place[one, other] = place[other, one] = np.arange(len(one))
    moments = np.zeros((len(one), rows - block + 1, series))
    for row, (left, right) in enumerate(zip(one, other, strict=True)):
        moments[row] = _sums((data[left] * data[right])[None], block, 1)[0]
    return moments, place


def _sums(values: Array, count: int, step: int) -> Array:
    """Sums of so many rows, each a step after the one before, from each row on.

    Axis 1 holds the rows. Sums of two, four, eight rows and so on are added up.
    """
    part, length, rows = values, 1, values.shape[1] - (count - 1) * step
    total, done = np.zeros((len(values), rows, values.shape[2])), 0
    while True:
        if count & length:
            total += part[:, done * step : done * step + rows]
            done += length
        if 2 * length > count:
            return total
        part = part[:, : -length * step] + part[:, length * step :]
        length *= 2


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
