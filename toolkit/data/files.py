"""A folder of files as a source: prices and fields as its ``files.toml`` maps them.

Two tables of facts are found by their names: ``pivot_events.csv``, the announcements of miners, and
``miner_capacity.csv``, what they mine with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd

from toolkit.data.bars import bar_fields
from toolkit.data.capacity import read_capacity
from toolkit.data.catalog import read_universe
from toolkit.data.chain import chain
from toolkit.data.checks import (
    Numbers,
    check_days,
    check_finite,
    check_increasing,
    check_prices,
    path_inside,
)
from toolkit.data.events import read_events
from toolkit.data.mapping import FilesMapping, Prices, Quantity, Table, read_mapping
from toolkit.data.tables import RawTable, read_table
from toolkit.errors import DataError, SourceUnavailableError, suggestion
from toolkit.panel import PRICE_FIELD, Field, Notice
from toolkit.universe import Asset, Universe

MAPPING_FILE = "files.toml"
UNIVERSE_FILE = "universe.toml"
EVENTS_FILE = "pivot_events.csv"
CAPACITY_FILE = "miner_capacity.csv"


class FactTable(Protocol):
    """A table of dated facts that becomes fields."""

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What a reader should know of the table."""
        ...

    def fields(self, universe: Universe) -> Mapping[str, Field]:
        """The facts as fields with a column an asset."""
        ...


