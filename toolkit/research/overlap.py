"""Which strategies are one bet under two names: correlation of what they did beyond the market."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError

SMALLEST_SAMPLE = 60
"""Sessions that two strategies must share."""

_FLAT = 1e-12


@dataclass(frozen=True)
class Overlap:
    """How alike strategies are.

    Attributes
    ----------
    correlations
        Of active returns, strategies x strategies; NaN where the returns of one never move.
    pairs
        Two strategies and their correlation, the most alike first: those at the threshold or above.
    sessions
        On which every strategy has a return; the correlations are over these.
    """

    correlations: pd.DataFrame
    pairs: tuple[tuple[str, str, float], ...]
    sessions: int


def active_returns(net: pd.DataFrame, benchmark: pd.Series | pd.DataFrame) -> pd.DataFrame:
    """Net returns less a benchmark's: sessions x strategies.

    Parameters
    ----------
    net
        Simple returns after costs, sessions x strategies.
    benchmark
        One series for all, or a column a strategy, such as each one's own beta-matched benchmark.
        NaN where there is none; the active return is NaN there, too.

    Raises
    ------
    DataError
        The sessions or the strategies of the two differ.
    """
    if not net.index.equals(benchmark.index):
        raise DataError(
            f"The benchmark has {len(benchmark)} sessions, the strategies {len(net)}, and they are "
            "not the same; cut both to the sessions they share."
        )
    if isinstance(benchmark, pd.Series):
        return net.sub(benchmark, axis=0)
    missing = [str(name) for name in net.columns if name not in benchmark.columns]
    if missing:
        raise DataError(
            f"There is no benchmark for {', '.join(missing)}; expected a column for each strategy."
        )
    return net - benchmark[net.columns]


def same_bets(returns: pd.DataFrame, threshold: float = 0.9) -> Overlap:
    """Strategies whose active returns move as one.

    Give it active returns (`active_returns`). Net returns of long-only strategies are alike because
    the market is in all of them, and tell nothing about their ideas.

    Parameters
    ----------
    returns
        Active returns, sessions x strategies; sessions on which one of them is NaN are left out.
    threshold
        Correlation from which on two names are said to be one bet, above 0 and at most 1.

    Notes
    -----
    At 0.9 four fifths of the variance of either is the other's. A strong negative correlation is no
    pair: the two cancel out, which is another finding, and stands in the table. Strategies that
    differ only on a few sessions may be alike by this measure and not by their ideas.

    Raises
    ------
    ConfigError
        The threshold is not above 0 and at most 1.
    DataError
        A name occurs twice, or a return is infinite.
    InsufficientHistoryError
        The strategies share fewer than 60 sessions.
    """
    if not 0.0 < threshold <= 1.0:
        raise ConfigError(f"threshold = {threshold}; expected a correlation above 0, at most 1.")
    if not returns.columns.is_unique:
        twice = str(returns.columns[returns.columns.duplicated()][0])
        raise DataError(f"There are several strategies {twice!r}; give each its own name.")
    shared = returns.dropna()
    if len(shared) < SMALLEST_SAMPLE:
        raise InsufficientHistoryError(
            f"The strategies share {len(shared)} sessions; expected at least {SMALLEST_SAMPLE}. "
            "Leave out the one that starts last."
        )
    values = shared.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise DataError(
            f"The return of {shared.columns[column]} on {shared.index[row]} is infinite; correct it."
        )
    moves = values - values.mean(axis=0)
    norms = np.sqrt((moves**2).sum(axis=0))
    moving = norms > _FLAT * np.sqrt(len(values))
    unit = moves / np.where(moving, norms, np.nan)
    found = np.clip(unit.T @ unit, -1.0, 1.0)
    names = [str(name) for name in shared.columns]
    pairs = [
        (names[one], names[other], float(found[one, other]))
        for one, other in combinations(range(len(names)), 2)
        if found[one, other] >= threshold
    ]
    return Overlap(
        correlations=pd.DataFrame(found, shared.columns, shared.columns),
        pairs=tuple(sorted(pairs, key=lambda pair: -pair[2])),
        sessions=len(shared),
    )
