"""Mining against hosting: closed forms against brute force, published figures, and real series."""

import math
import os
from dataclasses import replace
from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from toolkit.errors import ConfigError, DataError
from toolkit.network.present_value import (
    Conditions,
    HostingTerms,
    MiningTerms,
    annuity,
    compare,
    hosting_value,
    mining_value,
    sensitivity_table,
)

REAL = os.environ.get("HASHPIVOT_DATA")

TODAY = Conditions(
    hash_price=33.0, efficiency=18.0, power_price=45.0, rent=150.0, discount_rate=0.12
)
MINING = MiningTerms(hash_price_drift=0.0, renewal_usd_per_mw_year=0.0, horizon_years=15.0)
HOSTING = HostingTerms(
    lead_years=0.0, term_years=15.0, capex_usd_per_mw=9e6, overhead=1.25, net_margin=0.85
)

rates = st.floats(min_value=0.0, max_value=0.3)
drifts = st.floats(min_value=-0.5, max_value=0.2)
years = st.floats(min_value=0.1, max_value=30.0)
money = st.floats(min_value=0.0, max_value=10.0)


def in_arrears(terms: HostingTerms, discount_rate: float) -> HostingTerms:
    """Terms whose rent is worth what it would be if paid once a year, at the end."""
    return replace(terms, net_margin=terms.net_margin * math.log1p(discount_rate) / discount_rate)


# Closed forms against brute force.


@given(st.floats(min_value=-0.3, max_value=0.3), years)
def test_annuity_is_the_integral_of_discounted_ones(rate: float, length: float) -> None:
    integral, _ = quad(lambda t: math.exp(-rate * t), 0.0, length)
    assert annuity(rate, length) == pytest.approx(integral, rel=1e-9)


def test_annuity_at_a_rate_of_zero_is_its_length_and_the_limit_of_small_rates() -> None:
    assert annuity(0.0, 15.0) == 15.0
    assert annuity(1e-13, 15.0) == pytest.approx(15.0, rel=1e-12)
    assert annuity(0.1, 0.0) == 0.0


@given(money, st.floats(min_value=0.01, max_value=5.0), money, drifts, rates, years, money)
def test_no_other_day_of_closing_makes_a_declining_mine_worth_more(
    revenue: float,
    cost: float,
    renewal: float,
    drift: float,
    discount: float,
    horizon: float,
    salvage: float,
) -> None:
    decline = min(drift, 0.0)
    closings = np.linspace(0.0, horizon, 2001)
    earned = revenue * np.exp((decline - discount) * closings)
    spent = (cost + renewal) * np.exp(-discount * closings)
    flow = earned - spent
    run = np.concatenate(([0.0], np.cumsum((flow[1:] + flow[:-1]) / 2) * closings[1]))
    best = (run + salvage * np.exp(-discount * closings)).max()
    value = mining_value(revenue, cost, renewal, decline, discount, horizon, salvage)
    # Trapezoids of a convex and a concave part: the error of a step of horizon / 2000.
    assert value == pytest.approx(best, rel=1e-4, abs=1e-4)
    assert value >= salvage


def test_a_mine_closes_when_revenue_has_fallen_to_the_power_bill() -> None:
    closing = math.log(2.0 / 3.0) / -0.2
    short, _ = quad(lambda t: (3.0 * math.exp(-0.2 * t) - 2.0) * math.exp(-0.1 * t), 0.0, closing)
    assert closing < 15.0
    assert mining_value(3.0, 2.0, 0.0, -0.2, 0.1, 15.0, 0.0) == pytest.approx(short, rel=1e-9)
    assert mining_value(3.0, 2.0, 0.0, -0.2, 0.1, 40.0, 0.0) == pytest.approx(short, rel=1e-9)


@pytest.mark.parametrize("drift", [-1e-9, -1e-15, -5e-324, 0.0])
def test_a_decline_too_slow_to_see_is_none(drift: float) -> None:
    none = mining_value(3.0, 2.0, 0.1, 0.0, 0.1, 15.0, 0.5)
    assert mining_value(3.0, 2.0, 0.1, drift, 0.1, 15.0, 0.5) == pytest.approx(none, rel=1e-7)


