"""What a source of data is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from toolkit.panel import Field, Notice
from toolkit.universe import Universe


@dataclass(frozen=True)
class Steps(Field):
    """A quantity that keeps its value until something happens: silence is not its end."""


class DataSource(Protocol):
    """Something that yields fields for a universe and a period.

    ``fields`` returns quantities by name. The prices of the assets it knows are one field,
    ``close``, a column an asset; rows may lie outside the sessions of any clock. ``notices`` tells
    what a reader should know of the numbers returned, ``last_session`` the newest day of its main
    prices, and ``simulated`` whether the numbers are invented.
    """

    @property
    def simulated(self) -> bool:
        """Whether the numbers are invented."""
        ...

    def fields(self, universe: Universe, start: date, end: date) -> Mapping[str, Field]:
        """Quantities by name for the days from start to end."""
        ...

    def notices(self) -> tuple[Notice, ...]:
        """What a reader should know of the numbers last returned."""
        ...

    def last_session(self) -> date:
        """Newest day of the main prices: where a run without an end stops."""
        ...
