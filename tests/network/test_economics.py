"""What mining earns and costs: quoted figures, identities between formulas, and the real series."""

import math
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.network import economics
from toolkit.network.difficulty import block_subsidy, hash_rate

REAL = os.environ.get("HASHPIVOT_DATA")

# Every public formula with ordinary inputs, for what must hold for all of them.
FORMULAS: dict[str, tuple[Callable[..., object], dict[str, float]]] = {
    "hash_price": (
        economics.hash_price,
        {"difficulty": 1e14, "price": 1e5, "subsidy": 3.125, "fees": 0.05},
    ),
    "realised_hash_price": (
        economics.realised_hash_price,
        {"hash_rate": 9e20, "blocks": 150, "price": 1e5, "subsidy": 3.125, "fees": 0.1, "days": 2},
    ),
    "unit_power_cost": (
        economics.unit_power_cost,
        {"efficiency": 21.5, "power_price": 60.0, "overhead": 1.1},
    ),
    "mining_margin": (economics.mining_margin, {"hash_price": 50.0, "unit_cost": 30.0}),
    "breakeven_power_price": (
        economics.breakeven_power_price,
        {"hash_price": 50.0, "efficiency": 18.0, "overhead": 1.1},
    ),
    "breakeven_efficiency": (
        economics.breakeven_efficiency,
        {"hash_price": 50.0, "power_price": 45.0, "overhead": 1.1},
    ),
    "block_rate": (economics.block_rate, {"hash_rate": 9e20, "difficulty": 1e14}),
    "daily_issuance": (economics.daily_issuance, {"subsidy": 3.125, "blocks_per_day": 140.0}),
    "annual_inflation": (economics.annual_inflation, {"issuance": 450.0, "supply": 2e7}),
    "scheduled_supply": (economics.scheduled_supply, {"height": 953_567.0}),
    "fee_share": (economics.fee_share, {"fees": 0.1, "subsidy": 3.125}),
    "security_budget": (
        economics.security_budget,
        {"price": 1e5, "subsidy": 3.125, "fees": 0.1, "blocks_per_day": 140.0},
    ),
    "attack_hour_cost": (
        economics.attack_hour_cost,
        {"hash_rate": 9e20, "efficiency": 20.0, "power_price": 50.0, "overhead": 1.1},
    ),
    "attack_hour_rental": (
        economics.attack_hour_rental,
        {"hash_rate": 9e20, "hash_price": 50.0, "premium": 0.5},
    ),
}
ARGUMENTS = [(name, argument) for name, (_, given_) in FORMULAS.items() for argument in given_]
DIVISORS = {"difficulty", "days", "efficiency", "overhead", "supply"}
MUST_BE_ABOVE_ZERO = {pair for pair in ARGUMENTS if pair[1] in DIVISORS} | {
    ("realised_hash_price", "hash_rate"),
    ("mining_margin", "hash_price"),
    ("breakeven_efficiency", "power_price"),
}

amounts = st.floats(min_value=1e-3, max_value=1e6)
difficulties = st.floats(min_value=1.0, max_value=1e16)


# Figures quoted elsewhere, to the digits quoted.


@pytest.mark.parametrize(
    ("difficulty", "price", "fees", "quoted", "digits"),
    [
        (1e14, 100_000.0, 0.0, 62.86, 2),
        (133.793e12, 70_500.0, 0.02, 33.34, 2),
        # Quoted for about 28 to 30; it takes fees of 0.02 to be 29.8, without them it is 29.6.
        (144.398e12, 68_000.0, 0.02, 29.8, 1),
        (144.398e12, 68_000.0, 0.0, 29.6, 1),
    ],
)
def test_hash_price_is_as_quoted(
    difficulty: float, price: float, fees: float, quoted: float, digits: int
) -> None:
    assert round(economics.hash_price(difficulty, price, 3.125, fees), digits) == quoted


