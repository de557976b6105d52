"""Today's decision: the weights, and the trades that lead to them from what is held.

It comes out of the time loop of the backtest, run up to today with one more decision after the last
session, so sizing, overlays and timing are those of the backtest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.engine import Account, SizedDecision, TimeLoop
from toolkit.backtest.explain import Explanation, explain, kept
from toolkit.backtest.holdings import Holdings
from toolkit.backtest.risk_of_book import BookRisk, risk_of_book
from toolkit.backtest.schedule import Schedule
from toolkit.backtest.trades import Trades, TradeTerms, trades_to
from toolkit.clock import sessions_between
from toolkit.errors import DataError
from toolkit.panel import Panel
from toolkit.strategy import Strategy
from toolkit.units import Sessions, component

FRESH_SESSIONS = 3
"""Data that are older than so many sessions are stale."""


@component
class ScheduleUntilNow(Schedule):
    """A schedule with one more decision after the last session.

    There is none where the strategy has no target then, or where an order is still open: the
    decision that gave it stands.

    Parameters
    ----------
    fill_delay
        Sessions from an order to its fill.
    """

    fill_delay: Sessions = 1

    def decisions(self, panel: Panel, decided: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Rows of the schedule, and the last row."""
        rows = super().decisions(panel, decided)
        last = len(panel.sessions) - 1
        if decided[last] and last - rows[-1] >= self.fill_delay:
            rows = np.append(rows, last)
        return rows


@dataclass(frozen=True)
class OverlayState:
    """State of an overlay after the last session, and the share of the book that it keeps."""

    name: str
    state: str
    share: float


