"""How much can be traded at what cost: volume, volatility and spread as decisions knew them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.panel import HIGH_FIELD, LOW_FIELD, PRICE_FIELD, VOLUME_FIELD, Field, Panel
from toolkit.risk.spread import half_spreads

LOOKBACK, SPREAD_LOOKBACK = 21, 63
"""Sessions that volume and volatility, and the noisier spread, are taken from."""

STALE = pd.Timedelta(days=7)
"""What was last seen longer ago is not known any more; the longest closures of markets are 4."""


@dataclass(frozen=True)
class Liquidity:
    """What was known of trading in each asset, measured where it is asked for.

    Row t of each frame (sessions x assets) holds what was public at t's decision; NaN is unknown.

    Parameters
    ----------
    lookback
        Sessions for volume and volatility.
    spread_lookback
        Sessions for the spread.
    """

    panel: Panel
    lookback: int = LOOKBACK
    spread_lookback: int = SPREAD_LOOKBACK

    @cached_property
    def volume(self) -> pd.DataFrame:
        """USD traded in a day on average, see `average_daily_volume`."""
        return average_daily_volume(self.panel, self.lookback)

    @cached_property
    def volatility(self) -> pd.DataFrame:
        """Standard deviation of a session's return, see `session_volatility`."""
        return session_volatility(self.panel, self.lookback)

    @cached_property
    def half_spread(self) -> pd.DataFrame:
        """Half of the bid-ask spread, a fraction of the price, see `estimated_half_spread`."""
        return estimated_half_spread(self.panel, self.spread_lookback)


def average_daily_volume(panel: Panel, lookback: int = LOOKBACK) -> pd.DataFrame:
    """USD traded in a day, the median of the last `lookback` days: sessions x assets.

    The median, since one day of frenzy makes no asset liquid. NaN where the panel has no volume of
    an asset, or fewer than half of `lookback` days of it, or none within the last 7 calendar days,
    and where nothing was traded on most days.
    """

    def average(volume: pd.Series) -> pd.Series:
        return volume.rolling(lookback, min_periods=max(1, lookback // 2)).median()

    averages = {name: average(rows) for name, rows in _rows(panel, VOLUME_FIELD).items()}
    found = _known(panel, averages, (VOLUME_FIELD,))
    return found.where(found > 0.0)


def session_volatility(panel: Panel, lookback: int = LOOKBACK) -> pd.DataFrame:
    """Standard deviation of the last `lookback` sessions' simple returns: sessions x assets.

    Sessions on which an asset did not trade are left out; NaN where fewer than half of the
    sessions are left.
    """
    returns = panel.returns().where(panel.tradable())
    return returns.rolling(lookback, min_periods=max(2, lookback // 2)).std()


def estimated_half_spread(panel: Panel, lookback: int = SPREAD_LOOKBACK) -> pd.DataFrame:
    """Half-spread from highs, lows and closes (`half_spreads`): sessions x assets.

    NaN where the panel has no highs and lows of an asset, or none within the last 7 calendar days.
    """
    high, low = _rows(panel, HIGH_FIELD), _rows(panel, LOW_FIELD)
    close = _rows(panel, PRICE_FIELD)
    estimates = {
        name: half_spreads(high[name], low[name], close[name], lookback)
        for name in panel.universe.ids
        if name in high and name in low and name in close
    }
    return _known(panel, estimates, (HIGH_FIELD, LOW_FIELD, PRICE_FIELD))


def _rows(panel: Panel, name: str) -> dict[str, pd.Series]:
    """Rows of a field by asset, from when the asset was usable on; none where there are none."""
    if name not in panel.fields:
        return {}
    values, found = panel.field(name).values, {}
    for asset in panel.universe:
        if asset.id in values.columns and not asset.is_cash:
            rows = values.loc[pd.Timestamp(asset.usable_from) :, asset.id].dropna()
            if len(rows):
                found[asset.id] = rows
    return found


def _known(panel: Panel, measured: dict[str, pd.Series], fields: tuple[str, ...]) -> pd.DataFrame:
    """What was measured by day, as decisions knew it: public when its day is in all the fields."""
    columns = panel.universe.columns
    if not measured:
        return pd.DataFrame(np.nan, panel.sessions, columns)
    values = pd.DataFrame(measured).sort_index()
    moments = [
        pd.Series(panel.field(name).available_at, panel.field(name).values.index) for name in fields
    ]
    public = pd.concat(moments, axis=1).max(axis=1)[values.index]
    seen = Field(values, pd.DatetimeIndex(public), "as measured", ", ".join(fields))
    return panel.known(seen, STALE).reindex(columns=columns)
