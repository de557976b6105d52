"""The panel: every quantity over time, each value with the moment it became public.

Strategies and signals read fields through `Panel.known`, which aligns a value to the first
decision that could have seen it. `Panel.until` is the panel as it was, which is what the
look-ahead audit compares against.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeVar, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.clock import DECIDED_AFTER, ClockName, decision_times, periods_per_year
from toolkit.errors import DataError, UnknownFieldError, suggestion
from toolkit.universe import SLEEVES, Sleeve, Universe, labels_of

PRICE_FIELD = "close"
"""Name of the field that holds the price of every asset."""

VOLUME_FIELD, HIGH_FIELD, LOW_FIELD = "dollar_volume", "high", "low"
"""Names of the fields with what was traded in a day (USD), and the highest and lowest price of it.

High and low are on the basis of the price field: adjusted for what it is adjusted for.
"""

T = TypeVar("T")


@dataclass(frozen=True)
class Field:
    """One quantity over time; whoever reads its values has a frame of their own.

    Parameters
    ----------
    values
        Float, by day label (naive, increasing, unique), a column an asset; `copy()` to write cells.
    available_at
        Moment (UTC) each row became public, one a row, never decreasing.
    unit, source
        What the numbers are measured in, and where they come from.
    """

    values: pd.DataFrame
    available_at: pd.DatetimeIndex
    unit: str
    source: str
    _kept: pd.DataFrame = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = self._kept.index
        if not isinstance(index, pd.DatetimeIndex) or index.tz is not None:
            raise DataError(f"Field from {self.source}: rows must be labelled by naive days.")
        if not (index.is_monotonic_increasing and index.is_unique):
            raise DataError(f"Field from {self.source}: row labels must increase without repeats.")
        if len(index) != len(self.available_at) or str(self.available_at.tz) != "UTC":
            raise DataError(f"Field from {self.source}: every row needs a moment in UTC.")
        if not self.available_at.is_monotonic_increasing:
            what = "a later row became public before an earlier"
            raise DataError(f"Field from {self.source}: {what}.")

    def apply(self, function: Callable[[pd.DataFrame], pd.DataFrame], unit: str) -> Field:
        """A field computed row by row from this one, public when its rows were.

        The function must use past rows only; the look-ahead audit checks that it does.
        """
        values = function(self.values)
        if not values.index.equals(self._kept.index):
            raise DataError(f"A function applied to the field from {self.source} changed its rows.")
        return Field(values, self.available_at, unit, self.source)

    def column(self, name: str | None = None) -> NDArray[np.float64]:
        """Values of a column, of the only one where none is named, by row. Read-only."""
        place = 0 if name is None else self._kept.columns.get_loc(name)
        values: NDArray[np.float64] = self._kept.to_numpy(dtype=float)[:, place]
        return values

    def derive(self, name: str, values: NDArray[np.float64], unit: str) -> Field:
        """A field of one column that has the rows of this one, public when they were."""
        frame = pd.DataFrame(values[:, None], self._kept.index, labels_of(name), copy=False)
        return Field(frame, self.available_at, unit, self.source)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """Day label of each row, nanoseconds since 1970."""
        days: Any = self._kept.index
        return _nanoseconds(days)

    @cached_property
    def moments(self) -> NDArray[np.int64]:
        """Moment each row became public, nanoseconds since 1970 in UTC."""
        return _nanoseconds(self.available_at)

    def until(self, moment: pd.Timestamp) -> Field:
        """The rows that were public at a moment."""
        public = int(self.moments.searchsorted(moment.value, side="right"))
        return replace(
            self, values=self._kept.iloc[:public], available_at=self.available_at[:public]
        )


def _lend(lender: Field) -> pd.DataFrame:
    """A new frame over the kept array; pandas copies what its owner changes, so nobody else sees."""
    return lender._kept.copy(deep=False)


def _keep(owner: Field, values: pd.DataFrame) -> None:
    """Keep the values over a read-only array: some views of a frame would be written through."""
    fixed = values.to_numpy(dtype=float)
    fixed.flags.writeable = False
    frame = pd.DataFrame(fixed, values.index, values.columns, copy=False)
    object.__setattr__(owner, "_kept", frame)


# Once the class is made: inside it, the property would be taken for a default.
Field.values = property(_lend, _keep)  # type: ignore[assignment]


def _nanoseconds(index: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Moments as whole numbers, read-only: what is computed with them needs no labels."""
    numbers = index.asi8 if index.unit == "ns" else index.as_unit("ns").asi8
    numbers.flags.writeable = False
    return numbers


