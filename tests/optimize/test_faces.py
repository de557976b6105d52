"""Symbolic, measured and in coefficients a quantity is the same, for every limit and objective."""

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from toolkit.optimize import (
    BlackLitterman,
    MaxBeta,
    MaxExpectedShortfall,
    MaximumSharpe,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTradingDays,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    MinimumExpectedShortfall,
    MinimumVariance,
    ProportionalCost,
    RiskBudget,
    TrackTarget,
    View,
)
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, NotPolyhedral
from toolkit.optimize.facts import facts_of
from toolkit.optimize.roster import Roster
from toolkit.optimize.symbolic import Sizes, SymbolicCandidate
from toolkit.universe import MINERS

LIMITS = (
    MaxWeight(0.2),
    MaxWeight(0.2, ("A1", "A3")),
    MaxSleeveWeight(MINERS, 0.3),
    MinCash(0.1),
    MaxTurnover(0.25),
    MaxTradingDays(0.5),
    MaxVolatility(0.3),
    MaxTrackingError(0.1),
    MaxExpectedShortfall(0.02),
    MaxExpectedShortfall(0.02, 0.83),
    MinExpectedReturn(0.05),
    MaxBeta("bitcoin", 0.5),
    MaxStressLoss(0.1),
    MaxStressLoss(0.1, ("credit",)),
    MinEffectiveNumber(3.0),
)
OBJECTIVES = (
    TrackTarget(3.0, 0.1),
    MeanVariance(2.0),
    MinimumVariance(),
    MinimumExpectedShortfall(0.9),
    MaximumSharpe(),
    RiskBudget(),
    BlackLitterman((View({"A1": 1.0, "A2": -1.0}, 0.05, 0.3),)),
)
ROUND = (MaxVolatility, MaxTrackingError, MaximumSharpe)


def full_decision(made, **given):
    draw, names = made.random, made.risky
    size = len(names)
    moves = draw.standard_t(4, (50, size)) * 0.02 + draw.standard_t(4, (50, 1)) * 0.02
    return made.decision(
        equity=1e6,
        expected_returns=pd.Series(draw.normal(0.08, 0.1, size + 1), made.ids),
        scenarios=pd.DataFrame(moves, columns=names),
        betas=pd.DataFrame({"ai": 0.3, "bitcoin": draw.normal(0.8, 0.5, size)}, names),
        stress=pd.DataFrame(draw.normal(-0.2, 0.2, (3, size)), ["hash", "credit", "ai"], names),
        volumes=pd.Series(draw.lognormal(13.0, 1.0, size), names),
        **given,
    )


def named(part):
    return f"{getattr(part, 'name', '')}{type(part).__name__}{getattr(part, 'level', '')}"


def coefficients_at(found, weights, facts):
    trades = np.abs(weights - facts.holdings)
    rows = found.matrix @ weights + found.constant
    if found.absolute is not None:
        rows = rows + found.absolute @ trades
    total = rows.max()
    if found.quadratic is not None:
        total += 0.5 * weights @ found.quadratic @ weights
    if found.tail:
        losses = np.sort(-facts.scenarios @ weights)[::-1]
        size = (1.0 - found.level) * len(losses)
        total += found.tail * (np.clip(size - np.arange(len(losses)), 0.0, 1.0) @ losses) / size
    return total


@pytest.mark.parametrize("part", [*LIMITS, *OBJECTIVES, ProportionalCost()], ids=named)
@pytest.mark.parametrize("arrived", [{"proceeds": 0.0}, {"proceeds": 0.2}, {"current": None}])
def test_the_three_faces_agree_on_drawn_weights(market, part, arrived):
    made = market(11, 5)
    roster = Roster(made.assets)
    facts = facts_of(full_decision(made, **arrived), roster)
    if hasattr(part, "prepare"):
        facts = part.prepare(facts, roster)
    quantity = getattr(part, "excess", None) or getattr(part, "expression", None) or part.cost
    symbolic = SymbolicCandidate(roster, Sizes.of(facts), getattr(part, "own_belief", False))
    expression = quantity(symbolic)
    given = cp.Parameter(len(roster))
    problem = cp.Problem(
        cp.Minimize(expression), [*symbolic.constraints, symbolic.weights == given]
    )
    assert problem.is_dcp(dpp=True)
    for parameter, value in symbolic.values(facts).items():
        parameter.value = value
    for _ in range(3):
        weights = roster.floats(made.weights(), "test")
        measured = float(quantity(MeasuredCandidate(roster, facts, weights)))
        given.value = weights
        # The auxiliary variables are bounded from below: their least values are the quantities.
        problem.solve(solver=cp.CLARABEL)
        assert float(expression.value) == pytest.approx(measured, rel=1e-6, abs=1e-7)
        try:
            rows = quantity(CoefficientCandidate(roster, facts))
        except NotPolyhedral:
            assert isinstance(part, ROUND)
            continue
        assert coefficients_at(rows, weights, facts) == pytest.approx(
            measured, rel=1e-12, abs=1e-13
        )


def test_limits_see_the_target_and_the_returns_that_were_given(market):
    """Whatever weights the objective tracks, and whatever returns it believes in."""
    made = market(12, 4)
    decision = full_decision(made)
    roster = Roster(made.assets)
    plain = facts_of(decision, roster)
    weights = roster.floats(made.weights(), "test")
    view = View({made.risky[0]: 1.0}, 0.9, 0.9)
    for objective in (RiskBudget(), BlackLitterman((view,))):
        seen = objective.prepare(plain, roster)
        for limit in LIMITS:
            expected = limit.value(MeasuredCandidate(roster, plain, weights))
            assert limit.value(MeasuredCandidate(roster, seen, weights)) == expected