@pytest.mark.parametrize("drift", [-0.2, 0.0, 0.2])
def test_a_mine_under_water_is_closed_now_even_if_it_would_recover(drift: float) -> None:
    assert mining_value(1.9, 2.0, 0.0, drift, 0.1, 15.0, 0.7) == 0.7


def test_a_mine_that_is_paid_to_take_power_never_closes() -> None:
    value = mining_value(1.0, -0.5, 0.0, -0.2, 0.1, 15.0, 0.0)
    assert value == pytest.approx(annuity(0.3, 15.0) + 0.5 * annuity(0.1, 15.0))


@given(money, st.floats(min_value=-0.1, max_value=0.1), rates, st.floats(0.0, 5.0), years, money)
def test_hosting_is_rent_after_the_lead_time_less_construction_in_its_middle(
    income: float, growth: float, discount: float, lead: float, term: float, capex: float
) -> None:
    rent, _ = quad(
        lambda t: income * math.exp(growth * (t - lead) - discount * t), lead, lead + term
    )
    last = 0.4 * math.exp(-discount * (lead + term))
    expected = rent + last - capex * math.exp(-discount * lead / 2)
    value = hosting_value(income, growth, discount, lead, term, capex, 0.4)
    assert value == pytest.approx(expected, rel=1e-8, abs=1e-8)


def test_the_forms_compile_as_they_are_and_take_arrays() -> None:
    generator = np.random.default_rng(3)
    rows = generator.uniform(0.01, 2.0, (200, 7))
    rows[:, 3] -= 1.0
    rows[:5, 3] = 0.0
    rows[5:10, 4] = rows[5:10, 3]
    for form in (mining_value, hosting_value):
        compiled = numba.njit(form)
        by_array = form(*rows.T)
        one_by_one = [form(*row) for row in rows.tolist()]
        np.testing.assert_allclose([compiled(*row) for row in rows.tolist()], by_array, rtol=1e-12)
        np.testing.assert_allclose(one_by_one, by_array, rtol=1e-12)
    assert numba.njit(annuity)(0.0, 15.0) == 15.0


# Published figures. All follow from rent of 150 at overhead 1.25 and a margin of 0.85, capex of 9
# million per IT MW, 15 years, 18 J/TH and power at 45; yearly rates (1.12 for 12 %), hash price
# falling by 10 % or 20 % a year (not by exp(-0.1)), mining paid evenly and rent once a year, at its
# end. No other reading tried gave all of them.


@pytest.mark.parametrize(
    ("yearly_fall", "published"),
    [(0.0, [38, 32, 27]), (0.1, [64, 53, 42]), (0.2, [91, 72, 54])],
)
def test_break_even_hash_prices_are_as_published(yearly_fall: float, published: list[int]) -> None:
    mining = replace(MINING, hash_price_drift=math.log1p(-yearly_fall))
    found = [
        compare(replace(TODAY, discount_rate=rate), mining, in_arrears(HOSTING, rate))
        for rate in (0.08, 0.10, 0.12)
    ]
    assert [round(table["breakeven_hash_price"].item()) for table in found] == published


@pytest.mark.parametrize(("lead_years", "published"), [(0.0, 1.14), (1.5, 0.42)])
def test_a_lead_time_of_18_months_takes_most_of_the_value_of_hosting(
    lead_years: float, published: float
) -> None:
    terms = replace(in_arrears(HOSTING, 0.12), lead_years=lead_years)
    assert round(compare(TODAY, MINING, terms)["hosting"].item() / 1e6, 2) == published


def test_rent_paid_through_the_year_is_worth_half_a_million_more_than_at_its_end() -> None:
    table = compare(TODAY, MINING, HOSTING)
    assert table["hosting"].item() == pytest.approx(1.627e6, abs=1e3)
    assert table["breakeven_hash_price"].item() == pytest.approx(30.56, abs=0.01)


def test_the_spread_without_time_or_building_is_rent_less_margin_of_a_megawatt_hour() -> None:
    free = replace(HOSTING, capex_usd_per_mw=0.0)
    rent = 12 * 150 * 1000 / (8766 * 1.25) * 0.85
    margin = 33 * 1000 / (24 * 18) - 45
    assert rent / 0.85 == pytest.approx(164.3, abs=0.05)
    assert margin == pytest.approx(31.4, abs=0.05)
    spread = compare(TODAY, MINING, free)["spread"].item()
    assert spread == pytest.approx(rent - margin, rel=1e-12)


