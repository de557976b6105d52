"""Signals of prices alone: momentum and trailing volatility."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.units import Sessions, component

# Below 0 the return would end in the future.
Skipped = Annotated[int, pydantic.Field(ge=0, le=10_000)]


_TRADED = 0.6
"""Share of the sessions in a window on which an asset must have traded."""


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
        prices = panel.prices().to_numpy()
        change = np.full(prices.shape, np.nan)
        ends = range(self.skip + self.lookback, len(prices))
        late, early = prices[self.lookback :][: len(ends)], prices[: len(ends)]
        with np.errstate(divide="ignore", invalid="ignore"):
            change[ends.start :] = late / early - 1.0
        return panel.frame(change)


@component
class TrailingVolatility(Signal):
    """Annualised standard deviation of the last sessions' returns, per asset.

    Parameters
    ----------
    lookback
        Sessions in the window, which must lie after the asset's first price.

    Notes
    -----
    A fraction a year. Only sessions on which the asset traded count, and it is annualised by how
    many of them there are: on the 24/7 clock a share has no return on Saturday. A window with
    trades on fewer than three fifths of its sessions is NaN, as is one without any movement.
    """

    lookback: Sessions = 63

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Trailing volatility: sessions x assets."""
        returns = panel.returns().to_numpy()
        listed = ~np.isnan(returns)
        traded = listed & panel.tradable().to_numpy()
        moves = panel.frame(np.where(traded, returns, np.nan))
        window = moves.rolling(self.lookback, min_periods=math.ceil(_TRADED * self.lookback))
        share = _within(traded, self.lookback) / self.lookback
        volatility = window.std().to_numpy() * np.sqrt(panel.periods_per_year * share)
        whole = _within(listed, self.lookback) == self.lookback
        return panel.frame(np.where(whole & (volatility > 0.0), volatility, np.nan))


def _within(flags: NDArray[np.bool_], lookback: int) -> NDArray[np.int64]:
    """How often each column was true within the last rows."""
    count = np.cumsum(flags, axis=0, dtype=np.int64)
    count[lookback:] -= count[:-lookback].copy()
    return count
