"""The trades from what is held to wanted weights, with what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.optimize.costs import CostRates

Floats = NDArray[np.float64]

_NO_TRADE = 1e-9
"""Fraction of equity below which there is nothing to trade."""

_STEPS = 200
_PRECISION = 1e-14


@dataclass(frozen=True)
class Trades:
    """Orders at the last prices.

    Attributes
    ----------
    table
        By asset with something held or to trade, cash apart: price, held_units, held_weight,
        weight, units (below 0 a sale), value and cost (USD), days (of average volume; NaN where
        none is known), waits (it did not trade in the last session).
    equity, equity_after
        USD before, and after the expected costs; weights refer to the latter.
    cash, cash_after
        USD.
    fees, slippage
        Expected costs, USD.
    """

    table: pd.DataFrame
    equity: float
    equity_after: float
    cash: float
    cash_after: float
    fees: float
    slippage: float

    def as_json(self) -> dict[str, Any]:
        """Equity, cash, costs and trades as plain values; an unknown volume is null."""
        rows = self.table.reset_index(names="asset").to_dict("records")
        for row in rows:
            row["days"] = None if np.isnan(row["days"]) else row["days"]
        costs = self.fees + self.slippage
        return {
            "equity": self.equity,
            "equity_after": self.equity_after,
            "cash": {"before": self.cash, "after": self.cash_after},
            "costs": {
                "fees": self.fees,
                "slippage": self.slippage,
                "total": costs,
                "fraction": costs / self.equity,
            },
            "turnover": float(self.table["value"].abs().sum() / 2.0 / self.equity),
            "liquidity": "NOT CHECKED" if self.table["days"].isna().any() else "checked",
            "trades": rows,
        }


def trades_to(
    weights: pd.Series,
    values: pd.Series,
    prices: pd.Series,
    rates: CostRates,
    buyable: pd.Series,
    tradable: pd.Series | None,
    volumes: pd.Series | None,
    cash: str,
) -> Trades:
    """Trades that lead from the values held to the weights.

    As in the ledger, weights are of the equity that is left after the costs of reaching them, and
    what may not be bought is not.

    Parameters
    ----------
    weights, values
        Wanted fractions of equity, and USD held; by asset, cash included.
    volumes
        USD traded in a session on average, where known.
    """
    names = values.index.drop(cash)
    wanted, held = weights.reindex(names).to_numpy(), values[names].to_numpy()
    may_buy = buyable[names].to_numpy()
    buying, selling = _paid_for_buying(rates), _lost_by_selling(rates)
    equity = float(values.sum())
    left = equity
    for _ in range(_STEPS):
        changes = _changes(wanted, held, left, may_buy)
        costs = np.where(changes > 0.0, buying * changes, -selling * changes)
        before, left = left, equity - float(costs.sum())
        if abs(left - before) <= _PRECISION * equity:
            break
    closed = np.zeros(len(names), dtype=bool)
    if tradable is not None:
        closed = ~tradable[names].to_numpy()
    known = np.full(len(names), np.nan)
    if volumes is not None:
        known = volumes.reindex(names).where(lambda usd: usd > 0.0).to_numpy(dtype=float)
    price = prices[names].to_numpy()
    table = pd.DataFrame(
        {
            "price": price,
            "held_units": _per(held, price),
            "held_weight": held / equity,
            "weight": (held + changes) / left,
            "units": _per(changes, price),
            "value": changes,
            "cost": costs,
            "days": np.abs(changes) / known,
            "waits": closed & (changes != 0.0),
        },
        index=names,
    )
    shown = (held != 0.0) | (changes != 0.0)
    bought, sold = changes[changes > 0.0].sum(), -changes[changes < 0.0].sum()
    slippage = rates.slippage * (bought + sold)
    return Trades(
        table=table[shown],
        equity=equity,
        equity_after=left,
        cash=float(values[cash]),
        cash_after=float(values[cash] - changes.sum() - costs.sum()),
        fees=float(costs.sum() - slippage),
        slippage=float(slippage),
    )


def _changes(wanted: Floats, held: Floats, equity: float, may_buy: NDArray[np.bool_]) -> Floats:
    """USD to trade by asset."""
    changes = wanted * equity - held
    changes[~may_buy] = np.minimum(changes[~may_buy], 0.0)
    changes[np.abs(changes) < _NO_TRADE * equity] = 0.0
    return changes


def _per(values: Floats, price: Floats) -> Floats:
    units = np.zeros(len(values))
    np.divide(values, price, out=units, where=values != 0.0)
    return units


def _paid_for_buying(rates: CostRates) -> float:
    """USD beyond the close that a purchase of one USD costs."""
    return (1.0 + rates.slippage) * (1.0 + rates.fee) - 1.0


def _lost_by_selling(rates: CostRates) -> float:
    """USD below the close that a sale of one USD brings."""
    return 1.0 - (1.0 - rates.slippage) * (1.0 - rates.fee)
