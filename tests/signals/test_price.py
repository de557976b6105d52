"""Momentum, trailing volatility and the arithmetic of signals, against plain numpy."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.errors import ConfigError
from toolkit.panel import Field, Panel
from toolkit.signals.price import Momentum, TrailingVolatility
from toolkit.signals.signal import Signal
from toolkit.universe import Asset, Membership, Sleeve, Universe

NAMES = ("COIN", "MINER", "LATE")


def panel_of(clock: str = "XNYS", seed: int = 2) -> Panel:
    """Three assets; one is listed later, one has a hole of two sessions."""
    sessions = sessions_between(clock, date(2023, 1, 2), date(2023, 8, 31))
    random = np.random.default_rng(seed)
    prices = 20.0 * np.exp(np.cumsum(0.03 * random.standard_normal((len(sessions), 3)), axis=0))
    prices[:60, 2] = np.nan
    prices[90:92, 1] = np.nan
    frame = pd.DataFrame(prices, sessions, list(NAMES))
    close = Field(frame, (sessions + pd.Timedelta(days=1)).tz_localize("UTC"), "USD", "drawn")
    assets = tuple(Asset(n, (Membership(Sleeve.BITCOIN, date(2020, 1, 1)),)) for n in NAMES)
    return Panel(Universe(assets), sessions, {"close": close}, clock=clock)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of()


class Fixed(Signal):
    """A signal with given values."""

    def __init__(self, values: np.ndarray, columns: list[str]):
        self.values, self.columns = values, columns

    def compute(self, panel: Panel) -> pd.DataFrame:
        return pd.DataFrame(self.values, panel.sessions, self.columns)


# Momentum


@pytest.mark.parametrize(("lookback", "skip"), [(1, 0), (20, 0), (20, 5), (126, 21)])
def test_momentum_is_the_return_over_the_lookback_before_the_skip(panel, lookback, skip):
    found = Momentum(lookback, skip).compute(panel).to_numpy()
    prices = panel.prices().to_numpy()
    for row in range(len(prices)):
        end, start = row - skip, row - skip - lookback
        expected = prices[end] / prices[start] - 1.0 if start >= 0 else np.full(3, np.nan)
        assert np.array_equal(found[row], expected, equal_nan=True)


def test_momentum_has_no_opinion_until_there_is_a_price_at_both_ends(panel):
    late = Momentum(20).compute(panel)["LATE"]
    assert late.iloc[:80].isna().all()
    assert late.iloc[80:].notna().all()


def test_momentum_that_would_skip_into_the_future_is_refused():
    with pytest.raises(ConfigError, match=r"Momentum\.skip"):
        Momentum(lookback=20, skip=-1)


def test_momentum_needs_a_lookback_of_at_least_one_session():
    with pytest.raises(ConfigError, match=r"Momentum\.lookback"):
        Momentum(lookback=0)


# Trailing volatility


@pytest.mark.parametrize("clock", ["XNYS", "24/7"])
@pytest.mark.parametrize("lookback", [2, 20, 63])
def test_volatility_is_the_annualised_sample_deviation_of_the_window(clock, lookback):
    panel = panel_of(clock)
    found = TrailingVolatility(lookback).compute(panel).to_numpy()
    prices = panel.prices().to_numpy()
    returns = np.vstack([np.full(3, np.nan), prices[1:] / prices[:-1] - 1.0])
    year = {"XNYS": 252.0, "24/7": 365.0}[clock]
    traded = panel.tradable().to_numpy()
    for row in range(len(prices)):
        for column in range(3):
            rows = slice(max(0, row - lookback + 1), row + 1)
            window = returns[rows, column]
            moves = window[traded[rows, column]]
            full = len(window) == lookback and not np.isnan(window).any()
            if full and len(moves) >= max(2, 0.6 * lookback):
                expected = np.std(moves, ddof=1) * np.sqrt(year * len(moves) / lookback)
                assert found[row, column] == pytest.approx(expected, rel=1e-10)
            else:
                assert np.isnan(found[row, column])


def test_a_window_with_a_missing_return_has_no_volatility(panel):
    volatility = TrailingVolatility(10).compute(panel)["LATE"]
    assert volatility.iloc[:70].isna().all()
    assert volatility.iloc[70:].notna().all()


def test_a_halt_does_not_make_an_asset_look_calm(panel):
    close = panel.fields["close"]
    halted = close.values.copy()
    halted.iloc[100:110, 0] = np.nan
    stopped = replace(panel, fields={"close": replace(close, values=halted)})
    volatility = TrailingVolatility(20).compute(stopped)["COIN"]
    # More than two fifths of twenty sessions without a trade: nine.
    assert volatility.iloc[108:121].isna().all()
    assert volatility.iloc[80:108].notna().all()
    assert volatility.iloc[121:].notna().all()
    before = TrailingVolatility(20).compute(panel)["COIN"].iloc[99]
    assert volatility.iloc[107] > 0.5 * before


def test_a_share_on_the_clock_of_every_day_has_the_volatility_of_its_own_sessions():
    panel = panel_of("24/7")
    close = panel.fields["close"]
    week_days = close.values.index.dayofweek < 5
    shares = close.values.where(pd.Series(week_days, close.values.index), axis=0)
    weekly = replace(panel, fields={"close": replace(close, values=shares)})
    volatility = TrailingVolatility(63).compute(weekly)["COIN"].iloc[-1]
    own = shares["COIN"].dropna().iloc[-46:].pct_change().dropna()
    assert volatility == pytest.approx(own.std() * np.sqrt(365.0 * 45 / 63), rel=1e-9)


def test_a_price_that_never_moves_has_no_volatility():
    panel = panel_of()
    close = panel.fields["close"]
    still = close.values.assign(COIN=5.0)
    flat = replace(panel, fields={"close": replace(close, values=still)})
    assert TrailingVolatility(20).compute(flat)["COIN"].isna().all()


# Timing


@pytest.mark.parametrize("signal", [Momentum(10, 2), TrailingVolatility(10)])
def test_a_cut_panel_gives_the_same_values(panel, signal):
    whole = signal.compute(panel)
    for session in panel.sessions[::13]:
        cut = signal.compute(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-12)


# Arithmetic


def test_signals_add_subtract_and_multiply_element_by_element(panel):
    left, right = Momentum(20), TrailingVolatility(20)
    a, b = left.compute(panel).to_numpy(), right.compute(panel).to_numpy()
    for combined, expected in ((left + right, a + b), (left - right, a - b), (left * right, a * b)):
        found = combined.compute(panel)
        assert np.array_equal(found.to_numpy(), expected, equal_nan=True)
        assert list(found.columns) == list(NAMES)


def test_an_opinion_needs_both_opinions(panel):
    combined = (Momentum(5) * TrailingVolatility(50)).compute(panel)
    assert combined.iloc[5:50].isna().all(axis=None)


def test_one_column_is_spread_over_the_assets_from_either_side(panel):
    market = np.linspace(-1.0, 1.0, len(panel.sessions))[:, None]
    one, many = Fixed(market, ["market"]), Momentum(1)
    values = many.compute(panel).to_numpy()
    for combined, expected in (
        (many - one, values - market),
        (one - many, market - values),
        (one * many, market * values),
    ):
        found = combined.compute(panel)
        assert np.array_equal(found.to_numpy(), expected, equal_nan=True)
        assert list(found.columns) == list(NAMES)


def test_two_market_signals_join_into_one_column(panel):
    first = Fixed(np.full((len(panel.sessions), 1), 2.0), ["first"])
    second = Fixed(np.full((len(panel.sessions), 1), 3.0), ["second"])
    assert (first * second).compute(panel).iloc[:, 0].eq(6.0).all()


def test_combinations_combine_again(panel):
    first, second = Momentum(5), Momentum(10)
    found = ((first + second) * first - second).compute(panel).to_numpy()
    a, b = first.compute(panel).to_numpy(), second.compute(panel).to_numpy()
    assert np.array_equal(found, (a + b) * a - b, equal_nan=True)


def test_signals_of_different_assets_are_not_joined(panel):
    values = np.zeros((len(panel.sessions), 3))
    strangers = Fixed(values, ["COIN", "MINER", "OTHER"])
    with pytest.raises(ConfigError, match="different assets"):
        (Momentum(5) + strangers).compute(panel)


def test_joining_leaves_the_frames_of_its_parts_alone(panel):
    frame = pd.DataFrame({"second": 1.0}, panel.sessions)

    class Kept(Signal):
        def compute(self, panel: Panel) -> pd.DataFrame:
            return frame

    (Fixed(np.ones((len(panel.sessions), 1)), ["first"]) + Kept()).compute(panel)
    assert list(frame.columns) == ["second"]
