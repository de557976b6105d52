"""How much better one series of returns was than another, with the doubt about it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import DataError
from toolkit.research.bootstrap import Blocks, Estimate, estimate

Floats = NDArray[np.float64]


def sharpe_difference(
    returns: pd.Series,
    other: pd.Series,
    cash: pd.Series,
    periods_per_year: float,
    blocks: Blocks | None = None,
) -> Estimate:
    """Annual Sharpe ratio of returns less that of others over the same sessions.

    Both are drawn again together, in blocks, so that what they share leaves no doubt behind.

    Raises
    ------
    DataError
        The series are not of the same sessions, or a return is missing.

    References
    ----------
    Ledoit and Wolf, Robust performance hypothesis testing with the Sharpe ratio, J. of Empirical
    Finance 15 (2008); here with percentile intervals.
    """
    same = returns.index.equals(other.index) and returns.index.equals(cash.index)
    rows = np.column_stack([returns - cash, other - cash]) if same else np.full((1, 2), np.nan)
    if not np.isfinite(rows).all():
        raise DataError(
            f"Returns of {len(returns)}, {len(other)} and {len(cash)} rows: expected the same sessions "
            "and no missing return. Cut them to what they have in common."
        )
    blocks = blocks or Blocks()
    drawn = rows[blocks.rows(len(rows))]
    draws = _difference(drawn) * np.sqrt(periods_per_year)
    value = float(_difference(rows[None])[0] * np.sqrt(periods_per_year))
    return estimate(value, draws, blocks.confidence)


def _difference(rows: Floats) -> Floats:
    """Sharpe ratio per period of the first less the second: draws."""
    ratio = rows.mean(axis=1) / rows.std(axis=1, ddof=1)
    return np.asarray(ratio[:, 0] - ratio[:, 1])
