"""Epoch signals: exact logarithms at the retarget, and no epoch may be absent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.epochs import EpochChange, EpochReversal, ImpliedHashRate, epochs

LEVELS = np.array([4.0, 4.2, 3.9, 3.0, 3.1, 3.9, 4.0, 4.4]) * 1e12


@pytest.fixture(scope="module")
def panel(make_panel) -> Panel:
    return make_panel(difficulty=LEVELS, days=110)


def cut(panel: Panel, kept: np.ndarray, **changes: object) -> Panel:
    field = panel.fields["difficulty"]
    part = Field(field.values[kept], field.available_at[kept], "1", "hand")
    return replace(panel, fields={"difficulty": replace(part, **changes)})


# Change


def test_the_change_is_the_logarithm_of_the_ratio_of_difficulties(panel):
    found = EpochChange().rows(panel).values["epoch_change"].to_numpy()
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], np.log(LEVELS[1:] / LEVELS[:-1]), rtol=1e-12)


def test_the_denoised_change_adds_half_of_the_one_before(panel):
    plain = EpochChange().rows(panel).values.iloc[:, 0].to_numpy()
    found = EpochChange(denoised=True).rows(panel).values.iloc[:, 0].to_numpy()
    assert np.isnan(found[:2]).all()
    np.testing.assert_allclose(found[2:], plain[2:] + 0.5 * plain[1:-1], rtol=1e-12)


def test_a_change_is_known_from_the_decision_after_it_was_public(panel):
    field = panel.fields["difficulty"]
    known = EpochChange().compute(panel)["epoch_change"]
    for row in range(1, len(LEVELS)):
        decided = panel.decisions.searchsorted(field.available_at[row])
        assert known.iloc[decided] == pytest.approx(np.log(LEVELS[row] / LEVELS[row - 1]))
        assert known.iloc[decided - 1] != known.iloc[decided]


def test_a_change_of_two_months_ago_is_no_opinion(make_panel):
    known = EpochChange().compute(make_panel(difficulty=LEVELS[:3], days=200))["epoch_change"]
    assert known.iloc[30:85].notna().all()
    assert known.iloc[92:].isna().all()


# Hash rate


def test_the_implied_hash_rate_is_2015_of_2016_parts_of_the_next_difficulty(panel):
    found = ImpliedHashRate().rows(panel).values["implied_hash_rate"].to_numpy()
    np.testing.assert_allclose(found[1:], LEVELS[1:] * 2**32 / 600 * 2015 / 2016, rtol=1e-12)


def test_a_clamped_retarget_measures_no_hash_rate(make_panel):
    panel = make_panel(difficulty=np.array([1.0, 4.0, 5.0, 1.25, 1.3]) * 1e12, days=200)
    found = ImpliedHashRate().rows(panel).values.iloc[:, 0]
    assert found.isna().tolist() == [True, True, False, True, False]


# Reversal


def test_the_share_that_came_back_is_judged_one_epoch_after_the_fall(panel):
    found = EpochReversal().rows(panel).values["epoch_reversal"].to_numpy()
    assert np.isnan(found[[0, 1, 2, 5, 6, 7]]).all()
    # 4.2 fell to 3.9 and on to 3.0; 3.9 fell to 3.0 and 3.1 came of it.
    np.testing.assert_allclose(found[[3, 4]], [(3.0 - 3.9) / 0.3, 0.1 / 0.9], rtol=1e-9)


def test_a_smaller_fall_is_not_judged(panel):
    found = EpochReversal(fall=0.10).rows(panel).values.iloc[:, 0]
    assert found.notna().tolist() == [False] * 4 + [True] + [False] * 3


def test_a_fall_of_more_than_everything_is_refused():
    with pytest.raises(ConfigError, match=r"EpochReversal\.fall"):
        EpochReversal(fall=1.5)


# Gaps and wrong rows


@pytest.mark.parametrize("absent", [1, 3, 5])
def test_an_absent_epoch_is_refused_by_the_days_around_it(panel, absent):
    kept = np.arange(len(LEVELS)) != absent
    days = panel.fields["difficulty"].values.index[[absent - 1, absent + 1]]
    with pytest.raises(
        DataError, match=rf"{days[0].date()} and {days[1].date()} are [23]\d\.\d days"
    ):
        epochs(cut(panel, kept))


def test_every_signal_of_epochs_refuses_an_absent_one(panel):
    broken = cut(panel, np.arange(len(LEVELS)) != 4)
    for signal in (EpochChange(), ImpliedHashRate(), EpochReversal()):
        with pytest.raises(DataError, match="Complete the rows"):
            signal.compute(broken)


def test_a_retarget_that_comes_too_early_is_refused(panel):
    field = panel.fields["difficulty"]
    doubled = Field(
        field.values.iloc[[0, 1, 1, 2]].set_axis(
            field.values.index[[0, 1, 1, 2]] + pd.to_timedelta([0, 0, 3, 0], unit="D")
        ),
        field.available_at[[0, 1, 1, 2]] + pd.to_timedelta([0, 0, 3, 0], unit="D"),
        "1",
        "hand",
    )
    with pytest.raises(DataError, match=r"3\.0 days apart"):
        epochs(replace(panel, fields={"difficulty": doubled}))


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan])
def test_a_difficulty_that_is_not_positive_is_refused_by_its_day(panel, wrong):
    values = panel.fields["difficulty"].values.copy()
    values.iloc[2, 0] = wrong
    day = values.index[2].date()
    with pytest.raises(DataError, match=rf"{day} is (0\.0|-1\.0|nan)"):
        epochs(cut(panel, np.full(len(LEVELS), True), values=values))


def test_the_floor_and_the_clamps_of_the_protocol_are_no_gaps(panel):
    # Below difficulty 1 nothing falls, whatever the time; beyond a factor of four nothing rises.
    days = pd.to_datetime(["2009-01-03", "2009-02-20", "2009-04-10", "2009-04-12", "2009-08-01"])
    values = pd.DataFrame({"difficulty": [1.0, 1.0, 1.0, 4.0, 1.0]}, days.as_unit("ns"))
    field = Field(values, days.as_unit("ns").tz_localize("UTC"), "1", "hand")
    assert len(epochs(replace(panel, fields={"difficulty": field})).values) == 5


def test_a_panel_without_difficulty_is_refused_by_name(make_panel):
    with pytest.raises(UnknownFieldError, match="'difficulty'"):
        EpochChange().compute(make_panel(days=10))


# The real folder


@pytest.fixture(scope="module")
def changes(real_panel) -> pd.Series:
    return np.expm1(EpochChange().rows(real_panel).values["epoch_change"].dropna())


def test_the_largest_falls_of_difficulty(changes):
    largest = 100.0 * changes.nsmallest(9)
    expected = [-27.94, -18.03, -16.05, -15.97, -15.95, -15.13, -13.09, -12.61, -11.59]
    np.testing.assert_allclose(largest, expected, atol=0.005)
    assert str(largest.index[0].date()) == "2021-07-03"


@pytest.mark.parametrize(
    ("day", "change"),
    [("2018-12-31", 10.03), ("2020-06-16", 14.95), ("2021-05-13", 21.53), ("2022-12-06", -7.32),
     ("2024-05-09", -5.62), ("2025-06-29", -7.48)],
)  # fmt: skip
def test_changes_of_known_retargets(changes, day, change):
    assert 100.0 * changes[day] == pytest.approx(change, abs=0.005)


@pytest.mark.parametrize(
    ("day", "exahashes"),
    [("2018-12-19", 36.5), ("2020-03-26", 99.5), ("2021-05-13", 179.2), ("2021-05-30", 150.6),
     ("2021-06-13", 142.6), ("2021-07-03", 102.8), ("2021-07-17", 97.8), ("2021-08-25", 126.0),
     ("2024-04-24", 630.4), ("2024-07-05", 568.8), ("2025-06-29", 836.8)],
)  # fmt: skip
def test_mean_hash_rates_of_known_epochs(real_panel, day, exahashes):
    rate = ImpliedHashRate().rows(real_panel).values["implied_hash_rate"]
    assert rate[day] / 1e18 == pytest.approx(exahashes, abs=0.05)


@pytest.mark.parametrize(
    ("peak", "trough", "fall"),
    [("2018-10-04", "2018-12-19", -31.5), ("2020-03-09", "2020-03-26", -16.0),
     ("2021-05-13", "2021-07-17", -45.4), ("2024-04-24", "2024-07-05", -9.8)],
)  # fmt: skip
def test_falls_of_the_hash_rate_by_epoch_means(real_panel, peak, trough, fall):
    rate = ImpliedHashRate().rows(real_panel).values["implied_hash_rate"]
    assert 100.0 * (rate[trough] / rate[peak] - 1.0) == pytest.approx(fall, abs=0.1)


def test_what_left_in_july_2021_did_not_come_back_and_what_left_in_april_did(real_panel):
    share = EpochReversal().rows(real_panel).values["epoch_reversal"]
    # A coal outage of two weeks, then the ban.
    assert share["2021-05-13"] == pytest.approx(1.49, abs=0.01)
    assert share["2021-07-17"] == pytest.approx(-0.124, abs=0.001)
    known = EpochReversal().compute(real_panel)["epoch_reversal"]
    assert known["2021-07-16"] == share["2021-07-03"]
    assert known["2021-07-19"] == share["2021-07-17"]


def test_difficulty_has_moved_about_twice_as_much_as_luck_alone(changes):
    recent = np.log1p(changes.loc["2019-10":])
    assert 100.0 * recent.std() == pytest.approx(6.07, abs=0.35)
    assert recent.autocorr(1) == pytest.approx(-0.135, abs=0.06)