def test_power_of_an_s19_xp_at_sixty_dollars_costs_more_than_a_hash_price_of_thirty() -> None:
    cost = economics.unit_power_cost(21.5, 60.0)
    assert cost == pytest.approx(30.96, abs=1e-12)
    assert economics.mining_margin(30.0, cost) == pytest.approx(-0.032)


@pytest.mark.parametrize(
    ("hash_price", "efficiency", "quoted"), [(30.0, 18.0, 69.4), (33.0, 18.0, 76.4)]
)
def test_revenue_of_a_megawatt_hour(hash_price: float, efficiency: float, quoted: float) -> None:
    assert round(economics.breakeven_power_price(hash_price, efficiency), 1) == quoted


@pytest.mark.parametrize(
    ("hash_price", "efficiency", "quoted"),
    [(33.0, 18.0, 0.275), (30.0, 18.0, 0.214), (30.0, 15.0, 0.336), (33.0, 15.0, 0.409)],
)
def test_margin_of_a_megawatt_year_at_45_dollars(
    hash_price: float, efficiency: float, quoted: float
) -> None:
    # The 0.409 million quoted for 15 J/TH belong to a hash price of 33.
    margin = economics.breakeven_power_price(hash_price, efficiency) - 45.0
    assert round(margin * 8766 / 1e6, 3) == quoted


@pytest.mark.parametrize(
    ("height", "per_day"),
    [(0, 7200.0), (210_000, 3600.0), (420_000, 1800.0), (630_000, 900.0), (840_000, 450.0)],
)
def test_issuance_in_equilibrium_is_144_subsidies(height: int, per_day: float) -> None:
    assert economics.daily_issuance(block_subsidy(height) / 1e8) == per_day


@pytest.mark.parametrize(
    ("height", "supply"),
    [
        (0, 50.0),
        (209_999, 10_500_000.0),
        (210_000, 10_500_025.0),
        (953_567, 20_042_400.0),
        (6_929_999, 20_999_999.9769),
        (100_000_000, 20_999_999.9769),
    ],
)
def test_scheduled_supply(height: int, supply: float) -> None:
    assert economics.scheduled_supply(height) == supply


def test_hash_rate_that_falls_by_a_fifth_over_180_days_costs_little_issuance() -> None:
    # Difficulty follows the mean hash rate of the epoch before, whose middle is 14 days back.
    daily = math.log(0.8) / 180
    difficulty = 1e14
    now = hash_rate(difficulty) * math.exp(14 * daily)
    assert 141.3 < economics.block_rate(now, difficulty) < 141.7


def test_a_fifth_that_leaves_at_once_costs_a_fifth_of_issuance_until_the_retarget() -> None:
    blocks = economics.block_rate(0.8 * hash_rate(1e14), 1e14)
    issuance = economics.daily_issuance(3.125, blocks)
    supply = economics.scheduled_supply(900_000)
    assert blocks == pytest.approx(115.2)
    assert issuance == pytest.approx(360.0)
    assert economics.annual_inflation(issuance, supply) == pytest.approx(
        365.25 * 360 / 19_875_003.125
    )


def test_attack_hour_is_power_of_the_network_times_its_price() -> None:
    # 900 EH/s at 20 J/TH draw 18 GW, which is 18,000 MWh in an hour.
    assert economics.attack_hour_cost(900e18, 20.0, 50.0) == pytest.approx(900_000.0)
    assert economics.attack_hour_cost(900e18, 20.0, 50.0, overhead=1.2) == pytest.approx(
        1_080_000.0
    )


def test_security_budget_of_450_coins_a_day() -> None:
    assert economics.security_budget(1e5, 3.125) == 45_000_000.0
    assert economics.security_budget(1e5, 3.125, 3.125, 72.0) == 45_000_000.0


# Identities.


@given(amounts, amounts, amounts)
def test_margin_is_zero_at_the_break_even_power_price(
    price: float, efficiency: float, overhead: float
) -> None:
    power = economics.breakeven_power_price(price, efficiency, overhead)
    cost = economics.unit_power_cost(efficiency, power, overhead)
    assert economics.mining_margin(price, cost) == pytest.approx(0.0, abs=1e-12)


