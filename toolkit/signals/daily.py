"""Daily series to compute with: one row every UTC day, public when its last part was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from toolkit.clock import DECIDED_AFTER
from toolkit.errors import ConfigError, DataError
from toolkit.panel import PRICE_FIELD, Field, Panel
from toolkit.signals.epochs import epochs
from toolkit.signals.published import DAY, STALE_EPOCH
from toolkit.universe import Sleeve, labels_of

Floats = NDArray[np.float64]


def bitcoin_price(panel: Panel) -> Field:
    """USD price of the universe's bitcoin at the end of each UTC day.

    The bitcoin is the asset of the bitcoin sleeve that trades every day. Its past prices are
    public from the session it is usable; there are no rows where the universe has none.

    Raises
    ------
    ConfigError
        The universe has more than one such asset.
    """
    return panel.derived(bitcoin_price, lambda: _bitcoin_price(panel))


def _bitcoin_price(panel: Panel) -> Field:
    coins = [
        asset
        for asset in panel.universe
        if asset.memberships[0].sleeve is Sleeve.BITCOIN and asset.calendar == "24/7"
    ]
    if len(coins) > 1:
        names = ", ".join(coin.id for coin in coins)
        raise ConfigError(
            f"The universe has {len(coins)} assets of every day in the bitcoin sleeve, {names}; "
            "the price of bitcoin must be that of one."
        )
    close = panel.field(PRICE_FIELD)
    if not coins:
        empty = pd.DataFrame({"price": []}, pd.DatetimeIndex([]), dtype=float)
        return Field(empty, pd.DatetimeIndex([], tz="UTC"), close.unit, close.source)
    price = close.column(coins[0].id)
    priced = ~np.isnan(price)
    first = pd.Timestamp(coins[0].usable_from) + DECIDED_AFTER
    moments = np.maximum(close.moments[priced], first.value)
    days, column = close.values.index[priced], labels_of("price")
    values = pd.DataFrame(price[priced, None], days, column, copy=False)
    return Field(values, pd.DatetimeIndex(moments, tz="UTC"), "USD", close.source)


def amounts(panel: Panel, name: str) -> Field:
    """A daily field of what cannot be less than nothing: blocks, coins, hash rate, revenue.

    Raises
    ------
    DataError
        A value is negative or infinite; the message says where.
    """
    return panel.derived((amounts, name), lambda: _amounts(panel, name))


def _amounts(panel: Panel, name: str) -> Field:
    field = panel.field(name)
    values = field.column()
    wrong = (values < 0.0) | np.isinf(values)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"{name} ({field.source}) of {field.values.index[row].date()} is {values[row]:g}; it is "
            "0 or more. Leave the cell empty if it is unknown."
        )
    return field


def difficulty_by_day(panel: Panel) -> Field:
    """Difficulty that was public at the end of each UTC day, up to the last session.

    A step function. A retarget late in a day is public on the next one only. NaN where the last
    retarget is more than 60 days old.
    """
    return panel.derived(difficulty_by_day, lambda: known_by_day(panel, epochs(panel), STALE_EPOCH))


def known_by_day(panel: Panel, field: Field, max_age: pd.Timedelta) -> Field:
    """A field as it was public at the end of each UTC day, from its first to the last session."""
    if len(field.values) == 0:
        return field
    count = (panel.sessions[-1].value - field.labels[0]) // DAY.value + 1
    days = pd.DatetimeIndex(field.labels[0] + DAY.value * np.arange(count))
    by_day = replace(panel, sessions=days)
    return Field(by_day.known(field, max_age), by_day.decisions, field.unit, field.source)


def daily_amounts(panel: Panel, name: str) -> Field:
    """`amounts` with a row for every day, see `by_day`."""
    return by_day(amounts(panel, name))


def by_day(field: Field) -> Field:
    """The field with a row for every day between its first and its last.

    An absent day is a row of NaN, so that windows of days neither stretch nor close up over it.
    """
    if _has_every_day(field):
        return field
    return together({str(column): _column(field, column) for column in field.values.columns})


def together(fields: Mapping[str, Field]) -> Field:
    """Daily fields of one column side by side, under new names.

    A row for every day from the first to the last that all of them have, public when the last of
    its parts was. A day that one of them lacks is a row of NaN.
    """
    if fields and all(_has_every_day(field) for field in fields.values()):
        return _side_by_side(fields)
    parts = [
        pd.DataFrame({name: field.values.iloc[:, 0], f"{name} at": field.available_at})
        for name, field in fields.items()
    ]
    rows = pd.concat(parts, axis=1, join="inner").sort_index()
    moments = rows[[f"{name} at" for name in fields]].max(axis=1)
    if len(rows):
        days = pd.date_range(rows.index[0], rows.index[-1], freq="D")
        if not rows.index.isin(days).all():
            raise DataError("A daily field has a row that is not labelled by a day.")
        rows, moments = rows.reindex(days), moments.reindex(days).ffill()
    values, public = rows[list(fields)].astype(float), pd.DatetimeIndex(moments.cummax())
    return Field(values, public, *_described(fields))


def trailing_mean(values: Floats, days: int) -> Floats:
    """Mean of the last values up to each one, NaN where one of them is NaN or there are too few."""
    mean, rows = np.full(len(values), np.nan), np.arange(len(values))
    if len(values) >= days:
        mean[days - 1 :] = np.convolve(values, np.ones(days), "valid") / days
    # The mean of one number is that number, and not what rounding makes of its sum.
    moved = np.append(True, values[1:] != values[:-1])[: len(values)]
    still = rows - np.maximum.accumulate(np.where(moved, rows, 0)) >= days - 1
    return np.where(still, values, mean)


def trailing_rank(values: Floats, days: int) -> Floats:
    """Share of the last values up to each one that are no higher; NaN where a mean would be."""
    share = np.full(len(values), np.nan)
    if len(values) >= days:
        windows = sliding_window_view(values, days)
        lower = np.count_nonzero(windows <= windows[:, -1:], axis=1) / days
        share[days - 1 :] = np.where(np.isnan(windows).any(axis=1), np.nan, lower)
    return share


def _has_every_day(field: Field) -> bool:
    """Whether there is a row for every day from the first to the last, as there mostly is."""
    days, rest = np.divmod(field.labels, DAY.value)
    return not rest.any() and bool((np.diff(days) == 1).all())


def _side_by_side(fields: Mapping[str, Field]) -> Field:
    """The fields on the days that all of them have; none lacks a day in between."""
    spans = [field.labels for field in fields.values()]
    first = max(span[0] if len(span) else 0 for span in spans)
    count = min((span[-1] - first) // DAY.value + 1 if len(span) else 0 for span in spans)
    moments, columns = [], []
    for field in fields.values():
        start = field.labels.searchsorted(first)
        inside = slice(start, start + max(count, 0))
        moments.append(field.moments[inside])
        columns.append(field.column()[inside])
        days = field.values.index[inside]
    public = np.maximum.accumulate(np.maximum.reduce(moments))
    values = pd.DataFrame(np.column_stack(columns), days, labels_of(*fields), copy=False)
    return Field(values, pd.DatetimeIndex(public, tz="UTC"), *_described(fields))


def _described(fields: Mapping[str, Field]) -> tuple[str, str]:
    """Unit and source of fields together."""
    units = ", ".join(field.unit for field in fields.values())
    return units, "; ".join(dict.fromkeys(field.source for field in fields.values()))


def _column(field: Field, column: object) -> Field:
    return Field(field.values[[column]], field.available_at, field.unit, field.source)