# What the comparison promises.


@settings(max_examples=50)
@given(
    drifts,
    st.floats(min_value=0.0, max_value=4e5),
    st.floats(min_value=0.0, max_value=3.0),
    st.floats(min_value=0.0, max_value=0.25),
    st.floats(min_value=5.0, max_value=120.0),
    st.floats(min_value=60.0, max_value=400.0),
    st.floats(min_value=0.0, max_value=1e6),
)
def test_both_are_worth_the_same_at_the_break_even_hash_price(
    drift: float,
    renewal: float,
    lead: float,
    discount: float,
    power: float,
    rent: float,
    salvage: float,
) -> None:
    mining = MiningTerms(
        hash_price_drift=drift,
        renewal_usd_per_mw_year=renewal,
        horizon_years=15.0,
        salvage_usd_per_mw=salvage,
    )
    hosting = replace(HOSTING, lead_years=lead)
    now = Conditions(33.0, 18.0, power, rent, discount)
    table = compare(now, mining, hosting)
    breakeven = table["breakeven_hash_price"].item()
    if table["hosting"].item() < salvage:
        assert breakeven == 0.0
        return
    above, below = (
        compare(replace(now, hash_price=breakeven * factor), mining, hosting)["spread"].item()
        for factor in (1.0 + 1e-9, 1.0 - 1e-9)
    )
    assert above <= 1e-6
    assert below >= -1e-6
    # A mine with a rising hash price is closed below its keep, and so jumps in value there.
    if drift <= 0.0:
        assert above == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize(
    ("part", "change", "sign"),
    [
        ("conditions", {"rent": 160.0}, 1),
        ("conditions", {"power_price": 50.0}, 1),
        ("conditions", {"efficiency": 20.0}, 1),
        ("conditions", {"hash_price": 40.0}, -1),
        ("mining", {"hash_price_drift": -0.1}, 1),
        ("mining", {"renewal_usd_per_mw_year": 1e5}, 1),
        ("mining", {"risk_premium": 0.05}, 1),
        ("mining", {"uptime": 0.9}, 1),
        ("mining", {"salvage_usd_per_mw": 3e5}, -1),
        ("hosting", {"lead_years": 1.0}, -1),
        ("hosting", {"capex_usd_per_mw": 1e7}, -1),
        ("hosting", {"net_margin": 0.8}, -1),
        ("hosting", {"overhead": 1.3}, -1),
        ("hosting", {"utilisation": 0.9}, -1),
        ("hosting", {"rent_growth": 0.03}, 1),
        ("hosting", {"residual_usd_per_mw": 1e6}, 1),
        ("hosting", {"term_years": 20.0}, 1),
    ],
)
def test_each_input_moves_the_value_of_hosting_over_mining_as_it_should(
    part: str, change: dict[str, float], sign: int
) -> None:
    parts = {"conditions": TODAY, "mining": MINING, "hosting": HOSTING}
    before = compare(**parts)  # type: ignore[arg-type]
    after = compare(**{**parts, part: replace(parts[part], **change)})  # type: ignore[arg-type,type-var]
    gain = (after["hosting"] - after["mining"]) - (before["hosting"] - before["mining"])
    assert np.sign(gain.item()) == sign


def test_a_building_is_worth_its_residual_for_each_megawatt_of_computers() -> None:
    change = {"residual_usd_per_mw": 1e6, "overhead": 1.25}
    plain, kept = (
        compare(TODAY, MINING, replace(HOSTING, **terms))["hosting"].item()
        for terms in ({"residual_usd_per_mw": 0.0, "overhead": 1.25}, change)
    )
    years = HOSTING.lead_years + HOSTING.term_years
    worth = 1e6 / 1.25 / (1.0 + TODAY.discount_rate) ** years
    assert kept - plain == pytest.approx(worth, rel=1e-9)


