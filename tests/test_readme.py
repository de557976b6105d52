"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolkit import errors
from toolkit.config import Experiment
from toolkit.record import RunRecord
from toolkit.settings import shipped_strategies

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BIN = Path(sys.executable).parent


def blocks(language: str) -> list[str]:
    """Code blocks of a language; commands stand in blocks without one."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    return [code for kind, code in found if kind == language]


def commands() -> list[str]:
    """Commands of the README, without their remarks."""
    lines = "\n".join(blocks("")).splitlines()
    return [line.split("  #")[0].strip() for line in lines if line.strip()]


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command as a reader types it, with the environment's commands on the path."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    return subprocess.run(
        command.split(), capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PATH": path, "HASHPIVOT_RUNS": "runs"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def ideas(tmp_path_factory) -> Path:
    """A user's own folder, with the module and the file that the README shows."""
    folder = tmp_path_factory.mktemp("user")
    written = []
    for code in (*blocks("python"), *blocks("toml")):
        name = re.match(r"# (\S+\.(?:py|toml))\n", code)
        if name:
            path = folder / name[1]
            path.parent.mkdir(exist_ok=True)
            path.write_text(code)
            written.append(name[1])
    assert written == ["ideas/calm_coins.py", "ideas/calm_coins.toml", "a_third_leaves.toml"]
    return folder


def test_the_script_of_twenty_lines_runs_as_it_stands(tmp_path):
    script = blocks("python")[0]
    code = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 20
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning:toolkit", "script.py"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.search(r"^simulated: CAGR -?\d+\.\d%, Sharpe -?\d+\.\d\d$", done.stdout, re.MULTILINE)
    assert "0 look-ahead differences" in done.stdout
    assert re.search(r"^\d+\.\d+ \d+ orders$", done.stdout, re.MULTILINE)
    assert (tmp_path / "report.html").read_text().lower().startswith("<!doctype html>")


def test_the_run_of_the_user_s_own_strategy_works_as_typed(ideas):
    assert "hashpivot run ideas/calm_coins.toml" in commands()
    done = typed("hashpivot run ideas/calm_coins.toml", ideas)
    assert (done.returncode, done.stderr) == (0, "")
    (folder,) = (ideas / "runs").iterdir()
    record = RunRecord.load(folder)
    assert record.manifest["title"] == "Calm coins"
    assert record.manifest["audit"]["differences"] == 0
    held = record.weights["SIMBTC"].round(2)
    assert {0.0, 1.0} == set(held)


def test_the_audit_of_the_user_s_own_strategy_works_as_typed(ideas):
    assert "hashpivot audit ideas/calm_coins.toml" in commands()
    done = typed("hashpivot audit ideas/calm_coins.toml", ideas)
    assert (done.returncode, done.stderr) == (0, "")
    assert "40 cuts, 0 differences" in done.stdout


def test_the_user_s_own_strategy_is_the_user_s_own(ideas):
    strategy = Experiment.from_toml(ideas / "ideas" / "calm_coins.toml").strategy()
    assert strategy.calm == 0.5
    assert (ideas / "ideas") == Path(sys.modules[type(strategy).__module__].__file__).parent


def test_the_scenarios_work_as_typed(ideas):
    for command in commands():
        if command.startswith("hashpivot network simulate"):
            done = typed(command, ideas)
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("SIMULATED: ")
    assert "SIMULATED" in (ideas / "exodus.svg").read_text()


def test_every_command_shown_is_tested_here_or_needs_a_machine_or_a_folder_of_its_own():
    assert set(commands()) == {
        "make demo",
        "make test",
        ".venv/bin/hashpivot run difficulty_rotation --data path/to/data",
        "hashpivot run ideas/calm_coins.toml",
        "hashpivot audit ideas/calm_coins.toml",
        "hashpivot allocate pivot_rotation --data path/to/data --holdings holdings.csv --record",
        "hashpivot explain latest 2025-03-31",
        "hashpivot ledger --data path/to/data",
        "hashpivot network status --data path/to/data",
        "hashpivot network simulate ai-exodus --plot exodus.svg",
        "hashpivot network simulate a_third_leaves.toml",
    }
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {"demo", "test"} <= set(targets)


def test_every_command_and_option_it_names_is_there():
    named = set(re.findall(r"--[a-z][a-z-]+", TEXT))
    helps = "".join(
        typed(f"hashpivot {command} --help", ROOT).stdout
        for command in ("run", "audit", "allocate", "explain", "ledger", "network simulate")
    )
    assert named
    assert {name for name in named if name not in helps} == set()


def test_its_table_names_every_command(capsys):
    table = set(re.findall(r"^\| `hashpivot ([a-z ]*[a-z])", TEXT, re.MULTILINE))
    network = {"network status", "network simulate", "network scenarios"}
    own = {"run", "audit", "report", "strategies", "signals", "pivot status", "doctor"}
    today = {"allocate", "explain", "ledger"}
    assert table == own | today | network


def test_its_exit_codes_are_those_of_the_errors():
    sentence = re.sub(r"\s+", " ", re.search(r"Exit codes:.*?\.\n", TEXT, re.DOTALL)[0])
    codes = {int(code) for code in re.findall(r"(?:: |, )(\d+) ", sentence)}
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and hasattr(k, "exit_code")]
    assert codes == {0, 130} | {kind.exit_code for kind in kinds}


def test_it_states_the_timing_contract_the_licences_and_that_the_sample_is_simulated():
    for moment in ("label", "`available_at`", "decision", "fill"):
        assert re.search(rf"^\| {moment} \|", TEXT, re.MULTILINE)
    assert "Commons Clause" in TEXT
    assert "Apache-2.0" in TEXT
    assert "SIMULATED" in TEXT
    assert "NOT CHECKED" in TEXT


def test_the_strategies_it_names_are_shipped():
    for name in re.findall(r"hashpivot run (\w+)(?:\s|`|$)", TEXT):
        assert name in shipped_strategies() or name == "STRATEGY"
