"""An announcement is seen by the first decision that could know it, and by none before."""

from __future__ import annotations

import csv
import os
import shutil
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from statistics import median
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.clock import sessions_between
from toolkit.data.announcement import CONTRACTS, KINDS, Event, Kind, public_from
from toolkit.data.assemble import assemble
from toolkit.data.catalog import read_universe
from toolkit.data.events import EventTable, read_events
from toolkit.data.files import open_folder
from toolkit.data.source import Steps
from toolkit.errors import ConfigError, DataError, UnknownAssetError
from toolkit.panel import Panel
from toolkit.universe import MINERS, Asset, Membership, Sleeve, Universe

SHIPPED = Path(strategies.__file__).parent
TABLE = SHIPPED / "pivot_events.csv"
REAL = Path(os.environ.get("HASHPIVOT_DATA", "nowhere"))
NEW_YORK = ZoneInfo("America/New_York")
EVER = date(2009, 1, 1), date(2035, 12, 31)

needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="HASHPIVOT_DATA is not set to a folder of real data"
)


def miner(name: str, since: date = date(2015, 1, 2), **more) -> Asset:
    return Asset(name, (Membership(Sleeve.LEGACY_MINERS, since),), usable_from=since, **more)


UNIVERSE = Universe((miner("ONE"), miner("TWO", ticker="OLD2")))


def event(day: str, kind: str = "colocation_contract", ticker: str = "ONE", **more) -> Event:
    at = date.fromisoformat(day)
    more = {"published_at": public_from(at, more.get("quality", "exact")), **more}
    if "megawatts" in more:
        more = {"basis": "critical_it", **more}
    return Event(ticker, at, Kind(kind), **more)


def panel_of(
    *events: Event, clock: str = "XNYS", start: str = "2023-01-03", end: str = "2026-01-30"
) -> Panel:
    sessions = sessions_between(clock, date.fromisoformat(start), date.fromisoformat(end))
    return Panel(UNIVERSE, sessions, EventTable(events, "told.csv").fields(UNIVERSE), clock=clock)


def known(field: str, *events: Event, asset: str = "ONE") -> pd.Series:
    return panel_of(*events).known(field)[asset]


def first_known(one: Event, clock: str = "XNYS") -> str:
    counts = panel_of(one, clock=clock).known("announcements_colocation_contract")["ONE"]
    return str(counts.index[counts.notna()][0].date())


# When


@pytest.mark.parametrize(
    ("day", "quality", "hour", "seen"),
    [
        ("2024-06-03", "exact", "pre_open", "2024-06-03"),
        ("2024-06-03", "exact", "intraday", "2024-06-03"),
        ("2024-06-03", "exact", "after_close", "2024-06-03"),
        ("2024-06-03", "exact", "unknown", "2024-06-04"),
        ("2024-12-23", "exact", "after_close", "2024-12-23"),  # winter time
        ("2024-12-24", "exact", "unknown", "2024-12-26"),  # a half day before Christmas
        ("2025-06-20", "exact", "unknown", "2025-06-23"),  # a Friday
        ("2025-06-20", "exact", "after_close", "2025-06-20"),
        ("2025-06-21", "exact", "unknown", "2025-06-23"),  # a Saturday
        ("2025-06-21", "exact", "pre_open", "2025-06-23"),
        ("2023-05-28", "exact", "after_close", "2023-05-30"),  # Sunday, Memorial Day follows
        ("2023-05-28", "exact", "unknown", "2023-05-30"),
        ("2023-05-26", "exact", "unknown", "2023-05-30"),
        ("2025-06-19", "exact", "intraday", "2025-06-20"),  # Juneteenth
        ("2025-07-03", "exact", "unknown", "2025-07-07"),  # 4 July was a Friday
        ("2024-03-06", "approx", "unknown", "2024-03-14"),
        ("2024-03-06", "approx", "pre_open", "2024-03-14"),  # an approximate day has no hour
        ("2024-03-08", "approx", "unknown", "2024-03-18"),  # the 15th was a Friday
        ("2024-01-31", "month", "unknown", "2024-02-01"),
        ("2024-01-02", "month", "after_close", "2024-02-01"),
        ("2024-03-05", "month", "unknown", "2024-04-01"),  # Good Friday, then a weekend
        ("2025-12-01", "month", "unknown", "2026-01-02"),
    ],
)
def test_an_announcement_is_first_seen_by_the_decision_of(day, quality, hour, seen):
    at = public_from(date.fromisoformat(day), quality, hour)
    assert first_known(event(day, quality=quality, published_at=at)) == seen


