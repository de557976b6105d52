"""The second account: vectorbt replays the ledger's unit amounts on the panel's own prices.

It takes nothing from the ledger but how many units were ordered when. Prices and cost rates come
from the panel and the cost object, so a ledger that fills at a wrong price, forgets a fee or
skips an event ends with another equity curve, and `reconcile` says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ReconciliationError
from toolkit.optimize.costs import LARGEST_IMPACT

Floats = NDArray[np.float64]

ENGINE = "rust"
TOLERANCE = 1e-9
"""Largest relative gap between the two equity curves; vectorbt's own cash test is this coarse."""

_NOTHING = 1e-6
"""Share of the first equity below which an account is taken as empty."""


@dataclass(frozen=True)
class Replay:
    """vectorbt's account of the same orders; `records` counts those that it filled whole."""

    equity: pd.Series
    records: int
    portfolio: Any


@dataclass(frozen=True)
class Reconciliation:
    """How far the two accounts are apart; the gap is None where they cannot be compared."""

    max_relative_gap: float | None
    orders: int
    records: int
    worst_session: str
    engine: str = f"vectorbt {ENGINE}"

    @property
    def agrees(self) -> bool:
        """Whether both accounts tell the same story."""
        gap = self.max_relative_gap
        return gap is not None and gap <= TOLERANCE and self.orders == self.records

    @property
    def apart(self) -> str:
        """How far they are apart, in words."""
        if self.max_relative_gap is None:
            return f"cannot be compared from {self.worst_session} on"
        return f"differ by {self.max_relative_gap:.3g} of equity, worst on {self.worst_session}"


@dataclass(frozen=True)
class ReplayInput:
    """Prices and rates as the panel and the cost object give them: sessions x assets.

    `impact` is what comes on top of the slippage for each root of a USD traded; None is nothing. A
    price is 0 from the settlement of a wipe-out on. `cash` names the column that may be short,
    which is how an overdraft shows; None where there is no cash asset.
    """

    prices: pd.DataFrame
    fee: Floats
    slippage: Floats
    cash: str | None
    initial_cash: float
    impact: Floats | None = None

    def slippage_of(self, amounts: Floats, close: Floats) -> Floats:
        """Slippage of each order, impact included: by how much it moves its own price."""
        if self.impact is None:
            return self.slippage
        size = np.sqrt(np.abs(amounts) * np.nan_to_num(close))
        slippage: Floats = self.slippage + np.minimum(self.impact * size, LARGEST_IMPACT)
        return slippage


def replay(units: pd.DataFrame, inputs: ReplayInput) -> Replay:
    """Account of ordered unit amounts by vectorbt.

    Parameters
    ----------
    units
        Ordered units, below 0 a sale, 0 no order: sessions x assets.
    inputs
        Prices and rates, from the panel and the cost object.
    """
    import vectorbt

    prices = inputs.prices.to_numpy(dtype=np.float64)
    close = pd.DataFrame(prices, index=units.index, columns=units.columns).ffill()
    amounts = units.to_numpy(dtype=np.float64)
    long_only = [name != inputs.cash for name in units.columns]
    portfolio = vectorbt.Portfolio.from_orders(
        close=close,
        # A zero size would be a record of nothing: no order is NaN.
        size=np.where(amounts == 0.0, np.nan, amounts),
        size_type="amount",
        direction=[["longonly" if only else "both" for only in long_only]],
        fees=inputs.fee,
        slippage=inputs.slippage_of(amounts, close.to_numpy()),
        init_cash=inputs.initial_cash,
        cash_sharing=True,
        group_by=True,
        call_seq="auto",
        min_size=0.0,
        freq="1D",
        engine=ENGINE,
    )
    equity = portfolio.value().to_numpy(dtype=np.float64).ravel()
    records = portfolio.order_records
    rows, columns = records["idx"], records["col"]
    # It cuts an order for more than is held or can be paid, and says nothing.
    cut = (np.abs(amounts[rows, columns]) - records["size"]) * close.to_numpy()[rows, columns]
    return Replay(
        equity=pd.Series(equity, index=units.index),
        records=int(np.count_nonzero(cut <= TOLERANCE * np.abs(equity[rows]))),
        portfolio=portfolio,
    )


def reconcile(equity: pd.Series, orders: int, second: Replay) -> Reconciliation:
    """Largest relative gap between the ledger's equity and the replay's."""
    difference = (equity - second.equity).abs()
    # Two accounts that both lost everything agree; one that cannot be compared does not.
    # What is left of a book that lost everything is rounding of what it once was.
    scale = equity.abs().clip(lower=_NOTHING * float(equity.iloc[0]))
    gap = (difference / scale).mask(difference == 0.0, 0.0).fillna(np.inf)
    worst = gap.idxmax()
    return Reconciliation(
        max_relative_gap=float(gap.max()) if np.isfinite(gap.max()) else None,
        orders=orders,
        records=second.records,
        worst_session=f"{worst:%Y-%m-%d}",
    )


def demand_agreement(result: Reconciliation) -> None:
    """Refuse a result whose two accounts disagree.

    Raises
    ------
    ReconciliationError
        Naming the gap, the worst session and both order counts.
    """
    if not result.agrees:
        raise ReconciliationError(
            f"Ledger and replay {result.apart} (allowed {TOLERANCE:g}), with {result.orders} orders "
            f"against {result.records} records. One of the two accounts is wrong: do not use the "
            f"result."
        )
