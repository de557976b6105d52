"""Costs as the optimizer counts them: the same formula everywhere, convex, spread over years."""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from toolkit.errors import ConfigError, DataError
from toolkit.optimize import (
    CostRates,
    MaximumSharpe,
    MaxTradingDays,
    MaxTurnover,
    MaxWeight,
    Measured,
    Optimizer,
    ProportionalCost,
    SquareRootCost,
    TrackTarget,
)
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.coefficients import CoefficientCandidate, NotPolyhedral
from toolkit.optimize.facts import facts_of
from toolkit.optimize.roster import Roster
from toolkit.optimize.symbolic import SymbolicCandidate

FREE = {"fee_bps": 0.0, "half_spread_bps": 0.0, "slippage_bps": 0.0}
ROOT = SquareRootCost(fee_bps=4.0, half_spread_bps=3.0, slippage_bps=1.0, impact=0.7)
WIDE = SquareRootCost(impact=0.9, estimated_spread=True, half_spread_bps=12.0)


def sized(made, equity=5e6, **given):
    """A decision with volumes, volatilities and spreads; those of the first asset are unknown."""
    random, names = made.random, made.risky
    volumes = pd.Series(10.0 ** random.uniform(5.0, 9.0, len(names)), names)
    volatilities = pd.Series(random.uniform(0.01, 0.1, len(names)), names)
    spreads = pd.Series(random.uniform(1e-4, 1e-2, len(names)), names)
    if len(names) > 2:
        volumes.iloc[0] = volatilities.iloc[1] = spreads.iloc[2] = np.nan
    standard = {"volumes": volumes, "volatilities": volatilities, "half_spreads": spreads}
    return made.decision(equity=equity, **{**standard, **given})


def plain(cost, decision, weights):
    """The cost in USD, written asset by asset."""
    total = 0.0
    for name, volatility in decision.volatilities.items():
        value = abs(weights[name] - decision.current[name]) * decision.equity
        spread = cost.half_spread_bps * 1e-4
        if cost.estimated_spread and not np.isnan(decision.half_spreads[name]):
            spread = decision.half_spreads[name]
        total += value * (cost.fee_bps * 1e-4 + cost.slippage_bps * 1e-4 + spread)
        volume = decision.volumes[name]
        if not (np.isnan(volume) or np.isnan(volatility)):
            total += cost.impact * volatility * value * (value / volume) ** 0.5
    return total


def measured(cost, made, decision, weights):
    roster = Roster(made.assets)
    return float(
        cost.cost(
            MeasuredCandidate(roster, facts_of(decision, roster), roster.floats(weights, "test"))
        )
    )


@pytest.mark.parametrize("cost", [ROOT, WIDE], ids=["impact", "estimated spread"])
@pytest.mark.parametrize("seed", range(4))
def test_the_cost_is_that_of_the_formula_and_the_same_for_the_solver(market, cost, seed):
    made = market(seed, 6)
    decision, weights = sized(made), made.weights()
    roster = Roster(made.assets)
    facts, row = facts_of(decision, roster), roster.floats(weights, "test")
    expected = plain(cost, decision, weights) / decision.equity
    assert measured(cost, made, decision, weights) == pytest.approx(expected, rel=1e-12)
    symbolic = SymbolicCandidate(roster)
    expression = cost.cost(symbolic)
    problem = cp.Problem(cp.Minimize(expression), [*symbolic.constraints, symbolic.weights == row])
    assert problem.is_dcp(dpp=True)
    for parameter, value in symbolic.values(facts).items():
        parameter.value = value
    problem.solve(solver=cp.CLARABEL)
    assert float(expression.value) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.0), scale=st.floats(1.5, 100.0))
