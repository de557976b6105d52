"""What a ``files.toml`` says: which file and column is which price or field, and known when.

.. code-block:: toml

    main_prices = "equities"                 # a run without an end stops at its last row

    [tables.equities]                        # one file of the folder
    file = "equities.csv.gz"                 # .csv, .csv.gz or .parquet
    layout = "wide"                          # a column an asset; "long" needs key and value

    [[prices]]                               # columns of that table that are prices in USD
    table = "equities"
    availability = "session_close"
    columns = { CASH = "BIL", NVDA = "NVDA" }    # or a list, where they are called alike

    [[bars]]                                 # columns of a long table with volume, high and low
    table = "daily_bars"
    columns = ["NVDA"]
    volume = "volume"                        # in shares, times the close of the same row
    high = "high"
    low = "low"
    close = "close"

    [fields.hash_rate]
    table = "network"
    column = "hashrate_ehs"
    unit = "H/s"
    scale = 1e18
    availability = "utc_day_end"
    lag_hours = 1
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pandas as pd
from pydantic import BeforeValidator
from pydantic import Field as Setting

from toolkit.data.checks import only_keys, read_toml
from toolkit.errors import ConfigError, suggestion
from toolkit.panel import HIGH_FIELD, LOW_FIELD, PRICE_FIELD, VOLUME_FIELD
from toolkit.units import IsoDay, Positive, component
from toolkit.universe import AssetId

Availability = Literal["session_close", "utc_day_end", "row_time", "next_row"]
LagHours = Annotated[float, Setting(ge=0.0, le=24.0 * 400.0, allow_inf_nan=False)]


def _named_alike(columns: object) -> object:
    """A list of names stands for columns that are called like their assets."""
    return {str(name): name for name in columns} if isinstance(columns, list) else columns


Columns = Annotated[dict[AssetId, str], BeforeValidator(_named_alike)]

_NEW_YORK_CLOSE = pd.Timedelta(hours=21)
"""16:00 in New York is 20:00 or 21:00 UTC; the later of the two never looks ahead."""

_DAY = pd.Timedelta(days=1)

_TAKEN = (PRICE_FIELD, VOLUME_FIELD, HIGH_FIELD, LOW_FIELD)

T = TypeVar("T")


@component
class Table:
    """One file of the folder.

    Parameters
    ----------
    file
        Path relative to the folder; the suffix is the format.
    layout
        ``wide``: a column an asset or quantity. ``long``: one `value` column, told apart by `key`.
    date
        Column of ISO days, or of UTC times.
    source
        Long tables: column that names where a row is from, if there are several for one day.
    """

    file: str
    layout: Literal["wide", "long"] = "wide"
    date: str = "date"
    key: str = ""
    value: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.layout == "long" and not (self.key and self.value):
            raise ConfigError("A long table needs key and value, the names of two columns.")
        if self.layout == "wide" and (self.key or self.value or self.source):
            raise ConfigError("A wide table has no key, value or source; use layout = 'long'.")


@component
class Prices:
    """Columns, or keys of a long table, that are asset prices in USD.

    Parameters
    ----------
    columns
        Asset id to column (wide) or key (long); a list where they are called alike.
    availability
        ``session_close`` for assets of the exchange, ``utc_day_end`` for assets of every day.
    sources
        Order in which the sources of a long table are preferred.
    first, last
        Slice of days that is read, both included.
    adjusted
        What the prices are adjusted for; goes into the provenance.
    """

    table: str
    columns: Columns
    availability: Literal["session_close", "utc_day_end"]
    unit: Literal["USD"] = "USD"
    sources: tuple[str, ...] = ()
    first: IsoDay | None = None
    last: IsoDay | None = None
    adjusted: str = ""


@component
class Bars:
    """Keys of a long table whose rows have a volume, or a high and a low, besides the close.

    They must be public when the price of their day is.

    Parameters
    ----------
    columns
        Asset id to key; a list where they are called alike.
    close
        Column of closes on the basis of the other columns: adjusted for the same splits.
    volume
        Column of what was traded on the day in the whole market; "" where there is none.
    volume_unit
        ``units``: shares or coins, to be multiplied by the close. ``USD``: money.
    high, low
        Columns of the day's highest and lowest price; both or none.
    first, last
        Slice of days that is read, both included.
    """

    table: str
    columns: Columns
    close: str
    volume: str = ""
    volume_unit: Literal["units", "USD"] = "units"
    high: str = ""
    low: str = ""
    first: IsoDay | None = None
    last: IsoDay | None = None

    def __post_init__(self) -> None:
        if bool(self.high) != bool(self.low) or not (self.volume or self.high):
            raise ConfigError("Bars need volume, or both high and low: the names of columns.")

    @property
    def numbers(self) -> tuple[str, ...]:
        """The columns that are read."""
        return tuple(name for name in (self.close, self.volume, self.high, self.low) if name)


@component
class Quantity:
    """A column, or a key of a long table, that is a field.

    Parameters
    ----------
    unit, scale
        Unit of the field, and what a number of the file is multiplied by to be in it.
    availability, lag_hours
        When a row is public: at 16:00 New York of its day, at the end of its UTC day, at its own
        time, or at the time of the next row (a last row, whose end is unknown, is left out); plus
        a lag.
    """

    table: str
    column: str
    unit: str
    availability: Availability
    lag_hours: LagHours = 0.0
    scale: Positive = 1.0
    first: IsoDay | None = None
    last: IsoDay | None = None

    def moments(self, times: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Moment (UTC) at which each row is public; one row fewer under ``next_row``."""
        moments = {
            "session_close": times + _NEW_YORK_CLOSE,
            "utc_day_end": times + _DAY,
            "row_time": times,
            "next_row": times[1:],
        }[self.availability]
        return (moments + pd.Timedelta(hours=self.lag_hours)).tz_localize("UTC")

    @property
    def has_times(self) -> bool:
        """Whether the rows are moments; otherwise they are days."""
        return self.availability in ("row_time", "next_row")


