"""The ledger's arithmetic: one compiled pass over sessions.

Kept apart from `ledger` so that numba is loaded only when something is simulated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CLOSED, OPEN, SELL_ONLY = 0, 1, 2
"""Permission to trade an asset at a session's close."""

SMALLEST_ORDER_UNITS = 1e-8
SMALLEST_ORDER_SHARE = 1e-12
"""Below this many units, or this share of equity, a change is rounding and not an order."""


class Terms(NamedTuple):
    """What the market offers: sessions x assets, or one value an asset.

    `prices` (NaN: none); `permission` of a session, known at its first close; `stage` of the day
    on which an asset closes, 0 first; `settlement` row on which a closing pays, -1 none; `fee` and
    `slippage`, fractions of value.
    """

    prices: Floats
    permission: NDArray[np.int8]
    stage: NDArray[np.int64]
    settlement: NDArray[np.int64]
    fee: Floats
    slippage: Floats
    cash_column: int


class Book(NamedTuple):
    """Orders, state and outcome of the account, written in place.

    `orders`: a row of weights to fill from that row on, NaN where there is no new order. State, one
    value an asset: `units`, `pending`, `order`; `loose` is the cash outside the cash asset. The
    rest is the outcome by session.
    """

    orders: Floats
    units: Floats
    pending: Flags
    order: Floats
    loose: Floats
    trades: Floats
    holdings: Floats
    cash: Floats
    equity: Floats
    fees: Floats
    slipped: Floats


class Bids(NamedTuple):
    """The orders that wait at one close: one value an asset."""

    waiting: Flags
    order: Floats
    held: Floats
    permission: NDArray[np.int8]
    buy_rate: Floats
    sell_rate: Floats


@numba.njit(cache=True, error_model="numpy")
def traded_value(weight: float, equity: float, held: float, permission: int) -> float:
    """Value to trade (at the unslipped price) that brings a holding to its weight."""
    change = weight * equity - held
    if permission == CLOSED or (permission == SELL_ONLY and change > 0.0):
        return 0.0
    return change


@numba.njit(cache=True, error_model="numpy")
def equity_after_costs(equity: float, bids: Bids) -> float:
    """Equity that is left when the waiting orders are filled, so that weights refer to it.

    Newton's method: costs are convex and piecewise linear in equity, so the answer is exact once
    the side of every order is found, and then repeats bit for bit.
    """
    after = equity
    for _ in range(60):
        value, slope = equity, 1.0
        for i in range(len(bids.order)):
            if bids.waiting[i]:
                change = traded_value(bids.order[i], after, bids.held[i], bids.permission[i])
                if change != 0.0:
                    buy, sell = bids.buy_rate[i], -bids.sell_rate[i]
                    rate = buy if change > 0.0 else sell
                    value += rate * bids.held[i]
                    slope += rate * bids.order[i]
        updated = value / slope
        if updated == after:
            break
        after = updated
    return after


@numba.njit(cache=True, error_model="numpy")
def affordable_share(cash: float, after: float, bids: Bids) -> float:
    """Share of the purchases that cash and sale proceeds pay for: 1 unless a sale is stuck."""
    available, needed = cash, 0.0
    for i in range(len(bids.order)):
        if bids.waiting[i]:
            change = traded_value(bids.order[i], after, bids.held[i], bids.permission[i])
            needed += max(change, 0.0) * (1.0 + bids.buy_rate[i])
            available += max(-change, 0.0) * (1.0 - bids.sell_rate[i])
    if needed <= available or needed <= 0.0:
        return 1.0
    return max(available, 0.0) / needed


@numba.njit(cache=True, error_model="numpy")
def is_order(quantity: float, price: float, equity: float) -> bool:
    """Whether a change is more than rounding."""
    units = abs(quantity)
    return units >= SMALLEST_ORDER_UNITS and units * price >= SMALLEST_ORDER_SHARE * equity


@numba.njit(cache=True, error_model="numpy")
def settle(t: int, i: int, terms: Terms, book: Book) -> None:
    """Turn the holding of a closed asset into cash at the price of the row."""
    book.pending[i] = False
    if book.units[i] >= SMALLEST_ORDER_UNITS and terms.prices[t, i] > 0.0:
        trade(t, i, -book.units[i], terms, book)
    book.units[i] = 0.0