@given(amounts, amounts, amounts)
def test_margin_is_zero_at_the_break_even_efficiency(
    price: float, power: float, overhead: float
) -> None:
    efficiency = economics.breakeven_efficiency(price, power, overhead)
    cost = economics.unit_power_cost(efficiency, power, overhead)
    assert economics.mining_margin(price, cost) == pytest.approx(0.0, abs=1e-12)


@given(difficulties, amounts, amounts, st.floats(min_value=0.0, max_value=100.0), amounts)
def test_hash_price_scales_with_price_and_reward_and_against_difficulty(
    difficulty: float, price: float, subsidy: float, fees: float, factor: float
) -> None:
    base = economics.hash_price(difficulty, price, subsidy, fees)
    same = pytest.approx(base * factor, rel=1e-12)
    assert economics.hash_price(difficulty, price * factor, subsidy, fees) == same
    assert economics.hash_price(difficulty, price, subsidy * factor, fees * factor) == same
    assert economics.hash_price(difficulty / factor, price, subsidy, fees) == same
    coins = economics.hash_price(difficulty, 1.0, subsidy, fees)
    assert coins * price == pytest.approx(base, rel=1e-12)


@given(difficulties, amounts, amounts, st.integers(1, 3000), amounts)
def test_hash_rate_counted_from_the_blocks_gives_hash_price_by_difficulty(
    difficulty: float, price: float, subsidy: float, blocks: int, days: float
) -> None:
    counted = hash_rate(difficulty, 86_400 * days / blocks)
    realised = economics.realised_hash_price(counted, blocks, price, subsidy, days=days)
    by_difficulty = economics.hash_price(difficulty, price, subsidy)
    assert realised == pytest.approx(by_difficulty, rel=1e-12)


def test_luck_moves_the_realised_hash_price_and_not_the_one_by_difficulty() -> None:
    rate = hash_rate(1e14)
    lucky = economics.realised_hash_price(rate, 158.4, 1e5, 3.125)
    assert lucky == pytest.approx(1.1 * economics.hash_price(1e14, 1e5, 3.125))


@given(difficulties, amounts, amounts, amounts, st.floats(min_value=0.1, max_value=3.0))
def test_hash_price_of_all_hash_rate_is_the_security_budget(
    difficulty: float, price: float, subsidy: float, fees: float, share: float
) -> None:
    rate = share * hash_rate(difficulty)
    blocks = economics.block_rate(rate, difficulty)
    paid = economics.hash_price(difficulty, price, subsidy, fees) * rate / 1e15
    budget = economics.security_budget(price, subsidy, fees, blocks)
    assert paid == pytest.approx(budget, rel=1e-12)
    hour = economics.attack_hour_rental(rate, paid / rate * 1e15)
    assert hour == pytest.approx(budget / 24, rel=1e-12)
    dearer = economics.attack_hour_rental(rate, paid / rate * 1e15, 0.25)
    assert dearer == pytest.approx(1.25 * hour, rel=1e-12)


def test_hash_rate_that_leaves_changes_hash_price_but_no_budget_once_difficulty_has_followed() -> (
    None
):
    for difficulty in (1e14, 0.8e14):
        blocks = economics.block_rate(hash_rate(difficulty), difficulty)
        assert economics.security_budget(1e5, 3.125, 0.0, blocks) == pytest.approx(45e6)
    before, after = (economics.hash_price(d, 1e5, 3.125) for d in (1e14, 0.8e14))
    assert after == pytest.approx(1.25 * before)


@given(st.integers(min_value=0, max_value=7_500_000))
def test_supply_grows_by_the_subsidy_of_each_block_to_the_satoshi(height: int) -> None:
    before, after = (round(economics.scheduled_supply(h) * 1e8) for h in (height, height + 1))
    assert after - before == block_subsidy(height + 1)


