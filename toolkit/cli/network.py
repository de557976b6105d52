"""The commands on the Bitcoin network."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from toolkit.cli.terminal import AsJson, DataFolder, say

network = typer.Typer(help="Read and simulate the Bitcoin network.", rich_markup_mode=None)


@network.command()
def status(
    data: DataFolder = None,
    end: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last session looked at, ISO day."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every signal of the network, and the next retarget."""
    from toolkit.config import DataSettings, panel_of
    from toolkit.signals.status import network_status, status_lines

    folder = None if data is None else str(data.absolute())
    last = None if end is None else end.date()
    found = network_status(panel_of(DataSettings(folder=folder, end=last)))
    if as_json:
        say(json.dumps(found.as_json(), allow_nan=False))
    else:
        for line in status_lines(found):
            say(line)
