"""`simulate` against vectorbt's rust engine: T = 2,520 sessions, N = 20 assets, 10 bps.

Both follow the same targets and are timed in turn, in one process, after warm-up; ratios are of
medians of rounds. Ours counts pandas in, and out: equity, units and orders as pandas objects. Theirs counts
`Portfolio.from_orders(size_type="targetpercent")` and `.value()`, no orders; a second reading has
it replay our unit amounts. Results: replayed, our orders must give our equity to 1e-9. The
target-percent curve is another one, since vectorbt sizes orders before their costs and lets the
last buyer pay them; how far it is away is printed. Exits with 1 if a bar is missed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import pandas as pd
import vectorbt

from toolkit.backtest.ledger import Simulation, simulate
from toolkit.backtest.replay import ENGINE, TOLERANCE
from toolkit.optimize.costs import CostRates

SESSIONS, ASSETS, CASH, SEED = 2_520, 20, 1e6, 7
RATES = CostRates(fee=0.001)
BARS = {"monthly": (21, 20.0), "daily": (1, 10.0)}
ROUNDS, WARM_UP, CALLS = 15, 2, 5


def market() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Prices, and targets that wander slowly around equal weights and keep 2 % of cash."""
    random = np.random.default_rng(SEED)
    sessions = pd.bdate_range("2015-01-02", periods=SESSIONS)
    names = [f"A{i:02d}" for i in range(ASSETS)]
    paths = 50.0 * np.exp(np.cumsum(random.normal(2e-4, 0.02, (SESSIONS, ASSETS)), axis=0))
    views = np.exp(np.cumsum(random.normal(0.0, 0.02, (SESSIONS, ASSETS)), axis=0))
    weights = 0.98 * views / views.sum(axis=1, keepdims=True)
    return pd.DataFrame(paths, sessions, names), pd.DataFrame(weights, sessions, names)


def ours(prices: pd.DataFrame, targets: pd.DataFrame) -> Simulation:
    account = simulate(prices, targets, RATES, initial_cash=CASH)
    _ = account.equity, account.units, account.orders
    return account


def theirs(prices: pd.DataFrame, size: pd.DataFrame, size_type: str) -> tuple[pd.Series, object]:
    portfolio = vectorbt.Portfolio.from_orders(
        close=prices,
        size=size,
        size_type=size_type,
        direction="longonly",
        fees=RATES.fee,
        init_cash=CASH,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        freq="1D",
        engine=ENGINE,
    )
    return portfolio.value(), portfolio


def in_turn(*sides: Callable[[], object]) -> list[float]:
    """Median milliseconds a call; a turn is some calls in a row, so that no side starts cold."""
    taken: list[list[float]] = [[] for _ in sides]
    for turn in range(WARM_UP + ROUNDS):
        for side, times in zip(sides, taken, strict=True):
            start = time.perf_counter()
            for _ in range(CALLS):
                side()
            if turn >= WARM_UP:
                times.append(1e3 * (time.perf_counter() - start) / CALLS)
    return [median(times) for times in taken]


def largest_gap(one: pd.Series, other: pd.Series) -> float:
    return float((one - other).abs().div(one).max())


def main() -> int:
    prices, dense = market()
    missed = False
    print(
        f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors, {ROUNDS} rounds of {CALLS} calls"
    )
    for schedule, (every, bar) in BARS.items():
        targets = dense.iloc[::every]
        # vectorbt has no delay of its own: a row of sizes fills on that row.
        shifted = targets.reindex(prices.index).shift(1)
        account = ours(prices, targets)
        amounts = account.ordered_units.replace(0.0, np.nan)
        replayed, portfolio = theirs(prices, amounts, "amount")
        gap, records = largest_gap(account.equity, replayed), int(portfolio.orders.count())
        apart = largest_gap(account.equity, theirs(prices, shifted, "targetpercent")[0])
        own, percent, amount = in_turn(
            lambda targets=targets: ours(prices, targets),
            lambda shifted=shifted: theirs(prices, shifted, "targetpercent"),
            lambda amounts=amounts: theirs(prices, amounts, "amount"),
        )
        print(
            f"{schedule:8s} simulate {own:6.2f} ms | targetpercent {percent:6.1f} ms, "
            f"{percent / own:5.1f}x (bar {bar:.0f}x) | amount {amount:6.1f} ms, "
            f"{amount / own:5.1f}x | {len(account.orders)} orders, {records} records, "
            f"replay gap {gap:.1e}, target-percent curve {apart:.1e} away"
        )
        wrong = gap > TOLERANCE or records != len(account.orders)
        missed = missed or wrong or percent / own < bar
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
