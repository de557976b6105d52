"""What is true in the simulated market and no decision may know: pivots, exits, confounders.

It exists to judge detectors by. As fields it becomes public after the market's last decision.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from toolkit.data.sample_cast import ALL, MINERS, NOISY, PIVOT_DAYS, PLANS, SOURCE, Timeline
from toolkit.data.sample_prices import Factors
from toolkit.panel import Field

RALLY_DAYS = 90


@dataclass(frozen=True)
class Exit:
    """Machines that leave the network, for good or not.

    Parameters
    ----------
    kind
        ``lasting``: their site goes to AI hosting. ``ban``: switched off by decree; what is moved
        abroad comes back. ``weather``: off for days, and all of it is back.
    asset
        The miner, empty where it is nobody of the market's assets.
    first, last
        Rows of the first and last day of leaving.
    share
        Of the machines installed (lasting, ban) or running (weather).
    """

    kind: str
    asset: str
    first: int
    last: int
    share: float


@dataclass(frozen=True)
class Truth:
    """What really happened in a simulated market.

    Parameters
    ----------
    ai_share
        How far each miner has become an AI host, 0 to 1: days x miners.
    exits
        Machines that left by something else than the price: `kind`, `asset`, `first`, `last`,
        `share`, in the order of time; see `sample_truth.Exit`.
    gone
        Share of the machines that is missing by day and cause: ``lasting`` and ``ban`` (of all
        that were installed, since the first day), ``weather`` (of those running), ``price`` (of
        those installed, turned off because power costs more).
    confounders
        What looks like a pivot or an exit to AI and is none: `kind`, `asset`, `first`, `last`.
        ``risk_on_rally`` is the 90 days without a pivot over which bitcoin, AI names and miners
        rose most together: it is found, not planted. ``rename``, and ``strategy_statement`` that
        no contract follows. ``ban``. ``low_r_squared`` is a miner whose noise is twice the others'.
    """

    ai_share: pd.DataFrame
    exits: pd.DataFrame
    gone: pd.DataFrame
    confounders: pd.DataFrame

    def fields(self, assets: Sequence[str]) -> Mapping[str, Field]:
        """The truth as fields, public two days after the last row: after every decision.

        ``true_ai_share`` has a column a miner among the assets; ``true_exit_lasting``,
        ``true_exit_ban``, ``true_exit_weather`` and ``true_exit_price`` are the columns of `gone`;
        ``true_confounder`` has a column a kind, 1 on its days.
        """
        days = pd.DatetimeIndex(self.ai_share.index)
        over = pd.DatetimeIndex([days[-1] + pd.Timedelta(days=2)] * len(days)).tz_localize("UTC")
        marks = pd.DataFrame(0.0, days, sorted(set(self.confounders["kind"])))
        for fact in self.confounders.itertuples(index=False):
            marks.loc[fact.first : fact.last, fact.kind] = 1.0
        miners = [name for name in assets if name in self.ai_share]
        exits = {
            f"true_exit_{cause}": (
                self.gone[[cause]].set_axis([f"true_exit_{cause}"], axis=1),
                "share of machines",
            )
            for cause in self.gone
        }
        given = {
            "true_ai_share": (self.ai_share[miners], "share"),
            **exits,
            "true_confounder": (marks, "1 on its days"),
        }
        return {name: Field(values, over, unit, SOURCE) for name, (values, unit) in given.items()}


def ai_shares(timeline: Timeline) -> pd.DataFrame:
    """How far each miner is an AI host by day: 0 up to its contract, 1 after 180 days."""
    since = np.arange(len(timeline.days))
    shares = {
        part.id: np.zeros(len(since))
        if part.pivots is None
        else np.clip((since - timeline.row(part.pivots)) / PIVOT_DAYS, 0.0, 1.0)
        for part in MINERS
    }
    return pd.DataFrame(shares, timeline.days)


def exit_table(days: pd.DatetimeIndex, exits: Sequence[Exit]) -> pd.DataFrame:
    """Exits as the table of `Truth`; what would end after the last day ends with it."""
    rows = [
        (e.kind, e.asset, days[e.first], days[min(e.last, len(days) - 1)], e.share)
        for e in sorted(exits, key=lambda e: e.first)
        if e.first < len(days)
    ]
    return pd.DataFrame(rows, columns=["kind", "asset", "first", "last", "share"])


def confounders(
    timeline: Timeline, factors: Factors, prices: pd.DataFrame, exits: pd.DataFrame
) -> pd.DataFrame:
    """The table of `Truth`."""
    days, last = timeline.days, timeline.days[-1]
    first_rally = _rally(timeline, factors, prices)
    rows = [("risk_on_rally", ALL, days[first_rally], days[first_rally + RALLY_DAYS - 1])]
    rows += [("low_r_squared", part.id, days[timeline.row(part.lists)], last)
             for part in MINERS if part.id == NOISY]  # fmt: skip
    rows += [(e.kind, ALL, e.first, e.last) for e in exits.itertuples() if e.kind == "ban"]
    tenants = {plan.asset for plan in PLANS if plan.kind == "colocation_contract"}
    for plan in PLANS:
        if plan.asset not in tenants:
            day = days[timeline.row(plan.at, -1)]
            rows.append((plan.kind, plan.asset, day, day))
    table = pd.DataFrame(rows, columns=["kind", "asset", "first", "last"])
    return table.sort_values("first", ignore_index=True)


def _rally(timeline: Timeline, factors: Factors, prices: pd.DataFrame) -> int:
    """First row of the days without a pivot over which all three groups rose most together."""
    # What is not listed yet, or no more, has no say.
    miners = np.log(prices[[part.id for part in MINERS]].ffill(limit=RALLY_DAYS // 2)).to_numpy()
    both = np.log1p(np.column_stack([factors.bitcoin, factors.ai])).cumsum(axis=0)
    middle = np.nanmedian(miners[RALLY_DAYS:] - miners[:-RALLY_DAYS], axis=1)
    together = np.minimum(middle, (both[RALLY_DAYS:] - both[:-RALLY_DAYS]).min(axis=1))
    for part in MINERS:
        if part.pivots is not None:
            pivot = timeline.row(part.pivots)
            together[max(pivot - RALLY_DAYS, 0) : pivot + PIVOT_DAYS] = -np.inf
    return int(np.argmax(together)) + 1
