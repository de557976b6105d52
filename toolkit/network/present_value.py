"""A megawatt's worth in two uses: mining bitcoin, or hosting AI computers.

The three closed forms at the top are continuous in time and plain arithmetic without calls of one
another: they take scalars or arrays, and `numba.njit` compiles them as they are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = float | NDArray[np.float64]

HOURS_PER_YEAR = 8766.0


def annuity(rate: Numbers, years: Numbers) -> Numbers:
    """Present value of 1 a year, paid evenly over some years: (1 - exp(-rate years)) / rate.

    Parameters
    ----------
    rate
        Continuous discount rate per year, `log1p` of the annual one; 0 and negative are allowed.
    years
        Length of the payment, 0 or more.

    Returns
    -------
    Value in years of payment; at a rate of 0 it is `years`. NaN where an input is NaN.
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
    whose revenue is below that now is closed now and worth its salvage, even where revenue is
    expected to recover: there is no reopening, and no option value of waiting.

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

    Returns
    -------
    Value at time 0, at least `salvage`. NaN where an input is NaN.
    """
    # Taking the salvage value now and charging interest on it is the same as taking it later.
    keep = cost + renewal + discount * salvage
    decline = np.where(drift < 0.0, drift, -1.0)
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

    Returns
    -------
    Value at time 0, negative where the rent does not pay for the building. NaN where an input is.
    """
    exponent = (discount - growth) * term
    exponent = np.where(exponent == 0.0, 1e-300, exponent)
    rent = income * term * (-np.expm1(-exponent) / exponent)
    let = rent + residual * np.exp(-discount * term)
    return let * np.exp(-discount * lead) - capex * np.exp(-0.5 * discount * lead)
