"""A short table of facts read from CSV: every row a case of its own, every message with its place."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from toolkit.data.checks import MAX_TOML_BYTES
from toolkit.errors import DataError, suggestion

T = TypeVar("T")


@dataclass(frozen=True)
class Fact:
    """One row: its cells as text by column, and the place to name when one of them is wrong."""

    where: str
    cells: dict[str, str]

    def text(self, column: str) -> str:
        """The cell, empty where the table has no such column."""
        return self.cells.get(column, "")

    def day(self, column: str) -> date:
        """The day in a cell.

        Raises
        ------
        DataError
            If the cell is empty or holds no ISO day.
        """
        cell = self.text(column)
        try:
            return date.fromisoformat(cell)
        except ValueError:
            found = f"found {cell[:40]!r}" if cell else "there is no day"
            raise self.wrong(column, f"{found}; write an ISO day such as 2024-06-03.") from None

    def number(self, column: str) -> float | None:
        """The number in a cell, None where it is empty or the table has no such column.

        Raises
        ------
        DataError
            If it holds something else, or no finite number.
        """
        cell = self.text(column)
        if not cell:
            return None
        try:
            value = math.nan if "_" in cell else float(cell)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.wrong(column, f"{cell[:40]!r} is not a number; write 1234.5, or nothing.")
        return value

    def choice(self, column: str, options: Sequence[T], default: T) -> T:
        """The option in a cell, `default` where it is empty or the table has no such column.

        Raises
        ------
        DataError
            If it is not one of the options.
        """
        cell = self.text(column)
        if not cell:
            return default
        for option in options:
            if option == cell:
                return option
        raise self.wrong(column, f"found {cell[:40]!r}. {suggestion(cell, map(str, options))}")

    def wrong(self, column: str, what: str) -> DataError:
        """The error that says what is wrong with a cell, and where it is."""
        return DataError(f"{self.where}, column {column!r}: {what}")


def read_facts(path: Path, required: Sequence[str]) -> tuple[tuple[str, ...], list[Fact]]:
    """Columns and rows of a short CSV.

    Raises
    ------
    DataError
        If the file is long or not CSV, lacks a required column or has one twice, or if a row has
        too few or too many cells; naming the file and the line.
    """
    if path.stat().st_size > MAX_TOML_BYTES:
        raise DataError(f"{path.name} has more than {MAX_TOML_BYTES} bytes; it is a short table.")
    facts = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            columns = tuple(rows.fieldnames or ())
            _check_columns(path.name, columns, required)
            for row in rows:
                where = f"{path.name}, line {rows.line_num}"
                if None in row or None in row.values():
                    raise DataError(f"{where}: {len(columns)} cells are expected.")
                facts.append(Fact(where, {name: cell.strip() for name, cell in row.items()}))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path.name} cannot be read as CSV: {error}.") from None
    return columns, facts


def _check_columns(file: str, found: Sequence[str], required: Sequence[str]) -> None:
    for name in required:
        if name not in found:
            raise DataError(f"{file} has no column {name!r}. {suggestion(name, found)}")
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise DataError(f"{file} has more than one column called {twice[0]!r}; keep one.")