@numba.njit(cache=True, error_model="numpy")
def trade(t: int, i: int, quantity: float, terms: Terms, book: Book) -> None:
    """Book one order: units, cash, fee and slippage."""
    side = math.copysign(1.0, quantity)
    value = abs(quantity) * terms.prices[t, i]
    slipped = 1.0 + side * terms.slippage[t, i]
    fee = value * slipped * terms.fee[t, i]
    book.trades[t, i] = quantity
    book.units[i] += quantity
    book.slipped[t] += value * terms.slippage[t, i]
    book.fees[t] += fee
    book.loose[0] -= side * value * slipped + fee


@numba.njit(cache=True, error_model="numpy")
def fill(t: int, now: int, terms: Terms, book: Book, bids: Bids) -> None:
    """Settle and fill what closes at one stage of a session's closes."""
    equity = book.loose[0]
    ready = False
    for i in range(len(book.units)):
        if terms.settlement[i] == t and terms.stage[i] == now:
            cash = book.loose[0]
            settle(t, i, terms, book)
            equity += book.loose[0] - cash
        # Before its own close, an asset that closes later is worth its last public price.
        row = t if terms.stage[i] <= now or t == 0 else t - 1
        bids.held[i] = book.units[i] * terms.prices[row, i] if book.units[i] != 0.0 else 0.0
        equity += bids.held[i]
        open_now = terms.permission[t, i] != CLOSED
        bids.waiting[i] = book.pending[i] and open_now and terms.stage[i] >= now
        ready = ready or (bids.waiting[i] and terms.stage[i] == now)
    if not ready:
        return
    after = equity_after_costs(equity, bids)
    cash = book.loose[0] + (bids.held[terms.cash_column] if terms.cash_column >= 0 else 0.0)
    share = affordable_share(cash, after, bids)
    for i in range(len(book.units)):
        if not bids.waiting[i] or terms.stage[i] != now:
            continue
        book.pending[i] = False
        change = traded_value(bids.order[i], after, bids.held[i], bids.permission[i])
        if share < 1.0 and change > 0.0:
            change *= share
        quantity = change / terms.prices[t, i]
        if bids.order[i] == 0.0 or quantity < -book.units[i]:
            quantity = -book.units[i]
        if is_order(quantity, terms.prices[t, i], after):
            trade(t, i, quantity, terms, book)
    # What rounding leaves of cash that was spent is neither cash nor an overdraft.
    if abs(book.loose[0]) < SMALLEST_ORDER_SHARE * after:
        book.loose[0] = 0.0


@numba.njit(cache=True, error_model="numpy")
def sweep(t: int, terms: Terms, book: Book) -> None:
    """Put loose cash into the cash asset, or take an overdraft out of it."""
    price = terms.prices[t, terms.cash_column]
    quantity = book.loose[0] / price
    if is_order(quantity, price, book.equity[t]):
        book.trades[t, terms.cash_column] = quantity
        book.units[terms.cash_column] += quantity
        book.loose[0] -= quantity * price


@numba.njit(cache=True, error_model="numpy")
def advance(first: int, last: int, terms: Terms, book: Book) -> None:
    """Bring the account from row `first` to before row `last`."""
    assets = len(book.units)
    held, waiting = np.zeros(assets), np.zeros(assets, dtype=np.bool_)
    buy_rate, sell_rate = np.zeros(assets), np.zeros(assets)
    stages = terms.stage.max() + 1
    for t in range(first, last):
        if not np.isnan(book.orders[t, 0]):
            for i in range(assets):
                book.order[i] = book.orders[t, i]
                book.pending[i] = i != terms.cash_column
        active = False
        for i in range(assets):
            active = active or book.pending[i] or terms.settlement[i] == t
        if active:
            for i in range(assets):
                buy_rate[i] = (1.0 + terms.slippage[t, i]) * (1.0 + terms.fee[t, i]) - 1.0
                sell_rate[i] = 1.0 - (1.0 - terms.slippage[t, i]) * (1.0 - terms.fee[t, i])
            bids = Bids(waiting, book.order, held, terms.permission[t], buy_rate, sell_rate)
            for now in range(stages):
                fill(t, now, terms, book, bids)
        value = book.loose[0]
        for i in range(assets):
            if book.units[i] != 0.0:
                value += book.units[i] * terms.prices[t, i]
        book.equity[t] = value
        if terms.cash_column >= 0:
            sweep(t, terms, book)
        for i in range(assets):
            book.holdings[t, i] = book.units[i]
        book.cash[t] = book.loose[0]
