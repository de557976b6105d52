"""Every limit three times: at the decision, after its fill, and as passive drift.

At the decision a limit must hold, but for a recorded relaxation. After the fill prices have moved
since; until the next decision weights drift without any trade. The three are never mixed.

A decision speaks of the book at full share. What was held after it is the share of that book which
overlays kept, the rest in cash; and trades are those of the book, since overlays' trades do not
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
from toolkit.optimize.limits import Limit, MaxTradingDays, MaxTurnover
from toolkit.optimize.program import Program
from toolkit.panel import Panel

Floats = NDArray[np.float64]

COLUMNS = (
    "session",
    "limit",
    "measure",
    "cap",
    "at_decision",
    "slack",
    "after_fill",
    "drift",
    "binding",
    "excess",
    "excess_allowed",
    "excess_after_fill",
    "excess_drift",
    "unchecked",
)


def limits_log(loop: TimeLoop, account: Account, panel: Panel) -> pd.DataFrame:
    """Value of each limit by decision; NaN where nothing was filled or drifted any more.

    Returns
    -------
    DataFrame
        Long: session, limit, measure, cap, at_decision, slack (by how much the cap was relaxed, 0
        for not at all), after_fill, drift (the worst value before the next decision), binding; all
        of them as a reader knows the quantity (`Limit.shown`). How far each value is beyond the
        cap, negative where there is room left, in the limit's own unit: excess (at the decision),
        excess_allowed (by its relaxation), excess_after_fill, excess_drift. unchecked: assets,
        joined by commas, that were traded without a volume to hold the trade against; where they
        are all that were traded, the limit has no value.
    """
    if loop.optimizer is None:
        return pd.DataFrame(columns=list(COLUMNS))
    watch = _Watch(account, loop.optimizer.compile(panel.universe.assets), loop.fill_delay)
    made = account.decisions
    ends = [sized.row for sized in made[1:]] + [len(panel.sessions) - 1]
    on_volume = any(isinstance(limit, MaxTradingDays) for limit in loop.optimizer.limits)
    entries = []
    for sized, until in zip(made, ends, strict=True):
        allocation = sized.allocation
        if allocation is None:
            continue
        after, drift = watch.after_fill(sized), watch.drift(sized, until)
        traded, unknown = _traded(sized, str(panel.universe.cash)) if on_volume else ((), ())
        for limit in loop.optimizer.limits:
            unchecked = unknown if isinstance(limit, MaxTradingDays) else ()
            at_decision, filled = (
                allocation.values[limit.name],
                float(after.get(limit.name, np.nan)),
            )
            if unchecked and unchecked == traded:
                at_decision = filled = np.nan
            path = drift.get(limit.name)
            drifted = np.nan if path is None else float(path[np.argmax(limit.beyond(path))])
            relaxed = allocation.relaxed.get(limit.name, 0.0)
            cap = float(limit.shown(limit.cap))
            entries.append(
                (
                    sized.decision.session,
                    limit.name,
                    limit.measure,
                    cap,
                    float(limit.shown(at_decision)),
                    abs(float(limit.shown(limit.cap + relaxed)) - cap) if relaxed else 0.0,
                    float(limit.shown(filled)),
                    float(limit.shown(drifted)),
                    limit.name in allocation.binding,
                    float(limit.beyond(at_decision)),
                    relaxed,
                    float(limit.beyond(filled)),
                    float(limit.beyond(drifted)),
                    ", ".join(unchecked),
                )
            )
    return pd.DataFrame(entries, columns=list(COLUMNS))


def _traded(sized: SizedDecision, cash: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Assets that a decision trades, and those of them whose volume is not known."""
    decision, names = sized.decision, sized.sized.index
    held, volumes = (
        (pd.Series(dtype=float) if row is None else row).reindex(names).fillna(0.0)
        for row in (decision.current, decision.volumes)
    )
    trades = (sized.sized != held) & (names != cash)
    return tuple(map(str, names[trades])), tuple(map(str, names[trades & ~(volumes > 0.0)]))


class _Watch:
    """Measures limits on what was held after a decision."""

    def __init__(self, account: Account, program: Program, fill_delay: int) -> None:
        self.program, self.first, self.fill_delay = program, account.first, fill_delay
        self.of_trades = [limit.name for limit in program.optimizer.limits if _of_trades(limit)]
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
        if self.full is not self.own and self.of_trades:
            book = self._filled(self.full, fill, sized)
            values.update({name: book[name] for name in self.of_trades})
        return values

    def _filled(self, held: _Held, fill: int, sized: SizedDecision) -> dict[str, Floats]:
        decision = sized.decision
        if decision.current is not None:
            start = pd.Series(held.untraded[fill], index=sized.sized.index)
            decision = replace(decision, current=start)
        return self.program.measure(held.weights[fill], decision, self.sessions[fill])

    def drift(self, sized: SizedDecision, until: int) -> Mapping[str, Floats]:
        """Values on the sessions after the fill up to a row; empty where there are none.

        Limits on trades are left out: drifting is no trade, and what an overlay orders does not
        count.
        """
        rows = slice(sized.row + self.fill_delay - self.first + 1, until - self.first + 1)
        if len(self.sessions[rows]) == 0:
            return {}
        values = self.program.measure(
            self.own.weights[rows], sized.decision, self.sessions[rows], drifted=True
        )
        return {name: path for name, path in values.items() if name not in self.of_trades}


def _of_trades(limit: Limit) -> bool:
    """Whether a limit is about what is traded, not about what is held."""
    return isinstance(limit, MaxTurnover | MaxTradingDays)


class _Held:
    """Weights of an account at each session's end, and what they would be without its trades."""

    def __init__(self, simulation: Simulation) -> None:
        book, prices = simulation.book, np.nan_to_num(simulation.market.prices)
        self.weights = _shares(book.holdings * prices, book.equity[:, None])
        untraded = np.vstack([np.zeros(prices.shape[1]), book.holdings[:-1]]) * prices
        self.untraded = _shares(untraded, untraded.sum(axis=1, keepdims=True))


def _shares(values: Floats, total: Floats) -> Floats:
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0.0)
