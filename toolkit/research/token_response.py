"""What AI tokens have to do with AI: whether they follow AI shares, and miners' contracts."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.data.announcement import Event
from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.research.bootstrap import Blocks, Estimate, bootstrap
from toolkit.research.event_study import (
    WINDOWS,
    abnormal_returns,
    group_of,
    market_factors,
    session_closes,
    spans,
)
from toolkit.universe import Sleeve

Floats = NDArray[np.float64]


def token_basket(panel: Panel) -> pd.Series:
    """Mean return of the AI tokens of each session; NaN where there is none."""
    held = panel.members([Sleeve.AI_TOKENS]).shift(1, fill_value=False)
    return panel.returns().where(held).mean(axis=1)


def token_sensitivity(panel: Panel, blocks: Blocks | None = None) -> tuple[Estimate, int]:
    """How much AI tokens move with AI shares, at a given move of bitcoin; and over how many sessions.

    The coefficients on the AI fund's session and on the one after, together: a token's day ends
    hours after New York's close, and what happens in them is in the fund's next session. This is a
    description, not a signal: the session after is not known yet.

    Raises
    ------
    InsufficientHistoryError
        Fewer than a year of sessions with tokens.
    """
    factors = market_factors(panel)
    frame = pd.DataFrame(
        {
            "tokens": token_basket(panel),
            "bitcoin": factors["bitcoin"],
            "semiconductors": factors["semiconductors"],
            "next": factors["semiconductors"].shift(-1),
        }
    ).dropna()
    if len(frame) < 252:
        raise InsufficientHistoryError(
            f"AI tokens have {len(frame)} sessions with returns; at least 252 are needed."
        )

    def coefficient(rows: Floats) -> float:
        design = np.column_stack([np.ones(len(rows)), rows[:, 1:]])
        found = np.linalg.lstsq(design, rows[:, 0], rcond=None)[0]
        return float(found[2] + found[3])

    return bootstrap(coefficient, frame.to_numpy(), blocks), len(frame)


def token_events(panel: Panel, events: Iterable[Event]) -> pd.DataFrame:
    """Abnormal returns of the tokens' basket around contracts of miners; columns as of `event_table`.

    One row for contracts with the same session of reaction.
    """
    factors, basket = market_factors(panel), token_basket(panel).to_numpy()
    closes, rows = session_closes(panel.sessions), {}
    for event in events:
        moment = pd.Timestamp(event.published_at)
        reaction = int(closes.searchsorted(moment))
        if group_of(event) != "contract" or reaction >= len(panel.sessions):
            continue
        windows = spans(reaction, int(panel.decisions.searchsorted(moment)))
        rows[reaction] = {
            "asset": event.ticker,
            "day": pd.Timestamp(event.day),
            "quality": event.quality,
            "group": "contract",
            "session": panel.sessions[reaction],
            **abnormal_returns(basket, factors, reaction, windows),
        }
    names = [f"{prefix}{name}" for name in WINDOWS for prefix in ("", "rank_")]
    columns = ["asset", "day", "quality", "group", "session", *names]
    return pd.DataFrame(list(rows.values()), columns=columns)
