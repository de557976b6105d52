"""What all commands share: options, output on stdout, narration on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from toolkit.config import Experiment
    from toolkit.panel import Panel

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of market data; default: the simulated market."),
]


def iso_day(text: str) -> datetime:
    """A day as an option gives it: a year of four digits, month and day of two."""
    with suppress(ValueError):
        day = datetime.strptime(text, "%Y-%m-%d")
        if f"{day:%Y-%m-%d}" == text:
            return day
    raise typer.BadParameter(f"{text!r} is no ISO day, like 2024-01-31.")


FirstSession = Annotated[
    datetime | None,
    typer.Option("--start", parser=iso_day, metavar="DAY", help="First session, ISO day."),
]
LastSession = Annotated[
    datetime | None,
    typer.Option("--end", parser=iso_day, metavar="DAY", help="Last session, ISO day."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Runs = Annotated[
    Path, typer.Option("--runs", envvar="HASHPIVOT_RUNS", help="Folder of run folders.")
]
StrategyName = Annotated[
    str, typer.Argument(help="Name of a shipped strategy, or path of a .toml file.")
]


def say(text: str) -> None:
    """Write a line of the answer on stdout."""
    sys.stdout.write(text + "\n")


def answer(content: object, lines: Iterable[str], as_json: bool) -> None:
    """Write an answer on stdout, as one JSON object or as lines for readers."""
    for line in (json.dumps(content, allow_nan=False),) if as_json else lines:
        say(line)


def panel_to_read(
    data: Path | None, start: datetime | None = None, end: datetime | None = None
) -> Panel:
    """The panel that the options of a command choose."""
    from toolkit.config import DataSettings, panel_of

    # A relative folder is meant from where the command was typed.
    folder = None if data is None else str(data.absolute())
    first, last = (None if moment is None else moment.date() for moment in (start, end))
    return panel_of(DataSettings(folder=folder, start=first, end=last))


def experiment_of(
    strategy: str,
    data: Path | None,
    start: datetime | None = None,
    end: datetime | None = None,
    overrides: Sequence[str] = (),
) -> Experiment:
    """The experiment that the options of a command choose."""
    from toolkit.config import Experiment

    # As TOML writes them, so that the same run has the same hash however its days were given.
    # A relative folder is meant from where the command was typed.
    folder = None if data is None else json.dumps(str(data.absolute()), ensure_ascii=False)
    first, last = (None if day is None else f"{day:%Y-%m-%d}" for day in (start, end))
    given = {"folder": folder, "start": first, "end": last}
    settings = [f"data.{key}={value}" for key, value in given.items() if value]
    return Experiment.from_toml(strategy, [*settings, *overrides])


def complain(text: str) -> None:
    """Write a line of narration on stderr."""
    sys.stderr.write(f"hashpivot: {text}\n")
