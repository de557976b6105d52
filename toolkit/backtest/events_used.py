"""How many announcements a strategy could act on: those that moved a field it read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from toolkit.data.events import ANNOUNCED
from toolkit.panel import Field, Panel


class ReadFields(Mapping[str, Field]):
    """Fields that remember which of them were read; asking whether there is one is no reading."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields
        self._read: set[str] = set()

    def __getitem__(self, name: str) -> Field:
        found = self._fields[name]
        self._read.add(name)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    @property
    def read(self) -> frozenset[str]:
        """Names of those that were read."""
        return frozenset(self._read)


def events_used(panel: Panel, read: frozenset[str], first: int, last: int) -> int:
    """Number of announcements that fields told a strategy of while it decided.

    Parameters
    ----------
    read
        Names of the fields that the strategy read; those that tell no announcement do not count.
    first, last
        Rows of the first decision and of the last.

    Notes
    -----
    An announcement belongs to the first session whose decision knew of it. One of an asset that
    could not be held then does not count, and what a day told of one asset counts once, whatever
    fields it moved. Rents and regulation, which are the whole market's, count by the day.
    """
    eligible = panel.eligible()
    told = set()
    for name in sorted(read.intersection(ANNOUNCED, panel.fields)):
        field = panel.field(name)
        values = field.values.to_numpy(dtype=float)
        before = np.vstack([np.zeros((1, values.shape[1])), np.nan_to_num(values[:-1])])
        moved = np.isfinite(values) & (values != before[: len(values)])
        known = panel.decisions.searchsorted(field.available_at)
        for step, column in np.argwhere(moved):
            row, asset = int(known[step]), str(field.values.columns[column])
            if not first <= row <= last:
                continue
            if asset not in eligible.columns:
                told.add((row, name))
            elif eligible[asset].iloc[row]:
                told.add((row, asset))
    return len(told)
