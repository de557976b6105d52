"""The commands on the miners' pivot to AI."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from toolkit.cli.terminal import AsJson, DataFolder, say

pivot = typer.Typer(rich_markup_mode=None)


# Without it typer would take the only command for the whole group.
@pivot.callback()
def _group() -> None:
    """See who is leaving mining for AI."""


@pivot.command()
def status(
    data: DataFolder = None,
    end: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last session looked at, ISO day."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show how far each miner has turned to AI, by the market and by its contracts."""
    from toolkit.config import DataSettings, panel_of
    from toolkit.signals.pivot_status import pivot_lines, pivot_status

    folder = None if data is None else str(data.absolute())
    last = None if end is None else end.date()
    found = pivot_status(panel_of(DataSettings(folder=folder, end=last)))
    if as_json:
        say(json.dumps(found.as_json(), allow_nan=False))
    else:
        for line in pivot_lines(found):
            say(line)
