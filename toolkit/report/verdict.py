"""What was checked about a run, and with which outcome. Missing input is never a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pandas as pd

from toolkit.record import RunRecord
from toolkit.report.formats import count, day, defined, measured, plural, small
from toolkit.report.tables import LIMIT_TOLERANCE


class Status(StrEnum):
    """Outcome of a check."""

    PASS = "PASS"
    WARN = "WARN"
    FAIL = "FAIL"
    NOT_CHECKED = "NOT CHECKED"


@dataclass(frozen=True)
class Check:
    """One check: what it asks, its outcome, the number it rests on, and where to read more."""

    name: str
    asks: str
    status: Status
    number: str
    section: str


def checks(record: RunRecord) -> tuple[Check, ...]:
    """All checks of a run, in the order of the page."""
    manifest = record.manifest
    return (
        Check(
            "Reconciliation",
            "Do our ledger and the vectorbt replay give the same equity?",
            *_reconciliation(manifest.get("reconciliation")),
            section="checks",
        ),
        Check(
            "Look-ahead audit",
            "Do past signals and targets stay the same when the future is removed?",
            *_audit(manifest.get("audit")),
            section="checks",
        ),
        Check(
            "Limits at decision",
            "Did every sized decision meet its limits, after any relaxation?",
            *_limits(record.limits),
            section="limits",
        ),
        Check(
            "Relaxed limits",
            "Could every limit be met without relaxing it?",
            *_relaxed(record.limits),
            section="limits",
        ),
        Check(
            "Data notices",
            "Is there something about the data or the orders to know before trusting this?",
            *_notices(manifest.get("notices"), manifest.get("holes")),
            section="notices",
        ),
    )


def failures(record: RunRecord, outcome: Sequence[Check]) -> tuple[str, ...]:
    """Why the run must not be trusted as it is; empty where nothing failed."""
    told = tuple(str(text) for text in record.manifest.get("failures") or ())
    if told:
        return told
    found = tuple(f"{c.name}: {c.number}" for c in outcome if c.status is Status.FAIL)
    if found or record.manifest.get("status") == "ok":
        return found
    return ("The record does not say that the run succeeded.",)


def sentence(outcome: Sequence[Check]) -> str:
    """The checks in one sentence, the worst first."""
    parts = []
    for status, verb in (
        (Status.FAIL, "failed"),
        (Status.NOT_CHECKED, "not checked"),
        (Status.WARN, "with a warning"),
        (Status.PASS, "passed"),
    ):
        number = sum(check.status is status for check in outcome)
        if number:
            parts.append(f"{number} {verb}")
    return f"Of {len(outcome)} checks: {', '.join(parts)}."


def _reconciliation(found: Mapping[str, Any] | None) -> tuple[Status, str]:
    gap, tolerance = (found or {}).get("max_relative_gap"), (found or {}).get("tolerance")
    orders, records = (found or {}).get("orders"), (found or {}).get("records")
    if found is None or tolerance is None or orders is None or records is None:
        return Status.NOT_CHECKED, "the run was not replayed"
    counts = f"{count(orders)} orders, {count(records)} records"
    if gap is None:
        return Status.FAIL, f"the two accounts cannot be compared; {counts}"
    number = f"largest gap {small(gap)} of equity, allowed {small(tolerance)}; {counts}"
    agrees = defined(gap) and gap <= tolerance and orders == records
    return (Status.PASS if agrees else Status.FAIL), number


def _audit(found: Mapping[str, Any] | None) -> tuple[Status, str]:
    cuts, differences = (found or {}).get("cuts"), (found or {}).get("differences")
    if not cuts or differences is None:
        return Status.NOT_CHECKED, "the future was never removed"
    number = f"{plural(differences, 'difference')} at {plural(cuts, 'cut')}"
    return (Status.PASS if differences == 0 else Status.FAIL), number


def _limits(limits: pd.DataFrame) -> tuple[Status, str]:
    if limits.empty:
        return Status.NOT_CHECKED, "no limit was set"
    excess = limits["excess"] - limits["excess_allowed"]
    broken = int((excess > LIMIT_TOLERANCE).sum())
    unknown = limits[excess.isna() | (limits["unchecked"] != "")]
    if broken:
        worst = limits.iloc[int(np.nanargmax(excess.to_numpy()))]
        value, cap = (
            measured(float(worst[n]), worst["measure"], 2) for n in ("at_decision", "cap")
        )
        return Status.FAIL, (
            f"{broken:,} of {len(limits):,} broken, the worst {worst['limit']} "
            f"on {day(worst['session'])}: {value} where {cap} was set"
        )
    if len(unknown):
        names = ", ".join(dict.fromkeys(str(name) for name in unknown["limit"]))
        return (
            Status.NOT_CHECKED,
            f"{names}: {len(unknown):,} of {len(limits):,} not checked for every asset",
        )
    return Status.PASS, f"{len(limits):,} of {len(limits):,} hold"


def _relaxed(limits: pd.DataFrame) -> tuple[Status, str]:
    if limits.empty:
        return Status.NOT_CHECKED, "no limit was set"
    slack = limits["slack"]
    if slack.isna().any():
        unknown = int(slack.isna().sum())
        return Status.NOT_CHECKED, f"{unknown:,} of {len(limits):,} have no slack recorded"
    relaxed = limits[slack > LIMIT_TOLERANCE]
    if relaxed.empty:
        return Status.PASS, "none relaxed"
    worst = relaxed.iloc[int(relaxed["slack"].to_numpy().argmax())]
    decisions, total = relaxed["session"].nunique(), limits["session"].nunique()
    return Status.WARN, (
        f"at {decisions:,} of {plural(total, 'decision')}, the most {worst['limit']} "
        f"on {day(worst['session'])} by {measured(float(worst['slack']), worst['measure'], 2)}"
    )


def _notices(
    notices: Sequence[Mapping[str, Any]] | None, holes: Mapping[str, int] | None
) -> tuple[Status, str]:
    if notices is None:
        return Status.NOT_CHECKED, "notices were not recorded"
    missing = sum((holes or {}).values())
    number = plural(len(notices), "notice")
    if holes is not None:
        number += f", {plural(missing, 'missing price')}"
    return (Status.WARN if notices or missing else Status.PASS), number
