"""A folder of files becomes fields that are public when they honestly were."""

from __future__ import annotations

import gzip
import shutil
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.data.files import FilesSource, open_folder
from toolkit.data.mapping import read_mapping
from toolkit.errors import ConfigError, DataError, SourceUnavailableError
from toolkit.universe import Asset, Membership, Sleeve, Universe

EVER = date(2009, 1, 1), date(2035, 12, 31)

EQUITIES = """date,BILL,NVDA,CORZ
2021-07-01,100,20,
2021-07-02,100.1,21,9
2021-07-06,100.2,,8
2021-07-07,100.3,22,7
"""
NETWORK = """date,price_usd,hashrate_ehs
2021-07-02,33000,90
2021-07-03,34000,95
2021-07-04,35000,100
"""
EPOCHS = """start_time_utc_est,difficulty,timespan_days
2021-06-13T22:10:00Z,19.9,19.43
2021-07-03T06:30:00Z,14.4,14.71
2021-07-17T23:50:00Z,13.7,
"""
TOKENS = """date,asset,source,close
2021-07-01,FET,mean,0.20
2021-07-02,FET,mean,0.30
2021-07-02,FET,spot,0.60
2021-07-03,FET,mean,0.33
2021-07-03,FET,spot,0.63
2021-07-04,FET,perpetual,0.70
2021-07-04,FET,spot,0.66
2021-07-05,FET,perpetual,0.77
"""
MAPPING = """
main_prices = "equities"

[tables.equities]
file = "equities.csv.gz"

[tables.network]
file = "network.csv"

[tables.epochs]
file = "epochs.csv"
date = "start_time_utc_est"

[tables.tokens]
file = "tokens.csv"
layout = "long"
key = "asset"
value = "close"
source = "source"

[[prices]]
table = "equities"
availability = "session_close"
adjusted = "splits"
columns = { CASH = "BILL", NVDA = "NVDA" }

[[prices]]
table = "equities"
availability = "session_close"
columns = { OLD = "CORZ" }
last = 2021-07-06

[[prices]]
table = "equities"
availability = "session_close"
columns = { NEW = "CORZ" }
first = 2021-07-07

[[prices]]
table = "network"
availability = "utc_day_end"
columns = { BTC = "price_usd" }

[[prices]]
table = "tokens"
availability = "utc_day_end"
sources = ["spot", "mean", "perpetual"]
columns = ["FET"]

[fields.hash_rate]
table = "network"
column = "hashrate_ehs"
unit = "H/s"
scale = 1e18
availability = "utc_day_end"
lag_hours = 1

[fields.difficulty]
table = "epochs"
column = "difficulty"
unit = "1"
availability = "row_time"
lag_hours = 6

[fields.epoch_days]
table = "epochs"
column = "timespan_days"
unit = "days"
availability = "next_row"
lag_hours = 6

[fields.fund]
table = "equities"
column = "BILL"
unit = "USD"
availability = "session_close"
"""


def asset(name: str, calendar: str = "XNYS") -> Asset:
    member = Membership(sleeve=Sleeve.AI_TOKENS, since=date(2009, 1, 3))
    return Asset(id=name, memberships=(member,), calendar=calendar)


UNIVERSE = Universe(
    (
        *(asset(name) for name in ("CASH", "NVDA", "OLD", "NEW")),
        asset("BTC", "24/7"),
        asset("FET", "24/7"),
    )
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "equities.csv.gz").write_bytes(gzip.compress(EQUITIES.encode()))
    (tmp_path / "network.csv").write_text(NETWORK)
    (tmp_path / "epochs.csv").write_text(EPOCHS)
    (tmp_path / "tokens.csv").write_text(TOKENS)
    (tmp_path / "files.toml").write_text(MAPPING)
    return tmp_path