@dataclass(frozen=True)
class FilesSource:
    """Prices and fields read from the files of one folder.

    The prices are public at 00:00 UTC after their day: New York closes are earlier, the days of
    24/7 assets end exactly then.

    Parameters
    ----------
    directory
        The folder; no file outside it is read.
    mapping
        Which file and column is what.
    facts
        Tables of dated facts beside the series.
    """

    directory: Path
    mapping: FilesMapping
    facts: tuple[FactTable, ...] = ()
    _notices: list[Notice] = field(default_factory=list, init=False, repr=False, compare=False)

    simulated = False

    def fields(self, universe: Universe, start: date, end: date) -> Mapping[str, Field]:
        """Read prices of the universe's assets and all mapped fields from start to end.

        Raises
        ------
        DataError
            Naming file, column and day of what is wrong.
        """
        self._notices.clear()
        period = pd.Timestamp(start), pd.Timestamp(end)
        assets = [asset for asset in universe if self.mapping.price_block(asset.id)]
        tables = self._read(assets)
        found = {
            name: _cut(self._quantity(name, quantity, tables[quantity.table]), *period)
            for name, quantity in self.mapping.fields.items()
        }
        for facts in self.facts:
            for name, steps in facts.fields(universe).items():
                if name in found:
                    raise DataError(
                        f"{MAPPING_FILE} maps a field {name!r}, which {steps.source} gives; rename "
                        "yours."
                    )
                found[name] = _cut(steps, *period)
        series = {asset.id: self._price(asset, tables, *period) for asset in assets}
        if series:
            found[PRICE_FIELD] = prices = self._closes(series)
            bars = bar_fields(self.mapping.bars, self.mapping.tables, tables, prices)
            found |= {name: _cut(values, *period) for name, values in bars.items()}
        return found

    def notices(self) -> tuple[Notice, ...]:
        """What the tables of facts tell, and switches of source in the period last asked for."""
        return (*(notice for facts in self.facts for notice in facts.notices), *self._notices)

    def last_session(self) -> date:
        """Day of the last row of the main price table."""
        table = self.mapping.tables[self.mapping.main_prices]
        raw = read_table(path_inside(self.directory, table.file), table.date, [], [])
        return raw.times.max().date()

    def origin(self, asset: str) -> str:
        """Name of the file that the prices of an asset are from."""
        block = self.mapping.price_block(asset)
        return self.mapping.tables[block.table].file if block else MAPPING_FILE

    def _read(self, assets: Sequence[Asset]) -> dict[str, RawTable]:
        """Each table that is needed, once, with the columns that are needed."""
        wanted: dict[str, set[str]] = {}
        for asset in assets:
            block = self.mapping.price_block(asset.id)
            if block:
                wanted.setdefault(block.table, set()).add(block.columns[asset.id])
        for quantity in self.mapping.fields.values():
            wanted.setdefault(quantity.table, set()).add(quantity.column)
        beside: dict[str, set[str]] = {}
        for bars in self.mapping.bars:
            if any(asset.id in bars.columns for asset in assets):
                beside.setdefault(bars.table, set()).update(bars.numbers)
        tables = {}
        for name in dict.fromkeys((*wanted, *beside)):
            table = self.mapping.tables[name]
            columns = wanted.get(name, set()) if table.layout == "wide" else {table.value}
            numbers = sorted(columns | beside.get(name, set()))
            texts = [column for column in (table.key, table.source) if column]
            path = path_inside(self.directory, table.file)
            tables[name] = read_table(path, table.date, numbers, texts)
        return tables

    def _quantity(self, name: str, quantity: Quantity, raw: RawTable) -> Field:
        table = self.mapping.tables[quantity.table]
        where = f"{raw.file}, {quantity.column!r}"
        times, values, _ = _rows(table, quantity.column, raw)
        if not quantity.has_times:
            check_days(times, where)
        check_increasing(times, where)
        days = times.normalize()
        check_increasing(days, where)
        check_finite(values, days, where)
        moments = quantity.moments(times)
        days, values = days[: len(moments)], values[: len(moments)] * quantity.scale
        inside = _inside(days, quantity.first, quantity.last)
        frame = pd.DataFrame({name: values[inside]}, index=days[inside])
        return Field(frame, moments[inside], quantity.unit, f"{raw.file}: {quantity.column}")

    def _price(
        self, asset: Asset, tables: Mapping[str, RawTable], start: pd.Timestamp, end: pd.Timestamp
    ) -> pd.Series:
        block = self.mapping.price_block(asset.id)
        if block is None:
            raise DataError(f"Asset {asset.id} has no price column in {MAPPING_FILE}.")
        raw, column = tables[block.table], block.columns[asset.id]
        where = f"{raw.file}, {asset.id} ({column!r})"
        _check_closing_time(asset, block, where)
        days, prices, sources = _rows(self.mapping.tables[block.table], column, raw)
        check_days(days, where)
        kept = _inside(days, block.first, block.last)
        if sources is not None:
            _check_order(block.sources, sources, where)
            kept &= sources.isin(block.sources)
        if np.isnan(prices[kept]).all():
            raise DataError(
                f"{where}: no price at all"
                + (f" between {block.first} and {block.last}" if block.first or block.last else "")
                + (f" from {', '.join(block.sources)}" if block.sources else "")
                + f". Correct {MAPPING_FILE}."
            )
        # An asset that has no price yet keeps its empty column: it is not there yet, not unmapped.
        kept &= days <= end
        days, prices = days[kept], prices[kept]
        if sources is None:
            check_increasing(days, where)
            check_prices(prices, days, where)
            whole = pd.Series(prices, index=days)
        else:
            quotes = _by_source(days, prices, sources[kept], block.sources, where)
            whole, switches = chain(quotes, asset.halts, where)
            self._notices.extend(
                Notice(
                    "source_switch",
                    asset.id,
                    str(switch.day.date()),
                    f"{asset.id} follows {switch.new} instead of {switch.old} from "
                    f"{switch.day.date()} on, {switch.how}.",
                )
                for switch in switches
                if switch.day >= start
            )
        return whole[whole.index >= start].dropna()

    def _closes(self, series: Mapping[str, pd.Series]) -> Field:
        frame = pd.DataFrame(dict(series)).sort_index()
        moments = pd.DatetimeIndex(frame.index + pd.Timedelta(days=1)).tz_localize("UTC")
        used = [
            block for block in self.mapping.prices if not series.keys().isdisjoint(block.columns)
        ]
        source = "; ".join(dict.fromkeys(self._provenance(block) for block in used))
        return Field(frame, moments, "USD", source)

    def _provenance(self, block: Prices) -> str:
        adjusted = f" (adjusted for {block.adjusted})" if block.adjusted else ""
        return self.mapping.tables[block.table].file + adjusted


