"""The least violation of limits, by PIQP, with a bound on it.

Limits that are rows of numbers enter as they are, the others by planes that touch them, which are
added where they turn out to be exceeded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import compress

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.compiled import RAISED, Answer, no_answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.moves import Moves
from toolkit.optimize.quadratic import interior_point
from toolkit.optimize.roster import Flags, Floats, Roster
from toolkit.optimize.standard import Prices, StandardProblem
from toolkit.optimize.tangent import TangentCandidate

_MARGIN = 1e-9
"""Added to the room of every limit, so that what is exactly as large leaves the solver some."""

_CLOSE = 1e-7
"""How near a plane has to be to what it touches, in the limit's unit."""

_ROUNDS, _FEW_ROUNDS = 100, 4
"""With scenarios, of which a stated problem is large, and without: round limits need many planes."""

_AMPLE = 1e3
"""Room in units of a limit that is more than any conflict needs."""


class RowViolation:
    """Minimise the priced sum of excesses over caps, each in multiples of its unit.

    Every excess stays within a room; a limit without a price and with endless room does not matter.
    Planes hold for all prices and rooms, and so are kept.
    """

    def __init__(self, roster: Roster, facts: Facts, limits: Sequence[Limit], units: Floats):
        self._roster, self._facts, self._limits, self._units = roster, facts, limits, units
        size = len(roster)
        none = np.zeros((0, size))
        self._owners = np.zeros(0, dtype=np.intp)
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
        _, answer = self._solve(price, np.where(chosen, _AMPLE, np.inf), least)
        if answer.value - answer.gap > least:
            return True
        return False if answer.value <= least else None

    def solve(self, price: Floats, room: Floats) -> tuple[Floats, Answer]:
        """Weights and the answer they come from."""
        return self._solve(price, room / self._units + _MARGIN, None)

    def _solve(self, price: Floats, most: Floats, enough: float | None) -> tuple[Floats, Answer]:
        """The least violation; or any above what is enough, or a violation that is not."""
        matters = (price > 0.0) | np.isfinite(most)
        center, best = np.full(len(self._roster), np.nan), np.inf
        bound = -np.inf
        tailed = any("scenarios" in limit.needs for limit in compress(self._limits, matters))
        for _ in range(_ROUNDS if tailed else _FEW_ROUNDS):
            try:
                weights, answer = self._nearest(price, most, matters)
            except RAISED as error:
                return center, no_answer("piqp", error, len(price))
            bound, rows = max(bound, answer.value - answer.gap), len(self._owners)
            for point in (weights, 0.5 * (weights + center)) if best < np.inf else (weights,):
                measured = self._measured(point)
                value = float(price @ np.maximum(measured, 0.0))
                if value < best and not (measured > most + _CLOSE).any():
                    center, best = point, value
                beyond = matters & (measured - self._excess(point) > _CLOSE)
                self._cut(point, self._curved & beyond & ((price > 0.0) | (measured > most)))
            decided = enough is not None and (bound > enough or best <= enough)
            if decided or best - bound <= _CLOSE or len(self._owners) == rows:
                break
        return center, replace(answer, value=best, gap=best - bound)

    def _cut(self, weights: Floats, limits: Flags) -> None:
        """Take in the planes of limits at weights."""
        tangent = TangentCandidate(self._roster, self._facts, weights)
        for place in limits.nonzero()[0].tolist():
            self._add(place, self._limits[place].excess(tangent))

    def _nearest(self, price: Floats, most: Floats, matters: Flags) -> tuple[Floats, Answer]:
        """The least violation of the rows there are, of limits that matter."""
        limits, chosen = matters.nonzero()[0], matters[self._owners]
        whole = self._problem
        problem = replace(
            whole,
            matrix=whole.matrix[chosen],
            absolute=whole.absolute[chosen],
            bound=whole.bound[chosen],
        )
        moves, owned = Moves(problem), self._owners[chosen][:, None] == limits
        price, most = price[limits], most[limits]
        count = len(moves) + len(limits)
        point, prices, status, steps = interior_point(
            np.zeros((count, count)),
            np.concatenate((np.zeros(len(moves)), price)),
            np.block([moves.matrix, np.vstack((np.zeros(len(limits)), -owned.astype(float)))]),
            moves.bound,
            np.concatenate((moves.room, most)),
        )
        weights = moves.weights(point[: len(moves)])
        value = float(price @ self._excess(weights)[limits])
        least = problem.least(weights, Prices(float(prices[0]), prices[1:]))
        least += float(np.minimum((price - prices[1:] @ owned) * most, 0.0).sum())
        return weights, Answer(status, weights, value, value - least, steps, solver="piqp")

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
