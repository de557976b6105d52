"""A portfolio under consideration, as limits, costs and objectives see it.

Each of them is written once, over `Candidate`. The solver gives it `SymbolicCandidate`; audit,
engine and report give it `MeasuredCandidate`, which computes the same quantities in numpy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.optimize.facts import Facts
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Sleeve


class Candidate(ABC):
    """Quantities of a portfolio: numbers, or convex expressions for the solver.

    Weights are fractions of equity and sum to 1 over all assets, cash included.
    """

    @abstractmethod
    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets; among all but cash where none are named."""

    @abstractmethod
    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the assets that belong to one of the sleeves on the session."""

    @abstractmethod
    def cash_weight(self) -> Any:
        """Weight of the cash asset."""

    @abstractmethod
    def turnover(self) -> Any:
        """One-way turnover: half the sum of absolute weight changes, cash included.

        Investing proceeds of closings, or anything on a first investment, does not count.
        """

    @abstractmethod
    def traded(self) -> Any:
        """Value bought plus value sold in all assets but cash, a fraction of equity."""

    @abstractmethod
    def volatility(self) -> Any:
        """Standard deviation of a year's return."""

    @abstractmethod
    def tracking_variance(self, ridge: float) -> Any:
        """Annual variance of the deviation d from the target, plus a ridge.

        ``d'(S + ridge * v * I)d``, where v is the mean of the variances in S.
        """


class MeasuredCandidate(Candidate):
    """The numbers of one portfolio, or of many at once.

    Parameters
    ----------
    weights
        One portfolio (assets,) or many (rows, assets), in the order of the roster.
    sessions
        Session of each row, for sleeves by date; that of the decision where not given.
    drifted
        Whether the weights came about without a trade.
    """

    def __init__(
        self,
        roster: Roster,
        facts: Facts,
        weights: Floats,
        sessions: Any = None,
        drifted: bool = False,
    ):
        self.roster, self.facts, self.weights = roster, facts, weights
        self.sessions = facts.session if sessions is None else sessions
        self.drifted = drifted

    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets, by row."""
        chosen = self.roster.positions(assets) if assets else self.roster.risky
        return self.weights[..., chosen].max(axis=-1)

    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the sleeves, by row."""
        return (self.weights * self.roster.members(sleeves, self.sessions)).sum(axis=-1)

    def cash_weight(self) -> Any:
        """Weight of cash, by row."""
        return self.weights[..., self.roster.cash_position()]

    def turnover(self) -> Any:
        """One-way turnover, by row."""
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        changes = np.abs(self.weights - self.facts.holdings).sum(axis=-1)
        return 0.5 * (changes - self.facts.proceeds)

    def traded(self) -> Any:
        """Value traded in all assets but cash, by row."""
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        changes = np.abs(self.weights - self.facts.holdings)
        return changes[..., self.roster.risky].sum(axis=-1)

    def volatility(self) -> Any:
        """Annual volatility, by row."""
        risk = self.facts.known_risk()
        return np.sqrt(risk.variance) * np.linalg.norm(self.weights @ risk.factor.T, axis=-1)

    def tracking_variance(self, ridge: float) -> Any:
        """Variance of the deviation from the target plus the ridge, by row."""
        risk = self.facts.known_risk()
        deviation = self.weights - self.facts.known_target()
        spread = deviation @ risk.factor.T
        return risk.variance * ((spread**2).sum(axis=-1) + ridge * (deviation**2).sum(axis=-1))
