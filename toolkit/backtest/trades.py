"""The trades from what is held to wanted weights, with what they cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.market_view import MarketView
from toolkit.optimize.costs import LARGEST_IMPACT, CostRates
from toolkit.panel import Panel

Floats = NDArray[np.float64]

_NO_TRADE = 1e-9
"""Fraction of equity below which there is nothing to trade."""

_STEPS = 200
_PRECISION = 1e-14


@dataclass(frozen=True)
class TradeTerms:
    """On which terms each asset could be traded now: by asset, cash included.

    Attributes
    ----------
    prices
        USD.
    fee, slippage
        Fractions of traded value; the slippage holds the half-spread.
    impact
        What comes on top of the slippage for each root of a USD traded; 0 where it is unknown.
    volumes
        USD traded in a day on average, NaN where unknown.
    buyable, tradable
        Whether it may be bought, and whether it traded in the last session.
    cash
        Id of the cash asset.
    """

    prices: pd.Series
    fee: float
    slippage: pd.Series
    impact: pd.Series
    volumes: pd.Series
    buyable: pd.Series
    tradable: pd.Series
    cash: str

    @classmethod
    def after(
        cls, panel: Panel, view: MarketView, rates: CostRates, tradable: pd.Series | None
    ) -> TradeTerms:
        """Terms after the panel's last session: those that the ledger will charge at the fill."""
        row, names = len(panel.sessions) - 1, panel.universe.columns
        slippage, impact = pd.Series(rates.slippage, names), pd.Series(0.0, names)
        volumes, measured = view.volumes(row).reindex(names), rates.measured
        if measured is not None:
            moved = view.volatilities(row).reindex(names) / volumes.pow(0.5)
            impact = (measured.impact * moved).fillna(0.0)
            if measured.half_spread is not None:
                estimate = view.half_spreads(row).reindex(names)
                slippage += estimate.fillna(measured.half_spread)
        return cls(
            prices=panel.prices().iloc[-1],
            fee=rates.fee,
            slippage=slippage,
            impact=impact,
            volumes=volumes,
            buyable=panel.eligible().iloc[-1],
            tradable=pd.Series(True, names) if tradable is None else tradable,
            cash=str(panel.universe.cash),
        )


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
    fees, slippage, impact
        Expected costs, USD; the slippage holds the half-spread.
    """

    table: pd.DataFrame
    equity: float
    equity_after: float
    cash: float
    cash_after: float
    fees: float
    slippage: float
    impact: float

    @property
    def costs(self) -> float:
        """All expected costs, USD."""
        return self.fees + self.slippage + self.impact

    def as_json(self) -> dict[str, Any]:
        """Equity, cash, costs and trades as plain values; an unknown volume is null."""
        rows = self.table.reset_index(names="asset").to_dict("records")
        for row in rows:
            row["days"] = None if np.isnan(row["days"]) else row["days"]
        return {
            "equity": self.equity,
            "equity_after": self.equity_after,
            "cash": {"before": self.cash, "after": self.cash_after},
            "costs": {
                "fees": self.fees,
                "slippage": self.slippage,
                "impact": self.impact,
                "total": self.costs,
                "fraction": self.costs / self.equity,
            },
            "turnover": float(self.table["value"].abs().sum() / 2.0 / self.equity),
            "liquidity": "NOT CHECKED" if self.table["days"].isna().any() else "checked",
            "trades": rows,
        }


def trades_to(weights: pd.Series, values: pd.Series, terms: TradeTerms) -> Trades:
    """Trades that lead from the values held to the weights.

    As in the ledger, weights are of the equity that is left after the costs of reaching them, and
    what may not be bought is not.

    Parameters
    ----------
    weights, values
        Wanted fractions of equity, and USD held; by asset, cash included.
    """
    cash = terms.cash
    names = values.index.drop(cash)
    wanted, held = weights.reindex(names).to_numpy(), values[names].to_numpy()
    may_buy = terms.buyable[names].to_numpy()
    fixed, impact = terms.slippage[names].to_numpy(), terms.impact[names].to_numpy()
    equity = float(values.sum())
    left = equity
    for _ in range(_STEPS):
        changes = _changes(wanted, held, left, may_buy)
        size = np.abs(changes)
        moved = np.minimum(impact * np.sqrt(size), LARGEST_IMPACT)
        slipped = fixed + moved
        fees = (size + changes * slipped) * terms.fee
        costs = size * slipped + fees
        before, left = left, equity - float(costs.sum())
        if abs(left - before) <= _PRECISION * equity:
            break
    price = terms.prices[names].to_numpy()
    volumes = terms.volumes[names].where(lambda usd: usd > 0.0).to_numpy(dtype=float)
    table = pd.DataFrame(
        {
            "price": price,
            "held_units": _per(held, price),
            "held_weight": held / equity,
            "weight": (held + changes) / left,
            "units": _per(changes, price),
            "value": changes,
            "cost": costs,
            "days": size / volumes,
            "waits": ~terms.tradable[names].to_numpy() & (changes != 0.0),
        },
        index=names,
    )
    return Trades(
        table=table[(held != 0.0) | (changes != 0.0)],
        equity=equity,
        equity_after=left,
        cash=float(values[cash]),
        cash_after=float(values[cash] - changes.sum() - costs.sum()),
        fees=float(fees.sum()),
        slippage=float((size * fixed).sum()),
        impact=float((size * moved).sum()),
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
