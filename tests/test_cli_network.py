"""The commands on the network: one JSON object, a table for readers, documented exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from datetime import date

import pandas as pd
import pytest

from toolkit import cli

FOLDER = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(FOLDER is None, reason="HASHPIVOT_DATA names no folder of real data")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(tmp_path, monkeypatch, capsys) -> Call:
    """Runs a command inside this process, in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["hashpivot", "network", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        text = capsys.readouterr()
        return int(ended.value.code), text.out, text.err

    return called


def test_status_is_one_json_object_marked_simulated(call):
    code, out, err = call("status", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert set(answer) == {"asof", "simulated", "signals", "next_retarget"}
    assert answer["simulated"] is True
    assert set(answer["next_retarget"]) == {"height", "change", "band_low", "band_high", "fraction"}
    keys = {"name", "value", "unit", "state", "threshold", "since", "known_at"}
    assert answer["signals"]
    assert all(set(reading) == keys for reading in answer["signals"])
    assert len({reading["name"] for reading in answer["signals"]}) == len(answer["signals"])


def test_status_for_readers_has_a_line_a_signal_and_says_that_it_is_simulated(call):
    _, out, _ = call("status", "--json")
    names = [reading["name"] for reading in json.loads(out)["signals"]]
    code, out, err = call("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "SIMULATED" in lines[0]
    assert [line.split()[0] for line in lines[3 : 3 + len(names)]] == names
    assert lines[-1].startswith("Next retarget at height")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--end", "2021-02-30"), 2, "--end"),
        (("--end", "1999-01-04"), 3, "1999-01-04"),
        (("--data", "nowhere"), 3, "nowhere"),
    ],
)
def test_status_of_what_is_not_there_is_refused(call, arguments, code, said):
    found, out, err = call("status", *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("hashpivot: ")
    assert said in err


@real
@pytest.mark.parametrize(
    ("day", "height", "change"),
    [
        ("2021-07-01", 689472, -0.2794),
        ("2021-07-28", 693504, 0.0603),
        ("2024-05-06", 842688, -0.0562),
    ],
)
def test_status_foresees_recorded_retargets_by_what_was_known(call, day, height, change):
    code, out, _ = call("status", "--data", str(FOLDER), "--end", day, "--json")
    answer = json.loads(out)
    assert (code, answer["asof"], answer["simulated"]) == (0, day, False)
    retarget = answer["next_retarget"]
    assert retarget["height"] == height
    assert retarget["band_low"] < retarget["change"] < retarget["band_high"]
    assert abs(retarget["change"] - change) < 0.03
    assert 0.7 < retarget["fraction"] < 1.0
    decision = pd.Timestamp(date.fromisoformat(day), tz="UTC") + pd.Timedelta(days=1)
    moments = [reading["known_at"] for reading in answer["signals"] if reading["known_at"]]
    assert moments
    assert all(pd.Timestamp(moment) <= decision for moment in moments)


@real
def test_status_shows_the_stress_of_july_2021(call):
    _, out, _ = call("status", "--data", str(FOLDER), "--end", "2021-07-06", "--json")
    states = {reading["name"]: reading["state"] for reading in json.loads(out)["signals"]}
    assert (states["epoch_change"], states["hash_ribbons"]) == ("stress", "stress")
