"""Mining against AI infrastructure, by which use of a megawatt is worth more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from strategies.benchmarks import Shares, sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.economics import FleetCost
from toolkit.signals.relative_economics import KappaSpread
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, demand_at_most_one
from toolkit.units import Fraction, NonNegative, Positive, component
from toolkit.universe import MINERS, Sleeve


@component
class KappaSpreadTilt(Strategy):
    """Tilts a sleeve mix to AI infrastructure as far as hosting is the better use of a megawatt.

    The economic reason: the same land, grid connection and cooling can mine or host. Where hosting
    is worth more, capital and sites move to it for years, and what only mines is left with the
    worse use of scarce power. Where mining is worth more there is nothing to move for.

    What is worth more depends on inputs that nobody knows, so the tilt is in proportion to how many
    of the combinations tried agree: all of them a full tilt, half of them none. The answer changes
    slowly, so years of it are one or two bets. Before asking rents are known the mix is neutral.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity where as many combinations favour mining as hosting.
    tilt
        Share moved between miners and AI infrastructure where all agree.
    power_price
        USD/MWh that the fleet pays.
    capex_usd_per_mw, renewal_usd_per_mw_year
        Of hosting per MW of critical IT power, and of mining, as in `KappaSpread`.
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    tilt: Fraction = 0.15
    power_price: Positive = 50.0
    capex_usd_per_mw: NonNegative = 8_000_000.0
    renewal_usd_per_mw_year: NonNegative = 200_000.0

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.miners + self.ai_infrastructure, "KappaSpreadTilt")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Share of the combinations of inputs under which hosting is worth more."""
        usual = KappaSpread()
        return {
            "hosting_is_worth_more": KappaSpread(
                "agreement",
                mining=replace(usual.mining, renewal_usd_per_mw_year=self.renewal_usd_per_mw_year),
                hosting=replace(usual.hosting, capex_usd_per_mw=self.capex_usd_per_mw),
                cost=FleetCost(self.power_price),
            )
        }

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Sleeve shares by agreement, each spread equally over its members: sessions x assets."""
        agreement = self.read(panel, signals)["hosting_is_worth_more"].to_numpy()[:, 0]
        # Without an opinion the mix is neutral.
        view = np.nan_to_num(2.0 * agreement - 1.0)
        moved = np.clip(self.tilt * view, -self.ai_infrastructure, self.miners)
        shares: Shares = {
            Sleeve.BITCOIN: self.bitcoin,
            MINERS: self.miners - moved,
            Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure + moved,
        }
        return decided_where(sum_of_sleeves(panel, shares), panel.members([Sleeve.BITCOIN]))
