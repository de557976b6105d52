"""Hosting AI computers against mining: which use of a megawatt is worth more, as known each day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date
from functools import cache
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, InsufficientHistoryError
from toolkit.network.economics import breakeven_power_price, unit_power_cost
from toolkit.network.present_value import (
    HOURS_PER_YEAR,
    Conditions,
    Finite,
    HostingTerms,
    MiningTerms,
    annuity,
    compare,
    hosting_value,
    mining_value,
    sensitivity_table,
)
from toolkit.panel import Field, Panel
from toolkit.signals.daily import Floats, daily_amounts, known_by_day, together, trailing_mean
from toolkit.signals.economics import FleetCost, efficiency_by_day
from toolkit.signals.published import DAY, PublishedSignal
from toolkit.units import Days, NonNegative, Positive, component
from toolkit.universe import labels_of

_CONDITIONS = ("hash_price", "efficiency", "power_price", "rent")

_STALE_RENT = pd.Timedelta(days=400)
"""Reports come twice a year; when two have been missed the rent is not known any more."""


@dataclass(frozen=True)
class AskingRent:
    """What landlords asked for wholesale space in a data centre, and when that was published.

    Parameters
    ----------
    published
        Day of the publication, without a time: public at the end of its New York day.
    usd_per_kw_month
        Mean over the primary markets of North America, for 250 to 500 kW of critical IT power.
    """

    published: date
    usd_per_kw_month: Positive
    source: str


ASKING_RENTS = (
    AskingRent(date(2022, 9, 9), 127.50, "CBRE, North America Data Center Trends H1 2022"),
    AskingRent(date(2023, 2, 23), 137.90, "CBRE, press release on the year 2022"),
    AskingRent(date(2023, 9, 6), 147.80, "CBRE, press release on H1 2023"),
    AskingRent(date(2024, 3, 8), 163.44, "World Property Journal on CBRE's report of H2 2023"),
    AskingRent(date(2024, 8, 19), 174.06, "CBRE, North America Data Center Trends H1 2024"),
    AskingRent(date(2025, 2, 26), 184.06, "CBRE, North America Data Center Trends H2 2024"),
)
"""Asking rents as they were first published.

