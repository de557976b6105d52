"""Bad input through the command line: one clear line, the documented code, and no run folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.record import RunRecord

SESSIONS = sessions_between("XNYS", date(2023, 1, 3), date(2023, 12, 29))
DAYS = pd.date_range(SESSIONS[0], SESSIONS[-1], freq="D")

UNIVERSE = """
[assets.CASH]
sleeve = "cash"

[assets.COIN]
sleeve = "bitcoin"
calendar = "24/7"

[assets.SHARE]
sleeve = "legacy_miners"

[assets.CHIPS]
sleeve = "ai_infrastructure"
"""
FILES = """
main_prices = "shares"

[tables.shares]
file = "shares.csv"

[tables.coin]
file = "coin.csv"

[[prices]]
table = "shares"
availability = "session_close"
columns = ["SHARE", "CHIPS", "CASH"]

[[prices]]
table = "coin"
availability = "utc_day_end"
columns = { COIN = "price" }
"""
EXPERIMENT = """
title = "Mix"

[strategy]
kind = "benchmarks:StaticMix"

[schedule]
every = "month"

[risk_model]
kind = "ExponentialCovariance"

[optimizer]
on_infeasible = "least_violation"

[[optimizer.limits]]
kind = "MaxWeight"
cap = 0.4

[[optimizer.limits]]
kind = "MinCash"
floor = 0.02

[checks]
audit_cuts = 2
replay = false
"""

Call = Callable[..., tuple[int, str, str]]
Refused = Callable[..., str]


def shares() -> pd.DataFrame:
    random = np.random.default_rng(11)
    moves = np.exp(np.cumsum(0.02 * random.standard_normal((len(SESSIONS), 2)), axis=0))
    frame = pd.DataFrame(40.0 * moves, SESSIONS, ["SHARE", "CHIPS"])
    frame["CASH"] = 100.0 * 1.0001 ** np.arange(len(SESSIONS))
    return frame.rename_axis("date")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """A folder with an experiment, and one of data that nothing is wrong with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HASHPIVOT_RUNS", raising=False)
    data = tmp_path / "data"
    data.mkdir()
    random = np.random.default_rng(12)
    coin = pd.DataFrame(
        {"price": 900.0 * np.exp(np.cumsum(0.03 * random.standard_normal(len(DAYS))))}, DAYS
    )
    shares().to_csv(data / "shares.csv")
    coin.rename_axis("date").to_csv(data / "coin.csv")
    (data / "universe.toml").write_text(UNIVERSE)
    (data / "files.toml").write_text(FILES)
    (tmp_path / "mix.toml").write_text(EXPERIMENT)
    return data


@pytest.fixture
def refused(call) -> Refused:
    """The one line of a run that must be refused with a code and these words."""

    def line(code: int, *words: str, arguments: tuple[str, ...] = ()) -> str:
        given = arguments or ("run", "mix.toml", "--data", "data")
        found, out, err = call(*given, "--json")
        assert (found, out) == (code, ""), err
        assert err.startswith("hashpivot: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        for word in words:
            assert word in err, err
        assert not Path("runs").is_dir() or not list(Path("runs").iterdir())
        return err

    return line


def with_shares(folder: Path, frame: pd.DataFrame) -> None:
    frame.to_csv(folder / "shares.csv")


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_nothing_is_wrong_with_the_folder_as_it_is(folder, call):
    code, out, err = call("run", "mix.toml", "--data", "data", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert answer["simulated"] is False
    assert answer["status"] == "ok"
    assert (answer["start"], answer["end"]) == ("2023-01-03", "2023-12-29")


def test_every_session_of_the_folder_can_be_audited(folder, call):
    code, out, err = call("audit", "mix.toml", "--data", "data", "--cuts", "all", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["cuts"], answer["differences"]) == (len(SESSIONS), 0)


def test_the_sized_decisions_can_be_audited_too(folder, call):
    code, out, err = call("audit", "mix.toml", "--data", "data", "--cuts", "6", "--deep", "--json")
    answer = json.loads(out)
    assert (code, err) == (0, "")
    assert (answer["cuts"], answer["differences"], answer["deep"]) == (6, 0, True)


# Names and keys


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("[strategy]", "bitcion = 0.3"),
        ("[schedule]", "evry = 'week'"),
        ("[risk_model]", "half_life = 3"),
        ("[optimizer]", "on_infeasable = 'stop'"),
        ("[[optimizer.limits]]", "capp = 0.3"),
        ("[checks]", "audit_cut = 3"),
    ],
)
def test_an_unknown_key_names_file_section_and_proposal(folder, refused, section, key):
    replaced(Path("mix.toml"), section, f"{section}\n{key}")
    refused(2, "mix.toml", section, key.split()[0], "Did you mean")


