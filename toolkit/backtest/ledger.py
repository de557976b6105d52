"""The ledger decides amounts: when an order fills, how many units, and what it costs.

Timing: a row of targets is decided after its session and fills at the next session's closes.
An order is *to weight*. It is sized when it fills, from prices public at that moment: assets that
close later in the day are valued at their previous close while the earlier ones are bought.
Weights refer to equity after costs; cash takes what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.inputs import (
    checked_axes,
    checked_decisions,
    checked_flags,
    checked_prices,
    checked_stages,
)
from toolkit.errors import ConfigError
from toolkit.optimize.costs import CostRates

if TYPE_CHECKING:
    from toolkit.backtest.kernel import Book

Floats = NDArray[np.float64]

SMALLEST_INITIAL_CASH = 1_000.0
"""Below it the smallest order of the replay engine is no longer negligible."""


@dataclass(frozen=True)
class Market:
    """What the ledger needs to know of the market, as plain arrays: sessions x assets.

    `prices` value a holding (NaN: not listed). `permission` is 0 closed, 1 open, 2 sell only.
    `stage` orders the closes within a session, 0 first. `settlement` is the row on which an
    asset's closing pays, or -1. `fee` and `slippage` are fractions of traded value; `impact` is what
    comes on top of the slippage for each root of a USD traded. None: trades move no price.
    """

    sessions: pd.DatetimeIndex
    assets: tuple[str, ...]
    prices: Floats
    permission: NDArray[np.int8]
    stage: NDArray[np.int64]
    settlement: NDArray[np.int64]
    fee: Floats
    slippage: Floats
    cash_column: int = -1
    impact: Floats | None = None


class Ledger:
    """Cash and holdings, advanced in segments between orders."""

    def __init__(self, market: Market, initial_cash: float) -> None:
        from toolkit.backtest.kernel import Book, Terms

        if not np.isfinite(initial_cash) or initial_cash < SMALLEST_INITIAL_CASH:
            raise ConfigError(
                f"initial_cash = {initial_cash:g}; expected a finite amount of at least "
                f"{SMALLEST_INITIAL_CASH:g}, since orders of less are lost in rounding."
            )
        rows, assets = market.prices.shape
        self.market, self.initial_cash, self.row = market, float(initial_cash), 0
        # One memory layout is one compiled kernel.
        flat = np.ascontiguousarray
        impact = np.zeros((0, assets)) if market.impact is None else market.impact
        self._terms = Terms(
            flat(market.prices), flat(market.permission), flat(market.stage),
            flat(market.settlement), flat(market.fee), flat(market.slippage), market.cash_column,
            flat(impact),
        )  # fmt: skip
        self.book = Book(
            orders=np.full((rows, assets), np.nan),
            units=np.zeros(assets),
            pending=np.zeros(assets, dtype=np.bool_),
            order=np.zeros(assets),
            loose=np.array([self.initial_cash]),
            trades=np.zeros((rows, assets)),
            holdings=np.zeros((rows, assets)),
            cash=np.zeros(rows),
            equity=np.zeros(rows),
            fees=np.zeros(rows),
            slipped=np.zeros(rows),
        )

    def place(self, row: int, weights: Floats) -> None:
        """Order the weights, to be filled from a row on; it replaces what is still pending."""
        if row < self.row:
            raise ConfigError(
                f"An order for row {row} came after the ledger reached row {self.row}."
            )
        if row < len(self.book.orders):
            self.book.orders[row] = weights

    def advance(self, row: int) -> None:
        """Bring the account to the end of the session before a row."""
        from toolkit.backtest.kernel import advance

        if not self.row <= row <= len(self.book.orders):
            raise ConfigError(
                f"The ledger cannot advance to row {row}: it is at row {self.row} of "
                f"{len(self.book.orders)}."
            )
        advance(self.row, row, self._terms, self.book)
        self.row = row

    def weights(self, row: int) -> Floats:
        """Weights held at the end of a session that was reached."""
        values = self.book.holdings[row] * np.nan_to_num(self.market.prices[row])
        return _ratio(values, self.book.equity[row])

    def simulation(self) -> Simulation:
        """The account so far, read-only; of all sessions once the last was reached."""
        from toolkit.backtest.kernel import Book

        return Simulation(self.market, Book(*map(_read_only, self.book)))


@dataclass(frozen=True)
class Simulation:
    """The account of a simulated portfolio, session by session."""

    market: Market
    book: Book

    @cached_property
    def _assets(self) -> pd.Index:
        return pd.Index(self.market.assets)

    def _by_session(self, values: Floats, name: str) -> pd.Series:
        return pd.Series(values, self.market.sessions, name=name, copy=False)

    def _by_asset(self, values: Floats) -> pd.DataFrame:
        return pd.DataFrame(values, self.market.sessions, self._assets, copy=False)

    @cached_property
    def equity(self) -> pd.Series:
        """Equity in USD at each session's end, after costs."""
        return self._by_session(self.book.equity, "equity")

    @cached_property
    def returns(self) -> pd.Series:
        """Simple return of each session after the first; 0 once all is lost."""
        equity = self.book.equity
        gains = _ratio(np.diff(equity), equity[:-1])
        return pd.Series(gains, self.market.sessions[1:], name="net")

    @cached_property
    def units(self) -> pd.DataFrame:
        """Units held at each session's end: sessions x assets."""
        return self._by_asset(self.book.holdings)

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Share of equity in each asset at each session's end: sessions x assets."""
        values = self.book.holdings * np.nan_to_num(self.market.prices)
        return self._by_asset(_ratio(values, self.book.equity[:, None]))

    @cached_property
    def cash(self) -> pd.Series:
        """USD outside every asset at each session's end; below 0 is an overdraft."""
        return self._by_session(self.book.cash, "cash")

    @cached_property
    def fees(self) -> pd.Series:
        """USD of fees paid in each session."""
        return self._by_session(self.book.fees, "fees")

    @cached_property
    def slippage(self) -> pd.Series:
        """USD lost to half-spread, slippage and impact in each session."""
        return self._by_session(self.book.slipped, "slippage")

    @cached_property
    def ordered_units(self) -> pd.DataFrame:
        """Units ordered in each session, below 0 a sale, 0 none: sessions x assets."""
        return self._by_asset(self.book.trades)

    @cached_property
    def orders(self) -> pd.DataFrame:
        """Filled orders, oldest first: session, asset, units (below 0 a sale), price, value."""
        trades = self.book.trades
        made = np.flatnonzero(trades != 0.0)
        rows = made // len(self.market.assets)
        columns = made - rows * len(self.market.assets)
        units, prices = trades.take(made), self.market.prices.take(made)
        return pd.DataFrame(
            {
                "session": self.market.sessions.take(rows),
                "asset": pd.Categorical.from_codes(columns, self._assets),
                "units": units,
                "price": prices,
                "value": units * prices,
            },
            copy=False,
        )

    @cached_property
    def cash_share(self) -> pd.Series:
        """Cash, in the cash asset and outside of it, as a share of equity; below 0: overdrawn."""
        cash, market = self.book.cash, self.market
        if market.cash_column >= 0:
            prices = market.prices[:, market.cash_column]
            cash = cash + self.book.holdings[:, market.cash_column] * prices
        return self._by_session(_ratio(cash, self.book.equity), "cash_share")

    @property
    def overdraft(self) -> float:
        """Deepest negative cash as a fraction of equity (0: never overdrawn)."""
        return float(np.max(-self.cash_share.to_numpy(), initial=0.0))


