"""Rotation between sleeves by what difficulty says of mining, and by momentum."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strategies.benchmarks import Shares, sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.price import Momentum
from toolkit.signals.reading import GAUGES
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, demand_at_most_one
from toolkit.units import Fraction, Sessions, component
from toolkit.universe import MINERS, Sleeve

VOTES = {
    gauge.name: gauge
    for gauge in GAUGES
    if gauge.name
    in (
        "epoch_change_denoised",
        "next_retarget",
        "epoch_reversal",
        "hash_ribbons",
        "ribbon_compression",
        "hash_price_over_cost_percentile",
    )
}
"""Who votes: each by the thresholds it is read by everywhere, none of them chosen here.

Below the low one the vote is -1, above the high one +1, in between 0. What the price alone drives
does not vote, nor does the exit that no price explains: it squeezes nobody who stays.
"""


@component
class DifficultyRotation(Strategy):
    """Tilts a sleeve mix by the difficulty regime, and holds what is rising within each sleeve.

    The economic reason: when the hash rate falls, marginal miners are switching off. Weak miners
    are squeezed first, so miners are held below their share and the difference goes to AI
    infrastructure, which competes for their sites. When the hash rate grows again the survivors
    earn more of the same issuance, and miners are held above their share at AI's expense.

    The regime is a score in [-1, 1], the mean of the votes of those with an opinion: the last change
    of difficulty and the forecast of the next (beyond 6 %), whether a large fall came back within an
    epoch (weather) or not, the hash ribbons with their band, the spread of the eight averages of
    the difficulty, and the rank of the hash price over the fleet's cost. They look at one hash rate
    over windows from days to months, so six votes are far fewer than six opinions.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity in a neutral regime.
    tilt
        Share moved between miners and AI infrastructure where all votes agree.
    lookback
        Sessions of momentum; within miners and AI infrastructure only rising assets are held, and
        the share of a falling asset stays in cash.
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    tilt: Fraction = 0.15
    lookback: Sessions = 126

    def __post_init__(self) -> None:
        demand_at_most_one(
            self.bitcoin + self.miners + self.ai_infrastructure, "DifficultyRotation"
        )

    @property
    def signals(self) -> Mapping[str, Signal]:
        """What votes on the regime, and price momentum."""
        voters: dict[str, Signal] = {name: gauge.signal for name, gauge in VOTES.items()}
        return {**voters, "momentum": Momentum(self.lookback)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Sleeve shares by regime over rising assets: sessions x assets."""
        values = self.read(panel, signals)
        momentum = values["momentum"].to_numpy()
        tilt = np.clip(self.tilt * score(values), -self.miners, self.ai_infrastructure)
        bitcoin = sum_of_sleeves(panel, {Sleeve.BITCOIN: self.bitcoin})
        others: Shares = {
            MINERS: self.miners + tilt,
            Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure - tilt,
        }
        judged = ~np.isnan(momentum)
        rising = sum_of_sleeves(panel, others, judged).to_numpy() * (momentum > 0.0)
        coins = panel.members([Sleeve.BITCOIN]).to_numpy() & judged
        return decided_where(bitcoin + rising, coins)


def score(values: Mapping[str, pd.DataFrame]) -> NDArray[np.float64]:
    """Mean of the votes at each session, -1 stress to 1 growth; 0 where nobody has an opinion."""
    told = np.column_stack([values[name].to_numpy(dtype=float)[:, 0] for name in VOTES])
    low = np.array([-np.inf if gauge.low is None else gauge.low for gauge in VOTES.values()])
    high = np.array([np.inf if gauge.high is None else gauge.high for gauge in VOTES.values()])
    votes = (told > high).astype(float) - (told < low)
    voters = np.isfinite(told).sum(axis=1)
    score: NDArray[np.float64] = votes.sum(axis=1) / np.maximum(voters, 1)
    return score
