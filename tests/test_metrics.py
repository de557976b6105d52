"""Measures of returns: published numbers, other libraries, invariants, and what is undefined."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from toolkit import metrics
from toolkit.errors import DataError

NAN = math.nan
MIXED = pd.Series([NAN, 1.0, 10.0, -4.0, 2.0, 3.0, 2.0, 1.0, -10.0]) / 100.0
"""empyrical-reloaded's test series `mixed_returns` (shared vectors, item 8)."""

INDEX = pd.bdate_range("2021-01-04", periods=90)
BENCHMARK = pd.Series(np.random.default_rng(11).normal(0.0004, 0.01, 90), index=INDEX)
CASH = pd.Series(np.random.default_rng(12).uniform(0.0, 0.0003, 90), index=INDEX)

MEASURES: dict[str, Callable[[Any], Any]] = {
    "total_return": metrics.total_return,
    "cagr": lambda returns: metrics.cagr(returns, periods_per_year=252),
    "volatility": lambda returns: metrics.volatility(returns, periods_per_year=252),
    "sharpe": lambda returns: metrics.sharpe(returns, periods_per_year=252),
    "sharpe_cash": lambda returns: metrics.sharpe(
        returns, CASH[returns.index], periods_per_year=252
    ),
    "sortino": lambda returns: metrics.sortino(returns, periods_per_year=252),
    "sortino_cash": lambda returns: metrics.sortino(
        returns, CASH[returns.index], periods_per_year=252
    ),
    "max_drawdown": metrics.max_drawdown,
    "calmar": lambda returns: metrics.calmar(returns, periods_per_year=252),
    "omega": metrics.omega,
    "omega_threshold": lambda returns: metrics.omega(returns, 0.001),
    "value_at_risk": metrics.value_at_risk,
    "expected_shortfall": metrics.expected_shortfall,
    "skewness": metrics.skewness,
    "excess_kurtosis": metrics.excess_kurtosis,
    "tracking_error": lambda returns: metrics.tracking_error(
        returns, BENCHMARK[returns.index], periods_per_year=252
    ),
    "information_ratio": lambda returns: metrics.information_ratio(
        returns, BENCHMARK[returns.index], periods_per_year=252
    ),
    "beta": lambda returns: metrics.beta(returns, BENCHMARK[returns.index]),
    "beta_cash": lambda returns: metrics.beta(
        returns, BENCHMARK[returns.index], CASH[returns.index]
    ),
}
SURVIVE_BANKRUPTCY = {"total_return", "cagr", "max_drawdown", "calmar"}
NEED_MORE_THAN_ONE_PERIOD = {
    "volatility", "sharpe", "sharpe_cash", "sortino", "sortino_cash", "skewness",
    "excess_kurtosis", "tracking_error", "information_ratio", "beta", "beta_cash",
}  # fmt: skip

every_measure = pytest.mark.parametrize("name", list(MEASURES))
drawn = settings(derandomize=True, deadline=None, max_examples=60)
some_returns = st.lists(st.floats(-0.5, 0.5), min_size=2, max_size=60)
levels = st.floats(0.5, 0.99)


def random_returns(seed: int, periods: int = 756) -> pd.Series:
    generator = np.random.default_rng(seed)
    index = pd.bdate_range("2019-01-02", periods=periods)
    return pd.Series(generator.standard_t(4, periods) * 0.012 + 0.0005, index=index)


def same(value: float, other: float, digits: float = 1e-11) -> bool:
    """Relative agreement, NaN equal to NaN."""
    return value == pytest.approx(other, rel=digits, abs=1e-15, nan_ok=True)


# --- published numbers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("measure", "published"),
    [
        (metrics.total_return(MIXED), 0.0389310917),
        (metrics.volatility(MIXED, periods_per_year=252), 0.9136465400),
        (metrics.sharpe(MIXED, periods_per_year=252), 1.7238613962),
        (metrics.sortino(MIXED, periods_per_year=252), 2.6055312517),
        (metrics.max_drawdown(MIXED), -0.1),
        (metrics.omega(MIXED), 1.3571428571),
    ],
)
def test_measures_match_the_published_vector_to_every_digit(
    measure: float, published: float
) -> None:
    assert measure == pytest.approx(published, rel=0, abs=6e-11)


