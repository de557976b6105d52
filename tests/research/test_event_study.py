"""Events: windows begin after publication, ranks find planted jumps, and few events are no test."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.config import DataSettings, panel_of
from toolkit.data.announcement import Event, Hour, Kind, public_from
from toolkit.data.assemble import assemble
from toolkit.data.events import read_events
from toolkit.data.files import open_folder
from toolkit.errors import DataError
from toolkit.research.claims import Claim, judge
from toolkit.research.event_study import (
    LEAST_CLUSTERS,
    WINDOWS,
    clusters,
    event_table,
    event_tests,
    group_of,
    market_factors,
    over_clusters,
    session_closes,
)

ASSET = "MERKLE"
FOLDER = os.environ.get("HASHPIVOT_DATA")
SHIPPED = Path(strategies.__file__).parent


@pytest.fixture(scope="module")
def panel():
    return panel_of(DataSettings())


def contract(moment: datetime, ticker: str = ASSET, **settings) -> Event:
    return Event(ticker, moment.date(), Kind.COLOCATION_CONTRACT, moment, **settings)


@pytest.mark.parametrize(
    ("hour", "reaction"), [(14.5, "2022-06-15"), (20.5, "2022-06-16"), (29.0, "2022-06-16")]
)
def test_a_reaction_begins_with_the_first_session_that_closes_after_publication(
    panel, hour, reaction
):
    moment = datetime(2022, 6, 15, tzinfo=UTC) + timedelta(hours=hour)
    event = Event(ASSET, date(2022, 6, 15), Kind.COLOCATION_CONTRACT, moment)
    assert event_table(panel, [event])["session"].tolist() == [pd.Timestamp(reaction)]


@pytest.mark.parametrize("day", ["2022-01-12", "2022-06-15", "2022-11-25"])
@pytest.mark.parametrize(
    ("hour", "later"), [("pre_open", 0), ("intraday", 0), ("after_close", 1), ("unknown", 1)]
)
def test_what_is_public_by_the_close_moves_that_day_s_price_winter_and_summer(
    panel, day: str, hour: Hour, later: int
):
    """Also on a day that closes early: the decision of the day knew of all but the last."""
    told = date.fromisoformat(day)
    moment = public_from(told, hour=hour)
    (reaction,) = event_table(panel, [contract_on(told, moment)])["session"]
    row = panel.sessions.get_loc(pd.Timestamp(told))
    assert reaction == panel.sessions[row + later]
    assert (moment <= panel.decisions[row]) == (hour != "unknown")


def contract_on(day: date, moment: datetime) -> Event:
    return Event(ASSET, day, Kind.COLOCATION_CONTRACT, moment)


def test_the_close_follows_new_york_s_summer_and_winter():
    closes = session_closes(pd.DatetimeIndex(["2022-01-14", "2022-07-14"]))
    assert [moment.hour for moment in closes] == [21, 20]


@pytest.mark.parametrize(("hour", "later"), [(14.5, 2), (24.0, 1), (29.0, 2)])
def test_the_tradable_month_leaves_out_what_nobody_could_earn(panel, hour, later):
    """A jump on the last session before the window is not in it, one on its first session is."""
    moment = datetime(2022, 6, 15, tzinfo=UTC) + timedelta(hours=hour)
    event = Event(ASSET, date(2022, 6, 15), Kind.COLOCATION_CONTRACT, moment)
    plain = event_table(panel, [event]).iloc[0]
    row = panel.sessions.get_loc(plain["session"])
    moved = {}
    for offset in (later - 1, later):
        shaken = with_jump(panel, ASSET, row + offset)
        moved[offset] = event_table(shaken, [event]).iloc[0]["tradable month"]
    assert moved[later - 1] == pytest.approx(plain["tradable month"], abs=1e-9)
    assert moved[later] == pytest.approx(plain["tradable month"] + 0.5, abs=0.05)


def with_jump(panel, asset, row):
    """The panel with a return half again as high on one session."""
    close = panel.fields["close"]
    values = close.values.copy()
    values.loc[panel.sessions[row] :, asset] *= 1.5
    return replace(panel, fields={**panel.fields, "close": replace(close, values=values)})


def test_betas_are_of_before_the_event(panel):
    event = contract(datetime(2022, 6, 15, 14, 30, tzinfo=UTC))
    plain = event_table(panel, [event]).iloc[0]
    row = panel.sessions.get_loc(plain["session"])
    shaken = event_table(with_jump(panel, ASSET, row - 4), [event]).iloc[0]
    assert shaken["beta_bitcoin"] == plain["beta_bitcoin"]


def test_a_planted_jump_ranks_highest_and_enough_of_them_pass_the_test(panel):
    """25 jumps of 50 % a month apart are found; the same days without jumps are not."""
    days = panel.sessions[400:2200:72]
    events = [contract((day + pd.Timedelta(hours=14)).to_pydatetime().replace(tzinfo=UTC))
              for day in days]  # fmt: skip
    shaken = panel
    for day in days:
        shaken = with_jump(shaken, ASSET, panel.sessions.get_loc(day))
    found = {name: event_tests(event_table(market, events), ["contract"])[1]
             for name, market in (("jumps", shaken), ("none", panel))}  # fmt: skip
    assert found["jumps"].clusters >= LEAST_CLUSTERS
    assert found["jumps"].p_value < 1e-6
    assert found["jumps"].mean == pytest.approx(0.5, abs=0.1)
    assert found["none"].p_value > 0.05


def made_up(count: int, abnormal: float, rank: float) -> pd.DataFrame:
    """A table of so many contracts, a month apart, whose windows are all alike but for noise."""
    random = np.random.default_rng(4)
    days = pd.date_range("2015-01-01", periods=count, freq="30D")
    table = pd.DataFrame(
        {"asset": ASSET, "day": days, "quality": "exact", "group": "contract", "session": days}
    )
    for window in WINDOWS:
        table[window] = abnormal + 0.02 * random.standard_normal(count)
        table[f"rank_{window}"] = rank
    return table


@pytest.mark.parametrize(
    ("count", "abnormal", "rank", "verdict"),
    [
        (25, 0.05, 0.9, "supported"),
        (25, -0.05, 0.1, "refuted"),
        (25, 0.05, 0.5, "not identifiable"),
        (25, 0.05, 0.1, "not identifiable"),
        (19, 0.05, 0.9, "not identifiable"),
    ],
)
def test_a_table_of_enough_events_brings_a_verdict(count, abnormal, rank, verdict):
    """By the ranks, and none where they contradict the mean or where there are fewer than twenty."""
    for test in event_tests(made_up(count, abnormal, rank), ["contract"]):
        claim = Claim(f"A contract earns: {test.window}", 1, test.estimate, test.clusters)
        answer = judge([claim]).iloc[0]
        assert answer["verdict"] == verdict
        assert answer["cases"] == count
        if count >= LEAST_CLUSTERS:
            assert answer["low"] < test.mean < answer["high"]


def test_a_mean_over_clusters_counts_each_cluster_once_and_needs_twenty():
    days = pd.Series(pd.date_range("2015-01-01", periods=20, freq="30D"))
    values = pd.Series(np.linspace(0.1, 0.3, 20))
    found, cases = over_clusters(values, days)
    assert (found.value, cases) == (pytest.approx(0.2), 20)
    assert 0.0 < found.low < 0.2 < found.high
    assert found.p_value < 0.01
    # Nine more in the first one's week change that cluster's mean only.
    more = pd.concat([days, days[[0] * 9] + pd.Timedelta(days=2)], ignore_index=True)
    heavy, cases = over_clusters(pd.concat([values, values[[0] * 9]], ignore_index=True), more)
    assert (heavy.value, cases) == (pytest.approx(0.2), 20)
    assert over_clusters(values.where(values > 0.1), days) == (None, 19)
    assert over_clusters(values[:0], days[:0]) == (None, 0)


def test_fewer_than_twenty_clusters_have_neither_mean_nor_test(panel):
    days = panel.sessions[400:1700:72]
    events = [contract((day + pd.Timedelta(hours=14)).to_pydatetime().replace(tzinfo=UTC))
              for day in days]  # fmt: skip
    for test in event_tests(event_table(panel, events), ["contract"]):
        assert test.clusters < LEAST_CLUSTERS
        assert (test.mean, test.p_value, test.estimate) == (None, None, None)


def test_inexact_days_are_in_the_table_and_in_no_average(panel):
    events = [contract(datetime(2022, month, 15, 14, 30, tzinfo=UTC), quality="approx")
              for month in (3, 6, 9)]  # fmt: skip
    table = event_table(panel, events)
    assert len(table) == 3
    assert table["reaction"].notna().all()
    assert {test.events for test in event_tests(table, ["contract"])} == {0}


def test_events_within_a_week_of_one_another_are_one_cluster():
    days = pd.Series(pd.to_datetime(["2022-03-01", "2022-03-20", "2022-03-05", "2022-03-12"]))
    assert clusters(days).tolist() == [0, 1, 0, 0]


def test_what_is_not_listed_yet_and_strangers_are_left_out_or_without_figures(panel):
    early = contract(datetime(2016, 3, 1, 14, tzinfo=UTC))
    stranger = contract(datetime(2022, 3, 1, 14, tzinfo=UTC), ticker="NOBODY")
    table = event_table(panel, [early, stranger])
    assert table["asset"].tolist() == [ASSET]
    assert np.isnan(table["reaction"].iloc[0])


@pytest.mark.parametrize(
    ("kind", "event_type", "group"),
    [
        (Kind.OPTION, "colo_option", "contract"),
        (Kind.OTHER, "gpu_cloud_exit", "failed"),
        (Kind.TAKEOVER, "takeover_fail", "failed"),
        (Kind.STRATEGY_STATEMENT, "strategy", "statement"),
        (Kind.OTHER, "site_purchase", "build"),
    ],
)
def test_failed_and_uncontracted_pivots_have_groups_of_their_own(kind, event_type, group):
    moment = datetime(2022, 3, 1, 14, tzinfo=UTC)
    assert group_of(Event(ASSET, moment.date(), kind, moment, event_type=event_type)) == group


def test_a_market_without_bitcoin_is_refused(panel):
    bare = replace(panel, universe=panel.universe.leave_out(("SIMBTC",)))
    with pytest.raises(DataError, match=r"universe\.toml"):
        market_factors(bare)


@pytest.mark.skipif(FOLDER is None, reason="HASHPIVOT_DATA names no folder of real data")
def test_talks_of_a_takeover_on_a_summer_s_day_move_that_day():
    source, universe = open_folder(Path(FOLDER), SHIPPED)
    panel = assemble([source], universe, start=date(2024, 6, 3))
    told = read_events(SHIPPED / "pivot_events.csv").events
    table = event_table(
        panel, [e for e in told if (e.ticker, e.day) == ("CORZ", date(2025, 6, 26))]
    )
    (row,) = table.to_dict("records")
    assert row["session"] == pd.Timestamp("2025-06-26")
    assert row["reaction"] > 0.2
    assert abs(row["day before"]) < 0.1
