"""A standard problem in moves away from a start, all of them or the ones that promise something."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import Found, StandardProblem

_FIXED = 1e-13
"""A weight with less room than this cannot be otherwise."""

_ALL = 25
"""Assets up to which each has a move: to choose among so few takes longer than it saves."""

_FIRST, _SHARE = 6, 12
"""How many moves each way to look at first: that many, and one for each `_SHARE` assets."""


class Origin:
    """The weights that moves start from.

    A weight with a price on its change starts at what is held, or at the bound next to it: costs
    and turnover are then linear. The others start at their lower bound and can only be bought.

    Attributes
    ----------
    weights, slopes
        By asset: the weight without any move, and the objective's slope there, costs aside.
    more, less
        By asset: how far the weight can rise and fall.
    bound
        What the weights lack of the budget, and the room that they leave in each row of limits.
    """

    def __init__(self, problem: StandardProblem):
        low, high, held = problem.lower, problem.upper, problem.holdings
        self.weights = np.minimum(np.maximum(held, low), high)
        if np.count_nonzero(problem.rates) < len(held):
            self.weights = np.where(problem.priced, self.weights, low)
        self.more, self.less = high - self.weights, self.weights - low
        self.slopes = problem.gradient(self.weights)
        self.bound = np.empty(1 + len(problem.bound))
        self.bound[0] = 1.0 - self.weights.sum()
        self.bound[1:] = problem.bound - problem.matrix @ self.weights
        if problem.turning:
            self.bound[1:] -= problem.absolute @ np.abs(self.weights - held)


class Moves:
    """Weights as an origin plus what is bought less what is sold, none of it negative.

    A weight that cannot be otherwise has no move.

    Attributes
    ----------
    asset, sign, room
        By move: whose weight it changes, up or down, and by how much at most.
    slopes
        By move: what a unit of it adds to the objective at the origin.
    matrix, bound
        What a unit of each move takes of the budget, the first row, and of the room in each row of
        limits; and what there is of it.
    """

    def __init__(self, problem: StandardProblem):
        origin = Origin(problem)
        self._origin, self.bound = origin.weights, origin.bound
        bought, sold = (origin.more > _FIXED).nonzero()[0], (origin.less > _FIXED).nonzero()[0]
        self.asset = np.concatenate((bought, sold))
        self.sign = np.repeat((1.0, -1.0), (len(bought), len(sold)))
        self.room = np.concatenate((origin.more[bought], origin.less[sold]))
        self.slopes = origin.slopes[self.asset] * self.sign + problem.rates[self.asset]
        limits = problem.matrix[:, self.asset] * self.sign + problem.absolute[:, self.asset]
        self.matrix = np.concatenate((self.sign[None], limits))

    def __len__(self) -> int:
        return len(self.asset)

    def curvature(self, quadratic: Floats | None, unit: float) -> Floats:
        """A quadratic form of the weights as one of the moves, in a unit."""
        if quadratic is None:
            return np.zeros((len(self), len(self)))
        signs = self.sign[:, None] * (self.sign / unit)
        curved: Floats = quadratic[self.asset][:, self.asset] * signs
        return curved

    def weights(self, moves: Floats) -> Floats:
        """Weights after the moves."""
        changes = np.bincount(self.asset, moves * self.sign, len(self._origin))
        weights: Floats = self._origin + changes
        return weights


class Sifted:
    """The moves that promise most, at most one to an asset.

    The multipliers of an optimum among them tell what other moves gain: these are then taken in, or
    turned round. What was optimal before remains possible, so that every turn brings it down.

    Attributes
    ----------
    bound
        As of `Moves`.
    """

    def __init__(self, problem: StandardProblem):
        self._problem = problem
        self._origin = origin = Origin(problem)
        self.bound = origin.bound
        # The mean slope stands for the price of the budget, which is not yet known.
        slopes = origin.slopes - origin.slopes.sum() / len(origin.slopes)
        down = slopes < 0.0
        self._way = np.where(down, 1.0, -1.0)
        stuck = np.where(down, origin.more, origin.less) <= _FIXED
        if np.count_nonzero(stuck):
            self._way[stuck] *= -1.0
        self._few: slice | NDArray[np.intp] = slice(None)
        if len(slopes) > _ALL:
            self._choose(self._way * slopes + problem.rates)
        missing = float(self.bound[0])
        if abs(missing) > _FIXED:
            self._mend(np.full(len(slopes), -np.sign(missing)), 0.0, -abs(missing))
        for row in (self.bound[1:] < 0.0).nonzero()[0].tolist():
            self._mend(problem.matrix[row], problem.absolute[row], self.bound[1 + row])

    def _choose(self, slopes: Floats) -> None:
        """Keep the moves without a price, and the best ones in each direction."""
        chosen, count = ~self._problem.priced, _FIRST + len(slopes) // _SHARE
        for way in (1.0, -1.0):
            ranked = np.where(self._way == way, slopes, np.inf).argsort(kind="stable")
            chosen[ranked[:count]] = True
        self._take(np.where(chosen, self._way, 0.0))

    def _take(self, way: Floats) -> None:
        self._way = way
        if len(way) > _ALL:
            self._few = way.nonzero()[0]

    def _mend(self, row: Floats, around: Floats | float, room: float) -> None:
        """Take in the moves that mend a row, where all the chosen ones together cannot."""
        raised, lowered = (around + row) * self._origin.more, (around - row) * self._origin.less
        mended = np.where(self._way > 0.0, raised, np.where(self._way < 0.0, lowered, 0.0))
        if np.minimum(mended, 0.0).sum() > room:
            best = np.where(raised < lowered, 1.0, -1.0)
            self._take(np.where(np.minimum(raised, lowered) < 0.0, best, self._way))

    def __len__(self) -> int:
        return len(self._way[self._few])

    def stated(
        self, quadratic: Floats, unit: float
    ) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        """What a solver needs to know of the moves, the objective in a unit of its own.

        Their curvature and slopes, what a unit of each takes of `bound`, that, and their room.
        """
        problem, origin, few = self._problem, self._origin, self._few
        way = self._way[few]
        curved = quadratic[few][:, few] * (way[:, None] * (way / unit))
        slopes = (origin.slopes[few] * way + problem.rates[few]) / unit
        matrix = np.empty((len(self.bound), len(way)))
        matrix[0], matrix[1:] = way, problem.matrix[:, few] * way
        if problem.turning:
            matrix[1:] += problem.absolute[:, few]
        room = np.where(way > 0.0, origin.more[few], origin.less[few])
        return curved, slopes, matrix, self.bound, room

    def weights(self, moves: Floats) -> Floats:
        """Weights after the moves."""
        weights = self._origin.weights.copy()
        weights[self._few] += self._way[self._few] * moves
        return weights

    def turned(self, found: Found, least: float) -> bool:
        """Whether other moves gain more than `least` a unit beside what was found for these.

        They are then taken in.
        """
        problem, origin, way, prices = self._problem, self._origin, self._way, found.prices
        slopes = problem.gradient(found.weights) + prices.rows @ problem.matrix - prices.budget
        dear = problem.rates + least
        if problem.turning:
            dear = dear + prices.rows @ problem.absolute
        towards = np.where(slopes < 0.0, 1.0, -1.0)
        others = (np.abs(slopes) > dear) & (way != towards)
        if np.count_nonzero(others):
            others &= np.where(slopes < 0.0, origin.more, origin.less) > _FIXED
        if not np.count_nonzero(others):
            return False
        self._take(np.where(others, towards, way))
        return True
