"""Ribbons on difficulty, the cross by a plain loop over days, and signed compression."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times
from toolkit.errors import ConfigError
from toolkit.signals.daily import difficulty_by_day
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons, RibbonCompression


def wandering(seed: int, days: int, step: float = 0.02) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.exp(np.cumsum(step * random.standard_normal(days)))


def events_by_loop(
    rate: np.ndarray, price: np.ndarray, ribbons: HashRibbons, confirmed: bool
) -> list[int]:
    """Days of recovery: growth after stress, then the price's averages; once per stress."""
    found, state, waiting = [], 0, False
    for day in range(ribbons.long_days - 1, len(rate)):
        recent, past = (
            rate[day + 1 - n : day + 1].mean() for n in (ribbons.short_days, ribbons.long_days)
        )
        excess = recent / past - 1.0
        if excess < -ribbons.band:
            state, waiting = -1, False
        elif excess > ribbons.band:
            waiting = waiting or state == -1
            state = 1
        short, long = (price[max(0, day + 1 - n) : day + 1].mean() for n in (10, 20))
        if waiting and (short > long or not confirmed):
            found.append(day)
            waiting = False
    return found


@pytest.mark.parametrize("confirmed", [True, False])
@pytest.mark.parametrize("band", [0.0, 0.011])
def test_the_events_are_those_of_a_loop_over_days(band, confirmed):
    ribbons = HashRibbons(15, 30, band)
    for seed in range(5):
        rate, price = wandering(seed, 900, 0.03), wandering(seed + 100, 900)
        cross = HashRibbonCross(ribbons, confirmed)
        found = cross.events(cross.ribbons.excess(rate), price)
        expected = events_by_loop(rate, price, ribbons, confirmed)
        assert np.flatnonzero(found).tolist() == expected
        assert len(expected) > 3


def test_an_event_is_told_for_a_week_from_the_day_after_it(make_panel):
    rate, price = wandering(2, 400, 0.03), wandering(102, 400)
    panel = make_panel({"hash_rate": rate}, price=price)
    cross = HashRibbonCross(HashRibbons(15, 30))
    events = np.flatnonzero(cross.events(cross.ribbons.excess(rate), price))
    known = cross.compute(panel)["hash_ribbon_cross"].to_numpy()
    expected = np.zeros(400)
    for event in events:
        expected[event + 1 : event + 8] = 1.0
    assert len(events) > 0
    assert np.array_equal(known[60:], expected[60:])
    assert np.isnan(known[:30]).all()


def test_growth_without_a_capitulation_before_it_is_no_recovery():
    rate = 1.01 ** np.arange(200.0)
    ribbons = HashRibbons(10, 20)
    assert not HashRibbonCross(ribbons).events(ribbons.excess(rate), rate).any()


def test_no_reading_is_given_while_a_window_lacks_a_day(make_panel):
    rate = wandering(2, 400, 0.03)
    rate[200] = np.nan
    panel = make_panel({"hash_rate": rate}, price=wandering(102, 400))
    for signal in (HashRibbonCross(HashRibbons(15, 30)), HashRibbons(15, 30)):
        rows = signal.rows(panel).values.iloc[:, 0]
        assert rows.iloc[200:230].isna().all()
        assert rows.iloc[100:200].notna().all()
        assert rows.iloc[230:].notna().all()


def test_on_difficulty_the_ribbons_are_averages_of_what_was_public_each_day(make_panel):
    levels = 1e12 * wandering(5, 24, 0.08)
    panel = make_panel(difficulty=levels, days=250)
    field = panel.fields["difficulty"]
    by_day = np.array(
        [
            levels[(field.available_at <= moment).sum() - 1]
            for moment in decision_times(panel.sessions)
        ]
    )
    np.testing.assert_array_equal(difficulty_by_day(panel).values.iloc[:, 0], by_day)
    regime = HashRibbons(on="difficulty").compute(panel)["hash_ribbons"].to_numpy()
    last = np.nan
    for day in range(59, 250):
        excess = by_day[day - 29 : day + 1].mean() / by_day[day - 59 : day + 1].mean() - 1.0
        if abs(excess) > 0.011:
            last = np.sign(excess)
        assert regime[day] == last or (np.isnan(last) and np.isnan(regime[day]))