def test_a_leading_nan_is_not_a_period_of_the_annual_return() -> None:
    assert metrics.cagr(MIXED, periods_per_year=252) == pytest.approx(2.3302928, rel=0, abs=6e-8)
    assert metrics.calmar(MIXED, periods_per_year=252) == pytest.approx(23.302928, rel=0, abs=6e-7)


def test_empyricals_annual_return_counts_the_leading_nan_as_a_flat_period() -> None:
    counted = MIXED.fillna(0.0)
    annual = metrics.cagr(counted, periods_per_year=252)
    calmar = metrics.calmar(counted, periods_per_year=252)
    assert annual == pytest.approx(1.9135925373, rel=0, abs=6e-11)
    assert calmar == pytest.approx(19.1359253732, rel=0, abs=6e-10)


def test_sharpe_under_365_and_252_periods_differs_by_the_root_of_their_ratio() -> None:
    returns = random_returns(0)
    calendar = metrics.sharpe(returns, periods_per_year=365)
    sessions = metrics.sharpe(returns, periods_per_year=252)
    assert calendar / sessions == pytest.approx(math.sqrt(365 / 252), rel=1e-14)
    assert calendar / sessions == pytest.approx(1.2035, rel=0, abs=5e-5)


@pytest.mark.parametrize(("cutoff", "quantile"), [(0.1, 41.0), (0.2, 81.0)])
def test_value_at_risk_interpolates_linearly_as_published(cutoff: float, quantile: float) -> None:
    returns = pd.Series([82.0, 1.0, 85.0, 81.0, 84.0, 83.0])
    found = metrics.value_at_risk(returns, level=1.0 - cutoff)
    assert found == pytest.approx(-quantile, rel=1e-12)


def test_value_at_risk_is_not_the_lower_order_statistic() -> None:
    returns = pd.Series([1.0, 81.0, 82.0, 83.0, 84.0, 85.0])
    assert np.quantile(returns, 0.1, method="lower") == 1.0
    assert metrics.value_at_risk(returns, level=0.9) == pytest.approx(-41.0, rel=1e-12)


def test_expected_shortfall_counts_the_last_tail_period_by_its_fraction() -> None:
    returns = pd.Series([0.01, -0.05, 0.02, -0.10, 0.0, 0.03, 0.01, -0.02, 0.0, 0.01])
    found = metrics.expected_shortfall(returns, level=0.85)  # the worst 1.5 of 10 periods
    assert found == pytest.approx((0.10 + 0.5 * 0.05) / 1.5, rel=1e-12)


def test_expected_shortfall_of_fewer_periods_than_the_tail_holds_is_the_worst_loss() -> None:
    assert metrics.expected_shortfall(pd.Series([0.01, -0.03, 0.02])) == pytest.approx(0.03)


# --- other libraries ---------------------------------------------------------------------------


def oracle(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module(name)


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(function(*arguments, **options))


@pytest.fixture(scope="module")
def quantstats() -> Any:
    return oracle("quantstats.stats")


@pytest.fixture(scope="module")
def ffn() -> Any:
    return oracle("ffn.core")


@pytest.mark.parametrize("seed", range(30))
def test_quantstats_agrees_on_a_random_series(quantstats: Any, seed: int) -> None:
    returns = random_returns(seed)
    ours = metrics.summary(returns, periods_per_year=252)
    theirs = {
        "total_return": quietly(quantstats.comp, returns),
        "cagr": quietly(quantstats.cagr, returns, periods=252),
        "volatility": quietly(quantstats.volatility, returns, periods=252),
        "sharpe": quietly(quantstats.sharpe, returns, periods=252),
        "sortino": quietly(quantstats.sortino, returns, periods=252),
        "max_drawdown": quietly(quantstats.max_drawdown, returns),
        "calmar": quietly(quantstats.calmar, returns, periods=252),
    }
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-10)
    assert metrics.omega(returns) == pytest.approx(quietly(quantstats.omega, returns), rel=1e-10)


