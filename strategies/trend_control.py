"""Plain momentum: what every signal strategy must beat to claim anything."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from strategies.benchmarks import RISKY
from toolkit.panel import Panel
from toolkit.signals.price import Momentum
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, proportions
from toolkit.units import Sessions, component


@component
class TrendControl(Strategy):
    """Equal weight in the assets that rose over the lookback, the rest in cash.

    It knows nothing of miners or AI. A strategy that does not do better net of costs has found
    momentum under another name.
    """

    lookback: Sessions = 126

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Price momentum."""
        return {"momentum": Momentum(self.lookback)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Each rising asset gets one share of all assets with an opinion."""
        momentum = self.read(panel, signals)["momentum"].to_numpy()
        judged = panel.members(RISKY).to_numpy() & ~np.isnan(momentum)
        rising = proportions(judged) * (momentum > 0.0)
        return decided_where(panel.frame(rising), judged)
