"""Risk budgets are met exactly where nothing binds, and reported where limits allow less."""

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError
from toolkit.optimize import (
    MaxVolatility,
    MaxWeight,
    MinCash,
    Optimizer,
    ProportionalCost,
    RiskBudget,
    TrackTarget,
)
from toolkit.optimize.risk_budget import budgeted_weights
from toolkit.universe import Sleeve


def shares(weights, covariance):
    names = list(covariance)
    parts = weights[names] * (covariance @ weights[names])
    return parts / parts.sum()


@pytest.mark.parametrize("seed", range(60))
def test_budgets_are_met_to_rounding_whatever_the_volatilities(seed):
    draw = np.random.default_rng(seed)
    size = int(draw.integers(1, 25))
    moves = draw.normal(size=(2 * size + 1, size)) + 2.0 * draw.normal() * draw.normal(
        size=(2 * size + 1, 1)
    )
    moves[:, size // 2 :] *= draw.choice([-1.0, 1.0])
    moves *= 10.0 ** draw.uniform(-4.0, 1.0, size)
    covariance = moves.T @ moves / len(moves)
    budgets = draw.random(size) ** 2 + 1e-4
    weights = budgeted_weights(covariance, budgets)
    parts = weights * (covariance @ weights)
    assert weights.min() > 0.0
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert parts / parts.sum() == pytest.approx(budgets / budgets.sum(), abs=1e-9)


def test_assets_contribute_their_budgets(market):
    made = market(1, 5)
    budgets = dict(zip(made.risky, (3.0, 1.0, 1.0, 2.0, 1.0), strict=True))
    decision = made.decision(target=pd.Series(0.15, made.risky))
    found = Optimizer(RiskBudget(budgets)).compile(made.assets).solve(decision)
    assert found.weights["CASH"] == pytest.approx(0.25, abs=1e-12)
    told = shares(found.weights, decision.covariance)
    assert told.to_numpy() == pytest.approx(np.array([3, 1, 1, 2, 1]) / 8.0, abs=1e-9)
    reported = {name: found.achieved[f"risk contribution of {name}"] for name in made.risky}
    assert reported == pytest.approx(told.to_dict(), abs=1e-12)


def test_sleeves_contribute_theirs_in_equal_parts_of_their_assets(market):
    made = market(2, 8)
    sleeve = {asset.id: asset.memberships[0].sleeve for asset in made.assets}
    first, second = sleeve[made.risky[0]], sleeve[made.risky[1]]
    objective = RiskBudget(sleeves={first: 0.7, second: 0.3})
    decision = made.decision(target=None, current=None)
    found = Optimizer(objective).compile(made.assets).solve(decision)
    told = shares(found.weights, decision.covariance)
    for wanted, budget in ((first, 0.7), (second, 0.3)):
        inside = told[[name for name in made.risky if sleeve[name] is wanted]]
        assert inside.sum() == pytest.approx(budget, abs=1e-9)
        assert np.ptp(inside) == pytest.approx(0.0, abs=1e-9)
    outside = [name for name in made.risky if sleeve[name] not in (first, second)]
    assert (found.weights[outside] == 0.0).all()
    assert Sleeve.CASH not in (first, second)


@pytest.mark.parametrize("cost", [None, ProportionalCost()], ids=["free", "dear"])
def test_under_limits_the_budgeted_weights_are_tracked_and_what_came_of_it_is_told(market, cost):
    made = market(3, 6)
    decision = made.decision(target=pd.Series(1.0 / 6.0, made.risky))
    free = Optimizer(RiskBudget()).compile(made.assets).solve(decision).weights
    limits = (
        MaxWeight(0.8 * float(free[made.risky].max())),
        MinCash(0.05),
        MaxVolatility(
            0.9 * float(np.sqrt(free[made.risky] @ decision.covariance @ free[made.risky]))
        ),
    )
    found = Optimizer(RiskBudget(), limits, cost).compile(made.assets).solve(decision)
    assert found.status == "optimal"
    assert found.certificate.worst_residual <= 1e-6
    told = shares(found.weights, decision.covariance)
    for name in made.risky:
        assert found.achieved[f"risk contribution of {name}"] == pytest.approx(told[name])
    assert sum(found.achieved.values()) == pytest.approx(1.0)
    assert np.abs(told - 1.0 / 6.0).max() > 1e-3
    # The same as tracking those weights as a target.
    tracked = Optimizer(TrackTarget(), limits, cost).compile(made.assets)
    other = tracked.solve(
        made.decision(target=free, current=decision.current, covariance=decision.covariance)
    )
    assert found.weights.to_numpy() == pytest.approx(other.weights.to_numpy(), abs=1e-5)


def test_the_target_says_who_has_a_budget_and_how_much_is_invested(market):
    made = market(4, 4)
    target = pd.Series(dict(zip(made.risky, (0.3, 0.0, 0.2, 0.1), strict=True)))
    decision = made.decision(target=target, current=None)
    found = Optimizer(RiskBudget()).compile(made.assets).solve(decision)
    assert found.weights[made.risky[1]] == 0.0
    assert found.weights["CASH"] == pytest.approx(0.4, abs=1e-12)
    told = shares(found.weights, decision.covariance)
    assert told[told > 0.0].to_numpy() == pytest.approx([1.0 / 3.0] * 3, abs=1e-9)


def test_a_budget_without_an_asset_that_can_hold_it_is_told(market):
    made = market(5, 5)
    first, second, third = made.risky[:3]
    decision = made.decision(target=pd.Series(0.2, [first, second]))
    objective = RiskBudget({first: 1.0, second: 1.0, third: 2.0})
    found = Optimizer(objective).compile(made.assets).solve(decision)
    told = {name: found.achieved[f"risk contribution of {name}"] for name in (first, second, third)}
    assert told == pytest.approx({first: 0.5, second: 0.5, third: 0.0}, abs=1e-9)


def test_a_budgeted_sleeve_tells_its_contribution_even_where_nothing_of_it_is_held(market):
    made = market(6, 8)
    sleeve = {asset.id: asset.memberships[0].sleeve for asset in made.assets}
    first, second = sleeve[made.risky[0]], sleeve[made.risky[1]]
    inside = [name for name in made.risky if sleeve[name] is first]
    decision = made.decision(target=pd.Series(0.3, inside))
    objective = RiskBudget(sleeves={first: 0.5, second: 0.5})
    found = Optimizer(objective).compile(made.assets).solve(decision)
    assert found.achieved[f"risk contribution of {first.value}"] == pytest.approx(1.0)
    assert found.achieved[f"risk contribution of {second.value}"] == 0.0


@pytest.mark.parametrize("cash", [True, False])
def test_a_target_without_any_budgeted_asset_is_refused(market, cash):
    made = market(7, 4)
    wanted, other = made.risky[:2]
    program = Optimizer(RiskBudget({other: 1.0})).compile(made.assets if cash else made.risky)
    current = pd.Series(0.25, made.risky)
    decision = made.decision(target=pd.Series(1.0, [wanted]), current=current)
    with pytest.raises(DataError, match=f"budget: wanted are {wanted}"):
        program.solve(decision)


def test_who_has_no_covariance_yet_has_no_budget_and_the_rest_is_cash(market):
    made = market(8, 4)
    known, unknown = made.risky[:2], made.risky[2]
    covariance = made.covariance().loc[known, known]
    decision = made.decision(target=pd.Series(0.5, [unknown]), current=None, covariance=covariance)
    found = Optimizer(RiskBudget()).compile(made.assets).solve(decision)
    assert found.weights["CASH"] == pytest.approx(1.0)
