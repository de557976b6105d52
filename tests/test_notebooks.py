"""The notebooks run as they are, on the simulated market and, those that can, on real data."""

import ast
import os
import re
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))
FOLDER = "HASHPIVOT_DATA"
REAL = [path for path in NOTEBOOKS if FOLDER in path.read_text(encoding="utf-8")]


def outputs(path: Path, folder: Path) -> list:
    """What the cells of a notebook show, run in a folder."""
    done = NotebookClient(
        jupytext.read(path),
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert shown
    assert not any(output.output_type == "error" for output in shown)
    assert len(str(shown)) < 500_000
    return shown


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_section_shows_the_power_of_its_record_before_a_figure(path):
    for section in path.read_text(encoding="utf-8").split("# ## "):
        before, *figures = re.split("[\"']sharpe[\"']", section)
        assert not figures or ".power" in before, section[:60]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_claim_is_made_so_that_data_could_not_decide_it(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Claim":
            found = node.args[2]
            assert not (isinstance(found, ast.Constant) and found.value is None), node.lineno


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_says_that_its_market_is_simulated(path, tmp_path, monkeypatch):
    monkeypatch.delenv(FOLDER, raising=False)
    assert "simulated" in str(outputs(path, tmp_path)).lower()


@pytest.mark.skipif(FOLDER not in os.environ, reason=f"{FOLDER} names no folder of real data")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_notebook_runs_on_real_data(path, tmp_path):
    outputs(path, tmp_path)
