"""Drawn problems have the optimum that a statement in plain cvxpy has, and least violations too.

`benchmarks/certify.py` checks 3,000 of them; here is a part.
"""

from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from toolkit.errors import InfeasibleLimitsError

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
RANK_ZERO = ("turnover", "days")


@pytest.fixture(scope="module")
def certify():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        import certify

        yield certify


@pytest.mark.parametrize("first", range(0, 140, 14))
def test_drawn_problems_have_the_optimum_of_two_other_solvers(certify, first):
    for seed in range(first, first + 14):
        _, wrong, verdict = certify.checked(seed)
        assert not wrong, (seed, wrong, verdict)


def beyond(problem, weights):
    """Excess of each limit, in units of its cap, as an expression of weights."""
    limited = problem.limited(weights, problem.tail(weights))
    limited["number"] = cp.sum_squares(weights[: problem.risky])
    caps = {name: cap**2 if name == "number" else cap for name, cap in problem.caps.items()}
    return {name: (limited[name] - cap) / max(abs(cap), 0.01) for name, cap in caps.items()}


def least_violation(problem, priced, room):
    weights = cp.Variable(problem.size)
    excess = beyond(problem, weights)
    held = [cp.sum(weights) == 1.0, weights >= problem.lower, weights <= problem.upper]
    held += [excess[name] <= most for name, most in room.items()]
    total = sum(cp.pos(excess[name]) for name in priced)
    return cp.Problem(cp.Minimize(total), held).solve(solver=cp.CLARABEL)


@pytest.mark.parametrize("seed", range(0, 60))
def test_drawn_conflicts_have_the_least_violation_of_another_statement(certify, seed):
    """Caps below what a portfolio needs: many cannot be met together."""
    problem = certify.Problem(seed, room=(-0.9, -0.3))
    if problem.objective in ("sharpe", "budget"):
        problem.objective = "track"
    names = dict(zip((x.name for x in problem.optimizer().limits), problem.caps, strict=True))
    found = problem.optimizer().compile(problem.assets()).solve(problem.decision())
    unit = {
        name: max(abs(cap) ** (2 if name == "number" else 1), 0.01)
        for name, cap in problem.caps.items()
    }
    slack = {names[name]: most / unit[names[name]] for name, most in found.relaxed.items()}
    firm = [name for name in problem.caps if name not in RANK_ZERO]
    yielding = [name for name in problem.caps if name in RANK_ZERO]
    least = least_violation(problem, firm, {}) if firm else 0.0
    assert sum(slack.get(name, 0.0) for name in firm) == pytest.approx(least, rel=1e-4, abs=2e-4)
    # What yields first gives as little as what the others came to allows. Where their least
    # violation leaves a single portfolio, a little room for them moves it by the root of that.
    if yielding:
        given = sum(slack.get(name, 0.0) for name in yielding)
        exact, wide = (
            # A limit passes where it is exceeded by a millionth.
            least_violation(
                problem,
                yielding,
                {name: slack.get(name, 1e-6 / unit[name]) + more for name in firm},
            )
            for more in (1e-8, 1e-6)
        )
        assert wide - 2e-4 <= given <= 1.01 * exact + 2e-4
    assert found.status == ("relaxed" if slack else "optimal")
    assert ("least violation" in found.fallbacks) == bool(slack)
    weights = found.weights.reindex(problem.names).to_numpy()
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert np.all(weights >= problem.lower - 1e-9)
    assert np.all(weights <= problem.upper + 1e-9)


@pytest.mark.parametrize("seed", range(0, 60, 3))
def test_drawn_conflicts_are_named_and_none_of_their_limits_can_be_left_out(certify, seed):
    problem = certify.Problem(seed, room=(-0.9, -0.3))
    names = dict(zip((x.name for x in problem.optimizer().limits), problem.caps, strict=True))
    firm = [name for name in problem.caps if name not in RANK_ZERO]
    program = problem.optimizer(on_infeasible="stop").compile(problem.assets())
    if not firm or least_violation(problem, firm, {}) < 1e-6:
        assert program.solve(problem.decision()).weights.sum() == pytest.approx(1.0)
        return
    with pytest.raises(InfeasibleLimitsError) as caught:
        program.solve(problem.decision())
    conflict = [names[name] for name in caught.value.conflict]
    assert set(conflict) <= set(firm)
    assert least_violation(problem, conflict, {}) > 1e-6
    for name in conflict:
        rest = [other for other in conflict if other != name]
        assert not rest or least_violation(problem, rest, {}) < 1e-4
    # Leaving out the relaxed limits leaves none that conflict.
    relaxed = {names[name] for name in caught.value.relaxation}
    rest = [name for name in firm if name not in relaxed]
    assert not rest or least_violation(problem, rest, {}) < 1e-4
