"""What changed in a miner's risk with its first contract, beside miners that had none.

Bitcoin's own calm or storm changes every miner's volatility, so that before against after says
nothing by itself: the change of the miners without a contract over the same sessions is taken off.
Both are drawn again together, so that what they share leaves no doubt behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.announcement import CONTRACTS, Event
from toolkit.panel import Panel
from toolkit.research.bootstrap import Blocks, Estimate, estimate
from toolkit.research.event_study import fit_betas, market_factors, session_closes
from toolkit.universe import MINERS

Floats = NDArray[np.float64]

MEASURES = ("beta to bitcoin", "beta to semiconductors", "volatility", "expected shortfall")
"""Sum of the betas to bitcoin's day and the one before; beta to the AI fund; annualised; mean loss
of the worst 5 % of sessions, a fraction. All over the sessions of a window."""

WINDOW, LEAST_SESSIONS, LEAST_CONTROLS = 252, 63, 3
_TAIL = 0.05


@dataclass(frozen=True)
class ExposureChange:
    """One miner before and after its first contract, for one measure.

    Attributes
    ----------
    session
        First that closed after the contract was public; in neither window.
    before, after
        The measure over up to 252 sessions on either side.
    change
        After less before.
    against_controls
        The change less the mean change of the controls; None with fewer than three of them.
    controls
        Miners without a contract up to the end of the window and with every return in it. That
        they would have none is hindsight, which a comparison may use and a signal may not.
    """

    asset: str
    session: pd.Timestamp
    quality: str
    measure: str
    sessions_before: int
    sessions_after: int
    before: float
    after: float
    change: Estimate
    against_controls: Estimate | None
    controls: int


def first_contracts(events: Iterable[Event]) -> dict[str, Event]:
    """First contract of each ticker, as it became public."""
    found: dict[str, Event] = {}
    for event in sorted(events, key=lambda event: event.published_at):
        if event.kind in CONTRACTS:
            found.setdefault(event.ticker, event)
    return found


def exposure_changes(
    panel: Panel, events: Sequence[Event], blocks: Blocks | None = None
) -> list[ExposureChange]:
    """Change of every measure at the first contract of every miner with enough returns.

    A miner needs 63 sessions with returns on both sides; one with fewer is left out. Intervals are
    from 500 draws of blocks of 21 sessions unless told otherwise.
    """
    blocks = blocks or Blocks(draws=500)
    contracts = first_contracts(events)
    frame = market_factors(panel)
    returns, market = panel.returns(), frame.to_numpy()
    traded = np.isfinite(np.column_stack([market, np.zeros(len(market))])).all(axis=1)
    closes = session_closes(panel.sessions)
    rows_of = {
        ticker: int(closes.searchsorted(pd.Timestamp(event.published_at)))
        for ticker, event in contracts.items()
    }
    found = []
    for asset in panel.universe:
        ticker = asset.id if asset.id in contracts else asset.ticker
        row = rows_of.get(ticker, len(returns))
        own = np.isfinite(returns[asset.id].to_numpy()) & traded
        sides = _rows(own, row)
        if row >= len(returns) or min(len(side) for side in sides) < LEAST_SESSIONS:
            continue
        # A reaction is no exposure: the days around it are on neither side.
        end = panel.sessions[sides[1][-1]]
        names = _controls(panel, contracts, np.concatenate(sides), end)
        both = [returns[[asset.id, *names]].to_numpy()[side] for side in sides]
        measured = [
            _drawn(values, market[side], panel.periods_per_year, blocks, number)
            for number, (values, side) in enumerate(zip(both, sides, strict=True))
        ]
        changes = measured[1] - measured[0]
        for number, measure in enumerate(MEASURES):
            pivot, others = changes[:, 0, number], changes[:, 1:, number]
            found.append(
                ExposureChange(
                    asset=asset.id,
                    session=panel.sessions[row],
                    quality=contracts[ticker].quality,
                    measure=measure,
                    sessions_before=len(sides[0]),
                    sessions_after=len(sides[1]),
                    before=float(measured[0][0, 0, number]),
                    after=float(measured[1][0, 0, number]),
                    change=estimate(pivot[0], pivot[1:], blocks.confidence),
                    against_controls=_against(pivot, others, blocks.confidence),
                    controls=len(names),
                )
            )
    return found


def _rows(known: NDArray[np.bool_], event: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Up to 252 rows with returns before an event and after it, five sessions on either side off."""
    before = np.flatnonzero(known[: max(0, event - 5)])[-WINDOW:]
    after = np.flatnonzero(known[event + 6 :])[:WINDOW] + event + 6
    return before, after


def _controls(
    panel: Panel, contracts: dict[str, Event], rows: NDArray[np.int64], end: pd.Timestamp
) -> list[str]:
    """Miners without a contract up to a session, with every return of some rows."""
    moment = end.tz_localize("UTC") + pd.Timedelta(days=1)
    taken = {name for name, event in contracts.items() if event.published_at <= moment}
    complete = panel.returns().iloc[rows].notna().all()
    mines = panel.members(MINERS).iloc[rows].all()
    return [
        asset.id
        for asset in panel.universe
        if mines[asset.id] and complete[asset.id] and taken.isdisjoint({asset.id, asset.ticker})
    ]


def _drawn(
    returns: Floats, market: Floats, periods_per_year: float, blocks: Blocks, stream: int
) -> Floats:
    """Measures of the rows as they are, then of each draw: 1 + draws x assets x measures."""
    drawn = blocks.rows(len(returns), stream)
    return np.stack(
        [
            _measures(returns[rows], market[rows], periods_per_year)
            for rows in (np.arange(len(returns)), *drawn)
        ]
    )


def _measures(returns: Floats, market: Floats, periods_per_year: float) -> Floats:
    """Assets x measures."""
    betas, _ = fit_betas(returns, market)
    worst = np.sort(returns, axis=0)[: max(1, round(_TAIL * len(returns)))]
    return np.column_stack(
        [
            betas[0] + betas[1],
            betas[2],
            returns.std(axis=0, ddof=1) * np.sqrt(periods_per_year),
            -worst.mean(axis=0),
        ]
    )


def _against(own: Floats, others: Floats, confidence: float) -> Estimate | None:
    """Change beside that of the controls: the mean over them, drawn with the same rows."""
    if others.shape[1] < LEAST_CONTROLS:
        return None
    relative = own - others.mean(axis=1)
    return estimate(relative[0], relative[1:], confidence)


def exposure_table(changes: Sequence[ExposureChange]) -> pd.DataFrame:
    """The changes as a table for readers: a row a miner and measure."""
    rows = []
    for change in changes:
        beside = change.against_controls
        rows.append(
            {
                "asset": change.asset,
                "first contract": change.session.date(),
                "day": change.quality,
                "measure": change.measure,
                "sessions": f"{change.sessions_before} / {change.sessions_after}",
                "before": round(change.before, 3),
                "after": round(change.after, 3),
                "change": _shown(change.change),
                "against controls": "-" if beside is None else _shown(beside),
                "controls": change.controls,
            }
        )
    return pd.DataFrame(rows)


def _shown(found: Estimate) -> str:
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
