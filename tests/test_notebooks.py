"""The notebooks run as they are, from the first cell to the last."""

from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.py"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_says_that_its_market_is_simulated(path: Path, tmp_path: Path) -> None:
    notebook = jupytext.read(path)
    done = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    shown = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert shown
    assert not any(output.output_type == "error" for output in shown)
    assert "simulated" in str(shown).lower()
    assert len(str(shown)) < 500_000
