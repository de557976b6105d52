"""On real prices: every risk model sizes every week, and what was not checked is said."""

from __future__ import annotations

import os
from datetime import date

import pandas as pd
import pytest

from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.schedule import Schedule
from toolkit.config import Experiment
from toolkit.optimize import MaxSleeveWeight, MaxTradingDays, MinimumVariance, Optimizer
from toolkit.panel import Panel
from toolkit.report.verdict import Status, checks
from toolkit.risk.estimators import ExponentialCovariance, LedoitWolf
from toolkit.universe import Sleeve

DATA = os.environ.get("HASHPIVOT_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA names no folder of market data")


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment.from_toml(
        "equal_weight",
        [f"data.folder={DATA}", "data.start=2021-07-01", "data.end=2022-06-30"],
    )


@pytest.fixture(scope="module")
def panel(experiment) -> Panel:
    return experiment.panel()


def week_by_week(experiment: Experiment, panel: Panel, model, *limits):
    optimizer = Optimizer(MinimumVariance(), (MaxSleeveWeight(Sleeve.CASH, 0.1), *limits))
    backtester = Backtester(
        optimizer=optimizer,
        risk_model=model,
        schedule=Schedule("week", date(2021, 7, 1)),
        checks=Checks(audit_cuts=0, replay=False),
    )
    return backtester.run(experiment.strategy(), panel)


@pytest.mark.parametrize("model", [ExponentialCovariance(), LedoitWolf()], ids=repr)
def test_the_least_variance_is_found_in_the_weeks_whose_estimate_was_repaired(
    experiment, panel, model
):
    found = week_by_week(experiment, panel, model)
    told = found.sizing
    assert told["repairs"]["decisions"] >= 5
    assert told["statuses"] == {"optimal": len(found.account.decisions)}
    assert told["fallbacks"] == []
    assert pd.Timestamp(told["repairs"]["session"]) in set(found.limits["session"])


def test_trading_days_are_not_checked_for_what_has_no_volume(experiment, panel):
    found = week_by_week(experiment, panel, ExponentialCovariance(), MaxTradingDays(0.5))
    outcome = {check.name: check for check in checks(found.record())}["Limits at decision"]
    assert outcome.status is Status.NOT_CHECKED
    assert "MaxTradingDays" in outcome.number
    (told,) = found.sizing["unchecked"]
    known = panel.fields["dollar_volume"].values.notna().any()
    assert told["limit"] == "MaxTradingDays"
    assert told["assets"]
    assert not known.reindex(told["assets"], fill_value=False).any()
