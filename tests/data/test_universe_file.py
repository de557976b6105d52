"""A universe file says who can be held, and a mistake in it is named with its place."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest

import strategies
from toolkit.clock import sessions_between
from toolkit.data.catalog import read_actions, read_universe
from toolkit.data.mapping import read_mapping
from toolkit.errors import (
    ConfigError,
    DataError,
    SourceUnavailableError,
    UnknownAssetError,
)
from toolkit.universe import MINERS, Asset, Sleeve

SHIPPED = Path(strategies.__file__).parent

GOOD = """
corporate_actions = "actions.csv"
without_prices = ["NOT-HELD", "A"]

[assets.CASH]
sleeve = "cash"
ticker = "BIL"

[assets.OLD-2022]
usable_from = 2021-01-04
memberships = [
    { sleeve = "legacy_miners", since = 2021-01-04 },
    { sleeve = "pivoting_miners", since = 2021-06-01 },
]
halts = [{ first = 2021-03-01, last = 2021-03-02, note = "news" }]

[assets.OLD-2022.closing]
kind = "exchange"
last_session = 2022-12-30
known_from = 2022-12-21
settles = 2024-01-24
value = 0.344
"""
ACTIONS = """asset,ticker,date,action,ratio_or_terms,note,source
OLD-2022,OLD,2022-12-21,chapter11,"Petition, Texas",,sec.gov/a
NOT-HELD,X,2022-12-21,rename,X -> Y,,sec.gov/b
"""


def universe_of(folder: Path, text: str = GOOD, actions: str = ACTIONS):
    (folder / "actions.csv").write_text(actions)
    (folder / "universe.toml").write_text(text)
    return read_universe(folder / "universe.toml")


def test_assets_are_read_in_their_order_with_all_that_is_dated(tmp_path):
    universe = universe_of(tmp_path)
    assert universe.ids == ("CASH", "OLD-2022")
    assert universe.cash == "CASH"
    assert universe["CASH"].ticker == "BIL"
    assert universe["CASH"].usable_from == Asset.usable_from
    old = universe["OLD-2022"]
    assert old.sleeve_on(date(2021, 5, 31)) is Sleeve.LEGACY_MINERS
    assert old.sleeve_on(date(2021, 6, 1)) is Sleeve.PIVOTING_MINERS
    assert (old.closing.kind, old.closing.value) == ("exchange", 0.344)
    assert old.closing.settlement == date(2024, 1, 24)
    assert old.halts[0].last == date(2021, 3, 2)


def test_corporate_actions_are_facts_of_the_assets_that_are_listed(tmp_path):
    (action,) = universe_of(tmp_path).actions
    assert (action.asset, action.day, action.action) == (
        "OLD-2022",
        date(2022, 12, 21),
        "chapter11",
    )
    assert (action.terms, action.source) == ("Petition, Texas", "sec.gov/a")


def test_an_action_of_an_asset_that_is_not_named_is_refused_and_never_lost(tmp_path):
    slip = ACTIONS.replace("OLD-2022,OLD", "OLD-2202,OLD")
    with pytest.raises(UnknownAssetError, match=r"actions.csv, line 2, .*'OLD-2202'.*'OLD-2022'"):
        universe_of(tmp_path, actions=slip)
    unnamed = GOOD.replace('"NOT-HELD", "A"', '"A"')
    with pytest.raises(UnknownAssetError, match=r"line 3, .*'NOT-HELD'.*without_prices"):
        universe_of(tmp_path, unnamed)


def test_a_sleeve_holds_from_the_day_an_asset_is_usable(tmp_path):
    text = '[assets.BTC]\nsleeve = "bitcoin"\nusable_from = 2010-07-18\ncalendar = "24/7"\n'
    (member,) = universe_of(tmp_path, text)["BTC"].memberships
    assert (member.sleeve, member.since) == (Sleeve.BITCOIN, date(2010, 7, 18))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ticker =", "tickr =", r"\[assets.CASH\].*'tickr'.*'ticker'"),
        ('sleeve = "cash"', 'sleeve = "money"', r"\[assets.CASH\].*sleeve = 'money'"),
        ('sleeve = "cash"', "", r"\[assets.CASH\] needs either sleeve or memberships"),
        ("known_from =", "knwon_from =", r"\[assets.OLD-2022\].*knwon_from"),
        ("value = 0.344", "value = -1", r"\[assets.OLD-2022\].*closing.value = -1"),
        ("2022-12-21", "2023-12-21", r"\[assets.OLD-2022\].*known_from 2023-12-21"),
        ("since = 2021-06-01", "since = 2020-06-01", "oldest first"),
        ("[assets.CASH]", '[assets."../CASH"]', r"assets.*CASH"),
        ("[assets.CASH]", "[asset.CASH]", "'asset' is not a key.*'assets'"),
        ("[assets.CASH]", '[assets.CASH]\nid = "CASH"', "remove 'id'"),
        ('sleeve = "cash"', 'sleeve = "cash"\nusable_from = "soon"', "usable_from = 'soon'"),
        ('"actions.csv"', "3", "corporate_actions is 3"),
        ('["NOT-HELD", "A"]', '"NOT-HELD"', "without_prices is 'NOT-HELD'; a list of ids"),
        ('"actions.csv"', '"../actions.csv"', "plain path relative"),
        ("[assets.OLD-2022]", '[assets.C2]\nsleeve = "cash"\n[assets.OLD-2022]', "one cash asset"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, old, new, message):
    assert old in GOOD
    with pytest.raises(ConfigError, match=message) as caught:
        universe_of(tmp_path, GOOD.replace(old, new))
    assert str(caught.value).startswith("universe.toml")


def test_a_universe_without_assets_and_one_without_its_table_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"universe.toml: no assets"):
        universe_of(tmp_path, "")
    with pytest.raises(SourceUnavailableError, match=r"acts.csv"):
        universe_of(tmp_path, GOOD.replace('"actions.csv"', '"acts.csv"'))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ACTIONS.replace("asset,", "aset,"), "actions.csv has no column 'asset'.*'aset'"),
        (ACTIONS.replace("2022-12-21", "2022-13-21", 1), "actions.csv, line 2"),
        (ACTIONS + "A,B\n", "actions.csv, line 4: 7 cells"),
        (ACTIONS + "A,B,2022-01-01,rename,C,,x,y\n", "actions.csv, line 4: 7 cells"),
        (ACTIONS + "a/b,B,2022-01-01,rename,C,,x\n", "actions.csv, line 4: .*asset"),
        (
            ACTIONS + "A,B,2022-01-01,split,,,x\n",
            "line 4, column 'ratio_or_terms': .* of A without",
        ),
        (ACTIONS + "A,B,2022-01-01,,1:10,,x\n", "line 4, column 'action': .* of A without"),
        (ACTIONS + "A,B,,split,1:10,,x\n", "line 4, column 'date': there is no day"),
        ("", "actions.csv has no column 'asset'"),
    ],
)
def test_a_broken_table_of_actions_is_refused_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        universe_of(tmp_path, actions=content)


def test_the_shipped_universe_has_every_sleeve_and_prices_for_every_asset():
    universe = read_universe(SHIPPED / "universe.toml")
    mapping = read_mapping(SHIPPED / "files.toml")
    assert {member.sleeve for asset in universe for member in asset.memberships} == set(Sleeve)
    assert [asset.id for asset in universe if mapping.price_block(asset.id) is None] == []
    mapped = {name for block in mapping.prices for name in block.columns}
    assert mapped == set(universe.ids)


def test_shipped_moves_and_events_fall_on_sessions():
    sessions = {
        day.date() for day in sessions_between("XNYS", date(2014, 1, 1), date(2026, 12, 31))
    }
    for asset in read_universe(SHIPPED / "universe.toml"):
        if asset.calendar == "XNYS":
            assert {member.since for member in asset.memberships[1:]} <= sessions
        if asset.closing:
            closing = asset.closing
            assert {closing.last_session, closing.known_from, closing.settlement} <= sessions


def test_unverified_days_of_the_shipped_universe_say_so():
    universe = read_universe(SHIPPED / "universe.toml")
    assert {asset.id for asset in universe if "unverified" in asset.note} == {
        "DGHI",
        "BTCM",
        "MIGI",
    }


def test_the_end_of_a_file_is_neither_delisting_nor_loss():
    universe = read_universe(SHIPPED / "universe.toml")
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 3, 8))
    for name in ("GREE", "SDIG", "DGHI", "BTCM", "MIGI"):
        closing = universe[name].closing
        assert (closing.kind, closing.value) == ("coverage_ended", None)
        assert closing.last_session == sessions[-1].date()
        assert closing.known_from == sessions[-22].date()


def test_the_two_shares_of_core_scientific_are_two_assets():
    universe = read_universe(SHIPPED / "universe.toml")
    old, new = universe["CORZ-2022"], universe["CORZ"]
    assert old.closing.settlement == new.usable_from == date(2024, 1, 24)
    assert old.closing.kind == "exchange"
    assert old.closing.value == pytest.approx(0.1 * 3.44, rel=1e-12)
    assert new.closing is None
    assert all(member.sleeve in MINERS for member in (*old.memberships, *new.memberships))


def test_no_shipped_action_is_unverified_and_each_has_its_source():
    path = SHIPPED / "corporate_actions.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(read_actions(path)) > 30
    assert {row["source_status"] for row in rows} == {"sourced", "sourced_date_from_memory"}
    assert all(row["source"] for row in rows)
    assert {row["asset"] for row in rows if row["ticker"] == "CORZ" and row["date"] < "2024"} == {
        "CORZ-2022"
    }
