"""Checks at the edge: what a file must be before its numbers are believed.

Every message names the file, the column or asset and the day, and says what to do. Nothing is
repaired: a row out of order or a price of zero is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from toolkit.errors import ConfigError, DataError, SourceUnavailableError, suggestion

MAX_ROWS = 5_000_000
MAX_COLUMNS = 2_000
MAX_BYTES = 512 * 2**20
"""Bound on a table as text, unpacked, or in memory once decoded."""

MAX_EXPANSION = 100
"""Largest ratio of unpacked to packed bytes that is taken for data; real files reach 10."""

MAX_TOML_BYTES = 2**20

Numbers = npt.NDArray[np.float64]


def path_inside(folder: Path, name: str) -> Path:
    """Path of a file below a folder, named by a relative path that stays inside.

    Raises
    ------
    ConfigError
        If the name is absolute, steps out of the folder, or is a link to somewhere else.
    SourceUnavailableError
        If there is no such file.
    """
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name or ":" in name or not all(parts) or {".", ".."} & set(parts):
        raise ConfigError(
            f"File {name!r} must be named by a plain path relative to the data folder, "
            "without '..', drive or leading '/'."
        )
    path = folder.joinpath(*parts)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(
            f"File {name!r} is a link that leaves the data folder; copy the file into it."
        )
    if not path.is_file():
        there = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
        raise SourceUnavailableError(
            f"File {name!r} is not in the data folder. {suggestion(name, there)} "
            "Put it there, or map the files you have in a files.toml inside that folder."
        )
    return path


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file of bounded size.

    Raises
    ------
    ConfigError
        If it is missing, too long, not UTF-8 or not TOML; the message has the line.
    """
    try:
        size = path.stat().st_size
        if size > MAX_TOML_BYTES:
            raise ConfigError(f"{path.name} has {size} bytes; at most {MAX_TOML_BYTES} are read.")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}.") from None


def only_keys(table: Mapping[str, object], known: Iterable[str], where: str) -> None:
    """Refuse keys that mean nothing, so that a misspelt one is not ignored."""
    for key in table:
        if key not in set(known):
            raise ConfigError(f"{where}: {key!r} is not a key. {suggestion(key, known)}")


def check_bounds(file: str, rows: int, columns: int, size: int) -> None:
    """Refuse a table that is too large to be daily data, before it is decoded."""
    for found, bound, what in (
        (rows, MAX_ROWS, "rows"),
        (columns, MAX_COLUMNS, "columns"),
        (size, MAX_BYTES, "bytes once unpacked"),
    ):
        if found > bound:
            raise DataError(f"{file} has {found} {what}; at most {bound} are read. Split the file.")


def check_days(times: pd.DatetimeIndex, where: str) -> None:
    """Refuse times of day where a row is a whole day."""
    midnight = times == times.normalize()
    if not midnight.all():
        raise DataError(
            f"{where}: found the time {times[~midnight][0]}; a row is a day, so write the day "
            "alone, or map the column with availability 'row_time'."
        )


def check_increasing(days: pd.DatetimeIndex, where: str) -> None:
    """Refuse rows that repeat a day or are out of order."""
    steps = np.diff(days.asi8)
    if not (steps <= 0).any():
        return
    row = int(np.argmax(steps <= 0)) + 1
    day = days[row].date()
    if steps[row - 1] == 0:
        raise DataError(f"{where}: two rows for {day}; keep one a day.")
    raise DataError(
        f"{where}: {day} comes after {days[row - 1].date()}; sort the rows by day, oldest first."
    )


_HIGHEST_PRICE = 1e9
"""USD. Beyond any market; the square of a return on more would overflow."""


def check_prices(prices: Numbers, days: pd.DatetimeIndex, where: str) -> None:
    """Refuse prices that are zero, negative or beyond any market; NaN is no price that day."""
    wrong = ~np.isnan(prices) & ~((prices > 0.0) & (prices <= _HIGHEST_PRICE))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: the price of {days[row].date()} is {prices[row]}; prices are finite, "
            f"above zero and at most {_HIGHEST_PRICE:g}. Leave the cell empty if there was none."
        )


def check_finite(values: Numbers, days: pd.DatetimeIndex, where: str) -> None:
    """Refuse infinite values; NaN is no value that day."""
    wrong = np.isinf(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: the value of {days[row].date()} is {values[row]}; "
            "leave the cell empty if there was none."
        )
