"""The fleet of miners: who hashes with which machines at which power price, and how each reacts.

A cohort is a group of machines alike. Those of today, those to be delivered and those that will
stand at another site after they were displaced are all cohorts: rows of one table. What a fleet
does over time is in `fleet`. Numbers marked unverified are the authors' own.
"""

from __future__ import annotations

import math
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from toolkit.errors import ConfigError, DataError
from toolkit.network.difficulty import BLOCKS_PER_EPOCH, EPOCH_SECONDS
from toolkit.network.economics import unit_power_cost
from toolkit.network.present_value import HostingTerms, MiningTerms
from toolkit.units import Days, Fraction, NonNegative, Positive, component

Floats = NDArray[np.float64]


def _rising(days: tuple[int, int]) -> tuple[int, int]:
    if days[0] > days[1]:
        raise ValueError("the shortest delay must not be longer than the longest")
    return days


DayRange = Annotated[tuple[Days, Days], AfterValidator(_rising)]

BLOCKS_PER_DAY = 86_400.0 * (BLOCKS_PER_EPOCH - 1) / EPOCH_SECONDS
"""Blocks a day in equilibrium, 143.93: the retarget times 2,015 of the 2,016 intervals."""

_VINTAGE_DAYS = 182
_TAIL = 3.5
_BISECTIONS = 50


@component
class Cohort:
    """A group of machines that are alike.

    Parameters
    ----------
    capacity
        EH/s on site.
    efficiency
        J/TH at the meter, cooling included. An EH/s draws as many MW.
    power_price
        USD/MWh on the first day; it moves with the path of power prices.
    spread
        Width of the cohort's unit costs in logs, over which its machines are spread evenly around
        the cost of the middle one. With 0 all of them switch at once.
    """

    capacity: NonNegative
    efficiency: Positive
    power_price: Positive
    spread: NonNegative = 0.0

    @property
    def unit_cost(self) -> float:
        """Power cost, USD per PH/s per day."""
        return float(unit_power_cost(self.efficiency, self.power_price))


@component
class Switching:
    """When machines are turned off and on, with a band in which nothing happens.

    Parameters
    ----------
    margin
        Off below (1 - margin) of the unit cost, on above (1 + margin) of it; 0.05-0.1 reported.
    patience_days
        For how many days in a row the hash price must have been there.
    daily_share
        Share of the machines that should switch which does so each day. With the patience, most
        machines go off 7 to 20 days after their cost is no longer met; 7 to 14 days are reported.
    foresight
        The hash price that counts lies between today's (0) and the one to come when the difficulty
        has followed the hash rate (1), in logs (unverified). With 0 the network overshoots after a
        large fall in price, and can even stand still.
    """

    margin: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.07
    patience_days: Days = 7
    daily_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    foresight: Fraction = 0.5


@component
class Entry:
    """How new machines come in: ordered by what they earn on their price, delivered later.

    Orders a year are `speed` x hash rate x (yearly margin over machine price - `required_return`).
    They follow the machines that run, not all that ever stood somewhere.

    Parameters
    ----------
    speed
        Growth of the hash rate per unit of excess return (unverified).
    required_return
        Yearly margin over machine price at which nobody orders (unverified).
    machine_price_usd_per_th
        On the first day (unverified); it falls with the technology drift, as a machine of the next
        generation costs about as much and does more.
    efficiency, power_price, spread
        Of new machines on the first day, as in `Cohort`.
    technology_drift
        Rate at which the efficiency of new machines improves, log per year (0.15-0.20, unverified).
    delivery_days
        Shortest and longest delay, evenly spread.
    """

    speed: NonNegative = 1.0
    required_return: NonNegative = 0.4
    machine_price_usd_per_th: Positive = 15.0
    efficiency: Positive = 15.0
    power_price: Positive = 45.0
    spread: NonNegative = 0.6
    technology_drift: NonNegative = 0.17
    delivery_days: DayRange = (90, 180)


@component
class Relocation:
    """What becomes of machines that lose their site: some find cheaper power after a while.

    Parameters
    ----------
    share
        Share that is put up again elsewhere (unverified); the rest is lost, or idle after a ban.
    power_discount
        How much cheaper power is there than where the machines were. Machines delivered during the
        run stand at good sites already: they come back at their own cost.
    lag_days
        Shortest and longest delay, evenly spread; after the ban of 2021 it took three to nine
        months.
    classes
        Number of cohorts, by efficiency, in which the first day's machines are pooled.
    """

    share: Fraction = 0.5
    power_discount: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.2
    lag_days: DayRange = (90, 270)
    classes: Annotated[int, Field(ge=1, le=50)] = 4


