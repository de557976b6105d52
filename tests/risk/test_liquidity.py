"""What of liquidity was known at a decision, and when it was known no more."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times, sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.panel import Field, Panel
from toolkit.risk.liquidity import average_daily_volume, estimated_half_spread, session_volatility
from toolkit.risk.spread import half_spreads
from toolkit.universe import Asset, Membership, Universe

DAYS = sessions_between("XNYS", date(2022, 1, 3), date(2022, 6, 30))
SINCE = date(2022, 1, 3)


def panel(volume: pd.DataFrame | None, hours_late: int = 0) -> Panel:
    random = np.random.default_rng(0)
    names = ["CASH", "NVDA", "MARA"]
    sleeves = ["cash", "ai_infrastructure", "legacy_miners"]
    assets = [Asset(name, (Membership(sleeve, SINCE),), usable_from=SINCE)
              for name, sleeve in zip(names, sleeves, strict=True)]  # fmt: skip
    moves = random.normal(0.0, [1e-5, 0.03, 0.05], (len(DAYS), 3))
    close = pd.DataFrame(100.0 * np.exp(np.cumsum(moves, axis=0)), DAYS, names)
    fields = {"close": Field(close, decision_times(DAYS), "USD", "test")}
    if volume is not None:
        public = decision_times(pd.DatetimeIndex(volume.index)) + pd.Timedelta(hours=hours_late)
        fields["dollar_volume"] = Field(volume, public, "USD", "test")
    return Panel(Universe(tuple(assets)), DAYS, fields)


def traded(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"MARA": values}, DAYS[: len(values)])


def test_the_average_is_the_median_of_the_last_days_up_to_the_decision():
    values = np.random.default_rng(1).lognormal(15.0, 1.0, len(DAYS))
    found = average_daily_volume(panel(traded(values)), 5)
    for row in (4, 20, 100):
        assert found["MARA"].iloc[row] == np.median(values[row - 4 : row + 1])
    assert found[["CASH", "NVDA"]].isna().all(axis=None)
    assert found.columns.tolist() == ["CASH", "NVDA", "MARA"]


def test_one_day_of_frenzy_makes_no_asset_liquid():
    values = np.full(len(DAYS), 1e6)
    values[50] = 1e12
    assert average_daily_volume(panel(traded(values)))["MARA"].max() == 1e6


def test_an_average_needs_half_of_its_days():
    values = np.full(30, 1e6)
    values[[2, 3]] = np.nan
    found = average_daily_volume(panel(traded(values)), 21)["MARA"]
    assert found.first_valid_index() == DAYS[11]


def test_volume_that_stopped_is_known_for_a_week_and_then_no_more():
    found = average_daily_volume(panel(traded(np.full(40, 1e6))))["MARA"]
    week = DAYS.searchsorted(DAYS[39] + pd.Timedelta(days=7), side="right")
    assert found.last_valid_index() == DAYS[week - 1]


def test_what_was_hardly_ever_traded_has_no_volume():
    values = np.zeros(len(DAYS))
    values[::3] = 1e6
    assert average_daily_volume(panel(traded(values)))["MARA"].isna().all()


def test_volume_that_is_public_a_day_later_is_known_a_session_later():
    values = np.random.default_rng(2).lognormal(15.0, 1.0, len(DAYS))
    late = average_daily_volume(panel(traded(values), 12), 5)["MARA"]
    soon = average_daily_volume(panel(traded(values)), 5)["MARA"]
    # In some weeks a holiday or a weekend lies between, and nothing is late.
    assert late.iloc[40] == soon.iloc[39]


def test_a_panel_without_volumes_knows_none():
    made = panel(None)
    assert average_daily_volume(made).isna().all(axis=None)
    assert estimated_half_spread(made).isna().all(axis=None)
    assert average_daily_volume(made).shape == (len(DAYS), 3)


def test_volatility_is_that_of_the_last_sessions():
    made = panel(None)
    moves = made.returns()["MARA"].to_numpy()
    found = session_volatility(made, 10)["MARA"]
    for row in (20, 77):
        assert found.iloc[row] == pytest.approx(np.std(moves[row - 9 : row + 1], ddof=1))
    assert found.first_valid_index() == DAYS[5]


def test_a_day_of_the_shell_that_an_asset_was_before_does_not_count():
    values = np.full(len(DAYS), 1e6)
    made = panel(traded(values))
    listed = Asset("MARA", made.universe["MARA"].memberships, usable_from=DAYS[50].date())
    later = Panel(Universe((listed,)), DAYS, made.fields)
    assert average_daily_volume(later)["MARA"].first_valid_index() == DAYS[59]


@pytest.fixture(scope="module")
def sample() -> Panel:
    market = SampleMarket(seed=5, years=3.0)
    return assemble([market], market.universe())


@pytest.mark.parametrize("measure", [average_daily_volume, session_volatility,
                                     estimated_half_spread])  # fmt: skip
def test_nothing_changes_when_the_future_is_removed(sample, measure):
    whole = measure(sample)
    for row in (100, 333, 500, 700):
        past = measure(sample.until(sample.sessions[row]))
        expected = whole.iloc[: row + 1][past.columns.tolist()]
        assert np.array_equal(past.to_numpy(), expected.to_numpy(), equal_nan=True)


def test_the_spread_of_the_sample_is_that_of_its_bars(sample):
    high, low, close = (sample.field(name).values["TENSOR"] for name in ("high", "low", "close"))
    expected = half_spreads(high, low, close.loc[high.index], 63)
    found = estimated_half_spread(sample)["TENSOR"]
    days = found.dropna().index
    assert len(days) > 600
    assert found[days].to_numpy() == pytest.approx(expected[days].to_numpy(), rel=1e-12)
