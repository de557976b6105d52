"""The fleet: a weighted mean of what was delivered, and close to an estimate made later."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError
from toolkit.signals.daily import difficulty_by_day
from toolkit.signals.hardware import MACHINES, Fleet

DAYS = pd.date_range("2016-01-01", "2020-12-31")


def flat(level: float = 1e12) -> pd.Series:
    return pd.Series(level, DAYS)


def test_the_machines_get_better_and_come_out_in_order():
    for old, new in pairwise(MACHINES):
        assert new.released > old.released
        assert new.efficiency < old.efficiency
    assert all((machine.released + pd.Timedelta(days=1)).day == 1 for machine in MACHINES)


def test_without_growth_the_fleet_nears_the_best_machine_at_the_rate_of_its_age():
    found = Fleet(delivery_days=180, life_days=1000).efficiency(flat()).loc["2018-01":"2018-12"]
    # The S9 of July 2016 is the best that is delivered until May 2019.
    gap = found - 96.0
    np.testing.assert_allclose(gap / gap.shift(1), np.r_[np.nan, np.full(364, np.exp(-1e-3))])


def test_a_machine_changes_nothing_until_it_is_delivered():
    early, late = Fleet(delivery_days=180), Fleet(delivery_days=300)
    one, other = early.efficiency(flat()), late.efficiency(flat())
    # The S7 of September 2015 comes after 180 days, in March 2016, or after 300, in July.
    assert (one.loc[:"2016-03-27"] == one.iloc[0]).all()
    assert one["2016-03-29"] < one["2016-03-27"]
    assert (other.loc[:"2016-07-25"] == other.iloc[0]).all()


def test_new_hash_rate_is_new_machines_and_machines_that_return_are_not():
    doubled = flat().where(DAYS < "2018-03-01", 2e12)
    at = pd.Timestamp("2018-03-01")
    before, after = (Fleet().efficiency(doubled)[at - pd.Timedelta(days=d)] for d in (1, 0))
    # The old half keeps its efficiency, the new half has that of the best.
    assert after == pytest.approx((before + 96.0) / 2.0, rel=2e-3)
    dipped = doubled.where((DAYS < "2018-06-01") | (DAYS >= "2018-09-01"), 1e12)
    np.testing.assert_array_equal(Fleet().efficiency(dipped), Fleet().efficiency(doubled))


def test_later_difficulty_changes_nothing():
    random = np.random.default_rng(1)
    path = 1e12 * np.exp(np.cumsum(0.01 * random.standard_normal(len(DAYS))))
    whole = Fleet().efficiency(pd.Series(path, DAYS))
    part = Fleet().efficiency(pd.Series(path[:900], DAYS[:900]))
    np.testing.assert_array_equal(whole.iloc[:900], part)


def test_a_day_without_a_difficulty_has_no_efficiency():
    gap = flat().where((DAYS < "2018-01-01") | (DAYS > "2018-01-05"))
    found = Fleet().efficiency(gap)
    assert found.isna().sum() == 5
    np.testing.assert_array_equal(found.loc["2018-02":], Fleet().efficiency(flat()).loc["2018-02":])


def test_an_empty_series_has_no_fleet():
    assert len(Fleet().efficiency(flat().iloc[:0])) == 0


def test_a_life_of_no_days_is_refused():
    with pytest.raises(ConfigError, match=r"Fleet\.life_days"):
        Fleet(life_days=0)


def test_the_fleet_is_close_to_the_estimate_that_cambridge_made_later(real_panel):
    path = Path(os.environ["HASHPIVOT_DATA"]) / "network_efficiency_daily.csv.gz"
    later = pd.read_csv(path, index_col="date", parse_dates=["date"])["estimate_j_per_th"]
    known = Fleet().efficiency(difficulty_by_day(real_panel).values["difficulty"])
    gap = np.log(known / later).loc["2018":].dropna()
    assert gap.mean() == pytest.approx(0.0, abs=0.01)
    assert gap.std() == pytest.approx(0.135, abs=0.005)
