"""The standard family of problems, as plain arrays, with a bound on its optimum.

Quadratic objectives and tail losses, proportional costs, and limits that are rows of numbers. Raw
solvers take it; whether their answer is optimal is decided here, by weak duality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from toolkit.optimize.candidate import tail_mean
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats, Roster

_LAST_BITS = 1e-12

_NOT_NEAR = 1e-5
"""A violation that is above what passes as rounding."""


@readonly
class Tail:
    """A multiple of the expected shortfall in the objective."""

    scenarios: Floats
    level: float
    factor: float


@readonly
class Prices:
    """Multipliers of a solver.

    Parameters
    ----------
    budget
        Of the sum of weights.
    rows
        Of `StandardProblem.matrix`, not negative.
    tail
        Probability of each scenario in the worst case: not negative, summing to 1, each at most
        1 / ((1 - level) * scenarios); None without a tail.
    """

    budget: float
    rows: Floats
    tail: Floats | None = None


@readonly
class StandardProblem:
    """Minimise ``w'Qw/2 + q'w + r|w - h| + tail``.

    Subject to ``sum w = 1``, ``lower <= w <= upper`` and ``Mw + A|w - h| <= bound``; where it is
    not `turning`, A is zero.
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
    tail: Tail | None = None
    turning: bool = True

    @property
    def priced(self) -> Flags:
        """By asset, whether changing its weight costs anything, be it room in a limit."""
        priced: Flags = self.rates + self.absolute.sum(axis=0) > 0.0
        return priced

    @property
    def crossed(self) -> bool:
        """Whether some weight is bound from below by more than from above."""
        return bool(np.count_nonzero(self.lower - self.upper > _NOT_NEAR))

    @property
    def impossible(self) -> bool:
        """Whether the bounds alone leave no portfolio."""
        crossed = np.count_nonzero(self.lower - self.upper > _LAST_BITS)
        return bool(crossed or self.lower.sum() > 1.0 + 1e-9 or self.upper.sum() < 1.0 - 1e-9)

    def within(self, planes: Sequence[Coefficients]) -> StandardProblem:
        """The problem with more rows, each of which has to stay below zero."""
        return replace(
            self,
            matrix=np.concatenate((self.matrix, *(each.matrix for each in planes))),
            absolute=np.concatenate((self.absolute, *(0.0 * each.matrix for each in planes))),
            bound=np.concatenate((self.bound, *(-each.constant for each in planes))),
        )

    def empty(self, prices: Prices) -> bool:
        """Whether multipliers prove that no portfolio is near to meeting bounds and rows.

        Without an objective the optimum is 0, unless there is no portfolio: Farkas' lemma.
        """
        if self.crossed:
            return True
        total = abs(prices.budget) + float(prices.rows.sum())
        if not 0.0 < total < np.inf:
            return False
        none = np.zeros(len(self.linear))
        free = replace(self, quadratic=None, linear=none, rates=none, constant=0.0, tail=None)
        scaled = Prices(prices.budget / total, prices.rows / total)
        return free.least(none, scaled) > _NOT_NEAR

    def gradient(self, weights: Floats) -> Floats:
        """Slope of the objective by asset, costs and tail aside."""
        return self.linear if self.quadratic is None else self.linear + self.quadratic @ weights

    def value(self, weights: Floats) -> float:
        """The objective."""
        total = self.linear @ weights + self.rates @ np.abs(weights - self.holdings)
        if self.quadratic is not None:
            total += 0.5 * (weights @ (self.quadratic @ weights))
        if self.tail is not None:
            losses = -self.tail.scenarios @ weights
            total += self.tail.factor * tail_mean(losses, self.tail.level)
        return float(total + self.constant)

    def least(self, weights: Floats, prices: Prices) -> float:
        """Bound from below on the optimum, minus infinity where the multipliers prove nothing.

        It holds for any weights, and any multipliers with the signs and sums of `Prices`. The
        objective is at least its tangent at the weights; with the rows priced, the smallest value
        of what is left within the bounds is found asset by asset.
        """
        if not self._provable(prices):
            return -np.inf
        gradient = self.gradient(weights)
        slope = gradient + prices.rows @ self.matrix - prices.budget
        least = self.constant + prices.budget - self.bound @ prices.rows
        least -= 0.5 * ((gradient - self.linear) @ weights)
        if self.tail is not None and prices.tail is not None:
            slope = slope - self.tail.factor * (prices.tail @ self.tail.scenarios)
        cost = self.rates + prices.rows @ self.absolute if self.turning else self.rates
        held = np.minimum(np.maximum(self.holdings, self.lower), self.upper)
        best = np.where(slope > cost, self.lower, np.where(slope < -cost, self.upper, held))
        return float(least + slope @ best + cost @ np.abs(best - self.holdings))

    def _provable(self, prices: Prices) -> bool:
        """Whether multipliers have the signs and sums that the bound needs."""
        if np.count_nonzero(prices.rows < 0.0) or (self.tail is not None and prices.tail is None):
            return False
        if self.tail is None or prices.tail is None:
            return True
        most = 1.0 / ((1.0 - self.tail.level) * len(self.tail.scenarios))
        within = prices.tail.min() >= 0.0 and prices.tail.max() <= most * (1.0 + _LAST_BITS)
        return bool(within and abs(prices.tail.sum() - 1.0) <= _LAST_BITS)