def _read_only(values: NDArray[Any]) -> NDArray[Any]:
    view = values.view()
    view.flags.writeable = False
    return view


def _ratio(part: Floats, whole: Floats | float) -> Floats:
    """Part of a whole, and 0 of a whole of nothing: an account that lost all holds nothing."""
    zeros = np.zeros(np.broadcast_shapes(np.shape(part), np.shape(whole)))
    return np.divide(part, whole, out=zeros, where=np.not_equal(whole, 0.0))


def simulate(
    prices: pd.DataFrame,
    targets: pd.DataFrame,
    rates: CostRates | None = None,
    *,
    tradable: pd.DataFrame | None = None,
    closing_order: dict[str, int] | None = None,
    initial_cash: float = 1e6,
) -> Simulation:
    """Account of a portfolio that follows target weights.

    Parameters
    ----------
    prices
        USD: sessions x assets. NaN: no trade that session (valued at the last price). From a 0 on,
        the asset is worthless and cannot be traded.
    targets
        Target weights by decision session, a subset of the sessions. The decision of session D
        fills at the closes of the next session. All NaN or no row: no decision. An absent asset
        has weight 0, as has one below 1e-8. What a row leaves of 1 stays cash; more than 1 is an
        error.
    rates
        Fee and slippage as fractions of traded value; free where not given. Prices alone say
        nothing of volumes, so `measured` must be None: `Backtester` charges impact.
    tradable
        Whether each asset can be traded at each session: bool, sessions x assets. An order that
        cannot fill waits for the next tradable session or until a newer decision replaces it.
    closing_order
        Asset to stage of the day: 0 closes first. Assets of one stage are sized together.
    initial_cash
        USD, at least 1,000.

    Returns
    -------
    Simulation
        Equity, units, weights, orders and costs.

    Raises
    ------
    DataError
        Sessions not increasing, prices negative or infinite, a target row partly NaN, negative or
        above 1, anything that is not a number.
    ConfigError
        Initial cash too small, an unknown stage.
    """
    sessions, assets = checked_axes(prices)
    values = checked_prices(prices)
    valued = _forward_filled(values)
    open_now = values > 0.0
    if tradable is not None:
        open_now &= checked_flags(tradable, prices)
    rates = rates or CostRates()
    if rates.measured is not None:
        raise ConfigError(
            "simulate is given rates.measured, and no volumes that impact could be measured by. "
            "Leave it None, or run a Backtester on a panel."
        )
    market = Market(
        sessions=sessions,
        assets=assets,
        prices=valued,
        permission=open_now.astype(np.int8),
        stage=checked_stages(closing_order or {}, assets),
        settlement=np.full(len(assets), -1, dtype=np.int64),
        fee=np.full(values.shape, rates.fee),
        slippage=np.full(values.shape, rates.slippage),
    )
    ledger = Ledger(market, initial_cash)
    rows, weights = checked_decisions(targets, sessions, assets)
    in_time = rows + 1 < len(sessions)
    ledger.book.orders[rows[in_time] + 1] = weights[in_time]
    ledger.advance(len(sessions))
    return ledger.simulation()


def _forward_filled(values: Floats) -> Floats:
    missing = np.isnan(values)
    if not missing.any():
        return values
    rows = np.where(missing, 0, np.arange(len(values))[:, None])
    return np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
