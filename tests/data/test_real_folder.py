"""The shipped mapping on the folder of real data, where HASHPIVOT_DATA names it."""

from __future__ import annotations

import os
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.clock import sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.catalog import read_universe
from toolkit.data.files import open_folder
from toolkit.panel import Panel
from toolkit.risk.liquidity import average_daily_volume, estimated_half_spread
from toolkit.universe import MINERS, Sleeve

SHIPPED = Path(strategies.__file__).parent
NAMED = os.environ.get("HASHPIVOT_DATA", "")
DATA = Path(NAMED)

pytestmark = pytest.mark.skipif(
    not NAMED, reason="HASHPIVOT_DATA is not set to a folder of real data"
)


@pytest.fixture(scope="module")
def panel() -> Panel:
    source, universe = open_folder(DATA, SHIPPED)
    return assemble([source], universe)


@pytest.fixture(scope="module")
def tokens() -> pd.DataFrame:
    return pd.read_csv(DATA / "crypto_tokens_daily.csv.gz", parse_dates=["date"])


def test_the_whole_folder_is_one_panel_of_real_prices(panel):
    assert len(panel.universe) == len(read_universe(SHIPPED / "universe.toml"))
    assert panel.sessions.equals(sessions_between("XNYS", date(2014, 1, 2), date(2025, 6, 30)))
    assert not panel.simulated
    counted = {name for name in panel.fields if name.startswith("announcements_")}
    assert len(counted) == 9
    assert set(panel.fields) - counted == {
        "close", "hash_rate", "blocks", "issuance", "fees", "hash_price", "difficulty",
        "epoch_days", "contracted_mw", "gpu_cloud_mw", "financed_mw", "energised_mw",
        "colocation_rent", "broad_equity", "semiconductors", "dollar_volume", "high", "low",
    }  # fmt: skip
    assert not any(str(DATA) in field.source for field in panel.fields.values())


def test_every_asset_has_prices_from_the_session_it_is_usable(panel):
    prices = panel.prices()
    for asset in panel.universe:
        usable = panel.sessions.searchsorted(pd.Timestamp(asset.usable_from))
        assert prices[asset.id].first_valid_index() == panel.sessions[usable], asset.id


def test_prices_are_those_of_the_files(panel):
    main = pd.read_csv(
        DATA / "equities_adjclose_daily.csv.gz", index_col="date", parse_dates=["date"]
    )
    prices = panel.prices()
    names = [asset.id for asset in panel.universe if asset.id in main]
    assert len(names) == 33
    for name, column in {**dict(zip(names, names, strict=True)), "CASH": "BIL"}.items():
        live = prices[name].dropna()
        np.testing.assert_array_equal(live, main[column].reindex(live.index), err_msg=name)
    # Known closes: Coin Metrics on the top of 2021, the first close of the new Core Scientific.
    assert prices.loc["2021-11-10", "BTC"] == pytest.approx(64_756, abs=1.0)
    assert prices.loc["2024-01-24", "CORZ"] == pytest.approx(3.44, abs=1e-9)


def test_names_that_are_gone_are_in_the_panel(panel):
    tradable = panel.tradable()
    for name in ("GREE", "SDIG", "DGHI", "BTCM", "MIGI"):
        assert tradable.index[tradable[name]][-1] == pd.Timestamp("2024-03-08")
        assert not panel.eligible().loc["2024-02-07":, name].any()
    old = panel.prices()["CORZ-2022"]
    assert tradable["CORZ-2022"].sum() == 239
    assert old["2022-12-30"] == old["2024-01-23"] == 0.0756
    assert old["2024-01-24"] == 0.344
    assert old["2024-01-25":].isna().all()


def test_fet_ends_undeclared_with_one_warning(panel):
    ends = [notice for notice in panel.notices if notice.kind == "undeclared_end"]
    assert [(notice.asset, notice.session) for notice in ends] == [("FET", "2025-06-12")]
    assert "crypto_tokens_daily.csv.gz" in ends[0].text
    assert panel.universe["FET"].closing.kind == "coverage_ended"


def test_there_is_no_hole(panel):
    assert {notice.kind for notice in panel.notices} == {
        "column_missing", "events_left_out", "events_outside", "source_switch", "undeclared_end",
    }  # fmt: skip


def test_every_token_return_is_one_that_a_single_source_had(panel, tokens):
    close = panel.field("close").values
    names = [asset.id for asset in panel.universe if asset.sleeve_on(asset.usable_from) is
             Sleeve.AI_TOKENS]  # fmt: skip
    joined = {"RENDER": [pd.Timestamp("2024-07-26")]}
    for name in names:
        series = close[name].dropna()
        own = tokens[tokens.asset == name].pivot(index="date", columns="source", values="close")
        quotes = own.reindex(series.index)
        moves = quotes / quotes.shift(1)
        gap = (moves.sub(series / series.shift(1), axis=0)).abs().min(axis=1).iloc[1:]
        # Across the migration of RENDER no source has both days: it is joined on its level.
        assert gap.index[gap.isna()].to_list() == joined.get(name, [])
        assert gap.max() < 1e-12
    switched = {notice.asset for notice in panel.notices if notice.kind == "source_switch"}
    assert switched == {"RENDER", "TAO", "NEAR", "GRT", "WLD"}


