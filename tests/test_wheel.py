"""The built wheel holds what a run needs, and nothing else."""

from __future__ import annotations

import email
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """Built from a copy, so that the build leaves nothing in the project."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in ("toolkit", "strategies", "tests", "notebooks", "benchmarks"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = folder.glob("*.whl")
    assert re.fullmatch(r"hashpivot-\d+\.\d+\.\d+-py3-none-any\.whl", built.name)
    return zipfile.ZipFile(built)


def shipped(folder: str, *suffixes: str) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and "__pycache__" not in path.parts
    }


def info(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (entry for entry in wheel.namelist() if entry.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_it_holds_every_module_of_both_packages(wheel):
    modules = shipped("toolkit", ".py") | shipped("strategies", ".py")
    assert len(modules) > 40
    assert modules <= set(wheel.namelist())


def test_it_holds_the_strategies_the_universe_and_the_corporate_actions(wheel):
    data = shipped("strategies", ".toml", ".csv")
    assert "strategies/universe.toml" in data
    assert "strategies/files.toml" in data
    assert any(name.endswith(".csv") for name in data)
    assert data <= set(wheel.namelist())


def test_it_holds_the_templates_of_the_page_and_the_mark_of_a_typed_package(wheel):
    templates = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "toolkit" / "report" / "templates").rglob("*")
        if path.is_file()
    }
    assert templates
    assert templates | {"toolkit/py.typed"} <= set(wheel.namelist())


def test_it_holds_nothing_else(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist()}
    rest = {top for top in tops if not top.endswith(".dist-info")}
    assert rest == {"toolkit", "strategies"}
    assert {Path(name).suffix for name in wheel.namelist() if ".dist-info/" not in name} <= {
        ".py", ".toml", ".csv", ".typed", ".j2", ".css", ".js", ".html",
    }  # fmt: skip


def test_its_entry_point_is_the_command(wheel):
    points = ConfigParser()
    points.read_string(info(wheel, "entry_points.txt"))
    assert dict(points["console_scripts"]) == {"hashpivot": "toolkit.cli:main"}


def test_its_metadata_name_licence_python_and_requirements(wheel):
    metadata = email.message_from_string(info(wheel, "METADATA"))
    assert metadata["Name"] == "hashpivot"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Requires-Python"] == ">=3.11"
    needed = {re.split(r"[^A-Za-z0-9-]", line)[0] for line in metadata.get_all("Requires-Dist")}
    assert {"vectorbt", "pandas", "numpy", "cvxpy", "numba", "typer", "pydantic"} <= needed
    assert (
        "Apache License"
        in wheel.read(
            next(name for name in wheel.namelist() if name.endswith("licenses/LICENSE"))
        ).decode()
    )


def test_its_front_page_is_the_readme(wheel):
    metadata = email.message_from_string(info(wheel, "METADATA"))
    assert metadata["Description-Content-Type"].startswith("text/markdown")
    assert metadata.get_payload().strip() == (ROOT / "README.md").read_text().strip()
