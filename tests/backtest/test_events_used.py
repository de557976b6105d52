"""The announcements a run could act on are counted: those of fields it read, while it decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import EqualWeight
from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.events_used import ReadFields, events_used
from toolkit.clock import sessions_between
from toolkit.data.announcement import Event, Kind, public_from
from toolkit.data.assemble import assemble
from toolkit.data.events import EventTable
from toolkit.data.sample import SampleMarket
from toolkit.panel import Field, Panel
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.strategy import Strategy, decided_where
from toolkit.universe import Asset, Membership, Sleeve, Universe

READ = frozenset({"contracted_mw", "financed_mw", "close"})


def event(day: str, ticker: str = "ONE", kind: str = "colocation_contract", **more) -> Event:
    at = date.fromisoformat(day)
    more = {"megawatts": 50.0, "basis": "critical_it", **more}
    return Event(ticker, at, Kind(kind), public_from(at), **more)


EVENTS = (
    event("2024-01-10"),
    event("2024-03-05"),
    # Signed and financed on one day: one announcement in two fields.
    event("2024-04-10", "TWO", stage="financed"),
    event("2024-05-07", kind="gpu_cloud_contract"),
    event("2024-06-04", "LATE"),
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 6, 28))
    since = {"ONE": date(2023, 1, 3), "TWO": date(2023, 1, 3), "LATE": date(2024, 6, 20)}
    universe = Universe(
        tuple(
            Asset(name, (Membership(Sleeve.LEGACY_MINERS, day),), usable_from=day)
            for name, day in since.items()
        )
    )
    prices = pd.DataFrame(10.0, sessions, list(since))
    moments = pd.DatetimeIndex(sessions + pd.Timedelta(days=1)).tz_localize("UTC")
    fields = {"close": Field(prices, moments, "USD", "test")}
    announced = EventTable(EVENTS, "events.csv").fields(universe)
    return Panel(universe, sessions, {**fields, **announced})


def rows(panel: Panel, *days: str) -> tuple[int, ...]:
    return tuple(int(panel.sessions.get_loc(pd.Timestamp(day))) for day in days)


def test_what_moved_a_field_that_was_read_counts_once_an_asset_and_day(panel):
    whole = rows(panel, "2024-01-02", "2024-06-28")
    # LATE could not be held when its contract was told.
    assert events_used(panel, READ, *whole) == 3
    assert events_used(panel, READ | {"gpu_cloud_mw"}, *whole) == 4
    assert events_used(panel, frozenset({"close"}), *whole) == 0


def test_what_was_told_before_the_first_decision_or_after_the_last_does_not_count(panel):
    # Told without an hour, it is known to the decision one session later.
    assert events_used(panel, READ, *rows(panel, "2024-03-05", "2024-04-11")) == 2
    assert events_used(panel, READ, *rows(panel, "2024-03-06", "2024-04-10")) == 1
    assert events_used(panel, READ, *rows(panel, "2024-03-07", "2024-04-10")) == 0


def test_megawatts_that_no_table_tells_are_no_announcements(panel):
    silent = EventTable(EVENTS, "events.csv", told_megawatts=False).fields(panel.universe)
    untold = replace(panel, fields={**panel.fields, **silent})
    assert np.isnan(untold.field("contracted_mw").values.to_numpy()).all()
    assert events_used(untold, READ, 0, len(panel.sessions) - 1) == 0


def test_to_ask_for_a_field_is_not_to_read_it(panel):
    fields = ReadFields(panel.fields)
    assert "contracted_mw" in fields
    assert "nothing" not in fields
    assert set(fields) == set(panel.fields)
    assert len(fields) == len(panel.fields)
    assert fields.read == frozenset()
    assert fields["close"] is panel.fields["close"]
    assert fields.read == {"close"}


@dataclass(frozen=True)
class FollowsContracts(Strategy):
    """Equal weights over miners with a contract; cash without one."""

    @property
    def signals(self):
        return {"megawatts": ContractedMegawatts()}

    def targets(self, panel, signals=None):
        signed = self.read(panel, signals)["megawatts"] > 0.0
        weights = signed.div(signed.sum(axis=1).clip(lower=1), axis=0)
        return decided_where(weights, panel.eligible().any(axis=1))


@pytest.mark.parametrize(("strategy", "used"), [(FollowsContracts(), 4), (EqualWeight(), 0)])
def test_a_run_counts_those_that_its_strategy_read(strategy, used):
    # Two miners sign two contracts each.
    market = SampleMarket()
    panel = assemble([market], market.universe())
    run = Backtester(checks=Checks(audit_cuts=0, replay=False)).run(strategy, panel)
    assert run.manifest()["power"]["events_used"] == run.power.events_used == used


def test_without_a_record_of_what_was_read_the_number_is_not_known():
    market = SampleMarket()
    panel = assemble([market], market.universe())
    run = Backtester(checks=Checks(audit_cuts=0, replay=False)).run(EqualWeight(), panel)
    assert replace(run, fields_read=None).power.events_used is None
