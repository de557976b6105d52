"""Who can be held: assets, their sleeves by date, and the events that end a holding.

Everything that is dated can be cut at a session, so that a strategy which looks at the universe
sees no more of it than was known then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from toolkit.errors import ConfigError, UnknownAssetError, suggestion
from toolkit.units import IsoDay, NonNegative, component

AssetId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]


class Sleeve(StrEnum):
    """The groups that sleeve limits and sleeve tilts speak of."""

    BITCOIN = "bitcoin"
    LEGACY_MINERS = "legacy_miners"
    PIVOTING_MINERS = "pivoting_miners"
    AI_INFRASTRUCTURE = "ai_infrastructure"
    AI_TOKENS = "ai_tokens"
    CASH = "cash"


SLEEVES = tuple(Sleeve)

MINERS = (Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS)


UNSETTLED = date(2200, 1, 1)
"""Stands for the settlement of a closing whose day is not known yet."""


@lru_cache(maxsize=1000)
def labels_of(*names: str) -> pd.Index[str]:
    """Names as the columns of a frame; to make such an index takes longer than the frame itself."""
    return pd.Index(list(names), dtype=str)


@component
class Membership:
    """An asset belongs to a sleeve from a session on, until a later membership."""

    sleeve: Sleeve
    since: IsoDay


@component
class Closing:
    """The end of an asset: what ends it, when, and what a holder receives.

    Parameters
    ----------
    kind
        ``coverage_ended``: only our data end; a holding is sold at the last price, with costs.
        Every other kind is an event of the asset; its holders receive `value` without costs.
    last_session
        Last session on which the asset trades.
    known_from
        First session whose decision knows of the event; from then on nobody buys.
    settles
        Session on which holders receive the value; `last_session` where not given. In between
        the holding is valued at the last price and cannot be traded.
    value
        USD received for one share; the last price where not given. Zero is a wipe-out.
    """

    kind: Literal["coverage_ended", "delisting", "bankruptcy", "merger", "exchange"]
    last_session: IsoDay
    known_from: IsoDay
    settles: IsoDay | None = None
    value: NonNegative | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if self.known_from > self.last_session or self.settlement < self.last_session:
            raise ConfigError(
                f"Closing of {self.last_session}: known_from {self.known_from} must not be later, "
                f"settles {self.settlement} must not be earlier."
            )
        if self.kind == "coverage_ended" and (self.value is not None or self.settles is not None):
            raise ConfigError(
                "A coverage_ended closing sells at the last price: no value, no settles."
            )

    @property
    def settlement(self) -> date:
        """Session on which the holding turns into cash."""
        return self.settles or self.last_session


@component
class Halt:
    """A declared stretch without trading, both sessions included; `last` None = still halted."""

    first: IsoDay
    last: IsoDay | None = None
    note: str = ""


@component
class CorporateAction:
    """A recorded fact of an asset's past. Prices are adjusted already: it moves nothing."""

    asset: AssetId
    day: IsoDay
    action: str
    terms: str = ""
    source: str = ""