def test_another_source_than_hash_rate_or_difficulty_is_refused():
    with pytest.raises(ConfigError, match=r"HashRibbons\.on"):
        HashRibbons(on="blocks")


def test_compression_is_the_spread_of_eight_averages_with_the_sign_of_the_trend(make_panel):
    levels = 1e12 * wandering(6, 40, 0.08)
    panel = make_panel(difficulty=levels, days=450)
    daily = difficulty_by_day(panel).values.iloc[:, 0].to_numpy()
    found = RibbonCompression().compute(panel)["ribbon_compression"].to_numpy()
    assert np.isnan(found[:199]).all()
    for day in range(199, 450):
        ribbons = [daily[day + 1 - n : day + 1].mean() for n in (9, 14, 25, 40, 60, 90, 128, 200)]
        spread = np.std(ribbons) / np.mean(ribbons)
        assert found[day] == pytest.approx(spread * np.sign(ribbons[0] - ribbons[-1]), rel=1e-9)


def test_compression_tells_expansion_from_collapse(make_panel):
    up = 1e12 * 1.05 ** np.arange(28.0)
    rising = RibbonCompression().compute(make_panel(difficulty=up, days=330)).iloc[-1, 0]
    falling = RibbonCompression().compute(make_panel(difficulty=up[::-1].copy())).iloc[-1, 0]
    assert rising > 0.05
    assert falling < -0.05


# The real folder


def regime_changes(panel) -> pd.Series:
    regime = HashRibbons(band=0.0).rows(panel).values["hash_ribbons"].dropna()
    return regime[regime != regime.shift(1)]


def test_the_capitulation_of_2022_lasted_71_days(real_panel):
    changes = regime_changes(real_panel).loc["2022-05":"2022-10"]
    assert [day.date() for day in changes.index[[0, -1]]] == [date(2022, 6, 9), date(2022, 8, 19)]
    assert (changes.index[-1] - changes.index[0]).days == 71
    # Between them the averages touched on one day.
    assert changes.to_list() == [-1.0, 1.0, -1.0, 1.0]
    # The 19th was known one hour into the 20th, a Saturday: Monday's decision is the first.
    known = HashRibbons(band=0.0).compute(real_panel)["hash_ribbons"]
    assert known["2022-08-19"] == -1.0
    assert known["2022-08-22"] == 1.0


@pytest.mark.parametrize("day", ["2019-01-10", "2020-04-24", "2020-07-12", "2021-08-07",
                                 "2022-08-19", "2023-01-14", "2024-07-23"])  # fmt: skip
def test_the_original_rule_signals_on_the_days_it_is_known_for(real_panel, day):
    fresh = HashRibbonCross(HashRibbons(band=0.0)).rows(real_panel).values.iloc[:, 0]
    before = pd.Timestamp(day) - pd.Timedelta(days=1)
    assert (fresh[before], fresh[day]) == (0.0, 1.0)


def test_the_band_drops_five_of_fourteen_signals_since_2018(real_panel):
    def count(band: float) -> int:
        fresh = HashRibbonCross(HashRibbons(band=band)).rows(real_panel).values.loc["2018":]
        return int((fresh.diff() == 1.0).sum().iloc[0])

    assert (count(0.0), count(0.011)) == (14, 9)


def test_compression_rose_above_a_tenth_in_2021_because_difficulty_fell(real_panel):
    rows = RibbonCompression().rows(real_panel).values["ribbon_compression"]
    assert rows.loc["2021-07-10":"2021-08-28"].max() < -0.1
    assert rows.loc["2021-07":"2021-09"].min() == pytest.approx(-0.167, abs=0.001)
