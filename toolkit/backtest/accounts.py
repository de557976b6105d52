"""What the two accounts are given: the market for the ledger, prices and rates for the replay.

The two are built apart on purpose. A mistake in one of them shows as a gap between the curves.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.ledger import Market
from toolkit.backtest.replay import ReplayInput
from toolkit.clock import sessions_between
from toolkit.optimize.costs import CostRates, Measured
from toolkit.panel import Panel
from toolkit.risk.liquidity import (
    average_daily_volume,
    estimated_half_spread,
    session_volatility,
)
from toolkit.universe import Asset

Floats = NDArray[np.float64]

_CLOSED, _OPEN, _SELL_ONLY = 0, 1, 2
_STAGE = {"XNYS": 0, "24/7": 1}


def market_of(panel: Panel, rates: CostRates, first: int, fill_delay: int = 1) -> Market:
    """The market from a row of the panel on, as the ledger needs it.

    What is measured of an asset is charged as it was known `fill_delay` sessions before a fill: at
    the decision, but for an order that had to wait, whose rates are newer.
    """
    sessions = panel.sessions[first:]
    universe = panel.universe
    prices = np.ascontiguousarray(panel.prices().to_numpy()[first:])
    may_buy = panel.eligible().to_numpy()[first:]
    permission = np.where(may_buy, _OPEN, _SELL_ONLY).astype(np.int8)
    permission[~panel.tradable().to_numpy()[first:]] = _CLOSED
    fee, slippage = np.full(prices.shape, rates.fee), np.full(prices.shape, rates.slippage)
    impact = None
    if rates.measured is not None:
        half_spread, impact = _measured(panel, rates.measured, first, fill_delay)
        slippage += half_spread
    settlement = np.full(len(universe), -1, dtype=np.int64)
    for column, asset in enumerate(universe):
        row = settlement_row(asset, sessions)
        if row is not None:
            settlement[column] = row
            if asset.closing and asset.closing.kind != "coverage_ended":
                fee[row, column] = slippage[row, column] = 0.0
                if impact is not None:
                    impact[row, column] = 0.0
    cash = -1 if universe.cash is None else universe.ids.index(universe.cash)
    if cash >= 0:
        fee[:, cash] = slippage[:, cash] = 0.0
        if impact is not None:
            impact[:, cash] = 0.0
    stage = np.array([_STAGE[asset.calendar] for asset in universe], dtype=np.int64)
    return Market(
        sessions, universe.ids, prices, permission, stage, settlement, fee, slippage, cash, impact
    )


def _measured(panel: Panel, terms: Measured, first: int, fill_delay: int) -> tuple[Floats, Floats]:
    """Half-spread and impact at each fill, as they were known at its decision.

    The constant half-spread and no impact where nothing was.
    """
    decided = np.arange(first, len(panel.sessions)) - fill_delay
    early, row = (decided < 0)[:, None], np.maximum(decided, 0)
    volume = average_daily_volume(panel, terms.lookback).to_numpy()[row]
    volatility = session_volatility(panel, terms.lookback).to_numpy()[row]
    impact = np.where(early, 0.0, np.nan_to_num(terms.impact * volatility / np.sqrt(volume)))
    if terms.half_spread is None:
        return np.zeros(impact.shape), impact
    estimate = estimated_half_spread(panel, terms.spread_lookback).to_numpy()[row]
    return np.where(early | np.isnan(estimate), terms.half_spread, estimate), impact


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


def replay_input(
    panel: Panel, rates: CostRates, first: int, initial_cash: float, fill_delay: int = 1
) -> ReplayInput:
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
    charged = cost.to_numpy()
    slippage, impact, terms = charged * rates.slippage, None, rates.measured
    if terms is not None:
        volume = average_daily_volume(panel, terms.lookback)
        moved = terms.impact * session_volatility(panel, terms.lookback) / volume.pow(0.5)
        impact = charged * moved.shift(fill_delay).iloc[first:].fillna(0.0).to_numpy()
        if terms.half_spread is not None:
            spread = estimated_half_spread(panel, terms.spread_lookback).shift(fill_delay)
            slippage += charged * spread.iloc[first:].fillna(terms.half_spread).to_numpy()
    return ReplayInput(
        prices, charged * rates.fee, slippage, panel.universe.cash, initial_cash, impact
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
