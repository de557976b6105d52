"""The next-retarget forecast: its arithmetic, its odds on simulated chains, its record."""

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.network.forecast import (
    FIT_EPOCHS,
    RetargetPrior,
    fit_prior,
    forecast_epochs,
    forecast_retarget,
    forecast_retargets,
)
from toolkit.network.forecast_record import (
    POINTS,
    epoch_progress,
    forecast_errors,
    past_forecasts,
)

REAL = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")

EPOCH = 1_209_600.0
STILL = RetargetPrior(growth=0.0, volatility=0.0, elapsed_error_seconds=0.0)
GENESIS = pd.Timestamp("2020-01-01")


@dataclass
class Chain:
    """Blocks found one by one, retargeted exactly."""

    times: np.ndarray
    "Epochs x 2,016 times of blocks, seconds."
    difficulties: np.ndarray
    hash_rates: np.ndarray
    "Epochs x 2,016, in units of what difficulty 1 needs for ten minutes."

    def epochs(self) -> pd.DataFrame:
        starts = GENESIS + pd.to_timedelta(self.times[:, 0], unit="s")
        heights = 2016 * np.arange(len(starts))
        return pd.DataFrame({"height": heights, "difficulty": self.difficulties}, index=starts)

    def mined(self) -> pd.Series:
        last = GENESIS + pd.Timedelta(self.times[-1, -1], unit="s")
        ends = pd.date_range(GENESIS + pd.Timedelta(days=1), last, freq="D")
        seconds = (ends - GENESIS).total_seconds()
        counts = np.searchsorted(self.times.ravel(), seconds, side="right")
        return pd.Series(counts.astype(float), index=ends)


def simulate(epochs: int, volatility: float, seed: int, growth: float = 0.0) -> Chain:
    random = np.random.default_rng(seed)
    luck = random.exponential(size=(epochs, 2016))
    steps = random.normal(growth / 2016, volatility / 2016**0.5, size=(epochs, 2016))
    hash_rates = 1e12 * np.exp(steps.cumsum().reshape(steps.shape))
    times, difficulties = np.empty(luck.shape), np.empty(epochs)
    now, difficulty = 0.0, hash_rates[0, 0]
    for epoch in range(epochs):
        found = now + np.cumsum(600.0 * difficulty * luck[epoch] / hash_rates[epoch])
        times[epoch], difficulties[epoch], now = found, difficulty, found[-1]
        difficulty *= np.clip(EPOCH / (found[-1] - found[0]), 0.25, 4.0)
    return Chain(times, difficulties, hash_rates)


@pytest.fixture(scope="module")
def wandering() -> Chain:
    return simulate(epochs=2_000, volatility=0.05, seed=1)


# The arithmetic


def test_without_wandering_the_last_epoch_counts_as_2015_blocks_of_ten_minutes() -> None:
    elapsed = 500_000.0
    # 1,007 intervals are complete and half a one is under way.
    interval = (2015 * 600.0 + elapsed) / (2015 + 1007.5)
    expected = EPOCH / (elapsed + (2015 - 1007) * interval) - 1.0
    forecast = forecast_retarget(1e14, 1008, elapsed, STILL)
    assert forecast.change == pytest.approx(expected, rel=1e-12)
    assert forecast.difficulty == pytest.approx(1e14 * (1.0 + expected), rel=1e-12)
    assert forecast.remaining_seconds == pytest.approx((2015 - 1007) * interval, rel=1e-12)
    assert forecast.fraction == 0.5


