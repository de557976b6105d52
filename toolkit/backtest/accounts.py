"""What the two accounts are given: the market for the ledger, prices and rates for the replay.

The two are built apart on purpose. A mistake in one of them shows as a gap between the curves.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.backtest.ledger import Market
from toolkit.backtest.replay import ReplayInput
from toolkit.clock import sessions_between
from toolkit.optimize.costs import CostRates
from toolkit.panel import Panel
from toolkit.universe import Asset

_CLOSED, _OPEN, _SELL_ONLY = 0, 1, 2
_STAGE = {"XNYS": 0, "24/7": 1}


def market_of(panel: Panel, rates: CostRates, first: int) -> Market:
    """The market from a row of the panel on, as the ledger needs it."""
    sessions = panel.sessions[first:]
    universe = panel.universe
    prices = np.ascontiguousarray(panel.prices().to_numpy()[first:])
    may_buy = panel.eligible().to_numpy()[first:]
    permission = np.where(may_buy, _OPEN, _SELL_ONLY).astype(np.int8)
    permission[~panel.tradable().to_numpy()[first:]] = _CLOSED
    fee, slippage = np.full(prices.shape, rates.fee), np.full(prices.shape, rates.slippage)
    settlement = np.full(len(universe), -1, dtype=np.int64)
    for column, asset in enumerate(universe):
        row = settlement_row(asset, sessions)
        if row is not None:
            settlement[column] = row
            if asset.closing and asset.closing.kind != "coverage_ended":
                fee[row, column] = slippage[row, column] = 0.0
    cash = -1 if universe.cash is None else universe.ids.index(universe.cash)
    if cash >= 0:
        fee[:, cash] = slippage[:, cash] = 0.0
    stage = np.array([_STAGE[asset.calendar] for asset in universe], dtype=np.int64)
    return Market(
        sessions, universe.ids, prices, permission, stage, settlement, fee, slippage, cash
    )


def settlement_row(asset: Asset, sessions: pd.DatetimeIndex) -> int | None:
    """Row on which an asset's closing pays, or None where that is not within the sessions."""
    if asset.closing is None:
        return None
    row = int(sessions.searchsorted(pd.Timestamp(asset.closing.settlement)))
    return (
        row
        if row < len(sessions) and sessions[0] <= pd.Timestamp(asset.closing.settlement)
        else None
    )


def replay_input(panel: Panel, rates: CostRates, first: int, initial_cash: float) -> ReplayInput:
    """Prices and rates for the replay, from the panel and the cost object alone."""
    prices = panel.prices().iloc[first:]
    cost = pd.DataFrame(1.0, index=prices.index, columns=prices.columns)
    for asset in panel.universe:
        closing = asset.closing
        if asset.is_cash:
            cost[asset.id] = 0.0
        elif closing is not None and closing.kind != "coverage_ended":
            # Holders receive the value; nobody charges them for it.
            paid = cost.index >= pd.Timestamp(closing.settlement)
            cost.loc[paid, asset.id] = 0.0
    free = cost.to_numpy()
    return ReplayInput(
        prices, free * rates.fee, free * rates.slippage, panel.universe.cash, initial_cash
    )


def open_for_orders(panel: Panel) -> pd.DataFrame:
    """Whether each asset traded on the last session of its own calendar: bool, sessions x assets.

    On the 24/7 clock a share is not called halted because it is Saturday: an order given then
    waits for Monday.
    """
    tradable = panel.tradable()
    if panel.clock == "XNYS" or len(panel.sessions) == 0:
        return tradable
    days = sessions_between("XNYS", panel.sessions[0].date(), panel.sessions[-1].date())
    closed = pd.Series(~panel.sessions.isin(days), index=panel.sessions)
    for asset in panel.universe:
        if asset.calendar == "XNYS":
            traded = tradable[asset.id].astype(float).mask(closed).ffill()
            tradable[asset.id] = traded.fillna(0.0) > 0.0
    return tradable
