"""Prices of the simulated market: what moves them, and that nothing foreseeable does.

Every shock below has mean zero given the past, and only the sizes of shocks, which wander slowly,
can be foreseen. An asset's expected return is its exposures times two constant premia.

The numbers of the noise are those of real miners' daily returns from 2017 to mid-2025, after
bitcoin, its return of the session before, and a fund of semiconductor shares are taken out: what
is left has a skewness of 1.2, an excess kurtosis of 9 (medians of 25 names) and a mean correlation
from miner to miner of 0.26. Bitcoin and the fund have a correlation of 0.24.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pandas as pd

from toolkit.data.sample_cast import (
    CAST,
    HALT_SESSIONS,
    HOLE_SESSIONS,
    SESSIONS_AFTER_FILING,
    Part,
    Timeline,
)
from toolkit.universe import Sleeve

Streams = Callable[[str], np.random.Generator]
"""A generator for each kind of draw, by name, so that one does not shift another."""

BITCOIN_PREMIUM, AI_PREMIUM = 0.20, 0.14
BITCOIN_VOLATILITY, AI_VOLATILITY = 0.55, 0.28

_DAYS, _WEEKDAYS = 365.25, 261.0
_SHARED = 0.24
_CROWD = 0.26
_COINS_KEPT = 0.5
_HOSTING = 1.5
_CALM_OF_RENT = 0.25
_REACTION = 0.10
_CRASH = 0.70
_UP = 0.7
"""Shape of the gamma variates whose difference is an asset's own noise."""


@dataclass(frozen=True)
class Factors:
    """What moves more than one asset: simple returns of each UTC day.

    Parameters
    ----------
    bitcoin
        Of the UTC day.
    ai
        Of AI names together, 0 at weekends.
    crowd
        Noise that miners share, of variance 1, and 0 at weekends.
    turbulence
        Multiplier of the size of bitcoin's, AI's and all other shocks: days x 3.
    """

    bitcoin: np.ndarray
    ai: np.ndarray
    crowd: np.ndarray
    turbulence: np.ndarray

    @property
    def bitcoin_seen_in_new_york(self) -> np.ndarray:
        """Bitcoin's return from New York's close to close: it comes before the UTC day ends."""
        return np.asarray(0.875 * self.bitcoin + 0.125 * np.append(0.0, self.bitcoin[:-1]))


def draw_factors(days: pd.DatetimeIndex, streams: Streams) -> Factors:
    """Factors of some days; a longer period draws the same days first."""
    count, weekday = len(days), _weekday(days)
    turbulence = _turbulence(streams("turbulence").standard_normal((count, 3)))
    # A Student t with 5 degrees of freedom has variance 5/3.
    own = np.sqrt(3.0 / 5.0) * streams("factors").standard_t(5.0, (count, 3))
    risk = np.sqrt(_SHARED) * own[:, [2]] + np.sqrt(1.0 - _SHARED) * own[:, :2]
    scale = np.array([BITCOIN_VOLATILITY / np.sqrt(_DAYS), AI_VOLATILITY / np.sqrt(_WEEKDAYS)])
    moves = scale * turbulence[:, :2] * risk
    return Factors(
        bitcoin=np.clip(BITCOIN_PREMIUM / _DAYS + moves[:, 0], -0.4, 0.4),
        ai=weekday * (AI_PREMIUM / _WEEKDAYS + moves[:, 1]),
        crowd=weekday * _skewed(streams("crowd"), (count,)),
        turbulence=turbulence,
    )


def closes(
    timeline: Timeline,
    factors: Factors,
    surprise: np.ndarray,
    ai_share: pd.DataFrame,
    reactions: Sequence[tuple[str, int]],
    streams: Streams,
) -> pd.DataFrame:
    """Closes of every asset on every UTC day, NaN where it does not trade.

    Parameters
    ----------
    surprise
        Unexpected log change of the hash rate, by day.
    ai_share
        How far each miner has become an AI host: days x miners.
    reactions
        Miners and the rows of the days on which something they announced is first traded on.
    """
    returns = _returns(timeline, factors, surprise, ai_share, streams)
    columns = [part.id for part in CAST]
    for (asset, row), shock in zip(
        reactions, streams("reactions").standard_normal(len(reactions)), strict=True
    ):
        returns[row, columns.index(asset)] += _REACTION * shock
    levels = np.cumprod(1.0 + np.clip(returns, -0.9, 2.0), axis=0)
    closed = np.ones(len(levels), dtype=bool)
    closed[timeline.rows] = False
    for column, part in enumerate(CAST):
        levels[:, column] *= part.price / levels[timeline.row(part.lists), column]
        _silence(levels[:, column], part, timeline, closed)
    return pd.DataFrame(levels, index=timeline.days, columns=columns)


