"""The migration model: who turns off, who leaves, who comes, and what it does to the chain."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError
from toolkit.network.chain import Start
from toolkit.network.cohorts import (
    Cohort,
    Conversion,
    Entry,
    Feedback,
    Fleet,
    Relocation,
    Switching,
    equilibrium,
    lognormal_fleet,
)
from toolkit.network.economics import hash_price, scheduled_supply, security_budget
from toolkit.network.fleet import FleetResult, check_paths, simulate_fleet
from toolkit.network.present_value import Conditions, HostingTerms, MiningTerms, compare

REAL = os.environ.get("HASHPIVOT_DATA")

BASE = lognormal_fleet(1052.0)
RICH = Fleet((Cohort(900.0, 15.0, 20.0, 0.1),))
"""So cheap that no price in these tests turns it off."""

MINING = MiningTerms(-0.15, 200_000.0, 15.0)
HOSTING = HostingTerms(1.25, 15.0, 8e6, 1.25, 0.85)
CONVERSION = Conversion(MINING, HOSTING)
FULL = replace(BASE, entry=Entry(), relocation=Relocation(), conversion=CONVERSION)


def paths(days: int = 400, **columns: object) -> pd.DataFrame:
    index = pd.date_range("2026-07-01", periods=days, freq="D")
    return pd.DataFrame({"price": 62_000.0, "fees": 0.03, **columns}, index=index)


def ramp(days: int, level: float, first: int = 30, last: int = 31) -> np.ndarray:
    return np.interp(np.arange(days), [first, last], [0.0, level])


# --- rest -------------------------------------------------------------------------------------


def test_without_a_shock_nothing_ever_changes() -> None:
    result = simulate_fleet(BASE, paths(), Start(height=953_568))
    daily = result.daily
    constant = ["hash_rate", "difficulty", "price", "hash_price", "installed", "offline", "blocks"]
    for name in constant:
        assert daily[name].to_numpy() == pytest.approx(daily[name].iloc[0], rel=1e-9), name
    assert daily["interval_seconds"].iloc[0] == pytest.approx(600.298, abs=0.01)
    assert (result.retargets["change"] == 0.0).all()
    assert result.simulated is True


def test_a_result_agrees_with_the_formulas_of_the_economics() -> None:
    result = simulate_fleet(FULL, paths(rent=150.0, exodus=ramp(400, 0.2, 30, 210)))
    daily = result.daily
    subsidy = pd.Series(3.125, index=daily.index)
    fees = pd.Series(0.03, index=daily.index)
    expected = hash_price(daily["difficulty"], daily["price"], subsidy, fees)
    pd.testing.assert_series_equal(daily["hash_price"], expected, check_names=False, rtol=1e-12)
    paid = security_budget(daily["price"], subsidy, fees, daily["blocks"])
    pd.testing.assert_series_equal(daily["security_budget"], paid, check_names=False, rtol=1e-6)
    assert daily["hash_rate"].to_numpy() == pytest.approx(1e18 * result.hashing.sum(axis=1))
    margins = 1.0 - result.cohorts["unit_cost"].to_numpy() / daily["hash_price"].iloc[7]
    assert result.margins[7] == pytest.approx(margins)


# --- switching --------------------------------------------------------------------------------


@pytest.mark.parametrize("removed", [0.1, 0.2, 0.3, 0.5])
def test_an_exit_ends_in_the_static_equilibrium(removed: float) -> None:
    fleet = replace(BASE, switching=Switching(margin=0.0))
    daily = simulate_fleet(fleet, paths(500, exodus=ramp(500, removed))).daily
    left = tuple(replace(c, capacity=(1.0 - removed) * c.capacity) for c in BASE.cohorts)
    expected = equilibrium(Fleet(left), 62_000.0 * 3.155)
    assert daily["hash_rate"].iloc[-1] / 1e18 == pytest.approx(expected.hash_rate, rel=2e-3)
    assert daily["hash_price"].iloc[-1] == pytest.approx(expected.hash_price, rel=2e-3)


@pytest.mark.parametrize("price", [30_000.0, 50_000.0, 90_000.0])
def test_a_price_step_ends_in_the_static_equilibrium(price: float) -> None:
    fleet = replace(BASE, switching=Switching(margin=0.0))
    table = paths(500)
    table.loc[table.index[30:], "price"] = price
    expected = equilibrium(BASE, price * 3.155)
    assert simulate_fleet(fleet, table).daily["hash_rate"].iloc[-1] / 1e18 == pytest.approx(
        expected.hash_rate, rel=2e-3
    )


def test_hysteresis_keeps_machines_off_that_would_not_have_been_turned_off() -> None:
    table = paths(600)
    table.loc[table.index[30:200], "price"] = 45_000.0
    narrow = replace(BASE, switching=Switching(margin=0.0))
    wide = replace(BASE, switching=Switching(margin=0.1))
    ends = [
        simulate_fleet(fleet, table).daily["hash_rate"].iloc[[0, -1]] for fleet in (narrow, wide)
    ]
    assert ends[0].iloc[1] == pytest.approx(ends[0].iloc[0], rel=2e-3)
    assert ends[1].iloc[1] < 0.99 * ends[1].iloc[0]


def test_a_dip_shorter_than_the_patience_turns_nothing_off() -> None:
    table = paths(60)
    table.loc[table.index[10:16], "price"] = 20_000.0
    patient = simulate_fleet(replace(BASE, switching=Switching(patience_days=7)), table)
    hasty = simulate_fleet(replace(BASE, switching=Switching(patience_days=3)), table)
    assert patient.hashing[:, :] == pytest.approx(np.tile(patient.hashing[0], (60, 1)))
    assert hasty.hashing.sum(axis=1).min() < 0.9 * hasty.hashing[0].sum()


def test_the_dearest_machines_go_first() -> None:
    table = paths(200)
    table.loc[table.index[30:], "price"] = 40_000.0
    result = simulate_fleet(BASE, table)
    on = result.hashing[-1] / result.installed[-1]
    assert (np.diff(on) <= 1e-12).all()
    assert on[0] == 1.0
    assert on[-1] < 1e-6


def test_power_that_gets_dearer_works_like_a_price_that_falls() -> None:
    dearer = simulate_fleet(BASE, paths(300, power_price=np.where(np.arange(300) < 30, 50.0, 75.0)))
    table = paths(300)
    table.loc[table.index[30:], "price"] = 62_000.0 / 1.5
    cheaper = simulate_fleet(BASE, table)
    assert dearer.hashing[-1] == pytest.approx(cheaper.hashing[-1], rel=1e-9, abs=1e-9)


def test_foresight_damps_the_overshoot() -> None:
    table = paths(300)
    table.loc[table.index[30:], "price"] = 31_000.0
    floor = equilibrium(BASE, 31_000.0 * 3.155).hash_rate
    lowest = [
        simulate_fleet(replace(BASE, switching=Switching(foresight=f)), table).hashing.sum(1).min()
        for f in (0.0, 0.5, 1.0)
    ]
    assert lowest[0] < 0.75 * floor
    assert lowest[0] < lowest[1] < lowest[2]
    assert lowest[2] > 0.95 * floor


def test_margins_by_cohort_and_over_the_machines_that_run() -> None:
    result = simulate_fleet(BASE, paths(30))
    quantiles = result.margin_quantiles((0.1, 0.5, 0.9))
    assert (quantiles[0.1] < quantiles[0.5]).all()
    assert (quantiles[0.5] < quantiles[0.9]).all()
    # Of 85 % that run the median machine costs what 42.5 % of all lie below: z = -0.19.
    assert quantiles[0.5].iloc[0] == pytest.approx(
        1.0 - 21.0 * math.exp(-0.19 * 0.39) / 31.48, abs=0.02
    )


def test_margins_follow_the_price_of_power() -> None:
    power = np.where(np.arange(60) < 30, 47.0, 94.0)
    margins = simulate_fleet(RICH, paths(60, power_price=power)).margins[:, 0]
    assert 1.0 - margins[40] == pytest.approx(2.0 * (1.0 - margins[20]))


# --- leaving ----------------------------------------------------------------------------------


def test_a_ban_stops_the_given_share_and_the_lifting_brings_the_idle_back() -> None:
    ban = np.interp(np.arange(400), [29, 30, 200, 201], [0.0, 0.5, 0.5, 0.0])
    result = simulate_fleet(RICH, paths(ban=ban))
    total = result.installed.sum(axis=1)
    assert total[29] == pytest.approx(900.0)
    assert total[30:201] == pytest.approx(450.0)
    assert total[201:] == pytest.approx(900.0)
    assert result.converted_megawatts.sum() == 0.0


def test_the_lifting_of_a_ban_does_not_bring_back_who_moved() -> None:
    ban = np.interp(np.arange(600), [29, 30, 200, 201], [0.0, 0.5, 0.5, 0.0])
    fleet = replace(RICH, relocation=Relocation(share=0.4, classes=1))
    there, elsewhere = simulate_fleet(fleet, paths(600, ban=ban)).installed[-1]
    assert there == pytest.approx(900.0 - 0.4 * 450.0)
    assert elsewhere == pytest.approx(0.4 * 450.0)


def test_a_ban_of_half_the_machines_halves_the_difficulty_within_two_retargets() -> None:
    changes = simulate_fleet(RICH, paths(ban=ramp(400, 0.5, 29, 30))).retargets["change"]
    assert (changes[:2] == 0.0).all()
    assert np.prod(1.0 + changes[2:4]) == pytest.approx(0.5, abs=1e-3)
    assert changes[4:].abs().max() < 1e-3


def test_an_exodus_counts_as_power_converted_and_a_ban_does_not() -> None:
    result = simulate_fleet(RICH, paths(exodus=ramp(400, 0.2, 30, 210), ban=ramp(400, 0.1)))
    gone = result.converted_megawatts[-1].sum()
    # A machine that is banned before its site converts is not counted twice.
    assert gone == pytest.approx(0.2 * 900.0 * 15.0, rel=1e-9)
    assert result.installed[-1].sum() == pytest.approx(0.7 * 900.0)


def test_displaced_machines_come_back_elsewhere_at_cheaper_power_after_the_lag() -> None:
    fleet = replace(RICH, relocation=Relocation(share=0.8, lag_days=(90, 270), classes=1))
    result = simulate_fleet(fleet, paths(exodus=ramp(400, 0.3, 30, 31)))
    moved = result.installed[:, 1]
    assert (moved[: 31 + 90] == 0.0).all()
    assert moved[31 + 90] > 0.0
    assert moved[31 + 180] == pytest.approx(0.8 * 0.3 * 900.0 * 91 / 181)
    assert moved[-1] == pytest.approx(0.8 * 0.3 * 900.0)
    assert result.cohorts["unit_cost"][1] == pytest.approx(0.8 * result.cohorts["unit_cost"][0])


def test_curtailment_takes_machines_off_for_as_long_as_it_lasts() -> None:
    curtailment = np.where((np.arange(200) >= 30) & (np.arange(200) < 40), 0.15, 0.0)
    daily = simulate_fleet(RICH, paths(200, curtailment=curtailment)).daily
    assert daily["hash_rate"].iloc[30:40].to_numpy() == pytest.approx(0.85 * 9e20)
    assert daily["hash_rate"].iloc[40:].to_numpy() == pytest.approx(9e20)
    assert daily["offline"].iloc[35] == pytest.approx(0.15 * 900.0)
    assert (daily["installed"] == daily["installed"].iloc[0]).all()


# --- hosting ----------------------------------------------------------------------------------


def test_who_signs_is_who_the_present_values_say() -> None:
    cohort = Cohort(900.0, 18.0, 45.0)
    fleet = Fleet((cohort,), conversion=replace(CONVERSION, notice_days=456 - 1))
    price = equilibrium(fleet, 62_000.0 * 3.155).hash_price
    rents = np.linspace(60.0, 160.0, 51)
    conditions = Conditions(price, np.full(51, 18.0), 45.0, rents, 0.12)
    worth = compare(conditions, MINING, replace(HOSTING, lead_years=457 / 365.25))
    preferred = (worth["hosting"] > worth["mining"]).to_numpy()
    assert 0 < preferred.sum() < 51
    terms = replace(HOSTING, lead_years=457 / 365.25)
    fleet = replace(fleet, conversion=replace(CONVERSION, hosting=terms, notice_days=456))
    for rent, signs in zip(rents, preferred, strict=True):
        result = simulate_fleet(fleet, paths(2, rent=rent), Start(height=953_568))
        assert (result.contracted_megawatts[-1, 0] > 0.0) == signs, rent


def test_who_mines_on_until_the_notice_counts_that_for_hosting() -> None:
    fleet = Fleet((Cohort(900.0, 18.0, 45.0),), conversion=CONVERSION)
    result = simulate_fleet(fleet, paths(2, rent=150.0))
    price, lead = result.column("hash_price")[0], 457 / 365.25
    conditions = Conditions(price, 18.0, 45.0, 150.0, 0.12)
    hosting = replace(HOSTING, lead_years=lead)
    worth = compare(conditions, MINING, hosting)
    until = replace(MINING, horizon_years=lead - 60 / 365.25)
    meanwhile = compare(conditions, until, hosting)["mining"]
    expected = (worth["hosting"] - worth["mining"] + meanwhile).item()
    assert result.column("value_spread")[0] == pytest.approx(expected, rel=1e-9)
    assert meanwhile.item() > 1e3


def test_sites_that_are_gone_sign_no_more() -> None:
    rent = np.where(np.arange(700) < 40, 0.0, 300.0)
    fleet = replace(RICH, conversion=replace(CONVERSION, hazard=20.0))
    result = simulate_fleet(fleet, paths(700, rent=rent, exodus=ramp(700, 0.4, 5, 6)))
    power = 900.0 * 15.0
    expected = (0.4 + 0.3 * 0.6) * power
    assert result.contracted_megawatts[-1].sum() == pytest.approx(expected, rel=1e-3)


def test_hosting_starts_after_the_lead_time_and_machines_stop_at_the_notice() -> None:
    fleet = replace(RICH, conversion=replace(CONVERSION, hazard=5.0))
    result = simulate_fleet(fleet, paths(700, rent=300.0))
    lead = fleet.conversion.lead_days  # type: ignore[union-attr]
    assert lead == 457
    contracted, converted = result.contracted_megawatts[:, 0], result.converted_megawatts[:, 0]
    assert contracted[0] > 0.0
    assert (converted[:lead] == 0.0).all()
    assert converted[lead:] == pytest.approx(contracted[: 700 - lead])
    stops = lead - 60
    assert (result.installed[:stops, 0] == 900.0).all()
    assert result.installed[stops, 0] < 900.0
    removed = 900.0 - result.installed[stops:, 0]
    assert removed == pytest.approx(0.5 * contracted[: 700 - stops] / 15.0)
    assert contracted[-1] == pytest.approx(0.3 * 900.0 * 15.0, rel=1e-3)


@pytest.mark.parametrize("displacement", [0.0, 0.25, 1.0])
def test_only_the_displaced_share_of_what_is_contracted_stops_hashing(displacement: float) -> None:
    conversion = replace(CONVERSION, hazard=20.0, displacement=displacement)
    result = simulate_fleet(replace(RICH, conversion=conversion), paths(900, rent=300.0))
    assert result.installed[-1, 0] == pytest.approx(900.0 * (1.0 - 0.3 * displacement), rel=1e-3)


def test_conversion_cannot_be_taken_back() -> None:
    rent = np.where(np.arange(1200) < 200, 300.0, 0.0)
    result = simulate_fleet(replace(BASE, conversion=CONVERSION), paths(1200, rent=rent))
    contracted = result.contracted_megawatts.sum(axis=1)
    assert contracted[205] == contracted[-1] > 0.0
    assert result.converted_megawatts[-1].sum() == pytest.approx(contracted[-1])
    assert (np.diff(result.converted_megawatts.sum(axis=1)) >= 0.0).all()


def test_dear_credit_and_cheap_rent_stop_the_signing() -> None:
    signed = {
        name: simulate_fleet(replace(BASE, conversion=CONVERSION), paths(200, **columns))
        .contracted_megawatts[-1]
        .sum()
        for name, columns in {
            "now": {"rent": 150.0},
            "dear": {"rent": 150.0, "credit": 0.15},
            "cheap": {"rent": 90.0},
            "none": {},
        }.items()
    }
    assert signed["now"] > 300.0
    assert signed["dear"] == signed["cheap"] == signed["none"] == 0.0


def test_the_poorest_miners_sign_first() -> None:
    result = simulate_fleet(replace(BASE, conversion=CONVERSION), paths(100, rent=135.0))
    power = BASE.table(0)["capacity"] * BASE.table(0)["efficiency"]
    share = result.contracted_megawatts[-1] / power.to_numpy()
    assert share[-1] > 1.5 * share[0]
    assert (np.diff(share) >= -1e-12).all()


def test_ai_share_is_the_power_that_earns_rent() -> None:
    conversion = replace(CONVERSION, hazard=5.0, displacement=1.0)
    result = simulate_fleet(replace(RICH, conversion=conversion), paths(900, rent=300.0))
    share = result.ai_share[:, 0]
    assert share[0] == 0.0
    assert share[-1] == pytest.approx(0.3, rel=0.01)
    vintages = simulate_fleet(replace(RICH, entry=Entry()), paths(30)).ai_share
    assert np.isnan(vintages[:, 1]).all()


# --- coming -----------------------------------------------------------------------------------


def test_machines_ordered_at_a_good_price_arrive_after_their_delivery() -> None:
    table = paths(700)
    table.loc[table.index[30:90], "price"] = 150_000.0
    result = simulate_fleet(replace(BASE, entry=Entry(technology_drift=0.0)), table)
    ordered = result.column("ordered")
    assert ordered[29] == 0.0
    assert ordered[30] > 0.0
    assert ordered[-1] == pytest.approx(ordered[90])
    total = result.installed.sum(axis=1)
    assert (total[: 30 + 90] == total[0]).all()
    assert total[30 + 90] > total[0]
    assert total[-1] - total[0] == pytest.approx(ordered[-1])


def test_free_entry_brings_the_hash_price_back_after_an_exit() -> None:
    table = paths(600, exodus=ramp(600, 0.3))
    closed, open_ = (
        simulate_fleet(replace(BASE, entry=entry), table).daily["hash_price"].iloc[-1]
        for entry in (None, Entry(technology_drift=0.0, required_return=0.4))
    )
    assert open_ < 0.95 * closed


def test_better_machines_push_the_hash_price_down() -> None:
    daily = simulate_fleet(
        replace(BASE, entry=Entry()), paths(2_500), Start(height=1_050_000)
    ).daily
    yearly = math.log(daily["hash_price"].iloc[-1] / daily["hash_price"].iloc[500]) / (
        2_000 / 365.25
    )
    assert -0.25 < yearly < -0.05


# --- feedback ---------------------------------------------------------------------------------


def test_the_price_is_the_paths_unless_feedback_is_asked_for() -> None:
    table = paths(300, exodus=ramp(300, 0.4))
    assert simulate_fleet(FULL, table).column("price") == pytest.approx(62_000.0, rel=1e-15)
    hit = simulate_fleet(replace(FULL, feedback=Feedback(security=0.5)), table).column("price")
    assert hit[0] == 62_000.0
    assert hit.min() < 0.95 * 62_000.0


def test_selling_counts_beyond_what_was_sold_on_the_first_day() -> None:
    fleet = replace(RICH, feedback=Feedback(selling=1.0))
    calm = simulate_fleet(fleet, paths(60)).column("price")
    assert calm == pytest.approx(62_000.0, rel=1e-6)
    # Dearer power takes more of the revenue; what it took before is in the price already.
    power = np.where(np.arange(400) < 30, 47.0, 52.0)
    result = simulate_fleet(fleet, paths(400, power_price=power))
    share = 1.0 - result.margins[-1, 0]
    sold = share - (1.0 - result.margins[0, 0])
    assert result.column("price")[-1] == pytest.approx(62_000.0 * math.exp(-sold), rel=1e-3)


def test_even_a_strong_feedback_ends_at_a_lower_level_and_not_at_zero() -> None:
    table = paths(900)
    table.loc[table.index[30:], "price"] = 31_000.0
    fleet = replace(BASE, feedback=Feedback(selling=1.0, security=0.5))
    daily = simulate_fleet(fleet, table).daily
    assert daily["price"].iloc[-1] < 0.8 * 31_000.0
    assert daily["hash_rate"].iloc[-60:].std() < 0.01 * daily["hash_rate"].iloc[-1]
    assert daily["blocks"].iloc[-30:].mean() == pytest.approx(143.9, abs=0.5)


# --- history ----------------------------------------------------------------------------------


def history(height: int, last: str, cost: float | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Paths and retargets from a real retarget on, with a fleet that is not fitted to them.

    Prices and fees are real. Without a median cost given, it is that of the Cambridge efficiency
    estimate of the day before at 47 USD/MWh.
    """
    folder = Path(str(REAL))
    epochs = pd.read_csv(
        folder / "btc_difficulty_epochs.csv", index_col="height", parse_dates=["start_time_utc_est"]
    )
    first = epochs["start_time_utc_est"][height].tz_localize(None).normalize() + pd.Timedelta("1D")
    daily, efficiency = (
        pd.read_csv(folder / name, index_col="date", parse_dates=["date"])
        for name in ("btc_network_daily.csv.gz", "network_efficiency_daily.csv.gz")
    )
    fees = (daily["fees_btc"] / daily["blocks"]).rolling(7).mean()
    given = pd.DataFrame({"price": daily["price_usd"], "fees": fees})[first:last]
    if cost is None:
        known = efficiency["estimate_j_per_th"][: first - pd.Timedelta("1D")].iloc[-1]
        cost = known * 47.0 * 0.024
    start = Start(height, float(epochs["difficulty"][height]))
    share = simulate_fleet(lognormal_fleet(1.0, median_cost=cost), given, start).hashing[0].sum()
    capacity = epochs["difficulty"][height] * 2**32 / 600.298 / 1e18 / share
    result = simulate_fleet(lognormal_fleet(capacity, median_cost=cost), given, start)
    table = result.retargets.set_index("height")
    table["actual"] = epochs["difficulty"]
    return given, table[["difficulty", "actual"]] / epochs["difficulty"][height]


@pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")
def test_the_trough_after_the_halving_of_2024_is_met_within_3_points() -> None:
    _, table = history(838_656, "2024-07-20", cost=28.5)
    trough = table.min() - 1.0
    assert trough["actual"] == pytest.approx(-0.080, abs=0.001)
    assert trough["difficulty"] == pytest.approx(trough["actual"], abs=0.03)


@pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")
def test_the_elasticity_by_day_of_late_2018_lies_in_the_band() -> None:
    given, table = history(548_352, "2019-01-20")
    low = given["price"]["2018-12-03":"2018-12-18"].mean()  # type: ignore[misc]
    fall = math.log(low / given["price"].iloc[0])
    assert 0.3 < math.log(table["difficulty"].min()) / fall < 0.7
    assert 0.3 < math.log(table["actual"].min()) / fall < 0.7


# --- time -------------------------------------------------------------------------------------


def random_paths(seed: int, days: int) -> pd.DataFrame:
    draws = np.random.default_rng(seed)
    exodus = np.clip(np.cumsum(draws.choice([0.0, 0.01], days, p=[0.97, 0.03])), 0.0, 0.5)
    ban = np.where(np.arange(days) > days // 2, 0.3, 0.0)
    return paths(
        days,
        price=62_000.0 * np.exp(np.cumsum(0.04 * draws.standard_normal(days))),
        rent=150.0 * np.exp(np.cumsum(0.01 * draws.standard_normal(days))),
        power_price=47.0 * np.exp(np.cumsum(0.01 * draws.standard_normal(days))),
        credit=0.02 * draws.random(days),
        fees=0.1 * draws.random(days),
        curtailment=0.2 * draws.random(days) ** 4,
        exodus=exodus,
        ban=ban,
    )


@pytest.mark.parametrize("cut", [100, 333, 600])
def test_what_came_later_changes_nothing_before(cut: int) -> None:
    table = random_paths(4, 800)
    full, part = simulate_fleet(FULL, table, seed=9), simulate_fleet(FULL, table.iloc[:cut], seed=9)
    pd.testing.assert_frame_equal(full.daily.iloc[:cut], part.daily, rtol=1e-12)


def test_a_days_hash_rate_does_not_know_the_days_price() -> None:
    table = random_paths(5, 120)
    moved = table.copy()
    moved.loc[moved.index[80], "price"] *= 0.2
    one, other = simulate_fleet(FULL, table).daily, simulate_fleet(FULL, moved).daily
    assert one["hash_rate"].iloc[:81].equals(other["hash_rate"].iloc[:81])
    assert one["hash_price"].iloc[80] > 4.0 * other["hash_price"].iloc[80]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    days=st.integers(30, 900),
    height=st.integers(900_000, 1_060_000),
    luck=st.booleans(),
)
def test_invariants(seed: int, days: int, height: int, luck: bool) -> None:
    start = Start(height)
    result = simulate_fleet(FULL, random_paths(seed, days), start, seed=seed if luck else None)
    check_invariants(result, start)


