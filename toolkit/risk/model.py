"""What a risk model is asked, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import pandas as pd


@dataclass(frozen=True)
class CovarianceEstimate:
    """A covariance with how it came about.

    Parameters
    ----------
    matrix
        Annualised covariance of simple returns, positive semidefinite; assets with enough history.
    repair
        Largest negative eigenvalue of the correlations, as a positive number, where they were
        repaired: all eigenvalues are then 1e-6 or more, up to the scaling back to a diagonal of 1.
        0 where they were not. Variances are as estimated in either case.
    observations
        Returns of each asset that entered.
    fallbacks
        Assets whose estimate is not the model's own, and why: asset to reason.
    """

    matrix: pd.DataFrame
    repair: float
    observations: pd.Series
    fallbacks: Mapping[str, str] = field(default_factory=dict)


class RiskModel(ABC):
    """An estimator of covariance.

    Attributes
    ----------
    reads_factors
        Whether it needs the returns of factors.
    """

    reads_factors: ClassVar[bool] = False

    @abstractmethod
    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last rows of the returns.

        It depends on what is given alone: no state, and nothing drawn at random.

        Parameters
        ----------
        returns
            Simple returns, sessions x assets, up to and including the decision's session; NaN
            where an asset had no return. Columns in any order.
        periods_per_year
            Sessions a year of the clock.
        factors
            Returns of what moves all assets, on the very sessions of the returns
            (`toolkit.risk.factors.factor_returns`); read by `FactorModel` alone.

        Raises
        ------
        DataError
            An infinite return or one below -1, repeated assets, or sessions out of order.
        """
