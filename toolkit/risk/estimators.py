"""Risk models: the covariance of returns, estimated from what was known at a decision.

Assets are listed at different times, so every pair is estimated over the sessions that both have.
Such a matrix need not be positive semidefinite; its correlations are then repaired, and how much
is reported. Cash belongs left out of the returns: it is riskless to the optimizer without an
estimate, while shrinkage would lend it the risk of the others.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError
from toolkit.units import Positive, Sessions, component

Floats = NDArray[np.float64]

SMALLEST_OVERLAP = 21
"""Sessions that two assets must share; with fewer their correlation is taken as 0."""

_ROUNDING = 1e-12


@dataclass(frozen=True)
class CovarianceEstimate:
    """A covariance with how it came about.

    Parameters
    ----------
    matrix
        Annualised covariance of simple returns, positive semidefinite; assets with enough history.
    repair
        Largest negative eigenvalue of the correlations that was set to zero, as a positive number;
        0 where none was. Variances are as estimated in either case.
    observations
        Returns of each asset that entered.
    """

    matrix: pd.DataFrame
    repair: float
    observations: pd.Series


class RiskModel(ABC):
    """An estimator of covariance."""

    @abstractmethod
    def covariance(self, returns: pd.DataFrame, periods_per_year: float) -> CovarianceEstimate:
        """Covariance from the last rows of the returns.

        Parameters
        ----------
        returns
            Simple returns, sessions x assets, up to and including the decision's session; NaN
            where an asset had no return.
        periods_per_year
            Sessions a year of the clock.

        Raises
        ------
        DataError
            An infinite return.
        """


@component
class ExponentialCovariance(RiskModel):
    """Exponentially weighted covariance around a mean of zero.

    A pair's correlation is that of the sessions both have, with the weights of those sessions; an
    asset's variance is that of all its own.

    Parameters
    ----------
    halflife
        Sessions after which an observation counts half.
    lookback
        Sessions looked at.
    minimum
        Returns an asset needs within them, and sessions within which the last one must lie.

    References
    ----------
    RiskMetrics technical document, J.P. Morgan/Reuters (1996), section 5.2.
    """

    halflife: Positive = 63.0
    lookback: Sessions = 504
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        _check(self.minimum, self.lookback)

    def covariance(self, returns: pd.DataFrame, periods_per_year: float) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows."""
        sample = _sample(returns, self.lookback, self.minimum)
        age = np.arange(len(sample.values))[::-1]
        weights = 0.5 ** (age / self.halflife)
        covariance = _pairwise(sample, weights, np.zeros(sample.values.shape[1]))
        return _estimate(sample, covariance * periods_per_year)


