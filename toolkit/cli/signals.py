"""The command that says what each signal foretold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from toolkit.cli.progress import progress
from toolkit.cli.terminal import (
    AsJson,
    DataFolder,
    FirstSession,
    LastSession,
    answer,
    panel_to_read,
)

if TYPE_CHECKING:
    from datetime import date

    from toolkit.research.scorecard import Scorecard
    from toolkit.signals.reading import Gauge
    from toolkit.signals.signal import Signal


def signals(
    data: DataFolder = None,
    start: FirstSession = None,
    end: LastSession = None,
    as_json: AsJson = False,
) -> None:
    """Score every signal: what it foretold, how that decays, and what is momentum in it."""
    with progress("data") as show:
        import pandas as pd

        from toolkit.research.scorecard import scorecards

        panel = panel_to_read(data, start, end)
        begin = panel.sessions[0] if start is None else pd.Timestamp(start)
        show("signals", 0, 1)
        cards = scorecards(_every_signal("contracted_mw" in panel.fields), panel, first=begin)
    first, last = begin.date(), panel.sessions[-1].date()
    content = {
        "start": first.isoformat(),
        "end": last.isoformat(),
        "simulated": panel.simulated,
        "signals": [asdict(card) for card in cards],
    }
    answer(content, _lines(cards, first, last, panel.simulated), as_json)


def _every_signal(announced: bool) -> Mapping[str, Signal | Gauge]:
    """Signals of prices, of the network and of the pivot, by name.

    Without announcements those that can do without them listen to the market alone.
    """
    from toolkit.signals.disclosure import ContractedMegawatts, DisclosedShare, DisclosureCount
    from toolkit.signals.market_share import MarketShare
    from toolkit.signals.miner_economics import MinerKappaSpread
    from toolkit.signals.pivot import PivotMomentum, PivotShare, SectorPivot
    from toolkit.signals.pivot_detector import PivotDetector
    from toolkit.signals.price import Momentum, TrailingVolatility
    from toolkit.signals.reading import GAUGES
    from toolkit.signals.relative_economics import KappaSpread

    share = PivotShare(MarketShare(), DisclosedShare() if announced else None)
    return {
        "momentum": Momentum(),
        "trailing_volatility": TrailingVolatility(),
        **{gauge.name: gauge for gauge in GAUGES},
        "market_share": MarketShare(),
        "disclosed_share": DisclosedShare(),
        "pivot_share": share,
        "pivot_momentum": PivotMomentum(share),
        "sector_pivot": SectorPivot(share),
        "pivot_alarm": PivotDetector(ContractedMegawatts() if announced else None),
        "contracted_megawatts": ContractedMegawatts(),
        "disclosure_count": DisclosureCount(),
        "kappa_spread": KappaSpread(),
        "miner_kappa_spread": MinerKappaSpread(),
    }


def _lines(cards: Sequence[Scorecard], first: date, last: date, simulated: bool) -> list[str]:
    from toolkit.research.scorecard import scorecard_table

    marked = "  SIMULATED, no evidence about any real market" if simulated else ""
    scored = sum(score.coefficient is not None for card in cards for score in card.scores)
    table = scorecard_table(cards).to_string(index=False).splitlines()
    missing = [f"{card.name} is not available: {card.missing}" for card in cards if card.missing]
    return [
        f"Signals from {first} to {last}{marked}",
        "Rank correlation with the return that could still be earned, and its 95 % interval.",
        "Across assets; a signal of the whole market over time, against miners less bitcoin.",
        f"* leaves out 0: of {scored} that are told, about {0.05 * scored:.0f} would by chance.",
        "Events are sessions: rises of what rises with announcements or alarms, thresholds crossed of a",
        "gauge that has any, and changes of sign of every other level.",
        "",
        *(line.rstrip() for line in table),
        *(["", *missing] if missing else []),
    ]
