"""Ribbons: averages of the hash rate or the difficulty over windows of different length."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from toolkit.errors import ConfigError
from toolkit.panel import Field, Panel
from toolkit.signals.daily import (
    Floats,
    bitcoin_price,
    daily_amounts,
    difficulty_by_day,
    together,
    trailing_mean,
)
from toolkit.signals.published import PublishedSignal
from toolkit.units import Days, NonNegative, component

Source = Literal["hash_rate", "difficulty"]

_PRICE_DAYS = (10, 20)
_COMPRESSION_DAYS = (9, 14, 25, 40, 60, 90, 128, 200)


@component
class HashRibbons(PublishedSignal):
    """Regime of the hash rate: its short average against its long one, with a noise band.

    Parameters
    ----------
    short_days, long_days
        UTC days in the two averages of the daily hash rate.
    band
        Half-width of the band around 1 within which the last regime stays. One standard deviation
        of the ratio under a constant hash rate is 0.0108, by block luck alone; 0.0095 on difficulty.
    on
        ``hash_rate``: the published daily series, which vendors estimate each in their way.
        ``difficulty``: the difficulty that was public each day, exact and one to two weeks later.

    Notes
    -----
    One column, ``hash_ribbons``: -1 stress (short below long by more than the band), +1 growth.
    NaN before the first clear reading, and where the last day is more than ten days old. The
    hash rate of a day is public one hour after it ends, so it reaches the decision of the next
    session. Without a band the ratio falls below 1 half of the time when the hash rate does not
    grow at all. A window with an absent day in it has no reading; the last one
    then serves for ten days.

    References
    ----------
    C. Edwards, Hash ribbons and bitcoin bottoms (2019), for the two averages; the band is ours.
    """

    short_days: Days = 30
    long_days: Days = 60
    band: NonNegative = 0.011
    on: Source = "hash_rate"

    def __post_init__(self) -> None:
        if self.short_days >= self.long_days:
            raise ConfigError(
                f"HashRibbons: short_days = {self.short_days} must be below long_days = "
                f"{self.long_days}; otherwise growth and stress change places."
            )

    def rows(self, panel: Panel) -> Field:
        """Regime after each day."""
        daily = _daily(panel, self.on)
        excess = self.excess(daily.column())
        # Inside the band the last regime stays; a day without a reading has none.
        regime = np.where(np.isnan(excess), np.nan, self.regime(excess))
        return daily.derive("hash_ribbons", regime, "regime")

    def excess(self, daily: Floats) -> Floats:
        """Short average over long average, minus 1; NaN where a window has an absent day."""
        short, long = (trailing_mean(daily, days) for days in (self.short_days, self.long_days))
        return short / long - 1.0

    def regime(self, excess: Floats) -> Floats:
        """Last clear reading up to each day: -1 or +1, NaN before the first."""
        clear = np.where(excess > self.band, 1.0, -1.0)
        since = _last(np.abs(excess) > self.band)
        return np.where(since < 0, np.nan, clear[since])


@component
class HashRibbonCross(PublishedSignal):
    """The end of a capitulation: the hash rate recovers, and the price confirms it.

    Parameters
    ----------
    ribbons
        The two averages, their band and what they are taken of. The original rule has no band.
    confirmed
        Wait, after the recovery, for the price's 10-day average above its 20-day one.
    memory_days
        UTC days for which the event is told, from its own on; four and more outlast a weekend.

    Notes
    -----
    One column, ``hash_ribbon_cross``: 1 from the event for `memory_days`, else 0; NaN where the
    ribbons have no reading. A capitulation begins where the regime turns to stress and ends where
    it turns to growth; each gives at most one event, and none if the next one begins before the
    price confirms. A day is public one hour after its end, so an event reaches the decision of the
    next session.

    References
    ----------
    C. Edwards, Hash ribbons and bitcoin bottoms (2019).
    """

    ribbons: HashRibbons = HashRibbons()
    confirmed: bool = True
    memory_days: Days = 7

    def rows(self, panel: Panel) -> Field:
        """Whether an event is fresh, after each day."""
        daily = together({"rate": _daily(panel, self.ribbons.on), "price": bitcoin_price(panel)})
        excess = self.ribbons.excess(daily.column("rate"))
        last = _last(self.events(excess, daily.column("price")))
        fresh = (last >= 0) & (np.arange(len(last)) - last < self.memory_days)
        told = np.where(np.isnan(excess), np.nan, fresh)
        return daily.derive("hash_ribbon_cross", told, "event")

    def events(self, excess: Floats, price: Floats) -> NDArray[np.bool_]:
        """Whether there is an event on each day, from what `HashRibbons.excess` tells of it."""
        regime = self.ribbons.regime(excess)
        # Growth before the first capitulation recovers from nothing.
        recovered = (regime == 1.0) & np.logical_or.accumulate(regime == -1.0)
        short, long = (trailing_mean(price, days) for days in _PRICE_DAYS)
        ready = recovered & ((short > long) | (not self.confirmed))
        turned = np.diff(regime, prepend=np.nan) != 0.0
        before = np.concatenate([[-1], _last(ready)[:-1]])
        first: NDArray[np.bool_] = ready & (before < _last(turned))
        return first


@component
class RibbonCompression(PublishedSignal):
    """Spread of eight averages of the difficulty over their mean, with the sign of the trend.

    Notes
    -----
    One column, ``ribbon_compression``: standard deviation (population) of the averages over 9, 14,
    25, 40, 60, 90, 128 and 200 days divided by their mean, negative where the 9-day average is
    below the 200-day one. The unsigned form reads the same in expansion and in collapse. In use:
    0.01-0.05 compressed, above 0.05 expansion; whether the usual divisor is the mean is
    unverified. The difficulty of a day is the one public at its end. NaN until 200 days are known,
    and where the last retarget is more than 60 days old. Only steps of difficulty move it, so its
    noise is that of one to two epochs, 2-3 %, spread over the windows.
    """

    def rows(self, panel: Panel) -> Field:
        """Signed compression after each day."""
        daily = difficulty_by_day(panel)
        ribbons = np.stack([trailing_mean(daily.column(), days) for days in _COMPRESSION_DAYS])
        # One average that is missing leaves no reading: NaN spreads over the day.
        spread = ribbons.std(axis=0) / ribbons.mean(axis=0)
        signed = spread * np.sign(ribbons[0] - ribbons[-1])
        return daily.derive("ribbon_compression", signed, "1")


def _daily(panel: Panel, on: Source) -> Field:
    return difficulty_by_day(panel) if on == "difficulty" else daily_amounts(panel, "hash_rate")


def _last(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Row of the last true flag up to each row, -1 where there was none."""
    return np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))