def test_without_wandering_the_error_is_luck_of_the_pace_and_of_the_blocks_to_come() -> None:
    forecast = forecast_retarget(1.0, 1008, 1007.5 * 600.0, STILL)
    seconds = 1008 * 600.0
    pace, luck = 600.0 * 1008 / (2015 + 1007.5) ** 0.5, 600.0 * 1008**0.5
    total = 1007.5 * 600.0 + seconds
    expected = (1.0 + forecast.change) * np.hypot(pace, luck) / total
    assert forecast.standard_error == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_weight_and_spread_are_the_regression_of_the_rest_on_the_past(share: float) -> None:
    random = np.random.default_rng(2)
    volatility, steps, paths = 0.3, 100, 40_000
    walk = random.normal(scale=volatility / steps**0.5, size=(paths, 2 * steps)).cumsum(axis=1)
    # The last epoch's mean, with its luck, is the difficulty this epoch starts from.
    walk -= walk[:, :steps].mean(axis=1, keepdims=True)
    walk += random.normal(scale=2015**-0.5, size=(paths, 1))
    cut = steps + round(share * steps)
    intervals = round(share * 2015)
    past = walk[:, steps:cut].mean(axis=1)
    past += random.normal(scale=(intervals + 0.5) ** -0.5, size=paths)
    rest = walk[:, cut:].mean(axis=1)
    slope, _ = np.polyfit(past, rest, 1)
    prior = RetargetPrior(growth=0.0, volatility=volatility, elapsed_error_seconds=0.0)

    even = 600.0 * (intervals + 0.5)
    slow, fast = (
        forecast_retarget(1.0, intervals + 1, even * factor, prior).remaining_seconds
        for factor in (1.01, 0.99)
    )
    level = forecast_retarget(1.0, intervals + 1, even, prior)
    assert (slow - fast) / level.remaining_seconds / 0.02 == pytest.approx(slope, rel=0.02)

    luck = 1.0 / (2015 - intervals)
    left = (rest - slope * past).var() + luck
    ahead = level.remaining_seconds / (even + level.remaining_seconds)
    error = level.standard_error / (1.0 + level.change)
    assert error == pytest.approx(ahead * left**0.5, rel=0.03)


def test_an_error_of_the_clock_moves_the_time_so_far_and_the_pace() -> None:
    even, error = 499.5 * 600.0, 1.0
    clocks = [
        RetargetPrior(growth=0.0, volatility=0.05, elapsed_error_seconds=seconds)
        for seconds in (0.0, error)
    ]
    exact, uncertain = (forecast_retarget(1.0, 500, even, prior) for prior in clocks)
    late = forecast_retarget(1.0, 500, even + error, clocks[0])
    moved = np.log1p(exact.change) - np.log1p(late.change)
    added = uncertain.standard_error**2 - exact.standard_error**2
    assert added**0.5 / (1.0 + exact.change) == pytest.approx(moved, rel=1e-3)
    assert moved > 2.0 * error / EPOCH


@pytest.mark.parametrize("elapsed", [EPOCH, 1_000_000.0, 1_500_000.0])
def test_a_whole_epoch_leaves_nothing_to_forecast(elapsed: float) -> None:
    prior = RetargetPrior(elapsed_error_seconds=0.0)
    forecast = forecast_retarget(1e14, 2016, elapsed, prior)
    assert forecast.change == pytest.approx(EPOCH / elapsed - 1.0, rel=1e-12, abs=1e-15)
    assert forecast.standard_error == 0.0
    assert forecast.band_low == forecast.change == forecast.band_high
    assert (forecast.fraction, forecast.remaining_seconds) == (1.0, 0.0)


@pytest.mark.parametrize(("elapsed", "change"), [(300_000.0, 3.0), (5_000_000.0, -0.75)])
def test_change_and_band_stop_at_the_clamps_of_the_protocol(elapsed: float, change: float) -> None:
    forecast = forecast_retarget(1e14, 2016, elapsed)
    assert forecast.change == change
    assert -0.75 <= forecast.band_low <= forecast.band_high <= 3.0


@pytest.mark.parametrize("growth", [-0.1, 0.0, 0.04])
@pytest.mark.parametrize("blocks", [0, 1])
def test_without_a_block_interval_the_forecast_is_the_growth(blocks: int, growth: float) -> None:
    forecast = forecast_retarget(1e14, blocks, 1.0, RetargetPrior(growth=growth))
    # 2,015 intervals are measured and 2,016 are paid for.
    assert forecast.change == pytest.approx(np.exp(growth) * 2016 / 2015 - 1.0, abs=2e-5)


