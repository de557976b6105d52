"""What miners mine with: a user's table ``miner_capacity.csv``, as fields.

A row is an asset from a session on: `asset`, `usable_from` (the first session whose decision may use
the row), `mining_mw` (MW drawn for mining), and where they are known `efficiency` (J/TH of its
machines, as they are rated), `power_price` (USD/MWh at the meter) and `source`. Nothing like it is
shipped, and nothing is guessed without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from toolkit.clock import decision_times
from toolkit.data.facts import Fact, read_facts
from toolkit.data.source import Steps
from toolkit.errors import DataError, UnknownAssetError, suggestion
from toolkit.panel import Field, Notice
from toolkit.universe import Universe

_REQUIRED = ("asset", "usable_from", "mining_mw")
_OPTIONAL = ("efficiency", "power_price", "source")
_FIELDS = {
    "mining_mw": ("mining_mw", "MW"),
    "mining_efficiency": ("efficiency", "J/TH"),
    "mining_power_price": ("power_price", "USD/MWh"),
}
_HIGHEST = {"mining_mw": 20_000.0, "efficiency": 10_000.0, "power_price": 10_000.0}
"""Beyond them a number is in another unit."""


@dataclass(frozen=True)
class CapacityTable:
    """What each miner mines with, from a session on.

    Parameters
    ----------
    rows
        One a row of the file: ``asset``, ``day`` and the three quantities, NaN where not told.
    """

    rows: pd.DataFrame
    source: str
    notices: tuple[Notice, ...] = ()

    def fields(self, universe: Universe) -> Mapping[str, Field]:
        """The quantities as fields: ``mining_mw``, ``mining_efficiency``, ``mining_power_price``.

        A column an asset, NaN where the table has no row; a row is public at the decision of its
        `usable_from`.
        """
        steps = {}
        for name, (column, unit) in _FIELDS.items():
            values = self.rows.pivot(index="day", columns="asset", values=column).sort_index()
            values = values.reindex(columns=universe.columns)
            days = pd.DatetimeIndex(values.index)
            steps[name] = Steps(values.set_axis(days), decision_times(days), unit, self.source)
        return steps


def read_capacity(path: Path, universe: Universe) -> CapacityTable:
    """Read a table of capacities.

    Raises
    ------
    DataError
        If a day or number is missing, negative or out of all proportion, or an asset has two rows
        for a day; naming file, line and column.
    UnknownAssetError
        If an asset is not in the universe.
    """
    columns, facts = read_facts(path, _REQUIRED)
    rows: dict[tuple[str, pd.Timestamp], dict[str, float]] = {}
    for fact in facts:
        asset = fact.text("asset")
        if asset not in universe.ids:
            raise UnknownAssetError(
                f"{fact.where}, column 'asset': {asset[:40]!r} is not in the universe. "
                f"{suggestion(asset, universe.ids)}"
            )
        key = asset, pd.Timestamp(fact.day("usable_from"))
        if key in rows:
            raise DataError(f"{fact.where}: a second row of {asset} for {key[1].date()}; keep one.")
        rows[key] = {column: _checked(fact, column) for column, _ in _FIELDS.values()}
    missing = [name for name in _OPTIONAL if name not in columns]
    text = f"{path.name}: columns that are not available: {', '.join(missing)}."
    told = (Notice("column_missing", "", "", text),) if missing else ()
    frame = pd.DataFrame(
        [{"asset": asset, "day": day, **told_of} for (asset, day), told_of in rows.items()],
        columns=["asset", "day", *(column for column, _ in _FIELDS.values())],
    )
    return CapacityTable(frame, path.name, told)


def _checked(fact: Fact, column: str) -> float:
    value = fact.number(column)
    if value is None:
        if column == "mining_mw":
            raise fact.wrong(column, "there is none; write the MW drawn for mining, or 0.")
        return float("nan")
    if column == "efficiency" and value == 0.0:
        raise fact.wrong(column, "0 J/TH is no machine; write nothing where it is not known.")
    if not 0.0 <= value <= _HIGHEST[column]:
        why = ": a negative one would make the share of AI exceed 1" if value < 0.0 else ""
        raise fact.wrong(column, f"{value:g} is outside 0 to {_HIGHEST[column]:g}{why}.")
    return value
