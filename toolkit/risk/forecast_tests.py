"""Whether forecasts of risk were right: tests of value at risk, and losses that rank forecasts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import DataError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CoverageTest:
    """A likelihood ratio, and the probability of a larger one if the forecasts are right.

    Attributes
    ----------
    statistic
        Chi-squared with `freedom` degrees of freedom under the hypothesis.
    """

    statistic: float
    p_value: float
    freedom: int = 1


def kupiec(exceptions: int, observations: int, level: float) -> CoverageTest:
    """Test that losses beyond a value at risk are as many as its level says.

    Parameters
    ----------
    exceptions, observations
        Losses beyond the forecast, out of how many.
    level
        Of the value at risk, in (0, 1): 0.99 expects 1 % of exceptions.

    Raises
    ------
    DataError
        Counts that are negative, or more exceptions than observations, or no observation.

    References
    ----------
    Kupiec, Techniques for verifying the accuracy of risk measurement models, J. of Derivatives 3
    (1995).
    """
    if not (0 <= exceptions <= observations and observations > 0 and 0.0 < level < 1.0):
        raise DataError(
            f"{exceptions} exceptions of {observations} at level {level}: expected a count, no more "
            "than the observations, and a level in (0, 1)."
        )
    quiet = observations - exceptions
    expected = _log_likelihood(exceptions, quiet, 1.0 - level)
    found = _log_likelihood(exceptions, quiet, exceptions / observations)
    return _test(2.0 * (found - expected))


def christoffersen(exceeded: Sequence[bool] | NDArray[np.bool_] | pd.Series) -> CoverageTest:
    """Test that an exception is as likely after an exception as after none.

    Without an exception before the last observation nothing speaks against it: statistic 0.

    Parameters
    ----------
    exceeded
        Whether each loss was beyond its forecast, in the order of time.

    Raises
    ------
    DataError
        Fewer than two observations.

    References
    ----------
    Christoffersen, Evaluating interval forecasts, International Economic Review 39 (1998).
    """
    hits = np.asarray(exceeded, dtype=bool)
    if hits.ndim != 1 or len(hits) < 2:
        raise DataError(f"{hits.size} observations in a row; independence needs two at least.")
    before, after = hits[:-1], hits[1:]
    following, calm = int((before & after).sum()), int((before & ~after).sum())
    first, quiet = int((~before & after).sum()), int((~before & ~after).sum())
    pooled = (following + first) / len(after)
    apart = 0.0
    for hit, miss in ((first, quiet), (following, calm)):
        if hit + miss:
            apart += _log_likelihood(hit, miss, hit / (hit + miss))
    return _test(2.0 * (apart - _log_likelihood(following + first, calm + quiet, pooled)))


def conditional_coverage(
    exceeded: Sequence[bool] | NDArray[np.bool_] | pd.Series, level: float
) -> CoverageTest:
    """Both at once: as many exceptions as the level says, and none that brings another.

    The sum of the statistics of `kupiec` and `christoffersen`, with two degrees of freedom.
    """
    hits = np.asarray(exceeded, dtype=bool)
    number = kupiec(int(hits.sum()), len(hits), level)
    return _test(number.statistic + christoffersen(hits).statistic, freedom=2)


def qlike(realised: Floats, forecast: Floats) -> Floats:
    """Loss of a forecast of variance: x - log(x) - 1, x the realised over the forecast variance.

    0 where they are equal; whatever the noise of the realised variance, the true one has the least
    expected loss. An underestimate costs more than an overestimate.

    Parameters
    ----------
    realised, forecast
        Variances in one unit, of the same length.

    Raises
    ------
    DataError
        A variance that is not positive and finite: the loss of it is not.

    References
    ----------
    Patton, Volatility forecast comparison using imperfect volatility proxies, J. of Econometrics
    160 (2011).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.asarray(realised, dtype=float) / np.asarray(forecast, dtype=float)
    if not (np.isfinite(ratio).all() and (ratio > 0.0).all()):
        place = int(np.argmax(~(np.isfinite(ratio) & (ratio > 0.0))))
        raise DataError(
            f"Realised over forecast variance is {ratio.ravel()[place]} at row {place}; expected "
            "positive and finite ones. Leave out portfolios without risk."
        )
    return np.asarray(ratio - np.log(ratio) - 1.0)


def _log_likelihood(hits: int, misses: int, probability: float) -> float:
    """Of independent draws; a count of 0 adds nothing whatever its probability."""
    found = 0.0
    if hits:
        found += hits * float(np.log(probability))
    if misses:
        found += misses * float(np.log1p(-probability))
    return found


def _test(statistic: float, freedom: int = 1) -> CoverageTest:
    from scipy.stats import chi2

    # Rounding can bring a likelihood ratio of 1 below 0.
    statistic = max(0.0, statistic)
    return CoverageTest(statistic, float(chi2.sf(statistic, freedom)), freedom)
