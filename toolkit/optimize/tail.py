"""Linear programs with a tail loss, solved by HiGHS on the scenarios that can be in the tail.

Few of the scenarios are ever among the worst of a portfolio near the one that is held. The program
starts with those, at the vertex where nothing is traded, and takes in others as they turn out bad.

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
"""Residuals that the solver is asked for, weights and losses being of the order of 1."""

OPTIMAL = "highs optimal"
"""The words under which the weights are an answer."""

_FIXED = 1e-13
_BEYOND = 1e-12
_FIRST = 2.0
"""Scenarios that the program starts with, in sizes of the tail."""

_OPTIONS = {
    "output_flag": False,
    "presolve": "off",
    "simplex_scale_strategy": 0,  # The numbers are of the order of 1 already.
    "small_matrix_value": 1e-12,
    "primal_feasibility_tolerance": TOLERANCE,
    "dual_feasibility_tolerance": TOLERANCE,
}
_DUAL, _PRIMAL = 1, 4


def solve_tail(problem: StandardProblem) -> Found:
    """Weights that minimise the objective; they are an answer where the status is `OPTIMAL`.

    The start is a function of the problem alone, so no earlier one can change the answer.

    Raises
    ------
    NotPolyhedral
        The objective has a quadratic part or no tail.
    """
    if problem.tail is None or problem.quadratic is not None:
        raise NotPolyhedral
    if problem.impossible:
        return _nothing(problem, "infeasible bounds", 0)
    program = _Program(problem, problem.tail)
    program.add(program.order[: program.first])
    program.start_from_holdings()
    iterations = 0
    while True:
        iterations += program.run()
        if program.status != OPTIMAL:
            return _nothing(problem, program.status, iterations)
        weights, missing = program.answer()
        if not len(missing):
            return Found(weights, program.prices(), program.status, iterations)
        program.add(missing)


def _nothing(problem: StandardProblem, status: str, iterations: int) -> Found:
    count = 0 if problem.tail is None else len(problem.tail.scenarios)
    prices = Prices(0.0, np.zeros(len(problem.bound)), np.full(count, 1.0 / max(count, 1)))
    return Found(problem.holdings, prices, status, iterations)


class _Program:
    """The linear program of a problem, in the solver.

    Its columns are what is bought and sold by asset, the value at risk, and by scenario how far
    its loss is beyond that. Its rows are the budget, the limits, and the scenarios. Weights, losses
    and limits are counted in units that make them of the order of 1.
    """

    def __init__(self, problem: StandardProblem, tail: Tail):
        import highspy

        self._highspy: Any = highspy
        self._problem, self._scenarios = problem, tail.scenarios
        self._start = np.clip(problem.holdings, problem.lower, problem.upper)
        more, less = problem.upper - self._start, self._start - problem.lower
        bought, sold = np.flatnonzero(more > _FIXED), np.flatnonzero(less > _FIXED)
        self._asset = np.concatenate((bought, sold))
        self._sign = np.repeat((1.0, -1.0), (len(bought), len(sold)))
        self._loss = float(np.abs(tail.scenarios).mean()) or 1.0
        self._unit = tail.factor * self._loss
        self._tail_size = (1.0 - tail.level) * len(tail.scenarios)
        self._whole = min(int(self._tail_size + 1e-9), len(tail.scenarios) - 1)
        self.order = np.argsort(tail.scenarios @ self._start, kind="stable")
        self.first = max(self._whole + 1, int(_FIRST * self._tail_size))
        self._seen = np.zeros(0, dtype=np.intp)
        self._highs = highspy.Highs()
        for name, value in _OPTIONS.items():
            self._highs.setOptionValue(name, value)
        self._pass(np.concatenate((more[bought], less[sold])))

    def _pass(self, most: Floats) -> None:
        """Give the solver the program without scenarios."""
        problem, asset, sign = self._problem, self._asset, self._sign
        moved = np.abs(self._start - problem.holdings)
        limits = problem.matrix[:, asset] * sign + problem.absolute[:, asset]
        room = problem.bound - problem.matrix @ self._start - problem.absolute @ moved
        self._scale = np.abs(limits).max(axis=1, initial=0.0)
        self._scale[self._scale == 0.0] = 1.0
        rows = np.concatenate((sign[None], limits / self._scale[:, None]))
        missing = 1.0 - self._start.sum()
        self._highs.passModel(
            len(asset) + 1,
            len(rows),
            rows.size,
            int(self._highspy.MatrixFormat.kRowwise),
            int(self._highspy.ObjSense.kMinimize),
            0.0,
            np.append((problem.linear[asset] * sign + problem.rates[asset]) / self._unit, 1.0),
            np.append(np.zeros(len(asset)), -np.inf),
            np.append(most, np.inf),
            np.append(missing, np.full(len(limits), -np.inf)),
            np.append(missing, room / self._scale),
            _starts(*rows.shape),
            _places(*rows.shape),
            rows.ravel(),
            np.zeros(len(asset) + 1, dtype=np.int32),
        )

    def add(self, scenarios: NDArray[np.intp]) -> None:
        """Take in scenarios."""
        count = len(scenarios)
        returns = self._scenarios[scenarios] / self._loss
        rows = np.ones((count, len(self._asset) + 1))
        rows[:, :-1] = returns[:, self._asset] * self._sign
        beyond = np.full(count, np.inf)
        first = 1 + len(self._scale) + len(self._seen)
        self._highs.addRows(
            count,
            -returns @ self._start,
            beyond,
            rows.size,
            _starts(*rows.shape),
            _places(*rows.shape),
            rows.ravel(),
        )
        self._highs.addCols(
            count,
            np.full(count, 1.0 / self._tail_size),
            np.zeros(count),
            beyond,
            count,
            _starts(count, 1),
            np.arange(first, first + count, dtype=np.int32),
            np.ones(count),
        )
        self._seen = np.append(self._seen, scenarios)

    def start_from_holdings(self) -> None:
        """Start at the vertex where nothing moves, the worst scenarios make the tail."""
        status = self._highspy.HighsBasisStatus
        basic, bound = status.kBasic, status.kLower
        whole, rest = self._whole, len(self._seen) - self._whole
        basis = self._highspy.HighsBasis()
        basis.col_status = [bound] * len(self._asset) + [basic] * (1 + whole) + [bound] * rest
        basis.row_status = (
            [basic] * (1 + len(self._scale)) + [bound] * (whole + 1) + [basic] * (rest - 1)
        )
        basis.valid = True
        basis.alien = False
        self._highs.setBasis(basis)
        self._highs.setOptionValue("simplex_strategy", _PRIMAL)

    def run(self) -> int:
        """Solve, and say in how many iterations."""
        self._highs.run()
        self._highs.setOptionValue("simplex_strategy", _DUAL)
        status = self._highs.modelStatusToString(self._highs.getModelStatus())
        self.status = f"highs {status.lower()}"
        return int(self._highs.getInfo().simplex_iteration_count)

    def answer(self) -> tuple[Floats, NDArray[np.intp]]:
        """Weights, and the scenarios left out that are in their tail."""
        point = np.array(self._highs.getSolution().col_value)
        moves = point[: len(self._asset)] * self._sign
        weights = self._start + np.bincount(self._asset, moves, len(self._start))
        beyond = -self._scenarios @ weights - self._loss * point[len(self._asset)]
        beyond[self._seen] = 0.0
        return weights, np.flatnonzero(beyond > _BEYOND * self._loss)

    def prices(self) -> Prices:
        """Multipliers in the problem's own units."""
        dual = np.array(self._highs.getSolution().row_dual)
        limits = 1 + len(self._scale)
        probabilities = np.zeros(len(self._scenarios))
        probabilities[self._seen] = dual[limits:]
        return Prices(
            self._unit * float(dual[0]),
            self._unit * np.maximum(-dual[1:limits], 0.0) / self._scale,
            _probabilities(probabilities, 1.0 / self._tail_size),
        )


def _probabilities(values: Floats, most: float) -> Floats:
    """The values as probabilities, none above `most`: else they would bound nothing."""
    values = np.clip(values, 0.0, most)
    total = float(values.sum())
    if total >= 1.0:
        return values / total
    room = most - values
    return values + (1.0 - total) / room.sum() * room


def _starts(rows: int, columns: int) -> NDArray[np.int32]:
    return np.arange(0, rows * columns, columns, dtype=np.int32)


def _places(rows: int, columns: int) -> NDArray[np.int32]:
    return np.tile(np.arange(columns, dtype=np.int32), rows)
