"""The forward ledger shows what was changed in it, and scores only what was recorded in time."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest import forward_ledger
from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.forward_ledger import Entry
from toolkit.backtest.forward_scores import compounded, is_forward, scores
from toolkit.backtest.schedule import Schedule
from toolkit.config import DataSettings, panel_of
from toolkit.errors import ConfigError, DataError, SourceUnavailableError, TamperedLedgerError
from toolkit.optimize import ProportionalCost
from toolkit.panel import Panel
from toolkit.strategy import Strategy

ENTRY = Entry(
    recorded_at="2024-06-11T01:00:00Z", asof="2024-06-10", strategy="mine", config="c" * 64,
    code="d" * 64, data="e" * 64, settings={"clock": "XNYS", "seed": 7, "without": []},
    simulated=True, weights={"SIMBTC": 0.6, "TENSOR": 0.3, "CASH": 0.1}, prices={},
    fee=0.001, slippage=0.002, measured=None, fill_delay=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of(DataSettings(start=date(2024, 1, 2)))


@pytest.fixture
def ledger(tmp_path) -> Path:
    """Three entries."""
    path = tmp_path / "ledger" / "forward.jsonl"
    for asof in ("2024-06-10", "2024-08-12", "2024-10-01"):
        forward_ledger.append(path, entry_of(asof))
    return path


def entry_of(asof: str, **changes) -> Entry:
    recorded = (pd.Timestamp(asof) + pd.Timedelta(days=1)).strftime("%Y-%m-%dT01:00:00Z")
    return replace(ENTRY, asof=asof, recorded_at=recorded, **changes)


def test_each_line_holds_the_hash_of_the_line_before(ledger):
    import hashlib

    lines = ledger.read_bytes().splitlines()
    hashes = [hashlib.sha256(line).hexdigest() for line in lines]
    previous = [json.loads(line)["previous"] for line in lines]
    assert previous == [forward_ledger.NOTHING_BEFORE, *hashes[:-1]]
    entries, head = forward_ledger.read(ledger)
    assert [entry.asof for entry in entries] == ["2024-06-10", "2024-08-12", "2024-10-01"]
    assert head == hashes[-1]
    assert not (set("/\\") & set(ledger.read_text()))


def changed(line: bytes) -> bytes:
    return line.replace(b'"SIMBTC":0.6', b'"SIMBTC":0.7')


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: [changed(lines[0]), *lines[1:]], 1),
        (lambda lines: [lines[0], changed(lines[1]), lines[2]], 2),
        (lambda lines: [*lines[:2], changed(lines[2])], 3),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[0], lines[2]], 2),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [lines[0], lines[0], *lines[1:]], 2),
        (lambda lines: [lines[0], b"{}", *lines[1:]], 2),
        (lambda lines: [lines[0], b"", *lines[1:]], 2),
        (lambda lines: [lines[0], b"no json", *lines[1:]], 2),
        (lambda lines: [b"[1]", *lines], 1),
        (lambda lines: [lines[0].replace(b",", b", ", 1), *lines[1:]], 1),
    ],
)
def test_a_changed_line_is_named(ledger, change, line):
    lines = ledger.read_bytes().splitlines()
    ledger.write_bytes(b"\n".join(change(lines)) + b"\n")
    with pytest.raises(TamperedLedgerError, match=f"line {line}") as found:
        forward_ledger.read(ledger)
    assert found.value.line == line
    before = ledger.read_bytes()
    with pytest.raises(TamperedLedgerError):
        forward_ledger.append(ledger, entry_of("2024-11-01"))
    assert ledger.read_bytes() == before


def test_a_line_that_was_cut_short_is_named(ledger):
    ledger.write_bytes(ledger.read_bytes()[:-20])
    with pytest.raises(TamperedLedgerError, match="line 3 has no end"):
        forward_ledger.read(ledger)


def test_a_forged_line_shows_in_the_line_after_it(ledger):
    lines = ledger.read_bytes().splitlines()
    forged = replace(forward_ledger.read(ledger)[0][1], weights={"CASH": 1.0})
    ledger.write_bytes(b"\n".join([lines[0], forged.line(), lines[2]]) + b"\n")
    with pytest.raises(TamperedLedgerError, match="line 3"):
        forward_ledger.read(ledger)


def test_the_same_decision_is_recorded_once(ledger):
    before = ledger.read_bytes()
    with pytest.raises(ConfigError, match="on line 2"):
        forward_ledger.append(ledger, entry_of("2024-08-12", weights={"CASH": 1.0}))
    assert ledger.read_bytes() == before
    forward_ledger.append(ledger, entry_of("2024-08-12", config="f" * 64))
    forward_ledger.append(ledger, entry_of("2024-08-12", strategy="other"))
    assert len(forward_ledger.read(ledger)[0]) == 5


def test_many_at_once_leave_one_chain(tmp_path):
    path = tmp_path / "forward.jsonl"
    workers = [
        threading.Thread(target=forward_ledger.append, args=(path, entry_of("2024-06-10", strategy=f"s{n}")))
        for n in range(12)
    ]  # fmt: skip
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    entries, _ = forward_ledger.read(path)
    assert {entry.strategy for entry in entries} == {f"s{n}" for n in range(12)}


def test_a_missing_ledger_and_one_that_cannot_be_written_are_told(tmp_path):
    with pytest.raises(SourceUnavailableError, match="--record"):
        forward_ledger.read(tmp_path / "none.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--ledger"):
        forward_ledger.append(tmp_path / "file" / "forward.jsonl", ENTRY)


@pytest.mark.parametrize(
    ("recorded", "forward"),
    [
        ("2024-06-11T01:00:00Z", True),
        ("2024-06-11T19:59:59Z", True),
        ("2024-06-11T20:00:00Z", False),  # New York closed on its summer time
        ("2024-06-12T01:00:00Z", False),
    ],
)
def test_forward_is_recorded_before_the_first_close_of_the_fill(recorded, forward):
    assert is_forward(replace(ENTRY, recorded_at=recorded)) is forward


def test_early_closes_and_other_clocks_are_their_own():
    eve = replace(ENTRY, asof="2024-07-02", recorded_at="2024-07-03T17:30:00Z")
    assert not is_forward(eve)  # On 3 July New York closed at 17:00 UTC.
    always = replace(ENTRY, settings={"clock": "24/7"}, recorded_at="2024-06-11T23:59:00Z")
    assert is_forward(always)
    assert is_forward(replace(ENTRY, fill_delay=2, recorded_at="2024-06-12T19:00:00Z"))


class Written(Strategy):
    """Targets of a table, and no decision on other sessions."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table

    def targets(self, panel, signals=None):
        return self.table.reindex(panel.sessions)


