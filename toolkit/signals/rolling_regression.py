"""Regressions over rolling windows of sessions, with standard errors, of many series at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.signals.window_fit import STILL, Array, Window, WindowFits, fit_windows

_COLLINEAR = 1e8
"""Variance inflation at which factors are no longer told apart."""


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
    responses: pd.DataFrame,
    factors: Mapping[str, pd.DataFrame],
    window: Window | None = None,
    errors: bool = True,
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
    errors
        Whether to compute the covariance of the coefficients, which is most of the work; NaN if not.

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
    fit = fit_windows(_stacked(responses, factors, window), window, errors)
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


def _check(
    fit: WindowFits, ends: pd.DatetimeIndex, columns: pd.Index[str], names: tuple[str, ...]
) -> None:
    """Refuse windows whose fit would mean nothing."""

    def where(faults: NDArray[np.bool_]) -> str:
        row, column = np.argwhere(faults)[0]
        return f"{columns[column]}, window that ends on {ends[row].date()}"

    for number, name in enumerate(("the series itself", *names)):
        faults = (fit.still[..., number] > 0.0) & fit.enough
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
    faults = fit.enough & (fit.r_squared > 1.0 - STILL)
    if faults.any():
        raise DataError(
            f"{where(faults)}: the factors {', '.join(names)} explain the series exactly. Is it "
            "part of its own basket, or a copy of a factor?"
        )


def _wide(flags: NDArray[np.bool_], values: Array) -> NDArray[np.bool_]:
    return flags.reshape(flags.shape + (1,) * (values.ndim - 2))
