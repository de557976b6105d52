"""When a strategy decides."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.clock import Period, ends_of
from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.units import IsoDay, component


@component
class Schedule:
    """The sessions after which a decision is taken.

    Parameters
    ----------
    every
        ``day``, ``week``, ``month`` or ``quarter``: the last session of each, by the exchange
        calendar and not by the last row of the data.
    start
        First session of the run; earlier ones only warm signals up. Not given: the first session
        on which the strategy has a target.
    """

    every: Period = "month"
    start: IsoDay | None = None

    def decisions(self, panel: Panel, decided: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Rows of the panel after which a decision is taken.

        Parameters
        ----------
        decided
            Whether the strategy has a target on each session.

        The first decision falls on the first session of the run that has a target; the others
        follow the period.

        Raises
        ------
        InsufficientHistoryError
            The strategy has no target in the run, or the run has fewer than two sessions.
        """
        first = self.first_session(panel)
        opinions = np.flatnonzero(decided[first:]) + first
        if len(opinions) == 0 or opinions[0] + 1 >= len(panel.sessions):
            raise InsufficientHistoryError(
                f"The strategy has no target that could be filled between "
                f"{self.start or panel.sessions[0].date()} and {panel.sessions[-1].date()}. Start "
                f"earlier, end later, or shorten its lookbacks."
            )
        due = ends_of(self.every, panel.sessions, panel.clock).to_numpy() & decided
        due[: opinions[0]] = False
        due[opinions[0]] = True
        return np.flatnonzero(due)

    def first_session(self, panel: Panel) -> int:
        """Row of the first session on which it may decide."""
        return (
            0 if self.start is None else int(panel.sessions.searchsorted(pd.Timestamp(self.start)))
        )

    def first_row(self, panel: Panel, decisions: NDArray[np.int64]) -> int:
        """Row on which the account opens: the run's first session."""
        if self.start is None:
            return int(decisions[0])
        return int(panel.sessions.searchsorted(pd.Timestamp(self.start)))