@pytest.mark.parametrize(
    ("moment", "seen"),
    [
        ("2024-06-03T21:05:00Z", "2024-06-03"),
        ("2024-06-03T20:05:00-04:00", "2024-06-04"),
        ("2024-06-04T00:00:00Z", "2024-06-03"),  # the very moment of the decision
        ("2024-06-04T00:00:01Z", "2024-06-04"),
        # The first moments of the day it is dated: in New York it begins at 4:00 UTC in summer. At
        # 02:00 UTC it is still the evening before, and the table would contradict itself.
        ("2024-06-03T04:00:00Z", "2024-06-03"),
        ("2024-06-03T00:00:00-04:00", "2024-06-03"),
    ],
)
def test_a_stated_moment_goes_before_every_rule(moment, seen):
    at = datetime.fromisoformat(moment)
    assert first_known(event("2024-06-03", quality="month", published_at=at)) == seen


@pytest.mark.parametrize(
    ("day", "moment"),
    [
        # A day without a time, as it is often exported: the decision of the 3rd would have known
        # what was announced on the 4th.
        ("2024-06-04", "2024-06-04T00:00:00Z"),
        ("2024-06-04", "2024-06-04T03:59:59Z"),
        ("2024-12-23", "2024-12-23T04:59:59Z"),  # winter time
    ],
)
def test_a_moment_before_the_day_began_in_new_york_is_refused(day, moment):
    at = datetime.fromisoformat(moment)
    with pytest.raises(ConfigError, match=r"lies before its announcement .* leave published_at em"):
        event(day, published_at=at)
    assert first_known(event(day, published_at=at + timedelta(seconds=14400))) == day


def test_on_the_clock_of_every_day_a_weekend_has_its_own_decisions():
    assert first_known(event("2025-06-21"), "24/7") == "2025-06-22"
    at = public_from(date(2025, 6, 21), hour="after_close")
    assert first_known(event("2025-06-21", published_at=at), "24/7") == "2025-06-21"


@pytest.mark.parametrize(
    ("hour", "latest"), [("pre_open", time(9, 30)), ("intraday", time(16)), ("unknown", None)]
)
def test_each_rule_is_what_it_says_in_new_york_summer_and_winter(hour, latest):
    for day in pd.date_range("2024-01-01", "2024-12-31"):
        if latest is None:
            said = datetime.combine(day.date() + timedelta(days=1), time(), NEW_YORK)
        else:
            said = datetime.combine(day.date(), latest, NEW_YORK)
        assert public_from(day.date(), "exact", hour) == said


# What the fields hold


def test_contracts_and_options_that_were_taken_up_add_to_what_is_contracted():
    events = (
        event("2024-06-03", megawatts=200.0),
        event("2024-06-25", "option", megawatts=70.0),
        event("2024-07-01", "gpu_cloud_contract", megawatts=30.0),
    )
    contracted = known("contracted_mw", *events)
    assert np.isnan(contracted["2024-06-03"])
    assert contracted[["2024-06-04", "2024-06-25", "2024-06-26"]].tolist() == [200.0, 200.0, 270.0]
    assert contracted.iloc[-1] == 270.0
    assert known("gpu_cloud_mw", *events).iloc[-1] == 30.0
    assert known("announcements_option", *events).iloc[-1] == 1.0


def test_statements_milestones_and_other_kinds_contract_nothing():
    kinds = [kind.value for kind in Kind if kind not in (*CONTRACTS, Kind.REGULATION)]
    events = [event("2024-06-03", kind, megawatts=100.0) for kind in kinds]
    for field in ("contracted_mw", "gpu_cloud_mw"):
        assert known(field, *events).iloc[-1] == 0.0
    told = [name for name in panel_of(*events).fields if name.startswith("announcements_")]
    counts = {name: panel_of(*events).known(name).iloc[-1, 0] for name in told}
    assert {name for name, count in counts.items() if count} == {
        f"announcements_{kind}" for kind in kinds if kind != "other"
    }


@pytest.mark.parametrize(
    ("basis", "share", "expected"),
    [
        ("critical_it", 1.0, 168.0),
        ("critical_it", 0.5, 84.0),
        ("gross", 1.0, 120.0),
        ("site", 1.0, 0.0),
        ("generation", 1.0, 0.0),
        ("critical_it_target", 1.0, 0.0),
    ],
)
def test_only_critical_and_gross_megawatts_become_critical_ones(basis, share, expected):
    one = event("2024-06-03", megawatts=168.0, basis=basis, share=share)
    assert known("contracted_mw", one).iloc[-1] == pytest.approx(expected, rel=1e-12)


