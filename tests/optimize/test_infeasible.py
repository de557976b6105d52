import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, InfeasibleLimitsError
from toolkit.optimize import (
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)

FOUR = ["A", "B", "C", "D"]
COVARIANCE = pd.DataFrame(np.diag([0.4, 0.3, 0.2, 0.1]), FOUR, FOUR)
EVEN = pd.Series(0.25, FOUR)


def sized(market, limits, assets=FOUR, on_infeasible="least_violation", **given):
    decision = market(0, 4).decision(**{"target": EVEN, "covariance": COVARIANCE, **given})
    optimizer = Optimizer(TrackTarget(), limits, ProportionalCost(), on_infeasible)
    return optimizer.compile(assets).solve(decision)


@pytest.mark.parametrize("mode", ["least_violation", "keep", "stop"])
def test_turnover_yields_first_and_by_no_more_than_needed(market, mode):
    current = pd.Series({"A": 1.0, "B": 0.0, "C": 0.0, "D": 0.0})
    limits = (MaxTurnover(0.1), MaxWeight(0.3, ("A",)), MaxVolatility(0.6))
    found = sized(market, limits, on_infeasible=mode, current=current)
    assert found.status == "relaxed"
    assert set(found.relaxed) == {"MaxTurnover"}
    assert found.relaxed["MaxTurnover"] == pytest.approx(0.6, abs=2e-6)
    assert found.weights["A"] == pytest.approx(0.3, abs=2e-6)
    assert found.values["MaxTurnover"] == pytest.approx(0.7, abs=2e-6)


def test_the_least_violation_is_relative_to_each_cap(market):
    limits = (
        MaxWeight(0.3, ("A",)),
        MaxWeight(0.4, ("B",)),
        MaxWeight(0.0, ("C",)),
        MaxWeight(0.001, ("D",)),
    )
    found = sized(market, limits, current=None)
    # A unit of weight costs 1/0.3, 1/0.4, and 1/0.01 for both caps next to zero.
    assert found.status == "relaxed"
    assert set(found.relaxed) == {"MaxWeight(B)"}
    assert found.relaxed["MaxWeight(B)"] == pytest.approx(0.299, abs=2e-6)


def test_turnover_is_free_where_limits_of_higher_rank_are_in_conflict(market):
    current = pd.Series({"A": 1.0, "B": 0.0, "C": 0.0, "D": 0.0})
    found = sized(market, (MaxTurnover(0.1), MaxWeight(0.2)), current=current)
    # Four times 0.2 is 0.8: MaxWeight has to give 0.05, and only then turnover what that needs.
    assert found.relaxed["MaxWeight"] == pytest.approx(0.05, abs=2e-6)
    assert found.relaxed["MaxTurnover"] == pytest.approx(0.65, abs=4e-6)


def test_the_objective_decides_among_portfolios_of_least_violation(market):
    target = pd.Series({"A": 0.1, "B": 0.2, "C": 0.3, "D": 0.4})
    caps = (MaxWeight(0.2, ("A", "B")), MaxWeight(0.25, ("D",)), MaxWeight(0.3, ("C",)))
    found = sized(market, caps, target=target, current=None)
    # 0.2 + 0.2 + 0.3 + 0.25: the missing 0.05 costs least where the cap counts twice.
    assert found.relaxed == pytest.approx({"MaxWeight(A, B)": 0.025}, abs=2e-6)
    assert found.weights.to_dict() == pytest.approx(
        {"A": 0.225, "B": 0.225, "C": 0.3, "D": 0.25}, abs=5e-6
    )


CONFLICT = (
    MaxVolatility(2.0),
    MaxWeight(0.2, ("A",)),
    MaxWeight(0.25, ("B",)),
    MaxWeight(0.9),
    MaxWeight(0.3, ("C", "D")),
    MaxWeight(0.2, ("D",)),
    MaxTurnover(0.1),
)


def test_a_conflict_is_named_minimal_and_with_its_smallest_relaxation(market):
    with pytest.raises(InfeasibleLimitsError) as caught:
        sized(market, CONFLICT, on_infeasible="stop", current=EVEN)
    error = caught.value
    assert error.exit_code == 4
    assert set(error.conflict) == {
        "MaxWeight(A)",
        "MaxWeight(B)",
        "MaxWeight(C, D)",
        "MaxWeight(D)",
    }
    assert error.relaxation == pytest.approx({"MaxWeight(C, D)": 0.05}, abs=1e-6)
    assert "No portfolio on 2021-03-05 meets MaxWeight(A) 0.2 and" in str(error)
    assert "The smallest relaxation is MaxWeight(C, D) by 0.05" in str(error)
    for left_out in error.conflict:
        rest = tuple(limit for limit in CONFLICT if limit.name != left_out)
        sized(market, rest, on_infeasible="stop", current=EVEN)