They are of small spaces: miners let hundreds of megawatts, at 104 to 156 USD in the contracts up to
the middle of 2025. The day of 2024-03-08 is that of a newspaper, later than the report if at all.
"""


@component
class Ranges:
    """What is tried for the inputs that nobody knows, each from mild to harsh.

    Parameters
    ----------
    hash_price_drift
        Log per year.
    lead_years
        From the decision to the first rent.
    discount_rate
        Cost of money per year.
    """

    hash_price_drift: tuple[Finite, ...] = (0.0, -0.1, -0.2)
    lead_years: tuple[NonNegative, ...] = (1.0, 1.5, 2.0)
    discount_rate: tuple[NonNegative, ...] = (0.08, 0.10, 0.12)

    def __post_init__(self) -> None:
        for entry in fields(self):
            if not getattr(self, entry.name):
                raise ConfigError(f"Ranges.{entry.name} is empty; expected at least one value.")

    def combinations(self) -> Iterator[tuple[float, float, float]]:
        """Every drift with every lead time and every discount rate."""
        return product(self.hash_price_drift, self.lead_years, self.discount_rate)


@component
class KappaSpread(PublishedSignal):
    """Present value of hosting minus that of mining, as a level payment per megawatt-hour.

    Parameters
    ----------
    statistic
        ``spread``, USD/MWh, under the terms given; ``band_low`` and ``band_high``, its smallest and
        largest value over the ranges; ``agreement``, the share of the combinations in the ranges
        under which hosting is worth more; ``breakeven_hash_price``, USD per PH/s per day, below
        which hosting is worth more under the terms given.
    mining, hosting
        What is expected of either use: drift of the hash price, renewal and horizon; lead time,
        capital expenditure, term and margin.
    discount_rate
        Cost of money, per year.
    ranges
        What is tried for drift, lead time and cost of money.
    cost
        The machines, their power price and the overhead of the sites.
    rents
        Asking rents, oldest first.
    average_days
        UTC days over which the hash price is averaged: a day of high fees changes no present value.

    Notes
    -----
    One column, named by the statistic: a series of the sector, since no miner's own machines and power
    prices are in the shipped data; `MinerKappaSpread` is for those that a table tells. It is the
    fleet's mean machine that mines, at its efficiency by the machines and the difficulty known
    each day. A day's row holds what was public at its end and is public itself an hour later, with
    its hash price: so a rent, public at the end of the New York day of its publication, reaches
    the decision of the second day after. NaN before the first rent (September 2022) or 400 days
    after the last one, where the average has an absent day, and where the last day is more than
    ten days old.

    Its level is made of assumptions, and they are ours. The published ranges are 12 to 24 months of
    lead, 6 to 11 million USD per MW of critical IT power, net margins of 0.80 to 0.85; renewal at
    0.2 million per MW and year is unverified. The drift is that of what a renewed megawatt earns.
    The hash price alone lost 0.24 a year (log) from 2019 to June 2025, but over the fleet's
    efficiency 0.0 from 2019 and 0.2 from 2021; four years of it leave a standard error of 0.34, so it
    is not estimated. Rents are asked and not paid, capital expenditure is the same on all dates,
    and what waiting is worth is left out. Read the spread with its band, or the agreement.
    """

    statistic: Literal["spread", "band_low", "band_high", "agreement", "breakeven_hash_price"] = (
        "spread"
    )
    mining: MiningTerms = MiningTerms(
        hash_price_drift=-0.1, renewal_usd_per_mw_year=200_000.0, horizon_years=15.0
    )
    hosting: HostingTerms = HostingTerms(
        lead_years=1.5,
        term_years=15.0,
        capex_usd_per_mw=8_000_000.0,
        overhead=1.25,
        net_margin=0.82,
    )
    discount_rate: NonNegative = 0.10
    ranges: Ranges = Ranges()
    cost: FleetCost = FleetCost()
    rents: tuple[AskingRent, ...] = ASKING_RENTS
    average_days: Days = 30

    def __post_init__(self) -> None:
        days = [rent.published for rent in self.rents]
        if not days or days != sorted(set(days)):
            raise ConfigError("KappaSpread.rents: expected at least one, oldest first, one a day.")

    def rows(self, panel: Panel) -> Field:
        """The statistic after each day."""
        return self.judge(self.conditions(panel))

    def conditions(self, panel: Panel) -> Field:
        """What both uses met on each day, as it was known.

        Columns: ``hash_price`` (averaged), ``efficiency`` (J/TH at the meter), ``power_price``
        (USD/MWh) and ``rent`` (USD per kW-month). A miner whose machines and power price are on
        record has conditions of its own, with two columns replaced: `MinerKappaSpread`.
        """
        hash_price = daily_amounts(panel, "hash_price")
        average = trailing_mean(hash_price.column(), self.average_days)
        known = together(
            {
                "hash_price": hash_price.derive("hash_price", average, hash_price.unit),
                "efficiency": efficiency_by_day(panel, self.cost.fleet),
                "unit_cost": self.cost.by_day(panel),
                "rent": known_by_day(panel, rent_field(self.rents), _STALE_RENT),
            }
        )
        efficiency = self.cost.overhead * known.column("efficiency")
        # The power price that the unit cost was computed from, USD/MWh at the meter.
        power_price = known.column("unit_cost") / unit_power_cost(efficiency, 1.0)
        columns = (known.column("hash_price"), efficiency, power_price, known.column("rent"))
        values = pd.DataFrame(np.column_stack(columns), known.values.index, labels_of(*_CONDITIONS))
        return Field(values, known.available_at, "inputs of a comparison", known.source)

    def judge(self, conditions: Field) -> Field:
        """The statistic under each day's conditions."""
        unit = {"agreement": "share", "breakeven_hash_price": "USD per PH/s per day"}
        return conditions.apply(self._judged, unit=unit.get(self.statistic, "USD/MWh"))

    def _judged(self, known: pd.DataFrame) -> pd.DataFrame:
        if self.statistic in ("spread", "breakeven_hash_price"):
            conditions = conditions_of(known, self.discount_rate)
            return compare(conditions, self.mining, self.hosting)[[self.statistic]]
        given = known[list(_CONDITIONS)].to_numpy()
        complete = ~np.isnan(given).any(axis=1)
        spreads = self._spreads(*given[complete].T)
        found = {
            "band_low": spreads.min(axis=0),
            "band_high": spreads.max(axis=0),
            "agreement": (spreads > 0.0).mean(axis=0),
        }
        values = np.full((len(known), 1), np.nan)
        values[complete, 0] = found[self.statistic]
        return pd.DataFrame(values, known.index, labels_of(self.statistic))

    def _spreads(
        self, hash_price: Floats, efficiency: Floats, power_price: Floats, rent: Floats
    ) -> Floats:
        """Spread of `compare` for every combination of the ranges: combinations x days.

        All at once, since `compare` also searches the break-even of every one.
        """
        tried = np.array(list(self.ranges.combinations())).reshape(-1, 3, 1)
        drift, lead, rate = tried[:, 0], tried[:, 1], tried[:, 2]
        mining, hosting, interest = self.mining, self.hosting, np.log1p(rate)
        let = hosting.utilisation * hosting.net_margin / hosting.overhead
        hosted = hosting_value(
            12_000.0 * rent * let,
            float(np.log1p(hosting.rent_growth)),
            interest,
            lead,
            hosting.term_years,
            hosting.capex_usd_per_mw / hosting.overhead,
            hosting.residual_usd_per_mw / hosting.overhead,
        )
        mined = mining_value(
            HOURS_PER_YEAR * mining.uptime * breakeven_power_price(hash_price, efficiency),
            HOURS_PER_YEAR * mining.uptime * power_price,
            mining.renewal_usd_per_mw_year,
            drift,
            np.log1p(rate + mining.risk_premium),
            mining.horizon_years,
            mining.salvage_usd_per_mw,
        )
        level = annuity(interest, lead + hosting.term_years) * HOURS_PER_YEAR
        return np.asarray((hosted - mined) / level)


