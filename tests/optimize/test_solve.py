from dataclasses import replace

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError
from toolkit.optimize import (
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)
from toolkit.universe import MINERS, Sleeve

FREE = ProportionalCost(fee_bps=0.0, half_spread_bps=0.0, slippage_bps=0.0)
DEAR = ProportionalCost(fee_bps=20.0, half_spread_bps=10.0, slippage_bps=10.0)


def five(weight=0.3, miners=0.4, cash=0.02, turnover=0.3, volatility=0.4):
    return (
        MaxWeight(weight),
        MaxSleeveWeight(MINERS, miners),
        MinCash(cash),
        MaxTurnover(turnover),
        MaxVolatility(volatility),
    )


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    size=st.integers(2, 12),
    caps=st.tuples(*[st.floats(0.05, 0.9)] * 2, st.floats(0.0, 0.5), *[st.floats(0.05, 0.9)] * 2),
    dear=st.booleans(),
)
def test_every_limit_holds_or_its_slack_is_reported(market, volatility, seed, size, caps, dear):
    made = market(seed, size)
    limits = five(*caps)
    decision = made.decision()
    program = Optimizer(TrackTarget(), limits, DEAR if dear else None).compile(made.assets)
    found = program.solve(decision)
    weights = found.weights
    changes = sum(abs(weights[name] - decision.current[name]) for name in made.ids)
    excess = {
        limits[0].name: max(weights[name] for name in made.risky) - caps[0],
        limits[1].name: made.sleeve_weight(weights, MINERS) - caps[1],
        limits[2].name: caps[2] - weights["CASH"],
        limits[3].name: changes / 2 - caps[3],
        limits[4].name: volatility(weights, decision.covariance) - caps[4],
    }
    assert sum(weights) == pytest.approx(1.0, abs=1e-9)
    assert min(weights) >= 0.0
    for name, beyond in excess.items():
        assert beyond <= found.relaxed.get(name, 0.0) + 1e-6
        assert beyond == pytest.approx(found.relaxed.get(name, min(beyond, 1e-6)), abs=2e-6)
        unit = caps[4] if name == "MaxVolatility" else 1.0
        assert (name in found.binding) == (beyond >= -1e-6 * unit)


def restated(made, decision, caps, cost):
    """The problem in other words, solved by another solver: its value."""
    weights = cp.Variable(len(made.ids))
    covariance = decision.covariance.to_numpy()
    root = np.linalg.cholesky(covariance).T
    deviation = weights - decision.target.to_numpy()
    mining = [asset.memberships[0].sleeve in MINERS for asset in made.assets]
    variance = np.trace(covariance) / len(covariance)
    value = 2.5 * cp.sum_squares(root @ deviation[:-1])
    value += 2.5 * 0.05 * variance * cp.sum_squares(deviation)
    trades = weights - decision.current.to_numpy()
    rates = cost.rates()
    value += (rates.fee + rates.slippage) * cp.norm1(trades[:-1])
    limits = [
        weights >= 0,
        cp.sum(weights) == 1,
        cp.max(weights[:-1]) <= caps[0],
        np.array(mining, dtype=float) @ weights <= caps[1],
        weights[-1] >= caps[2],
        cp.norm1(trades) <= 2 * caps[3],
        cp.norm2(root @ weights[:-1]) <= caps[4],
    ]
    problem = cp.Problem(cp.Minimize(value), limits)
    problem.solve(solver=cp.SCS, eps_abs=1e-10, eps_rel=1e-10, max_iters=200_000)
    return problem.value


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_that_of_another_statement_and_solver(market, seed):
    made = market(seed, 8)
    caps = (0.3, 0.4, 0.02, 0.6, 0.25 + 0.05 * (seed % 4))
    decision = made.decision()
    found = Optimizer(TrackTarget(), five(*caps), DEAR).compile(made.assets).solve(decision)
    assert found.status == "optimal"
    expected = restated(made, decision, caps, DEAR)
    assert found.certificate.optimum == pytest.approx(expected, rel=1e-6)
    # It covers what rounding weights to their bounds and to holdings added.
    assert found.certificate.gap <= 2e-8 * expected