@pytest.mark.parametrize("seed", range(30))
def test_ffn_agrees_on_a_random_series(ffn: Any, seed: int) -> None:
    returns = random_returns(seed)
    # The price before the first return, and prices that include the initial wealth.
    prices = pd.concat([pd.Series([1.0], [pd.Timestamp("2019-01-01")]), (1.0 + returns).cumprod()])
    rates = pd.Series(np.random.default_rng(seed).uniform(0, 2e-4, 756), returns.index)
    theirs = {
        "total_return": quietly(ffn.calc_total_return, prices),
        "volatility": quietly(
            lambda: ffn.PerformanceStats(prices, annualization_factor=252).daily_vol
        ),
        "sharpe": quietly(ffn.calc_sharpe, returns, rf=rates, nperiods=252),
        "sortino": quietly(ffn.calc_sortino_ratio, returns, rf=rates, nperiods=252),
        "max_drawdown": quietly(ffn.calc_max_drawdown, prices),
    }
    ours = metrics.summary(returns, rates, periods_per_year=252)
    assert {name: ours[name] for name in theirs} == pytest.approx(theirs, rel=1e-10)

    # ffn's years are calendar time, ours are periods: equal on the same number of years only.
    pace = len(returns) / ffn.year_frac(prices.index[0], prices.index[-1])
    growth, calmar = quietly(ffn.calc_cagr, prices), quietly(ffn.calc_calmar_ratio, prices)
    assert metrics.cagr(returns, periods_per_year=pace) == pytest.approx(growth, rel=1e-10)
    assert metrics.calmar(returns, periods_per_year=pace) == pytest.approx(calmar, rel=1e-10)
    assert ours["cagr"] != pytest.approx(growth, rel=1e-4)


def test_quantstats_value_at_risk_is_normal_and_ours_historical(quantstats: Any) -> None:
    returns = random_returns(3)
    normal = -stats.norm.ppf(0.05, returns.mean(), returns.std(ddof=1))
    historical = -np.quantile(returns, 0.05)
    assert -quietly(quantstats.value_at_risk, returns) == pytest.approx(normal, rel=1e-10)
    assert metrics.value_at_risk(returns) == pytest.approx(historical, rel=1e-12)
    assert historical != pytest.approx(normal, rel=1e-3)


def test_quantstats_historical_tail_is_whole_periods_and_ours_is_fractional(
    quantstats: Any,
) -> None:
    returns = random_returns(4)  # 756 periods: the worst 5 % are 37.8 of them
    worst = np.sort(returns.to_numpy())
    theirs = -quietly(quantstats.conditional_value_at_risk, returns, method="historical")
    assert theirs == pytest.approx(-worst[:38].mean(), rel=1e-10)
    ours = -(worst[:37].sum() + 0.8 * worst[37]) / 37.8
    assert metrics.expected_shortfall(returns) == pytest.approx(ours, rel=1e-10)
    assert ours != pytest.approx(theirs, rel=1e-5)

    hundred = returns[:100]  # a tail of exactly 5 periods: both definitions coincide
    coincide = -quietly(quantstats.conditional_value_at_risk, hundred, method="historical")
    assert metrics.expected_shortfall(hundred) == pytest.approx(coincide, rel=1e-10)


def test_quantstats_default_tail_is_normal(quantstats: Any) -> None:
    returns = random_returns(5)
    density = stats.norm.pdf(stats.norm.ppf(0.05)) / 0.05
    normal = returns.std(ddof=1) * density - returns.mean()
    theirs = -quietly(quantstats.conditional_value_at_risk, returns)
    assert theirs == pytest.approx(normal, rel=1e-9)
    assert metrics.expected_shortfall(returns) > 1.05 * theirs


def test_moments_are_scipys_and_not_the_corrected_ones_of_pandas() -> None:
    returns = random_returns(6, periods=40)
    assert metrics.skewness(returns) == pytest.approx(float(stats.skew(returns)), rel=1e-10)
    kurtosis = metrics.excess_kurtosis(returns)
    assert kurtosis == pytest.approx(float(stats.kurtosis(returns)), rel=1e-10)
    assert kurtosis != pytest.approx(returns.kurt(), rel=1e-2)


def test_benchmark_measures_follow_their_definitions() -> None:
    returns = random_returns(7)[:90].set_axis(INDEX)
    active = returns - BENCHMARK
    own, market = returns - CASH, BENCHMARK - CASH
    tracking = metrics.tracking_error(returns, BENCHMARK, periods_per_year=252)
    information = metrics.information_ratio(returns, BENCHMARK, periods_per_year=252)
    assert tracking == pytest.approx(active.std() * math.sqrt(252), rel=1e-12)
    assert information == pytest.approx(active.mean() * 252 / tracking, rel=1e-10)
    with_cash = metrics.beta(returns, BENCHMARK, CASH)
    assert with_cash == pytest.approx(own.cov(market) / market.var(), rel=1e-10)
    without = metrics.beta(returns, BENCHMARK)
    assert without == pytest.approx(returns.cov(BENCHMARK) / BENCHMARK.var(), rel=1e-10)
    assert with_cash != pytest.approx(without, rel=1e-6)


