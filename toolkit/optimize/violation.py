"""The least violation of limits, by PIQP, with a bound on it.

Limits that are rows of numbers enter as they are, the others by planes that touch them, which are
added where they turn out to be exceeded. Along a round limit that would take very many: what planes
leave out there, its curvature at the best weights so far, is part of the objective.

References
----------
Boggs and Tolle, Sequential quadratic programming, Acta Numerica 4 (1995): the curvature, and limits
that are kept by a price on what is beyond them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.compiled import RAISED, Answer, no_answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.moves import Moves
from toolkit.optimize.quadratic import interior_point, priced
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats, Roster
from toolkit.optimize.standard import StandardProblem
from toolkit.optimize.tangent import TangentCandidate, TaylorCandidate

_CLOSE = 1e-7
"""How near to the least violation to stop, in units of limits."""

_TOUCHING = 1e-11
"""How near a plane has to be to what it touches, in the limit's unit: high prices magnify it."""

_ROUNDS = 100

_SHARES = (0.25, 0.5, 1.0)
"""How far to go from the best weights to those of the planes: all of these are cut."""

_TOLERANCE = 1e-13
"""Residuals and gap that the solver is asked for, finer than elsewhere since prices are high."""

_AMPLE = 1e3
"""Room in units of a limit that is more than any conflict needs."""

_BEYOND = 3e3
"""Price of what is beyond a room, by which the room is kept.

Where hardly a portfolio is within it, prices that keep it to the last bit would have no end. What
this one lets through is below the tolerance of limits as a rule, and measured like everything.
"""

_SETTLED = 0.1
"""By how much of itself a limit's price may change between two solves and be taken for known."""


@readonly
class _Aim:
    """Minimise the sum of excesses beyond what is free, each at a price and at most so large."""

    price: Floats
    free: Floats
    most: Floats

    def value(self, excess: Floats) -> float:
        """What excesses cost."""
        return float(self.price @ np.maximum(excess - self.free, 0.0))


