"""Sessions, decisions and period ends come from the calendar, never from the rows of data."""

from __future__ import annotations

import calendar
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.clock import decision_times, ends_of, periods_per_year, sessions_between
from toolkit.errors import ConfigError, DataError

drawn = settings(deadline=None, derandomize=True)
CLOCKS = ("XNYS", "24/7")
NAMES = {"week", "month", "quarter"}


def period_of(day: pd.Timestamp, every: str) -> object:
    """Week, month or quarter of a day, in plain Python."""
    if every == "week":
        return day.date() - timedelta(days=day.weekday())
    return (day.year, day.month) if every == "month" else (day.year, (day.month - 1) // 3)


def test_a_year_has_252_sessions_in_new_york_and_365_days_around_the_clock():
    assert periods_per_year("XNYS") == 252.0
    assert periods_per_year("24/7") == 365.0
    with pytest.raises(ConfigError, match="'XLON' is unknown"):
        periods_per_year("XLON")


def test_new_york_was_open_252_days_in_2024_and_closed_on_its_holidays():
    sessions = sessions_between("XNYS", date(2024, 1, 1), date(2024, 12, 31))
    assert len(sessions) == 252
    closed = ["2024-01-01", "2024-03-29", "2024-06-19", "2024-07-04", "2024-11-28", "2024-12-25"]
    assert not sessions.isin(pd.DatetimeIndex(closed)).any()
    assert (sessions.dayofweek < 5).all()


def test_one_off_closures_are_no_sessions():
    mourning = sessions_between("XNYS", date(2025, 1, 6), date(2025, 1, 10))
    assert pd.Timestamp("2025-01-09") not in mourning
    assert len(mourning) == 4


def test_every_day_is_a_session_around_the_clock():
    sessions = sessions_between("24/7", date(2024, 2, 1), date(2024, 3, 1))
    assert len(sessions) == 30
    assert (np.diff(sessions.asi8) == 86_400 * 10**9).all()


@pytest.mark.parametrize("clock", CLOCKS)
def test_sessions_are_naive_midnights_with_both_ends_included(clock):
    sessions = sessions_between(clock, date(2024, 5, 1), date(2024, 5, 3))
    assert [f"{day:%d}" for day in sessions] == ["01", "02", "03"]
    assert sessions.tz is None
    assert sessions.freq is None
    assert (sessions == sessions.normalize()).all()


@pytest.mark.parametrize("clock", CLOCKS)
@drawn
@given(first=st.dates(date(2020, 1, 1), date(2022, 1, 1)), length=st.integers(0, 500))
def test_a_shorter_period_is_a_slice_of_a_longer_one(clock, first, length):
    last = first + timedelta(days=length)
    whole = sessions_between(clock, date(2013, 1, 1), date(2027, 1, 1))
    part = whole[(whole >= pd.Timestamp(first)) & (whole <= pd.Timestamp(last))]
    assert sessions_between(clock, first, last).equals(part)


def test_a_period_that_runs_backwards_or_leaves_the_calendar_is_refused():
    with pytest.raises(DataError, match="starts on 2024-02-01 and ends on 2024-01-01"):
        sessions_between("XNYS", date(2024, 2, 1), date(2024, 1, 1))
    with pytest.raises(DataError, match="outside the calendar"):
        sessions_between("24/7", date(2008, 1, 1), date(2024, 1, 1))
    with pytest.raises(DataError, match="outside the calendar"):
        sessions_between("XNYS", date(2024, 1, 1), date(2036, 1, 1))


def test_a_decision_is_at_midnight_utc_after_its_session():
    sessions = pd.DatetimeIndex(["2024-03-08", "2024-11-01"])
    moments = decision_times(sessions)
    assert str(moments.tz) == "UTC"
    assert [str(moment) for moment in moments] == [
        "2024-03-09 00:00:00+00:00",
        "2024-11-02 00:00:00+00:00",
    ]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("every", sorted(NAMES))
def test_the_last_session_of_each_period_is_marked(clock, every):
    sessions = sessions_between(clock, date(2019, 1, 1), date(2024, 12, 31))
    marked = ends_of(every, sessions, clock)
    beyond = sessions_between(clock, date(2019, 1, 1), date(2025, 1, 31))
    last: dict[object, pd.Timestamp] = {}
    for day in beyond:
        last[period_of(day, every)] = day
    expected = [last[period_of(day, every)] == day for day in sessions]
    assert marked.tolist() == expected
    assert marked.index.equals(sessions)


def test_a_month_ends_before_the_holiday_that_ends_it():
    sessions = sessions_between("XNYS", date(2024, 3, 1), date(2024, 4, 5))
    ends = ends_of("month", sessions, "XNYS")
    assert ends.index[ends].tolist() == [pd.Timestamp("2024-03-28")]  # Good Friday on the 29th


def test_a_week_ends_on_thursday_before_good_friday():
    sessions = sessions_between("XNYS", date(2024, 3, 25), date(2024, 3, 28))
    assert ends_of("week", sessions, "XNYS").tolist() == [False, False, False, True]


@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("every", sorted(NAMES))
@drawn
@given(cut=st.integers(1, 300))
def test_cutting_the_sessions_never_makes_a_period_end(clock, every, cut):
    sessions = sessions_between(clock, date(2023, 1, 2), date(2024, 6, 30))
    whole = ends_of(every, sessions, clock)
    assert ends_of(every, sessions[:cut], clock).equals(whole.iloc[:cut])


def test_the_last_row_in_mid_month_is_no_month_end():
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 1, 17))
    assert not ends_of("month", sessions, "XNYS").any()


@pytest.mark.parametrize("clock", CLOCKS)
def test_every_session_ends_its_day(clock):
    sessions = sessions_between(clock, date(2024, 1, 2), date(2024, 1, 17))
    assert ends_of("day", sessions, clock).all()
    assert ends_of("month", sessions[:0], clock).empty


def test_around_the_clock_a_month_ends_on_its_calendar_last_day():
    sessions = sessions_between("24/7", date(2023, 1, 1), date(2024, 12, 31))
    ends = ends_of("month", sessions, "24/7")
    for day in ends.index[ends]:
        assert day.day == calendar.monthrange(day.year, day.month)[1]
    assert ends.sum() == 24