def test_beta_of_a_levered_benchmark_is_its_leverage() -> None:
    levered = CASH + 1.5 * (BENCHMARK - CASH)
    assert metrics.beta(levered, BENCHMARK, CASH) == pytest.approx(1.5, rel=1e-12)


# --- one series or many ------------------------------------------------------------------------


def many_returns() -> pd.DataFrame:
    """Columns with every kind of life: full, late, flat, bankrupt, short, never started."""
    generator = np.random.default_rng(21)
    frame = pd.DataFrame(generator.normal(0.0005, 0.02, (90, 8)), INDEX, list("abcdefgh"))
    frame.loc[INDEX[:40], "b"] = NAN
    frame["c"] = 0.001
    frame.loc[INDEX[50], "d"] = -1.0
    frame.loc[INDEX[:89], "e"] = NAN
    frame["f"] = NAN
    frame.loc[INDEX[:30], "g"] = NAN
    frame.loc[INDEX[60], "g"] = -1.4
    frame.loc[INDEX[61:], "g"] = NAN
    frame["h"] = frame["h"].abs()
    return frame


@every_measure
def test_a_column_of_a_frame_measures_as_the_series_it_is(name: str) -> None:
    frame = many_returns()
    together = MEASURES[name](frame)
    assert isinstance(together, pd.Series)
    assert list(together.index) == list(frame.columns)
    for column in frame.columns:
        alone = MEASURES[name](frame[column])
        assert type(alone) is float
        assert same(together[column], alone), column


@every_measure
def test_leading_nan_rows_change_nothing(name: str) -> None:
    late = many_returns()["b"]
    assert same(MEASURES[name](late), MEASURES[name](late[40:]))


def test_drawdown_keeps_the_shape_and_labels_of_its_input() -> None:
    frame = many_returns()
    paths = metrics.drawdown(frame)
    pd.testing.assert_index_equal(paths.index, frame.index)
    pd.testing.assert_index_equal(paths.columns, frame.columns)
    for column in frame.columns:
        pd.testing.assert_series_equal(
            paths[column], metrics.drawdown(frame[column]), rtol=1e-12, atol=1e-15
        )


def test_drawdown_is_nan_before_the_start_and_counts_the_initial_wealth_as_a_peak() -> None:
    path = metrics.drawdown(pd.Series([NAN, -0.1, 0.0, 0.5, -0.2], name="net"))
    expected = pd.Series([NAN, -0.1, -0.1, 0.0, -0.2], name="net")
    pd.testing.assert_series_equal(path, expected, rtol=1e-12, atol=1e-15)


def test_the_input_is_left_alone() -> None:
    frame = many_returns()
    before = frame.copy(deep=True)
    for measure in (*MEASURES.values(), metrics.drawdown):
        measure(frame)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)


@pytest.mark.parametrize("frame", [many_returns()[:0], many_returns()[[]]], ids=["rows", "columns"])
@every_measure
def test_a_frame_without_rows_or_columns_has_undefined_measures(
    name: str, frame: pd.DataFrame
) -> None:
    found = MEASURES[name](frame)
    assert list(found.index) == list(frame.columns)
    assert found.isna().all()
    assert metrics.drawdown(frame).shape == frame.shape


# --- invariants --------------------------------------------------------------------------------


@drawn
@given(some_returns)
def test_returns_compound_to_the_equity_path(returns: list[float]) -> None:
    wealth, peak, path = 1.0, 1.0, []
    for change in returns:
        wealth *= 1.0 + change
        peak = max(peak, wealth)
        path.append(wealth / peak - 1.0)
    series = pd.Series(returns)
    assert metrics.total_return(series) == pytest.approx(wealth - 1.0, rel=1e-9, abs=1e-12)
    assert metrics.drawdown(series).tolist() == pytest.approx(path, rel=1e-9, abs=1e-12)
    assert metrics.max_drawdown(series) == pytest.approx(min(path), rel=1e-9, abs=1e-12)


