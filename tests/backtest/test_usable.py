"""An asset before its usable-from date is refused, by name, whatever sizes the target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.audit import audit
from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import LookAheadError
from toolkit.optimize.limits import MaxWeight
from toolkit.optimize.objectives import TrackTarget
from toolkit.optimize.optimizer import Optimizer
from toolkit.panel import Panel
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.strategy import Strategy

PLAIN = Backtester(checks=Checks(audit_cuts=0, replay=False))
SIZED = Backtester(
    optimizer=Optimizer(TrackTarget(), (MaxWeight(0.4),)),
    risk_model=ExponentialCovariance(),
    checks=Checks(audit_cuts=0, replay=False),
)
REFUSAL = "The target of .* has 0.5 in {}, which is usable from {} on.*looks ahead.*Panel.members"


@dataclass(frozen=True)
class Wants(Strategy):
    """Half in bitcoin and half in one asset, from a day on."""

    asset: str
    since: date

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        held = panel.sessions >= pd.Timestamp(self.since)
        if self.asset not in panel.universe.ids:
            held &= False
        return pd.DataFrame({"SIMBTC": 0.5, self.asset: 0.5 * held}, panel.sessions)


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket()
    return assemble([market], market.universe())


@pytest.fixture(scope="module")
def late(panel: Panel):
    """The asset that is usable last."""
    return max((a for a in panel.universe if not a.is_cash), key=lambda asset: asset.usable_from)


def decisions(panel: Panel) -> np.ndarray:
    """Rows that the schedule takes up."""
    return Schedule().decisions(panel, np.ones(len(panel.sessions), dtype=bool))


@pytest.mark.parametrize("backtester", [PLAIN, SIZED], ids=["as it is", "sized"])
def test_a_decision_for_it_is_refused_with_asset_session_and_date(panel, late, backtester):
    early = Wants(late.id, panel.sessions[0].date())
    with pytest.raises(LookAheadError, match=REFUSAL.format(late.id, late.usable_from)) as refusal:
        backtester.run(early, panel)
    assert f"target of {panel.sessions[decisions(panel)[0]]:%Y-%m-%d}" in str(refusal.value)
    assert refusal.value.exit_code == 4


def test_from_its_date_on_it_is_taken(panel, late):
    result = PLAIN.run(Wants(late.id, late.usable_from), panel)
    assert result.weights[late.id].max() > 0.3


def test_what_no_decision_takes_up_is_no_matter(panel, late):
    """Wanted before its date, on a session without a decision."""
    before = int(panel.sessions.searchsorted(pd.Timestamp(late.usable_from)))
    row = next(r for r in range(before - 1, 0, -1) if r not in decisions(panel))

    class Once(Strategy):
        def targets(self, panel, signals=None):
            held = pd.Series(0.0, panel.sessions)
            held.iloc[row] = 0.5
            return pd.DataFrame({"SIMBTC": 0.5, late.id: held})

    assert (PLAIN.run(Once(), panel).weights[late.id] == 0.0).all()


def test_one_that_has_ended_is_left_to_the_ledger(panel):
    ended = next(asset for asset in panel.universe if asset.closing)
    since = ended.closing.last_session
    weights = PLAIN.run(Wants(ended.id, since), panel).weights[ended.id]
    assert (weights.loc[pd.Timestamp(since) + pd.Timedelta(days=10) :] == 0.0).all()


def test_the_audit_still_reports_it_as_look_ahead(panel, late):
    early = Wants(late.id, panel.sessions[0].date())
    found = audit(PLAIN.loop, early, panel)
    assert found.differences > 0
    assert found.findings[0].culprit == "later assets or events of the universe"
