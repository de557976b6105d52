"""Performance and risk measures of simple periodic returns, for one series or for many.

A Series of returns (0.01 = 1 % in one period, rows in the order of time) gives a float; a DataFrame,
one column a series, gives a Series by column. These rules hold for every measure:

Missing values
    Leading NaN means that the series has not started: such a row is not a period. (empyrical counts
    it as one in the annual return and in Calmar.) NaN later than that, or an infinite value
    anywhere, raises `DataError`.
Undefined
    NaN, never infinite: too few periods, no variation to divide by (`FLAT`), or a result beyond the
    range of floats.
Bankruptcy
    A return of -1 or less ends a series at a wealth of 0; what its rows hold after that is ignored.
    Total return, CAGR, maximum drawdown and Calmar are then -1; every other measure is undefined,
    because the worst outcome cut its sample short.
Annualisation
    `periods_per_year` is the number of periods of the clock that the rows follow: 252 for New York
    sessions, 365 for calendar days, 12 for months. There is no default.
Other series
    `cash` and `benchmark` are simple returns with exactly the index of `returns`, above -1 in every
    period of every series; cash None means 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import DataError

Array = NDArray[np.float64]

FLAT = 1e-12
"""Deviation (or loss) per period below which there is nothing to divide by."""


@dataclass(frozen=True)
class _Sample:
    """Validated returns, periods x series, with 0 wherever a series is not alive."""

    source: pd.Series | pd.DataFrame
    values: Array
    alive: NDArray[np.bool_]
    count: NDArray[np.int64]
    solvent: NDArray[np.bool_]

    def like(self, other: pd.Series, role: str) -> _Sample:
        """Another series (the same for all), over the periods in which each series is alive."""
        index = self.source.index
        if not isinstance(other, pd.Series) or not other.index.equals(index):
            found = f"{len(other)} rows" if isinstance(other, pd.Series) else type(other).__name__
            raise DataError(
                f"{role} must be a Series with the index of the returns ({len(index)} rows); "
                f"found {found} with another index. Reindex {role} to the returns, compounding it "
                "over the periods that are left out."
            )
        row = _matrix(other, role)
        bad = (self.alive & ~(np.isfinite(row) & (row > -1.0))).any(axis=1)
        if bad.any():
            first = int(bad.argmax())
            raise DataError(
                f"{role} is {row[first, 0]} at {index[first]} ({int(bad.sum())} such rows), where "
                "there are returns to compare with it. Expected a finite return above -1 in each "
                f"of their periods. Complete {role}, or cut both to their common periods."
            )
        return replace(self, values=np.where(self.alive, row, 0.0))

    def excess(self, other: pd.Series | None, role: str) -> _Sample:
        if other is None:
            return self
        return replace(self, values=self.values - self.like(other, role).values)

    def mean(self) -> Array:
        return self.values.sum(axis=0) / np.maximum(self.count, 1)

    def centred(self) -> Array:
        return np.where(self.alive, self.values - self.mean(), 0.0)

    def moment(self, order: int) -> Array:
        """Central moment with divisor n."""
        return (self.centred() ** order).sum(axis=0) / np.maximum(self.count, 1)

    def deviation(self) -> Array:
        """Sample standard deviation per period (ddof=1); 0 for fewer than two periods."""
        return np.sqrt(self.moment(2) * self.count / np.maximum(self.count - 1, 1))

    def growth(self, exponent: float | Array) -> Array:
        """Final wealth per unit invested, to a power, minus 1."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.prod(1.0 + self.values, axis=0) ** exponent - 1.0

    def annual_growth(self, periods_per_year: float) -> Array:
        return self.growth(_checked(periods_per_year) / np.maximum(self.count, 1))

    def path(self) -> Array:
        """Drawdown below the highest wealth so far, the initial wealth included."""
        with np.errstate(over="ignore", invalid="ignore"):
            wealth = np.cumprod(1.0 + self.values, axis=0)
            return wealth / np.maximum.accumulate(np.maximum(wealth, 1.0), axis=0) - 1.0

    def worst_first(self) -> Array:
        """Sorted returns; the rows beyond a series' own number of periods are infinite."""
        return np.sort(np.where(self.alive, self.values, np.inf), axis=0)

    def answer(self, measure: Array, needs: int = 1, bankrupt: bool = False) -> float | pd.Series:
        """Label a measure by series; NaN where it is undefined."""
        defined = (self.count >= needs) & (self.solvent | bankrupt) & np.isfinite(measure)
        result = np.where(defined, measure, np.nan)
        if isinstance(self.source, pd.Series):
            return float(result[0])
        return pd.Series(result, index=self.source.columns)


