"""The two problems of a program: the best weights, and the least violation of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.compiled import Answer, CompiledProblem
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.roster import Floats, Roster
from toolkit.optimize.symbolic import SymbolicCandidate

if TYPE_CHECKING:
    from toolkit.optimize.costs import Cost
    from toolkit.optimize.objectives import Objective

_MAGNIFY = 100.0
"""Makes the solver's absolute tolerance a relative one also where the answer nears the target."""

SMALLEST_UNIT = 0.01
"""Violations of limits are compared as slack / max(|cap|, 0.01)."""


class BestWeights:
    """Minimise objective plus cost under every limit, each widened by an allowance.

    The objective is divided by the mean variance, so that neither the unit of the covariance nor
    that of the costs reaches the solver.
    """

    def __init__(
        self, roster: Roster, objective: Objective, limits: Sequence[Limit], cost: Cost | None
    ):
        import cvxpy

        self._candidate = candidate = SymbolicCandidate(roster)
        value = objective.expression(candidate)
        if cost is not None and not cost.free:
            value = value + cost.cost(candidate)
        self._allowance = cvxpy.Parameter(len(limits)) if limits else None
        held = [
            limit.excess(candidate) <= self._allowance[place] for place, limit in enumerate(limits)
        ]
        problem = cvxpy.Problem(cvxpy.Minimize(value), [*candidate.constraints, *held])
        self._compiled = CompiledProblem(problem)

    def solve(self, facts: Facts, allowance: Floats) -> tuple[Floats, Answer]:
        """Weights and the answer they come from."""
        values = self._candidate.values(facts)
        if self._allowance is not None:
            values[self._allowance] = allowance
        unit = facts.risk.variance if facts.risk else 1.0
        answer = self._compiled.solve(values, _MAGNIFY / unit)
        start = self._compiled.column(self._candidate.deviation)
        return self._candidate.weights_of(answer.point, start, facts), answer


class LeastViolation:
    """Minimise the priced sum of slacks, in multiples of each limit's unit.

    A price of zero with room lets a limit be broken at will; no room holds it.
    """

    def __init__(self, roster: Roster, limits: Sequence[Limit]):
        import cvxpy

        self._roster, self._limits = roster, limits
        self.units = np.array([max(abs(limit.cap), SMALLEST_UNIT) for limit in limits])
        self._candidate = candidate = SymbolicCandidate(roster)
        self._slack = cvxpy.Variable(len(limits))
        self._price = cvxpy.Parameter(len(limits), nonneg=True)
        self._room = cvxpy.Parameter(len(limits), nonneg=True)
        held = [
            limit.excess(candidate) <= self.units[place] * self._slack[place]
            for place, limit in enumerate(limits)
        ]
        problem = cvxpy.Problem(
            cvxpy.Minimize(self._price @ self._slack),
            [*candidate.constraints, *held, self._slack >= 0.0, self._slack <= self._room],
        )
        self._compiled = CompiledProblem(problem)

    def ample(self, facts: Facts) -> Floats:
        """Room that no portfolio needs, in units: a convex excess is largest at one asset alone."""
        alone = MeasuredCandidate(self._roster, facts, np.eye(len(self._roster)))
        worst = [float(np.max(limit.excess(alone))) for limit in self._limits]
        return 1.0 + 2.0 * np.maximum(worst, 0.0) / self.units

    def solve(self, facts: Facts, price: Floats, room: Floats) -> tuple[Floats, Answer]:
        """Slacks in units, and the answer they come from."""
        values = {**self._candidate.values(facts), self._price: price, self._room: room}
        answer = self._compiled.solve(values)
        start = self._compiled.column(self._slack)
        return np.maximum(answer.point[start : start + len(self._limits)], 0.0), answer
