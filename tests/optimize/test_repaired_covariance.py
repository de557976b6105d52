"""What a risk model repaired, every objective that needs a regular covariance accepts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from toolkit.optimize import (
    BlackLitterman,
    Decision,
    MaximumSharpe,
    MeanVariance,
    MinimumVariance,
    Optimizer,
)
from toolkit.risk.estimators import (
    CovarianceEstimate,
    ExponentialCovariance,
    LedoitWolf,
    OracleApproximatingShrinkage,
    RiskModel,
)

MODELS = [
    ExponentialCovariance(21, 120, 30),
    LedoitWolf(120, 30),
    OracleApproximatingShrinkage(120, 30),
]


def estimate(model: RiskModel, seed: int, assets: int) -> CovarianceEstimate:
    """Of assets that move together and were listed at different times, so that pairs contradict."""
    random = np.random.default_rng(seed)
    sessions = pd.bdate_range("2020-01-01", periods=120)
    common = random.standard_normal((120, 2)) @ random.standard_normal((2, assets))
    values = 0.02 * (common + 0.1 * random.standard_normal((120, assets)))
    for column in range(assets):
        gap = int(random.integers(0, 85))
        values[gap : gap + int(random.integers(1, 60)), column] = np.nan
    names = [f"A{column}" for column in range(assets)]
    return model.covariance(pd.DataFrame(values, sessions, names), 252.0)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), assets=st.integers(3, 14), model=st.sampled_from(MODELS))
def test_the_least_variance_of_a_repaired_estimate_is_found_and_certified(seed, assets, model):
    found = estimate(model, seed, assets)
    assume(found.repair > 0.0)
    matrix = found.matrix.to_numpy()
    solved = (
        Optimizer(MinimumVariance())
        .compile(list(found.matrix))
        .solve(Decision(pd.Timestamp("2020-06-16"), covariance=found.matrix))
    )
    weights = solved.weights[found.matrix.columns].to_numpy()
    assert solved.status == "optimal"
    assert solved.certificate.covariance_repair == 0.0
    # Where weight is held the marginal variance is the portfolio's own, elsewhere not below it.
    marginal = matrix @ weights
    variance = weights @ marginal
    scale = np.diag(matrix).mean()
    assert marginal[weights > 1e-4] == pytest.approx(variance, abs=1e-4 * scale)
    assert (marginal >= variance - 1e-4 * scale).all()


@pytest.mark.parametrize(
    "objective",
    [MinimumVariance(), MeanVariance(), MaximumSharpe(), BlackLitterman(())],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("model", MODELS, ids=lambda part: type(part).__name__)
def test_every_objective_that_needs_a_regular_covariance_takes_it(objective, model):
    found = next(
        made for made in (estimate(model, seed, 12) for seed in range(200)) if made.repair > 0.01
    )
    names = list(found.matrix)
    returns = pd.Series(np.linspace(0.02, 0.2, len(names)), names)
    target = pd.Series(1.0 / len(names), names)
    decision = Decision(
        pd.Timestamp("2020-06-16"),
        target=target,
        covariance=found.matrix,
        expected_returns=returns,
    )
    solved = Optimizer(objective).compile(names).solve(decision)
    assert solved.status in ("optimal", "target")
    assert solved.fallbacks == ()
