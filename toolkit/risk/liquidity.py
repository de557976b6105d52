"""How much can be traded at what cost: volume, volatility and spread as decisions knew them.

Row t of each frame (sessions x assets) holds what was public at t's decision, NaN where nothing
was. The frames are kept by the panel and shared: they must not be changed.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.panel import HIGH_FIELD, LOW_FIELD, PRICE_FIELD, VOLUME_FIELD, Field, Panel
from toolkit.risk.spread import half_spreads

LOOKBACK, SPREAD_LOOKBACK = 21, 63
"""Sessions that volume and volatility, and the noisier spread, are taken from."""

STALE = pd.Timedelta(days=7)
"""What was last seen longer ago is not known any more; the longest closures of markets are 4."""


def average_daily_volume(panel: Panel, lookback: int = LOOKBACK) -> pd.DataFrame:
    """USD traded in a day, the median of the last `lookback` days: sessions x assets.

    The median, since one day of frenzy makes no asset liquid. NaN where the panel has no volume of
    an asset, or fewer than half of `lookback` days of it, or none within the last 7 calendar days,
    and where nothing was traded on most days.
    """

    def measured() -> pd.DataFrame:
        averages = {
            name: volume.rolling(lookback, min_periods=max(1, lookback // 2)).median()
            for name, volume in _rows(panel, VOLUME_FIELD).items()
        }
        found = _known(panel, averages, (VOLUME_FIELD,))
        return found.where(found > 0.0)

    return panel.derived((average_daily_volume, lookback), measured)


def session_volatility(panel: Panel, lookback: int = LOOKBACK) -> pd.DataFrame:
    """Standard deviation of the last `lookback` sessions' simple returns: sessions x assets.

    Sessions on which an asset did not trade are left out; NaN where fewer than half of the
    sessions are left.
    """

    def measured() -> pd.DataFrame:
        returns = panel.returns().where(panel.tradable())
        return returns.rolling(lookback, min_periods=max(2, lookback // 2)).std()

    return panel.derived((session_volatility, lookback), measured)


def estimated_half_spread(panel: Panel, lookback: int = SPREAD_LOOKBACK) -> pd.DataFrame:
    """Half-spread from highs, lows and closes (`half_spreads`): sessions x assets.

    NaN where the panel has no highs and lows of an asset, or none within the last 7 calendar days.
    """

    def measured() -> pd.DataFrame:
        high, low = _rows(panel, HIGH_FIELD), _rows(panel, LOW_FIELD)
        close = _rows(panel, PRICE_FIELD)
        estimates = {
            name: half_spreads(high[name], low[name], close[name], lookback)
            for name in panel.universe.ids
            if name in high and name in low and name in close
        }
        return _known(panel, estimates, (HIGH_FIELD, LOW_FIELD, PRICE_FIELD))

    return panel.derived((estimated_half_spread, lookback), measured)


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
