"""What each signal foretold: rank correlation with what could still be earned after it was known.

A signal with a column an asset is judged across assets: its ranks against those of the returns that
follow. A signal of the whole market has one value a session and is judged over time, against the
return of the equally weighted miners less bitcoin's, which is what such a signal is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, UnknownFieldError
from toolkit.panel import Panel
from toolkit.signals.price import Momentum
from toolkit.signals.reading import Gauge
from toolkit.signals.signal import Signal
from toolkit.strategy import share_equally
from toolkit.universe import MINERS, Sleeve

Floats = NDArray[np.float64]

HORIZONS = (1, 5, 21, 63)
SMALLEST_CROSS_SECTION = 5
SMALLEST_SAMPLE = 60
_NORMAL_95 = 1.959963984540054

Counted = Literal["rises", "thresholds", "signs"]
"""What an event of a signal is: a rise, of one that rises with events; a threshold crossed, of a gauge
that has any; a change of sign, of every other level, which says little of one that is never negative.
"""


@dataclass(frozen=True)
class Score:
    """One signal at one horizon.

    Attributes
    ----------
    horizon
        Sessions of the return, which begins at the close of the session after the decision: the
        first at which an order of that decision can fill.
    coefficient, low, high
        Information coefficient and the bounds of its 95 % interval; None where fewer than 60
        sessions, or 3 windows that do not overlap, have both signal and return.
    observations
        Sessions that entered; returns of horizon h overlap, which the interval allows for.
    """

    horizon: int
    coefficient: float | None
    low: float | None
    high: float | None
    observations: int


@dataclass(frozen=True)
class Scorecard:
    """What one signal foretold.

    Attributes
    ----------
    judged
        ``across assets``, ``over time``, or ``not available`` where it has no value, or the data lack
        a field that it reads.
    scores
        One a horizon: how its information decays.
    turnover
        Mean change of the signal's ranks from session to session, a year: 1 is a complete change
        of order. None where nothing was ranked.
    events
        Sessions on which the value of any asset, or the one value, moved in the way that counts.
    counted
        What that way is.
    momentum_correlation
        Rank correlation with plain momentum of 126 sessions, of the same assets or of the miners
        less bitcoin; None where it is undefined.
    missing
        Why it is not available; empty where it is.
    """

    name: str
    judged: str
    scores: tuple[Score, ...]
    turnover: float | None
    events: int
    counted: Counted
    momentum_correlation: float | None
    missing: str = ""


def scorecards(
    signals: Mapping[str, Signal | Gauge],
    panel: Panel,
    horizons: Sequence[int] = HORIZONS,
    first: pd.Timestamp | None = None,
) -> list[Scorecard]:
    """A card a signal, in the order given.

    Parameters
    ----------
    signals
        By name; a gauge is a signal with the thresholds that it is read by.
    horizons
        Sessions, increasing.
    first
        First session that is judged; earlier ones only warm the signals up. None for all.

    Raises
    ------
    ConfigError
        A horizon below 1.
    """
    if not horizons or min(horizons) < 1:
        raise ConfigError(f"horizons = {tuple(horizons)}: expected whole sessions, 1 or more.")
    market, since = _Market(panel), panel.sessions[0] if first is None else first
    cards = []
    for name, given in signals.items():
        signal = given.signal if isinstance(given, Gauge) else given
        try:
            values = signal.compute(panel)
        except UnknownFieldError as error:
            cards.append(_absent(name, given, str(error)))
        else:
            known = market.eligible_only(values[since:].reindex(values.index))
            cards.append(_card(name, given, known, market, horizons))
    return cards


class _Market:
    """What signals are held against, computed once."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        risky = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH]
        self.eligible = panel.members(risky).to_numpy()
        self.prices = panel.prices().where(self.eligible)
        self.momentum = Momentum().compute(panel).where(self.eligible)
        returns = panel.returns()
        held = share_equally(panel.members(MINERS)).shift(1)
        bitcoin = returns.where(panel.members([Sleeve.BITCOIN])).mean(axis=1)
        miners = (held * returns).sum(axis=1, min_count=1)
        self.spread = pd.Series(np.log1p(miners) - np.log1p(bitcoin), panel.sessions)

    def eligible_only(self, values: pd.DataFrame) -> pd.DataFrame:
        """A signal where its assets may be held; of the whole market as it is."""
        if values.shape[1] == 1:
            return values
        return values.reindex(columns=self.prices.columns).where(self.eligible)

    def forward(self, horizon: int) -> pd.DataFrame:
        """Return of each asset from the close after the decision over the horizon."""
        # Whoever held until a closing keeps what it paid: its loss belongs to the record.
        later = self.panel.prices().ffill().shift(-1 - horizon)
        return later / self.prices.shift(-1) - 1.0

    def forward_spread(self, horizon: int) -> pd.Series:
        """Log return of miners less bitcoin over the same sessions."""
        total = self.spread.rolling(horizon, min_periods=horizon).sum()
        return total.shift(-1 - horizon)


def _absent(name: str, given: Signal | Gauge, why: str) -> Scorecard:
    return Scorecard(name, "not available", (), None, 0, _counted(given), None, why)