@pytest.mark.parametrize("blocks", [1, 100, 500, 1008, 1900, 2016])
def test_more_time_for_the_same_blocks_lowers_the_forecast(blocks: int) -> None:
    elapsed = 600.0 * max(blocks, 50) * np.geomspace(0.2, 5.0, 60)
    forecast = forecast_retargets(np.ones(60), np.full(60, blocks), elapsed)
    inside = forecast["change"].between(-0.75, 3.0, inclusive="neither")
    assert (np.diff(forecast["change"][inside]) < 0.0).all()


@pytest.mark.parametrize("days", [1.0, 7.0, 13.0])
def test_more_blocks_in_the_same_time_raise_the_forecast(days: float) -> None:
    blocks = np.arange(1, 2017)
    forecast = forecast_retargets(np.ones(2016), blocks, np.full(2016, days * 86_400.0))
    assert (np.diff(forecast["change"]) >= 0.0).all()


def test_the_band_narrows_as_blocks_come_in_on_time() -> None:
    blocks = np.arange(20, 2017)
    forecast = forecast_retargets(np.ones(1997), blocks, 600.0 * blocks)
    assert (np.diff(forecast["band_high"] - forecast["band_low"]) < 0.0).all()
    assert (np.diff(forecast["standard_error"]) < 0.0).all()


def test_a_standstill_is_seen_although_no_block_comes() -> None:
    forecast = forecast_retarget(1e14, 144, 20 * 86_400.0)
    assert forecast.change < EPOCH / (20 * 86_400.0 + 1872 * 600.0) - 1.0


def test_many_moments_are_forecast_as_each_alone() -> None:
    priors = [RetargetPrior(growth=0.01 * row, volatility=0.03 + 0.01 * row) for row in range(5)]
    difficulty, blocks = np.linspace(1e13, 1e14, 5), np.array([1, 200, 900, 1500, 2016])
    elapsed = 580.0 * blocks
    many = forecast_retargets(difficulty, blocks, elapsed, priors)
    for row, prior in enumerate(priors):
        alone = forecast_retarget(difficulty[row], int(blocks[row]), elapsed[row], prior)
        assert many.iloc[row].to_dict() == asdict(alone)


def test_moments_of_many_epochs_are_forecast_with_what_each_knew_of_the_past() -> None:
    random = np.random.default_rng(9)
    levels = 1e13 * np.exp(np.cumsum(0.05 * random.standard_normal(40)))
    epoch, blocks = np.array([26, 30, 30, 39]), np.array([100, 700, 1500, 2016])
    many = forecast_epochs(levels, epoch, blocks, 610.0 * blocks)
    for row, one in enumerate(epoch):
        prior = fit_prior(levels[: one + 1])
        alone = forecast_retarget(levels[one], int(blocks[row]), 610.0 * blocks[row], prior)
        for name, value in asdict(alone).items():
            assert many[name][row] == pytest.approx(value, rel=1e-12, abs=1e-15)
    with pytest.raises(InsufficientHistoryError, match="fit_prior"):
        forecast_epochs(levels, epoch - 1, blocks, 610.0 * blocks)


# Bad input


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("difficulty", 0.0),
        ("difficulty", -1e14),
        ("difficulty", float("nan")),
        ("difficulty", float("inf")),
        ("blocks", -1),
        ("blocks", 2017),
        ("blocks", 10.5),
        ("blocks", float("nan")),
        ("elapsed_seconds", 0.0),
        ("elapsed_seconds", -600.0),
        ("elapsed_seconds", float("nan")),
        ("elapsed_seconds", float("inf")),
    ],
)
def test_a_wrong_number_is_refused_by_name_and_row(name: str, bad: float) -> None:
    good = {"difficulty": 1e14, "blocks": 100, "elapsed_seconds": 6e4}
    with pytest.raises(DataError, match=f"{name} = .* in row 0"):
        forecast_retarget(**{**good, name: bad})
    rows = {key: [value, value, value] for key, value in good.items()}
    rows[name][2] = bad
    with pytest.raises(DataError, match=f"{name} = .* in row 2"):
        forecast_retargets(**rows)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(DataError, match=r"blocks = 'many' .* one of them is no number"):
        forecast_retarget(1e14, "many", 6e4)  # type: ignore[arg-type]


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="same length"):
        forecast_retargets([1.0, 1.0], [1, 2], [600.0])
    with pytest.raises(DataError, match="2 priors for 3 rows"):
        forecast_retargets([1.0] * 3, [1, 2, 3], [600.0] * 3, [RetargetPrior()] * 2)


