"""The time loop: decide, size, order, fill, until the sessions end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.accounts import market_of, open_for_orders
from toolkit.backtest.inputs import checked_targets
from toolkit.backtest.ledger import Ledger, Simulation
from toolkit.backtest.schedule import Schedule
from toolkit.errors import ConfigError
from toolkit.optimize.costs import Cost
from toolkit.optimize.decision import Allocation, Decision
from toolkit.optimize.optimizer import Optimizer
from toolkit.optimize.program import Program
from toolkit.panel import Panel
from toolkit.risk.estimators import CovarianceEstimate, RiskModel
from toolkit.strategy import Strategy

Floats = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Told the stage of a run, how much of it is done, and of how much."""


@dataclass(frozen=True)
class SizedDecision:
    """One decision: what the strategy wanted, and what was ordered after sizing."""

    row: int
    decision: Decision
    allocation: Allocation | None

    @property
    def weights(self) -> pd.Series:
        """What was ordered: the sized weights, or the target where nothing sizes it."""
        ordered = self.decision.target if self.allocation is None else self.allocation.weights
        if ordered is None:
            raise ConfigError(f"The decision of {self.decision.session.date()} has no target.")
        return ordered


@dataclass(frozen=True)
class Account:
    """Everything the time loop produced. Rows of the simulation start at `first` of the panel."""

    simulation: Simulation
    dense: pd.DataFrame
    signals: Mapping[str, pd.DataFrame]
    decisions: tuple[SizedDecision, ...]
    first: int


@dataclass(frozen=True)
class TimeLoop:
    """Strategy, sizing and ledger over one panel.

    Parameters
    ----------
    optimizer
        Sizes every decision; None orders the target as it is.
    risk_model
        Covariance for the optimizer, from returns up to the decision.
    cost
        The rates the ledger charges; the optimizer has its own reference to the same object.
    """

    optimizer: Optimizer | None
    risk_model: RiskModel | None
    cost: Cost
    schedule: Schedule
    fill_delay: int
    initial_cash: float

    def run(self, strategy: Strategy, panel: Panel, progress: Progress | None = None) -> Account:
        """Account of the strategy over the panel."""
        if panel.universe.cash is None:
            raise ConfigError("The universe has no cash asset; add one of the sleeve 'cash'.")
        signals = strategy.read(panel)
        dense = dense_targets(strategy, panel, signals)
        rows = self.schedule.decisions(panel, dense.notna().to_numpy()[:, 0])
        self._demand_filled_between(rows)
        first = self.schedule.first_row(panel, rows)
        ledger = Ledger(market_of(panel, self.cost.rates(), first), self.initial_cash)
        desk = Desk(self, panel, ledger, first)
        decisions: list[SizedDecision] = []
        for count, row in enumerate(rows):
            ledger.advance(int(row) - first + 1)
            if ledger.book.equity[int(row) - first] <= 0.0:
                break  # Everything is lost: there is nothing left to decide about.
            sized = desk.size(int(row), dense.iloc[row], decisions[-1] if decisions else None)
            ledger.place(int(row) - first + self.fill_delay, sized.weights.to_numpy())
            decisions.append(sized)
            if progress is not None:
                progress("decisions", count + 1, len(rows))
        ledger.advance(len(panel.sessions) - first)
        return Account(ledger.simulation(), dense, signals, tuple(decisions), first)

    def _demand_filled_between(self, rows: NDArray[np.int64]) -> None:
        """Refuse a delay beyond the next decision, which would not know of the open order."""
        shortest = np.diff(rows[1:]).min(initial=self.fill_delay)
        if shortest < self.fill_delay:
            raise ConfigError(
                f"account.fill_delay = {self.fill_delay} sessions, but decisions follow after "
                f"{shortest}: an order would still be open at the next decision. Lower the delay "
                f"or decide less often."
            )


class Desk:
    """Sizes one decision after the other, with the problem compiled once."""

    def __init__(self, loop: TimeLoop, panel: Panel, ledger: Ledger, first: int) -> None:
        self.loop, self.panel, self.ledger, self.first = loop, panel, ledger, first
        self.assets = list(panel.universe.ids)
        self.returns = returns_for_risk(panel)
        self.eligible, self.open = panel.eligible(), open_for_orders(panel)
        self.risky = np.array([not asset.is_cash for asset in panel.universe])
        self.program: Program | None = (
            None if loop.optimizer is None else loop.optimizer.compile(panel.universe.assets)
        )

    def size(self, row: int, target: pd.Series, previous: SizedDecision | None) -> SizedDecision:
        """Order of one decision, from what was known at it."""
        at = row - self.first
        estimate = covariance_at(
            self.loop.risk_model, self.returns, row, self.panel.periods_per_year
        )
        decision = Decision(
            session=self.panel.sessions[row],
            target=target,
            current=self._current(at),
            equity=float(self.ledger.book.equity[at]),
            tradable=self.open.iloc[row],
            buyable=self.eligible.iloc[row],
            covariance=None if estimate is None else estimate.matrix,
            proceeds=0.0 if previous is None else self._proceeds(previous.row, row),
        )
        allocation = None if self.program is None else self.program.solve(decision)
        return SizedDecision(row, decision, allocation)

    def _current(self, at: int) -> pd.Series | None:
        """Weights held, or None while nothing was ever bought: then it is the first investment."""
        if not self.ledger.book.trades[: at + 1, self.risky].any():
            return None
        return pd.Series(self.ledger.weights(at), index=self.assets)

    def _proceeds(self, since: int, row: int) -> float:
        """Fraction of equity that closings paid out after a row: no choice, so no turnover."""
        market, book = self.ledger.market, self.ledger.book
        paid = 0.0
        for column, settled in enumerate(market.settlement):
            if since - self.first < settled <= row - self.first:
                paid -= book.trades[settled, column] * market.prices[settled, column]
        return float(paid / book.equity[row - self.first])


def returns_for_risk(panel: Panel) -> pd.DataFrame:
    """Returns without cash and without halts, whose zeros say nothing about the risk."""
    returns = np.where(open_for_orders(panel), panel.returns(), np.nan)
    risky = np.array([not asset.is_cash for asset in panel.universe], dtype=bool)
    return pd.DataFrame(returns[:, risky], panel.sessions, panel.universe.columns[risky])


def covariance_at(
    model: RiskModel | None, returns: pd.DataFrame, row: int, periods_per_year: float
) -> CovarianceEstimate | None:
    """Covariance from the returns up to a row; None without a risk model."""
    return None if model is None else model.covariance(returns.iloc[: row + 1], periods_per_year)


def dense_targets(
    strategy: Strategy, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """The strategy's targets for every session and asset; what a row leaves of 1 is in cash."""
    given = strategy.targets(panel, signals)
    weights = checked_targets(given, panel.sessions, panel.universe.ids)
    if panel.universe.cash is not None:
        rest = np.maximum(1.0 - weights.sum(axis=1), 0.0)
        weights[:, panel.universe.ids.index(panel.universe.cash)] += rest
    return pd.DataFrame(weights, index=panel.sessions, columns=panel.universe.columns)