def _card(
    name: str,
    given: Signal | Gauge,
    values: pd.DataFrame,
    market: _Market,
    horizons: Sequence[int],
) -> Scorecard:
    if values.isna().to_numpy().all():
        return _absent(name, given, "it has no value on any of these sessions.")
    if values.shape[1] == 1:
        value = values.iloc[:, 0].replace([np.inf, -np.inf], np.nan)
        scores = tuple(_over_time(value, market.forward_spread(h), h) for h in horizons)
        trend = market.spread.rolling(126).sum()
        ranks = pd.DataFrame({"rank": value.rank(pct=True)})
        both = pd.concat([value, trend], axis=1).dropna()
        momentum = _correlation(both.iloc[:, 0], both.iloc[:, 1])
        judged = "over time"
    else:
        scores = tuple(_across(values, market.forward(h), h) for h in horizons)
        ranks = values.rank(axis=1, pct=True)
        shared = _by_session(values, market.momentum).dropna()
        momentum = float(shared.mean()) if len(shared) else None
        judged = "across assets"
    moves = ranks.diff().abs().to_numpy()
    per_year = market.panel.periods_per_year
    return Scorecard(
        name=name,
        judged=judged,
        scores=scores,
        turnover=float(np.nanmean(moves) * per_year) if np.isfinite(moves).any() else None,
        events=_events(given, values),
        counted=_counted(given),
        momentum_correlation=momentum,
    )


def _counted(given: Signal | Gauge) -> Counted:
    if isinstance(given, Gauge):
        return "signs" if given.low is given.high is None else "thresholds"
    return "rises" if given.rises_with_events else "signs"


def _events(given: Signal | Gauge, values: pd.DataFrame) -> int:
    """Sessions with an event, by the way that counts; an asset's first value is none."""
    level, counted = values.to_numpy(dtype=float), _counted(given)
    if counted == "rises":
        moved = np.diff(level, axis=0) > 0.0
    else:
        low, high = 0.0, 0.0
        if isinstance(given, Gauge) and counted == "thresholds":
            low = -np.inf if given.low is None else given.low
            high = np.inf if given.high is None else given.high
        side = np.where(np.isnan(level), np.nan, (level > high) * 1.0 - (level < low))
        moved = np.abs(np.diff(side, axis=0)) > 0.0
    return int(moved.any(axis=1).sum())


def _across(values: pd.DataFrame, forward: pd.DataFrame, horizon: int) -> Score:
    """Mean over sessions of the rank correlation across assets."""
    coefficients = _by_session(values, forward).dropna().to_numpy()
    return _score(coefficients, horizon)


def _by_session(values: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Rank correlation across assets on each session; NaN with fewer than five, or with ties only."""
    both = values.notna() & other.notna()
    left = values.where(both).rank(axis=1)
    right = other.where(both).rank(axis=1)
    left, right = left.sub(left.mean(axis=1), axis=0), right.sub(right.mean(axis=1), axis=0)
    size = ((left**2).sum(axis=1) * (right**2).sum(axis=1)) ** 0.5
    found: pd.Series = (left * right).sum(axis=1) / size.where(size > 0.0)
    return found.where(both.sum(axis=1) >= SMALLEST_CROSS_SECTION)


def _over_time(value: pd.Series, forward: pd.Series, horizon: int) -> Score:
    """Rank correlation over time; the products of the standardised ranks are its observations."""
    both = pd.concat([value, forward], axis=1).dropna()
    ranks = both.rank()
    deviation = ranks.std(ddof=0)
    if len(both) < 2 or not (deviation > 0.0).all():
        return Score(horizon, None, None, None, len(both))
    standard = (ranks - ranks.mean()) / deviation
    return _score(standard.prod(axis=1).to_numpy(), horizon)


def _score(observations: Floats, horizon: int) -> Score:
    """Mean with an interval that allows for returns which overlap, and a signal that persists."""
    count = len(observations)
    if count < max(SMALLEST_SAMPLE, 3 * horizon):
        return Score(horizon, None, None, None, count)
    mean = float(observations.mean())
    # Newey and West (1987), with lags beyond the overlap: signals change slowly.
    lags = min(count - 1, max(horizon, round(4.0 * (count / 100.0) ** (2.0 / 9.0))) * 2)
    centred = observations - mean
    variance = float(centred @ centred) / count
    for lag in range(1, lags + 1):
        weight = 1.0 - lag / (lags + 1.0)
        variance += 2.0 * weight * float(centred[lag:] @ centred[:-lag]) / count
    error = float(np.sqrt(max(variance, 0.0) / count))
    return Score(horizon, mean, mean - _NORMAL_95 * error, mean + _NORMAL_95 * error, count)


def _correlation(left: pd.Series, right: pd.Series) -> float | None:
    if len(left) < SMALLEST_SAMPLE or left.nunique() < 2 or right.nunique() < 2:
        return None
    return float(left.rank().corr(right.rank()))


def scorecard_table(cards: Sequence[Scorecard]) -> pd.DataFrame:
    """The cards as a table: a row a signal, for readers."""
    rows = []
    horizons = sorted({score.horizon for card in cards for score in card.scores})
    for card in cards:
        row: dict[str, object] = {"signal": card.name, "judged": card.judged}
        shown = {score.horizon: _shown(score) for score in card.scores}
        row |= {f"{horizon} sessions": shown.get(horizon, "-") for horizon in horizons}
        momentum = card.momentum_correlation
        row["turnover"] = "-" if card.turnover is None else f"{card.turnover:.1f}"
        row["events"] = str(card.events)
        row["counted"] = card.counted
        row["momentum"] = "-" if momentum is None else f"{momentum:+.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def _shown(score: Score) -> str:
    if score.coefficient is None or score.low is None or score.high is None:
        return "-"
    beyond = "*" if score.low > 0.0 or score.high < 0.0 else " "
    return f"{score.coefficient:+.3f}{beyond}[{score.low:+.3f}, {score.high:+.3f}]"
