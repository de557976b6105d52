"""What a signal is, and how signals compose."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from toolkit.errors import ConfigError
from toolkit.panel import Panel


class Signal(ABC):
    """A quantity with an opinion.

    ``compute`` returns sessions x assets, or sessions x one column for the whole market. Row t
    uses what was public at t's decision. NaN means no opinion. Signals add, subtract and multiply.
    """

    rises_with_events: ClassVar[bool] = False
    """Whether it rises when something happens, an announcement or an alarm, and never else."""

    @abstractmethod
    def compute(self, panel: Panel) -> pd.DataFrame:
        """Value at each decision: sessions x assets, or one column."""

    def __add__(self, other: Signal) -> Signal:
        return Combination(self, other, operator.add)

    def __sub__(self, other: Signal) -> Signal:
        return Combination(self, other, operator.sub)

    def __mul__(self, other: Signal) -> Signal:
        return Combination(self, other, operator.mul)


@dataclass(frozen=True)
class Combination(Signal):
    """Two signals joined element by element; one column is spread over the other's assets."""

    left: Signal
    right: Signal
    join: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame]

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Joined value at each decision; NaN where either has no opinion."""
        left, right = self.left.compute(panel), self.right.compute(panel)
        if left.shape[1] == 1 and right.shape[1] > 1:
            left = _spread(left, right)
        elif right.shape[1] == 1 and left.shape[1] > 1:
            right = _spread(right, left)
        if not left.columns.equals(right.columns) and left.shape[1] > 1:
            raise ConfigError("Two signals of different assets cannot be joined.")
        return self.join(left, right.set_axis(left.columns, axis=1))


def _spread(column: pd.DataFrame, like: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([column.iloc[:, 0]] * like.shape[1], axis=1, keys=like.columns)