def test_the_ratio_of_gross_to_critical_power_lies_in_the_middle_of_announced_deals():
    # Gross and critical MW that one announcement tells of one site, from the shipped notes.
    deals = [(72.5, 60), (250, 200), (100, 80), (330, 245), (100, 70), (56, 39), (244, 168),
             (200, 133), (800, 526)]  # fmt: skip
    ratios = sorted(gross / critical for gross, critical in deals)
    assert (ratios[0], ratios[-1]) == (
        pytest.approx(1.208, abs=1e-3),
        pytest.approx(1.521, abs=1e-3),
    )
    told = event("2024-06-03", megawatts=140.0, basis="gross").critical_megawatts
    assert 140.0 / told == pytest.approx(1.4)
    assert median(ratios) == pytest.approx(140.0 / told, abs=0.03)


def test_stages_of_contracts_add_and_those_of_financing_and_revenue_state_a_total():
    events = (
        event("2024-01-02", megawatts=100.0),
        event("2024-02-01", megawatts=50.0, stage="financed"),
        event("2024-03-01", "financing", megawatts=80.0),
        event("2024-04-01", "milestone", megawatts=30.0, basis="billing_critical_it"),
        event("2024-05-01", "milestone", megawatts=45.0, stage="energised"),
        event("2024-06-03", "milestone", megawatts=70.0),  # ground broken: no stage of anything
        event("2024-07-01", "financing", megawatts=300.0, basis="site"),
    )
    days = ["2024-01-31", "2024-02-29", "2024-03-28", "2024-04-30", "2024-05-31", "2024-08-01"]
    assert known("contracted_mw", *events)[days].tolist() == [100.0] + [150.0] * 5
    assert known("financed_mw", *events)[days].tolist() == [0.0, 50.0, 80.0, 80.0, 80.0, 80.0]
    assert known("energised_mw", *events)[days].tolist() == [0.0, 0.0, 0.0, 30.0, 45.0, 45.0]


def test_an_asset_of_which_nothing_was_told_is_zero_once_the_table_begins():
    two = known("contracted_mw", event("2024-06-03", megawatts=200.0), asset="TWO")
    assert two[:"2024-06-03"].isna().all()
    assert (two["2024-06-04":] == 0.0).all()


def test_an_asset_is_concerned_by_what_is_told_of_its_ticker():
    two = known("contracted_mw", event("2024-06-03", ticker="OLD2", megawatts=9.0), asset="TWO")
    assert two.iloc[-1] == 9.0
    assert known("contracted_mw", event("2024-06-03", ticker="ELSE", megawatts=9.0)).iloc[-1] == 0.0


def test_regulation_concerns_the_whole_market_in_one_column():
    panel = panel_of(event("2024-06-03", "regulation", "ALL"), event("2024-07-01"),
                     event("2024-08-01", "regulation", "ALL"))  # fmt: skip
    counts = panel.known("announcements_regulation")
    assert list(counts.columns) == ["announcements_regulation"]
    assert counts.loc[["2024-06-04", "2024-07-31", "2024-08-02"]].to_numpy().T.tolist() == [
        [1, 1, 2]
    ]
    assert panel.known("announcements_colocation_contract")["ONE"].iloc[-1] == 1.0


def test_announcements_of_one_day_are_one_row_public_with_the_last_of_them():
    morning = event("2024-06-03", published_at=datetime(2024, 6, 3, 12, tzinfo=UTC))
    evening = event("2024-06-03", ticker="OLD2", published_at=datetime(2024, 6, 3, 23, tzinfo=UTC))
    field = panel_of(evening, morning).field("announcements_colocation_contract")
    assert field.values.index.tolist() == [pd.Timestamp("2024-06-03")]
    assert field.values.to_numpy().tolist() == [[1.0, 1.0]]
    assert field.available_at[0] == pd.Timestamp("2024-06-03 23:00", tz="UTC")


def test_the_rent_is_that_of_the_days_colocation_contracts_alone():
    terms = {"megawatts": 200.0, "value_usd": 3.5e9, "term_years": 12.0}
    events = (
        event("2024-06-03", **terms),
        event("2024-06-10", "gpu_cloud_contract", **terms),
        event("2024-06-11", **{**terms, "basis": "gross"}),
        event("2024-06-12", ticker="ELSE", megawatts=60.0, usd_per_kw_month=125.0),
        event("2024-06-13", megawatts=60.0),
    )
    rent = panel_of(*events).field("colocation_rent")
    # 3.5e9 USD / (200,000 kW x 144 months)
    assert rent.values["colocation_rent"].tolist() == [pytest.approx(121.5278, abs=1e-4), 125.0]
    assert rent.unit == "USD per kW-month"