@dataclass(frozen=True)
class Proposal:
    """What to do after a session.

    Attributes
    ----------
    session
        The last one that was looked at; the order fills `fill_delay` sessions later.
    last_scheduled
        Session of the last decision of the schedule, which may be `session` itself.
    decided
        False: the strategy has no target now, and what is held stays, but for what overlays do.
    weights
        To hold, fractions of equity by asset; cash included.
    trades
        That lead there from what is held.
    before, after
        Risk of what is held and of what would be.
    overlays, share
        State of each overlay, and the share of the sized book that all of them keep.
    explanation
        How the weights came about.
    warnings
        What a reader should know before trading on it.
    """

    session: pd.Timestamp
    last_scheduled: pd.Timestamp
    decided: bool
    own_holdings: bool
    weights: pd.Series
    trades: Trades
    before: BookRisk
    after: BookRisk
    overlays: tuple[OverlayState, ...]
    share: float
    explanation: Explanation
    simulated: bool
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The proposal as plain values."""
        return {
            "asof": f"{self.session:%Y-%m-%d}",
            "last_scheduled_decision": f"{self.last_scheduled:%Y-%m-%d}",
            "scheduled": self.session == self.last_scheduled,
            "decided": self.decided,
            "simulated": self.simulated,
            "holdings": "given" if self.own_holdings else "backtest",
            "weights": {str(name): float(weight) for name, weight in self.weights.items()},
            **self.trades.as_json(),
            "risk": {"before": vars(self.before), "after": vars(self.after)},
            "overlays": {
                "share": self.share,
                "states": [vars(state) for state in self.overlays],
            },
            "explanation": self.explanation.as_json(),
            "warnings": list(self.warnings),
        }


def panel_at(panel: Panel, asof: date, allow_stale: bool = False) -> tuple[Panel, int]:
    """The panel as the last decision up to a day saw it, and its age in sessions on that day.

    Raises
    ------
    DataError
        The panel starts later, or its last session is more than 3 sessions before the day.
    """
    rows = int(panel.sessions.searchsorted(pd.Timestamp(asof), side="right"))
    if rows == 0:
        first = "no session" if len(panel.sessions) == 0 else f"{panel.sessions[0].date()}"
        raise DataError(f"There are no data as of {asof}: they begin with {first}.")
    last = panel.sessions[rows - 1]
    following = last.date() + timedelta(days=1)
    age = len(sessions_between(panel.clock, following, asof)) if following <= asof else 0
    if age > FRESH_SESSIONS and not allow_stale:
        raise DataError(
            f"The data are stale: their last session is {last.date()}, {age} sessions before "
            f"{asof}; at most {FRESH_SESSIONS} are allowed. Bring newer data, ask for --asof "
            f"{last.date()}, or give --allow-stale."
        )
    return panel.until(last), age


def propose(
    loop: TimeLoop, strategy: Strategy, panel: Panel, holdings: Holdings | None = None
) -> Proposal:
    """Proposal after the panel's last session.

    Parameters
    ----------
    panel
        Ends today: see `panel_at`.
    holdings
        What is held; without, the account of the backtest. Where overlays keep a share of the
        book, the book is taken to be the holdings divided by that share.

    Raises
    ------
    DataError
        A holding without a price; nothing left to decide about.
    """
    schedule = loop.schedule
    until_now = ScheduleUntilNow(schedule.every, schedule.start, loop.fill_delay)
    account = replace(loop, schedule=until_now).run(strategy, panel)
    today = _Today(loop, strategy, panel, account, holdings)
    return today.proposal()


class _Today:
    """What the time loop left behind after the last session, held against what is held."""

    def __init__(
        self,
        loop: TimeLoop,
        strategy: Strategy,
        panel: Panel,
        account: Account,
        holdings: Holdings | None,
    ) -> None:
        self.loop, self.strategy, self.panel, self.account = loop, strategy, panel, account
        self.last = len(panel.sessions) - 1
        self.own = holdings is not None
        self.cash = str(panel.universe.cash)
        self.prices = panel.prices().iloc[-1]
        if account.simulation.book.equity[-1] <= 0.0 or account.full.book.equity[-1] <= 0.0:
            raise DataError(
                f"The backtest has lost everything before {panel.sessions[-1].date()}, so there is "
                "no decision to take. Start it later."
            )
        self.units, self.money = self._held(holdings)
        self.values = (self.units * self.prices).where(self.units > 0.0, 0.0)
        self.values[self.cash] = self.money
        self.equity = float(self.values.sum())
        self.share = 1.0 if account.watch is None else account.watch.share
        self.decided = not bool(account.dense.iloc[-1].isna().any())

    def proposal(self) -> Proposal:
        panel, account = self.panel, self.account
        made = self._made()
        weights = self._weights(made)
        view = self.loop.view(panel)
        terms = TradeTerms.after(panel, view, self.loop.cost.rates(), made.decision.tradable)
        trades = trades_to(weights, self.values, terms)
        held = self.values / self.equity
        machines = () if account.watch is None else account.watch.machines
        names = () if account.watch is None else account.watch.names
        explanation = explain(self.loop, self.strategy, panel, account.signals, made, self.share)
        return Proposal(
            session=panel.sessions[-1],
            last_scheduled=panel.sessions[self._scheduled()],
            decided=self.decided,
            own_holdings=self.own,
            weights=weights,
            trades=trades,
            before=risk_of_book(view, panel, made.decision, held),
            after=risk_of_book(view, panel, made.decision, weights),
            overlays=tuple(
                OverlayState(name, machine.state, machine.share)
                for name, machine in zip(names, machines, strict=True)
            ),
            share=self.share,
            explanation=explanation,
            simulated=panel.simulated,
            warnings=self._warnings(made, trades, explanation),
        )

    def _held(self, holdings: Holdings | None) -> tuple[pd.Series, float]:
        """Units by asset without cash, and USD of cash."""
        simulation = self.account.simulation
        if holdings is None:
            units = simulation.units.iloc[-1].copy()
            price = self.prices[self.cash]
            money = float(simulation.book.cash[-1] + units[self.cash] * price)
            units[self.cash] = 0.0
            return units, money
        units = pd.Series(0.0, index=self.panel.universe.columns)
        for name, held in holdings.units.items():
            if held > 0.0 and not self.prices[name] > 0.0:
                raise DataError(
                    f"The holdings have {held:g} {name}, which has no price on "
                    f"{self.panel.sessions[-1].date()}. Leave it out of the file."
                )
            units[name] = held
        return units, holdings.cash

    def _scheduled(self) -> int:
        """Row of the last decision of the schedule itself."""
        decided = self.account.dense.notna().to_numpy()[:, 0]
        return int(self.loop.schedule.decisions(self.panel, decided)[-1])

    def _made(self) -> SizedDecision:
        """The decision that stands, taken from what is held."""
        last = self.account.decisions[-1]
        if not self.decided:
            return self._undecided(last)
        if not self.own:
            return last
        decision = replace(last.decision, current=self._book(), equity=self.equity, proceeds=0.0)
        allocation, sized = None, last.sized
        if self.loop.optimizer is not None:
            program = self.loop.optimizer.compile(self.panel.universe.assets)
            allocation = program.solve(decision)
            sized = allocation.weights
        weights = kept(sized, self.share, self.cash)
        return SizedDecision(last.row, decision, allocation, sized, weights, last.estimate)

    def _undecided(self, last: SizedDecision) -> SizedDecision:
        """No decision: the book stays as it is, and overlays may have changed the share of it."""
        book = self._book()
        if book is None:
            book = self.values / self.equity
        decision = replace(
            last.decision,
            session=self.panel.sessions[-1],
            target=book,
            current=book,
            equity=self.equity,
        )
        return SizedDecision(self.last, decision, None, book, kept(book, self.share, self.cash))

    def _weights(self, made: SizedDecision) -> pd.Series:
        if self.decided or self._switched():
            return made.weights
        return self.values / self.equity

    def _switched(self) -> bool:
        """Whether an overlay ordered something after the last session."""
        return self.account.orders[-1].row == self.last - self.account.first

    def _book(self) -> pd.Series | None:
        """Weights of the book at full share; None while nothing was ever bought."""
        if not self.own:
            full = self.account.full
            return full.weights.iloc[-1]
        held = self.values / self.equity
        risky = held.drop(self.cash)
        if not (risky > 0.0).any():
            return None
        share = self._held_share()
        if share == 1.0:
            return held
        if share == 0.0:
            return self.account.full.weights.iloc[-1]
        risky = risky / max(share, float(risky.sum()))
        book: pd.Series = risky.reindex(held.index)
        book[self.cash] = 1.0 - float(risky.sum())
        return book

    def _held_share(self) -> float:
        """Share of the book that the last filled order left."""
        filled = self.last - self.account.first - self.loop.fill_delay
        shares = [order.share for order in self.account.orders if order.row <= filled]
        return shares[-1] if shares else 1.0

    def _warnings(
        self, made: SizedDecision, trades: Trades, explanation: Explanation
    ) -> tuple[str, ...]:
        now = self.panel.sessions[-1].date()
        found = []
        if self.panel.simulated:
            found.append("SIMULATED market: invented assets, no advice about any real one.")
        if not self.decided:
            found.append(f"The strategy has no target after {now}: what is held stays.")
        elif made.row != self.last:
            found.append(
                f"The order of {made.decision.session.date()} is still open and stands: it fills "
                f"{self.loop.fill_delay} sessions after its decision."
            )
        if explanation.status == "relaxed":
            excess = ", ".join(
                f"{effect.name} by {effect.relaxed:.4g}"
                for effect in explanation.limits
                if effect.relaxed > 0.0
            )
            found.append(f"No portfolio meets every limit; relaxed: {excess}.")
        if explanation.fallbacks:
            found.append(f"Sizing fell back to: {', '.join(explanation.fallbacks)}.")
        if explanation.unchecked:
            found.append(f"NOT CHECKED: {'; '.join(explanation.unchecked)}.")
        if made.allocation is not None and made.estimate is not None and made.estimate.repair > 0.0:
            found.append(
                "The covariance was repaired: an eigenvalue of its correlations was "
                f"{-made.estimate.repair:.2g}."
            )
        waiting = [str(name) for name in trades.table.index[trades.table["waits"]]]
        if waiting:
            found.append(
                f"{', '.join(waiting)} did not trade in the last session: the order waits until "
                "it does."
            )
        measured = self.loop.cost.rates().measured
        if measured is not None and measured.impact > 0.0 and trades.table["days"].isna().any():
            found.append("The impact of trades whose volume is unknown is NOT CHARGED.")
        if self.share < 1.0:
            found.append(f"Overlays keep {self.share:.1%} of the book, the rest is in cash.")
        return tuple(found)