def test_a_prior_refuses_what_is_no_prior() -> None:
    refused = [("volatility", -0.1), ("growth", float("nan")), ("growth", -800.0),
               ("elapsed_error_seconds", -1.0)]  # fmt: skip
    for wrong in ({name: value} for name, value in refused):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            RetargetPrior(**wrong)


def test_a_fit_refuses_short_and_wrong_histories() -> None:
    with pytest.raises(InsufficientHistoryError, match="26 changes need"):
        fit_prior(np.ones(26))
    with pytest.raises(ConfigError, match="epochs = 1"):
        fit_prior(np.ones(26), epochs=1)
    for bad in (0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="row 26"):
            fit_prior(np.append(np.ones(26), bad))


# Simulated chains


@pytest.mark.parametrize("blocks", [101, 202, 504, 1008, 1512, 1815])
def test_ninety_percent_of_simulated_outcomes_lie_inside_the_band(
    wandering: Chain, blocks: int
) -> None:
    elapsed = wandering.times[:-1, blocks - 1] - wandering.times[:-1, 0]
    prior = RetargetPrior(growth=0.0, volatility=0.05, elapsed_error_seconds=0.0)
    # The first epoch's difficulty was given, not measured.
    forecast = forecast_retargets(
        wandering.difficulties[1:-1], np.full(len(elapsed) - 1, blocks), elapsed[1:], prior
    )
    outcome = wandering.difficulties[2:] / wandering.difficulties[1:-1] - 1.0
    low, high = outcome < forecast["band_low"], outcome > forecast["band_high"]
    # Three standard errors of a share counted over 1,998 epochs.
    assert low.mean() + high.mean() == pytest.approx(0.10, abs=0.02)
    assert low.mean() == pytest.approx(0.05, abs=0.015)


def test_a_fit_finds_growth_and_volatility_of_a_simulated_chain() -> None:
    chain = simulate(epochs=1_500, volatility=0.05, seed=3, growth=0.02)
    prior = fit_prior(chain.difficulties, epochs=1_400)
    assert prior.growth == pytest.approx(0.02, abs=3 * 0.05 / 1_400**0.5)
    assert prior.volatility == pytest.approx(0.05, rel=0.1)


def test_a_fit_on_luck_alone_finds_almost_no_volatility() -> None:
    chain = simulate(epochs=1_500, volatility=0.0, seed=4)
    assert fit_prior(chain.difficulties, epochs=1_400).volatility < 0.012


def test_a_fit_reads_the_latest_changes_only() -> None:
    late = np.exp(np.linspace(0.0, 0.26, 27))
    prior = fit_prior(np.append([1e9, 1e-9], late))
    assert prior.growth == pytest.approx(0.01)
    assert prior.volatility == 0.0


def test_progress_of_a_simulated_chain_is_counted_by_height() -> None:
    chain = simulate(epochs=20, volatility=0.05, seed=5)
    progress = epoch_progress(chain.mined(), chain.epochs())
    for end, row in progress.iterrows():
        now = (end - GENESIS).total_seconds()
        epoch = int(row["epoch"])
        assert chain.times[epoch, 0] <= now
        assert epoch == 19 or now < chain.times[epoch + 1, 0]
        assert row["blocks"] == (chain.times[epoch] <= now).sum()
        assert row["elapsed_seconds"] == pytest.approx(now - chain.times[epoch, 0], abs=1e-5)
        assert row["difficulty"] == chain.difficulties[epoch]


