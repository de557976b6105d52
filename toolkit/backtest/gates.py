"""The gates of a run: what of its checks failed, in words."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from toolkit.backtest.audit import Audit
from toolkit.backtest.engine import Account
from toolkit.backtest.replay import Reconciliation
from toolkit.optimize.optimizer import Optimizer

_BROKEN = 1e-6
"""Excess over a limit, as relaxed, that no rounding explains."""


def failed_gates(
    account: Account,
    optimizer: Optimizer | None,
    reconciliation: Reconciliation | None,
    audit: Audit | None,
) -> tuple[str, ...]:
    """Reconciliation, look-ahead and limits that failed; empty where all that ran passed."""
    found = []
    if reconciliation is not None and not reconciliation.agrees:
        found.append(
            f"Reconciliation: the two accounts {reconciliation.apart}, with "
            f"{reconciliation.orders} orders against {reconciliation.records} records."
        )
    if audit is not None and audit.differences:
        found.append(f"Look-ahead: {audit.differences} differences at {audit.cuts} cuts.")
    broken = [] if optimizer is None else list(_broken_limits(account, optimizer))
    if broken:
        beyond, name, session = max(broken, key=lambda one: one[0])
        found.append(
            f"Limits: broken {len(broken)} times at a decision, the worst {name} on "
            f"{session:%Y-%m-%d} by {beyond:.3g}."
        )
    return tuple(found)


def _broken_limits(
    account: Account, optimizer: Optimizer
) -> Iterator[tuple[float, str, pd.Timestamp]]:
    """Limits beyond their cap as relaxed: by how much, which, and when."""
    for made in account.decisions:
        if made.allocation is None:
            continue
        for limit in optimizer.limits:
            value = made.allocation.values[limit.name]
            beyond = float(limit.beyond(value)) - made.allocation.relaxed.get(limit.name, 0.0)
            if beyond > _BROKEN:
                yield beyond, limit.name, made.decision.session
