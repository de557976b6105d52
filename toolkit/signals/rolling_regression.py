"""Regressions over rolling windows, all windows of all series at once, with standard errors.

Everything is built from sums over short blocks of rows: a window is some blocks, and the spread of
the blocks' scores is what the standard errors come from. No running total reaches beyond its
window, so a wild row leaves no rounding error behind it, and a row of results depends on the rows
of its window alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.units import Fraction, Sessions, component

Array = NDArray[np.float64]

_STILL = 1e-12
"""Variance over mean square below which a series never moves: what rounding leaves of a constant."""

_COLLINEAR = 1e8
"""Variance inflation at which factors are no longer told apart."""


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
class RollingFit:
    """Regressions that end at each row, for each series; NaN where there is no fit.

    Parameters
    ----------
    rows, columns
        Labels of the rows and of the series.
    factors
        Names of the factors, in the order of the arrays.
    coefficients
        Rows x series x factors; the constant is left out.
    covariance
        Of the coefficients: rows x series x factors x factors.
    factor_covariance
        Of the factors, on the rows of the window that were used: same shape.
    r_squared
        Share of the variance of the series in the window that is fitted: rows x series.
    degrees_of_freedom
        Of the spread of blocks, for quantiles of Student's t.
    """

    rows: pd.DatetimeIndex
    columns: pd.Index[str]
    factors: tuple[str, ...]
    coefficients: Array
    covariance: Array
    factor_covariance: Array
    r_squared: Array
    degrees_of_freedom: int

    def standard_errors(self) -> Array:
        """Of each coefficient: rows x series x factors."""
        return np.asarray(np.sqrt(np.diagonal(self.covariance, axis1=2, axis2=3)))


def rolling_regression(
    responses: pd.DataFrame, factors: Mapping[str, pd.DataFrame], window: Window | None = None
) -> RollingFit:
    """Least squares with a constant, on the window that ends at each row.

    Parameters
    ----------
    responses
        Rows x series.
    factors
        Regressors by name: a frame of the same rows with a column a series, or with one column.
    window
        Its length, and how it is cut into blocks.

    Notes
    -----
    The covariance of the coefficients is the sandwich ``A S A`` with A the inverse of the factors'
    centred cross product. S is the sum over blocks of the outer product of the block's summed
    scores, times m / (m-1) * (n-1) / (n-k-1) for m blocks, n rows, k factors: it holds
    with heteroscedasticity and with autocorrelation up to a block, like a Bartlett kernel of the
    block's length (of which it is the version without overlap). Quantiles are those of Student's t
    with m - 1 degrees of freedom. Rows with a NaN are left out; a window that lacks more than
    ``1 - least`` of its rows has no fit, and so have the rows before the first whole window.

    Raises
    ------
    InsufficientHistoryError
        There are fewer rows than one window.
    DataError
        In some window a factor or a series never moves, factors cannot be told apart, or the
        factors are the series: a member of its own basket.

    References
    ----------
    Newey and West, Econometrica 55 (1987); Ibragimov and Mueller, J. of Business and Economic
    Statistics 28 (2010), for few blocks and Student's t.
    """
    window = window or Window()
    if len(responses) < window.sessions:
        raise InsufficientHistoryError(
            f"Found {len(responses)} sessions, but a rolling window needs {window.sessions}. "
            "Start the data earlier, or choose a shorter window."
        )
    names = tuple(factors)
    fit = _fit(_stacked(responses, factors, window), window)
    ends = pd.DatetimeIndex(responses.index[window.sessions - 1 :])
    _check(fit, ends, responses.columns, names)

    def padded(values: Array) -> Array:
        early = np.full((window.sessions - 1, *values.shape[1:]), np.nan)
        return np.concatenate([early, np.where(_wide(fit.enough, values), values, np.nan)])

    return RollingFit(
        rows=pd.DatetimeIndex(responses.index),
        columns=responses.columns,
        factors=names,
        coefficients=padded(fit.coefficients),
        covariance=padded(fit.covariance),
        factor_covariance=padded(fit.cross / np.maximum(fit.count, 1.0)[..., None, None]),
        r_squared=padded(fit.r_squared),
        degrees_of_freedom=window.blocks - 1,
    )


@dataclass(frozen=True)
class _Windows:
    """Regressions of whole windows: windows x series, and what tells whether to trust them."""

    count: Array
    enough: NDArray[np.bool_]
    coefficients: Array
    covariance: Array
    cross: Array
    r_squared: Array
    still: Array
    inflation: Array


def _stacked(responses: pd.DataFrame, factors: Mapping[str, pd.DataFrame], window: Window) -> Array:
    """One, the series and the factors: (2 + factors) x rows x series, all 0 on incomplete rows."""
    shape = responses.shape
    for name, factor in factors.items():
        if len(factor) != shape[0] or factor.shape[1] not in (1, shape[1]):
            raise ConfigError(
                f"Factor {name!r} has {factor.shape[0]} rows and {factor.shape[1]} columns; expected "
                f"{shape[0]} rows and one column, or {shape[1]}."
            )
    parts = [responses.to_numpy(dtype=float)]
    parts += [np.broadcast_to(f.to_numpy(dtype=float), shape) for f in factors.values()]
    data = np.stack([np.ones(shape), *parts])
    complete = np.isfinite(data).all(axis=0)
    data = np.where(complete, data, 0.0)
    # Centred by a mean of the first rows, which every later window knows: sums of squares about
    # zero of a series far from zero would lose their digits.
    first = np.cumsum(complete, axis=0) <= window.sessions
    first &= complete
    center = (data * first).sum(axis=1) / np.maximum(first.sum(axis=0), 1)
    center[0] = 0.0
    return np.asarray(np.where(complete, data - center[:, None], 0.0))


def _fit(data: Array, window: Window) -> _Windows:
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
    still = np.where(spread <= _STILL * raw, 1.0, 0.0)
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
        residual, *products = (
            np.einsum("awn,awn->wn", block[place[row]], weights) for row in (0, *range(2, size))
        )
        score = np.stack(products) - mean[2:] * residual
        meat += score[:, None] * score[None]
    few = window.blocks / (window.blocks - 1.0)
    correction = few * (count - 1.0) / np.maximum(count - size + 1.0, 1.0)
    half = np.einsum("ikwn,klwn->ilwn", inverse, meat * correction)
    covariance = np.einsum("ilwn,ljwn->ijwn", half, inverse)
    return _Windows(
        count=count,
        enough=enough,
        coefficients=np.moveaxis(coefficients, 0, -1),
        covariance=covariance.transpose(2, 3, 0, 1),
        cross=cross[2:, 2:].transpose(2, 3, 0, 1),
        r_squared=fitted / scale[0] ** 2,
        still=still,
        inflation=inflation,
    )


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


def _check(
    fit: _Windows, ends: pd.DatetimeIndex, columns: pd.Index[str], names: tuple[str, ...]
) -> None:
    """Refuse windows whose fit would mean nothing."""

    def where(faults: NDArray[np.bool_]) -> str:
        row, column = np.argwhere(faults)[0]
        return f"{columns[column]}, window that ends on {ends[row].date()}"

    for name, still in zip(("the series itself", *names), fit.still, strict=True):
        faults = (still > 0.0) & fit.enough
        if faults.any():
            raise DataError(
                f"{where(faults)}: {name} never moves, so nothing can be fitted to it. Check its "
                "prices for a stretch that was filled, or choose another factor."
            )
    faults = fit.enough & (np.abs(fit.inflation) > _COLLINEAR)
    if faults.any():
        raise DataError(
            f"{where(faults)}: the factors {', '.join(names)} are one another's sums. Take one out."
        )
    faults = fit.enough & (fit.r_squared > 1.0 - _STILL)
    if faults.any():
        raise DataError(
            f"{where(faults)}: the factors {', '.join(names)} explain the series exactly. Is it "
            "part of its own basket, or a copy of a factor?"
        )


def _wide(flags: NDArray[np.bool_], values: Array) -> NDArray[np.bool_]:
    return flags.reshape(flags.shape + (1,) * (values.ndim - 2))
