"""Sources become one panel: one clock, one price field, every row public when it says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Protocol, runtime_checkable

import numpy as np
import pandas as pd

from toolkit.clock import ClockName, decision_times, sessions_between
from toolkit.data.lives import Life
from toolkit.data.source import DataSource, Steps
from toolkit.errors import DataError
from toolkit.panel import (
    HIGH_FIELD,
    LOW_FIELD,
    PRICE_FIELD,
    VOLUME_FIELD,
    Field,
    Notice,
    Panel,
)
from toolkit.universe import Asset, Universe

STOPPED = pd.Timedelta(days=45)
"""A field whose last value is older at the end of the run has ended: three epochs, six weeks."""

_OF_ASSETS = (VOLUME_FIELD, HIGH_FIELD, LOW_FIELD)

_EARLIEST = date(2009, 1, 1)
"""Rows of fields are kept from here on; the sessions begin later."""


@runtime_checkable
class NamesOrigins(Protocol):
    """A source that can name the file of an asset's prices, for messages."""

    def origin(self, asset: str) -> str:
        """Name of the file that the prices of an asset are from."""
        ...


def assemble(
    sources: Sequence[DataSource],
    universe: Universe,
    clock: ClockName = "XNYS",
    start: date | None = None,
    end: date | None = None,
    warmup_days: int = 550,
) -> Panel:
    """Panel of a universe from its sources, checked.

    Parameters
    ----------
    sources
        Each asset is priced by one of them, each other field comes from one of them. The first
        holds the main prices.
    start
        First day of the run. The sessions begin `warmup_days` calendar days earlier, so that
        signals exist from then on. None: the sessions begin with the first price of cash.
    end
        Last day of the run; the newest day of the main prices where not given. Rows that its
        decision could not see are cut, and so is what the universe says of later days.

    Raises
    ------
    DataError
        If an asset has no price, a late first price or a long hole, cash has any hole, or a price
        becomes public after the decision of its own session.
    """
    if not sources or len(universe) == 0:
        raise DataError("A panel needs at least one source of data and one asset.")
    newest = sources[0].last_session()
    end = newest if end is None else end
    if end > newest:
        raise DataError(f"The run ends on {end}, the main prices on {newest}; end it by then.")
    if start is not None and start > end:
        raise DataError(f"The run starts on {start} and ends on {end}; give a start before it.")
    universe = _alive(universe, end)
    found = [source.fields(universe, _EARLIEST, end) for source in sources]
    prices = _prices(found, universe, end)
    first = _first_day(prices, universe, end) if start is None else _warm(start, warmup_days)
    sessions = sessions_between(clock, first, end)
    if len(sessions) == 0 or (start is not None and sessions[-1].date() < start):
        raise DataError(f"There is no session between {start or first} and {end}.")
    lives = _lives(sources, found, universe, prices, sessions, clock)
    universe, notices = _checked(lives, universe, start)
    fields = {
        name: _usable(quantity, universe) if name in _OF_ASSETS else quantity
        for name, quantity in _quantities(found).items()
    }
    fields |= {PRICE_FIELD: _on_clock(prices, universe, sessions)}
    last, decision = sessions[-1], decision_times(sessions[-1:])[0]
    return Panel(
        universe=universe,
        sessions=sessions,
        fields={name: _seen(quantity, last, decision) for name, quantity in sorted(fields.items())},
        clock=clock,
        simulated=any(source.simulated for source in sources),
        notices=(*_told(sources, universe, sessions), *notices, *_stopped(fields, last)),
    )


def _alive(universe: Universe, end: date) -> Universe:
    """The universe as it was at the end of the run, which needs its cash."""
    alive = universe.until(end)
    if len(alive) == 0 or (universe.cash and not alive.cash):
        needed = universe[universe.cash] if universe.cash else min(universe, key=_usable_from)
        raise DataError(
            f"The run ends on {end}; {needed.id} can be held from {needed.usable_from} on. End the "
            "run later, or correct usable_from in universe.toml."
        )
    return alive


def _usable_from(asset: Asset) -> date:
    return asset.usable_from


def _warm(start: date, warmup_days: int) -> date:
    return max(_EARLIEST, start - timedelta(days=warmup_days))


def _first_day(prices: Field, universe: Universe, end: date) -> date:
    """Day of the first price of cash, of any asset where there is no cash."""
    rows = prices.values if universe.cash is None else prices.values[[universe.cash]]
    rows = rows.dropna(how="all")
    if rows.empty:
        raise DataError(
            f"Cash {universe.cash} has no price up to {end} ({prices.source}). End the run later, "
            "or complete the file."
        )
    return pd.Timestamp(rows.index[0]).date()


