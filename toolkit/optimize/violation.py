"""The least violation of limits that are rows of numbers, by PIQP, with a bound on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients, NotPolyhedral
from toolkit.optimize.compiled import Answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.moves import Moves
from toolkit.optimize.quadratic import interior_point
from toolkit.optimize.roster import Floats, Roster
from toolkit.optimize.standard import StandardProblem

_MARGIN = 1e-9
"""Added to the room of every limit, so that what is exactly as large leaves the solver some."""


class RowViolation:
    """Minimise the priced sum of excesses over caps, each in multiples of its unit.

    Every excess stays within a room. Limits that are no rows are left out: the bound holds all the
    same, and so does the answer where they have no excess.

    Attributes
    ----------
    left_out
        By limit, whether it is none of these.
    """

    def __init__(self, roster: Roster, facts: Facts, limits: Sequence[Limit], units: Floats):
        candidate, size = CoefficientCandidate(roster, facts), len(roster)
        self._units = units
        owners: list[int] = []
        rows = [np.zeros((0, 2 * size + 1))]
        for place, limit in enumerate(limits):
            try:
                excess: Coefficients = limit.excess(candidate) / units[place]
            except NotPolyhedral:
                continue
            if excess.polyhedral:
                matrix = excess.matrix
                absolute = 0.0 * matrix if excess.absolute is None else excess.absolute
                rows.append(np.column_stack((matrix, absolute, -excess.constant)))
                owners += [place] * len(matrix)
        table = np.concatenate(rows)
        self._owners = np.array(owners, dtype=np.intp)
        self.left_out = ~np.isin(np.arange(len(limits)), self._owners)
        self._problem = StandardProblem(
            quadratic=None,
            linear=np.zeros(size),
            rates=np.zeros(size),
            constant=0.0,
            holdings=facts.holdings,
            lower=facts.lower,
            upper=facts.upper,
            matrix=table[:, :size],
            absolute=table[:, size:-1],
            bound=table[:, -1],
        )
        self._moves = Moves(self._problem)

    def solve(self, price: Floats, room: Floats) -> tuple[Floats, Answer]:
        """Weights and the answer they come from."""
        moves, owned = self._moves, self._owners[:, None] == np.arange(len(price))
        most = room / self._units + _MARGIN
        count = len(moves) + len(price)
        point, prices, status, steps = interior_point(
            np.zeros((count, count)),
            np.concatenate((np.zeros(len(moves)), price)),
            (np.concatenate((moves.sign, np.zeros(len(price)))), moves.missing),
            (np.concatenate((moves.rows, -owned.astype(float)), axis=1), moves.slack),
            np.concatenate((moves.room, most)),
        )
        weights = moves.weights(point[: len(moves)], np.arange(len(moves)))
        value = float(price @ self._excess(weights))
        least = self._problem.least(weights, prices)
        least += float(np.minimum((price - prices.rows @ owned) * most, 0.0).sum())
        complete = not self.left_out.any()
        return weights, Answer(status, weights, value, value - least, steps, complete)

    def _excess(self, weights: Floats) -> Floats:
        """Excess of each limit, in its unit, 0 where it has none or is left out."""
        problem, most = self._problem, np.zeros(len(self._units))
        moved = np.abs(weights - problem.holdings)
        over = problem.matrix @ weights + problem.absolute @ moved - problem.bound
        np.maximum.at(most, self._owners, over)
        return most
