"""Bad input is refused by a typed error that names where it is; nothing is silently repaired."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import (
    ConfigError,
    DataError,
    InfeasibleLimitsError,
    SolverError,
    UnknownAssetError,
)
from toolkit.optimize import (
    BlackLitterman,
    MaxBeta,
    MaxExpectedShortfall,
    MaximumSharpe,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
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
    RiskBudget,
    TrackTarget,
    View,
)


def full(made, **given):
    names = made.risky
    size = len(names)
    draw = np.random.default_rng(0)
    whole = {
        "equity": 1e6,
        "expected_returns": pd.Series(draw.normal(0.08, 0.1, size), names),
        "scenarios": pd.DataFrame(draw.normal(0.0, 0.02, (60, size)), columns=names),
        "betas": pd.DataFrame({"bitcoin": draw.normal(0.8, 0.5, size)}, names),
        "stress": pd.DataFrame(draw.normal(-0.2, 0.2, (2, size)), ["hash", "ai"], names),
        "volumes": pd.Series(1e6, names),
    }
    return made.decision(**{**whole, **given})


def put(table, row, column, value):
    changed = table.copy()
    changed.iloc[row, column] = value
    return changed


def twice(table):
    return pd.concat([table, table])


BAD = {
    "covariance with NaN": (
        lambda d: {"covariance": put(d.covariance, 1, 2, np.nan)},
        "{1} and {2} is not a finite number",
    ),
    "covariance with infinity": (
        lambda d: {"covariance": put(d.covariance, 3, 3, np.inf)},
        "{3} and {3} is not a finite number",
    ),
    "covariance that is not symmetric": (
        lambda d: {"covariance": put(d.covariance, 0, 3, 0.5)},
        "not symmetric: {0} with {3}",
    ),
    "covariance that is indefinite": (
        lambda d: {"covariance": put(d.covariance, 2, 2, -3.0)},
        "not positive semidefinite: .* in the direction of {2}",
    ),
    "covariance with other rows": (
        lambda d: {"covariance": d.covariance.iloc[::-1]},
        "other rows than columns",
    ),
    "expected return that is missing": (
        lambda d: {"expected_returns": d.expected_returns.mask(d.expected_returns.index == "A2")},
        "expected return on 2021-03-05 of A2 is missing",
    ),
    "scenario that is missing": (
        lambda d: {"scenarios": put(d.scenarios, 7, 1, np.nan)},
        "scenario on 2021-03-05 of {1} is missing",
    ),
    "no scenario": (lambda d: {"scenarios": d.scenarios.iloc[:0]}, "scenario on 2021-03-05"),
    "beta that is infinite": (
        lambda d: {"betas": put(d.betas, 2, 0, np.inf)},
        "beta on 2021-03-05 of {2} is missing or no finite number",
    ),
    "stress that is missing": (
        lambda d: {"stress": put(d.stress, 0, 3, np.nan)},
        "return under stress on 2021-03-05 of {3} is missing",
    ),
    "stress named twice": (
        lambda d: {"stress": twice(d.stress)},
        "stresses on 2021-03-05 name hash more than once",
    ),
    "factor named twice": (
        lambda d: {"betas": pd.concat([d.betas, d.betas], axis=1)},
        "betas on 2021-03-05 name bitcoin more than once",
    ),
    "asset named twice": (
        lambda d: {"volumes": twice(d.volumes)},
        "volumes on 2021-03-05 names {0} more than once",
    ),
    "unknown factor": (
        lambda d: {"betas": d.betas.rename(columns={"bitcoin": "ether"})},
        "needs betas to 'bitcoin'; it has those to ether",
    ),
    "unknown stress": (
        lambda d: {"stress": d.stress.rename(index={"hash": "hush"})},
        "names the stress 'hash', which .* does not have. Did you mean 'hush'",
    ),
    "negative volume": (
        lambda d: {"volumes": d.volumes.where(d.volumes.index != "A1", -5.0)},
        "volumes on 2021-03-05: A1 is -5",
    ),
    "infinite volume": (
        lambda d: {"volumes": d.volumes.where(d.volumes.index != "A1", np.inf)},
        "volumes on 2021-03-05: A1 is inf",
    ),
    "no equity": (lambda d: {"equity": -1.0}, "the equity -1.0"),
    "endless equity": (lambda d: {"equity": np.inf}, "the equity inf"),
    "proceeds above equity": (lambda d: {"proceeds": 1.5}, "proceeds on 2021-03-05 are 1.5"),
    "proceeds that are missing": (lambda d: {"proceeds": np.nan}, "proceeds .* are nan"),
    "target that is missing": (
        lambda d: {"target": d.target.mask(d.target.index == "A0")},
        "target on 2021-03-05: A0 is nan",
    ),
    "target above one": (lambda d: {"target": d.target + 0.1}, "target .* sum to 1.5; expected 1"),
    "current weight below zero": (
        lambda d: {"current": pd.Series({"A0": -0.2})},
        "current weights .* A0 is -0.2",
    ),
}
EVERY_LIMIT = (
    MaxWeight(0.9),
    MaxSleeveWeight("bitcoin", 0.9),
    MinCash(0.0),
    MaxTurnover(1.0),
    MaxTradingDays(9.0),
    MaxVolatility(2.0),
    MaxTrackingError(2.0),
    MaxExpectedShortfall(0.5),
    MinExpectedReturn(-1.0),
    MaxBeta("bitcoin", 3.0),
    MaxStressLoss(1.0, ("hash",)),
    MinEffectiveNumber(1.0),
)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_number_is_refused_with_its_asset(market, case):
    made = market(1, 4)
    program = Optimizer(TrackTarget(), EVERY_LIMIT).compile(made.assets)
    decision = full(made)
    program.solve(decision)
    spoil, said = BAD[case]
    with pytest.raises(DataError, match=said.format(*made.risky)):
        program.solve(replace(decision, **spoil(decision)))


NEEDED = {
    "target": TrackTarget(),
    "covariance": MinimumVariance(),
    "expected_returns": MeanVariance(),
    "scenarios": MinimumExpectedShortfall(),
}


@pytest.mark.parametrize("field", NEEDED)
def test_what_the_objective_needs_is_asked_for_by_name(market, field):
    made = market(1, 4)
    program = Optimizer(NEEDED[field]).compile(made.assets)
    with pytest.raises(DataError, match=f"on 2021-03-05 lacks {field}"):
        program.solve(replace(full(made), **{field: None}))


LIMIT_NEEDS = {
    "equity": MaxTradingDays(1.0),
    "scenarios": MaxExpectedShortfall(0.1),
    "expected_returns": MinExpectedReturn(0.0),
    "betas": MaxBeta("bitcoin", 1.0),
    "stress": MaxStressLoss(0.5),
}


@pytest.mark.parametrize("field", LIMIT_NEEDS)
def test_what_a_limit_needs_is_asked_for_by_name(market, field):
    made = market(1, 4)
    program = Optimizer(TrackTarget(), (LIMIT_NEEDS[field],)).compile(made.assets)
    with pytest.raises(DataError, match=f"on 2021-03-05 lacks {field}"):
        program.solve(replace(full(made), volumes=None, **{field: None}))


@pytest.mark.parametrize(
    "objective",
    [MinimumVariance(), MeanVariance(), MaximumSharpe(), BlackLitterman(())],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("kind", ["copies", "a mixture"])
def test_copies_of_an_asset_are_refused_where_they_leave_weights_undetermined(
    market, objective, kind
):
    made = market(2, 4)
    decision = full(made)
    change = np.eye(4)
    change[1] = [1.0, 0.0, 0.0, 0.0] if kind == "copies" else [0.3, 0.0, 0.5, 0.2]
    singular = change @ decision.covariance.to_numpy() @ change.T
    covariance = pd.DataFrame((singular + singular.T) / 2.0, made.risky, made.risky)
    program = Optimizer(objective).compile(made.assets)
    names = "|".join(made.risky)
    with pytest.raises(DataError, match=f"is singular: to rounding, ({names}) has no risk of its"):
        program.solve(replace(decision, covariance=covariance))


def test_copies_share_their_risk_budget_and_opposite_ones_are_an_error(market):
    made = market(2, 4)
    decision = full(made, target=None, current=None)
    copy = np.eye(4)
    copy[1] = [1.0, 0.0, 0.0, 0.0]
    program = Optimizer(RiskBudget()).compile(made.assets)
    for sign in (1.0, -1.0):
        copy[1, 0] = sign
        singular = copy @ decision.covariance.to_numpy() @ copy.T
        table = pd.DataFrame((singular + singular.T) / 2.0, made.risky, made.risky)
        given = replace(decision, covariance=table)
        if sign > 0.0:
            weights = program.solve(given).weights
            assert weights.iloc[0] == pytest.approx(weights.iloc[1], rel=1e-6)
        else:
            with pytest.raises(SolverError, match="copies of one asset in opposite directions"):
                program.solve(given)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: MaxExpectedShortfall(-0.1), "MaxExpectedShortfall.cap = -0.1"),
        (lambda: MaxExpectedShortfall(0.1, 1.0), "MaxExpectedShortfall.level = 1.0"),
        (lambda: MaxBeta("bitcoin", -0.1), "MaxBeta.cap = -0.1"),
        (lambda: MaxStressLoss(1.1), "MaxStressLoss.cap = 1.1"),
        (lambda: MaxTrackingError(0.0), "MaxTrackingError.cap = 0.0"),
        (lambda: MaxTradingDays(-1.0), "MaxTradingDays.cap = -1.0"),
        (lambda: MinEffectiveNumber(0.5), "MinEffectiveNumber.floor = 0.5"),
        (lambda: MinExpectedReturn(float("inf")), "MinExpectedReturn.floor = inf"),
        (lambda: MinimumExpectedShortfall(0.3), "MinimumExpectedShortfall.level = 0.3"),
        (lambda: MeanVariance(-1.0), "MeanVariance.risk_aversion = -1.0"),
        (lambda: RiskBudget({"A0": 0.0}), "RiskBudget.assets.A0 = 0.0"),
        (lambda: RiskBudget({"A0": 1.0}, {"bitcoin": 1.0}), "of assets and of sleeves"),
        (lambda: View({"A0": 1.0}, 0.1, 0.0), "View.confidence = 0.0"),
        (lambda: View({"A0": 1.0}, 0.1, 1.01), "View.confidence = 1.01"),
        (lambda: View({"A0": 1.0}, 0.1, float("nan")), "View.confidence = nan"),
        (lambda: View({"A0": 0.0}, 0.1), "at least one weight that is not 0"),
        (lambda: View({"A0": 1.0}, float("nan")), "expected finite numbers"),
    ],
)
def test_settings_out_of_range_are_refused_by_name(build, said):
    with pytest.raises(ConfigError, match=said):
        build()


def test_limits_that_contradict_one_another_are_named_with_the_least_relaxation(market):
    made = market(3, 4)
    limits = (MaxWeight(0.9), MinCash(0.5), MaxSleeveWeight("cash", 0.3), MaxBeta("bitcoin", 3.0))
    program = Optimizer(TrackTarget(), limits, None, "stop").compile(made.assets)
    with pytest.raises(InfeasibleLimitsError, match=r"MinCash 0\.5 and MaxSleeveWeight") as caught:
        program.solve(full(made))
    assert set(caught.value.conflict) == {"MinCash", "MaxSleeveWeight(cash)"}
    # Of the two, that with the larger cap gives for less.
    assert caught.value.relaxation == pytest.approx({"MinCash": 0.2}, abs=1e-6)


def test_certain_views_that_contradict_one_another_are_named(market):
    made = market(3, 4)
    name = made.risky[1]
    views = (
        View({made.risky[0]: 1.0}, 0.1, 1.0),
        View({name: 1.0}, 0.05, 1.0),
        View({name: 1.0}, 0.10, 1.0),
    )
    program = Optimizer(BlackLitterman(views[:2])).compile(made.assets)
    assert program.solve(full(made)).status == "optimal"
    said = f"views on {{'{name}': 1.0}} and {{'{name}': 1.0}} are certain, and repeat or contradict"
    with pytest.raises(DataError, match=said):
        Optimizer(BlackLitterman(views)).compile(made.assets)


@pytest.mark.parametrize(
    "objective",
    [
        RiskBudget({"B9": 1.0}),
        BlackLitterman((View({"B9": 1.0}, 0.1),)),
        BlackLitterman((), {"B9": 1}),
    ],
    ids=["budget", "view", "market"],
)
def test_an_objective_on_an_unknown_asset_is_refused_when_compiled(market, objective):
    with pytest.raises(UnknownAssetError, match="'B9', which the program was not compiled for"):
        Optimizer(objective).compile(market(0, 3).assets)


def test_plain_ids_have_no_cash_and_no_sleeves(market):
    names = market(0, 3).risky
    for optimizer in (
        Optimizer(TrackTarget(), (MinCash(0.1),)),
        Optimizer(TrackTarget(), (MaxSleeveWeight("cash", 0.1),)),
        Optimizer(RiskBudget(sleeves={"bitcoin": 1.0})),
    ):
        with pytest.raises(ConfigError, match="Compile the optimizer for assets of a universe"):
            optimizer.compile(names)
    with pytest.raises(ConfigError, match="no asset"):
        Optimizer(TrackTarget()).compile([])
    with pytest.raises(ConfigError, match="A0 more than once"):
        Optimizer(TrackTarget()).compile(["A0", "A0"])
    with pytest.raises(ConfigError, match="budget of cash"):
        Optimizer(RiskBudget({"CASH": 1.0})).compile(market(0, 3).assets)


def test_an_unknown_volume_is_not_held_against_the_asset_and_is_told(market):
    made = market(4, 4)
    known, missing, zero, absent = made.risky
    volumes = pd.Series({known: 1e6, missing: np.nan, zero: 0.0})
    target = pd.Series({known: 0.3, missing: 0.2, zero: 0.2, absent: 0.2})
    decision = full(made, volumes=volumes, target=target, current=pd.Series({"CASH": 1.0}))
    limit = MaxTradingDays(0.1)
    found = Optimizer(TrackTarget(), (limit,)).compile(made.assets).solve(decision)
    # A tenth of a day of 1e6 USD is a tenth of the equity.
    assert found.weights[known] == pytest.approx(0.1, abs=1e-6)
    assert found.values["MaxTradingDays"] == pytest.approx(0.1, abs=1e-6)
    assert all(found.weights[name] > 0.15 for name in (missing, zero, absent))
    assert found.unchecked == (f"MaxTradingDays: {', '.join(sorted((missing, zero, absent)))}",)
    nothing = replace(decision, volumes=None)
    found = Optimizer(TrackTarget(), (limit,)).compile(made.assets).solve(nothing)
    assert found.unchecked == (f"MaxTradingDays: {', '.join(sorted(made.risky))}",)
    cash = replace(decision, volumes=pd.Series({**dict.fromkeys(made.risky, 1e9), "CASH": 1.0}))
    found = Optimizer(TrackTarget(), (limit,)).compile(made.assets).solve(cash)
    assert found.status == "target"
    assert found.unchecked == ()


def test_weights_that_lack_the_proceeds_cannot_be_kept(market):
    names = market(0, 4).risky
    left = pd.Series(0.2, names)
    decision = market(0, 4).decision(target=pd.Series(0.25, names), current=left, proceeds=0.2)
    limits = (MaxWeight(0.22),)
    with pytest.raises(InfeasibleLimitsError, match="no weights to keep"):
        Optimizer(TrackTarget(), limits, None, "keep").compile(names).solve(decision)
    found = Optimizer(TrackTarget(), limits).compile(names).solve(decision)
    assert found.weights.sum() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "cell", ["x", "1.5", None, pd.NA, 1j, pd.Timestamp("2021-01-01")], ids=repr
)
@pytest.mark.parametrize(
    "name",
    [
        *("target", "current", "covariance", "scenarios", "expected_returns", "betas", "stress"),
        *("volumes", "volatilities", "half_spreads"),
    ],
)
def test_a_cell_that_is_no_number_is_refused_by_name(market, name, cell):
    made = market(1, 4)
    given = getattr(full(made, target=pd.Series(0.25, made.risky)), name)
    if given is None:
        given = pd.Series(0.01, made.risky)
    changed = given.astype(object)
    if changed.ndim == 1:
        changed.iloc[2] = cell
    else:
        changed.iloc[2 % len(changed), -1] = cell
    label = changed.index[2] if changed.ndim == 1 else changed.columns[-1]
    with pytest.raises(DataError, match=rf"The {name} on 2\d{{3}}-.* of .*{label} is .*no number"):
        made.decision(**{name: changed})


@pytest.mark.parametrize("name", ["target", "current", "tradable", "covariance", "volumes"])
def test_a_plain_array_is_refused_by_name(market, name):
    with pytest.raises(DataError, match=rf"The {name} on .* is of type ndarray; give a pandas"):
        market(1, 4).decision(**{name: np.ones((4, 4) if name == "covariance" else 4)})


@pytest.mark.parametrize("name", ["equity", "proceeds"])
def test_an_amount_that_is_no_number_is_refused(market, name):
    with pytest.raises(DataError, match=rf"The {name} on .* is '1e6'; give a number"):
        market(1, 4).decision(**{name: "1e6"})


def test_numbers_in_a_column_of_objects_are_numbers(market):
    made = market(1, 4)
    decision = made.decision()
    program = Optimizer(MinimumVariance(), (MaxWeight(0.5),)).compile(made.assets)
    loose = replace(decision, covariance=decision.covariance.astype(object))
    assert program.solve(loose).weights.equals(program.solve(decision).weights)
