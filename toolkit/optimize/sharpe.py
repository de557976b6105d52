"""The search for the largest ratio of return above cash to volatility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.compiled import RAISED
from toolkit.optimize.costs import Cost
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import TIE, MeanVariance
from toolkit.optimize.quadratic import SOLVED, solve_quadratic
from toolkit.optimize.roster import Floats, Roster
from toolkit.optimize.standard import StandardProblem, limit_rows, standard_problem

_MOST_STEPS = 30
_TOLERANCE = 1e-10
_NEWTON_STEPS = 2


class HasWeights(Protocol):
    """An optimum, as far as the search looks at it."""

    @property
    def whole(self) -> Floats:
        """Its weights."""


Optimum = TypeVar("Optimum", bound=HasWeights)


class SharpeSearch:
    """Finds the hurdle at which the best portfolio just reaches it.

    Where every limit is linear the problem is homogeneous in a scale of the weights, and one
    quadratic program gives the ratio. Otherwise, and to check it, the hurdle is raised to the ratio
    of the portfolio that is best against the last one, until none is better: Dinkelbach's search,
    whose steps grow more exact quadratically.

    References
    ----------
    Schaible, Parameter-free convex equivalent and dual programs of fractional programming
    problems, Zeitschrift fuer Operations Research 18 (1974). Dinkelbach, On nonlinear fractional
    programming, Management Science 13 (1967).
    """

    def __init__(self, roster: Roster, limits: Sequence[Limit], cost: Cost | None):
        self._roster, self._limits, self._cost = roster, limits, cost

    def best(
        self, facts: Facts, allowance: Floats, against: Callable[[float], Optimum | None]
    ) -> Optimum | None:
        """The best against the largest hurdle there is; the hurdle is 0 if none is above it.

        None where there is no answer, or the search does not end.

        Parameters
        ----------
        against
            What is best against a hurdle, None where there is no answer.
        """
        weights = self._homogenised(facts, allowance)
        hurdle = 0.0 if weights is None else max(self._ratio(facts, weights), 0.0)
        unit = float(np.ptp(facts.known_returns())) or 1.0
        for _ in range(_MOST_STEPS):
            found = against(hurdle)
            if found is None or (
                hurdle == 0.0 and self._earned(facts, found.whole) <= _TOLERANCE * unit
            ):
                return found
            ratio = self._ratio(facts, found.whole)
            if (ratio - hurdle) * self._volatility(facts, found.whole) <= _TOLERANCE * unit:
                return found
            hurdle = ratio
        return None

    def finer(self, facts: Facts, weights: Floats, allowance: Floats) -> Floats | None:
        """Weights near the given ones with the largest ratio to more digits.

        Newton steps: the volatility by its slope and curvature, and the hurdle as what the last
        weights reach. Limits that are not linear are left out, so that the weights may break them.
        None where nothing is earned.
        """
        problem, _ = self._stated(facts, allowance)
        if problem is None or problem.quadratic is None or not facts.hurdle > 0.0:
            return None
        idle = np.zeros(len(weights))
        if self._roster.cash is not None:
            idle[self._roster.cash] = TIE
        unit = float(np.ptp(facts.known_returns())) or 1.0
        for _ in range(_NEWTON_STEPS):
            volatility = self._volatility(facts, weights)
            hurdle = self._ratio(facts, weights)
            if not volatility * hurdle > 0.0:
                return None
            slope = problem.quadratic @ weights / volatility
            curved = hurdle / volatility * (problem.quadratic - slope[:, None] * slope)
            linear = problem.linear + idle + hurdle * slope - curved @ weights
            try:
                found = solve_quadratic(replace(problem, quadratic=curved, linear=linear), unit)
            except RAISED:
                return None
            if found.status not in SOLVED:
                return None
            weights = found.weights
        return weights

    def _candidate(self, facts: Facts, weights: Floats) -> MeasuredCandidate:
        return MeasuredCandidate(self._roster, facts, weights)

    def _volatility(self, facts: Facts, weights: Floats) -> float:
        return float(self._candidate(facts, weights).volatility())

    def _earned(self, facts: Facts, weights: Floats) -> float:
        """Expected return above cash after costs."""
        candidate = self._candidate(facts, weights)
        paid = 0.0 if self._cost is None else float(self._cost.yearly(candidate))
        return float(candidate.expected_return()) - facts.cash_return(self._roster) - paid

    def _ratio(self, facts: Facts, weights: Floats) -> float:
        volatility = self._volatility(facts, weights)
        return self._earned(facts, weights) / volatility if volatility > 0.0 else 0.0

    def _homogenised(self, facts: Facts, allowance: Floats) -> Floats | None:
        """Weights with the largest ratio under linear limits; None where there is no such answer."""
        problem, complete = self._stated(facts, allowance)
        if problem is None or not complete:
            return None
        try:
            return homogenised(problem, facts.cash_return(self._roster))
        except RAISED:
            return None

    def _stated(self, facts: Facts, allowance: Floats) -> tuple[StandardProblem | None, bool]:
        """Variance less expected return and costs, None where they or the bounds do not fit.

        And whether every limit is part of it, since all are linear.
        """
        rows = limit_rows(self._roster, facts, self._limits, allowance)
        try:
            candidate = CoefficientCandidate(self._roster, facts)
            total: Coefficients = MeanVariance(1.0).expression(candidate)
            if self._cost is not None:
                total = total + self._cost.yearly(candidate)
            problem = standard_problem(facts, total, rows)
        except NotPolyhedral:
            return None, False
        return None if problem.impossible else problem, not rows.left_out.any()


def homogenised(problem: StandardProblem, cash_return: float) -> Floats | None:
    """Weights w that maximise ``(-q'w - r|w - h| - cash) / sqrt(w'Qw)`` under the problem's rows.

    With ``y = k w`` for the k that makes the numerator 1, the variance of y is least. None where
    the solver finds no such y: nothing earns more than cash, or no portfolio meets the rows.
    """
    import piqp

    if problem.quadratic is None:
        return None
    size, eye = len(problem.linear), np.eye(len(problem.linear))
    zero, column = np.zeros((size, size)), np.zeros((size, 1))
    held, low, high = (v[:, None] for v in (problem.holdings, problem.lower, problem.upper))
    earned = np.concatenate((-problem.linear, -problem.rates, [-cash_return]))
    scale = float(np.abs(problem.linear).max()) or 1.0
    rows = np.block(
        [
            [eye, -eye, -held],
            [-eye, -eye, held],
            [eye, zero, -high],
            [-eye, zero, low],
            [problem.matrix, problem.absolute, -problem.bound[:, None]],
            [column.T, column.T, -np.ones((1, 1))],
            [-earned[None] / scale],
        ]
    )
    bound = np.zeros(len(rows))
    bound[-1] = -1.0
    quadratic = np.zeros((2 * size + 1, 2 * size + 1))
    quadratic[:size, :size] = problem.quadratic / np.diag(problem.quadratic).mean()
    budget = np.concatenate((np.ones(size), np.zeros(size), [-1.0]))[None]
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-10
    solver.setup(quadratic, np.zeros(2 * size + 1), budget, np.zeros(1), rows, None, bound)
    status = solver.solve()
    point = np.array(solver.result.x)
    if status != piqp.PIQP_SOLVED or not point[-1] > 0.0:
        return None
    weights: Floats = point[:size] / point[-1]
    return weights
