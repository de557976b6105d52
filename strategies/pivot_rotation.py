"""Rotation from legacy to pivoting miners to AI infrastructure, by the pivot and its momentum."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from strategies.benchmarks import sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.disclosure import DisclosedShare
from toolkit.signals.pivot import PivotMomentum, PivotShare
from toolkit.signals.signal import Signal
from toolkit.strategy import (
    Strategy,
    decided_where,
    demand_at_most_one,
    share_equally,
    share_in_proportion,
)
from toolkit.units import Fraction, Positive, Sessions, component
from toolkit.universe import MINERS, Sleeve


@component
class PivotRotation(Strategy):
    """Holds the miners that are turning to AI, and as AI what has turned already.

    The economic reason: a lease to an AI tenant is signed in a day, but lenders, analysts and
    holders of shares take months to value a miner as a host. While its pivot share rises, it moves
    from the multiple of a mine to that of a data centre; a miner without tenants has the same
    machines, the same falling hash price, and one use less for its power. Once the market prices a
    part of a miner as AI, that part pays what AI infrastructure pays, less the dilution and
    overhead of a miner, and is held as AI infrastructure itself.

    A miner is *heading* for its share plus the share's change over `lookback`, between 0 and 1. The
    miners' part of equity is split in proportion to `legacy_weight` plus the heading; then of each
    miner's weight its share goes to AI infrastructure. A miner whose share is not known counts as
    legacy, so without any reading the mix is neutral.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity while no miner pivots.
    legacy_weight
        What a miner without any pivot counts; one heading for as large a share counts twice that.
        A tenth is about the sampling error of a market share.
    lookback
        Sessions over which the pivot share changes.
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    legacy_weight: Positive = 0.1
    lookback: Sessions = 60

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.miners + self.ai_infrastructure, "PivotRotation")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Pivot share of each miner, and its change."""
        share = PivotShare(disclosure=DisclosedShare())
        return {"pivot_share": share, "pivot_momentum": PivotMomentum(share, self.lookback)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Miners by where their pivot is heading, less what is AI already: sessions x assets."""
        values = self.read(panel, signals)
        share = values["pivot_share"].fillna(0.0)
        members = panel.members(MINERS)
        counted = heading(share, values["pivot_momentum"]) + self.legacy_weight
        held = self.miners * share_in_proportion(counted.where(members, 0.0))
        turned = held * share
        infrastructure = share_equally(panel.members([Sleeve.AI_INFRASTRUCTURE]))
        weights = sum_of_sleeves(panel, {Sleeve.BITCOIN: self.bitcoin}) + held - turned
        weights += infrastructure.mul(self.ai_infrastructure + turned.sum(axis=1), axis=0)
        return decided_where(weights, panel.members([Sleeve.BITCOIN]).any(axis=1))


def heading(share: pd.DataFrame, momentum: pd.DataFrame) -> pd.DataFrame:
    """Pivot share of each asset if it went on as it did: in [0, 1]; an unknown share is 0."""
    return (share.fillna(0.0) + momentum.fillna(0.0)).clip(0.0, 1.0)
