"""Puell multiple: against a loop, at halvings, and the lows it is known for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.signals.issuance import PuellMultiple

DAYS = 500


@pytest.fixture(scope="module")
def panel(make_panel):
    random = np.random.default_rng(8)
    blocks = random.poisson(144, DAYS).astype(float)
    subsidy = np.where(np.arange(DAYS) < 420, 12.5, 6.25)
    price = 9_000.0 * np.exp(np.cumsum(0.03 * random.standard_normal(DAYS)))
    return make_panel({"blocks": blocks, "issuance": blocks * subsidy}, price=price, days=DAYS)


def series(panel, name: str) -> np.ndarray:
    return panel.fields[name].values.iloc[:, 0].to_numpy()


@pytest.mark.parametrize(("adjusted", "coins"), [(False, "issuance"), (True, "blocks")])
@pytest.mark.parametrize("smoothing", [1, 14])
def test_it_is_the_value_of_new_coins_over_its_mean_of_a_year(panel, adjusted, coins, smoothing):
    value = series(panel, coins) * series(panel, "close")
    multiple = np.full(DAYS, np.nan)
    for day in range(364, DAYS):
        multiple[day] = value[day] / value[day - 364 : day + 1].mean()
    expected = [np.mean(multiple[max(0, day + 1 - smoothing) : day + 1]) for day in range(DAYS)]
    found = PuellMultiple(adjusted, smoothing_days=smoothing).rows(panel).values.iloc[:, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_halving_halves_the_plain_form_only(panel):
    plain, adjusted = (PuellMultiple(form).rows(panel).values.iloc[:, 0] for form in (False, True))
    np.testing.assert_allclose(plain.iloc[364:420], adjusted.iloc[364:420], rtol=1e-12)
    assert (plain.iloc[420] / adjusted.iloc[420]) == pytest.approx(0.5, abs=0.001)


def test_a_day_is_known_at_the_decision_of_the_next_one(panel):
    rows = PuellMultiple().rows(panel).values.iloc[:, 0].to_numpy()
    known = PuellMultiple().compute(panel)["puell_multiple"].to_numpy()
    np.testing.assert_array_equal(known[1:], rows[:-1])


def test_an_absent_day_leaves_a_year_without_a_reading(make_panel):
    blocks = np.full(900, 144.0)
    blocks[450] = np.nan
    price = np.full(900, 100.0)
    panel = make_panel({"issuance": blocks}, price=price, days=900)
    rows = PuellMultiple().rows(panel).values.iloc[:, 0]
    assert rows.iloc[364:450].notna().all()
    assert rows.iloc[450:815].isna().all()
    assert rows.iloc[815:].notna().all()
    known = PuellMultiple().compute(panel)["puell_multiple"]
    assert known.iloc[451:460].notna().all()
    assert known.iloc[461:816].isna().all()


# The real folder


@pytest.mark.parametrize(
    ("day", "low"),
    [("2015-01-14", 0.312), ("2018-12-07", 0.303), ("2020-05-17", 0.381), ("2022-06-17", 0.347)],
)
def test_the_lows_of_past_years(real_panel, day, low):
    rows = PuellMultiple().rows(real_panel).values["puell_multiple"]
    year = rows.loc[day[:4]]
    assert str(year.idxmin().date()) == day
    assert year.min() == pytest.approx(low, abs=0.001)


def test_adjusted_for_halvings_neither_2020_nor_2024_was_low_after_them(real_panel):
    plain, adjusted = (
        PuellMultiple(form).rows(real_panel).values["puell_multiple"] for form in (False, True)
    )
    assert plain.loc["2020-05-12":"2020-06-30"].min() < 0.5
    assert adjusted.loc["2020-05-12":"2020-06-30"].min() > 0.7
    assert plain.loc["2024-04-21":"2024-12"].min() == pytest.approx(0.53, abs=0.005)
    assert adjusted.loc["2024-04-21":"2024-12"].min() == pytest.approx(0.81, abs=0.005)


def test_slow_blocks_made_it_low_in_june_2021(real_panel):
    rows = PuellMultiple().rows(real_panel).values["puell_multiple"]
    blocks = real_panel.field("blocks").values["blocks"]
    assert rows["2021-06-27"] == pytest.approx(0.475, abs=0.001)
    assert blocks["2021-06-27"] < 0.5 * 144
    at_full_pace = rows["2021-06-27"] * 144 / blocks["2021-06-27"]
    assert at_full_pace > 0.9


def test_no_reading_of_2009_exists_for_lack_of_a_price(real_panel):
    rows = PuellMultiple().rows(real_panel).values.iloc[:, 0]
    assert rows.first_valid_index() == pd.Timestamp("2011-07-17")
