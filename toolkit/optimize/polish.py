"""The last digits of a quadratic program: its equations, solved for what its bounds leave free.

An interior point is off by the root of its tolerance where the objective is flat: where everything
goes to cash, the slope of a variance is zero in every weight. Which bounds and rows hold with
equality can be told from the point all the same, and what is left is a system of equations.

References
----------
Stellato, Banjac, Goulart, Bemporad and Boyd, OSQP: an operator splitting solver for quadratic
programs, Mathematical Programming Computation 12 (2020), section 4.1: polishing.
"""

from __future__ import annotations

import numpy as np

from toolkit.optimize.roster import Flags, Floats
from toolkit.optimize.standard import Prices

_ROUNDS = 6
_ROUNDING = 1e-12


def polished(
    quadratic: Floats,
    linear: Floats,
    budget: tuple[Floats, float],
    rows: tuple[Floats, Floats],
    room: Floats,
    guess: tuple[Floats, Floats, Floats],
) -> tuple[Floats, Prices] | None:
    """Both of `quadratic.interior_point` to the last digits; None where the guess leads nowhere.

    The guess is that solver's x with the reduced gradient and the prices of the rows. What turns
    out to be outside a bound is put on it, and what would rather leave one is let go.
    """
    x, gradient, prices = guess
    low, high = x < gradient, room - x < -gradient
    tight = rows[1] - rows[0] @ x < prices
    for _ in range(_ROUNDS):
        x, gradient, price, prices = _solved(
            quadratic, linear, budget, rows, (low, high, room, tight)
        )
        slack = rows[1] - rows[0] @ x
        if not np.isfinite(x).all():
            return None
        below, above, broken = x < -_ROUNDING, x > room + _ROUNDING, slack < -_ROUNDING
        if below.any() or above.any() or broken.any():
            low, high, tight = low | below, high | above, tight | broken
            continue
        leaving = (low & (gradient < -_ROUNDING)) | (high & (gradient > _ROUNDING))
        eased = prices < -_ROUNDING
        if not leaving.any() and not eased.any():
            return np.clip(x, 0.0, room), Prices(price, np.maximum(prices, 0.0))
        low, high, tight = low & ~leaving, high & ~leaving, tight & ~eased
    return None


def _solved(
    quadratic: Floats,
    linear: Floats,
    budget: tuple[Floats, float],
    rows: tuple[Floats, Floats],
    held: tuple[Flags, Flags, Floats, Flags],
) -> tuple[Floats, Floats, float, Floats]:
    """The x with given bounds and rows held to equality, its reduced gradient, and the prices."""
    low, high, room, tight = held
    x, free = np.where(high & ~low, room, 0.0), ~(low | high)
    sides = np.concatenate((budget[0][None], rows[0][tight]))
    wanted = np.concatenate(([budget[1]], rows[1][tight])) - sides @ x
    square = quadratic[np.ix_(free, free)]
    edge = sides[:, free]
    system = np.block([[square, edge.T], [edge, np.zeros((len(edge), len(edge)))]])
    answer = np.linalg.lstsq(system, np.concatenate((-(linear + quadratic @ x)[free], wanted)))[0]
    x[free] = answer[: len(square)]
    multipliers = answer[len(square) :]
    prices = np.zeros(len(tight))
    prices[tight] = multipliers[1:]
    reduced = linear + quadratic @ x + multipliers @ sides
    return x, reduced, -float(multipliers[0]), prices
