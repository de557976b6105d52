"""The standard family of problems, as plain arrays, with a bound on its optimum.

Quadratic objectives and tail losses, proportional costs, and limits that are rows of numbers. Raw
solvers take it; whether their answer is optimal is decided here, by weak duality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from toolkit.optimize.candidate import tail_mean
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.costs import Cost
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import Objective
from toolkit.optimize.roster import Flags, Floats, Roster


@dataclass(frozen=True, eq=False)
class Tail:
    """A multiple of the expected shortfall in the objective."""

    scenarios: Floats
    level: float
    factor: float


@dataclass(frozen=True, eq=False)
class Prices:
    """Multipliers of a solver.

    Parameters
    ----------
    budget
        Of the sum of weights.
    rows
        Of `StandardProblem.matrix`, not negative.
    tail
        Probability of each scenario in the worst case; None without a tail.
    """

    budget: float
    rows: Floats
    tail: Floats | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What a raw solver returned: weights, multipliers, its words and its steps."""

    weights: Floats
    prices: Prices
    status: str
    iterations: int


@dataclass(frozen=True, eq=False)
class StandardProblem:
    """Minimise ``w'Qw/2 + q'w + r|w - h| + tail``.

    Subject to ``sum w = 1``, ``lower <= w <= upper`` and ``Mw + A|w - h| <= bound``.

    Attributes
    ----------
    left_out
        By limit: whether it is none of the rows, since it is not polyhedral.
    """

    quadratic: Floats | None
    linear: Floats
    rates: Floats
    constant: float
    holdings: Floats
    lower: Floats
    upper: Floats
    matrix: Floats
    absolute: Floats
    bound: Floats
    left_out: Flags
    tail: Tail | None = None

    @property
    def impossible(self) -> bool:
        """Whether the bounds alone leave no portfolio."""
        crossed = (self.lower > self.upper).any()
        return bool(crossed or self.lower.sum() > 1.0 + 1e-9 or self.upper.sum() < 1.0 - 1e-9)

    def value(self, weights: Floats) -> float:
        """The objective."""
        total = self.linear @ weights + self.rates @ np.abs(weights - self.holdings)
        if self.quadratic is not None:
            total += 0.5 * weights @ self.quadratic @ weights
        if self.tail is not None:
            losses = -self.tail.scenarios @ weights
            total += self.tail.factor * tail_mean(losses, self.tail.level)
        return float(total + self.constant)

    def gap(self, weights: Floats, prices: Prices) -> float:
        """Bound on how far the weights' value is above the optimum, for any multipliers.

        The objective is at least its tangent at the weights; with the rows priced, the smallest
        value of what is left within the bounds is found asset by asset.
        """
        slope = self.linear + self.matrix.T @ prices.rows - prices.budget
        least = self.constant + prices.budget - self.bound @ prices.rows
        if self.quadratic is not None:
            tangent = self.quadratic @ weights
            slope = slope + tangent
            least -= 0.5 * float(tangent @ weights)
        if self.tail is not None and prices.tail is not None:
            slope = slope - self.tail.factor * (prices.tail @ self.tail.scenarios)
        cost = self.rates + self.absolute.T @ prices.rows
        corners = np.stack((self.lower, self.upper, np.clip(self.holdings, self.lower, self.upper)))
        values = slope * corners + cost * np.abs(corners - self.holdings)
        return self.value(weights) - float(least + values.min(axis=0).sum())


def standard_problem(
    roster: Roster,
    facts: Facts,
    objective: Objective,
    limits: Sequence[Limit],
    cost: Cost | None,
    allowance: Floats,
) -> StandardProblem:
    """The problem of one decision.

    Parameters
    ----------
    allowance
        By limit: how far it may be exceeded.

    Raises
    ------
    NotPolyhedral
        The objective or the cost is not of the family.
    """
    candidate = CoefficientCandidate(roster, facts)
    total: Coefficients = objective.expression(candidate)
    if cost is not None and not cost.free:
        total = total + cost.yearly(candidate)
    if len(total.matrix) > 1:
        raise NotPolyhedral
    left_out, kept = np.zeros(len(limits), dtype=bool), []
    for place, limit in enumerate(limits):
        try:
            excess: Coefficients = limit.excess(candidate) - allowance[place]
        except NotPolyhedral:
            left_out[place] = True
            continue
        if excess.polyhedral:
            kept.append(excess)
        else:
            left_out[place] = True
    tail = None
    if total.tail:
        tail = Tail(facts.known_scenarios(), total.level, total.tail)
    size = len(roster)
    return _tightened(
        StandardProblem(
            quadratic=total.quadratic,
            linear=total.matrix[0],
            rates=np.zeros(size) if total.absolute is None else total.absolute[0],
            constant=float(total.constant[0]),
            holdings=facts.holdings,
            lower=facts.lower,
            upper=facts.upper,
            matrix=np.concatenate([np.zeros((0, size)), *(each.matrix for each in kept)]),
            absolute=np.concatenate(
                [
                    np.zeros((0, size)),
                    *(
                        np.zeros_like(each.matrix) if each.absolute is None else each.absolute
                        for each in kept
                    ),
                ]
            ),
            bound=-np.concatenate([np.zeros(0), *(each.constant for each in kept)]),
            left_out=left_out,
            tail=tail,
        )
    )


def _tightened(problem: StandardProblem) -> StandardProblem:
    """The problem with rows on a single asset turned into bounds."""
    matrix, absolute, bound = problem.matrix, problem.absolute, problem.bound
    plain, around = np.count_nonzero(matrix, axis=1), np.count_nonzero(absolute, axis=1)
    single = (plain == 1) & (around == 0)
    trade = (plain == 0) & (around == 1)
    if not (single | trade).any():
        return problem
    lower, upper = problem.lower.copy(), problem.upper.copy()
    rows = np.flatnonzero(single)
    column = np.abs(matrix[rows]).argmax(axis=1)
    factor = matrix[rows, column]
    edge = bound[rows] / factor
    np.minimum.at(upper, column[factor > 0.0], edge[factor > 0.0])
    np.maximum.at(lower, column[factor < 0.0], edge[factor < 0.0])
    rows = np.flatnonzero(trade)
    if len(rows):
        column = absolute[rows].argmax(axis=1)
        room = bound[rows] / absolute[rows, column]
        np.minimum.at(upper, column, problem.holdings[column] + room)
        np.maximum.at(lower, column, problem.holdings[column] - room)
    rest = ~(single | trade)
    return replace(
        problem,
        lower=lower,
        upper=upper,
        matrix=matrix[rest],
        absolute=absolute[rest],
        bound=bound[rest],
    )
