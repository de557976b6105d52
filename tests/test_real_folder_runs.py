"""Every shipped strategy on real prices; reads the folder that HASHPIVOT_DATA names."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from toolkit.backtest.result import BacktestResult
from toolkit.config import Experiment
from toolkit.panel import Panel
from toolkit.settings import shipped_strategies

DATA = os.environ.get("HASHPIVOT_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA names no folder of market data")

NAMES = sorted(shipped_strategies())


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Experiment.from_toml("difficulty_rotation", [f"data.folder={DATA}"]).panel()


@pytest.fixture(scope="module")
def results(panel) -> dict[str, BacktestResult]:
    found = {}
    for name in NAMES:
        experiment = Experiment.from_toml(name, [f"data.folder={DATA}"])
        found[name] = experiment.backtester().run(experiment.strategy(), panel, experiment.origin())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_from_2017_to_the_last_price_and_every_check_passes(results, panel, name):
    result = results[name]
    manifest = result.manifest()
    assert manifest["status"] == "ok"
    assert manifest["simulated"] is False
    assert manifest["start"] == "2017-01-03"
    assert manifest["end"] == f"{panel.sessions[-1]:%Y-%m-%d}"
    assert manifest["end"] >= "2025-06-30"
    assert result.reconciliation.max_relative_gap <= 1e-9
    assert result.reconciliation.orders == result.reconciliation.records == len(result.orders)
    assert (result.audit.cuts, result.audit.differences) == (40, 0)


@pytest.mark.parametrize("name", NAMES)
def test_its_numbers_are_plausible(results, name):
    net = results[name].metrics()["net"]
    assert all(value is not None and math.isfinite(value) for value in net.values())
    assert -0.2 < net["cagr"] < 1.5
    assert 0.1 < net["volatility"] < 1.2
    assert -0.98 < net["max_drawdown"] < -0.2
    assert 0.005 < net["expected_shortfall_95"] < 0.2
    assert 0.0 <= net["turnover"] < 12.0
    assert 0.0 < net["total_costs"] < 2.0
    gross = results[name].metrics()["gross"]
    assert gross["cagr"] > net["cagr"]


@pytest.mark.parametrize("name", [name for name in NAMES if name != "bitcoin_only"])
def test_its_limits_hold_at_every_decision_but_for_what_is_on_record(results, name):
    limits = results[name].limits
    low = limits["limit"] == "MinCash"
    value, cap = limits["at_decision"], limits["cap"]
    excess = (value - cap).where(~low, cap - value)
    assert (excess <= limits["slack"] + 1e-6).all()
    never = limits["limit"] != "MaxTurnover"
    assert (limits.loc[never, "slack"] == 0.0).all()


@pytest.mark.parametrize("name", NAMES)
def test_it_holds_nothing_before_its_listing_and_nothing_after_its_end(results, panel, name):
    weights = results[name].weights
    for asset in panel.universe:
        held = weights[asset.id].fillna(0.0).abs() > 1e-12
        assert not held[held.index < pd.Timestamp(asset.usable_from)].any()
        if asset.closing:
            gone = held.index >= pd.Timestamp(asset.closing.settlement)
            assert not held[gone].any()


def test_bitcoin_only_earns_the_return_of_bitcoin_less_one_purchase(results, panel):
    result = results["bitcoin_only"]
    price = panel.prices()["BTC"]
    first = result.orders.loc[result.orders["asset"] == "BTC"].iloc[0]
    assert f"{first['session']:%Y-%m-%d}" == "2017-01-04"
    hold = price.iloc[-1] / price[first["session"]]
    assert result.returns["equity"].iloc[-1] / 1e6 == pytest.approx(hold, rel=5e-3)


def test_names_that_ended_are_in_the_result_and_are_not_called_losses(results):
    kinds = {
        ending["asset"]: ending["kind"]
        for result in results.values()
        for ending in result.manifest()["endings"]
    }
    for name in ("GREE", "SDIG", "DGHI", "BTCM", "MIGI", "FET"):
        assert kinds[name] == "coverage_ended"
    assert kinds["CORZ-2022"] == "exchange"
    notices = results["equal_weight"].manifest()["notices"]
    assert any(n["kind"] == "undeclared_end" and n["asset"] == "FET" for n in notices)
    assert any(n["kind"] == "source_switch" for n in notices)


def test_the_table_of_all_strategies(results, capsys):
    columns = ("cagr", "volatility", "sharpe", "max_drawdown", "expected_shortfall_95", "turnover",
               "total_costs")  # fmt: skip
    rows = {name: {key: result.metrics()["net"][key] for key in columns}
            for name, result in results.items()}  # fmt: skip
    for name, result in results.items():
        relaxed = result.limits[result.limits["slack"] > 0.0]
        rows[name]["relaxed"] = relaxed["session"].nunique()
        rows[name]["gap"] = result.reconciliation.max_relative_gap
        rows[name]["differences"] = result.audit.differences
    rows["bitcoin held"] = {
        key: value
        for key, value in results["bitcoin_only"].metrics()["benchmark"].items()
        if key in columns
    }
    table = pd.DataFrame(rows).T
    with capsys.disabled():
        print("\n" + table.to_string(float_format=lambda value: f"{value:.3g}"))
    assert len(table) == len(NAMES) + 1


def test_the_command_of_the_readme_gives_one_json_object_that_agrees_with_the_library(
    results, tmp_path
):
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    shown = re.search(r"^\S*hashpivot run .* path/to/data$", readme, re.MULTILINE)[0].split()
    shown[-1] = DATA
    command = Path(sys.executable).with_name("hashpivot")
    done = subprocess.run(
        [command, *shown[1:], "--json"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    result = results["difficulty_rotation"]
    assert answer["order_sha256"] == result.order_sha256
    assert answer["run_id"][-8:] == result.run_id[-8:]
    assert answer["metrics"]["sharpe"] == result.metrics()["net"]["sharpe"]
    assert DATA not in done.stdout
    run = (tmp_path / answer["report"]).parent
    assert DATA not in (run / "config.toml").read_text()
