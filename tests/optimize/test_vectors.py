"""Published optima, and one that a published data set has."""

import gzip
from importlib import resources

import numpy as np
import pandas as pd
import pytest

from toolkit.optimize import (
    BlackLitterman,
    Decision,
    MinExpectedReturn,
    MinimumVariance,
    Optimizer,
    RiskBudget,
    View,
)

SESSION = pd.Timestamp("2021-03-05")


def answered(objective, covariance, limits=(), **given):
    decision = Decision(SESSION, covariance=covariance, **given)
    return Optimizer(objective, limits).compile(list(covariance)).solve(decision)


def test_least_variance_under_a_minimum_return_is_that_of_rockafellar_and_uryasev():
    names = ["S&P", "bonds", "small caps"]
    means = pd.Series([0.0101110, 0.0043532, 0.0137058], names)
    covariance = pd.DataFrame(
        [
            [0.00324625, 0.00022983, 0.00420395],
            [0.00022983, 0.00049937, 0.00019247],
            [0.00420395, 0.00019247, 0.00764097],
        ],
        names,
        names,
    )
    limits = (MinExpectedReturn(0.011),)
    found = answered(MinimumVariance(), covariance, limits, expected_returns=means)
    weights = found.weights.to_numpy()
    # The published digits are 4e-9 short of the return, which moves weights by 2e-6.
    assert weights == pytest.approx([0.452013, 0.115573, 0.432414], abs=2e-6)
    rows = np.vstack([np.ones(3), means])
    optimal = np.block([[covariance.to_numpy(), rows.T], [rows, np.zeros((2, 2))]])
    exact = np.linalg.solve(optimal, [0.0, 0.0, 0.0, 1.0, 0.011])[:3]
    assert weights == pytest.approx(exact, abs=1e-8)
    assert found.certificate.optimum == pytest.approx(0.00378529, abs=5e-9)
    assert found.binding == ("MinExpectedReturn",)


FOUR = ["A", "B", "C", "D"]
CORRELATION = [[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]]
DEVIATIONS = np.array([0.1, 0.2, 0.3, 0.4])
MAILLARD = pd.DataFrame(np.array(CORRELATION) * np.outer(DEVIATIONS, DEVIATIONS), FOUR, FOUR)


def test_equal_risk_contribution_is_that_of_maillard_roncalli_and_teiletche():
    found = answered(RiskBudget(), MAILLARD)
    weights = found.weights.to_numpy()
    # Of two assets the weights are as 2 to 1 exactly, those published are so to 1e-4.
    assert weights == pytest.approx([0.38362, 0.19180, 0.24262, 0.18196], abs=1e-5)
    assert weights[0] == pytest.approx(2.0 * weights[1], rel=1e-9)
    assert np.sqrt(weights @ MAILLARD @ weights) == pytest.approx(0.10293, abs=5e-6)
    assert list(found.achieved.values()) == pytest.approx([0.25] * 4, abs=1e-9)


def test_the_least_variance_of_the_same_assets_leaves_one_out():
    found = answered(MinimumVariance(), MAILLARD)
    weights = found.weights.to_numpy()
    assert weights == pytest.approx([0.74483, 0.0, 0.15172, 0.10345], abs=5e-6)
    assert weights[1] == 0.0
    assert np.sqrt(found.certificate.optimum) == pytest.approx(0.08630, abs=5e-6)


def test_the_least_variance_of_twenty_stocks_is_that_of_the_published_prices():
    packed = resources.files("skfolio.datasets") / "data" / "sp500_dataset.csv.gz"
    with packed.open("rb") as raw, gzip.open(raw) as text:
        prices = pd.read_csv(text, index_col=0, parse_dates=True)
    returns = prices.pct_change().dropna()
    assert returns.shape == (8312, 20)
    found = answered(MinimumVariance(), 252.0 * returns.cov())
    assert np.sqrt(found.certificate.optimum) == pytest.approx(0.1598038, abs=5e-8)


COUNTRIES = ["Australia", "Canada", "France", "Germany", "Japan", "UK", "USA"]
UPPER = (
    [0.488, 0.478, 0.515, 0.439, 0.512, 0.491],
    [0.664, 0.655, 0.310, 0.608, 0.779],
    [0.861, 0.355, 0.783, 0.668],
    [0.354, 0.777, 0.653],
    [0.405, 0.306],
    [0.652],
)
MARKET = pd.Series([0.016, 0.022, 0.052, 0.055, 0.116, 0.124, 0.615], COUNTRIES)
GERMANY = {"Germany": 1.0, "France": -0.052 / 0.176, "UK": -0.124 / 0.176}


def countries():
    correlation = np.eye(7)
    for row, values in enumerate(UPPER):
        correlation[row, row + 1 :] = correlation[row + 1 :, row] = values
    deviations = np.array([0.16, 0.203, 0.248, 0.271, 0.21, 0.2, 0.187])
    return pd.DataFrame(correlation * np.outer(deviations, deviations), COUNTRIES, COUNTRIES)


def test_the_posterior_of_he_and_litterman_is_what_the_objective_maximises():
    view = View(GERMANY, 0.05, 0.5)
    found = answered(BlackLitterman((view,)), countries(), target=MARKET / MARKET.sum())
    published = pd.Series([0.0433, 0.0758, 0.0929, 0.1104, 0.0451, 0.0695, 0.0807], COUNTRIES)
    told = {name.removeprefix("expected return of "): v for name, v in found.achieved.items()}
    # Long only, France and the UK (-4 % and -9 % without limits) are not held.
    assert set(COUNTRIES) - set(told) == {"France", "UK"}
    assert list(told.values()) == pytest.approx(published[list(told)].tolist(), abs=6e-5)


def test_where_nothing_binds_the_weights_are_those_of_the_closed_form(market):
    made = market(0, 7)
    covariance = countries().set_axis(made.risky).set_axis(made.risky, axis=1)
    weights = pd.Series(MARKET.to_numpy(), made.risky)
    portfolio = pd.Series(GERMANY).reindex(COUNTRIES, fill_value=0.0).to_numpy()
    view = View(dict(zip(made.risky, portfolio.tolist(), strict=True)), 0.03, 0.2)
    decision = Decision(SESSION, target=0.9 * weights, covariance=covariance)
    found = Optimizer(BlackLitterman((view,))).compile(made.assets).solve(decision)
    spread = 0.05 * covariance.to_numpy()
    prior = 50.0 * spread @ (0.9 * weights)
    gain = 0.2 * spread @ portfolio / (portfolio @ spread @ portfolio)
    mean = prior + gain * (0.03 - portfolio @ prior)
    total = 21.0 * spread - np.outer(gain, portfolio @ spread)
    expected = np.linalg.solve(total, mean) / 2.5
    assert expected.min() > 0.0
    assert expected.sum() < 1.0
    assert found.weights[made.risky].to_numpy() == pytest.approx(expected, abs=1e-6)