def test_costs_are_convex_and_zero_without_a_trade_and_rise_with_capital(
    market, seed, share, scale
):
    made = market(seed, 5)
    decision = sized(made)
    one, other = made.weights(), made.weights()
    for cost in (ROOT, WIDE):
        a, b = (measured(cost, made, decision, each) for each in (one, other))
        between = measured(cost, made, decision, share * one + (1.0 - share) * other)
        assert min(a, b) >= 0.0
        assert between <= share * a + (1.0 - share) * b + 1e-15
        assert measured(cost, made, decision, decision.current) == 0.0
        larger = sized(
            made,
            scale * 5e6,
            volumes=decision.volumes,
            volatilities=decision.volatilities,
            half_spreads=decision.half_spreads,
            current=decision.current,
        )
        # The same weights of more capital: what is in proportion stays, impact grows by the root.
        fixed = measured(replace(cost, impact=0.0), made, decision, one)
        grown = measured(cost, made, larger, one)
        assert grown - fixed == pytest.approx((a - fixed) * scale**0.5, rel=1e-9)


def test_one_asset_follows_the_closed_form(market):
    made = market(1, 1)
    asset = made.risky[0]
    # Half of risk aversion * variance * (1 + half the ridge ...) against impact: a quadratic in the
    # root of the trade.
    decision = made.decision(
        target=pd.Series({asset: 0.6}),
        current=pd.Series({asset: 0.2}),
        covariance=pd.DataFrame(0.36, [asset], [asset]),
        equity=1e7,
        volumes=pd.Series({asset: 4e6}),
        volatilities=pd.Series({asset: 0.05}),
    )
    cost = SquareRootCost(**FREE, impact=1.0, holding_years=0.5)
    found = Optimizer(TrackTarget(5.0, 0.0), (), cost).compile(made.assets).solve(decision)
    # min 5/2 * 0.36 (0.4 - x)^2 + 2 * 0.05 * sqrt(10 / 4) x^(3/2): with r = sqrt(x),
    # 1.8 (0.4 - r^2) = 0.15 * sqrt(2.5) * r.
    slope = 0.15 * 2.5**0.5
    root = (-slope + (slope**2 + 4.0 * 1.8 * 0.72) ** 0.5) / (2.0 * 1.8)
    assert found.weights[asset] == pytest.approx(0.2 + root**2, abs=1e-7)


@pytest.mark.parametrize("seed", range(10))
def test_the_optimum_with_impact_is_that_of_another_statement_and_solver(market, seed):
    made = market(seed, 8)
    decision = sized(made)
    cost = SquareRootCost(fee_bps=6.0 * (seed % 2), half_spread_bps=0.0, slippage_bps=0.0,
                          impact=1.2, holding_years=0.25)  # fmt: skip
    limits = (MaxTurnover(0.4), MaxWeight(0.4)) if seed % 3 else ()
    found = Optimizer(TrackTarget(), limits, cost).compile(made.assets).solve(decision)
    weights = cp.Variable(9)
    covariance = decision.covariance.to_numpy()
    root = np.linalg.cholesky(covariance).T
    deviation = weights - decision.target.to_numpy()
    trades = weights - decision.current.to_numpy()
    value = 2.5 * cp.sum_squares(root @ deviation[:-1])
    value += 2.5 * 0.05 * np.trace(covariance) / 8.0 * cp.sum_squares(deviation)
    impact = (decision.volatilities * (decision.equity / decision.volumes) ** 0.5).fillna(0.0)
    paid = 1.2 * (impact.to_numpy() @ cp.power(cp.abs(trades[:-1]), 1.5))
    paid += cost.fee_bps * 1e-4 * cp.norm1(trades[:-1])
    held = [weights >= 0, cp.sum(weights) == 1]
    if limits:
        held += [cp.norm1(trades) <= 0.8, cp.max(weights[:-1]) <= 0.4]
    problem = cp.Problem(cp.Minimize(value + 4.0 * paid), held)
    problem.solve(solver=cp.SCS, eps_abs=1e-10, eps_rel=1e-10, max_iters=300_000)
    assert found.certificate.optimum == pytest.approx(problem.value, rel=1e-6)
    assert found.certificate.gap <= 1e-7 * problem.value


