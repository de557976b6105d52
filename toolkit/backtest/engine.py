"""The time loop: decide, size, order, fill, until the sessions end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.accounts import market_of, open_for_orders
from toolkit.backtest.exposure import Exposure, Order
from toolkit.backtest.inputs import checked_targets, demand_frame, demand_usable
from toolkit.backtest.ledger import Simulation
from toolkit.backtest.market_view import MarketView, Outlook
from toolkit.backtest.overlays import Overlay
from toolkit.backtest.schedule import Schedule
from toolkit.backtest.watch import Watch
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
    """One decision: what the strategy wanted, and what was made of it.

    Attributes
    ----------
    sized
        Weights of the book at full share: the target where nothing sizes it.
    weights
        What was ordered: the share of the sized weights that overlays keep, the rest in cash.
    estimate
        The decision's covariance with how it came about; None without a risk model.
    """

    row: int
    decision: Decision
    allocation: Allocation | None
    sized: pd.Series
    weights: pd.Series
    estimate: CovarianceEstimate | None = None


@dataclass(frozen=True)
class Account:
    """Everything the time loop produced. Rows of the simulation start at `first` of the panel.

    Attributes
    ----------
    simulation, full
        The account, and what it would be without overlays; without any, the same object.
    orders
        Weights in the order in which they were ordered, by decisions and by overlays; rows as in
        the simulation.
    watch
        The overlays after the last session; None without any.
    """

    simulation: Simulation
    dense: pd.DataFrame
    signals: Mapping[str, pd.DataFrame]
    decisions: tuple[SizedDecision, ...]
    first: int
    full: Simulation
    orders: tuple[Order, ...]
    watch: Watch | None


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
    overlays
        What of the sized book is kept, by what its equity did.
    outlook
        Scenarios and stresses, for objectives and limits that ask.
    """

    optimizer: Optimizer | None
    risk_model: RiskModel | None
    cost: Cost
    schedule: Schedule
    fill_delay: int
    initial_cash: float
    overlays: tuple[Overlay, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)

    def run(self, strategy: Strategy, panel: Panel, progress: Progress | None = None) -> Account:
        """Account of the strategy over the panel.

        Raises
        ------
        LookAheadError
            A decision is for an asset before its usable-from date.
        """
        if panel.universe.cash is None:
            raise ConfigError("The universe has no cash asset; add one of the sleeve 'cash'.")
        signals = strategy.read(panel)
        dense = dense_targets(strategy, panel, signals)
        rows = self.schedule.decisions(panel, dense.notna().to_numpy()[:, 0])
        demand_usable(dense.iloc[rows], panel.universe)
        self._demand_filled_between(rows)
        first = self.schedule.first_row(panel, rows)
        market = market_of(panel, self.cost.rates(), first, self.fill_delay)
        watch = Watch(self.overlays, panel.periods_per_year) if self.overlays else None
        exposure = Exposure(market, self.initial_cash, self.fill_delay, watch)
        expected = strategy.expected_returns(panel, signals)
        desk = Desk(self, panel, exposure, first, expected)
        decisions: list[SizedDecision] = []
        for count, row in enumerate(rows):
            exposure.reach(int(row) - first)
            if exposure.lost:
                break  # There is nothing left to decide about.
            decisions.append(
                desk.decide(int(row), dense.iloc[row], decisions[-1] if decisions else None)
            )
            if progress is not None:
                progress("decisions", count + 1, len(rows))
        exposure.reach(len(panel.sessions) - first - 1)
        account = exposure.account.simulation()
        return Account(
            simulation=account,
            dense=dense,
            signals=signals,
            decisions=tuple(decisions),
            first=first,
            full=account if watch is None else exposure.full.simulation(),
            orders=tuple(exposure.orders),
            watch=watch,
        )

    def view(self, panel: Panel) -> MarketView:
        """What is estimated of a panel for sizing."""
        return MarketView(self.risk_model, self.outlook, panel, self.cost.rates().measured)

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
    """Sizes one decision after the other, with the problem compiled once, and orders it.

    It sizes the book at full share, whatever overlays keep of it.
    """

    def __init__(
        self,
        loop: TimeLoop,
        panel: Panel,
        exposure: Exposure,
        first: int,
        expected: pd.DataFrame | None = None,
    ) -> None:
        self.loop, self.panel, self.exposure, self.first = loop, panel, exposure, first
        self.expected = expected
        self.ledger = exposure.full
        self.assets = list(panel.universe.ids)
        self.view = loop.view(panel)
        self.eligible, self.open = panel.eligible(), open_for_orders(panel)
        self.risky = np.array([not asset.is_cash for asset in panel.universe])
        self.program: Program | None = (
            None if loop.optimizer is None else loop.optimizer.compile(panel.universe.assets)
        )

    def decide(self, row: int, target: pd.Series, previous: SizedDecision | None) -> SizedDecision:
        """One decision, from what was known at it, sized and ordered."""
        estimate = self.view.covariance(row)
        decision = self._decision(row, target, previous, estimate)
        allocation = None if self.program is None else self.program.solve(decision)
        sized = target if allocation is None else allocation.weights
        order = self.exposure.decide(row - self.first, sized.to_numpy())
        ordered = sized if order.share == 1.0 else pd.Series(order.weights, index=self.assets)
        return SizedDecision(row, decision, allocation, sized, ordered, estimate)

    def _decision(
        self,
        row: int,
        target: pd.Series,
        previous: SizedDecision | None,
        estimate: CovarianceEstimate | None,
    ) -> Decision:
        at = row - self.first
        # What the charged cost reads is recorded even where nothing is sized by it.
        needs = {*self.loop.cost.needs, *(() if self.program is None else self.program.needs)}
        return Decision(
            session=self.panel.sessions[row],
            target=target,
            current=self._current(at),
            equity=float(self.exposure.account.book.equity[at]),
            tradable=self.open.iloc[row],
            buyable=self.eligible.iloc[row],
            covariance=None if estimate is None else estimate.matrix,
            expected_returns=self._expected(row) if "expected_returns" in needs else None,
            scenarios=self.view.scenarios(row) if "scenarios" in needs else None,
            betas=self.view.betas(row) if "betas" in needs else None,
            stress=self.view.stress(row) if "stress" in needs else None,
            volumes=self.view.volumes(row) if {"volumes", "equity"} & needs else None,
            volatilities=self.view.volatilities(row) if "volatilities" in needs else None,
            half_spreads=self.view.half_spreads(row) if "half_spreads" in needs else None,
            proceeds=0.0 if previous is None else self._proceeds(previous.row, row),
        )

    def _expected(self, row: int) -> pd.Series:
        """The strategy's expected returns, of the assets it has one of."""
        if self.expected is None:
            raise ConfigError(
                "The objective or a limit reads expected returns, and the strategy has none. "
                "Give it a method expected_returns, or choose another objective."
            )
        return self.expected.iloc[row].dropna()

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


def dense_targets(
    strategy: Strategy, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
) -> pd.DataFrame:
    """The strategy's targets for every session and asset; what a row leaves of 1 is in cash."""
    given = strategy.targets(panel, signals)
    demand_frame(given, f"What {type(strategy).__name__}.targets returns")
    weights = checked_targets(given, panel.sessions, panel.universe.ids)
    if panel.universe.cash is not None:
        rest = np.maximum(1.0 - weights.sum(axis=1), 0.0)
        weights[:, panel.universe.ids.index(panel.universe.cash)] += rest
    return pd.DataFrame(weights, index=panel.sessions, columns=panel.universe.columns)
