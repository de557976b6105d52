"""Hash price rank and miners' margin: against plain arithmetic, with and without a power price."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.economics import FleetCost, HashPricePercentile, MinerMargin
from toolkit.signals.hardware import Fleet

DAYS = 500


@pytest.fixture(scope="module")
def panel(make_panel) -> Panel:
    random = np.random.default_rng(4)
    price = 300.0 * np.exp(np.cumsum(0.03 * random.standard_normal(DAYS)))
    levels = 1e12 * np.exp(np.cumsum(0.05 * random.standard_normal(40)))
    return make_panel({"hash_price": price}, difficulty=levels, days=DAYS)


def hash_price(panel: Panel) -> pd.Series:
    return panel.fields["hash_price"].values["hash_price"]


def with_power(panel: Panel, months: int = 16) -> Panel:
    """Monthly power prices, labelled by the first day and public 75 days after the month."""
    days = pd.date_range("2017-10-01", periods=months, freq="MS")
    moments = (days + pd.DateOffset(months=1) + pd.Timedelta(days=75)).tz_localize("UTC")
    values = pd.DataFrame({"power_price": 40.0 + np.arange(months)}, days)
    power = Field(values, pd.DatetimeIndex(moments), "USD/MWh", "hand")
    return replace(panel, fields={**panel.fields, "power_price": power})


@pytest.mark.parametrize("window", [90, 365])
def test_the_percentile_is_the_share_of_days_with_no_higher_hash_price(panel, window):
    values = hash_price(panel).to_numpy()
    found = HashPricePercentile(window).rows(panel).values["hash_price_percentile"].to_numpy()
    assert np.isnan(found[: window - 1]).all()
    for day in range(window - 1, DAYS):
        assert found[day] == np.mean(values[day + 1 - window : day + 1] <= values[day])


def test_days_that_are_alike_rank_alike_and_highest(make_panel):
    same = make_panel({"hash_price": np.full(100, 40.0)}, days=100)
    found = HashPricePercentile(90).rows(same).values["hash_price_percentile"].dropna()
    assert (found == 1.0).all()


def test_over_cost_the_ratio_is_ranked(panel):
    cost = FleetCost()
    ratio = hash_price(panel) / cost.by_day(panel).values["unit_cost"]
    found = HashPricePercentile(90, cost).rows(panel).values["hash_price_percentile"]
    for day in range(120, DAYS, 7):
        expected = np.mean(ratio.iloc[day - 89 : day + 1] <= ratio.iloc[day])
        assert found.iloc[day] == pytest.approx(expected)


def test_an_absent_day_leaves_windows_without_a_rank(panel):
    price = panel.fields["hash_price"]
    kept = np.arange(DAYS) != 200
    holed = Field(price.values[kept], price.available_at[kept], price.unit, price.source)
    rows = HashPricePercentile(90).rows(replace(panel, fields={"hash_price": holed})).values
    assert rows.iloc[200:290, 0].isna().all()
    assert rows.iloc[[199, 290], 0].notna().all()


def test_the_margin_is_what_power_leaves_of_the_hash_price(panel):
    margin = MinerMargin(FleetCost(power_price=60.0, overhead=1.2)).rows(panel).values.iloc[:, 0]
    difficulty = FleetCost().by_day(panel)
    efficiency = difficulty.values["unit_cost"] / (50.0 * 1.1 * 24.0 / 1000.0)
    expected = 1.0 - efficiency * 60.0 * 1.2 * 24.0 / 1000.0 / hash_price(panel)
    np.testing.assert_allclose(margin.iloc[1:], expected.iloc[1 : len(margin)], rtol=1e-12)


def test_a_machine_of_21_5_joules_at_60_dollars_costs_31_dollars_a_petahash_day(panel):
    class Model(Fleet):
        def efficiency(self, difficulty: pd.Series) -> pd.Series:
            return pd.Series(21.5, difficulty.index)

    cost = FleetCost(60.0, 1.0, Model()).by_day(panel).values["unit_cost"]
    assert cost.iloc[-1] == pytest.approx(30.96, abs=1e-9)


def test_a_power_price_is_used_from_the_day_it_was_published(panel):
    powered = with_power(panel)
    cost, unit = (
        FleetCost(power_price=price).by_day(powered).values["unit_cost"] for price in (None, 1.0)
    )
    paid = (cost / unit).dropna()
    # January 2018 is public from 2018-04-17 on, 31 + 75 days after its first: 00:00 of that day is
    # the end of the 16th.
    assert paid["2018-04-15"] == pytest.approx(42.0)
    assert paid["2018-04-16"] == pytest.approx(43.0)
    assert paid.index[0] == pd.Timestamp("2018-01-14")


def test_a_power_price_that_stopped_is_no_cost_after_two_hundred_days(panel):
    powered = with_power(panel, months=6)
    cost = FleetCost(power_price=None).by_day(powered).values["unit_cost"]
    last = pd.Timestamp("2018-03-01") + pd.Timedelta(days=200)
    assert cost[last] > 0.0
    assert cost.loc[last + pd.Timedelta(days=1) :].isna().all()


def test_the_price_of_power_is_asked_for_by_name(panel):
    with pytest.raises(UnknownFieldError, match="'power_price'"):
        MinerMargin(FleetCost(power_price=None)).compute(panel)


@pytest.mark.parametrize("wrong", [{"power_price": 0.0}, {"power_price": -5.0}, {"overhead": 0.0}])
def test_power_that_costs_nothing_is_refused(wrong):
    with pytest.raises(ConfigError, match="FleetCost"):
        FleetCost(**wrong)


# The real folder


def test_hash_price_carries_no_luck_of_the_day_s_blocks(real_panel):
    change, luck = (
        np.log(real_panel.field(name).values.iloc[:, 0].loc["2018":]).diff()
        for name in ("hash_price", "blocks")
    )
    assert abs(change.corr(luck)) < 0.1


@pytest.mark.parametrize(("day", "percentile"), [("2018-12-07", 0.02), ("2022-11-15", 0.02),
                                                 ("2024-08-06", 0.02)])  # fmt: skip
def test_hash_price_was_at_its_lowest_in_known_squeezes(real_panel, day, percentile):
    assert HashPricePercentile().rows(real_panel).values.iloc[:, 0][day] <= percentile


def test_margins_were_thin_in_the_squeezes_and_wide_in_2021(real_panel):
    margin = MinerMargin().rows(real_panel).values["miner_margin"]
    assert margin.loc["2018-12"].mean() < 0.2
    assert margin.loc["2022-11-10":"2022-12-31"].mean() < 0.2
    assert margin.loc["2021-10"].mean() > 0.75
    assert margin.loc["2024-08"].mean() < 0.3