def test_a_table_is_kept_in_the_order_of_publication_and_cut_at_a_moment():
    early, late = event("2024-06-03"), event("2024-07-01", notes="later")
    table = EventTable((late, early), "told.csv")
    assert table.events == (early, late)
    assert table.until(late.published_at).events == (early, late)
    assert table.until(late.published_at - timedelta(seconds=1)).events == (early,)
    assert table.frame()["notes"].tolist() == ["", "later"]
    assert EventTable((), "none.csv").fields(UNIVERSE) == {}


# What a cut hides


def test_a_cut_panel_is_what_its_announcements_until_then_give():
    events = [
        event("2024-06-03", megawatts=200.0, quality="approx"),
        event("2024-06-20", "option", megawatts=70.0),
        event("2024-07-05", "regulation", "ALL"),
        event("2024-07-08", "financing", "OLD2", megawatts=10.0),
        event("2024-07-15", "gpu_cloud_contract", megawatts=20.0, published_at=public_from(
            date(2024, 7, 15), hour="after_close")),
    ]  # fmt: skip
    full = panel_of(*events, start="2024-06-03", end="2024-08-01")
    for session, decision in zip(full.sessions, full.decisions, strict=True):
        past = EventTable(tuple(events), "told.csv").until(decision).fields(UNIVERSE)
        for name, field in full.until(session).fields.items():
            if not past:
                assert field.values.empty
                continue
            pd.testing.assert_frame_equal(field.values, past[name].values, check_freq=False)
            assert field.available_at.equals(past[name].available_at)


def test_a_run_never_sees_what_was_announced_after_its_end(tmp_path):
    source, universe = folder_of(tmp_path, "announce_date,ticker,event_type,mw,mw_basis\n"
                                 "2021-07-02,ONE,colo_contract,10,critical_it\n"
                                 "2021-07-06,ONE,colo_contract,20,critical_it\n")  # fmt: skip
    ends = {date(2021, 7, 2): None, date(2021, 7, 6): 10.0, date(2021, 7, 7): 30.0}
    for end, expected in ends.items():
        panel = assemble([source], universe, end=end)
        rows = panel.field("contracted_mw").values["ONE"]
        assert (rows.iloc[-1] if len(rows) else None) == expected
        assert not any(notice.kind == "field_ended" for notice in panel.notices)


def test_a_run_that_ends_on_the_day_of_an_evening_announcement_sees_it(tmp_path):
    source, universe = folder_of(
        tmp_path,
        "announce_date,ticker,event_type,mw,mw_basis,publication_time\n"
        "2021-07-02,ONE,colo_contract,10,critical_it,after_close\n",
    )
    panel = assemble([source], universe, end=date(2021, 7, 2))
    assert panel.known("contracted_mw")["ONE"].iloc[-1] == 10.0


# Reading

PRICES = "date,BIL,ONE\n2021-07-01,100,5\n2021-07-02,100,5\n2021-07-06,100,5\n2021-07-07,100,5\n"
MAPPING = """
main_prices = "equities"
[tables.equities]
file = "equities.csv"
[[prices]]
table = "equities"
availability = "session_close"
columns = { CASH = "BIL", ONE = "ONE" }
"""
ASSETS = """
[assets.CASH]
sleeve = "cash"
usable_from = 2021-07-01
[assets.ONE]
sleeve = "legacy_miners"
ticker = "OLD1"
usable_from = 2021-07-01
"""
HEADER = "announce_date,date_quality,ticker,event_type,mw,mw_basis,publication_time,source_status"
ROW = "2021-07-02,exact,ONE,colo_contract,10,critical_it,unknown,sourced"


def folder_of(folder: Path, events: str = "", capacity: str = ""):
    (folder / "equities.csv").write_text(PRICES)
    (folder / "files.toml").write_text(MAPPING)
    (folder / "universe.toml").write_text(ASSETS)
    if events:
        (folder / "pivot_events.csv").write_text(events)
    if capacity:
        (folder / "miner_capacity.csv").write_text(capacity)
    return open_folder(folder, SHIPPED)


def read(folder: Path, *rows: str, header: str = HEADER) -> EventTable:
    path = folder / "pivot_events.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return read_events(path, UNIVERSE)


def test_a_row_becomes_an_event_and_its_notices_say_what_is_not_there(tmp_path):
    table = read(tmp_path, ROW)
    (one,) = table.events
    assert (one.ticker, one.day, one.kind) == ("ONE", date(2021, 7, 2), Kind.COLOCATION_CONTRACT)
    assert (one.megawatts, one.basis, one.share, one.reached) == (10, "critical_it", 1, "announced")
    assert one.published_at == datetime(2021, 7, 3, 4, tzinfo=UTC)
    (notice,) = table.notices
    assert notice.kind == "column_missing"
    assert "not available: value_usd, term_years, usd_per_kw_month, company" in notice.text
    assert notice.text.endswith("share, so that the MW of joint ventures count in full.")
    assert not {"mw,", "published_at", "stage"} & set(notice.text.split())