@component
class LedoitWolf(RiskModel):
    """Sample covariance shrunk towards equal variances without correlation.

    The intensity is the one that minimises the expected squared error. Where listings differ, its
    sums run over the sessions that a pair has; on complete returns the estimate is Ledoit and
    Wolf's.

    Parameters
    ----------
    lookback
        Sessions looked at.
    minimum
        Returns an asset needs within them, and sessions within which the last one must lie.

    References
    ----------
    Ledoit and Wolf, A well-conditioned estimator for large-dimensional covariance matrices,
    J. of Multivariate Analysis 88 (2004), lemmas 3.2 to 3.5.
    """

    lookback: Sessions = 252
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        _check(self.minimum, self.lookback)

    def covariance(self, returns: pd.DataFrame, periods_per_year: float) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows."""
        sample = _sample(returns, self.lookback, self.minimum)
        mean = sample.values.sum(axis=0) / np.maximum(sample.own, 1.0)
        covariance = _pairwise(sample, np.ones(len(sample.values)), mean)
        level = np.diag(np.full(len(mean), np.diag(covariance).mean() if len(mean) else 0.0))
        intensity = _intensity(sample, mean, covariance, level)
        shrunk = (1.0 - intensity) * covariance + intensity * level
        return _estimate(sample, shrunk * periods_per_year)


@dataclass(frozen=True)
class _Sample:
    """Returns of the assets with enough history, 0 where there is none."""

    assets: pd.Index
    values: Floats
    present: Floats
    together: Floats

    @property
    def own(self) -> Floats:
        """Returns by asset."""
        return np.diag(self.together)


def _check(minimum: int, lookback: int) -> None:
    if minimum > lookback:
        raise ConfigError(f"minimum = {minimum} sessions is more than lookback = {lookback}.")


def _sample(returns: pd.DataFrame, lookback: int, minimum: int) -> _Sample:
    recent = returns.iloc[-lookback:]
    values = recent.to_numpy(dtype=float)
    if np.isinf(values).any():
        row, column = (places[0] for places in np.nonzero(np.isinf(values)))
        raise DataError(
            f"The return of {recent.columns[column]} on {recent.index[row]} is infinite; "
            "correct the price before it."
        )
    present = ~np.isnan(values)
    enough = (present.sum(axis=0) >= minimum) & present[-minimum:].any(axis=0)
    present = present[:, enough]
    here = present.astype(float)
    return _Sample(
        assets=recent.columns[enough],
        values=np.where(present, values[:, enough], 0.0),
        present=here,
        together=here.T @ here,
    )


def _pairwise(sample: _Sample, weights: Floats, mean: Floats) -> Floats:
    """Covariance per session: own variances, and correlations over the sessions of each pair."""
    centred = (sample.values - mean) * sample.present
    weighted = centred * weights[:, None]
    total = weights @ sample.present
    variances = (weighted * centred).sum(axis=0) / np.where(total > 0.0, total, 1.0)
    products = weighted.T @ centred
    # Sum of squares of the row's asset over the sessions of both; the transpose has the column's.
    squares = (weighted * centred).T @ sample.present
    norms = np.sqrt(squares * squares.T)
    defined = (norms > 0.0) & (sample.together >= SMALLEST_OVERLAP)
    correlation = np.where(defined, products / np.where(defined, norms, 1.0), 0.0)
    np.fill_diagonal(correlation, 1.0)
    deviations = np.sqrt(variances)
    covariance: Floats = correlation * deviations[:, None] * deviations
    return (covariance + covariance.T) / 2.0


def _intensity(sample: _Sample, mean: Floats, covariance: Floats, level: Floats) -> float:
    """Share of the target in the shrunk covariance, between 0 and 1."""
    distance = float(((covariance - level) ** 2).sum())
    if distance <= 0.0:
        return 0.0
    squares = ((sample.values - mean) * sample.present) ** 2
    shared = np.maximum(sample.together, 1.0)
    noise = (squares.T @ squares / shared - covariance**2) / shared
    known = sample.together >= SMALLEST_OVERLAP
    return min(1.0, max(0.0, float(noise[known].sum())) / distance)


def _estimate(sample: _Sample, covariance: Floats) -> CovarianceEstimate:
    repaired, repair = _semidefinite(covariance)
    return CovarianceEstimate(
        matrix=pd.DataFrame(repaired, index=sample.assets, columns=sample.assets),
        repair=repair,
        observations=pd.Series(sample.own.astype(int), index=sample.assets),
    )


def _semidefinite(covariance: Floats) -> tuple[Floats, float]:
    """The covariance with negative eigenvalues of its correlations set to zero, and the largest.

    Correlations and not covariances, so that the variance of a quiet asset is not swamped by the
    rounding of a wild one; they are brought back to a diagonal of 1.
    """
    deviations = np.sqrt(np.diag(covariance))
    scale = np.where(deviations > 0.0, deviations, 1.0)
    correlation = covariance / scale[:, None] / scale
    if not len(scale):
        return covariance, 0.0
    values, vectors = np.linalg.eigh(correlation)
    if values[0] >= -_ROUNDING * len(scale):
        return covariance, 0.0
    clipped = (vectors * np.maximum(values, 0.0)) @ vectors.T
    diagonal = np.sqrt(np.where(deviations > 0.0, np.diag(clipped), 1.0))
    repaired = clipped / diagonal[:, None] / diagonal * deviations[:, None] * deviations
    return (repaired + repaired.T) / 2.0, -float(values[0])
