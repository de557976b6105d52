"""The kappa spread is the comparison of present values, by what was known each day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.network.present_value import compare
from toolkit.panel import Panel
from toolkit.signals.economics import FleetCost
from toolkit.signals.hardware import Fleet
from toolkit.signals.relative_economics import (
    ASKING_RENTS,
    AskingRent,
    KappaSpread,
    Ranges,
    conditions_of,
    rent_field,
    sensitivity,
)

RENTS = (
    AskingRent(date(2018, 3, 1), 120.0, "hand"),
    AskingRent(date(2018, 9, 3), 150.0, "hand"),
)
STATISTICS = ("spread", "band_low", "band_high", "agreement", "breakeven_hash_price")
every_statistic = pytest.mark.parametrize("statistic", STATISTICS)


@pytest.fixture
def panel(make_panel) -> Panel:
    """Four hundred days from 2018 on, every one of them a session, at about 400 USD per PH/s."""
    hash_price = 400.0 + 100.0 * np.sin(np.arange(400) / 30.0)
    return make_panel({"hash_price": hash_price}, difficulty=np.full(40, 2e12), days=400)


def kappa(statistic: str = "spread", **settings: object) -> KappaSpread:
    return KappaSpread(statistic, **{"rents": RENTS, **settings})


def series(signal: KappaSpread, panel: Panel) -> pd.Series:
    found = signal.compute(panel)
    assert list(found.columns) == [signal.statistic]
    assert found.index.equals(panel.sessions)
    return found.iloc[:, 0]


def test_the_spread_of_a_day_is_what_a_sum_over_the_years_gives(panel):
    """By small steps, from the definitions: rent after the lead time, mining until it earns no keep."""
    known = kappa().conditions(panel).values.iloc[-1]
    step = 1.0 / 1200.0
    years = np.arange(0.5 * step, 16.5, step)
    discount = 1.10**-years
    rent = 12_000.0 * known["rent"] * 0.82 / 1.25
    hosting = (rent * discount[years > 1.5]).sum() * step - 8e6 / 1.25 * 1.10**-0.75
    hours = 8766.0
    revenue = hours * known["hash_price"] * 1000.0 / (24.0 * known["efficiency"])
    margin = revenue * np.exp(-0.1 * years) - hours * known["power_price"] - 200_000.0
    mining = (np.maximum(margin, 0.0) * discount)[years < 15.0].sum() * step
    expected = (hosting - mining) / (hours * discount.sum() * step)
    assert kappa().rows(panel).values["spread"].iloc[-1] == pytest.approx(expected, abs=0.02)


def test_the_conditions_are_those_of_the_fleet_the_market_and_the_landlords(panel):
    signal = kappa(cost=FleetCost(power_price=40.0, overhead=1.2), average_days=7)
    known = signal.conditions(panel).values
    day = pd.Timestamp("2018-10-01")
    price = panel.field("hash_price").values["hash_price"]
    assert known.loc[day, "hash_price"] == pytest.approx(price.loc[:day].iloc[-7:].mean())
    difficulty = pd.Series(2e12, pd.date_range("2018-01-01", day))
    fleet = Fleet().efficiency(difficulty).iloc[-1]
    assert known.loc[day, "efficiency"] == pytest.approx(1.2 * fleet, rel=1e-4)
    assert np.allclose(known["power_price"], 40.0)
    assert known.loc["2018-03-02":"2018-09-03", "rent"].eq(120.0).all()
    assert known.loc["2018-09-04":, "rent"].eq(150.0).all()


def test_the_power_price_may_be_a_published_series(panel):
    prices = pd.DataFrame({"power": [60.0, 80.0]}, pd.to_datetime(["2018-01-31", "2018-05-31"]))
    public = pd.to_datetime(["2018-04-16 12:00", "2018-08-14 12:00"]).tz_localize("UTC")
    field = replace(panel.field("hash_price"), values=prices, available_at=public)
    other = replace(panel, fields={**panel.fields, "power_price": field})
    known = kappa(cost=FleetCost(power_price=None)).conditions(other).values["power_price"]
    assert known.dropna().loc[:"2018-08-13"].round(9).eq(60.0).all()
    assert known.dropna().loc["2018-08-14":].round(9).eq(80.0).all()
    dear = series(kappa(cost=FleetCost(power_price=None)), other)["2018-10-01"]
    assert dear > series(kappa(), panel)["2018-10-01"]


@every_statistic
def test_a_rent_reaches_the_decision_of_the_second_day_after(panel, statistic):
    old = series(kappa(statistic, rents=RENTS[:1]), panel)
    steeper = kappa(statistic, rents=(RENTS[0], AskingRent(RENTS[1].published, 400.0, "hand")))
    found = series(steeper, panel)
    # New York's third of September ended after that day's decision, and after the third's row. The
    # row of the fourth is public an hour after its end.
    pd.testing.assert_series_equal(found.loc[:"2018-09-04"], old.loc[:"2018-09-04"])
    assert (found.loc["2018-09-05":] != old.loc["2018-09-05":]).any()
    if statistic == "spread":
        assert found["2018-09-05"] > old["2018-09-05"]


def test_the_first_rent_is_the_first_opinion(panel):
    found = series(kappa(), panel)
    assert found.loc[:"2018-03-01"].isna().all()
    assert np.isnan(found["2018-03-02"])
    assert found.loc["2018-03-03":].notna().all()


def test_a_rent_of_long_ago_is_no_opinion(panel):
    old = (AskingRent(date(2017, 6, 1), 120.0, "hand"),)
    found = series(kappa(rents=old), panel)
    assert found["2018-07-01":"2018-07-05"].notna().all()
    # 400 days after its publication the last row with a rent serves for ten days more.
    assert found["2018-07-18":].isna().all()


def test_a_hash_price_reaches_the_decision_of_the_next_session(panel):
    day = pd.Timestamp("2018-11-20")
    field = panel.field("hash_price")
    values = field.values.copy()
    values.loc[day] *= 5.0
    other = replace(panel, fields={**panel.fields, "hash_price": replace(field, values=values)})
    before, after = series(kappa(), panel), series(kappa(), other)
    pd.testing.assert_series_equal(after.loc[:day], before.loc[:day])
    assert after.loc[day:].iloc[1] < before.loc[day:].iloc[1]


@every_statistic
def test_the_past_alone_gives_the_same(panel, statistic):
    whole = kappa(statistic).compute(panel)
    for session in panel.sessions[[20, 58, 59, 60, 61, 150, 244, 245, 246, 247, 390]]:
        cut = kappa(statistic).compute(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-9)


@pytest.mark.parametrize("statistic", ["spread", "agreement"])
def test_the_real_folder_has_the_same_past(real_panel, statistic):
    whole = KappaSpread(statistic).compute(real_panel)
    assert whole.loc["2022-09-13":].notna().all(axis=None)
    assert whole.loc[:"2022-09-09"].isna().all(axis=None)
    for day in ("2022-09-12", "2023-02-23", "2023-02-24", "2024-04-22", "2025-02-27"):
        session = pd.Timestamp(day)
        cut = KappaSpread(statistic).compute(real_panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-9)


def test_band_and_agreement_are_those_of_every_comparison(panel):
    ranges = Ranges((0.1, -0.15), (0.5, 2.5), (0.0, 0.09))
    known = kappa().conditions(panel).values
    signal = kappa(ranges=ranges)
    spreads = []
    for drift, lead, rate in ranges.combinations():
        mining = replace(signal.mining, hash_price_drift=drift)
        hosting = replace(signal.hosting, lead_years=lead)
        spreads.append(compare(conditions_of(known, rate), mining, hosting)["spread"].to_numpy())
    expected = {
        "band_low": np.min(spreads, axis=0),
        "band_high": np.max(spreads, axis=0),
        "agreement": np.mean(np.array(spreads) > 0.0, axis=0),
    }
    for statistic, values in expected.items():
        found = kappa(statistic, ranges=ranges).rows(panel).values.iloc[:, 0]
        read = known.notna().all(axis=1).to_numpy()
        assert np.allclose(found[read], values[read], rtol=1e-12, atol=1e-9)
        assert found[~read].isna().all()


def test_every_setting_of_the_terms_reaches_the_band(panel):
    known = kappa().conditions(panel).values
    mining = replace(
        kappa().mining,
        uptime=0.9,
        salvage_usd_per_mw=1e5,
        risk_premium=0.03,
        horizon_years=10.0,
        renewal_usd_per_mw_year=1e5,
    )
    hosting = replace(
        kappa().hosting,
        rent_growth=0.03,
        utilisation=0.95,
        residual_usd_per_mw=1e6,
        term_years=12.0,
        net_margin=0.8,
        overhead=1.4,
    )
    alone = Ranges((mining.hash_price_drift,), (hosting.lead_years,), (0.09,))
    low = kappa("band_low", mining=mining, hosting=hosting, ranges=alone).judge(
        kappa().conditions(panel)
    )
    expected = compare(conditions_of(known, 0.09), mining, hosting)["spread"]
    assert np.allclose(low.values["band_low"], expected, atol=1e-9, equal_nan=True)


def test_the_band_holds_the_spread_and_the_agreement_is_a_share(panel):
    low, spread, high, agreement = (
        series(kappa(statistic), panel).dropna()
        for statistic in ("band_low", "spread", "band_high", "agreement")
    )
    assert (low < spread).all()
    assert (spread < high).all()
    assert agreement.between(0.0, 1.0).all()
    assert (agreement[low > 0.0] == 1.0).all()
    assert (agreement[high < 0.0] == 0.0).all()


def test_hosting_is_worth_more_below_the_breakeven_hash_price(panel):
    known = kappa().conditions(panel)
    breakeven = kappa("breakeven_hash_price").judge(known).values.iloc[:, 0]
    at_breakeven = known.apply(lambda rows: rows.assign(hash_price=breakeven), known.unit)
    spread = kappa().judge(at_breakeven).values["spread"].dropna()
    assert len(spread) > 200
    assert np.allclose(spread, 0.0, atol=1e-6)


def test_a_miner_with_better_machines_has_less_reason_to_host(panel):
    known = kappa().conditions(panel)
    better = known.apply(lambda rows: rows.assign(efficiency=0.5 * rows["efficiency"]), known.unit)
    usual, own = (kappa().judge(one).values["spread"].dropna() for one in (known, better))
    assert (own < usual).all()


def test_the_table_of_the_last_decision_holds_every_combination(panel):
    table = sensitivity(panel, kappa())
    assert list(table.index.names) == ["hash_price_drift", "lead_years", "discount_rate"]
    assert len(table) == 27
    middle = table.loc[(-0.1, 1.5, 0.10)]
    assert middle["spread"] == pytest.approx(series(kappa(), panel).iloc[-1], rel=1e-12)
    assert (table["spread"] > 0.0).mean() == series(kappa("agreement"), panel).iloc[-1]
    assert table["spread"].min() == pytest.approx(series(kappa("band_low"), panel).iloc[-1])
    # A steeper fall of the hash price makes mining worth less; so does waiting for the first rent.
    by_drift = table["spread"].unstack("hash_price_drift")[[0.0, -0.1, -0.2]]
    assert (by_drift.diff(axis=1).iloc[:, 1:] > 0.0).all(axis=None)
    by_lead = table["hosting"].unstack("lead_years")[[1.0, 1.5, 2.0]]
    assert (by_lead.diff(axis=1).iloc[:, 1:] < 0.0).all(axis=None)


def test_no_table_is_made_of_what_is_not_known(make_panel, panel):
    with pytest.raises(InsufficientHistoryError, match="2019-02-04 knows no"):
        sensitivity(panel)
    with pytest.raises(InsufficientHistoryError, match="asking rents begin"):
        sensitivity(panel.until(pd.Timestamp("2018-03-01")), kappa())
    stopped = make_panel({"hash_price": np.full(300, 400.0)}, difficulty=np.full(40, 2e12))
    with pytest.raises(InsufficientHistoryError):
        sensitivity(stopped, kappa())


@every_statistic
def test_before_every_rent_there_is_no_opinion(panel, statistic):
    assert KappaSpread(statistic).compute(panel).isna().all(axis=None)


def test_a_source_that_stops_is_no_opinion_after_ten_days(make_panel):
    stopped = make_panel({"hash_price": np.full(300, 400.0)}, difficulty=np.full(40, 2e12))
    found = series(kappa(), stopped)
    last = stopped.field("hash_price").values.index[-1]
    assert found.loc[: last + pd.Timedelta(days=10)].iloc[100:].notna().all()
    assert found.loc[last + pd.Timedelta(days=11) :].isna().all()


def test_an_impossible_hash_price_is_refused(panel):
    field = panel.field("hash_price")
    other = replace(panel, fields={"hash_price": replace(field, values=-field.values)})
    other = replace(other, fields={**panel.fields, **other.fields})
    with pytest.raises(DataError, match="hash_price"):
        kappa().compute(other)


def test_the_shipped_rents_were_each_known_after_the_period_they_are_of():
    field = rent_field(ASKING_RENTS)
    assert (field.values["rent"].diff().dropna() > 0.0).all()
    for rent, moment in zip(ASKING_RENTS, field.available_at, strict=True):
        assert moment >= pd.Timestamp(rent.published, tz="UTC") + pd.Timedelta(hours=28)
        assert rent.source
    # The period of each ended on the last day of June or December before its publication.
    assert [rent.published.year for rent in ASKING_RENTS] == [2022, 2023, 2023, 2024, 2024, 2025]


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match=r"KappaSpread\.statistic"):
        KappaSpread("level")
    for rents in ((), RENTS[::-1], (RENTS[0], RENTS[0])):
        with pytest.raises(ConfigError, match=r"KappaSpread\.rents: expected at least one"):
            kappa(rents=rents)
    with pytest.raises(ConfigError, match=r"Ranges\.lead_years is empty"):
        Ranges(lead_years=())
    with pytest.raises(ConfigError, match=r"Ranges\.discount_rate"):
        Ranges(discount_rate=(-0.1,))
