"""The commands on the network: one JSON object, a table for readers, documented exit codes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import date
from functools import partial

import pandas as pd
import pytest

from toolkit.network.scenarios import SCENARIO_NAMES

FOLDER = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(FOLDER is None, reason="HASHPIVOT_DATA names no folder of real data")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(call):
    """Runs a command of the group inside this process, in an empty folder."""
    return partial(call, "network")


def test_status_is_one_json_object_marked_simulated(call):
    code, out, err = call("status", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert set(answer) == {
        "asof", "simulated", "signals", "next_retarget", "relative_economics", "absent_days",
    }  # fmt: skip
    assert len(answer["relative_economics"]["sensitivity"]) == 27
    assert answer["relative_economics"]["miners"] == {}
    assert (answer["simulated"], answer["absent_days"]) == (True, {})
    wanted = {"height", "change", "standard_error", "band_low", "band_high", "fraction", "known_at"}
    assert set(answer["next_retarget"]) == wanted
    keys = {"name", "value", "unit", "state", "threshold", "since", "known_at"}
    assert answer["signals"]
    assert all(set(reading) == keys for reading in answer["signals"])
    assert len({reading["name"] for reading in answer["signals"]}) == len(answer["signals"])


def test_status_for_readers_has_every_signal_fits_a_terminal_and_says_that_it_is_simulated(call):
    _, out, _ = call("status", "--json")
    names = [reading["name"] for reading in json.loads(out)["signals"]]
    code, out, err = call("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "SIMULATED" in lines[0]
    assert max(map(len, lines)) <= 80
    retarget = lines.index(next(line for line in lines if line.startswith("Next retarget at")))
    shown = [line for line in lines[2 : retarget - 1] if not line.startswith(" ")]
    assert [line.split()[0] for line in shown] == names
    assert sum("years to rent, at" in line for line in lines) == 9


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


# simulate


@pytest.mark.parametrize("name", SCENARIO_NAMES)
def test_every_ready_scenario_answers_with_days_and_a_verdict(call, name):
    code, out, err = call("simulate", name, "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert (answer["scenario"], answer["simulated"]) == (name, True)
    lengths = {column: len(values) for column, values in answer["daily"].items()}
    assert len(set(lengths.values())) == 1
    assert {"date", "hash_rate", "difficulty", "issuance", "hash_price"} <= set(lengths)
    summary = answer["summary"]
    lowest = min(answer["daily"]["blocks_per_day"])
    assert summary["min_blocks_per_day"] == pytest.approx(lowest, rel=1e-12)
    assert summary["days_to_equilibrium"] is None or summary["days_to_equilibrium"] >= 0
    assert summary["verdict"].split()[-1] in ("equilibrium", "decline")


def test_a_scenario_for_readers_says_that_it_is_simulated_and_draws_on_demand(call, tmp_path):
    code, out, err = call("simulate", "ban", "--plot", "ban.svg")
    assert (code, err) == (0, "")
    assert out.startswith("SIMULATED: ")
    assert "verdict" in out
    assert "-0.0%" not in out
    assert "SIMULATED" in (tmp_path / "ban.svg").read_text()


def test_simulate_tells_what_a_stress_would_take(call):
    answer = json.loads(call("simulate", "joint", "--json")[1])
    days, stress = answer["daily"], answer["stress"]
    lowest = min(range(181), key=days["hash_price"].__getitem__)
    assert (stress["horizon"], stress["worst"]["day"], stress["end"]["day"]) == (180, lowest, 180)
    for moment in ("worst", "end"):
        found = stress[moment]
        for key, column in (("hash_price", "hash_price"), ("bitcoin", "price")):
            change = days[column][found["day"]] / days[column][0] - 1.0
            assert found[key] == pytest.approx(change, abs=1e-12)
    out = call("simulate", "joint")[1]
    assert f"bitcoin {stress['worst']['bitcoin']:+.1%}  (day {lowest})" in out
    assert "end of 180 days" in out


def test_a_scenario_shorter_than_half_a_year_tells_of_its_own_end(call, tmp_path):
    (tmp_path / "short.toml").write_text('base = "joint"\ndays = 60\n')
    assert json.loads(call("simulate", "short.toml", "--json")[1])["stress"]["horizon"] == 59


def test_a_seed_makes_blocks_arrive_at_random_the_same_way_each_time(call):
    by_seed = [
        json.loads(call("simulate", "heat-curtailment", "--json", *seed)[1])["daily"]["blocks"]
        for seed in ((), ("--seed", "1"), ("--seed", "1"), ("--seed", "2"))
    ]
    assert by_seed[1] == by_seed[2]
    assert by_seed[0] != by_seed[1] != by_seed[3]


def test_a_scenario_of_ones_own_changes_a_ready_one(call, tmp_path):
    (tmp_path / "third.toml").write_text(
        'base = "ai-exodus"\ndays = 500\npaths.exodus = [[30, 0.0], [395, 0.33]]\n'
    )
    code, out, _ = call("simulate", "third.toml", "--json")
    answer = json.loads(out)
    assert (code, answer["scenario"], len(answer["daily"]["date"])) == (0, "third.toml", 500)
    ready = json.loads(call("simulate", "ai-exodus", "--json")[1])
    assert answer["summary"]["installed_change"] != ready["summary"]["installed_change"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "ai-exodu"', "Did you mean 'ai-exodus'"),
        ('base = "ban"\npathes = 1', "'pathes'"),
        ('base = "ban"\npaths = 1', "paths is 1"),
        ('base = "ban"\npaths.rice = [[0, 1.0]]', "'rice'"),
        ('base = "ban"\npaths.price = [[30, 1.0], [0, 1.0]]', "rising order"),
        ('base = "ban"\npaths.price = [[0, -1.0]]', "price"),
        ('base = "ban"\npaths.price = [[0, 62000.0], [100, 1e300]]', "at most 1e+09"),
        ('base = "ban"\npaths.price = [[inf, 1.0]]', "paths.price.0.0 = inf"),
        ('base = "ban"\npaths.price = [[0, nan]]', "paths.price.0.1 = nan"),
        ('base = "ban"\npaths.ban = [[0, 0.5]]', "'ban' begins with 0.5"),
        ('base = "ban"\npaths.ban = [[0, true]]', "paths.ban.0.1 = True"),
        ('base = "ban"\npaths.exodus = "x"', "paths.exodus = 'x'"),
        ('base = "ban"\npaths.exodus = [[1]]', "paths.exodus.0.1"),
        ('base = "ban"\nstart.difficulty = 1e70', "difficulty = 1e+70"),
        ('base = "ban"\nstart.heigth = 1', "heigth"),
        ('base = "ban"\ndays = 1', "days"),
        ("days = 100", "base is missing"),
        ("base = ", "third.toml"),
    ],
)
def test_a_wrong_scenario_file_is_refused(call, tmp_path, text, said):
    (tmp_path / "third.toml").write_text(text)
    code, out, err = call("simulate", "third.toml")
    assert (code in (2, 3), out) == (True, "")
    assert said in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("exodus",), "ai-exodus"),
        (("missing.toml",), "missing.toml"),
        (("ban", "--plot", "ban.png"), ".svg"),
        (("ban", "--plot", "nowhere/ban.svg"), "nowhere"),
        (("ban", "--seed", "-1"), "--seed"),
    ],
)
def test_a_wrong_call_of_simulate_is_refused(call, arguments, said):
    code, out, err = call("simulate", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_scenarios_lists_each_with_its_title(call):
    code, out, _ = call("scenarios", "--json")
    assert code == 0
    assert tuple(sorted(json.loads(out))) == SCENARIO_NAMES
