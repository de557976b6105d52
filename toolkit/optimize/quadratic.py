"""Quadratic programs of the standard family, solved by PIQP.

References
----------
Schwan, Jiang, Kuhn and Jones, PIQP: a proximal interior-point quadratic programming solver, IEEE
Conference on Decision and Control (2023).
"""

from __future__ import annotations

import numpy as np

from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import Found, Prices, StandardProblem

TOLERANCE = 1e-10
"""Residuals and gap that the solver is asked for, the objective counted in its unit."""

_FIXED = 1e-13


def solve_quadratic(problem: StandardProblem, unit: float) -> Found:
    """Weights that minimise the objective, which has a size of `unit` where it matters."""
    import piqp

    moves = Moves(problem)
    asset, sign, trade = moves.asset, moves.sign, moves.trade
    linear, quadratic = problem.linear, np.zeros((len(asset), len(asset)))
    if problem.quadratic is not None:
        linear = linear + problem.quadratic @ moves.start
        quadratic = problem.quadratic[asset[:, None], asset] * (sign[:, None] * sign / unit)
    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = TOLERANCE
    settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = TOLERANCE
    solver.setup(
        quadratic,
        (linear[asset] * sign + problem.rates[asset] * trade) / unit,
        sign[None],
        np.array([1.0 - moves.start.sum()]),
        problem.matrix[:, asset] * sign + problem.absolute[:, asset] * trade,
        None,
        problem.bound
        - problem.matrix @ moves.start
        - problem.absolute @ np.abs(moves.start - problem.holdings),
        moves.lower,
        moves.upper,
    )
    status = str(solver.solve()).rpartition("_")[2].lower()
    result = solver.result
    prices = Prices(-unit * float(result.y[0]), unit * np.maximum(result.z_u, 0.0))
    return Found(moves.weights(np.array(result.x)), prices, f"piqp {status}", int(result.info.iter))


class Moves:
    """Weights as a start plus moves within bounds.

    A weight with a price on its change is what is held plus what is bought less what is sold:
    costs and turnover are then linear, and who cannot be bought or sold has no such move. The
    others are moves from 0. A weight that cannot be otherwise is all start.

    Attributes
    ----------
    start
        By asset, the weight without any move.
    asset, sign, trade
        By move: whose weight it changes, up or down, and whether it is priced as a change.
    lower, upper
        By move.
    """

    def __init__(self, problem: StandardProblem):
        held, low, high = problem.holdings, problem.lower, problem.upper
        free = high - low > _FIXED
        priced = (problem.rates > 0.0) | problem.absolute.any(axis=0)
        whole = np.flatnonzero(free & ~priced)
        bought = np.flatnonzero(free & priced & (high - held > _FIXED))
        sold = np.flatnonzero(free & priced & (held - low > _FIXED))
        counts = (len(whole), len(bought), len(sold))
        self.start = np.where(free, np.where(priced, held, 0.0), low)
        self.asset = np.concatenate((whole, bought, sold))
        self.sign = np.repeat((1.0, 1.0, -1.0), counts)
        self.trade = np.repeat((0.0, 1.0, 1.0), counts)
        edges = (low[whole], (low - held)[bought], (held - high)[sold])
        limits = (high[whole], (high - held)[bought], (held - low)[sold])
        self.lower = np.concatenate(edges)
        self.lower[counts[0] :] = np.maximum(self.lower[counts[0] :], 0.0)
        self.upper = np.concatenate(limits)

    def weights(self, moves: Floats) -> Floats:
        """Weights after the moves."""
        return self.start + np.bincount(self.asset, moves * self.sign, len(self.start))
