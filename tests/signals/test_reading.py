"""Readings: the last value of each signal, its state, since when, and when it was known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError, InsufficientHistoryError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.economics import HashPricePercentile, MinerMargin
from toolkit.signals.epochs import EpochReversal
from toolkit.signals.exits import NonPriceExit
from toolkit.signals.issuance import PuellMultiple
from toolkit.signals.published import PublishedSignal
from toolkit.signals.reading import GAUGES, NO_READING, Gauge, Reading, readings
from toolkit.signals.regression import DifficultyRegression
from toolkit.signals.retarget import NextRetarget
from toolkit.signals.ribbons import HashRibbons

DAYS = pd.date_range("2018-01-01", periods=60)


class Given(PublishedSignal):
    """A daily signal with given values, public an hour after the day."""

    def __init__(self, values: np.ndarray):
        self.values = values

    def rows(self, panel: Panel) -> Field:
        days = DAYS[: len(self.values)]
        moments = (days + pd.Timedelta(hours=25)).tz_localize("UTC")
        return Field(pd.DataFrame({"given": self.values}, days), moments, "1", "hand")


def read(make_panel, values: list[float], days: int, **gauge: object) -> Reading:
    return Gauge("given", Given(np.array(values)), **gauge).read(make_panel(days=days))


def test_a_reading_is_the_last_public_row_with_its_moment(make_panel):
    found = read(make_panel, [1.0, 2.0, 3.0, 4.0], days=3, low=0.5)
    # The third day is decided upon at its end; its own row comes an hour later.
    assert found == Reading(
        name="given",
        value=2.0,
        unit="1",
        state="neutral",
        threshold="below 0.5 stress",
        since=DAYS[0].date(),
        known_at=pd.Timestamp("2018-01-03 01:00", tz="UTC"),
    )


def test_a_state_has_lasted_since_the_first_reading_of_its_last_run(make_panel):
    values = [-2.0, 0.0, -3.0, np.nan, -4.0, -1.5]
    found = read(make_panel, values, days=8, low=-1.0)
    assert (found.state, found.since) == ("stress", DAYS[2].date())


def test_a_time_without_readings_ends_the_run(make_panel):
    values = np.full(30, np.nan)
    values[[0, 20, 25]] = -2.0
    found = read(make_panel, values.tolist(), days=30, low=-1.0)
    assert found.since == DAYS[20].date()


def test_a_reading_that_is_too_old_is_none_and_says_when_the_last_was_known(make_panel):
    found = read(make_panel, [-2.0, -2.0], days=13, low=-1.0)
    assert (found.value, found.state, found.since) == (None, NO_READING, None)
    assert found.known_at == pd.Timestamp("2018-01-03 01:00", tz="UTC")
    assert read(make_panel, [-2.0, -2.0], days=12, low=-1.0).value == -2.0


def test_a_signal_that_never_had_a_reading_says_so(make_panel):
    found = read(make_panel, [np.nan, np.nan], days=3)
    assert (found.value, found.state, found.known_at) == (None, NO_READING, None)


@pytest.mark.parametrize(
    ("value", "state"),
    [(-0.5, "low"), (-0.1, "middle"), (0.0, "middle"), (0.3, "middle"), (0.31, "high")],
)
def test_a_threshold_itself_belongs_to_neither_side(value, state):
    gauge = Gauge("g", EpochReversal(), -0.1, 0.3, below="low", between="middle", above="high")
    assert gauge.state(value) == state
    assert gauge.words == "below -0.1 low, above 0.3 high"


def test_a_gauge_without_thresholds_has_one_state():
    gauge = Gauge("g", EpochReversal(), between="level")
    assert {gauge.state(value) for value in (-1e9, 0.0, 1e9)} == {"level"}
    assert gauge.words == "none"


# Every signal


def test_each_gauge_has_a_name_of_its_own():
    names = [gauge.name for gauge in GAUGES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("day", ["2018-11-20", "2020-09-15", "2020-12-18"])
def test_readings_are_what_the_signals_decide_with(sample_panel, day):
    panel = sample_panel.until(pd.Timestamp(day))
    for gauge, reading in zip(GAUGES, readings(panel), strict=True):
        decided = gauge.signal.compute(panel).iloc[-1, 0]
        assert reading.name == gauge.name
        assert reading.unit
        if np.isnan(decided):
            assert (reading.value, reading.state) == (None, NO_READING)
        else:
            assert reading.value == decided
            assert reading.state == gauge.state(decided)
            judged = gauge.low is not None or gauge.high is not None
            assert (reading.since is not None) == judged
            assert not judged or reading.since <= panel.sessions[-1].date()
            assert reading.known_at <= panel.decisions[-1]


def test_every_signal_has_a_reading_on_the_sample_by_its_end(sample_panel):
    assert {r.name for r in readings(sample_panel) if r.value is None} <= {"epoch_reversal"}


@pytest.mark.parametrize("place", [0, 1, 30, 120])
def test_a_panel_that_has_just_begun_is_read_as_far_as_it_goes(sample_panel, place):
    found = readings(sample_panel.until(sample_panel.sessions[place]))
    told = {reading.name for reading in found if reading.value is not None}
    assert not told & {"non_price_exit", "puell_multiple", "difficulty_regression"}
    assert ("epoch_change" in told) == (place >= 30)


@pytest.mark.parametrize("name", ["difficulty", "hash_rate", "blocks", "hash_price", "close"])
def test_a_field_without_rows_is_no_reading_of_what_needs_it(sample_panel, name):
    field = sample_panel.fields[name]
    none = Field(field.values.iloc[:0], field.available_at[:0], field.unit, field.source)
    found = readings(replace(sample_panel, fields={**sample_panel.fields, name: none}))
    silent = {reading.name for reading in found if reading.value is None}
    needs = {
        "difficulty": "miner_margin",
        "hash_rate": "hash_ribbons",
        "blocks": "next_retarget",
        "hash_price": "hash_price_percentile",
        "close": "puell_multiple",
    }
    assert needs[name] in silent
    assert len(silent) < len(GAUGES)


def test_readings_of_a_part_are_asked_for_by_gauges(sample_panel):
    found = readings(sample_panel, GAUGES[:2])
    assert [reading.name for reading in found] == ["epoch_change", "epoch_change_denoised"]


def test_a_panel_without_sessions_has_nothing_to_read(sample_panel):
    with pytest.raises(InsufficientHistoryError, match="no session"):
        readings(replace(sample_panel, sessions=sample_panel.sessions[:0]))


def test_a_panel_that_lacks_a_field_is_refused_by_its_name(make_panel):
    with pytest.raises(UnknownFieldError, match="'difficulty'"):
        readings(make_panel(days=5))


def test_the_state_of_the_network_in_july_2021(real_panel):
    found = {r.name: r for r in readings(real_panel.until(pd.Timestamp("2021-07-06")))}
    assert found["epoch_change"].state == "stress"
    assert str(found["epoch_change"].since) == "2021-07-03"
    assert str(found["epoch_change"].known_at.date()) == "2021-07-03"
    assert found["epoch_reversal"].state == "lasting"
    assert found["hash_ribbons"].state == "stress"
    assert found["non_price_exit"].state == "exit"
    assert found["non_price_exit_t_ratio"].state == "exit"
    assert found["miner_margin"].state == "neutral"


@pytest.mark.parametrize("wrong", [-1.0, np.inf])
@pytest.mark.parametrize(
    ("name", "signal"),
    [
        ("blocks", NextRetarget()),
        ("blocks", PuellMultiple(halving_adjusted=True)),
        ("fees", NonPriceExit()),
        ("hash_price", HashPricePercentile()),
        ("hash_price", MinerMargin()),
        ("hash_rate", HashRibbons()),
        ("issuance", PuellMultiple()),
        ("issuance", DifficultyRegression()),
    ],
)
def test_an_impossible_amount_is_refused_by_its_day(sample_panel, name, signal, wrong):
    field = sample_panel.fields[name]
    values = field.values.copy()
    values.iloc[-20, 0] = wrong
    panel = replace(
        sample_panel, fields={**sample_panel.fields, name: replace(field, values=values)}
    )
    day = values.index[-20].date()
    with pytest.raises(DataError, match=f"^{name} .* of {day} is {wrong:g}; it is 0 or more"):
        signal.rows(panel)
