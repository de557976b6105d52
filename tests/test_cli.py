"""The command line: one JSON object on stdout, narration on stderr, documented exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest

from toolkit import errors
from toolkit.record import RunRecord

COMMAND = Path(sys.executable).with_name("hashpivot")
YEAR = ("--start", "2023-01-03", "--end", "2023-12-29", "--set", "checks.audit_cuts=4")
METRICS = {
    "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "expected_shortfall_95", "turnover",
    "total_costs",
}  # fmt: skip
PEEKER = '''
from toolkit import Sleeve, Strategy


class Peeker(Strategy):
    """Holds bitcoin on the days before it rises."""

    def targets(self, panel, signals=None):
        tomorrow = panel.prices()["SIMBTC"].pct_change().shift(-1).ffill()
        held = panel.members([Sleeve.BITCOIN]).astype(float)
        return held.mul((tomorrow > 0.0).astype(float), axis=0)
'''

Call = Callable[..., tuple[int, str, str]]


def fresh(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the installed command as a user does."""
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, **environment},
    )  # fmt: skip


def run_folders(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


# The one JSON object


def test_two_fresh_processes_give_the_same_hash_and_the_same_orders(tmp_path):
    answers = []
    for seed in ("0", "1"):
        done = fresh("run", "equal_weight", *YEAR, "--json", folder=tmp_path, PYTHONHASHSEED=seed)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\n") == 1
        answers.append(json.loads(done.stdout))
    first, second = answers
    assert first["run_id"][-8:] == second["run_id"][-8:]
    assert first["order_sha256"] == second["order_sha256"]
    assert first["metrics"] == second["metrics"]
    assert first["report"] != second["report"]
    assert len(run_folders(tmp_path / "runs")) == 2


def test_run_json_has_the_documented_keys_and_conventions(call, tmp_path):
    code, out, err = call("run", "equal_weight", *YEAR, "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert {
        "run_id", "strategy", "start", "end", "sessions", "order_sha256", "report", "simulated",
        "metrics", "reconciliation", "audit",
    } <= set(answer)  # fmt: skip
    assert set(answer["metrics"]) == METRICS
    assert re.fullmatch(r"\d{8}T\d{6}Z-[0-9a-f]{8}", answer["run_id"])
    assert answer["strategy"] == "equal_weight"
    assert (answer["start"], answer["end"], answer["sessions"]) == ("2023-01-03", "2023-12-29", 250)
    assert re.fullmatch(r"[0-9a-f]{64}", answer["order_sha256"])
    assert answer["simulated"] is True
    assert answer["metrics"]["max_drawdown"] <= 0.0
    assert 0.0 < answer["metrics"]["expected_shortfall_95"] < 1.0
    assert 0.0 < answer["metrics"]["total_costs"] < 1.0
    assert answer["metrics"]["turnover"] > 0.0
    assert 0.0 <= answer["reconciliation"]["max_relative_gap"] <= 1e-9
    assert answer["audit"] == {"cuts": 4, "differences": 0}
    assert Path(answer["report"]).read_text().lower().startswith("<!doctype html>")
    assert Path(answer["report"]).parent.name == answer["run_id"]


def test_the_json_object_and_the_run_folder_tell_the_same(call):
    _, out, _ = call("run", "equal_weight", *YEAR, "--json")
    answer = json.loads(out)
    record = RunRecord.load(Path(answer["report"]).parent)
    for key in ("run_id", "strategy", "start", "end", "sessions", "order_sha256", "simulated"):
        assert record.manifest[key] == answer[key]
    for name, value in answer["metrics"].items():
        assert record.metrics["net"][name] == value
    assert record.manifest["status"] == "ok"


def test_without_a_page_the_report_is_null_and_no_page_is_written(call):
    code, out, _ = call("run", "bitcoin_only", *YEAR, "--json", "--no-report")
    assert code == 0
    assert json.loads(out)["report"] is None
    (folder,) = run_folders(Path("runs"))
    assert not (folder / "report.html").exists()


def test_without_a_replay_the_gap_is_null_and_the_page_says_not_checked(call):
    code, out, _ = call("run", "bitcoin_only", *YEAR, "--json", "--no-replay")
    answer = json.loads(out)
    assert code == 0
    assert answer["reconciliation"] == {"max_relative_gap": None}
    assert "NOT CHECKED" in Path(answer["report"]).read_text()


def test_the_command_that_was_typed_is_on_record(call):
    _, out, _ = call("run", "bitcoin_only", *YEAR, "--json", "--no-replay", "--set", "data.seed=3")
    record = RunRecord.load(Path(json.loads(out)["report"]).parent)
    assert record.manifest["command"] == (
        "hashpivot run bitcoin_only --start 2023-01-03 --end 2023-12-29 --set checks.audit_cuts=4 "
        "--json --no-replay --set data.seed=3"
    )


# Settings


def test_set_changes_the_run_and_its_hash_and_is_in_the_resolved_file(call):
    hashes, orders = set(), set()
    for lookback in ("60", "120"):
        override = f"strategy.lookback={lookback}"
        _, out, _ = call("run", "trend_control", *YEAR, "--no-replay", "--json", "--set", override)
        answer = json.loads(out)
        hashes.add(answer["run_id"][-8:])
        orders.add(answer["order_sha256"])
        config = (Path(answer["report"]).parent / "config.toml").read_text()
        assert f"lookback = {lookback}" in config
    assert len(hashes) == len(orders) == 2


def test_days_given_as_options_or_as_settings_are_the_same_run(call):
    fast = ("--no-replay", "--no-report", "--json", "--set", "checks.audit_cuts=0")
    one = call("run", "bitcoin_only", "--start", "2023-01-03", "--end", "2023-06-30", *fast)
    two = call("run", "bitcoin_only", "--set", "data.start=2023-01-03",
               "--set", "data.end=2023-06-30", *fast)  # fmt: skip
    # The time, the hash of the inputs, and a number where both were the same.
    hashes = [json.loads(answer[1])["run_id"].split("-")[1] for answer in (one, two)]
    assert hashes[0] == hashes[1]
    assert json.loads(one[1])["audit"] is None


def test_no_run_is_answered_from_an_earlier_folder(call):
    fast = (*YEAR, "--no-replay", "--json")
    first = json.loads(call("run", "bitcoin_only", *fast)[1])
    (folder,) = run_folders(Path("runs"))
    for path in folder.iterdir():
        path.write_bytes(b"tampered")
    second = json.loads(call("run", "bitcoin_only", *fast)[1])
    assert second["order_sha256"] == first["order_sha256"]
    assert second["metrics"] == first["metrics"]
    assert len(run_folders(Path("runs"))) == 2
    assert RunRecord.load(Path(second["report"]).parent).manifest["status"] == "ok"


def test_the_runs_folder_is_an_option_or_a_variable(call, monkeypatch):
    fast = (*YEAR, "--no-replay", "--no-report", "--json")
    call("run", "bitcoin_only", *fast, "--runs", "here")
    monkeypatch.setenv("HASHPIVOT_RUNS", "there")
    call("run", "bitcoin_only", *fast)
    assert len(run_folders(Path("here"))) == len(run_folders(Path("there"))) == 1
    assert not Path("runs").exists()


# For people


def test_the_summary_names_basis_checks_and_page_in_a_few_lines(call):
    code, out, err = call("run", "equal_weight", *YEAR)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert 6 <= len(lines) <= 12
    assert "SIMULATED" in lines[0]
    assert "252 sessions a year" in out
    assert "0 differences at 4 cuts" in out
    assert Path(lines[-1].strip()).is_file()


def test_help_names_every_command_and_needs_a_fresh_process_only(tmp_path):
    done = fresh("--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "report", "strategies", "audit", "doctor"):
        assert re.search(rf"^\W*{command}\b", done.stdout, re.MULTILINE)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["run", "report", "strategies", "audit", "doctor"])
def test_every_command_explains_itself(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0
    assert f"hashpivot {command}" in out


def test_the_version_is_that_of_the_distribution(call):
    from importlib.metadata import version

    assert call("--version")[:2] == (0, f"hashpivot {version('hashpivot')}\n")


def test_strategies_lists_names_and_titles(call):
    code, out, _ = call("strategies")
    assert code == 0
    assert "difficulty_rotation" in out
    listed = json.loads(call("strategies", "--json")[1])
    assert [line.split()[0] for line in out.splitlines()] == list(listed)
    assert listed["bitcoin_only"] == "Bitcoin only"


def test_doctor_tries_every_part(call):
    code, out, err = call("doctor", "--json")
    found = json.loads(out)
    assert (code, err) == (0, "")
    assert len(found) >= 10
    assert all(check["ok"] for check in found.values())
    assert "vectorbt 1.2.0" in found["replay (vectorbt)"]["found"]


def test_doctor_says_what_does_not_work_and_exits_with_2(call, monkeypatch):
    def broken() -> str:
        raise ImportError("no solver here")

    monkeypatch.setattr("toolkit.doctor._conic_solver", broken)
    code, out, err = call("doctor")
    assert code == 2
    assert re.search(r"^FAIL solver \(clarabel\) +ImportError: no solver here$", out, re.MULTILINE)
    assert err.startswith("hashpivot: ")


@pytest.mark.parametrize(
    ("solver", "place"),
    [
        ("daqp", "problems.solve_quadratic"),
        ("piqp", "quadratic.interior_point"),
        ("clarabel", "problems.BestWeights.solve"),
        ("highs", "problems.solve_tail"),
    ],
)
def test_doctor_has_each_solver_solve_something(call, monkeypatch, solver, place):
    def broken(*_: object) -> None:
        raise ArithmeticError("no answer today")

    monkeypatch.setattr(f"toolkit.optimize.{place}", broken)
    code, out, _ = call("doctor", "--json")
    found = json.loads(out)
    assert code == 2
    broken_ones = {name for name, check in found.items() if not check["ok"]}
    # A solver that raises is followed by the next one, which is then not the one asked for.
    assert broken_ones == {f"solver ({solver})"}
    assert "Error: " in found[f"solver ({solver})"]["found"]


def test_doctor_has_the_second_account_account_for_orders(call, monkeypatch):
    import vectorbt

    def wrong(**given: object) -> object:
        return ordered(**{**given, "fees": 0.0})

    ordered = vectorbt.Portfolio.from_orders
    monkeypatch.setattr(vectorbt.Portfolio, "from_orders", wrong)
    code, out, _ = call("doctor", "--json")
    assert code == 2
    assert "1010" in json.loads(out)["replay (vectorbt)"]["found"]


# Report


def test_report_writes_the_same_page_again_from_the_files(call):
    _, out, _ = call("run", "bitcoin_only", *YEAR, "--no-replay", "--json")
    page = Path(json.loads(out)["report"])
    before = page.read_bytes()
    page.unlink()
    code, out, err = call("report", "latest")
    assert (code, out, err) == (0, f"{page}\n", "")
    assert page.read_bytes() == before
    for name in (page.parent.name, str(page.parent)):
        assert call("report", name, "--out", "again.html")[0] == 0
        assert Path("again.html").read_bytes() == before


def test_report_of_no_run_exits_with_3_and_names_the_folder(call):
    code, out, err = call("report", "latest")
    assert (code, out) == (3, "")
    assert re.fullmatch(r"hashpivot: Run 'latest' is not in runs\. .*\n", err)


# Audit


def test_audit_json_tells_cuts_and_differences(call):
    code, out, err = call("audit", "trend_control", "--cuts", "5", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["strategy"], answer["cuts"], answer["differences"]) == ("trend_control", 5, 0)
    assert answer["simulated"] is True
    assert any("remembers of an earlier call" in text for text in answer["cannot_see"])
    assert not Path("runs").exists()


def test_audit_for_people_says_what_it_cannot_see(call):
    code, out, _ = call("audit", "bitcoin_only", "--cuts", "3")
    assert code == 0
    assert "3 cuts, 0 differences" in out
    assert "SIMULATED" in out.splitlines()[0]
    assert "cannot see" in out
    assert "remembers of an earlier call" in out


@pytest.mark.parametrize("cuts", ["0", "-3", "many", "1.5", ""])
def test_audit_refuses_a_number_of_cuts_that_is_none(call, cuts):
    code, out, err = call("audit", "bitcoin_only", f"--cuts={cuts}")
    assert (code, out) == (2, "")
    assert "--cuts" in err


# A failed gate


@pytest.fixture
def peeker(tmp_path) -> Path:
    (tmp_path / "peeker.py").write_text(PEEKER)
    path = tmp_path / "peeker.toml"
    path.write_text(
        'title = "Peeker"\n[strategy]\nkind = "peeker:Peeker"\n[data]\nstart = 2022-01-03\n'
        "[schedule]\nevery = 'week'\n"
    )
    return path


def test_a_strategy_that_looks_ahead_is_written_marked_failed_and_exits_with_4(call, peeker):
    code, out, err = call("run", str(peeker), "--json")
    answer = json.loads(out)
    assert code == 4
    assert answer["status"] == "failed"
    assert answer["audit"]["differences"] > 0
    assert re.fullmatch(r"hashpivot: .*[Ll]ook-ahead.*marked failed\.\n", err)
    record = RunRecord.load(Path(answer["report"]).parent)
    assert record.manifest["status"] == "failed"
    assert record.manifest["failures"]
    assert record.metrics["basis"]["simulated"] is True
    assert "remembers of an earlier call" in Path(answer["report"]).read_text()
    assert "FAIL" in Path(answer["report"]).read_text().upper()


def test_accounts_that_cannot_be_compared_are_written_marked_failed_and_exit_with_4(
    call, monkeypatch
):
    from toolkit.backtest import backtester

    replayed = backtester.replay

    def lost(*given: object) -> object:
        second = replayed(*given)
        return replace(second, equity=second.equity * float("nan"))

    monkeypatch.setattr(backtester, "replay", lost)
    code, out, err = call("run", "bitcoin_only", *YEAR, "--json")
    answer = json.loads(out)
    assert code == 4
    assert answer["reconciliation"] == {"max_relative_gap": None}
    assert "cannot be compared" in answer["failures"][0]
    assert err.endswith("marked failed.\n")
    assert RunRecord.load(Path(answer["report"]).parent).manifest["status"] == "failed"
    code, out, _ = call("run", "bitcoin_only", *YEAR)
    assert code == 4
    assert "two accounts: CANNOT BE COMPARED" in out


def test_audit_of_a_strategy_that_looks_ahead_exits_with_4_and_names_the_culprit(call, peeker):
    code, out, err = call("audit", str(peeker), "--json")
    assert code == 4
    assert json.loads(out)["differences"] > 0
    assert re.search(r"targets of SIMBTC on \d{4}-\d\d-\d\d", err)
    assert "Traceback" not in err


# Interruption and bugs


def test_an_interrupted_run_exits_with_130_and_leaves_nothing(tmp_path):
    seen = tmp_path / "seen"
    (tmp_path / "slow.py").write_text(
        "import time\nfrom pathlib import Path\nfrom strategies.benchmarks import BitcoinOnly\n\n\n"
        "class Slow(BitcoinOnly):\n"
        '    """Takes its time."""\n\n'
        "    def targets(self, panel, signals=None):\n"
        f"        Path({str(seen)!r}).touch()\n"
        "        time.sleep(30.0)\n"
        "        return super().targets(panel, signals)\n"
    )
    (tmp_path / "slow.toml").write_text('[strategy]\nkind = "slow:Slow"\n')
    process = subprocess.Popen(
        [COMMAND, "run", "slow.toml", "--json"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        # A shell that started these tests in the background has its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    began = time.monotonic()
    while not seen.exists() and time.monotonic() - began < 60.0:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err == "hashpivot: Interrupted; nothing was written.\n"
    assert run_folders(tmp_path / "runs") == []


def test_an_interruption_while_the_folder_is_written_leaves_no_draft(call, monkeypatch):
    written = pd.DataFrame.to_parquet

    def interrupted(frame: pd.DataFrame, path: Path) -> None:
        if "orders" in str(path):
            raise KeyboardInterrupt
        written(frame, path)

    monkeypatch.setattr(pd.DataFrame, "to_parquet", interrupted)
    code, out, err = call("run", "bitcoin_only", *YEAR, "--no-replay", "--json")
    assert (code, out) == (130, "")
    assert err == "hashpivot: Interrupted; nothing was written.\n"
    assert run_folders(Path("runs")) == []


def test_a_full_disk_leaves_no_draft_and_names_the_folder(call, monkeypatch):
    def full(frame: pd.DataFrame, path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    code, out, err = call("run", "bitcoin_only", *YEAR, "--no-replay", "--json")
    assert (code, out) == (2, "")
    assert "No space left on device" in err
    assert "--runs" in err
    assert run_folders(Path("runs")) == []


def test_a_bug_exits_with_1_and_keeps_the_traceback_in_a_file(call, monkeypatch):
    def broken() -> dict[str, str]:
        raise ZeroDivisionError("the bug")

    monkeypatch.setattr("toolkit.settings.shipped_strategies", broken)
    code, out, err = call("strategies")
    assert (code, out) == (1, "")
    assert err.startswith("hashpivot: Unexpected ZeroDivisionError: the bug.")
    assert "a bug in hashpivot" in err
    assert "Traceback" not in err
    log = Path(re.search(r"(\S+\.log)", err)[1])
    assert "ZeroDivisionError: the bug" in log.read_text()
    log.unlink()


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("text"), 2),
        (errors.DataError("text"), 3),
        (errors.UnknownAssetError("text"), 3),
        (errors.LookAheadError("text"), 4),
        (errors.ReconciliationError("text"), 4),
        (errors.InfeasibleLimitsError("text", (), {}), 4),
        (errors.SolverError("text"), 5),
        (KeyboardInterrupt(), 130),
    ],
)
def test_each_error_is_one_line_and_its_exit_code(call, monkeypatch, error, code):
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr("toolkit.config.Experiment.run", failing)
    found, out, err = call("run", "bitcoin_only", "--json")
    assert (found, out) == (code, "")
    assert err in ("hashpivot: text\n", "hashpivot: Interrupted; nothing was written.\n")


SLOW = (
    "import time\nfrom strategies.benchmarks import BitcoinOnly\n\ntime.sleep({module})\n\n\n"
    'class Slow(BitcoinOnly):\n    """Takes its time."""\n\n'
    "    def targets(self, panel, signals=None):\n"
    "        time.sleep({targets})\n"
    "        return super().targets(panel, signals)\n"
)


def on_a_terminal(process: subprocess.Popen[str], outside: int) -> tuple[str, str]:
    """What a process writes on stdout, and shows on the terminal that is its stderr."""
    shown = b""
    with suppress(OSError):  # How a terminal ends whose other side was closed.
        while part := os.read(outside, 65_536):
            shown += part
    os.close(outside)
    return process.communicate(timeout=60)[0], shown.decode()


def test_progress_shows_on_a_terminal_and_leaves_stdout_to_the_answer(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.format(module=0, targets=0.1))
    (tmp_path / "slow.toml").write_text('[strategy]\nkind = "slow:Slow"\n')
    outside, terminal = pty.openpty()
    done = subprocess.run(
        [COMMAND, "run", "slow.toml", "--json", "--no-replay", "--no-report"], cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=terminal, text=True, check=False,
    )  # fmt: skip
    os.close(terminal)
    shown = os.read(outside, 65_536).decode()
    os.close(outside)
    assert done.returncode == 0
    assert json.loads(done.stdout)["status"] == "ok"
    assert re.search(r"\d+/40", shown)
    assert shown.endswith("\r\033[K")  # the line is wiped once it is done


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "slow.toml", "--no-replay", "--no-report", "--set", "checks.audit_cuts=0"),
        ("audit", "slow.toml", "--cuts", "1"),
    ],
)
def test_progress_is_drawn_while_a_stage_is_silent(tmp_path, arguments):
    (tmp_path / "slow.py").write_text(SLOW.format(module=2.5, targets=0))
    (tmp_path / "slow.toml").write_text('[strategy]\nkind = "slow:Slow"\n')
    outside, terminal = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, *arguments, "--json"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal,
        text=True,
    )  # fmt: skip
    os.close(terminal)
    out, shown = on_a_terminal(process, outside)
    assert process.returncode == 0
    assert json.loads(out)
    # Which stage the first second falls into is a matter of the machine.
    assert re.match(r"\r\033\[K(start|data), [12] s\r\033\[K", shown)
    assert re.search(r"\w+, [2-9] s\r", shown)
    assert shown.endswith("\r\033[K")


