"""One table read from disk: bounded, typed, only the columns that are asked for.

CSV, gzipped CSV and Parquet give the same thing: exact times, float columns, text columns.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from toolkit.data.checks import (
    MAX_BYTES,
    MAX_EXPANSION,
    MAX_ROWS,
    Numbers,
    check_bounds,
)
from toolkit.errors import ConfigError, DataError, SourceUnavailableError, suggestion

if TYPE_CHECKING:
    import pyarrow as pa

SUFFIXES = (".csv", ".csv.gz", ".parquet")
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(?P<zone>Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_UNPACKED_ALWAYS = 2**20
"""Bytes that may be unpacked whatever the ratio: a short constant file packs very well."""


@dataclass(frozen=True)
class RawTable:
    """Columns of one file as they stand there.

    Parameters
    ----------
    file
        Name of the file, for messages and provenance.
    times
        The time of each row, UTC without a zone, exactly as written.
    numbers, texts
        Columns by name.
    """

    file: str
    times: pd.DatetimeIndex
    numbers: dict[str, Numbers]
    texts: dict[str, pd.Categorical]


def read_table(path: Path, date: str, numbers: Sequence[str], texts: Sequence[str]) -> RawTable:
    """Read the date column, some number columns and some text columns of a file.

    Raises
    ------
    DataError
        If the file is too large, empty, malformed, lacks a column, or holds a cell that is not
        what its column should be.
    """
    wanted = [date, *texts, *numbers]
    if path.name.endswith(".parquet"):
        table = _read_parquet(path, wanted)
    elif path.name.endswith((".csv", ".csv.gz")):
        table = _read_csv(path, date, numbers, texts)
    else:
        raise ConfigError(f"{path.name}: the name must end in {', '.join(SUFFIXES)}.")
    if table.num_rows == 0:
        raise DataError(f"{path.name} has no rows.")
    return RawTable(
        file=path.name,
        times=_times(table.column(date), f"{path.name}, column {date!r}"),
        numbers={name: _numbers(table.column(name), path.name, name) for name in numbers},
        texts={name: _texts(table.column(name), path.name, name) for name in texts},
    )


def _check_columns(file: str, found: Sequence[str], wanted: Iterable[str]) -> None:
    check_bounds(file, 0, len(found), 0)
    for name in wanted:
        if found.count(name) > 1:
            raise DataError(f"{file} has {found.count(name)} columns called {name!r}; keep one.")
        if name not in found:
            raise DataError(f"{file} has no column {name!r}. {suggestion(name, found)}")


def _read_parquet(path: Path, wanted: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        meta = file.metadata
        # Dictionary pages hide repeats: what a row costs once decoded counts as well.
        packed = sum(meta.row_group(group).total_byte_size for group in range(meta.num_row_groups))
        check_bounds(path.name, meta.num_rows, meta.num_columns, packed)
        check_bounds(path.name, 0, 0, meta.num_rows * len(wanted) * np.dtype(float).itemsize)
        schema = file.schema_arrow
        _check_columns(path.name, schema.names, wanted)
        # Texts stay in dictionary form, so that a long repeated text is never spelled out.
        text = [name for name in wanted if _is_text(schema.field(name).type)]
        return pq.ParquetFile(path, read_dictionary=text).read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path.name} cannot be read as Parquet: {_first_line(error)}") from None


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _read_csv(path: Path, date: str, numbers: Sequence[str], texts: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    content = _unpacked(path)
    try:
        header = content[: content.find(b"\n") + 1 or None].decode("utf-8-sig")
        found = next(csv.reader([header]), [])
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name}: the header line is not UTF-8 CSV: {error}.") from None
    if not found:
        raise DataError(f"{path.name} is empty; a header line and rows are expected.")
    _check_columns(path.name, found, [date, *texts, *numbers])
    label, number = pa.dictionary(pa.int32(), pa.string()), pa.float64()
    kinds = dict.fromkeys([date, *texts], label) | dict.fromkeys(numbers, number)
    try:
        table = pc.read_csv(
            pa.BufferReader(content),
            convert_options=pc.ConvertOptions(include_columns=list(kinds), column_types=kinds),
        )
    except pa.ArrowException as error:
        _name_bad_cell(path.name, content, date, numbers)
        raise DataError(f"{path.name} cannot be read as CSV: {_first_line(error)}") from None
    check_bounds(path.name, table.num_rows, 0, 0)
    return table


def _unpacked(path: Path) -> bytes:
    packed = path.stat().st_size
    if not path.name.endswith(".gz"):
        check_bounds(path.name, 0, 0, packed)
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceUnavailableError(f"{path.name}: {error.strerror}.") from None
    bound = min(MAX_BYTES, max(MAX_EXPANSION * packed, _UNPACKED_ALWAYS))
    try:
        with gzip.open(path) as stream:
            content = stream.read(bound + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path.name} is not a complete gzip file: {_first_line(error)}") from None
    if len(content) > bound:
        raise DataError(
            f"{path.name} unpacks to more than {bound} bytes from {packed}; that is not daily data."
        )
    return content


def _name_bad_cell(file: str, content: bytes, date: str, numbers: Sequence[str]) -> None:
    """Raise for the first cell that should be a number and is not; return if all are."""
    import pyarrow as pa
    import pyarrow.csv as pc

    text = dict.fromkeys([date, *numbers], pa.string())
    try:
        table = pc.read_csv(
            pa.BufferReader(content),
            convert_options=pc.ConvertOptions(
                include_columns=list(text), column_types=text, strings_can_be_null=True
            ),
        )
    except pa.ArrowException:
        return
    for name in numbers:
        for row, cell in enumerate(table.column(name).to_pylist()[:MAX_ROWS]):
            if cell is not None and not _is_number(cell):
                raise DataError(
                    f"{file}, column {name!r}, row of {table.column(date)[row].as_py()}: "
                    f"{cell[:40]!r} is not a number; write 1234.5, or nothing where there is none."
                )


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _numbers(column: pa.ChunkedArray, file: str, name: str) -> Numbers:
    import pyarrow as pa

    kind = column.type
    if not (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    ):
        raise DataError(f"{file}, column {name!r} holds {kind}; numbers are expected.")
    # Copied: Arrow hands out read-only memory.
    return np.array(column.cast(pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _texts(column: pa.ChunkedArray, file: str, name: str) -> pd.Categorical:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_dictionary(kind) and _is_text(kind.value_type)):
        raise DataError(f"{file}, column {name!r} holds {kind}; texts are expected.")
    if column.null_count:
        raise DataError(f"{file}, column {name!r}: {column.null_count} rows have no text.")
    return pd.Categorical(column.to_pandas())


def _times(column: pa.ChunkedArray, where: str) -> pd.DatetimeIndex:
    import pyarrow as pa

    if column.null_count:
        raise DataError(f"{where}: {column.null_count} rows have no date.")
    kind = column.type
    if pa.types.is_dictionary(kind):
        written: Any = pd.Categorical(column.to_pandas())
        distinct = _parsed([str(text) for text in written.categories], where)
        return _in_utc(distinct, where).take(written.codes)
    if pa.types.is_date(kind):
        column = column.cast(pa.timestamp("ms"))
    if pa.types.is_timestamp(column.type):
        return _in_utc(pd.DatetimeIndex(column.to_pandas()), where)
    raise DataError(f"{where} holds {kind}; ISO dates such as 2021-07-03 are expected.")


def _parsed(texts: list[str], where: str) -> pd.DatetimeIndex:
    expected = "expected ISO days such as 2021-07-03, or UTC times such as 2021-07-03T12:00:00Z"
    zones = set()
    for text in texts:
        written = _ISO.fullmatch(text)
        if not written:
            raise DataError(f"{where}: found {text[:40]!r}; {expected}.")
        zones.add((written["zone"] or "none").replace("+00:00", "Z"))
    if len(zones) > 1:
        raise DataError(
            f"{where}: rows of several time zones, {', '.join(sorted(zones))}; {expected}."
        )
    try:
        return pd.DatetimeIndex(pd.to_datetime(texts, format="ISO8601"))
    except ValueError as error:
        raise DataError(f"{where}: {_first_line(error)}; {expected}.") from None


def _in_utc(times: pd.DatetimeIndex, where: str) -> pd.DatetimeIndex:
    if times.tz is not None and str(times.tz) != "UTC":
        raise DataError(f"{where}: times are in zone {times.tz}; write them in UTC.")
    try:
        return times.tz_localize(None).as_unit("ns")
    except pd.errors.OutOfBoundsDatetime:
        raise DataError(f"{where}: a date lies outside the years 1678 to 2261.") from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]
