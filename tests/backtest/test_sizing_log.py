"""What a run says of its sizing is what its decisions went through, counted another way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.result import BacktestResult
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize import (
    BlackLitterman,
    MaxTurnover,
    MaxVolatility,
    MinCash,
    Optimizer,
    TrackTarget,
    View,
)
from toolkit.panel import Panel
from toolkit.report import render
from toolkit.risk.estimators import (
    CovarianceEstimate,
    ExponentialCovariance,
    GarchVolatility,
    RiskModel,
)
from toolkit.strategy import Strategy, share_equally
from toolkit.universe import Sleeve

START = date(2016, 9, 1)


class Everything(Strategy):
    """The same weight for every member, from its first session on."""

    def targets(self, panel, signals=None):
        return share_equally(panel.members([s for s in Sleeve if s is not Sleeve.CASH]))


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(seed=12, years=2.0)
    return assemble([market], market.universe())


def run(panel: Panel, optimizer: Optimizer | None, model: RiskModel) -> BacktestResult:
    backtester = Backtester(
        optimizer=optimizer,
        risk_model=model,
        schedule=Schedule("month", START),
        checks=Checks(audit_cuts=0, replay=False),
    )
    return backtester.run(Everything(), panel)


@dataclass(frozen=True)
class Told(RiskModel):
    """The exponential estimate, with a repair and a fallback told of some months."""

    months: Mapping[int, float] = field(default_factory=dict)

    def covariance(self, returns, periods_per_year, factors=None) -> CovarianceEstimate:
        found = ExponentialCovariance().covariance(returns, periods_per_year)
        month = returns.index[-1].month
        repair = self.months.get(month, 0.0)
        fallbacks = {"SIMBTC": f"month {month}"} if repair else {}
        return replace(found, repair=repair, fallbacks=fallbacks)


def days(frame: pd.DataFrame) -> list[str]:
    return [f"{session:%Y-%m-%d}" for session in frame["session"]]


def test_every_step_down_the_ladder_is_listed_with_its_sessions(panel):
    limits = (MaxTurnover(0.01), MaxVolatility(0.3))
    found = run(panel, Optimizer(TrackTarget(), limits), ExponentialCovariance())
    steps = {entry["step"]: entry["sessions"] for entry in found.sizing["fallbacks"]}
    log = found.limits
    relaxed = log[(log["limit"] == "MaxTurnover") & (log["slack"] > 1e-6)]
    assert len(relaxed) > 3
    assert steps["least violation"] == days(relaxed)
    assert found.sizing["statuses"]["relaxed"] == len(relaxed)
    page = render(found.record())
    assert f'Least violation</th><td class="number">{len(relaxed)}</td>' in page


def test_weights_that_were_kept_are_listed(panel):
    limits = (MaxTurnover(0.3), MaxVolatility(0.1), MinCash(0.2))
    optimizer = Optimizer(TrackTarget(), limits, on_infeasible="keep")
    found = run(panel, optimizer, ExponentialCovariance())
    *before, last = found.account.decisions
    kept = replace(last.allocation, status="kept", fallbacks=("second solver", "current weights"))
    account = replace(found.account, decisions=(*before, replace(last, allocation=kept)))
    told = replace(found, account=account).sizing
    day = f"{last.decision.session:%Y-%m-%d}"
    steps = {entry["step"]: entry["sessions"] for entry in told["fallbacks"]}
    assert steps["current weights"][-1] == steps["second solver"][-1] == day
    assert told["statuses"]["kept"] == 1


def test_repairs_and_stand_ins_of_the_risk_model_reach_the_result_and_the_page(panel):
    model = Told({11: 0.02, 3: 0.05})
    found = run(panel, Optimizer(TrackTarget(), (MinCash(0.1),)), model)
    sessions = [made.decision.session for made in found.account.decisions]
    hit = [session for session in sessions if session.month in (3, 11)]
    worst = next(session for session in sessions if session.month == 3)
    assert found.sizing["repairs"] == {
        "decisions": len(hit),
        "largest": 0.05,
        "session": f"{worst:%Y-%m-%d}",
    }
    assert found.sizing["estimates"] == [
        {"asset": "SIMBTC", "decisions": len(hit), "reason": f"month {hit[-1].month}"}
    ]
    page = render(found.record())
    assert f"at {len(hit)} of {len(sessions)} decisions, the most on {worst:%Y-%m-%d}" in page
    # What is estimated and not used for anything is nobody's concern.
    unsized = run(panel, None, model).sizing
    assert unsized["repairs"]["decisions"] == 0
    assert unsized["estimates"] == unsized["unknown"] == []


def test_assets_that_garch_could_not_be_fitted_to_are_named(panel):
    found = run(panel, Optimizer(TrackTarget(), (MinCash(0.1),)), GarchVolatility())
    told = {entry["asset"]: entry for entry in found.sizing["estimates"]}
    first = found.account.decisions[0].decision.session
    count = panel.returns()["SIMBTC"].loc[: first - pd.Timedelta(days=1)].notna().sum()
    assert count < 252
    assert "a fit needs 252" in told["SIMBTC"]["reason"]


def test_a_target_without_history_is_named_with_how_often_it_was_not_bought(panel):
    found = run(panel, Optimizer(TrackTarget(), (MinCash(0.1),)), ExponentialCovariance())
    targets = found.targets
    wanted = targets[(targets["target"] > 0.0) & (targets["asset"] != "CASH")]
    traded = panel.returns().where(panel.tradable())
    lacking: dict[str, list[str]] = {}
    for session, asset in zip(wanted["session"], wanted["asset"], strict=True):
        if traded[asset].loc[:session].notna().sum() < 63:
            lacking.setdefault(asset, []).append(f"{session:%Y-%m-%d}")
    assert lacking
    assert found.sizing["unknown"] == [
        {
            "asset": asset,
            "wanted_by": "target",
            "decisions": len(sessions),
            "first": sessions[0],
            "last": sessions[-1],
        }
        for asset, sessions in sorted(lacking.items())
    ]
    young = targets.set_index(["asset", "session"])["allocated"]
    assert all(young[asset, day] == 0.0 for asset, days in lacking.items() for day in days)
    page = render(found.record())
    assert all(f'<th scope="row">{asset}</th><td>Target</td>' in page for asset in lacking)


def test_a_view_that_was_left_out_is_named(panel):
    known = run(panel, Optimizer(TrackTarget(), (MinCash(0.1),)), ExponentialCovariance())
    young = known.sizing["unknown"][0]["asset"]
    views = (View({"SIMBTC": 1.0}, 0.1), View({young: 1.0, "SIMBTC": -1.0}, 0.05))
    found = run(panel, Optimizer(BlackLitterman(views)), ExponentialCovariance())
    told = [entry for entry in found.sizing["unknown"] if entry["wanted_by"] == "view"]
    missing = [
        made.decision.session
        for made in found.account.decisions
        if young not in made.decision.covariance.columns
    ]
    assert [(entry["asset"], entry["decisions"]) for entry in told] == [(young, len(missing))]
    assert told[0]["first"] == f"{missing[0]:%Y-%m-%d}"
    assert not np.isnan(found.sizing["executed_share"])
