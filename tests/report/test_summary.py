"""The lines of a terminal say what went wrong, and nothing more where nothing did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from toolkit.record import RunRecord
from toolkit.report.summary import summary_lines

Make = Callable[..., RunRecord]

QUIET = {
    "decisions": 28,
    "fallbacks": [],
    "unchecked": [],
    "unknown": [],
    "repairs": {"decisions": 0, "largest": 0.0, "session": None},
}


def test_what_sizing_fell_back_to_has_a_line(make_record: Make) -> None:
    (line,) = [x for x in summary_lines(make_record(), Path("run"), None) if "sizing" in x]
    assert line == (
        "  sizing: second solver at 3 of 28 decisions; current weights at 1 of 28 decisions; "
        "MaxTradingDays NOT CHECKED at 7 of 28 decisions; covariance repaired at 4 of 28 "
        "decisions; 1 asset not bought for want of history"
    )


def test_where_nothing_fell_back_there_is_no_line(make_record: Make) -> None:
    lines = summary_lines(make_record(sizing=QUIET), Path("run"), None)
    assert not any("sizing" in line for line in lines)
    assert len(lines) == len(summary_lines(make_record(), Path("run"), None)) - 1