class RowViolation:
    """Minimise the priced sum of excesses over caps, each in multiples of its unit.

    Every excess stays within a room; a limit without a price and with endless room does not matter.
    Planes hold for all prices and rooms, and so are kept; a search starts from the best weights of
    the last one.
    """

    def __init__(self, roster: Roster, facts: Facts, limits: Sequence[Limit], units: Floats):
        self._roster, self._facts, self._limits, self._units = roster, facts, limits, units
        size = len(roster)
        none = np.zeros((0, size))
        self._owners = np.zeros(0, dtype=np.intp)
        self._center: Floats | None = None
        self._problem = StandardProblem(
            quadratic=None,
            linear=np.zeros(size),
            rates=np.zeros(size),
            constant=0.0,
            holdings=facts.holdings,
            lower=facts.lower,
            upper=facts.upper,
            matrix=none,
            absolute=none,
            bound=np.zeros(0),
        )
        self._curved = np.zeros(len(limits), dtype=bool)
        candidate = CoefficientCandidate(roster, facts)
        for place, limit in enumerate(limits):
            try:
                excess: Coefficients = limit.excess(candidate)
                self._curved[place] = not excess.polyhedral
            except NotPolyhedral:
                self._curved[place] = True
            if not self._curved[place]:
                self._add(place, excess)

    def _add(self, place: int, excess: Coefficients) -> None:
        """Take in rows of a limit."""
        problem, scaled = self._problem, excess / self._units[place]
        absolute = 0.0 * scaled.matrix if scaled.absolute is None else scaled.absolute
        self._owners = np.append(self._owners, np.full(len(absolute), place))
        self._problem = replace(
            problem,
            matrix=np.concatenate((problem.matrix, scaled.matrix)),
            absolute=np.concatenate((problem.absolute, absolute)),
            bound=np.concatenate((problem.bound, -scaled.constant)),
        )

    def conflict(self, chosen: Flags, tolerance: Floats) -> bool | None:
        """Whether some limits cannot hold together, by more than a tolerance in their units.

        None where that is not found out.
        """
        price = chosen.astype(float)
        least = float((tolerance / self._units)[chosen].sum())
        _, answer = self._solve(_Aim(price, 0.0 * price, _AMPLE * price), least)
        # What is measured comes first: without any limit the bound is nothing but rounding.
        if answer.value <= least:
            return False
        return True if answer.value - answer.gap > least else None

    def solve(self, price: Floats, room: Floats) -> tuple[Floats, Answer]:
        """Weights and the answer they come from, whose value counts what is beyond a room, too."""
        kept, most = (price == 0.0) & np.isfinite(room), room / self._units
        aim = _Aim(
            np.where(kept, _BEYOND, price),
            np.where(kept, most, 0.0),
            np.where(kept, _AMPLE, most),
        )
        return self._solve(aim, None)

    def _solve(self, aim: _Aim, enough: float | None) -> tuple[Floats, Answer]:
        """The least violation; or any above what is enough, or a violation that is not."""
        center = found = self._center
        best, bound, known, slopes = np.inf, -np.inf, 0.0 * aim.price, 0.0 * aim.price
        if center is not None:
            excess = self._measured(center)
            best, slopes = aim.value(excess), aim.price * (excess - aim.free > -_CLOSE)
        for _ in range(_ROUNDS):
            try:
                weights, answer, prices = self._nearest(aim, center, slopes)
            except RAISED as error:
                none = no_answer("piqp", error, len(self._roster))
                return none.point, none
            settled, known = np.abs(prices - known) <= _SETTLED * prices, prices
            before = best, bound, len(self._owners)
            bound = max(bound, answer.value - answer.gap)
            old = weights if center is None else center
            for share in _SHARES:
                point = old + share * (weights - old)
                excess = self._measured(point)
                value = aim.value(excess)
                self._cut(point, self._curved & self._missed(aim, point, excess))
                # What is as good to rounding is nearer to where the prices are those of the end.
                if value <= best + _CLOSE:
                    center = point
                    exceeded = aim.price * (excess - aim.free) > _CLOSE
                    slopes = np.where(exceeded & ~settled, aim.price, prices)
                if value < best:
                    found, best = point, value
            decided = enough is not None and (bound > enough or best <= enough)
            stuck = before == (best, bound, len(self._owners))
            if decided or stuck or best - bound <= _CLOSE:
                break
        self._center = found
        return weights if found is None else found, replace(answer, value=best, gap=best - bound)

    def _missed(self, aim: _Aim, weights: Floats, excess: Floats) -> Flags:
        """Limits whose rows let weights cost less than they do."""
        seen = np.maximum(self._excess(weights), aim.free)
        missed: Flags = (aim.price > 0.0) & (excess - seen > _TOUCHING)
        return missed

    def _cut(self, weights: Floats, limits: Flags) -> None:
        """Take in the planes of limits at weights."""
        tangent = TangentCandidate(self._roster, self._facts, weights)
        for place in limits.nonzero()[0].tolist():
            self._add(place, self._limits[place].excess(tangent))

    def _nearest(
        self, aim: _Aim, center: Floats | None, slopes: Floats
    ) -> tuple[Floats, Answer, Floats]:
        """The least violation of the rows there are, bent around a center, and limits' prices.

        The slopes are these prices as they are expected: they say how much curvature counts.
        """
        limits, chosen = aim.price.nonzero()[0], aim.price[self._owners] > 0.0
        owners, whole = self._owners[chosen], self._problem
        problem = bent = replace(
            whole,
            matrix=whole.matrix[chosen],
            absolute=whole.absolute[chosen],
            bound=whole.bound[chosen] + aim.free[owners],
        )
        if center is not None:
            _, cost = self._round(center, slopes)
            bent = replace(problem, quadratic=cost.quadratic)
            bent = replace(bent, linear=-bent.gradient(center))
        moves, owned = Moves(bent), owners[:, None] == limits
        quadratic = np.zeros((len(moves) + len(limits),) * 2)
        quadratic[: len(moves), : len(moves)] = moves.curvature(bent.quadratic, 1.0)
        point, multipliers, status, steps = interior_point(
            quadratic,
            np.concatenate((moves.slopes, aim.price[limits])),
            np.block([moves.matrix, np.vstack((np.zeros(len(limits)), -owned.astype(float)))]),
            moves.bound,
            np.concatenate((moves.room, aim.most[limits])),
            _TOLERANCE,
        )
        weights = moves.weights(point[: len(moves)])
        found = priced(multipliers, 1.0)
        value = aim.value(self._excess(weights))
        prices = np.bincount(owners, found.rows, len(aim.price)).astype(float)
        touched, cost = self._round(weights, prices)
        # A better bound may be that of the planes which touch round limits at the weights.
        touching = replace(
            problem,
            quadratic=cost.quadratic,
            linear=cost.matrix[0],
            constant=float(cost.constant[0] - prices[touched] @ aim.free[touched]),
        )
        others = replace(found, rows=np.where(touched[owners], 0.0, found.rows))
        least = max(problem.least(weights, found), touching.least(weights, others))
        least += float(np.minimum((aim.price - prices)[limits] * aim.most[limits], 0.0).sum())
        return weights, Answer(status, weights, value, value - least, steps, solver="piqp"), prices

    def _round(self, weights: Floats, prices: Floats) -> tuple[Flags, Coefficients]:
        """Limits with a price that are round, and what they cost: to the second order there."""
        size, touched = len(weights), np.zeros(len(prices), dtype=bool)
        cost = Coefficients(np.zeros((1, size)), np.zeros(1), quadratic=np.zeros((size, size)))
        taylor = TaylorCandidate(self._roster, self._facts, weights)
        for place in (self._curved & (prices > 0.0)).nonzero()[0].tolist():
            excess: Coefficients = self._limits[place].excess(taylor)
            if excess.quadratic is not None:
                touched[place] = True
                cost += excess * (prices[place] / self._units[place])
        return touched, cost

    def _measured(self, weights: Floats) -> Floats:
        """Excess of each limit, in its unit."""
        candidate = MeasuredCandidate(self._roster, self._facts, weights)
        return np.array([float(limit.excess(candidate)) for limit in self._limits]) / self._units

    def _excess(self, weights: Floats) -> Floats:
        """Excess of each limit as its rows say, in its unit, 0 where it has none."""
        problem, most = self._problem, np.zeros(len(self._units))
        moved = np.abs(weights - problem.holdings)
        over = problem.matrix @ weights + problem.absolute @ moved - problem.bound
        np.maximum.at(most, self._owners, over)
        return most
