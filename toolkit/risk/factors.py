"""Returns of what moves all assets at once: bitcoin, AI shares, the broad market, mining's pay."""

from __future__ import annotations

import pandas as pd

from toolkit.panel import Panel
from toolkit.universe import Sleeve

BITCOIN, AI, EQUITY, HASH_PRICE = "bitcoin", "ai", "equity", "hash_price"

_FUND_FIELD, _HASH_PRICE_FIELD = "broad_equity", "hash_price"

_LUCK_DAYS = 7
"""A day's hash price has the luck of that day's blocks, of 8 %; a week's mean has 3 %."""


def factor_returns(panel: Panel) -> pd.DataFrame:
    """Factor returns as they were known at each decision: sessions x factors.

    ``bitcoin``, of the first asset that began in that sleeve; ``ai``, the mean of the assets that
    were AI infrastructure on the day; ``equity``, of the field ``broad_equity``; ``hash_price``, the
    change of the mean of a week. A day's hash price is public one session later, so its row of a
    session holds the change up to the day before. A factor that the panel says nothing of is left
    out; a closed market's return is 0, NaN is before there was any.
    """
    returns = panel.returns()
    factors: dict[str, pd.Series] = {}
    coins = [a.id for a in panel.universe if a.memberships[0].sleeve is Sleeve.BITCOIN]
    if coins:
        factors[BITCOIN] = returns[coins[0]]
    members = panel.members([Sleeve.AI_INFRASTRUCTURE])
    if members.to_numpy().any():
        factors[AI] = returns.where(members).mean(axis=1)
    if _FUND_FIELD in panel.fields:
        factors[EQUITY] = _change(panel.known(_FUND_FIELD))
    if _HASH_PRICE_FIELD in panel.fields:
        daily = panel.field(_HASH_PRICE_FIELD)
        week = daily.apply(lambda values: values.rolling(_LUCK_DAYS).mean(), daily.unit)
        factors[HASH_PRICE] = _change(panel.known(week))
    return pd.DataFrame(factors, index=panel.sessions)


def _change(levels: pd.DataFrame) -> pd.Series:
    first = levels.iloc[:, 0]
    return first / first.shift(1) - 1.0
