"""The ledger's arithmetic: one compiled pass over sessions.

Kept apart from `ledger` so that numba is loaded only when something is simulated.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from toolkit.optimize.costs import LARGEST_IMPACT

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

CLOSED, OPEN, SELL_ONLY = 0, 1, 2
"""Permission to trade an asset at a session's close."""

SMALLEST_ORDER_UNITS = 1e-11
SMALLEST_ORDER_SHARE = 1e-12
"""Below this many units, or this share of equity, a change is rounding and not an order."""

SMALLEST_CHANGE = 1e-15
"""Share of equity to which the equity after impact is found."""

SMALLEST_WEIGHT = 1e-8
"""A smaller weight is 0: the replay engine takes a billionth of what was there for nothing."""


class Terms(NamedTuple):
    """What the market offers: sessions x assets, or one value an asset.

    `prices` (NaN: none); `permission` of a session, known at its first close; `stage` of the day
    on which an asset closes, 0 first; `settlement` row on which a closing pays, -1 none; `fee` and
    `slippage`, fractions of value; `impact`, what comes on top of the slippage for each root of a
    USD traded, without rows where nothing does.
    """

    prices: Floats
    permission: NDArray[np.int8]
    stage: NDArray[np.int64]
    settlement: NDArray[np.int64]
    fee: Floats
    slippage: Floats
    cash_column: int
    impact: Floats


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
    """The orders that wait at one close, and what is held then: one value an asset."""

    waiting: Flags
    order: Floats
    held: Floats
    permission: NDArray[np.int8]
    buy_rate: Floats
    sell_rate: Floats


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def traded_value(weight: float, equity: float, held: float, permission: int) -> float:
    """Value to trade (at the unslipped price) that brings a holding to its weight."""
    change = weight * equity - held
    if permission == CLOSED or (permission == SELL_ONLY and change > 0.0):
        return 0.0
    return change


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def equity_after_costs(equity: float, bids: Bids) -> float:
    """Equity that is left when the waiting orders are filled, so that weights refer to it.

    Newton's method: costs are convex and piecewise linear in equity, so the answer is exact once
    the side of every order is found, and then repeats bit for bit.
    """
    waiting, order, held, permission, buy_rate, sell_rate = bids
    after = equity
    for _ in range(60):
        value, slope = equity, 1.0
        for i in range(len(order)):
            if waiting[i]:
                change = traded_value(order[i], after, held[i], permission[i])
                if change != 0.0:
                    buy, sell = buy_rate[i], -sell_rate[i]
                    rate = buy if change > 0.0 else sell
                    value += rate * held[i]
                    slope += rate * order[i]
        updated = value / slope
        if updated == after:
            break
        after = updated
    return after


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def moved(impact: float, value: float) -> float:
    """Fraction by which a trade of some value moves its own price."""
    return min(impact * math.sqrt(value), LARGEST_IMPACT)


@numba.njit(cache=True, error_model="numpy")
def equity_after_impact(equity: float, bids: Bids, t: int, terms: Terms) -> float:
    """The same where trades move prices; the rates of the bids become those with the impact.

    Rates of the trades, and trades of the rates, in turn: what impact adds to costs changes little
    with the equity, so that each turn gains at least a digit, mostly two.
    """
    waiting, order, held, permission, buy_rate, sell_rate = bids
    after = equity
    for _ in range(60):
        for i in range(len(order)):
            if waiting[i]:
                value = abs(traded_value(order[i], after, held[i], permission[i]))
                slipped = terms.slippage[t, i] + moved(terms.impact[t, i], value)
                buy_rate[i] = (1.0 + slipped) * (1.0 + terms.fee[t, i]) - 1.0
                sell_rate[i] = 1.0 - (1.0 - slipped) * (1.0 - terms.fee[t, i])
        updated = equity_after_costs(equity, bids)
        if abs(updated - after) <= SMALLEST_CHANGE * equity:
            break
        after = updated
    return after


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def affordable_share(cash: float, after: float, bids: Bids) -> float:
    """Share of the purchases that cash and sale proceeds pay for: 1 unless a sale is stuck.

    A purchase that shrinks moves its price less; what that saves stays cash.
    """
    waiting, order, held, permission, buy_rate, sell_rate = bids
    available, needed = cash, 0.0
    for i in range(len(order)):
        if waiting[i]:
            change = traded_value(order[i], after, held[i], permission[i])
            needed += max(change, 0.0) * (1.0 + buy_rate[i])
            available += max(-change, 0.0) * (1.0 - sell_rate[i])
    if needed <= available or needed <= 0.0:
        return 1.0
    return max(available, 0.0) / needed


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def is_order(quantity: float, price: float, equity: float) -> bool:
    """Whether a change is more than rounding."""
    units = abs(quantity)
    return units >= SMALLEST_ORDER_UNITS and units * price > SMALLEST_ORDER_SHARE * equity


