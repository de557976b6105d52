"""Difficulty regression: the fit of each day is that of the days before it and its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError
from toolkit.signals.daily import bitcoin_price, difficulty_by_day, together
from toolkit.signals.regression import DifficultyRegression, issued

DAYS = 300


@pytest.fixture(scope="module")
def panel(make_panel):
    random = np.random.default_rng(9)
    price = 9_000.0 * np.exp(np.cumsum(0.03 * random.standard_normal(DAYS)))
    levels = 1e12 * np.exp(np.cumsum(0.05 * random.standard_normal(30)))
    return make_panel({"issuance": np.full(DAYS, 1800.0)}, levels, price, DAYS)


def test_each_day_has_the_least_squares_line_of_the_past(panel):
    found = DifficultyRegression(30).rows(panel).values["difficulty_regression"]
    difficulty = np.log(difficulty_by_day(panel).values.iloc[:, 0].to_numpy())
    supply = panel.field("issuance").apply(issued, "BTC").values.iloc[:, 0].to_numpy()
    value = np.log(supply * panel.fields["close"].values["COIN"].to_numpy())
    assert found.iloc[:29].isna().all()
    for day in range(29, DAYS, 10):
        slope, intercept = np.polyfit(difficulty[: day + 1], value[: day + 1], 1)
        model = intercept + slope * difficulty[day]
        assert found.iloc[day] == pytest.approx(np.exp(value[day] - model), rel=1e-6)


def test_supply_before_the_first_row_is_that_of_the_schedule(panel):
    supply = panel.field("issuance").apply(issued, "BTC").values.iloc[:, 0]
    # 3285 days of 144 blocks: two halvings and 53,040 blocks into the third era.
    blocks = 3285 * 144
    before = 210_000 * 50.0 + 210_000 * 25.0 + (blocks - 420_000) * 12.5
    assert supply.iloc[0] == pytest.approx(before + 1800.0)
    assert supply.iloc[9] == pytest.approx(before + 10 * 1800.0)


def test_a_fit_of_two_days_is_refused():
    with pytest.raises(ConfigError, match="least_days"):
        DifficultyRegression(least_days=2)


def fits(panel) -> pd.DataFrame:
    parts = {
        "difficulty": difficulty_by_day(panel),
        "price": bitcoin_price(panel),
        "supply": panel.field("issuance").apply(issued, "BTC"),
    }
    return DifficultyRegression().fits(together(parts).values)


def test_on_the_real_folder_it_gives_the_constants_that_were_published_for_september_2022(
    real_panel,
):
    found = fits(real_panel).loc["2022-09-14"]
    assert found["intercept"] == pytest.approx(10.2560, abs=0.005)
    assert found["slope"] == pytest.approx(0.5250, abs=0.0005)


def test_published_constants_would_have_looked_ahead(real_panel):
    slope = fits(real_panel)["slope"]
    assert slope["2015-01-01"] > 0.58
    assert slope["2018-01-01"] < 0.50


def test_real_supply_counts_from_the_first_block(real_panel):
    supply = real_panel.field("issuance").apply(issued, "BTC").values.iloc[:, 0]
    assert supply["2025-06-29"] == pytest.approx(19_885_138, abs=300)
