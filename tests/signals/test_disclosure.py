"""What was disclosed, weighted by stage, as a share where one is told, and how much of it is new."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from math import log
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.clock import sessions_between
from toolkit.data.announcement import Event, Kind, public_from
from toolkit.data.assemble import assemble
from toolkit.data.capacity import CapacityTable
from toolkit.data.events import EventTable
from toolkit.data.files import open_folder
from toolkit.errors import ConfigError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.disclosure import (
    ContractedMegawatts,
    DisclosedShare,
    DisclosureCount,
    LastEvent,
    StageWeights,
    last_events,
)
from toolkit.universe import Asset, Closing, Membership, Sleeve, Universe

DATA = os.environ.get("HASHPIVOT_DATA", "")
SESSIONS = sessions_between("XNYS", date(2024, 1, 2), date(2024, 12, 31))


def asset(name: str, sleeve: str, since: str = "2020-01-02", **more) -> Asset:
    day = date.fromisoformat(since)
    return Asset(name, (Membership(Sleeve(sleeve), day),), usable_from=day, **more)


GONE = Closing("merger", date(2024, 8, 30), date(2024, 7, 1))
UNIVERSE = Universe(
    (
        asset("CASH", "cash"),
        asset("CHIP", "ai_infrastructure"),
        asset("ONE", "legacy_miners"),
        asset("TWO", "legacy_miners"),
        asset("NEW", "legacy_miners", "2024-06-03"),
        asset("ENDS", "legacy_miners", closing=GONE),
    )
)


def event(day: str, kind: str, ticker: str, megawatts: float | None = None, **more) -> Event:
    at = date.fromisoformat(day)
    basis = None if megawatts is None else more.pop("basis", "critical_it")
    return Event(ticker, at, Kind(kind), public_from(at), "", megawatts, basis, **more)


EVENTS = (
    event("2024-02-01", "regulation", "ALL"),
    event("2024-03-01", "colocation_contract", "ONE", 200.0),  # a Friday
    event("2024-03-05", "colocation_contract", "CHIP", 50.0),
    event("2024-03-15", "strategy_statement", "TWO", 900.0),
    event("2024-04-10", "gpu_cloud_contract", "ONE", 40.0),
    event("2024-04-10", "colocation_contract", "ENDS", 10.0),
    event("2024-05-01", "option", "ONE", 70.0),
    event("2024-05-15", "colocation_contract", "NEW", 30.0),
    event("2024-06-10", "financing", "ONE", 100.0),
    event("2024-07-10", "milestone", "ONE", 60.0, basis="billing_critical_it"),
)


def panel_of(events=EVENTS, capacity: pd.DataFrame | None = None) -> Panel:
    closes = pd.DataFrame(10.0, SESSIONS, UNIVERSE.columns)
    moments = (SESSIONS + pd.Timedelta(days=1)).tz_localize("UTC")
    fields = {"close": Field(closes, moments, "USD", "made up")}
    fields |= EventTable(tuple(events), "told.csv").fields(UNIVERSE)
    if capacity is not None:
        fields |= CapacityTable(capacity, "miner_capacity.csv").fields(UNIVERSE)
    return Panel(UNIVERSE, SESSIONS, fields)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of()


CAPACITY = pd.DataFrame(
    [
        ("ONE", pd.Timestamp("2024-01-02"), 280.0, 25.0, 45.0),
        ("ONE", pd.Timestamp("2024-09-03"), 0.0, np.nan, np.nan),
        ("TWO", pd.Timestamp("2024-05-01"), 100.0, np.nan, np.nan),
    ],
    columns=["asset", "day", "mining_mw", "efficiency", "power_price"],
)


# Megawatts


def test_megawatts_step_at_the_decision_that_knew_and_count_by_stage(panel):
    one = ContractedMegawatts().compute(panel)["ONE"]
    steps = {str(day.date()): value for day, value in one[one.diff() != 0.0].dropna().items()}
    assert steps == {
        "2024-02-02": 0.0,
        "2024-03-04": 0.5 * 200,
        "2024-04-11": 0.5 * 240,
        "2024-05-02": 0.5 * 310,
        "2024-06-11": 0.75 * 100 + 0.5 * 210,
        "2024-07-11": 1.0 * 60 + 0.75 * 40 + 0.5 * 210,
    }


def test_the_bounds_are_all_that_was_signed_and_only_what_runs(panel):
    low = ContractedMegawatts(StageWeights(0.0, 0.0, 1.0)).compute(panel)["ONE"]
    high = ContractedMegawatts(StageWeights(1.0, 1.0, 1.0)).compute(panel)["ONE"]
    middle = ContractedMegawatts().compute(panel)["ONE"]
    assert (low.iloc[-1], middle.iloc[-1], high.iloc[-1]) == (60.0, 195.0, 310.0)
    told = middle.notna()
    assert ((low <= middle) & (middle <= high))[told].all()


def test_more_megawatts_financed_or_running_than_contracted_count_once():
    events = (
        event("2024-03-01", "colocation_contract", "ONE", 100.0),
        event("2024-03-04", "milestone", "ONE", 140.0, basis="billing_critical_it"),
    )
    assert ContractedMegawatts().compute(panel_of(events))["ONE"].iloc[-1] == 100.0


def test_there_is_no_opinion_before_the_table_begins_on_other_sleeves_and_outside_a_life(panel):
    found = ContractedMegawatts().compute(panel)
    assert found[:"2024-02-01"].isna().all(axis=None)
    assert found[["CASH", "CHIP"]].isna().all(axis=None)
    assert (found.loc["2024-02-02":, "TWO"] == 0.0).all()  # A statement contracts nothing.
    assert found.loc[:"2024-05-31", "NEW"].isna().all()
    assert (found.loc["2024-06-03":, "NEW"] == 15.0).all()
    assert (found.loc["2024-04-11":"2024-06-28", "ENDS"] == 5.0).all()
    assert found.loc["2024-07-01":, "ENDS"].isna().all()


def test_megawatts_of_a_panel_without_announcements_are_an_unknown_field():
    bare = panel_of(())
    with pytest.raises(UnknownFieldError, match="contracted_mw"):
        ContractedMegawatts().compute(bare)


@pytest.mark.parametrize("weights", [(0.8, 0.75, 1.0), (0.5, 0.9, 0.8)])
def test_a_later_stage_that_counts_less_is_refused(weights):
    with pytest.raises(ConfigError, match="a later stage must not count less"):
        StageWeights(*weights)


def test_a_stage_that_counts_more_than_all_is_refused():
    with pytest.raises(ConfigError, match=r"StageWeights\.energised = 1\.2"):
        StageWeights(energised=1.2)


# Share


def test_the_share_is_that_of_ai_in_the_power_of_both():
    share = DisclosedShare().compute(panel_of(capacity=CAPACITY))
    one, two = share["ONE"], share["TWO"]
    assert one["2024-03-04"] == pytest.approx(1.4 * 100 / (1.4 * 100 + 280))
    assert one["2024-07-11"] == pytest.approx(1.4 * 195 / (1.4 * 195 + 280))
    assert one["2024-08-30"] == one["2024-07-11"]
    assert (one["2024-09-03":] == 1.0).all()  # It no longer mines.
    assert two[:"2024-04-30"].isna().all()
    assert (two["2024-05-01":] == 0.0).all()
    assert share[["CASH", "CHIP", "NEW", "ENDS"]].isna().all(axis=None)
    assert 0.0 <= share.min(axis=None) <= share.max(axis=None) <= 1.0


def test_a_miner_without_any_power_has_no_share():
    nothing = CAPACITY.assign(mining_mw=0.0)
    share = DisclosedShare().compute(panel_of(capacity=nothing))
    assert share["TWO"].isna().all()
    assert share["ONE"].iloc[-1] == 1.0


def test_without_a_table_of_capacities_the_share_is_not_available(panel):
    share = DisclosedShare().compute(panel)
    assert share.shape == (len(SESSIONS), len(UNIVERSE))
    assert share.isna().all(axis=None)


# Count


@pytest.mark.parametrize(("kind", "field"), [("colocation", "contracted_mw"),
                                             ("gpu_cloud", "gpu_cloud_mw")])  # fmt: skip
def test_the_count_is_the_decayed_sum_over_announcements(panel, kind, field):
    found = DisclosureCount(kind, halflife_days=30.0).compute(panel)
    rows = panel.field(field)
    for session in SESSIONS[30::7]:
        decision = (session + pd.Timedelta(days=1)).tz_localize("UTC")
        for name in ("ONE", "TWO", "NEW"):
            total, before = 0.0, 0.0
            for (day, now), moment in zip(
                rows.values[name].items(), rows.available_at, strict=True
            ):
                if moment <= decision:
                    total += log(1.0 + now - before) * 2.0 ** (-(session - day).days / 30.0)
                before = now
            value = found.loc[session, name]
            if name == "NEW" and session < pd.Timestamp("2024-06-03"):
                assert np.isnan(value)
            else:
                assert value == pytest.approx(total, rel=1e-12, abs=1e-15)


def test_the_count_halves_in_a_half_life_and_knows_the_kinds_apart(panel):
    colocation = DisclosureCount().compute(panel)
    cloud = DisclosureCount("gpu_cloud").compute(panel)
    assert colocation.loc["2024-03-04", "ONE"] == pytest.approx(log(201.0) * 0.5 ** (2 / 60))
    assert cloud.loc["2024-04-10", "ONE"] == 0.0
    ratio = cloud.loc["2024-06-10", "ONE"] / cloud.loc["2024-04-11", "ONE"]
    assert ratio == pytest.approx(0.5)
    assert (colocation.loc["2024-02-02":, "TWO"] == 0.0).all()


def test_the_count_has_no_opinion_before_the_table_begins(panel):
    found = DisclosureCount().compute(panel)
    assert found[:"2024-02-01"].isna().all(axis=None)
    assert found.loc["2024-02-02", ["ONE", "TWO"]].tolist() == [0.0, 0.0]


# The last event


def test_the_last_event_is_the_latest_that_the_last_decision_knew(panel):
    cut = panel.until(pd.Timestamp("2024-05-01"))
    assert last_events(cut) == {
        "CHIP": LastEvent(date(2024, 3, 6), ("colocation_contract",)),
        "ONE": LastEvent(date(2024, 4, 11), ("gpu_cloud_contract",)),
        "TWO": LastEvent(date(2024, 3, 16), ("strategy_statement",)),
        "ENDS": LastEvent(date(2024, 4, 11), ("colocation_contract",)),
    }
    later = last_events(panel)
    assert later["ONE"] == LastEvent(date(2024, 7, 11), ("milestone",))
    assert "ENDS" not in later  # Its holders have been paid.


def test_an_event_that_is_in_the_fields_but_not_public_yet_is_not_the_last(panel):
    shorter = replace(panel, sessions=SESSIONS[SESSIONS <= "2024-04-10"])
    assert last_events(shorter)["ONE"] == LastEvent(date(2024, 3, 2), ("colocation_contract",))


def test_kinds_of_one_day_are_told_together():
    events = [event("2024-03-01", kind, "ONE") for kind in ("takeover", "financing")]
    assert last_events(panel_of(events))["ONE"].kinds == ("financing", "takeover")


# Look-ahead


@pytest.mark.parametrize(
    "signal",
    [ContractedMegawatts(), DisclosedShare(), DisclosureCount(), DisclosureCount("gpu_cloud")],
    ids=lambda signal: repr(signal)[:40],
)
def test_no_value_changes_when_the_future_is_removed(signal):
    panel = panel_of(capacity=CAPACITY)
    full = signal.compute(panel)
    around = [
        int(SESSIONS.searchsorted(pd.Timestamp(one.day))) + shift
        for one in EVENTS
        for shift in (-1, 0, 1, 2)
    ]
    for row in around:
        past = panel.until(SESSIONS[row])
        again = signal.compute(past)
        expected = full.loc[: SESSIONS[row], again.columns]
        assert list(again.columns) == list(past.universe.ids)
        pd.testing.assert_frame_equal(again, expected, rtol=1e-12, check_freq=False)


def test_an_event_that_is_moved_later_is_seen_later():
    early, late = (
        ContractedMegawatts().compute(
            panel_of(
                [
                    EVENTS[0],
                    Event("ONE", date(2024, 3, 1), Kind.COLOCATION_CONTRACT, moment,
                          megawatts=100.0, basis="critical_it"),
                ]
            )
        )["ONE"]
        for moment in (datetime(2024, 3, 1, 23, tzinfo=UTC), datetime(2024, 3, 20, 12, tzinfo=UTC))
    )  # fmt: skip
    assert early.loc["2024-03-01"] == 50.0
    assert (late[:"2024-03-19"].fillna(0.0) == 0.0).all()
    assert late.loc["2024-03-20"] == 50.0


# Real data


@pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA is not set to a folder of real data")
def test_on_real_data_megawatts_only_rise_and_no_share_is_available():
    source, universe = open_folder(Path(DATA), Path(strategies.__file__).parent)
    panel = assemble([source], universe, start=date(2021, 1, 4), warmup_days=0)
    found = ContractedMegawatts().compute(panel)
    assert DisclosedShare().compute(panel).isna().all(axis=None)
    assert (found.diff().fillna(0.0) >= 0.0).all(axis=None)
    latest = found.iloc[-1]
    assert latest[latest > 0.0].to_dict() == {
        "BTBT": 2.5, "WULF": 30.0, "APLD": 125.0, "CORZ": 286.0,
    }  # fmt: skip
    assert last_events(panel)["CORZ"] == LastEvent(date(2025, 6, 26), ("takeover",))
    for day in ("2022-01-19", "2024-06-03", "2024-06-04", "2025-06-02"):
        past = panel.until(pd.Timestamp(day))
        again = ContractedMegawatts().compute(past)
        pd.testing.assert_frame_equal(again, found.loc[:day, again.columns], check_freq=False)
