"""Random markets, and a ledger in 50-digit decimals written from the timing contract alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.ledger import Ledger, Market, Simulation

CLOSED, OPEN, SELL_ONLY = 0, 1, 2
INITIAL_CASH = 250_000.0
SMALLEST_ORDER = Decimal("1e-11")


@dataclass(frozen=True)
class Case:
    """A market, and weights by the row from which on they fill."""

    market: Market
    orders: dict[int, np.ndarray]

    def run(self, market: Market | None = None, initial_cash: float = INITIAL_CASH) -> Simulation:
        """The ledger's account of the case, or of the same orders in a changed market."""
        ledger = Ledger(market or self.market, initial_cash)
        for row, weights in self.orders.items():
            ledger.advance(row)
            ledger.place(row, weights)
        ledger.advance(len(self.market.sessions))
        return ledger.simulation()

    def permuted(self, order: np.ndarray) -> Case:
        """The same case with its assets in another order."""
        market = self.market
        arrays = {
            name: np.ascontiguousarray(getattr(market, name)[..., order])
            for name in ("prices", "permission", "stage", "settlement", "fee", "slippage")
        }
        cash = market.cash_column
        moved = replace(
            market,
            assets=tuple(market.assets[i] for i in order),
            cash_column=-1 if cash < 0 else int(np.flatnonzero(order == cash)[0]),
            **arrays,
        )
        return Case(moved, {row: weights[order] for row, weights in self.orders.items()})


def draw(seed: int) -> Case:
    """A case with what is hard: listings, halts, two closes a day, ends, stuck and waiting orders.

    Even seeds have a cash asset; without one, all assets close together (there is nothing that an
    overdraft between two closes could be taken from). Every sixth market is calm and all is
    invested in it, which leaves no cash for what the later closes bring.
    """
    random = np.random.default_rng(seed)
    rows, count = int(random.integers(15, 45)), int(random.integers(4, 9))
    with_cash, calm = seed % 2 == 0, seed % 6 == 0
    cash = int(random.integers(count)) if with_cash else -1
    moves = random.normal(0.0, random.uniform(0.005, 0.08, count), (rows, count))
    prices = np.exp(random.uniform(-1.0, 11.0, count) + np.cumsum(moves, axis=0))
    permission = np.full((rows, count), OPEN, dtype=np.int8)
    permission[random.random((rows, count)) < (0.0 if calm else 0.05)] = CLOSED
    stage = random.integers(0, 2, count) if with_cash else np.zeros(count, dtype=np.int64)
    settlement = np.full(count, -1, dtype=np.int64)
    fee = np.tile(random.uniform(0.0, 0.01, count) * (random.random() < 0.8), (rows, 1))
    slippage = np.tile(random.uniform(0.0, 0.01, count) * (random.random() < 0.8), (rows, 1))
    for i in range(count):
        if i == cash or calm:
            continue
        if random.random() < 0.3:
            listed = int(random.integers(1, rows))
            prices[:listed, i], permission[:listed, i] = np.nan, CLOSED
        if random.random() < 0.3:
            first = int(random.integers(1, rows))
            last = first + int(random.integers(1, 8))
            prices[first:last, i], permission[first:last, i] = prices[first - 1, i], CLOSED
        if random.random() < 0.4:
            _close(random, i, prices, permission, settlement, fee, slippage)
    if with_cash:
        prices[:, cash] = 91.5 * np.cumprod(1.0 + random.uniform(0.0, 3e-4, rows))
        permission[:, cash], stage[cash] = OPEN, 0
        fee[:, cash] = slippage[:, cash] = 0.0
    market = Market(
        pd.date_range("2024-01-01", periods=rows), tuple(f"A{i}" for i in range(count)),
        prices, permission, stage, settlement, fee, slippage, cash,
    )  # fmt: skip
    decided = np.flatnonzero(random.random(rows) < 0.35)
    return Case(market, {int(row): _weights(random, count, cash, calm) for row in decided})


def _close(random, i, prices, permission, settlement, fee, slippage) -> None:
    rows = len(prices)
    last = int(random.integers(2, rows))
    known = int(random.integers(0, last + 1))
    permission[known:, i][permission[known:, i] == OPEN] = SELL_ONLY
    permission[last + 1 :, i] = CLOSED
    kind = random.choice(["coverage_ended", "value", "nothing"])
    settled = last if kind == "coverage_ended" else last + int(random.integers(0, 5))
    prices[last + 1 :, i] = prices[last, i]
    if settled < rows:
        settlement[i] = settled
        prices[settled + 1 :, i] = np.nan
        if kind != "coverage_ended":
            fee[settled, i] = slippage[settled, i] = 0.0
            prices[settled, i] *= random.uniform(0.1, 1.5) if kind == "value" else 0.0


def _weights(random: np.random.Generator, count: int, cash: int, calm: bool) -> np.ndarray:
    """Long-only weights; many hold zeros, half are fully invested."""
    raw = random.dirichlet(np.full(count, 0.7)) * (random.random(count) < 0.8)
    if calm:
        raw[cash] = 0.0
    gross = 1.0 if calm or random.random() < 0.5 else random.random()
    return raw / raw.sum() * gross if raw.sum() > 0.0 else raw