def test_a_table_with_shares_or_without_megawatts_is_not_told_of_joint_ventures(tmp_path):
    for header, row in (
        (f"{HEADER},share", f"{ROW},0.51"),
        ("announce_date,ticker,event_type", "2021-07-02,ONE,colo_contract"),
    ):
        (notice,) = read(tmp_path, row, header=header).notices
        assert "joint ventures" not in notice.text


def test_without_megawatts_nothing_is_known_of_them_and_the_counts_are(tmp_path):
    table = read(tmp_path, "2021-07-02,ONE,colo_contract", header="announce_date,ticker,event_type")
    fields = table.fields(UNIVERSE)
    assert fields["contracted_mw"].values.isna().all(axis=None)
    assert fields["announcements_colocation_contract"].values["ONE"].tolist() == [1.0]
    assert "date_quality, publication_time, mw, mw_basis" in table.notices[0].text


def test_a_stated_time_stage_and_share_are_read(tmp_path):
    header = HEADER + ",published_at,stage,share"
    row = ROW + ",2021-07-02T08:05:00-04:00,energised,0.51"
    (one,) = read(tmp_path, row, header=header).events
    assert one.published_at == datetime(2021, 7, 2, 12, 5, tzinfo=UTC)
    assert one.critical_megawatts == pytest.approx(5.1)
    assert one.reached == "energised"


def test_unsourced_rows_are_left_out_and_unknown_types_told(tmp_path):
    table = read(
        tmp_path,
        ROW,
        ROW.replace("07-02", "07-03").replace("sourced", "memory_unverified"),
        ROW.replace("colo_contract", "colo_contarct"),
    )
    assert [one.kind for one in table.events] == [Kind.COLOCATION_CONTRACT, Kind.OTHER]
    told = {notice.kind: notice.text for notice in table.notices}
    assert "rows marked memory_unverified, left out: 1." in told["events_left_out"]
    assert "colo_contarct" in told["event_type_unknown"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2021-07-02", "", r"line 2, column 'announce_date': there is no day"),
        ("2021-07-02", "2021-13-02", r"column 'announce_date': found '2021-13-02'"),
        ("2021-07-02", "July 2021", r"column 'announce_date': found 'July 2021'"),
        (",exact,", ",excat,", r"line 2, column 'date_quality': found 'excat'.*'exact'"),
        (",unknown,", ",after_cloes,", r"column 'publication_time'.*'after_close'"),
        (",sourced", ",memory_unverifed", r"column 'source_status'.*'memory_unverified'"),
        (",critical_it,", ",,", r"line 2: mw is 10 without mw_basis"),
        (",critical_it,", ",critcal_it,", r"column 'mw_basis': found 'critcal_it'.*critical_it"),
        (",10,", ",ten,", r"line 2, column 'mw': 'ten' is not a number"),
        (",10,", ",nan,", r"column 'mw': 'nan' is not a number"),
        (",10,", ",1_0,", r"column 'mw': '1_0' is not a number"),
        (",10,", ",-10,", r"line 2: Event.megawatts = -10.0"),
        (",10,", ",250000,", r"line 2: Event.megawatts = 250000.0"),  # kW
        (",colo_contract,", ",,", r"column 'event_type': there is none"),
        ("ONE,colo_contract", "ALL,colo_contract", r"ticker ALL: regulation, and nothing else"),
        ("ONE,colo_contract", "ONE,regulation", r"ticker ONE: regulation, and nothing else"),
        (",sourced", "", r"line 2: 8 cells are expected"),
        (ROW, f"{ROW}\n{ROW}", r"line 3: repeats an earlier row \(2021-07-02, ONE"),
    ],
)
def test_a_wrong_row_is_refused_with_file_line_and_column(tmp_path, old, new, message):
    assert old in ROW
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, ROW.replace(old, new))
    assert str(caught.value).startswith("pivot_events.csv")


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        (
            "published_at",
            "2021-07-01T23:59:00Z",
            r"line 2: published_at .* before its announcement",
        ),
        ("published_at", "2021-07-02T10:00:00", r"line 2: published_at .* has no time zone"),
        ("published_at", "soon", r"line 2, column 'published_at': found 'soon'"),
        ("share", "1.01", r"line 2: Event.share = 1.01"),
        ("share", "-0.1", r"line 2: Event.share = -0.1"),
        ("stage", "bulit", r"line 2, column 'stage': found 'bulit'"),
        ("value_usd", "0", r"line 2: Event.value_usd = 0.0"),
        ("mw", "3", r"more than one column called 'mw'"),
    ],
)
def test_a_wrong_extra_cell_is_refused_with_file_line_and_column(tmp_path, column, cell, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, f"{ROW},{cell}", header=f"{HEADER},{column}")