@pytest.mark.parametrize("seed", range(40))
def test_a_limit_that_cannot_hold_by_itself_is_named(market, seed):
    """Without it no limit is left, and the bound on their violation is a rounding of nothing."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(4))
    stuck = {"current": pd.Series(shares, FOUR), "tradable": pd.Series(False, FOUR)}
    with pytest.raises(InfeasibleLimitsError) as caught:
        sized(market, (MaxVolatility(0.1),), on_infeasible="stop", **stuck)
    assert caught.value.conflict == ("MaxVolatility",)
    assert set(caught.value.relaxation) == {"MaxVolatility"}


@settings(max_examples=12, deadline=None, derandomize=True)
@given(st.lists(st.floats(0.05, 0.4), min_size=4, max_size=4), st.floats(0.1, 0.9))
def test_named_conflicts_are_minimal_for_drawn_caps(market, caps, volatility):
    limits = (
        *(MaxWeight(cap, (name,)) for name, cap in zip(FOUR, caps, strict=True)),
        MaxVolatility(volatility),
    )
    try:
        sized(market, limits, on_infeasible="stop", current=None)
    except InfeasibleLimitsError as error:
        chosen = [limit for limit in limits if limit.name in error.conflict]
        with pytest.raises(InfeasibleLimitsError):
            sized(market, tuple(chosen), on_infeasible="stop", current=None)
        for left_out in chosen:
            rest = tuple(limit for limit in chosen if limit is not left_out)
            sized(market, rest, on_infeasible="stop", current=None)
    else:
        assert sum(caps) >= 1.0 - 1e-6


def test_keep_keeps_the_current_weights_and_reports_what_they_break(market):
    current = pd.Series({"A": 0.4, "B": 0.2, "C": 0.2, "D": 0.2})
    found = sized(market, (MaxWeight(0.2), MaxTurnover(0.5)), on_infeasible="keep", current=current)
    assert found.status == "kept"
    assert (found.weights == current).all()
    assert found.relaxed == pytest.approx({"MaxWeight": 0.2})
    assert found.certificate.gap is None
    assert found.certificate.worst_residual <= 1e-9


def test_keep_without_anything_to_keep_is_an_error(market):
    with pytest.raises(InfeasibleLimitsError, match="no weights to keep"):
        sized(market, (MaxWeight(0.2),), on_infeasible="keep", current=None)


def test_what_cannot_be_traded_is_never_relaxed(market):
    made = market(2, 3)
    names = made.risky
    current = pd.Series(dict(zip(names, (0.6, 0.2, 0.1), strict=True)))
    stuck = pd.Series(dict(zip(names, (False, True, True), strict=True)))
    limits = (MaxWeight(0.3), MinCash(0.5))
    found = (
        Optimizer(TrackTarget(), limits)
        .compile(made.assets)
        .solve(made.decision(current=current, tradable=stuck))
    )
    assert found.weights[names[0]] == 0.6
    assert found.relaxed["MaxWeight"] == pytest.approx(0.3, abs=1e-6)
    assert found.relaxed["MinCash"] == pytest.approx(0.1, abs=1e-6)
    assert found.weights["CASH"] == pytest.approx(0.4, abs=1e-6)


def test_nothing_buyable_and_no_cash_is_an_error_of_the_budget(market):
    none = pd.Series(False, FOUR)
    with pytest.raises(InfeasibleLimitsError, match="Add a cash asset") as caught:
        sized(market, (), current=None, buyable=none)
    assert caught.value.conflict == ("budget",)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ConfigError, match="on_infeasible"):
        Optimizer(TrackTarget(), (), None, "ignore")


@pytest.mark.parametrize("seed", range(40))
def test_a_tight_book_is_always_answered(market, seed):
    """Random caps around what is possible, where the portfolios left are few or one."""
    made = market(seed, 6)
    draw = np.random.default_rng(seed)
    limits = (
        MaxWeight(float(draw.uniform(0.02, 0.3))),
        MinCash(float(draw.uniform(0.0, 0.6))),
        MaxTurnover(float(draw.uniform(0.0, 0.2))),
        MaxVolatility(float(draw.uniform(0.01, 0.3))),
    )
    tradable = pd.Series(draw.random(6) > 0.3, made.risky)
    found = (
        Optimizer(TrackTarget(), limits, ProportionalCost())
        .compile(made.assets)
        .solve(made.decision(tradable=tradable))
    )
    assert found.certificate.worst_residual <= 1e-6
    assert found.certificate.budget_error <= 1e-9
