"""Claims about the embedded simulated market."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times, sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.events import read_events
from toolkit.data.sample import SampleMarket
from toolkit.errors import ConfigError, DataError
from toolkit.panel import Field, Panel
from toolkit.settings import shipped_folder
from toolkit.universe import MINERS, Sleeve, Universe

NETWORK = {"hash_rate", "blocks", "difficulty", "epoch_days", "hash_price", "issuance", "fees"}
MONTHLY = {"power_price": "USD/MWh", "ai_rent": "USD per kW-month"}
TRUTH = {"true_ai_share", "true_exits", "true_hash_rate", "true_confounders"}
BARS = {"dollar_volume", "high", "low"}
NOISY = "STRATUM"


def whole(market: SampleMarket) -> dict[str, Field]:
    return dict(market.fields(market.universe(), market.start, market.last_session()))


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    return SampleMarket()


@pytest.fixture(scope="module")
def fields(market: SampleMarket) -> dict[str, Field]:
    return whole(market)


@pytest.fixture(scope="module")
def universe(market: SampleMarket) -> Universe:
    return market.universe()


@pytest.fixture(scope="module")
def closes(fields: dict[str, Field]) -> pd.DataFrame:
    return fields["close"].values


@pytest.fixture(scope="module")
def sessions(market: SampleMarket) -> pd.DatetimeIndex:
    return sessions_between("XNYS", market.start, market.last_session())


def panel_of(market: SampleMarket, sessions: pd.DatetimeIndex) -> Panel:
    return Panel(market.universe(), sessions, whole(market), simulated=market.simulated)


# Determinism and settings


def test_same_settings_give_the_same_bytes(sessions: pd.DatetimeIndex) -> None:
    first = panel_of(SampleMarket(seed=3), sessions).digest()
    assert panel_of(SampleMarket(seed=3), sessions).digest() == first


def test_asking_twice_or_in_another_order_gives_the_same_bytes(sessions: pd.DatetimeIndex) -> None:
    market = SampleMarket(seed=3)
    market.fields(market.universe(), date(2019, 1, 1), date(2019, 3, 1))
    assert panel_of(market, sessions).digest() == panel_of(SampleMarket(3), sessions).digest()


def test_another_seed_gives_another_market(closes: pd.DataFrame) -> None:
    other = whole(SampleMarket(seed=8))["close"].values
    assert not np.allclose(other["SIMBTC"], closes["SIMBTC"])
    assert not np.allclose(other["RACKS"].dropna(), closes["RACKS"].dropna())


def test_a_longer_market_begins_with_the_same_bitcoin_days() -> None:
    short = whole(SampleMarket(years=3))["close"].values["SIMBTC"]
    long = whole(SampleMarket(years=5))["close"].values["SIMBTC"]
    np.testing.assert_allclose(long.reindex(short.index), short, rtol=1e-12)


@pytest.mark.parametrize(
    "settings",
    [
        {"seed": -1},
        {"years": 0.5},
        {"years": 50},
        {"sed": 7},
        {"start": date(2030, 1, 1)},
        {"start": date(1999, 1, 1)},
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="SampleMarket"):
        SampleMarket(**settings)  # type: ignore[arg-type]


def test_a_period_without_a_day_in_common_is_refused(market: SampleMarket) -> None:
    with pytest.raises(DataError, match="2016-01-04 to 2025-01-03"):
        market.fields(market.universe(), date(2026, 1, 1), date(2026, 2, 1))


def test_a_part_of_the_period_has_the_rows_inside_it_only(
    market: SampleMarket, fields: dict[str, Field]
) -> None:
    start, end = date(2019, 2, 2), date(2020, 8, 8)
    for name, part in market.fields(market.universe(), start, end).items():
        expected = fields[name].values.loc[str(start) : str(end)]
        pd.testing.assert_frame_equal(part.values, expected)
        assert part.available_at.isin(fields[name].available_at).all()


def test_only_assets_of_the_universe_are_priced_in_its_order(market: SampleMarket) -> None:
    cast = market.universe()
    wanted = Universe((cast["RACKS"], cast["SIMBTC"], replace(cast["CASH"], id="ELSEWHERE")))
    priced = market.fields(wanted, market.start, market.last_session())["close"].values
    assert list(priced.columns) == ["RACKS", "SIMBTC"]


def test_it_says_that_it_is_simulated(market: SampleMarket) -> None:
    assert market.simulated is True
    assert any("SIMULATED" in notice.text for notice in market.notices())


# Size, calendars, units


def test_it_has_at_least_eight_and_a_half_years_and_fifteen_assets_in_every_sleeve(
    sessions: pd.DatetimeIndex, universe: Universe
) -> None:
    assert len(sessions) >= 8.5 * 252
    assert len(universe) >= 15
    seen = {membership.sleeve for asset in universe for membership in asset.memberships}
    assert seen == set(Sleeve)
    assert universe.cash == "CASH"


def test_exchange_assets_have_rows_on_sessions_only_and_the_others_on_every_day(
    universe: Universe, closes: pd.DataFrame, sessions: pd.DatetimeIndex
) -> None:
    assert len(closes) == (closes.index[-1] - closes.index[0]).days + 1
    for asset in universe:
        priced = closes.index[closes[asset.id].notna()]
        if asset.calendar == "24/7":
            assert len(priced) == len(closes)
        else:
            assert priced.isin(sessions).all()
    weekdays = closes[closes.index.dayofweek < 5]
    holidays = weekdays.index.difference(sessions)
    assert len(holidays) > 70
    assert closes.loc[holidays, ["SIMBTC", "SIMNET", "CASH"]].notna().all(axis=None)


def test_fields_have_the_units_of_the_real_folder(fields: dict[str, Field]) -> None:
    told = set(read_events(shipped_folder() / "pivot_events.csv").fields(SampleMarket().universe()))
    assert set(fields) == NETWORK | set(MONTHLY) | TRUTH | {"close"} | BARS | told
    assert {name: fields[name].unit for name in MONTHLY} == MONTHLY
    with (shipped_folder() / "files.toml").open("rb") as file:
        mapped = tomllib.load(file)["fields"]
    units = {name: fields[name].unit for name in NETWORK}
    assert units == {name: mapped[name]["unit"] for name in NETWORK}
    assert fields["close"].unit == "USD"
    assert all(list(fields[name].values.columns) == [name] for name in {*NETWORK, *MONTHLY})


def test_no_asset_and_no_field_is_constant(
    closes: pd.DataFrame, fields: dict[str, Field], universe: Universe
) -> None:
    for name in universe.ids:
        assert closes[name].dropna().nunique() > 100
    for name in {*NETWORK, *MONTHLY}:
        assert fields[name].values[name].nunique() > 50
        assert fields[name].values.notna().all(axis=None)


# Volumes, highs and lows


def test_bars_are_of_the_days_with_a_price_of_all_but_cash(
    closes: pd.DataFrame, fields: dict[str, Field]
) -> None:
    risky = closes.drop(columns="CASH")
    for name in BARS:
        values = fields[name].values
        assert values.columns.tolist() == risky.columns.tolist()
        assert (values.notna() == risky.notna()).all(axis=None)
        assert fields[name].unit == "USD"
        assert fields[name].source == "simulated market"
        assert (fields[name].available_at == fields["close"].available_at).all()
    assert (fields["high"].values >= risky)[risky.notna()].stack().all()
    assert (fields["low"].values <= risky)[risky.notna()].stack().all()


def test_volumes_are_of_a_plausible_size_and_ranges_of_that_of_the_moves(
    closes: pd.DataFrame, fields: dict[str, Field]
) -> None:
    volume = fields["dollar_volume"].values.median()
    assert volume["SIMBTC"] > 1e9
    assert volume[["HASHCO", "NONCE", "MERKLE"]].between(1e7, 1e9).all()
    assert volume[["SIMNET", "SIMGPU"]].between(1e6, 1e8).all()
    ranges = np.log(fields["high"].values / fields["low"].values)
    moves = np.log(closes).diff()
    for name in ("SIMBTC", "SIMNET", "SIMGPU"):
        # The range of a Brownian day is 1.6 standard deviations on average.
        assert ranges[name].mean() / moves[name].std() == pytest.approx(1.55, abs=0.2)


def test_a_longer_period_has_the_same_bars_on_its_first_days() -> None:
    short, long = (whole(SampleMarket(years=years)) for years in (3, 5))
    for name in BARS:
        rows, first = short[name].values["SIMBTC"], long[name].values["SIMBTC"]
        same = rows.to_numpy() / first.loc[rows.index].to_numpy()
        assert same == pytest.approx(np.full(len(same), same[0]), rel=1e-9)


# Availability


def test_a_price_is_public_at_the_end_of_its_day(fields: dict[str, Field]) -> None:
    close = fields["close"]
    assert (close.available_at == decision_times(pd.DatetimeIndex(close.values.index))).all()


def test_a_power_price_is_public_75_days_after_its_month_and_a_rent_one(
    fields: dict[str, Field],
) -> None:
    for name, days in (("power_price", 75), ("ai_rent", 1)):
        months = pd.DatetimeIndex(fields[name].values.index)
        assert months.is_month_end.all()
        over = (months + pd.Timedelta(days=1)).tz_localize("UTC")
        assert (fields[name].available_at == over + pd.Timedelta(days=days)).all()


# Hard cases


def test_a_miner_and_an_ai_name_are_listed_years_into_the_period(
    market: SampleMarket, universe: Universe, closes: pd.DataFrame
) -> None:
    late = [asset for asset in universe if (asset.usable_from - market.start).days > 730]
    assert {asset.sleeve_on(market.last_session()) for asset in late} == {
        Sleeve.LEGACY_MINERS,
        Sleeve.AI_INFRASTRUCTURE,
    }
    assert closes["GRADIENT"].first_valid_index().date() == universe["GRADIENT"].usable_from
    assert closes["JOULES"].first_valid_index().date() < universe["JOULES"].usable_from


def test_the_bankruptcy_pays_a_part_of_the_last_price_weeks_after_it(
    universe: Universe, closes: pd.DataFrame, sessions: pd.DatetimeIndex
) -> None:
    (asset,) = [asset for asset in universe if asset.closing]
    closing, prices = asset.closing, closes[asset.id].dropna()
    assert closing is not None
    assert closing.value is not None
    assert closing.kind == "bankruptcy"
    assert prices.index[-1].date() == closing.last_session
    assert 0.0 < closing.value < 0.5 * prices.iloc[-1]
    traded_on = sessions[(sessions > str(closing.known_from)) & (sessions <= prices.index[-1])]
    waits = sessions[(sessions > prices.index[-1]) & (sessions <= str(closing.settlement))]
    assert len(traded_on) >= 5
    assert len(waits) >= 10
    assert prices.pct_change()[str(closing.known_from)] < -0.5


def test_a_declared_halt_lasts_more_than_ten_sessions_without_a_price(
    universe: Universe, closes: pd.DataFrame, sessions: pd.DatetimeIndex
) -> None:
    ((asset, halt),) = [(asset, halt) for asset in universe for halt in asset.halts]
    halted = sessions[(sessions >= str(halt.first)) & (sessions <= str(halt.last))]
    assert len(halted) > 10
    on_sessions = closes[asset.id].reindex(sessions)
    assert on_sessions.index[on_sessions.isna()].equals(halted)


def test_one_asset_has_a_short_hole_that_nobody_declared(
    universe: Universe, closes: pd.DataFrame, sessions: pd.DatetimeIndex
) -> None:
    holes = {}
    for asset in universe:
        if asset.closing or asset.halts:
            continue
        on_sessions = closes[asset.id].reindex(sessions).loc[str(asset.usable_from) :]
        if on_sessions.isna().any():
            holes[asset.id] = int(on_sessions.isna().sum())
    assert list(holes.values()) == [3]


def test_the_reverse_split_is_recorded_and_its_prices_do_not_jump(
    universe: Universe, closes: pd.DataFrame
) -> None:
    (action,) = universe.actions
    assert action.action == "reverse_split"
    around = closes[action.asset].dropna().pct_change()
    day = int(around.index.get_indexer([pd.Timestamp(action.day)])[0])
    assert day > 0
    assert around.iloc[day - 2 : day + 3].abs().max() < 0.5
    # A level adjusted as of the end: 40 USD were printed on the first session, 4,000 are delivered.
    assert closes[action.asset].dropna().iloc[0] == pytest.approx(40.0 * 100)


def test_two_miners_pivot_on_dated_sessions(universe: Universe, sessions: pd.DatetimeIndex) -> None:
    pivots = {
        asset.id: asset.memberships[1].since for asset in universe if len(asset.memberships) > 1
    }
    assert len(pivots) == 2
    assert len(set(pivots.values())) == 2
    for name, day in pivots.items():
        assert pd.Timestamp(day) in sessions
        assert universe[name].sleeve_on(day) is Sleeve.PIVOTING_MINERS
        before = universe[name].until(date(2017, 1, 3))
        assert [membership.sleeve for membership in before.memberships] == [Sleeve.LEGACY_MINERS]


@pytest.mark.parametrize("years", [2.0, 3.0, 15.0])
def test_hard_cases_are_inside_the_period_whatever_its_length(years: float) -> None:
    market = SampleMarket(years=years)
    universe, last = market.universe(), market.last_session()
    dated = [asset.usable_from for asset in universe]
    dated += [membership.since for asset in universe for membership in asset.memberships]
    dated += [halt.last for asset in universe for halt in asset.halts if halt.last]
    dated += [asset.closing.settlement for asset in universe if asset.closing]
    dated += [action.day for action in universe.actions]
    assert market.start <= min(dated)
    assert max(dated) < last
    assert not universe.until(market.start).actions


# Behaviour


@pytest.mark.parametrize("seed", range(21))
def test_levels_stay_sane_for_nine_years(seed: int) -> None:
    fields = whole(SampleMarket(seed=seed))
    closes = fields["close"].values
    assert closes.min().min() > 1e-3
    assert closes.max().max() < 1e7
    yearly = np.log(closes["SIMBTC"].iloc[-1] / closes["SIMBTC"].iloc[0]) / 9.0
    assert abs(yearly) < 0.6
    blocks = fields["blocks"].values["blocks"]
    assert blocks.min() > 30
    assert 140 < blocks.mean() < 150
    cash = closes["CASH"].pct_change().dropna()
    assert (cash > 0).all()
    assert cash.mean() * 365.25 < 0.05


def test_miners_move_with_bitcoin_and_ai_names_with_each_other(
    closes: pd.DataFrame, sessions: pd.DatetimeIndex, universe: Universe
) -> None:
    moves = np.log(closes.reindex(sessions)).diff()
    together = moves.corr()
    miners = [asset.id for asset in universe if asset.memberships[0].sleeve in MINERS]
    ordinary = [name for name in miners if name != NOISY]
    assert together.loc[ordinary, "SIMBTC"].min() > 0.3
    assert 0.1 < together.loc[NOISY, "SIMBTC"] < together.loc[ordinary, "SIMBTC"].min()
    assert together.loc["TENSOR", ["RACKS", "COOLANT", "GRADIENT"]].min() > 0.3
    assert together.loc["TENSOR", "SIMBTC"] < together.loc[ordinary, "SIMBTC"].min()
    assert together.loc[["SIMNET", "SIMGPU"], "SIMBTC"].min() > 0.3


def test_a_pivot_moves_a_miner_from_bitcoin_to_ai(
    closes: pd.DataFrame, sessions: pd.DatetimeIndex, universe: Universe
) -> None:
    moves = np.log(closes.reindex(sessions)).diff()
    for name in ("HASHCO", "NONCE"):
        pivot = pd.Timestamp(universe[name].memberships[1].since)
        early = moves[moves.index <= pivot].corr()
        late = moves[moves.index > pivot + pd.Timedelta(days=180)].corr()
        assert late.loc[name, "SIMBTC"] < early.loc[name, "SIMBTC"]
        assert late.loc[name, "TENSOR"] > early.loc[name, "TENSOR"] + 0.15


def test_returns_are_fat_tailed_and_their_size_clusters(closes: pd.DataFrame) -> None:
    moves = np.log(closes["SIMBTC"]).diff().dropna()
    assert moves.kurt() > 2.0
    assert moves.abs().autocorr(1) > 0.05
    assert abs(moves.autocorr(1)) < 0.06
    assert moves.std() * np.sqrt(365.25) == pytest.approx(0.55, rel=0.25)


def test_yesterday_of_the_hash_rate_does_not_predict_any_price() -> None:
    """Pooled over seeds: the regime of a hash ribbon and the next session's close to close."""
    explained = []
    for seed in range(20):
        fields = whole(SampleMarket(seed=seed))
        rate = fields["hash_rate"].values["hash_rate"]
        regime = (rate.rolling(30).mean() / rate.rolling(60).mean()).shift(1)
        closes = fields["close"].values
        for name in ("SIMBTC", "MERKLE"):
            prices = closes[name].dropna()
            ahead = np.log(prices).diff().shift(-2)  # decided after D, filled at D+1, earned to D+2
            explained.append(ahead.corr(regime.reindex(prices.index)))
    standard_error = np.std(explained) / np.sqrt(len(explained) / 2)  # two assets share a seed
    assert abs(np.mean(explained)) < 3.0 * standard_error