def test_an_entry_earns_what_a_backtest_with_its_orders_earns_from_fill_to_fill(panel):
    mixed = {"SIMBTC": 0.5, "TENSOR": 0.4, "CASH": 0.1}
    chain = [entry_of("2024-06-10", weights=mixed), entry_of("2024-08-12", weights={"TENSOR": 1.0})]
    found = scores(list(enumerate(chain, 1)), panel)
    fills = ["2024-06-11", "2024-08-13", "2025-01-03"]
    assert [(s.filled, s.until) for s in found] == [tuple(fills[:2]), tuple(fills[1:])]
    assert all(score.forward for score in found)
    days = pd.DatetimeIndex([entry.asof for entry in chain])
    table = pd.DataFrame([dict(entry.weights) for entry in chain], days).fillna(0.0)
    backtest = Backtester(
        cost=ProportionalCost(fee_bps=10.0, half_spread_bps=20.0, slippage_bps=0.0),
        schedule=Schedule(every="day"),
        checks=Checks(audit_cuts=0, replay=False),
    )
    account = backtest.loop.run(Written(table), panel).simulation
    before_costs = account.equity + account.fees + account.slippage
    expected = [
        before_costs[fills[1]] / before_costs[fills[0]] - 1.0,
        account.equity[fills[2]] / before_costs[fills[1]] - 1.0,
    ]
    assert [score.net for score in found] == pytest.approx(expected, abs=1e-12)
    prices = panel.prices().loc[fills]
    for score, row in zip(found, (0, 1), strict=True):
        for name, earned in (("SIMBTC", score.bitcoin), ("CASH", score.cash)):
            assert earned == pytest.approx(prices[name].iloc[row + 1] / prices[name].iloc[row] - 1)
    free = scores([(1, replace(chain[0], fee=0.0, slippage=0.0))], panel)[0]
    dear = scores([(1, chain[0])], panel)[0]
    paid = 0.9 * 0.003 * (1.0 + free.net)
    assert free.net - dear.net == pytest.approx(paid, rel=0.01)


def test_each_entry_is_charged_what_was_assumed_with_it(panel):
    measured = {"impact": 1.0, "lookback": 21, "spread_lookback": 63}
    other = {"SIMBTC": 0.1, "TENSOR": 0.8, "CASH": 0.1}
    chain = [entry_of("2024-06-10"), entry_of("2024-08-12", weights=other)]
    moving = [chain[0], replace(chain[1], measured=measured)]
    plain, dear = (scores(list(enumerate(each, 1)), panel) for each in (chain, moving))
    assert dear[0] == plain[0]
    assert dear[1].net < plain[1].net


def test_what_was_recorded_late_cannot_end_or_improve_what_was_recorded_in_time(panel):
    chain = [entry_of("2024-06-10"), entry_of("2024-08-12")]
    late = replace(
        entry_of("2024-06-20", weights={"CASH": 1.0}), recorded_at="2024-12-01T00:00:00Z"
    )
    alone = scores(list(enumerate(chain, 1)), panel)
    together = scores([(1, chain[0]), (2, chain[1]), (3, late)], panel)
    assert together[:2] == alone
    assert not together[2].forward
    totals = compounded(together)
    assert totals["mine"]["entries"] == 2
    growth = np.prod([1.0 + score.net for score in alone])
    assert totals["mine"]["net"] == pytest.approx(growth - 1.0)


def test_what_has_not_filled_or_was_replaced_has_no_return(panel):
    last = f"{panel.sessions[-1]:%Y-%m-%d}"
    (open_order,) = scores([(1, entry_of(last))], panel)
    assert (open_order.net, open_order.filled, open_order.note) == (None, None, "not filled yet")
    twice = [(1, entry_of("2024-06-10")), (2, entry_of("2024-06-10", config="f" * 64))]
    assert [score.note for score in scores(twice, panel)] == ["replaced before it filled", ""]


def test_restated_prices_are_told(panel):
    price = float(panel.prices().loc["2024-06-10", "SIMBTC"])
    (same,) = scores([(1, entry_of("2024-06-10", prices={"SIMBTC": price}))], panel)
    assert same.note == ""
    (moved,) = scores([(1, entry_of("2024-06-10", prices={"SIMBTC": 2.0 * price}))], panel)
    assert moved.note == "prices restated since: SIMBTC"


def test_other_data_are_refused(panel):
    with pytest.raises(DataError, match="Line 4"):
        scores([(4, entry_of("2024-06-10", weights={"NVDA": 1.0}))], panel)
    with pytest.raises(DataError, match="no session"):
        scores([(1, entry_of("2031-06-10"))], panel)
