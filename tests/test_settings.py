"""Experiment files are found by allow-list, parsed with bounds, and changed key by key."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolkit.errors import ConfigError
from toolkit.settings import (
    SECTIONS,
    locate,
    read_settings,
    shipped_folder,
    shipped_strategies,
)

TEXT = """
title = "Mine"

[strategy]
kind = "mine:Mine"
lookback = 20

[schedule]
every = "month"

[optimizer]
on_infeasible = "stop"

[[optimizer.limits]]
kind = "MaxWeight"
cap = 0.4

[[optimizer.limits]]
kind = "MinCash"
floor = 0.02
"""


@pytest.fixture
def path(tmp_path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT)
    return file


def test_settings_come_section_by_section(path):
    settings = read_settings(path)
    assert settings["title"] == "Mine"
    assert settings["strategy"] == {"kind": "mine:Mine", "lookback": 20}
    assert [limit["kind"] for limit in settings["optimizer"]["limits"]] == ["MaxWeight", "MinCash"]
    assert set(settings) <= set(SECTIONS)


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("strategy.lookback=60", "strategy", "lookback", 60),
        ("strategy.lookback = 60", "strategy", "lookback", 60),
        ("schedule.every=week", "schedule", "every", "week"),
        ('schedule.every="week"', "schedule", "every", "week"),
        ("checks.replay=false", "checks", "replay", False),
        ("cost.fee_bps=1.5", "cost", "fee_bps", 1.5),
        ("account.initial_cash=1_000.0", "account", "initial_cash", 1000.0),
        ("data.folder=a=b", "data", "folder", "a=b"),
    ],
)
def test_an_override_sets_one_key_with_the_type_of_toml(path, override, section, key, value):
    settings = read_settings(path, [override])
    assert settings[section][key] == value
    assert type(settings[section][key]) is type(value)
    untouched = {name: read_settings(path)[name] for name in ("title",)}
    assert settings["title"] == untouched["title"]


def test_an_override_reaches_into_a_list_of_tables(path):
    settings = read_settings(path, ["optimizer.limits.1.floor=0.1"])
    assert settings["optimizer"]["limits"][1] == {"kind": "MinCash", "floor": 0.1}
    assert settings["optimizer"]["limits"][0] == {"kind": "MaxWeight", "cap": 0.4}


def test_the_later_of_two_overrides_wins(path):
    settings = read_settings(path, ["strategy.lookback=1", "strategy.lookback=2"])
    assert settings["strategy"]["lookback"] == 2


@pytest.mark.parametrize(
    "override",
    [
        "lookback=60",
        "strategy.lookback",
        "=60",
        "strategy.=60",
        ".lookback=60",
        "",
        "optimizer.limits.2.cap=0.1",
        "optimizer.limits.first.cap=0.1",
        "optimizer.limits.0=0.1",
        "optimizer.limits.-1.cap=0.1",
        "strategy.lookback.days=60",
        "title.x=1",
    ],
)
def test_an_override_that_does_not_fit_is_refused_as_it_was_typed(path, override):
    with pytest.raises(ConfigError) as caught:
        read_settings(path, [override])
    assert f"--set {override}" in str(caught.value)


def test_an_override_is_one_value_and_not_more_toml(path):
    for text in ("60\nkind = 'os:getcwd'", "60\n[strategy]"):
        with pytest.raises(ConfigError, match=r"--set strategy\.lookback=60\n.*one value"):
            read_settings(path, [f"strategy.lookback={text}"])


def test_an_unknown_section_is_refused_with_a_proposal(path):
    path.write_text(TEXT + "\n[shedule]\nevery = 'week'\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown section 'shedule'.*'schedule'\?"):
        read_settings(path)
    path.write_text(TEXT)
    with pytest.raises(ConfigError, match="unknown section 'stratgy'"):
        read_settings(path, ["stratgy.lookback=60"])


def test_a_section_that_is_a_value_is_refused(path):
    path.write_text("schedule = 'week'\n" + TEXT.replace('[schedule]\nevery = "month"', ""))
    with pytest.raises(ConfigError, match=r"schedule must be a table: \[schedule\]"):
        read_settings(path)


def test_invalid_toml_is_named_with_its_line(path):
    path.write_text("title = 'Mine'\n[strategy\nkind = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is no valid TOML: .*line 2"):
        read_settings(path)
    path.write_bytes(b"title = '\xff'\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is no valid TOML"):
        read_settings(path)


def test_a_file_of_another_kind_is_refused_by_its_size(path):
    path.write_text(TEXT + "#" * 1_000_000)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        read_settings(path)


@pytest.mark.parametrize("strategy", ["", "[strategy]\nlookback = 3", "[strategy]\nkind = 7"])
def test_a_strategy_without_a_kind_is_refused(path, strategy):
    path.write_text(f"title = 'Mine'\n{strategy}\n")
    with pytest.raises(ConfigError, match=r'\[strategy\] needs kind = "module:Class"'):
        read_settings(path)


def test_every_shipped_file_reads_and_is_listed_under_its_name():
    shipped = shipped_strategies()
    for name, title in shipped.items():
        settings = read_settings(shipped_folder() / f"{name}.toml")
        assert settings["title"] == title
        assert locate(name) == shipped_folder() / f"{name}.toml"
    assert "universe" not in shipped
    assert "files" not in shipped


def test_a_misspelt_strategy_gets_a_proposal_and_the_way_to_a_file():
    with pytest.raises(ConfigError, match=r"'equal_wieght'.*'equal_weight'\?.*\.toml"):
        locate("equal_wieght")


@pytest.mark.parametrize("name", ["../strategies/equal_weight", "/etc/passwd", "universe", "", "."])
def test_a_bare_name_is_one_of_the_list_and_never_a_path(name):
    with pytest.raises(ConfigError, match="There is no strategy"):
        locate(name)


def test_a_path_must_be_a_file(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    for name in ("missing.toml", "folder.toml"):
        with pytest.raises(ConfigError, match=f"There is no file .*{name}"):
            locate(str(tmp_path / name))


def test_another_kind_does_not_inherit_the_settings_of_the_old_one(path):
    changed = ["optimizer.limits.0.floor=0.1", "optimizer.limits.0.kind=MinCash"]
    limits = read_settings(path, changed)["optimizer"]["limits"]
    assert limits[0] == {"kind": "MinCash", "floor": 0.1}
    assert limits[1] == {"kind": "MinCash", "floor": 0.02}


def test_the_same_kind_keeps_its_settings(path):
    assert read_settings(path, ["strategy.kind=mine:Mine"])["strategy"]["lookback"] == 20


@pytest.mark.parametrize("tried", ["0", "true", '"one"', "1.5"])
def test_variants_tried_is_a_count(path, tried):
    path.write_text(f"variants_tried = {tried}\n{TEXT}")
    with pytest.raises(ConfigError, match="variants_tried"):
        read_settings(path)
    path.write_text(f"variants_tried = 12\n{TEXT}")
    assert read_settings(path)["variants_tried"] == 12