def test_a_mine_that_runs_nine_hours_in_ten_earns_and_pays_nine_tenths() -> None:
    mining = replace(MINING, hash_price_drift=-0.1)
    full, part = (
        compare(TODAY, replace(mining, uptime=uptime), HOSTING)["mining"].item()
        for uptime in (1.0, 0.9)
    )
    assert part == pytest.approx(0.9 * full, rel=1e-12)


def history() -> Conditions:
    days = pd.date_range("2023-01-01", periods=6)
    return Conditions(
        hash_price=pd.Series([80.0, 70.0, np.nan, 50.0, 0.0, 40.0], days),
        efficiency=pd.Series(np.linspace(30.0, 20.0, 6), days),
        power_price=np.array([45.0, 50.0, 40.0, 45.0, 45.0, np.nan]),
        rent=150.0,
        discount_rate=pd.Series(np.linspace(0.08, 0.12, 6), days),
    )


def test_a_date_depends_on_its_own_inputs_alone() -> None:
    mining = replace(MINING, hash_price_drift=-0.15, renewal_usd_per_mw_year=1e5)
    table = compare(history(), mining, HOSTING)
    inputs = history().table()
    for row, day in enumerate(table.index):
        alone = compare(Conditions(**inputs.loc[day].to_dict()), mining, HOSTING)
        np.testing.assert_allclose(table.iloc[row], alone.iloc[0], rtol=1e-13)
    assert table["mining"].isna().tolist() == [False, False, True, False, False, True]
    assert table["hosting"].notna().all()
    assert table["breakeven_hash_price"].isna().tolist() == [False] * 5 + [True]


def test_arrays_go_by_position() -> None:
    table = compare(replace(TODAY, rent=np.array([100.0, 150.0, 200.0])), MINING, HOSTING)
    assert table.index.tolist() == [0, 1, 2]
    assert table["hosting"].is_monotonic_increasing
    assert table["mining"].nunique() == 1


def test_sensitivity_table_compares_every_combination() -> None:
    over = {
        "hash_price_drift": [0.0, -0.1, -0.2],
        "lead_years": [0, 1.5],
        "discount_rate": (0.08, 0.12),
    }
    table = sensitivity_table(TODAY, MINING, HOSTING, over)
    assert table.index.names == list(over)
    assert len(table) == 12
    for drift, lead, rate in table.index:
        expected = compare(
            replace(TODAY, discount_rate=rate),
            replace(MINING, hash_price_drift=drift),
            replace(HOSTING, lead_years=lead),
        )
        assert table.loc[(drift, lead, rate)].tolist() == expected.iloc[0].tolist()
    # The one number that must not be given alone: its sign turns on the drift and on the lead time.
    assert table["spread"].min() < 0.0 < table["spread"].max()


# Bad input.


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"hash_price": -1.0}, "hash_price is -1: expected 0 or above"),
        ({"efficiency": 0.0}, "efficiency is 0: expected above 0"),
        ({"power_price": pd.Series([1.0, -2.0], ["a", "b"])}, "power_price is -2 at b"),
        ({"rent": math.inf}, "rent is inf"),
        ({"discount_rate": -0.1}, "discount_rate is -0.1"),
        ({"rent": "150"}, "rent is a str"),
        ({"rent": np.ones((2, 3))}, r"rent has shape \(2, 3\)"),
        ({"rent": np.ones(2), "power_price": np.ones(3)}, r"rent has shape \(2,\)"),
        (
            {"rent": pd.Series([1.0, 2.0]), "hash_price": pd.Series([1.0, 2.0], ["a", "b"])},
            "rent has .* other dates than the 2 of other inputs",
        ),
    ],
)
def test_conditions_refuse_what_does_not_fit(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        replace(TODAY, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("terms", "change"),
    [
        (MINING, {"hash_price_drift": math.nan}),
        (MINING, {"horizon_years": 0.0}),
        (MINING, {"uptime": 0.0}),
        (MINING, {"renewal_usd_per_mw_year": -1.0}),
        (HOSTING, {"lead_years": -0.5}),
        (HOSTING, {"term_years": 0.0}),
        (HOSTING, {"overhead": 0.9}),
        (HOSTING, {"net_margin": 1.2}),
        (HOSTING, {"rent_growth": -1.0}),
    ],
)
def test_terms_refuse_what_cannot_be(
    terms: MiningTerms | HostingTerms, change: dict[str, float]
) -> None:
    with pytest.raises(ConfigError, match=f"{type(terms).__name__}.{next(iter(change))}"):
        replace(terms, **change)


def test_what_decides_has_no_default() -> None:
    with pytest.raises(ConfigError, match="needs the setting 'hash_price_drift'"):
        MiningTerms(renewal_usd_per_mw_year=0.0, horizon_years=15.0)  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="needs the setting 'lead_years'"):
        HostingTerms(term_years=15.0, capex_usd_per_mw=9e6, overhead=1.25, net_margin=0.85)  # type: ignore[call-arg]


