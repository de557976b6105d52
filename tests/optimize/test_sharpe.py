"""The largest ratio of return above cash to volatility, however it is looked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from skfolio.optimization import MeanRisk, ObjectiveFunction
from skfolio.prior import EmpiricalPrior

from toolkit.errors import DataError
from toolkit.optimize import (
    MaximumSharpe,
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinEffectiveNumber,
    MinimumVariance,
    Optimizer,
    ProportionalCost,
)

COST = ProportionalCost(fee_bps=20.0)


def with_returns(made, seed, cash=0.0, mean=0.1, **given):
    draw = np.random.default_rng(seed)
    returns = pd.Series(draw.normal(mean, 0.05, len(made.risky)), made.risky)
    returns["CASH"] = cash
    return made.decision(expected_returns=returns, **given)


def ratio(weights, decision, cost=None):
    """Of one portfolio or of many, in the order of the assets with cash last."""
    weights = np.asarray(weights, dtype=float)
    names = list(decision.covariance)
    earned = weights @ decision.expected_returns[[*names, "CASH"]].to_numpy()
    earned -= decision.expected_returns["CASH"]
    if cost is not None:
        rates, held = cost.rates(), decision.current[names].to_numpy()
        earned -= (rates.fee + rates.slippage) * np.abs(weights[..., :-1] - held).sum(axis=-1)
    risky, spread = weights[..., :-1], decision.covariance.to_numpy()
    return earned / np.sqrt(((risky @ spread) * risky).sum(axis=-1))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("cap", [0.3, 1.0])
def test_the_ratio_is_that_of_skfolio(market, seed, cap):
    made = market(seed, 6)
    draw = np.random.default_rng(seed)
    past = pd.DataFrame(
        draw.normal(0.001, 0.02, (500, 6)) * (1 + draw.random(6)), columns=made.ids[:-1]
    )
    past += draw.normal(0.0, 0.01, (500, 1))
    decision = made.decision(
        target=None, current=None, covariance=past.cov(), expected_returns=past.mean()
    )
    found = Optimizer(MaximumSharpe(), (MaxWeight(cap),)).compile(made.risky).solve(decision)
    theirs = MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RATIO,
        prior_estimator=EmpiricalPrior(),
        max_weights=cap,
        solver_params=dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-9),
    ).fit(past)
    ours = found.weights.to_numpy()
    earned, spread = past.mean().to_numpy(), past.cov().to_numpy()
    best = theirs.weights_ @ earned / np.sqrt(theirs.weights_ @ spread @ theirs.weights_)
    mine = ours @ earned / np.sqrt(ours @ spread @ ours)
    assert mine >= best * (1.0 - 1e-9)
    assert mine == pytest.approx(best, rel=1e-6)
    assert ours == pytest.approx(theirs.weights_, abs=1e-3)


LINEAR = (MaxWeight(0.4), MinCash(0.05), MaxTurnover(0.6))
ROUND = (MaxWeight(0.6), MaxVolatility(0.25), MinEffectiveNumber(3.0))


@pytest.mark.parametrize("limits", [LINEAR, ROUND], ids=["homogenised", "searched"])
@pytest.mark.parametrize("cost", [None, COST], ids=["free", "dear"])
@pytest.mark.parametrize("cash", [0.0, 0.03])
@pytest.mark.parametrize("seed", range(3))
def test_no_portfolio_tried_has_a_larger_ratio(market, limits, cost, cash, seed):
    made = market(seed, 3)
    decision = with_returns(made, seed, cash)
    program = Optimizer(MaximumSharpe(), limits, cost).compile(made.assets)
    found = program.solve(decision)
    assert found.status == "optimal"
    best = ratio(found.weights, decision, cost)
    draw = np.random.default_rng(100 + seed)
    tried = draw.dirichlet(np.full(4, 0.7), 30_000)
    near = found.weights.to_numpy() + draw.normal(0.0, 0.01, (30_000, 4))
    near[:, -1] += 1.0 - near.sum(axis=1)
    rows = np.vstack([tried, near])
    rows = rows[rows.min(axis=1) >= 0.0]
    values = program.measure(rows, decision)
    for limit in limits:
        held = limit.beyond(values[limit.name]) <= 0.0
        rows, values = rows[held], {name: value[held] for name, value in values.items()}
    assert len(rows) > 50
    assert ratio(rows, decision, cost).max() <= best * (1.0 + 1e-7)


def test_of_mixtures_with_cash_the_one_with_the_least_cash_is_taken(market):
    made = market(1, 4)
    decision = with_returns(made, 1)
    free = Optimizer(MaximumSharpe()).compile(made.assets).solve(decision)
    assert free.weights["CASH"] == pytest.approx(0.0, abs=2e-5)
    cap = 0.5 * np.sqrt(free.weights[made.risky] @ decision.covariance @ free.weights[made.risky])
    held = Optimizer(MaximumSharpe(), (MaxVolatility(cap),)).compile(made.assets).solve(decision)
    assert held.binding == ("MaxVolatility",)
    assert held.weights[made.risky].to_numpy() == pytest.approx(
        0.5 * free.weights[made.risky].to_numpy(), abs=2e-5
    )


@pytest.mark.parametrize(
    "limits", [(), (MaxTurnover(0.2),), (MaxVolatility(0.3), MaxWeight(0.2))], ids=len
)
def test_where_nothing_earns_more_than_cash_the_answer_is_the_least_variance(market, limits):
    made = market(2, 4)
    decision = with_returns(made, 2, cash=0.5)
    found = Optimizer(MaximumSharpe(), limits, COST).compile(made.assets).solve(decision)
    least = Optimizer(MinimumVariance(), limits).compile(made.assets).solve(decision)
    assert found.status == "cash"
    assert found.weights.to_numpy() == pytest.approx(least.weights.to_numpy(), abs=1e-9)


def test_costs_can_leave_nothing_that_earns_more_than_cash(market):
    made = market(2, 4)
    decision = with_returns(made, 2, mean=0.1, current=pd.Series({"CASH": 1.0}))
    ruinous = ProportionalCost(fee_bps=4000.0)
    found = Optimizer(MaximumSharpe(), (), ruinous).compile(made.assets).solve(decision)
    assert found.status == "cash"
    assert found.weights["CASH"] == pytest.approx(1.0, abs=1e-4)


def test_where_limits_conflict_as_well_the_least_variance_comes_with_the_least_violation(market):
    made = market(2, 4)
    decision = with_returns(made, 2, cash=0.5)
    limits = (MaxTurnover(0.01), MinCash(0.9))
    found = Optimizer(MaximumSharpe(), limits).compile(made.assets).solve(decision)
    least = Optimizer(MinimumVariance(), limits).compile(made.assets).solve(decision)
    assert found.status == "relaxed"
    assert found.relaxed == least.relaxed
    assert (found.weights == least.weights).all()


def test_without_cash_no_positive_return_is_an_error_that_says_what_to_do(market):
    made = market(2, 4)
    decision = with_returns(made, 2, mean=-0.5, current=None, target=None)
    returns = decision.expected_returns.drop("CASH")
    program = Optimizer(MaximumSharpe(), (MaxWeight(0.5),)).compile(made.risky)
    with pytest.raises(DataError, match="no portfolio is expected to earn anything"):
        program.solve(replace(decision, expected_returns=returns))


def test_a_conflict_is_relaxed_before_the_ratio_is_looked_for(market):
    made = market(3, 4)
    decision = with_returns(made, 3, current=None)
    limits = (MinCash(0.6), MaxSleeveWeight("cash", 0.4))
    found = Optimizer(MaximumSharpe(), limits).compile(made.assets).solve(decision)
    assert found.status == "relaxed"
    alone = Optimizer(MaximumSharpe(), ()).compile(made.assets).solve(decision)
    assert ratio(found.weights, decision) == pytest.approx(ratio(alone.weights, decision), rel=1e-6)


def test_the_price_of_a_limit_is_the_return_that_more_room_is_worth(market):
    made = market(4, 5)
    decision = with_returns(made, 4, current=None, target=None)
    returns = decision.expected_returns.drop("CASH")
    decision = replace(decision, expected_returns=returns)
    program = Optimizer(MaximumSharpe(), (MaxWeight(0.3),)).compile(made.risky)
    prices = program.shadow_prices(decision)
    assert set(prices) == {"MaxWeight"}
    wider = Optimizer(MaximumSharpe(), (MaxWeight(0.301),)).compile(made.risky)
    ratios, weights = [], None
    for each in (program, wider):
        weights = each.solve(decision).weights
        risk = np.sqrt(weights @ decision.covariance @ weights)
        ratios.append(weights @ returns / risk)
    gained = (ratios[1] - ratios[0]) * risk / 0.001
    assert prices["MaxWeight"] > 0.0
    assert prices["MaxWeight"] == pytest.approx(gained, rel=0.02)
