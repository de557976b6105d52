"""Bitcoin timed by the hash ribbons, the rule that is public since 2019."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from strategies.benchmarks import sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where
from toolkit.units import Days, Fraction, NonNegative, component
from toolkit.universe import Sleeve


@component
class HashRibbonTiming(Strategy):
    """Holds bitcoin or cash by whether miners capitulate.

    The economic reason: miners whose power bill exceeds their income sell coins and switch off. When
    the hash rate grows again the forced selling is over. The rule has been public for years, so an
    edge that was there may be gone.

    Sources do not agree on how it is read, so there are two forms. Neither has an exit of its own
    in the original: the exits are ours.

    Parameters
    ----------
    form
        ``cross``: bought at the recovery, once the price confirms it, and held until the next
        capitulation begins. ``state``: held whenever the hash rate grows, whatever the price does.
    bitcoin
        Share of equity while bitcoin is held; the rest is cash.
    short_days, long_days, band
        As in `HashRibbons`. The original has no band.
    """

    form: Literal["cross", "state"] = "cross"
    bitcoin: Fraction = 1.0
    short_days: Days = 30
    long_days: Days = 60
    band: NonNegative = 0.0

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Regime of the hash rate, and in the form ``cross`` the recovery from a capitulation."""
        ribbons = HashRibbons(self.short_days, self.long_days, self.band)
        if self.form == "state":
            return {"regime": ribbons}
        # Four days outlast a long weekend, and hardly a capitulation.
        return {"regime": ribbons, "recovery": HashRibbonCross(ribbons, memory_days=4)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Bitcoin's share while it is held, else cash; no decision without a reading."""
        values = self.read(panel, signals)
        regime = values["regime"].to_numpy()[:, 0]
        growing = (regime > 0.0).astype(float)
        if self.form == "cross":
            recovered = values["recovery"].to_numpy()[:, 0] > 0.0
            # The last event counts: a recovery buys, a capitulation sells.
            event = (regime < 0.0) | (recovered & (regime > 0.0))
            growing = pd.Series(np.where(event, growing, np.nan)).ffill().fillna(0.0).to_numpy()
        held = sum_of_sleeves(panel, {Sleeve.BITCOIN: self.bitcoin * growing})
        listed = panel.members([Sleeve.BITCOIN]).to_numpy()
        return decided_where(held, listed & ~np.isnan(regime)[:, None])