# Through the assembly


@pytest.mark.parametrize("clock", ["XNYS", "24/7"])
def test_assembly_accepts_it_on_both_clocks(clock: str, market: SampleMarket) -> None:
    panel = assemble([market], market.universe(), clock)  # type: ignore[arg-type]
    assert panel.simulated
    assert panel.universe.ids == market.universe().ids
    assert panel.sessions[0].date() == market.start
    assert panel.sessions[-1].date() == market.last_session()
    kinds = {notice.kind for notice in panel.notices}
    assert "simulated" in kinds
    assert any(notice.asset == "COOLANT" for notice in panel.notices)  # its hole is counted
    prices = panel.prices()
    closing = panel.universe["ORPHAN"].closing
    assert closing is not None
    assert prices.at[pd.Timestamp(closing.settlement), "ORPHAN"] == closing.value
    assert prices["ORPHAN"].loc[pd.Timestamp(closing.settlement) :].iloc[1:].isna().all()
    for asset in panel.universe:
        since = max(pd.Timestamp(2021, 1, 1), pd.Timestamp(asset.usable_from))
        assert asset.id == "ORPHAN" or prices.loc[since:, asset.id].notna().all()


def test_a_run_that_starts_later_still_says_that_it_is_simulated(market: SampleMarket) -> None:
    panel = assemble([market], market.universe(), "XNYS", date(2020, 1, 2), date(2020, 12, 31))
    assert "simulated" in {notice.kind for notice in panel.notices}
    assert "ORPHAN" in panel.universe.ids
    assert panel.universe["ORPHAN"].closing is None  # it files in 2021
