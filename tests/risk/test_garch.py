"""Fits against a published one and against arch, and what happens where there is none."""

import warnings

import arch.data.sp500
import numpy as np
import pandas as pd
import pytest
from arch import arch_model

from toolkit.errors import ConfigError, DataError, SolverError
from toolkit.risk.estimators import GarchVolatility
from toolkit.risk.garch import RISK_METRICS, GarchProcess, fit_garch

MODEL = GarchVolatility(
    horizon=10, lookback=500, correlation_lookback=252, minimum=63, minimum_fit=252
)


def sp500():
    closes = arch.data.sp500.load()["Adj Close"]
    return (100.0 * closes.pct_change().dropna()).to_numpy()


def simulated(seed=0, sessions=900, assets=3):
    random = np.random.default_rng(seed)
    values = np.empty((sessions, assets))
    variance = np.full(assets, 1e-4)
    shared = np.linalg.cholesky(0.5 * np.eye(assets) + 0.5)
    for row in range(sessions):
        values[row] = np.sqrt(variance) * (shared @ random.normal(size=assets))
        variance = 5e-6 + 0.1 * values[row] ** 2 + 0.85 * variance
    days = pd.bdate_range("2019-01-01", periods=sessions)
    return pd.DataFrame(values, days, [f"A{place}" for place in range(assets)])


def test_the_fit_to_the_sp500_is_the_published_one():
    found = fit_garch(sp500())
    assert found.mean == pytest.approx(0.0563531, abs=5e-7)
    assert found.omega == pytest.approx(0.0175068, abs=5e-7)
    assert found.alpha == pytest.approx(0.1021500, abs=5e-6)
    assert found.beta == pytest.approx(0.8852056, abs=5e-6)
    assert found.log_likelihood == pytest.approx(-6936.71848, abs=1e-5)


def test_the_unit_of_the_returns_is_the_unit_of_the_process():
    percent, plain = fit_garch(sp500()), fit_garch(sp500() / 100.0)
    assert plain.mean == pytest.approx(percent.mean / 100.0, rel=1e-4)
    assert plain.omega == pytest.approx(percent.omega / 1e4, rel=1e-4)
    assert plain.beta == pytest.approx(percent.beta, rel=1e-4)
    expected = percent.log_likelihood + len(sp500()) * np.log(100.0)
    assert plain.log_likelihood == pytest.approx(expected, abs=1e-4)


def test_variances_and_forecasts_are_those_of_arch():
    returns = sp500()[-1000:]
    # arch begins its recursion around the sample mean, whatever the mean.
    process = GarchProcess(float(returns.mean()), 0.03, 0.12, 0.85)
    result = arch_model(returns, rescale=False).fix([process.mean, 0.03, 0.12, 0.85])
    found = process.variances(returns)
    assert found[:-1] == pytest.approx(result.conditional_volatility**2, rel=1e-10)
    ahead = result.forecast(horizon=21).variance.to_numpy()[-1]
    assert found[-1] == pytest.approx(ahead[0], rel=1e-10)
    assert process.mean_variance(found[-1], 21) == pytest.approx(ahead.mean(), rel=1e-10)


def test_its_volatilities_are_forecasts_of_fits_before_the_quarter():
    frame = simulated()
    estimate = MODEL.covariance(frame, 252.0)
    quarter = frame.index.searchsorted(frame.index[-1].to_period("Q").start_time)
    for name in frame:
        process = fit_garch(frame[name].to_numpy()[quarter - 500 : quarter])
        variance, following = process.variances(frame[name].to_numpy()[quarter - 500 :])[-1], 0.0
        for _ in range(10):
            following += variance / 10.0
            variance = process.omega + (process.alpha + process.beta) * variance
        assert estimate.matrix.loc[name, name] == pytest.approx(252.0 * following, rel=1e-9)
    deviations = np.sqrt(np.diag(estimate.matrix))
    correlation = estimate.matrix.to_numpy() / np.outer(deviations, deviations)
    assert correlation[np.triu_indices(3, 1)] == pytest.approx(0.5, abs=0.15)
    assert not estimate.fallbacks


def test_parameters_stay_within_a_quarter_and_returns_do_count_at_once():
    frame = simulated(1)
    last = frame.index.searchsorted(frame.index[-1].to_period("Q").start_time)
    calm, wild = frame.iloc[: last + 20].copy(), frame.iloc[: last + 20].copy()
    wild.iloc[-1] = 0.08
    models = [GarchVolatility(**{n: getattr(MODEL, n) for n in MODEL.__dataclass_fields__})
              for _ in range(2)]  # fmt: skip
    found = [
        model.covariance(f, 252.0).matrix for model, f in zip(models, (calm, wild), strict=True)
    ]
    assert (np.diag(found[1]) > 1.5 * np.diag(found[0])).all()
    assert list(models[0]._fits.values()) == list(models[1]._fits.values())


def test_a_young_asset_has_the_variance_of_riskmetrics_and_is_named():
    frame = simulated(2)
    frame.iloc[:-150, 1] = np.nan
    estimate = MODEL.covariance(frame, 252.0)
    assert list(estimate.fallbacks) == ["A1"]
    assert "a fit needs 252" in estimate.fallbacks["A1"]
    own = frame["A1"].dropna().to_numpy()
    weights = 0.94 ** np.arange(75)
    variance = weights @ own[:75] ** 2 / weights.sum()
    for value in own:
        variance = 0.94 * variance + 0.06 * value**2
    assert estimate.matrix.loc["A1", "A1"] == pytest.approx(252.0 * variance, rel=1e-10)


def unlucky():
    """Draws of infinite variance at which the optimizer gives up."""
    random = np.random.default_rng(0)
    return [random.standard_cauchy(300) for _ in range(45)][-1]


def test_where_the_fit_does_not_converge_that_is_said():
    values = unlucky()
    with pytest.raises(SolverError, match="fit to 300 returns did not converge"):
        fit_garch(values)
    frame = simulated(3, 301)
    quarter = frame.index.searchsorted(frame.index[-1].to_period("Q").start_time)
    frame["WILD"] = 0.0
    frame.iloc[:quarter, -1] = values[-quarter:] / 1e3
    model = GarchVolatility(correlation_lookback=252, minimum_fit=quarter)
    frame.iloc[:quarter, -1] = np.maximum(frame.iloc[:quarter, -1], -1.0)
    process, reason = model._process(values)
    assert process is RISK_METRICS
    assert "did not converge" in reason
    assert np.isfinite(model.covariance(frame, 252.0).matrix.to_numpy()).all()


def test_an_asset_that_never_moves_has_no_risk_and_is_named():
    frame = simulated(4)
    frame["A1"] = 0.0
    estimate = MODEL.covariance(frame, 252.0)
    assert (estimate.matrix["A1"] == 0.0).all()
    assert "do not vary" in estimate.fallbacks["A1"]
    with pytest.raises(SolverError, match="do not vary"):
        fit_garch(np.zeros(300))


def test_a_fit_leaves_the_filters_of_warnings_as_they_were():
    before = list(warnings.filters)
    fit_garch(sp500()[-500:])
    assert list(warnings.filters) == before


def test_settings_and_rows_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="correlation_lookback = 252 sessions is more than"):
        GarchVolatility(lookback=200, minimum_fit=100)
    with pytest.raises(ConfigError, match="refit"):
        GarchVolatility(refit="week")
    with pytest.raises(DataError, match="labelled by days"):
        MODEL.covariance(simulated().reset_index(drop=True), 252.0)