# What holds for every formula.


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_arrays_and_series_hold_what_numbers_give(name: str, argument: str) -> None:
    formula, given_ = FORMULAS[name]
    several = given_[argument] * np.array([1.0, 2.0, 3.0])
    expected = [formula(**{**given_, argument: float(value)}) for value in several]
    array = formula(**{**given_, argument: several})
    days = pd.date_range("2024-01-01", periods=3)
    series = formula(**{**given_, argument: pd.Series(several, days)})
    assert all(isinstance(value, float) for value in expected)
    np.testing.assert_allclose(array, expected, rtol=1e-14)
    pd.testing.assert_series_equal(series, pd.Series(expected, days), rtol=1e-14)


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_nan_stays_nan_and_stays_where_it_is(name: str, argument: str) -> None:
    formula, given_ = FORMULAS[name]
    assert math.isnan(formula(**{**given_, argument: math.nan}))  # type: ignore[arg-type]
    answer = formula(**{**given_, argument: given_[argument] * np.array([1.0, math.nan, 2.0])})
    assert np.isnan(answer).tolist() == [False, True, False]  # type: ignore[call-overload]


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_wrong_values_are_named_with_their_position(name: str, argument: str) -> None:
    formula, given_ = FORMULAS[name]
    label = "subsidy . fees|" + argument if name == "fee_share" else argument
    for wrong in (-1.0, math.inf, -math.inf):
        with pytest.raises(DataError, match=f"^({label}) is {wrong:g}: expected"):
            formula(**{**given_, argument: wrong})
        values = np.array([given_[argument], wrong, wrong])
        with pytest.raises(DataError, match=f"{wrong:g} at position 1 .2 such values"):
            formula(**{**given_, argument: values})
        dated = pd.Series(values, pd.date_range("2024-01-01", periods=3))
        with pytest.raises(DataError, match=f"{wrong:g} at 2024-01-02"):
            formula(**{**given_, argument: dated})