def _matrix(data: pd.Series | pd.DataFrame, role: str) -> Array:
    try:
        matrix = data.to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{role}: {error}. Expected numbers only; convert every column to float."
        ) from error
    return matrix.reshape(len(data), -1) if data.ndim == 1 else matrix


def _read(returns: pd.Series | pd.DataFrame) -> _Sample:
    if not isinstance(returns, (pd.Series, pd.DataFrame)):
        raise DataError(
            f"returns is a {type(returns).__name__}; expected a Series (one series) or a DataFrame "
            "(one column a series) of simple returns. Wrap the values in one of them."
        )
    values = _matrix(returns, "returns")
    if not len(values):
        values = np.full((1, values.shape[1] if returns.ndim == 2 else 1), np.nan)
    started = np.logical_or.accumulate(~np.isnan(values), axis=0)
    ruin = np.logical_or.accumulate(values <= -1.0, axis=0)
    alive = started.copy()
    alive[1:] &= ~ruin[:-1]
    bad = alive & ~np.isfinite(values)
    if bad.any():
        row, column = (int(place) for place in np.argwhere(bad)[0])
        name = returns.name if isinstance(returns, pd.Series) else returns.columns[column]
        raise DataError(
            f"{int(bad.sum())} of the returns are not finite: the first is {values[row, column]} "
            f"in series {name!r} at {returns.index[row]}. Expected a finite simple return in every "
            "period once a series has started (leading NaN = not started). Compound the return "
            "over missing periods from prices, or end the series before them."
        )
    return _Sample(
        source=returns,
        values=np.where(alive, np.maximum(values, -1.0), 0.0),
        alive=alive,
        count=alive.sum(axis=0),
        solvent=~ruin[-1],
    )


def _checked(periods_per_year: float) -> float:
    if not (math.isfinite(periods_per_year) and periods_per_year > 0.0):
        raise DataError(
            f"periods_per_year is {periods_per_year}; expected a finite number above 0. Give the "
            "periods of the clock that the returns follow: 252, 365, 12 ..."
        )
    return float(periods_per_year)