@component
class Conversion:
    """The option to give a site over to AI hosting, which cannot be taken back.

    Once a week each owner compares the present values of both uses at the day's hash price, rent
    and cost of money. Where hosting is worth more by over `hurdle_usd_per_mw`, a share of the
    eligible power signs each day, at a rate of `hazard` x tanh(excess / (2 x scale)) a year.

    Parameters
    ----------
    mining, hosting
        Terms of the two uses. Signed power earns rent after `hosting.lead_years`.
    discount_rate
        What money costs before the path of the financing spread, per year.
    eligible_share
        Share of the power whose site suits a data centre (25-40 % of US sites, unverified).
    displacement
        Power of hashing that is switched off per power contracted; the rest is built beside it.
    notice_days
        How long before the first rent the machines are removed (1-3 months, unverified).
    hazard, hazard_scale_usd_per_mw
        Signing rate per year when hosting is far superior, and the excess that counts as large
        (both unverified).
    hurdle_usd_per_mw
        Excess of the present value below which waiting is better: the value of the option.
    """

    mining: MiningTerms
    hosting: HostingTerms
    discount_rate: NonNegative = 0.12
    eligible_share: Fraction = 0.3
    displacement: Fraction = 0.5
    notice_days: Days = 60
    hazard: NonNegative = 0.5
    hazard_scale_usd_per_mw: Positive = 500_000.0
    hurdle_usd_per_mw: NonNegative = 0.0

    def __post_init__(self) -> None:
        if self.lead_days <= self.notice_days:
            raise ConfigError(
                f"Conversion: the lead time of {self.hosting.lead_years:g} years must be longer "
                f"than the notice of {self.notice_days} days."
            )

    @property
    def lead_days(self) -> int:
        """Days from the signature to the first rent."""
        return round(365.25 * self.hosting.lead_years)


@component
class Feedback:
    """What the fleet does to the price. Nothing unless set; no number is known.

    Parameters
    ----------
    selling
        Fall of the log price per rise of the share of revenue that goes to power, which must be
        sold, over its value on the first day.
    security
        Elasticity of the price to the hash rate over its highest value so far.
    memory_days
        Time constant with which both are smoothed.
    """

    selling: NonNegative = 0.0
    security: NonNegative = 0.0
    memory_days: Annotated[float, Field(ge=1.0, allow_inf_nan=False)] = 30.0


@component
class Fleet:
    """Miners by cohort, and how they react; a part that is None does not happen."""

    cohorts: tuple[Cohort, ...]
    switching: Switching = Switching()
    entry: Entry | None = None
    relocation: Relocation | None = None
    conversion: Conversion | None = None
    feedback: Feedback = Feedback()

    def __post_init__(self) -> None:
        if not sum(cohort.capacity for cohort in self.cohorts) > 0.0:
            raise ConfigError(
                f"Fleet.cohorts: {len(self.cohorts)} cohorts without any capacity; at least one "
                "needs a capacity above 0 EH/s."
            )

    def table(self, days: int) -> pd.DataFrame:
        """Every cohort that can hold machines within a number of days, one row each.

        Columns: `kind` (installed, vintage, relocated), `capacity` at the start, `efficiency`,
        `power_price`, `spread`, `unit_cost`; `opens` and `closes`, the days of delivery; and
        `destination`, the row to which displaced machines go, -1 for none.
        """
        rows = [
            ("installed", c.capacity, c.efficiency, c.power_price, c.spread, 0, 0)
            for c in self.cohorts
        ]
        if self.entry is not None:
            for opens in range(0, days, _VINTAGE_DAYS):
                years = (opens + 0.5 * _VINTAGE_DAYS) / 365.25
                better = math.exp(-self.entry.technology_drift * years)
                machine = (
                    self.entry.efficiency * better,
                    self.entry.power_price,
                    self.entry.spread,
                )
                rows.append(("vintage", 0.0, *machine, opens, opens + _VINTAGE_DAYS))
        columns = ["kind", "capacity", "efficiency", "power_price", "spread", "opens", "closes"]
        table = pd.DataFrame(rows, columns=columns).assign(destination=-1)
        table["unit_cost"] = unit_power_cost(table["efficiency"], table["power_price"])
        return table if self.relocation is None else _with_destinations(table, self.relocation)


class Equilibrium(NamedTuple):
    """A hash rate (EH/s) and the hash price (USD per PH/s per day) that just supports it."""

    hash_rate: float
    hash_price: float


def share_on(unit_cost: Floats, spread: Floats, hash_price: float) -> Floats:
    """Share of each cohort whose unit cost lies below a hash price, without hysteresis."""
    if hash_price <= 0.0:
        return np.zeros(len(unit_cost))
    distance = math.log(hash_price) - np.log(unit_cost)
    inside = np.clip(distance / np.where(spread > 0.0, spread, 1.0) + 0.5, 0.0, 1.0)
    return np.asarray(np.where(spread > 0.0, inside, distance >= 0.0), dtype=float)