def source_of(folder: Path) -> FilesSource:
    return FilesSource(folder, read_mapping(folder / "files.toml"))


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_prices_are_one_field_of_every_day_on_which_any_asset_has_one(folder):
    close = source_of(folder).fields(UNIVERSE, *EVER)["close"]
    assert list(close.values.columns) == ["CASH", "NVDA", "OLD", "NEW", "BTC", "FET"]
    assert list(close.values.index.strftime("%d")) == ["01", "02", "03", "04", "05", "06", "07"]
    assert close.unit == "USD"
    assert close.values.loc["2021-07-04", "BTC"] == 35000.0
    assert np.isnan(close.values.loc["2021-07-04", "NVDA"])
    assert np.isnan(close.values.loc["2021-07-06", "NVDA"])


def test_prices_are_public_at_midnight_after_their_day(folder):
    close = source_of(folder).fields(UNIVERSE, *EVER)["close"]
    assert close.available_at[0] == utc("2021-07-02")
    assert (close.available_at.tz_localize(None) - close.values.index == pd.Timedelta("1D")).all()


def test_a_slice_keeps_two_shares_of_one_ticker_apart(folder):
    close = source_of(folder).fields(UNIVERSE, *EVER)["close"].values
    assert close["OLD"].dropna().to_dict() == {
        pd.Timestamp("2021-07-02"): 9.0,
        pd.Timestamp("2021-07-06"): 8.0,
    }
    assert close["NEW"].dropna().to_dict() == {pd.Timestamp("2021-07-07"): 7.0}


def test_provenance_names_files_and_never_the_machine(folder):
    source = source_of(folder)
    fields = source.fields(UNIVERSE, *EVER)
    assert fields["close"].source == (
        "equities.csv.gz (adjusted for splits); equities.csv.gz; network.csv; tokens.csv"
    )
    assert fields["hash_rate"].source == "network.csv: hashrate_ehs"
    assert not any(str(folder) in field.source for field in fields.values())
    assert source.origin("FET") == "tokens.csv"


def test_a_vendor_row_is_public_an_hour_after_its_day_and_in_the_stated_unit(folder):
    rate = source_of(folder).fields(UNIVERSE, *EVER)["hash_rate"]
    assert list(rate.values.columns) == ["hash_rate"]
    assert rate.values.loc["2021-07-03", "hash_rate"] == 95e18
    assert rate.available_at[1] == utc("2021-07-04 01:00")


def test_difficulty_is_public_six_hours_after_its_retarget(folder):
    difficulty = source_of(folder).fields(UNIVERSE, *EVER)["difficulty"]
    assert list(difficulty.values.index.strftime("%m-%d")) == ["06-13", "07-03", "07-17"]
    assert difficulty.available_at[1] == utc("2021-07-03 12:30")
    assert difficulty.available_at[2] == utc("2021-07-18 05:50")


def test_the_length_of_an_epoch_is_public_when_the_next_one_starts(folder):
    length = source_of(folder).fields(UNIVERSE, *EVER)["epoch_days"]
    assert length.values["epoch_days"].to_list() == [19.43, 14.71]
    assert list(length.available_at) == [utc("2021-07-03 12:30"), utc("2021-07-18 05:50")]


def test_an_exchange_row_is_public_by_the_later_of_the_two_new_york_closes(folder):
    fund = source_of(folder).fields(UNIVERSE, *EVER)["fund"]
    assert fund.available_at[0] == utc("2021-07-01 21:00")


def test_rows_outside_the_period_are_not_returned(folder):
    fields = source_of(folder).fields(UNIVERSE, date(2021, 7, 3), date(2021, 7, 4))
    assert list(fields["close"].values.index.strftime("%d")) == ["03", "04"]
    assert list(fields["hash_rate"].values.index.strftime("%d")) == ["03", "04"]
    assert list(fields["difficulty"].values.index.strftime("%d")) == ["03"]


def test_only_what_the_universe_asks_for_is_read(folder):
    (folder / "tokens.csv").unlink()
    some = Universe((asset("NVDA"),))
    assert list(source_of(folder).fields(some, *EVER)["close"].values.columns) == ["NVDA"]
    with pytest.raises(SourceUnavailableError, match=r"tokens.csv"):
        source_of(folder).fields(UNIVERSE, *EVER)