def test_render_is_halted_during_its_migration(panel):
    tradable = panel.tradable()["RENDER"]
    assert not tradable["2024-07-22":"2024-07-25"].any()
    assert tradable["2024-07-19"]
    assert tradable["2024-07-26"]
    assert panel.prices().loc["2024-07-22":"2024-07-25", "RENDER"].nunique() == 1


def test_the_largest_fall_of_difficulty_is_known_at_the_decision_of_its_day(panel):
    known = panel.known("difficulty")["difficulty"]
    # 2021-07-03 was a Saturday: the decision after Friday did not know, the one after Tuesday did.
    assert known["2021-07-06"] / known["2021-07-02"] - 1 == pytest.approx(-0.279427, abs=1e-6)


def test_no_epoch_length_is_known_before_the_next_epoch_starts(panel):
    epochs = pd.read_csv(DATA / "btc_difficulty_epochs.csv")
    starts = pd.DatetimeIndex(pd.to_datetime(epochs.start_time_utc_est))
    length = panel.field("epoch_days")
    assert len(length.values) == len(epochs) - 1
    assert (length.available_at == starts[1:] + pd.Timedelta(hours=6)).all()
    assert (panel.field("difficulty").available_at == starts + pd.Timedelta(hours=6)).all()


def test_the_change_of_difficulty_follows_from_the_length_that_was_known_by_then(panel):
    known = panel.known("difficulty").join(panel.known("epoch_days")).loc["2016":]
    change = known.difficulty / known.difficulty.shift(1)
    changed = (change != 1.0) & change.notna()
    assert changed.sum() > 200
    np.testing.assert_allclose(14.0 / known.epoch_days[changed], change[changed], rtol=2e-5)


def test_network_rows_are_known_one_session_later(panel):
    network = pd.read_csv(DATA / "btc_network_daily.csv.gz", index_col="date", parse_dates=["date"])
    day_before = panel.sessions - pd.Timedelta(days=1)
    for name, column, scale in (
        ("hash_rate", "hashrate_ehs", 1e18),
        ("hash_price", "hashprice_usd_per_phs_day", 1.0),
        ("blocks", "blocks", 1.0),
        ("issuance", "issuance_btc", 1.0),
        ("fees", "fees_btc", 1.0),
    ):
        expected = network[column].reindex(day_before).to_numpy() * scale
        np.testing.assert_array_equal(panel.known(name)[name], expected)


def test_usable_days_are_those_of_the_collectors_table(panel):
    table = pd.read_csv(DATA / "equities_universe.csv", index_col="ticker").usable_from
    for asset in panel.universe:
        if asset.id in table.index:
            assert str(asset.usable_from) == table[asset.id], asset.id


def test_a_miner_pivots_the_session_after_its_first_sourced_contract_was_public():
    events = pd.read_csv(DATA / "pivot_events.csv", parse_dates=["announce_date"])
    contracts = events[
        events.event_type.isin(["colo_contract", "gpu_cloud_contract"])
        & (events.source_status != "memory_unverified")
    ]
    public = contracts.announce_date.where(
        contracts.date_quality == "exact", contracts.announce_date + pd.Timedelta(days=7)
    )
    public = public.where(
        contracts.date_quality != "month", contracts.announce_date + pd.offsets.MonthEnd(0)
    )
    first = public.groupby(contracts.ticker.replace({"BITF": "KEEL"})).min()
    sessions = sessions_between("XNYS", date(2018, 1, 1), date(2026, 12, 31))
    for asset in read_universe(SHIPPED / "universe.toml"):
        if asset.memberships[0].sleeve not in MINERS or asset.closing:
            continue
        assert asset.memberships[0].since == asset.usable_from
        moves = [member.since for member in asset.memberships[1:]]
        after = sessions[sessions > first[asset.id]][0].date() if asset.id in first else None
        assert moves == ([after] if after else []), asset.id


def test_shipped_actions_are_the_sourced_rows_of_the_folder():
    carried = pd.read_csv(SHIPPED / "corporate_actions.csv", dtype=str).drop(columns="asset")
    table = pd.read_csv(DATA / "corporate_actions.csv", dtype=str)
    kept = table[table.source_status != "memory_unverified"].reset_index(drop=True)
    pd.testing.assert_frame_equal(carried, kept)