@pytest.mark.parametrize("section", ["data", "cost", "account"])
def test_an_unknown_key_in_a_section_that_may_be_absent_is_refused_too(folder, refused, section):
    with Path("mix.toml").open("a") as file:
        file.write(f"\n[{section}]\nzzz = 1\n")
    refused(2, "mix.toml", f"[{section}]", "'zzz'")


def test_an_unknown_section_is_refused(folder, refused):
    replaced(Path("mix.toml"), "[schedule]", "[shedule]")
    refused(2, "mix.toml", "'shedule'", "Did you mean 'schedule'?")


def test_an_unknown_top_level_key_is_refused(folder, refused):
    replaced(Path("mix.toml"), 'title = "Mix"', 'titel = "Mix"')
    refused(2, "mix.toml", "'titel'", "Did you mean 'title'?")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("universe.toml", 'sleeve = "bitcoin"', 'sleve = "bitcoin"', ["assets.COIN", "sleeve"]),
        ("universe.toml", "calendar", "calender", ["assets.COIN", "calender", "'calendar'?"]),
        ("universe.toml", '"bitcoin"', '"bitcoins"', ["assets.COIN", "bitcoins"]),
        ("universe.toml", '"24/7"', '"24x7"', ["assets.COIN", "calendar", "24x7"]),
        ("files.toml", "main_prices", "main_price", ["main_price"]),
        ("files.toml", 'file = "coin.csv"', 'fiel = "coin.csv"', ["tables.coin", "fiel"]),
        ("files.toml", '"utc_day_end"', '"noon"', ["prices block 2", "noon"]),
        ("files.toml", 'table = "coin"', 'table = "coins"', ["'coins'", "'coin'"]),
        ("files.toml", '"coin.csv"', '"../coin.csv"', ["../coin.csv"]),
        ("files.toml", '"coin.csv"', '"/etc/passwd"', ["/etc/passwd"]),
    ],
)
def test_a_wrong_word_in_a_file_of_the_data_folder_names_file_and_place(
    folder, refused, file, old, new, words
):
    replaced(folder / file, old, new)
    refused(2, *([file] if ".csv" not in old else []), *words)


@pytest.mark.parametrize("file", ["mix.toml", "data/universe.toml", "data/files.toml"])
def test_a_file_that_is_no_toml_names_file_and_line(folder, refused, file):
    path = Path(file)
    path.write_text(path.read_text() + "\n[broken\n")
    refused(2, path.name, "line", str(path.read_text().count("\n")))


def test_a_misspelt_strategy_gets_a_proposal(folder, refused):
    refused(2, "'equal_wieght'", "'equal_weight'?", arguments=("run", "equal_wieght"))


def test_a_missing_experiment_file_is_named(folder, refused):
    refused(2, "There is no file missing.toml", arguments=("run", "missing.toml"))


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that fails for everyone")
def test_an_experiment_file_that_cannot_be_read_is_named_with_the_reason(folder, refused):
    # A file whose reading fails whoever asks, the administrator included.
    Path("held.toml").symlink_to("/proc/self/mem")
    refused(2, "held.toml cannot be read (Input/output error)", arguments=("run", "held.toml"))


@pytest.mark.parametrize("override", ["lookback=3", "schedule.every=fortnight", "nowhere.x=1"])
def test_a_setting_that_does_not_fit_is_refused(folder, refused, override):
    word = override.split("=")[0].split(".")[0 if override.startswith(("look", "no")) else 1]
    refused(2, word, arguments=("run", "mix.toml", "--data", "data", "--set", override))


# Files


def test_a_missing_folder_is_named(folder, refused):
    refused(3, "/nowhere'", arguments=("run", "mix.toml", "--data", "nowhere"))


def test_a_folder_named_in_any_script_is_named_as_it_is(folder, refused):
    refused(3, "/mårkt🙂'", arguments=("run", "mix.toml", "--data", "mårkt🙂"))


def test_a_missing_file_is_named_with_what_to_do(folder, refused):
    (folder / "coin.csv").unlink()
    refused(3, "'coin.csv'", "Put it there")