def check_invariants(result: FleetResult, start: Start) -> None:
    daily = result.daily
    assert np.isfinite(daily.to_numpy()).all()
    assert (result.installed >= 0.0).all()
    assert (result.hashing >= 0.0).all()
    assert (result.hashing <= result.installed * (1.0 + 1e-12)).all()
    assert (daily["hash_rate"] <= 1e18 * daily["installed"] * (1.0 + 1e-12)).all()
    assert (np.diff(result.contracted_megawatts, axis=0) >= 0.0).all()
    assert (np.diff(result.converted_megawatts, axis=0) >= 0.0).all()
    assert (result.converted_megawatts <= result.contracted_megawatts * (1.0 + 1e-12)).all()
    # No machine comes from nowhere.
    delivered = result.installed.sum(axis=1)
    assert (delivered <= (1052.0 + result.column("ordered")) * (1.0 + 1e-9)).all()
    height = daily["height"]
    assert daily["blocks"].sum() == pytest.approx(height.iloc[-1] - start.height, rel=1e-9)
    issued = daily["supply"].iloc[-1] - scheduled_supply(start.height - 1.0)
    assert daily["issuance"].sum() == pytest.approx(issued, rel=1e-9)
    below, above = (scheduled_supply(float(f(height.iloc[-1])) - 1.0) for f in (np.floor, np.ceil))
    assert below - 1e-6 <= daily["supply"].iloc[-1] <= above + 1e-6
    assert result.retargets["change"].between(-0.7501, 3.001).all()
    assert (result.retargets["height"] % 2016 == 0).all()