def test_more_capital_trades_a_smaller_share(market):
    made = market(7, 6)
    decision = sized(
        made, volumes=pd.Series(1e7, made.risky), volatilities=pd.Series(0.04, made.risky)
    )
    program = Optimizer(TrackTarget(), (), ROOT).compile(made.assets)
    moved = [
        float(
            (program.solve(replace(decision, equity=equity)).weights - decision.current).abs().sum()
        )
        for equity in (1e4, 1e8, 1e10, 1e14)
    ]
    assert moved == sorted(moved, reverse=True)
    assert moved[-1] < 0.1 * moved[0]


@pytest.mark.parametrize("seed", [10, 11])
@pytest.mark.parametrize("impact", [0.1, 2.0])
def test_the_largest_ratio_is_after_impact(market, seed, impact):
    made = market(seed, 4)
    decision = sized(
        made, 1e7,
        volumes=pd.Series(1e6, made.risky),
        volatilities=pd.Series(0.05, made.risky),
        expected_returns=pd.Series([0.3, 0.2, 0.25, 0.1], made.risky),
    )  # fmt: skip
    cost = SquareRootCost(impact=impact)
    found = Optimizer(MaximumSharpe(), (), cost).compile(made.assets).solve(decision)
    covariance, held = decision.covariance.to_numpy(), decision.current.to_numpy()[:4]

    def shortfall(weights):
        trades = np.abs(weights - held)
        paid = 1e-3 * trades.sum() + impact * 0.05 * 10.0**0.5 * (trades**1.5).sum()
        earned = decision.expected_returns.to_numpy() @ weights - paid
        return -earned / np.sqrt(weights @ covariance @ weights)

    within = {"type": "ineq", "fun": lambda weights: 1.0 - weights.sum()}
    starts = (np.full(4, 0.2), held, found.weights.to_numpy()[:4] + 1e-3)
    best = min(
        minimize(shortfall, start, method="SLSQP", bounds=[(1e-9, 1.0)] * 4, constraints=[within],
                 options={"ftol": 1e-14, "maxiter": 500}).fun
        for start in starts
    )  # fmt: skip
    assert shortfall(found.weights.to_numpy()[:4]) == pytest.approx(best, rel=1e-6)


# Unknown volume


def test_what_is_not_known_is_not_charged_and_stays_a_matter_of_rows(market):
    made = market(3, 5)
    unknown = pd.Series(np.nan, made.risky)
    decision = sized(made, volumes=unknown)
    roster = Roster(made.assets)
    rows = CoefficientCandidate(roster, facts_of(decision, roster))
    assert not rows.market_impact().matrix.any()
    weights = made.weights()
    proportional = ProportionalCost(4.0, 3.0, 1.0)
    assert measured(ROOT, made, decision, weights) == pytest.approx(
        measured(proportional, made, decision, weights), rel=1e-14
    )
    with pytest.raises(NotPolyhedral):
        CoefficientCandidate(roster, facts_of(sized(made), roster)).market_impact()


def test_drifting_is_no_trade_and_costs_nothing(market):
    made = market(2, 4)
    roster = Roster(made.assets)
    facts = facts_of(sized(made), roster)
    rows = np.array([roster.floats(made.weights(), "test") for _ in range(3)])
    drifted = MeasuredCandidate(roster, facts, rows, drifted=True)
    assert WIDE.cost(drifted).tolist() == [0.0, 0.0, 0.0]
    together = WIDE.cost(MeasuredCandidate(roster, facts, rows))
    single = [WIDE.cost(MeasuredCandidate(roster, facts, row)) for row in rows]
    assert together == pytest.approx(np.array(single), rel=1e-14)


# Amortisation


def test_costs_are_counted_over_the_years_a_trade_is_held(market):
    made = market(4, 5)
    decision, weights = sized(made), made.weights()
    roster = Roster(made.assets)
    candidate = MeasuredCandidate(
        roster, facts_of(decision, roster), roster.floats(weights, "test")
    )
    quarter = ProportionalCost(holding_years=0.25)
    assert quarter.yearly(candidate) == pytest.approx(4.0 * quarter.cost(candidate), rel=1e-14)
    assert quarter.rates() == ProportionalCost().rates()
    assert ProportionalCost().yearly(candidate) == ProportionalCost().cost(candidate)