def test_a_missing_column_is_named_with_its_file(folder, refused):
    with_shares(folder, shares().rename(columns={"SHARE": "SHARES"}))
    refused(3, "shares.csv", "'SHARE'", "'SHARES'?")


def test_an_asset_without_prices_is_named(folder, refused):
    with (folder / "universe.toml").open("a") as file:
        file.write('\n[assets.GHOST]\nsleeve = "ai_tokens"\n')
    refused(3, "GHOST", "files.toml")


def test_a_universe_without_cash_is_refused(folder, refused):
    replaced(folder / "universe.toml", 'sleeve = "cash"', 'sleeve = "ai_tokens"')
    refused(2, "cash", "universe")


def test_an_empty_file_is_named(folder, refused):
    (folder / "coin.csv").write_text("date,price\n")
    refused(3, "coin.csv")


# Rows and prices


def test_rows_out_of_order_are_refused_with_file_and_day(folder, refused):
    frame = shares()
    with_shares(folder, frame.iloc[[*range(99), 100, 99, *range(101, len(frame))]])
    refused(3, "shares.csv", f"{SESSIONS[99]:%Y-%m-%d}", "sort the rows")


def test_a_repeated_row_is_refused_with_file_and_day(folder, refused):
    frame = shares()
    with_shares(folder, frame.iloc[[*range(100), 99, *range(100, len(frame))]])
    refused(3, "shares.csv", f"two rows for {SESSIONS[99]:%Y-%m-%d}")


@pytest.mark.parametrize("price", [-5.0, 0.0, np.inf, -np.inf])
@pytest.mark.parametrize("asset", ["SHARE", "CASH"])
def test_a_price_that_is_none_is_refused_with_file_asset_and_day(folder, refused, asset, price):
    frame = shares()
    frame.loc["2023-06-14", asset] = price
    with_shares(folder, frame)
    refused(3, "shares.csv", asset, "2023-06-14", "above zero")


def test_a_cell_that_is_no_number_is_refused_with_its_place(folder, refused):
    text = (folder / "shares.csv").read_text().splitlines()
    text[50] = text[50].replace(text[50].split(",")[1], "n/a?")
    (folder / "shares.csv").write_text("\n".join(text))
    refused(3, "shares.csv", "SHARE", "'n/a?'", text[50][:10])


def test_a_day_in_another_notation_is_refused(folder, refused):
    replaced(folder / "shares.csv", "2023-01-04", "04/01/2023")
    refused(3, "shares.csv", "04/01/2023", "ISO")


def test_a_share_that_trades_on_a_holiday_is_refused(folder, refused):
    frame = shares()
    frame.loc[pd.Timestamp("2023-07-04"), "SHARE"] = 40.0
    with_shares(folder, frame.sort_index())
    refused(3, "SHARE", "2023-07-04", "no session", "shares.csv")


def test_ten_missing_sessions_are_a_notice_and_no_trade(folder, call):
    frame = shares()
    frame.loc[SESSIONS[100:110], "SHARE"] = np.nan
    with_shares(folder, frame)
    code, out, _ = call("run", "mix.toml", "--data", "data", "--json")
    assert code == 0
    record = RunRecord.load(Path(json.loads(out)["report"]).parent)
    (notice,) = [n for n in record.manifest["notices"] if n["kind"] == "hole"]
    assert notice["asset"] == "SHARE"
    assert "10 of its sessions" in notice["text"]
    orders = record.orders[record.orders["asset"] == "SHARE"]
    assert not orders["session"].isin(SESSIONS[100:110]).any()


def test_eleven_missing_sessions_are_refused(folder, refused):
    frame = shares()
    frame.loc[SESSIONS[100:111], "SHARE"] = np.nan
    with_shares(folder, frame)
    refused(3, "SHARE", "11 sessions", f"{SESSIONS[100]:%Y-%m-%d}", "shares.csv", "halt")


def test_eleven_missing_sessions_with_a_declared_halt_are_fine(folder, call):
    frame = shares()
    frame.loc[SESSIONS[100:111], "SHARE"] = np.nan
    with_shares(folder, frame)
    first, last = SESSIONS[100], SESSIONS[110]
    replaced(
        folder / "universe.toml",
        'sleeve = "legacy_miners"',
        f'sleeve = "legacy_miners"\nhalts = [{{ first = {first:%Y-%m-%d}, last = {last:%Y-%m-%d} }}]',
    )
    assert call("run", "mix.toml", "--data", "data", "--json")[0] == 0


