"""The result of a backtest: returns, weights, orders, limits, checks, and where they came from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit import metrics
from toolkit.backtest.audit import Audit
from toolkit.backtest.beta_matched import BetaMatched, beta_matched, first_priced
from toolkit.backtest.costs_log import cost_log, executed_share
from toolkit.backtest.describe import (
    actions_entry,
    audit_entry,
    data_entry,
    endings,
    holes_entry,
    notices_entry,
    order_list_sha256,
    overlays_entry,
    reconciliation_entry,
    sleeves_entry,
    text_sha256,
    versions,
)
from toolkit.backtest.engine import Account, TimeLoop
from toolkit.backtest.events_used import events_used
from toolkit.backtest.gates import failed_gates
from toolkit.backtest.limits_log import limits_log
from toolkit.backtest.replay import Reconciliation, Replay
from toolkit.backtest.sizing_log import sizing_entry
from toolkit.backtest.watch import Watch
from toolkit.evidence import PowerCard, independent_bets, smallest_information_ratio
from toolkit.panel import Panel
from toolkit.record import RunRecord
from toolkit.universe import Sleeve


@dataclass(frozen=True)
class Origin:
    """Where a result comes from: enough to make it again.

    Parameters
    ----------
    title
        Name of the strategy as a reader knows it.
    config
        The resolved experiment as TOML text; a plain description where there was no file.
    code
        SHA-256 of the code that decided.
    command
        Command that reproduces the run.
    source
        Where the data came from, in words.
    strategy
        Short name of the strategy.
    identity
        What of the configuration can change a number, where that is not all of it.
    variants_tried
        Variants of the strategy that were evaluated, this one included; None: not stated.
    """

    title: str
    config: str
    code: str
    command: str = ""
    source: str = ""
    strategy: str = ""
    identity: str = ""
    variants_tried: int | None = None


@dataclass(frozen=True, repr=False)
class BacktestResult:
    """Everything one backtest found.

    Attributes
    ----------
    returns
        By session after the first: net, gross, cash, benchmark; equity, fees, slippage in USD;
        beta_matched where there is such a benchmark, and without_overlays where there are overlays.
    weights, targets, orders, limits, overlays, executed, costs
        As in `RunRecord`.
    sizing
        What sizing did over the run, and what that cost: see `sizing_entry`.
    audit, reconciliation
        None where the check was switched off; the page then says NOT CHECKED.
    fields_read
        Names of the panel's fields that the run read; None where that was not recorded.
    """

    panel: Panel
    loop: TimeLoop
    account: Account
    origin: Origin
    audit: Audit | None
    replay: Replay | None
    reconciliation: Reconciliation | None
    fields_read: frozenset[str] | None = None
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __repr__(self) -> str:
        sessions = self.account.simulation.market.sessions
        return (
            f"<BacktestResult {self.origin.title}, {sessions[0]:%Y-%m-%d} to {sessions[-1]:%Y-%m-%d}, "
            f"{len(self.account.decisions)} decisions{', FAILED' if self.failures else ''}>"
        )

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong with the checks, in words; empty where all that ran passed."""
        return failed_gates(self.account, self.loop.optimizer, self.reconciliation, self.audit)

    @property
    def portfolio(self) -> Any:
        """The vectorbt portfolio of the replay, or None without one."""
        return None if self.replay is None else self.replay.portfolio

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Returns and money by session: see the class."""
        simulation, first = self.account.simulation, self.account.first
        equity, costs = simulation.equity, simulation.fees + simulation.slippage
        # Where everything was lost before there is nothing to earn on: 0, not 0 / 0.
        before = equity.shift(1).where(lambda value: value > 0.0)
        market = self.panel.returns().iloc[first:]
        frame = pd.DataFrame(
            {
                "net": (equity / before - 1.0).fillna(0.0),
                "gross": ((equity + costs) / before - 1.0).fillna(0.0),
                "cash": market[self.panel.universe.cash],
                "benchmark": market[self._benchmark] if self._benchmark else np.nan,
                "equity": equity,
                "fees": simulation.fees,
                "slippage": simulation.slippage,
            }
        )
        if self.beta_matched is not None:
            frame["beta_matched"] = self.beta_matched.simulation.returns
        if self.loop.overlays:
            frame["without_overlays"] = self.account.full.returns
        return frame.iloc[1:]

    @property
    def _benchmark(self) -> str | None:
        """First bitcoin asset of the universe with a price throughout, held without costs."""
        return first_priced(self.panel, self.account.first, Sleeve.BITCOIN)

    @cached_property
    def beta_matched(self) -> BetaMatched | None:
        """Bitcoin, an AI fund and cash at the run's own betas, net of costs; None without them."""
        return beta_matched(self.account, self.panel, self.loop)

    @cached_property
    def weights(self) -> pd.DataFrame:
        """Share of equity at each session's end: sessions x assets."""
        return self.account.simulation.weights

    @cached_property
    def targets(self) -> pd.DataFrame:
        """By decision and asset: the strategy's target, and what was allocated after sizing."""
        made = self.account.decisions
        sessions = [decision.decision.session for decision in made]
        assets = list(self.panel.universe.ids)
        wanted = np.array([self.account.dense.iloc[decision.row].to_numpy() for decision in made])
        sized = np.array([d.sized.reindex(assets).to_numpy() for d in made])
        return pd.DataFrame(
            {
                "session": np.repeat(np.array(sessions, dtype="datetime64[ns]"), len(assets)),
                "asset": np.tile(np.array(assets, dtype=object), len(made)),
                "target": wanted.ravel(),
                "allocated": sized.ravel(),
            }
        )

    @property
    def orders(self) -> pd.DataFrame:
        """Filled orders, oldest first: session, asset, units, price, value."""
        return self.account.simulation.orders

    @cached_property
    def limits(self) -> pd.DataFrame:
        """Every limit at every decision, after its fill, and until the next decision."""
        return limits_log(self.loop, self.account, self.panel)

    @cached_property
    def overlays(self) -> pd.DataFrame:
        """Every change of state of an overlay: see `Watch.log`; empty without overlays."""
        watch = self.account.watch or Watch((), self.panel.periods_per_year)
        return watch.log()

    @cached_property
    def executed(self) -> pd.DataFrame:
        """Share of every intended trade that was ordered after sizing."""
        return executed_share(self.account)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """Costs of each decision: assumed when it was taken, and charged."""
        return cost_log(self.account, self.panel, self.loop.cost, self.loop.fill_delay)

    @cached_property
    def sizing(self) -> dict[str, Any]:
        """What sizing did over the run."""
        objective = None if self.loop.optimizer is None else self.loop.optimizer.objective
        return sizing_entry(self.account, objective, self.executed, self.costs, self.limits)

    @cached_property
    def order_sha256(self) -> str:
        """SHA-256 of the order list: a line an order, numbers with 10 significant digits."""
        return order_list_sha256(self.orders)

    @cached_property
    def power(self) -> PowerCard:
        """What the record rests on, and the smallest edge it could have shown."""
        allocated = self.targets.pivot(index="session", columns="asset", values="allocated")
        sessions = len(self.returns)
        return PowerCard(
            sessions=sessions,
            decisions=len(allocated),
            independent_bets=independent_bets(allocated),
            events_used=self._events_used,
            smallest_information_ratio=smallest_information_ratio(
                sessions, self.panel.periods_per_year
            ),
            variants_tried=self.origin.variants_tried,
        )

    @property
    def _events_used(self) -> int | None:
        made = self.account.decisions
        if self.fields_read is None or not made:
            return None
        return events_used(self.panel, self.fields_read, made[0].row, made[-1].row)

    def metrics(self) -> dict[str, Any]:
        """Basis, and headline numbers net, gross, of the benchmark and of cash."""
        returns, basis = self.returns, self.panel.periods_per_year
        cash = returns["cash"]

        def described(name: str) -> dict[str, float | None]:
            return metrics.summary(returns[name], cash, periods_per_year=basis)

        simulation = self.account.simulation
        years = len(returns) / basis
        money = {
            "turnover": float(self._traded.sum() / 2.0 / years),
            "total_costs": float(
                (simulation.fees.sum() + simulation.slippage.sum()) / self.loop.initial_cash
            ),
        }
        return {
            "basis": {
                "periods_per_year": basis,
                "clock": self.panel.clock,
                "excess_of": "cash",
                "sessions": len(returns),
                "net_of": "fees, half-spread, slippage",
                "simulated": self.panel.simulated,
            },
            "net": {**described("net"), **money},
            "gross": described("gross"),
            "benchmark": {
                "name": f"{self._benchmark} held, before costs"
                if self._benchmark
                else "no bitcoin with a price throughout",
                **described("benchmark"),
            },
            "beta_matched": None
            if self.beta_matched is None
            else {
                "name": f"{self.beta_matched.bitcoin}, {self.beta_matched.fund} and cash at the "
                "strategy's betas, net",
                **described("beta_matched"),
            },
            "without_overlays": {
                "name": "Without overlays, net",
                **described("without_overlays"),
            }
            if self.loop.overlays
            else None,
            "cash": described("cash"),
        }

    @property
    def _traded(self) -> pd.Series:
        """Share of equity that each order traded."""
        equity = self.account.simulation.equity
        # The account opens by putting its money into the cash asset, which is no trade.
        orders = self.orders[self.orders["session"] > equity.index[0]]
        at = equity.index.get_indexer(pd.Index(orders["session"]))
        return pd.Series(orders["value"].abs() / equity.to_numpy()[at])

    @property
    def run_id(self) -> str:
        """UTC time, and eight digits of the hash of configuration, data and code."""
        return f"{self.created_at:%Y%m%dT%H%M%SZ}-{self.input_sha256[:8]}"

    @cached_property
    def input_sha256(self) -> str:
        """SHA-256 over configuration, data and code: the same inputs give the same."""
        settings = self.origin.identity or self.origin.config
        return text_sha256("\n".join((settings, self.panel.digest(), self.origin.code)))

    def record(self) -> RunRecord:
        """The run as plain data."""
        return RunRecord(
            manifest=self.manifest(),
            config=self.origin.config,
            metrics=self.metrics(),
            returns=self.returns,
            weights=self.weights,
            targets=self.targets,
            orders=self.orders,
            limits=self.limits,
            overlays=self.overlays,
            executed=self.executed,
            costs=self.costs,
        )

    def save(self, runs: Path, *, page: bool = True) -> Path:
        """Write the run folder under `runs`, with the report page unless told otherwise."""
        from toolkit.report.page import render

        record = self.record()
        return record.save(runs, render(record) if page else None)

    def to_html(self, path: Path | str) -> Path:
        """Write the report page to a file."""
        from toolkit.report.page import render

        Path(path).write_text(render(self.record()), encoding="utf-8")
        return Path(path)

    def _repr_html_(self) -> str:
        from toolkit.report.page import key_figures

        return key_figures(self.record())

    def manifest(self) -> dict[str, Any]:
        """What was run, on what, with which outcome: the content of run.json."""
        panel, loop, simulation = self.panel, self.loop, self.account.simulation
        sessions = simulation.market.sessions
        return {
            "run_id": self.run_id,
            "created_at": f"{self.created_at:%Y-%m-%dT%H:%M:%SZ}",
            "title": self.origin.title,
            "strategy": self.origin.strategy or self.origin.title,
            "status": "failed" if self.failures else "ok",
            "failures": list(self.failures),
            "simulated": panel.simulated,
            "start": f"{sessions[0]:%Y-%m-%d}",
            "end": f"{sessions[-1]:%Y-%m-%d}",
            "sessions": len(sessions),
            "clock": panel.clock,
            "periods_per_year": panel.periods_per_year,
            "currency": "USD",
            "initial_cash": loop.initial_cash,
            "schedule": loop.schedule.every,
            "fill_delay": loop.fill_delay,
            "costs": asdict(loop.cost),  # type: ignore[call-overload]
            "optimizer": None if loop.optimizer is None else repr(loop.optimizer),
            "risk_model": None if loop.risk_model is None else repr(loop.risk_model),
            "overlays": overlays_entry(self.account, loop.overlays),
            "sizing": self.sizing,
            "orders": len(self.orders),
            "order_sha256": self.order_sha256,
            "hashes": {
                "inputs": self.input_sha256,
                "config": text_sha256(self.origin.config),
                "data": panel.digest(),
                "code": self.origin.code,
            },
            "versions": versions(),
            "command": self.origin.command,
            "data": data_entry(panel, self.origin.source),
            "sleeves": sleeves_entry(panel),
            "power": asdict(self.power),
            "audit": None if self.audit is None else audit_entry(self.audit),
            "reconciliation": reconciliation_entry(self.reconciliation),
            "notices": notices_entry(self.account, panel),
            "holes": holes_entry(panel),
            "endings": endings(self.account, panel),
            "corporate_actions": actions_entry(panel),
        }