def test_a_seed_fixes_the_run() -> None:
    table = random_paths(1, 200)
    one, same, other, none = (simulate_fleet(FULL, table, seed=s).daily for s in (3, 3, 4, None))
    pd.testing.assert_frame_equal(one, same)
    assert not one["blocks"].equals(other["blocks"])
    assert not none["blocks"].equals(one["blocks"])


def test_given_paths_are_not_changed() -> None:
    table = random_paths(2, 60)
    before = table.copy()
    simulate_fleet(FULL, table)
    pd.testing.assert_frame_equal(table, before)


# --- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("price", float("nan"), r"price is nan on 2026-07-06 .* a finite number"),
        ("price", 0.0, r"price is 0\.0 on 2026-07-06 .* above 0"),
        ("power_price", -3.0, "power_price"),
        ("rent", -1.0, r"rent is -1\.0 .* 0 or more"),
        ("fees", float("inf"), "fees is inf"),
        ("price", 1e300, r"price is 1e\+300 on 2026-07-06 .* at most 1e\+09"),
        ("curtailment", 1.0, r"curtailment is 1\.0 .* below 1"),
        ("ban", 1.5, r"ban \+ exodus is 1\.5"),
    ],
)
def test_impossible_paths_are_refused_with_their_place(
    column: str, value: float, complaint: str
) -> None:
    table = paths(10, **({column: 0.5} if column not in ("price", "fees") else {}))
    table.loc[table.index[5], column] = value
    with pytest.raises(DataError, match=complaint):
        check_paths(table)


