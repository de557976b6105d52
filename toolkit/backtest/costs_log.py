"""What sizing did to every intended trade, and what trading cost against what was assumed.

The optimizer assumes costs at the decision, of the trades it decides on. The ledger charges them
at the fill, of the trades that bring prices of that moment to the weights. Drift between the two,
waiting orders and sales at the end of a life make the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.engine import Account, SizedDecision
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.certify import SMALLEST_TRADE
from toolkit.optimize.costs import LARGEST_IMPACT, Cost
from toolkit.optimize.decision import Decision
from toolkit.optimize.facts import facts_of
from toolkit.optimize.roster import Roster
from toolkit.panel import Panel

Floats = NDArray[np.float64]

EXECUTED = ("session", "asset", "before", "target", "allocated", "share")
COSTS = (
    "session",
    "assumed_usd",
    "charged_usd",
    "assumed_bps",
    "charged_bps",
    "decided_usd",
    "traded_usd",
    "fees_usd",
    "spread_usd",
    "impact_usd",
    "without_impact_usd",
    "capped",
)

_BASIS_POINT = 1e-4


def executed_share(account: Account) -> pd.DataFrame:
    """Share of every intended trade that was ordered after sizing.

    Returns
    -------
    DataFrame
        Long, a row for each decision and asset but cash whose target is at least 1e-4 of equity
        away from the weight before: session, asset, before, target, allocated, and share =
        (allocated - before) / (target - before). 1 is the whole trade, 0 none of it, below 0 the
        opposite, above 1 more than was wanted.
    """
    market, made = account.simulation.market, account.decisions
    names = pd.Index(market.assets, dtype=object)
    before = _by_decision((sized.decision.current for sized in made), names)
    target = _by_decision((sized.decision.target for sized in made), names)
    allocated = _by_decision((sized.sized for sized in made), names)
    risky = np.arange(len(names)) != market.cash_column
    meant = risky & (np.abs(target - before) >= SMALLEST_TRADE)
    rows, columns = meant.nonzero()
    return pd.DataFrame(
        {
            "session": pd.DatetimeIndex([sized.decision.session for sized in made]).take(rows),
            "asset": names.to_numpy().take(columns),
            "before": before[meant],
            "target": target[meant],
            "allocated": allocated[meant],
            "share": (allocated - before)[meant] / (target - before)[meant],
        },
        columns=list(EXECUTED),
    )


def _by_decision(weights: Iterable[pd.Series | None], names: pd.Index) -> Floats:
    """Weights as decisions x assets, 0 where there are none."""
    rows = [
        np.zeros(len(names)) if each is None
        else each.reindex(names, fill_value=0.0).to_numpy(dtype=float)
        for each in weights
    ]  # fmt: skip
    return np.array(rows).reshape(-1, len(names))


def executed_total(shares: pd.DataFrame) -> float | None:
    """Executed share of all intended trades together, by their size; None without any.

    Single shares of small intentions say little: what was ordered beside them may be many times as
    large.
    """
    meant = shares["target"] - shares["before"]
    made = (shares["allocated"] - shares["before"]) * np.sign(meant)
    return float(made.sum() / meant.abs().sum()) if len(shares) else None


def cost_log(account: Account, panel: Panel, cost: Cost, fill_delay: int = 1) -> pd.DataFrame:
    """Costs of each decision: assumed when it was taken, and charged until the next one fills.

    Parameters
    ----------
    cost
        The cost that the optimizer and the ledger of the run had.

    Returns
    -------
    DataFrame
        A row a decision: session; assumed_usd and charged_usd; both in basis points of what was
        traded for them (NaN where nothing was): decided_usd at the decision, traded_usd at the
        fills, what overlays ordered included; the parts of charged_usd:
        fees_usd, spread_usd (half-spread and slippage), impact_usd; without_impact_usd, the part
        of traded_usd for which no impact was charged since no volume was known (NaN where the cost
        has no impact at all); capped, the number of orders whose impact was at its ceiling.
    """
    roster = Roster(panel.universe.assets)
    charges = _Charges(account)
    first, entries = account.first, []
    rows = [sized.row + fill_delay - first for sized in account.decisions]
    ends = [*rows[1:], len(account.simulation.market.sessions)]
    for sized, row, end in zip(account.decisions, rows, ends, strict=True):
        assumed, decided = _assumed(sized, roster, cost)
        found = charges.between(row, end)
        entries.append(
            {
                "session": sized.decision.session,
                "assumed_usd": assumed,
                "decided_usd": decided,
                **found,
                "assumed_bps": _bps(assumed, decided),
                "charged_bps": _bps(found["charged_usd"], found["traded_usd"]),
            }
        )
    return pd.DataFrame(entries, columns=list(COSTS))


def cost_summary(log: pd.DataFrame) -> dict[str, float | None]:
    """Assumed against charged costs of a whole run; None where nothing was traded."""
    sums = {
        name: float(log[name].sum())
        for name in COSTS
        if name.endswith("_usd") and name != "without_impact_usd"
    }
    unknown = log["without_impact_usd"]
    ratios = {
        "assumed_bps": _bps(sums["assumed_usd"], sums["decided_usd"]),
        "charged_bps": _bps(sums["charged_usd"], sums["traded_usd"]),
        "without_impact_share": _BASIS_POINT * _bps(unknown.sum(min_count=1), sums["traded_usd"]),
    }
    known = {name: None if np.isnan(ratio) else float(ratio) for name, ratio in ratios.items()}
    return {**sums, **known, "capped": float(log["capped"].sum())}


def _assumed(sized: SizedDecision, roster: Roster, cost: Cost) -> tuple[float, float]:
    """Cost in USD of the ordered weights as the optimizer counts it, and what they trade."""
    decision = sized.decision
    equity = np.nan if decision.equity is None else decision.equity
    # Of the rest of the decision costs know nothing.
    facts = facts_of(
        Decision(
            session=decision.session,
            current=decision.current,
            equity=decision.equity,
            volumes=decision.volumes,
            volatilities=decision.volatilities,
            half_spreads=decision.half_spreads,
            proceeds=decision.proceeds,
        ),
        roster,
    )
    weights = roster.floats(sized.sized, f"The order of {decision.session.date()}")
    candidate = MeasuredCandidate(roster, facts, weights)
    return float(cost.cost(candidate)) * equity, float(candidate.traded()) * equity


class _Charges:
    """What the ledger charged, by order, from its trades and the market's rates."""

    def __init__(self, account: Account) -> None:
        book, market = account.simulation.book, account.simulation.market
        columns = np.arange(book.trades.shape[1]) != market.cash_column
        prices = np.nan_to_num(market.prices)
        value = np.abs(book.trades * prices)[:, columns]
        self.value, self.fees, self.slipped = value.sum(axis=1), book.fees, book.slipped
        self.unknown: Floats | None = None
        if market.impact is None:
            self.impact = self.capped = np.zeros(len(value))
            return
        rates = market.impact[:, columns]
        moved = rates * np.sqrt(value)
        self.impact = (np.minimum(moved, LARGEST_IMPACT) * value).sum(axis=1)
        self.capped = (moved > LARGEST_IMPACT).sum(axis=1).astype(float)
        # What holders receive at the end of a life is charged nothing, and is no gap either.
        free = (market.fee[:, columns] == 0.0) & (market.slippage[:, columns] == 0.0)
        self.unknown = np.where((rates == 0.0) & ~free, value, 0.0).sum(axis=1)

    def between(self, row: int, end: int) -> Mapping[str, float]:
        """Sums over the sessions from a row to before another."""
        rows = slice(row, end)
        fees, slipped = float(self.fees[rows].sum()), float(self.slipped[rows].sum())
        impact, unknown = float(self.impact[rows].sum()), self.unknown
        return {
            "charged_usd": fees + slipped,
            "traded_usd": float(self.value[rows].sum()),
            "fees_usd": fees,
            "spread_usd": slipped - impact,
            "impact_usd": impact,
            "without_impact_usd": np.nan if unknown is None else float(unknown[rows].sum()),
            "capped": float(self.capped[rows].sum()),
        }


def _bps(part: float, whole: float) -> float:
    return part / whole / _BASIS_POINT if whole > 0.0 else np.nan