def test_one_missing_session_of_cash_is_refused(folder, refused):
    frame = shares()
    frame.loc["2023-06-14", "CASH"] = np.nan
    with_shares(folder, frame)
    refused(3, "Cash CASH", "2023-06-14", "shares.csv")


def test_a_series_that_stops_is_the_end_of_coverage_with_a_warning(folder, call):
    frame = shares()
    frame.loc["2023-09-01":, "SHARE"] = np.nan
    with_shares(folder, frame)
    code, out, _ = call("run", "mix.toml", "--data", "data", "--json")
    record = RunRecord.load(Path(json.loads(out)["report"]).parent)
    assert code == 0
    (notice,) = [n for n in record.manifest["notices"] if n["kind"] == "undeclared_end"]
    assert (notice["asset"], notice["session"]) == ("SHARE", "2023-08-31")
    (ending,) = record.manifest["endings"]
    assert (ending["asset"], ending["kind"]) == ("SHARE", "coverage_ended")


# Periods


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--start", "2023-13-01"), 2, ["start", "2023-13-01"]),
        (("--start", "soon"), 2, ["--start", "'soon' is no ISO day"]),
        (("--start", "0"), 2, ["--start", "'0' is no ISO day"]),
        (("--start", ""), 2, ["--start", "'' is no ISO day"]),
        (("--start", "2023-1-1"), 2, ["--start", "'2023-1-1' is no ISO day"]),
        (("--end", "1700006400"), 2, ["--end", "'1700006400' is no ISO day"]),
        (("--end", "2023-12-29T00:00"), 2, ["--end", "is no ISO day"]),
        (("--set", "data.end=1700006400"), 2, ["[data]", "1700006400: expected an ISO day"]),
        (("--set", "data.end='1700006400'"), 2, ["[data]", "'1700006400': expected an ISO day"]),
        (("--set", "schedule.start=0"), 2, ["[schedule]", "0: expected an ISO day"]),
        (("--end", "2030-01-01"), 3, ["2030-01-01", "2023-12-29"]),
        (("--start", "2023-06-01", "--end", "2023-05-01"), 3, ["2023-06-01", "2023-05-01"]),
        (("--start", "2023-12-29"), 3, ["2023-12-29", "no target that could be filled"]),
        (("--start", "2024-06-03"), 3, ["2024-06-03"]),
        (("--end", "2022-01-03"), 3, ["2022-01-03"]),
    ],
)
def test_an_impossible_period_is_refused(folder, refused, options, code, words):
    refused(code, *words, arguments=("run", "mix.toml", "--data", "data", *options))


# Targets, limits, money


def test_shares_above_one_are_refused_before_anything_is_computed(folder, refused):
    refused(
        2, "mix.toml [strategy]", "StaticMix sum to 1.55", "at most 1",
        arguments=("run", "mix.toml", "--data", "data", "--set", "strategy.bitcoin=0.9"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("weights", "problem"),
    [
        ("{'SHARE': 1.5}", "more than 1"),
        ("{'SHARE': 0.5, 'CHIPS': -0.1}", "negative"),
        ("{'SHARE': 0.5, 'CHIPS': float('nan')}", "partly NaN"),
        ("{'SHARE': float('inf')}", "infinite"),
        ("{'SHRE': 0.5}", "'SHRE'"),
    ],
)
def test_a_user_s_targets_are_checked(folder, refused, weights, problem):
    Path("odd.py").write_text(
        "import pandas as pd\nfrom toolkit import Strategy\n\n\n"
        'class Odd(Strategy):\n    """Odd weights."""\n\n'
        "    def targets(self, panel, signals=None):\n"
        f"        return pd.DataFrame({weights}, index=panel.sessions)\n"
    )
    replaced(Path("mix.toml"), "benchmarks:StaticMix", "odd:Odd")
    refused(3, problem)


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        ("None", "found None"),
        ("0.5", "found float"),
        ("panel.prices()['SHARE']", "found Series"),
        ("panel.prices().to_numpy()", "found ndarray"),
    ],
)
def test_targets_that_are_no_frame_are_refused_naming_the_strategy(
    folder, refused, returned, found
):
    Path("odd.py").write_text(
        "from toolkit import Strategy\n\n\n"
        'class Odd(Strategy):\n    """Odd targets."""\n\n'
        "    def targets(self, panel, signals=None):\n"
        f"        return {returned}\n"
    )
    replaced(Path("mix.toml"), "benchmarks:StaticMix", "odd:Odd")
    refused(3, "Odd.targets", found, "a DataFrame with a row a session and a column an asset")


