import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from toolkit.errors import ConfigError, DataError
from toolkit.risk.estimators import ExponentialCovariance, LedoitWolf
from toolkit.risk.sample import REPAIRED

MODELS = [ExponentialCovariance(halflife=21, lookback=120, minimum=30), LedoitWolf(120, 30)]


def returns(seed=0, sessions=150, assets=6):
    random = np.random.default_rng(seed)
    moves = random.normal(size=(sessions, assets)) + random.normal(size=(sessions, 1))
    moves *= 0.01 * (1.0 + random.random(assets))
    days = pd.bdate_range("2020-01-01", periods=sessions)
    return pd.DataFrame(moves, days, [f"A{place}" for place in range(assets)])


def test_exponential_covariance_is_the_plain_formula_on_complete_returns():
    frame = returns()
    estimate = MODELS[0].covariance(frame, 252.0)
    last = frame.to_numpy()[-120:]
    expected, total = np.zeros((6, 6)), 0.0
    for age in range(120):
        weight = 0.5 ** (age / 21)
        row = last[119 - age]
        expected += weight * np.outer(row, row)
        total += weight
    expected *= 252.0 / total
    assert estimate.matrix.to_numpy() == pytest.approx(expected, rel=1e-12)
    assert estimate.repair == 0.0
    assert (estimate.observations == 120).all()


def test_covariances_of_many_rows_are_the_covariance_of_each():
    """With a late listing, a halt that ends one, and correlations that need repair."""
    frame = returns(sessions=300, assets=5)
    frame.iloc[:130, 1] = np.nan
    frame.iloc[200:, 2] = np.nan
    frame.iloc[40:100:2, 3] = frame.iloc[41:100:2, 4] = np.nan
    frame.iloc[40:100, 0] = -frame.iloc[40:100, 3].fillna(frame.iloc[40:100, 4])
    frame.iloc[100:120, 4] = frame.iloc[100:120, 3].to_numpy()
    frame.iloc[:40, :] = np.nan
    rows = np.arange(0, 300, 3)
    found = MODELS[0].covariances(frame, rows, 252.0)
    repairs = 0
    for place, row in enumerate(rows):
        alone = MODELS[0].covariance(frame.iloc[: row + 1], 252.0)
        repairs += alone.repair > 0.0
        expected = alone.matrix.reindex(index=frame.columns, columns=frame.columns)
        np.testing.assert_allclose(found[place], expected, rtol=1e-9, atol=1e-13)
    assert np.isnan(found).any()
    assert 0 < repairs < len(rows)


@pytest.mark.parametrize("seed", range(4))
def test_ledoit_wolf_is_that_of_scikit_learn_on_complete_returns(seed):
    frame = returns(seed)
    estimate = MODELS[1].covariance(frame, 365.0)
    expected, shrinkage = ledoit_wolf(frame.to_numpy()[-120:])
    assert 0.0 < shrinkage < 1.0
    assert estimate.matrix.to_numpy() == pytest.approx(expected * 365.0, rel=1e-11)


@pytest.mark.parametrize("model", MODELS)
def test_a_late_listing_enters_with_the_sessions_it_has(model):
    frame = returns()
    late = frame.copy()
    late.iloc[:-40, 2] = np.nan
    estimate = model.covariance(late, 252.0)
    assert estimate.observations["A2"] == 40
    own = late["A2"].to_numpy()[-40:]
    if isinstance(model, ExponentialCovariance):
        weights = 0.5 ** (np.arange(40)[::-1] / 21)
        variance = 252.0 * (weights @ own**2) / weights.sum()
        assert estimate.matrix.loc["A2", "A2"] == pytest.approx(variance, rel=1e-12)
        other = late["A0"].to_numpy()[-40:]
        products = [weights @ (own * other), weights @ own**2, weights @ other**2]
        correlation = products[0] / np.sqrt(products[1] * products[2])
        deviations = np.sqrt(np.diag(estimate.matrix))
        found = estimate.matrix.loc["A0", "A2"] / deviations[0] / deviations[2]
        assert found == pytest.approx(correlation, rel=1e-10)
    others = frame.drop(columns="A2")
    without = model.covariance(others, 252.0).matrix
    if isinstance(model, ExponentialCovariance):
        found = estimate.matrix.loc[others.columns, others.columns]
        assert found.to_numpy() == pytest.approx(without.to_numpy(), rel=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_too_little_history_is_left_out_and_a_halt_is_not(model):
    frame = returns()
    frame.iloc[:-29, 0] = np.nan  # One return too few.
    frame.iloc[-29:, 1] = np.nan  # Halted, traded within the last `minimum` sessions.
    frame.iloc[-30:, 2] = np.nan  # No return for too long.
    estimate = model.covariance(frame, 252.0)
    assert list(estimate.matrix.columns) == ["A1", "A3", "A4", "A5"]
    assert estimate.matrix.index.equals(estimate.matrix.columns)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_outside_the_lookback_matters(model):
    frame = returns()
    changed = frame.copy()
    changed.iloc[:-120] = 9.0
    expected = model.covariance(frame, 252.0).matrix
    assert model.covariance(changed, 252.0).matrix.equals(expected)
    assert model.covariance(frame.iloc[-120:], 252.0).matrix.equals(expected)


def test_assets_that_hardly_overlap_are_uncorrelated():
    frame = returns(sessions=120, assets=3)
    frame.iloc[70:, 0] = np.nan
    frame.iloc[:50, 1] = np.nan  # 20 sessions together with A0.
    model = ExponentialCovariance(halflife=60, lookback=120, minimum=51)
    matrix = model.covariance(frame, 252.0).matrix
    assert matrix.loc["A0", "A1"] == 0.0
    assert matrix.loc["A0", "A2"] != 0.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), assets=st.integers(1, 12), model=st.sampled_from(MODELS))
