"""Risk of a portfolio from its covariance or its scenarios, and how risk adds up over its assets.

Historical value at risk and expected shortfall of a series of returns are those of
`toolkit.metrics`; here are their closed forms under normal returns and their contributions.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion

Floats = NDArray[np.float64]

ASYMMETRY, INDEFINITE = 1e-8, 1e-6
"""Relative to the largest entry and eigenvalue: below is rounding, above is refused."""


def normal_value_at_risk(mean: float, deviation: float, level: float = 0.95) -> float:
    """Loss that a normal return exceeds with probability 1 - level; a gain is negative.

    Parameters
    ----------
    mean, deviation
        Of the return over the horizon, fractions.
    level
        Confidence in (0, 1).
    """
    _demand_moments(mean, deviation)
    return _quantile(level) * deviation - mean


def normal_expected_shortfall(mean: float, deviation: float, level: float = 0.95) -> float:
    """Mean loss of a normal return in its worst 1 - level.

    Parameters
    ----------
    mean, deviation, level
        As `normal_value_at_risk`.

    References
    ----------
    Rockafellar and Uryasev, Optimization of conditional value-at-risk, J. of Risk 2 (2000), eq. 21.
    """
    _demand_moments(mean, deviation)
    tail = NormalDist().pdf(_quantile(level)) / (1.0 - level)
    return tail * deviation - mean


def portfolio_volatility(weights: pd.Series, covariance: pd.DataFrame) -> float:
    """Volatility of a portfolio, in the unit of the covariance: annual for an annual one.

    Parameters
    ----------
    weights
        By asset; those of the covariance that it leaves out are 0.

    Raises
    ------
    DataError
        A value that is not finite, or a covariance that is not symmetric or not positive
        semidefinite beyond rounding.
    UnknownAssetError
        A weight of an asset that the covariance does not have.
    """
    values = demand_covariance(covariance)
    held = _weights(weights, covariance.columns)
    return _volatility(held, values)


def risk_contributions(weights: pd.Series, covariance: pd.DataFrame) -> pd.Series:
    """Share of the volatility that each asset brings, by asset of the covariance; they sum to it.

    The weight times the derivative of the volatility; a hedge has a negative one. All 0 where there
    is no risk.

    Parameters
    ----------
    weights, covariance
        As `portfolio_volatility`.

    Raises
    ------
    DataError, UnknownAssetError
        As `portfolio_volatility`.
    """
    values = demand_covariance(covariance)
    held = _weights(weights, covariance.columns)
    risk = _volatility(held, values)
    parts = held * (values @ held) / risk if risk > 0.0 else np.zeros(len(held))
    return pd.Series(parts, covariance.columns)


def shortfall_contributions(
    weights: pd.Series, scenarios: pd.DataFrame, level: float = 0.95
) -> pd.Series:
    """Share of the expected shortfall that each asset brings, by asset; they sum to it.

    The mean loss of each asset in the worst 1 - level of the portfolio's scenarios, the last one
    of them counting by the fraction of it that belongs there.

    Parameters
    ----------
    weights
        By asset; those of the scenarios that it leaves out are 0.
    scenarios
        Simple returns, sessions x assets, without NaN.

    Raises
    ------
    DataError
        No scenario, or a value that is not finite.
    UnknownAssetError
        A weight of an asset that the scenarios do not have.
    """
    values = scenarios.to_numpy(dtype=float)
    if not len(values):
        raise DataError("There are no scenarios; an expected shortfall needs one at least.")
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (places[0] for places in np.nonzero(bad))
        raise DataError(
            f"The scenario of {scenarios.columns[column]} on {scenarios.index[row]} is "
            f"{values[row, column]}; expected a finite return. The scenario models fill gaps."
        )
    held = _weights(weights, scenarios.columns)
    _quantile(level)
    mass = (1.0 - level) * len(values)
    order = np.argsort(values @ held, kind="stable")
    share = np.clip(mass - np.arange(len(values)), 0.0, 1.0) / mass
    return pd.Series(-(share @ values[order]) * held, scenarios.columns)


def demand_covariance(covariance: pd.DataFrame) -> Floats:
    """Entries of a covariance that is one.

    Raises
    ------
    DataError
        Rows other than columns, entries that are not finite, not symmetric or not positive
        semidefinite, beyond rounding; it names the assets.
    """
    names = covariance.columns
    if not (covariance.index.equals(names) and names.is_unique):
        raise DataError("The covariance has other rows than columns, or repeats; name them alike.")
    values = covariance.to_numpy(dtype=float)
    if not values.size:
        return values
    bad = ~np.isfinite(values)
    if bad.any():
        row, column = (names[places[0]] for places in np.nonzero(bad))
        raise DataError(
            f"The covariance of {row} and {column} is not a finite number; leave out assets "
            "without an estimate."
        )
    gap = np.abs(values - values.T)
    if gap.max() > ASYMMETRY * np.abs(values).max():
        row, column = divmod(int(gap.argmax()), len(gap))
        raise DataError(
            f"The covariance is not symmetric: {names[row]} with {names[column]} is "
            f"{values[row, column]:.6g} one way and {values[column, row]:.6g} the other."
        )
    roots, vectors = np.linalg.eigh(values)
    if roots[0] < -INDEFINITE * max(float(roots[-1]), 0.0):
        name = names[int(np.abs(vectors[:, 0]).argmax())]
        raise DataError(
            f"The covariance is not positive semidefinite: eigenvalue {roots[0]:.3g} in the "
            f"direction of {name}, the largest is {roots[-1]:.3g}. The risk models repair theirs."
        )
    return values


def _volatility(held: Floats, covariance: Floats) -> float:
    # Rounding can bring the variance of a hedged portfolio below 0.
    return math.sqrt(max(float(held @ covariance @ held), 0.0))


def _weights(weights: pd.Series, names: pd.Index) -> Floats:
    values = weights.to_numpy(dtype=float)
    for name, weight in zip(weights.index, values, strict=True):
        if not np.isfinite(weight):
            raise DataError(f"The weight of {name} is {weight}; expected a finite number.")
        if name not in names and weight != 0.0:
            raise UnknownAssetError(
                f"There is a weight of {name!r} and no estimate. {suggestion(str(name), names)}"
            )
    return weights.reindex(names, fill_value=0.0).to_numpy(dtype=float)


def _quantile(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level = {level}; expected a confidence in (0, 1). 0.95 = worst 5 %.")
    return NormalDist().inv_cdf(level)


def _demand_moments(mean: float, deviation: float) -> None:
    if not (np.isfinite(mean) and np.isfinite(deviation) and deviation >= 0.0):
        raise DataError(
            f"A mean of {mean} and a deviation of {deviation}; expected finite numbers, the latter "
            "not negative."
        )
