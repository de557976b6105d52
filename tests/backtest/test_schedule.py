"""Decisions fall on period ends of the calendar, and the first one as soon as it can."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategies.benchmarks import EqualWeight
from toolkit.backtest.engine import TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.clock import sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import ConfigError, InsufficientHistoryError
from toolkit.optimize.costs import ProportionalCost
from toolkit.panel import Panel
from toolkit.universe import Universe

drawn = settings(deadline=None, derandomize=True, max_examples=60)


def panel_of(first: date, last: date, clock: str = "XNYS") -> Panel:
    return Panel(Universe(()), sessions_between(clock, first, last), {}, clock=clock)


PANEL = panel_of(date(2023, 1, 3), date(2024, 6, 14))
ALWAYS = np.ones(len(PANEL.sessions), dtype=bool)


def test_the_first_decision_is_the_first_session_with_a_target_and_then_month_ends():
    rows = Schedule("month").decisions(PANEL, ALWAYS)
    days = PANEL.sessions[rows]
    assert days[0] == PANEL.sessions[0]
    months = PANEL.sessions.to_series().groupby([PANEL.sessions.year, PANEL.sessions.month]).max()
    assert days[1:].tolist() == months.tolist()[:-1]  # the last month is not over yet


def test_the_last_row_of_the_data_is_no_month_end():
    assert len(PANEL.sessions) - 1 not in Schedule("month").decisions(PANEL, ALWAYS)
    whole = panel_of(date(2023, 1, 3), date(2024, 5, 31))
    rows = Schedule("month").decisions(whole, np.ones(len(whole.sessions), dtype=bool))
    assert rows[-1] == len(whole.sessions) - 1


@pytest.mark.parametrize(("every", "count"), [("day", 365), ("week", 77), ("quarter", 6)])
def test_a_period_has_as_many_decisions_as_it_ends(every, count):
    assert len(Schedule(every).decisions(PANEL, ALWAYS)) == count


@drawn
@given(
    every=st.sampled_from(["day", "week", "month", "quarter"]),
    start=st.one_of(st.none(), st.dates(date(2022, 6, 1), date(2024, 4, 1))),
    seed=st.integers(0, 10**6),
    share=st.sampled_from([0.05, 0.5, 0.95]),
)
def test_decisions_are_period_ends_with_a_target_from_the_start_on(every, start, seed, share):
    decided = np.random.default_rng(seed).random(len(PANEL.sessions)) < share
    decided[-30] = True
    rows = Schedule(every, start).decisions(PANEL, decided)
    days = PANEL.sessions[rows]
    first = pd.Timestamp(start or date(2000, 1, 1))
    assert (np.diff(rows) > 0).all()
    assert decided[rows].all()
    assert (days >= first).all()
    assert rows[0] == np.flatnonzero(decided & (PANEL.sessions >= first))[0]
    every_end = set(Schedule(every).decisions(PANEL, ALWAYS)) - {0}
    ends = {row for row in every_end if decided[row] and row > rows[0]}
    assert set(rows[1:]) == ends


@drawn
@given(cut=st.integers(40, len(PANEL.sessions)), seed=st.integers(0, 10**6))
def test_a_shorter_panel_has_the_same_decisions_as_far_as_it_goes(cut, seed):
    decided = np.random.default_rng(seed).random(len(PANEL.sessions)) < 0.8
    whole = Schedule("month").decisions(PANEL, decided)
    short = Schedule("month").decisions(PANEL.until(PANEL.sessions[cut - 1]), decided[:cut])
    assert short.tolist() == [row for row in whole if row < cut]


def test_the_account_opens_at_the_start_even_if_the_first_target_comes_later():
    decided = ALWAYS.copy()
    decided[:100] = False
    schedule = Schedule("month", date(2023, 3, 1))
    rows = schedule.decisions(PANEL, decided)
    assert rows[0] == 100
    assert PANEL.sessions[schedule.first_row(PANEL, rows)] == pd.Timestamp("2023-03-01")


def test_without_a_start_the_account_opens_at_the_first_decision():
    decided = ALWAYS.copy()
    decided[:100] = False
    schedule = Schedule("month")
    assert schedule.first_row(PANEL, schedule.decisions(PANEL, decided)) == 100


def test_a_start_on_a_holiday_opens_on_the_next_session():
    schedule = Schedule("month", date(2023, 7, 4))
    rows = schedule.decisions(PANEL, ALWAYS)
    assert PANEL.sessions[schedule.first_row(PANEL, rows)] == pd.Timestamp("2023-07-05")
    assert PANEL.sessions[rows[0]] == pd.Timestamp("2023-07-05")


def test_a_run_without_a_target_that_could_be_filled_is_refused():
    never = np.zeros(len(PANEL.sessions), dtype=bool)
    only_last = never.copy()
    only_last[-1] = True
    for decided, start in ((never, None), (only_last, None), (ALWAYS, date(2024, 6, 14)),
                           (ALWAYS, date(2025, 1, 1))):  # fmt: skip
        with pytest.raises(InsufficientHistoryError, match="no target that could be filled"):
            Schedule("month", start).decisions(PANEL, decided)


def test_around_the_clock_a_week_ends_on_sunday():
    panel = panel_of(date(2024, 1, 1), date(2024, 3, 1), "24/7")
    rows = Schedule("week").decisions(panel, np.ones(len(panel.sessions), dtype=bool))
    assert set(panel.sessions[rows[1:]].dayofweek) == {6}


@pytest.mark.parametrize("wrong", ["month-end", "M", "", 3])
def test_an_unknown_period_is_refused(wrong):
    with pytest.raises(ConfigError, match=r"Schedule\.every"):
        Schedule(every=wrong)


def test_an_order_that_would_still_be_open_at_the_next_decision_is_refused() -> None:
    source = SampleMarket(years=2.0)
    panel = assemble([source], source.universe())
    for every, delay in (("day", 2), ("week", 5)):
        late = TimeLoop(None, None, ProportionalCost(), Schedule(every), delay, 1e6)
        with pytest.raises(ConfigError, match=rf"fill_delay = {delay} sessions.*still be open"):
            late.run(EqualWeight(), panel)
    in_time = TimeLoop(None, None, ProportionalCost(), Schedule("week"), 3, 1e6)
    assert len(in_time.run(EqualWeight(), panel).decisions) > 90
