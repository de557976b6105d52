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

from toolkit.optimize.active_set import MOST, active_set
from toolkit.optimize.moves import Moves, Sifted
from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import Found, Prices, StandardProblem

TOLERANCE = 1e-10
"""Residuals and gap that the solver is asked for, the objective counted in its unit."""

SOLVED = ("daqp solved", "piqp solved")
"""The status of weights that are an answer."""

_NOTHING = 1e-16
"""Above the optimum by so little there is no other move to look for, the objective in its unit."""

_ROUNDS = 5
"""How often a solver is shown few moves, before it is shown all."""


def solve_quadratic(problem: StandardProblem, unit: float) -> Found:
    """Weights that minimise the objective, which has a size of `unit` where it matters."""
    return _sifted(problem, unit) or _whole(problem, unit)


def _sifted(problem: StandardProblem, unit: float) -> Found | None:
    """What is optimal among few moves and among all; None where these few do not lead there."""
    if problem.quadratic is None:
        return None
    moves = Sifted(problem)
    for _ in range(_ROUNDS):
        stated = moves.stated(problem.quadratic, unit)
        answer = active_set(*stated) if len(moves) <= MOST else None
        if answer is None:
            return None
        point, multipliers, status, iterations = answer
        prices = priced(multipliers, unit)
        found = Found(problem, moves.weights(point), prices, status, iterations)
        if found.proof[1] <= _NOTHING * unit or not moves.turned(found, TOLERANCE * unit):
            return found
    return None


def _whole(problem: StandardProblem, unit: float) -> Found:
    """What is optimal, or a solver's words and multipliers where nothing is."""
    moves = Moves(problem)
    curved = moves.curvature(problem.quadratic, unit)
    stated = (curved, moves.slopes / unit, moves.matrix, moves.bound, moves.room)
    small = problem.quadratic is not None and len(moves) <= MOST
    found = active_set(*stated) if small else None
    point, multipliers, status, iterations = found or interior_point(*stated)
    return Found(problem, moves.weights(point), priced(multipliers, unit), status, iterations)


def priced(multipliers: Floats, unit: float) -> Prices:
    """The multipliers of a solver, the first one of the budget, in the unit of the objective."""
    return Prices(unit * float(multipliers[0]), unit * multipliers[1:])


def interior_point(
    quadratic: Floats,
    linear: Floats,
    matrix: Floats,
    bound: Floats,
    room: Floats,
    tolerance: float = TOLERANCE,
) -> tuple[Floats, Floats, str, int]:
    """The x that minimises ``x'Qx/2 + c'x``, multipliers, the solver's words and its steps.

    Subject to ``Mx <= b``, where the first row has to hold exactly, and ``0 <= x <= room``. The
    multiplier of the first row is the price of a unit of it, that of the others of a unit less.
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
    prices = np.concatenate((-result.y, np.maximum(result.z_u, 0.0)))
    return np.array(result.x), prices, f"piqp {status}", int(result.info.iter)
