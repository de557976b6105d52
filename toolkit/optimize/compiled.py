"""A convex problem stated in cvxpy once, and handed to its solver with new numbers each time.

Of a solve with cvxpy at this size more than four fifths are spent on finding again what did not
change. The parameters of the problem enter affinely, so cvxpy can say once how every number of the
solver's input depends on them; after that a solve is three sparse products and the solver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from toolkit.errors import SolverError
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Floats

TOLERANCE = 1e-10
"""Feasibility and duality gap that the solver is asked for."""

Way = tuple[float, bool]

WAYS: tuple[Way, ...] = ((1e4, True), (1e2, False), (1.0, True), (1.0, False))
"""Factor on the objective, and whether the solver balances rows and columns first.

All have the same answer. The first makes the solver's absolute tolerance a relative one near an
optimum of zero; the others go another way where that one loses its footing.
"""

_MOST_ITERATIONS = 100
_AGREEMENT = 1e-12
_OUTSIDE = 1e-9
_ABSURD = 1e12


@readonly
class Answer:
    """What a solver returned.

    Parameters
    ----------
    status
        In the solver's words.
    point
        All variables of the problem.
    value
        The objective there, as the solver sees it: auxiliary variables can make it too small.
    gap
        Bound on how far that value is above the optimum, computed here from the solver's input
        and its dual variables: by convexity at most complementarity plus the sum of stationarity
        residuals, for points no more than 1 apart in every variable. Infinite where the dual
        variables are no certificate.
    complete
        Whether every limit was part of the problem.
    empty
        Whether it is proven that no portfolio meets them.
    solver
        Its name.
    raised
        The error that it raised in place of an answer, if any.
    """

    status: str
    point: Floats
    value: float
    gap: float
    iterations: int
    complete: bool = True
    empty: bool = False
    solver: str = "clarabel"
    raised: str = ""

    @property
    def told(self) -> str:
        """The solver, with its error."""
        return f"{self.solver} ({self.raised})" if self.raised else self.solver


RAISED = (ArithmeticError, RuntimeError, ValueError)
"""What solvers raise on input that they cannot take."""


def no_answer(solver: str, error: Exception, size: int) -> Answer:
    """What an error in place of an answer counts as, for a point of that size."""
    raised = f"{type(error).__name__}: {error}"
    return Answer("raised", np.full(size, np.nan), np.nan, np.inf, 0, solver=solver, raised=raised)


class CompiledProblem:
    """A parametrised cvxpy problem in the form that Clarabel takes.

    Parameters
    ----------
    problem
        A cvxpy problem (DPP) to minimise.

    References
    ----------
    Agrawal et al., Differentiable convex optimization layers, NeurIPS (2019), section 4: the
    affine map from parameters to the solver's input. Goulart and Chen, Clarabel (2024).
    """

    def __init__(self, problem: Any):
        import clarabel
        import cvxpy
        from cvxpy.reductions.solvers.conic_solvers.clarabel_conif import dims_to_solver_cones
        from scipy import sparse

        self._clarabel, self._sparse = clarabel, sparse
        # All different, so that the comparison below would notice a mix-up.
        for place, parameter in enumerate(problem.parameters()):
            parameter.value = 1.0 + place + np.arange(parameter.size).reshape(parameter.shape) / 7.0
        if not problem.is_dcp(dpp=True):
            raise SolverError(
                "The problem is not affine in its parameters, so it would have to be stated anew "
                "at every decision. State limits, costs and objectives by what Candidate offers."
            )
        data, _, _ = problem.get_problem_data(cvxpy.CLARABEL)
        form = data["param_prob"]
        self._columns = form.param_id_to_col
        self._sizes = form.param_id_to_size
        self._length = form.total_param_size + 1
        self._variables = form.var_id_to_col
        form.reduced_A.cache()
        form.reduced_P.cache()
        self._rows = form.reduced_A.reduced_mat
        indices, starts, (height, width) = form.reduced_A.problem_data_index
        self._entries = int(starts[-2])
        self._rhs = indices[self._entries :]
        self._matrix = _Sparse(indices[: self._entries], starts[:-1], (height, width - 1))
        self._linear = form.q.tocsr()
        self._squares, self._quadratic = _upper_triangle(form.reduced_P, width - 1, self._length)
        self._dims = data["dims"]
        self._cones = dims_to_solver_cones(data["dims"])
        self._settings = _settings(clarabel)
        self._compare(form, {each: each.value for each in problem.parameters()})

    def column(self, variable: Any) -> int:
        """Where a cvxpy variable starts among the solver's."""
        return int(self._variables[variable.id])

    def solve(self, values: Mapping[Any, Floats], unit: float, way: Way = WAYS[0]) -> Answer:
        """Answer for the values of all parameters, the objective counted in a unit."""
        squares, linear, entries, rhs, constant = self._input(values)
        scale = way[0] / unit
        self._settings.equilibrate_enable = way[1]
        squares, linear = squares * scale, linear * scale
        solver = self._clarabel.DefaultSolver(
            self._quadratic.filled(squares),
            linear,
            self._matrix.filled(entries),
            rhs,
            self._cones,
            self._settings,
        )
        solution = solver.solve()
        point, dual = np.array(solution.x), np.array(solution.z)
        value, gap = np.nan, np.inf
        if np.abs(point).max() < _ABSURD and self._in_dual_cone(dual):
            curved = self._quadratic.symmetric_times(squares, point)
            value = constant + float(0.5 * curved @ point + linear @ point) / scale
            stationarity = curved + linear + self._matrix.transposed_times(entries, dual)
            complementarity = dual @ (rhs - self._matrix.times(entries, point))
            gap = abs(float(complementarity)) + float(np.abs(stationarity).sum())
        return Answer(str(solution.status), point, value, gap / scale, int(solution.iterations))

    def _in_dual_cone(self, dual: Floats) -> bool:
        """Whether multipliers have the right signs; other cones than these are not judged."""
        dims = self._dims
        end = dims.zero + dims.nonneg
        outside = -dual[dims.zero : end].min(initial=0.0)
        for size in dims.soc:
            outside = max(outside, np.linalg.norm(dual[end + 1 : end + size]) - dual[end])
            end += size
        return bool(outside <= _OUTSIDE and np.abs(dual).max() < _ABSURD)

    def _input(self, values: Mapping[Any, Floats]) -> tuple[Floats, Floats, Floats, Floats, float]:
        """Entries of the quadratic form, linear term, matrix, right-hand side, and constant."""
        vector = np.ones(self._length)
        for parameter, value in values.items():
            start = self._columns[parameter.id]
            vector[start : start + self._sizes[parameter.id]] = value.ravel(order="F")
        flat = self._rows @ vector
        rhs = np.zeros(self._matrix.shape[0])
        rhs[self._rhs] = flat[self._entries :]
        linear = self._linear @ vector
        entries = -flat[: self._entries]
        return self._squares @ vector, linear[:-1], entries, rhs, float(linear[-1])

    def _compare(self, form: Any, values: Mapping[Any, Floats]) -> None:
        """Hold the fast way against cvxpy's own, which is public and stays as it is."""
        squares, linear, entries, rhs, constant = self._input(values)
        if form.P is None:
            expected: Any = (0.0 * self._quadratic.filled(squares), *form.apply_parameters())
        else:
            expected = form.apply_parameters(quad_obj=True)
        upper = self._sparse.triu(expected[0])
        gaps = (
            abs(upper - self._quadratic.filled(squares)).max(),
            np.abs(expected[1] - linear).max(),
            abs(expected[2] - constant),
            abs(expected[3] + self._matrix.filled(entries)).max(),
            np.abs(expected[4] - rhs).max(),
        )
        if max(gaps) > _AGREEMENT:
            raise SolverError(
                f"This version of cvxpy passes other numbers to its solver than expected (they "
                f"differ by {max(gaps):.3g}). Install the versions of the lock file."
            )


