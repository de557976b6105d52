import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError, UnknownAssetError
from toolkit.metrics import expected_shortfall
from toolkit.risk.measures import (
    normal_expected_shortfall,
    normal_value_at_risk,
    portfolio_volatility,
    risk_contributions,
    shortfall_contributions,
)

ASSETS = ["S&P", "Bond", "Small"]
MEAN = np.array([0.0101110, 0.0043532, 0.0137058])
COVARIANCE = pd.DataFrame(
    [
        [0.00324625, 0.00022983, 0.00420395],
        [0.00022983, 0.00049937, 0.00019247],
        [0.00420395, 0.00019247, 0.00764097],
    ],
    ASSETS,
    ASSETS,
)
WEIGHTS = pd.Series([0.452013, 0.115573, 0.432414], ASSETS)
"""Rockafellar and Uryasev (2000), section 5: the portfolio of least risk at a mean of 0.011."""


def test_value_at_risk_and_shortfall_of_the_published_portfolio():
    mean, deviation = float(MEAN @ WEIGHTS), portfolio_volatility(WEIGHTS, COVARIANCE)
    assert mean == pytest.approx(0.011, abs=1e-7)
    assert deviation**2 == pytest.approx(0.00378529, abs=1e-8)
    published = {0.90: (0.067847, 0.096975), 0.95: (0.090200, 0.115908), 0.99: (0.132128, 0.152977)}
    for level, (value_at_risk, shortfall) in published.items():
        assert normal_value_at_risk(mean, deviation, level) == pytest.approx(
            value_at_risk, abs=1e-6
        )
        assert normal_expected_shortfall(mean, deviation, level) == pytest.approx(
            shortfall, abs=1e-6
        )


def test_the_normal_shortfall_is_the_mean_of_the_values_at_risk_beyond():
    levels = 0.95 + 0.05 * (np.arange(200_000) + 0.5) / 200_000
    beyond = np.mean([normal_value_at_risk(0.01, 0.2, level) for level in levels[::20]])
    assert normal_expected_shortfall(0.01, 0.2, 0.95) == pytest.approx(beyond, rel=1e-4)


def test_equal_risk_contributions_of_the_published_portfolio():
    """Maillard, Roncalli and Teiletche (2010), section 4."""
    volatility = np.array([0.1, 0.2, 0.3, 0.4])
    correlation = np.array([[1, 0.8, 0, 0], [0.8, 1, 0, 0], [0, 0, 1, -0.5], [0, 0, -0.5, 1]])
    names = list("ABCD")
    covariance = pd.DataFrame(correlation * np.outer(volatility, volatility), names, names)
    weights = pd.Series([0.38362, 0.19180, 0.24262, 0.18196], names)
    parts = risk_contributions(weights, covariance)
    # Weights and volatility are published with five digits.
    assert parts.to_numpy() == pytest.approx(np.full(4, 0.10293 / 4), abs=3e-6)
    assert parts.sum() == pytest.approx(0.10293, abs=5e-6)
    least = pd.Series([0.74483, 0.0, 0.15172, 0.10345], names)
    assert portfolio_volatility(least, covariance) == pytest.approx(0.08630, abs=5e-6)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), level=st.sampled_from([0.5, 0.9, 0.951, 0.99]))
def test_contributions_are_derivatives_and_sum_to_the_risk(seed, level):
    random = np.random.default_rng(seed)
    names = list("ABCDE")
    scenarios = pd.DataFrame(random.standard_t(4, size=(173, 5)) * 0.02, columns=names)
    weights = pd.Series(random.normal(size=5), names)
    covariance = pd.DataFrame(np.cov(scenarios.T), names, names)
    parts = risk_contributions(weights, covariance)
    assert parts.sum() == pytest.approx(portfolio_volatility(weights, covariance), rel=1e-12)
    tails = shortfall_contributions(weights, scenarios, level)
    assert tails.sum() == pytest.approx(expected_shortfall(scenarios @ weights, level), rel=1e-9)
    for name in names:
        step = pd.Series({name: 1e-7}).reindex(names, fill_value=0.0)
        more = portfolio_volatility(weights + step, covariance)
        less = portfolio_volatility(weights - step, covariance)
        assert parts[name] == pytest.approx(
            weights[name] * (more - less) / 2e-7, rel=1e-4, abs=1e-7
        )
        more = expected_shortfall(scenarios @ (weights + step), level)
        less = expected_shortfall(scenarios @ (weights - step), level)
        assert tails[name] == pytest.approx(
            weights[name] * (more - less) / 2e-7, rel=1e-4, abs=1e-6
        )


def test_a_portfolio_without_risk_has_contributions_of_zero():
    flat = COVARIANCE * 0.0
    assert (risk_contributions(WEIGHTS, flat) == 0.0).all()
    hedged = pd.DataFrame([[1.0, 1.0], [1.0, 1.0]], ["A", "B"], ["A", "B"])
    assert portfolio_volatility(pd.Series({"A": 1.0, "B": -1.0}), hedged) == 0.0


def test_a_weight_left_out_is_zero_and_the_order_does_not_matter():
    few = pd.Series({"Small": 0.3, "S&P": 0.7})
    plain = np.sqrt(np.array([0.7, 0.3]) @ COVARIANCE.loc[few.index[::-1], few.index[::-1]]
                    @ np.array([0.7, 0.3]))  # fmt: skip
    assert portfolio_volatility(few, COVARIANCE) == pytest.approx(plain, rel=1e-12)
    assert risk_contributions(few, COVARIANCE)["Bond"] == 0.0


def test_wrong_covariances_weights_and_scenarios_are_refused_by_name():
    def changed(row, column, value):
        wrong = COVARIANCE.copy()
        wrong.loc[row, column] = value
        return wrong

    cases = {
        "covariance of Bond and Small is not": changed("Bond", "Small", np.nan),
        "covariance of S&P and S&P is not": changed("S&P", "S&P", np.inf),
        "not symmetric: .*(Bond|Small) with (Bond|Small)": changed("Bond", "Small", 0.001),
        "direction of Bond": changed("Bond", "Bond", -0.0005),
        "other rows": COVARIANCE.iloc[::-1],
    }
    for words, wrong in cases.items():
        with pytest.raises(DataError, match=words):
            risk_contributions(WEIGHTS, wrong)
    with pytest.raises(UnknownAssetError, match=r"'Smal' and no estimate.*'Small'"):
        portfolio_volatility(pd.Series({"Smal": 1.0}), COVARIANCE)
    with pytest.raises(DataError, match="weight of Bond is nan"):
        portfolio_volatility(pd.Series({"Bond": np.nan}), COVARIANCE)
    scenarios = pd.DataFrame([[0.1, 0.2, np.nan]], [pd.Timestamp("2020-01-02")], ASSETS)
    with pytest.raises(DataError, match="scenario of Small on 2020-01-02"):
        shortfall_contributions(WEIGHTS, scenarios)
    with pytest.raises(DataError, match="no scenarios"):
        shortfall_contributions(WEIGHTS, scenarios.iloc[:0])
    for level in (0.0, 1.0, 95.0):
        with pytest.raises(ConfigError, match="level"):
            normal_value_at_risk(0.0, 0.1, level)
    with pytest.raises(DataError, match=r"deviation of -0.1"):
        normal_expected_shortfall(0.0, -0.1)
