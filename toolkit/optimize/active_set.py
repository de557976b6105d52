"""Small quadratic programs, solved by DAQP, an active-set method.

References
----------
Arnström, Bemporad and Axehill, A dual active-set solver for embedded quadratic programming using
recursive LDL' updates, IEEE Transactions on Automatic Control 67 (2022).
"""

from __future__ import annotations

import numpy as np

from toolkit.optimize.roster import Floats

MOST = 150
"""Unknowns up to which it is the faster one: its steps are small, but one for each active bound."""

_TOLERANCE = 1e-12
_EQUAL, _SOLVED = 5, 1
"""Its code for a row that must hold exactly, and for an answer."""


def active_set(
    quadratic: Floats, linear: Floats, matrix: Floats, bound: Floats, room: Floats
) -> tuple[Floats, Floats, str, int] | None:
    """As `interior_point`; None without an answer."""
    import daqp

    size, upper = len(linear), np.concatenate((room, bound))
    lower = np.empty(len(upper))
    lower[:size], lower[size], lower[size + 1 :] = 0.0, bound[0], -np.inf
    kinds = np.zeros(len(upper), dtype=np.int32)
    kinds[size] = _EQUAL
    point, _, flag, told = daqp.solve(
        quadratic, linear, matrix, upper, lower, kinds, primal_tol=_TOLERANCE, eta_prox=_TOLERANCE
    )
    if flag != _SOLVED:
        return None
    prices = told["lam"][size:]
    prices[1:] = np.maximum(prices[1:], 0.0)
    prices[0] = -prices[0]
    return point, prices, "daqp solved", int(told["iterations"])
