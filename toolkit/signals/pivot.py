"""The pivot from mining to AI: how far a miner is, how fast it moves, and the sector's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.errors import DataError
from toolkit.panel import Panel
from toolkit.signals.market_share import MarketShare
from toolkit.signals.signal import Signal
from toolkit.units import Sessions, component
from toolkit.universe import MINERS


@dataclass(frozen=True)
class CompositeEstimate:
    """The composite with what it is made of: frames of sessions x assets.

    Parameters
    ----------
    composite
        Mean of the components that exist.
    components
        Each component by name; NaN where it has no opinion.
    used
        Names of the components in the mean, joined by ``+``; empty where there is none.
    """

    composite: pd.DataFrame
    components: Mapping[str, pd.DataFrame]
    used: pd.DataFrame


@component
class PivotShare(Signal):
    """How far a miner has become an AI host: the mean of the shares that exist.

    Parameters
    ----------
    market
        Share of a miner's explained risk that is AI's.
    disclosure
        Share of a miner's power that is contracted for AI; None where there is no such signal.

    Notes
    -----
    In [0, 1], sessions x assets; NaN where no component has an opinion. The components measure
    different things, risk as the market prices it and capacity as it was announced, so the mean
    steps when one comes or goes: `components` says which are in it, and `PivotMomentum` compares
    like with like.
    """

    market: Signal = MarketShare()
    disclosure: Signal | None = None

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Mean of the components that exist: sessions x assets."""
        return _mean(panel, list(self.components(panel).values()))

    def estimate(self, panel: Panel) -> CompositeEstimate:
        """The mean, its components, and which of them it is made of."""
        components = self.components(panel)
        used = np.full((len(panel.sessions), len(panel.universe)), "", dtype=object)
        for name, frame in components.items():
            known = np.isfinite(frame.to_numpy())
            used = np.where(known, np.where(used == "", name, used + f"+{name}"), used)
        return CompositeEstimate(
            _mean(panel, list(components.values())),
            components,
            pd.DataFrame(used, panel.sessions, panel.universe.columns),
        )

    def components(self, panel: Panel) -> dict[str, pd.DataFrame]:
        """Each share by name, for every asset of the universe.

        Raises
        ------
        DataError
            A share is outside [0, 1].
        """
        signals = {"market": self.market, "disclosure": self.disclosure}
        return {
            name: _share(name, signal.compute(panel), panel)
            for name, signal in signals.items()
            if signal is not None
        }


@component
class PivotMomentum(Signal):
    """Change of the pivot share over the last sessions.

    Parameters
    ----------
    share
        The composite it is the change of.
    lookback
        Sessions over which it changed.

    Notes
    -----
    In shares, -1 to 1: the mean of the changes of those components that exist at both ends, so that
    a component which appears is no movement. NaN where none does. A change of the market's share
    over less than its window compares windows that overlap, which dampens it.
    """

    share: PivotShare = PivotShare()
    lookback: Sessions = 60

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Change over the lookback: sessions x assets."""
        components = self.share.components(panel).values()
        return _mean(panel, [frame - frame.shift(self.lookback) for frame in components])


@component
class SectorPivot(Signal):
    """Mean pivot share of the miners.

    Parameters
    ----------
    share
        The composite that is averaged.
    least_miners
        Miners with a share below which the sector has none.

    Notes
    -----
    One column, ``sector_pivot``, in [0, 1]; every miner counts alike, since point-in-time numbers of
    shares are not in the data. A miner without a share is left out, and those are seldom a fair
    sample: it also moves when a miner gains or loses its share.
    """

    share: PivotShare = PivotShare()
    least_miners: Sessions = 3

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Mean over miners at each session: sessions x 1."""
        share = self.share.compute(panel).where(panel.members(MINERS))
        mean = share.mean(axis=1).where(share.notna().sum(axis=1) >= self.least_miners)
        return mean.to_frame("sector_pivot")


def _mean(panel: Panel, frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Mean of the finite values, NaN where there is none."""
    values = np.stack([frame.to_numpy() for frame in frames])
    exists = np.isfinite(values)
    count = exists.sum(axis=0)
    mean = np.where(exists, values, 0.0).sum(axis=0) / np.where(count > 0, count, np.nan)
    return panel.frame(mean)


def _share(name: str, values: pd.DataFrame, panel: Panel) -> pd.DataFrame:
    """A component on the columns of the universe, refused where it is no share."""
    frame = values.reindex(index=panel.sessions, columns=panel.universe.columns)
    shares = frame.to_numpy()
    outside = (shares < 0.0) | (shares > 1.0)
    if outside.any():
        row, column = np.argwhere(outside)[0]
        raise DataError(
            f"The {name} share of {panel.universe.ids[column]} on {panel.sessions[row].date()} is "
            f"{shares[row, column]:.4g}; a share lies between 0 and 1. Give shares, not "
            "megawatts."
        )
    return frame