@drawn
@given(some_returns)
def test_compounding_cagr_over_the_years_gives_the_total_return(returns: list[float]) -> None:
    series = pd.Series(returns)
    annual = metrics.cagr(series, periods_per_year=12)
    total = (1.0 + annual) ** (len(returns) / 12) - 1.0
    assert metrics.total_return(series) == pytest.approx(total, rel=1e-8, abs=1e-10)


@drawn
@given(st.permutations(list("abcdefgh")))
def test_permuting_the_columns_permutes_the_results(order: list[str]) -> None:
    frame = many_returns()
    for measure in MEASURES.values():
        pd.testing.assert_series_equal(
            measure(frame[order]), measure(frame)[order], rtol=1e-12, atol=1e-15
        )


@drawn
@given(some_returns, st.floats(0.1, 1.9))
def test_scaling_returns_scales_volatility_and_tail_losses(
    returns: list[float], scale: float
) -> None:
    series = pd.Series(returns)
    for measure in (
        MEASURES["volatility"], metrics.value_at_risk, metrics.expected_shortfall
    ):  # fmt: skip
        assert measure(series * scale) == pytest.approx(measure(series) * scale, rel=1e-9, abs=1e-9)


@drawn
@given(some_returns)
def test_drawdowns_are_never_positive_nor_below_minus_one(returns: list[float]) -> None:
    path = metrics.drawdown(pd.Series(returns))
    assert path.between(-1.0, 0.0).all()
    assert metrics.max_drawdown(pd.Series(returns)) == path.min()


@drawn
@given(some_returns, levels)
def test_expected_shortfall_is_not_below_value_at_risk(returns: list[float], level: float) -> None:
    series = pd.Series(returns)
    shortfall = metrics.expected_shortfall(series, level)
    assert shortfall >= metrics.value_at_risk(series, level) - 1e-15


@drawn
@given(some_returns, levels)
def test_expected_shortfall_is_the_minimum_of_rockafellar_and_uryasev(
    returns: list[float], level: float
) -> None:
    losses = -np.array(returns)
    # Piecewise linear and convex in the threshold: the minimum lies at one of the losses.
    objective = [a + np.maximum(losses - a, 0.0).mean() / (1.0 - level) for a in losses]
    found = metrics.expected_shortfall(pd.Series(returns), level)
    assert found == pytest.approx(min(objective), rel=1e-9, abs=1e-12)


@drawn
@given(some_returns, levels)
def test_value_at_risk_is_numpys_linear_quantile(returns: list[float], level: float) -> None:
    expected = -np.quantile(returns, 1.0 - level)
    found = metrics.value_at_risk(pd.Series(returns), level)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-12)


@drawn
@given(some_returns)
def test_sharpe_in_excess_of_itself_is_undefined_and_beta_to_itself_is_one(
    returns: list[float],
) -> None:
    series = pd.Series(returns)
    assert math.isnan(metrics.sharpe(series, series, periods_per_year=252))
    if series.std() > 1e-9:
        assert metrics.beta(series, series) == pytest.approx(1.0, rel=1e-9)


# --- undefined ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "returns",
    [CASH[:0], pd.Series(NAN, INDEX[:5])],
    ids=["no rows", "only leading NaN"],
)
@every_measure
def test_every_measure_of_an_empty_series_is_undefined(name: str, returns: pd.Series) -> None:
    assert math.isnan(MEASURES[name](returns))
    assert metrics.drawdown(returns).isna().all()


@every_measure
def test_one_period_defines_growth_and_losses_but_no_deviation(name: str) -> None:
    value = MEASURES[name](pd.Series([-0.02], INDEX[:1]))
    assert math.isnan(value) == (name in NEED_MORE_THAN_ONE_PERIOD)


def test_skewness_needs_three_periods_and_kurtosis_four() -> None:
    returns = BENCHMARK
    assert math.isnan(metrics.skewness(returns[:2]))
    assert math.isfinite(metrics.skewness(returns[:3]))
    assert math.isnan(metrics.excess_kurtosis(returns[:3]))
    assert math.isfinite(metrics.excess_kurtosis(returns[:4]))


