"""Overlays at work: one share for each session, and a log of what switched.

Of several overlays the smallest share counts. Each states the most that may be kept, so the minimum
satisfies them all. A product would cut twice for one and the same fall.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from toolkit.backtest.overlays import Overlay
from toolkit.errors import DataError

COLUMNS = ("session", "overlay", "before", "after", "share", "kept", "measured", "reason")


class Watch:
    """The overlays of one account: what they keep of the risky book, session by session.

    The same object serves a backtest and a live account: it depends on nothing but the sessions it
    was given.

    Parameters
    ----------
    overlays
        In the order of the log.
    periods_per_year
        Of the clock, for what is annualised.

    Attributes
    ----------
    share
        Share of the risky book to keep now.
    """

    def __init__(self, overlays: Sequence[Overlay], periods_per_year: float) -> None:
        kinds = [type(overlay).__name__ for overlay in overlays]
        self.names = tuple(
            kind if kinds.count(kind) == 1 else f"{kind} {kinds[: place + 1].count(kind)}"
            for place, kind in enumerate(kinds)
        )
        self.machines = tuple(overlay.start(periods_per_year) for overlay in overlays)
        self.share = min((machine.share for machine in self.machines), default=1.0)
        self._last: tuple[pd.Timestamp, float, float] | None = None
        self._log: list[tuple[object, ...]] = []

    def step(self, session: pd.Timestamp, equity: float, book: float) -> float:
        """Share to keep after a session.

        The same session again, with the same values, changes nothing.

        Raises
        ------
        DataError
            A session before the last one, or again with other values; a value that is not positive.
        """
        if self._last is not None and session <= self._last[0]:
            if self._last == (session, equity, book):
                return self.share
            raise DataError(
                f"Overlays were given {session:%Y-%m-%d} (equity {equity:g}, book {book:g}) after "
                f"{self._last[0]:%Y-%m-%d} (equity {self._last[1]:g}, book {self._last[2]:g}); give "
                f"each session once, in order."
            )
        if not (0.0 < equity < math.inf and 0.0 < book < math.inf):
            raise DataError(
                f"On {session:%Y-%m-%d} the overlays were given equity {equity} and book {book}; "
                f"expected positive amounts."
            )
        self._last = (session, equity, book)
        switched = [machine.advance(equity, book) for machine in self.machines]
        if any(switched):
            self.share = min(machine.share for machine in self.machines)
            for name, machine, made in zip(self.names, self.machines, switched, strict=True):
                if made is not None:
                    self._log.append(
                        (session, name, made.before, made.after, machine.share, self.share,
                         made.measured, made.reason)
                    )  # fmt: skip
        return self.share

    def log(self) -> pd.DataFrame:
        """Every change of state, oldest first.

        Returns
        -------
        DataFrame
            session, overlay, before and after (states), share (what this overlay keeps), kept (what
            all of them together keep), measured (the drawdown and on coming back the recovery, the
            volatility, or the expected shortfall), reason.
        """
        return pd.DataFrame(self._log, columns=list(COLUMNS))


def replay(
    overlays: Sequence[Overlay], equity: pd.Series, book: pd.Series, periods_per_year: float
) -> Watch:
    """The overlays after a history of the account and of the book at full share, by session."""
    if not equity.index.equals(book.index):
        raise DataError(
            f"equity has {len(equity)} sessions and book {len(book)}, and they differ; give both on "
            f"the same sessions."
        )
    watch = Watch(overlays, periods_per_year)
    for session, own, full in zip(equity.index, equity.to_numpy(), book.to_numpy(), strict=True):
        watch.step(session, float(own), float(full))
    return watch
