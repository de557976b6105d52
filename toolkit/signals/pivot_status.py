"""How far each miner has turned from mining to AI, at the last decision of a panel."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.signals.disclosure import (
    ContractedMegawatts,
    DisclosedShare,
    LastEvent,
    last_events,
)
from toolkit.signals.market_share import MarketShare
from toolkit.signals.pivot import PivotMomentum, PivotShare
from toolkit.universe import MINERS

CHANGE_SESSIONS = 60

_SESSIONS = 504
"""More than the longest window, the volatility before it and the change together reach back."""

_HEADINGS = (
    "miner", "market share", "band", "R2", "AI MW", "disclosed", "composite", "change 60",
    "last event",
)  # fmt: skip


@dataclass(frozen=True)
class MinerPivot:
    """One miner's pivot; NaN where something has no value.

    Attributes
    ----------
    market_share, band_low, band_high, r_squared
        As in `ShareEstimate`.
    disclosure_mw
        Critical IT power under contract in MW, weighted by stage.
    disclosure_share
        Share of its power; NaN without a table of capacities.
    composite, change_60
        `PivotShare`, and its change over 60 sessions (`PivotMomentum`).
    last_event
        Latest announcement that was public; None where there was none.
    """

    asset: str
    market_share: float
    band_low: float
    band_high: float
    disclosure_mw: float
    disclosure_share: float
    composite: float
    change_60: float
    last_event: LastEvent | None
    r_squared: float


@dataclass(frozen=True)
class PivotStatus:
    """What was public of the miners' pivot at the decision of a session."""

    asof: date
    simulated: bool
    miners: tuple[MinerPivot, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain values: days in ISO form, None where there is no value."""
        miners = []
        for miner in self.miners:
            row = {
                name: None if isinstance(value, float) and math.isnan(value) else value
                for name, value in asdict(miner).items()
            }
            if miner.last_event is not None:
                day, kinds = miner.last_event.day.isoformat(), list(miner.last_event.kinds)
                row["last_event"] = {"day": day, "kinds": kinds}
            miners.append(row)
        return {"asof": self.asof.isoformat(), "simulated": self.simulated, "miners": miners}


def pivot_status(panel: Panel) -> PivotStatus:
    """The pivot of every asset that is a miner at the last decision of a panel.

    Raises
    ------
    InsufficientHistoryError
        The panel has no session.
    """
    if len(panel.sessions) == 0:
        raise InsufficientHistoryError(
            "The panel has no session, so that there is no decision to tell the pivot at. Choose a "
            "later end."
        )
    recent = replace(panel, sessions=panel.sessions[-_SESSIONS:])
    announced = "contracted_mw" in panel.fields
    disclosed = DisclosedShare() if announced else None
    share = PivotShare(MarketShare(), disclosed)
    market = MarketShare().estimate(recent)
    frames = {
        "market_share": market.market_share,
        "band_low": market.band_low,
        "band_high": market.band_high,
        "composite": share.compute(recent),
        "change_60": PivotMomentum(share, CHANGE_SESSIONS).compute(recent),
        "r_squared": market.r_squared,
    }
    if announced:
        frames["disclosure_mw"] = ContractedMegawatts().compute(recent)
        frames["disclosure_share"] = DisclosedShare().compute(recent)
    last = pd.DataFrame({name: frame.iloc[-1] for name, frame in frames.items()})
    last = last.reindex(columns=[*last.columns.union(["disclosure_mw", "disclosure_share"])])
    mines = panel.members(MINERS).iloc[-1]
    told = last_events(panel)
    miners = tuple(
        MinerPivot(
            asset=str(asset),
            last_event=told.get(str(asset)),
            **{str(name): float(value) for name, value in last.loc[asset].items()},
        )
        for asset in mines.index[mines]
    )
    return PivotStatus(panel.sessions[-1].date(), panel.simulated, miners)


def pivot_lines(status: PivotStatus) -> list[str]:
    """The status as lines of text."""
    marked = "  SIMULATED, no evidence about any real miner" if status.simulated else ""
    rows: list[tuple[str, ...]] = [_HEADINGS, *map(_row, status.miners)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    last = len(_HEADINGS) - 1
    table = [
        "  ".join(
            text.ljust(width) if column in (0, last) else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [
        f"Pivot from mining to AI as of the decision of {status.asof}{marked}",
        "",
        *table,
        "",
        "Market share: AI's part of the risk that mining and AI explain; - where the fit is poor or",
        "the ways to estimate it disagree. Band: all of them, widened by 90 % intervals. AI MW: under",
        "contract, by stage. Disclosed: of its power, if miner_capacity.csv tells that.",
    ]


def _row(miner: MinerPivot) -> tuple[str, ...]:
    event = miner.last_event
    band = "-"
    if not math.isnan(miner.band_low):
        band = f"{miner.band_low:.2f} to {miner.band_high:.2f}"
    return (
        miner.asset,
        _shown(miner.market_share, ".2f"),
        band,
        _shown(miner.r_squared, ".2f"),
        _shown(miner.disclosure_mw, ".0f"),
        _shown(miner.disclosure_share, ".2f"),
        _shown(miner.composite, ".2f"),
        _shown(miner.change_60, "+.2f"),
        "-" if event is None else f"{event.day} {', '.join(event.kinds)}",
    )


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)