@component
class Asset:
    """Something that can be held.

    Parameters
    ----------
    calendar
        ``XNYS``: New York sessions, closes first. ``24/7``: every UTC day, closes last.
    usable_from
        First session on which it may be held: before, it was another business or unlisted.
    memberships
        Sleeves by date, oldest first.
    """

    id: AssetId
    memberships: tuple[Membership, ...]
    calendar: Literal["XNYS", "24/7"] = "XNYS"
    usable_from: IsoDay = date(2009, 1, 3)
    ticker: str = ""
    closing: Closing | None = None
    halts: tuple[Halt, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        days = [membership.since for membership in self.memberships]
        if not days or days != sorted(set(days)):
            raise ConfigError(
                f"Asset {self.id}: memberships must be dated, oldest first, one a day."
            )

    @property
    def is_cash(self) -> bool:
        """Whether this is the cash asset."""
        return self.memberships[0].sleeve is Sleeve.CASH

    def sleeve_on(self, day: date) -> Sleeve:
        """Sleeve on a day; before the first membership, the first one's."""
        past = [membership for membership in self.memberships if membership.since <= day]
        return (past or self.memberships[:1])[-1].sleeve

    def until(self, day: date) -> Asset:
        """The asset as it was known on a day: later sleeves, events and halts are absent."""
        closing = self.closing if self.closing and self.closing.known_from <= day else None
        if closing is not None and closing.kind != "coverage_ended" and closing.settlement > day:
            # That the asset ends is known by now; what its holders will receive, and when, is not.
            closing = replace(closing, value=None, settles=UNSETTLED)
        halts = tuple(
            replace(halt, last=halt.last if halt.last and halt.last <= day else None)
            for halt in self.halts
            if halt.first <= day
        )
        memberships = tuple(m for m in self.memberships if m.since <= day) or self.memberships[:1]
        if (closing, halts, memberships) == (self.closing, self.halts, self.memberships):
            return self
        return replace(self, closing=closing, halts=halts, memberships=memberships)

    def without_remarks(self) -> Asset:
        """The asset without ticker and notes, which were written later than it was listed."""
        remarks = [self.ticker, self.note, *(halt.note for halt in self.halts)]
        if not any(remarks) and (self.closing is None or not self.closing.note):
            return self
        closing = None if self.closing is None else replace(self.closing, note="")
        halts = tuple(replace(halt, note="") for halt in self.halts)
        return replace(self, closing=closing, halts=halts, ticker="", note="")


@dataclass(frozen=True)
class Universe:
    """The assets of a panel, in their column order, with at most one cash asset."""

    assets: tuple[Asset, ...]
    actions: tuple[CorporateAction, ...] = ()

    def __post_init__(self) -> None:
        ids = [asset.id for asset in self.assets]
        twice = sorted({name for name in ids if ids.count(name) > 1})
        if twice:
            raise ConfigError(f"The universe lists {', '.join(twice)} more than once.")
        if sum(asset.is_cash for asset in self.assets) > 1:
            raise ConfigError("The universe has more than one cash asset; keep one.")

    def __iter__(self) -> Iterator[Asset]:
        return iter(self.assets)

    def __len__(self) -> int:
        return len(self.assets)

    def __getitem__(self, name: str) -> Asset:
        for asset in self.assets:
            if asset.id == name:
                return asset
        raise UnknownAssetError(
            f"Asset {name!r} is not in the universe. {suggestion(name, self.ids)}"
        )

    @property
    def ids(self) -> tuple[str, ...]:
        """Asset ids in column order."""
        return tuple(asset.id for asset in self.assets)

    @cached_property
    def columns(self) -> pd.Index[str]:
        """Asset ids as the labels of a frame. Frames that share them are aligned at no cost."""
        return labels_of(*self.ids)

    @property
    def cash(self) -> str | None:
        """Id of the cash asset, or None."""
        return next((asset.id for asset in self.assets if asset.is_cash), None)

    def members(self, sleeves: Sequence[Sleeve], sessions: pd.DatetimeIndex) -> pd.DataFrame:
        """Whether each asset belongs to one of the sleeves: sessions x assets, by date."""
        codes = self.sleeve_codes(sessions)
        wanted = np.isin(codes, [SLEEVES.index(sleeve) for sleeve in sleeves])
        return pd.DataFrame(wanted, index=sessions, columns=self.columns)

    def sleeve_codes(self, sessions: pd.DatetimeIndex) -> NDArray[np.int8]:
        """Place in `SLEEVES` of the sleeve of each asset by date: sessions x assets."""
        codes = np.empty((len(sessions), len(self)), dtype=np.int8)
        for column, asset in enumerate(self.assets):
            for position, membership in enumerate(asset.memberships):
                first = sessions.searchsorted(pd.Timestamp(membership.since)) if position else 0
                codes[first:, column] = SLEEVES.index(membership.sleeve)
        return codes

    def until(self, day: date) -> Universe:
        """The universe as it was known on a day: later assets and later events are absent."""
        assets = tuple(asset.until(day) for asset in self.assets if asset.usable_from <= day)
        return Universe(assets, tuple(action for action in self.actions if action.day <= day))

    def leave_out(self, names: Collection[str]) -> Universe:
        """The universe without some assets, as if nobody had thought of them.

        Raises
        ------
        UnknownAssetError
            A name that is not in the universe.
        """
        for name in names:
            self[name]
        return Universe(
            tuple(asset for asset in self.assets if asset.id not in names),
            tuple(action for action in self.actions if action.asset not in names),
        )

    def without_remarks(self) -> Universe:
        """The universe without what was written about its assets with hindsight."""
        return replace(self, assets=tuple(asset.without_remarks() for asset in self.assets))