@cache
def rent_field(rents: tuple[AskingRent, ...]) -> Field:
    """Asking rents by day of publication, each public when its New York day was over."""
    days = pd.DatetimeIndex([rent.published for rent in rents]).as_unit("ns")
    moments = (days + DAY).tz_localize("America/New_York").tz_convert("UTC")
    values = pd.DataFrame({"rent": [rent.usd_per_kw_month for rent in rents]}, days)
    sources = "; ".join(rent.source for rent in rents)
    return Field(values, moments, "USD per kW-month", sources)


def conditions_of(known: pd.DataFrame, discount_rate: float) -> Conditions:
    """Conditions from the columns of `KappaSpread.conditions`, and a cost of money."""
    return Conditions(
        hash_price=known["hash_price"],
        efficiency=known["efficiency"],
        power_price=known["power_price"],
        rent=known["rent"],
        discount_rate=discount_rate,
    )


def sensitivity(panel: Panel, signal: KappaSpread | None = None) -> pd.DataFrame:
    """The comparison at the last decision of a panel for every combination of a signal's ranges.

    Returns
    -------
    Columns ``mining`` and ``hosting`` (USD per MW), ``spread`` (USD/MWh) and
    ``breakeven_hash_price`` (USD per PH/s per day); index levels ``hash_price_drift``,
    ``lead_years`` and ``discount_rate``.

    Raises
    ------
    InsufficientHistoryError
        No conditions of the last ten days are known.
    """
    judged = signal or KappaSpread()
    known = judged.conditions(panel).until(panel.decisions[-1]).values.dropna()
    session = panel.sessions[-1]
    if not len(known) or session - known.index[-1] > judged.max_age:
        raise InsufficientHistoryError(
            f"The decision of {session.date()} knows no hash price, difficulty and asking rent of "
            "the last ten days together; asking rents begin in September 2022."
        )
    now = conditions_of(known.iloc[-1:], judged.discount_rate)
    over = {entry.name: getattr(judged.ranges, entry.name) for entry in fields(Ranges)}
    return sensitivity_table(now, judged.mining, judged.hosting, over)
