"""The backtester: time loop, second account and audit in one call."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import field, replace
from typing import Annotated

import pydantic

from toolkit.backtest.accounts import replay_input
from toolkit.backtest.audit import audit
from toolkit.backtest.engine import Account, Progress, TimeLoop
from toolkit.backtest.events_used import ReadFields
from toolkit.backtest.market_view import Outlook
from toolkit.backtest.overlays import Overlay
from toolkit.backtest.replay import Reconciliation, Replay, reconcile, replay
from toolkit.backtest.result import BacktestResult, Origin
from toolkit.backtest.schedule import Schedule
from toolkit.optimize.costs import Cost, ProportionalCost
from toolkit.optimize.optimizer import Optimizer
from toolkit.panel import Panel
from toolkit.risk.estimators import RiskModel
from toolkit.strategy import Strategy
from toolkit.units import Positive, component

FillDelay = Annotated[int, pydantic.Field(ge=1, le=250)]


@component
class Checks:
    """What is checked in every run.

    Parameters
    ----------
    audit_cuts
        Sessions at which the look-ahead audit cuts the panel; 0 leaves it out.
    replay
        Whether vectorbt replays the orders as a second account.
    """

    audit_cuts: Annotated[int, pydantic.Field(ge=0, le=100_000)] = 40
    replay: bool = True


@component
class Backtester:
    """Evaluates strategies: sizes their targets, fills orders, accounts twice, audits.

    Parameters
    ----------
    optimizer
        Brings targets under limits; None orders them as they are.
    risk_model
        Covariance for the optimizer and for limits on risk.
    cost
        Fee, half-spread and slippage; the ledger charges the same rates.
    schedule
        When a decision is taken.
    fill_delay
        Sessions from a decision to its fill, at least 1: no decision fills at its own session.
    initial_cash
        USD, at least 1,000.
    checks
        What is checked in every run.
    overlays
        What of the sized book is kept after each session, by what its equity did.
    outlook
        Scenarios and stresses, for objectives and limits that ask.
    """

    optimizer: Optimizer | None = None
    risk_model: RiskModel | None = None
    cost: Cost = field(default_factory=ProportionalCost)
    schedule: Schedule = field(default_factory=Schedule)
    fill_delay: FillDelay = 1
    initial_cash: Positive = 1_000_000.0
    checks: Checks = field(default_factory=Checks)
    overlays: tuple[Overlay, ...] = ()
    outlook: Outlook = field(default_factory=Outlook)

    @property
    def loop(self) -> TimeLoop:
        """The time loop with these settings."""
        return TimeLoop(
            self.optimizer,
            self.risk_model,
            self.cost,
            self.schedule,
            self.fill_delay,
            self.initial_cash,
            self.overlays,
            self.outlook,
        )

    def run(
        self,
        strategy: Strategy,
        panel: Panel,
        origin: Origin | None = None,
        progress: Progress | None = None,
    ) -> BacktestResult:
        """Result of the strategy on the panel.

        Failed checks do not raise: they are on the result (`BacktestResult.failures`), since what
        failed can then still be looked at.
        """
        fields = ReadFields(panel.fields)
        if progress is not None:
            progress("signals and targets", 0, 1)
        account = self.loop.run(strategy, replace(panel, fields=fields), progress)
        if progress is not None and self.checks.replay:
            progress("second account", 0, 1)
        second, agreement = self._second_account(account, panel)
        cuts = self.checks.audit_cuts
        return BacktestResult(
            panel=panel,
            loop=self.loop,
            account=account,
            origin=origin or _described(self, strategy),
            audit=audit(self.loop, strategy, panel, cuts, progress=progress) if cuts else None,
            replay=second,
            reconciliation=agreement,
            fields_read=fields.read,
        )

    def _second_account(
        self, account: Account, panel: Panel
    ) -> tuple[Replay | None, Reconciliation | None]:
        if not self.checks.replay:
            return None, None
        inputs = replay_input(
            panel, self.cost.rates(), account.first, self.initial_cash, self.fill_delay
        )
        simulation = account.simulation
        second = replay(simulation.ordered_units, inputs)
        return second, reconcile(simulation.equity, len(simulation.orders), second)


def _described(backtester: Backtester, strategy: Strategy) -> Origin:
    """Origin of a run that was composed in Python."""
    name = type(strategy).__name__
    shown = repr(strategy)
    if type(strategy).__repr__ is object.__repr__:
        # It would show an address, and the same strategy another hash in every process.
        shown = f"{name}({', '.join(f'{k}={v!r}' for k, v in sorted(vars(strategy).items()))})"
    text = f"# composed in Python\nstrategy = {shown!r}\nbacktester = {str(backtester)!r}\n"
    try:
        code = inspect.getsource(type(strategy))
    except (OSError, TypeError):
        # Typed at a prompt: there is no source to be had, the name has to do.
        code = name
    return Origin(name, text, hashlib.sha256(code.encode()).hexdigest(), source="given panel")
