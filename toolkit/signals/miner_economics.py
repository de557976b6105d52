"""Hosting against mining for single miners, with the machines and the power price of their own."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.panel import Field, Panel
from toolkit.signals.relative_economics import KappaSpread
from toolkit.signals.signal import Signal
from toolkit.units import component
from toolkit.universe import MINERS

EFFICIENCY, POWER_PRICE = "mining_efficiency", "mining_power_price"
"""Fields of a user's ``miner_capacity.csv``: J/TH of the machines, USD/MWh at the meter."""


@component
class MinerKappaSpread(Signal):
    """`KappaSpread` of each miner whose machines and power price a table tells.

    Parameters
    ----------
    sector
        Which statistic, and all that is assumed of both uses and of the sites; only efficiency and
        power price are a miner's own.

    Notes
    -----
    In the unit of the statistic, sessions x assets. At each decision it is judged by the last public
    hash price and rent and by the row of ``miner_capacity.csv`` that was usable then, which serves
    until the next. NaN for whom the table tells not both numbers (yet), for what is no miner, where
    the sector has no conditions, and without a table: the shipped data have none, and the fleet's
    mean is never put in its place. Machines are rated without the site's own needs, so `efficiency`
    is multiplied by the overhead of the sector's sites.
    """

    sector: KappaSpread = KappaSpread()

    def compute(self, panel: Panel) -> pd.DataFrame:
        """The statistic under each miner's own conditions: sessions x assets."""
        found = panel.frame(np.full((len(panel.sessions), len(panel.universe)), np.nan))
        if not {EFFICIENCY, POWER_PRICE} <= panel.fields.keys():
            return found
        met = self.sector.conditions(panel)
        common = panel.known(met, max_age=self.sector.max_age)
        efficiency = self.sector.cost.overhead * panel.known(EFFICIENCY)
        power_price = panel.known(POWER_PRICE)
        mines = panel.members(MINERS)
        for asset in panel.universe.columns.intersection(efficiency.columns):
            own = common.assign(efficiency=efficiency[asset], power_price=power_price[asset])
            own = own[mines[asset]].dropna()
            if len(own):
                public = panel.decisions[panel.sessions.get_indexer(own.index)]
                judged = self.sector.judge(Field(own, public, met.unit, met.source))
                found.loc[own.index, asset] = judged.values.iloc[:, 0]
        return found
