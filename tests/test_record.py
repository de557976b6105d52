"""A run folder is there whole or not at all, and holds nothing that executes."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, SourceUnavailableError
from toolkit.record import TABLES, RunRecord, find_run, json_text

NAME = "20250131T120000Z-0123abcd"


@pytest.fixture
def record() -> RunRecord:
    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03"])
    return RunRecord(
        manifest={"run_id": NAME, "status": "ok", "sessions": 2},
        config='title = "Tiny"\n',
        metrics={"net": {"cagr": 0.1, "sharpe": None}},
        returns=pd.DataFrame({"net": [0.01, -0.02], "equity": [101.0, 98.98]}, days),
        weights=pd.DataFrame({"COIN": [0.5, 0.4], "CASH": [0.5, 0.6]}, days),
        targets=pd.DataFrame({"session": days, "asset": ["COIN", "CASH"], "target": [0.5, np.nan]}),
        orders=pd.DataFrame({"session": days[:1], "asset": ["COIN"], "units": [1.5]}),
        limits=pd.DataFrame({"session": days[:0], "limit": [], "slack": []}),
    )


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_record_comes_back_as_it_was_written(record, tmp_path):
    folder = record.save(tmp_path / "runs")
    again = RunRecord.load(folder)
    assert folder == tmp_path / "runs" / NAME
    assert again.name == NAME
    assert (again.manifest, again.config, again.metrics) == (
        record.manifest, record.config, record.metrics,
    )  # fmt: skip
    for table in TABLES:
        pd.testing.assert_frame_equal(
            getattr(again, table), getattr(record, table), check_dtype=False, check_freq=False
        )


def test_a_run_folder_holds_these_files_and_no_other(record, tmp_path):
    files = {"run.json", "config.toml", "metrics.json", *(f"{table}.parquet" for table in TABLES)}
    assert set(everything(record.save(tmp_path / "a"))) == files
    assert set(everything(record.save(tmp_path / "b", page="<p>"))) == files | {"report.html"}


def test_nothing_is_left_beside_the_run_folder(record, tmp_path):
    record.save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_taken_name_gets_a_number_and_the_first_run_stays(record, tmp_path):
    first = record.save(tmp_path)
    before = (first / "run.json").read_bytes()
    second, third = record.save(tmp_path), record.save(tmp_path)
    assert [second.name, third.name] == [f"{NAME}-1", f"{NAME}-2"]
    assert (first / "run.json").read_bytes() == before


@pytest.mark.parametrize("name", ["../up", "latest", NAME + "/x", "", NAME.lower(), NAME + "\n"])
def test_a_name_that_could_be_a_path_is_refused(record, tmp_path, name):
    wrong = RunRecord(**{**record.__dict__, "manifest": {"run_id": name}})
    with pytest.raises(ConfigError, match="is not of the form"):
        wrong.save(tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_file_in_the_place_of_the_runs_folder_is_named(record, tmp_path):
    taken = tmp_path / "runs"
    taken.write_text("not a folder")
    with pytest.raises(ConfigError, match=rf"{taken} cannot be written.*--runs"):
        record.save(taken)
    assert taken.read_text() == "not a folder"


def test_a_write_that_fails_in_the_middle_leaves_nothing(record, tmp_path):
    broken = RunRecord(**{**record.__dict__, "metrics": {"net": float("nan")}})
    with pytest.raises(ValueError, match="Out of range float"):
        broken.save(tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_numbers_without_a_meaning_in_json_are_refused():
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="Out of range float"):
            json_text({"x": number})


def test_json_has_sorted_keys_so_that_equal_runs_are_equal_bytes():
    assert json_text({"b": 1, "a": {"d": 1, "c": 2}}) == json_text({"a": {"c": 2, "d": 1}, "b": 1})


def test_an_incomplete_run_folder_names_what_is_missing(record, tmp_path):
    folder = record.save(tmp_path)
    (folder / "weights.parquet").unlink()
    with pytest.raises(SourceUnavailableError, match=r"weights\.parquet missing"):
        RunRecord.load(folder)


@pytest.mark.parametrize("file", ["run.json", "metrics.json", "orders.parquet"])
def test_a_damaged_file_is_refused(record, tmp_path, file):
    folder = record.save(tmp_path)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceUnavailableError, match="cannot be read"):
        RunRecord.load(folder)


def test_a_run_is_found_by_name_by_path_and_as_the_latest(record, tmp_path):
    older = RunRecord(**{**record.__dict__, "manifest": {"run_id": "20240131T120000Z-ffffffff"}})
    old, new = older.save(tmp_path), record.save(tmp_path)
    assert find_run("latest", tmp_path) == new
    assert find_run(old.name, tmp_path) == old
    assert find_run(str(old), tmp_path / "elsewhere") == old


def test_the_latest_of_runs_of_one_second_is_not_the_one_with_the_highest_hash(record, tmp_path):
    for digits in ("ffffffff", "00000000", "88888888"):
        manifest = {**record.manifest, "run_id": f"20250131T120000Z-{digits}"}
        last = RunRecord(**{**record.__dict__, "manifest": manifest}).save(tmp_path)
        assert find_run("latest", tmp_path) == last
    # The second in the name comes first: a folder that was copied has a new clock.
    manifest = {**record.manifest, "run_id": "20250131T115959Z-ffffffff"}
    RunRecord(**{**record.__dict__, "manifest": manifest}).save(tmp_path)
    assert find_run("latest", tmp_path) == last


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_who_may_read_a_run_is_what_the_umask_says(record, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        folder = record.save(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == mode


def test_the_latest_of_runs_of_one_second_is_the_one_written_last(record, tmp_path):
    for _ in range(3):
        last = record.save(tmp_path)
    assert find_run("latest", tmp_path) == last


def test_a_draft_is_never_taken_for_a_run(record, tmp_path):
    (tmp_path / ".draft-abc").mkdir()
    with pytest.raises(SourceUnavailableError, match="'latest' is not in"):
        find_run("latest", tmp_path)


def test_an_unknown_run_is_named_with_a_proposal(record, tmp_path):
    record.save(tmp_path)
    with pytest.raises(SourceUnavailableError, match=rf"is not in .*'{NAME}'\?"):
        find_run(NAME[:-1] + "e", tmp_path)
    with pytest.raises(SourceUnavailableError, match=r"'latest' is not in .*Known: none"):
        find_run("latest", tmp_path / "nowhere")


def test_the_manifest_is_plain_json(record, tmp_path):
    folder = record.save(tmp_path)
    assert json.loads((folder / "run.json").read_text())["run_id"] == NAME
