"""A megawatt in two uses, mining bitcoin or hosting AI computers: what each is worth.

The answer turns on the expected drift of the hash price, the lead time, renewal and the cost of
money, none of which is known. They are inputs without a default, and `sensitivity_table` shows what
they do. The three closed forms are continuous in time and plain arithmetic that does not call one
another: they take scalars or arrays, and `numba.njit` compiles them as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import product
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Index, MultiIndex, RangeIndex, Series
from pydantic import Field

from toolkit.errors import ConfigError, DataError, suggestion
from toolkit.network.economics import DAYS_PER_YEAR, breakeven_power_price
from toolkit.network.quantities import non_negative, positive
from toolkit.units import Fraction, NonNegative, Positive, component

Floats = NDArray[np.float64]
Numbers = float | Floats
Finite = Annotated[float, Field(allow_inf_nan=False)]

HOURS_PER_YEAR = 24.0 * DAYS_PER_YEAR
_HALVINGS = 64


def annuity(rate: Numbers, years: Numbers) -> Numbers:
    """Present value of 1 a year, paid evenly over some years: (1 - exp(-rate years)) / rate.

    Parameters
    ----------
    rate
        Continuous discount rate per year, `log1p` of the annual one, of any sign; at 0 the value
        is `years`.
    years
        Length of the payment, 0 or more.
    """
    exponent = rate * years
    # As good as 0, and not 0/0.
    exponent = np.where(exponent == 0.0, 1e-300, exponent)
    return years * (-np.expm1(-exponent) / exponent)


def mining_value(
    revenue: Numbers,
    cost: Numbers,
    renewal: Numbers,
    drift: Numbers,
    discount: Numbers,
    years: Numbers,
    salvage: Numbers,
) -> Numbers:
    """Present value of a mine that closes for good when it no longer earns its keep.

    Its keep is the power, the renewal of machines and the interest on the salvage value. A mine
    with less revenue than that now is closed now, even where revenue is expected to recover: there
    is no reopening. The value is never below `salvage`, and NaN where an input is NaN.

    Parameters
    ----------
    revenue
        Income per year at today's hash price: USD per year per MW, or per PH/s, like all values.
    cost
        Power per year, constant. Not positive where the miner is paid to take power.
    renewal
        Capital expenditure per year that keeps the machines as they are.
    drift
        Expected change of revenue, log per year.
    discount
        Continuous discount rate per year.
    years
        Horizon, at which the mine is closed in any case.
    salvage
        Worth of machines and site at the closing, whenever it is.
    """
    # Taking the salvage value now and charging interest on it is the same as taking it later.
    keep = cost + renewal + discount * salvage
    # Not so slow that the years to the closing overflow.
    decline = np.minimum(drift, -1e-12)
    viable = (np.log(np.maximum(keep, 1e-300)) - np.log(np.maximum(revenue, 1e-300))) / decline
    open_for = np.where(drift < 0.0, np.minimum(viable, years), years)
    open_for = np.where(revenue > keep, open_for, 0.0)
    earned = (discount - drift) * open_for
    earned = np.where(earned == 0.0, 1e-300, earned)
    charged = discount * open_for
    charged = np.where(charged == 0.0, 1e-300, charged)
    income = revenue * (-np.expm1(-earned) / earned)
    expense = keep * (-np.expm1(-charged) / charged)
    return salvage + open_for * (income - expense)


def hosting_value(
    income: Numbers,
    growth: Numbers,
    discount: Numbers,
    lead: Numbers,
    term: Numbers,
    capex: Numbers,
    residual: Numbers,
) -> Numbers:
    """Present value of building a data centre, waiting for it, and letting it.

    Negative where the rent does not pay for the building, NaN where an input is NaN.

    Parameters
    ----------
    income
        Net operating income per year in the first instant of the term: USD per year per MW.
    growth
        Growth of the income within the term, log per year.
    discount
        Continuous discount rate per year: what the money for the conversion costs.
    lead
        Years from the decision to the first rent, without income of any kind.
    term
        Years of rent that follow.
    capex
        Cost of construction, USD per MW, as if paid half-way through the lead time.
    residual
        Worth of the building at the end of the term, USD per MW.
    """
    exponent = (discount - growth) * term
    exponent = np.where(exponent == 0.0, 1e-300, exponent)
    rent = income * term * (-np.expm1(-exponent) / exponent)
    let = rent + residual * np.exp(-discount * term)
    return let * np.exp(-discount * lead) - capex * np.exp(-0.5 * discount * lead)


@component
class MiningTerms:
    """What is expected and planned about mining on a megawatt.

    Parameters
    ----------
    hash_price_drift
        Expected change of the hash price, log per year: -0.2 loses 18 % a year.
    renewal_usd_per_mw_year
        Capital expenditure that keeps the machines as they are; 0.2 million is unverified.
    horizon_years
        When mining ends in any case.
    uptime
        Share of the hours in which machines run and power is paid, above 0.
    salvage_usd_per_mw
        Worth of machines and site at the closing, whenever it is.
    risk_premium
        Added to the discount rate, where mining is trusted less than a lease.
    """

    hash_price_drift: Finite
    renewal_usd_per_mw_year: NonNegative
    horizon_years: Positive
    uptime: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    salvage_usd_per_mw: NonNegative = 0.0
    risk_premium: NonNegative = 0.0


@component
class HostingTerms:
    """What is expected and planned about letting a megawatt to AI computers.

    The tenant brings the computers and pays for the power. Contracts that include computers have
    rents some five times as high, which do not belong here.

    Parameters
    ----------
    lead_years
        From the decision to the first rent, without income. A mine that runs on meanwhile is not
        counted: its value over that time is `mining_value`.
    term_years
        Of rent, from then on.
    capex_usd_per_mw
        Cost of construction per MW of critical IT power.
    overhead
        Power at the meter over critical IT power, at least 1; 1.25 to 1.5 in contracts.
    net_margin
        Share of the rent that is left when the site is run, before interest; 0.80 to 0.85 reported.
    utilisation
        Share of the critical IT power that is let.
    rent_growth
        Rise of the rent per year of the term, a fraction.
    residual_usd_per_mw
        Worth of the building at the end of the term, per MW of critical IT power.
    """

    lead_years: NonNegative
    term_years: Positive
    capex_usd_per_mw: NonNegative
    overhead: Annotated[float, Field(ge=1.0, allow_inf_nan=False)]
    net_margin: Fraction
    utilisation: Fraction = 1.0
    rent_growth: Annotated[float, Field(gt=-1.0, allow_inf_nan=False)] = 0.0
    residual_usd_per_mw: NonNegative = 0.0


@dataclass(frozen=True, eq=False)
class Conditions:
    """What both uses meet on a date: numbers, arrays by position, or Series by date.

    All Series need one index. A monthly power price is brought to days by the caller, who knows
    when it was published.

    Parameters
    ----------
    hash_price
        USD per PH/s per day, 0 or more.
    efficiency
        J/TH at the meter, overhead of the site included, above 0. Over years it is a series: the
        machines of today did not exist.
    power_price
        USD/MWh at the meter, 0 or more.
    rent
        USD per kW-month of critical IT power, 0 or more.
    discount_rate
        What money costs, per year and 0 or more: at 0.12, 1.12 in a year is worth 1 now.

    Raises
    ------
    DataError
        A value out of range, or arrays and Series that do not fit one another.
    """

    hash_price: float | Floats | Series
    efficiency: float | Floats | Series
    power_price: float | Floats | Series
    rent: float | Floats | Series
    discount_rate: float | Floats | Series

    def __post_init__(self) -> None:
        self.table()

    def table(self) -> DataFrame:
        """All inputs by date, one column each; numbers are the same on every date."""
        columns = {e.name: non_negative(e.name, getattr(self, e.name)) for e in fields(self)}
        positive("efficiency", self.efficiency)
        series = [column for column in columns.values() if isinstance(column, Series)]
        dates = max(np.size(column) for column in columns.values())
        index: Index = series[0].index if series else RangeIndex(dates)
        for name, column in columns.items():
            own = column.index if isinstance(column, Series) else index
            if np.shape(column) not in ((), index.shape) or not own.equals(index):
                raise DataError(
                    f"{name} has shape {np.shape(column)} and other dates than the {len(index)} of "
                    "other inputs: expected one value, or one on each date. Reindex it by what was "
                    "known then."
                )
        return DataFrame({name: np.asarray(c) for name, c in columns.items()}, index=index)


def compare(conditions: Conditions, mining: MiningTerms, hosting: HostingTerms) -> DataFrame:
    """Present values of both uses of a megawatt at the meter, by date.

    Efficiency, power price, rent (but for its growth) and discount rate of a date are taken to
    last, and money to flow evenly through the year. A positive spread is not yet a reason to build:
    what waiting is worth when the building cannot be undone is not in it.

    Returns
    -------
    One row a date, or a single one, with NaN where an input that enters is NaN:

    `mining`, `hosting`
        Present values, USD per MW.
    `spread`
        Hosting minus mining, as a level payment over lead time and term, USD per MWh of the meter,
        8,766 a year.
    `breakeven_hash_price`
        At which both are worth the same, USD per PH/s per day; hosting is worth more below it. 0
        where hosting is worth less than the salvage value, and so less than any mine.

    A date's row uses that date's inputs alone and is known when they are.
    """
    table = conditions.table()
    given = {str(name): column.to_numpy() for name, column in table.items()}
    interest = np.log1p(given["discount_rate"])
    hosted = hosting_value(
        12_000.0 * given["rent"] * hosting.utilisation * hosting.net_margin / hosting.overhead,
        float(np.log1p(hosting.rent_growth)),
        interest,
        hosting.lead_years,
        hosting.term_years,
        hosting.capex_usd_per_mw / hosting.overhead,
        hosting.residual_usd_per_mw / hosting.overhead,
    )
    mine = _Mine(
        yearly=HOURS_PER_YEAR * mining.uptime * breakeven_power_price(1.0, given["efficiency"]),
        cost=HOURS_PER_YEAR * mining.uptime * given["power_price"],
        discount=np.log1p(given["discount_rate"] + mining.risk_premium),
        terms=mining,
    )
    mined = mine.value(given["hash_price"])
    level = annuity(interest, hosting.lead_years + hosting.term_years) * HOURS_PER_YEAR
    return DataFrame(
        {
            "mining": mined,
            "hosting": hosted,
            "spread": (hosted - mined) / level,
            "breakeven_hash_price": mine.hash_price(hosted),
        },
        index=table.index,
    )


def sensitivity_table(
    conditions: Conditions,
    mining: MiningTerms,
    hosting: HostingTerms,
    over: Mapping[str, Sequence[float]],
) -> DataFrame:
    """Comparison on one date for every combination of some inputs.

    Parameters
    ----------
    conditions
        Of one date.
    mining, hosting
        Terms in which the inputs are replaced.
    over
        Values to try, by the name of a field of `Conditions`, `MiningTerms` or `HostingTerms`.

    Returns
    -------
    The columns of `compare`; one index level an input, in the order of `over`, last fastest.

    Raises
    ------
    ConfigError
        An unknown input, one without values, or a value that its terms refuse.
    DataError
        Conditions of several dates, or a value that they refuse.
    """
    dates = len(conditions.table())
    if dates != 1:
        raise DataError(f"conditions hold {dates} dates: a sensitivity table takes one.")
    parts: tuple[Any, ...] = (conditions, mining, hosting)
    known = [entry.name for part in parts for entry in fields(part)]
    for name in over:
        if name not in known:
            raise ConfigError(f"over = {name!r} is no input. {suggestion(name, known)}")
    lists = [np.asarray(values) for values in over.values()]
    if not lists or any(v.ndim != 1 or not v.size or v.dtype.kind not in "iuf" for v in lists):
        raise ConfigError(f"over = {over!r}: expected lists of numbers, of one input at least.")
    rows = []
    for values in product(*over.values()):
        inputs = dict(zip(over, values, strict=True))
        rows.append(compare(*(_with(part, inputs) for part in parts)).iloc[0])
    tried = MultiIndex.from_product(list(over.values()), names=list(over))
    return DataFrame(rows).set_axis(tried)


class _Mine(NamedTuple):
    """A megawatt of mining: what a hash price of 1 brings and what power costs, USD per year."""

    yearly: Numbers
    cost: Numbers
    discount: Numbers
    terms: MiningTerms

    def value(self, hash_price: Numbers) -> Numbers:
        return mining_value(
            hash_price * self.yearly,
            self.cost,
            self.terms.renewal_usd_per_mw_year,
            self.terms.hash_price_drift,
            self.discount,
            self.terms.horizon_years,
            self.terms.salvage_usd_per_mw,
        )

    def hash_price(self, target: Numbers) -> Numbers:
        """Lowest hash price at which the mine is worth a target, 0 if it always is."""
        salvage, years = self.terms.salvage_usd_per_mw, self.terms.horizon_years
        keep = self.cost + self.terms.renewal_usd_per_mw_year + self.discount * salvage
        # A mine that could not close is worth less, so what it needs is enough.
        charged = target - salvage + keep * annuity(self.discount, years)
        earned = self.yearly * annuity(self.discount - self.terms.hash_price_drift, years)
        low = keep / self.yearly
        high = np.maximum(low, charged / earned)
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            enough = self.value(middle) >= target
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(target < salvage, 0.0, high)


def _with(part: Any, inputs: Mapping[str, float]) -> Any:
    own = {entry.name for entry in fields(part)}
    return replace(part, **{name: float(value) for name, value in inputs.items() if name in own})