def _rows(
    table: Table, column: str, raw: RawTable
) -> tuple[pd.DatetimeIndex, Numbers, pd.Categorical | None]:
    """Times, values and sources of one column, or of one key of a long table."""
    if table.layout == "wide":
        return raw.times, raw.numbers[column], None
    keys = raw.texts[table.key]
    if column not in keys.categories:
        raise DataError(
            f"{raw.file} has no {column!r} in column {table.key!r}. "
            f"{suggestion(column, map(str, keys.categories))}"
        )
    mine = keys.codes == keys.categories.get_loc(column)
    sources = raw.texts[table.source][mine] if table.source else None
    return raw.times[mine], raw.numbers[table.value][mine], sources


def _check_order(order: tuple[str, ...], sources: pd.Categorical, where: str) -> None:
    known = [str(name) for name in sources.categories]
    for name in order:
        if name not in known:
            raise DataError(f"{where}: no source {name!r} in the file. {suggestion(name, known)}")


def _by_source(
    days: pd.DatetimeIndex,
    prices: Numbers,
    sources: pd.Categorical,
    order: tuple[str, ...],
    where: str,
) -> pd.DataFrame:
    """Days x sources in the stated order, the sources that have rows for the asset."""
    columns = {}
    for name in order:
        mine = np.asarray(sources == name)
        if mine.any():
            check_increasing(days[mine], f"{where}, source {name!r}")
            check_prices(prices[mine], days[mine], f"{where}, source {name!r}")
            columns[name] = pd.Series(prices[mine], index=days[mine])
    return pd.DataFrame(columns, index=days.unique().sort_values()).dropna(how="all")


def _check_closing_time(asset: Asset, block: Prices, where: str) -> None:
    expected = "utc_day_end" if asset.calendar == "24/7" else "session_close"
    if block.availability != expected:
        raise DataError(
            f"{where}: prices of {block.availability} for an asset of the {asset.calendar} "
            f"calendar, whose closes are those of {expected}. Correct files.toml or universe.toml: "
            "the order of fills follows the closing times."
        )


def _inside(days: pd.DatetimeIndex, first: date | None, last: date | None) -> np.ndarray:
    inside = np.ones(len(days), dtype=bool)
    if first:
        inside &= np.asarray(days >= pd.Timestamp(first))
    if last:
        inside &= np.asarray(days <= pd.Timestamp(last))
    return inside


def _cut(quantity: Field, start: pd.Timestamp, end: pd.Timestamp) -> Field:
    days = pd.DatetimeIndex(quantity.values.index)
    kept = _inside(days, start.date(), end.date())
    return replace(quantity, values=quantity.values[kept], available_at=quantity.available_at[kept])


def open_folder(directory: Path, shipped: Path) -> tuple[FilesSource, Universe]:
    """Source and universe of a folder of data.

    Parameters
    ----------
    directory
        The folder. A ``files.toml``, ``universe.toml`` or ``pivot_events.csv`` in it is used
        instead of the shipped one; nothing is shipped of ``miner_capacity.csv``.
    shipped
        Folder of the shipped TOML files.

    Raises
    ------
    SourceUnavailableError
        If there is no such folder.
    """
    if not directory.is_dir():
        raise SourceUnavailableError(
            f"There is no data folder {str(directory)!r}; give the folder that holds the files."
        )
    own = {name: (directory / name).is_file() for name in (MAPPING_FILE, UNIVERSE_FILE)}
    mapping = read_mapping((directory if own[MAPPING_FILE] else shipped) / MAPPING_FILE)
    universe = read_universe((directory if own[UNIVERSE_FILE] else shipped) / UNIVERSE_FILE)
    return FilesSource(directory, mapping, _facts(directory, shipped, universe)), universe


def _facts(directory: Path, shipped: Path, universe: Universe) -> tuple[FactTable, ...]:
    """Announcements and capacities, the folder's own or the shipped ones; those that exist."""
    facts: list[FactTable] = []
    ours = read_events(shipped / EVENTS_FILE) if (shipped / EVENTS_FILE).is_file() else None
    if (directory / EVENTS_FILE).is_file():
        own = path_inside(directory, EVENTS_FILE)
        facts.append(read_events(own, universe, frozenset() if ours is None else ours.tickers))
    elif ours is not None:
        facts.append(ours)
    if (directory / CAPACITY_FILE).is_file():
        facts.append(read_capacity(path_inside(directory, CAPACITY_FILE), universe))
    return tuple(facts)