def test_every_estimate_is_positive_semidefinite_with_its_variances_kept(seed, assets, model):
    frame = returns(seed, 130, assets)
    random = np.random.default_rng(seed)
    for column in range(assets):
        first, last = sorted(random.integers(0, 130, size=2))
        frame.iloc[first:last, column] = np.nan
    estimate = model.covariance(frame, 252.0)
    matrix = estimate.matrix.to_numpy()
    assert (matrix == matrix.T).all()
    if len(matrix):
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -1e-12 * values[-1]
    assert estimate.repair >= 0.0


def test_contradictory_correlations_are_repaired_and_the_repair_is_reported():
    random = np.random.default_rng(3)
    common = random.normal(size=180) * 0.01
    frame = pd.DataFrame(np.nan, pd.bdate_range("2020-01-01", periods=180), ["A", "B", "C"])
    # Each pair shares one third: A moves with B, B with C, and A against C.
    frame.loc[frame.index[:120], "A"] = common[:120]
    frame.loc[frame.index[:60], "B"] = common[:60]
    frame.loc[frame.index[120:], "B"] = common[120:]
    frame.loc[frame.index[60:120], "C"] = -common[60:120]
    frame.loc[frame.index[120:], "C"] = common[120:]
    frame.iloc[-1, 0] = 0.0
    model = ExponentialCovariance(halflife=1e6, lookback=180, minimum=63)
    estimate = model.covariance(frame, 252.0)
    assert estimate.repair == pytest.approx(1.0, abs=0.05)
    deviations = np.sqrt(np.diag(estimate.matrix))
    values = np.linalg.eigvalsh(estimate.matrix / deviations[:, None] / deviations)
    # The least of three correlations that cannot be, brought back to a diagonal of 1.
    assert 0.3 * REPAIRED <= values[0] <= REPAIRED
    for name in frame:
        variance = 252.0 * (frame[name].dropna() ** 2).mean()
        assert estimate.matrix.loc[name, name] == pytest.approx(variance, rel=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_flat_asset_has_no_variance_and_no_correlation(model):
    frame = returns(assets=3)
    frame["A1"] = 0.0
    matrix = model.covariance(frame, 252.0).matrix
    if isinstance(model, ExponentialCovariance):
        assert (matrix["A1"] == 0.0).all()
    assert matrix.loc["A0", "A1"] == 0.0


@pytest.mark.parametrize("model", MODELS)
def test_no_asset_with_history_gives_an_empty_estimate(model):
    estimate = model.covariance(returns(sessions=20), 252.0)
    assert estimate.matrix.shape == (0, 0)
    assert estimate.repair == 0.0


def test_bad_returns_and_settings_are_refused():
    frame = returns()
    frame.iloc[-3, 1] = np.inf
    with pytest.raises(DataError, match="return of A1 on 2020-07-2"):
        MODELS[0].covariance(frame, 252.0)
    with pytest.raises(ConfigError, match="minimum = 300 sessions is more than lookback = 252"):
        LedoitWolf(minimum=300)
    with pytest.raises(ConfigError, match="halflife"):
        ExponentialCovariance(halflife=0.0)
