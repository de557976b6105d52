"""What all commands share: options, output on stdout, narration on stderr."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from toolkit.backtest.engine import Progress

DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of market data; default: the simulated market."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Runs = Annotated[
    Path, typer.Option("--runs", envvar="HASHPIVOT_RUNS", help="Folder of run folders.")
]


def say(text: str) -> None:
    """Write a line of the answer on stdout."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """Write a line of narration on stderr."""
    sys.stderr.write(f"hashpivot: {text}\n")


def progress() -> Progress | None:
    """A line on stderr that appears after a second, on a terminal only."""
    if not sys.stderr.isatty():
        return None
    from time import monotonic

    began = shown = monotonic()

    def show(stage: str, done: int, total: int) -> None:
        nonlocal shown
        now = monotonic()
        if now - began > 1.0 and (now - shown > 0.1 or done in (0, total)):
            shown = now
            count = f" {done}/{total}" if total > 1 else ""
            sys.stderr.write(f"\r\033[K{stage}{count}" + ("\r\033[K" if done == total else ""))
            sys.stderr.flush()

    return show
