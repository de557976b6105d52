"""The solver is shown few moves; the answer is the one that it finds when shown all."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.optimize import (
    Decision,
    MaxSleeveWeight,
    MaxTurnover,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinimumVariance,
    Optimizer,
    ProportionalCost,
    TrackTarget,
    quadratic,
)
from toolkit.optimize.moves import Moves
from toolkit.optimize.quadratic import SOLVED, solve_quadratic
from toolkit.optimize.standard import StandardProblem
from toolkit.universe import Asset, Membership, Sleeve

GROUPS = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH][:4]


def problem_of(seed, size, priced=True, turnover=False, outside=True, tight=False):
    """A random problem: some holdings are outside their bounds, some cost nothing to trade."""
    draw = np.random.default_rng(seed)
    moves = draw.normal(size=(2 * size, size)) + draw.normal(size=(2 * size, 1))
    held = draw.dirichlet(np.full(size, 0.7))
    cap = max(1.5 / size, float(np.quantile(held, 0.8 if outside else 1.0)))
    upper = np.full(size, min(1.0, cap))
    lower = np.where(draw.random(size) < 0.1, 0.2 * upper, 0.0)
    rates = np.where(draw.random(size) < 0.2, 0.0, 0.02 * draw.random(size)) * priced
    groups = np.array([np.arange(size) % 3 == group for group in range(3)], dtype=float)
    bound = np.full(3, 0.36 if tight else 0.6)
    absolute = np.zeros((3, size))
    if turnover:
        groups = np.concatenate((groups, np.zeros((1, size))))
        absolute = np.concatenate((absolute, np.full((1, size), 0.5)))
        bound = np.append(bound, 0.3)
    return StandardProblem(
        quadratic=moves.T @ moves / len(moves),
        linear=0.1 * draw.normal(size=size),
        rates=rates,
        constant=0.0,
        holdings=held,
        lower=lower,
        upper=upper,
        matrix=groups,
        absolute=absolute,
        bound=bound,
    )


def shown_all(problem, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(quadratic, "_ROUNDS", 0)
        return solve_quadratic(problem, 1.0)


def moves_seen(monkeypatch):
    """How many moves each call of the solver is shown."""
    solved, seen = quadratic.active_set, []

    def counted(*given):
        seen.append(len(given[1]))
        return solved(*given)

    monkeypatch.setattr(quadratic, "active_set", counted)
    return seen


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    size=st.integers(1, 40),
    priced=st.booleans(),
    turnover=st.booleans(),
    outside=st.booleans(),
    tight=st.booleans(),
)
def test_few_moves_lead_where_all_lead(seed, size, priced, turnover, outside, tight):
    problem = problem_of(seed, size, priced, turnover, outside, tight)
    with pytest.MonkeyPatch.context() as patch:
        whole = shown_all(problem, patch)
    found = solve_quadratic(problem, 1.0)
    assert (found.status in SOLVED) == (whole.status in SOLVED)
    if whole.status not in SOLVED:
        assert problem.impossible or problem.empty(found.prices)
        return
    assert found.weights == pytest.approx(whole.weights, abs=1e-6)
    assert found.proof[1] == pytest.approx(0.0, abs=1e-8)
    assert problem.value(found.weights) == pytest.approx(problem.value(whole.weights), abs=1e-8)
    assert (problem.matrix @ found.weights <= problem.bound + 1e-8)[:3].all()


def test_where_trading_is_dear_nobody_trades_and_the_solver_sees_few(monkeypatch):
    problem = replace(problem_of(1, 100, outside=False), rates=np.full(100, 10.0))
    problem = replace(problem, lower=np.zeros(100), upper=np.ones(100), bound=np.ones(3))
    seen = moves_seen(monkeypatch)
    found = solve_quadratic(problem, 1.0)
    assert found.weights == pytest.approx(problem.holdings, abs=1e-9)
    assert (found.weights == problem.holdings).sum() > 60
    assert max(seen) < len(Moves(problem)) / 4


def test_a_trade_that_gains_next_to_nothing_is_found_behind_weights_with_no_room(monkeypatch):
    """These promise more and can hardly move; it gains a few hundred-millionths of the unit."""
    size, rate, trade = 60, 0.01, 1e-4
    held = np.full(size, 1.0 / size)
    room = np.full(size, 2e-13)
    room[:3] = 0.01, 0.01, 1.5 * trade
    curvature, slopes = np.ones(size), np.linspace(-0.05, 0.05, size)
    # A pair that trades in any case sets the price of the budget, to nothing at first.
    curvature[:2], slopes[:3] = 10.0, (-0.1, 0.1, -rate - 6.0 * trade)
    problem = StandardProblem(
        quadratic=np.diag(curvature),
        linear=slopes - curvature * held,
        rates=np.full(size, rate),
        constant=0.0,
        holdings=held,
        lower=held - room,
        upper=held + room,
        matrix=np.zeros((0, size)),
        absolute=np.zeros((0, size)),
        bound=np.zeros(0),
    )
    seen = moves_seen(monkeypatch)
    found = solve_quadratic(problem, 1.0)
    assert max(seen) < size
    assert found.status in SOLVED
    assert found.weights[2] - held[2] == pytest.approx(trade, rel=1e-6)
    assert found.weights[3:] == pytest.approx(held[3:], abs=1e-12)


def test_without_costs_the_solver_sees_everything_once(monkeypatch):
    problem = problem_of(2, 30, priced=False)
    seen = moves_seen(monkeypatch)
    solve_quadratic(problem, 1.0)
    assert seen == [len(Moves(problem))]


def test_limits_that_no_portfolio_meets_are_proven_to_be_such():
    problem = replace(problem_of(4, 50), bound=np.full(3, 0.3))
    found = solve_quadratic(problem, 1.0)
    assert found.status not in SOLVED
    assert problem.empty(found.prices)
    assert not problem.empty(replace(found.prices, rows=0.0 * found.prices.rows, budget=0.0))


def test_multipliers_prove_nothing_about_limits_that_can_be_met():
    problem = problem_of(5, 50)
    draw = np.random.default_rng(5)
    for _ in range(200):
        prices = quadratic.Prices(draw.normal(), draw.exponential(size=len(problem.bound)))
        assert not problem.empty(prices)


def test_one_asset_and_assets_that_cannot_be_traded_have_an_answer(market):
    one = Optimizer(MinimumVariance(), (), ProportionalCost()).compile(["A"])
    covariance = pd.DataFrame([[0.04]], ["A"], ["A"])
    found = one.solve(Decision(pd.Timestamp("2021-03-05"), covariance=covariance))
    assert found.weights.tolist() == [1.0]
    made = market(7, 6)
    decision = made.decision(tradable=pd.Series(False, made.ids))
    program = Optimizer(MinimumVariance(), (), ProportionalCost()).compile(made.assets)
    still = program.solve(decision)
    assert still.weights.to_numpy() == pytest.approx(decision.current.to_numpy(), abs=1e-12)


@pytest.mark.parametrize("size", [5, 20, 60])
@pytest.mark.parametrize("cash", [True, False])
def test_programs_answer_as_if_the_solver_saw_all_moves(market, monkeypatch, size, cash):
    made = market(size, size)
    limits = (MaxWeight(max(0.08, 2.0 / size)), MaxSleeveWeight(GROUPS[0], 0.3), MaxTurnover(0.4))
    limits = (*limits, MinCash(0.02)) if cash else limits
    returns = pd.Series(np.linspace(-0.05, 0.2, size), made.risky)
    for seed in range(4):
        made.random = np.random.default_rng(seed)
        shares = pd.Series(made.random.dirichlet(np.ones(size)), made.risky)
        decision = made.decision(current=shares, target=shares, expected_returns=returns)
        for objective in (TrackTarget(), MeanVariance(2.0), MinimumVariance()):
            optimizer = Optimizer(objective, limits, ProportionalCost(20.0))
            assets = made.assets if cash else made.assets[:-1]
            found = optimizer.compile(assets).solve(decision)
            with monkeypatch.context() as patch:
                patch.setattr(quadratic, "_ROUNDS", 0)
                whole = optimizer.compile(assets).solve(decision)
            assert found.status == whole.status
            assert found.fallbacks == whole.fallbacks
            assert found.weights.to_numpy() == pytest.approx(whole.weights.to_numpy(), abs=1e-6)
            assert found.certificate.worst_residual <= 1e-6


def test_sleeves_are_those_of_the_day_though_rows_and_costs_are_kept():
    early, late = date(2010, 1, 1), date(2021, 1, 1)
    first, second = GROUPS[:2]
    moved = Asset("A", (Membership(first, early), Membership(second, late)))
    assets = [moved, *(Asset(name, (Membership(second, early),)) for name in "BCD")]
    limits = (MaxSleeveWeight(first, 0.1),)
    program = Optimizer(MinimumVariance(), limits, ProportionalCost()).compile(assets)
    covariance = pd.DataFrame(np.diag([0.01, 0.04, 0.04, 0.04]), list("ABCD"), list("ABCD"))
    even = pd.Series(0.25, list("ABCD"))
    weights = [
        program.solve(Decision(pd.Timestamp(day), current=even, covariance=covariance)).weights["A"]
        for day in ("2020-06-30", "2021-06-30", "2020-06-30")
    ]
    assert weights[0] == pytest.approx(0.1, abs=1e-6)
    assert weights[1] > 0.5
    assert weights[2] == weights[0]
