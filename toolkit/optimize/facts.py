"""A decision as checked arrays: what is held, what is wanted, what cannot be otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import DataError, InfeasibleLimitsError
from toolkit.optimize.decision import Decision
from toolkit.optimize.roster import Flags, Floats, Roster

ROUNDING = 1e-9
"""Weights may miss 0 or 1 by this much in sums of floats."""

_LAST_BITS = 1e-12

ASYMMETRY = 1e-8
INDEFINITE = 1e-6
"""Relative to the largest entry and eigenvalue: below is rounding and repaired, above refused."""


@dataclass(frozen=True)
class Risk:
    """A covariance S as ``variance * factor' factor``.

    Parameters
    ----------
    variance
        Mean of the variances given: the unit in which the solver sees risk.
    factor
        Upper triangular, assets x assets.
    known
        Whether an asset's covariance was given (cash always is: riskless if left out).
    repair
        Largest negative eigenvalue set to zero, relative to the largest eigenvalue.
    """

    variance: float
    factor: Floats
    known: Flags
    repair: float


@dataclass(frozen=True)
class Facts:
    """One decision in the order of a roster.

    Parameters
    ----------
    target
        Wanted weights with the rest in cash, or None.
    current
        Weights held, summing to 1; None where there are none: first investment without cash.
    holdings
        Weights that trades start from: the current ones before `proceeds` arrived in cash.
    proceeds
        What trades start with besides the holdings: 1 on a first investment.
    lower, upper
        Bounds that are never relaxed.
    """

    session: pd.Timestamp
    target: Floats | None
    current: Floats | None
    holdings: Floats
    proceeds: float
    lower: Floats
    upper: Floats
    risk: Risk | None

    def known_target(self) -> Floats:
        """The target; without one the decision cannot be answered."""
        if self.target is None:
            raise DataError(f"The decision on {self.session.date()} needs a target.")
        return self.target

    def known_risk(self) -> Risk:
        """The covariance; without one the decision cannot be answered."""
        if self.risk is None:
            raise DataError(f"The decision on {self.session.date()} needs a covariance.")
        return self.risk


def facts_of(decision: Decision, roster: Roster) -> Facts:
    """The arrays of a decision.

    Raises
    ------
    DataError
        An input is not finite, names an unknown asset, is not a weight, or no covariance.
    InfeasibleLimitsError
        What cannot be traded leaves no portfolio that sums to 1.
    """
    where = f"on {decision.session.date()}"
    proceeds = _proceeds(decision, where)
    current = _current(decision, roster, proceeds, where)
    held = np.zeros(len(roster)) if current is None or decision.current is None else current.copy()
    if roster.cash is not None and decision.current is not None:
        held[roster.cash] -= proceeds
    risk = None if decision.covariance is None else risk_of(decision.covariance, roster, where)
    lower, upper = _bounds(decision, roster, held, risk, where)
    target = None
    if decision.target is not None:
        target = _weights(decision.target, roster, 1.0, f"The target {where}")
    return Facts(decision.session, target, current, held, proceeds, lower, upper, risk)


def trial(roster: Roster) -> Facts:
    """Made-up facts, for trying out whether limits can be evaluated for the assets."""
    size = len(roster)
    even, ones = np.full(size, 1.0 / size), np.ones(size)
    risk = Risk(1.0, np.eye(size), np.ones(size, dtype=bool), 0.0)
    return Facts(pd.Timestamp(2020, 1, 1), even, even, even, 0.0, 0.0 * ones, ones, risk)


def _proceeds(decision: Decision, where: str) -> float:
    if decision.current is None:
        return 1.0
    proceeds = decision.proceeds or 0.0
    if not 0.0 <= proceeds <= 1.0 + ROUNDING:
        raise DataError(f"The proceeds {where} are {proceeds}; expected a fraction of equity.")
    return proceeds


def _current(decision: Decision, roster: Roster, proceeds: float, where: str) -> Floats | None:
    if decision.current is not None:
        total = 1.0 if roster.cash is not None else 1.0 - proceeds
        return _weights(
            decision.current, roster, total, f"The current weights {where}", overdraft=True
        )
    if roster.cash is None:
        return None
    cash: Floats = np.eye(len(roster))[roster.cash]
    return cash


def _weights(
    values: pd.Series, roster: Roster, total: float, where: str, overdraft: bool = False
) -> Floats:
    """Weights that are not negative and sum to the total, the rest in cash if there is any."""
    weights = roster.floats(values, where)
    missing = total - float(weights.sum())
    if roster.cash is not None and missing > _LAST_BITS:
        weights[roster.cash] += missing
    elif abs(missing) > ROUNDING:
        raise DataError(
            f"{where} sum to {total - missing:.9g}; expected {total:.9g}"
            + (" or less." if roster.cash is not None else ", since there is no cash asset.")
        )
    short = (weights < -ROUNDING) & (roster.risky | (not overdraft))
    if short.any():
        name = roster.index[int(np.argmax(short))]
        raise DataError(f"{where}: {name} is {weights[short][0]:.6g}; weights are not negative.")
    return np.where(roster.risky, np.maximum(weights, 0.0), weights)


def _bounds(
    decision: Decision, roster: Roster, held: Floats, risk: Risk | None, where: str
) -> tuple[Floats, Floats]:
    tradable = roster.flags(decision.tradable, f"tradable {where}")
    buyable = tradable & roster.flags(decision.buyable, f"buyable {where}")
    if risk is not None:
        buyable &= risk.known
    lower = np.where(tradable, 0.0, held)
    upper = np.where(buyable, 1.0, held)
    if roster.cash is not None:
        # An overdraft behind holdings that cannot be sold has to be carried until they can be.
        locked = lower[roster.risky].sum()
        lower[roster.cash], upper[roster.cash] = min(0.0, 1.0 - locked), 1.0
    if not lower.sum() - ROUNDING <= 1.0 <= upper.sum() + ROUNDING:
        raise InfeasibleLimitsError(
            f"The weights {where} can sum to {lower.sum():.6g} at least and {upper.sum():.6g} at "
            "most, with what can be sold and bought; they must sum to 1. Add a cash asset.",
            ("budget",),
            {},
        )
    return lower, upper


def risk_of(covariance: pd.DataFrame, roster: Roster, where: str) -> Risk:
    """The factor of a covariance, missing assets filled in as `Decision` documents.

    Raises
    ------
    DataError
        Not finite, not symmetric, or with a negative eigenvalue, beyond rounding.
    """
    place = roster.positions(covariance.columns, f"The covariance {where}")
    if not covariance.index.equals(covariance.columns):
        raise DataError(f"The covariance {where} has other rows than columns; name them alike.")
    given = covariance.to_numpy(dtype=float)
    names = covariance.columns
    _check_entries(given, names, where)
    known = np.zeros(len(roster), dtype=bool)
    known[place] = True
    variances = np.diag(given)
    mean = float(variances.mean()) if len(place) else 0.0
    variance = mean if mean > 0.0 else 1.0
    scaled = np.diag(np.where(known, 0.0, (variances.max() if mean > 0.0 else 1.0) / variance))
    if roster.cash is not None and not known[roster.cash]:
        scaled[roster.cash, roster.cash] = 0.0
        known[roster.cash] = True
    scaled[np.ix_(place, place)] = (given + given.T) / (2.0 * variance)
    factor, repair = _factor(scaled, roster, where)
    return Risk(variance, factor, known, repair)


def _check_entries(given: Floats, names: pd.Index, where: str) -> None:
    bad = ~np.isfinite(given)
    if bad.any():
        row, column = (names[place[0]] for place in np.nonzero(bad))
        raise DataError(
            f"The covariance {where} of {row} and {column} is not a finite number. Leave out "
            "assets without an estimate: they are then held or sold, and not bought."
        )
    if not given.size:
        return
    gap = np.abs(given - given.T)
    if gap.max() > ASYMMETRY * np.abs(given).max():
        row, column = divmod(int(gap.argmax()), len(gap))
        raise DataError(
            f"The covariance {where} is not symmetric: {names[row]} with {names[column]} is "
            f"{given[row, column]:.6g} one way and {given[column, row]:.6g} the other."
        )


def _factor(scaled: Floats, roster: Roster, where: str) -> tuple[Floats, float]:
    """Upper triangular R with R'R = S; eigenvalues below zero by rounding count as zero."""
    risky = np.diag(scaled) > 0.0
    factor = np.zeros_like(scaled)
    try:
        # A riskless asset, as cash often is, has nothing to factor and would fail here.
        factor[np.ix_(risky, risky)] = np.linalg.cholesky(scaled[risky][:, risky]).T
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
