"""What a user hands to `simulate`: refused with the place named, or taken as it is meant."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.ledger import simulate
from toolkit.errors import ConfigError, DataError, UnknownAssetError
from toolkit.optimize.costs import CostRates

SESSIONS = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04", "2024-01-05"])
RATES = CostRates(fee=0.001, slippage=0.002)


@pytest.fixture
def prices() -> pd.DataFrame:
    return pd.DataFrame(
        {"BTC": [100.0, 101.0, 99.0, 102.0], "MARA": [20.0, 21.0, 19.0, 22.0]}, SESSIONS
    )


@pytest.fixture
def targets() -> pd.DataFrame:
    return pd.DataFrame({"BTC": [0.5, 0.4], "MARA": [0.5, 0.3]}, SESSIONS[[0, 2]])


def refuses(kind: type[Exception], *parts: str):
    return pytest.raises(kind, match=".*".join(re.escape(part) for part in parts))


def same(one, other) -> bool:
    return np.array_equal(one.equity.to_numpy(), other.equity.to_numpy())


# Prices


def test_unsorted_sessions_are_refused(prices, targets):
    with refuses(DataError, "prices: session 2024-01-03", "out of order; sort"):
        simulate(prices.iloc[[0, 2, 1, 3]], targets)


def test_a_repeated_session_is_refused(prices, targets):
    with refuses(DataError, "prices: session 2024-01-04 repeats"):
        simulate(prices.iloc[[0, 1, 2, 2, 3]], targets)


@pytest.mark.parametrize("twin", ["MARA", "BTC"])
def test_a_repeated_column_is_refused(prices, targets, twin):
    with refuses(DataError, "prices: more than one column for", twin):
        simulate(pd.concat([prices, prices[[twin]]], axis=1), targets)


def test_columns_that_read_the_same_are_refused(prices, targets):
    frame = prices.set_axis([1, "1"], axis=1)
    with refuses(DataError, "prices: more than one column for 1"):
        simulate(frame, targets.set_axis([1, "1"], axis=1))


@pytest.mark.parametrize("wrong", [-1.0, np.inf, -np.inf])
def test_a_negative_or_infinite_price_is_refused(prices, targets, wrong):
    prices.loc["2024-01-04", "MARA"] = wrong
    with refuses(DataError, "prices: MARA on 2024-01-04", str(wrong), "positive finite"):
        simulate(prices, targets)


@pytest.mark.parametrize("between", [0.0, np.nan])
def test_a_price_after_zero_is_refused(prices, targets, between):
    prices.loc["2024-01-03", "MARA"] = 0.0
    prices.loc["2024-01-04", "MARA"] = between
    with refuses(DataError, "prices: MARA on 2024-01-03 is 0.0", "0 for good"):
        simulate(prices, targets)


def test_a_price_of_zero_for_good_is_a_loss(prices, targets):
    prices.loc["2024-01-04":, "MARA"] = 0.0
    account = simulate(prices, targets, RATES)
    assert account.weights["MARA"].tolist()[2:] == [0.0, 0.0]
    assert set(account.orders["asset"][account.orders["session"] > SESSIONS[1]]) == {"BTC"}


def test_a_missing_price_is_no_trade_and_keeps_the_value(prices, targets):
    prices.loc["2024-01-05", "MARA"] = np.nan
    account = simulate(prices, targets, RATES)
    assert account.ordered_units.loc["2024-01-05", "MARA"] == 0.0
    assert account.ordered_units.loc["2024-01-05", "BTC"] != 0.0
    worth = account.units["MARA"].iloc[3] * 19.0 + account.units["BTC"].iloc[3] * 102.0
    assert account.equity.iloc[3] == pytest.approx(worth + account.cash.iloc[3], rel=1e-14)


@pytest.mark.parametrize("labels", [range(4), ["a", "b", "c", "d"]])
def test_rows_that_are_not_days_are_refused(prices, targets, labels):
    with refuses(DataError, "prices must have", "DatetimeIndex", "4 rows of"):
        simulate(prices.set_axis(list(labels), axis=0), targets)


def test_a_row_without_a_day_is_refused(prices, targets):
    frame = prices.set_axis(pd.DatetimeIndex([*SESSIONS[:3], pd.NaT]), axis=0)
    with refuses(DataError, "prices must have", "NaT"):
        simulate(frame, targets)


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame(),
        pd.DataFrame(index=SESSIONS),
        pd.DataFrame({"BTC": []}, pd.DatetimeIndex([]), dtype=float),
    ],
)
def test_an_empty_price_frame_is_refused(frame, targets):
    with refuses(DataError, "prices must have", "found"):
        simulate(frame, targets)


@pytest.mark.parametrize("column", [["20", "21", "19", "22"], [True, True, False, True]])
def test_what_is_no_number_is_refused(prices, targets, column):
    frame = prices.assign(MARA=column)
    with refuses(DataError, "prices: column 'MARA' holds", "expected numbers"):
        simulate(frame, targets)


def test_numbers_stored_as_objects_are_refused(prices, targets):
    with refuses(DataError, "prices: column 'BTC' holds object"):
        simulate(prices.astype(object), targets)


@pytest.mark.parametrize("dtype", ["int64", "float32", "Float64", "Int64"])
def test_any_number_type_gives_the_same_account(prices, targets, dtype):
    assert same(simulate(prices.astype(dtype), targets, RATES), simulate(prices, targets, RATES))


def test_sessions_with_a_time_zone_are_labels_like_others(prices, targets):
    aware = prices.tz_localize("America/New_York"), targets.tz_localize("America/New_York")
    account = simulate(*aware, RATES)
    assert same(account, simulate(prices, targets, RATES))
    assert str(account.equity.index.tz) == "America/New_York"


def test_changing_the_prices_afterwards_leaves_the_account_as_it_was(prices, targets):
    account = simulate(prices, targets, RATES)
    prices.iloc[:, :] = 1.0
    assert account.orders["price"].tolist() == [101.0, 21.0, 102.0, 22.0]


# Targets


def test_a_target_above_one_is_refused(prices, targets):
    targets.loc["2024-01-04"] = [0.7, 0.4]
    with refuses(DataError, "target of 2024-01-04 sums to more than 1", "'BTC': 0.7, 'MARA': 0.4"):
        simulate(prices, targets)


def test_a_negative_target_is_refused(prices, targets):
    targets.loc["2024-01-04", "MARA"] = -0.1
    with refuses(DataError, "target of 2024-01-04 has a negative weight", "'MARA': -0.1"):
        simulate(prices, targets)


def test_a_partly_missing_target_is_refused(prices, targets):
    targets.loc["2024-01-04", "MARA"] = np.nan
    with refuses(DataError, "target of 2024-01-04 is partly NaN", "'MARA': nan"):
        simulate(prices, targets)


@pytest.mark.parametrize("row", [[np.inf, 0.0], [np.inf, -np.inf], [0.2, -np.inf]])
def test_an_infinite_target_is_refused(prices, targets, row):
    targets.loc["2024-01-04"] = row
    with refuses(DataError, "target of 2024-01-04 is infinite"):
        simulate(prices, targets)


def test_an_unknown_asset_is_refused_with_a_suggestion(prices, targets):
    with refuses(UnknownAssetError, "targets name 'MARRA'. Did you mean 'MARA'?"):
        simulate(prices, targets.rename(columns={"MARA": "MARRA"}))


def test_a_target_on_a_day_that_is_no_session_is_refused(prices, targets):
    stranger = targets.set_axis(pd.DatetimeIndex(["2024-01-02", "2024-01-06"]), axis=0)
    with refuses(DataError, "targets: 2024-01-06", "is no session of the prices"):
        simulate(prices, stranger)


@pytest.mark.parametrize("rows", [["2024-01-02", "2024-01-04"], [0, 1]])
def test_targets_labelled_by_something_else_are_refused(prices, targets, rows):
    with refuses(DataError, f"targets: {rows[0]!r} is no session", "DatetimeIndex"):
        simulate(prices, targets.set_axis(pd.Index(rows, dtype=object), axis=0))


def test_targets_in_another_time_zone_are_refused(prices, targets):
    with refuses(DataError, "targets: 2024-01-02", "+00:00 is no session"):
        simulate(prices, targets.tz_localize("UTC"))


@pytest.mark.parametrize("given", [None, 1, np.ones((3, 2)), pd.Series([1.0])])
def test_what_is_no_frame_is_refused_naming_what_it_is(prices, targets, given):
    found = "None" if given is None else type(given).__name__
    with pytest.raises(DataError, match=f"^targets must be a DataFrame .*found {found}"):
        simulate(prices, given)
    with pytest.raises(DataError, match=f"^prices must be a DataFrame .*found {found}"):
        simulate(given, targets)


def test_repeated_targets_are_refused(prices, targets):
    with refuses(DataError, "targets: session 2024-01-04", "repeats"):
        simulate(prices, targets.iloc[[0, 1, 1]])
    with refuses(DataError, "targets: more than one column for MARA"):
        simulate(prices, pd.concat([targets, targets[["MARA"]]], axis=1))


def test_targets_that_are_no_numbers_are_refused(prices, targets):
    with refuses(DataError, "targets: column 'MARA' holds", "expected numbers"):
        simulate(prices, targets.assign(MARA=["0.5", "0.3"]))


def test_an_absent_asset_has_weight_zero_and_is_sold(prices):
    first = pd.DataFrame({"BTC": [0.4], "MARA": [0.4]}, SESSIONS[[0]])
    only = pd.DataFrame({"MARA": [0.4, 0.4]}, SESSIONS[[0, 1]])
    given = pd.concat([first, only.iloc[[1]].assign(BTC=0.0)])
    assert simulate(prices, given, RATES).units["BTC"].tolist()[2:] == [0.0, 0.0]
    assert same(simulate(prices, only), simulate(prices, only.assign(BTC=0.0)))


def test_columns_and_rows_of_targets_may_come_in_any_order(prices, targets):
    mixed = targets.iloc[::-1, ::-1]
    assert same(simulate(prices, mixed, RATES), simulate(prices, targets, RATES))


def test_columns_may_be_numbers(prices, targets):
    account = simulate(prices.set_axis([0, 1], axis=1), targets.set_axis([0, 1], axis=1), RATES)
    assert same(account, simulate(prices, targets, RATES))


@pytest.mark.parametrize("kind", ["no rows", "all NaN", "no columns"])
def test_without_a_decision_everything_stays_cash(prices, targets, kind):
    none = {
        "no rows": targets.iloc[:0],
        "all NaN": targets * np.nan,
        "no columns": pd.DataFrame(),
    }[kind]
    account = simulate(prices, none, RATES)
    assert len(account.orders) == 0
    assert account.equity.tolist() == [1e6] * 4


def test_a_row_of_nan_is_no_decision(prices, targets):
    dense = targets.reindex(SESSIONS)
    assert same(simulate(prices, dense, RATES), simulate(prices, targets, RATES))


def test_a_sum_that_rounding_brought_above_one_is_accepted(prices):
    sevenths = pd.DataFrame({"BTC": [0.7 + 3e-10], "MARA": [0.3]}, SESSIONS[[0]])
    assert simulate(prices, sevenths).weights.iloc[1].sum() == pytest.approx(1.0, abs=1e-9)


# The rest


@pytest.mark.parametrize("cash", [999.99, 0.0, -5.0, np.nan, np.inf])
def test_initial_cash_that_cannot_be_used_is_refused(prices, targets, cash):
    with refuses(ConfigError, f"initial_cash = {cash:g}", "at least 1000"):
        simulate(prices, targets, initial_cash=cash)


def test_closing_order_with_an_unknown_asset_is_refused_with_a_suggestion(prices, targets):
    with refuses(UnknownAssetError, "closing_order names 'BTCC'. Did you mean 'BTC'?"):
        simulate(prices, targets, closing_order={"BTCC": 1})


@pytest.mark.parametrize("stage", [-1, 4, 0.5, "late"])
def test_an_unknown_stage_is_refused(prices, targets, stage):
    with refuses(ConfigError, f"closing_order: BTC has stage {stage!r}", "0 (closes first) to 3"):
        simulate(prices, targets, closing_order={"BTC": stage})


def test_tradable_of_another_shape_is_refused(prices, targets):
    flags = prices.notna()
    with refuses(DataError, "tradable: its 3 sessions are not the 4 sessions of prices"):
        simulate(prices, targets, tradable=flags.iloc[1:])
    with refuses(DataError, "tradable: its 1 assets are not the 2 assets of prices"):
        simulate(prices, targets, tradable=flags[["BTC"]])
    with refuses(DataError, "tradable: its 2 assets are not the 2 assets", "their order"):
        simulate(prices, targets, tradable=flags[["MARA", "BTC"]])


@pytest.mark.parametrize("hole", [np.nan, None, 1.0])
def test_tradable_with_holes_is_refused(prices, targets, hole):
    flags = prices.notna().astype(object)
    flags.iloc[2, 1] = hole
    with refuses(DataError, "tradable: column", "holds object, expected bool"):
        simulate(prices, targets, tradable=flags)


def test_what_is_not_tradable_waits(prices, targets):
    flags = prices.notna()
    flags.loc["2024-01-03", "MARA"] = False
    account = simulate(prices, targets.iloc[:1], RATES, tradable=flags)
    assert account.ordered_units["MARA"].ne(0.0).tolist() == [False, False, True, False]
    assert account.ordered_units["BTC"].ne(0.0).tolist() == [False, True, False, False]


def test_rates_and_stages_reach_the_account(prices, targets):
    free, paid = simulate(prices, targets), simulate(prices, targets, RATES)
    assert free.fees.sum() == free.slippage.sum() == 0.0
    assert paid.fees.sum() > 0.0 < paid.slippage.sum()
    late = simulate(prices, targets.iloc[:1], closing_order={"BTC": 1})
    moved = prices.assign(BTC=[100.0, 200.0, 99.0, 102.0])
    other = simulate(moved, targets.iloc[:1], closing_order={"BTC": 1})
    assert late.units["MARA"].iloc[1] == other.units["MARA"].iloc[1] > 0.0
