"""The least violation of limits that are rows of numbers is that of the stated problem."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import InfeasibleLimitsError
from toolkit.optimize import (
    MaxBeta,
    MaxSleeveWeight,
    MaxTrackingError,
    MaxTradingDays,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    Optimizer,
    ProportionalCost,
    TrackTarget,
    violation,
)
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.compiled import CompiledProblem
from toolkit.optimize.diagnose import Diagnosis
from toolkit.optimize.problems import LeastViolation
from toolkit.optimize.violation import RowViolation
from toolkit.universe import Sleeve

COST = ProportionalCost()


def without_rows(patch):
    solve = RowViolation.solve

    def useless(self, price, room):
        weights, answer = solve(self, price, room)
        return weights, replace(answer, gap=np.inf)

    patch.setattr(RowViolation, "solve", useless)


def conflict(made, seed):
    """Random limits that are in conflict with each other in most cases."""
    draw = np.random.default_rng(seed)
    size = len(made.risky)
    limits = [
        MaxWeight(float(draw.uniform(0.2, 0.9)) / size),
        MinCash(float(draw.uniform(0.0, 0.4))),
        MinExpectedReturn(float(draw.uniform(0.05, 0.2))),
        MaxBeta("bitcoin", float(draw.uniform(0.2, 0.8))),
        MaxTurnover(0.1),
        MaxTradingDays(0.5),
    ]
    if seed % 3 == 0:
        limits.append(MaxVolatility(float(draw.uniform(0.05, 0.3))))
    decision = made.decision(
        equity=1e6,
        volumes=pd.Series(draw.uniform(1e5, 1e7, size), made.risky),
        expected_returns=pd.Series(draw.normal(0.1, 0.1, size), made.risky),
        betas=pd.DataFrame({"bitcoin": draw.uniform(0.2, 1.5, size)}, made.risky),
    )
    return tuple(limits), decision


@pytest.mark.parametrize("seed", range(12))
def test_rows_and_stated_problem_violate_limits_as_little(market, monkeypatch, seed):
    made = market(seed, 4 + seed)
    limits, decision = conflict(made, seed)
    program = Optimizer(TrackTarget(), limits, COST).compile(made.assets)
    facts = program._facts(decision)
    diagnosis = Diagnosis(program._certifier)
    found = diagnosis.slacks(facts)
    without_rows(monkeypatch)
    stated = diagnosis.slacks(facts)
    for rank in (0, 1):
        units, of_rank = diagnosis._units, diagnosis._ranks == rank
        least = (stated / units)[of_rank].sum()
        assert (found / units)[of_rank].sum() == pytest.approx(least, rel=1e-5, abs=2e-4)


@pytest.mark.parametrize("mode", ["stop", "least_violation", "keep"])
def test_a_conflict_of_rows_needs_no_stated_problem(market, monkeypatch, mode):
    def never(self, problem):
        raise AssertionError("stated in cvxpy")

    monkeypatch.setattr(CompiledProblem, "__init__", never)
    made = market(3, 12)
    limits = (MaxWeight(0.05), MinCash(0.1), MaxTurnover(0.2))
    decision = made.decision(target=pd.Series(1 / 12, made.risky))
    program = Optimizer(TrackTarget(), limits, COST, mode).compile(made.assets)
    assert program.solve(decision).status in ("relaxed", "optimal")
    tighter = (MaxWeight(0.05), MaxTurnover(0.2))
    program = Optimizer(TrackTarget(), tighter, COST, mode).compile(made.risky)
    even = pd.Series(1 / 12, made.risky)
    decision = made.decision(target=even, current=even)
    if mode == "stop":
        with pytest.raises(InfeasibleLimitsError, match=r"MaxWeight by 0\.03333"):
            program.solve(decision)
    else:
        expected = {"least_violation": "relaxed", "keep": "kept"}[mode]
        found = program.solve(decision)
        assert found.status == expected
        assert found.relaxed["MaxWeight"] == pytest.approx(1 / 12 - 0.05, abs=1e-5)


@pytest.mark.parametrize("size", [4, 40])
@pytest.mark.parametrize("cost", [None, COST], ids=["free", "priced"])
def test_a_stuck_holding_beyond_its_cap_needs_no_stated_problem(market, monkeypatch, size, cost):
    """Its bounds cross: it has no move, and a solver that sees moves alone finds nothing amiss."""

    def never(self, problem):
        raise AssertionError("stated in cvxpy")

    monkeypatch.setattr(CompiledProblem, "__init__", never)
    made = market(2, size)
    current = pd.Series(0.6 / (size - 1), made.risky)
    current[made.risky[0]] = 0.4
    stuck = pd.Series(False, made.risky[:1])
    decision = made.decision(target=current, current=current, tradable=stuck)
    limits = (MaxWeight(0.3), MaxTurnover(0.5))
    found = Optimizer(TrackTarget(), limits, cost).compile(made.risky).solve(decision)
    assert found.status == "relaxed"
    assert found.relaxed == pytest.approx({"MaxWeight": 0.1})
    assert found.fallbacks == ("least violation",)


def test_a_limit_that_is_no_row_is_part_of_the_least_violation(market):
    names = ["A", "B", "C"]
    covariance = pd.DataFrame(np.diag([0.01, 0.04, 0.25]), names, names)
    limits = (MaxWeight(0.1, ("A",)), MaxWeight(0.1, ("B",)), MaxVolatility(0.16))
    even = pd.Series(1 / 3, names)
    decision = market(0, 3).decision(target=even, current=even, covariance=covariance)
    found = Optimizer(TrackTarget(), limits, COST).compile(names).solve(decision)
    assert found.status == "relaxed"
    weights = found.weights.to_numpy()
    slack = {"MaxWeight(A)": weights[0] - 0.1, "MaxWeight(B)": weights[1] - 0.1}
    for name, more in found.relaxed.items():
        if name in slack:
            assert more == pytest.approx(slack[name], abs=1e-5)
    risk = float(np.sqrt(weights**2 @ np.diag(covariance)))
    assert risk <= 0.16 + found.relaxed.get("MaxVolatility", 0.0) + 1e-5


ROUND = (MaxVolatility(0.01), MaxTrackingError(0.05), MinEffectiveNumber(3.0), MaxWeight(0.4))


@pytest.mark.parametrize("size", [4, 20, 60])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_round_limits_in_conflict_need_no_stated_problem(market, monkeypatch, size, count):
    def never(self, *given):
        raise AssertionError("stated in cvxpy")

    monkeypatch.setattr(LeastViolation, "__init__", never)
    made = market(count, size)
    limits = (*ROUND[:count], MaxSleeveWeight(Sleeve.CASH, 0.1))
    program = Optimizer(TrackTarget(), limits, COST).compile(made.assets)
    facts = program._facts(made.decision())
    slacks = program._diagnosis.slacks(facts)
    assert (slacks > 0.0).any()
    conflict = program._diagnosis.conflict(facts)
    assert "MaxSleeveWeight(cash)" in conflict
    assert len(conflict) == 2


@pytest.mark.parametrize("size", [20, 50])
def test_turnover_yields_after_a_round_limit_without_a_stated_problem(market, monkeypatch, size):
    """Portfolios of least violation have next to no room, and turnover is least among them."""

    def never(self, *given):
        raise AssertionError("stated in cvxpy")

    made = market(size, size)
    limits = (MaxVolatility(0.01), MaxSleeveWeight(Sleeve.CASH, 0.1), MaxTurnover(0.3))
    facts = Optimizer(TrackTarget(), limits, COST).compile(made.assets)._facts(made.decision())
    stated = Optimizer(TrackTarget(), limits, COST).compile(made.assets)._diagnosis
    with monkeypatch.context() as patch:
        without_rows(patch)
        expected = stated.slacks(facts)
    monkeypatch.setattr(LeastViolation, "__init__", never)
    found = Optimizer(TrackTarget(), limits, COST).compile(made.assets)._diagnosis.slacks(facts)
    assert found / stated._units == pytest.approx(expected / stated._units, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_a_bound_along_round_limits_is_below_every_portfolio(market, seed):
    """That is within the rooms, and it is near to the weights that are returned."""
    made = market(seed, 6)
    limits = (*ROUND, MaxSleeveWeight(Sleeve.CASH, 0.1), MaxTurnover(0.05))
    program = Optimizer(TrackTarget(), limits, COST).compile(made.assets)
    diagnosis, facts = program._diagnosis, program._facts(made.decision())
    units, ranks = diagnosis._units, diagnosis._ranks
    rows, draw = diagnosis._rows(facts), np.random.default_rng(seed)
    points = draw.dirichlet(np.full(7, 0.5), 4000)
    excess = [limit.excess(MeasuredCandidate(program.roster, facts, points)) for limit in limits]
    over = np.maximum(np.array(excess) / units[:, None], 0.0)
    room = np.full(len(limits), 40.0)
    for rank in (1, 0):
        priced = (ranks == rank).astype(float)
        _, answer = rows.solve(priced, np.where(priced > 0.0, 1e3, room) * units)
        assert abs(answer.gap) <= 1e-5 * max(1.0, answer.value)
        within = (over <= np.where(priced > 0.0, np.inf, room)[:, None]).all(axis=0)
        assert within.any()
        assert (priced @ over[:, within] >= answer.value - answer.gap - 1e-9).all()
        room = np.median(over, axis=1)


def test_multipliers_above_the_price_of_a_limit_prove_no_more_violation(market, monkeypatch):
    made = market(0, 6)
    even = pd.Series(1 / 6, made.risky)
    program = Optimizer(TrackTarget(), (MaxWeight(0.1),)).compile(made.risky)
    facts = program._facts(made.decision(target=even, current=even))
    diagnosis = program._diagnosis
    price, room = np.ones(1), diagnosis._ample(facts)
    _, honest = diagnosis._rows(facts).solve(price, room)
    assert honest.value == pytest.approx(2 / 3)
    assert honest.value - honest.gap == pytest.approx(2 / 3)
    solved = violation.interior_point

    def inflated(*given):
        point, multipliers, status, steps = solved(*given)
        return point, 3.0 * multipliers, status, steps

    monkeypatch.setattr(violation, "interior_point", inflated)
    _, told = diagnosis._rows(facts).solve(price, room)
    assert told.value - told.gap <= honest.value + 1e-9
