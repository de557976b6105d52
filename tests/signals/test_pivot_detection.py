"""Planted pivots are found in time, and confounders raise few alarms, on 50 simulated markets."""

from __future__ import annotations

from types import ModuleType

import pandas as pd
import pytest

from toolkit.panel import Panel
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.signals.pivot_detector import PivotDetector
from toolkit.signals.signal import Signal


class AlwaysOn(Signal):
    """An alarm of every asset on every session."""

    def compute(self, panel: Panel) -> pd.DataFrame:
        return pd.DataFrame(1.0, panel.sessions, panel.universe.columns)


@pytest.fixture(scope="module")
def bench(benchmark_of) -> ModuleType:
    """The benchmark that measures detection."""
    return benchmark_of("pivot_detector")


def test_four_of_five_pivots_are_found_at_one_false_alarm_in_ten_miner_years(bench):
    found = bench.measure(range(50), PivotDetector(contracts=ContractedMegawatts()))
    assert len(found.delays) == 100
    assert found.recall >= 0.8
    assert found.false_alarms_in_ten_years <= 1.0
    assert found.median_delay <= 100
    # No confounder is ignored by the count: alarms near each kind are in it.
    assert sum(found.misled_by.values()) >= found.false_alarms


def test_an_alarm_that_was_on_before_the_contract_finds_nothing(bench):
    found = bench.measure(range(2), AlwaysOn())
    assert (len(found.delays), found.recall) == (4, 0.0)
    assert found.false_alarms > 0


def test_the_market_alone_finds_fewer(bench):
    seeds = range(10)
    alone = bench.measure(seeds, PivotDetector())
    told = bench.measure(seeds, PivotDetector(contracts=ContractedMegawatts()))
    assert alone.recall < told.recall
    assert alone.miner_years == told.miner_years