def test_a_table_without_a_row_is_refused(tmp_path):
    for rows in ("", ROW.replace("sourced", "memory_unverified")):
        with pytest.raises(DataError, match=r"pivot_events.csv holds no announcement"):
            read(tmp_path, rows)


@pytest.mark.parametrize("column", ["announce_date", "ticker", "event_type"])
def test_a_table_without_a_required_column_is_refused(tmp_path, column):
    with pytest.raises(DataError, match=rf"pivot_events.csv has no column '{column}'"):
        read(tmp_path, ROW, header=HEADER.replace(column, "other"))


def test_an_unknown_ticker_is_refused_with_a_proposal(tmp_path):
    with pytest.raises(UnknownAssetError, match=r"line 2, column 'ticker': 'ONNE'.*'ONE'"):
        read(tmp_path, ROW.replace("ONE", "ONNE"))
    assert read(tmp_path, ROW.replace("ONE", "OLD2")).events[0].ticker == "OLD2"


def test_an_event_made_in_code_is_held_to_the_same():
    with pytest.raises(ConfigError, match="without mw_basis"):
        event("2024-06-03", megawatts=5.0, basis=None)
    with pytest.raises(ConfigError, match="before its announcement"):
        event("2024-06-03", published_at=datetime(2024, 6, 2, 23, tzinfo=UTC))


def test_a_folders_own_table_is_used_instead_of_the_shipped_one(tmp_path):
    source, universe = folder_of(tmp_path)
    shipped = source.fields(universe, *EVER)["announcements_regulation"].values
    assert shipped.iloc[-1, 0] == 16.0
    assert source.notices() == ()  # The shipped table tells of names that this universe lacks.
    source, universe = folder_of(tmp_path, f"{HEADER}\n{ROW}\n{ROW.replace('ONE', 'CORZ')}\n")
    fields = source.fields(universe, *EVER)
    assert fields["contracted_mw"].values.to_dict("list") == {"CASH": [0.0], "ONE": [10.0]}
    told = {notice.kind: notice.text for notice in source.notices()}
    assert "not in the universe: CORZ." in told["events_outside"]
    assert all(isinstance(field, Steps) for name, field in fields.items() if name != "close")
    assert fields["contracted_mw"].source == "pivot_events.csv"


def test_a_mapped_field_cannot_take_the_name_of_one_of_the_announcements(tmp_path):
    _, universe = folder_of(tmp_path, f"{HEADER}\n{ROW}\n")
    own = '[fields.contracted_mw]\ntable = "equities"\ncolumn = "ONE"\nunit = "MW"\n'
    (tmp_path / "files.toml").write_text(MAPPING + own + 'availability = "session_close"\n')
    source, _ = open_folder(tmp_path, SHIPPED)
    with pytest.raises(DataError, match=r"'contracted_mw', which pivot_events.csv gives"):
        source.fields(universe, *EVER)


