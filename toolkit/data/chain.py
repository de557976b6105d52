"""One price series out of several sources, joined on returns.

Sources quote the same asset at slightly different levels. Taking today's level from one and
yesterday's from another makes a return that nobody earned, so a switch uses the new source's own
return from the day before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.data.checks import Numbers
from toolkit.errors import DataError
from toolkit.universe import Halt

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Switch:
    """From this day on the prices follow another source."""

    day: pd.Timestamp
    old: str
    new: str
    how: str


def chain(
    quotes: pd.DataFrame, halts: Sequence[Halt], where: str
) -> tuple[pd.Series, list[Switch]]:
    """Chain the preferred source of each day into one series.

    Parameters
    ----------
    quotes
        Days x sources, the preferred source first; NaN where a source has no price.
    halts
        Declared halts. Across one of them the first quote after it is joined on its level.

    Returns
    -------
    series, switches
        Prices at the level of the first quote, by day, and the days on which the source changed.
        Each day uses its own and earlier rows only. The source of a day is the first that has a
        price on it and on the day used before; a day without one is left out.

    Raises
    ------
    DataError
        If the series cannot be carried to its last day because no source spans a change.
    """
    days, names = pd.DatetimeIndex(quotes.index), list(quotes.columns)
    prices: Numbers = quotes.to_numpy(dtype=float)
    there = ~np.isnan(prices)
    level = np.full(len(days), np.nan)
    switches: list[Switch] = []
    if len(days) == 0:
        return pd.Series(level, index=days), switches
    source, last, scale = int(np.argmax(there[0])), 0, 1.0
    level[0] = prices[0, source]
    for row in range(1, len(days)):
        linked = there[row] & there[last]
        if linked.any():
            new, how = int(np.argmax(linked)), "joined on its own return"
            scale = scale if new == source else level[last] / prices[last, new]
        elif _halted(days[last] + _DAY, days[row] - _DAY, halts):
            new, how = int(np.argmax(there[row])), "joined on its level after the declared halt"
        else:
            continue
        level[row] = scale * prices[row, new]
        if new != source:
            switches.append(Switch(days[row], names[source], names[new], how))
        source, last = new, row
    if last < len(days) - 1:
        raise DataError(
            f"{where}: source {names[source]!r} ends on {days[last].date()} and no source has a "
            f"price both then and on a later day, so the rows from {days[last + 1].date()} on "
            "cannot be joined on returns. Declare a halt in universe.toml, set 'last' in "
            "files.toml, or drop the later source."
        )
    return pd.Series(level, index=days).dropna(), switches


def _halted(first: pd.Timestamp, last: pd.Timestamp, halts: Sequence[Halt]) -> bool:
    return first <= last and any(
        halt.first <= first.date() and (halt.last is None or last.date() <= halt.last)
        for halt in halts
    )