class DecimalLedger:
    """The contract in plain words and exact arithmetic.

    At each close of a session the waiting orders are sized together from the prices that are
    public: today's for what has closed, yesterday's for what has not. Weights are of the equity
    that is left after the costs of filling them. Where a sale is stuck and cash does not pay for
    every purchase, all purchases shrink by one factor, as if each cost what it would whole. What is
    left is put into the cash asset.
    """

    def __init__(self, case: Case) -> None:
        market = case.market
        self.case, self.market = case, market
        self.assets = range(len(market.assets))
        self.risky = [i for i in self.assets if i != market.cash_column]
        self.units = [Decimal(0) for _ in self.assets]
        self.money = Decimal(INITIAL_CASH)
        self.waiting: dict[int, Decimal] = {}
        self.trades: list[dict[int, Decimal]] = []
        self.equity: list[Decimal] = []
        self.holdings: list[list[Decimal]] = []
        self.shrunk = 0

    def run(self) -> DecimalLedger:
        with localcontext() as context:
            context.prec = 50
            for row in range(len(self.market.sessions)):
                self._session(row)
        return self

    def _session(self, row: int) -> None:
        self.trades.append({})
        if row in self.case.orders:
            self.waiting = {i: Decimal(float(self.case.orders[row][i])) for i in self.risky}
        for close in sorted(set(self.market.stage.tolist())):
            self._settle(row, close)
            self._fill(row, close)
        cash = self.market.cash_column
        if cash >= 0:
            self._book(row, cash, self.money / self._price(row, cash))
        self.holdings.append(list(self.units))
        self.equity.append(
            self.money + sum(u * self._price(row, i) for i, u in enumerate(self.units) if u)
        )

    def _price(self, row: int, i: int) -> Decimal:
        return Decimal(float(self.market.prices[row, i]))

    def _rates(self, row: int, i: int, value: Decimal) -> tuple[Decimal, Decimal]:
        """Fee and slippage of a trade of some value, impact included."""
        fee, slip = (Decimal(float(x[row, i])) for x in (self.market.fee, self.market.slippage))
        if self.market.impact is None:
            return fee, slip
        impact = Decimal(float(self.market.impact[row, i])) * abs(value).sqrt()
        return fee, slip + min(impact, Decimal("0.25"))

    def _pays(self, row: int, i: int, value: Decimal) -> Decimal:
        """What a buyer of some value gives for one USD of an asset."""
        fee, slip = self._rates(row, i, value)
        return (1 + slip) * (1 + fee)

    def _receives(self, row: int, i: int, value: Decimal) -> Decimal:
        """What a seller of some value gets for one USD of an asset."""
        fee, slip = self._rates(row, i, value)
        return (1 - slip) * (1 - fee)

    def _book(self, row: int, i: int, units: Decimal) -> None:
        if abs(units) < SMALLEST_ORDER:
            return
        value = units * self._price(row, i)
        side = self._pays(row, i, value) if units > 0 else self._receives(row, i, value)
        self.units[i] += units
        self.money -= value * side
        self.trades[row][i] = units

    def _settle(self, row: int, close: int) -> None:
        for i in self.risky:
            if self.market.settlement[i] == row and self.market.stage[i] == close:
                self.waiting.pop(i, None)
                if self.units[i] and self._price(row, i) > 0:
                    self._book(row, i, -self.units[i])
                self.units[i] = Decimal(0)

    def _fill(self, row: int, close: int) -> None:
        def public(i: int) -> int:
            return row if self.market.stage[i] <= close or row == 0 else row - 1

        able = {
            i: weight
            for i, weight in self.waiting.items()
            if self.market.permission[row, i] != CLOSED and self.market.stage[i] >= close
        }
        now = [i for i in able if self.market.stage[i] == close]
        if not now:
            return
        value = {i: u * self._price(public(i), i) if u else Decimal(0)
                 for i, u in enumerate(self.units)}  # fmt: skip
        before = self.money + sum(value.values())

        def change(i: int, equity: Decimal) -> Decimal:
            wanted = able[i] * equity - value[i]
            sell_only = self.market.permission[row, i] == SELL_ONLY
            return min(wanted, Decimal(0)) if sell_only else wanted

        def cost(equity: Decimal) -> Decimal:
            changes = [(i, change(i, equity)) for i in able]
            return sum(
                (c * (self._pays(row, i, c) - 1) if c > 0 else -c * (1 - self._receives(row, i, c)))
                for i, c in changes
            )

        low, high = Decimal(0), before
        for _ in range(150):
            middle = (low + high) / 2
            low, high = (middle, high) if middle + cost(middle) < before else (low, middle)
        changes = {i: change(i, low) for i in able}
        needed = sum(c * self._pays(row, i, c) for i, c in changes.items() if c > 0)
        cash = self.market.cash_column
        available = self.money + (value[cash] if cash >= 0 else 0)
        available -= sum(c * self._receives(row, i, c) for i, c in changes.items() if c < 0)
        share = min(Decimal(1), max(available, Decimal(0)) / needed) if needed > 0 else Decimal(1)
        self.shrunk += share < Decimal("0.999999")
        for i in now:
            del self.waiting[i]
            units = changes[i] * (share if changes[i] > 0 else 1) / self._price(row, i)
            # Sales never go short; the asset's own price today may be above yesterday's.
            units = max(units, -self.units[i])
            self._book(row, i, units)


@pytest.fixture(scope="session")
def draw_case() -> Callable[[int], Case]:
    return draw


@pytest.fixture(scope="session")
def decimal_account() -> Callable[[Case], DecimalLedger]:
    return lambda case: DecimalLedger(case).run()