def equilibrium(fleet: Fleet, block_reward_usd: float) -> Equilibrium:
    """Where the cost curve of the first day's machines meets what the network pays.

    More hashing lowers the hash price and a lower hash price supports less hashing, so there is one
    such point, found by bisection. It has no hysteresis, no entry and no exit: the comparative
    statics of the fleet.

    Parameters
    ----------
    fleet
        Of which only the cohorts count.
    block_reward_usd
        Subsidy and fees of a block in USD.

    Raises
    ------
    DataError
        A reward that is not positive and finite.
    """
    if not 0.0 < block_reward_usd < math.inf:
        raise DataError(
            f"block_reward_usd = {block_reward_usd}: no capacity is above water without a reward; "
            "expected a positive, finite number."
        )
    capacity = np.array([cohort.capacity for cohort in fleet.cohorts])
    cost = np.array([cohort.unit_cost for cohort in fleet.cohorts])
    spread = np.array([cohort.spread for cohort in fleet.cohorts])
    revenue = block_reward_usd * BLOCKS_PER_DAY / 1000.0
    # Below the one end not even the whole fleet earns the reward, above the other one it must.
    low = math.log(revenue / capacity.sum()) - 1.0
    high = max(low, math.log(cost.max()) + spread.max()) + 2.0
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        if capacity @ share_on(cost, spread, math.exp(middle)) * math.exp(middle) < revenue:
            low = middle
        else:
            high = middle
    # The upper end: where many machines have one cost, they run.
    return Equilibrium(float(capacity @ share_on(cost, spread, math.exp(high))), math.exp(high))


def lognormal_fleet(
    capacity: float,
    *,
    median_cost: float = 21.0,
    sigma: float = 0.39,
    cohorts: int = 40,
    power_price: float = 47.0,
    power_sigma: float = 0.3,
) -> Fleet:
    """A fleet whose unit costs are lognormal, without entry, relocation or conversion.

    The defaults leave 18 % of the capacity under water at a hash price of 30 and are meant for
    2026; 28.5 is the median for early 2024. Use `dataclasses.replace` to add what else happens.

    Parameters
    ----------
    capacity
        EH/s installed; the hash rate over the share of it that runs.
    median_cost
        USD per PH/s per day.
    sigma
        Standard deviation of the logs of unit costs.
    cohorts
        Number of groups, equally wide in logs over 3.5 standard deviations to each side.
    power_price, power_sigma
        Median (USD/MWh) and standard deviation of logs of the power price. A cohort has the mean
        power price of those with its unit cost; its efficiency is the rest.

    Raises
    ------
    ConfigError
        A number that is not positive, or a power price that varies more than the costs do.
    """
    given = {"capacity": capacity, "median_cost": median_cost, "sigma": sigma, "cohorts": cohorts,
             "power_price": power_price}  # fmt: skip
    for name, value in given.items():
        if not 0.0 < value < math.inf:
            raise ConfigError(f"lognormal_fleet: {name} = {value} must be positive and finite.")
    if not 0.0 <= power_sigma <= sigma:
        raise ConfigError(
            f"lognormal_fleet: power_sigma = {power_sigma} must lie between 0 and sigma = {sigma}."
        )
    edges = np.linspace(-_TAIL, _TAIL, cohorts + 1)
    below = np.array([0.5 * math.erfc(-edge / math.sqrt(2.0)) for edge in edges])
    mass = np.diff(below) / (below[-1] - below[0])
    distance = 0.5 * sigma * (edges[1:] + edges[:-1])
    cost = median_cost * np.exp(distance)
    power = power_price * np.exp(distance * (power_sigma / sigma) ** 2)
    efficiency = cost / unit_power_cost(1.0, power)
    width = 2.0 * _TAIL * sigma / cohorts
    columns = zip(capacity * mass, efficiency, power, strict=True)
    return Fleet(tuple(Cohort(float(k), float(e), float(c), width) for k, e, c in columns))


def _with_destinations(table: pd.DataFrame, relocation: Relocation) -> pd.DataFrame:
    vintage = table["kind"] == "vintage"
    table.loc[vintage, "destination"] = np.flatnonzero(vintage)
    # By the installed ones alone: what happens first must not depend on how long the run is.
    order = table.index[~vintage][np.argsort(table["efficiency"].to_numpy()[~vintage])]
    rows: list[tuple[object, ...]] = []
    for members in np.array_split(order, min(relocation.classes, len(order))):
        group = table.loc[members]
        weights = group["capacity"] if group["capacity"].sum() > 0.0 else None
        power = np.average(group["power_price"], weights=weights)
        width = np.log(group["unit_cost"].max() / group["unit_cost"].min()) + group["spread"].mean()
        efficiency = np.average(group["efficiency"], weights=weights)
        destination = len(table) + len(rows)
        cheaper = (1.0 - relocation.power_discount) * power
        rows.append(("relocated", 0.0, efficiency, cheaper, width, 0, 0, destination))
        table.loc[members, "destination"] = destination
    added = pd.DataFrame(rows, columns=list(table.columns[:8]))
    added["unit_cost"] = unit_power_cost(added["efficiency"], added["power_price"])
    return pd.concat([table, added], ignore_index=True)
