"""Tables of announcements: read, and turned into fields that step when something is announced.

A table is a CSV of one row an announcement. It must have `announce_date`, `ticker` and
`event_type`; `announcement` says when a row is public and what else it may hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd

from toolkit.data.announcement import (
    ALL,
    CONTRACTS,
    KINDS,
    Basis,
    Event,
    Hour,
    Kind,
    Quality,
    Stage,
    public_from,
)
from toolkit.data.checks import Numbers
from toolkit.data.facts import Fact, read_facts
from toolkit.data.source import Steps
from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion
from toolkit.panel import Field, Notice
from toolkit.universe import Universe


@dataclass(frozen=True)
class EventTable:
    """Announcements in the order in which they became public.

    Parameters
    ----------
    source
        Name of the file, for provenance.
    told_megawatts
        Whether the table says anything of MW; where not, nothing is known of them.
    """

    events: tuple[Event, ...]
    source: str
    told_megawatts: bool = True
    notices: tuple[Notice, ...] = ()

    def __post_init__(self) -> None:
        in_order = tuple(sorted(self.events, key=lambda event: (event.published_at, event.ticker)))
        object.__setattr__(self, "events", in_order)

    @property
    def tickers(self) -> frozenset[str]:
        """Every ticker that something was announced of."""
        return frozenset(event.ticker for event in self.events)

    def until(self, moment: datetime) -> EventTable:
        """What was public at a moment."""
        public = tuple(event for event in self.events if event.published_at <= moment)
        return EventTable(public, self.source, self.told_megawatts)

    def frame(self) -> pd.DataFrame:
        """A row an announcement, a column an attribute of `Event`."""
        rows = [asdict(event) for event in self.events]
        return pd.DataFrame(rows, columns=list(Event.__annotations__))

    def fields(self, universe: Universe) -> Mapping[str, Field]:
        """The announcements as fields, a row each day on which something became public.

        All but two have a column an asset, which is 0 for an asset of which nothing was told, and
        only steps up. An asset is concerned by the announcements of its id and of its ticker.

        - ``contracted_mw``: critical IT power in MW under colocation contracts and options that
          were taken up; ``gpu_cloud_mw``: under GPU-cloud contracts. Where a contract tells no
          critical or gross MW it adds nothing: the sums are lower bounds.
        - ``financed_mw``, ``energised_mw``: how much of both has got that far. A stage of a
          contract adds to it; financing or a milestone with MW states the total.
        - ``announcements_KIND``: number of announcements of each kind but ``other``; of
          ``regulation`` there is one column for the whole market.
        - ``colocation_rent``: one column, USD a kW-month of critical IT, the mean of the contracts
          that became public on the day, whoever the miner is.
        """
        if not self.events:
            return {}
        moments = pd.DatetimeIndex(
            pd.to_datetime([event.published_at for event in self.events], utc=True)
        ).as_unit("ns")
        # The decision at 00:00 UTC belongs to the day that ends then, and so does what it sees.
        labels = (moments - pd.Timedelta(1, "ns")).normalize().tz_localize(None)
        days = pd.DatetimeIndex(labels.unique())
        public = pd.DatetimeIndex(pd.Series(moments).groupby(labels.to_numpy()).max())
        tally = _Tally(universe, len(days), self.told_megawatts)
        for row, event in zip(days.get_indexer(labels), self.events, strict=True):
            tally.add(int(row), event)
        steps = {
            name: Steps(
                pd.DataFrame(values, days, universe.columns),
                public,
                "MW" if name.endswith("_mw") else "1",
                self.source,
            )
            for name, values in tally.values.items()
        }
        regulation = pd.Series([float(event.ticker == ALL) for event in self.events], labels)
        total = regulation.groupby(level=0).sum().cumsum().to_frame("announcements_regulation")
        steps["announcements_regulation"] = Steps(total, public, "1", self.source)
        rents = pd.Series([event.rent for event in self.events], labels, dtype=float)
        rent = rents.groupby(level=0).mean()
        told = rent.notna().to_numpy()
        steps["colocation_rent"] = Steps(
            rent[told].to_frame("colocation_rent"), public[told], "USD per kW-month", self.source
        )
        return steps


class _Tally:
    """What was announced up to each day: days x assets, by name of the field."""

    def __init__(self, universe: Universe, days: int, told_megawatts: bool) -> None:
        shape, power = (days, len(universe)), 0.0 if told_megawatts else np.nan
        counted = [kind for kind in Kind if kind not in (Kind.OTHER, Kind.REGULATION)]
        self._assets = universe.assets
        self.values: dict[str, Numbers] = {
            **{name: np.full(shape, power) for name in (*_CONTRACTED, *_REACHED)},
            **{f"announcements_{kind}": np.zeros(shape) for kind in counted},
        }

    def add(self, row: int, event: Event) -> None:
        """Count an announcement from the row of its day on."""
        own = np.flatnonzero([event.ticker in (asset.id, asset.ticker) for asset in self._assets])
        count = self.values.get(f"announcements_{event.kind}")
        if count is None or len(own) == 0:
            return
        count[row:, own] += 1.0
        power, stage = event.critical_megawatts, event.reached
        if power is None or stage is None:
            return
        reached = _REACHED[: get_args(Stage).index(stage)]
        if event.kind in CONTRACTS:
            cloud = event.kind is Kind.GPU_CLOUD_CONTRACT
            for name in (_CONTRACTED[cloud], *reached):
                self.values[name][row:, own] += power
        else:
            for name in reached:
                later = self.values[name][row:, own]
                self.values[name][row:, own] = np.maximum(later, power)


_CONTRACTED = ("contracted_mw", "gpu_cloud_mw")
_REACHED = ("financed_mw", "energised_mw")
ANNOUNCED = frozenset(
    {*_CONTRACTED, *_REACHED, *(f"announcements_{kind}" for kind in Kind), "colocation_rent"}
)
"""Names of the fields that a table of announcements may give."""

_UNSOURCED = "memory_unverified"
_STATUSES = ("sourced", "sourced_date_from_memory", _UNSOURCED)
_REQUIRED = ("announce_date", "ticker", "event_type")
_OPTIONAL = (
    "date_quality", "publication_time", "mw", "mw_basis", "value_usd", "term_years",
    "usd_per_kw_month", "company", "counterparty", "site", "notes", "source_status", "source",
)  # fmt: skip
"""Columns whose absence is told, as is that of `share`; `published_at` and `stage` are extras."""


def read_events(
    path: Path, universe: Universe | None = None, elsewhere: Collection[str] = ()
) -> EventTable:
    """Read a table of announcements.

    Parameters
    ----------
    universe
        A ticker must be an id or a ticker of it, or ``ALL``. None: any ticker may be there.
    elsewhere
        Tickers that are known, though the universe does not hold them.

    Notes
    -----
    Rows whose source_status is memory_unverified are left out. Notices tell of them, of tickers
    outside the universe, of columns the table lacks and of event types without a kind.

    Raises
    ------
    DataError
        If there is no row, or one has no day, an unknown word, a time before its announcement, MW
        without a basis, a share above 1, or repeats another; naming file, line and column.
    UnknownAssetError
        If a ticker is unknown.
    """
    columns, facts = read_facts(path, _REQUIRED)
    kept = [fact for fact in facts if fact.choice("source_status", _STATUSES, "") != _UNSOURCED]
    known = _names(universe)
    events: dict[tuple[str, ...], Event] = {}
    for fact in kept:
        ticker = fact.text("ticker")
        if universe is not None and ticker not in known and ticker not in elsewhere:
            raise UnknownAssetError(
                f"{fact.where}, column 'ticker': {ticker[:40]!r} is not in the universe. "
                f"{suggestion(ticker, known)} Add it to universe.toml, or leave the row out."
            )
        key = tuple(fact.text(name) for name in (*_REQUIRED, "counterparty", "site", "mw"))
        if key in events:
            raise DataError(f"{fact.where}: repeats an earlier row ({', '.join(key[:3])}).")
        events[key] = _event(fact)
    if not events:
        raise DataError(
            f"{path.name} holds no announcement that has a source. Write one, or take the file away: "
            "then the shipped table is read."
        )
    outside = [] if universe is None else [e for e in events.values() if e.ticker not in known]
    told = _told(path.name, columns, len(facts) - len(kept), outside, events.values())
    return EventTable(tuple(events.values()), path.name, "mw" in columns, told)


def _names(universe: Universe | None) -> frozenset[str]:
    assets = () if universe is None else universe.assets
    return frozenset({ALL, *(a.id for a in assets), *(a.ticker for a in assets if a.ticker)})


def _event(fact: Fact) -> Event:
    day = fact.day("announce_date")
    quality: Quality = fact.choice("date_quality", get_args(Quality), "exact")
    hour: Hour = fact.choice("publication_time", get_args(Hour), "unknown")
    share = fact.number("share")
    event_type = fact.text("event_type")
    if not event_type:
        raise fact.wrong("event_type", "there is none; write one such as colo_contract.")
    try:
        return Event(
            ticker=fact.text("ticker"),
            day=day,
            kind=KINDS.get(event_type, Kind.OTHER),
            published_at=_published_at(fact) or public_from(day, quality, hour),
            event_type=event_type,
            megawatts=fact.number("mw"),
            basis=fact.choice("mw_basis", get_args(Basis), None),
            share=1.0 if share is None else share,
            stage=fact.choice("stage", get_args(Stage), None),
            value_usd=fact.number("value_usd"),
            term_years=fact.number("term_years"),
            usd_per_kw_month=fact.number("usd_per_kw_month"),
            quality=quality,
            company=fact.text("company"),
            counterparty=fact.text("counterparty"),
            site=fact.text("site"),
            notes=fact.text("notes"),
            source=fact.text("source"),
        )
    except ConfigError as error:
        raise DataError(f"{fact.where}: {error}") from None


def _published_at(fact: Fact) -> datetime | None:
    cell = fact.text("published_at")
    if not cell:
        return None
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        raise fact.wrong(
            "published_at", f"found {cell[:40]!r}; write a time such as 2024-06-03T21:05:00Z."
        ) from None


def _told(
    file: str,
    columns: Collection[str],
    unsourced: int,
    outside: Iterable[Event],
    events: Iterable[Event],
) -> tuple[Notice, ...]:
    """What a reader should know of a table that was read."""
    missing = [name for name in _OPTIONAL if name not in columns]
    if "mw" in columns and "share" not in columns:
        missing.append("share, so that the MW of joint ventures count in full")
    absent = sorted({event.ticker for event in outside})
    strange = sorted({event.event_type for event in events if event.event_type not in KINDS})
    left_out = [str(unsourced)] if unsourced else []
    told = (
        ("column_missing", "columns that are not available", missing),
        ("events_left_out", f"rows marked {_UNSOURCED}, left out", left_out),
        ("events_outside", "events of tickers that are not in the universe", absent),
        ("event_type_unknown", "event types without a kind, read by no signal", strange),
    )
    return tuple(
        Notice(kind, "", "", f"{file}: {what}: {', '.join(found)}.")
        for kind, what, found in told
        if found
    )
