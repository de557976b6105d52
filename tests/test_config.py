"""TOML to experiment and back: every key is known, and a file cannot reach beyond its place."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import tomli_w

from toolkit.backtest.schedule import Schedule
from toolkit.config import Experiment
from toolkit.errors import ConfigError, SourceUnavailableError, ToolkitError
from toolkit.optimize import MaxSleeveWeight, MaxWeight, ProportionalCost
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.settings import shipped_strategies
from toolkit.universe import MINERS

SHORT = ("data.start=2023-01-03", "data.end=2023-12-29", "checks.audit_cuts=3")

MODULE = '''
from toolkit import Sleeve, Strategy
from toolkit.strategy import share_equally
from toolkit.units import Fraction, component


@component
class Mine(Strategy):
    """Part of the book in bitcoin."""

    share: Fraction = {share}

    def targets(self, panel, signals=None):
        return share_equally(panel.members([Sleeve.BITCOIN])) * self.share
'''

TEXT = """
title = "Mine"

[strategy]
kind = "mine:Mine"

[data]
start = 2023-01-03
end = 2023-12-29

[checks]
audit_cuts = 3
replay = false
"""


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "mine.py").write_text(MODULE.format(share=0.5))
    (tmp_path / "mine.toml").write_text(TEXT)
    return tmp_path


def experiment(folder: Path, text: str = TEXT) -> Experiment:
    (folder / "mine.toml").write_text(text)
    return Experiment.from_toml(folder / "mine.toml")


# What a file becomes


@pytest.mark.parametrize("name", shipped_strategies())
def test_a_shipped_file_builds_every_part_it_names(name):
    shipped = Experiment.from_toml(name)
    backtester = shipped.backtester()
    assert shipped.strategy() is not None
    assert backtester.schedule.every == ("week" if name == "hash_ribbon_timing" else "month")
    assert backtester.schedule.start == shipped.data_settings().start
    assert (backtester.fill_delay, backtester.initial_cash) == (1, 1_000_000.0)
    assert (backtester.checks.audit_cuts, backtester.checks.replay) == (40, True)
    if name == "bitcoin_only":
        assert backtester.optimizer is None
    else:
        assert len(backtester.optimizer.limits) == 6
        assert backtester.optimizer.cost == backtester.cost == ProportionalCost(5.0, 3.0, 2.0)
        assert backtester.risk_model == ExponentialCovariance(halflife=63, lookback=504)


def test_the_numbers_of_a_file_arrive_in_the_objects():
    backtester = Experiment.from_toml(
        "difficulty_rotation",
        [
            "optimizer.limits.0.cap=0.25",
            "schedule.every=week",
            "cost.fee_bps=7",
            "account.fill_delay=2",
        ],
    ).backtester()
    assert backtester.optimizer.limits[0] == MaxWeight(cap=0.25)
    assert backtester.optimizer.limits[1] == MaxSleeveWeight(sleeve=MINERS, cap=0.35)
    assert backtester.schedule == Schedule("week", backtester.schedule.start)
    assert backtester.cost.rates().fee == pytest.approx(7e-4)
    assert backtester.fill_delay == 2


def test_without_optional_sections_the_targets_are_ordered_as_they_are(folder):
    backtester = experiment(folder).backtester()
    assert backtester.optimizer is None
    assert backtester.risk_model is None
    assert backtester.cost == ProportionalCost()


def test_the_settings_of_an_experiment_are_not_used_up_by_building():
    one = Experiment.from_toml("equal_weight")
    first, second = one.backtester(), one.backtester()
    assert first == second
    assert one.settings == Experiment.from_toml("equal_weight").settings


# Unknown keys, in every section


@pytest.mark.parametrize(
    ("section", "key", "meant"),
    [
        ("strategy", "lookbak", "lookback"),
        ("data", "foldr", "folder"),
        ("schedule", "evry", "every"),
        ("risk_model", "half_life", "halflife"),
        ("optimizer", "on_infeasable", "on_infeasible"),
        ("optimizer.objective", "risk_aversoin", "risk_aversion"),
        ("optimizer.limits.0", "capp", "cap"),
        ("cost", "fee_bp", "fee_bps"),
        ("account", "inital_cash", "initial_cash"),
        ("checks", "audit_cut", "audit_cuts"),
    ],
)
def test_an_unknown_key_is_refused_with_its_file_its_section_and_a_proposal(section, key, meant):
    wrong = Experiment.from_toml("difficulty_rotation", [f"{section}.{key}=1"])
    with pytest.raises(ConfigError) as caught:
        (wrong.strategy(), wrong.data_settings(), wrong.backtester())
    message = str(caught.value)
    assert repr(key) in message
    assert f"Did you mean {meant!r}?" in message
    assert "difficulty_rotation.toml" in message
    assert f"[{'.'.join(section.split('.')[:2])}]" in message


@pytest.mark.parametrize(
    "override",
    [
        "strategy.tilt=1.5",
        "data.clock=XLON",
        "data.start=2023-02-30",
        "data.seed=many",
        "schedule.every=fortnight",
        "risk_model.halflife=-1",
        "optimizer.on_infeasible=pray",
        "optimizer.limits.0.cap=2",
        "optimizer.limits.0.cap=nan",
        "cost.fee_bps=-1",
        "cost.fee_bps=inf",
        "account.initial_cash=0",
        "account.initial_cash=nan",
        "account.fill_delay=0",
        "checks.audit_cuts=-1",
    ],
)
def test_a_value_out_of_range_is_refused_with_its_file_and_its_key(override):
    wrong = Experiment.from_toml("difficulty_rotation", [override])
    with pytest.raises(ConfigError) as caught:
        (wrong.strategy(), wrong.data_settings(), wrong.backtester())
    key = override.partition("=")[0].split(".")[-1]
    assert key in str(caught.value)
    assert "difficulty_rotation.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('objective = { kind = "TrackTarget", risk_aversion = 5.0 }', 'objective = "TrackTarget"'),
        ('on_infeasible = "least_violation"', "limits = 3"),
        ('on_infeasible = "least_violation"', 'limits = ["MaxWeight"]'),
        ('kind = "ExponentialCovariance"', "kind = 3"),
        ('kind = "ExponentialCovariance"', ""),
        ('kind = "MaxWeight"', 'kind = "maxweight"'),
        ('kind = "MaxWeight"', ""),
    ],
)
def test_a_part_of_the_wrong_shape_is_refused_and_no_bug(tmp_path, old, new):
    text = tomli_w.dumps(dict(Experiment.from_toml("equal_weight").settings))
    text = Path(str(Experiment.from_toml("equal_weight").folder / "equal_weight.toml")).read_text()
    assert old in text
    text = text.replace(old, new, 1)
    if "limits =" in new:
        head, _, tail = text.partition("[[optimizer.limits]]")
        text = head + tail[tail.index("[cost]") :]
    path = tmp_path / "wrong.toml"
    path.write_text(text)
    wrong = Experiment.from_toml(path)
    with pytest.raises(ConfigError, match=r"wrong\.toml"):
        wrong.backtester()


@pytest.mark.parametrize(
    "kind", ["MaxWieght", "TYPE_CHECKING", "Any", "Limit", "Fraction", "Sleeve"]
)
def test_an_unknown_limit_is_refused_with_limits_alone_proposed(kind):
    wrong = Experiment.from_toml("equal_weight", [f"optimizer.limits.0.kind={kind}"])
    with pytest.raises(ConfigError) as caught:
        wrong.backtester()
    message = str(caught.value)
    assert "[[optimizer.limits]]" in message
    assert repr(kind) in message
    proposed = message.split("unknown.")[-1]
    assert "MaxWeight" in proposed
    assert not any(word in proposed for word in ("TYPE_CHECKING", "Annotated", "ClassVar", "ABC"))


def test_the_same_limit_twice_is_refused():
    twice = Experiment.from_toml("equal_weight", ["optimizer.limits.3.kind=MaxTurnover",
                                                  "optimizer.limits.3.cap=0.1"])  # fmt: skip
    with pytest.raises(ConfigError):
        twice.backtester()


# Where a strategy comes from


def test_a_module_beside_the_file_is_found_first(folder):
    (folder / "benchmarks.py").write_text(MODULE.format(share=0.25).replace("Mine", "BitcoinOnly"))
    own = experiment(folder, TEXT.replace("mine:Mine", "benchmarks:BitcoinOnly")).strategy()
    assert own.share == 0.25
    assert not hasattr(Experiment.from_toml("bitcoin_only").strategy(), "share")


def test_a_shipped_module_is_found_from_any_folder(folder):
    found = experiment(folder, TEXT.replace("mine:Mine", "benchmarks:BitcoinOnly")).strategy()
    assert type(found) is type(Experiment.from_toml("bitcoin_only").strategy())


@pytest.mark.parametrize(
    "kind",
    ["mine", "mine:", ":Mine", "../mine:Mine", "/etc/mine:Mine", "mine:Mine:x", "mi ne:Mine",
     "mine:Mine()", "a" * 80 + ":Mine", "mine:__import__('os')"],
)  # fmt: skip
def test_a_kind_that_is_not_module_and_class_is_refused(folder, kind):
    with pytest.raises(ConfigError, match=r'mine\.toml \[strategy\]: .*"module:Class"'):
        experiment(folder, TEXT.replace("mine:Mine", kind)).strategy()


def test_a_missing_module_is_refused_with_the_way_to_put_it_right(folder):
    with pytest.raises(ConfigError, match=r"no module 'mne'.*mne\.py beside"):
        experiment(folder, TEXT.replace("mine:Mine", "mne:Mine")).strategy()


def test_a_missing_class_gets_a_proposal(folder):
    with pytest.raises(ConfigError, match=r"no 'Mien'.*'Mine'\?"):
        experiment(folder, TEXT.replace("mine:Mine", "mine:Mien")).strategy()


def test_a_class_that_is_no_strategy_is_refused_before_it_is_called(folder):
    proof = folder / "proof"
    text = TEXT.replace('"mine:Mine"', f'"subprocess:Popen"\nargs = ["touch", "{proof}"]')
    with pytest.raises(ConfigError, match="no module 'subprocess'"):
        experiment(folder, text).strategy()
    assert not proof.exists()
    for kind in ("mine:Sleeve", "mine:share_equally"):
        with pytest.raises(ConfigError, match="is not a Strategy"):
            experiment(folder, TEXT.replace("mine:Mine", kind)).strategy()


def test_what_is_merely_installed_is_not_imported(folder, capsys):
    with pytest.raises(ConfigError, match="no module 'this'"):
        experiment(folder, TEXT.replace("mine:Mine", "this:Zen")).strategy()
    assert capsys.readouterr().out == ""


def test_a_module_that_does_not_compile_is_named_as_the_user_s_own(folder):
    (folder / "mine.py").write_text("def broken(:\n")
    with pytest.raises(ConfigError, match=r"mine\.py.*line 1"):
        experiment(folder).strategy()


def test_a_folder_that_is_missing_is_named(folder):
    with pytest.raises(SourceUnavailableError, match="no data folder"):
        experiment(folder, TEXT.replace("[data]", '[data]\nfolder = "nowhere"')).panel()


# Round trip


def test_the_resolved_file_read_again_is_the_same_experiment_with_the_same_orders(tmp_path):
    first = Experiment.from_toml("difficulty_rotation", SHORT)
    result = first.run()
    path = result.save(tmp_path) / "config.toml"
    again = Experiment.from_toml(path)
    assert again.settings == first.resolved()
    assert again.strategy() == first.strategy()
    assert again.backtester() == first.backtester()
    assert again.data_settings() == first.data_settings()
    rerun = again.run()
    assert rerun.order_sha256 == result.order_sha256
    assert rerun.input_sha256 == result.input_sha256
    pd.testing.assert_frame_equal(rerun.returns, result.returns)


def test_the_resolved_file_states_every_override(folder):
    changed = Experiment.from_toml(folder / "mine.toml", ["strategy.share=0.1", "data.seed=3"])
    resolved = tomllib.loads(changed.origin().config)
    assert resolved["strategy"] == {"kind": "mine:Mine", "share": 0.1}
    assert resolved["data"]["seed"] == 3


def test_the_resolved_file_states_what_was_left_to_the_default(folder):
    resolved = tomllib.loads(experiment(folder).origin().config)
    assert resolved["schedule"]["every"] == "month"
    assert resolved["cost"] == {
        "kind": "ProportionalCost",
        "fee_bps": 5.0,
        "half_spread_bps": 3.0,
        "slippage_bps": 2.0,
        "holding_years": 1.0,
    }
    assert resolved["account"] == {"initial_cash": 1e6, "fill_delay": 1}


def test_the_code_hash_follows_the_user_s_module(folder):
    before = experiment(folder).origin().code
    assert experiment(folder).origin().code == before
    (folder / "mine.py").write_text(MODULE.format(share=0.6))
    assert experiment(folder).origin().code != before


def test_the_origin_names_the_data_without_the_place_of_the_folder(folder):
    one = experiment(folder, TEXT.replace("[data]", '[data]\nfolder = "/a/b/market"')).origin()
    two = experiment(folder, TEXT.replace("[data]", '[data]\nfolder = "/c/market"')).origin()
    assert one.config == two.config
    assert "/a/b" not in one.config
    assert one.source == "folder market"
    assert replace(one, command="") == replace(two, command="")


def test_another_seed_is_another_simulated_market(folder):
    panels = [
        Experiment.from_toml(folder / "mine.toml", [f"data.seed={seed}"]).panel() for seed in (7, 8)
    ]
    assert panels[0].digest() != panels[1].digest()
    assert experiment(folder).panel().digest() == panels[0].digest()


def test_the_panel_has_warm_up_before_the_start_and_ends_at_the_end(folder):
    panel = experiment(folder).panel()
    assert panel.sessions[-1] == pd.Timestamp("2023-12-29")
    assert panel.sessions[0] < pd.Timestamp("2021-12-31")
    assert panel.simulated


def test_a_module_that_fails_when_imported_is_named_with_its_error(folder):
    (folder / "mine.py").write_text("raise KeyError('typo')\n")
    with pytest.raises(ConfigError, match=r"module 'mine' fails.*KeyError: 'typo'.*mine\.py"):
        experiment(folder).strategy()


def test_a_relative_data_folder_lies_beside_the_file(folder):
    one = experiment(folder, TEXT.replace("[data]", '[data]\nfolder = "market"'))
    with pytest.raises(ToolkitError, match=re.escape(str(folder / "market"))):
        one.panel()


def test_assets_are_left_out_of_the_data_on_demand():
    panel = Experiment.from_toml("equal_weight", ['data.without=["TENSOR", "ORPHAN"]']).panel()
    assert not {"TENSOR", "ORPHAN"} & set(panel.universe.ids)
    assert "TENSOR" not in panel.prices()
    assert [n.asset for n in panel.notices if n.kind == "left_out"] == ["TENSOR", "ORPHAN"]
