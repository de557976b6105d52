"""What must not matter: the unit of risk, the order of assets, who is never eligible, a repeat."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.optimize import (
    BlackLitterman,
    Decision,
    MaxBeta,
    MaxExpectedShortfall,
    MaximumSharpe,
    MaxStressLoss,
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
    Optimizer,
    ProportionalCost,
    RiskBudget,
    TrackTarget,
    View,
)
from toolkit.universe import Asset, Membership, Sleeve

SCALES = [1e-8, 1e-6, 1e-4, 1e-2, 1e2, 1e4]
PLAIN = (MaxWeight(0.4), MaxTurnover(0.4), MinEffectiveNumber(2.5))


def full(made, seed=0, **given):
    draw, names = np.random.default_rng(seed), made.risky
    size = len(names)
    returns = pd.Series(draw.normal(0.08, 0.1, size), names)
    returns["CASH"] = 0.0
    return made.decision(
        equity=1e6,
        expected_returns=returns,
        scenarios=pd.DataFrame(draw.standard_t(4, (80, size)) * 0.02, columns=names),
        betas=pd.DataFrame({"bitcoin": draw.normal(0.8, 0.5, size)}, names),
        stress=pd.DataFrame(draw.normal(-0.2, 0.2, (2, size)), ["hash", "ai"], names),
        volumes=pd.Series(draw.lognormal(14.0, 1.0, size), names),
        **given,
    )


def weights_of(objective, limits, assets, decision, cost=None):
    return Optimizer(objective, limits, cost).compile(assets).solve(decision).weights


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("limits", [(), PLAIN, (*PLAIN, MinCash(0.1))], ids=len)
@pytest.mark.parametrize(
    "objective", [TrackTarget(), MinimumVariance(), RiskBudget(), MaximumSharpe()], ids=type
)
def test_the_unit_of_the_covariance_changes_no_weight(market, objective, limits, scale):
    made = market(1, 7)
    decision = full(made)
    scaled = replace(decision, covariance=scale * decision.covariance)
    first, second = (weights_of(objective, limits, made.assets, d) for d in (decision, scaled))
    assert second.to_numpy() == pytest.approx(first.to_numpy(), abs=1e-6)


def rugged(seed):
    """Assets whose volatilities are up to three digits apart, and a decision about them."""
    draw = np.random.default_rng(500 + seed)
    size = int(draw.integers(2, 12))
    names = [f"A{place}" for place in range(size)]
    assets = [Asset(name, (Membership(Sleeve.BITCOIN, date(2010, 1, 1)),)) for name in names]
    if seed % 2:
        assets.append(Asset("CASH", (Membership(Sleeve.CASH, date(2010, 1, 1)),)))
    ids = [asset.id for asset in assets]
    volatilities = 10.0 ** draw.uniform(-2.5, 0.3, size)
    common = draw.normal(size=(2, size))
    moves = common.T @ common + np.diag(draw.uniform(0.02, 1.0, size))
    moves *= np.outer(volatilities, volatilities) / np.sqrt(
        np.outer(np.diag(moves), np.diag(moves))
    )
    decision = Decision(
        pd.Timestamp("2021-03-05"),
        pd.Series(draw.dirichlet(np.full(len(ids), 0.5)), ids),
        pd.Series(draw.dirichlet(np.full(len(ids), 0.5)), ids),
        covariance=pd.DataFrame(moves, names, names),
        expected_returns=pd.Series(draw.normal(0.05, 0.1, size), names),
    )
    return assets, decision


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize(
    "objective", [TrackTarget(), MinimumVariance(), RiskBudget(), MaximumSharpe()], ids=type
)
def test_the_unit_of_rugged_covariances_changes_no_weight(objective, seed):
    """Where everything goes to cash the objective is flat in every weight."""
    assets, decision = rugged(seed)
    cap = max(0.5, 1.5 / (len(assets) - seed % 2))
    limits = [(), (MaxWeight(cap),), (MaxWeight(cap), MaxTurnover(0.3), MinEffectiveNumber(1.5))]
    program = Optimizer(objective, limits[seed % 3]).compile(assets)
    if (decision.expected_returns < 0.0).all():
        # Without cash and earnings there would be no ratio.
        decision = replace(decision, expected_returns=-decision.expected_returns)
    first = program.solve(decision)
    for scale in (1e-8, 1e-6, 1e-4, 1e-2, 1e2, 1e4):
        found = program.solve(replace(decision, covariance=scale * decision.covariance))
        assert found.status == first.status
        assert found.weights.to_numpy() == pytest.approx(first.weights.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("seed", range(60))
def test_the_least_variance_with_cash_is_cash_in_every_unit(market, seed):
    made = market(seed, 3 + seed % 9)
    decision = made.decision(current=None)
    for scale in (1.0, 1e-8, 1e-4, 1e4):
        scaled = replace(decision, covariance=scale * decision.covariance)
        found = Optimizer(MinimumVariance()).compile(made.assets).solve(scaled)
        assert found.weights["CASH"] == pytest.approx(1.0, abs=1e-9)
        assert found.certificate.gap <= 1e-9 * scale


@pytest.mark.parametrize("scale", SCALES)
def test_with_returns_costs_and_caps_in_the_same_unit_it_changes_no_weight(market, scale):
    """Risk aversion times variance, returns and costs are all rates a year."""
    made = market(2, 6)
    decision = full(made)
    caps = (MaxWeight(0.5), MaxTurnover(0.9))
    cost = ProportionalCost(10.0, 0.0, 0.0)
    volatility = 0.05
    limits = (*caps, MaxVolatility(volatility))
    found = Optimizer(MeanVariance(4.0), limits, cost).compile(made.assets).solve(decision)
    first = found.weights
    assert found.status == "optimal"
    assert "MaxVolatility" in found.binding
    limits = (*caps, MaxVolatility(volatility * np.sqrt(scale)))
    scaled = replace(decision, covariance=scale * decision.covariance)
    second = weights_of(MeanVariance(4.0 / scale), limits, made.assets, scaled, cost)
    assert second.to_numpy() == pytest.approx(first.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("scale", [1e-3, 1e-1, 1e1])
def test_the_unit_of_losses_changes_no_optimal_shortfall(market, scale):
    made = market(3, 6)
    decision = full(made)
    scaled = replace(decision, scenarios=scale * decision.scenarios)
    limits = (MinCash(0.0), MaxWeight(0.4), MaxBeta("bitcoin", 0.9), MinEffectiveNumber(3.0))
    program = Optimizer(MinimumExpectedShortfall(), limits).compile(made.assets)
    first, second = program.solve(decision), program.solve(scaled)
    assert second.weights.to_numpy() == pytest.approx(first.weights.to_numpy(), abs=1e-6)


EVERYTHING = (
    MaxWeight(0.5),
    MaxTurnover(0.9),
    MaxTradingDays(2.0),
    MaxVolatility(0.4),
    MaxExpectedShortfall(0.05),
    MinExpectedReturn(0.0),
    MaxBeta("bitcoin", 0.9),
    MaxStressLoss(0.3),
)
OBJECTIVES = [
    TrackTarget(),
    MeanVariance(),
    MinimumVariance(),
    MinimumExpectedShortfall(),
    MaximumSharpe(),
    RiskBudget(),
    BlackLitterman((View({"A1": 1.0, "A2": -1.0}, 0.1, 0.4),)),
]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda part: type(part).__name__)
def test_the_order_of_assets_changes_nothing(market, objective):
    made = market(4, 5)
    decision = full(made)
    first = weights_of(objective, EVERYTHING, made.assets, decision, ProportionalCost())
    order = made.random.permutation(6)
    turned = {
        "assets": [made.assets[place] for place in order],
        "covariance": decision.covariance.iloc[::-1, ::-1],
        "scenarios": decision.scenarios.iloc[:, ::-1],
        "betas": decision.betas.iloc[::-1],
    }
    assets = turned.pop("assets")
    second = weights_of(
        objective, EVERYTHING, assets, replace(decision, **turned), ProportionalCost()
    )
    assert list(second.index) == [asset.id for asset in assets]
    assert second[made.ids].to_numpy() == pytest.approx(first.to_numpy(), abs=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda part: type(part).__name__)
def test_an_asset_that_is_never_listed_changes_nothing(market, objective):
    made = market(5, 5)
    decision = full(made)
    first = weights_of(objective, EVERYTHING, made.assets, decision, ProportionalCost())
    other = Asset("A00", (Membership(Sleeve.BITCOIN, made.assets[0].memberships[0].since),))
    second = weights_of(objective, EVERYTHING, [*made.assets, other], decision, ProportionalCost())
    assert second["A00"] == 0.0
    assert second[made.ids].to_numpy() == pytest.approx(first.to_numpy(), abs=1e-6)


@pytest.mark.parametrize("cost", [None, ProportionalCost()], ids=["free", "dear"])
@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("seed", range(3))
def test_the_same_decision_again_trades_nothing(market, objective, cost, seed):
    made = market(20 + seed, 5)
    decision = full(made, seed)
    limits = tuple(x for x in EVERYTHING if x.rank)
    first = weights_of(objective, limits, made.assets, decision, cost)
    again = weights_of(objective, limits, made.assets, replace(decision, current=first), cost)
    assert (again[made.risky] == first[made.risky]).all()
    assert again["CASH"] == pytest.approx(first["CASH"], abs=1e-15)


@pytest.mark.parametrize("seed", range(40))
def test_trades_too_small_to_make_are_left_out_only_where_every_limit_still_holds(market, seed):
    made = market(seed, 6)
    decision = full(made, seed)
    draw = np.random.default_rng(seed)
    names = made.risky
    # Next to the target, so that many trades are small, with caps that pass between the two.
    target = decision.target
    nudged = (target + pd.Series(draw.normal(0.0, 8e-5, 7), made.ids)).clip(lower=0.0)
    current = nudged / nudged.sum()
    middle = (target + current) / 2.0
    limits = (
        MaxWeight(float(middle[names].max())),
        MinCash(float(middle["CASH"])),
        MaxVolatility(float(np.sqrt(middle[names] @ decision.covariance @ middle[names]))),
        MaxStressLoss(float(np.clip((-decision.stress @ middle[names]).max(), 0.0, 1.0))),
    )
    decision = replace(decision, current=current)
    found = Optimizer(TrackTarget(), limits).compile(made.assets).solve(decision)
    weights = found.weights
    slack = found.relaxed
    assert weights[names].max() <= limits[0].cap + slack.get("MaxWeight", 0.0) + 1e-6
    assert weights["CASH"] >= limits[1].cap - slack.get("MinCash", 0.0) - 1e-6
    risk = np.sqrt(weights[names] @ decision.covariance @ weights[names])
    assert risk <= limits[2].cap + slack.get("MaxVolatility", 0.0) + 1e-6
    loss = (-decision.stress @ weights[names]).max()
    assert loss <= limits[3].cap + slack.get("MaxStressLoss", 0.0) + 1e-6
    assert weights.sum() == pytest.approx(1.0, abs=1e-9)
    assert not slack
