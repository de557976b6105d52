"""Signals that have rows of their own: a UTC day, or a difficulty epoch."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import pandas as pd

from toolkit.panel import Field, Panel
from toolkit.signals.signal import Signal

DAY = pd.Timedelta(days=1)

STALE_DAY = pd.Timedelta(days=10)
"""A daily row older than this is no opinion: the source has stopped."""

STALE_EPOCH = pd.Timedelta(days=60)
"""So is a retarget older than this: no epoch can last longer unless 3/4 of the hash rate leave."""


class PublishedSignal(Signal):
    """A signal that is a field first: rows with the moment each of them became public.

    ``rows`` depends on rows that were public by then, and the value at a decision is that of its
    last public row: NaN where that row is labelled more than ``max_age`` before the session. A row
    of NaN is no reading; the row before it serves until it is too old.
    """

    max_age: ClassVar[pd.Timedelta] = STALE_DAY

    @abstractmethod
    def rows(self, panel: Panel) -> Field:
        """Value of each day or epoch, with the moment it became public; one column."""

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Last public value at each decision: sessions x 1."""
        return panel.known(self.rows(panel), max_age=self.max_age)
