"""Signals of what mining earns: the rank of the hash price, and the margin of the fleet."""

from __future__ import annotations

import pandas as pd

from toolkit.network.economics import mining_margin, unit_power_cost
from toolkit.panel import Field, Panel
from toolkit.signals.daily import amounts, by_day, difficulty_by_day, known_by_day, together
from toolkit.signals.hardware import Fleet
from toolkit.signals.published import PublishedSignal
from toolkit.units import Days, Positive, component

_STALE_MONTH = pd.Timedelta(days=200)
"""A monthly power price is published some 75 days late and serves until the next one."""


@component
class FleetCost:
    """What power costs the fleet.

    Parameters
    ----------
    power_price
        USD/MWh, the same for all time; None takes the panel's field ``power_price``, which is in
        USD/MWh and public when its source published it.
    overhead
        Power of the sites over power of the machines.
    fleet
        How the fleet follows the best machines.
    """

    power_price: Positive | None = 50.0
    overhead: Positive = 1.1
    fleet: Fleet = Fleet()

    def by_day(self, panel: Panel) -> Field:
        """Cost of a PH/s at the end of each UTC day, USD per PH/s per day, as it was known."""
        difficulty = difficulty_by_day(panel)
        if self.power_price is not None:
            return difficulty.apply(self._cost, unit="USD per PH/s per day")
        power = known_by_day(panel, panel.field("power_price"), _STALE_MONTH)
        return together({"difficulty": difficulty, "power": power}).apply(
            self._cost, unit="USD per PH/s per day"
        )

    def _cost(self, known: pd.DataFrame) -> pd.DataFrame:
        efficiency = self.fleet.efficiency(known["difficulty"])
        power = known["power"] if self.power_price is None else self.power_price
        return unit_power_cost(efficiency, power, self.overhead).to_frame("unit_cost")


@component
class HashPricePercentile(PublishedSignal):
    """Rank of the day's hash price among those of the trailing days.

    Parameters
    ----------
    window_days
        UTC days that are ranked, the day itself included.
    cost
        Rank the hash price over the fleet's unit cost instead, since the hash price falls as
        machines improve.

    Notes
    -----
    One column, ``hash_price_percentile``: the share of days in the window with no higher value
    (0.1 = only a tenth of them were as low). Below 0.1 is stress. A day is public one hour after
    its end. NaN where the window has an absent day, and where the last day is more than ten days
    old. The hash price of a day carries no luck of its blocks, if hash rate was counted from the
    same blocks; it moves with price, fees and difficulty. By construction a series without trend
    is below 0.1 a tenth of the time, and one that falls steadily always.
    """

    window_days: Days = 365
    cost: FleetCost | None = None

    def rows(self, panel: Panel) -> Field:
        """Rank after each day."""
        price = amounts(panel, "hash_price")
        if self.cost is None:
            return by_day(price).apply(self._rank, unit="share of days")
        both = together({"hash_price": price, "unit_cost": self.cost.by_day(panel)})
        return both.apply(self._rank, unit="share of days")

    def _rank(self, daily: pd.DataFrame) -> pd.DataFrame:
        value = daily.iloc[:, 0] if self.cost is None else daily["hash_price"] / daily["unit_cost"]
        rank = value.rolling(self.window_days).rank(method="max", pct=True)
        return rank.to_frame("hash_price_percentile")


@component
class MinerMargin(PublishedSignal):
    """Share of revenue that the mean machine of the fleet has left after its power.

    Parameters
    ----------
    cost
        The fleet, its power price and overhead.

    Notes
    -----
    One column, ``miner_margin``, a fraction; negative where the mean machine is under water.
    Below 0.3 is stress. A day's hash price is public one hour after its end; the fleet follows
    releases and difficulty that were known. NaN where a part is absent, and where the last day is
    more than ten days old. Its level depends on the power price and on how the fleet is modelled:
    an error of 14 % in efficiency moves a margin of 0.3 by 0.1. It knows no credits for switching
    off, and no spread between cheap and dear sites.
    """

    cost: FleetCost = FleetCost()

    def rows(self, panel: Panel) -> Field:
        """Margin after each day."""
        parts = {"hash_price": amounts(panel, "hash_price"), "unit_cost": self.cost.by_day(panel)}
        return together(parts).apply(_margin, unit="fraction")


def _margin(daily: pd.DataFrame) -> pd.DataFrame:
    return mining_margin(daily["hash_price"], daily["unit_cost"]).to_frame("miner_margin")