def test_names_and_days_of_paths_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"no path 'power'.*'power_price'"):
        simulate_fleet(BASE, paths(10, power=40.0))
    with pytest.raises(ConfigError, match="no 'price'"):
        simulate_fleet(BASE, paths(10)[["fees"]])
    with pytest.raises(DataError, match="row 3 is 2026-07-05"):
        simulate_fleet(BASE, paths(10).drop(pd.Timestamp("2026-07-04")))
    with pytest.raises(DataError, match="no day"):
        simulate_fleet(BASE, paths(10).iloc[:0])
    with pytest.raises(DataError, match="no number"):
        simulate_fleet(BASE, paths(10, rent="dear"))


def test_a_fleet_under_water_is_refused() -> None:
    with pytest.raises(DataError, match=r"no capacity above water on the first day: .* 0\.1968"):
        simulate_fleet(BASE, paths(10), Start(difficulty=2e16))
    with pytest.raises(ConfigError, match=r"Start\.difficulty = 0"):
        Start(difficulty=0.0)
    with pytest.raises(ConfigError, match=r"seed = -1"):
        simulate_fleet(BASE, paths(10), seed=-1)


def test_the_day_on_which_nobody_mines_is_named() -> None:
    with pytest.raises(DataError, match=r"Nobody mines on 2026-07-31: .* 0 EH/s are on site"):
        simulate_fleet(BASE, paths(60, ban=ramp(60, 1.0, 29, 30)))