@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_zero_is_refused_where_there_is_nothing_to_divide_by(name: str, argument: str) -> None:
    formula, given_ = FORMULAS[name]
    if (name, argument) in MUST_BE_ABOVE_ZERO:
        with pytest.raises(DataError, match=f"{argument} is 0: expected above 0"):
            formula(**{**given_, argument: 0.0})
    else:
        assert math.isfinite(formula(**{**given_, argument: 0.0}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", ["1e14", None, True, [True], ["a"], pd.Series(["1"]), pd.Timestamp("2024-01-01")]
)
def test_what_is_no_number_is_refused(wrong: object) -> None:
    with pytest.raises(DataError, match=r"difficulty is a .* expected numbers"):
        economics.hash_price(wrong, 1e5, 3.125)  # type: ignore[type-var]


def test_a_block_that_pays_nothing_has_no_share_of_fees() -> None:
    with pytest.raises(DataError, match=r"subsidy . fees is 0"):
        economics.fee_share(0.0, 0.0)
    assert economics.fee_share(0.1, 0.0) == 1.0


def test_a_height_is_a_whole_number() -> None:
    with pytest.raises(DataError, match=r"height is 1.5 at position 1: expected a whole number"):
        economics.scheduled_supply(np.array([1.0, 1.5]))


def test_whole_numbers_beyond_64_bits_are_taken() -> None:
    assert economics.block_rate(10**22, 10**14) == economics.block_rate(1e22, 1e14)


def test_series_meet_by_label_and_a_label_alone_is_nan() -> None:
    difficulty = pd.Series([1e14, 2e14], ["a", "b"])
    price = pd.Series([1e5, 1e5], ["b", "c"])
    answer = economics.hash_price(difficulty, price, 3.125)
    assert answer.isna().to_dict() == {"a": True, "b": False, "c": True}
    assert answer["b"] == economics.hash_price(2e14, 1e5, 3.125)


# The real series.


@pytest.fixture(scope="module")
def network() -> pd.DataFrame:
    if not REAL:
        pytest.skip("HASHPIVOT_DATA does not name the folder of real data")
    path = Path(REAL) / "btc_network_daily.csv.gz"
    daily = pd.read_csv(path, parse_dates=["date"], index_col="date")
    return daily[(daily.index >= "2012-01-01") & (daily.index <= "2025-06-30")]


HALVING_DAYS = ["2012-11-28", "2016-07-09", "2020-05-11", "2024-04-19"]


def test_hash_price_by_difficulty_is_the_vendors_on_every_day(network: pd.DataFrame) -> None:
    # The vendor divides revenue by a hash rate counted from the day's blocks, at the mean
    # difficulty of these blocks: their luck cancels, and rounding of the file is what is left.
    answer = economics.hash_price(
        network["difficulty_mean"],
        network["price_usd"],
        network["issuance_btc"] / network["blocks"],
        network["fees_btc"] / network["blocks"],
    )
    vendor = network["hashprice_usd_per_phs_day"]
    assert (answer / vendor - 1.0).abs().max() < 1e-8
    realised = economics.realised_hash_price(
        network["hashrate_ehs"] * 1e18,
        network["blocks"],
        network["price_usd"],
        network["issuance_btc"] / network["blocks"],
        network["fees_btc"] / network["blocks"],
    )
    assert (realised / vendor - 1.0).abs().max() < 1e-9


def test_difficulty_at_the_end_of_a_day_gives_another_hash_price_around_retargets_only(
    network: pd.DataFrame,
) -> None:
    by_mean, by_end = (
        economics.hash_price(network[column], network["price_usd"], 1.0)
        for column in ("difficulty_mean", "difficulty_eod")
    )
    apart = (by_end / by_mean - 1.0).abs() > 1e-8
    changed = network["difficulty_eod"].diff().abs() > 0.0
    # The vendor's day ends up to an hour later, and then already holds blocks of the next epoch.
    assert not (apart & ~(changed | changed.shift(-1, fill_value=False))).any()
    assert 0.07 < apart.mean() < 0.08


def test_issuance_is_blocks_times_subsidy_but_on_days_of_halving(network: pd.DataFrame) -> None:
    subsidy = pd.Series(50.0, network.index)
    for number, day in enumerate(HALVING_DAYS, start=1):
        subsidy[network.index > day] = 50.0 / 2**number
    expected = economics.daily_issuance(subsidy, network["blocks"])
    wrong = network.index[(expected - network["issuance_btc"]).abs() > 1e-9]
    # On the day of a halving, by the vendor's days, blocks of both subsidies are found.
    assert wrong.strftime("%Y-%m-%d").tolist() == HALVING_DAYS


def test_the_vendors_supply_is_the_scheduled_one_less_what_was_not_claimed(
    network: pd.DataFrame,
) -> None:
    # The epoch that begins on the last of these days has height 903,168.
    whole = pd.read_csv(Path(str(REAL)) / "btc_network_daily.csv.gz", index_col="date")
    height = whole["blocks"].cumsum()["2025-06-30"] - 1
    assert 903_168 < height < 903_168 + 2 * 200
    missing = economics.scheduled_supply(float(height)) - whole["supply_btc"]["2025-06-30"]
    assert 0.0 < missing < 300.0


PAIRS = [(name, *list(given_)[:2]) for name, (_, given_) in FORMULAS.items() if len(given_) > 1]


@pytest.mark.parametrize(("name", "one", "other"), PAIRS)
def test_arrays_of_lengths_that_do_not_meet_are_named(name: str, one: str, other: str) -> None:
    formula, given_ = FORMULAS[name]
    long, short = np.full(3, given_[one]), np.full(2, given_[other])
    for first in (long, pd.Series(long)):
        with pytest.raises(DataError, match=f"^{name} was given .*{one} of 3") as refused:
            formula(**{**given_, one: first, other: short})
        assert f"{other} of 2" in str(refused.value)
    assert np.size(formula(**{**given_, one: long, other: short[:1]})) == 3
