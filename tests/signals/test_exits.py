"""Non-price exit: errors of forecasts from the past alone, and what they have shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError
from toolkit.panel import Field, Panel
from toolkit.signals.exits import NonPriceExit

EPOCHS = 130
DAYS = 1800


def network(make_panel, growth: np.ndarray, moves: np.ndarray, absent: int | None = None) -> Panel:
    """A network whose difficulty grows as given at each retarget, and a price by day."""
    difficulty = 1e13 * np.exp(np.cumsum(np.append(0.0, growth)))
    blocks = np.full(DAYS, 144.0)
    if absent is not None:
        blocks[absent] = np.nan
    daily = {"blocks": blocks, "issuance": 12.5 * blocks, "fees": 0.2 * blocks}
    price = 8_000.0 * np.exp(np.cumsum(moves))
    return make_panel(daily, difficulty=difficulty, price=price, days=DAYS)


def luck(seed: int) -> np.ndarray:
    """Changes of difficulty from block luck around steady growth."""
    random = np.random.default_rng(seed)
    return 0.01 + np.diff(0.0223 * random.standard_normal(EPOCHS))


def steps(seed: int) -> np.ndarray:
    return 0.03 * np.random.default_rng(1000 + seed).standard_normal(DAYS)


@pytest.fixture(scope="module")
def panel(make_panel) -> Panel:
    return network(make_panel, luck(1), steps(1))


def read(panel: Panel, statistic: str, **settings: object) -> pd.Series:
    return NonPriceExit(statistic, **settings).rows(panel).values[statistic]


def test_each_residual_is_what_weighted_least_squares_on_the_epochs_before_missed(panel):
    signal = NonPriceExit(smoothing_epochs=1, halflife_epochs=10.0)
    found = signal.rows(panel).values["residual"].to_numpy()
    states = signal.states(panel).values
    rate, revenue, profit = (states[name].to_numpy() for name in ("rate", "revenue", "profit"))
    rows = [row for row in range(3, len(rate)) if np.isfinite(profit[row - 2] + rate[row - 1])]
    x = {row: [1.0, revenue[row] - revenue[row - 1], profit[row - 2]] for row in rows}
    y = {row: rate[row] - rate[row - 1] for row in rows}
    assert np.isnan(found[: rows[26]]).all()
    for place, row in enumerate(rows[26:], start=26):
        past = rows[:place]
        root = np.sqrt(0.5 ** ((row - np.array(past)) / 10.0))
        a = np.array([x[one] for one in past]) * root[:, None]
        b = np.array([y[one] for one in past]) * root
        fit = np.linalg.lstsq(a, b)[0]
        assert found[row] == pytest.approx(y[row] - np.dot(x[row], fit), abs=1e-8)


def test_the_standard_error_is_the_weighted_size_of_the_earlier_values_alone(panel):
    residual, error = read(panel, "residual"), read(panel, "standard_error")
    values = residual.to_numpy()
    first = int(np.flatnonzero(np.isfinite(values))[26])
    assert error.iloc[:first].isna().all()
    for row in range(first, len(values)):
        past = np.flatnonzero(np.isfinite(values[:row]))
        weights = 0.5 ** ((row - past) / 26.0)
        expected = np.sqrt(np.average(values[past] ** 2, weights=weights))
        assert error.iloc[row] == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(read(panel, "t_ratio"), residual / error)


def test_the_state_of_an_epoch_is_of_its_whole_days(panel):
    states = NonPriceExit().states(panel).values
    retargets = panel.fields["difficulty"].values.index
    price = panel.fields["close"].values["COIN"]
    for row in range(1, 20):
        days = price[retargets[row - 1] : retargets[row] - pd.Timedelta(days=1)]
        paid = (12.7 * 144.0 * days).sum() / (144.0 * len(days))
        assert states["revenue"].iloc[row] == pytest.approx(np.log(paid), rel=1e-12)


def test_luck_alone_leaves_about_one_percent_an_epoch(make_panel):
    sizes = [read(network(make_panel, luck(n), steps(n)), "residual").std() for n in range(8)]
    # sqrt(2) 2.23 % / 3 and the uncertainty of three coefficients from two years.
    assert np.mean(sizes) == pytest.approx(0.0105, abs=0.0025)


def test_a_fifth_that_leaves_at_a_steady_price_is_seen_for_three_epochs(make_panel):
    growth = luck(3)
    growth[100] += np.log(0.8)
    found = network(make_panel, growth, steps(3))
    residual, ratio = read(found, "residual"), read(found, "t_ratio")
    assert (residual.iloc[101:104] < -0.04).all()
    assert (ratio.iloc[101:104] < -2.0).all()
    assert (residual.iloc[80:101] > -0.04).all()
    assert (residual.iloc[104:] > -0.04).all()
    np.testing.assert_allclose(residual.iloc[101], np.log(0.8) / 3.0, atol=0.03)


def test_a_slow_exodus_of_a_fifth_in_half_a_year_is_not_seen_over_three_epochs(make_panel):
    growth = luck(4)
    growth[90:103] += np.log(0.8) / 13.0
    residual = read(network(make_panel, growth, steps(4)), "residual")
    assert (residual.iloc[91:104] > -0.04).all()


def test_an_absent_day_leaves_its_epoch_and_those_built_on_it_without_a_reading(make_panel):
    whole = read(network(make_panel, luck(5), steps(5)), "residual")
    holed = read(network(make_panel, luck(5), steps(5), absent=1200), "residual")
    day = whole.index[0] + pd.Timedelta(days=1200)
    hit = int(whole.index.searchsorted(day, side="right"))
    assert whole.iloc[60:].notna().all()
    # Its change, the next one, the one after next through its profit, and three in every mean.
    assert holed.isna().to_numpy()[hit - 1 : hit + 6].tolist() == [False] + [True] * 5 + [False]
    np.testing.assert_allclose(holed.iloc[:hit], whole.iloc[:hit])


def test_a_price_that_never_moves_is_fitted_by_two_regressors(make_panel):
    residual = read(network(make_panel, luck(6), np.zeros(DAYS)), "residual")
    assert residual.iloc[60:].abs().max() < 0.06


def test_an_absent_epoch_is_refused(panel):
    field = panel.fields["difficulty"]
    kept = np.arange(len(field.values)) != 50
    holed = Field(field.values[kept], field.available_at[kept], field.unit, field.source)
    with pytest.raises(DataError, match="Complete the rows"):
        NonPriceExit().compute(replace(panel, fields={**panel.fields, "difficulty": holed}))


@pytest.mark.parametrize(
    "wrong", [{"statistic": "p"}, {"smoothing_epochs": 0}, {"halflife_epochs": 0.0}]
)
def test_a_setting_that_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError, match="NonPriceExit"):
        NonPriceExit(**wrong)


# The real folder


def test_the_ban_of_2021_is_the_largest_exit_and_lasting(real_panel):
    residual, ratio = read(real_panel, "residual"), read(real_panel, "t_ratio")
    assert str(residual.loc["2015":].idxmin().date()) == "2021-07-03"
    assert residual["2021-07-03"] == pytest.approx(-0.209, abs=0.001)
    assert ratio["2021-07-03"] == pytest.approx(-5.4, abs=0.05)
    assert (ratio.loc["2021-07-03":"2021-07-17"] < -2.0).all()


def test_since_the_ban_nothing_has_passed_for_an_exit(real_panel):
    assert (read(real_panel, "residual").loc["2021-08-01":] > -0.04).all()
    assert (read(real_panel, "t_ratio").loc["2021-08-01":] > -2.0).all()


def test_two_standard_errors_have_held_nineteen_of_twenty_epochs_since_2015(real_panel):
    ratio = read(real_panel, "t_ratio").loc["2015":]
    assert (ratio.abs() < 2.0).mean() == pytest.approx(0.968, abs=0.002)