@pytest.mark.parametrize("level", [0.001, 0.0, -0.001])
def test_ratios_of_a_flat_series_are_undefined_and_not_infinite(level: float) -> None:
    flat = pd.Series(level, INDEX)
    for name in ("sharpe", "sortino", "skewness", "excess_kurtosis"):
        assert math.isnan(MEASURES[name](flat)), name
    assert MEASURES["volatility"](flat) == pytest.approx(0.0, abs=1e-12)
    assert math.isnan(metrics.beta(BENCHMARK, flat))
    assert math.isnan(metrics.information_ratio(flat, flat, periods_per_year=252))


def test_a_series_that_is_flat_above_cash_has_no_sharpe_or_sortino() -> None:
    steady = CASH + 0.001
    assert math.isfinite(metrics.sharpe(steady, periods_per_year=252))
    assert math.isnan(metrics.sharpe(steady, CASH, periods_per_year=252))
    assert math.isnan(metrics.sortino(steady, CASH, periods_per_year=252))


def test_ratios_to_losses_are_undefined_without_a_loss() -> None:
    gains = pd.Series([0.01, 0.02, 0.0, 0.03])
    assert math.isnan(metrics.sortino(gains, periods_per_year=252))
    assert math.isnan(metrics.calmar(gains, periods_per_year=252))
    assert math.isnan(metrics.omega(gains))
    assert metrics.max_drawdown(gains) == 0.0
    assert math.isfinite(metrics.sharpe(gains, periods_per_year=252))


def test_growth_beyond_the_range_of_floats_is_undefined_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(metrics.cagr(pd.Series([20.0]), periods_per_year=252))
        assert math.isnan(metrics.total_return(pd.Series([1e200, 1e200])))
        assert math.isnan(metrics.max_drawdown(pd.Series([1e200, 1e200])))


# --- bankruptcy --------------------------------------------------------------------------------


@pytest.mark.parametrize("fatal", [-1.0, -1.66])
@pytest.mark.parametrize("after", [[0.2, 5.0], [NAN, NAN], [math.inf, -3.0]])
@every_measure
def test_bankruptcy_ends_a_series_whatever_follows(
    name: str, fatal: float, after: list[float]
) -> None:
    value = MEASURES[name](pd.Series([0.1, -0.05, 0.02, fatal, *after], INDEX[:6]))
    assert value == -1.0 if name in SURVIVE_BANKRUPTCY else math.isnan(value)


def test_drawdown_stays_at_minus_one_from_bankruptcy_on() -> None:
    path = metrics.drawdown(pd.Series([0.1, -1.2, 0.5, NAN]))
    assert path.tolist() == [0.0, -1.0, -1.0, -1.0]


def test_a_loss_of_almost_everything_is_not_a_bankruptcy() -> None:
    returns = pd.Series([0.1, -0.999, 0.5])
    assert metrics.total_return(returns) == pytest.approx(1.1 * 0.001 * 1.5 - 1.0, rel=1e-12)
    assert math.isfinite(metrics.sharpe(returns, periods_per_year=252))


# --- refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [NAN, math.inf, -math.inf])
@pytest.mark.parametrize("place", [45, 89], ids=["middle", "end"])
@every_measure
def test_a_hole_after_the_start_is_refused_with_its_place(
    name: str, place: int, bad: float
) -> None:
    frame = many_returns()
    frame.loc[INDEX[place], "a"] = bad
    with pytest.raises(DataError) as caught:
        MEASURES[name](frame)
    message = str(caught.value)
    assert f"{bad} in series 'a' at {INDEX[place]}" in message
    assert "Compound over missing periods" in message


@pytest.mark.parametrize("bad", [math.inf, -math.inf])
def test_infinity_at_the_start_is_not_a_late_start(bad: float) -> None:
    with pytest.raises(DataError, match="1 returns are not finite"):
        metrics.total_return(pd.Series([bad, 0.1]))


def test_drawdown_refuses_a_hole_too() -> None:
    with pytest.raises(DataError, match="in series 'net' at 1"):
        metrics.drawdown(pd.Series([0.1, NAN, 0.1], name="net"))


@pytest.mark.parametrize("periods", [0, -252, NAN, math.inf])
@pytest.mark.parametrize("measure", ["cagr", "volatility", "sharpe", "sortino", "calmar"])
def test_a_senseless_number_of_periods_is_refused(measure: str, periods: float) -> None:
    with pytest.raises(DataError, match=f"periods_per_year is {periods}; expected a finite number"):
        getattr(metrics, measure)(BENCHMARK, periods_per_year=periods)
    with pytest.raises(TypeError, match="periods_per_year"):
        getattr(metrics, measure)(BENCHMARK)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, -0.1, NAN])
