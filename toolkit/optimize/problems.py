"""The problems of a program: the best weights, and the least violation of its limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.compiled import RAISED, WAYS, Answer, CompiledProblem, Way, no_answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.quadratic import SOLVED, solve_quadratic
from toolkit.optimize.roster import Floats, Roster
from toolkit.optimize.standard import (
    Found,
    LimitRows,
    Prices,
    StandardProblem,
    limit_rows,
    standard_problem,
)
from toolkit.optimize.symbolic import Sizes, SymbolicCandidate
from toolkit.optimize.tail import OPTIMAL, solve_tail
from toolkit.optimize.tangent import TangentCandidate

if TYPE_CHECKING:
    from toolkit.optimize.costs import Cost
    from toolkit.optimize.objectives import Objective


_ANSWERS = (*SOLVED, OPTIMAL)

_ROUNDS = 40
_BEYOND = 1e-9
"""How far a limit may be exceeded without a plane of its own, in its unit or 1."""

_APART = 1e-6
"""Room at a round limit, in its unit or 1, that shows that none of its planes holds weights up."""


class Standard:
    """The best weights where the problem is of the standard family, by a raw solver."""

    def __init__(
        self, roster: Roster, objective: Objective, limits: Sequence[Limit], cost: Cost | None
    ):
        self._roster, self._objective, self._cost = roster, objective, cost
        self._limits = limits
        # Scenarios make the stated problem large, and planes of a tail are few.
        self._rounds = _ROUNDS if any("scenarios" in limit.needs for limit in limits) else 1
        # Limits and costs that read nothing of a decision, by what else they depend on.
        self._steady = not any(limit.needs for limit in limits)
        self._priced = cost is not None and not cost.needs
        self._rows: dict[tuple[int, float], LimitRows] = {}
        self._costs: dict[tuple[int, float], Coefficients] = {}

    def solve(self, facts: Facts, allowance: Floats) -> tuple[Floats, Answer] | None:
        """Weights and the answer they come from; None where the family does not fit.

        Limits that are no rows enter by planes that touch them, where they are exceeded without.
        Weights that meet them are the best, and the gap holds, since it is a bound with more room.
        """
        try:
            total = self._stated(facts)
            rows = self._limit_rows(facts, allowance)
            problem = standard_problem(facts, total, rows)
        except NotPolyhedral:
            return None
        if problem.tail and problem.quadratic is not None:
            return None
        solver = "highs" if problem.tail else "daqp"
        curved, count = rows.left_out.nonzero()[0].tolist(), len(problem.bound)
        planes: list[Coefficients] = []
        for rest in reversed(range(self._rounds)):
            try:
                found = self._found(facts, problem)
            except RAISED as error:
                none = no_answer(solver, error, len(problem.linear))
                return none.point, none
            failed = found.status not in _ANSWERS
            planes = [] if failed else self._planes(facts, found.weights, allowance, curved)
            if not planes or not rest:
                break
            problem = problem.within(planes)
        empty = failed and problem.empty(found.prices)
        if failed and not empty and problem.impossible:
            return None
        if found.status.startswith("piqp"):
            solver = "piqp"
        value, gap = found.proof
        complete = not planes and not (failed and curved)
        # Along a round limit planes leave weights off by the root of what they leave of it.
        if len(problem.bound) > count and self._round(facts, found.weights, allowance, curved):
            gap, complete = np.inf, False
        return found.weights, Answer(
            found.status, found.weights, value, gap, found.iterations, complete, empty, solver
        )

    def _planes(
        self, facts: Facts, weights: Floats, allowance: Floats, limits: Sequence[int]
    ) -> list[Coefficients]:
        """What cuts off weights that exceed some limits, as widened by their allowance."""
        if not limits:
            return []
        measured = MeasuredCandidate(self._roster, facts, weights)
        tangent = TangentCandidate(self._roster, facts, weights)
        found = []
        for place in limits:
            limit = self._limits[place]
            if limit.excess(measured) - allowance[place] > _BEYOND * min(1.0, limit.unit):
                found.append(limit.excess(tangent) - allowance[place])
        return found

    def _round(
        self, facts: Facts, weights: Floats, allowance: Floats, limits: Sequence[int]
    ) -> bool:
        """Whether weights are at a limit that no number of rows can express."""
        measured = MeasuredCandidate(self._roster, facts, weights)
        return any(
            limit.excess(measured) - allowance[place] > -_APART * min(1.0, limit.unit)
            for place in limits
            if "scenarios" not in (limit := self._limits[place]).needs
        )

    def _found(self, facts: Facts, problem: StandardProblem) -> Found:
        # A weight between crossed bounds has no move, so that a solver may answer without it.
        if not problem.crossed:
            unit = self._objective.unit(facts)
            found = solve_tail(problem) if problem.tail else solve_quadratic(problem, unit)
            if found.status in _ANSWERS or not problem.impossible:
                return found
        side = 1.0 if problem.upper.sum() < 1.0 else -1.0
        prices = Prices(side, np.zeros(len(problem.bound)))
        return Found(problem, problem.holdings, prices, "bounds without a portfolio", 0)

    def _limit_rows(self, facts: Facts, allowance: Floats) -> LimitRows:
        if not self._steady or np.count_nonzero(allowance):
            return limit_rows(self._roster, facts, self._limits, allowance)
        key = (self._roster.period(facts.session), facts.proceeds)
        if key not in self._rows:
            self._rows = {key: limit_rows(self._roster, facts, self._limits, allowance)}
        return self._rows[key]

    def _stated(self, facts: Facts) -> Coefficients:
        """Objective plus cost."""
        candidate = CoefficientCandidate(self._roster, facts)
        total: Coefficients = self._objective.expression(candidate)
        if self._cost is None:
            return total
        key = (self._roster.period(facts.session), facts.proceeds)
        if key not in self._costs or not self._priced:
            self._costs = {key: self._cost.yearly(candidate)}
        return total + self._costs[key]


class BestWeights:
    """Minimise objective plus cost under every limit, each widened by an allowance.

    The total is divided by the objective's unit, so that neither the unit of the covariance nor
    the risk aversion reaches the solver.
    """

    def __init__(
        self,
        roster: Roster,
        objective: Objective,
        limits: Sequence[Limit],
        cost: Cost | None,
        sizes: Sizes,
    ):
        import cvxpy

        self._objective = objective
        self._candidate = candidate = SymbolicCandidate(roster, sizes, objective.own_belief)
        value = objective.expression(candidate)
        if cost is not None:
            value = value + cost.yearly(candidate)
        self._allowances = [cvxpy.Parameter() for _ in limits]
        self._units = np.array([limit.unit for limit in limits])
        held = [
            limit.excess(candidate) / limit.unit <= allowance
            for limit, allowance in zip(limits, self._allowances, strict=True)
        ]
        problem = cvxpy.Problem(cvxpy.Minimize(value), [*candidate.constraints, *held])
        self._compiled = CompiledProblem(problem)

    def solve(self, facts: Facts, allowance: Floats, way: Way = WAYS[0]) -> tuple[Floats, Answer]:
        """Weights and the answer they come from."""
        values = self._candidate.values(facts)
        values.update(zip(self._allowances, allowance / self._units, strict=True))
        try:
            answer = self._compiled.solve(values, self._objective.unit(facts), way)
        except RAISED as error:
            none = no_answer("clarabel", error, len(facts.holdings))
            return none.point, none
        start = self._compiled.column(self._candidate.deviation)
        return self._candidate.weights_of(answer.point, start, facts), answer


class LeastViolation:
    """Minimise the priced sum of excesses over caps, each in multiples of its unit.

    Every excess stays within a room; with a price of zero and ample room a limit does not matter.
    """

    def __init__(self, roster: Roster, limits: Sequence[Limit], units: Floats, sizes: Sizes):
        import cvxpy

        self._units = units
        self._candidate = candidate = SymbolicCandidate(roster, sizes)
        slack = cvxpy.Variable(len(limits))
        self._price = cvxpy.Parameter(len(limits), nonneg=True)
        self._room = cvxpy.Parameter(len(limits), nonneg=True)
        held = [
            limit.excess(candidate) <= units[place] * slack[place]
            for place, limit in enumerate(limits)
        ]
        problem = cvxpy.Problem(
            cvxpy.Minimize(self._price @ slack),
            [*candidate.constraints, *held, slack >= 0.0, slack <= self._room],
        )
        self._compiled = CompiledProblem(problem)

    def solve(
        self, facts: Facts, price: Floats, room: Floats, way: Way = WAYS[0]
    ) -> tuple[Floats, Answer]:
        """Weights and the answer they come from."""
        values = {
            **self._candidate.values(facts),
            self._price: price,
            self._room: room / self._units,
        }
        try:
            answer = self._compiled.solve(values, 1.0, way)
        except RAISED as error:
            none = no_answer("clarabel", error, len(facts.holdings))
            return none.point, none
        start = self._compiled.column(self._candidate.deviation)
        return self._candidate.weights_of(answer.point, start, facts), answer
