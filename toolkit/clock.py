"""The clock: which sessions exist, when each is decided upon, and where a period ends.

Sessions come from the exchange calendar and never from the rows of the data, so a panel that is
cut in the middle of a month does not turn its last row into a month end.
"""

from __future__ import annotations

from datetime import date
from functools import cache
from typing import Literal

import pandas as pd

from toolkit.errors import ConfigError, DataError

ClockName = Literal["XNYS", "24/7"]
Period = Literal["day", "week", "month", "quarter"]

PERIODS_PER_YEAR: dict[str, float] = {"XNYS": 252.0, "24/7": 365.0}
"""Sessions a year by clock, the basis of every annualised number."""

_EARLIEST, _LATEST = date(2009, 1, 1), date(2035, 12, 31)
_PANDAS_PERIOD = {"week": "W-SUN", "month": "M", "quarter": "Q"}


def periods_per_year(clock: ClockName) -> float:
    """Sessions a year that annualised numbers of this clock are based on."""
    if clock not in PERIODS_PER_YEAR:
        raise ConfigError(f"Clock {clock!r} is unknown; use 'XNYS' or '24/7'.")
    return PERIODS_PER_YEAR[clock]


def sessions_between(clock: ClockName, start: date, end: date) -> pd.DatetimeIndex:
    """Session labels of a clock from start to end, both included: naive midnights."""
    periods_per_year(clock)
    if start > end:
        raise DataError(f"The period starts on {start} and ends on {end}; give a start before it.")
    if start < _EARLIEST or end > _LATEST:
        raise DataError(f"{start} to {end} is outside the calendar, {_EARLIEST} to {_LATEST}.")
    return _sessions(clock, start, end)


def _sessions(clock: ClockName, start: date, end: date) -> pd.DatetimeIndex:
    if clock == "24/7":
        return _plain(pd.date_range(start, end, freq="D"))
    days = _exchange_sessions()
    first = int(days.searchsorted(pd.Timestamp(start)))
    return days[first : int(days.searchsorted(pd.Timestamp(end), side="right"))]


def _plain(days: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """The days without a frequency: an index with one behaves differently when it is cut."""
    return pd.DatetimeIndex(days.as_unit("ns").to_numpy())


def first_close(clock: ClockName, session: pd.Timestamp) -> pd.Timestamp:
    """Moment (UTC) of a session's first close: New York's, early ones too, or the day's end."""
    if clock == "24/7":
        return decision_times(pd.DatetimeIndex([session]))[0]
    return pd.Timestamp(_exchange_closes().loc[session])


@cache
def _exchange_sessions() -> pd.DatetimeIndex:
    """Every session the calendar can tell: building it once is what takes long."""
    return _plain(pd.DatetimeIndex(_exchange_closes().index))


@cache
def _exchange_closes() -> pd.Series:
    import exchange_calendars

    # Two weeks beyond the end: whether the last session ends a week must be answerable.
    calendar = exchange_calendars.get_calendar("XNYS", start=_EARLIEST, end="2036-01-15")
    return pd.Series(calendar.closes)


DECIDED_AFTER = pd.Timedelta(days=1)
"""From the midnight that labels a session to its decision."""


def decision_times(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Moment of each session's decision: 00:00 UTC of the following calendar day."""
    return (sessions + DECIDED_AFTER).tz_localize("UTC")


def ends_of(every: Period, sessions: pd.DatetimeIndex, clock: ClockName) -> pd.Series:
    """Whether each session is the last of its day, week, month or quarter by the calendar."""
    if every == "day" or len(sessions) == 0:
        return pd.Series(True, index=sessions)
    first, last = sessions[0].date(), (sessions[-1] + pd.Timedelta(days=14)).date()
    calendar = _sessions(clock, first, last)
    period = calendar.to_period(_PANDAS_PERIOD[every])
    is_last = pd.Series(period[:-1] != period[1:], index=calendar[:-1])
    return is_last.reindex(sessions, fill_value=False)
