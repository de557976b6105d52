"""What a strategy is: signals in, target weights out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from toolkit.errors import ConfigError, suggestion
from toolkit.panel import Panel
from toolkit.signals.signal import Signal


class Strategy(ABC):
    """Turns what was public at each decision into target weights.

    A strategy names the signals it reads in ``signals`` and returns *dense* targets: a row for
    every session, as if each were a decision. The schedule picks the rows that are traded.
    """

    @property
    def signals(self) -> Mapping[str, Signal]:
        """All signals it reads, by name."""
        return {}

    @abstractmethod
    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Target weights: sessions x assets.

        A row all NaN is no decision; an absent asset has weight 0; what a row leaves of 1 is cash.
        Given `signals` are used instead of computing them, which is how one is switched off.
        """

    def expected_returns(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame | None:
        """Expected returns, fractions a year: sessions x assets, cash included; None has none.

        NaN is no opinion: such an asset is not bought by an objective that reads them.
        """
        return None

    def read(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> Mapping[str, pd.DataFrame]:
        """Values of all its signals: the given ones, or computed on the panel."""
        if signals is None:
            return {name: signal.compute(panel) for name, signal in self.signals.items()}
        missing = [name for name in self.signals if name not in signals]
        if missing:
            raise ConfigError(
                f"{type(self).__name__} reads the signal {missing[0]!r}, which was not given. "
                f"{suggestion(missing[0], signals)}"
            )
        return signals


def demand_at_most_one(total: float, name: str) -> None:
    """Refuse shares that add up to more than all of the equity.

    Raises
    ------
    ConfigError
        Naming the strategy and the sum.
    """
    if total > 1.0 + 1e-9:
        raise ConfigError(f"The shares of {name} sum to {total:g}; expected at most 1.")


def share_equally(chosen: pd.DataFrame) -> pd.DataFrame:
    """Equal weights over the chosen assets of each session; a session that chose none is all 0."""
    return share_in_proportion(chosen)


def share_in_proportion(scores: pd.DataFrame) -> pd.DataFrame:
    """Weights in proportion to positive scores; a session without any is all 0."""
    shares = proportions(scores.to_numpy(dtype=float))
    return pd.DataFrame(shares, index=scores.index, columns=scores.columns, copy=False)


def proportions(scores: NDArray[Any]) -> NDArray[np.float64]:
    """`share_in_proportion` of an array; of flags each row's true ones share equally."""
    positive = np.where(scores > 0.0, scores, 0.0)
    total = positive.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(
        positive, total, out=np.zeros_like(positive), where=total > 0.0
    )
    return shares


def decided_where(weights: pd.DataFrame, decided: ArrayLike) -> pd.DataFrame:
    """The weights on the sessions where the flag holds, and no decision (all NaN) on the others.

    Of flags by asset one is enough.
    """
    flags = np.asarray(decided, dtype=bool).reshape(len(weights), -1)
    values = np.where(np.any(flags, axis=1, keepdims=True), weights.to_numpy(), np.nan)
    return pd.DataFrame(values, index=weights.index, columns=weights.columns, copy=False)


def decided_where_invested(weights: pd.DataFrame) -> pd.DataFrame:
    """The weights, and no decision on the sessions on which all of them are 0."""
    return decided_where(weights, weights.to_numpy() > 0.0)
