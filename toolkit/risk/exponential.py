"""Covariance in which the recent past counts more."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import (
    Floats,
    Sample,
    demand_enough,
    estimate_of,
    pairwise,
    recent_returns,
    sample_of,
    semidefinite,
)
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
        weights = self._weights(len(sample.values))
        covariance = pairwise(sample, weights, np.zeros(sample.values.shape[1]))
        return estimate_of(sample, covariance * periods_per_year)

    def covariances(
        self, returns: pd.DataFrame, rows: NDArray[np.int64], periods_per_year: float
    ) -> Floats:
        """`covariance` at several rows of the returns at once: rows x assets x assets.

        Each from the returns up to its row; NaN for an asset without enough of them. For few
        assets: the windows of all rows are held in memory.
        """
        values = recent_returns(returns, len(returns)).to_numpy(dtype=float)
        before = np.full((self.lookback - 1, values.shape[1]), np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(
            np.vstack([before, values]), self.lookback, axis=0
        )[rows].mT
        present = np.isfinite(windows)
        enough = present.sum(axis=1) >= self.minimum
        enough &= present[:, -self.minimum :].any(axis=1)
        present &= enough[:, None]
        here = present.astype(float)
        sample = Sample(returns.columns, np.where(present, windows, 0.0), here, here.mT @ here)
        covariance = pairwise(sample, self._weights(self.lookback), np.zeros(values.shape[1]))
        repaired, _ = semidefinite(covariance * periods_per_year)
        return np.where(enough[:, :, None] & enough[:, None], repaired, np.nan)

    def _weights(self, sessions: int) -> Floats:
        """Of so many sessions, the last of which counts 1."""
        return np.asarray(0.5 ** (np.arange(sessions)[::-1] / self.halflife))
