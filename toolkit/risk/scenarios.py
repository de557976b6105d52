"""Scenarios: the returns that the next session could bring, from those that sessions brought.

An asset that was not listed yet is given what its sleeve did, times how much more it moves: a gap
filled with zeros would make a young portfolio look safe. How many returns are made up is counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.risk.sample import SMALLEST_OVERLAP, Floats, demand_enough, recent_returns
from toolkit.units import Positive, Sessions, component

_SEED_SESSIONS = 21


@dataclass(frozen=True)
class Scenarios:
    """Scenarios with how many of them were made up.

    Parameters
    ----------
    returns
        Simple returns of one session, sessions x assets with enough history; no NaN.
    imputed
        Returns of each asset that are not its own: the mean of its sleeve's, times the ratio of
        volatilities, but for the two cases that follow.
    from_market
        Those before any of the sleeve was listed: the mean of all assets', times the ratio.
    closed
        Those of sessions in which the sleeve was listed and none of it traded: 0.
    floored
        Returns of each asset that would have been below -1, a total loss, and are -1.
    """

    returns: pd.DataFrame
    imputed: pd.Series
    from_market: pd.Series
    closed: pd.Series
    floored: pd.Series


class ScenarioModel(ABC):
    """A way to draw scenarios from the past."""

    @abstractmethod
    def scenarios(self, returns: pd.DataFrame, sleeves: Mapping[str, str]) -> Scenarios:
        """Scenarios from the last rows of the returns.

        Parameters
        ----------
        returns
            Simple returns, sessions x assets, up to and including the decision's session; NaN
            where an asset had no return. Sessions in which none had one are left out.
        sleeves
            Sleeve of each asset as of the decision; an asset it leaves out is alone in one.

        Raises
        ------
        DataError
            An infinite return or one below -1, repeated assets, or sessions out of order.
        """


@component
class HistoricalScenarios(ScenarioModel):
    """Every recent session as it was, all alike.

    Parameters
    ----------
    lookback
        Sessions looked at.
    minimum
        Returns an asset needs within them, and sessions within which the last one must lie;
        assets with fewer are left out.
    """

    lookback: Sessions = 504
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        demand_enough(self.minimum, self.lookback)

    def scenarios(self, returns: pd.DataFrame, sleeves: Mapping[str, str]) -> Scenarios:
        """Scenarios of the last `lookback` sessions."""
        recent = recent_returns(returns, self.lookback)
        return _completed(recent, sleeves, self.minimum)


@component
class FilteredScenarios(ScenarioModel):
    """Every recent session in the volatility of today.

    Each return is scaled by the asset's present volatility over that of its session, both
    exponentially weighted around zero and from earlier returns alone; the first 21 returns of an
    asset, which begin the average, have theirs from one another.

    Parameters
    ----------
    halflife
        Sessions after which a squared return counts half; 11.2 is RiskMetrics' 0.94 a session.
    lookback, minimum
        As `HistoricalScenarios`.

    References
    ----------
    Hull and White, Incorporating volatility updating into the historical simulation method for
    value-at-risk, J. of Risk 1 (1998).
    """

    halflife: Positive = 11.2
    lookback: Sessions = 504
    minimum: Sessions = 63

    def __post_init__(self) -> None:
        demand_enough(self.minimum, self.lookback)

    def scenarios(self, returns: pd.DataFrame, sleeves: Mapping[str, str]) -> Scenarios:
        """Scenarios of the last `lookback` sessions, scaled to now."""
        recent = recent_returns(returns, self.lookback)
        scaled = recent.apply(self._in_todays_volatility)
        return _completed(scaled, sleeves, self.minimum)

    def _in_todays_volatility(self, returns: pd.Series) -> pd.Series:
        from scipy.signal import lfilter

        own = returns.dropna()
        squares = own.to_numpy(dtype=float) ** 2
        if not squares.any():
            return returns
        decay = 0.5 ** (1.0 / self.halflife)
        first = float(squares[:_SEED_SESSIONS].mean())
        following, _ = lfilter([1.0 - decay], [1.0, -decay], squares, zi=[decay * first])
        variance = np.concatenate([[first], following])
        moving = variance[:-1] > 0.0
        scale = np.sqrt(np.divide(variance[-1], variance[:-1], where=moving, out=0.0 * squares))
        return pd.Series(own * scale, own.index).reindex(returns.index)


def _completed(given: pd.DataFrame, sleeves: Mapping[str, str], minimum: int) -> Scenarios:
    """Returns with every gap filled, of the assets with enough of their own."""
    known = given.notna().to_numpy()
    enough = (known.sum(axis=0) >= minimum) & known[-minimum:].any(axis=0)
    frame = given.iloc[np.flatnonzero(known[:, enough].any(axis=1)), np.flatnonzero(enough)]
    names, values = frame.columns, frame.to_numpy(dtype=float)
    groups = np.array([sleeves.get(str(name), f"only {name}") for name in names])
    filled = values.copy()
    counts = np.zeros((len(names), 3), dtype=int)
    for column in range(len(names)):
        others = np.arange(len(names)) != column
        mates = others & (groups == groups[column])
        gap = np.isnan(values[:, column])
        # Once it or one of its sleeve is listed, a day on which none of them trades is closed.
        open_to = np.logical_or.accumulate(~np.isnan(values[:, mates | ~others]).all(axis=1))
        closed = gap & open_to & np.isnan(values[:, mates]).all(axis=1)
        filled[closed, column] = 0.0
        for peers, rows in ((mates, gap & open_to & ~closed), (others, gap & ~open_to)):
            if rows.any():
                moves = _mean_of(values[:, peers])
                filled[rows, column] = _ratio(values[:, column], moves) * moves[rows]
        counts[column] = gap.sum(), (gap & ~open_to).sum(), closed.sum()
    told = pd.DataFrame(counts, names, ["imputed", "from_market", "closed"])
    return Scenarios(
        returns=pd.DataFrame(np.maximum(filled, -1.0), frame.index, names),
        imputed=told["imputed"],
        from_market=told["from_market"],
        closed=told["closed"],
        floored=pd.Series((filled < -1.0).sum(axis=0), names),
    )


def _mean_of(values: Floats) -> Floats:
    """Mean of the returns there are in each row, NaN where there is none."""
    known = ~np.isnan(values)
    count = known.sum(axis=1)
    total = np.where(known, values, 0.0).sum(axis=1)
    mean: Floats = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)
    return mean


def _ratio(own: Floats, moves: Floats) -> float:
    """How much more an asset moves than its peers, over the sessions that both have.

    Where they share too few, over those of each; 1 where the peers never move.
    """
    both = ~np.isnan(own) & ~np.isnan(moves)
    if both.sum() < SMALLEST_OVERLAP:
        peers = float(np.nanmean(moves**2))
        mine = float(np.nanmean(own**2))
    else:
        peers, mine = float(np.mean(moves[both] ** 2)), float(np.mean(own[both] ** 2))
    return float(np.sqrt(mine / peers)) if peers > 0.0 else 1.0
