"""A covariance as the optimizer uses it: checked, completed, factored."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from toolkit.errors import DataError
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats, Roster

ASYMMETRY = 1e-8
INDEFINITE = 1e-6
"""Relative to the largest entry and eigenvalue: below is rounding and repaired, above refused."""

SINGULAR = 1e-10
"""Share of an asset's variance that is its own, below which it counts as having none."""


@readonly
class Risk:
    """A covariance S as ``variance * factor' factor``.

    Parameters
    ----------
    variance
        Mean of the variances given: the unit in which the solver sees risk.
    matrix
        The covariance in that unit, completed and repaired: assets x assets.
    factor
        Upper triangular, assets x assets.
    known
        Whether an asset's covariance was given (cash always is: riskless if left out).
    repair
        Largest negative eigenvalue set to zero, relative to the largest eigenvalue.
    """

    variance: float
    matrix: Floats
    factor: Floats
    known: Flags
    repair: float

    def demand_regular(self, roster: Roster, session: pd.Timestamp) -> None:
        """Refuse a covariance that leaves weights undetermined; riskless cash aside.

        Raises
        ------
        DataError
            An asset has no risk of its own beside the others, to rounding.
        """
        variances = self.matrix.diagonal()
        # The squared diagonal of the factor is what an asset has of its own.
        own = self.factor.diagonal() ** 2
        if not self.repair and not np.count_nonzero(own <= SINGULAR * variances):
            return
        risky = roster.risky | (variances > 0.0)
        share = np.where(risky, own / np.where(variances > 0.0, variances, 1.0), np.inf)
        if self.repair or share.min() <= SINGULAR:
            raise DataError(
                f"The covariance on {session.date()} is singular: to rounding, "
                f"{roster.index[int(np.argmin(share))]} has no risk of its own beside the "
                "other assets, so that weights are not determined. Leave out assets that are "
                "copies of others or have no variance, or estimate a risk of its own for each "
                "(FactorModel)."
            )


def risk_of(covariance: pd.DataFrame, roster: Roster, where: str) -> Risk:
    """The factor of a covariance, missing assets filled in as `Decision` documents.

    Raises
    ------
    DataError
        Not finite, not symmetric, or with a negative eigenvalue, beyond rounding.
    """
    place = roster.positions(covariance.columns, f"The covariance {where}")
    if not roster.alike(covariance.index, covariance.columns):
        raise DataError(f"The covariance {where} has other rows than columns; name them alike.")
    given = _symmetric(covariance.to_numpy(dtype=np.float64), covariance.columns, where)
    variances = given.diagonal()
    mean = float(variances.sum()) / max(1, len(place))
    variance = mean if mean > 0.0 else 1.0
    scaled, known = given / variance, roster.everyone
    if place is not roster.in_order:
        given, known = scaled, np.zeros(len(roster), dtype=bool)
        known[place] = True
        scaled = np.zeros((len(roster), len(roster)))
        scaled[place[:, None], place] = given
    if len(place) < len(roster):
        filled = (variances.max() if mean > 0.0 else 1.0) / variance
        np.fill_diagonal(scaled, np.where(known, scaled.diagonal(), filled))
        if roster.cash is not None and not known[roster.cash]:
            scaled[roster.cash, roster.cash] = 0.0
            known[roster.cash] = True
    factor, repair = _factor(scaled, roster, where)
    return Risk(variance, factor.T @ factor if repair else scaled, factor, known, repair)


def _symmetric(given: Floats, names: pd.Index, where: str) -> Floats:
    """The entries, checked, with what is rounding taken off."""
    if not math.isfinite(given.sum()):
        bad = ~np.isfinite(given)
        row, column = (names[place[0]] for place in np.nonzero(bad))
        raise DataError(
            f"The covariance {where} of {row} and {column} is not a finite number. Leave out "
            "assets without an estimate: they are then held or sold, and not bought."
        )
    if not np.count_nonzero(given != given.T):
        return given
    gap = np.abs(given - given.T)
    if gap.max() > ASYMMETRY * np.abs(given).max():
        row, column = divmod(int(gap.argmax()), len(gap))
        raise DataError(
            f"The covariance {where} is not symmetric: {names[row]} with {names[column]} is "
            f"{given[row, column]:.6g} one way and {given[column, row]:.6g} the other."
        )
    middle: Floats = (given + given.T) / 2.0
    return middle


def _factor(scaled: Floats, roster: Roster, where: str) -> tuple[Floats, float]:
    """Upper triangular R with R'R = S; eigenvalues below zero by rounding count as zero."""
    risky = scaled.diagonal() > 0.0
    try:
        if np.count_nonzero(risky) == len(risky):
            return np.linalg.cholesky(scaled).astype(np.float64, copy=False).T, 0.0
        # A riskless asset, as cash often is, has nothing to factor and would fail here.
        factor = np.zeros_like(scaled)
        place = np.flatnonzero(risky)[:, None]
        factor[place, place.T] = np.linalg.cholesky(scaled[place, place.T]).T
        if not scaled[~risky].any():
            return factor, 0.0
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(scaled)
    if values[0] < -INDEFINITE * max(float(values[-1]), 0.0):
        name = roster.index[int(np.abs(vectors[:, 0]).argmax())]
        raise DataError(
            f"The covariance {where} is not positive semidefinite: eigenvalue {values[0]:.3g} "
            f"times the mean variance, the largest {values[-1]:.3g}, in the direction of {name}. "
            "Repair the estimate first (the risk models of toolkit.risk do)."
        )
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    repair = max(0.0, -float(values[0])) / float(values[-1]) if values[-1] > 0.0 else 0.0
    triangle: Floats = np.linalg.qr(root).R
    return triangle, repair
