"""`allocate`, `explain` and `ledger`: one JSON object, narrow text, documented exit codes."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest

from toolkit.backtest import forward_ledger
from toolkit.record import RunRecord
from toolkit.report import decision_lines

SHORT = ("--set", "data.start=2024-01-02")
LAST = "2025-01-03"
CHECKS = ("--no-replay", "--set", "checks.audit_cuts=0", "--no-report")
DATA = os.environ.get("HASHPIVOT_DATA", "")

PROPOSAL = {
    "strategy", "title", "age_in_sessions", "asof", "last_scheduled_decision", "scheduled",
    "decided", "simulated", "holdings", "weights", "equity", "equity_after", "cash", "costs",
    "turnover", "liquidity", "trades", "risk", "overlays", "explanation", "warnings", "recorded",
}  # fmt: skip
TRADE = {
    "asset", "price", "held_units", "held_weight", "weight", "units", "value", "cost", "days",
    "waits",
}  # fmt: skip
EXPLANATION = {
    "session", "signals", "current", "target", "sized", "weights", "change",
    "share_kept_by_overlays", "status", "fallbacks", "unchecked", "cannot_be_traded",
    "cannot_be_bought", "too_little_history", "limits", "without",
}  # fmt: skip
LIMIT = {
    "name", "cap", "at_target", "at_weights", "binding", "changed_target", "relaxed",
    "shadow_price",
}  # fmt: skip
WITHOUT = {
    "signal", "decides", "target", "weights", "difference", "problem", "binding", "units",
}  # fmt: skip
PAST = {
    "run", "title", "simulated", "asked", "fill", "orders", "difference_to_record", "explanation",
    "warnings",
}  # fmt: skip
SCORE = {
    "line", "strategy", "asof", "recorded_at", "forward", "simulated", "filled", "until", "net",
    "cash", "bitcoin", "note",
}  # fmt: skip


@pytest.fixture
def holdings(tmp_path) -> Path:
    path = tmp_path / "holdings.csv"
    path.write_text("asset,units\nSIMBTC,20\nTENSOR,300\nUSD,5000\n")
    return path


def test_allocate_json_has_the_documented_keys(call, holdings, tmp_path):
    code, out, err = call(
        "allocate", "pivot_rotation", *SHORT, "--asof", LAST, "--holdings", str(holdings),
        "--csv", "trades.csv", "--json",
    )  # fmt: skip
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert set(answer) == PROPOSAL
    assert (answer["asof"], answer["simulated"], answer["holdings"]) == (LAST, True, "given")
    assert (answer["recorded"], answer["liquidity"]) == (None, "checked")
    assert all(set(trade) == TRADE and trade["days"] >= 0.0 for trade in answer["trades"])
    told = answer["explanation"]
    assert set(told) == EXPLANATION
    assert all(set(limit) == LIMIT for limit in told["limits"])
    assert all(set(each) == WITHOUT for each in told["without"])
    assert {each["signal"] for each in told["without"]} == set(told["signals"])
    assert sum(answer["weights"].values()) == pytest.approx(1.0)
    worth = sum((t["held_units"] + t["units"]) * t["price"] for t in answer["trades"])
    assert worth + answer["cash"]["after"] == pytest.approx(answer["equity_after"])
    assert answer["cash"]["before"] == 5000.0
    with open(tmp_path / "trades.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["asset"]: float(row["units"]) for row in rows} == {
        t["asset"]: t["units"] for t in answer["trades"] if t["units"]
    }
    assert str(tmp_path) not in out


def test_allocate_for_readers_is_narrow_and_says_that_it_is_simulated(call, holdings):
    code, out, err = call(
        "allocate", "pivot_rotation", *SHORT, "--asof", LAST, "--holdings", str(holdings)
    )
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("SIMULATED")
    assert max(map(len, lines)) <= 100
    for word in ("days", "volatility a year", "MaxTurnover", "pivot_share", "costs"):
        assert word in out


def test_trades_of_a_few_dollars_in_next_to_nothing_are_counted_and_not_shown():
    row = {"held_weight": 0.0, "price": 10.0, "cost": 0.0, "days": None, "waits": False}
    content = {
        "explanation": {"target": {"A": 0.4}},
        "trades": [
            {**row, "asset": "A", "units": 4.0, "value": 40.0, "weight": 0.4},
            {**row, "asset": "B", "units": -0.01, "value": -0.1, "weight": 1e-7},
            {**row, "asset": "C", "units": -0.2, "value": -12.0, "weight": 1e-7},
            {**row, "asset": "D", "units": 0.01, "value": 0.1, "weight": 0.1},
        ],
        "cash": {"before": 100.0, "after": 60.0},
        "equity": 100.0,
        "equity_after": 100.0,
        "liquidity": "CHECKED",
    }
    lines = decision_lines._trades(content)
    assert [line.split()[0] for line in lines[1:-1]] == ["A", "C", "D", "cash"]
    assert lines[-1] == "not shown: 1 of no weight, with a trade below 10 USD"
    content["trades"] = content["trades"][:1]
    assert decision_lines._trades(content)[-1].startswith("cash")


def test_overlays_are_told(call, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'title = "Mine"\n[strategy]\nkind = "benchmarks:EqualWeight"\n[data]\nstart = 2024-01-02\n'
        '[[overlays]]\nkind = "VolatilityTarget"\ntarget = 0.05\n'
    )
    code, out, _ = call("allocate", str(file), "--asof", LAST)
    assert code == 0
    assert re.search(r"^overlays keep \d+\.\d% of the book$", out, re.MULTILINE)
    assert re.search(r"VolatilityTarget +share", out)


def test_stale_data_exit_3_unless_they_are_allowed(call):
    command = ("allocate", "equal_weight", *SHORT, "--asof", "2025-01-10")
    code, out, err = call(*command)
    assert (code, out) == (3, "")
    assert "2025-01-03, 4 sessions before 2025-01-10" in err
    assert "--allow-stale" in err
    code, out, _ = call(*command, "--allow-stale", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["age_in_sessions"] == 4
    assert any("end 4 sessions before" in text for text in answer["warnings"])
    assert call("allocate", "equal_weight", *SHORT)[0] == 3  # today is later


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (("--csv", "trades.txt"), 2, "ends in .csv"),
        (("--csv", "none/trades.csv"), 2, "cannot be written"),
        (("--holdings", "none.csv"), 3, "none.csv cannot be read"),
        (("--asof", "today"), 2, "today"),
        (("--asof", "2010-01-04"), 3, "no data as of"),
    ],
)
def test_wrong_options_of_allocate_are_told(call, options, code, told):
    found, out, err = call("allocate", "bitcoin_only", *SHORT, "--asof", LAST, *options)
    assert (found, out) == (code, "")
    assert told in err


def test_the_end_of_the_experiment_s_own_period_is_not_the_end_of_the_world(call):
    code, out, _ = call(
        "allocate", "bitcoin_only", *SHORT, "--set", "data.end=2024-06-28", "--asof", LAST, "--json"
    )
    assert (code, json.loads(out)["asof"]) == (0, LAST)


def test_what_was_recorded_is_told_with_the_head_of_the_ledger(call, tmp_path):
    code, out, _ = call("allocate", "bitcoin_only", *SHORT, "--record", "--asof", "2024-08-12")
    entries, head = forward_ledger.read(tmp_path / "ledger" / "forward.jsonl")
    assert code == 0
    assert f"recorded in forward.jsonl at {entries[0].recorded_at}\nhead {head}\n" in out
    assert "recorded" not in call("allocate", "bitcoin_only", *SHORT, "--asof", "2024-08-12")[1]


def test_record_and_ledger_work_together_and_tampering_exits_4(call, tmp_path):
    command = ("allocate", "bitcoin_only", *SHORT, "--record", "--json", "--asof")
    for asof in ("2024-06-10", "2024-08-12"):
        code, out, err = call(*command, asof)
        assert (code, err) == (0, "")
        assert json.loads(out)["recorded"]["ledger"] == "forward.jsonl"
    code, out, err = call(*command, "2024-08-12")
    assert (code, json.loads(out)["recorded"]) == (2, None)
    assert "on line 2" in err
    path = tmp_path / "ledger" / "forward.jsonl"
    entries, head = forward_ledger.read(path)
    assert [entry.asof for entry in entries] == ["2024-06-10", "2024-08-12"]
    assert str(tmp_path) not in path.read_text()

    code, out, err = call("ledger", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert set(answer) == {"file", "entries", "head", "scores", "forward"}
    assert (answer["file"], answer["entries"], answer["head"]) == ("forward.jsonl", 2, head)
    assert all(set(score) == SCORE for score in answer["scores"])
    first = answer["scores"][0]
    assert (first["filled"], first["until"]) == ("2024-06-11", "2024-08-13")
    assert first["net"] is not None
    assert (first["forward"], answer["forward"]) == (False, {})
    code, out, _ = call("ledger")
    assert code == 0
    assert "not forward" in out
    assert max(map(len, out.splitlines())) <= 100

    path.write_bytes(path.read_bytes().replace(b'"SIMBTC":', b'"TENSOR":', 1))
    code, out, err = call("ledger")
    assert (code, out) == (4, "")
    assert "line 1" in err
    assert call(*command, "2024-09-10")[0] == 4


def test_a_ledger_that_is_not_there_is_told(call):
    code, out, err = call("ledger")
    assert (code, out) == (3, "")
    assert "--record" in err


def run_of(call, strategy: str, *options: str) -> str:
    code, out, err = call("run", strategy, *SHORT, *CHECKS, "--json", *options)
    assert (code, err) == (0, "")
    return str(json.loads(out)["run_id"])


def test_explain_takes_the_recorded_decision_again(call, tmp_path):
    name = run_of(call, "pivot_rotation")
    record = RunRecord.load(tmp_path / "runs" / name)
    code, out, err = call("explain", "latest", "2024-09-10", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert set(answer) == PAST
    assert (answer["run"], answer["asked"]) == (name, "2024-09-10")
    told = answer["explanation"]
    assert set(told) == EXPLANATION
    assert (told["session"], answer["fill"]) == ("2024-08-30", "2024-09-03")
    assert answer["difference_to_record"] <= 1e-12
    assert answer["warnings"] == []
    recorded = record.targets[record.targets["session"] == "2024-08-30"].set_index("asset")
    assert told["target"] == pytest.approx(
        recorded["target"][recorded["target"] != 0.0].to_dict(), abs=1e-12
    )
    filled = record.orders[record.orders["session"] == "2024-09-03"]
    assert {o["asset"]: o["units"] for o in answer["orders"]} == pytest.approx(
        dict(zip(filled["asset"], filled["units"], strict=True))
    )
    code, out, _ = call("explain", name, "2024-09-10")
    assert code == 0
    assert out.startswith("SIMULATED")
    assert "asked for 2024-09-10" in out
    assert max(map(len, out.splitlines())) <= 100


def test_what_cannot_be_explained_is_told(call, tmp_path):
    name = run_of(call, "bitcoin_only")
    folder = tmp_path / "runs" / name
    for arguments, code, told in (
        (("latest", "2023-01-03"), 2, "its first is of 2024-01-02"),
        (("none", "2024-09-10"), 3, "is not in"),
        (("latest", "soon"), 2, "soon"),
        (("latest", "2024-09-10", "--data", "."), 2, "leave --data out"),
    ):
        found, out, err = call("explain", *arguments)
        assert (found, out) == (code, "")
        assert told in err
    config = folder / "config.toml"
    text = config.read_text()
    config.write_text(text.replace("seed = 7", "seed = 8"))
    code, _, err = call("explain", "latest", "2024-09-10")
    assert code == 3
    assert "not those of run" in err
    config.write_text(text.replace("[data]", '[data]\nfolder = "prices"'))
    code, _, err = call("explain", "latest", "2024-09-10")
    assert code == 2
    assert "Give the folder with --data" in err
    config.write_text("# composed in Python\nstrategy = 'x'\n")
    code, _, err = call("explain", "latest", "2024-09-10")
    assert code == 2
    assert "composed in Python" in err


def test_a_strategy_of_the_user_s_own_is_explained_beside_its_file(call, tmp_path):
    ideas = tmp_path / "ideas"
    ideas.mkdir()
    (ideas / "calm.py").write_text(
        "from toolkit import Sleeve, Strategy\n\n\nclass Calm(Strategy):\n"
        "    def targets(self, panel, signals=None):\n"
        "        return panel.members([Sleeve.BITCOIN]).astype(float)\n"
    )
    (ideas / "calm.toml").write_text('[strategy]\nkind = "calm:Calm"\n')
    run_of(call, "ideas/calm.toml")
    code, _, err = call("explain", "latest", "2024-09-10")
    assert code == 2
    assert "--strategy" in err
    code, out, err = call(
        "explain", "latest", "2024-09-10", "--strategy", "ideas/calm.toml", "--json"
    )
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["explanation"]["weights"] == {"SIMBTC": 1.0}
    assert answer["explanation"]["without"] == []
    assert (answer["difference_to_record"], answer["warnings"]) == (0.0, [])


@pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA is not set")
def test_on_the_real_folder_all_three_commands_work(call, tmp_path):
    command = ("allocate", "trend_control", *SHORT, "--data", DATA, "--asof", "2025-06-30")
    code, out, err = call(*command, "--record", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert (answer["simulated"], answer["asof"]) == (False, "2025-06-30")
    unknown = [trade["asset"] for trade in answer["trades"] if trade["days"] is None]
    assert (answer["liquidity"] == "NOT CHECKED") is bool(unknown)
    code, out, _ = call("ledger", "--json")
    assert json.loads(out)["scores"][0]["note"] == "give its data with --data"
    code, out, _ = call("ledger", "--data", DATA, "--json")
    assert code == 0
    assert json.loads(out)["scores"][0]["note"] == "not filled yet"
    run_of(call, "trend_control", "--data", DATA)
    code, out, err = call("explain", "latest", "2025-03-20", "--data", DATA, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["explanation"]["session"] == "2025-02-28"
    assert DATA not in out
    assert DATA not in (tmp_path / "ledger" / "forward.jsonl").read_text()
