"""The commands on the miners' pivot to AI."""

from __future__ import annotations

import typer

from toolkit.cli.progress import progress
from toolkit.cli.terminal import AsJson, DataFolder, LastSession, answer, complain, panel_to_read

pivot = typer.Typer(rich_markup_mode=None)

_ON_TABLES = ("column_missing", "event_type_unknown", "events_left_out", "events_outside")
"""Kinds of notices on announcements and capacities: what of the user's own table was not heard."""


# Without it typer would take the only command for the whole group.
@pivot.callback()
def _group() -> None:
    """See who is leaving mining for AI."""


@pivot.command()
def status(
    data: DataFolder = None,
    end: LastSession = None,
    as_json: AsJson = False,
) -> None:
    """Show how far each miner has turned to AI, by the market and by its contracts."""
    with progress("data") as show:
        from toolkit.signals.pivot_status import pivot_lines, pivot_status

        panel = panel_to_read(data, end=end)
        show("signals", 0, 1)
        found = pivot_status(panel)
    for notice in panel.notices:
        if notice.kind in _ON_TABLES:
            complain(notice.text)
    answer(found.as_json(), pivot_lines(found), as_json)