def test_one_asset_follows_the_closed_form(market):
    made = market(1, 1)
    asset = made.risky[0]
    covariance = pd.DataFrame(0.36, [asset], [asset])
    decision = made.decision(
        target=pd.Series({asset: 0.6}), current=pd.Series({asset: 0.2}), covariance=covariance
    )
    found = Optimizer(TrackTarget(5.0, 0.05), (), DEAR).compile(made.assets).solve(decision)
    short_of_target = 40e-4 / (5.0 * 0.36 * (1.0 + 2.0 * 0.05))
    assert found.weights[asset] == pytest.approx(0.6 - short_of_target, abs=1e-7)


@pytest.mark.parametrize("cost", [None, FREE])
def test_a_feasible_target_is_the_answer_where_trading_is_free(market, cost):
    made = market(3, 6)
    target = pd.Series(1.0 / 7.0, made.ids)
    found = (
        Optimizer(TrackTarget(), five(miners=0.9, turnover=1.0, volatility=2.0), cost)
        .compile(made.assets)
        .solve(made.decision(target=target))
    )
    assert found.status == "target"
    assert (found.weights == target).all()
    assert found.certificate.objective == 0.0
    assert found.certificate.worst_residual <= 1e-9


@pytest.mark.parametrize("seed", range(6))
def test_the_same_target_twice_trades_nothing(market, seed):
    made = market(seed, 8)
    limits = five(turnover=1.0)
    program = Optimizer(TrackTarget(), limits, DEAR if seed % 2 else None).compile(made.assets)
    decision = made.decision()
    once = program.solve(decision)
    assert once.status == "optimal"
    again = program.solve(replace(decision, current=once.weights))
    assert (again.weights == once.weights).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_order_of_assets_changes_nothing(market, seed):
    made = market(seed, 9)
    decision = made.decision()
    optimizer = Optimizer(TrackTarget(), five(), DEAR)
    found = optimizer.compile(made.assets).solve(decision).weights
    shuffled = [made.assets[place] for place in made.random.permutation(len(made.assets))]
    order = [asset.id for asset in shuffled]
    rearranged = replace(
        decision,
        target=decision.target[order],
        covariance=decision.covariance.loc[made.risky[::-1], made.risky[::-1]],
    )
    other = optimizer.compile(shuffled).solve(rearranged).weights
    assert list(other.index) == order
    assert other[made.ids].to_numpy() == pytest.approx(found.to_numpy(), abs=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_the_volatility_limit_binds_exactly_when_it_should(market, volatility, seed):
    made = market(seed, 7)
    decision = made.decision()
    others = five(turnover=1.0)[:4]
    without = Optimizer(TrackTarget(), others, DEAR).compile(made.assets).solve(decision)
    free = volatility(without.weights, decision.covariance)
    for cap in (0.8 * free, 1.01 * free):
        limits = (*others, MaxVolatility(cap))
        found = Optimizer(TrackTarget(), limits, DEAR).compile(made.assets).solve(decision)
        reached = volatility(found.weights, decision.covariance)
        assert found.values["MaxVolatility"] == pytest.approx(reached, abs=1e-12)
        if cap < free:
            # Small trades are left out afterwards, so the cap need not be met to the last digit.
            assert cap - 1e-4 <= reached <= cap + 1e-6
        else:
            assert "MaxVolatility" not in found.binding
            assert found.weights.to_numpy() == pytest.approx(without.weights.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("exponent", [-8, -4, -1, 2, 4])
def test_the_unit_of_the_covariance_changes_nothing_without_costs(market, exponent):
    made = market(5, 8)
    decision = made.decision()
    program = Optimizer(TrackTarget(), five()[:4]).compile(made.assets)
    scaled = replace(decision, covariance=decision.covariance * 10.0**exponent)
    expected = program.solve(decision)
    assert expected.status == "optimal"
    found = program.solve(scaled)
    assert found.weights.to_numpy() == pytest.approx(expected.weights.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("factor", [1e-4, 1e3])
def test_risk_aversion_and_caps_scaled_along_with_the_covariance_change_nothing(market, factor):
    made = market(8, 8)
    decision = made.decision()
    expected = Optimizer(TrackTarget(5.0), five(), DEAR).compile(made.assets).solve(decision)
    found = (
        Optimizer(TrackTarget(5.0 / factor), five(volatility=0.4 * factor**0.5), DEAR)
        .compile(made.assets)
        .solve(replace(decision, covariance=decision.covariance * factor))
    )
    assert found.weights.to_numpy() == pytest.approx(expected.weights.to_numpy(), abs=1e-6)


def test_duplicates_of_an_asset_stay_on_their_targets(market):
    made = market(2, 4)
    covariance = made.covariance()
    twin, original = made.risky[0], made.risky[1]
    covariance.loc[twin] = covariance.loc[original]
    covariance[twin] = covariance[original]
    covariance.loc[twin, twin] = covariance.loc[original, original]
    target = pd.Series({twin: 0.3, original: 0.1, made.risky[2]: 0.5})
    decision = made.decision(target=target, covariance=covariance, current=None)
    found = Optimizer(TrackTarget(), (MaxWeight(0.35),)).compile(made.assets).solve(decision)
    weights = found.weights
    assert weights[twin] - weights[original] == pytest.approx(0.2, abs=1e-6)


def test_more_risk_aversion_pays_for_coming_nearer_to_the_target(market):
    made = market(4, 6)
    decision = made.decision()
    away = []
    for aversion in (0.1, 1.0, 10.0):
        program = Optimizer(TrackTarget(aversion), (), DEAR).compile(made.assets)
        away.append(np.abs(program.solve(decision).weights - decision.target).sum())
    assert away[0] > away[1] > away[2]


def test_small_trades_are_left_out_and_the_rest_goes_to_cash(market):
    made = market(6, 5)
    names = made.risky
    current = pd.Series(dict(zip(names, (0.1, 0.1, 0.15, 0.25, 0.1), strict=True)))
    target = current + pd.Series(dict(zip(names, (4e-5, -6e-5, 3e-5, 0.2, 0.0), strict=True)))
    diagonal = pd.DataFrame(np.diag([0.2] * 5), names, names)
    decision = made.decision(target=target, current=current, covariance=diagonal)
    found = Optimizer(TrackTarget(), (MaxWeight(0.4499),)).compile(made.assets).solve(decision)
    trades = found.weights[names] - current
    assert set(np.flatnonzero(trades)) == {3}
    assert found.weights["CASH"] == pytest.approx(1.0 - found.weights[names].sum(), abs=1e-15)
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-15)


def test_a_small_trade_that_a_limit_needs_is_made(market):
    made = market(6, 4)
    names = made.risky
    current = pd.Series(dict(zip(names, (0.3 + 5e-5, 0.2, 0.2, 0.2), strict=True)))
    decision = made.decision(target=current, current=current)
    found = Optimizer(TrackTarget(), (MaxWeight(0.3),)).compile(made.assets).solve(decision)
    assert found.weights[names[0]] == pytest.approx(0.3, abs=1e-6)
    assert (found.weights[names[1:]] == current[names[1:]]).all()


def test_without_cash_the_weights_sum_to_one_and_small_trades_go_to_the_others(market):
    made = market(7, 5)
    names = made.risky
    current = pd.Series([0.2, 0.2, 0.2, 0.2, 0.2], names)
    target = pd.Series([0.55, 0.05, 0.2 + 5e-5, 0.2 - 5e-5, 0.0], names)
    diagonal = pd.DataFrame(np.diag([0.2] * 5), names, names)
    decision = made.decision(target=target, current=current, covariance=diagonal)
    found = Optimizer(TrackTarget(), (MaxWeight(0.5),)).compile(names).solve(decision)
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert found.weights[names[0]] == pytest.approx(0.5, abs=1e-6)
    assert set(found.weights.index) == set(names)
    first = Optimizer(TrackTarget(), (MaxWeight(0.5),)).compile(names)
    assert first.solve(replace(decision, current=None)).weights.sum() == pytest.approx(1.0)


def test_a_first_investment_does_not_count_as_turnover(market):
    made = market(8, 6)
    target = pd.Series(0.15, made.risky)
    program = Optimizer(TrackTarget(), (MaxTurnover(0.05),)).compile(made.assets)
    found = program.solve(made.decision(target=target, current=None))
    assert found.weights[made.risky].to_numpy() == pytest.approx(0.15)
    assert found.values["MaxTurnover"] == pytest.approx(0.0, abs=1e-12)
    later = program.solve(made.decision(target=target, current=pd.Series({"CASH": 1.0})))
    assert later.values["MaxTurnover"] == pytest.approx(0.05, abs=1e-6)
    assert later.weights["CASH"] == pytest.approx(0.95, abs=1e-6)


def test_investing_the_proceeds_of_a_closing_does_not_count_as_turnover(market):
    made = market(9, 3)
    first, second, third = made.risky
    current = pd.Series({first: 0.4, second: 0.3, third: 0.0, "CASH": 0.3})
    program = Optimizer(TrackTarget(), (MaxTurnover(0.1),)).compile(made.assets)
    into_third = pd.Series({first: 0.4, second: 0.3, third: 0.3})
    bought = program.solve(made.decision(target=into_third, current=current, proceeds=0.3))
    assert bought.weights[third] == pytest.approx(0.3)
    assert bought.values["MaxTurnover"] == pytest.approx(0.0, abs=1e-12)
    capped = program.solve(made.decision(target=into_third, current=current))
    assert capped.values["MaxTurnover"] == pytest.approx(0.1, abs=1e-6)
    # Selling one for another is a choice; proceeds that stay in cash do not pay for it.
    swap = pd.Series({first: 0.2, second: 0.5, third: 0.0})
    keep = Optimizer(TrackTarget(), (MaxTurnover(0.1), MinCash(0.3))).compile(made.assets)
    swapped = keep.solve(made.decision(target=swap, current=current, proceeds=0.3))
    assert swapped.weights[second] - 0.3 == pytest.approx(0.1, abs=1e-6)


def test_costs_hold_back_trades_that_are_not_worth_it(market):
    made = market(10, 5)
    current = made.weights()
    target = current.copy()
    target.iloc[0] -= 0.004
    target.iloc[1] += 0.004
    decision = made.decision(target=target.clip(lower=0.0) / target.clip(lower=0.0).sum())
    decision = replace(decision, current=current)
    ruinous = ProportionalCost(fee_bps=2000.0)
    found = Optimizer(TrackTarget(), (), ruinous).compile(made.assets).solve(decision)
    assert found.weights.to_numpy() == pytest.approx(current.to_numpy(), abs=1e-12)


def test_sleeve_limits_follow_the_membership_of_the_session(market):
    from datetime import date

    from toolkit.universe import Asset, Membership

    moving = Asset(
        "IREN",
        (
            Membership(Sleeve.LEGACY_MINERS, date(2015, 1, 1)),
            Membership(Sleeve.PIVOTING_MINERS, date(2022, 6, 1)),
        ),
    )
    cash = Asset("CASH", (Membership(Sleeve.CASH, date(2015, 1, 1)),))
    limits = (MaxSleeveWeight(Sleeve.PIVOTING_MINERS, 0.1),)
    program = Optimizer(TrackTarget(), limits).compile([moving, cash])
    covariance = pd.DataFrame(0.5, ["IREN"], ["IREN"])
    made = market(0, 1)
    weight = {}
    for day in ("2022-05-31", "2022-06-01"):
        decision = made.decision(
            session=pd.Timestamp(day),
            target=pd.Series({"IREN": 0.5}),
            current=None,
            covariance=covariance,
        )
        weight[day] = program.solve(decision).weights["IREN"]
    assert weight["2022-05-31"] == 0.5
    assert weight["2022-06-01"] == pytest.approx(0.1, abs=1e-6)


def test_limits_that_speak_of_what_is_not_there_are_refused(market):
    made = market(0, 3)
    names = made.risky
    for limit in (MaxSleeveWeight(Sleeve.BITCOIN, 0.5), MinCash(0.1)):
        with pytest.raises(ConfigError, match="Compile the optimizer for assets of a universe"):
            Optimizer(TrackTarget(), (limit,)).compile(names)
    with pytest.raises(ConfigError, match="A0 more than once"):
        Optimizer(TrackTarget()).compile(["A0", "A1", "A0"])
    with pytest.raises(ConfigError, match="MaxWeight more than once"):
        Optimizer(TrackTarget(), (MaxWeight(0.1), MaxWeight(0.2)))
