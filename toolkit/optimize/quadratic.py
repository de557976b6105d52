"""Quadratic programs of the standard family, solved for the moves that matter.

Where trading has a price most weights stay as they are. The solver is given the few moves that
promise most, everyone else at the start; its multipliers then price the others, and those that gain
are taken in: sifting, as it is called for linear programs. What is optimal in the end is so for
all moves, and proven by the multipliers. Few moves go to DAQP, many to PIQP.

References
----------
Schwan, Jiang, Kuhn and Jones, PIQP: a proximal interior-point quadratic programming solver, IEEE
Conference on Decision and Control (2023). Bixby, Gregory, Lustig, Marsten and Shanno, Very
large-scale linear programming: a case study in combining interior point and simplex methods,
Operations Research 40 (1992): sifting.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolkit.optimize.active_set import MOST, active_set
from toolkit.optimize.moves import Moves
from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import Found, Prices, StandardProblem

TOLERANCE = 1e-10
"""Residuals and gap that the solver is asked for, the objective counted in its unit."""

SOLVED = ("daqp solved", "piqp solved")
"""The status of weights that are an answer."""

_ROUNDS = 4
_FIRST, _SHARE = 6, 25
"""How many moves each way to look at first: that many, and one for each `_SHARE` that there are."""


def solve_quadratic(problem: StandardProblem, unit: float) -> Found:
    """Weights that minimise the objective, which has a size of `unit` where it matters."""
    moves = Moves(problem)
    chosen = moves.first(_FIRST + len(moves) // _SHARE)
    for _ in range(_ROUNDS):
        few = chosen.nonzero()[0]
        if 2 * len(few) > len(moves):
            break
        found = _solved(problem, unit, moves, few)
        if found.status not in SOLVED:
            break
        gainful = moves.gainful(problem.gradient(found.weights), found.prices, TOLERANCE * unit)
        if not (gainful & ~chosen).any():
            return found
        chosen = moves.with_gains(chosen, gainful)
    return _solved(problem, unit, moves, np.arange(len(moves)))


def _solved(problem: StandardProblem, unit: float, moves: Moves, chosen: NDArray[np.intp]) -> Found:
    """A solver's answer where nothing but the chosen moves is made."""
    stated = (
        signed(problem.quadratic, moves.asset[chosen], moves.sign[chosen], unit),
        moves.slopes[chosen] / unit,
        moves.matrix[:, chosen],
        moves.bound,
        moves.room[chosen],
    )
    small = problem.quadratic is not None and len(chosen) <= MOST
    found = active_set(*stated) if small else None
    point, prices, status, iterations = found or interior_point(*stated)
    priced = Prices(unit * prices.budget, unit * prices.rows)
    return Found(moves.weights(point, chosen), priced, status, iterations)


def signed(quadratic: Floats | None, asset: NDArray[np.intp], sign: Floats, unit: float) -> Floats:
    """The quadratic form of weights as one of their moves up or down, in a unit."""
    if quadratic is None:
        return np.zeros((len(asset), len(asset)))
    curved: Floats = quadratic[asset][:, asset] * (sign[:, None] * (sign / unit))
    return curved


def interior_point(
    quadratic: Floats,
    linear: Floats,
    matrix: Floats,
    bound: Floats,
    room: Floats,
    tolerance: float = TOLERANCE,
) -> tuple[Floats, Prices, str, int]:
    """The x that minimises ``x'Qx/2 + c'x``, its multipliers, the solver's words and its steps.

    Subject to ``Mx <= b``, where the first row has to hold exactly, and ``0 <= x <= room``.
    """
    import piqp

    solver = piqp.DenseSolver()
    settings = solver.settings
    settings.eps_abs = settings.eps_rel = tolerance
    settings.eps_duality_gap_abs = settings.eps_duality_gap_rel = tolerance
    budget, rows = (matrix[:1], bound[:1]), (matrix[1:], None, bound[1:])
    solver.setup(quadratic, linear, *budget, *rows, np.zeros(len(room)), room)
    status = solver.solve().name.rpartition("_")[2].lower()
    result = solver.result
    prices = Prices(-float(result.y[0]), np.maximum(result.z_u, 0.0))
    return np.array(result.x), prices, f"piqp {status}", int(result.info.iter)