def test_an_interruption_wipes_the_progress_and_says_so_in_one_line(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.format(module=30, targets=0))
    (tmp_path / "slow.toml").write_text('[strategy]\nkind = "slow:Slow"\n')
    outside, terminal = pty.openpty()
    process = subprocess.Popen(
        [COMMAND, "run", "slow.toml"], cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=terminal,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )  # fmt: skip
    os.close(terminal)
    first = os.read(outside, 65_536).decode()
    assert first.startswith("\r\033[Kstart")
    process.send_signal(signal.SIGINT)
    shown = first + on_a_terminal(process, outside)[1]
    assert process.returncode == 130
    assert shown.endswith(" s\r\033[Khashpivot: Interrupted; nothing was written.\r\n")
    assert shown.count("hashpivot:") == 1


class Terminal(StringIO):
    """A stderr that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("arguments", "slowed", "stage"),
    [
        (("doctor",), "toolkit.doctor._calendar", r"calendar \(XNYS\) 9/11, \d+ s"),
        (("report", "latest"), "toolkit.report.page.render", r"report, \d+ s"),
        (("network", "status"), "toolkit.signals.status.network_status", r"signals, \d+ s"),
        (("pivot", "status"), "toolkit.signals.pivot_status.pivot_status", r"signals, \d+ s"),
    ],
)
def test_every_slow_command_shows_progress_and_an_error_comes_after_it(
    call, monkeypatch, arguments, slowed, stage
):
    fast = ("--no-replay", "--no-report", "--set", "checks.audit_cuts=0")
    call("run", "bitcoin_only", *YEAR[:4], *fast)

    def failing(*_: object, **__: object) -> None:
        time.sleep(1.3)
        raise errors.DataError("what went wrong")

    monkeypatch.setattr(slowed, failing)
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    code, _, _ = call(*arguments)
    assert code == (2 if arguments == ("doctor",) else 3)
    assert re.search(stage, shown.getvalue())
    assert re.search(r" s\r\033\[Khashpivot: [^\r]*\n$", shown.getvalue())


def test_without_a_terminal_there_is_no_progress(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW.format(module=1.5, targets=0))
    (tmp_path / "slow.toml").write_text('[strategy]\nkind = "slow:Slow"\n')
    done = fresh("audit", "slow.toml", "--cuts", "1", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [("strategies",), ("--help",)])
def test_a_reader_that_leaves_early_is_no_error(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, *arguments], stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
        cwd=tmp_path,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("walk",),
        ("run",),
        ("run", "bitcoin_only", "--stat", "2023-01-03"),
        ("run", "bitcoin_only", "--start"),
        ("run", "bitcoin_only", "equal_weight"),
        ("report",),
        ("doctor", "extra"),
    ],
)
def test_a_wrong_usage_exits_with_2_and_one_line(call, arguments):
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("hashpivot: ")
    assert err.count("\n") == 1
    assert "--help" in err


@pytest.mark.parametrize("group", ["network", "pivot"])
@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--end", "2021-02-30"), 2, "--end"),
        (("--end", "1999-01-04"), 3, "1999-01-04"),
        (("--data", "nowhere"), 3, "nowhere"),
    ],
)
def test_status_of_what_is_not_there_is_refused(call, group, arguments, code, said):
    found, out, err = call(group, "status", *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("hashpivot: ")
    assert said in err
