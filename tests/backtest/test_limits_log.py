"""What the log says of a limit: held or broken, as its own rule has it, or not checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.market_view import Outlook
from toolkit.backtest.result import BacktestResult
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize import (
    Limit,
    MaxBeta,
    MaxExpectedShortfall,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTradingDays,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    Optimizer,
    TrackTarget,
)
from toolkit.panel import Panel
from toolkit.report import render
from toolkit.report.verdict import Check, Status, checks
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.risk.stress import Stress
from toolkit.strategy import Strategy
from toolkit.universe import Sleeve

LIMITS: tuple[tuple[Limit, float, float], ...] = (
    # The limit, a value that meets it, and one that does not.
    (MaxWeight(0.6), 0.59, 0.61),
    (MaxSleeveWeight(Sleeve.BITCOIN, 0.6), 0.59, 0.61),
    (MinCash(0.1), 0.11, 0.09),
    (MaxTurnover(0.9), 0.89, 0.91),
    (MaxVolatility(2.0), 1.99, 2.01),
    (MaxExpectedShortfall(0.5), 0.49, 0.51),
    (MinExpectedReturn(-0.5), -0.49, -0.51),
    (MaxTrackingError(2.0), 1.99, 2.01),
    (MaxBeta("bitcoin", 3.0), 2.99, 3.01),
    (MaxStressLoss(0.9), 0.89, 0.91),
    (MaxTradingDays(5.0), 4.99, 5.01),
    # Of the sum of squared weights: 1 / 2.01 and 1 / 1.99.
    (MinEffectiveNumber(2.0), 0.4975, 0.5025),
)
NAMES = [limit.name for limit, _, _ in LIMITS]
HELD = ["SIMBTC", "TENSOR", "HASHCO"]


class Thirds(Strategy):
    """A quarter in each of three assets."""

    def targets(self, panel, signals=None):
        return pd.DataFrame(0.25, panel.sessions, HELD)

    def expected_returns(self, panel, signals):
        return pd.DataFrame(0.1, panel.sessions, panel.universe.columns)


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(seed=12, years=2.0)
    return assemble([market], market.universe())


def run(panel: Panel, *limits: Limit) -> BacktestResult:
    losses = {sleeve.value: 0.2 for sleeve in Sleeve if sleeve is not Sleeve.CASH}
    backtester = Backtester(
        optimizer=Optimizer(TrackTarget(), limits),
        risk_model=ExponentialCovariance(),
        schedule=Schedule("quarter", date(2016, 9, 1)),
        checks=Checks(audit_cuts=0, replay=False),
        outlook=Outlook(stresses=(Stress("fall", losses),)),
    )
    return backtester.run(Thirds(), panel)


@pytest.fixture(scope="module")
def result(panel) -> BacktestResult:
    return run(panel, *(limit for limit, _, _ in LIMITS))


def verdict(result: BacktestResult) -> Check:
    (found,) = (c for c in checks(result.record()) if c.name == "Limits at decision")
    return found


def claiming(result: BacktestResult, name: str, value: float) -> BacktestResult:
    """The result, where a limit's value at the last decision is another one."""
    *before, last = result.account.decisions
    values = {**last.allocation.values, name: value}
    claimed = replace(last, allocation=replace(last.allocation, values=values))
    account = replace(result.account, decisions=(*before, claimed))
    return replace(result, account=account)


def test_all_twelve_limits_hold(result):
    assert len(set(NAMES)) == 12
    assert set(result.limits["limit"]) == set(NAMES)
    assert verdict(result).status is Status.PASS


@pytest.mark.parametrize(("limit", "holds", "broken"), LIMITS, ids=NAMES)
def test_a_value_on_the_good_side_passes_and_one_on_the_other_fails(result, limit, holds, broken):
    assert verdict(claiming(result, limit.name, holds)).status is Status.PASS
    failed = verdict(claiming(result, limit.name, broken))
    assert failed.status is Status.FAIL
    assert f"the worst {limit.name} on" in failed.number


def test_an_effective_number_is_shown_as_one(result):
    log = result.limits[result.limits["limit"] == "MinEffectiveNumber"]
    allocated = result.targets[result.targets["asset"] != "CASH"]
    squares = (allocated.set_index("session")["allocated"] ** 2).groupby(level=0).sum()
    assert log["at_decision"].to_numpy() == pytest.approx(1.0 / squares.to_numpy(), rel=1e-9)
    assert (log["cap"] == 2.0).all()
    assert (log["measure"] == "number").all()
    # What was a floor for the reader is a cap for the rule: room left is below 0.
    assert (log["excess"] < 0.0).all()


def test_what_an_effective_number_was_relaxed_by_is_in_its_own_count(result):
    *before, last = result.account.decisions
    # From a sum of squares of 1/2 to one of 1: from two assets to one.
    relaxed = replace(last.allocation, relaxed={"MinEffectiveNumber": 0.5})
    account = replace(result.account, decisions=(*before, replace(last, allocation=relaxed)))
    log = replace(result, account=account).limits
    row = log[log["limit"] == "MinEffectiveNumber"].iloc[-1]
    assert row["slack"] == pytest.approx(1.0)
    assert row["excess_allowed"] == 0.5


def without_volume(panel: Panel, names: list[str]) -> Panel:
    volume = panel.fields["dollar_volume"]
    values = volume.values.copy()
    values[names] = np.nan
    return replace(panel, fields={**panel.fields, "dollar_volume": replace(volume, values=values)})


def test_trades_without_a_volume_are_not_checked_and_never_pass(panel):
    bare = without_volume(panel, list(panel.fields["dollar_volume"].values.columns))
    found = run(bare, MaxTradingDays(5.0), MinCash(0.1))
    log = found.limits[found.limits["limit"] == "MaxTradingDays"]
    assert log[["at_decision", "after_fill", "drift"]].isna().all(axis=None)
    assert log["unchecked"].iloc[0] == ", ".join(sorted(HELD, key=panel.universe.ids.index))
    assert verdict(found).status is Status.NOT_CHECKED
    assert "MaxTradingDays" in verdict(found).number
    (entry,) = found.manifest()["sizing"]["unchecked"]
    assert (entry["limit"], entry["decisions"]) == ("MaxTradingDays", len(log))
    assert entry["assets"] == sorted(HELD)
    page = render(found.record())
    assert f"at {len(log)} of {len(log)} decisions: traded without a known volume" in page


def test_a_volume_that_is_missing_for_one_leaves_the_others_measured(panel):
    found = run(without_volume(panel, ["HASHCO"]), MaxTradingDays(5.0))
    log = found.limits[found.limits["unchecked"] != ""]
    assert (log["unchecked"].iloc[1:] == "HASHCO").all()
    assert (log["at_decision"].iloc[1:] > 0.0).all()
    assert verdict(found).status is Status.NOT_CHECKED


def test_a_volume_of_what_is_not_traded_is_not_asked_for(panel):
    others = [name for name in panel.fields["dollar_volume"].values.columns if name not in HELD]
    found = run(without_volume(panel, others), MaxTradingDays(5.0))
    whole = run(panel, MaxTradingDays(5.0))
    pd.testing.assert_frame_equal(found.limits, whole.limits)
