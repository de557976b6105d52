import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import oas

from toolkit.risk.estimators import LedoitWolf, OracleApproximatingShrinkage


def returns(seed, sessions=120, assets=6):
    random = np.random.default_rng(seed)
    moves = random.normal(size=(sessions, assets)) + random.normal(size=(sessions, 1))
    days = pd.bdate_range("2020-01-01", periods=sessions)
    return pd.DataFrame(0.01 * moves, days, [f"A{place}" for place in range(assets)])


@pytest.mark.parametrize(("seed", "sessions"), [(0, 120), (1, 120), (2, 31), (3, 400)])
def test_oracle_approximating_shrinkage_is_that_of_scikit_learn(seed, sessions):
    frame = returns(seed, sessions)
    found = OracleApproximatingShrinkage(500, 30).covariance(frame, 252.0).matrix
    expected, shrinkage = oas(frame.to_numpy())
    assert 0.0 < shrinkage < 1.0
    assert found.to_numpy() == pytest.approx(252.0 * expected, rel=1e-11)


@pytest.mark.parametrize("model", [LedoitWolf(60, 30), OracleApproximatingShrinkage(60, 30)])
def test_shrinkage_keeps_the_sum_of_variances_and_brings_one_lone_asset_nothing(model):
    frame = returns(4, 60)
    found = model.covariance(frame, 252.0).matrix
    assert np.trace(found) == pytest.approx(252.0 * frame.var(ddof=0).sum(), rel=1e-12)
    alone = model.covariance(frame[["A0"]], 252.0).matrix
    assert alone.loc["A0", "A0"] == pytest.approx(252.0 * frame["A0"].var(ddof=0), rel=1e-12)


def test_a_late_listing_counts_with_the_sessions_that_pairs_share():
    frame = returns(6, 100, 3)
    frame.iloc[:60, 2] = np.nan
    found = OracleApproximatingShrinkage(100, 30).covariance(frame, 1.0).matrix.to_numpy()
    shared = np.mean([100, 100, 40, 100, 100, 40, 40, 40, 40])
    values = frame.to_numpy()
    centred = values - np.nanmean(values, axis=0)
    plain = np.empty((3, 3))
    for one in range(3):
        for two in range(3):
            both = ~np.isnan(centred[:, one] * centred[:, two])
            left, right = centred[both, one], centred[both, two]
            correlation = (left @ right) / np.sqrt((left @ left) * (right @ right))
            plain[one, two] = correlation * np.nanstd(values[:, one]) * np.nanstd(values[:, two])
    level, square = np.trace(plain) / 3, (plain**2).mean()
    intensity = (square + level**2) / ((shared + 1) * (square - level**2 / 3))
    assert 0.0 < intensity < 1.0
    expected = (1 - intensity) * plain + intensity * level * np.eye(3)
    assert found == pytest.approx(expected, rel=1e-10)
