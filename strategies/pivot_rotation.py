"""Rotation from legacy to pivoting miners to AI infrastructure, by the pivot and its momentum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from strategies.benchmarks import Shares, sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.disclosure import ContractedMegawatts, DisclosedShare
from toolkit.signals.pivot import PivotMomentum, PivotShare
from toolkit.signals.pivot_detector import PivotDetector
from toolkit.signals.signal import Signal
from toolkit.strategy import (
    Strategy,
    decided_where,
    demand_at_most_one,
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

    A miner is *heading* for its share plus the share's change over `lookback`, between 0 and 1, and
    for no less than `alarm_share` while the detector of pivots has an alarm: in the months of a turn
    the ways to measure the share contradict one another, and there is none. The miners' part of
    equity is split in proportion to `legacy_weight` plus the heading; then of each miner's weight
    its share goes to AI infrastructure. Where neither is known a miner counts as legacy, so without
    any reading the mix is neutral.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity while no miner pivots.
    legacy_weight
        What a miner without any pivot counts; one heading for as large a share counts twice that.
        A tenth is about the sampling error of a market share.
    alarm_share
        Pivot share that a miner in an alarm is heading for at least.
    lookback
        Sessions over which the pivot share changes.
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    legacy_weight: Positive = 0.1
    alarm_share: Fraction = 0.3
    lookback: Sessions = 60

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.miners + self.ai_infrastructure, "PivotRotation")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Pivot share of each miner, its change, and whether a turn is under way."""
        share = PivotShare(disclosure=DisclosedShare())
        return {
            "pivot_share": share,
            "pivot_momentum": PivotMomentum(share, self.lookback),
            "pivot_alarm": PivotDetector(ContractedMegawatts()),
        }

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Miners by where their pivot is heading, less what is AI already: sessions x assets."""
        values = self.read(panel, signals)
        share = values["pivot_share"].fillna(0.0)
        counted = heading(values, self.alarm_share) + self.legacy_weight
        held = self.miners * share_in_proportion(counted * panel.members(MINERS))
        turned = held * share
        shares: Shares = {
            Sleeve.BITCOIN: self.bitcoin,
            Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure + turned.to_numpy().sum(axis=1),
        }
        weights = sum_of_sleeves(panel, shares) + held - turned
        return decided_where(weights, panel.members([Sleeve.BITCOIN]))


def heading(values: Mapping[str, pd.DataFrame], alarm_share: float) -> pd.DataFrame:
    """Pivot share of each asset if it went on as it did, and in an alarm at least so much.

    In [0, 1]; what is not known counts as 0.
    """
    share, change, alarm = (
        np.nan_to_num(values[name].to_numpy())
        for name in ("pivot_share", "pivot_momentum", "pivot_alarm")
    )
    ahead, least = share + change, alarm_share * alarm
    frame = values["pivot_share"]
    heading = np.where(ahead > least, np.clip(ahead, 0.0, 1.0), least)
    return pd.DataFrame(heading, frame.index, frame.columns, copy=False)
