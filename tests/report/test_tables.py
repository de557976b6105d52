"""Tables tell the record's numbers: worst values, sleeves by date, years."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from toolkit.record import RunRecord
from toolkit.report import formats, tables

Make = Callable[..., RunRecord]


def entry(
    limit: str,
    cap: float,
    moments: tuple[float, float, float],
    slack: float = 0.0,
    floor: bool = False,
    measure: str = "fraction",
) -> dict:
    beyond = [cap - value if floor else value - cap for value in moments]
    return {
        "session": pd.Timestamp("2020-01-31"),
        "limit": limit,
        "measure": measure,
        "cap": cap,
        "slack": slack,
        "binding": slack > 0.0,
        "excess_allowed": slack,
        "unchecked": "",
        **dict(zip(tables.EXCESSES, moments, strict=True)),
        **dict(zip(tables.EXCESSES.values(), beyond, strict=True)),
    }


def test_worst_of_a_cap_is_the_highest_and_of_a_floor_the_lowest() -> None:
    limits = pd.DataFrame(
        [
            entry("MaxWeight", 0.25, (0.20, 0.26, 0.31)),
            entry("MaxWeight", 0.25, (0.24, 0.25, 0.29)),
            entry("MinCash", 0.05, (0.06, 0.04, 0.07), floor=True),
            entry("MinCash", 0.05, (0.05, 0.06, 0.02), floor=True),
        ]
    )
    cap, floor = tables.limit_rows(limits)
    values = [(v.text, v.beyond) for v in (cap.at_decision, cap.after_fill, cap.drift)]
    assert values == [("24.0%", False), ("26.0%", True), ("31.0%", True)]
    values = [(v.text, v.beyond) for v in (floor.at_decision, floor.after_fill, floor.drift)]
    assert values == [("5.0%", False), ("4.0%", True), ("2.0%", True)]


def test_a_limit_is_shown_in_what_it_counts() -> None:
    limits = pd.DataFrame(
        [
            entry("MaxBeta(ai)", 0.5, (0.55, 0.4, 0.4), 0.05, measure="number"),
            entry("MaxTradingDays", 0.5, (0.5, 0.5, np.nan), measure="days"),
        ]
    )
    beta, days = tables.limit_rows(limits)
    assert (beta.cap, beta.at_decision.text) == ("0.50", "0.55")
    assert beta.relaxed == "1, at most by 0.05"
    assert (days.cap, days.drift.text) == ("0.50 days", "not measured")


def test_where_a_limit_was_not_checked_is_counted() -> None:
    rows = [entry("MaxTradingDays", 0.5, (0.2, 0.2, np.nan)) for _ in range(3)]
    rows[1]["unchecked"] = "OLDM, TOKX"
    assert tables.limit_rows(pd.DataFrame(rows))[0].unchecked == "1 of 3"
    rows[1]["unchecked"] = ""
    assert tables.limit_rows(pd.DataFrame(rows))[0].unchecked == ""


def test_moments_are_never_mixed() -> None:
    (row,) = tables.limit_rows(pd.DataFrame([entry("MaxWeight", 0.2, (0.1, np.nan, 0.9))]))
    assert row.at_decision == tables.LimitValue("10.0%", beyond=False)
    assert row.after_fill == tables.LimitValue("not measured", beyond=False)
    assert row.drift == tables.LimitValue("90.0%", beyond=True)


def test_relaxations_are_counted_with_the_largest_slack() -> None:
    slacks = (0.0, 0.02, 0.05, 1e-9)
    rows = [entry("MaxTurnover", 0.2, (0.2 + slack, 0.2, 0.2), slack) for slack in slacks]
    (row,) = tables.limit_rows(pd.DataFrame(rows))
    assert row.relaxed == "2, at most by 5.00%"
    assert row.binding == "3 of 4"


def test_caps_that_change_are_given_as_a_range() -> None:
    rows = [entry("MaxWeight", cap, (0.1, 0.1, 0.1)) for cap in (0.3, 0.2)]
    assert tables.limit_rows(pd.DataFrame(rows))[0].cap == "20.0% to 30.0%"


def test_an_asset_counts_for_its_sleeve_of_the_day() -> None:
    sessions = pd.bdate_range("2020-01-01", periods=4)
    weights = pd.DataFrame({"PIV": 0.6, "CASH": 0.4}, index=sessions)
    sleeves = {
        "PIV": [["2009-01-03", "legacy_miners"], [str(sessions[2].date()), "pivoting_miners"]],
        "CASH": [["2009-01-03", "cash"]],
    }
    by_sleeve = tables.sleeve_weights(weights, sleeves)
    assert list(by_sleeve) == ["legacy_miners", "pivoting_miners", "cash"]
    assert by_sleeve["legacy_miners"].tolist() == [0.6, 0.6, 0.0, 0.0]
    assert by_sleeve["pivoting_miners"].tolist() == [0.0, 0.0, 0.6, 0.6]


def test_before_its_first_membership_an_asset_has_the_first_sleeve() -> None:
    sessions = pd.bdate_range("2020-01-01", periods=2)
    weights = pd.DataFrame({"GPU": [1.0, 1.0]}, index=sessions)
    by_sleeve = tables.sleeve_weights(weights, {"GPU": [["2030-01-01", "ai_infrastructure"]]})
    assert by_sleeve["ai_infrastructure"].tolist() == [1.0, 1.0]


def test_an_asset_without_sleeve_is_named_so(make_record: Make) -> None:
    weights = make_record(sessions=30).weights
    by_sleeve = tables.sleeve_weights(weights, {})
    assert list(by_sleeve) == [tables.NO_SLEEVE]
    assert by_sleeve[tables.NO_SLEEVE].to_numpy() == pytest.approx(1.0)


def test_years_compound_to_the_whole_and_partial_years_say_so(make_record: Make) -> None:
    returns = make_record(sessions=600).returns.assign(net=0.001)
    returns.iloc[:10, returns.columns.get_loc("benchmark")] = np.nan
    years = dict(tables.return_years(returns))
    assert list(years) == ["2017", "2018", "2019, to 22 Apr"]
    count = (returns.index.year == 2018).sum()
    assert years["2018"][0] == formats.percent(1.001**count - 1.0)
    assert years["2017"][2] == ""
    assert years["2018"][2] != ""


def test_a_figure_that_does_not_apply_is_not_called_undefined(make_record: Make) -> None:
    rows = dict(tables.metric_rows(make_record().metrics))
    assert rows["Sharpe ratio, per year"][3] == "undefined"
    assert rows["Turnover, one-way, per year"][1:] == ("", "", "")


def test_an_asset_never_held_is_listed(make_record: Make) -> None:
    weights = make_record(sessions=30).weights.assign(DEADM=0.0)
    rows = dict(tables.asset_rows(weights, {}, {"BTC": 2}))
    assert rows["DEADM"][1:4] == ("0", "never", "never")
    assert rows["BTC"][-1] == "2"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (formats.percent(0.12345), "12.3%"),
        (formats.percent(-0.5), "\u221250.0%"),
        (formats.percent(-0.0001), "0.0%"),
        (formats.percent(float("nan")), "undefined"),
        (formats.percent(None), "undefined"),
        (formats.ratio(float("inf")), "undefined"),
        (formats.count(1234567), "1,234,567"),
        (formats.small(2.34e-13), "2.3e\u221213"),
        (formats.small(0.0), "0"),
        (formats.short_money(1_500_000.0), "1.5M"),
        (formats.short_money(250_000.0), "250k"),
        (formats.short_money(0.0), "0"),
        (formats.plural(1, "notice"), "1 notice"),
        (formats.plural(1200, "notice"), "1,200 notices"),
        (formats.words("ai_infrastructure"), "AI infrastructure"),
        (formats.words("coverage_ended"), "Coverage ended"),
        (formats.day(pd.Timestamp("2020-02-03")), "2020-02-03"),
    ],
)
def test_numbers_and_names_are_written_plainly(text: str, expected: str) -> None:
    assert text == expected
