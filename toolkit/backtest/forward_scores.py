"""What became of the allocations of the forward ledger: the only truly out-of-sample record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.accounts import market_of
from toolkit.backtest.forward_ledger import Entry
from toolkit.backtest.ledger import Ledger, Market
from toolkit.clock import ClockName, first_close, sessions_between
from toolkit.errors import DataError
from toolkit.optimize.costs import CostRates, Measured
from toolkit.panel import Panel
from toolkit.universe import Sleeve

Floats = NDArray[np.float64]

_MONEY = 1_000_000.0
"""USD that every account is scored with; it matters to impact only."""

_SAME_PRICE = 1e-6


@dataclass(frozen=True)
class Score:
    """One recorded allocation, held from its fill until the next entry's.

    Attributes
    ----------
    line
        Of the ledger.
    forward
        Whether it was recorded before the first close of its fill. Only such an entry is out of
        sample.
    filled, until
        Sessions between which it was held; `until` is the last session while no entry follows.
        None where it has not filled yet.
    net, cash, bitcoin
        Returns in between: of the allocation after assumed costs, of cash, of bitcoin before
        costs.
    note
        What a reader should know, such as prices that were restated since.
    """

    line: int
    strategy: str
    asof: str
    recorded_at: str
    forward: bool
    simulated: bool
    filled: str | None
    until: str | None
    net: float | None
    cash: float | None
    bitcoin: float | None
    note: str = ""


def scores(entries: Sequence[tuple[int, Entry]], panel: Panel) -> list[Score]:
    """Score of each entry on the panel, in the order of the ledger.

    Entries of one strategy follow one another as orders of one account. Those that were recorded
    after the fact follow one another on an account of their own: they cannot end, or improve, what
    was recorded in time.

    Parameters
    ----------
    entries
        With the line each stands on; all on the panel's clock.
    """
    accounts: dict[tuple[str, bool], list[tuple[int, Entry]]] = {}
    for line, entry in entries:
        accounts.setdefault((entry.strategy, is_forward(entry)), []).append((line, entry))
    found: list[Score] = []
    for members in accounts.values():
        found += _account(members, panel)
    return sorted(found, key=lambda score: score.line)


def unscored(line: int, entry: Entry, note: str) -> Score:
    """An entry without returns, for a reason."""
    return Score(
        line, entry.strategy, entry.asof, entry.recorded_at, is_forward(entry), entry.simulated,
        None, None, None, None, None, note,
    )  # fmt: skip


def is_forward(entry: Entry) -> bool:
    """Whether an entry was recorded before its order could fill, by the calendar of its clock."""
    clock: ClockName = "24/7" if entry.settings.get("clock") == "24/7" else "XNYS"
    start = entry.session
    # Twice the sessions in days, and a week of holidays, hold the fill.
    horizon = start + timedelta(days=7 + 2 * entry.fill_delay)
    days = sessions_between(clock, start + timedelta(days=1), horizon)
    close = first_close(clock, days[entry.fill_delay - 1])
    return pd.Timestamp(entry.moment) < close


def compounded(found: Sequence[Score]) -> dict[str, dict[str, Any]]:
    """By strategy: returns of its forward entries that have filled, compounded."""
    summary: dict[str, dict[str, Any]] = {}
    for score in found:
        if not (score.forward and score.net is not None):
            continue
        line = summary.setdefault(
            score.strategy, {"entries": 0, "net": 1.0, "cash": 1.0, "bitcoin": 1.0}
        )
        line["entries"] += 1
        for name in ("net", "cash", "bitcoin"):
            earned = getattr(score, name)
            line[name] = None if earned is None or line[name] is None else line[name] * (1 + earned)
    for line in summary.values():
        for name in ("net", "cash", "bitcoin"):
            line[name] = None if line[name] is None else line[name] - 1.0
    return summary


def _account(members: list[tuple[int, Entry]], panel: Panel) -> list[Score]:
    """Scores of entries whose orders follow one another on one account."""
    ordered = sorted(members, key=lambda member: (member[1].asof, member[0]))
    rows = [_row(entry, panel, line) for line, entry in ordered]
    last = len(panel.sessions) - 1
    fills = [row + entry.fill_delay for row, (_, entry) in zip(rows, ordered, strict=True)]
    first = rows[0]
    equity, before_costs = _run(ordered, fills, first, panel)
    found = []
    for place, (line, entry) in enumerate(ordered):
        fill = fills[place]
        # A decision of the same session, or one that fills no later, takes its place.
        following = fills[place + 1] if place + 1 < len(fills) else None
        score = unscored(line, entry, _note(entry, panel, rows[place]))
        if fill > last:
            found.append(_told(score, "not filled yet"))
        elif following is not None and following <= fill:
            found.append(_told(score, "replaced before it filled"))
        else:
            end = last if following is None or following > last else following
            worth = equity[end - first] if end != following else before_costs[end - first]
            found.append(_held(score, panel, fill, end, worth / before_costs[fill - first] - 1.0))
    return found


def _run(
    ordered: list[tuple[int, Entry]], fills: list[int], first: int, panel: Panel
) -> tuple[Floats, Floats]:
    """Equity of the account by row after `first`, and the same before that session's costs."""
    markets = [_market(entry, panel, first) for _, entry in ordered]
    market, size = markets[0], markets[0].fee.shape
    fee, slippage, impact = market.fee.copy(), market.slippage.copy(), np.zeros(size)
    for each, fill in zip(markets, fills, strict=True):
        since = slice(fill - first, None)
        fee[since], slippage[since] = each.fee[since], each.slippage[since]
        impact[since] = 0.0 if each.impact is None else each.impact[since]
    market = replace(market, fee=fee, slippage=slippage, impact=impact if impact.any() else None)
    ledger = Ledger(market, _MONEY)
    for (line, entry), fill in zip(ordered, fills, strict=True):
        if fill < len(panel.sessions):
            ledger.place(fill - first, _weights(entry, panel, line))
    ledger.advance(len(market.sessions))
    book = ledger.book
    return book.equity, book.equity + book.fees + book.slipped


