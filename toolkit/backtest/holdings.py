"""What an account holds now: units by asset and cash, as a file of the user states it."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolkit.errors import DataError, SourceUnavailableError, UnknownAssetError, suggestion
from toolkit.universe import Universe

COLUMNS = ("asset", "units")
CASH = "USD"
"""Name of the row that holds cash, besides the id of the cash asset."""

_LARGEST_FILE_BYTES = 1_000_000


@dataclass(frozen=True)
class Holdings:
    """Units by asset, and cash in USD.

    Attributes
    ----------
    units
        By asset other than cash, not negative; an absent asset is not held.
    cash
        USD, not negative.
    """

    units: Mapping[str, float]
    cash: float

    @classmethod
    def read(cls, path: Path, universe: Universe) -> Holdings:
        """Holdings of a CSV file with the columns asset and units.

        The row of the cash asset, or of ``USD``, states USD and not units. Other columns are
        ignored.

        Raises
        ------
        SourceUnavailableError
            The file cannot be read.
        DataError, UnknownAssetError
            A column is missing, an asset unknown or repeated, an amount not a finite number or
            negative, the file too large or empty; with the file and the line.
        """
        rows = _rows(path)
        cash_names = {CASH, universe.cash}
        units: dict[str, float] = {}
        cash: float | None = None
        for line, name, text in rows:
            where = f"{path.name}, line {line}"
            amount = _amount(text, name, where)
            if name in units or (name in cash_names and cash is not None):
                raise DataError(f"{where}: {name} is there twice; keep one row an asset.")
            if name in cash_names:
                cash = amount
            elif name in universe.ids:
                units[name] = amount
            else:
                raise UnknownAssetError(
                    f"{where}: asset {name!r} is not in the universe. "
                    f"{suggestion(name, [*universe.ids, CASH])}"
                )
        if not any(units.values()) and not cash:
            raise DataError(f"{path.name} holds nothing; give units of an asset, or cash in USD.")
        return cls(units, cash or 0.0)


def _rows(path: Path) -> list[tuple[int, str, str]]:
    """Line, asset and units of each row, as text."""
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise DataError(f"{path.name} is larger than 1 MB; expected a row an asset.")
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceUnavailableError(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise DataError(f"{path.name} is no UTF-8 text; save it as CSV in UTF-8.") from None
    reader = csv.reader(content.splitlines(), strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        missing = [name for name in COLUMNS if header.count(name) != 1]
        if missing:
            raise DataError(
                f"{path.name}, line 1: expected one column {missing[0]!r}, found "
                f"{', '.join(header) or 'nothing'}. The header is: asset,units"
            )
        places = [header.index(name) for name in COLUMNS]
        found = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path.name}, line {reader.line_num}: {len(cells)} cells under "
                    f"{len(header)} columns; write numbers without separators of thousands."
                )
            asset, units = (cells[place].strip() for place in places)
            found.append((reader.line_num, asset, units))
    except csv.Error as error:
        raise DataError(f"{path.name}, line {reader.line_num}: no valid CSV: {error}.") from None
    return found


def _amount(text: str, name: str, where: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or "_" in text:
        raise DataError(f"{where}: units of {name} are {text[:40]!r}; expected a finite number.")
    if amount < 0.0:
        raise DataError(
            f"{where}: units of {name} are {amount:g}; expected 0 or more, since nothing is sold "
            f"short."
        )
    return amount