def test_a_day_that_ends_late_has_more_time_elapsed() -> None:
    chain = simulate(epochs=3, volatility=0.05, seed=5)
    apart = epoch_progress(chain.mined(), chain.epochs(), 3300.0)["elapsed_seconds"]
    apart -= epoch_progress(chain.mined(), chain.epochs())["elapsed_seconds"]
    np.testing.assert_allclose(apart, 3300.0, rtol=1e-9)


def test_the_floor_is_the_error_of_who_knows_the_hash_rate() -> None:
    chain = simulate(epochs=700, volatility=0.0, seed=6)
    epochs = chain.epochs()
    past = past_forecasts(epoch_progress(chain.mined(), epochs), epochs, epochs.index[30], 0.0)
    blocks = past["fraction"] * 2016
    rows = epochs.iloc[past["epoch"]]
    elapsed = (pd.DatetimeIndex(past["day_end"]) - rows.index).total_seconds()
    interval = 600.0 * rows["difficulty"].to_numpy() / 1e12
    known = EPOCH / (elapsed + (2016 - blocks) * interval) - 1.0
    errors = (known - past["outcome"]).abs().groupby(past["point"]).mean()
    np.testing.assert_allclose(errors, past.groupby("point")["floor"].mean(), rtol=0.1)
    assert (forecast_errors(past)["error"] > forecast_errors(past)["floor"]).all()


def test_no_past_forecast_knows_a_later_epoch() -> None:
    chain = simulate(epochs=60, volatility=0.05, seed=7)
    mined, epochs = chain.mined(), chain.epochs()
    whole = past_forecasts(epoch_progress(mined, epochs), epochs, epochs.index[30])
    cut = 45
    known = epochs.iloc[: cut + 2].copy()
    # The difficulty that ends epoch 45 is the outcome of that epoch's forecasts, not their input.
    known.iloc[-1, known.columns.get_loc("difficulty")] *= 1.5
    until = mined[mined.index < epochs.index[cut + 1]]
    part = past_forecasts(epoch_progress(until, known), known, epochs.index[30])
    assert part["epoch"].max() == cut
    seen = whole[whole["epoch"] <= cut].reset_index(drop=True)
    learned = [name for name in seen if name not in ("outcome", "floor")]
    pd.testing.assert_frame_equal(part[learned], seen[learned])


def spoiled_days() -> list[tuple[str, pd.Series, pd.DataFrame]]:
    chain = simulate(epochs=3, volatility=0.0, seed=8)
    mined, epochs = chain.mined(), chain.epochs()
    fewer, unknown = mined.copy(), mined.copy()
    fewer.iloc[5] = 1.0
    unknown.iloc[5] = np.nan
    shifted = epochs.assign(height=[0, 2016, 4033])
    backwards = epochs.set_axis(epochs.index[[0, 2, 1]])
    return [
        ("one day after the last: 2020-01-08", mined.drop(mined.index[5]), epochs),
        ("blocks falls, or is NaN: 2020-01-07", fewer, epochs),
        ("blocks falls, or is NaN: 2020-01-07", unknown, epochs),
        ("not 2016 above the last", mined, shifted),
        ("time goes backwards", mined, backwards),
        ("none of them holds the last block", mined, epochs.iloc[:2]),
        ("none of them holds the last block", mined, epochs.iloc[1:]),
    ]


@pytest.mark.parametrize(("complaint", "mined", "epochs"), spoiled_days())
def test_gaps_and_steps_back_are_refused_with_their_day(
    complaint: str, mined: pd.Series, epochs: pd.DataFrame
) -> None:
    with pytest.raises(DataError, match=complaint):
        epoch_progress(mined, epochs)


# The record on real epochs