def _prices(found: Sequence[Mapping[str, Field]], universe: Universe, end: date) -> Field:
    """The price fields of all sources as one, columns in the order of the universe."""
    parts: list[Field] = [fields[PRICE_FIELD] for fields in found if PRICE_FIELD in fields]
    owner: dict[str, str] = {}
    for part in parts:
        if part.unit != "USD":
            raise DataError(f"Prices from {part.source} are in {part.unit!r}; USD is expected.")
        late = part.available_at > decision_times(pd.DatetimeIndex(part.values.index))
        if late.any():
            row = int(np.argmax(late))
            raise DataError(
                f"Prices from {part.source}: the row of {part.values.index[row].date()} is public "
                f"at {part.available_at[row]}, after the decision of its own session. A price must "
                "be public by 00:00 UTC of the next day; label the row by the day it was public."
            )
        for column in part.values.columns:
            if column in owner:
                raise DataError(
                    f"Asset {column} is priced by {owner[column]} and by {part.source}; keep one."
                )
            owner[column] = part.source
    lacking = [name for name in universe.ids if name not in owner]
    if lacking:
        raise DataError(
            f"No source has prices of {', '.join(lacking)}. Map them in files.toml, or take them "
            "out of universe.toml."
        )
    values = pd.concat([part.values for part in parts], axis=1).sort_index()
    values = values[list(universe.ids)].loc[: pd.Timestamp(end)].dropna(how="all")
    used = dict.fromkeys(owner[name] for name in universe.ids)
    days = pd.DatetimeIndex(values.index)
    return Field(values, decision_times(days), "USD", "; ".join(used))


def _quantities(found: Sequence[Mapping[str, Field]]) -> dict[str, Field]:
    """Every field but prices, each from one source."""
    merged: dict[str, Field] = {}
    for fields in found:
        for name, quantity in fields.items():
            if name in merged:
                raise DataError(
                    f"Field {name!r} comes from {merged[name].source} and from {quantity.source}; "
                    "keep one."
                )
            if name != PRICE_FIELD:
                merged[name] = quantity
    return merged


def _lives(
    sources: Sequence[DataSource],
    found: Sequence[Mapping[str, Field]],
    universe: Universe,
    prices: Field,
    sessions: pd.DatetimeIndex,
    clock: ClockName,
) -> list[Life]:
    exchange = sessions
    if clock == "24/7":
        exchange = sessions_between("XNYS", sessions[0].date(), sessions[-1].date())
    on_exchange = np.asarray(sessions.isin(exchange))
    origins = {
        column: source.origin(column) if isinstance(source, NamesOrigins) else quantity.source
        for source, fields in zip(sources, found, strict=True)
        for name, quantity in fields.items()
        if name == PRICE_FIELD
        for column in quantity.values.columns
    }
    return [
        Life(asset, prices.values[asset.id].dropna(), sessions, on_exchange, origins[asset.id])
        for asset in universe
    ]


def _checked(
    lives: Sequence[Life], universe: Universe, start: date | None
) -> tuple[Universe, list[Notice]]:
    """The universe with the lives its prices really have, and what to tell of them."""
    assets: list[Asset] = []
    notices: list[Notice] = []
    for life in lives:
        if life.asset.is_cash:
            life.check_cash(start)
        asset, told = life.checked()
        notices.extend(told)
        if asset is not None:
            assets.append(asset)
    kept = {asset.id for asset in assets}
    actions = tuple(action for action in universe.actions if action.asset in kept)
    return Universe(tuple(assets), actions), notices


def _on_clock(prices: Field, universe: Universe, sessions: pd.DatetimeIndex) -> Field:
    """Prices of the assets that are left; cash keeps its price on days its market is closed.

    Cash is an accrual index that can always be drawn on: on the 24/7 clock a weekend is no halt.
    """
    values = prices.values[list(universe.ids)]
    if universe.cash is not None:
        values = values.reindex(values.index.union(sessions))
        cash = values[universe.cash]
        closed = cash.ffill().where(values.index.isin(sessions), cash)
        values = values.assign(**{universe.cash: closed}).dropna(how="all")
    days = pd.DatetimeIndex(values.index)
    return Field(values, decision_times(days), prices.unit, prices.source)


def _usable(quantity: Field, universe: Universe) -> Field:
    """What belongs to the assets of the universe, from when each was usable on.

    Before, there is no such asset for a decision, and its volume was that of a shell.
    """
    columns = [name for name in universe.ids if name in quantity.values.columns]
    since = [np.datetime64(universe[name].usable_from) for name in columns]
    days = quantity.values.index.to_numpy()[:, None]
    values = quantity.values[columns].where(days >= np.array(since, dtype=days.dtype))
    return replace(quantity, values=values)


def _seen(quantity: Field, last: pd.Timestamp, decision: pd.Timestamp) -> Field:
    """The rows that the decision of the last session could see."""
    public = quantity.until(decision)
    count = int(public.labels.searchsorted(last.value, side="right"))
    if count == len(public.labels):
        return public
    return replace(
        public, values=public.values.iloc[:count], available_at=public.available_at[:count]
    )


def _stopped(fields: Mapping[str, Field], last: pd.Timestamp) -> list[Notice]:
    """A notice for each field that ends long before the run: what reads it has no opinion then."""
    notices = []
    for name, quantity in sorted(fields.items()):
        if isinstance(quantity, Steps):
            continue
        told = quantity.values.notna().to_numpy().any(axis=1)
        rows = quantity.values.index[np.flatnonzero(told)]
        day = str(rows[-1].date()) if len(rows) else "never"
        if not len(rows) or last - rows[-1] > STOPPED:
            text = f"Field {name} ({quantity.source}) has its last value on {day}."
            notices.append(Notice("field_ended", "", day if len(rows) else "", text))
    return notices


def _told(
    sources: Sequence[DataSource], universe: Universe, sessions: pd.DatetimeIndex
) -> list[Notice]:
    """What the sources tell of assets in the panel, from its first session on."""
    return [
        notice
        for source in sources
        for notice in source.notices()
        if (not notice.asset or notice.asset in universe.ids)
        and (not notice.session or notice.session >= str(sessions[0].date()))
    ]
