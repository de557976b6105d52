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
    matrix, bound
        What a unit of each move takes of what the start lacks of the budget, the first row, and of
        the room it leaves in each row of limits.
    asset, sign, room
        By move: whose weight it changes, up or down, and by how much at most.
    slopes
        By move: what a unit of it adds to the objective at the start.
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
        self._free = ~priced[self.asset]
        self.matrix = np.empty((1 + len(problem.bound), len(self.asset)))
        self.matrix[0], self.matrix[1:] = self.sign, problem.matrix[:, self.asset] * self.sign
        self.bound = np.empty(1 + len(problem.bound))
        self.bound[0], self.bound[1:] = 1.0, problem.bound - problem.matrix @ self.start
        self.bound[0] -= self.start.sum()
        if turning:
            self.matrix[1:] += problem.absolute[:, self.asset]
            self.bound[1:] -= problem.absolute @ np.abs(self.start - held)

    def __len__(self) -> int:
        return len(self.asset)

    def weights(self, moves: Floats, chosen: NDArray[np.intp]) -> Floats:
        """Weights after the chosen moves."""
        changes = moves * self.sign[chosen]
        return self.start + np.bincount(self.asset[chosen], changes, len(self.start))

    def _slopes(self, gradient: Floats) -> Floats:
        return gradient[self.asset] * self.sign + self._rates

    def first(self, count: int) -> Flags:
        """Moves without a price, the best ones in each direction, and those that mend a limit.

        Who is among the best to buy is not looked at as one to sell.
        """
        slopes, chosen = self.slopes, self._free.copy()
        best = slopes[: self._bought].argsort(kind="stable")[:count]
        chosen[best] = True
        sold = np.where(self._among(best), np.inf, slopes)[self._bought :]
        chosen[self._bought + sold.argsort(kind="stable")[:count]] = True
        for row in (self.bound[1:] < 0.0).nonzero()[0]:
            mending = (self.matrix[1 + row] < 0.0).nonzero()[0]
            chosen[mending[slopes[mending].argsort(kind="stable")[:count]]] = True
        return chosen

    def _among(self, moves: Flags | NDArray[np.intp]) -> Flags:
        """Moves of the same assets as some."""
        traded = np.zeros(len(self.start), dtype=bool)
        traded[self.asset[moves]] = True
        return traded[self.asset]

    def with_gains(self, chosen: Flags, gainful: Flags) -> Flags:
        """The chosen moves and those that gain, without what these would undo: it is not made."""
        return gainful | (chosen & ~self._among(gainful))

    def gainful(self, gradient: Floats, prices: Prices, least: float) -> Flags:
        """Moves that lower the objective by more than `least` a unit, limits at their prices.

        The gradient is that of the objective in the weights, where the prices were found.
        """
        reduced = self._slopes(gradient) + prices.rows @ self.matrix[1:] - prices.budget * self.sign
        gained: Flags = reduced < -least
        return gained