def _market(entry: Entry, panel: Panel, first: int) -> Market:
    """The market at the costs that were assumed with an entry."""
    measured = None if entry.measured is None else Measured(**entry.measured)
    rates = CostRates(entry.fee, entry.slippage, measured)
    return market_of(panel, rates, first, entry.fill_delay)


def _weights(entry: Entry, panel: Panel, line: int) -> Floats:
    unknown = [name for name in entry.weights if name not in panel.universe.ids]
    if unknown:
        raise DataError(
            f"Line {line} of the ledger holds {unknown[0]}, which these data do not have. Give the "
            "folder it was recorded on with --data."
        )
    return np.array([entry.weights.get(name, 0.0) for name in panel.universe.ids])


def _row(entry: Entry, panel: Panel, line: int) -> int:
    row = int(panel.sessions.get_indexer(pd.DatetimeIndex([entry.asof]))[0])
    if row < 0:
        raise DataError(
            f"Line {line} of the ledger was decided after {entry.asof}, which is no session of "
            f"these data ({panel.sessions[0].date()} to {panel.sessions[-1].date()}). Give newer "
            "data with --data."
        )
    return row


def _note(entry: Entry, panel: Panel, row: int) -> str:
    """Whether the prices that were used are still those of the data."""
    prices = panel.prices().iloc[row]
    moved = [
        name
        for name, used in entry.prices.items()
        if not abs(prices.get(name, np.nan) / used - 1.0) <= _SAME_PRICE
    ]
    if not moved:
        return ""
    shown = ", ".join(moved[:3]) + (f" and {len(moved) - 3} more" if len(moved) > 3 else "")
    return f"prices restated since: {shown}"


def _told(score: Score, note: str) -> Score:
    return Score(**{**vars(score), "note": "; ".join(filter(None, (note, score.note)))})


def _held(score: Score, panel: Panel, fill: int, end: int, net: float) -> Score:
    prices = panel.prices()

    def earned(name: str | None) -> float | None:
        if name is None:
            return None
        ratio = float(prices[name].iloc[end] / prices[name].iloc[fill])
        return ratio - 1.0 if np.isfinite(ratio) else None

    day = panel.sessions[fill].date()
    coins = [a.id for a in panel.universe if a.sleeve_on(day) is Sleeve.BITCOIN]
    told = {
        "filled": f"{panel.sessions[fill]:%Y-%m-%d}",
        "until": f"{panel.sessions[end]:%Y-%m-%d}",
        "net": float(net),
        "cash": earned(panel.universe.cash),
        "bitcoin": earned(coins[0] if coins else None),
    }
    return Score(**{**vars(score), **told})
