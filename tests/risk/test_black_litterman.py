"""The posterior is that of He and Litterman, and moves with confidence as it should."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError, UnknownAssetError
from toolkit.risk.black_litterman import View, Views, equilibrium_returns, posterior, updated

COUNTRIES = ["Australia", "Canada", "France", "Germany", "Japan", "UK", "USA"]
VOLATILITY = np.array([16.0, 20.3, 24.8, 27.1, 21.0, 20.0, 18.7]) / 100.0
WEIGHTS = pd.Series([1.6, 2.2, 5.2, 5.5, 11.6, 12.4, 61.5], COUNTRIES) / 100.0
UPPER = [
    [0.488, 0.478, 0.515, 0.439, 0.512, 0.491],
    [0.664, 0.655, 0.310, 0.608, 0.779],
    [0.861, 0.355, 0.783, 0.668],
    [0.354, 0.777, 0.653],
    [0.405, 0.306],
    [0.652],
]


def covariance() -> pd.DataFrame:
    correlation = np.eye(7)
    for row, values in enumerate(UPPER):
        correlation[row, row + 1 :] = values
        correlation[row + 1 :, row] = values
    return pd.DataFrame(correlation * np.outer(VOLATILITY, VOLATILITY), COUNTRIES, COUNTRIES)


PRIOR = equilibrium_returns(covariance(), WEIGHTS)
rivals = WEIGHTS[["France", "UK"]] / WEIGHTS[["France", "UK"]].sum()
GERMANY = View({"Germany": 1.0, "France": -rivals["France"], "UK": -rivals["UK"]}, 0.05, 0.5)


def test_equilibrium_returns_are_those_of_the_paper():
    published = [3.94, 6.92, 8.36, 9.03, 4.30, 6.77, 7.56]
    np.testing.assert_allclose(100.0 * PRIOR, published, atol=0.006)


def test_the_view_on_germany_gives_the_published_posterior_and_weights():
    found = posterior(PRIOR, covariance(), [GERMANY])
    published = [4.33, 7.58, 9.29, 11.04, 4.51, 6.95, 8.07]
    np.testing.assert_allclose(100.0 * found.expected_returns, published, atol=0.006)
    weights = np.linalg.solve(found.covariance, found.expected_returns) / 2.5
    held = [1.52, 2.10, -3.97, 35.43, 11.05, -9.46, 58.57]
    np.testing.assert_allclose(100.0 * weights, held, atol=0.06)


@given(confidence=st.floats(0.0, 1.0, exclude_min=True))
@settings(deadline=None, derandomize=True)
def test_a_lone_view_moves_its_portfolio_by_its_confidence(confidence):
    view = View(GERMANY.portfolio, 0.05, confidence)
    row = pd.Series(view.portfolio).reindex(COUNTRIES, fill_value=0.0)
    before = row @ PRIOR
    after = row @ posterior(PRIOR, covariance(), [view]).expected_returns
    assert after == pytest.approx(before + confidence * (0.05 - before), abs=1e-12)


def test_without_views_the_prior_stays_and_its_uncertainty_is_added():
    found = posterior(PRIOR, covariance(), [], tau=0.1)
    pd.testing.assert_series_equal(found.expected_returns, PRIOR)
    np.testing.assert_allclose(found.covariance, 1.1 * covariance(), rtol=1e-12)


def test_a_view_never_adds_uncertainty():
    less = posterior(PRIOR, covariance(), [GERMANY]).covariance
    more = posterior(PRIOR, covariance(), []).covariance
    assert np.linalg.eigvalsh(more - less)[0] > -1e-12


def test_the_order_of_assets_and_views_changes_nothing():
    views = [GERMANY, View({"Japan": 1.0}, 0.08, 0.3)]
    first = posterior(PRIOR, covariance(), views)
    order = COUNTRIES[::-1]
    turned = posterior(PRIOR[order], covariance().loc[order, order], views[::-1])
    pd.testing.assert_series_equal(turned.expected_returns[COUNTRIES], first.expected_returns)


def test_several_occasions_at_once_are_each_alone_and_a_view_without_confidence_is_none():
    other = View({"Japan": 1.0}, 0.08, 0.3)
    views = Views.of([GERMANY.portfolio, other.portfolio], pd.Index(COUNTRIES))
    trust = np.array([[0.5, 0.3], [0.5, 0.0], [0.0, 0.0]])
    spread = np.stack([size * covariance().to_numpy() for size in (1.0, 2.0, 3.0)])
    means, left = updated(
        np.stack([PRIOR] * 3), 0.05 * spread, views, np.array([[0.05, 0.08]] * 3), trust
    )
    for place, held in enumerate(([GERMANY, other], [GERMANY], [])):
        alone = posterior(PRIOR, (place + 1.0) * covariance(), held)
        np.testing.assert_allclose(means[place], alone.expected_returns, rtol=1e-12)
        np.testing.assert_allclose(spread[place] + left[place], alone.covariance, rtol=1e-12)


def test_what_is_certain_twice_on_one_of_several_occasions_is_refused_by_name():
    views = Views.of([{"USA": 1.0}, {"Japan": 1.0}, {"USA": 2.0}], pd.Index(COUNTRIES))
    trust = np.array([[0.5, 0.5, 0.5], [1.0, 0.5, 1.0]])
    with pytest.raises(DataError, match=r"'USA': 1.0.* and .*'USA': 2.0.* certain") as refusal:
        updated(np.stack([PRIOR] * 2), np.stack([covariance()] * 2), views, np.zeros((2, 3)), trust)
    assert "Japan" not in str(refusal.value)


def test_what_cannot_be_meant_is_refused():
    with pytest.raises(UnknownAssetError, match="Germany"):
        posterior(PRIOR, covariance(), [View({"Germny": 1.0}, 0.05)])
    with pytest.raises(UnknownAssetError, match="Spain"):
        equilibrium_returns(covariance(), pd.Series({"Spain": 1.0}))
    sure = [View({"USA": 1.0}, 0.05, 1.0), View({"USA": 2.0}, 0.2, 1.0)]
    with pytest.raises(DataError, match="contradict"):
        posterior(PRIOR, covariance(), sure)
    with pytest.raises(DataError, match="different assets"):
        posterior(PRIOR.iloc[::-1], covariance(), [])
    with pytest.raises(DataError, match="missing"):
        posterior(PRIOR.where(PRIOR > 0.05), covariance(), [])
    with pytest.raises(ConfigError, match="tau"):
        posterior(PRIOR, covariance(), [], tau=0.0)
    for portfolio, told in (({}, 0.1), ({"USA": 0.0}, 0.1), ({"USA": 1.0}, float("nan"))):
        with pytest.raises(ConfigError):
            View(portfolio, told)