def test_a_change_of_source_makes_no_return_of_the_difference_in_level(folder):
    source = source_of(folder)
    fet = source.fields(UNIVERSE, *EVER)["close"].values["FET"].dropna()
    # mean 0.20 -> 0.30, then spot 0.60 -> 0.63 -> 0.66, then perpetual 0.70 -> 0.77
    returns = [0.30 / 0.20, 0.63 / 0.60, 0.66 / 0.63, 0.77 / 0.70]
    np.testing.assert_allclose(fet / fet.iloc[0], np.cumprod([1.0, *returns]), rtol=1e-14)
    assert fet.iloc[0] == 0.20
    told = source.notices()
    assert [(one.kind, one.asset, one.session) for one in told] == [
        ("source_switch", "FET", "2021-07-03"),
        ("source_switch", "FET", "2021-07-05"),
    ]
    assert "spot instead of mean" in told[0].text


def test_notices_are_those_of_the_period_last_asked_for(folder):
    source = source_of(folder)
    source.fields(UNIVERSE, *EVER)
    source.fields(UNIVERSE, date(2021, 7, 4), EVER[1])
    assert [one.session for one in source.notices()] == ["2021-07-05"]


def test_an_unknown_source_and_a_token_without_listed_rows_are_refused(folder):
    text = MAPPING.replace('"spot", "mean"', '"sopt", "mean"')
    (folder / "files.toml").write_text(text)
    with pytest.raises(DataError, match=r"tokens.csv, FET .* no source 'sopt' .* 'spot'"):
        source_of(folder).fields(UNIVERSE, *EVER)
    (folder / "tokens.csv").write_text(TOKENS + "2021-07-05,TAO,other,3\n")
    text = MAPPING.replace('columns = ["FET"]', 'columns = ["TAO"]')
    (folder / "files.toml").write_text(text)
    with pytest.raises(DataError, match=r"no price at all from spot, mean, perpetual"):
        source_of(folder).fields(Universe((asset("TAO", "24/7"),)), *EVER)


def test_an_asset_before_its_first_row_has_an_empty_column_and_one_without_rows_is_refused(folder):
    close = source_of(folder).fields(UNIVERSE, EVER[0], date(2021, 7, 2))["close"].values
    assert close["NEW"].isna().all()
    (folder / "files.toml").write_text(MAPPING.replace("first = 2021-07-07", "first = 2021-08-01"))
    with pytest.raises(DataError, match=r"NEW \('CORZ'\): no price at all between 2021-08-01"):
        source_of(folder).fields(UNIVERSE, *EVER)


def test_a_price_of_another_closing_time_than_its_calendar_is_refused(folder):
    wrong = Universe((asset("NVDA", "24/7"),))
    with pytest.raises(DataError, match=r"equities.csv.gz, NVDA .* 24/7"):
        source_of(folder).fields(wrong, *EVER)


