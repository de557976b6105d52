"""Expected returns from an equilibrium and from views held with more or less confidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion
from toolkit.units import component

Floats = NDArray[np.float64]

Confidence = Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)]
"""How sure, above 0 and up to 1: certain."""

_ALIKE = 1e-10
"""Smallest spread, of 1, of a combination of views that are told apart."""


@component
class View:
    """An opinion: this portfolio will return so much.

    Parameters
    ----------
    portfolio
        Weight of each asset it speaks of; an absolute view names one asset with weight 1, a
        relative one has weights that sum to 0.
    expected_return
        Of that portfolio, a fraction a year in excess of cash.
    confidence
        Above 0, and up to 1, which takes the view as certain; at 0.5 the posterior return of a lone
        view's portfolio lies half-way between the prior and the view.
    """

    portfolio: dict[str, float]
    expected_return: float
    confidence: Confidence = 0.5

    def __post_init__(self) -> None:
        values = [self.expected_return, *self.portfolio.values()]
        if not np.isfinite(values).all() or not any(self.portfolio.values()):
            raise ConfigError(
                f"View {self.portfolio} of {self.expected_return}: expected finite numbers, and at "
                "least one weight that is not 0."
            )


@dataclass(frozen=True)
class Views:
    """Portfolios that views are on, as an array.

    Parameters
    ----------
    portfolios
        Views x assets.
    names
        What a message calls each of them.
    """

    portfolios: Floats
    names: tuple[str, ...]

    @classmethod
    def of(cls, portfolios: Sequence[Mapping[str, float]], assets: pd.Index) -> Views:
        """Portfolios by asset, on the columns of some assets."""
        weights = np.zeros((len(portfolios), len(assets)))
        for row, portfolio in enumerate(portfolios):
            for name, weight in portfolio.items():
                if name not in assets:
                    raise UnknownAssetError(f"A view names {name!r}. {suggestion(name, assets)}")
                weights[row, assets.get_loc(name)] = weight
        weights.setflags(write=False)
        return cls(weights, tuple(map(str, portfolios)))

    def named(self, places: NDArray[np.int64]) -> str:
        """Some of them, for a message."""
        return " and ".join(self.names[place] for place in places.tolist())


@dataclass(frozen=True)
class Posterior:
    """What prior and views say together.

    Parameters
    ----------
    expected_returns
        By asset, fractions a year in excess of cash.
    covariance
        Of returns around them: the given one plus the uncertainty that is left in the means.
    """

    expected_returns: pd.Series
    covariance: pd.DataFrame


def equilibrium_returns(
    covariance: pd.DataFrame, weights: pd.Series, risk_aversion: float = 2.5
) -> pd.Series:
    """Expected returns at which the given weights would be optimal: risk aversion x S w.

    Parameters
    ----------
    covariance
        Assets x assets, annual.
    weights
        Of the same assets; absent ones count as 0.

    Raises
    ------
    UnknownAssetError
        A weight of an asset the covariance does not have.
    """
    _demand_known(weights.index, covariance)
    held = weights.reindex(covariance.index, fill_value=0.0).to_numpy(dtype=float)
    return pd.Series(risk_aversion * covariance.to_numpy() @ held, covariance.index)


def posterior(
    prior: pd.Series, covariance: pd.DataFrame, views: Sequence[View], tau: float = 0.05
) -> Posterior:
    """Posterior of the expected returns.

    Parameters
    ----------
    prior
        Expected returns without the views, by asset; a fraction a year in excess of cash.
    covariance
        Of returns: assets x assets in the order of the prior, annual.
    views
        None leaves the prior, and adds its uncertainty to the covariance.
    tau
        Uncertainty of the prior: its covariance is tau times that of returns.

    Raises
    ------
    UnknownAssetError
        A view on an asset that is not in the prior.
    DataError
        Prior and covariance of different assets, missing values, or views that are certain and
        repeat or contradict one another.

    Notes
    -----
    With P the portfolios of the views and Q their returns, the posterior mean is
    m + tau S P' (P tau S P' + Omega)^-1 (Q - P m). Omega is diagonal: (1 - c)/c times the
    variance of the view's portfolio under the prior, for a confidence c.

    References
    ----------
    He and Litterman, The intuition behind Black-Litterman model portfolios (1999); the form of
    Omega is that of Idzorek (2005) in closed form.
    """
    if not (prior.index.equals(covariance.index) and prior.index.equals(covariance.columns)):
        raise DataError("The prior and the covariance have different assets; align them first.")
    means, spread = prior.to_numpy(dtype=float), covariance.to_numpy(dtype=float)
    if not (np.isfinite(means).all() and np.isfinite(spread).all()):
        raise DataError(
            "The prior or the covariance has a missing or infinite value; leave it out."
        )
    if not 0.0 < tau < np.inf:
        raise ConfigError(f"tau = {tau} must be positive and finite.")
    uncertain = tau * spread
    if views:
        told = np.array([view.expected_return for view in views])
        confidence = np.array([view.confidence for view in views])
        on = Views.of([view.portfolio for view in views], prior.index)
        means, uncertain = updated(means, uncertain, on, told, confidence)
    total = spread + uncertain
    return Posterior(
        pd.Series(means, prior.index),
        pd.DataFrame((total + total.T) / 2.0, prior.index, prior.index),
    )


def updated(
    means: Floats, uncertain: Floats, views: Views, told: Floats, confidence: Floats
) -> tuple[Floats, Floats]:
    """Means and their covariance after views: arrays, of several occasions at once where wanted.

    Parameters
    ----------
    means, uncertain
        Expected returns before, and the covariance they are uncertain by: (occasions x) assets,
        and (occasions x) assets x assets. The means after do not depend on the scale of the latter.
    views
        Portfolios that the views are on.
    told, confidence
        What each view expects of its portfolio, and how sure it is: (occasions x) views. At a
        confidence of 0 there is no view.

    Raises
    ------
    DataError
        A portfolio without risk, or views that are certain and repeat or contradict one another.
    """
    portfolios = views.portfolios
    prior_spread = portfolios @ uncertain @ portfolios.T
    scale = np.sqrt(np.maximum(np.diagonal(prior_spread, axis1=-2, axis2=-1), 0.0))
    if (scale <= 0.0).any():
        empty = views.named(np.argwhere(scale <= 0.0)[:1, -1])
        raise DataError(f"The view on {empty} is on a portfolio without risk; leave it out.")
    # In units of each view's own spread, what is left of its variance and what doubts add sum to 1.
    weight = np.sqrt(confidence) / scale
    doubt = (1.0 - confidence)[..., None] * np.eye(len(portfolios))
    joint = weight[..., :, None] * prior_spread * weight[..., None, :] + doubt
    spreads, directions = np.linalg.eigh(joint)
    if spreads.min() < _ALIKE:
        direction = directions[spreads[..., 0] < _ALIKE][0] if joint.ndim > 2 else directions
        together = views.named(np.flatnonzero(np.abs(direction[:, 0]) > 1e-3))
        raise DataError(
            f"The views on {together} are certain, and repeat or contradict one another; lower a "
            "confidence below 1."
        )
    moved = weight[..., None] * (portfolios @ uncertain)
    gain = np.linalg.solve(joint, moved).mT * weight[..., None, :]
    beyond = told - means @ portfolios.T
    means = means + (gain @ beyond[..., None])[..., 0]
    return means, uncertain - gain @ portfolios @ uncertain


def _demand_known(names: pd.Index, covariance: pd.DataFrame) -> None:
    for name in names:
        if name not in covariance.index:
            raise UnknownAssetError(
                f"A weight names {name!r}. {suggestion(str(name), covariance.index)}"
            )