@pytest.fixture(scope="module")
def history() -> tuple[pd.Series, pd.DataFrame, pd.Series]:
    """Blocks by day's end, epochs, and the mean difficulty of each day's blocks."""
    last = pd.Timestamp("2025-06-30")
    folder = Path(str(REAL))
    daily = pd.read_csv(folder / "btc_network_daily.csv.gz", parse_dates=["date"], index_col="date")
    daily = daily.loc[:last].set_axis(daily.loc[:last].index + pd.Timedelta(days=1))
    epochs = pd.read_csv(
        folder / "btc_difficulty_epochs.csv", parse_dates=["start_time_utc_est"]
    ).set_index("start_time_utc_est")
    epochs.index = pd.DatetimeIndex(epochs.index).tz_localize(None)
    return daily["blocks"].cumsum() + 1.0, epochs.loc[:last], daily["difficulty_mean"]


@real
def test_heights_by_day_agree_with_the_mean_difficulty_of_each_day(
    history: tuple[pd.Series, pd.DataFrame, pd.Series],
) -> None:
    mined, epochs, mean = history
    progress = epoch_progress(mined, epochs)
    blocks = mined.diff()
    turned = progress["epoch"].diff() == 1
    before = progress["difficulty"].shift()[turned]
    new = progress["blocks"][turned] / blocks[turned]
    expected = before + new * (progress["difficulty"][turned] - before)
    np.testing.assert_allclose(expected, mean[turned], rtol=1e-9)
    assert turned.sum() > 400


@real
def test_the_default_prior_is_the_fit_on_the_epochs_before_2017(
    history: tuple[pd.Series, pd.DataFrame, pd.Series],
) -> None:
    fitted = fit_prior(history[1].loc[:"2016-12-31", "difficulty"])
    assert round(fitted.growth, 2) == RetargetPrior().growth
    assert round(fitted.volatility, 2) == RetargetPrior().volatility


@real
@pytest.mark.parametrize(
    ("lag", "clock_error", "plain"),
    [(0.0, 3600.0, "ratio"), (3300.0, 1800.0, "ratio"), (3300.0, 1800.0, "ratio_interval")],
)
def test_it_beats_the_plain_estimate_since_2017_with_honest_bands(
    history: tuple[pd.Series, pd.DataFrame, pd.Series], lag: float, clock_error: float, plain: str
) -> None:
    mined, epochs, _ = history
    progress = epoch_progress(mined, epochs, lag)
    table = forecast_errors(
        past_forecasts(progress, epochs, pd.Timestamp("2017-01-01"), clock_error)
    )
    assert table.index.to_list() == list(POINTS)
    assert (table["epochs"] == 226).all()
    bars = pd.Series([0.65, 0.75, 0.92, 1.02, 1.02, 1.02], index=table.index)
    assert (table[plain] <= bars).all(), table
    assert table["coverage"].between(0.85, 0.95).all(), table
    assert (table["error"] > table["floor"]).all()


@real
def test_the_default_prior_alone_beats_the_plain_estimate_since_2017(
    history: tuple[pd.Series, pd.DataFrame, pd.Series],
) -> None:
    mined, epochs, _ = history
    past = past_forecasts(epoch_progress(mined, epochs), epochs, pd.Timestamp("2017-01-01"))
    rows = epochs.iloc[past["epoch"]]
    elapsed = (pd.DatetimeIndex(past["day_end"]) - rows.index).total_seconds()
    stale = forecast_retargets(rows["difficulty"], past["fraction"] * 2016, elapsed)
    table = forecast_errors(past.assign(**{name: stale[name] for name in stale}))
    bars = pd.Series([0.65, 0.75, 0.92, 1.02, 1.02, 1.02], index=table.index)
    assert (table["ratio"] <= bars).all(), table
    assert table["coverage"].between(0.85, 0.95).all(), table


@real
def test_the_fit_window_is_the_shortest_whose_bands_held_before_2017(
    history: tuple[pd.Series, pd.DataFrame, pd.Series],
) -> None:
    mined, epochs, _ = history
    past = epochs.loc[:"2016-12-31"]
    progress = epoch_progress(mined.loc[:"2016-12-31"], past)
    held = [
        window
        for window in (13, 26, 52)
        if (
            forecast_errors(
                past_forecasts(progress, past, pd.Timestamp("2012-01-01"), fit_epochs=window)
            )["coverage"]
            >= 0.85
        ).all()
    ]
    assert held[0] == FIT_EPOCHS
