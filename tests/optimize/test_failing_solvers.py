"""Whatever a solver answers, only an answer that passes the checks is given, and it is told."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import InfeasibleLimitsError, SolverError
from toolkit.optimize import (
    MaximumSharpe,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinimumExpectedShortfall,
    MinimumVariance,
    Optimizer,
    ProportionalCost,
    SquareRootCost,
    TrackTarget,
    problems,
    quadratic,
    sharpe,
    violation,
)
from toolkit.optimize.compiled import WAYS, CompiledProblem
from toolkit.optimize.standard import Found, Prices

COST = ProportionalCost()
LIMITS = (MaxWeight(0.3), MinCash(0.1), MaxTurnover(0.5))


def spoiled(change):
    """A raw solver whose answers are changed."""
    solve = problems.solve_quadratic

    def wrong(problem, unit):
        return change(problem, solve(problem, unit))

    return wrong


def holding(problem, found):
    held = np.clip(problem.holdings, problem.lower, problem.upper)
    return replace(found, weights=held / held.sum())


def shorting(problem, found):
    """Better than any portfolio, as it sells short, and next to one when cut off at zero."""
    gainful = np.argsort(problem.linear)
    weights = found.weights.copy()
    weights[gainful[0]] += 2.0
    weights[gainful[-1]] -= 2.0
    return replace(found, weights=weights)


GARBAGE = {
    "missing numbers": lambda problem, found: replace(found, weights=np.nan * found.weights),
    "endless numbers": lambda problem, found: replace(found, weights=found.weights + 1e300),
    "a wrong sum": lambda problem, found: replace(found, weights=1.01 * found.weights),
    "nothing": lambda problem, found: replace(found, weights=0.0 * found.weights),
    "what is held": holding,
    "one asset": lambda problem, found: replace(found, weights=np.eye(len(found.weights))[0]),
    "sold short": shorting,
    "another optimum": lambda problem, found: replace(
        found, weights=found.weights + 1e-3 * np.resize([1.0, -1.0], len(found.weights))
    ),
    "no prices": lambda problem, found: replace(found, prices=Prices(0.0, 0.0 * found.prices.rows)),
    "prices that are missing": lambda problem, found: replace(
        found, prices=Prices(np.nan, np.nan * found.prices.rows)
    ),
    "prices of the wrong sign": lambda problem, found: replace(
        found, prices=Prices(1e6, -1e6 - found.prices.rows)
    ),
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_from_the_first_solver_is_replaced_by_the_answer_of_the_second(
    market, monkeypatch, garbage
):
    made = market(1, 6)
    decision = made.decision(expected_returns=pd.Series(np.linspace(-0.05, 0.2, 6), made.risky))
    optimizer = Optimizer(MeanVariance(3.0), LIMITS, COST)
    honest = optimizer.compile(made.assets).solve(decision)
    assert honest.fallbacks == ()
    monkeypatch.setattr(problems, "solve_quadratic", spoiled(GARBAGE[garbage]))
    with np.errstate(all="ignore"):
        found = optimizer.compile(made.assets).solve(decision)
    assert found.fallbacks == ("clarabel after daqp",)
    assert found.status == "optimal"
    assert found.weights.to_numpy() == pytest.approx(honest.weights.to_numpy(), abs=1e-5)
    assert found.certificate.optimum == pytest.approx(honest.certificate.optimum, rel=1e-6)
    assert "daqp" not in found.certificate.solver


def tail_garbage(problem):
    """Weights that are held, with chances that would prove anything."""
    count = len(problem.tail.scenarios)
    chances = np.zeros(count)
    chances[0] = 1e3
    prices = Prices(1e3, np.zeros(len(problem.bound)), chances)
    return Found(problem, problem.holdings, prices, "highs optimal", 1)


def test_chances_that_are_none_prove_no_tail_loss(market, monkeypatch):
    made = market(2, 5)
    draw = np.random.default_rng(2)
    scenarios = pd.DataFrame(draw.normal(0.0, 0.02, (60, 5)), columns=made.risky)
    decision = made.decision(scenarios=scenarios)
    optimizer = Optimizer(MinimumExpectedShortfall(), (MaxWeight(0.5),), COST)
    honest = optimizer.compile(made.assets).solve(decision)
    monkeypatch.setattr(problems, "solve_tail", tail_garbage)
    found = optimizer.compile(made.assets).solve(decision)
    assert found.fallbacks == ("clarabel after highs",)
    assert found.certificate.optimum == pytest.approx(
        honest.certificate.optimum, rel=1e-6, abs=1e-9
    )


def raising(*given):
    raise RuntimeError("cannot factorise")


def without_numbers(solved):
    """The answers of a method with every number missing."""

    def wrong(*given):
        answer = solved(*given)
        return replace(answer, point=np.nan * answer.point)

    return wrong


def without_proof(solved):
    """The answers of a method with duals that bound nothing."""

    def wrong(*given):
        return replace(solved(*given), gap=np.inf)

    return wrong


def without_raw_numbers(solve):
    def wrong(*given):
        answer = solve(*given)
        return answer and (np.nan * answer[0], *answer[1:])

    return wrong


def without_tail(problem):
    return replace(tail_garbage(problem), weights=np.nan * problem.holdings)


def always_raising(solve):
    return raising


BROKEN = {
    "numbers": (without_raw_numbers, without_tail, without_numbers),
    "proof": (without_raw_numbers, without_tail, without_proof),
    "anything but an error": (always_raising, raising, always_raising),
}


@pytest.fixture(params=BROKEN)
def without_answers(request, monkeypatch):
    """No solver returns anything of use, in the diagnosis neither."""
    raw, tail, stated = BROKEN[request.param]
    monkeypatch.setattr(CompiledProblem, "solve", stated(CompiledProblem.solve))
    for home in (quadratic, violation):
        monkeypatch.setattr(home, "interior_point", raw(quadratic.interior_point))
    monkeypatch.setattr(quadratic, "active_set", raw(quadratic.active_set))
    monkeypatch.setattr(sharpe, "homogenised", lambda *given: None)
    monkeypatch.setattr(problems, "solve_tail", tail)
    return request.param


CURVED = (*LIMITS, MaxVolatility(0.05))


@pytest.mark.parametrize("mode", ["stop", "least_violation", "keep"])
@pytest.mark.parametrize("limits", [(), LIMITS, CURVED], ids=len)
@pytest.mark.parametrize(
    "objective",
    [TrackTarget(), MinimumVariance(), MinimumExpectedShortfall(), MaximumSharpe()],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_where_no_solver_answers_the_holdings_are_kept_and_each_step_is_told(
    market, without_answers, objective, limits, mode
):
    made = market(3, 5)
    draw = np.random.default_rng(3)
    decision = made.decision(
        expected_returns=pd.Series([0.1, 0.2, 0.15, 0.1, 0.05], made.risky),
        scenarios=pd.DataFrame(draw.normal(0.0, 0.02, (60, 5)), columns=made.risky),
    )
    program = Optimizer(objective, limits, COST, mode).compile(made.assets)
    found = program.solve(decision)
    assert found.status == "kept"
    assert found.fallbacks[0].startswith("no answer from")
    assert "clarabel" in found.fallbacks[0]
    assert ("RuntimeError: cannot factorise" in found.fallbacks[0]) == ("error" in without_answers)
    assert found.fallbacks[-1] == "current weights"
    assert found.weights.to_numpy() == pytest.approx(decision.current.to_numpy(), abs=1e-15)
    assert found.certificate.gap is None
    first = program.solve(replace(decision, current=None))
    assert first.status == "kept"
    assert first.fallbacks[-1] == "cash"
    assert first.weights["CASH"] == 1.0


@pytest.mark.filterwarnings("ignore:invalid value")
def test_where_no_solver_answers_and_nothing_is_held_it_is_an_error(market, without_answers):
    made = market(3, 5)
    target = pd.Series(0.2, made.risky)
    program = Optimizer(TrackTarget(), (MaxWeight(0.3),), COST).compile(made.risky)
    expected = "No answer on 2021-03-05 passed the checks, and nothing is held; tried: (daqp|piqp)"
    with pytest.raises(SolverError, match=expected):
        program.solve(made.decision(current=None, target=target))


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_diagnosis_that_fails_is_told_and_no_relaxation(market, without_answers):
    made = market(4, 4)
    decision = made.decision(current=pd.Series(0.25, made.risky), target=None)
    program = Optimizer(MinimumVariance(), (MaxWeight(0.1),)).compile(made.risky)
    found = program.solve(decision)
    assert found.fallbacks[1:] == ("no least violation", "current weights")
    with pytest.raises(SolverError, match="least violation of the limits on 2021-03-05"):
        program.solve(replace(decision, current=None))


def test_an_error_of_the_first_solver_is_told_with_who_answered(market, monkeypatch):
    made = market(1, 6)
    decision = made.decision()
    honest = Optimizer(TrackTarget(), LIMITS, COST).compile(made.assets).solve(decision)
    monkeypatch.setattr(problems, "solve_quadratic", raising)
    found = Optimizer(TrackTarget(), LIMITS, COST).compile(made.assets).solve(decision)
    assert found.fallbacks == ("clarabel after daqp (RuntimeError: cannot factorise)",)
    assert found.weights.to_numpy() == pytest.approx(honest.weights.to_numpy(), abs=1e-5)


def test_other_settings_of_the_same_solver_are_told_as_such(market, monkeypatch):
    """Where impact costs leave the fast one out, one solver is the first and the second."""
    made = market(5, 6)
    stated = CompiledProblem.solve

    def wrong_once(self, values, unit, way=WAYS[0]):
        answer = stated(self, values, unit, way)
        return replace(answer, gap=np.inf) if way == WAYS[0] else answer

    decision = made.decision(
        equity=1e6,
        volumes=pd.Series(1e6, made.risky),
        volatilities=pd.Series(0.02, made.risky),
    )
    monkeypatch.setattr(CompiledProblem, "solve", wrong_once)
    optimizer = Optimizer(TrackTarget(), (MaxWeight(0.5),), SquareRootCost())
    found = optimizer.compile(made.assets).solve(decision)
    assert found.fallbacks == ("clarabel with other settings after clarabel",)


def test_a_volatility_limit_that_is_left_out_first_is_no_fallback(market):
    made = market(5, 6)
    found = (
        Optimizer(TrackTarget(), (MaxVolatility(0.2),), COST)
        .compile(made.assets)
        .solve(made.decision())
    )
    assert found.binding == ("MaxVolatility",)
    assert found.fallbacks == ()


@pytest.mark.parametrize("mode", ["stop", "least_violation", "keep"])
def test_a_conflict_of_twenty_limits_is_answered_in_half_a_second(market, mode):
    """By the first decision of a program, whose problems are stated for it."""
    made = market(6, 20)
    even = pd.Series(0.05, made.risky)
    limits = (
        *(MaxWeight(0.04, (name,)) for name in made.risky),
        MaxVolatility(0.9),
        MaxTurnover(0.1),
    )
    program = Optimizer(TrackTarget(), limits, COST, mode).compile(made.risky)
    decision = made.decision(target=even, current=even)
    start = time.process_time()
    if mode == "stop":
        with pytest.raises(InfeasibleLimitsError) as caught:
            program.solve(decision)
        assert len(caught.value.conflict) == 20
        assert sum(caught.value.relaxation.values()) == pytest.approx(0.2, abs=1e-5)
    else:
        found = program.solve(decision)
        assert found.status == {"least_violation": "relaxed", "keep": "kept"}[mode]
    assert time.process_time() - start < 0.5


def test_the_first_conflict_of_a_process_is_named_in_half_a_second():
    """What is imported aside."""
    code = """
import time
import cvxpy, clarabel, piqp
import pandas as pd
import numpy as np
from toolkit.errors import InfeasibleLimitsError
from toolkit.optimize import *
names = [f"A{k:02d}" for k in range(20)]
draw = np.random.default_rng(0)
moves = draw.normal(size=(60, 20))
covariance = pd.DataFrame(moves.T @ moves / 60, names, names)
limits = (MaxWeight(0.04), MaxVolatility(2.0), MaxTurnover(0.2), MaxWeight(0.03, ("A00", "A01")))
optimizer = Optimizer(TrackTarget(), limits, ProportionalCost(), "stop")
even = pd.Series(0.05, names)
start = time.process_time()
try:
    program = optimizer.compile(names)
    program.solve(Decision(pd.Timestamp("2021-03-05"), even, even, covariance=covariance))
except InfeasibleLimitsError as error:
    print(time.process_time() - start, error.conflict)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    seconds, _, conflict = done.stdout.partition(" ")
    assert conflict.strip() == "('MaxWeight',)"
    assert float(seconds) < 0.5
