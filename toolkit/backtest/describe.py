"""The parts of a run's description: data, events, checks and versions as plain values."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pandas as pd

from toolkit.backtest.audit import Audit
from toolkit.backtest.engine import Account
from toolkit.backtest.overlays import Overlay
from toolkit.backtest.replay import TOLERANCE, Reconciliation
from toolkit.panel import Notice, Panel

_PACKAGES = (
    "hashpivot",
    "arch",
    "clarabel",
    "cvxpy",
    "exchange-calendars",
    "highspy",
    "numba",
    "numpy",
    "pandas",
    "daqp",
    "piqp",
    "scikit-learn",
    "scipy",
    "vectorbt",
    "vectorbt-rust",
)
_SMALLEST_OVERDRAFT = 1e-9
_FINDINGS_KEPT = 20
_SHORT = 63


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that can change a number."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        # A run without the replay needs no vectorbt.
        return "not installed"


def holes_entry(panel: Panel) -> dict[str, int]:
    """Sessions on which an asset of the panel had no price inside its life."""
    return {notice.asset: notice.count for notice in panel.notices if notice.kind == "hole"}


def data_entry(panel: Panel, source: str) -> dict[str, Any]:
    """Where the data came from: each field with its unit, source, rows and period."""
    return {
        "source": source,
        "panel_digest": panel.digest(),
        "fields": [
            {
                "name": name,
                "unit": quantity.unit,
                "source": quantity.source,
                "rows": len(quantity.values),
                "first": f"{quantity.values.index.min():%Y-%m-%d}",
                "last": f"{quantity.values.index.max():%Y-%m-%d}",
            }
            for name, quantity in sorted(panel.fields.items())
            if len(quantity.values)
        ],
    }


def sleeves_entry(panel: Panel) -> dict[str, list[list[str]]]:
    """Sleeves of each asset by date."""
    return {
        asset.id: [[member.since.isoformat(), member.sleeve.value] for member in asset.memberships]
        for asset in panel.universe
    }


def actions_entry(panel: Panel) -> list[dict[str, str]]:
    """Corporate actions that are recorded and, prices being adjusted, move nothing."""
    return [
        {"asset": a.asset, "day": a.day.isoformat(), "action": a.action, "terms": a.terms}
        for a in panel.universe.actions
    ]


def audit_entry(audit: Audit) -> dict[str, Any]:
    """Outcome of the look-ahead audit; the first findings are kept."""
    return {
        "cuts": audit.cuts,
        "differences": audit.differences,
        "findings": [asdict(finding) for finding in audit.findings[:_FINDINGS_KEPT]],
        "cannot_see": list(audit.cannot_see),
    }


def reconciliation_entry(agreement: Reconciliation | None) -> dict[str, Any] | None:
    """How far the two accounts agree, and what is allowed; None without a second one."""
    return None if agreement is None else {**asdict(agreement), "tolerance": TOLERANCE}


def overlays_entry(account: Account, overlays: Sequence[Overlay]) -> dict[str, Any] | None:
    """What overlays kept: their settings, the last share, and how often less than all; or None."""
    if account.watch is None:
        return None
    sessions = account.simulation.market.sessions
    rows = [order.row for order in account.orders]
    shares = np.array([order.share for order in account.orders])
    lengths = np.diff([*rows, len(sessions)])
    return {
        "settings": [repr(overlay) for overlay in overlays],
        "switches": len(account.watch.log()),
        "orders": len(account.orders) - len(account.decisions),
        "sessions_kept_back": int(lengths[shares < 1.0].sum()),
        "share": account.watch.share,
    }


def order_list_sha256(orders: pd.DataFrame) -> str:
    """SHA-256 of an order list: a line an order, numbers with 10 significant digits."""
    lines = (
        f"{session:%Y-%m-%d},{asset},{units:.10g},{price:.10g}\n"
        for session, asset, units, price in zip(
            orders["session"], orders["asset"], orders["units"], orders["price"], strict=True
        )
    )
    return text_sha256("".join(lines))


def text_sha256(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def endings(account: Account, panel: Panel) -> list[dict[str, Any]]:
    """Holdings that a closing ended: what ended them, when, and what was received."""
    market, book = account.simulation.market, account.simulation.book
    found = []
    for column, row in enumerate(market.settlement):
        asset = panel.universe[market.assets[column]]
        if row < 1 or asset.closing is None or book.holdings[row - 1, column] <= 0.0:
            continue
        units, price = float(book.holdings[row - 1, column]), float(market.prices[row, column])
        found.append(
            {
                "asset": asset.id,
                "kind": asset.closing.kind,
                "session": f"{market.sessions[row]:%Y-%m-%d}",
                "units": units,
                "value_per_unit": price,
                "proceeds": units * price,
                "note": asset.closing.note,
            }
        )
    return found


def notices_entry(account: Account, panel: Panel) -> list[dict[str, Any]]:
    """What a reader should know of the data and of the account."""
    return [asdict(notice) for notice in (*panel.notices, *_account_notices(account))]


def _account_notices(account: Account) -> tuple[Notice, ...]:
    """Overdrafts, and orders that never filled."""
    simulation = account.simulation
    found = []
    if simulation.overdraft > _SMALLEST_OVERDRAFT:
        overdrawn = int((simulation.cash_share < -_SMALLEST_OVERDRAFT).sum())
        text = (
            f"Cash was overdrawn on {overdrawn} sessions, by up to {simulation.overdraft:.2%} of "
            f"equity, and paid the return of cash for it: a sale after New York's close brought "
            f"less than had been spent before it. The next decision repays it."
        )
        found.append(Notice("overdraft", "", "", text))
    book, market = simulation.book, simulation.market
    if len(market.sessions) < _SHORT:
        text = (
            f"The run has {len(market.sessions)} sessions: numbers by the year say nothing over "
            f"fewer than {_SHORT}."
        )
        found.append(Notice("short_run", "", "", text))
    is_open = book.pending & ((book.order > 0.0) | (book.units > 0.0))
    waiting = ", ".join(name for name, flag in zip(market.assets, is_open, strict=True) if flag)
    if waiting:
        last = f"{market.sessions[-1]:%Y-%m-%d}"
        text = f"Orders in {waiting} were still waiting for a tradable session."
        found.append(Notice("unfilled", waiting, last, text))
    return tuple(found)