def test_a_sensitivity_table_refuses_unknown_inputs_no_inputs_and_several_dates() -> None:
    with pytest.raises(ConfigError, match=r"'lead_year' is no input. Did you mean 'lead_years'"):
        sensitivity_table(TODAY, MINING, HOSTING, {"lead_year": [1.0]})
    for over in ({}, {"lead_years": []}, {"lead_years": ["a"]}, {"lead_years": 1.0}):
        with pytest.raises(ConfigError, match="expected lists of numbers"):
            sensitivity_table(TODAY, MINING, HOSTING, over)
    with pytest.raises(ConfigError, match=r"HostingTerms.lead_years = -1"):
        sensitivity_table(TODAY, MINING, HOSTING, {"lead_years": [-1.0]})
    with pytest.raises(DataError, match="conditions hold 6 dates"):
        sensitivity_table(history(), MINING, HOSTING, {"lead_years": [1.0]})


# The real series.


@pytest.fixture(scope="module")
def real() -> Conditions:
    if not REAL:
        pytest.skip("HASHPIVOT_DATA does not name the folder of real data")
    folder = Path(REAL)
    network = pd.read_csv(
        folder / "btc_network_daily.csv.gz", parse_dates=["date"], index_col="date"
    )
    machines = pd.read_csv(
        folder / "network_efficiency_daily.csv.gz", parse_dates=["date"], index_col="date"
    )
    bills = pd.read_csv(folder / "eia_electricity_price_monthly.csv.gz", parse_dates=["month"])
    bills = bills[(bills["state"] == "US") & (bills["sector"] == "industrial")]
    # A month's price is public some 75 days after its end.
    published = bills["month"] + pd.offsets.MonthEnd() + pd.Timedelta(days=75)
    power = pd.Series(bills["price_cents_per_kwh"].to_numpy() * 10.0, published).sort_index()
    days = machines.index[(machines.index >= "2016-01-01") & (machines.index <= "2025-06-30")]
    return Conditions(
        hash_price=network["hashprice_usd_per_phs_day"].rolling(7).mean().reindex(days),
        efficiency=machines["estimate_j_per_th"].reindex(days),
        power_price=power.reindex(days, method="ffill"),
        rent=150.0,
        discount_rate=0.12,
    )


def test_nine_years_of_real_prices_compare_on_every_day(real: Conditions) -> None:
    mining = replace(MINING, hash_price_drift=-0.1, renewal_usd_per_mw_year=2e5)
    hosting = replace(HOSTING, lead_years=1.5)
    table = compare(real, mining, hosting)
    assert len(table) > 3000
    assert table.notna().all().all()
    dearer = real.hash_price > table["breakeven_hash_price"]
    assert (dearer == (table["spread"] < 0.0)).all()
    # The two ends of the cycle at a rent of today: mining paid best in the bull market of 2021.
    assert (table["spread"]["2021-10"] < 0.0).all()
    assert (table["spread"]["2022-12"] > 0.0).all()


def test_early_2025_turns_on_the_drift_alone(real: Conditions) -> None:
    today = Conditions(**real.table().loc["2025-03-10"].to_dict())
    hosting = replace(HOSTING, lead_years=1.5)
    table = sensitivity_table(today, MINING, hosting, {"hash_price_drift": [0.05, 0.0, -0.1, -0.2]})
    assert table["spread"].is_monotonic_increasing
    assert table["spread"].iloc[0] < 0.0 < table["spread"].iloc[-1]
