"""Every case of the validation page, and that a case can fail; misses are those the page names."""

import math
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError, InsufficientHistoryError
from toolkit.network import validation
from toolkit.network.cohorts import Switching
from toolkit.network.drift import drift, trends_by_start
from toolkit.network.episodes import (
    HALVING_2024,
    LATE_2018,
    MARCH_2020,
    Episode,
    elasticity_checks,
    halving_checks,
    replay,
)
from toolkit.network.forecast_record import epoch_progress, forecast_errors, past_forecasts
from toolkit.network.validation import Check, check_table

REAL = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")

EPISODES = pytest.mark.parametrize(
    "episode", [HALVING_2024, LATE_2018, MARCH_2020], ids=lambda episode: episode.name
)
MISSES = {
    ("Halving 2024", "difficulty, day by day: first epoch after"),
    ("Halving 2024", "difficulty, day by day: lowest"),
    ("March 2020", "elasticity, day by day"),
}
"""What the page says that the model misses, with rounded prices as with real ones."""


def missed(checks: list[Check]) -> set[tuple[str, str]]:
    return {(check.case, check.quantity) for check in checks if check.met is False}


def behaviour(paths: pd.DataFrame | None) -> list[Check]:
    return [
        *halving_checks(replay(HALVING_2024, paths)),
        *elasticity_checks(replay(LATE_2018, paths)),
        *elasticity_checks(replay(MARCH_2020, paths)),
    ]


# --- the clock --------------------------------------------------------------------------------


def test_china_2021_is_met_in_seven_changes_and_one_length() -> None:
    checks = validation.china_checks(validation.china_2021())
    assert len(checks) == 8
    assert not missed(checks)
    changes = [check.history for check in checks[:-1]]
    published = [-15.97, -5.30, -27.94, -4.81, 6.03, 7.31, 13.24]
    assert changes == pytest.approx(published, abs=0.006)


def test_china_2021_is_missed_when_an_epoch_hashes_a_two_hundredth_more() -> None:
    table = validation.china_2021()
    table.loc[689_472, "model"] = 100.0 * (1.005 * (1.0 + table.loc[689_472, "model"] / 100) - 1)
    assert missed(validation.china_checks(table)) == {("China 2021", "change at 689,472")}


def test_the_answer_to_shocks_is_that_by_hand() -> None:
    checks = validation.shock_checks()
    assert len(checks) == 4 * len(validation.SHOCKS)
    assert not missed(checks)


def test_a_fifth_that_leaves_costs_the_issuance_that_is_expected() -> None:
    runs = validation.exits()
    assert not missed(validation.issuance_checks(runs))
    swapped = dict(zip(runs, reversed(runs.values()), strict=True))
    assert len(missed(validation.issuance_checks(swapped))) == 2


def test_luck_alone_scatters_and_reverts_as_theory_says() -> None:
    checks = validation.luck_checks(validation.changes_by_luck())
    assert not missed(checks)
    assert checks[0].history == pytest.approx(3.15, abs=0.005)
    assert checks[0].model == pytest.approx(3.15, abs=0.05)
    assert checks[1].model == pytest.approx(-0.5, abs=0.02)


def test_changes_that_do_not_revert_are_told_from_luck() -> None:
    draws = np.random.default_rng(0).normal(scale=0.0315, size=(365, 40))
    assert missed(validation.luck_checks(pd.DataFrame(draws))) == {
        ("Constant hash rate", "correlation with the change before")
    }


def test_chains_of_luck_differ_and_come_back_with_their_seed() -> None:
    one, same, other = (validation.changes_by_luck(2, 20, seed=seed) for seed in (1, 1, 5))
    pd.testing.assert_frame_equal(one, same)
    assert not np.isclose(one[0], one[1]).any()
    assert not np.isclose(one, other).any()


# --- the miners -------------------------------------------------------------------------------


def test_the_halving_of_2024_is_met_at_rest_within_3_points() -> None:
    checks = halving_checks(replay(HALVING_2024))[:2]
    assert not missed(checks)
    assert [check.history for check in checks] == pytest.approx([-5.62, -9.77], abs=0.01)
    assert [check.model for check in checks] == pytest.approx([-5.0, -9.2], abs=0.15)