@numba.njit(cache=True, error_model="numpy", forceinline=True)
def paid(quantity: float, price: float, fee: float, slippage: float) -> tuple[float, float, float]:
    """Cash that an order takes (below 0: brings), and the fee and slippage in it."""
    side = math.copysign(1.0, quantity)
    value = abs(quantity) * price
    charged = value * (1.0 + side * slippage) * fee
    return side * value + value * slippage + charged, charged, value * slippage


@numba.njit(cache=True, error_model="numpy")
def advance(first: int, last: int, terms: Terms, book: Book) -> None:
    """Bring the account from row `first` to before row `last`.

    One function: handing the arrays on at each close takes longer than the arithmetic.
    """
    prices, permission, stage, settlement, fee, slippage, cash_column, impact = terms
    orders, units, pending, order, loose, trades, holdings, cash, equity, fees, slipped = book
    assets = len(units)
    waiting, allowed = np.zeros(assets, dtype=np.bool_), np.zeros(assets, dtype=np.int8)
    held, buy_rate, sell_rate = np.zeros(assets), np.zeros(assets), np.zeros(assets)
    bids = Bids(waiting, order, held, allowed, buy_rate, sell_rate)
    money = loose[0]
    for t in range(first, last):
        if not np.isnan(orders[t, 0]):
            invested = 0.0
            for i in range(assets):
                pending[i] = i != cash_column
                order[i] = orders[t, i] if orders[t, i] >= SMALLEST_WEIGHT else 0.0
                invested += order[i] if pending[i] else 0.0
            if abs(1.0 - invested) < SMALLEST_WEIGHT:
                for i in range(assets):
                    order[i] /= invested

        stages = 0
        for i in range(assets):
            if pending[i] or settlement[i] == t:
                stages = max(stages, stage[i] + 1)
        for i in range(assets if stages > 0 else 0):
            allowed[i] = permission[t, i]
            buy_rate[i] = (1.0 + slippage[t, i]) * (1.0 + fee[t, i]) - 1.0
            sell_rate[i] = 1.0 - (1.0 - slippage[t, i]) * (1.0 - fee[t, i])

        for now in range(stages):
            before, ready = money, False
            for i in range(assets):
                if settlement[i] == t and stage[i] == now:
                    # A closing pays for the whole holding, whatever was ordered or may trade.
                    order[i], pending[i], allowed[i] = 0.0, True, OPEN
                # Before its own close, an asset that closes later is worth its last public price.
                row = t if stage[i] <= now or t == 0 else t - 1
                held[i] = units[i] * prices[row, i] if units[i] != 0.0 else 0.0
                before += held[i]
                waiting[i] = pending[i] and allowed[i] != CLOSED and stage[i] >= now
                ready = ready or (waiting[i] and stage[i] == now)
            if not ready:
                continue
            if len(impact) > 0:
                after = equity_after_impact(before, bids, t, terms)
            else:
                after = equity_after_costs(before, bids)
            available = money + held[cash_column] if cash_column >= 0 else money
            share = affordable_share(available, after, bids)
            for i in range(assets):
                if not waiting[i] or stage[i] != now:
                    continue
                pending[i] = False
                change = traded_value(order[i], after, held[i], allowed[i])
                if share < 1.0 and change > 0.0:
                    change *= share
                quantity = change / prices[t, i]
                if order[i] == 0.0 or quantity < -units[i]:
                    quantity = -units[i]
                if is_order(quantity, prices[t, i], after):
                    slip = slippage[t, i]
                    if len(impact) > 0:
                        slip += moved(impact[t, i], abs(quantity) * prices[t, i])
                    taken, charged, lost = paid(quantity, prices[t, i], fee[t, i], slip)
                    money -= taken
                    fees[t] += charged
                    slipped[t] += lost
                    trades[t, i] = quantity
                    units[i] += quantity
                if settlement[i] == t:
                    units[i] = 0.0
            # What rounding leaves of cash that was spent is neither cash nor an overdraft.
            if abs(money) < SMALLEST_ORDER_SHARE * after:
                money = 0.0

        equity[t] = money
        for i in range(assets):
            if units[i] != 0.0:
                equity[t] += units[i] * prices[t, i]
        if cash_column >= 0:
            # Loose cash goes into the cash asset; an overdraft is taken out of it.
            quantity = money / prices[t, cash_column]
            if is_order(quantity, prices[t, cash_column], equity[t]):
                trades[t, cash_column] = quantity
                units[cash_column] += quantity
                money -= quantity * prices[t, cash_column]
        for i in range(assets):
            holdings[t, i] = units[i]
        cash[t] = money
    loose[0] = money