class _PastFields(Mapping[str, Field]):
    """Fields as they were public at a moment, each cut when it is first read.

    An asset that was not known then has no column in any of them.
    """

    def __init__(
        self, fields: Mapping[str, Field], moment: pd.Timestamp, later: frozenset[str]
    ) -> None:
        self._fields, self._moment, self._later = fields, moment, later
        self._cut: dict[str, Field] = {}

    def __getitem__(self, name: str) -> Field:
        if name not in self._cut:
            cut = self._fields[name].until(self._moment)
            columns = cut._kept.columns.tolist()
            if not self._later.isdisjoint(columns):
                known = [place for place, name in enumerate(columns) if name not in self._later]
                names = labels_of(*(columns[place] for place in known))
                values = cut._kept.to_numpy()[:, known]
                frame = pd.DataFrame(values, cut._kept.index, names, copy=False)
                cut = replace(cut, values=frame)
            self._cut[name] = cut
        return self._cut[name]

    def __contains__(self, name: object) -> bool:
        return name in self._fields

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True)
class Notice:
    """Something about the data that a reader of the result should know."""

    kind: str
    asset: str
    session: str
    text: str
    count: int = 0


@dataclass(frozen=True)
class Panel:
    """Everything a backtest may look at, on one clock.

    Parameters
    ----------
    universe
        The assets; they are the columns of prices, in this order.
    sessions
        Session labels (naive days, increasing).
    fields
        Quantities by name; ``close`` (USD) has a column an asset.
    clock
        ``XNYS`` or ``24/7``.
    simulated
        Whether the numbers come from a simulated market.
    """

    universe: Universe
    sessions: pd.DatetimeIndex
    fields: Mapping[str, Field]
    clock: ClockName = "XNYS"
    simulated: bool = False
    notices: tuple[Notice, ...] = field(default=(), compare=False)
    _derived: dict[Hashable, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if isinstance(self.fields, dict):
            object.__setattr__(self, "fields", MappingProxyType({**self.fields}))

    @property
    def periods_per_year(self) -> float:
        """Sessions a year on this clock: 252 or 365."""
        return periods_per_year(self.clock)

    @cached_property
    def decisions(self) -> pd.DatetimeIndex:
        """Moment of each session's decision, UTC."""
        return decision_times(self.sessions)

    def frame(self, values: NDArray[Any]) -> pd.DataFrame:
        """An array of sessions x assets with their labels, without a copy."""
        return pd.DataFrame(values, self.sessions, self.universe.columns, copy=False)

    def field(self, name: str) -> Field:
        """A field by name, with its raw rows: use `known` to see it as decisions saw it."""
        if name not in self.fields:
            raise UnknownFieldError(
                f"Field {name!r} is not in the panel. {suggestion(name, self.fields)}"
            )
        return self.fields[name]

    def known(self, quantity: str | Field, max_age: pd.Timedelta | None = None) -> pd.DataFrame:
        """Last public value at each decision: sessions x columns.

        Row t holds, per column, the value of the latest row that was public at t's decision and
        is not NaN. A value whose row is labelled more than `max_age` before the session is NaN.
        """
        source = self.field(quantity) if isinstance(quantity, str) else quantity
        values = source._kept.to_numpy(dtype=float)
        # Row -1 stands for none yet.
        values = np.vstack([values, np.full((1, values.shape[1]), np.nan)])
        row = source.moments.searchsorted(self._moments, side="right") - 1
        gaps = np.isnan(values[:-1])
        if gaps.any():
            latest = np.maximum.accumulate(
                np.where(gaps, -1, np.arange(len(gaps))[:, None]), axis=0
            )
            row = np.where(row[:, None] < 0, -1, latest[row])
            found = np.take_along_axis(values, row, axis=0)
        else:
            row, found = row[:, None], values[row]
        if max_age is not None and len(gaps):
            age = self._labels[:, None] - source.labels[row]
            found[np.broadcast_to(age > max_age.value, found.shape)] = np.nan
        return pd.DataFrame(found, self.sessions, source._kept.columns, copy=False)

    def derived(self, key: Hashable, compute: Callable[[], T]) -> T:
        """What was computed from this panel under a key, computed now if it was not yet.

        For what several signals need on their way; the key is the function that tells it, with its
        arguments. It is kept by this very panel: `until` gives a new panel that has none of it, so
        that nothing computed from later rows ever reaches an earlier decision. Whoever is given a
        frame has one of their own; anything else must not be changed. It must not hold the panel,
        which would then never be freed.
        """
        if key not in self._derived:
            self._derived[key] = compute()
        found: Any = self._derived[key]
        return cast(T, found.copy(deep=False) if isinstance(found, pd.DataFrame) else found)

    @cached_property
    def _closes(self) -> NDArray[np.float64]:
        """Closes on the sessions inside each asset's life, NaN where it has none."""
        closes = self.field(PRICE_FIELD)._kept
        if not closes.columns.equals(self.universe.columns):
            closes = closes.reindex(columns=self.universe.columns)
        absent = np.full((1, closes.shape[1]), np.nan)  # Row -1: a session without a row.
        labels = self.field(PRICE_FIELD).labels
        rows = labels.searchsorted(self._labels)
        rows[np.append(labels, -1)[rows] != self._labels] = -1
        values = np.vstack([closes.to_numpy(dtype=float), absent])[rows]
        for column, asset in enumerate(self.universe):
            values[: self._position(asset.usable_from), column] = np.nan
            if asset.closing:
                values[self._after(asset.closing.last_session) :, column] = np.nan
        return values

    @cached_property
    def _labels(self) -> NDArray[np.int64]:
        return _nanoseconds(self.sessions)

    @cached_property
    def _moments(self) -> NDArray[np.int64]:
        return self._labels + DECIDED_AFTER.value

    @cached_property
    def _days(self) -> NDArray[np.datetime64]:
        return self.sessions.to_numpy().astype("datetime64[D]")

    def _position(self, day: date) -> int:
        return int(self._days.searchsorted(np.datetime64(day)))

    def _after(self, day: date) -> int:
        return int(self._days.searchsorted(np.datetime64(day), side="right"))

    @cached_property
    def _prices(self) -> NDArray[np.float64]:
        last = np.where(np.isnan(self._closes), 0, np.arange(len(self.sessions))[:, None])
        values = np.take_along_axis(self._closes, np.maximum.accumulate(last, axis=0), axis=0)
        for column, asset in enumerate(self.universe):
            if asset.closing:
                settled = self._position(asset.closing.settlement)
                if asset.closing.value is not None:
                    values[settled : settled + 1, column] = asset.closing.value
                values[settled + 1 :, column] = np.nan
        return values

    def prices(self) -> pd.DataFrame:
        """Valuation prices in USD: sessions x assets.

        NaN before the listing and after the settlement of a closing. A halted asset keeps its
        last price; on the settlement session the price is the value received, which may be 0.
        """
        # A copy: what a strategy does to it leaves the market as it is.
        return self.frame(self._prices.copy())

    def tradable(self) -> pd.DataFrame:
        """Whether each asset can be traded at each session's close: bool, sessions x assets."""
        tradable = ~np.isnan(self._closes)
        for column, asset in enumerate(self.universe):
            for halt in asset.halts:
                stop = self._after(halt.last) if halt.last else len(self.sessions)
                tradable[self._position(halt.first) : stop, column] = False
        return self.frame(tradable)

    @cached_property
    def _eligible(self) -> NDArray[np.bool_]:
        eligible = ~np.isnan(self._prices)
        for column, asset in enumerate(self.universe):
            if asset.closing:
                eligible[self._position(asset.closing.known_from) :, column] = False
        return eligible

    def eligible(self) -> pd.DataFrame:
        """Whether each asset may be bought: usable, priced once, no known end. Bool frame."""
        return self.frame(self._eligible.copy())

    def members(self, sleeves: Sequence[Sleeve]) -> pd.DataFrame:
        """Eligible assets of the sleeves by date: bool, sessions x assets."""
        wanted = np.array([sleeve in sleeves for sleeve in SLEEVES])
        return self.frame(wanted[self._sleeve_codes] & self._eligible)

    @cached_property
    def _sleeve_codes(self) -> NDArray[np.int8]:
        return self.universe.sleeve_codes(self.sessions)

    def returns(self) -> pd.DataFrame:
        """Simple returns from session to session, NaN before the second price: sessions x assets.

        On the exchange clock a Monday return of a 24/7 asset holds the whole weekend.
        """
        return self.frame(self._returns.copy())

    @cached_property
    def _returns(self) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore", divide="ignore"):
            moves = self._prices[1:] / self._prices[:-1] - 1.0
        return np.vstack([np.full((1, len(self.universe)), np.nan), moves])

    def until(self, session: pd.Timestamp) -> Panel:
        """The panel as the decision of a session saw it.

        Later rows, assets and events are absent, and so is what was written about the data with
        hindsight: notices and notes.
        """
        moment = session.tz_localize("UTC") + DECIDED_AFTER
        universe = self.universe.until(session.date()).without_remarks()
        later = frozenset(self.universe.ids) - frozenset(universe.ids)
        return replace(
            self,
            universe=universe,
            sessions=self.sessions[: int(self.sessions.searchsorted(session, side="right"))],
            fields=_PastFields(self.fields, moment, later),
            notices=(),
        )

    def digest(self) -> str:
        """SHA-256 over universe, sessions and each field's values, moments, unit and source."""
        summary = hashlib.sha256(f"{self.clock}|{self.simulated}|{self.universe!r}".encode())
        summary.update(self.sessions.as_unit("ns").asi8.tobytes())
        for name in sorted(self.fields):
            quantity = self.fields[name]
            columns = "|".join(str(column) for column in quantity._kept.columns)
            summary.update(f"{name}|{quantity.unit}|{quantity.source}|{columns}".encode())
            summary.update(quantity._kept.index.as_unit("ns").asi8.tobytes())  # type: ignore[attr-defined]
            summary.update(quantity.available_at.as_unit("ns").asi8.tobytes())
            summary.update(np.ascontiguousarray(quantity._kept.to_numpy(dtype=float)).tobytes())
        return summary.hexdigest()