@pytest.mark.parametrize("episode", [LATE_2018, MARCH_2020], ids=lambda episode: episode.name)
def test_the_elasticity_is_in_the_band_at_rest_and_in_history(episode: Episode) -> None:
    rest = elasticity_checks(replay(episode))[0]
    assert rest.met
    assert 0.3 < rest.model < rest.history < 0.7


def test_the_model_misses_what_the_page_says_and_nothing_else() -> None:
    assert missed(behaviour(None)) == MISSES


def test_no_band_and_no_patience_that_are_reported_meet_the_halving_day_by_day() -> None:
    reported = [
        Switching(margin=margin, patience_days=days) for margin in (0.05, 0.1) for days in (7, 14)
    ]
    for switching in reported:
        checks = halving_checks(replay(HALVING_2024, switching=switching))
        assert missed(checks) == {name for name in MISSES if name[0] == "Halving 2024"}
    sudden = Switching(margin=0.0, patience_days=1, daily_share=1.0)
    assert not missed(halving_checks(replay(HALVING_2024, switching=sudden)))


@EPISODES
def test_model_and_history_start_from_one_difficulty(episode: Episode) -> None:
    run = replay(episode)
    assert run.levels.iloc[0][["model", "history"]].tolist() == pytest.approx([0, 0], abs=1e-5)
    first = run.result.daily["hash_rate"].iloc[0]
    assert first == pytest.approx(1e18 * episode.hash_rate, rel=1e-5)


@EPISODES
def test_an_episode_without_a_fall_stays_where_it_is(episode: Episode) -> None:
    calm = replace(episode, price=episode.price[:1], fees=episode.fees[:1])
    paths = calm.paths()
    if episode is HALVING_2024:
        paths.loc["2024-04-20":, "price"] *= 6.6 / 3.475
    levels = replay(calm, paths).levels["model"]
    # The halving comes within a day, which is not the same hour.
    assert levels.abs().max() < 1e-3
    assert calm.at_rest(5e4, 5e4) == pytest.approx(0.0, abs=1e-6)


def test_costs_are_those_of_the_machines_of_the_time() -> None:
    assert LATE_2018.median_cost == pytest.approx(98 * 47 * 24 / 1000)
    assert MARCH_2020.median_cost == pytest.approx(math.sqrt(98 * 45) * 47 * 24 / 1000)


@pytest.mark.parametrize(
    ("episode", "before", "lowest"),
    [(HALVING_2024, 630.4, 568.8), (LATE_2018, 53.3, 36.5), (MARCH_2020, 118.4, 99.5)],
    ids=["2024", "2018", "2020"],
)
def test_hash_rates_of_history_are_the_published_ones(
    episode: Episode, before: float, lowest: float
) -> None:
    levels = replay(episode).levels["history"]
    assert episode.hash_rate == pytest.approx(before, abs=0.06)
    assert episode.hash_rate * (1.0 + levels.min()) == pytest.approx(lowest, abs=0.06)


def test_an_absent_day_is_refused_by_its_date() -> None:
    paths = LATE_2018.paths().drop(pd.Timestamp("2018-11-20"))
    with pytest.raises(DataError, match=r"Late 2018: .* absent on 1 days.* 2018-11-20"):
        replay(LATE_2018, paths)


def test_a_run_that_does_not_reach_the_last_retarget_is_refused() -> None:
    paths = MARCH_2020.paths()
    paths.loc["2020-03-01":, "price"] = 1_500.0
    with pytest.raises(DataError, match=r"March 2020: the run reached height .* expected 626976"):
        _ = replay(MARCH_2020, paths).levels


# --- checks -----------------------------------------------------------------------------------


