from datetime import date

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, UnknownAssetError
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
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.facts import facts_of
from toolkit.optimize.roster import Roster
from toolkit.optimize.symbolic import SymbolicCandidate
from toolkit.universe import MINERS, Asset, Membership, Sleeve

QUANTITIES = {
    "MaxWeight": MaxWeight(0.2).excess,
    "MaxWeight of some": MaxWeight(0.2, ("A1", "A3")).excess,
    "MaxSleeveWeight": MaxSleeveWeight(MINERS, 0.3).excess,
    "MinCash": MinCash(0.1).excess,
    "MaxTurnover": MaxTurnover(0.25).excess,
    "MaxVolatility": MaxVolatility(0.3).excess,
    "TrackTarget": TrackTarget(3.0, 0.1).expression,
    "ProportionalCost": ProportionalCost().cost,
}


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("proceeds", [0.0, 0.2])
def test_the_solver_sees_what_numpy_measures(market, quantity, proceeds):
    made = market(4, 5)
    decision = made.decision(proceeds=proceeds)
    roster = Roster(made.assets)
    facts = facts_of(decision, roster)
    weights = roster.floats(made.weights(), "test")
    symbolic = SymbolicCandidate(roster)
    expression = QUANTITIES[quantity](symbolic)
    fixed = [*symbolic.constraints, symbolic.weights == weights]
    problem = cp.Problem(cp.Minimize(expression), fixed)
    assert problem.is_dcp(dpp=True)
    for parameter, value in symbolic.values(facts).items():
        parameter.value = value
    # The auxiliary variables are only bounded from below: their least values are the quantities.
    problem.solve(solver=cp.CLARABEL)
    measured = QUANTITIES[quantity](MeasuredCandidate(roster, facts, weights))
    assert float(expression.value) == pytest.approx(float(measured), rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_many_portfolios_are_measured_like_one_after_the_other(market, quantity):
    made = market(5, 5)
    roster = Roster(made.assets)
    facts = facts_of(made.decision(), roster)
    rows = np.array([roster.floats(made.weights(), "test") for _ in range(7)])
    together = QUANTITIES[quantity](MeasuredCandidate(roster, facts, rows))
    single = [QUANTITIES[quantity](MeasuredCandidate(roster, facts, row)) for row in rows]
    assert together.shape == (7,)
    assert together == pytest.approx(np.array(single), rel=1e-14)


def test_a_program_measures_drifted_weights_by_session(market):
    moving = Asset(
        "IREN",
        (
            Membership(Sleeve.LEGACY_MINERS, date(2015, 1, 1)),
            Membership(Sleeve.PIVOTING_MINERS, date(2021, 3, 9)),
        ),
    )
    cash = Asset("CASH", (Membership(Sleeve.CASH, date(2015, 1, 1)),))
    limits = (
        MaxSleeveWeight(Sleeve.PIVOTING_MINERS, 0.1),
        MinCash(0.1),
        MaxTurnover(0.2),
        MaxVolatility(0.5),
    )
    program = Optimizer(TrackTarget(), limits).compile([moving, cash])
    decision = market(0, 1).decision(
        target=pd.Series({"IREN": 0.5}),
        current=None,
        covariance=pd.DataFrame(0.25, ["IREN"], ["IREN"]),
    )
    sessions = pd.DatetimeIndex(["2021-03-05", "2021-03-08", "2021-03-09"])
    rows = np.array([[0.5, 0.5], [0.6, 0.4], [0.7, 0.3]])
    found = program.measure(rows, decision, sessions, drifted=True)
    assert found["MaxSleeveWeight(pivoting_miners)"] == pytest.approx([0.0, 0.0, 0.7])
    assert found["MinCash"] == pytest.approx([0.5, 0.4, 0.3])
    assert found["MaxTurnover"] == pytest.approx([0.0, 0.0, 0.0])
    assert found["MaxVolatility"] == pytest.approx([0.25, 0.3, 0.35])
    single = program.measure(rows[1], decision)
    assert single["MinCash"] == pytest.approx(0.4)


def test_turnover_counts_cash_once_and_proceeds_not_at_all(market):
    made = market(0, 2)
    first, second = made.risky
    roster = Roster(made.assets)
    held = pd.Series({first: 0.5, second: 0.2, "CASH": 0.3})
    new = roster.floats(pd.Series({first: 0.4, second: 0.45, "CASH": 0.15}), "test")

    def turnover(proceeds):
        facts = facts_of(made.decision(current=held, proceeds=proceeds), roster)
        return MeasuredCandidate(roster, facts, new).turnover()

    # 0.1 sold, 0.25 bought, 0.15 of it from cash: one way that is 0.25.
    assert turnover(0.0) == pytest.approx(0.25)
    # Of 0.2 that closings paid, 0.15 is invested and the rest stays: only the 0.1 is a choice.
    assert turnover(0.2) == pytest.approx(0.1)
    assert turnover(0.1) == pytest.approx(0.15)


def test_a_limit_on_an_unknown_asset_is_refused_when_compiled(market):
    with pytest.raises(UnknownAssetError, match="A limit names 'A9', which"):
        Optimizer(TrackTarget(), (MaxWeight(0.1, ("A9",)),)).compile(market(0, 3).assets)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: MaxWeight(1.5), "MaxWeight.cap = 1.5"),
        (lambda: MaxWeight(-0.1), "MaxWeight.cap"),
        (lambda: MinCash(float("nan")), "MinCash.floor"),
        (lambda: MaxVolatility(0.0), "MaxVolatility.cap"),
        (lambda: MaxTurnover(cap=0.2, rank=3), "no setting 'rank'"),
        (lambda: MaxSleeveWeight("miners", 0.2), "MaxSleeveWeight.sleeve"),
        (lambda: TrackTarget(risk_aversion=0.0), "TrackTarget.risk_aversion"),
        (lambda: ProportionalCost(fee_bps=-1.0), "ProportionalCost.fee_bps"),
        (lambda: ProportionalCost(half_spread_bps=4000.0, slippage_bps=2000.0), "too large"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(build, said):
    with pytest.raises(ConfigError, match=said):
        build()


def test_limits_are_named_by_what_they_limit():
    assert MaxWeight(0.1).name == "MaxWeight"
    assert MaxWeight(0.1, ("BTC", "ETH")).name == "MaxWeight(BTC, ETH)"
    assert MaxSleeveWeight("bitcoin", 0.5).name == "MaxSleeveWeight(bitcoin)"
    assert MaxSleeveWeight(["bitcoin", "cash"], 0.5).name == "MaxSleeveWeight(bitcoin, cash)"
