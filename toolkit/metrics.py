"""Performance and risk measures of simple periodic returns, for one series or for many.

A Series of returns (0.01 = 1 % in one period, rows in the order of time) gives a float; a
DataFrame, one column a series, gives a Series by column. These rules hold for every measure:

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
    `cash` and `benchmark` are simple returns with the very index of `returns`; cash None means 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, Series

from toolkit.errors import DataError

Array = NDArray[np.floating]
Returns = Series | DataFrame
Cash = Series | None
Answer = float | Series
OneOrMany = TypeVar("OneOrMany", Series, DataFrame)

FLAT = 1e-12
"""Deviation (or loss) per period below which there is nothing to divide by."""


@dataclass(frozen=True)
class _Sample:
    """Validated returns, periods x series, with 0 wherever a series is not alive."""

    source: Returns
    values: Array
    alive: NDArray[np.bool_]
    count: NDArray[np.int64]
    solvent: NDArray[np.bool_]

    def like(self, other: Series, role: str) -> _Sample:
        """Another series (the same for all), over the periods in which each series is alive."""
        index, row = self.source.index, _matrix(other, role)
        if row.shape[1] != 1 or not other.index.equals(index):
            raise DataError(
                f"{role} has shape {row.shape}; expected one column on the very {len(index)} rows "
                f"of the returns. Reindex {role} to them, compounding it over rows left out."
            )
        bad = np.flatnonzero((self.alive & ~(np.isfinite(row) & (row > -1.0))).any(axis=1))
        if len(bad):
            raise DataError(
                f"{role} is {row[bad[0], 0]} at {index[bad[0]]} ({len(bad)} such rows). Expected a "
                "finite return above -1 in every period in which there are returns to compare it "
                f"with. Complete {role}, or cut both to their common periods."
            )
        return replace(self, values=np.where(self.alive, row, 0.0))

    def excess(self, other: Series | None, role: str) -> _Sample:
        shift = 0.0 if other is None else self.like(other, role).values
        return replace(self, values=self.values - shift)

    def mean(self, values: Array) -> Array:
        """Mean over the periods lived of values that are 0 elsewhere."""
        mean: Array = values.sum(axis=0) / np.maximum(self.count, 1)
        return mean

    def centred(self) -> Array:
        return np.where(self.alive, self.values - self.mean(self.values), 0.0)

    def moment(self, order: int) -> Array:
        return self.mean(self.centred() ** order)

    def deviation(self) -> Array:
        """Sample standard deviation per period (ddof=1); 0 for fewer than two periods."""
        return np.sqrt(self.moment(2) * self.count / np.maximum(self.count - 1, 1))

    def growth(self, periods: float | NDArray[np.int64]) -> Array:
        """Compounded return over the life, converted to a number of periods."""
        with np.errstate(over="ignore", invalid="ignore"):
            wealth: Array = np.prod(1.0 + self.values, axis=0)
            return wealth ** (periods / np.maximum(self.count, 1)) - 1.0

    def path(self) -> Array:
        """Drawdown below the highest wealth so far, the initial wealth included."""
        with np.errstate(over="ignore", invalid="ignore"):
            wealth = np.cumprod(1.0 + self.values, axis=0)
            return wealth / np.maximum.accumulate(np.maximum(wealth, 1.0), axis=0) - 1.0

    def worst_first(self) -> Array:
        """Sorted returns, followed by 0 in the rows beyond a series' number of periods."""
        ordered = np.sort(np.where(self.alive, self.values, np.inf), axis=0)
        return np.where(np.isfinite(ordered), ordered, 0.0)

    def answer(self, measure: Array, needs: int = 1, bankrupt: bool = False) -> Answer:
        """A measure labelled by series, NaN where it is undefined."""
        defined = (self.count >= needs) & (self.solvent | bankrupt) & np.isfinite(measure)
        result = np.where(defined, measure, np.nan) + 0.0  # no negative zeros
        one = isinstance(self.source, Series)
        return float(result[0]) if one else Series(result, index=self.source.columns)

    def mean_per_deviation(self, periods_per_year: float) -> Answer:
        deviation = self.deviation()
        ratio = _ratio(self.mean(self.values), deviation, deviation)
        return self.answer(ratio * math.sqrt(_checked(periods_per_year)), needs=2)


