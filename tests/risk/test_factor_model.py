import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError
from toolkit.risk.estimators import ExponentialCovariance, FactorModel

NAMES = ("bitcoin", "ai", "equity")
MODEL = FactorModel(NAMES, halflife=40, lookback=200, minimum=63)


def market(seed=0, assets=5, sessions=200):
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions)
    moves = random.normal(size=(sessions, 3)) * (0.03, 0.02, 0.01)
    values = moves @ random.uniform(-0.5, 1.5, size=(3, assets))
    values += 0.02 * random.normal(size=(sessions, assets))
    frame = pd.DataFrame(values, days, [f"A{place}" for place in range(assets)])
    return frame, pd.DataFrame(moves, days, list(NAMES))


def by_hand(frame, factors, halflife=40.0):
    """Weighted least squares asset by asset, on the rows that it has."""
    weights = 0.5 ** (np.arange(len(frame))[::-1] / halflife)
    moves = factors.to_numpy()
    spread = sum(w * np.outer(row, row) for w, row in zip(weights, moves, strict=True))
    spread /= weights.sum()
    betas, own = [], []
    for name in frame:
        known = frame[name].notna().to_numpy()
        root = np.sqrt(weights[known])
        beta, *_ = np.linalg.lstsq(
            moves[known] * root[:, None], frame[name].to_numpy()[known] * root, rcond=None
        )
        left = frame[name].to_numpy()[known] - moves[known] @ beta
        betas.append(beta)
        own.append(np.average(left**2, weights=weights[known]))
    betas = np.array(betas)
    return 252.0 * (betas @ spread @ betas.T + np.diag(own))


def test_it_is_betas_factor_covariance_and_own_variances():
    frame, factors = market()
    frame.iloc[:100, 1] = np.nan
    found = MODEL.covariance(frame, 252.0, factors)
    assert found.matrix.to_numpy() == pytest.approx(by_hand(frame, factors), rel=1e-9)
    assert found.repair == 0.0
    assert found.observations["A1"] == 100


def test_on_complete_returns_its_variances_are_the_exponential_ones():
    frame, factors = market(1)
    found = np.diag(MODEL.covariance(frame, 252.0, factors).matrix)
    plain = np.diag(ExponentialCovariance(40, 200, 63).covariance(frame, 252.0).matrix)
    assert found == pytest.approx(plain, rel=1e-10)


def test_assets_that_never_traded_together_are_related_through_their_factors():
    frame, factors = market(2)
    frame["X"], frame["Y"] = 2.0 * factors["bitcoin"], 1.5 * factors["bitcoin"]
    frame.loc[frame.index[-50:], "X"] = np.nan
    frame.loc[frame.index[:-70], "Y"] = np.nan
    frame.loc[frame.index[:-70], "Y"] = np.nan
    frame.loc[frame.index[60:-60], "X"] = np.nan
    matrix = MODEL.covariance(frame, 252.0, factors).matrix
    relation = matrix.loc["X", "Y"] / np.sqrt(matrix.loc["X", "X"] * matrix.loc["Y", "Y"])
    assert relation == pytest.approx(1.0, abs=1e-9)


def test_a_factor_twice_changes_nothing():
    frame, factors = market(3)
    twice = factors.assign(copy=factors["ai"])
    model = FactorModel((*NAMES, "copy"), halflife=40, lookback=200, minimum=63)
    expected = MODEL.covariance(frame, 252.0, factors).matrix.to_numpy()
    assert model.covariance(frame, 252.0, twice).matrix.to_numpy() == pytest.approx(
        expected, rel=1e-9
    )


def test_factors_that_are_not_there_are_refused_by_name():
    frame, factors = market()
    with pytest.raises(DataError, match="given no factor returns"):
        MODEL.covariance(frame, 252.0)
    with pytest.raises(DataError, match=r"reads the factor 'equity'.*Leave it out"):
        MODEL.covariance(frame, 252.0, factors.drop(columns="equity"))
    with pytest.raises(DataError, match="other sessions"):
        MODEL.covariance(frame, 252.0, factors.iloc[1:])
    wrong = factors.copy()
    wrong.iloc[-1, 1] = np.inf
    with pytest.raises(DataError, match=r"factor ai on 2020-10-0.* is infinite"):
        MODEL.covariance(frame, 252.0, wrong)
    short = factors.copy()
    short.iloc[:150, 2] = np.nan
    with pytest.raises(DataError, match=r"Only 50 of the last 200 .*equity has the fewest"):
        MODEL.covariance(frame, 252.0, short)
    with pytest.raises(ConfigError, match="empty"):
        FactorModel(())
