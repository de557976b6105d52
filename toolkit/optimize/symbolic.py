"""The candidate as cvxpy expressions, with everything that a decision changes as a parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from toolkit.optimize.candidate import Candidate
from toolkit.optimize.facts import Facts
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Sleeve

Reading = Callable[[Facts], Floats]


class SymbolicCandidate(Candidate):
    """The unknown portfolio of one compiled problem.

    The variable is the deviation from the target, so that the objective is small where the answer
    is near the target and its relative accuracy does not suffer. Risk enters in units of the mean
    variance: the solver sees numbers near one whatever the unit of the covariance. Every
    parameter enters affinely (disciplined parametrised programming), and what nobody asks for is
    not part of the problem.

    Attributes
    ----------
    constraints
        Those that hold by definition: budget, bounds, and what ties auxiliary variables.
    readings
        Parameter to the function that reads its value from a decision's facts.
    """

    def __init__(self, roster: Roster):
        import cvxpy

        self._cvxpy = cvxpy
        self._roster = roster
        self.constraints: list[Any] = []
        self.readings: dict[Any, Reading] = {}
        self._sleeves: dict[tuple[Sleeve, ...], Any] = {}
        self._trades: Any = None
        self._spread: Any = None
        self._volatility: Any = None
        self.deviation = cvxpy.Variable(len(roster))
        self.weights = self.deviation + self.parameter(len(roster), _target)
        self.constraints += [
            cvxpy.sum(self.weights) == 1.0,
            self.weights >= self.parameter(len(roster), lambda facts: facts.lower),
            self.weights <= self.parameter(len(roster), lambda facts: facts.upper),
        ]

    def parameter(self, shape: int | tuple[()], reading: Reading, nonneg: bool = False) -> Any:
        """A new parameter whose value is read from the facts of each decision."""
        made = self._cvxpy.Parameter(shape, nonneg=nonneg)
        self.readings[made] = reading
        return made

    def values(self, facts: Facts) -> dict[Any, Floats]:
        """Value of every parameter for a decision."""
        return {parameter: reading(facts) for parameter, reading in self.readings.items()}

    def weights_of(self, point: Floats, start: int, facts: Facts) -> Floats:
        """Weights at a solver's point, where the deviation starts at a position."""
        return point[start : start + len(self._roster)] + _target(facts)

    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets."""
        roster = self._roster
        chosen = roster.positions(assets) if assets else np.flatnonzero(roster.risky)
        return self._cvxpy.max(self.weights[chosen])

    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the sleeves; who belongs to them is a parameter."""
        chosen = tuple(sorted(set(sleeves)))
        if chosen not in self._sleeves:

            def members(facts: Facts) -> Floats:
                return self._roster.members(chosen, facts.session).astype(float)

            # The target's share is a parameter of its own: a product of two would not be affine.
            share = self.parameter((), lambda facts: members(facts) @ _target(facts))
            mask = self.parameter(len(self._roster), members)
            self._sleeves[chosen] = mask @ self.deviation + share
        return self._sleeves[chosen]

    def cash_weight(self) -> Any:
        """Weight of cash."""
        return self.weights[self._roster.cash_position()]

    def turnover(self) -> Any:
        """One-way turnover."""
        changes = self.traded()
        if self._roster.cash is not None:
            held = self.parameter((), lambda facts: facts.holdings[self._roster.cash])
            changes = changes + self._cvxpy.abs(self.cash_weight() - held)
        proceeds = self.parameter((), lambda facts: np.array(facts.proceeds))
        return 0.5 * (changes - proceeds)

    def traded(self) -> Any:
        """Value traded in all assets but cash."""
        if self._trades is None:
            # Cash is left out here: costs do not hold its trade down, and a variable that may grow
            # for nothing spoils the solver's accuracy in all others.
            risky = np.flatnonzero(self._roster.risky)
            trades = self._cvxpy.Variable(len(risky))
            held = self.parameter(len(risky), lambda facts: facts.holdings[risky])
            wanted = self.weights[risky]
            self.constraints += [trades >= wanted - held, trades >= held - wanted]
            self._trades = self._cvxpy.sum(trades)
        return self._trades

    def volatility(self) -> Any:
        """Annual volatility."""
        if self._volatility is None:
            spread = self._deviation_spread()
            # Volatility in units of its parameter: a parameter times an expression that holds
            # parameters would not be affine, times a variable it is.
            level = self._cvxpy.Variable()
            target = self.parameter(len(self._roster), lambda f: _factor(f) @ _target(f))
            self.constraints.append(self._cvxpy.norm(spread + target) <= level)
            unit = self.parameter((), lambda f: np.sqrt(_variance(f)), nonneg=True)
            self._volatility = unit * level
        return self._volatility

    def tracking_variance(self, ridge: float) -> Any:
        """Variance of the deviation from the target plus the ridge."""
        squares = self._cvxpy.sum_squares
        unit = self.parameter((), _variance, nonneg=True)
        return unit * (squares(self._deviation_spread()) + ridge * squares(self.deviation))

    def _deviation_spread(self) -> Any:
        """Covariance factor times the deviation: its squares sum to the variance."""
        if self._spread is None:
            size = len(self._roster)
            upper = np.triu_indices(size)
            entries = self.parameter(size * (size + 1) // 2, lambda f: _factor(f)[upper])
            spread = self._cvxpy.Variable(size)
            factor = self._cvxpy.vec_to_upper_tri(entries)
            self.constraints.append(spread == factor @ self.deviation)
            self._spread = spread
        return self._spread


def _target(facts: Facts) -> Floats:
    return np.zeros(len(facts.holdings)) if facts.target is None else facts.target


def _factor(facts: Facts) -> Floats:
    return facts.known_risk().factor


def _variance(facts: Facts) -> Floats:
    return np.array(facts.known_risk().variance)
