"""Signals of the Bitcoin network's hash rate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.units import Days, NonNegative, component

_MAX_AGE = pd.Timedelta(days=10)
"""A regime older than this is no opinion: the source has stopped."""


@component
class HashRibbons(Signal):
    """Regime of the hash rate: its short average against its long one, with a noise band.

    Parameters
    ----------
    short_days, long_days
        UTC days in the two averages of the daily hash rate.
    band
        Half-width of the band around 1 within which the last regime stays. One standard deviation
        of the ratio under a constant hash rate is 0.0108, by block luck alone.

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

    def __post_init__(self) -> None:
        if self.short_days >= self.long_days:
            raise ConfigError(
                f"HashRibbons: short_days = {self.short_days} must be below long_days = "
                f"{self.long_days}; otherwise growth and stress change places."
            )

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Regime at each decision: sessions x 1."""
        regime = panel.field("hash_rate").apply(self._regime, unit="regime")
        return panel.known(regime, max_age=_MAX_AGE)

    def _regime(self, hash_rate: pd.DataFrame) -> pd.DataFrame:
        # By day: an absent one must not stretch the windows, it leaves them without a reading.
        daily = hash_rate.iloc[:, 0].asfreq("D")
        short, long = (daily.rolling(days).mean() for days in (self.short_days, self.long_days))
        ratio = (short / long).to_numpy() - 1.0
        clear = np.select([ratio > self.band, ratio < -self.band], [1.0, -1.0], np.nan)
        # Inside the band the last regime stays; a day without a reading has none.
        regime = pd.Series(clear, daily.index).ffill().where(~np.isnan(ratio))
        return regime.reindex(hash_rate.index).to_frame("hash_ribbons")
