"""Every limit three times: at the decision, after its fill, and as passive drift.

At the decision a limit must hold, but for a recorded relaxation. After the fill prices have moved
since; until the next decision weights drift without any trade. The three are never mixed.

A decision speaks of the book at full share. What was held after it is the share of that book which
overlays kept, the rest in cash; and turnover is that of the book, since overlays' trades do not
count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.engine import Account, SizedDecision, TimeLoop
from toolkit.backtest.ledger import Simulation
from toolkit.optimize.program import Program
from toolkit.panel import Panel

Floats = NDArray[np.float64]

COLUMNS = ("session", "limit", "cap", "at_decision", "slack", "after_fill", "drift", "binding")

_TURNOVER = "MaxTurnover"


def limits_log(loop: TimeLoop, account: Account, panel: Panel) -> pd.DataFrame:
    """Value of each limit by decision; NaN where nothing was filled or drifted any more.

    Returns
    -------
    DataFrame
        Long: session, limit, cap, at_decision, slack (what was relaxed, 0 for none), after_fill,
        drift (the worst value before the next decision), binding.
    """
    if loop.optimizer is None:
        return pd.DataFrame(columns=list(COLUMNS))
    watch = _Watch(account, loop.optimizer.compile(panel.universe.assets), loop.fill_delay)
    made = account.decisions
    ends = [sized.row for sized in made[1:]] + [len(panel.sessions) - 1]
    entries = []
    for sized, until in zip(made, ends, strict=True):
        allocation = sized.allocation
        if allocation is None:
            continue
        after, drift = watch.after_fill(sized), watch.drift(sized, until)
        for limit in loop.optimizer.limits:
            path = drift.get(limit.name)
            entries.append(
                (
                    sized.decision.session,
                    limit.name,
                    limit.cap,
                    allocation.values[limit.name],
                    allocation.relaxed.get(limit.name, 0.0),
                    float(after.get(limit.name, np.nan)),
                    np.nan if path is None else float(path[np.argmax(limit.beyond(path))]),
                    limit.name in allocation.binding,
                )
            )
    return pd.DataFrame(entries, columns=list(COLUMNS))


class _Watch:
    """Measures limits on what was held after a decision."""

    def __init__(self, account: Account, program: Program, fill_delay: int) -> None:
        self.program, self.first, self.fill_delay = program, account.first, fill_delay
        self.sessions = account.simulation.market.sessions
        self.own = self.full = _Held(account.simulation)
        if account.full is not account.simulation:
            self.full = _Held(account.full)

    def after_fill(self, sized: SizedDecision) -> Mapping[str, Floats]:
        """Values after the fill; empty where the sessions end before it."""
        fill = sized.row + self.fill_delay - self.first
        if fill >= len(self.sessions):
            return {}
        values = self._filled(self.own, fill, sized)
        if self.full is not self.own and _TURNOVER in values:
            values[_TURNOVER] = self._filled(self.full, fill, sized)[_TURNOVER]
        return values

    def _filled(self, held: _Held, fill: int, sized: SizedDecision) -> dict[str, Floats]:
        decision = sized.decision
        if decision.current is not None:
            start = pd.Series(held.untraded[fill], index=sized.sized.index)
            decision = replace(decision, current=start)
        return self.program.measure(held.weights[fill], decision, self.sessions[fill])

    def drift(self, sized: SizedDecision, until: int) -> Mapping[str, Floats]:
        """Values on the sessions after the fill up to a row; empty where there are none.

        Turnover is left out: drifting is not trading, and neither is what an overlay orders.
        """
        rows = slice(sized.row + self.fill_delay - self.first + 1, until - self.first + 1)
        if len(self.sessions[rows]) == 0:
            return {}
        values = self.program.measure(
            self.own.weights[rows], sized.decision, self.sessions[rows], drifted=True
        )
        return {name: path for name, path in values.items() if name != _TURNOVER}


class _Held:
    """Weights of an account at each session's end, and what they would be without its trades."""

    def __init__(self, simulation: Simulation) -> None:
        book, prices = simulation.book, np.nan_to_num(simulation.market.prices)
        self.weights = _shares(book.holdings * prices, book.equity[:, None])
        untraded = np.vstack([np.zeros(prices.shape[1]), book.holdings[:-1]]) * prices
        self.untraded = _shares(untraded, untraded.sum(axis=1, keepdims=True))


def _shares(values: Floats, total: Floats) -> Floats:
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0.0)
