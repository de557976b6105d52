"""Linear programs with a tail loss, solved by HiGHS on the scenarios that can be in the tail.

Few scenarios are among the worst of any portfolio near the one that is held. The program starts
with those of that portfolio, where nothing is traded, and takes in others as they turn out bad.

References
----------
Rockafellar and Uryasev, Optimization of conditional value-at-risk, Journal of Risk 2 (2000): the
linear program. Huangfu and Hall, Parallelizing the dual revised simplex method, Mathematical
Programming Computation 10 (2018): the solver.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolkit.optimize.coefficients import NotPolyhedral
from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import Found, Prices, StandardProblem, Tail

TOLERANCE = 1e-10
"""Residuals that the solver is asked for; what it sees is of the order of 1."""

OPTIMAL = "highs optimal"
"""The status whose weights are an answer."""

_FIXED = 1e-13
_BEYOND = 1e-12
_ROUNDING = 1e-12
_FIRST = 2.0
"""Scenarios that the program starts with, in sizes of the tail."""

_OPTIONS = {
    "output_flag": False,
    # Of a program this small, presolving and scaling would take the greater part of the time.
    "presolve": "off",
    "simplex_scale_strategy": 0,
    "small_matrix_value": 1e-12,
    "primal_feasibility_tolerance": TOLERANCE,
    "dual_feasibility_tolerance": TOLERANCE,
    # A count, as a time limit would make the outcome depend on the machine.
    "simplex_iteration_limit": 100_000,
}
_DUAL_SIMPLEX, _PRIMAL_SIMPLEX = 1, 4


def solve_tail(problem: StandardProblem) -> Found:
    """Weights that minimise the objective, an answer where the status is `OPTIMAL`.

    Else they are the holdings, and the multipliers bound nothing worth knowing. The solver starts
    from the problem alone, so no earlier one can change the answer.

    Raises
    ------
    NotPolyhedral
        The objective has a quadratic part or no tail.
    """
    if problem.tail is None or problem.quadratic is not None:
        raise NotPolyhedral
    if problem.impossible:
        return _without_answer(problem, problem.tail, "infeasible bounds", 0)
    program = _Program(problem, problem.tail)
    iterations = 0
    while True:
        iterations += program.run()
        if program.status != OPTIMAL:
            return _without_answer(problem, problem.tail, program.status, iterations)
        weights, missing = program.answer()
        if not len(missing):
            return Found(problem, weights, program.prices(), program.status, iterations)
        program.add(missing)


def _without_answer(problem: StandardProblem, tail: Tail, status: str, iterations: int) -> Found:
    equal = np.full(len(tail.scenarios), 1.0 / len(tail.scenarios))
    prices = Prices(0.0, np.zeros(len(problem.bound)), equal)
    return Found(problem, problem.holdings, prices, status, iterations)


class _Program:
    """The linear program of a problem, in the solver.

    Columns: what is bought and what is sold by asset, the loss at the edge of the tail, and by
    scenario how far its loss is beyond. Rows: the budget, the limits, and the scenarios.

    Attributes
    ----------
    status
        The solver's words.
    """

    def __init__(self, problem: StandardProblem, tail: Tail):
        import highspy

        self.status = ""
        self._highspy: Any = highspy
        self._problem, self._scenarios = problem, tail.scenarios
        self._start = np.clip(problem.holdings, problem.lower, problem.upper)
        self._loss = float(np.abs(tail.scenarios).mean()) or 1.0
        self._unit = tail.factor * self._loss
        self._size = (1.0 - tail.level) * len(tail.scenarios)
        self._seen = np.zeros(0, dtype=np.intp)
        self._highs: Any = self._highspy.Highs()
        for name, value in _OPTIONS.items():
            self._highs.setOptionValue(name, value)
        self._state()
        whole = min(int(self._size + 1e-9), len(tail.scenarios) - 1)
        worst = np.argsort(tail.scenarios @ _invested(problem, self._start), kind="stable")
        self.add(worst[: max(whole + 1, int(_FIRST * self._size))])
        self._start_without_trades(whole)

    def _state(self) -> None:
        """Give the solver the program without scenarios."""
        problem, start = self._problem, self._start
        more, less = problem.upper - start, start - problem.lower
        bought, sold = np.flatnonzero(more > _FIXED), np.flatnonzero(less > _FIXED)
        self._asset = asset = np.concatenate((bought, sold))
        self._sign = sign = np.repeat((1.0, -1.0), (len(bought), len(sold)))
        limits = problem.matrix[:, asset] * sign + problem.absolute[:, asset]
        moved = np.abs(start - problem.holdings)
        room = problem.bound - problem.matrix @ start - problem.absolute @ moved
        largest = np.abs(limits).max(axis=1, initial=0.0)
        self._scale = np.where(largest > 0.0, largest, 1.0)
        rows = np.concatenate((sign[None], limits / self._scale[:, None]))
        missing = 1.0 - start.sum()
        self._highs.passModel(
            len(asset) + 1,
            len(rows),
            rows.size,
            int(self._highspy.MatrixFormat.kRowwise),
            int(self._highspy.ObjSense.kMinimize),
            0.0,
            np.append((problem.linear[asset] * sign + problem.rates[asset]) / self._unit, 1.0),
            np.append(np.zeros(len(asset)), -np.inf),
            np.concatenate((more[bought], less[sold], (np.inf,))),
            np.append(missing, np.full(len(limits), -np.inf)),
            np.append(missing, room / self._scale),
            *_dense(rows),
            np.zeros(len(asset) + 1, dtype=np.int32),
        )

    def add(self, scenarios: NDArray[np.intp]) -> None:
        """Take in scenarios: each a row, and a column for its loss beyond the edge."""
        count, moves = len(scenarios), len(self._asset)
        first = 1 + len(self._scale) + len(self._seen)
        returns = self._scenarios[scenarios] / self._loss
        rows = np.ones((count, moves + 1))
        rows[:, :moves] = returns[:, self._asset] * self._sign
        endless = np.full(count, np.inf)
        self._highs.addRows(count, -returns @ self._start, endless, rows.size, *_dense(rows))
        self._highs.addCols(
            count,
            np.full(count, 1.0 / self._size),
            np.zeros(count),
            endless,
            count,
            np.arange(count, dtype=np.int32),
            np.arange(first, first + count, dtype=np.int32),
            np.ones(count),
        )
        self._seen = np.append(self._seen, scenarios)

    def _start_without_trades(self, whole: int) -> None:
        """Start from no trade, with that many of the worst scenarios in the tail."""
        statuses = self._highspy.HighsBasisStatus
        basic, bound = [statuses.kBasic], [statuses.kLower]
        rest = len(self._seen) - whole
        basis = self._highspy.HighsBasis()
        basis.col_status = bound * len(self._asset) + basic * (1 + whole) + bound * rest
        basis.row_status = basic * (1 + len(self._scale)) + bound * (whole + 1) + basic * (rest - 1)
        basis.valid, basis.alien = True, False
        self._highs.setBasis(basis)

    def run(self) -> int:
        """Solve, and say in how many iterations."""
        # No trade meets most limits; an optimum that scenarios were added to has optimal prices.
        way = _DUAL_SIMPLEX if self.status else _PRIMAL_SIMPLEX
        self._highs.setOptionValue("simplex_strategy", way)
        self._highs.run()
        words = self._highs.modelStatusToString(self._highs.getModelStatus())
        self.status = f"highs {words.lower()}"
        return int(self._highs.getInfo().simplex_iteration_count)

    def answer(self) -> tuple[Floats, NDArray[np.intp]]:
        """Weights, and the scenarios not taken in whose losses are beyond the edge."""
        point = np.array(self._highs.getSolution().col_value)
        moves = len(self._asset)
        weights = self._start + np.bincount(
            self._asset, point[:moves] * self._sign, len(self._start)
        )
        beyond = self._scenarios @ -weights - self._loss * point[moves]
        beyond[self._seen] = 0.0
        return weights, np.flatnonzero(beyond > _BEYOND * self._loss)

    def prices(self) -> Prices:
        """Multipliers in the units of the problem."""
        dual = np.array(self._highs.getSolution().row_dual)
        first = 1 + len(self._scale)
        probabilities = np.zeros(len(self._scenarios))
        probabilities[self._seen] = dual[first:]
        return Prices(
            self._unit * float(dual[0]),
            self._unit * np.maximum(-dual[1:first], 0.0) / self._scale,
            _probabilities(probabilities, 1.0 / self._size),
        )


def _invested(problem: StandardProblem, start: Floats) -> Floats:
    """The start with what it lacks of the budget spread over the room within the bounds."""
    missing = 1.0 - float(start.sum())
    room = problem.upper - start if missing > 0.0 else start - problem.lower
    total = float(room.sum())
    spread: Floats = start if total == 0.0 else start + missing / total * room
    return spread


def _probabilities(values: Floats, most: float) -> Floats:
    """The values as probabilities, none above `most`: others would prove nothing."""
    kept: Floats = np.clip(values, 0.0, most)
    total = float(kept.sum())
    if total > 1.0 - _ROUNDING:
        return np.asarray(kept / total)
    room = most - kept
    return np.asarray(kept + (1.0 - total) / room.sum() * room)


def _dense(rows: Floats) -> tuple[NDArray[np.int32], NDArray[np.int32], Floats]:
    """Rows as the solver takes them: where each starts, the columns of its entries, and those."""
    height, width = rows.shape
    starts = width * np.arange(height, dtype=np.int32)
    return starts, np.tile(np.arange(width, dtype=np.int32), height), rows.ravel()