def test_a_table_of_checks_shows_the_difference_and_what_is_not_met() -> None:
    checks = [
        Check.within("case", "near", "%", (1.0, 1.5), 0.5),
        Check.within("case", "far", "%", (1.0, 1.6), 0.5),
        Check("case", "shown", "", 2.0, 1.0, "none", None),
    ]
    table = check_table(checks)
    names = ["case", "quantity", "unit", "model", "history", "difference", "criterion", "met"]
    assert list(table) == names
    assert table["difference"].tolist() == pytest.approx([-0.5, -0.6, 1.0])
    assert table["met"].tolist() == ["yes", "NO", "no bar"]


def test_bars_of_the_forecast_are_per_point() -> None:
    errors = pd.DataFrame(
        {"ratio_interval": [0.6, 0.76, 0.9, 1.0, 1.03, 1.0], "coverage": [0.84] + [0.9] * 5},
        index=[0.05, 0.1, 0.25, 0.5, 0.75, 0.9],
    )
    assert {case for case, _ in missed(validation.forecast_checks(errors))} == {
        f"Next retarget, {share}% mined" for share in (5, 10, 75)
    }


# --- drift ------------------------------------------------------------------------------------


def years_of(logs: np.ndarray) -> pd.Series:
    return pd.Series(np.exp(logs), pd.date_range("2019-01-07", periods=len(logs), freq="D"))


def test_the_drift_of_a_line_is_its_slope() -> None:
    found = drift(years_of(-0.24 * np.arange(1400) / 365.25))
    for name in ("trend", "trend_low", "trend_high", "mean", "mean_low", "mean_high"):
        assert getattr(found, name) == pytest.approx(-0.24, abs=1e-6)
    assert not missed(validation.drift_checks(found, pd.Series([-0.12])))
    assert missed(validation.drift_checks(found, pd.Series([-0.2]))) == {
        ("Hash price since 2019", "mildest trend line")
    }


def test_the_interval_of_the_mean_covers_the_drift_of_a_random_walk() -> None:
    draws = np.random.default_rng(5)
    covered = []
    for _ in range(150):
        steps = -0.2 / 365.25 + 0.6 / 365.25**0.5 * draws.standard_normal(7 * 340)
        found = drift(years_of(np.cumsum(steps)), draws=400)
        covered.append(
            (found.mean_low < -0.2 < found.mean_high, found.trend_low < -0.2 < found.trend_high)
        )
    mean, trend = np.mean(covered, axis=0)
    # Thirteen blocks are few, so that it is somewhat short of 90 %.
    assert 0.78 < mean < 0.95
    # That of the line holds where the line is true, and a random walk has none.
    assert trend < 0.5


def test_the_interval_of_the_line_covers_the_slope_where_the_line_is_true() -> None:
    draws = np.random.default_rng(6)
    line = -0.2 * np.arange(7 * 340) / 365.25
    found = [
        drift(years_of(line + 0.3 * draws.standard_normal(len(line))), draws=2) for _ in range(150)
    ]
    assert 0.78 < np.mean([one.trend_low < -0.2 < one.trend_high for one in found]) < 0.96


def test_trends_start_each_month_and_leave_the_least_years() -> None:
    trends = trends_by_start(years_of(0.1 * np.arange(2000) / 365.25), least_years=3.0)
    assert trends.to_numpy() == pytest.approx(0.1, abs=1e-6)
    assert trends.index[0] == pd.Timestamp("2019-02-01")
    last = pd.Timestamp("2019-01-07") + timedelta(days=1999 - 3 * 365.25)
    assert trends.index[-1] <= last < trends.index[-1] + timedelta(days=31)


def test_a_drift_needs_two_whole_years_of_positive_values() -> None:
    with pytest.raises(InsufficientHistoryError, match="104 weeks; found 100"):
        drift(years_of(np.zeros(700)))
    gap, zero = years_of(np.zeros(900)), years_of(np.zeros(900))
    gap.iloc[70:84] = np.nan
    zero.iloc[3] = 0.0
    with pytest.raises(DataError, match="the mean of a week is nan on 2019-03"):
        drift(gap)
    with pytest.raises(DataError, match="values is 0 at 2019-01-10"):
        drift(zero)


