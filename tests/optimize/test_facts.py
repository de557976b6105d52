import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError, UnknownAssetError
from toolkit.optimize import (
    CostRates,
    MaxVolatility,
    MaxWeight,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)


def solved(market, limits=(), **given):
    made = market(1, 4)
    decision = made.decision()
    decision = replace(decision, **{key: value(decision, made) for key, value in given.items()})
    return made, decision, Optimizer(TrackTarget(), limits).compile(made.assets).solve(decision)


def spoiled(entry, value):
    def spoil(decision, made):
        covariance = decision.covariance.copy()
        row, column = (made.risky[place] for place in entry)
        covariance.loc[row, column] = value
        return covariance

    return spoil


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_covariance_that_is_not_finite_names_its_assets(market, value):
    names = market(1, 4).risky
    with pytest.raises(DataError, match=f"{names[1]} and {names[2]} is not a finite number"):
        solved(market, covariance=spoiled((1, 2), value))


def test_an_asymmetric_covariance_names_its_assets(market):
    names = market(1, 4).risky
    with pytest.raises(DataError, match=f"not symmetric: {names[0]} with {names[3]}"):
        solved(market, covariance=spoiled((0, 3), 9.0))


def test_an_indefinite_covariance_names_the_asset(market):
    names = market(1, 4).risky
    with pytest.raises(DataError, match=f"not positive semidefinite.*{names[2]}"):
        solved(market, covariance=spoiled((2, 2), -5.0))


def test_a_singular_covariance_is_accepted_and_rounding_is_repaired_and_reported(market):
    def singular(decision, made):
        deviations = np.sqrt(np.diag(decision.covariance))
        outer = np.outer(deviations, deviations)
        outer[0, 0] *= 1.0 - 1e-8
        return pd.DataFrame(outer, made.risky, made.risky)

    _, _, found = solved(market, (MaxWeight(0.2),), covariance=singular)
    assert 0.0 < found.certificate.covariance_repair < 1e-6
    assert found.certificate.worst_residual <= 1e-6


def made_up_to_one(target, ids):
    whole = target.reindex(ids, fill_value=0.0)
    whole["CASH"] = 1.0 - target.sum()
    return whole.to_numpy()


def test_an_asset_without_covariance_can_be_kept_or_sold_and_not_bought(market):
    made = market(1, 3)
    new, gone, known = made.risky
    covariance = pd.DataFrame(0.3, [known], [known])
    target = pd.Series({new: 0.1, gone: 0.0, known: 0.3})
    current = pd.Series({new: 0.1, gone: 0.2, known: 0.1})
    decision = made.decision(target=target, current=current, covariance=covariance)
    program = Optimizer(TrackTarget()).compile(made.assets)
    weights = program.solve(decision).weights
    assert weights.to_numpy() == pytest.approx(made_up_to_one(target, made.ids), abs=1e-12)
    more = replace(decision, target=pd.Series({new: 0.4, gone: 0.1, known: 0.3}))
    weights = program.solve(more).weights
    assert weights[new] == pytest.approx(0.1, abs=1e-9)
    assert 0.1 < weights[gone] < 0.2


def test_a_holding_without_covariance_counts_as_the_riskiest_asset(market):
    made = market(1, 2)
    unknown, known = made.risky
    covariance = pd.DataFrame(0.36, [known], [known])
    held = pd.Series({unknown: 0.5, known: 0.0})
    decision = made.decision(target=held, current=held, covariance=covariance)
    limits = (MaxVolatility(0.2),)
    found = Optimizer(TrackTarget(), limits).compile(made.assets).solve(decision)
    assert found.weights[unknown] == pytest.approx(0.2 / 0.6, abs=1e-4)


def test_cash_is_always_buyable_and_riskless_where_its_covariance_is_left_out(market):
    made = market(1, 2)
    empty = pd.DataFrame(index=[], columns=[], dtype=float)
    decision = made.decision(covariance=empty, current=None)
    found = Optimizer(TrackTarget(), (MaxVolatility(0.2),)).compile(made.assets).solve(decision)
    assert found.weights["CASH"] == pytest.approx(1.0)
    assert found.values["MaxVolatility"] == pytest.approx(0.0)


