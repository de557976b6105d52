"""What estimates of covariance share: the sample, correlations pair by pair, and their repair.

Assets are listed at different times, so every pair is estimated over the sessions that both have.
Such a matrix need not be positive semidefinite; its correlations are then repaired, and how much
is reported. Cash belongs left out of the returns: it is riskless to the optimizer without an
estimate, while shrinkage would lend it the risk of the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError
from toolkit.risk.model import CovarianceEstimate

Floats = NDArray[np.float64]

SMALLEST_OVERLAP = 21
"""Sessions that two assets must share; with fewer their correlation is taken as 0."""

REPAIRED = 1e-6
"""Smallest eigenvalue of correlations that a repair leaves: with 0 no least risk is determined."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class Sample:
    """Returns of the assets with enough history, 0 where there is none.

    Of several samples at once the arrays have one more axis in front.
    """

    assets: pd.Index
    values: Floats
    present: Floats
    together: Floats

    @property
    def own(self) -> Floats:
        """Returns by asset."""
        return np.diag(self.together)

    @property
    def mean(self) -> Floats:
        """Mean return by asset."""
        return np.asarray(self.values.sum(axis=0) / np.maximum(self.own, 1.0))


def demand_enough(minimum: int, lookback: int) -> None:
    """Refuse a history that no lookback can hold."""
    if minimum > lookback:
        raise ConfigError(f"minimum = {minimum} sessions is more than lookback = {lookback}.")


def recent_returns(returns: pd.DataFrame, lookback: int) -> pd.DataFrame:
    """The last rows of returns, checked.

    Raises
    ------
    DataError
        An infinite return or one below -1 in them, repeated assets, or sessions out of order.
    """
    recent = returns.iloc[-lookback:]
    if not recent.columns.is_unique:
        twice = recent.columns[recent.columns.duplicated()][0]
        raise DataError(f"The returns have {twice} more than once; keep one column an asset.")
    if not (recent.index.is_unique and recent.index.is_monotonic_increasing):
        raise DataError("The sessions of the returns must increase without repeats; sort them.")
    values = recent.to_numpy(dtype=float)
    impossible = np.isinf(values) | (values < -1.0)
    if impossible.any():
        row, column = (places[0] for places in np.nonzero(impossible))
        found = "infinite" if np.isinf(values[row, column]) else f"{values[row, column]:.6g}"
        raise DataError(
            f"The return of {recent.columns[column]} on {recent.index[row]} is {found}; expected a "
            "finite simple return, -1 or more. Correct the price before it."
        )
    return recent


def sample_of(returns: pd.DataFrame, lookback: int, minimum: int) -> Sample:
    """Sample of the last rows, of the assets that are listed long enough and still trade.

    Raises
    ------
    DataError
        As `recent_returns`.
    """
    recent = recent_returns(returns, lookback)
    values = recent.to_numpy(dtype=float)
    present = ~np.isnan(values)
    enough = (present.sum(axis=0) >= minimum) & present[-minimum:].any(axis=0)
    present = present[:, enough]
    here = present.astype(float)
    return Sample(
        assets=recent.columns[enough],
        values=np.where(present, values[:, enough], 0.0),
        present=here,
        together=here.T @ here,
    )


def pairwise(sample: Sample, weights: Floats, mean: Floats) -> Floats:
    """Covariance per session: own variances, and correlations over the sessions of each pair."""
    centred = (sample.values - mean) * sample.present
    weighted = centred * weights[:, None]
    total = weights @ sample.present
    variances = (weighted * centred).sum(axis=-2) / np.where(total > 0.0, total, 1.0)
    products = weighted.mT @ centred
    # Sum of squares of the row's asset over the sessions of both; the transpose has the column's.
    squares = (weighted * centred).mT @ sample.present
    norms = np.sqrt(squares * squares.mT)
    defined = (norms > 0.0) & (sample.together >= SMALLEST_OVERLAP)
    correlation = np.where(defined, products / np.where(defined, norms, 1.0), 0.0)
    own = np.arange(correlation.shape[-1])
    correlation[..., own, own] = 1.0
    deviations = np.sqrt(variances)
    covariance: Floats = correlation * deviations[..., :, None] * deviations[..., None, :]
    return (covariance + covariance.mT) / 2.0


def estimate_of(
    sample: Sample, covariance: Floats, fallbacks: Mapping[str, str] | None = None
) -> CovarianceEstimate:
    """The estimate of an annual covariance, repaired where that is needed."""
    repaired, repair = semidefinite((covariance + covariance.T) / 2.0)
    return CovarianceEstimate(
        matrix=pd.DataFrame(repaired, index=sample.assets, columns=sample.assets),
        repair=repair,
        observations=pd.Series(sample.own.astype(int), index=sample.assets),
        fallbacks=fallbacks or {},
    )


def semidefinite(covariance: Floats) -> tuple[Floats, float]:
    """The covariance with its correlations made positive definite where one eigenvalue is negative.

    Eigenvalues are raised to `REPAIRED`; the second number is the largest negative one. Correlations
    and not covariances, so that the variance of a quiet asset is not swamped by the rounding of a
    wild one; they are brought back to a diagonal of 1. Of several at once, one more axis in front,
    each is repaired by itself.
    """
    if not covariance.size:
        return covariance, 0.0
    deviations = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    scale = np.where(deviations > 0.0, deviations, 1.0)
    correlation = covariance / scale[..., :, None] / scale[..., None, :]
    values, vectors = np.linalg.eigh(correlation)
    broken = values[..., 0] < -_ROUNDING * scale.shape[-1]
    if not broken.any():
        return covariance, 0.0
    clipped = (vectors * np.maximum(values, REPAIRED)[..., None, :]) @ vectors.mT
    left = np.diagonal(clipped, axis1=-2, axis2=-1)
    resized = deviations / np.sqrt(np.where(deviations > 0.0, left, 1.0))
    repaired = clipped * resized[..., :, None] * resized[..., None, :]
    repaired = np.where(broken[..., None, None], (repaired + repaired.mT) / 2.0, covariance)
    return repaired, -float(values.min())
