"""The cost curve: published calibrations, comparative statics, history, and bad curves."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError
from toolkit.network.cohorts import (
    BLOCKS_PER_DAY,
    Cohort,
    Conversion,
    Entry,
    Fleet,
    Relocation,
    equilibrium,
    lognormal_fleet,
    share_on,
)
from toolkit.network.present_value import HostingTerms, MiningTerms

REAL = os.environ.get("HASHPIVOT_DATA")

BASE = lognormal_fleet(1052.0)
REWARD = 62_000.0 * (3.125 + 0.0289)


def scaled(fleet: Fleet, factor: float) -> Fleet:
    return replace(
        fleet, cohorts=tuple(replace(c, capacity=factor * c.capacity) for c in fleet.cohorts)
    )


def running(fleet: Fleet, hash_price: float) -> float:
    """Share of the capacity above water."""
    table = fleet.table(0)
    on = share_on(table["unit_cost"].to_numpy(), table["spread"].to_numpy(), hash_price)
    return float(on @ table["capacity"] / table["capacity"].sum())


def fleet_of(hash_rate: float, hash_price: float, **options: float) -> Fleet:
    """A lognormal fleet of which a hash rate runs at a hash price."""
    share = running(lognormal_fleet(1.0, **options), hash_price)
    return lognormal_fleet(hash_rate / share, **options)


@pytest.mark.parametrize(("hash_price", "under_water"), [(28.0, 0.23), (30.0, 0.18), (33.0, 0.12)])
def test_share_under_water_of_the_default_fleet(hash_price: float, under_water: float) -> None:
    assert 1.0 - running(BASE, hash_price) == pytest.approx(under_water, abs=0.006)


def test_base_case() -> None:
    hash_rate, hash_price = equilibrium(BASE, REWARD)
    assert hash_rate == pytest.approx(893.9, abs=1.0)
    assert hash_price == pytest.approx(31.5, abs=0.05)
    assert hash_price * hash_rate * 1000.0 == pytest.approx(REWARD * BLOCKS_PER_DAY)


@pytest.mark.parametrize(
    ("removed", "hash_rate", "hash_price"),
    [(0.1, -6.3, 6.7), (0.2, -13.4, 15.5), (0.3, -21.6, 27.6), (0.5, -41.6, 71.3)],
)
def test_capacity_that_leaves_raises_the_hash_price(
    removed: float, hash_rate: float, hash_price: float
) -> None:
    before, after = equilibrium(BASE, REWARD), equilibrium(scaled(BASE, 1.0 - removed), REWARD)
    assert 100.0 * (after.hash_rate / before.hash_rate - 1.0) == pytest.approx(hash_rate, abs=0.15)
    assert 100.0 * (after.hash_price / before.hash_price - 1.0) == pytest.approx(
        hash_price, abs=0.25
    )


@pytest.mark.parametrize(
    ("price", "hash_rate", "hash_price"),
    [(50e3, -9.4, -11.0), (40e3, -19.7, -20.0), (30e3, -32.6, -28.0), (90e3, 12.3, 29.0)],
)
def test_a_price_that_falls_lowers_hash_rate_and_hash_price(
    price: float, hash_rate: float, hash_price: float
) -> None:
    before, after = equilibrium(BASE, REWARD), equilibrium(BASE, REWARD * price / 62_000.0)
    assert 100.0 * (after.hash_rate / before.hash_rate - 1.0) == pytest.approx(hash_rate, abs=0.15)
    assert 100.0 * (after.hash_price / before.hash_price - 1.0) == pytest.approx(
        hash_price, abs=0.5
    )


def test_elasticity_at_the_base() -> None:
    # Wider than a cohort, within which the density of costs is flat.
    up, down = equilibrium(BASE, 1.1 * REWARD), equilibrium(BASE, 0.9 * REWARD)
    slope = math.log(up.hash_rate / down.hash_rate) / math.log(1.1 / 0.9)
    assert slope == pytest.approx(0.41, abs=0.01)


@pytest.mark.parametrize(
    ("price", "fees", "change"),
    [(64_500.0, 0.35, -5.0), (62_000.0, 0.25, -6.6), (58e3, 0.15, -9.2)],
)
def test_halving_2024_in_equilibrium(price: float, fees: float, change: float) -> None:
    before = 64_500.0 * (6.25 + 0.35) * BLOCKS_PER_DAY / 630.4e3
    fleet = fleet_of(630.4, before, median_cost=28.5)
    after = equilibrium(fleet, price * (3.125 + fees)).hash_rate
    modelled = 100.0 * (after / 630.4 - 1.0)
    assert modelled == pytest.approx(change, abs=0.15)
    # What happened: the first epoch with the first two inputs, the trough with the last.
    assert modelled == pytest.approx(-9.8 if price < 60e3 else -5.6, abs=3.0)


@pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")
@pytest.mark.parametrize(
    ("before", "trough"), [(546_336, 552_384), (618_912, 620_928)], ids=["2018", "2020"]
)
def test_elasticity_of_2018_and_2020_lies_in_the_band(before: int, trough: int) -> None:
    """Efficiency is the Cambridge estimate of the day before, power costs 47 USD/MWh."""
    folder = Path(str(REAL))
    epochs = pd.read_csv(
        folder / "btc_difficulty_epochs.csv", index_col="height", parse_dates=["start_time_utc_est"]
    )
    starts = epochs["start_time_utc_est"].dt.tz_localize(None).dt.normalize()
    daily = pd.read_csv(folder / "btc_network_daily.csv.gz", index_col="date", parse_dates=["date"])
    known = pd.read_csv(
        folder / "network_efficiency_daily.csv.gz", index_col="date", parse_dates=["date"]
    )
    mean = {}
    for height in (before, trough):
        period = daily[starts[height] : starts[height + 2016]]
        reward = period["price_usd"].mean() * (
            12.5 + (period["fees_btc"] / period["blocks"]).mean()
        )
        rate = epochs["difficulty"][height + 2016] * 2**32 / 600.298 / 1e18
        mean[height] = (period["price_usd"].mean(), reward, rate)
    efficiency = known["estimate_j_per_th"][: starts[before] - pd.Timedelta(days=1)].iloc[-1]
    (price, reward, rate), (low_price, low_reward, low_rate) = mean[before], mean[trough]
    fleet = fleet_of(
        rate, reward * BLOCKS_PER_DAY / rate / 1e3, median_cost=efficiency * 47.0 * 0.024
    )
    modelled = equilibrium(fleet, low_reward).hash_rate
    fall = math.log(low_price / price)
    assert 0.3 < math.log(low_rate / rate) / fall < 0.7
    assert 0.3 < math.log(modelled / rate) / fall < 0.7


def test_the_lognormal_fleet_has_the_moments_it_was_asked_for() -> None:
    table = lognormal_fleet(500.0, median_cost=30.0, sigma=0.5, power_sigma=0.25, cohorts=60).table(
        0
    )
    weight = table["capacity"] / table["capacity"].sum()
    logs = np.log(table["unit_cost"])
    assert table["capacity"].sum() == pytest.approx(500.0)
    assert (weight * logs).sum() == pytest.approx(math.log(30.0), abs=1e-9)
    assert math.sqrt((weight * (logs - math.log(30.0)) ** 2).sum()) == pytest.approx(0.5, abs=0.005)
    assert (table["efficiency"] * table["power_price"] * 0.024).to_numpy() == pytest.approx(
        table["unit_cost"].to_numpy()
    )
    assert table["power_price"].is_monotonic_increasing
    assert table["efficiency"].is_monotonic_increasing


def test_cohorts_without_spread_switch_at_their_cost() -> None:
    fleet = Fleet((Cohort(10.0, 20.0, 50.0), Cohort(30.0, 40.0, 50.0)))
    assert running(fleet, 23.999) == 0.0
    assert running(fleet, 24.0) == 0.25
    assert running(fleet, 48.0) == 1.0
    # Between the two costs the first one earns all there is.
    assert equilibrium(fleet, 30.0 * 10.0 * 1e3 / BLOCKS_PER_DAY).hash_price == pytest.approx(30.0)


def test_every_row_has_its_place_whatever_the_length_of_the_run() -> None:
    fleet = replace(BASE, entry=Entry(), relocation=Relocation(classes=5))
    short, long = fleet.table(200), fleet.table(2_000)
    assert (short["kind"] == "vintage").sum() == 2
    assert (long["kind"] == "vintage").sum() == 11
    for table in (short, long):
        assert (table["kind"] == "relocated").sum() == 5
        targets = table.loc[table["destination"].to_numpy()]
        assert (targets["kind"].to_numpy() != "installed").all()
        assert (targets["destination"].to_numpy() == targets.index).all()
        away = table["kind"] == "installed"
        cheaper = targets["power_price"].to_numpy()[away] / table["power_price"][away]
        assert float(cheaper.mean()) == pytest.approx(0.8, abs=0.05)
    same = ["kind", "capacity", "efficiency", "power_price", "spread", "unit_cost"]
    for kind in ("installed", "relocated"):
        pd.testing.assert_frame_equal(
            short.loc[short["kind"] == kind, same].reset_index(drop=True),
            long.loc[long["kind"] == kind, same].reset_index(drop=True),
        )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"capacity": 0.0}, "capacity = 0.0 must be positive"),
        ({"capacity": 1.0, "median_cost": -1.0}, "median_cost"),
        ({"capacity": 1.0, "sigma": float("nan")}, "sigma"),
        ({"capacity": 1.0, "power_sigma": 0.5}, "between 0 and sigma"),
    ],
)
def test_impossible_cost_curves_are_refused(options: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        lognormal_fleet(**options)


def test_a_fleet_needs_capacity() -> None:
    with pytest.raises(ConfigError, match="without any capacity"):
        Fleet((Cohort(0.0, 20.0, 50.0),))
    with pytest.raises(ConfigError, match="without any capacity"):
        Fleet(())
    with pytest.raises(ConfigError, match=r"Cohort\.efficiency = -1"):
        Cohort(1.0, -1.0, 50.0)


@pytest.mark.parametrize("reward", [0.0, -1.0, float("nan"), float("inf")])
def test_no_reward_leaves_no_capacity_above_water(reward: float) -> None:
    with pytest.raises(DataError, match="no capacity is above water"):
        equilibrium(BASE, reward)


def test_unknown_settings_are_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="'power_discount'"):
        Relocation(power_discont=0.1)  # type: ignore[call-arg]
    mining, hosting = MiningTerms(-0.1, 0.0, 15.0), HostingTerms(0.1, 15.0, 8e6, 1.25, 0.85)
    with pytest.raises(ConfigError, match="longer than the notice"):
        Conversion(mining, hosting)


def test_lags_run_from_short_to_long() -> None:
    with pytest.raises(ConfigError, match="delivery_days"):
        Entry(delivery_days=(180, 90))
    with pytest.raises(ConfigError, match="lag_days"):
        Relocation(lag_days=(180, 90))