def test_a_cost_over_a_quarter_is_four_times_the_cost_over_a_year(market):
    made = market(5, 6)
    decision = made.decision()
    quarter = Optimizer(TrackTarget(), (), ProportionalCost(10.0, 5.0, 0.0, holding_years=0.25))
    four_times = Optimizer(TrackTarget(), (), ProportionalCost(40.0, 20.0, 0.0))
    one, other = (each.compile(made.assets).solve(decision) for each in (quarter, four_times))
    assert np.abs(one.weights - other.weights).max() <= 1e-8
    assert one.certificate.objective == pytest.approx(other.certificate.objective, rel=1e-9)


# One object for the optimizer and the ledger


def test_rates_say_what_the_ledger_measures():
    assert SquareRootCost(impact=0.0).rates() == ProportionalCost().rates()
    assert ROOT.rates() == CostRates(4e-4, 4e-4, Measured(0.7))
    wide = WIDE.rates()
    assert wide.slippage == pytest.approx(2e-4)
    assert wide.measured == Measured(0.9, 12.0 * 1e-4)
    assert not SquareRootCost(**FREE).free
    assert SquareRootCost(**FREE, impact=0.0).free
    assert SquareRootCost(lookback=10, spread_lookback=30).rates().measured == Measured(
        1.0, None, 10, 30
    )


def test_a_program_says_what_its_cost_needs(market):
    assets = market(0, 3).assets
    needs = Optimizer(TrackTarget(), (MaxTradingDays(0.1),), WIDE).compile(assets).needs
    assert set(needs) >= {"equity", "volumes", "volatilities", "half_spreads"}
    assert SquareRootCost(impact=0.0).needs == ProportionalCost().needs == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"volumes": None}, "lacks volumes, which the objective, a limit or the cost needs"),
        ({"volatilities": None}, "lacks volatilities"),
        ({"equity": None}, "lacks equity"),
        ({"volumes": pd.Series({"A0": -1.0})}, "The volumes on 2021-03-05: A0 is -1.0"),
        ({"volumes": pd.Series({"A0": np.inf})}, "A0 is inf"),
        ({"volatilities": pd.Series({"A1": -0.1})}, "The volatilities on 2021-03-05: A1 is -0.1"),
        ({"half_spreads": pd.Series({"A1": -0.1})}, "The half-spreads on 2021-03-05: A1"),
        ({"volumes": pd.Series({"ZZ": 1.0})}, "'ZZ'"),
        ({"equity": 0.0}, "give its equity in USD too"),
    ],
)
def test_inputs_that_cannot_be_are_refused_by_name(market, given, said):
    made = market(0, 3)
    program = Optimizer(TrackTarget(), (), WIDE).compile(made.assets)
    with pytest.raises(DataError, match=said):
        program.solve(sized(made, **given))


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: SquareRootCost(impact=-1.0), "SquareRootCost.impact"),
        (lambda: SquareRootCost(impact=float("inf")), "SquareRootCost.impact"),
        (lambda: SquareRootCost(lookback=0), "SquareRootCost.lookback"),
        (lambda: SquareRootCost(estimated_spread=1.5), "SquareRootCost.estimated_spread"),
        (lambda: SquareRootCost(impacts=1.0), "no setting 'impacts'"),
        (lambda: SquareRootCost(half_spread_bps=9000.0), "SquareRootCost is too large"),
        (lambda: ProportionalCost(holding_years=0.0), "ProportionalCost.holding_years"),
        (lambda: ProportionalCost(holding_years=float("nan")), "ProportionalCost.holding_years"),
        (lambda: Measured(half_spread=0.6), "Measured.half_spread"),
    ],
)
def test_settings_out_of_range_are_refused(build, said):
    with pytest.raises(ConfigError, match=said):
        build()