# --- on real data -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def history() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Days, and epochs by height, of the folder."""
    folder, last = Path(str(REAL)), pd.Timestamp("2025-06-30")
    days = pd.read_csv(folder / "btc_network_daily.csv.gz", parse_dates=["date"], index_col="date")
    epochs = pd.read_csv(folder / "btc_difficulty_epochs.csv", parse_dates=["start_time_utc_est"])
    epochs["start"] = epochs["start_time_utc_est"].dt.tz_localize(None)
    return days.loc[:last], epochs[epochs["start"] <= last].set_index("height")


@pytest.fixture(scope="module")
def paths(history: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    days = history[0]
    return pd.DataFrame({"price": days["price_usd"], "fees": days["fees_btc"] / days["blocks"]})


@real
def test_retargets_that_are_written_down_are_those_of_the_chain(
    history: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    epochs = history[1]
    known = [one for episode in (HALVING_2024, LATE_2018, MARCH_2020) for one in episode.retargets]
    rows = [(str(one.day), one.height, one.difficulty) for one in known]
    rows += [(day, height, value) for day, height, value, _ in validation.CHINA_2021]
    for day, height, value in rows:
        assert value == pytest.approx(epochs["difficulty"][height], rel=1e-7)
        assert abs(pd.Timestamp(day) - epochs["start"][height].normalize()) <= timedelta(days=1)
    for _, height, value, rate in validation.CHINA_2021:
        assert rate == pytest.approx(value * 2**32 / 600.298 / 1e18, abs=0.06), height


@real
@EPISODES
def test_rounded_prices_pay_what_real_ones_paid(episode: Episode, paths: pd.DataFrame) -> None:
    rounded, true = replay(episode), replay(episode, paths)
    falls = [np.log(run.rewards.min() / run.rewards[0]) for run in (rounded, true)]
    if episode is not HALVING_2024:  # whose first epoch had record fees on the day of the halving
        assert falls[0] == pytest.approx(falls[1], abs=0.05)
    gap = np.log(rounded.paths["price"] / true.paths["price"])
    assert gap.abs().mean() < 0.07


@real
def test_with_real_prices_the_model_misses_what_the_page_says_and_nothing_else(
    paths: pd.DataFrame,
) -> None:
    assert missed(behaviour(paths)) == MISSES


@real
def test_efficiencies_of_the_time_lie_5_to_11_percent_below_the_cambridge_estimates() -> None:
    folder = Path(str(REAL))
    known = pd.read_csv(folder / "network_efficiency_daily.csv.gz", index_col="date")
    for day, episode in (("2018-10-03", LATE_2018), ("2020-03-08", MARCH_2020)):
        ours = episode.median_cost / (47 * 24 / 1000)
        assert 0.885 < ours / known.loc[day, "estimate_j_per_th"] < 0.96


@real
def test_the_drift_of_the_hash_price_is_the_recorded_one(
    history: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    since = history[0]["hashprice_usd_per_phs_day"].loc["2019":]
    found, by_start = drift(since), trends_by_start(since)
    line = [100.0 * value for value in (found.trend, found.trend_low, found.trend_high)]
    assert line == pytest.approx([-25, -31, -18], abs=0.6)
    mean = [100.0 * value for value in (found.mean, found.mean_low, found.mean_high)]
    assert mean == pytest.approx([-18, -68, 34], abs=0.6)
    assert 100.0 * by_start.max() == pytest.approx(-19, abs=0.6)
    assert missed(validation.drift_checks(found, by_start)) == {
        ("Hash price since 2019", "mildest trend line")
    }


@real
def test_the_forecast_of_the_next_retarget_meets_its_bars(
    history: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    days, by_height = history
    mined = (days["blocks"].cumsum() + 1.0).shift(freq="D")
    epochs = by_height.reset_index().set_index("start")[["height", "difficulty"]]
    progress = epoch_progress(mined, epochs, 3_300.0)
    errors = forecast_errors(past_forecasts(progress, epochs, pd.Timestamp("2017-01-01"), 1_800.0))
    assert not missed(validation.forecast_checks(errors))
    recorded = [0.61, 0.70, 0.89, 0.97, 0.99, 0.99]
    assert errors["ratio_interval"].to_list() == pytest.approx(recorded, abs=0.006)