def test_what_is_not_tradable_stays_and_what_is_not_buyable_is_not_bought(market):
    made = market(2, 4)
    stuck, ended, sold, other = made.risky
    current = pd.Series({stuck: 0.3, ended: 0.1, sold: 0.2, other: 0.1})
    target = pd.Series({stuck: 0.0, ended: 0.4, sold: 0.05, other: 0.2})
    flags = pd.Series(True, made.risky)
    decision = made.decision(
        target=target,
        current=current,
        covariance=pd.DataFrame(np.diag([0.3] * 4), made.risky, made.risky),
        tradable=flags.where(flags.index != stuck, False),
        buyable=flags.where(~flags.index.isin([ended, sold]), False),
    )
    weights = Optimizer(TrackTarget()).compile(made.assets).solve(decision).weights
    assert weights[stuck] == 0.3
    assert weights[ended] == pytest.approx(0.1, abs=1e-9)
    assert weights[sold] < 0.2
    assert weights.sum() == pytest.approx(1.0)


def test_an_overdraft_is_carried_only_as_far_as_nothing_can_be_sold(market):
    made = market(3, 2)
    stuck, other = made.risky
    current = pd.Series({stuck: 0.9, other: 0.12, "CASH": -0.02})
    decision = made.decision(target=pd.Series({stuck: 0.5}), current=current)
    program = Optimizer(TrackTarget()).compile(made.assets)
    halted = pd.Series({stuck: False, other: True})
    assert program.solve(replace(decision, tradable=halted)).weights["CASH"] >= -1e-9
    both = pd.Series({stuck: False, other: False})
    kept = program.solve(replace(decision, tradable=both)).weights
    assert kept["CASH"] == pytest.approx(-0.02)


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("target", {"A0": 0.8, "A1": 0.3}, "The target on 2021-03-05 sum to 1.1; expected 1"),
        ("target", {"A0": -0.1}, "A0 is -0.1; weights are not negative"),
        ("target", {"A0": np.nan}, "A0 is nan; give a finite number"),
        ("current", {"A0": 0.8, "A1": 0.3}, "current weights on 2021-03-05 sum to 1.1"),
        ("current", {"A0": -0.2}, "A0 is -0.2"),
        ("tradable", {"A0": 1.0}, "give True or False"),
    ],
)
def test_bad_weights_and_flags_are_refused_with_place_and_number(market, field, values, said):
    with pytest.raises(DataError, match=said):
        solved(market, **{field: lambda decision, made: pd.Series(values)})


def test_unknown_and_repeated_assets_are_refused(market):
    with pytest.raises(
        UnknownAssetError, match="target on 2021-03-05 names 'B0', which the program"
    ):
        solved(market, target=lambda decision, made: pd.Series({"B0": 0.1}))
    twice = pd.Series([0.1, 0.1], ["A0", "A0"])
    with pytest.raises(DataError, match="names A0 more than once"):
        solved(market, current=lambda decision, made: twice)


@pytest.mark.parametrize("field", ["target", "covariance"])
def test_a_decision_without_what_is_needed_says_so(market, field):
    with pytest.raises(DataError, match=f"2021-03-05 lacks {field}"):
        solved(market, **{field: lambda decision, made: None})


def test_proceeds_are_a_fraction_of_equity(market):
    with pytest.raises(DataError, match=r"proceeds on 2021-03-05 are -0\.1"):
        solved(market, proceeds=lambda decision, made: -0.1)


def test_the_ledger_and_the_optimizer_read_the_same_rates():
    cost = ProportionalCost(fee_bps=5.0, half_spread_bps=3.0, slippage_bps=2.0)
    assert cost.rates().fee == pytest.approx(5e-4)
    assert cost.rates().slippage == pytest.approx(5e-4)
    assert not cost.free
    assert ProportionalCost(0.0, 0.0, 0.0).free
    assert CostRates() == CostRates(fee=0.0, slippage=0.0)


def test_no_solver_is_imported_before_a_decision_needs_one():
    code = """
import sys
import pandas as pd
from toolkit.optimize import Decision, MaxWeight, Optimizer, TrackTarget
program = Optimizer(TrackTarget(), (MaxWeight(0.6),)).compile(["A", "B"])
covariance = pd.DataFrame([[0.2, 0.0], [0.0, 0.2]], ["A", "B"], ["A", "B"])
target = pd.Series({"A": 0.5, "B": 0.5})
program.solve(Decision(pd.Timestamp("2021-03-05"), target=target, covariance=covariance))
print([name for name in ("cvxpy", "clarabel", "numba", "scipy", "sklearn") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
