import warnings
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from toolkit.optimize.coefficients import NotPolyhedral
from toolkit.optimize.standard import StandardProblem, Tail
from toolkit.optimize.tail import OPTIMAL, _probabilities, solve_tail


def loss_matrix(generator, scenarios, size):
    shocks = generator.standard_t(4, size=(scenarios, size)) * 0.015
    common = generator.standard_t(4, size=(scenarios, 1)) * 0.012
    return shocks * (0.3 + generator.random(size)) + common


def problem_of(seed, size=8, scenarios=120, level=0.95, **given):
    """Costs, a mean term, two groups and, in odd seeds, a turnover row; feasible by design."""
    generator = np.random.default_rng(seed)
    returns = loss_matrix(generator, scenarios, size)
    held, inside = generator.dirichlet(np.full(size, 0.7), size=2)
    members = np.zeros((2, size))
    members[np.arange(size) % 2, np.arange(size)] = 1.0
    turnover = np.full((seed % 2, size), 0.5)
    rows = np.concatenate((members, np.zeros_like(turnover)))
    absolute = np.concatenate((np.zeros_like(members), turnover))
    use = rows @ inside + absolute @ np.abs(inside - held)
    standard = {
        "quadratic": None,
        "linear": -returns.mean(axis=0) * generator.integers(0, 2),
        "rates": generator.choice([0.0, 1e-4, 1e-3], size),
        "constant": 0.01,
        "holdings": held,
        "lower": np.zeros(size),
        "upper": np.maximum(inside, 1.5 / size),
        "matrix": rows,
        "absolute": absolute,
        "bound": use + 0.02 * generator.random(len(use)),
        "tail": Tail(returns, level, 1.0 + 10.0 * generator.random()),
    }
    return StandardProblem(**{**standard, **given})


def shortfall(losses, level):
    """By walking down the sorted losses, each with the probability it still has in the tail."""
    left, total = 1.0 - level, 0.0
    for loss in sorted(losses, reverse=True):
        share = min(1.0 / len(losses), left)
        total, left = total + share * loss, left - share
    return total / (1.0 - level)


def value(problem, weights):
    tail = problem.tail
    return (
        problem.linear @ weights
        + problem.rates @ np.abs(weights - problem.holdings)
        + tail.factor * shortfall(-tail.scenarios @ weights, tail.level)
        + problem.constant
    )


