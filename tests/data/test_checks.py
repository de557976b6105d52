"""A file that is not what it should be is refused with file, column, day and the next step."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from toolkit.data.checks import (
    check_days,
    check_finite,
    check_increasing,
    check_prices,
    path_inside,
    read_toml,
)
from toolkit.data.tables import read_table
from toolkit.errors import ConfigError, DataError, SourceUnavailableError

DAYS = pd.DatetimeIndex(["2021-07-01", "2021-07-02", "2021-07-06"])


def written(folder: Path, content: str | bytes, name: str = "prices.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_same_numbers_come_out_of_csv_gzip_and_parquet(tmp_path):
    text = "date,key,value\n2021-07-01,A,1.5\n2021-07-02,B,\n2021-07-02,A,3\n"
    frame = pd.read_csv(io.StringIO(text))
    frame.to_parquet(tmp_path / "plain.parquet")
    frame.assign(date=pd.to_datetime(frame.date), key=frame.key.astype("category")).to_parquet(
        tmp_path / "typed.parquet"
    )
    written(tmp_path, text, "prices.csv")
    written(tmp_path, gzip.compress(text.encode()), "prices.csv.gz")
    for name in ("prices.csv", "prices.csv.gz", "plain.parquet", "typed.parquet"):
        table = read_table(tmp_path / name, "date", ["value"], ["key"])
        assert table.file == name
        assert list(table.times.strftime("%d")) == ["01", "02", "02"]
        assert table.times.unit == "ns"
        np.testing.assert_array_equal(table.numbers["value"], [1.5, np.nan, 3.0])
        assert list(table.texts["key"]) == ["A", "B", "A"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["prices.csv is empty"]),
        ("date,NVDA\n", ["prices.csv has no rows"]),
        ("date,NVDIA\n2021-07-01,1\n", ["prices.csv has no column 'NVDA'", "'NVDIA'"]),
        ("day,NVDA\n2021-07-01,1\n", ["no column 'date'"]),
        ("date,NVDA,NVDA\n2021-07-01,1,2\n", ["2 columns called 'NVDA'"]),
        ("date,NVDA\n2021-07-01,1\n2021-07-02,n.a.\n", ["'NVDA'", "2021-07-02", "'n.a.'"]),
        ('date,NVDA\n2021-07-01,"1,5"\n', ["'NVDA'", "2021-07-01", "'1,5'", "1234.5"]),
        ("date,NVDA\n2021-07-01,1\n2021-07-02\n", ["prices.csv", "Expected 2 columns, got 1"]),
        ("date,NVDA\n2021-07-01,1,2\n", ["prices.csv", "Expected 2 columns, got 3"]),
        ("date,NVDA\n01/02/2021,1\n", ["column 'date'", "'01/02/2021'", "ISO"]),
        ("date,NVDA\n2021-02,1\n", ["column 'date'", "'2021-02'", "ISO"]),
        ("date,NVDA\n2021-02-30,1\n", ["column 'date'", "2021-02-30"]),
        ("date,NVDA\n9999-02-01,1\n", ["column 'date'", "outside"]),
        ("date,NVDA\n,1\n", ["column 'date'", "''"]),
        ("date,NVDA\n2021-07-01T00:00:00-05:00,1\n", ["column 'date'", "UTC-05:00", "in UTC"]),
        (b"date,NVD\xff\n2021-07-01,1\n", ["prices.csv", "UTF-8"]),
    ],
)
def test_a_malformed_csv_is_refused_with_its_place(tmp_path, content, parts):
    path = written(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_table(path, "date", ["NVDA"], [])
    for part in parts:
        assert part in str(caught.value)


def test_what_means_missing_is_missing_and_infinity_is_not(tmp_path):
    cells = ["", "NaN", "NA", "inf", "-inf", "1e999"]
    rows = "".join(f"2021-07-0{day},{cell}\n" for day, cell in enumerate(cells, start=1))
    values = read_table(written(tmp_path, "date,A\n" + rows), "date", ["A"], []).numbers["A"]
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.nan, np.inf, -np.inf, np.inf])


def test_a_utc_time_zone_is_accepted_and_dropped(tmp_path):
    text = "date,A\n2021-07-01T05:53:04Z,1\n2021-07-15T00:00:00+00:00,2\n"
    times = read_table(written(tmp_path, text), "date", ["A"], []).times
    assert times.tz is None
    assert times[0] == pd.Timestamp("2021-07-01 05:53:04")


def test_a_parquet_column_of_another_zone_or_kind_is_refused(tmp_path):
    stamps = pd.to_datetime(["2021-07-01"]).tz_localize("America/New_York")
    pd.DataFrame({"date": stamps, "A": ["x"]}).to_parquet(tmp_path / "zone.parquet")
    with pytest.raises(DataError, match=r"America/New_York"):
        read_table(tmp_path / "zone.parquet", "date", [], [])
    pd.DataFrame({"date": [20210701], "A": ["x"]}).to_parquet(tmp_path / "kind.parquet")
    with pytest.raises(DataError, match=r"int64; ISO dates"):
        read_table(tmp_path / "kind.parquet", "date", [], [])
    pd.DataFrame({"date": ["2021-07-01"], "A": ["x"]}).to_parquet(tmp_path / "text.parquet")
    with pytest.raises(DataError, match=r"numbers are expected"):
        read_table(tmp_path / "text.parquet", "date", ["A"], [])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.csv.gz", gzip.compress(b"date,A\n2021-07-01,1\n")[:-6]),
        ("plain.csv.gz", b"date,A\n2021-07-01,1\n"),
        ("text.parquet", b"date,A\n2021-07-01,1\n"),
    ],
)
def test_a_broken_container_is_refused_by_name(tmp_path, name, content):
    with pytest.raises(DataError, match=name):
        read_table(written(tmp_path, content, name), "date", ["A"], [])


def test_another_suffix_is_refused(tmp_path):
    path = written(tmp_path, b"\x80\x04N.", "prices.pkl")
    with pytest.raises(ConfigError, match=r"must end in .csv, .csv.gz, .parquet"):
        read_table(path, "date", ["A"], [])


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(b"date,A\n" + b"2021-07-01,1\n" * 400_000)
    assert len(bomb) < 30_000
    with pytest.raises(DataError, match=r"unpacks to more than"):
        read_table(written(tmp_path, bomb, "bomb.csv.gz"), "date", ["A"], [])


def test_a_parquet_bomb_is_not_decoded(tmp_path):
    rows = 5_000_001
    table = pa.table({"date": pa.array(np.zeros(rows, "datetime64[ms]"))})
    pq.write_table(table, tmp_path / "rows.parquet")
    assert (tmp_path / "rows.parquet").stat().st_size < 200_000
    with pytest.raises(DataError, match=r"5000001 rows"):
        read_table(tmp_path / "rows.parquet", "date", [], [])


def test_few_rows_of_many_columns_count_by_what_they_take_once_decoded(tmp_path):
    ones = pa.array(np.ones(1_100_000))
    columns = [f"c{number}" for number in range(64)]
    pq.write_table(pa.table(dict.fromkeys(columns, ones)), tmp_path / "wide.parquet")
    assert (tmp_path / "wide.parquet").stat().st_size < 1_000_000
    with pytest.raises(DataError, match=r"bytes once unpacked"):
        read_table(tmp_path / "wide.parquet", "c0", columns[1:], [])


def test_too_many_columns_are_refused(tmp_path):
    header = ",".join(["date", *(f"c{number}" for number in range(2_000))])
    with pytest.raises(DataError, match=r"2001 columns"):
        read_table(written(tmp_path, header + "\n"), "date", [], [])


@pytest.mark.parametrize(
    "name",
    [
        "",
        "../a.csv",
        "/etc/passwd",
        "sub/../../a.csv",
        "C:a.csv",
        "..\\a.csv",
        "a\0.csv",
        "./a.csv",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path, name):
    folder = tmp_path / "data"
    folder.mkdir()
    written(tmp_path, "date\n", "a.csv")
    with pytest.raises(ConfigError, match=r"plain path relative"):
        path_inside(folder, name)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(tmp_path):
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    outside = written(tmp_path, "date\n", "secret.csv")
    (folder / "link.csv").symlink_to(outside)
    with pytest.raises(ConfigError, match=r"leaves the data folder"):
        path_inside(folder, "link.csv")
    written(folder / "sub", "date\n", "a.csv")
    (folder / "alias.csv").symlink_to(folder / "sub" / "a.csv")
    assert path_inside(folder, "alias.csv").read_text() == "date\n"
    assert path_inside(folder, "sub/a.csv").is_file()


def test_a_missing_file_is_named_with_the_nearest_name(tmp_path):
    written(tmp_path, "date\n", "equities.csv")
    with pytest.raises(SourceUnavailableError, match=r"'equitys.csv' .* 'equities.csv'"):
        path_inside(tmp_path, "equitys.csv")


def test_toml_is_refused_where_it_is_missing_broken_or_too_long(tmp_path):
    with pytest.raises(ConfigError, match=r"files.toml cannot be read"):
        read_toml(tmp_path / "files.toml")
    with pytest.raises(ConfigError, match=r"files.toml is not valid TOML.*line 2"):
        read_toml(written(tmp_path, "a = 1\nb = \n", "files.toml"))
    with pytest.raises(ConfigError, match=r"at most"):
        read_toml(written(tmp_path, "#" * 1_100_000, "files.toml"))


def test_rows_that_repeat_or_go_back_are_refused():
    check_increasing(DAYS, "a.csv")
    check_increasing(DAYS[:0], "a.csv")
    with pytest.raises(DataError, match=r"a.csv: two rows for 2021-07-02"):
        check_increasing(DAYS.take([0, 1, 1]), "a.csv")
    with pytest.raises(DataError, match=r"a.csv: 2021-07-01 comes after 2021-07-06"):
        check_increasing(DAYS.take([1, 2, 0]), "a.csv")


@pytest.mark.parametrize("price", [0.0, -1.0, np.inf, -np.inf])
def test_a_price_that_cannot_be_one_is_refused_with_its_day(price):
    check_prices(np.array([1.0, np.nan, 2.0]), DAYS, "a.csv, NVDA")
    with pytest.raises(DataError, match=r"a.csv, NVDA: the price of 2021-07-06 is"):
        check_prices(np.array([1.0, np.nan, price]), DAYS, "a.csv, NVDA")


def test_an_infinite_value_is_refused_and_a_negative_one_is_not():
    check_finite(np.array([-1.0, 0.0, np.nan]), DAYS, "a.csv, fees")
    with pytest.raises(DataError, match=r"a.csv, fees: the value of 2021-07-02 is inf"):
        check_finite(np.array([1.0, np.inf, 2.0]), DAYS, "a.csv, fees")


def test_a_time_of_day_is_refused_where_rows_are_days():
    check_days(DAYS, "a.csv")
    with pytest.raises(DataError, match=r"a.csv: found the time 2021-07-02 16:00:00"):
        check_days(DAYS.insert(2, pd.Timestamp("2021-07-02 16:00")), "a.csv")
