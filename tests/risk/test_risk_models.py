"""What every risk model promises: a covariance, of whatever is listed, that only the past decides."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError
from toolkit.risk.estimators import (
    ExponentialCovariance,
    FactorModel,
    GarchVolatility,
    LedoitWolf,
    OracleApproximatingShrinkage,
)

FACTORS = ("bitcoin", "equity")
SESSIONS = 260
MODELS = [
    ExponentialCovariance(halflife=21, lookback=120, minimum=30),
    LedoitWolf(120, 30),
    OracleApproximatingShrinkage(120, 30),
    FactorModel(FACTORS, halflife=21, lookback=120, minimum=30),
    GarchVolatility(
        horizon=5,
        lookback=140,
        correlation_lookback=120,
        minimum=30,
        minimum_fit=100,
        refit="month",
    ),
]
models = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def market(seed=0, assets=4, sessions=SESSIONS):
    """Returns that two factors move, and the factors."""
    random = np.random.default_rng(seed)
    days = pd.bdate_range("2020-01-01", periods=sessions)
    calm = 1.0 + np.sin(np.arange(sessions) / 30.0)[:, None] ** 2
    moves = random.normal(size=(sessions, 2)) * 0.02 * calm
    own = random.normal(size=(sessions, assets)) * 0.01 * (1.0 + random.random(assets))
    values = moves @ random.uniform(0.2, 1.5, size=(2, assets)) + own
    names = [f"A{place}" for place in range(assets)]
    return pd.DataFrame(values, days, names), pd.DataFrame(moves, days, list(FACTORS))


def gaps(frame, seed):
    """Holes of any length anywhere, as listings, halts and delistings make them."""
    random = np.random.default_rng(seed)
    holed = frame.copy()
    for column in range(frame.shape[1]):
        for _ in range(random.integers(0, 3)):
            first, last = sorted(random.integers(0, len(frame) + 1, size=2))
            holed.iloc[first:last, column] = np.nan
    return holed


@models
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), assets=st.integers(1, 6))
def test_it_is_symmetric_and_positive_semidefinite_whatever_is_missing(model, seed, assets):
    frame, factors = market(seed, assets)
    estimate = model.covariance(gaps(frame, seed), 252.0, factors)
    matrix = estimate.matrix.to_numpy()
    assert np.isfinite(matrix).all()
    assert (matrix == matrix.T).all()
    assert estimate.repair >= 0.0
    if len(matrix):
        values = np.linalg.eigvalsh(matrix)
        assert values[0] >= -1e-12 * values[-1]
    assert estimate.observations.index.equals(estimate.matrix.columns)
    assert (estimate.observations >= 30).all()
    assert set(estimate.fallbacks) <= set(estimate.matrix.columns)


@models
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_assets_changes_nothing(model, seed):
    frame, factors = market(seed)
    frame = gaps(frame, seed)
    expected = model.covariance(frame, 252.0, factors)
    shuffled = frame[list(np.random.default_rng(seed).permutation(frame.columns))]
    found = model.covariance(shuffled, 252.0, factors)
    matrix = found.matrix.loc[expected.matrix.index, expected.matrix.columns]
    assert matrix.to_numpy() == pytest.approx(expected.matrix.to_numpy(), rel=1e-9, abs=1e-15)
    assert found.repair == pytest.approx(expected.repair, abs=1e-12)
    assert found.fallbacks == expected.fallbacks


@models
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), known=st.integers(0, 29))
def test_an_asset_without_enough_history_changes_nothing(model, seed, known):
    frame, factors = market(seed)
    expected = model.covariance(frame, 252.0, factors)
    more = frame.assign(NEW=frame["A0"] * 3.0)
    more.iloc[: len(more) - known, -1] = np.nan
    found = model.covariance(more, 252.0, factors)
    assert found.matrix.equals(expected.matrix)
    assert found.repair == expected.repair


@models
@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), power=st.integers(-6, 3))
def test_returns_that_move_twice_as_much_have_four_times_the_covariance(model, seed, power):
    frame, factors = market(seed)
    frame, scale = gaps(frame, seed) / 16.0, 2.0**power
    expected = model.covariance(frame, 252.0, factors).matrix
    found = model.covariance(frame * scale, 252.0, factors * scale).matrix
    assert found.to_numpy() == pytest.approx(scale**2 * expected.to_numpy(), rel=1e-12, abs=0.0)
    yearly = model.covariance(frame, 504.0, factors).matrix
    assert yearly.to_numpy() == pytest.approx(2.0 * expected.to_numpy(), rel=1e-12)


@models
def test_what_was_asked_before_changes_no_bit(model):
    frame, factors = market(7)
    frame.iloc[:50, 1] = np.nan
    fresh = type(model)(**{entry.name: getattr(model, entry.name) for entry in fields(model)})
    later = model.covariance(frame, 252.0, factors).matrix
    rows = slice(0, 200)
    again = model.covariance(frame.iloc[rows], 252.0, factors.iloc[rows]).matrix
    assert fresh.covariance(frame.iloc[rows], 252.0, factors.iloc[rows]).matrix.equals(again)
    assert not again.equals(later)


@models
def test_too_little_history_is_left_out_and_a_halt_is_not(model):
    frame, factors = market()
    frame.iloc[:-29, 0] = np.nan  # One return too few.
    frame.iloc[-29:, 1] = np.nan  # Halted, traded within the last `minimum` sessions.
    frame.iloc[-30:, 2] = np.nan  # No return for too long.
    estimate = model.covariance(frame, 252.0, factors)
    assert list(estimate.matrix.columns) == ["A1", "A3"]


@models
def test_returns_that_cannot_be_are_refused_by_name(model):
    frame, factors = market()
    for value, words in ((np.inf, "infinite"), (-1.5, "-1.5")):
        wrong = frame.copy()
        wrong.iloc[-3, 1] = value
        with pytest.raises(DataError, match=f"return of A1 on 2020-12-2.* is {words}"):
            model.covariance(wrong, 252.0, factors)
    with pytest.raises(DataError, match="A0 more than once"):
        model.covariance(frame[["A0", "A1", "A0"]], 252.0, factors)
    with pytest.raises(DataError, match="must increase"):
        model.covariance(frame.iloc[::-1], 252.0, factors.iloc[::-1])
    with pytest.raises(ConfigError, match="more than lookback"):
        type(model)(**({"minimum_fit": 5000} if isinstance(model, GarchVolatility) else
                       {"minimum": 5000}))  # fmt: skip


@models
def test_no_asset_with_history_gives_an_empty_estimate(model):
    frame, factors = market()
    estimate = model.covariance(frame * np.nan, 252.0, factors)
    assert estimate.matrix.shape == (0, 0)
    assert estimate.repair == 0.0
    assert not estimate.fallbacks