def reference(problem):
    """The optimum by cvxpy, in the form it has for the mean of the worst."""
    tail, weights = problem.tail, cp.Variable(len(problem.linear))
    change = cp.abs(weights - problem.holdings)
    limits = [cp.sum(weights) == 1.0, weights >= problem.lower, weights <= problem.upper]
    if len(problem.bound):
        limits.append(problem.matrix @ weights + problem.absolute @ change <= problem.bound)
    worst = cp.cvar(-tail.scenarios @ weights, tail.level)
    total = problem.linear @ weights + problem.rates @ change + tail.factor * worst
    stated = cp.Problem(cp.Minimize(total), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        stated.solve(solver=cp.HIGHS)
    assert stated.status == cp.OPTIMAL
    return stated.value + problem.constant


def size_of(problem):
    return problem.tail.factor * max(np.abs(problem.tail.scenarios).mean(), 1e-9)


def assert_solved(problem):
    """Within the limits and proved optimal, with no word of the solver believed."""
    found = solve_tail(problem)
    weights = found.weights
    assert found.status == OPTIMAL
    assert abs(weights.sum() - 1.0) < 1e-9
    assert (weights >= problem.lower - 1e-9).all()
    assert (weights <= problem.upper + 1e-9).all()
    moved = np.abs(weights - problem.holdings)
    assert (problem.matrix @ weights + problem.absolute @ moved <= problem.bound + 1e-9).all()
    tail = found.prices.tail
    most = 1.0 / ((1.0 - problem.tail.level) * len(tail))
    assert tail.min() >= 0.0
    assert tail.max() <= most * (1.0 + 1e-9)
    assert tail.sum() == pytest.approx(1.0, abs=1e-12)
    assert (found.prices.rows >= 0.0).all()
    assert -1e-11 < found.proof[1] / size_of(problem) < 1e-9
    return found


@pytest.mark.parametrize("seed", range(60))
def test_the_optimum_is_that_of_cvxpy(seed):
    level = (0.95, 0.9, 0.99, 0.5)[seed % 4]
    problem = problem_of(seed, size=3 + seed % 10, scenarios=40 + 7 * seed, level=level)
    found = assert_solved(problem)
    assert value(problem, found.weights) == pytest.approx(
        reference(problem), abs=1e-8 * size_of(problem)
    )


@pytest.mark.parametrize(
    ("level", "scenarios"),
    [(0.95, 100), (0.95, 101), (0.75, 8), (0.9, 15), (0.99, 50), (0.0, 30), (0.999, 30)],
)
def test_a_tail_of_whole_or_broken_scenarios_counts_right(level, scenarios):
    problem = problem_of(3, scenarios=scenarios, level=level)
    found = assert_solved(problem)
    assert value(problem, found.weights) == pytest.approx(
        reference(problem), abs=1e-8 * size_of(problem)
    )


@pytest.mark.parametrize("seed", range(5))
def test_fewer_scenarios_than_assets_are_enough(seed):
    problem = problem_of(seed, size=40, scenarios=12, level=0.8)
    found = assert_solved(problem)
    assert value(problem, found.weights) == pytest.approx(
        reference(problem), abs=1e-8 * size_of(problem)
    )


def test_equal_scenarios_are_told_apart_from_none():
    problem = problem_of(4)
    once = problem.tail.scenarios
    for scenarios in (np.repeat(once, 3, axis=0), np.concatenate((once, once))):
        tripled = replace(problem, tail=replace(problem.tail, scenarios=scenarios))
        found = assert_solved(tripled)
        assert value(tripled, found.weights) == pytest.approx(
            value(problem, assert_solved(problem).weights), abs=1e-9 * size_of(problem)
        )
    rounded = replace(problem, tail=replace(problem.tail, scenarios=np.round(once, 2)))
    assert_solved(rounded)


def test_scenarios_without_any_loss_leave_costs_and_means():
    problem = problem_of(5)
    nothing = replace(problem, tail=replace(problem.tail, scenarios=np.zeros((30, 8))))
    found = solve_tail(nothing)
    assert found.status == OPTIMAL
    assert found.proof[1] < 1e-12


@pytest.mark.parametrize("seed", range(6))
def test_an_asset_that_cannot_move_keeps_its_weight(seed):
    problem = problem_of(seed)
    held = problem.holdings
    fixed = np.arange(8) < 3
    problem = replace(
        problem,
        lower=np.where(fixed, held, 0.0),
        upper=np.where(fixed, held, 1.0),
        bound=problem.bound + 1.0,
    )
    found = assert_solved(problem)
    assert found.weights[fixed] == pytest.approx(held[fixed], abs=1e-15)


@pytest.mark.parametrize("seed", range(3))
def test_where_nothing_can_move_what_is_held_is_the_optimum(seed):
    problem = problem_of(seed)
    held = problem.holdings
    problem = replace(problem, lower=held, upper=held, bound=problem.bound + 1.0)
    assert assert_solved(problem).weights == pytest.approx(held, abs=1e-15)


def test_cash_may_be_overdrawn_down_to_its_bound():
    problem = problem_of(2)
    scenarios = np.abs(problem.tail.scenarios)  # Every asset only gains, so cash is worst.
    scenarios[:, -1] = 0.0
    lower, upper = np.zeros(8), np.ones(8)
    lower[-1] = -0.3
    problem = replace(
        problem,
        tail=replace(problem.tail, scenarios=scenarios),
        rates=np.zeros(8),
        lower=lower,
        upper=upper,
        bound=problem.bound + 2.0,
    )
    assert assert_solved(problem).weights[-1] == pytest.approx(-0.3, abs=1e-9)


@pytest.mark.parametrize("held", ["nothing", "everything in one", "above the caps", "at the caps"])
def test_the_start_changes_the_way_not_the_optimum(held):
    size, cap = 12, 0.15
    holdings = {
        "nothing": np.zeros(size),
        "everything in one": np.eye(size)[5],
        "above the caps": np.repeat((0.2, 0.0), (5, 7)),
        "at the caps": np.repeat((cap, 0.1, 0.0), (6, 1, 5)),
    }[held]
    problem = problem_of(
        8,
        size=size,
        scenarios=300,
        rates=np.zeros(size),
        holdings=holdings,
        upper=np.full(size, cap),
        bound=np.full(2, 0.6),
    )
    found = assert_solved(problem)
    equal = replace(problem, holdings=np.full(size, 1.0 / size))
    assert value(problem, found.weights) == pytest.approx(
        value(problem, assert_solved(equal).weights), abs=1e-9 * size_of(problem)
    )


@pytest.mark.parametrize("factor", [1e-8, 1e-3, 1e4])
def test_the_unit_of_the_objective_changes_no_weight(factor):
    problem = problem_of(7)
    tail = replace(problem.tail, factor=factor * problem.tail.factor)
    scaled = replace(
        problem, linear=factor * problem.linear, rates=factor * problem.rates, tail=tail
    )
    found = assert_solved(replace(scaled, constant=0.0))
    assert found.weights == pytest.approx(assert_solved(problem).weights, abs=1e-9)


@pytest.mark.parametrize("seed", range(8))
def test_the_order_of_scenarios_and_assets_changes_nothing(seed):
    problem = problem_of(seed, size=10, scenarios=200)
    generator = np.random.default_rng(seed)
    places, days = generator.permutation(10), generator.permutation(200)
    shuffled = replace(
        problem,
        **{
            name: getattr(problem, name)[..., places]
            for name in ("linear", "rates", "holdings", "lower", "upper", "matrix", "absolute")
        },
        tail=replace(problem.tail, scenarios=problem.tail.scenarios[days][:, places]),
    )
    there, back = assert_solved(problem).weights, np.zeros(10)
    back[places] = assert_solved(shuffled).weights
    assert back == pytest.approx(there, abs=1e-9)


def test_what_was_solved_before_changes_no_bit():
    first, other = problem_of(1, scenarios=300), problem_of(2, size=30, scenarios=90)
    alone = solve_tail(first)
    solve_tail(other)
    solve_tail(replace(first, bound=first.bound - 5.0))
    again = solve_tail(first)
    assert (again.weights == alone.weights).all()
    assert (again.prices.tail == alone.prices.tail).all()
    assert (again.prices.rows == alone.prices.rows).all()
    assert again.prices.budget == alone.prices.budget
    assert again.iterations == alone.iterations


def test_a_limit_is_priced_at_what_it_is_worth():
    problem = problem_of(6, rates=np.zeros(8), upper=np.ones(8), scenarios=400)
    problem = replace(problem, bound=np.array([0.3, 1.0]))
    found = assert_solved(problem)
    price, step = found.prices.rows[0], 1e-6
    tighter = replace(problem, bound=problem.bound - (step, 0.0))
    dearer = value(tighter, assert_solved(tighter).weights) - value(problem, found.weights)
    assert price > 0.0
    assert dearer / step == pytest.approx(price, rel=1e-5)


def test_limits_that_conflict_are_called_infeasible():
    problem = problem_of(2)
    found = solve_tail(replace(problem, bound=np.full(2, 0.49)))
    assert "infeasible" in found.status
    assert (found.weights == problem.holdings).all()


@pytest.mark.parametrize("upper", [0.1, -0.1])
def test_bounds_that_leave_no_portfolio_are_called_infeasible(upper):
    assert "infeasible" in solve_tail(problem_of(2, upper=np.full(8, upper))).status


def test_a_problem_without_tail_or_with_a_quadratic_part_is_refused():
    for other in ({"tail": None}, {"quadratic": np.eye(8)}):
        with pytest.raises(NotPolyhedral):
            solve_tail(problem_of(1, **other))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 3.0])
def test_multipliers_become_probabilities_of_a_tail_whatever_they_were(scale):
    most = 0.04
    values = scale * np.random.default_rng(1).dirichlet(np.ones(100)) - 0.001
    shares = _probabilities(values, most)
    assert shares.sum() == pytest.approx(1.0, abs=1e-14)
    assert shares.min() >= 0.0
    assert shares.max() <= most * (1.0 + 1e-12)