def test_a_panel_that_ends_early_is_the_whole_panel_as_it_was_then(panel):
    source, universe = open_folder(DATA, SHIPPED)
    ends = [date(2019, 8, 16), date(2022, 12, 28), date(2024, 2, 29), date(2024, 7, 31)]
    for end in ends:
        early, then = assemble([source], universe, end=end), panel.until(pd.Timestamp(end))
        assert early.universe.without_remarks() == then.universe
        for view in (Panel.prices, Panel.tradable, Panel.eligible):
            pd.testing.assert_frame_equal(view(early), view(then), check_exact=True)
        for name in set(early.fields) - {"close"}:
            pd.testing.assert_frame_equal(
                early.field(name).values, then.field(name).values, check_exact=True
            )


def test_both_clocks_hold_the_same_prices(panel):
    source, universe = open_folder(DATA, SHIPPED)
    daily = assemble([source], universe, clock="24/7", start=date(2023, 1, 3))
    assert daily.tradable()["CASH"].all()
    both = panel.sessions[panel.sessions >= daily.sessions[0]]
    shared = list(daily.universe.ids)
    traded = panel.tradable().loc[both, shared]
    pd.testing.assert_frame_equal(daily.tradable().loc[both, shared], traded, check_freq=False)
    pd.testing.assert_frame_equal(
        daily.prices().loc[both, shared].where(traded),
        panel.prices().loc[both, shared].where(traded),
        check_freq=False,
    )
    assert all(later > earlier for earlier, later in pairwise(daily.decisions))


# Liquidity


def test_volumes_have_the_size_that_was_really_traded(panel):
    volume = average_daily_volume(panel).loc["2023-12-29"] / 1e6
    # Nvidia traded some USD 20 billion a day then, Marathon 2 to 3, the small ones a few million.
    for name, low, high in (
        ("NVDA", 12_000, 30_000), ("MARA", 1_000, 4_000), ("RIOT", 200, 900), ("WULF", 15, 150),
        ("HIVE", 10, 60), ("SLNH", 0.05, 3), ("BTC", 500, 5_000), ("SMH", 800, 3_000),
    ):  # fmt: skip
        assert low < volume[name] < high, name


def test_where_volume_is_missing_it_is_unknown_and_not_guessed(panel):
    volume = average_daily_volume(panel)
    for name in ("RIOT", "CIFR", "HUT", "KEEL", "TSM"):
        assert volume[name].last_valid_index() == pd.Timestamp("2024-03-15")
    for name in ("MARA", "CLSK"):
        assert volume[name].last_valid_index() == pd.Timestamp("2025-02-13")
    assert volume.loc["2025-06-30", ["NVDA", "IREN", "BTC"]].notna().all()
    # Prints of one exchange and volumes of perpetual futures are no volume of the market.
    assert volume[["CORZ-2022", "TAO", "FET", "CASH", "CRWV"]].isna().all(axis=None)


def test_a_split_leaves_no_trace_in_what_was_traded(panel):
    traded = panel.field("dollar_volume").values
    for name, day in (("NVDA", "2024-06-10"), ("AVGO", "2024-07-15"), ("SMCI", "2024-10-01"),
                      ("ANET", "2021-11-18"), ("NVDA", "2021-07-20")):  # fmt: skip
        place = traded.index.get_loc(pd.Timestamp(day))
        rows = traded[name].dropna()
        before = rows[rows.index < traded.index[place]].iloc[-20:].median()
        after = rows[rows.index >= traded.index[place]].iloc[:20].median()
        assert 0.4 < after / before < 2.5, name


def test_volumes_of_two_files_agree_where_they_overlap(panel):
    columns = ["date", "ticker", "close", "volume"]
    one, other = (
        pd.read_parquet(DATA / f"equities_ohlcv_{name}.parquet", columns=columns)
        for name in ("daily_2014_2024", "daily_2023_2025")
    )
    both = one.merge(other, on=["date", "ticker"])
    traded = both.close_x * both.volume_x / (both.close_y * both.volume_y)
    assert both.ticker.nunique() >= 10
    assert traded.groupby(both.ticker, observed=True).median().between(0.99, 1.01).all()


def test_closes_lie_between_low_and_high(panel):
    high, low = (panel.field(name).values for name in ("high", "low"))
    close = panel.field("close").values[high.columns].reindex(high.index)
    assert high.notna().sum().sum() > 40_000
    assert not (close > high * (1.0 + 1e-12)).any(axis=None)
    assert not (close < low * (1.0 - 1e-12)).any(axis=None)


def test_small_miners_have_wider_spreads_than_large_chip_makers(panel):
    spread = estimated_half_spread(panel).loc["2021":"2023"].median() * 1e4
    assert spread[["NVDA", "AMD", "AVGO", "TSM", "MU"]].max() < 10.0
    assert spread[["SLNH", "EBON", "BTCM", "MIGI"]].min() > 15.0
