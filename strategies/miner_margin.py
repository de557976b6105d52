"""Miners or the coin itself, by the margin that mining leaves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from strategies.benchmarks import Shares, sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.economics import MinerMargin
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, demand_at_most_one
from toolkit.units import Fraction, Positive, component
from toolkit.universe import MINERS, Sleeve


@component
class MinerMarginSwitch(Strategy):
    """Moves a share of equity from miners to bitcoin while mining hardly pays.

    The economic reason: a miner is bitcoin with a power bill. With a thin margin a fall of the hash
    price takes several times its size of the profit, and miners sell new shares or coins to get
    through; bitcoin has neither trouble. With a comfortable margin a miner's operations are worth
    more than the coin alone, and the mix is left as it is: fat margins attract machines and are no
    reason to hold more.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity with a comfortable margin.
    tilt
        Share moved from miners to bitcoin in full stress.
    stress
        Margin in the middle of the move: half of the tilt is made.
    uncertainty
        The move is spread evenly over the margins this much below and above `stress`; 0.1 is what
        the model of the fleet may be wrong by.
    """

    bitcoin: Fraction = 0.25
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.40
    tilt: Fraction = 0.15
    stress: Fraction = 0.3
    uncertainty: Positive = 0.1

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.miners + self.ai_infrastructure, "MinerMarginSwitch")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Margin of the mean machine."""
        return {"margin": MinerMargin()}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Sleeve shares by margin, each spread equally over its members: sessions x assets."""
        margin = self.read(panel, signals)["margin"].to_numpy()[:, 0]
        depth = (self.stress + self.uncertainty - margin) / (2.0 * self.uncertainty)
        # Without an opinion on the margin the mix is left as it is.
        moved = min(self.tilt, self.miners) * np.nan_to_num(np.clip(depth, 0.0, 1.0))
        shares: Shares = {
            Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure,
            Sleeve.BITCOIN: self.bitcoin + moved,
            MINERS: self.miners - moved,
        }
        return decided_where(sum_of_sleeves(panel, shares), panel.members([Sleeve.BITCOIN]))
