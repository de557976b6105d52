"""How far a command is: a line on stderr that appears after a second, on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.backtest.engine import Progress

_PATIENCE, _PACE = 1.0, 0.2
"""Seconds until the line appears, and between two drawings of it."""

_WIPE = "\r\033[K"


@contextmanager
def progress(stage: str) -> Iterator[Progress]:
    """What is told the stages of a command while it lasts; the line is gone when it ends."""
    line = _Line(stage)
    if not sys.stderr.isatty():
        yield line.tell
        return
    drawing = Thread(target=line.draw, daemon=True)
    drawing.start()
    try:
        yield line.tell
    finally:
        line.over.set()
        drawing.join()


class _Line:
    """The line, drawn by a thread of its own: it lives where a stage is long and tells nothing."""

    def __init__(self, stage: str) -> None:
        self.text, self.over = stage, Event()

    def tell(self, stage: str, done: int, total: int) -> None:
        """Take note of the stage, and of how much of it is done."""
        self.text = f"{stage} {done}/{total}" if total > 1 else stage

    def draw(self) -> None:
        """Draw until it is over, and leave nothing."""
        began = monotonic()
        if self.over.wait(_PATIENCE):
            return
        drawn_last = False
        while not drawn_last:
            sys.stderr.write(f"{_WIPE}{self.text}, {monotonic() - began:.0f} s")
            sys.stderr.flush()
            drawn_last = self.over.wait(_PACE)
        sys.stderr.write(_WIPE)
        sys.stderr.flush()