def test_a_key_that_the_file_lacks_is_refused_with_the_nearest(folder):
    (folder / "files.toml").write_text(MAPPING.replace('["FET"]', '{ FET = "FTE" }'))
    with pytest.raises(DataError, match=r"tokens.csv has no 'FTE' in column 'asset'"):
        source_of(folder).fields(UNIVERSE, *EVER)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("network.csv", "34000", "-1", r"network.csv, BTC .*2021-07-03 is -1.0"),
        ("network.csv", "34000", "0", r"network.csv, BTC .*2021-07-03 is 0.0"),
        ("network.csv", "34000", "inf", r"network.csv, BTC .*2021-07-03 is inf"),
        ("network.csv", "95", "inf", r"network.csv, 'hashrate_ehs'.*2021-07-03 is inf"),
        ("network.csv", "2021-07-03", "2021-07-02", r"network.csv.* two rows for 2021-07-02"),
        ("network.csv", "2021-07-04", "2021-07-01", r"network.csv.* 2021-07-01 comes after"),
        ("network.csv", "2021-07-03", "2021-07-03T09:00:00", r"network.csv.* 09:00:00"),
        ("network.csv", "2021-07-03", "2021-07-03T00:00:00Z", r"network.csv.* zones, Z, none"),
        ("tokens.csv", "07-02,FET,mean", "07-01,FET,mean", r"source 'mean': two rows for 2021-07"),
        ("epochs.csv", "07-03T06:30", "06-13T23:30", r"epochs.csv.* two rows for 2021-06-13"),
        ("epochs.csv", "07-17", "07-01", r"epochs.csv.* comes after"),
    ],
)
def test_a_bad_cell_or_row_is_refused_with_file_asset_and_day(folder, file, old, new, message):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        source_of(folder).fields(UNIVERSE, *EVER)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('main_prices = "equities"', 'main_prices = "equity"', "main_prices: no table 'equity'"),
        ('main_prices = "equities"', "", "main_prices is missing"),
        ('file = "network.csv"', 'fil = "network.csv"', r"\[tables.network\].*'fil'.*'file'"),
        ('table = "tokens"', 'table = "token"', "prices block 5: no table 'token'"),
        ('columns = ["FET"]', 'columns = ["FET", "BTC"]', "block 5: BTC has a price column"),
        ('["spot", "mean", "perpetual"]', "[]", "sources must state an order"),
        ('source = "source"\n', "", "sources must state an order"),
        ("[fields.hash_rate]", "[fields.close]", "fields.close: a field is a plain word"),
        ("[fields.hash_rate]", "[feilds.hash_rate]", "'feilds' is not a key.*'fields'"),
        ("lag_hours = 1\n", "lag_hours = -1\n", r"\[fields.hash_rate\].*lag_hours = -1"),
        ('availability = "row_time"', 'availability = "now"', "availability = 'now'"),
        ("scale = 1e18", "scale = 0", "scale = 0"),
        ('layout = "long"\n', 'layout = "wide"\n', "wide table has no key"),
        ('key = "asset"\n', "", "long table needs key"),
        ("[[prices]]", "[prices]", "not valid TOML"),
        ('columns = ["FET"]', 'columns = ["../FET"]', "prices block 5.*FET"),
    ],
)
def test_a_mistake_in_the_mapping_is_named_with_its_place(folder, old, new, message):
    (folder / "files.toml").write_text(MAPPING.replace(old, new, 1 if old == "[[prices]]" else -1))
    with pytest.raises(ConfigError, match=message) as caught:
        source_of(folder).fields(UNIVERSE, *EVER)
    assert str(caught.value).startswith("files.toml")


def test_a_mapping_cannot_reach_outside_its_folder(folder):
    (folder / "files.toml").write_text(MAPPING.replace("network.csv", "../network.csv"))
    with pytest.raises(ConfigError, match=r"plain path relative"):
        source_of(folder).fields(UNIVERSE, *EVER)


def test_the_main_prices_end_a_run(folder):
    assert source_of(folder).last_session() == date(2021, 7, 7)


def test_the_toml_files_of_a_folder_go_before_the_shipped_ones(folder, tmp_path_factory):
    shipped = tmp_path_factory.mktemp("shipped")
    shutil.copy(folder / "files.toml", shipped)
    (shipped / "universe.toml").write_text('[assets.NVDA]\nsleeve = "ai_infrastructure"\n')
    source, universe = open_folder(folder, shipped)
    assert universe.ids == ("NVDA",)
    assert not source.simulated
    (folder / "universe.toml").write_text('[assets.BTC]\nsleeve = "bitcoin"\ncalendar = "24/7"\n')
    assert open_folder(folder, shipped)[1].ids == ("BTC",)
    (folder / "files.toml").write_text(MAPPING.replace('{ BTC = "price_usd" }', "{}"))
    assert open_folder(folder, shipped)[0].mapping.price_block("BTC") is None
    with pytest.raises(SourceUnavailableError, match=r"no data folder"):
        open_folder(folder / "absent", shipped)