def test_a_table_that_is_a_link_out_of_the_folder_is_refused(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside.csv"
    inside.mkdir()
    shutil.copy(TABLE, outside)
    (inside / "pivot_events.csv").symlink_to(outside)
    with pytest.raises(ConfigError, match="leaves the data folder"):
        folder_of(inside)


# What miners mine with

CAPACITY = """asset,usable_from,mining_mw,efficiency,power_price,source
ONE,2021-07-02,100,30,45,filing
ONE,2021-07-06,80,,45,filing
"""


def test_capacities_are_known_from_the_session_they_state(tmp_path):
    source, universe = folder_of(tmp_path, capacity=CAPACITY)
    panel = assemble([source], universe)
    power = panel.known("mining_mw")["ONE"]
    assert power.tolist()[1:] == [100.0, 80.0, 80.0]
    assert np.isnan(power.iloc[0])
    assert panel.known("mining_efficiency")["ONE"].tolist()[1:] == [30.0, 30.0, 30.0]
    assert panel.known("mining_power_price")["ONE"].iloc[-1] == 45.0
    assert panel.known("mining_mw")["CASH"].isna().all()
    assert [panel.field(f"mining_{name}").unit for name in ("mw", "efficiency", "power_price")] == [
        "MW", "J/TH", "USD/MWh"]  # fmt: skip
    assert not any(notice.kind == "column_missing" for notice in panel.notices)


def test_a_capacity_that_begins_after_the_end_of_a_run_is_not_there(tmp_path):
    source, universe = folder_of(tmp_path, capacity=CAPACITY)
    panel = assemble([source], universe, end=date(2021, 7, 2))
    assert panel.field("mining_mw").values["ONE"].tolist() == [100.0]


def test_optional_columns_of_capacities_may_be_absent_and_are_told(tmp_path):
    source, _ = folder_of(tmp_path, capacity="asset,usable_from,mining_mw\nONE,2021-07-02,100\n")
    (notice,) = (one for one in source.notices() if one.kind == "column_missing")
    assert notice.text.endswith("not available: efficiency, power_price, source.")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ONE,2021-07-02", "OEN,2021-07-02", r"line 2, column 'asset': 'OEN'.*'ONE'"),
        ("2021-07-02", "", r"line 2, column 'usable_from': there is no day"),
        ("2021-07-06", "2021-07-02", r"line 3: a second row of ONE for 2021-07-02"),
        (",100,", ",-1,", r"line 2, column 'mining_mw': -1 .*share of AI exceed 1"),
        (",100,", ",,", r"line 2, column 'mining_mw': there is none"),
        (",100,", ",100000,", r"line 2, column 'mining_mw': 100000 is outside"),
        (",30,", ",-3,", r"line 2, column 'efficiency': -3 is outside"),
        ("mining_mw", "mining_wm", r"has no column 'mining_mw'.*'mining_wm'"),
    ],
)
def test_a_wrong_capacity_is_refused_with_its_place(tmp_path, old, new, message):
    with pytest.raises(DataError, match=message) as caught:
        folder_of(tmp_path, capacity=CAPACITY.replace(old, new, 1))
    assert str(caught.value).startswith("miner_capacity.csv")


# The shipped table


@pytest.fixture(scope="module")
def shipped() -> EventTable:
    return read_events(TABLE, read_universe(SHIPPED / "universe.toml"), {"GLXY", "WYFI"})


def test_the_shipped_table_has_91_rows_each_sourced_and_of_a_known_type(shipped):
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(shipped.events) == 91
    assert {row["source_status"] for row in rows} == {"sourced", "sourced_date_from_memory"}
    assert all(row["source"] for row in rows)
    assert {row["event_type"] for row in rows} <= KINDS.keys()
    assert [notice.kind for notice in shipped.notices] == ["events_outside"]


def test_the_shipped_table_by_kind(shipped):
    assert Counter(event.kind.value for event in shipped.events) == {
        "colocation_contract": 17,
        "option": 8,
        "gpu_cloud_contract": 6,
        "regulation": 16,
        "strategy_statement": 7,
        "milestone": 7,
        "financing": 4,
        "rename": 4,
        "takeover": 4,
        "other": 18,
    }


def test_what_is_contracted_steps_as_the_filings_say(shipped):
    universe = read_universe(SHIPPED / "universe.toml")
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2026, 6, 30))
    panel = Panel(universe, sessions, shipped.fields(universe))
    corz = panel.known("contracted_mw")["CORZ"]
    steps = {str(day.date()): value for day, value in corz[corz.diff() > 0.0].items()}
    # 16 MW of a site in 2024-03 are kept apart; options only when they were taken up.
    assert steps == {
        "2024-06-03": 200.0,
        "2024-06-26": 270.0,
        "2024-08-14": 382.0,
        "2024-10-23": 502.0,
        "2025-02-26": 572.0,
    }
    mid_2025 = panel.known("contracted_mw").loc["2025-06-30"]
    assert mid_2025[mid_2025 > 0.0].to_dict() == {
        "BTBT": 5.0, "WULF": 60.0, "APLD": 250.0, "CORZ": 572.0, "CORZ-2022": 572.0,
    }  # fmt: skip
    # The joint venture of 168 MW counts with TeraWulf's 51 %.
    last = panel.known("contracted_mw").iloc[-1]
    assert last["WULF"] == pytest.approx(60 + 200 + 160 + 0.51 * 168)
    assert last["CIFR"] == pytest.approx(168 + 300 / 1.4 + 39)
    assert last["HUT"] == pytest.approx(597.0)  # The total that its second contract tells.
    assert panel.known("gpu_cloud_mw").iloc[-1]["IREN"] == 200.0
    assert panel.known("energised_mw").iloc[-1]["CORZ"] == 243.0


def test_17_colocation_contracts_pay_104_to_188_usd_a_kw_month_with_a_median_of_148(shipped):
    rents = sorted(event.rent for event in shipped.events if event.rent is not None)
    assert len(rents) == 17
    assert (rents[0], rents[-1]) == (pytest.approx(103.7, abs=0.1), pytest.approx(188.5, abs=0.1))
    assert median(rents) == pytest.approx(148.8, abs=0.05)
    for one in shipped.events:
        if one.rent is not None:
            assert one.rent == pytest.approx(one.usd_per_kw_month, abs=0.06)