def _tail(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise DataError(f"level is {level}; expected a confidence in (0, 1). 0.95 = worst 5 %.")
    return 1.0 - level


def _ratio(numerator: Array, denominator: Array, variation: Array) -> Array:
    """Quotient where there is variation, NaN elsewhere."""
    result = np.full_like(denominator, np.nan)
    return np.divide(numerator, denominator, out=result, where=variation >= FLAT)


@overload
def total_return(returns: pd.Series) -> float: ...
@overload
def total_return(returns: pd.DataFrame) -> pd.Series: ...
def total_return(returns: pd.Series | pd.DataFrame) -> float | pd.Series:
    """Compounded return over the whole life, a fraction (0.5 = 50 %); -1 after bankruptcy."""
    sample = _read(returns)
    return sample.answer(sample.growth(1.0), bankrupt=True)


@overload
def cagr(returns: pd.Series, *, periods_per_year: float) -> float: ...
@overload
def cagr(returns: pd.DataFrame, *, periods_per_year: float) -> pd.Series: ...
def cagr(returns: pd.Series | pd.DataFrame, *, periods_per_year: float) -> float | pd.Series:
    """Compound annual growth rate, a fraction per year; -1 after bankruptcy.

    Years are periods / `periods_per_year`, as in empyrical and quantstats; ffn takes the calendar
    time between the first and the last date.
    """
    sample = _read(returns)
    return sample.answer(sample.annual_growth(periods_per_year), bankrupt=True)


@overload
def volatility(returns: pd.Series, *, periods_per_year: float) -> float: ...
@overload
def volatility(returns: pd.DataFrame, *, periods_per_year: float) -> pd.Series: ...
def volatility(returns: pd.Series | pd.DataFrame, *, periods_per_year: float) -> float | pd.Series:
    """Annualised sample standard deviation (ddof=1), a fraction; needs two periods."""
    scale = math.sqrt(_checked(periods_per_year))
    sample = _read(returns)
    return sample.answer(sample.deviation() * scale, needs=2)


@overload
def sharpe(
    returns: pd.Series, cash: pd.Series | None = None, *, periods_per_year: float
) -> float: ...
@overload
def sharpe(
    returns: pd.DataFrame, cash: pd.Series | None = None, *, periods_per_year: float
) -> pd.Series: ...
def sharpe(
    returns: pd.Series | pd.DataFrame, cash: pd.Series | None = None, *, periods_per_year: float
) -> float | pd.Series:
    """Sharpe ratio: annualised mean over standard deviation (ddof=1) of returns above cash.

    Undefined for fewer than two periods and for a flat excess return.

    References
    ----------
    Sharpe, The Sharpe ratio, J. of Portfolio Management 21 (1994), p. 50 (ex post, differential).
    """
    scale = math.sqrt(_checked(periods_per_year))
    excess = _read(returns).excess(cash, "cash")
    deviation = excess.deviation()
    return excess.answer(_ratio(excess.mean(), deviation, deviation) * scale, needs=2)


@overload
def sortino(
    returns: pd.Series, cash: pd.Series | None = None, *, periods_per_year: float
) -> float: ...
@overload
def sortino(
    returns: pd.DataFrame, cash: pd.Series | None = None, *, periods_per_year: float
) -> pd.Series: ...
def sortino(
    returns: pd.Series | pd.DataFrame, cash: pd.Series | None = None, *, periods_per_year: float
) -> float | pd.Series:
    """Sortino ratio: annualised mean over downside deviation of returns above cash.

    The downside deviation is the root of the mean over all n periods (as in empyrical) of the
    squared shortfall, 0 for a gain. Undefined for fewer than two periods, for a flat excess return
    and without any shortfall.

    References
    ----------
    Sortino and Price, Performance measurement in a downside risk framework, J. of Investing 3
    (1994), p. 59-64.
    """
    scale = math.sqrt(_checked(periods_per_year))
    excess = _read(returns).excess(cash, "cash")
    shortfall = np.minimum(excess.values, 0.0)
    downside = np.sqrt((shortfall**2).sum(axis=0) / np.maximum(excess.count, 1))
    variation = np.minimum(downside, excess.deviation())
    return excess.answer(_ratio(excess.mean(), downside, variation) * scale, needs=2)


@overload
def drawdown(returns: pd.Series) -> pd.Series: ...
@overload
def drawdown(returns: pd.DataFrame) -> pd.DataFrame: ...
def drawdown(returns: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
    """Path of wealth below its highest so far, in the shape of `returns`; fractions <= 0.

    The initial wealth counts as a peak. NaN before a series starts, -1 from bankruptcy on.
    """
    sample = _read(returns)
    started = np.logical_or.accumulate(sample.alive, axis=0)
    path = np.where(started, sample.path(), np.nan)[: len(returns)]
    if isinstance(returns, pd.Series):
        return pd.Series(path[:, 0], index=returns.index, name=returns.name)
    return pd.DataFrame(path, index=returns.index, columns=returns.columns)


@overload
def max_drawdown(returns: pd.Series) -> float: ...
@overload
def max_drawdown(returns: pd.DataFrame) -> pd.Series: ...
def max_drawdown(returns: pd.Series | pd.DataFrame) -> float | pd.Series:
    """Deepest point of the drawdown path, a fraction <= 0; -1 after bankruptcy."""
    sample = _read(returns)
    return sample.answer(sample.path().min(axis=0), bankrupt=True)


@overload
def calmar(returns: pd.Series, *, periods_per_year: float) -> float: ...
@overload
def calmar(returns: pd.DataFrame, *, periods_per_year: float) -> pd.Series: ...
def calmar(returns: pd.Series | pd.DataFrame, *, periods_per_year: float) -> float | pd.Series:
    """CAGR over the size of the maximum drawdown, both over the whole life.

    Undefined without a drawdown. (Young, Futures 20 (1991), takes the last 36 months.)
    """
    sample = _read(returns)
    depth = -sample.path().min(axis=0)
    return sample.answer(
        _ratio(sample.annual_growth(periods_per_year), depth, depth), bankrupt=True
    )


@overload
def omega(returns: pd.Series, threshold: float = 0.0) -> float: ...
@overload
def omega(returns: pd.DataFrame, threshold: float = 0.0) -> pd.Series: ...
def omega(returns: pd.Series | pd.DataFrame, threshold: float = 0.0) -> float | pd.Series:
    """Sum of the gains above a threshold (return per period) over the sum of the losses below it.

    Undefined without a loss.

    References
    ----------
    Keating and Shadwick, A universal performance measure, J. of Performance Measurement 6 (2002).
    """
    sample = _read(returns)
    distance = np.where(sample.alive, sample.values - threshold, 0.0)
    losses = np.maximum(-distance, 0.0).sum(axis=0)
    return sample.answer(_ratio(np.maximum(distance, 0.0).sum(axis=0), losses, losses))


@overload
def value_at_risk(returns: pd.Series, level: float = 0.95) -> float: ...
@overload
def value_at_risk(returns: pd.DataFrame, level: float = 0.95) -> pd.Series: ...
def value_at_risk(returns: pd.Series | pd.DataFrame, level: float = 0.95) -> float | pd.Series:
    """Historical loss per period that is exceeded with probability 1 - level, a positive fraction.

    Minus the (1 - level) quantile, linear between order statistics (type 7 of Hyndman and Fan 1996,
    numpy's and empyrical's); negative where even that quantile is a gain. quantstats' is normal.
    """
    tail = _tail(level)
    sample = _read(returns)
    ordered = sample.worst_first()
    last = np.maximum(sample.count - 1, 0)
    position = tail * last
    lower = position.astype(np.int64)
    upper = np.minimum(lower + 1, last)
    below, above = (np.take_along_axis(ordered, at[None], axis=0)[0] for at in (lower, upper))
    # An empty series holds only infinite rows: the product keeps it away from inf - inf.
    share = np.where(upper > lower, position - lower, 0.0)
    return sample.answer(-(below * (1.0 - share) + np.where(share > 0.0, above * share, 0.0)))


@overload
def expected_shortfall(returns: pd.Series, level: float = 0.95) -> float: ...
@overload
def expected_shortfall(returns: pd.DataFrame, level: float = 0.95) -> pd.Series: ...
def expected_shortfall(returns: pd.Series | pd.DataFrame, level: float = 0.95) -> float | pd.Series:
    """Mean historical loss per period in the worst (1 - level) n of n periods, a positive fraction.

    The last period of that tail counts by the fraction of it that belongs to the tail, so the
    measure is continuous in `level` and is what the optimizer's limit constrains. empyrical
    averages the worst int((n - 1) (1 - level)) + 1 returns whole; quantstats averages a normal tail
    or, with method="historical", the returns not above the interpolated quantile.

    References
    ----------
    Rockafellar and Uryasev, Optimization of conditional value-at-risk, J. of Risk 2 (2000),
    theorem 1; Conditional value-at-risk for general loss distributions, J. of Banking and Finance
    26 (2002), proposition 8.
    """
    tail = _tail(level)
    sample = _read(returns)
    mass = tail * sample.count
    rows = math.ceil(mass.max(initial=0.0))
    weights = np.clip(mass - np.arange(rows)[:, None], 0.0, 1.0)
    worst = np.where(weights > 0.0, sample.worst_first()[:rows], 0.0)
    return sample.answer(-_ratio((weights * worst).sum(axis=0), mass, mass))


@overload
def skewness(returns: pd.Series) -> float: ...
@overload
def skewness(returns: pd.DataFrame) -> pd.Series: ...
def skewness(returns: pd.Series | pd.DataFrame) -> float | pd.Series:
    """Third central moment over the cubed standard deviation, both with divisor n (scipy's).

    Needs three periods. pandas and quantstats correct it for small samples.
    """
    sample = _read(returns)
    return sample.answer(
        _ratio(sample.moment(3), sample.moment(2) ** 1.5, sample.deviation()), needs=3
    )


@overload
def excess_kurtosis(returns: pd.Series) -> float: ...
@overload
def excess_kurtosis(returns: pd.DataFrame) -> pd.Series: ...
def excess_kurtosis(returns: pd.Series | pd.DataFrame) -> float | pd.Series:
    """Fourth central moment over the squared variance, both with divisor n, minus 3 (normal = 0).

    Needs four periods. pandas and quantstats correct it for small samples.
    """
    sample = _read(returns)
    return sample.answer(
        _ratio(sample.moment(4), sample.moment(2) ** 2, sample.deviation()) - 3.0, needs=4
    )


@overload
def tracking_error(
    returns: pd.Series, benchmark: pd.Series, *, periods_per_year: float
) -> float: ...
@overload
def tracking_error(
    returns: pd.DataFrame, benchmark: pd.Series, *, periods_per_year: float
) -> pd.Series: ...
def tracking_error(
    returns: pd.Series | pd.DataFrame, benchmark: pd.Series, *, periods_per_year: float
) -> float | pd.Series:
    """Annualised standard deviation (ddof=1) of returns minus benchmark; needs two periods."""
    scale = math.sqrt(_checked(periods_per_year))
    active = _read(returns).excess(benchmark, "benchmark")
    return active.answer(active.deviation() * scale, needs=2)


@overload
def information_ratio(
    returns: pd.Series, benchmark: pd.Series, *, periods_per_year: float
) -> float: ...
@overload
def information_ratio(
    returns: pd.DataFrame, benchmark: pd.Series, *, periods_per_year: float
) -> pd.Series: ...
def information_ratio(
    returns: pd.Series | pd.DataFrame, benchmark: pd.Series, *, periods_per_year: float
) -> float | pd.Series:
    """Annualised mean of returns minus benchmark over their tracking error.

    Undefined where the tracking error is flat. ffn and quantstats do not annualise it.

    References
    ----------
    Grinold and Kahn, Active Portfolio Management, 2nd ed. (2000), chapter 5.
    """
    return sharpe(returns, benchmark, periods_per_year=periods_per_year)


@overload
def beta(returns: pd.Series, benchmark: pd.Series, cash: pd.Series | None = None) -> float: ...
@overload
def beta(
    returns: pd.DataFrame, benchmark: pd.Series, cash: pd.Series | None = None
) -> pd.Series: ...
def beta(
    returns: pd.Series | pd.DataFrame, benchmark: pd.Series, cash: pd.Series | None = None
) -> float | pd.Series:
    """Slope of returns on the benchmark's, both above cash; undefined on a flat benchmark."""
    sample = _read(returns)
    market = sample.like(benchmark, "benchmark").excess(cash, "cash")
    own, other = sample.excess(cash, "cash").centred(), market.centred()
    slope = _ratio((own * other).sum(axis=0), (other**2).sum(axis=0), market.deviation())
    return sample.answer(slope, needs=2)


def summary(
    returns: pd.Series, cash: pd.Series | None = None, *, periods_per_year: float
) -> dict[str, float | None]:
    """Headline measures of one series by name, in a fixed order; None where undefined."""
    if not isinstance(returns, pd.Series):
        raise DataError(
            f"returns is a {type(returns).__name__}; a summary describes one Series. Call it for "
            "each column."
        )
    measures = {
        "cagr": cagr(returns, periods_per_year=periods_per_year),
        "volatility": volatility(returns, periods_per_year=periods_per_year),
        "sharpe": sharpe(returns, cash, periods_per_year=periods_per_year),
        "sortino": sortino(returns, cash, periods_per_year=periods_per_year),
        "max_drawdown": max_drawdown(returns),
        "calmar": calmar(returns, periods_per_year=periods_per_year),
        "expected_shortfall_95": expected_shortfall(returns, 0.95),
        "total_return": total_return(returns),
    }
    return {name: None if math.isnan(value) else value for name, value in measures.items()}
