"""`hashpivot pivot status`: one JSON object, a table for readers, documented exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from toolkit.config import DataSettings, panel_of
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.signals.pivot import PivotMomentum, PivotShare
from toolkit.signals.pivot_status import pivot_status
from toolkit.universe import MINERS

FOLDER = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(FOLDER is None, reason="HASHPIVOT_DATA names no folder of real data")

Call = Callable[..., tuple[int, str, str]]

KEYS = {
    "asset", "market_share", "band_low", "band_high", "disclosure_mw", "disclosure_share",
    "composite", "change_60", "last_event", "r_squared",
}  # fmt: skip


@pytest.fixture
def call(call):
    """Runs a command of the group inside this process, in an empty folder."""
    return partial(call, "pivot")


@pytest.fixture(scope="module")
def panel():
    return panel_of(DataSettings())


def test_status_is_one_json_object_marked_simulated_with_a_row_a_miner(call, panel):
    code, out, err = call("status", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert set(answer) == {"asof", "simulated", "miners"}
    assert answer["simulated"] is True
    assert answer["asof"] == str(panel.sessions[-1].date())
    assert all(set(miner) == KEYS for miner in answer["miners"])
    mines = panel.members(MINERS).iloc[-1]
    assert [miner["asset"] for miner in answer["miners"]] == list(mines.index[mines])
    # No table of capacities: not available, never guessed.
    assert {miner["disclosure_share"] for miner in answer["miners"]} == {None}


@pytest.mark.parametrize(("sessions", "changes"), [(600, 2), (1500, 3), (1800, 2), (2266, 0)])
def test_status_is_what_the_signals_say_on_the_whole_panel(panel, sessions, changes):
    """Also where a share of 60 sessions ago counts, whose window is 252 long."""
    panel = panel.until(panel.sessions[sessions - 1])
    share = PivotShare()
    whole = {
        "composite": share.compute(panel),
        "change_60": PivotMomentum(share).compute(panel),
        "disclosure_mw": ContractedMegawatts().compute(panel),
    }
    status = pivot_status(panel)
    assert sum(np.isfinite(miner.change_60) for miner in status.miners) == changes
    for miner in status.miners:
        for name, frame in whole.items():
            np.testing.assert_allclose(
                getattr(miner, name), frame[miner.asset].iloc[-1], atol=1e-9, err_msg=name
            )


def test_status_knows_no_announcement_after_its_decision(panel):
    cut = panel.until(panel.sessions[1500])
    for miner in pivot_status(cut).miners:
        if miner.last_event is not None:
            assert pd.Timestamp(miner.last_event.day) <= cut.sessions[-1]


def test_status_without_announcements_has_none_and_no_megawatts(panel):
    silent = {
        name: field
        for name, field in panel.fields.items()
        if not name.startswith("announcements_") and not name.endswith("_mw")
    }
    found = pivot_status(replace(panel, fields=silent)).as_json()["miners"]
    assert found
    assert {(m["disclosure_mw"], m["last_event"]) for m in found} == {(None, None)}


def test_status_for_readers_has_a_line_a_miner_and_says_that_it_is_simulated(call):
    names = [miner["asset"] for miner in json.loads(call("status", "--json")[1])["miners"]]
    code, out, err = call("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "SIMULATED" in lines[0]
    assert [line.split()[0] for line in lines[3 : 3 + len(names)]] == names


@real
@pytest.mark.parametrize(("day", "known"), [("2024-05-31", 0.0), ("2024-06-03", 100.0)])
def test_status_counts_a_contract_from_the_decision_that_knew_it(call, day, known):
    code, out, _ = call("status", "--data", str(FOLDER), "--end", day, "--json")
    answer = json.loads(out)
    assert (code, answer["asof"], answer["simulated"]) == (0, day, False)
    (corz,) = (miner for miner in answer["miners"] if miner["asset"] == "CORZ")
    assert corz["disclosure_mw"] == known
    assert corz["last_event"]["day"] == ("2024-06-03" if known else "2024-03-14")
    assert "CORZ-2022" not in {miner["asset"] for miner in answer["miners"]}
