"""`hashpivot signals`: a card a signal, as one JSON object or as a table for readers."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial

import pytest

from toolkit.signals.reading import GAUGES

FOLDER = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(FOLDER is None, reason="HASHPIVOT_DATA names no folder of real data")
PIVOT = [
    "market_share", "disclosed_share", "pivot_share", "pivot_momentum", "sector_pivot", "pivot_alarm",
    "contracted_megawatts", "disclosure_count", "kappa_spread", "miner_kappa_spread",
]  # fmt: skip
NAMES = ["momentum", "trailing_volatility", *(gauge.name for gauge in GAUGES), *PIVOT]

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(call):
    """Runs the command inside this process, in an empty folder."""
    return partial(call, "signals")


def test_json_has_a_card_a_signal_and_is_marked_simulated(call):
    code, out, err = call("--json", "--start", "2018-01-02", "--end", "2023-12-29")
    assert (code, err, out.count("\n")) == (0, "", 1)
    answer = json.loads(out)
    assert (answer["start"], answer["end"]) == ("2018-01-02", "2023-12-29")
    assert answer["simulated"] is True
    assert [card["name"] for card in answer["signals"]] == NAMES
    for card in answer["signals"]:
        if card["name"] in ("disclosed_share", "miner_kappa_spread"):
            # No table of capacities is shipped.
            assert (card["judged"], card["scores"]) == ("not available", [])
            assert "no value" in card["missing"]
            continue
        assert card["judged"] in ("across assets", "over time")
        assert card["missing"] == ""
        assert [score["horizon"] for score in card["scores"]] == [1, 5, 21, 63]


def test_the_table_says_what_it_is_and_how_much_is_chance(call):
    code, out, err = call("--start", "2018-01-02")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert "SIMULATED" in lines[0]
    assert "by chance" in out
    assert "thresholds crossed" in lines[4]
    assert [line.split()[0] for line in lines[8 : 8 + len(NAMES)]] == NAMES
    assert lines[-2].startswith("disclosed_share is not available: ")
    assert lines[-1].startswith("miner_kappa_spread is not available: ")


@real
def test_on_real_prices_momentum_is_itself_and_ends_with_the_data(call):
    code, out, _ = call("--data", str(FOLDER), "--start", "2017-01-03", "--json")
    answer = json.loads(out)
    assert (code, answer["simulated"], answer["end"]) == (0, False, "2025-06-30")
    momentum = answer["signals"][0]
    assert momentum["momentum_correlation"] == pytest.approx(1.0)
    assert all(score["low"] < score["coefficient"] < score["high"] for score in momentum["scores"])


@real
def test_on_real_data_events_are_announcements_and_thresholds_crossed(call):
    """Contracts are those that became public of miners that could be held, as the power card counts."""
    _, out, _ = call("--data", str(FOLDER), "--json")
    cards = {card["name"]: (card["events"], card["counted"]) for card in json.loads(out)["signals"]}
    assert cards["contracted_megawatts"] == cards["disclosure_count"] == (8, "rises")
    assert cards["puell_multiple"][1] == "thresholds"
    assert cards["puell_multiple"][0] > 0
    assert cards["momentum"][1] == cards["kappa_spread"][1] == "signs"


def test_a_wrong_day_is_refused(call):
    code, out, err = call("--start", "yesterday")
    assert (code, out) == (2, "")
    assert "--start" in err
