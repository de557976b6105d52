"""Covariance from a few factors that move all assets, and a risk of its own for each."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, DataError, suggestion
from toolkit.risk.factors import AI, BITCOIN, EQUITY, HASH_PRICE
from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import (
    SMALLEST_OVERLAP,
    Floats,
    Sample,
    demand_enough,
    estimate_of,
    sample_of,
)
from toolkit.units import Positive, Sessions, component


@component
class FactorModel(RiskModel):
    """Covariance of returns that follow factors: B F B' + D, exponentially weighted around zero.

    F is the covariance of the factors over all sessions, B the betas of each asset over its own and
    D the variance of what they leave. A late listing thus has the risk of its factors over the
    whole lookback, and a correlation with assets that it never traded beside. Positive
    semidefinite by construction.

    Parameters
    ----------
    factors
        Columns of the factor returns it reads.
    halflife
        Sessions after which an observation counts half.
    lookback
        Sessions looked at; those without a return of every factor are left out.
    minimum
        Returns an asset needs within them, and sessions within which the last one must lie; the
        factors need as many.

    Raises
    ------
    ConfigError
        No factor.
    """

    reads_factors: ClassVar[bool] = True

    factors: tuple[str, ...] = (BITCOIN, AI, EQUITY, HASH_PRICE)
    halflife: Positive = 63.0
    lookback: Sessions = 504
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        demand_enough(self.minimum, self.lookback)
        if not self.factors:
            raise ConfigError("FactorModel.factors is empty; name at least one.")

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last `lookback` rows of returns and factors.

        Raises
        ------
        DataError
            Also: no factors, one that is not among them, infinite ones, other sessions than those
            of the returns, or fewer than `minimum` sessions with all of them.
        """
        sample = sample_of(returns, self.lookback, self.minimum)
        moves = self._moves(returns, factors)
        complete = np.asarray(np.isfinite(moves).all(axis=1))
        age = np.arange(len(moves))[::-1]
        weights = np.where(complete, 0.5 ** (age / self.halflife), 0.0)
        moves = np.where(complete[:, None], moves, 0.0)
        spread = (moves * weights[:, None]).T @ moves / weights.sum()
        betas, own = _regression(sample, moves, weights)
        covariance = betas @ spread @ betas.T + np.diag(own)
        return estimate_of(sample, covariance * periods_per_year)

    def _moves(self, returns: pd.DataFrame, factors: pd.DataFrame | None) -> Floats:
        if factors is None:
            raise DataError(
                "FactorModel was given no factor returns; pass those of "
                "toolkit.risk.factors.factor_returns(panel)."
            )
        for name in self.factors:
            if name not in factors.columns:
                raise DataError(
                    f"FactorModel reads the factor {name!r}, which the data do not have. "
                    f"{suggestion(name, factors.columns)} Leave it out of FactorModel.factors."
                )
        if not factors.index.equals(returns.index):
            raise DataError("The factor returns have other sessions than the returns; align them.")
        moves = factors[list(self.factors)].iloc[-self.lookback :]
        values = moves.to_numpy(dtype=float)
        if np.isinf(values).any():
            row, column = (places[0] for places in np.nonzero(np.isinf(values)))
            raise DataError(
                f"The factor {moves.columns[column]} on {moves.index[row]} is infinite; correct it."
            )
        known = np.isfinite(values)
        if known.all(axis=1).sum() < self.minimum:
            scarce = moves.columns[int(known.sum(axis=0).argmin())]
            raise DataError(
                f"Only {known.all(axis=1).sum()} of the last {len(moves)} sessions have a return of "
                f"every factor ({scarce} has the fewest); FactorModel needs {self.minimum}. Begin "
                "later, or leave the factor out."
            )
        return values


def _regression(sample: Sample, moves: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """Betas, assets x factors, and the variance of each asset that they leave."""
    weighted = sample.present * weights[:, None]
    total = weighted.sum(axis=0)
    scale = np.sqrt((moves**2).mean(axis=0))
    unit = moves / np.where(scale > 0.0, scale, 1.0)
    squares = np.einsum("ta,tf,tg->afg", weighted, unit, unit, optimize=True)
    products = (weighted * sample.values).T @ unit
    # A pseudo-inverse, for two factors may be one and the same.
    inverses = np.linalg.pinv(squares, hermitian=True)
    betas = np.einsum("afg,ag->af", inverses, products)
    joint = sample.present.T @ (weights > 0.0)
    betas = np.where(joint[:, None] >= SMALLEST_OVERLAP, betas, 0.0)
    left = (sample.values - unit @ betas.T) ** 2
    own = (weighted * left).sum(axis=0) / np.where(total > 0.0, total, 1.0)
    return betas / np.where(scale > 0.0, scale, 1.0), own