@readonly
class Found:
    """What a raw solver returned for a problem: weights, multipliers, its words and its steps."""

    problem: StandardProblem
    weights: Floats
    prices: Prices
    status: str
    iterations: int

    @cached_property
    def proof(self) -> tuple[float, float]:
        """The objective at the weights, and a bound on how far that is above the optimum."""
        value = self.problem.value(self.weights)
        return value, value - self.problem.least(self.weights, self.prices)


@readonly
class LimitRows:
    """What limits come to as numbers.

    Attributes
    ----------
    lower, upper
        By asset: bounds that follow from limits on one weight.
    room
        By asset: largest change of weight that limits on one trade allow.
    matrix, absolute, bound
        The rest: ``matrix w + absolute |w - held| <= bound``.
    left_out
        By limit: whether it is none of these, since it is not polyhedral.
    """

    lower: Floats
    upper: Floats
    room: Floats
    matrix: Floats
    absolute: Floats
    bound: Floats
    left_out: Flags

    @cached_property
    def confines(self) -> bool:
        """Whether a trade is limited at all."""
        return bool(np.isfinite(self.room).any())

    @cached_property
    def turning(self) -> bool:
        """Whether a row is on changes of weights."""
        return bool(self.absolute.any())

    def __add__(self, other: LimitRows) -> LimitRows:
        return LimitRows(
            np.maximum(self.lower, other.lower),
            np.minimum(self.upper, other.upper),
            np.minimum(self.room, other.room),
            np.concatenate((self.matrix, other.matrix)),
            np.concatenate((self.absolute, other.absolute)),
            np.concatenate((self.bound, other.bound)),
            np.concatenate((self.left_out, other.left_out)),
        )


def limit_rows(
    roster: Roster, facts: Facts, limits: Sequence[Limit], allowance: Floats
) -> LimitRows:
    """The rows of limits, each widened by its allowance."""
    candidate, size = CoefficientCandidate(roster, facts), len(roster)
    none, no_bound = np.zeros((0, size)), np.full(size, np.inf)
    rows = LimitRows(-no_bound, no_bound, no_bound, none, none, np.zeros(0), np.zeros(0, bool))
    for limit, more in zip(limits, allowance, strict=True):
        try:
            excess: Coefficients = limit.excess(candidate) - more
            fits = excess.polyhedral
        except NotPolyhedral:
            fits = False
        if fits:
            rows += _sorted_out(excess)
        else:
            left = np.ones(1, bool)
            rows += LimitRows(-no_bound, no_bound, no_bound, none, none, np.zeros(0), left)
    return rows


def _sorted_out(excess: Coefficients) -> LimitRows:
    """One limit: rows on a single weight or trade become bounds."""
    matrix, bound = excess.matrix, -excess.constant
    absolute = np.zeros_like(matrix) if excess.absolute is None else excess.absolute
    plain, around = np.count_nonzero(matrix, axis=1), np.count_nonzero(absolute, axis=1)
    single, trade = (plain == 1) & (around == 0), (plain == 0) & (around == 1)
    upper = np.full(matrix.shape[1], np.inf)
    lower, room = -upper, upper.copy()
    for row in np.flatnonzero(single):
        place = int(np.flatnonzero(matrix[row])[0])
        edge = bound[row] / matrix[row, place]
        if matrix[row, place] > 0.0:
            upper[place] = min(upper[place], edge)
        else:
            lower[place] = max(lower[place], edge)
    for row in np.flatnonzero(trade):
        place = int(np.flatnonzero(absolute[row])[0])
        room[place] = min(room[place], bound[row] / absolute[row, place])
    rest = ~(single | trade)
    return LimitRows(
        lower, upper, room, matrix[rest], absolute[rest], bound[rest], np.zeros(1, bool)
    )


def standard_problem(facts: Facts, total: Coefficients, rows: LimitRows) -> StandardProblem:
    """The problem of one decision: objective plus cost, and the rows of its limits.

    Raises
    ------
    NotPolyhedral
        The objective or the cost is not of the family.
    """
    if len(total.matrix) > 1:
        raise NotPolyhedral
    lower, upper = np.maximum(facts.lower, rows.lower), np.minimum(facts.upper, rows.upper)
    if rows.confines:
        lower = np.maximum(lower, facts.holdings - rows.room)
        upper = np.minimum(upper, facts.holdings + rows.room)
    return StandardProblem(
        quadratic=total.quadratic,
        linear=total.matrix[0],
        rates=0.0 * facts.holdings if total.absolute is None else total.absolute[0],
        constant=float(total.constant[0]),
        holdings=facts.holdings,
        lower=lower,
        upper=upper,
        matrix=rows.matrix,
        absolute=rows.absolute,
        bound=rows.bound,
        tail=Tail(facts.known_scenarios(), total.level, total.tail) if total.tail else None,
        turning=rows.turning,
    )
