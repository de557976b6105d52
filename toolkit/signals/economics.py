"""Signals of what mining earns: the rank of the hash price, and the margin of the fleet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import DataError
from toolkit.network.economics import mining_margin, unit_power_cost
from toolkit.panel import Field, Panel
from toolkit.signals.daily import (
    amounts,
    daily_amounts,
    difficulty_by_day,
    known_by_day,
    together,
    trailing_rank,
)
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
        return panel.derived(self, lambda: _unit_cost(panel, self))


def efficiency_by_day(panel: Panel, fleet: Fleet) -> Field:
    """J/TH of a fleet at the end of each UTC day, as it was known."""
    return panel.derived(fleet, lambda: _efficiency(panel, fleet))


def _efficiency(panel: Panel, fleet: Fleet) -> Field:
    known = difficulty_by_day(panel)
    efficiency = fleet.efficiency(known.values.iloc[:, 0])
    return known.derive("efficiency", efficiency.to_numpy(), "J/TH")


def _unit_cost(panel: Panel, cost: FleetCost) -> Field:
    unit = "USD per PH/s per day"
    if cost.power_price is not None:
        known = efficiency_by_day(panel, cost.fleet)
        spent = unit_power_cost(known.column(), cost.power_price, cost.overhead)
        return known.derive("unit_cost", spent, unit)
    power = known_by_day(panel, panel.field("power_price"), _STALE_MONTH)
    both = together({"difficulty": difficulty_by_day(panel), "power": power})
    efficiency = cost.fleet.efficiency(both.values["difficulty"])
    paid = unit_power_cost(efficiency, both.values["power"], cost.overhead)
    return both.derive("unit_cost", paid.to_numpy(), unit)


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
        if self.cost is None:
            daily = daily_amounts(panel, "hash_price")
            value = daily.column()
        else:
            daily = over_cost(panel, self.cost)
            value = daily.column("hash_price") / daily.column("unit_cost")
        rank = trailing_rank(value, self.window_days)
        return daily.derive("hash_price_percentile", rank, "share of days")


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
        daily = over_cost(panel, self.cost)
        earned = daily.column("hash_price")
        if (earned == 0.0).any():
            day = daily.values.index[int(np.argmax(earned == 0.0))].date()
            raise DataError(
                f"hash_price ({daily.source}) of {day} is 0, which leaves no margin. Leave the cell "
                "empty if it is unknown."
            )
        margin = mining_margin(earned, daily.column("unit_cost"))
        return daily.derive("miner_margin", margin, "fraction")


def over_cost(panel: Panel, cost: FleetCost) -> Field:
    """Columns ``hash_price`` and ``unit_cost`` of each day, USD per PH/s per day."""
    return together({"hash_price": amounts(panel, "hash_price"), "unit_cost": cost.by_day(panel)})
