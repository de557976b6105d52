"""Rotation between sleeves by the regime of the hash rate and by momentum."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from strategies.benchmarks import sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.difficulty import HashRibbons
from toolkit.signals.price import Momentum
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, demand_at_most_one, share_equally
from toolkit.units import Days, Fraction, NonNegative, Sessions, component
from toolkit.universe import MINERS, Sleeve


@component
class DifficultyRotation(Strategy):
    """Tilts a sleeve mix by the difficulty regime, and holds what is rising within each sleeve.

    The economic reason: when the hash rate falls, marginal miners are switching off. Weak miners
    are squeezed first, so miners are held below their share and the difference goes to AI
    infrastructure, which competes for their sites. When the hash rate grows again the survivors
    earn more of the same issuance, and miners are held above their share at AI's expense.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity in a neutral regime.
    tilt
        Share moved between miners and AI infrastructure in a clear regime.
    lookback
        Sessions of momentum; within miners and AI infrastructure only rising assets are held, and
        the share of a falling asset stays in cash.
    short_days, long_days, band
        As in `HashRibbons`.
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    tilt: Fraction = 0.15
    lookback: Sessions = 126
    short_days: Days = 30
    long_days: Days = 60
    band: NonNegative = 0.011

    def __post_init__(self) -> None:
        demand_at_most_one(
            self.bitcoin + self.miners + self.ai_infrastructure, "DifficultyRotation"
        )

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Hash-rate regime and price momentum."""
        return {
            "regime": HashRibbons(self.short_days, self.long_days, self.band),
            "momentum": Momentum(self.lookback),
        }

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Sleeve shares by regime over rising assets: sessions x assets."""
        values = self.read(panel, signals)
        momentum = values["momentum"]
        # Without an opinion on the regime the mix is neutral: the rest of the view still holds.
        regime = values["regime"].iloc[:, 0].fillna(0.0)
        tilt = (self.tilt * regime).clip(-self.miners, self.ai_infrastructure)
        weights = sum_of_sleeves(panel, {Sleeve.BITCOIN: self.bitcoin})
        for sleeves, share in (
            (MINERS, self.miners + tilt),
            ((Sleeve.AI_INFRASTRUCTURE,), self.ai_infrastructure - tilt),
        ):
            judged = panel.members(sleeves) & momentum.notna()
            rising = share_equally(judged).where(momentum > 0.0, 0.0)
            weights += rising.mul(share, axis=0)
        judged_any = (panel.members([Sleeve.BITCOIN]) & momentum.notna()).any(axis=1)
        return decided_where(weights, judged_any)
