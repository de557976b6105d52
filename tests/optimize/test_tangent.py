"""Planes that touch what is curved, and what is decided by them."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import InfeasibleLimitsError
from toolkit.optimize import (
    MaxBeta,
    MaxExpectedShortfall,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    MinimumExpectedShortfall,
    Optimizer,
    ProportionalCost,
    SquareRootCost,
    TrackTarget,
    problems,
)
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.compiled import CompiledProblem
from toolkit.optimize.tangent import TangentCandidate, TaylorCandidate
from toolkit.universe import Sleeve

COST = ProportionalCost()
CURVED = (
    MaxVolatility(0.1),
    MaxTrackingError(0.1),
    MaxExpectedShortfall(0.01, 0.93),
    MinEffectiveNumber(2.0),
)
TWELVE = (
    MaxWeight(0.2),
    MaxSleeveWeight(Sleeve.BITCOIN, 0.3),
    MaxSleeveWeight(Sleeve.LEGACY_MINERS, 0.3),
    MinCash(0.02),
    MaxTurnover(0.3),
    MaxVolatility(0.3),
    MaxTrackingError(0.2),
    MaxExpectedShortfall(0.004),
    MinExpectedReturn(0.15),
    MaxBeta("bitcoin", 0.5),
    MaxStressLoss(0.2),
    MinEffectiveNumber(5.0),
)


def full(made, seed, sessions=504):
    draw, names = np.random.default_rng(seed), made.risky
    size = len(names)
    tails = draw.standard_t(4, (sessions, size)) * 0.02
    tails += draw.standard_t(4, (sessions, 1)) * 0.015
    return made.decision(
        covariance=made.covariance(0.2),
        scenarios=pd.DataFrame(tails, columns=names),
        stress=pd.DataFrame(-draw.uniform(0.1, 0.5, (3, size)), ["a", "b", "c"], names),
        betas=pd.DataFrame({"bitcoin": draw.normal(1.0, 0.3, size)}, names),
        expected_returns=pd.Series(draw.normal(0.1, 0.1, size), names),
    )


@pytest.mark.parametrize("limit", CURVED, ids=lambda limit: limit.name)
@pytest.mark.parametrize("seed", range(4))
def test_a_plane_touches_its_limit_and_is_nowhere_above_it(market, limit, seed):
    made = market(seed, 5)
    program = Optimizer(TrackTarget(), (limit,)).compile(made.assets)
    facts = program._facts(full(made, seed, 60))
    points = np.random.default_rng(seed).dirichlet(np.full(6, 0.5), 50)
    for at in points[:5]:
        plane = limit.excess(TangentCandidate(program.roster, facts, at))
        assert plane.polyhedral
        heights = points @ plane.matrix[0] + plane.constant[0]
        values = limit.excess(MeasuredCandidate(program.roster, facts, points))
        assert (heights <= values + 1e-12).all()
        own = limit.excess(MeasuredCandidate(program.roster, facts, at))
        assert at @ plane.matrix[0] + plane.constant[0] == pytest.approx(float(own), abs=1e-12)


@pytest.mark.parametrize("limit", [*CURVED[:2], CURVED[3]], ids=lambda limit: limit.name)
@pytest.mark.parametrize("seed", range(4))
def test_the_second_order_of_a_limit_is_off_by_the_third_power_of_a_step(market, limit, seed):
    made = market(seed, 5)
    program = Optimizer(TrackTarget(), (limit,)).compile(made.assets)
    facts = program._facts(full(made, seed, 60))
    at, to = np.random.default_rng(seed).dirichlet(np.ones(6), 2)
    bent = limit.excess(TaylorCandidate(program.roster, facts, at))
    for step in (0.0, 1e-3, 1e-2):
        point = at + step * (to - at)
        said = bent.matrix[0] @ point + bent.constant[0] + 0.5 * point @ bent.quadratic @ point
        measured = limit.excess(MeasuredCandidate(program.roster, facts, point))
        assert said == pytest.approx(measured, abs=1e-13 + 30.0 * step**3)


@pytest.mark.parametrize("limits", [TWELVE, CURVED[2:3]], ids=len)
def test_a_conflict_with_a_tail_of_504_scenarios_is_named_in_half_a_second(
    market, monkeypatch, limits
):
    """By the first decision of a program, for which nothing is stated in cvxpy."""

    def never(self, problem):
        raise AssertionError("stated in cvxpy")

    monkeypatch.setattr(CompiledProblem, "__init__", never)
    made = market(6, 20)
    limits = (*limits, MaxSleeveWeight(Sleeve.CASH, 0.05)) if len(limits) == 1 else limits
    decision = full(made, 6)
    program = Optimizer(TrackTarget(), limits, COST, "stop").compile(made.assets)
    start = time.process_time()
    with pytest.raises(InfeasibleLimitsError) as caught:
        program.solve(decision)
    assert time.process_time() - start < 0.5
    monkeypatch.undo()
    conflict = [limit for limit in limits if limit.name in caught.value.conflict]
    for left_out in conflict:
        rest = tuple(limit for limit in conflict if limit is not left_out)
        met = Optimizer(TrackTarget(), rest, COST, "stop").compile(made.assets).solve(decision)
        assert met.status in ("optimal", "relaxed")
    for name in caught.value.relaxation:
        assert name in {limit.name for limit in limits}


@pytest.mark.parametrize("objective", [TrackTarget(), MeanVariance()], ids=type)
@pytest.mark.parametrize("seed", range(5))
def test_a_tail_limit_that_binds_is_met_at_the_optimum_of_the_stated_problem(
    market, monkeypatch, objective, seed
):
    made = market(seed, 8)
    decision = full(made, seed, 126)
    limits = (MaxExpectedShortfall(0.015), MaxWeight(0.5))
    found = Optimizer(objective, limits, COST).compile(made.assets).solve(decision)
    assert found.certificate.solver == "daqp solved"
    assert "MaxExpectedShortfall" in found.binding
    monkeypatch.setattr(problems.Standard, "solve", lambda *given: None)
    stated = Optimizer(objective, limits, COST).compile(made.assets).solve(decision)
    assert "daqp" not in stated.certificate.solver
    assert found.certificate.optimum == pytest.approx(stated.certificate.optimum, rel=1e-6)
    assert found.weights.to_numpy() == pytest.approx(stated.weights.to_numpy(), abs=2e-4)


@pytest.mark.parametrize("held", [2e-8, 8e-8])
def test_a_holding_of_next_to_nothing_is_no_reason_to_keep_everything(market, held):
    """Where all goes to cash its sale is the greater part of what is left of the objective."""
    made = market(7, 4)
    draw = np.random.default_rng(7)
    scenarios = pd.DataFrame(draw.normal(0.0, 0.2, (60, 4)), columns=made.risky)
    current = pd.Series([held, 2e-3, 0.0, 0.0], made.risky)
    decision = made.decision(current=current, target=None, scenarios=scenarios)
    cost = ProportionalCost(1.0, 0.0, 0.0)
    found = Optimizer(MinimumExpectedShortfall(), (), cost).compile(made.assets).solve(decision)
    assert found.status == "optimal"
    assert found.weights["CASH"] == pytest.approx(1.0, abs=1e-6)


def test_a_decision_without_rows_leaves_the_next_one_its_fast_solver(market):
    """Impact has none where volumes are known, and elsewhere there is no impact."""
    made = market(8, 5)
    plain = made.decision(
        equity=1e6,
        volumes=pd.Series(np.nan, made.risky),
        volatilities=pd.Series(0.02, made.risky),
    )
    known = replace(plain, volumes=pd.Series(1e6, made.risky))
    program = Optimizer(TrackTarget(), (MaxWeight(0.5),), SquareRootCost()).compile(made.assets)
    before = program.solve(plain)
    program.solve(known)
    after = program.solve(plain)
    assert before.certificate.solver == after.certificate.solver == "daqp solved"
    assert after.weights.equals(before.weights)
