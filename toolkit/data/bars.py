"""Daily bars of a folder: what was traded, and the highest and lowest price, as fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from toolkit.data.checks import check_days, check_increasing
from toolkit.data.mapping import Bars, Table
from toolkit.data.tables import RawTable
from toolkit.errors import DataError, suggestion
from toolkit.panel import HIGH_FIELD, LOW_FIELD, VOLUME_FIELD, Field

_ROUNDING = 1e-6
_MOST_USD = 1e13
"""USD a day. Beyond what any market trades; the product of two large numbers would overflow."""


def bar_fields(
    blocks: Sequence[Bars],
    tables: Mapping[str, Table],
    raw: Mapping[str, RawTable],
    prices: Field,
) -> dict[str, Field]:
    """Volume in USD, and highs and lows on the basis of the prices, of the assets that have them.

    A high is the price times the ratio of high to close in the file, so that neither a split nor a
    dividend stands between it and the price, whatever its own file is adjusted for.

    Raises
    ------
    DataError
        Naming file, asset and day of what is wrong.
    """
    found: dict[str, dict[str, list[pd.Series]]] = {}
    sources: dict[str, list[str]] = {}
    for block in blocks:
        for asset, key in block.columns.items():
            if asset in prices.values:
                bars = _bars(block, key, tables[block.table], raw[block.table])
                for name, values in _columns(block, bars, prices.values[asset]).items():
                    found.setdefault(name, {}).setdefault(asset, []).append(values.dropna())
                    sources.setdefault(name, []).append(raw[block.table].file)
    fields = {}
    for name, columns in found.items():
        whole = {asset: _joined(parts, name, asset) for asset, parts in columns.items()}
        frame = pd.DataFrame(whole).sort_index()
        moments = pd.DatetimeIndex(frame.index + pd.Timedelta(days=1)).tz_localize("UTC")
        fields[name] = Field(frame, moments, "USD", "; ".join(dict.fromkeys(sources[name])))
    return fields


def _bars(block: Bars, key: str, table: Table, raw: RawTable) -> pd.DataFrame:
    """The rows of one key, checked."""
    keys = raw.texts[table.key]
    if key not in keys.categories:
        raise DataError(
            f"{raw.file} has no {key!r} in column {table.key!r}. "
            f"{suggestion(key, map(str, keys.categories))}"
        )
    mine = keys.codes == keys.categories.get_loc(key)
    days = raw.times[mine]
    where = f"{raw.file}, {key!r}"
    check_days(days, where)
    check_increasing(days, where)
    bars = pd.DataFrame({name: raw.numbers[name][mine] for name in block.numbers}, index=days)
    bars = bars.loc[block.first : block.last]
    _check(bars, block, where)
    return bars


def _check(bars: pd.DataFrame, block: Bars, where: str) -> None:
    """Refuse a volume below zero, and a close that is no price or outside of high and low."""
    close = bars[block.close].to_numpy()
    wrong = ~np.isnan(close) & ~(close > 0.0)
    if block.volume:
        volume = bars[block.volume].to_numpy()
        traded = volume * close if block.volume_unit == "units" else volume
        wrong |= ~np.isnan(traded) & ~((traded >= 0.0) & (traded <= _MOST_USD))
    if block.high:
        high, low = bars[block.high].to_numpy(), bars[block.low].to_numpy()
        wrong |= (high < close * (1.0 - _ROUNDING)) | (low > close * (1.0 + _ROUNDING))
        wrong |= (low <= 0.0) | np.isinf(high)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{where}: the row of {bars.index[row].date()} is {bars.iloc[row].to_dict()}; expected "
            f"0 < low <= close <= high and a volume of 0 to {_MOST_USD:g} USD. Correct the row, or "
            "leave cells empty."
        )


def _columns(block: Bars, bars: pd.DataFrame, price: pd.Series) -> dict[str, pd.Series]:
    close = bars[block.close]
    columns: dict[str, pd.Series] = {}
    if block.volume:
        volume = bars[block.volume]
        columns[VOLUME_FIELD] = volume * close if block.volume_unit == "units" else volume
    if block.high:
        # A last bit of rounding must not put the close outside of its own range.
        basis = price.reindex(bars.index) / close
        columns[HIGH_FIELD] = bars[block.high].clip(lower=close) * basis
        columns[LOW_FIELD] = bars[block.low].clip(upper=close) * basis
    return columns


def _joined(parts: Sequence[pd.Series], name: str, asset: str) -> pd.Series:
    whole: pd.Series = pd.concat(parts).sort_index()
    if not whole.index.is_unique:
        day = whole.index[whole.index.duplicated()][0].date()
        raise DataError(
            f"Two blocks of bars have a {name} of {asset} on {day}; set first or last in files.toml."
        )
    return whole
