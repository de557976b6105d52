"""What an allocation tells besides its weights, and what it is asked with."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError
from toolkit.optimize import (
    BlackLitterman,
    Decision,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinimumExpectedShortfall,
    Optimizer,
    ProportionalCost,
    TrackTarget,
    View,
)

COST = ProportionalCost()


def test_limits_that_bind_have_prices_where_others_are_relaxed(market):
    """They are those of the same limits with the relaxed cap where it came to lie."""
    made = market(0, 4)
    names = made.risky
    target = pd.Series([0.6, 0.3, 0.05, 0.05], names)
    current = pd.Series([0.9, 0.0, 0.05, 0.05], names)
    decision = made.decision(target=target, current=current)
    tight = Optimizer(TrackTarget(), (MaxTurnover(0.05), MaxWeight(0.4)), COST)
    program = tight.compile(made.assets)
    found = program.solve(decision)
    assert found.status == "relaxed"
    assert set(found.relaxed) == {"MaxTurnover"}
    assert set(found.binding) == {"MaxTurnover", "MaxWeight"}
    met = (MaxTurnover(0.05 + found.relaxed["MaxTurnover"]), MaxWeight(0.4))
    wide = Optimizer(TrackTarget(), met, COST).compile(made.assets)
    expected = wide.shadow_prices(decision)["MaxWeight"]
    prices = program.shadow_prices(decision)
    assert set(prices) == {"MaxWeight"}
    assert prices["MaxWeight"] == pytest.approx(expected, rel=1e-2)
    assert prices["MaxWeight"] > 0.01


def test_a_relaxed_volatility_leaves_the_weight_cap_its_price(market):
    made = market(1, 5)
    current = pd.Series(0.0, made.risky)
    current.iloc[0] = 0.75
    stuck = pd.Series(True, made.risky)
    stuck.iloc[0] = False
    decision = made.decision(current=current, tradable=stuck)
    others = tuple(made.risky[1:])
    limits = (MaxVolatility(0.01), MaxWeight(0.05, others))
    program = Optimizer(TrackTarget(), limits, COST).compile(made.assets)
    found = program.solve(decision)
    assert found.status == "relaxed"
    assert set(program.shadow_prices(decision)) == set(found.binding) - set(found.relaxed)


def test_a_target_that_cannot_be_followed_for_lack_of_an_input_is_told(market):
    made = market(2, 4)
    new, held = made.risky[0], made.risky[1]
    covariance = made.covariance().drop(index=new, columns=new)
    scenarios = pd.DataFrame(np.full((9, 3), -0.01), columns=made.risky[1:]).drop(columns=held)
    target = pd.Series(0.25, made.risky)
    decision = made.decision(target=target, covariance=covariance, current=None)
    program = Optimizer(TrackTarget(), (MaxWeight(0.5),), COST).compile(made.assets)
    found = program.solve(decision)
    assert found.status == "optimal"
    assert found.weights[new] == 0.0
    assert found.left_out == (f"target of {new}: no covariance",)
    assert program.solve(replace(decision, target=target.drop(new))).left_out == ()
    assert program.solve(made.decision(target=target)).left_out == ()
    least = Optimizer(MinimumExpectedShortfall(), (), COST).compile(made.assets)
    found = least.solve(replace(decision, scenarios=scenarios))
    assert set(found.left_out) == {
        f"target of {new}: no covariance, no scenario",
        f"target of {held}: no scenario",
    }


def test_a_view_on_an_asset_without_covariance_is_told(market):
    made = market(3, 4)
    new, other = made.risky[:2]
    covariance = made.covariance().drop(index=new, columns=new)
    target = pd.Series(0.2, made.risky[1:])
    views = (View({new: 1.0, other: -1.0}, 0.1, 0.4), View({other: 1.0}, 0.2, 0.3))
    decision = made.decision(target=target, covariance=covariance)
    found = Optimizer(BlackLitterman(views)).compile(made.assets).solve(decision)
    assert found.left_out == (f"view on {new}, {other}: no covariance of {new}",)
    without = Optimizer(BlackLitterman(views[1:])).compile(made.assets).solve(decision)
    assert without.left_out == ()
    assert found.weights.to_numpy() == pytest.approx(without.weights.to_numpy(), abs=1e-12)


@pytest.mark.parametrize("session", ["2021-03-05", date(2021, 3, 5), np.datetime64("2021-03-05")])
def test_a_session_is_whatever_names_a_day(market, session):
    made = market(4, 3)
    decision = made.decision()
    asked = replace(decision, session=session)
    assert asked.session == decision.session
    program = Optimizer(TrackTarget(), (), COST).compile(made.assets)
    assert program.solve(asked).weights.equals(program.solve(decision).weights)


@pytest.mark.parametrize("session", ["first of May", None, float("nan"), pd.NaT, object()])
def test_what_names_no_day_is_refused(session):
    with pytest.raises(DataError, match=r"no date; give a day, as in pandas\.Timestamp"):
        Decision(session)


def test_a_limit_that_binds_only_without_small_trades_is_told(market):
    """What is held is at the cap; the optimum is a little below it, by too little to be traded."""
    made = market(3, 4)
    a, b, c, d = made.risky
    covariance = pd.DataFrame(np.diag([100.0, 0.1, 0.1, 0.1]), made.risky, made.risky)
    current = pd.Series({a: 0.3, b: 0.1, c: 0.2, d: 0.2})
    target = pd.Series({a: 0.29995, b: 0.201, c: 0.2, d: 0.2})
    limits = (MaxWeight(0.3, (a,)), MaxWeight(0.2, (b,)))
    decision = made.decision(current=current, target=target, covariance=covariance)
    found = Optimizer(TrackTarget(), limits).compile(made.assets).solve(decision)
    assert found.status == "optimal"
    assert found.weights[a] == 0.3
    assert found.certificate.objective > found.certificate.optimum
    assert found.binding == tuple(limit.name for limit in limits)