def test_a_level_outside_zero_and_one_is_refused(level: float) -> None:
    for measure in (metrics.value_at_risk, metrics.expected_shortfall):
        with pytest.raises(DataError, match=f"level is {level}"):
            measure(BENCHMARK, level)


def test_a_series_to_compare_with_must_have_the_index_of_the_returns() -> None:
    with pytest.raises(DataError, match=r"cash has shape \(89, 1\); expected one column on the"):
        metrics.sharpe(BENCHMARK, CASH[1:], periods_per_year=252)
    two: Any = pd.DataFrame({"x": CASH, "y": CASH})
    with pytest.raises(DataError, match=r"cash has shape \(90, 2\); expected one column"):
        metrics.sharpe(BENCHMARK, two, periods_per_year=252)
    shifted = CASH.shift(1, freq="B")
    with pytest.raises(DataError, match="Reindex benchmark to them"):
        metrics.tracking_error(BENCHMARK, shifted, periods_per_year=252)


@pytest.mark.parametrize("bad", [NAN, math.inf, -1.0])
def test_a_series_to_compare_with_must_cover_the_periods_of_the_returns(bad: float) -> None:
    broken = CASH.copy()
    broken.iloc[45] = bad
    with pytest.raises(DataError, match=rf"benchmark is {bad} at 2021-03-08 .*\(1 such rows\)"):
        metrics.beta(BENCHMARK, broken)


def test_cash_may_start_when_the_returns_do() -> None:
    frame = many_returns()[["b", "e"]]
    cash = CASH.copy()
    cash.iloc[:40] = NAN
    expected = metrics.sharpe(frame["b"][40:], CASH[40:], periods_per_year=252)
    assert same(metrics.sharpe(frame, cash, periods_per_year=252)["b"], expected)


@pytest.mark.parametrize("returns", [[0.1, 0.2], np.array([0.1, 0.2]), None])
def test_anything_but_a_series_or_frame_is_refused(returns: Any) -> None:
    with pytest.raises(DataError, match="expected a Series or DataFrame"):
        metrics.total_return(returns)


def test_text_is_refused() -> None:
    with pytest.raises(DataError, match="Expected numbers"):
        metrics.total_return(pd.Series(["1 %", "2 %"]))


# --- summary -----------------------------------------------------------------------------------


def test_summary_lists_the_headline_measures_in_a_fixed_order() -> None:
    found = metrics.summary(BENCHMARK, CASH, periods_per_year=252)
    assert list(found.items()) == [
        ("cagr", metrics.cagr(BENCHMARK, periods_per_year=252)),
        ("volatility", metrics.volatility(BENCHMARK, periods_per_year=252)),
        ("sharpe", metrics.sharpe(BENCHMARK, CASH, periods_per_year=252)),
        ("sortino", metrics.sortino(BENCHMARK, CASH, periods_per_year=252)),
        ("max_drawdown", metrics.max_drawdown(BENCHMARK)),
        ("calmar", metrics.calmar(BENCHMARK, periods_per_year=252)),
        ("expected_shortfall_95", metrics.expected_shortfall(BENCHMARK, level=0.95)),
        ("total_return", metrics.total_return(BENCHMARK)),
    ]


def test_summary_says_none_where_a_measure_is_undefined() -> None:
    bankrupt = metrics.summary(pd.Series([0.1, -1.0, NAN]), periods_per_year=252)
    assert bankrupt == {
        "cagr": -1.0,
        "volatility": None,
        "sharpe": None,
        "sortino": None,
        "max_drawdown": -1.0,
        "calmar": -1.0,
        "expected_shortfall_95": None,
        "total_return": -1.0,
    }
    empty = metrics.summary(pd.Series([], dtype=float), periods_per_year=252)
    assert set(empty.values()) == {None}


def test_no_measure_is_a_negative_zero() -> None:
    idle = pd.Series(0.0, INDEX)
    for name, measure in MEASURES.items():
        assert math.copysign(1.0, measure(idle)) == 1.0 or measure(idle) != 0.0, name
