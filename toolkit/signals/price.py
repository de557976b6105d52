"""Signals of prices alone: momentum and trailing volatility."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import pydantic

from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.units import Sessions, component

# Below 0 the return would end in the future.
Skipped = Annotated[int, pydantic.Field(ge=0, le=10_000)]


@component
class Momentum(Signal):
    """Return over the last sessions, per asset.

    Parameters
    ----------
    lookback
        Sessions the return spans.
    skip
        Most recent sessions left out of it; 0 for none.

    Notes
    -----
    A fraction (0.2 = 20 %). NaN until an asset has a price at both ends. Known at the decision of
    its own session, since closes are.

    References
    ----------
    Moskowitz, Ooi and Pedersen, Time series momentum, J. of Financial Economics 104 (2012).
    """

    lookback: Sessions = 126
    skip: Skipped = 0

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Trailing return: sessions x assets."""
        prices = panel.prices()
        return prices.shift(self.skip) / prices.shift(self.skip + self.lookback) - 1.0


@component
class TrailingVolatility(Signal):
    """Annualised standard deviation of the last sessions' returns, per asset.

    Parameters
    ----------
    lookback
        Sessions in the window; all of them must have a return, else NaN.

    Notes
    -----
    A fraction a year, on the panel's own clock (252 or 365 sessions). A halted asset's zero
    returns would flatter it: a window in which more than a fifth of the returns are zero is NaN.
    """

    lookback: Sessions = 63

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Trailing volatility: sessions x assets."""
        returns = panel.returns()
        deviation = returns.rolling(self.lookback).std().to_numpy()
        still = (returns == 0.0).rolling(self.lookback).mean().to_numpy() > 0.2
        volatility = deviation * np.sqrt(panel.periods_per_year)
        values = np.where(still | (volatility <= 0.0), np.nan, volatility)
        return pd.DataFrame(values, index=returns.index, columns=returns.columns)
