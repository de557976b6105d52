"""The command that says what each signal foretold."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from toolkit.cli.terminal import AsJson, DataFolder, progress, say


def signals(
    data: DataFolder = None,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="First session, ISO day.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last session, ISO day.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Score every signal: what it foretold, how that decays, and what is momentum in it."""
    import pandas as pd

    from toolkit.config import DataSettings, panel_of
    from toolkit.research.scorecard import HORIZONS, scorecard_table, scorecards
    from toolkit.signals.price import Momentum, TrailingVolatility
    from toolkit.signals.reading import GAUGES

    show = progress()
    if show is not None:
        show("signals", 0, 1)
    panel = panel_of(
        DataSettings(
            folder=None if data is None else str(data.absolute()),
            start=None if start is None else start.date(),
            end=None if end is None else end.date(),
        )
    )
    judged = {
        "momentum": Momentum(),
        "trailing_volatility": TrailingVolatility(),
        **{gauge.name: gauge.signal for gauge in GAUGES},
    }
    begin = panel.sessions[0] if start is None else pd.Timestamp(start)
    cards = scorecards(judged, panel, first=begin)
    if show is not None:
        show("signals", 1, 1)
    first, last = begin.date(), panel.sessions[-1].date()
    if as_json:
        answer = {
            "start": first.isoformat(),
            "end": last.isoformat(),
            "simulated": panel.simulated,
            "signals": [asdict(card) for card in cards],
        }
        say(json.dumps(answer, allow_nan=False))
        return
    marked = "  SIMULATED, no evidence about any real market" if panel.simulated else ""
    say(f"Signals from {first} to {last}{marked}")
    say("Rank correlation with the return that could still be earned, and its 95 % interval.")
    say("Across assets; a signal of the whole market over time, against miners less bitcoin.")
    chance = len(cards) * len(HORIZONS) * 0.05
    say(f"* leaves out 0: of so many, about {chance:.0f} would do that by chance.")
    say("")
    for line in scorecard_table(cards).to_string(index=False).splitlines():
        say(line.rstrip())
