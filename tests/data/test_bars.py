"""Volumes, highs and lows of a folder: in USD, on the basis of the prices, or refused by name."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.data.assemble import assemble
from toolkit.data.files import FilesSource
from toolkit.data.mapping import read_mapping
from toolkit.errors import ConfigError, DataError
from toolkit.universe import Asset, Membership, Universe

EVER = date(2009, 1, 1), date(2035, 12, 31)
# A split of 2 for 1 after the third day, and a dividend: what the prices are adjusted for.
EQUITIES = """date,BILL,NVDA
2021-07-01,100,19
2021-07-02,100.1,20
2021-07-06,100.2,21
2021-07-07,100.3,22
"""
BARS = """date,ticker,high,low,close,volume,turnover
2021-07-01,NVDA,42,38,40,1000,40000
2021-07-02,NVDA,44,40,42,2000,84000
2021-07-06,NVDA,46,42,44,0,0
2021-07-07,NVDA,24,21,22,8000,176000
2021-07-07,OTHER,1,1,1,5,5
"""
MAPPING = """
main_prices = "equities"

[tables.equities]
file = "equities.csv"

[tables.bars]
file = "bars.csv"
layout = "long"
key = "ticker"
value = "close"

[[prices]]
table = "equities"
availability = "session_close"
columns = { CASH = "BILL", CHIP = "NVDA" }

[[bars]]
table = "bars"
columns = { CHIP = "NVDA" }
volume = "volume"
high = "high"
low = "low"
close = "close"
"""
CHIP = Asset("CHIP", (Membership("ai_infrastructure", date(2021, 7, 1)),))
CASH = Asset("CASH", (Membership("cash", date(2021, 7, 1)),))
UNIVERSE = Universe((CASH, CHIP))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in (("equities.csv", EQUITIES), ("bars.csv", BARS), ("files.toml", MAPPING)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def source(folder: Path, mapping: str = MAPPING, bars: str = BARS) -> FilesSource:
    (folder / "files.toml").write_text(mapping, encoding="utf-8")
    (folder / "bars.csv").write_text(bars, encoding="utf-8")
    return FilesSource(folder, read_mapping(folder / "files.toml"))


def test_volume_is_in_usd_with_the_close_of_its_own_row(folder):
    volume = source(folder).fields(UNIVERSE, *EVER)["dollar_volume"]
    assert volume.values["CHIP"].tolist() == [40_000.0, 84_000.0, 0.0, 176_000.0]
    assert volume.values.columns.tolist() == ["CHIP"]
    assert (volume.unit, volume.source) == ("USD", "bars.csv")
    assert volume.available_at[0] == pd.Timestamp("2021-07-02", tz="UTC")


def test_volume_that_is_money_is_taken_as_it_is(folder):
    mapping = MAPPING.replace('volume = "volume"', 'volume = "turnover"\nvolume_unit = "USD"')
    volume = source(folder, mapping).fields(UNIVERSE, *EVER)["dollar_volume"].values["CHIP"]
    assert volume.tolist() == [40_000.0, 84_000.0, 0.0, 176_000.0]


def test_highs_and_lows_are_on_the_basis_of_the_prices_whatever_their_file_is_adjusted_for(folder):
    found = source(folder).fields(UNIVERSE, *EVER)
    high, low = (found[name].values["CHIP"].to_numpy() for name in ("high", "low"))
    price = np.array([19.0, 20.0, 21.0, 22.0])
    assert high / price == pytest.approx(np.array([42 / 40, 44 / 42, 46 / 44, 24 / 22]))
    assert low / price == pytest.approx(np.array([38 / 40, 40 / 42, 42 / 44, 21 / 22]))


def test_blocks_may_follow_one_another_and_may_not_overlap(folder):
    second = MAPPING + MAPPING[MAPPING.index("[[bars]]") :]
    with pytest.raises(DataError, match=r"Two blocks of bars .* CHIP on 2021-07-01; set first"):
        source(folder, second).fields(UNIVERSE, *EVER)
    apart = MAPPING + "last = 2021-07-02\n" + MAPPING[MAPPING.index("[[bars]]") :]
    joined = source(folder, apart + "first = 2021-07-03\n").fields(UNIVERSE, *EVER)
    assert joined["dollar_volume"].values["CHIP"].tolist() == [40_000.0, 84_000.0, 0.0, 176_000.0]


def test_a_hole_stays_a_hole(folder):
    bars = BARS.replace("44,40,42,2000,84000", "44,40,42,,").replace("46,42,44,0,0", ",,,7,")
    found = source(folder, bars=bars).fields(UNIVERSE, *EVER)
    assert found["dollar_volume"].values.index.day.tolist() == [1, 7]
    assert found["high"].values.index.day.tolist() == [1, 2, 7]


def test_an_asset_without_bars_and_a_folder_without_any_have_no_columns(folder):
    mapping = MAPPING[: MAPPING.index("[[bars]]")]
    assert "dollar_volume" not in source(folder, mapping).fields(UNIVERSE, *EVER)
    other = source(folder).fields(Universe((CASH,)), *EVER)
    assert "dollar_volume" not in other


def test_a_panel_has_bars_from_when_an_asset_was_usable(folder):
    listed = Asset("CHIP", CHIP.memberships, usable_from=date(2021, 7, 6))
    panel = assemble([source(folder)], Universe((CASH, listed)))
    assert panel.field("dollar_volume").values["CHIP"].dropna().index[0].day == 6


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("42,38,40,1000", "42,38,40,-1", r"bars.csv, 'NVDA': the row of 2021-07-01"),
        ("42,38,40,1000", "39,38,40,1000", "low <= close <= high"),
        ("42,38,40,1000", "42,41,40,1000", "low <= close <= high"),
        ("42,38,40,1000", "42,0,40,1000", "2021-07-01"),
        ("42,38,40,1000", "42,38,0,1000", "2021-07-01"),
        ("42,38,40,1000", "42,38,40,1e300", "1e\\+13 USD"),
        ("42,38,40,1000", "inf,38,40,1000", "2021-07-01"),
        ("2021-07-02,NVDA", "2021-07-01,NVDA", "two rows for 2021-07-01"),
        (",NVDA,", ",NVDIA,", "no 'NVDA' in column 'ticker'. Did you mean 'NVDIA'"),
    ],
)
def test_bars_that_cannot_be_are_refused(folder, old, new, said):
    with pytest.raises(DataError, match=said):
        source(folder, bars=BARS.replace(old, new)).fields(UNIVERSE, *EVER)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('low = "low"\n', "", "Bars need volume, or both high and low"),
        ('volume = "volume"\nhigh = "high"\nlow = "low"\n', "", "Bars need volume"),
        ('[[bars]]\ntable = "bars"', '[[bars]]\ntable = "equities"', "'equities' must be long"),
        ('[[bars]]\ntable = "bars"', '[[bars]]\ntable = "bar"', "no table 'bar'"),
        ('volume = "volume"', 'volumes = "volume"', "no setting 'volumes'"),
        ("[[bars]]", "[bars]", "bars is a list of blocks"),
    ],
)
def test_blocks_that_mean_nothing_are_refused(folder, old, new, said):
    assert old in MAPPING
    with pytest.raises(ConfigError, match=said):
        source(folder, MAPPING.replace(old, new))


def test_a_field_cannot_take_the_name_of_the_bars(folder):
    field = '\n[fields.high]\ntable = "equities"\ncolumn = "NVDA"\nunit = "USD"\n'
    field += 'availability = "session_close"\n'
    with pytest.raises(ConfigError, match=r"fields.high: a field is a plain word other than close"):
        source(folder, MAPPING + field)