def test_gpu_cloud_contracts_pay_several_times_as_much_because_machines_are_in_it(shipped):
    cloud = [e for e in shipped.events if e.kind is Kind.GPU_CLOUD_CONTRACT and e.megawatts]
    pay = [e.value_usd / (e.megawatts * 1000 * e.term_years * 12) for e in cloud]
    assert sorted(pay) == [pytest.approx(808.3, abs=0.1), pytest.approx(944.4, abs=0.1)]
    assert all(event.rent is None for event in cloud)


def test_a_miner_pivots_the_session_after_its_first_contract_was_public(shipped):
    sessions = sessions_between("XNYS", date(2018, 1, 1), date(2026, 12, 31))
    contracts = (Kind.COLOCATION_CONTRACT, Kind.GPU_CLOUD_CONTRACT)
    for asset in read_universe(SHIPPED / "universe.toml"):
        if asset.memberships[0].sleeve not in MINERS or asset.closing:
            continue
        own = [e for e in shipped.events if e.ticker in (asset.id, asset.ticker)]
        first = min((e.published_at for e in own if e.kind in contracts), default=None)
        moves = [member.since for member in asset.memberships[1:]]
        if first is None:
            assert moves == [], asset.id
            continue
        # Known within a session's day, or in the night after it: the next session's sleeve.
        night = pd.Timestamp(first - timedelta(hours=5, seconds=1)).tz_localize(None).normalize()
        assert moves == [sessions[sessions > night][0].date()], asset.id


def test_the_shipped_universe_knows_both_shares_of_core_scientific_and_the_old_name_of_keel(
    shipped,
):
    universe = read_universe(SHIPPED / "universe.toml")
    fields = shipped.fields(universe)
    assert fields["announcements_strategy_statement"].values["KEEL"].iloc[-1] == 2.0
    assert fields["announcements_rename"].values["KEEL"].iloc[-1] == 1.0
    old, new = universe["CORZ-2022"].closing, universe["CORZ"]
    assert old.known_from == date(2022, 12, 21)
    actions = {(action.asset, action.action): action for action in universe.actions}
    assert actions["CORZ-2022", "chapter11"].day == old.known_from
    assert "0.1 new share" in actions["CORZ-2022", "emergence"].terms
    assert actions["CORZ", "relisting"].day == new.usable_from == old.settlement


def test_no_asset_can_be_bought_before_it_is_usable():
    universe = read_universe(SHIPPED / "universe.toml")
    sessions = sessions_between("XNYS", date(2014, 1, 2), date(2025, 6, 30))
    prices = pd.DataFrame(1.0, sessions, universe.columns)
    close = Steps(prices, (sessions + pd.Timedelta(days=1)).tz_localize("UTC"), "USD", "ones")
    panel = Panel(universe, sessions, {"close": close})
    for view in (panel.eligible(), panel.tradable(), panel.prices().notna(), panel.members(MINERS)):
        for asset in universe:
            assert not view.loc[
                : pd.Timestamp(asset.usable_from) - pd.Timedelta(days=1), asset.id
            ].any()
    assert panel.eligible().loc["2024-01-24", "CORZ"]
    assert not panel.eligible().loc["2024-01-23", "CORZ"]
    assert panel.prices().loc["2024-01-24", "CORZ-2022"] == 0.344


@needs_real_data
def test_the_shipped_rows_are_the_sourced_ones_of_the_folder():
    carried = pd.read_csv(TABLE, dtype=str)
    table = pd.read_csv(REAL / "pivot_events.csv", dtype=str)
    assert len(table) == 97
    kept = table[table.source_status != "memory_unverified"].reset_index(drop=True)
    pd.testing.assert_frame_equal(carried.drop(columns="share"), kept)
    shared = carried[carried.share.notna()]
    assert shared[["ticker", "event_type", "share"]].to_numpy().tolist() == [
        ["WULF", "jv_contract", "0.51"]
    ]


@needs_real_data
def test_the_folders_own_table_gives_the_shipped_announcements(shipped):
    universe = read_universe(SHIPPED / "universe.toml")
    own = read_events(REAL / "pivot_events.csv", universe, shipped.tickers)
    assert [replace(event, share=1.0) for event in shipped.events] == list(own.events)
    told = {notice.kind: notice.text for notice in own.notices}
    assert set(told) == {"column_missing", "events_left_out", "events_outside"}
    assert told["column_missing"].endswith("share, so that the MW of joint ventures count in full.")
