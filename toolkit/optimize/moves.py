"""A standard problem in moves away from a start, and which of them to look at first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.optimize.roster import Flags, Floats
from toolkit.optimize.standard import Prices, StandardProblem

_FIXED = 1e-13


class Moves:
    """Weights as a start plus what is bought less what is sold, none of it negative.

    A weight with a price on its change starts at what is held, or at the bound next to it: costs
    and turnover are then linear. The others start at their lower bound and can only be bought. A
    weight that cannot be otherwise has no move.

    Attributes
    ----------
    start
        By asset, the weight without any move.
    missing
        What the start lacks of the budget.
    slack
        By row of limits, the room at the start.
    asset, sign, room
        By move: whose weight it changes, up or down, and by how much at most.
    slopes, rows
        By move: what a unit of it adds to the objective at the start, and what it takes of the
        slack of each row.
    """

    def __init__(self, problem: StandardProblem):
        held, low, high = problem.holdings, problem.lower, problem.upper
        turning = problem.absolute.any()
        priced = problem.rates > 0.0
        if turning:
            priced |= problem.absolute.any(axis=0)
        self.start = np.where(priced, np.minimum(np.maximum(held, low), high), low)
        more, less = high - self.start, self.start - low
        bought, sold = (more > _FIXED).nonzero()[0], (less > _FIXED).nonzero()[0]
        self._bought = len(bought)
        self.asset = np.concatenate((bought, sold))
        self.sign = np.ones(len(self.asset))
        self.sign[len(bought) :] = -1.0
        self.room = np.concatenate((more[bought], less[sold]))
        self._rates = problem.rates[self.asset]
        self.slopes = self._slopes(problem.gradient(self.start))
        self.rows = problem.matrix[:, self.asset] * self.sign
        self._free = ~priced[self.asset]
        self.missing = 1.0 - float(self.start.sum())
        self.slack = problem.bound - problem.matrix @ self.start
        if turning:
            self.rows += problem.absolute[:, self.asset]
            self.slack -= problem.absolute @ np.abs(self.start - held)

    def __len__(self) -> int:
        return len(self.asset)

    def weights(self, moves: Floats, chosen: NDArray[np.intp]) -> Floats:
        """Weights after the chosen moves."""
        changes = moves * self.sign[chosen]
        return self.start + np.bincount(self.asset[chosen], changes, len(self.start))

    def _slopes(self, gradient: Floats) -> Floats:
        return gradient[self.asset] * self.sign + self._rates

    def first(self, count: int) -> Flags:
        """Moves without a price, the best ones in each direction, and those that mend a limit."""
        slopes, chosen = self.slopes, self._free.copy()
        chosen[slopes[: self._bought].argsort(kind="stable")[:count]] = True
        chosen[self._bought + slopes[self._bought :].argsort(kind="stable")[:count]] = True
        for row in (self.slack < 0.0).nonzero()[0]:
            mending = (self.rows[row] < 0.0).nonzero()[0]
            chosen[mending[slopes[mending].argsort(kind="stable")[:count]]] = True
        return chosen

    def gainful(self, gradient: Floats, prices: Prices, least: float) -> Flags:
        """Moves that lower the objective by more than `least` a unit, limits at their prices.

        The gradient is that of the objective in the weights, where the prices were found.
        """
        reduced = self._slopes(gradient) + prices.rows @ self.rows - prices.budget * self.sign
        gained: Flags = reduced < -least
        return gained
