"""A check passes only on evidence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from toolkit.record import RunRecord
from toolkit.report.verdict import Status, checks, failures, sentence

Make = Callable[..., RunRecord]

RECONCILED = {"max_relative_gap": 1e-13, "tolerance": 1e-9, "orders": 9, "records": 9}


def outcome(record: RunRecord) -> dict[str, Status]:
    return {check.name: check.status for check in checks(record)}


def test_sound_run_passes_every_check(make_record: Make) -> None:
    assert set(outcome(make_record()).values()) == {Status.PASS}


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (None, Status.NOT_CHECKED),
        ({}, Status.NOT_CHECKED),
        (RECONCILED | {"max_relative_gap": None}, Status.FAIL),
        (RECONCILED | {"tolerance": None}, Status.NOT_CHECKED),
        (RECONCILED | {"records": None}, Status.NOT_CHECKED),
        (RECONCILED, Status.PASS),
        (RECONCILED | {"max_relative_gap": 1e-9}, Status.PASS),
        (RECONCILED | {"max_relative_gap": 2e-9}, Status.FAIL),
        (RECONCILED | {"max_relative_gap": float("nan")}, Status.FAIL),
        (RECONCILED | {"records": 8}, Status.FAIL),
    ],
)
def test_reconciliation_needs_a_gap_within_tolerance_and_equal_counts(
    make_record: Make, found: Any, status: Status
) -> None:
    assert outcome(make_record(reconciliation=found))["Reconciliation"] is status


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (None, Status.NOT_CHECKED),
        ({"cuts": 0, "differences": 0}, Status.NOT_CHECKED),
        ({"cuts": 40}, Status.NOT_CHECKED),
        ({"cuts": 40, "differences": 0}, Status.PASS),
        ({"cuts": 40, "differences": 1}, Status.FAIL),
    ],
)
def test_audit_needs_cuts_and_no_difference(make_record: Make, found: Any, status: Status) -> None:
    record = make_record(audit=found and {"findings": [], "cannot_see": []} | found)
    assert outcome(record)["Look-ahead audit"] is status


@pytest.mark.parametrize(
    ("limit", "value", "slack", "status"),
    [
        ("MaxWeight", 0.25, 0.0, Status.PASS),
        ("MaxWeight", 0.27, 0.0, Status.FAIL),
        ("MaxWeight", 0.27, 0.02, Status.PASS),
        ("MaxWeight", 0.27, 0.01, Status.FAIL),
        ("MinCash", 0.10, 0.0, Status.PASS),
        ("MinCash", 0.01, 0.0, Status.FAIL),
        ("MaxWeight", np.nan, 0.0, Status.NOT_CHECKED),
    ],
)
def test_a_limit_holds_up_to_its_recorded_slack(
    make_record: Make, limit: str, value: float, slack: float, status: Status
) -> None:
    record = make_record()
    limits = record.limits.copy()
    row = limits.index[limits["limit"] == limit][2]
    cap = limits.loc[row, "cap"]
    excess = cap - value if limit == "MinCash" else value - cap
    changed = {"at_decision": value, "slack": slack, "excess": excess, "excess_allowed": slack}
    limits.loc[row, list(changed)] = list(changed.values())
    found = outcome(replace(record, limits=limits))
    assert found["Limits at decision"] is status
    assert found["Relaxed limits"] is (Status.WARN if slack else Status.PASS)


def test_fill_and_drift_break_nothing(make_record: Make) -> None:
    record = make_record()
    found = outcome(replace(record, limits=record.limits.assign(after_fill=0.9, drift=0.9)))
    assert found["Limits at decision"] is Status.PASS


def test_a_limit_that_was_not_checked_for_an_asset_never_passes(make_record: Make) -> None:
    record = make_record()
    limits = record.limits.copy()
    limits.loc[7, "unchecked"] = "OLDM"
    found = {check.name: check for check in checks(replace(record, limits=limits))}
    assert found["Limits at decision"].status is Status.NOT_CHECKED
    name = limits.loc[7, "limit"]
    assert (
        found["Limits at decision"].number
        == f"{name}: 1 of {len(limits)} not checked for every asset"
    )


def test_without_limits_nothing_was_checked(make_record: Make) -> None:
    record = make_record()
    found = outcome(replace(record, limits=record.limits.iloc[:0]))
    assert found["Limits at decision"] is Status.NOT_CHECKED
    assert found["Relaxed limits"] is Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("notices", "holes", "status"),
    [
        (None, {}, Status.NOT_CHECKED),
        ([], {}, Status.PASS),
        ([], None, Status.PASS),
        ([], {"TOKX": 2}, Status.WARN),
        ([{"kind": "hole", "asset": "TOKX", "session": "", "text": ""}], {}, Status.WARN),
    ],
)
def test_notices_warn(make_record: Make, notices: Any, holes: Any, status: Status) -> None:
    assert outcome(make_record(notices=notices, holes=holes))["Data notices"] is status


def test_a_run_that_does_not_say_ok_is_failed(make_record: Make) -> None:
    for record in (make_record(status=None), make_record(status="partial")):
        assert failures(record, checks(record))
    assert not failures(make_record(), checks(make_record()))


def test_a_failed_check_fails_a_run_that_says_ok(make_record: Make) -> None:
    record = make_record(audit={"cuts": 40, "differences": 2, "findings": [], "cannot_see": []})
    assert failures(record, checks(record)) == ("Look-ahead audit: 2 differences at 40 cuts",)


def test_sentence_counts_every_check_once(make_record: Make) -> None:
    record = make_record(audit=None, holes={"TOKX": 1})
    assert sentence(checks(record)) == ("Of 5 checks: 1 not checked, 1 with a warning, 3 passed.")
