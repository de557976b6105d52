"""Sample covariance shrunk towards something simpler, by as much as its errors call for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import (
    SMALLEST_OVERLAP,
    Floats,
    Sample,
    demand_enough,
    estimate_of,
    pairwise,
    sample_of,
)
from toolkit.units import Sessions, component


@component
class LedoitWolf(RiskModel):
    """Sample covariance shrunk towards equal variances without correlation.

    The intensity is the one that minimises the expected squared error. Where listings differ, its
    sums run over the sessions that a pair has; on complete returns the estimate is Ledoit and
    Wolf's, around the mean and with the divisor n, as in scikit-learn.

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
        demand_enough(self.minimum, self.lookback)

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows."""
        sample = sample_of(returns, self.lookback, self.minimum)
        covariance = pairwise(sample, np.ones(len(sample.values)), sample.mean)
        intensity = ledoit_wolf_intensity(sample, covariance)
        return estimate_of(sample, shrunk(covariance, intensity) * periods_per_year)


@component
class OracleApproximatingShrinkage(RiskModel):
    """Sample covariance shrunk towards the same target, by an intensity meant for normal returns.

    The number of observations in the formula is the mean, over pairs of assets, of the sessions
    that they share. On complete returns the estimate is scikit-learn's: around the mean, divisor n,
    and without the factor 1 - 2/p of the paper.

    Parameters
    ----------
    lookback
        Sessions looked at.
    minimum
        Returns an asset needs within them, and sessions within which the last one must lie.

    References
    ----------
    Chen, Wiesel, Eldar and Hero, Shrinkage algorithms for MMSE covariance estimation, IEEE Trans.
    on Signal Processing 58 (2010), equation 23.
    """

    lookback: Sessions = 252
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        demand_enough(self.minimum, self.lookback)

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows."""
        sample = sample_of(returns, self.lookback, self.minimum)
        covariance = pairwise(sample, np.ones(len(sample.values)), sample.mean)
        intensity = _oracle_intensity(sample, covariance)
        return estimate_of(sample, shrunk(covariance, intensity) * periods_per_year)


def shrunk(covariance: Floats, intensity: float) -> Floats:
    """Covariance with a share of it replaced by equal variances without correlation."""
    return (1.0 - intensity) * covariance + intensity * _level(covariance)


def ledoit_wolf_intensity(sample: Sample, covariance: Floats) -> float:
    """Share of the target in the shrunk covariance, between 0 and 1.

    Parameters
    ----------
    covariance
        Of the sample, around its mean, per session.
    """
    distance = float(((covariance - _level(covariance)) ** 2).sum())
    if distance <= 0.0:
        return 0.0
    squares = ((sample.values - sample.mean) * sample.present) ** 2
    shared = np.maximum(sample.together, 1.0)
    noise = (squares.T @ squares / shared - covariance**2) / shared
    known = sample.together >= SMALLEST_OVERLAP
    return min(1.0, max(0.0, float(noise[known].sum())) / distance)


def _oracle_intensity(sample: Sample, covariance: Floats) -> float:
    size = len(covariance)
    if not size:
        return 0.0
    level, square = float(np.diag(covariance).mean()), float((covariance**2).mean())
    spread = (sample.together.mean() + 1.0) * (square - level**2 / size)
    return 1.0 if spread <= 0.0 else min(1.0, (square + level**2) / float(spread))


def _level(covariance: Floats) -> Floats:
    size = len(covariance)
    return np.diag(np.full(size, np.diag(covariance).mean() if size else 0.0))
