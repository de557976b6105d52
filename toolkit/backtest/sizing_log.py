"""What sizing had to resort to: fallbacks, repairs of the covariance, and what it did not know.

From the decisions of a run alone, as plain values for its description.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from toolkit.backtest.costs_log import cost_summary, executed_total
from toolkit.backtest.engine import Account, SizedDecision
from toolkit.optimize.decision import Decision
from toolkit.optimize.objectives import Objective
from toolkit.optimize.views import BlackLitterman

Dated = Iterable[tuple[str, pd.Timestamp]]
"""Names with the session at which each was met."""


def sizing_entry(
    account: Account,
    objective: Objective | None,
    executed: pd.DataFrame,
    costs: pd.DataFrame,
    limits: pd.DataFrame,
) -> dict[str, Any]:
    """What sizing did over a run.

    Parameters
    ----------
    objective
        None where nothing was sized: then nothing is said of limits, repairs and history.
    executed, costs, limits
        As in `RunRecord`.

    Returns
    -------
    dict
        decisions; statuses: status to decisions; fallbacks: each step with its sessions;
        unchecked: each limit with the decisions and assets that it was not checked for; repairs:
        decisions with a repaired covariance, the largest repair and its session; estimates: assets
        whose estimate was not the risk model's own; unknown: assets that could not be bought for
        want of history, by who wanted them; executed_share and costs, see `executed_total` and
        `cost_summary`.
    """
    made = account.decisions
    sized = made if objective is not None else ()
    answers = [d.allocation for d in made if d.allocation is not None]
    cash = account.simulation.market.assets[account.simulation.market.cash_column]
    return {
        "decisions": len(made),
        "statuses": dict(Counter(answer.status for answer in answers)),
        "fallbacks": _fallbacks(made),
        "unchecked": _unchecked(limits),
        "repairs": _repairs(sized),
        "estimates": _estimates(sized),
        "unknown": [
            *_counted("target", _unknown_targets(sized, cash)),
            *_counted("view", _unknown_views(sized, objective)),
        ],
        "executed_share": executed_total(executed),
        "costs": cost_summary(costs),
    }


def without_history(decision: Decision, wanted: Iterable[str]) -> tuple[str, ...]:
    """Assets that an estimate which sizing reads does not know: they cannot be bought."""
    names, lacking = set(wanted), set[str]()
    for known in (
        None if decision.covariance is None else decision.covariance.columns,
        None if decision.scenarios is None else decision.scenarios.columns,
        None if decision.expected_returns is None else decision.expected_returns.index,
        None if decision.betas is None else decision.betas.index,
    ):
        if known is not None:
            lacking |= names - {str(name) for name in known}
    return tuple(sorted(lacking))


def targeted(target: pd.Series | None, cash: str) -> set[str]:
    """Assets that a target wants, but for cash."""
    return set() if target is None else {str(name) for name in target.index[target > 0.0]} - {cash}


def _fallbacks(made: Sequence[SizedDecision]) -> list[dict[str, Any]]:
    sessions: dict[str, list[str]] = {}
    for sized in made:
        for step in () if sized.allocation is None else sized.allocation.fallbacks:
            sessions.setdefault(step, []).append(_day(sized.decision.session))
    return [{"step": step, "sessions": days} for step, days in sessions.items()]


def _unchecked(limits: pd.DataFrame) -> list[dict[str, Any]]:
    open_ones = limits[limits["unchecked"] != ""]
    return [
        {
            "limit": str(name),
            "decisions": len(rows),
            "assets": sorted({asset for text in rows["unchecked"] for asset in text.split(", ")}),
        }
        for name, rows in open_ones.groupby("limit", sort=False)
    ]


def _repairs(made: Sequence[SizedDecision]) -> dict[str, Any]:
    sizes = {
        _day(sized.decision.session): sized.estimate.repair
        for sized in made
        if sized.estimate is not None and sized.estimate.repair > 0.0
    }
    worst = max(sizes, key=lambda day: sizes[day], default=None)
    return {
        "decisions": len(sizes),
        "largest": sizes[worst] if worst is not None else 0.0,
        "session": worst,
    }


def _estimates(made: Sequence[SizedDecision]) -> list[dict[str, Any]]:
    """Assets with another estimate than the risk model's own, and the last reason for it."""
    times, reasons = Counter[str](), dict[str, str]()
    for sized in made:
        told: Mapping[str, str] = {} if sized.estimate is None else sized.estimate.fallbacks
        times.update(told.keys())
        reasons.update(told)
    return [
        {"asset": asset, "decisions": times[asset], "reason": reasons[asset]}
        for asset in sorted(times)
    ]


def _unknown_targets(made: Sequence[SizedDecision], cash: str) -> Dated:
    for sized in made:
        decision = sized.decision
        for asset in without_history(decision, targeted(decision.target, cash)):
            yield asset, decision.session


def _unknown_views(made: Sequence[SizedDecision], objective: Objective | None) -> Dated:
    """A view is left out of a decision that lacks the covariance of one of its assets."""
    if not isinstance(objective, BlackLitterman):
        return
    named = {asset for view in objective.views for asset in view.portfolio}
    for sized in made:
        covariance = sized.decision.covariance
        known = set() if covariance is None else {str(name) for name in covariance.columns}
        for asset in sorted(named - known):
            yield asset, sized.decision.session


def _counted(wanted_by: str, met: Dated) -> list[dict[str, Any]]:
    sessions: dict[str, list[pd.Timestamp]] = {}
    for asset, session in met:
        sessions.setdefault(asset, []).append(session)
    return [
        {
            "asset": asset,
            "wanted_by": wanted_by,
            "decisions": len(days),
            "first": _day(days[0]),
            "last": _day(days[-1]),
        }
        for asset, days in sorted(sessions.items())
    ]


def _day(session: pd.Timestamp) -> str:
    return f"{session:%Y-%m-%d}"
