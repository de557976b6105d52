"""What is true in the simulated market and no decision may know: pivots, exits, confounders.

It exists to judge detectors by. As fields it becomes public after the market's last decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.data.announcement import ALL
from toolkit.data.sample_cast import MINERS, NOISY, PIVOT_DAYS, PLANS, SOURCE, Timeline
from toolkit.data.sample_prices import Factors
from toolkit.panel import Field

RALLY_DAYS = 90


@dataclass(frozen=True)
class Episode:
    """Something that happened, from its first row of the days to its last.

    Parameters
    ----------
    asset
        ``ALL`` for the whole market; empty where it is nobody of the market's assets.
    share
        Of the machines: NaN where none left.
    """

    kind: str
    asset: str
    first: int
    last: int
    share: float = float("nan")


@dataclass(frozen=True)
class Truth:
    """What really happened in a simulated market.

    Parameters
    ----------
    ai_share
        How far each miner has become an AI host, 0 to 1: days x miners.
    gone
        Share of the machines that is missing, by day and cause: ``lasting`` (to AI hosting) and
        ``ban``, of all that were installed, since the first day; ``weather``, of those that run;
        ``price``, of those installed, turned off because power costs more than they earn.
    departures
        What left by something else than the price, in the order of time. ``lasting``: the site
        goes to AI hosting. ``ban``: by decree; what is moved abroad comes back. ``weather``: off
        for days, and all of it is back.
    hash_rate
        Mean hash rate of each day without the luck of its blocks, H/s.
    misleading
        What looks like a pivot or an exit to AI and is none, in the order of time.
        ``risk_on_rally``: the 90 days without a pivot over which bitcoin, AI names and the median
        miner rose most together; found, not planted. ``rename``, and ``strategy_statement`` that no
        contract follows. ``ban``. ``low_r_squared``: a miner with twice the noise of the others.
    """

    ai_share: pd.DataFrame
    gone: pd.DataFrame
    departures: tuple[Episode, ...]
    hash_rate: pd.Series
    misleading: tuple[Episode, ...]

    @property
    def exits(self) -> pd.DataFrame:
        """Departures as a table: `kind`, `asset`, `first`, `last` (days), `share`."""
        return self._table(self.departures)

    @property
    def confounders(self) -> pd.DataFrame:
        """What misleads as a table: `kind`, `asset`, `first`, `last` (days)."""
        return self._table(self.misleading).drop(columns="share")

    def _table(self, episodes: Sequence[Episode]) -> pd.DataFrame:
        days = self.ai_share.index
        rows = [(e.kind, e.asset, days[e.first], days[e.last], e.share) for e in episodes]
        return pd.DataFrame(rows, columns=["kind", "asset", "first", "last", "share"])

    def fields(self, assets: Sequence[str]) -> Mapping[str, Field]:
        """The truth as fields, public two days after the last row: after every decision.

        ``true_ai_share`` has a column a miner among the assets, ``true_exits`` those of `gone`,
        ``true_hash_rate`` a single one, and ``true_confounders`` one a kind of confounder, 1 on its
        days.
        """
        days = pd.DatetimeIndex(self.ai_share.index)
        over = pd.DatetimeIndex([days[-1] + pd.Timedelta(days=2)] * len(days)).tz_localize("UTC")
        kinds = sorted({episode.kind for episode in self.misleading})
        marks = np.zeros((len(days), len(kinds)))
        for episode in self.misleading:
            marks[episode.first : episode.last + 1, kinds.index(episode.kind)] = 1.0
        confounders = pd.DataFrame(marks, days, kinds)
        miners = self.ai_share[[name for name in assets if name in self.ai_share]]
        return {
            "true_ai_share": Field(miners, over, "share", SOURCE),
            "true_exits": Field(self.gone, over, "share of machines", SOURCE),
            "true_hash_rate": Field(self.hash_rate.to_frame("true_hash_rate"), over, "H/s", SOURCE),
            "true_confounders": Field(confounders, over, "1 on its days", SOURCE),
        }


def ai_shares(timeline: Timeline) -> pd.DataFrame:
    """How far each miner is an AI host by day: 0 up to its contract, 1 after 180 days."""
    since = np.arange(len(timeline.days))
    shares = np.zeros((len(since), len(MINERS)))
    for column, part in enumerate(MINERS):
        if part.pivots is not None:
            shares[:, column] = np.clip((since - timeline.row(part.pivots)) / PIVOT_DAYS, 0.0, 1.0)
    return pd.DataFrame(shares, timeline.days, [part.id for part in MINERS])


def confounders(
    timeline: Timeline, factors: Factors, prices: pd.DataFrame, departures: Sequence[Episode]
) -> tuple[Episode, ...]:
    """What misleads in a market, in the order of time; see `Truth`."""
    rally = _rally(timeline, factors, prices)
    found = [Episode("risk_on_rally", ALL, rally, rally + RALLY_DAYS - 1)]
    found += [
        Episode("low_r_squared", part.id, timeline.row(part.lists), len(timeline.days) - 1)
        for part in MINERS
        if part.id == NOISY
    ]
    found += [Episode("ban", ALL, e.first, e.last) for e in departures if e.kind == "ban"]
    tenants = {plan.asset for plan in PLANS if plan.kind == "colocation_contract"}
    for plan in PLANS:
        if plan.asset not in tenants:
            row = timeline.row(plan.at, -1)
            found.append(Episode(plan.kind, plan.asset, row, row))
    return tuple(sorted(found, key=lambda episode: episode.first))


def _rally(timeline: Timeline, factors: Factors, prices: pd.DataFrame) -> int:
    """First row of the days without a pivot over which all three groups rose most together."""
    # What is not listed yet, or no more, has no say.
    miners = prices[[part.id for part in MINERS]].ffill(limit=RALLY_DAYS // 2)
    levels = np.log(miners.to_numpy())
    both = np.log1p(np.column_stack([factors.bitcoin, factors.ai])).cumsum(axis=0)
    middle = np.nanmedian(levels[RALLY_DAYS:] - levels[:-RALLY_DAYS], axis=1)
    together = np.minimum(middle, (both[RALLY_DAYS:] - both[:-RALLY_DAYS]).min(axis=1))
    for part in MINERS:
        if part.pivots is not None:
            pivot = timeline.row(part.pivots)
            together[max(pivot - RALLY_DAYS, 0) : pivot + PIVOT_DAYS] = -np.inf
    return int(np.argmax(together)) + 1