def _silence(level: np.ndarray, part: Part, timeline: Timeline, closed: np.ndarray) -> None:
    """Take out the days on which an asset does not trade."""
    if part.calendar == "XNYS":
        level[closed] = np.nan
    if part.lists:
        level[: timeline.row(part.lists, -part.shell_sessions)] = np.nan
    for since, sessions in ((part.halted, HALT_SESSIONS), (part.hole, HOLE_SESSIONS)):
        if since is not None:
            level[timeline.row(since) : timeline.row(since, sessions)] = np.nan
    if part.files is not None:
        level[timeline.row(part.files, SESSIONS_AFTER_FILING) + 1 :] = np.nan


def _returns(
    timeline: Timeline,
    factors: Factors,
    surprise: np.ndarray,
    ai_share: pd.DataFrame,
    streams: Streams,
) -> np.ndarray:
    """Simple return of every asset on every UTC day, whether it trades or not."""
    count = len(timeline.days)
    own = _skewed(streams("own"), (count, len(CAST)))
    seen, weekday = factors.bitcoin_seen_in_new_york, _weekday(timeline.days)
    returns = np.empty((count, len(CAST)))
    for column, part in enumerate(CAST):
        always = part.calendar == "24/7"
        bitcoin = factors.bitcoin if always else seen
        noise = own[:, column] if always else weekday * own[:, column]
        total = part.bitcoin * bitcoin + part.ai * factors.ai
        if part.mines:
            share = ai_share[part.id].to_numpy()
            # Of the hash price only what nobody could foresee: bitcoin, less what others add.
            mining = bitcoin - surprise
            total += part.hash_price * ((1.0 - share) * mining + share * _COINS_KEPT * bitcoin)
            total += _HOSTING * share * factors.ai
            crowd = np.sqrt(_CROWD) * (1.0 - share)
            noise = crowd * factors.crowd + np.sqrt(1.0 - crowd**2) * noise
            noise *= 1.0 - _CALM_OF_RENT * share
        daily = part.volatility / np.sqrt(_DAYS if always else _WEEKDAYS)
        total += daily * factors.turbulence[:, 2] * noise
        if part.sleeve is Sleeve.CASH:
            total += _cash_rate(count, streams) / _DAYS
        if part.files is not None:
            total[timeline.row(part.files)] = -_CRASH
        returns[:, column] = total
    return returns


def _skewed(stream: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Noise of mean 0, variance 1, skewness 1.0 and excess kurtosis 5: two gammas' difference."""
    ups = stream.standard_gamma(_UP, (*shape, 2)) - _UP
    return np.asarray(ups[..., 0] - np.sqrt(1.0 / _UP - 1.0) * ups[..., 1])


def _weekday(days: pd.DatetimeIndex) -> np.ndarray:
    return np.where(days.dayofweek < 5, 1.0, 0.0)


def _turbulence(noise: np.ndarray) -> np.ndarray:
    """Volatility multipliers by day: log-normal, half-life 34 days, mean square near 1."""
    keep, spread = 0.98, 0.35
    steps = (spread * np.sqrt(1.0 - keep**2) * noise).T.tolist()
    paths = [list(accumulate(path, lambda level, step: keep * level + step)) for path in steps]
    return np.asarray(np.exp(np.array(paths).T - spread**2))


def _cash_rate(count: int, streams: Streams) -> np.ndarray:
    """Yearly rate of cash on each day: 0.2 % to 4.2 %, a wave of seven years."""
    phase = 2.0 * np.pi * streams("cash").random()
    wave = np.sin(2.0 * np.pi * np.arange(count) / (7.0 * _DAYS) + phase)
    return np.asarray(0.022 + 0.020 * wave)
