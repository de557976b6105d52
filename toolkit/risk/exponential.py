"""Covariance in which the recent past counts more."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import demand_enough, estimate_of, pairwise, sample_of
from toolkit.units import Positive, Sessions, component


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
        demand_enough(self.minimum, self.lookback)

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows."""
        sample = sample_of(returns, self.lookback, self.minimum)
        age = np.arange(len(sample.values))[::-1]
        weights = 0.5 ** (age / self.halflife)
        covariance = pairwise(sample, weights, np.zeros(sample.values.shape[1]))
        return estimate_of(sample, covariance * periods_per_year)
