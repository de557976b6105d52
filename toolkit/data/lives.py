"""The prices of each asset against the life that the universe declares for it.

What is missing is never filled. A short hole is counted in a notice, a long one without a declared
halt is refused, and a series that stops before the run does is treated as the end of coverage.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from toolkit.errors import DataError
from toolkit.panel import Notice
from toolkit.universe import Asset, Closing

MAX_HOLE = 10
"""Sessions without a price that are taken for missing rows; more need a declared halt."""

END_KNOWN_BEFORE = 5
"""Sessions before the last price from which on an undeclared end is taken as known."""

_UNSTATED = Asset.usable_from

Positions = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Life:
    """The prices of one asset on the sessions of a panel.

    Parameters
    ----------
    asset
        As declared.
    rows
        Its prices by day, before the first session too; days without a price are absent.
    sessions, on_exchange
        The sessions of the panel, and which of them are sessions of the exchange.
    origin
        File or service that the prices are from.
    """

    asset: Asset
    rows: pd.Series
    sessions: pd.DatetimeIndex
    on_exchange: npt.NDArray[np.bool_]
    origin: str

    def checked(self) -> tuple[Asset | None, tuple[Notice, ...]]:
        """The asset with the life its prices really have, and notices.

        None in place of the asset if its life is over before the first session, or begins after
        the last.

        Raises
        ------
        DataError
            If there is no price, one on a day without session, a late first price or a long hole.
        """
        self._check_days()
        if self.rows.empty and self.asset.usable_from == _UNSTATED:
            return None, ()
        asset = self._listed()
        if asset.closing and pd.Timestamp(asset.closing.last_session) < self.sessions[0]:
            return None, ()
        own = self._own_sessions(asset)
        if len(own) == 0:
            return asset, ()
        priced = self.sessions[own].isin(self.rows.index)
        if not priced.any():
            return self._unpriced(asset)
        first, last = int(np.argmax(priced)), len(priced) - 1 - int(np.argmax(priced[::-1]))
        self._check_listing(asset, own, first)
        ends = self._ends_undeclared(asset, len(priced) - 1 - last)
        notices = self._holes(asset, own, priced[: last + 1] if ends else priced, first)
        if ends:
            asset, notice = self._ended(asset, own[last])
            notices = (*notices, notice)
        return asset, notices

    def check_cash(self, start: date | None) -> None:
        """Refuse a session of the run, or after the first price, on which cash has no price."""
        own = self.sessions[self.on_exchange | (self.asset.calendar == "24/7")]
        listed = self.rows.index[0] if len(self.rows) else self.sessions[0]
        needed = own[own >= min(pd.Timestamp(start or listed), listed)]
        missing = needed[~needed.isin(self.rows.index)]
        if len(missing):
            raise DataError(
                f"Cash {self.asset.id} has no price on {missing[0].date()} ({self.origin}); it "
                "needs one on every session of the run. Complete the file, or move the run."
            )

    def _check_days(self) -> None:
        """An exchange price on a day without session: a shifted date or a wrong calendar."""
        if self.asset.calendar == "24/7":
            return
        days = pd.DatetimeIndex(self.rows.index)
        days = days[(days >= self.sessions[0]) & (days <= self.sessions[-1])]
        strange = days[~days.isin(self.sessions[self.on_exchange])]
        if len(strange):
            raise DataError(
                f"{self.asset.id} has a price on {strange[0].date()}, which is no session of the "
                f"exchange ({self.origin}); correct the dates, or set calendar = '24/7'."
            )

    def _listed(self) -> Asset:
        """The asset, usable from its first price where no day is stated."""
        if self.asset.usable_from != _UNSTATED:
            return self.asset
        return replace(self.asset, usable_from=self.rows.index[0].date())

    def _own_sessions(self, asset: Asset) -> Positions:
        """Positions of the sessions on which the asset should have a price."""
        expected = np.ones(len(self.sessions), dtype=bool)
        if asset.calendar == "XNYS":
            expected &= self.on_exchange
        expected[: self._position(asset.usable_from)] = False
        if asset.closing:
            expected[self._position(asset.closing.last_session, "right") :] = False
        for halt in asset.halts:
            stop = self._position(halt.last, "right") if halt.last else len(expected)
            expected[self._position(halt.first) : stop] = False
        return np.flatnonzero(expected)

    def _position(self, day: date, side: Literal["left", "right"] = "left") -> int:
        return int(self.sessions.searchsorted(pd.Timestamp(day), side=side))

    def _unpriced(self, asset: Asset) -> tuple[Asset | None, tuple[Notice, ...]]:
        before = self.rows.index[self.rows.index < self.sessions[0]]
        if len(before) == 0:
            raise DataError(
                f"{asset.id} has no price between {self.sessions[0].date()} and "
                f"{self.sessions[-1].date()} ({self.origin}); correct usable_from in universe.toml "
                "or complete the file."
            )
        text = (
            f"{asset.id} is left out: its prices end on {before[-1].date()}, before the panel "
            f"starts, and no closing is declared ({self.origin})."
        )
        return None, (Notice("undeclared_end", asset.id, str(before[-1].date()), text),)

    def _check_listing(self, asset: Asset, own: Positions, first: int) -> None:
        if first > MAX_HOLE:
            day = self.sessions[own[first]].date()
            raise DataError(
                f"{asset.id} should have prices from {self.sessions[own[0]].date()} on, its first "
                f"is of {day}, {first} sessions later ({self.origin}). Set usable_from = {day} in "
                "universe.toml, or complete the file."
            )

    def _ends_undeclared(self, asset: Asset, missing: int) -> bool:
        """Whether the prices stop before they should; before an event a short gap is a hole."""
        if missing == 0:
            return False
        closing = asset.closing
        reached = closing is not None and closing.last_session <= self.sessions[-1].date()
        event = closing is not None and closing.kind != "coverage_ended"
        return not (reached and event and missing <= MAX_HOLE)

    def _holes(
        self, asset: Asset, own: Positions, priced: npt.NDArray[np.bool_], first: int
    ) -> tuple[Notice, ...]:
        missing = np.flatnonzero(~priced)
        if len(missing) == 0:
            return ()
        for run in np.split(missing, np.flatnonzero(np.diff(missing) > 1) + 1):
            if len(run) > MAX_HOLE and run[0] > first:
                days = self.sessions[own[run]]
                raise DataError(
                    f"{asset.id} has no price on {len(run)} sessions, {days[0].date()} to "
                    f"{days[-1].date()} ({self.origin}); at most {MAX_HOLE} in a row are taken for "
                    "missing rows. Declare a halt in universe.toml, or complete the file."
                )
        days = self.sessions[own[missing]]
        text = (
            f"{asset.id} has no price on {len(missing)} of its sessions, the first "
            f"{days[0].date()}, the last {days[-1].date()}; it cannot be traded then "
            f"({self.origin})."
        )
        return (Notice("hole", asset.id, str(days[0].date()), text, len(missing)),)

    def _ended(self, asset: Asset, last: int) -> tuple[Asset, Notice]:
        known = self.sessions[max(0, last - END_KNOWN_BEFORE)].date()
        day = self.sessions[last].date()
        declared = asset.closing
        if declared:
            known = min(known, declared.known_from)
        closing = Closing("coverage_ended", day, known, note="not declared")
        text = (
            f"{asset.id} has its last price on {day}, before the run ends on "
            f"{self.sessions[-1].date()}, and "
            + (f"its closing of {declared.last_session} is later" if declared else "no closing")
            + f" is declared ({self.origin}). Taken as the end of coverage: not bought from "
            f"{known} on, a holding is sold at the last price. Declare a closing in universe.toml."
        )
        return replace(asset, closing=closing), Notice("undeclared_end", asset.id, str(day), text)