def _matrix(data: Returns, role: str) -> Array:
    if not isinstance(data, Series | DataFrame):
        raise DataError(f"{role} is a {type(data).__name__}; expected a Series or DataFrame.")
    try:
        return DataFrame(data).to_numpy(dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{role}: {error}. Expected numbers; convert it to float.") from error


def _read(returns: Returns) -> _Sample:
    values = _matrix(returns, "returns")
    alive = np.logical_or.accumulate(~np.isnan(values), axis=0)
    ruined = np.logical_or.accumulate(values <= -1.0, axis=0)
    alive[1:] &= ~ruined[:-1]
    bad = alive & ~np.isfinite(values)
    if bad.any():
        row, column = (int(place) for place in np.argwhere(bad)[0])
        name = returns.name if isinstance(returns, Series) else returns.columns[column]
        raise DataError(
            f"{bad.sum()} returns are not finite: {values[row, column]} in series {name!r} at "
            f"{returns.index[row]}. Expected finite simple returns once a series has started "
            "(leading NaN = not started). Compound over missing periods from prices, or cut there."
        )
    lived = np.where(alive, np.maximum(values, -1.0), 0.0)
    return _Sample(returns, lived, alive, alive.sum(axis=0), ~np.any(ruined, axis=0))


def _checked(periods_per_year: float) -> float:
    if not (math.isfinite(periods_per_year) and periods_per_year > 0.0):
        raise DataError(
            f"periods_per_year is {periods_per_year}; expected a finite number above 0, such as "
            "252 for sessions or 365 for calendar days."
        )
    return periods_per_year


def _tail(level: float) -> float:
    if not 0.0 < level < 1.0:
        raise DataError(f"level is {level}; expected a confidence in (0, 1). 0.95 = worst 5 %.")
    return 1.0 - level


def _ratio(numerator: Array, denominator: Array, variation: Array) -> Array:
    """Quotient where there is variation, NaN elsewhere."""
    undefined = np.full_like(denominator, np.nan)
    return np.divide(numerator, denominator, out=undefined, where=variation >= FLAT)


@overload
def total_return(returns: Series) -> float: ...
@overload
def total_return(returns: DataFrame) -> Series: ...
def total_return(returns: Returns) -> Answer:
    """Compounded return over the whole life, a fraction (0.5 = 50 %); -1 after bankruptcy."""
    sample = _read(returns)
    return sample.answer(sample.growth(sample.count), bankrupt=True)


@overload
def cagr(returns: Series, *, periods_per_year: float) -> float: ...
@overload
def cagr(returns: DataFrame, *, periods_per_year: float) -> Series: ...
def cagr(returns: Returns, *, periods_per_year: float) -> Answer:
    """Compound annual growth rate, a fraction per year; -1 after bankruptcy.

    Years are periods / `periods_per_year`, as in empyrical and quantstats; ffn's are calendar time.
    """
    sample = _read(returns)
    return sample.answer(sample.growth(_checked(periods_per_year)), bankrupt=True)


@overload
def volatility(returns: Series, *, periods_per_year: float) -> float: ...
@overload
def volatility(returns: DataFrame, *, periods_per_year: float) -> Series: ...
def volatility(returns: Returns, *, periods_per_year: float) -> Answer:
    """Annualised sample standard deviation (ddof=1), a fraction; needs two periods."""
    sample = _read(returns)
    return sample.answer(sample.deviation() * math.sqrt(_checked(periods_per_year)), needs=2)


@overload
def sharpe(returns: Series, cash: Cash = None, *, periods_per_year: float) -> float: ...
@overload
def sharpe(returns: DataFrame, cash: Cash = None, *, periods_per_year: float) -> Series: ...
def sharpe(returns: Returns, cash: Cash = None, *, periods_per_year: float) -> Answer:
    """Sharpe ratio: annualised mean over standard deviation (ddof=1) of returns above cash.

    Needs two periods, not flat. Source: Sharpe, J. of Portfolio Management 21 (1994), p. 50.
    """
    return _read(returns).excess(cash, "cash").mean_per_deviation(periods_per_year)


@overload
def sortino(returns: Series, cash: Cash = None, *, periods_per_year: float) -> float: ...
@overload
def sortino(returns: DataFrame, cash: Cash = None, *, periods_per_year: float) -> Series: ...
def sortino(returns: Returns, cash: Cash = None, *, periods_per_year: float) -> Answer:
    """Sortino ratio: annualised mean over downside deviation of returns above cash.

    The downside deviation is the root of the mean over all n periods (as in empyrical) of the
    squared shortfall, 0 for a gain. Needs two periods; undefined for a flat excess return and
    without shortfall. Source: Sortino and Price, J. of Investing 3 (1994), p. 59-64.
    """
    excess = _read(returns).excess(cash, "cash")
    downside = np.sqrt(excess.mean(np.minimum(excess.values, 0.0) ** 2))
    variation = np.minimum(downside, excess.deviation())
    ratio = _ratio(excess.mean(excess.values), downside, variation)
    return excess.answer(ratio * math.sqrt(_checked(periods_per_year)), needs=2)


def drawdown(returns: OneOrMany) -> OneOrMany:
    """Path of wealth below its highest so far, in the shape of `returns`; fractions <= 0.

    The initial wealth counts as a peak. NaN before a series starts, -1 from bankruptcy on.
    """
    sample = _read(returns)
    started = np.logical_or.accumulate(sample.alive, axis=0)
    path = np.where(started, sample.path(), np.nan)
    if isinstance(returns, Series):
        return Series(path[:, 0], index=returns.index, name=returns.name)
    return DataFrame(path, index=returns.index, columns=returns.columns)


@overload
def max_drawdown(returns: Series) -> float: ...
@overload
def max_drawdown(returns: DataFrame) -> Series: ...
def max_drawdown(returns: Returns) -> Answer:
    """Deepest point of the drawdown path, a fraction <= 0; -1 after bankruptcy."""
    sample = _read(returns)
    return sample.answer(sample.path().min(axis=0, initial=0.0), bankrupt=True)


@overload
def calmar(returns: Series, *, periods_per_year: float) -> float: ...
@overload
def calmar(returns: DataFrame, *, periods_per_year: float) -> Series: ...
def calmar(returns: Returns, *, periods_per_year: float) -> Answer:
    """CAGR over the size of the maximum drawdown, both over the whole life.

    Undefined without a drawdown. Source: Young, Futures 20 (1991), who takes the last 36 months.
    """
    sample = _read(returns)
    depth = -sample.path().min(axis=0, initial=0.0)
    ratio = _ratio(sample.growth(_checked(periods_per_year)), depth, depth)
    return sample.answer(ratio, bankrupt=True)


@overload
def omega(returns: Series, threshold: float = 0.0) -> float: ...
@overload
def omega(returns: DataFrame, threshold: float = 0.0) -> Series: ...
def omega(returns: Returns, threshold: float = 0.0) -> Answer:
    """Sum of the gains above a threshold (return per period) over the sum of the losses below it.

    Undefined without a loss. Source: Keating and Shadwick, J. of Performance Measurement 6 (2002).
    """
    sample = _read(returns)
    distance = np.where(sample.alive, sample.values - threshold, 0.0)
    losses = np.maximum(-distance, 0.0).sum(axis=0)
    return sample.answer(_ratio(np.maximum(distance, 0.0).sum(axis=0), losses, losses))


@overload
def value_at_risk(returns: Series, level: float = 0.95) -> float: ...
@overload
def value_at_risk(returns: DataFrame, level: float = 0.95) -> Series: ...
def value_at_risk(returns: Returns, level: float = 0.95) -> Answer:
    """Historical loss per period that is exceeded with probability 1 - level, a positive fraction.

    Minus the (1 - level) quantile, linear between order statistics (type 7 of Hyndman and Fan 1996,
    numpy's and empyrical's); negative where even that quantile is a gain. quantstats' is normal.
    """
    sample = _read(returns)
    position = _tail(level) * np.maximum(sample.count - 1, 0)
    worst = sample.worst_first()[: math.ceil(position.max(initial=0.0)) + 1]
    weights = np.maximum(1.0 - np.abs(position - np.arange(len(worst))[:, None]), 0.0)
    return sample.answer(-(weights * worst).sum(axis=0))


@overload
def expected_shortfall(returns: Series, level: float = 0.95) -> float: ...
@overload
def expected_shortfall(returns: DataFrame, level: float = 0.95) -> Series: ...
def expected_shortfall(returns: Returns, level: float = 0.95) -> Answer:
    """Mean historical loss per period in the worst (1 - level) n of n periods, a positive fraction.

    The last period of the tail counts by the fraction of it that belongs there, so the measure is
    continuous in `level` and is what the optimizer limits. empyrical averages the worst
    int((n - 1) (1 - level)) + 1 returns whole; quantstats a normal tail or, with
    method="historical", the returns not above the interpolated quantile. Source: Rockafellar and
    Uryasev, J. of Risk 2 (2000), theorem 1; J. of Banking and Finance 26 (2002), proposition 8.
    """
    sample = _read(returns)
    mass = _tail(level) * sample.count
    worst = sample.worst_first()[: math.ceil(mass.max(initial=0.0))]
    weights = np.clip(mass - np.arange(len(worst))[:, None], 0.0, 1.0)
    return sample.answer(-_ratio((weights * worst).sum(axis=0), mass, mass))


@overload
def skewness(returns: Series) -> float: ...
@overload
def skewness(returns: DataFrame) -> Series: ...
def skewness(returns: Returns) -> Answer:
    """Third central moment over the cubed deviation (divisor n, as in scipy); needs 3 periods."""
    sample = _read(returns)
    ratio = _ratio(sample.moment(3), sample.moment(2) ** 1.5, sample.deviation())
    return sample.answer(ratio, needs=3)


@overload
def excess_kurtosis(returns: Series) -> float: ...
@overload
def excess_kurtosis(returns: DataFrame) -> Series: ...
def excess_kurtosis(returns: Returns) -> Answer:
    """Fourth central moment over the squared variance (divisor n), minus 3; needs 4 periods.

    0 for a normal distribution. pandas and quantstats correct it and skewness for small samples.
    """
    sample = _read(returns)
    ratio = _ratio(sample.moment(4), sample.moment(2) ** 2, sample.deviation())
    return sample.answer(ratio - 3.0, needs=4)


@overload
def tracking_error(returns: Series, benchmark: Series, *, periods_per_year: float) -> float: ...
@overload
def tracking_error(returns: DataFrame, benchmark: Series, *, periods_per_year: float) -> Series: ...
def tracking_error(returns: Returns, benchmark: Series, *, periods_per_year: float) -> Answer:
    """Annualised standard deviation (ddof=1) of returns minus benchmark; needs two periods."""
    active = _read(returns).excess(benchmark, "benchmark")
    return active.answer(active.deviation() * math.sqrt(_checked(periods_per_year)), needs=2)


@overload
def information_ratio(returns: Series, benchmark: Series, *, periods_per_year: float) -> float: ...
@overload
def information_ratio(
    returns: DataFrame, benchmark: Series, *, periods_per_year: float
) -> Series: ...
def information_ratio(returns: Returns, benchmark: Series, *, periods_per_year: float) -> Answer:
    """Annualised mean of returns minus benchmark over their tracking error.

    Undefined where the tracking error is flat. ffn and quantstats do not annualise it. Source:
    Grinold and Kahn, Active Portfolio Management, 2nd ed. (2000), chapter 5.
    """
    return _read(returns).excess(benchmark, "benchmark").mean_per_deviation(periods_per_year)


@overload
def beta(returns: Series, benchmark: Series, cash: Cash = None) -> float: ...
@overload
def beta(returns: DataFrame, benchmark: Series, cash: Cash = None) -> Series: ...
def beta(returns: Returns, benchmark: Series, cash: Cash = None) -> Answer:
    """Slope of returns on the benchmark's, both above cash; undefined on a flat benchmark."""
    sample = _read(returns)
    market = sample.like(benchmark, "benchmark").excess(cash, "cash")
    other = market.centred()
    covariance = (sample.excess(cash, "cash").centred() * other).sum(axis=0)
    return sample.answer(_ratio(covariance, (other**2).sum(axis=0), market.deviation()), needs=2)


def summary(
    returns: Series, cash: Cash = None, *, periods_per_year: float
) -> dict[str, float | None]:
    """Headline measures of one series by name, in a fixed order; None where undefined."""
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
