"""Volumes, highs and lows of the simulated market. SIMULATED.

Prices are given; this adds what would be seen beside them. Half of the time the last trade of a
day is at the bid, else at the ask, half a spread away from the value in the middle, and the day's
range is that of a Brownian path between the values of two closes with half a spread on either
side. Estimates from these bars overstate the small spread that was planted, as real ones do.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np
import pandas as pd
from scipy.special import ndtri

from toolkit.data.sample_cast import CAST, SOURCE, Part
from toolkit.data.sample_prices import AI_VOLATILITY, BITCOIN_VOLATILITY, Streams
from toolkit.panel import HIGH_FIELD, LOW_FIELD, VOLUME_FIELD, Field
from toolkit.universe import Sleeve

# USD a day, and the whole spread as a fraction of the price.
_TRADED = {
    Sleeve.BITCOIN: (8e9, 2e-4),
    Sleeve.LEGACY_MINERS: (6e7, 2e-3),
    Sleeve.AI_INFRASTRUCTURE: (6e8, 4e-4),
    Sleeve.AI_TOKENS: (3e7, 1.5e-3),
}
TRADED = tuple(part for part in CAST if part.sleeve in _TRADED)
"""All but cash."""

_KEEP, _SLOW, _QUICK = 0.97, 0.5, 0.35
_SMALLEST, _STEP = 0.2, 0.45
_PARTS, _HALFLIFE = 8, 20.0


def simulated_spread(part: Part) -> float:
    """The planted spread of an asset, a fraction of its price."""
    return _TRADED[part.sleeve][1]


def simulated_bars(
    closes: pd.DataFrame, public: pd.DatetimeIndex, streams: Streams
) -> Mapping[str, Field]:
    """Volume in USD, high and low of each asset but cash, on the days on which it trades.

    Parameters
    ----------
    closes
        Days x assets, NaN where an asset does not trade.
    public
        Moment of each day at which its prices and bars are public.
    """
    found: dict[str, dict[str, np.ndarray]] = {VOLUME_FIELD: {}, HIGH_FIELD: {}, LOW_FIELD: {}}
    # Days first, so that a longer period draws the same days first.
    noise = streams("volume").standard_normal((len(closes), len(TRADED), 2))
    draws = streams("range").random((len(closes), len(TRADED), 1 + 3 * _PARTS))
    for place, part in enumerate(TRADED):
        close = closes[part.id].to_numpy()
        size = _TRADED[part.sleeve][0] * (_SMALLEST + _STEP * (place % 4))
        found[VOLUME_FIELD][part.id] = np.where(
            np.isnan(close), np.nan, size * _activity(noise[:, place].T)
        )
        found[HIGH_FIELD][part.id], found[LOW_FIELD][part.id] = _range(part, close, draws[:, place])
    return {
        name: Field(pd.DataFrame(columns, closes.index), public, "USD", SOURCE)
        for name, columns in found.items()
    }


def _activity(shocks: np.ndarray) -> np.ndarray:
    """Volume as a multiple of its usual size: log-normal, slow waves and single days."""
    step = _SLOW * np.sqrt(1.0 - _KEEP**2)
    slow = list(accumulate(shocks[0].tolist(), lambda level, shock: _KEEP * level + step * shock))
    return np.asarray(np.exp(np.array(slow) + _QUICK * shocks[1]))


def _range(part: Part, close: np.ndarray, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """High and low of each day: the extremes of a Brownian bridge, half a spread further out.

    The bridge is drawn at a few points; between two of them the distribution of its maximum is
    known in closed form.
    """
    half = 0.5 * simulated_spread(part)
    days = np.flatnonzero(~np.isnan(close))
    places, tops, bottoms = np.split(draws[days, 1:], (_PARTS, 2 * _PARTS), axis=1)
    value = np.log(close[days]) - np.where(draws[days, 0] < 0.5, -half, half)
    start = np.concatenate((value[:1], value[:-1]))
    variance = _variance(part, value - start)[:, None] / _PARTS
    steps = np.sqrt(variance) * ndtri(places)
    path, done = np.cumsum(steps, axis=1), np.arange(1, _PARTS + 1) / _PARTS
    path = start[:, None] + path + done * (value - start - path[:, -1])[:, None]
    before = np.column_stack((start, path[:, :-1]))
    middle, squares = 0.5 * (before + path), (path - before) ** 2
    above = middle + 0.5 * np.sqrt(squares - 2.0 * variance * np.log1p(-tops))
    below = middle - 0.5 * np.sqrt(squares - 2.0 * variance * np.log1p(-bottoms))
    high, low = np.full(len(close), np.nan), np.full(len(close), np.nan)
    # Never inside the close by a last bit of rounding.
    high[days] = np.maximum(np.exp(above.max(axis=1) + half), close[days])
    low[days] = np.minimum(np.exp(below.min(axis=1) - half), close[days])
    return high, low


def _variance(part: Part, moves: np.ndarray) -> np.ndarray:
    """Variance of each day's return, as it was lately."""
    bitcoin = (part.bitcoin + part.hash_price) * BITCOIN_VOLATILITY
    yearly = part.volatility**2 + (part.ai * AI_VOLATILITY) ** 2 + bitcoin**2
    usual = yearly / (365.25 if part.calendar == "24/7" else 261.0)
    squares = pd.Series(np.concatenate(([usual], moves[1:] ** 2)))
    return np.asarray(squares.ewm(halflife=_HALFLIFE, adjust=False).mean())