class _Sparse:
    """The sparsity of a matrix (compressed columns), to be filled with its entries."""

    def __init__(self, rows: Any, starts: Any, shape: tuple[int, int]):
        from scipy import sparse

        self.shape = (int(shape[0]), int(shape[1]))
        self.rows = np.asarray(rows, dtype=np.intp)
        self.columns = np.repeat(np.arange(self.shape[1]), np.diff(starts))
        self._filled = sparse.csc_matrix((np.zeros(len(rows)), rows, starts), shape=self.shape)

    def filled(self, entries: Floats) -> Any:
        """The matrix; the next call overwrites it."""
        self._filled.data = entries
        return self._filled

    def times(self, entries: Floats, vector: Floats) -> Floats:
        parts = entries * vector[self.columns]
        return np.bincount(self.rows, parts, self.shape[0]).astype(float, copy=False)

    def transposed_times(self, entries: Floats, vector: Floats) -> Floats:
        parts = entries * vector[self.rows]
        return np.bincount(self.columns, parts, self.shape[1]).astype(float, copy=False)

    def symmetric_times(self, entries: Floats, vector: Floats) -> Floats:
        """Product with the symmetric matrix whose upper triangle this is."""
        below = np.where(self.rows == self.columns, 0.0, entries)
        return self.times(entries, vector) + self.transposed_times(below, vector)


def _upper_triangle(reduced: Any, size: int, length: int) -> tuple[Any, _Sparse]:
    """Map from parameters to the upper triangle of the quadratic form, and its sparsity."""
    from scipy import sparse

    if reduced.matrix_data is None:
        nothing = np.zeros(0, dtype=int)
        starts = np.zeros(size + 1, dtype=int)
        return sparse.csr_array((0, length)), _Sparse(nothing, starts, (size, size))
    rows, starts, _ = reduced.problem_data_index
    columns = np.repeat(np.arange(size), np.diff(starts))
    upper = np.flatnonzero(rows <= columns)
    kept = np.searchsorted(columns[upper], np.arange(size + 1))
    return reduced.reduced_mat[upper], _Sparse(rows[upper], kept, (size, size))


def _settings(clarabel: Any) -> Any:
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.max_threads = 1
    settings.direct_solve_method = "qdldl"
    settings.presolve_enable = False
    settings.max_iter = _MOST_ITERATIONS
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = TOLERANCE
    return settings