@component
class FilesMapping:
    """The whole of a ``files.toml``.

    Parameters
    ----------
    main_prices
        Table whose last row ends a run that names no end.
    """

    main_prices: str
    tables: dict[str, Table]
    prices: tuple[Prices, ...]
    fields: dict[str, Quantity]
    bars: tuple[Bars, ...] = ()

    def __post_init__(self) -> None:
        self._table(self.main_prices, "main_prices")
        seen: set[str] = set()
        for number, block in enumerate(self.prices, start=1):
            where = f"prices block {number}"
            table = self._table(block.table, where)
            if bool(table.source) != bool(block.sources):
                raise ConfigError(
                    f"{where}: sources must state an order exactly where table {block.table!r} "
                    "names a source column."
                )
            if repeated := sorted(seen & set(block.columns)):
                raise ConfigError(f"{where}: {', '.join(repeated)} has a price column already.")
            seen |= set(block.columns)
        for number, bars in enumerate(self.bars, start=1):
            if self._table(bars.table, f"bars block {number}").layout != "long":
                raise ConfigError(f"bars block {number}: table {bars.table!r} must be long.")
        for name, quantity in self.fields.items():
            table = self._table(quantity.table, f"fields.{name}")
            if name in _TAKEN or not name.isidentifier():
                raise ConfigError(
                    f"fields.{name}: a field is a plain word other than {', '.join(_TAKEN)}, which "
                    "prices and bars give."
                )
            if table.source:
                raise ConfigError(f"fields.{name}: a table with several sources holds prices only.")

    def _table(self, name: str, where: str) -> Table:
        if name not in self.tables:
            raise ConfigError(f"{where}: no table {name!r}. {suggestion(name, self.tables)}")
        return self.tables[name]

    def price_block(self, asset: str) -> Prices | None:
        """The block that maps an asset's prices, or None."""
        return next((block for block in self.prices if asset in block.columns), None)


def read_mapping(path: Path) -> FilesMapping:
    """Read and check a ``files.toml``.

    Raises
    ------
    ConfigError
        Naming the file, the table and the key.
    """
    content = read_toml(path)
    try:
        only_keys(content, ("main_prices", "tables", "prices", "bars", "fields"), path.name)
        if "main_prices" not in content:
            raise ConfigError("main_prices is missing; name the table that ends a run.")
        return FilesMapping(
            main_prices=content["main_prices"],
            tables=_each(Table, content.get("tables", {}), "tables"),
            prices=_blocks(Prices, content.get("prices", []), "prices"),
            fields=_each(Quantity, content.get("fields", {}), "fields"),
            bars=_blocks(Bars, content.get("bars", []), "bars"),
        )
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def _blocks(kind: type[T], blocks: object, where: str) -> tuple[T, ...]:
    if not isinstance(blocks, list):
        raise ConfigError(f"{where} is a list of blocks, each headed [[{where}]].")
    return tuple(
        _built(kind, block, f"{where} block {number}")
        for number, block in enumerate(blocks, start=1)
    )


def _each(kind: type[T], tables: object, where: str) -> dict[str, T]:
    if not isinstance(tables, dict):
        raise ConfigError(f"{where} is a table of tables, each headed [{where}.name].")
    return {name: _built(kind, table, f"[{where}.{name}]") for name, table in tables.items()}


def _built(kind: type[T], table: Any, where: str) -> T:
    if not isinstance(table, dict):
        raise ConfigError(f"{where} is {table!r}; a table of settings is expected.")
    try:
        return kind(**table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
