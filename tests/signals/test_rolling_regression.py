"""Rolling regressions against brute force, known intervals and refused inputs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.signal import lfilter
from scipy.stats import t as student

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.signals.rolling_regression import RollingFit, rolling_regression
from toolkit.signals.window_fit import Window

SHORT = Window(48, 6)


def market(rows: int = 200, series: int = 4, seed: int = 3) -> tuple[pd.DataFrame, dict]:
    """Series that follow two factors, one their own and one common, with heavy tails."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=rows)
    names = [f"S{number}" for number in range(series)]
    own = pd.DataFrame(0.03 * random.standard_t(5, (rows, series)), days, names)
    common = pd.DataFrame(0.02 * random.standard_normal((rows, 1)), days, ["common"])
    noise = 0.05 * random.standard_t(4, (rows, series))
    returns = 0.001 + 0.8 * own + 0.5 * common.to_numpy() + noise
    return returns, {"own": own, "common": common}


def design(factors: dict, rows: slice, column: int) -> np.ndarray:
    parts = [f.to_numpy()[rows, min(column, f.shape[1] - 1)] for f in factors.values()]
    return np.column_stack([np.ones(rows.stop - rows.start), *parts])


def brute_force(
    y: np.ndarray, x: np.ndarray, window: Window
) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, sandwich of block scores and R-squared of one window."""
    complete = np.isfinite(y) & np.isfinite(x).all(axis=1)
    used = np.where(complete)[0]
    beta = np.linalg.lstsq(x[used], y[used], rcond=None)[0]
    residual = y[used] - x[used] @ beta
    bread = np.linalg.inv(x[used].T @ x[used])
    meat = np.zeros_like(bread)
    for block in range(window.blocks):
        inside = used // window.block == block
        score = (x[used][inside] * residual[inside, None]).sum(axis=0)
        meat += np.outer(score, score)
    many = window.blocks / (window.blocks - 1)
    correction = many * (len(used) - 1) / (len(used) - x.shape[1])
    covariance = correction * bread @ meat @ bread
    fitted = 1.0 - (residual**2).sum() / ((y[used] - y[used].mean()) ** 2).sum()
    return beta[1:], covariance[1:, 1:], fitted


def assert_same_fit(one: RollingFit, other: RollingFit, tolerance: float) -> None:
    for name in ("coefficients", "covariance", "factor_covariance", "r_squared"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=tolerance, atol=0.0
        )


# Against brute force


def test_a_series_that_begins_late_is_fitted_as_it_is_alone():
    returns, factors = market(rows=300, series=6)
    for column, begins in enumerate((200, 0, 290, 50, 0, 120)):
        returns.iloc[:begins, column] = np.nan
    together = rolling_regression(returns, factors, SHORT)
    for column, name in enumerate(returns):
        own = {"own": factors["own"][[name]], "common": factors["common"]}
        alone = rolling_regression(returns[[name]], own, SHORT)
        for found, expected in (
            (together.coefficients[:, [column]], alone.coefficients),
            (together.covariance[:, [column]], alone.covariance),
        ):
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
            assert np.isfinite(found).any() == (column != 2)


@pytest.mark.parametrize("window", [SHORT, Window(126, 6), Window(84, 4)])
def test_points_errors_and_fit_are_those_of_each_window_alone(window):
    returns, factors = market()
    factors["own"].iloc[60:64, 1] = np.nan
    returns.iloc[90, 2] = np.nan
    fit = rolling_regression(returns, factors, window)
    for row in (window.sessions - 1, 130, 199):
        rows = slice(row - window.sessions + 1, row + 1)
        for column in range(4):
            y, x = returns.to_numpy()[rows, column], design(factors, rows, column)
            beta, covariance, fitted = brute_force(y, x, window)
            np.testing.assert_allclose(fit.coefficients[row, column], beta, rtol=1e-10)
            np.testing.assert_allclose(fit.covariance[row, column], covariance, rtol=1e-9)
            assert fit.r_squared[row, column] == pytest.approx(fitted, rel=1e-10)
            spread = np.cov(x[:, 1:][np.isfinite(x).all(axis=1) & np.isfinite(y)].T, ddof=0)
            np.testing.assert_allclose(fit.factor_covariance[row, column], spread, rtol=1e-10)
    assert np.isnan(fit.r_squared[: window.sessions - 1]).all()


def test_without_errors_everything_else_is_the_same():
    returns, factors = market()
    fit = rolling_regression(returns, factors, SHORT)
    quick = rolling_regression(returns, factors, SHORT, errors=False)
    for name in ("coefficients", "factor_covariance", "r_squared"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(fit, name))
    assert np.isnan(quick.covariance).all()


def test_a_window_without_enough_complete_rows_has_no_fit():
    returns, factors = market()
    returns.iloc[100:110, 0] = np.nan
    fit = rolling_regression(returns, factors, SHORT)
    missing = np.isnan(fit.r_squared[:, 0])
    # 48 rows of which four fifths must be there: 9 may be missing, 10 not.
    assert missing[109:148].all()
    assert not missing[47:109].any()
    assert not missing[148:].any()
    assert np.isnan(fit.covariance[120, 0]).all()


def test_series_far_from_zero_lose_no_digits():
    returns, factors = market()
    far = {name: factor + 1e5 for name, factor in factors.items()}
    assert_same_fit(
        rolling_regression(returns - 2e5, far, SHORT),
        rolling_regression(returns, factors, SHORT),
        1e-5,
    )


def test_a_wild_row_leaves_nothing_behind_once_it_has_left_the_window():
    returns, factors = market()
    wild = returns.copy()
    wild.iloc[60] = 1e8
    fit, tame = (rolling_regression(frame, factors, SHORT) for frame in (wild, returns))
    assert not np.allclose(fit.r_squared[107], tame.r_squared[107])
    np.testing.assert_array_equal(fit.coefficients[108:], tame.coefficients[108:])
    np.testing.assert_array_equal(fit.covariance[108:], tame.covariance[108:])


def test_a_row_knows_nothing_of_later_ones():
    returns, factors = market()
    whole = rolling_regression(returns, factors, SHORT)
    cut = rolling_regression(
        returns.iloc[:150], {name: f.iloc[:150] for name, f in factors.items()}, SHORT
    )
    np.testing.assert_array_equal(cut.coefficients, whole.coefficients[:150])
    np.testing.assert_array_equal(cut.covariance, whole.covariance[:150])


def test_units_of_a_factor_change_nothing_but_the_unit_of_its_coefficient():
    returns, factors = market()
    percent = {"own": factors["own"] * 1e6, "common": factors["common"] * 1e-6}
    fit, other = (rolling_regression(returns, f, SHORT) for f in (factors, percent))
    scaled = other.coefficients * np.array([1e6, 1e-6])
    np.testing.assert_allclose(scaled[47:], fit.coefficients[47:], rtol=1e-9)
    np.testing.assert_allclose(other.r_squared[47:], fit.r_squared[47:], rtol=1e-9)


# Intervals: how often they hold the truth


def coverage(noise: np.ndarray, factor: np.ndarray, window: Window) -> tuple[float, float]:
    """Share of 90 % intervals that hold the coefficient, and of those that take rows as unrelated."""
    days = pd.bdate_range("2020-01-01", periods=len(noise))
    fit = rolling_regression(
        pd.DataFrame(0.7 * factor + noise, days), {"factor": pd.DataFrame(factor, days)}, window
    )
    error = np.abs(fit.coefficients[-1, :, 0] - 0.7)
    width = student.ppf(0.95, fit.degrees_of_freedom) * fit.standard_errors()[-1, :, 0]
    residual = noise.var(axis=0) / factor.var(axis=0) / len(noise)
    plain = student.ppf(0.95, len(noise) - 2) * np.sqrt(residual)
    return float((error <= width).mean()), float((error <= plain).mean())


def test_intervals_hold_the_truth_as_often_as_they_say_with_fat_tails():
    random = np.random.default_rng(11)
    factor, noise = random.standard_t(5, (2, 126, 2000))
    covered, _ = coverage(noise, factor, Window())
    assert 0.88 <= covered <= 0.92


def test_autocorrelation_widens_the_intervals_as_it_must():
    random = np.random.default_rng(12)
    shocks = random.standard_normal((2, 252, 2000))
    factor, noise = lfilter([1.0], [1.0, -0.6], shocks, axis=1)
    covered, plain = coverage(noise, factor, Window(252, 12))
    assert plain < 0.79
    assert 0.86 <= covered <= 0.92


def test_noise_that_grows_with_the_factor_widens_the_intervals_as_it_must():
    random = np.random.default_rng(13)
    factor, noise = random.standard_normal((2, 252, 2000))
    covered, plain = coverage(noise * np.abs(factor), factor, Window(252, 12))
    assert plain < 0.70
    assert 0.87 <= covered <= 0.92


# Bad input


def test_fewer_sessions_than_a_window_are_too_few():
    returns, factors = market(rows=47)
    with pytest.raises(InsufficientHistoryError, match=r"Found 47 sessions.*needs 48"):
        rolling_regression(returns, factors, SHORT)


@pytest.mark.parametrize("level", [0.0, 0.01, 123.4])
def test_a_factor_that_never_moves_in_a_window_is_refused(level):
    returns, factors = market()
    factors["common"].iloc[70:120] = level
    with pytest.raises(DataError, match=r"S0, window that ends on 2020-06-12: common never moves"):
        rolling_regression(returns, factors, SHORT)


def test_a_series_that_never_moves_in_a_window_is_refused():
    returns, factors = market()
    returns.iloc[70:120, 2] = 0.0
    with pytest.raises(DataError, match=r"S2, window .* the series itself never moves"):
        rolling_regression(returns, factors, SHORT)


def test_factors_that_are_one_anothers_sums_are_refused():
    returns, factors = market()
    factors["both"] = factors["own"] + 2.0 * factors["common"].to_numpy()
    with pytest.raises(DataError, match="own, common, both are one another's sums"):
        rolling_regression(returns, factors, SHORT)


def test_a_series_that_is_part_of_its_own_basket_is_refused():
    returns, factors = market()
    with pytest.raises(DataError, match=r"explain the series exactly.*own basket"):
        rolling_regression(returns, factors | {"basket": returns * 0.5}, SHORT)


def test_a_factor_of_other_rows_is_refused():
    returns, factors = market()
    factors["own"] = factors["own"].iloc[1:]
    with pytest.raises(ConfigError, match="Factor 'own' has 199 rows"):
        rolling_regression(returns, factors, SHORT)


@pytest.mark.parametrize(("sessions", "block"), [(50, 6), (42, 6)])
def test_a_window_of_broken_or_few_blocks_is_refused(sessions, block):
    with pytest.raises(ConfigError, match="whole number of blocks, at least 8"):
        Window(sessions, block)