@pytest.mark.parametrize("code", ["0", "3", "'gone'"])
@pytest.mark.parametrize("place", ["module", "targets"])
def test_a_strategy_that_ends_the_program_is_refused(folder, refused, place, code):
    Path("odd.py").write_text(
        f"import sys\nfrom toolkit import Strategy\n\n{'sys.exit' if place == 'module' else 'str'}"
        f"({code})\n\n\n"
        'class Odd(Strategy):\n    """Leaves."""\n\n'
        "    def targets(self, panel, signals=None):\n"
        f"        sys.exit({code})\n"
    )
    replaced(Path("mix.toml"), "benchmarks:StaticMix", "odd:Odd")
    refused(2, f"ended the program by sys.exit({code})")


def impossible() -> None:
    """More in cash than cash may be."""
    replaced(Path("mix.toml"), "floor = 0.02", "floor = 0.5")
    replaced(
        Path("mix.toml"), "[checks]",
        "[[optimizer.limits]]\nkind = 'MaxSleeveWeight'\nsleeve = 'cash'\ncap = 0.2\n\n[checks]",
    )  # fmt: skip


def test_limits_nobody_can_meet_stop_the_run_where_it_says_so(folder, refused):
    impossible()
    replaced(Path("mix.toml"), "least_violation", "stop")
    start = ("--start", "2023-06-01")
    refused(
        4, "MinCash", "MaxSleeveWeight(cash)", "2023-06-01", "by 0.3",
        arguments=("run", "mix.toml", "--data", "data", *start),
    )  # fmt: skip


def test_limits_nobody_can_meet_are_relaxed_least_and_on_record_by_default(folder, call):
    impossible()
    start = ("--start", "2023-06-01")
    code, out, err = call("run", "mix.toml", "--data", "data", *start, "--json")
    assert (code, err) == (0, "")
    limits = RunRecord.load(Path(json.loads(out)["report"]).parent).limits
    slack = limits.groupby("session")["slack"].sum()
    assert np.allclose(slack, 0.3, atol=1e-5)
    assert (limits.loc[limits["limit"] == "MaxWeight", "slack"] == 0.0).all()


@pytest.mark.parametrize("cash", ["500", "0", "-1", "nan", "inf"])
def test_too_little_money_is_refused(folder, refused, cash):
    override = f"account.initial_cash={cash}"
    refused(2, "initial_cash", arguments=("run", "mix.toml", "--data", "data", "--set", override))


# Where runs go


def test_a_file_in_the_place_of_the_runs_folder_is_refused_before_anything_is_computed(
    folder, refused, monkeypatch
):
    Path("taken").write_text("a file")
    monkeypatch.setattr("toolkit.config.Experiment.run", None)
    refused(2, "taken", "--runs", arguments=("run", "mix.toml", "--runs", "taken"))
    assert Path("taken").read_text() == "a file"


def test_a_runs_folder_below_a_file_is_refused(folder, refused):
    Path("taken").write_text("a file")
    refused(2, "taken/runs", "--runs", arguments=("run", "mix.toml", "--runs", "taken/runs"))


@pytest.mark.parametrize("command", ["run", "audit"])
def test_an_audit_refuses_bad_input_as_a_run_does(folder, refused, command):
    (folder / "coin.csv").unlink()
    refused(3, "'coin.csv'", arguments=(command, "mix.toml", "--data", "data"))


def test_what_of_an_own_table_of_announcements_was_not_heard_is_told(call, folder):
    table = "announce_date,ticker,event_type\n2023-06-05,SHARE,colo_kontract\n"
    (folder / "pivot_events.csv").write_text(table)
    code, out, err = call("pivot", "status", "--data", "data", "--json")
    assert (code, out.count("\n")) == (0, 1)
    assert "not available: date_quality, publication_time, mw," in err
    assert "read by no signal: colo_kontract" in err


def test_signals_that_a_folder_cannot_give_are_said_not_to_be_available(call, folder):
    code, out, _ = call("signals", "--data", "data", "--json")
    cards = {card["name"]: card for card in json.loads(out)["signals"]}
    assert code == 0
    assert cards["momentum"]["judged"] == "across assets"
    assert "difficulty" in cards["epoch_change"]["missing"]
    assert "hash_price" in cards["kappa_spread"]["missing"]
