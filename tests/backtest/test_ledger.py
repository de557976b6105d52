"""The ledger against the timing contract: exact arithmetic, hand-made cases and invariants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.ledger import Ledger, Market, Simulation, simulate
from toolkit.errors import ConfigError
from toolkit.optimize.costs import CostRates

CLOSED, OPEN, SELL_ONLY = 0, 1, 2
SEEDS = range(80)
FEW = range(0, 80, 4)
FEE, SLIPPAGE = 0.004, 0.006
RATES = CostRates(fee=FEE, slippage=SLIPPAGE)
PAYS, RECEIVES = (1 + SLIPPAGE) * (1 + FEE), (1 - SLIPPAGE) * (1 - FEE)
CASH = 10_000.0


def market(prices: dict[str, list[float]], **changes: object) -> Market:
    """A market that is open all day, with the costs above; `CASH` would be the cash asset."""
    values = np.array(list(prices.values()), dtype=float).T.copy()
    rows, count = values.shape
    cash = list(prices).index("CASH") if "CASH" in prices else -1
    fee, slippage = np.full((rows, count), FEE), np.full((rows, count), SLIPPAGE)
    if cash >= 0:
        fee[:, cash] = slippage[:, cash] = 0.0
    built = Market(
        sessions=pd.date_range("2024-01-01", periods=rows),
        assets=tuple(prices),
        prices=values,
        permission=np.where(np.isnan(values), CLOSED, OPEN).astype(np.int8),
        stage=np.zeros(count, dtype=np.int64),
        settlement=np.full(count, -1, dtype=np.int64),
        fee=fee,
        slippage=slippage,
        cash_column=cash,
    )
    return replace(built, **changes)


def account(terms: Market, orders: dict[int, list[float]]) -> Simulation:
    ledger = Ledger(terms, CASH)
    for row, weights in orders.items():
        ledger.advance(row)
        ledger.place(row, np.array(weights))
    ledger.advance(len(terms.sessions))
    return ledger.simulation()


def values_of(simulation: Simulation) -> np.ndarray:
    return simulation.book.holdings * np.nan_to_num(simulation.market.prices)


def shift(one: Simulation, other: Simulation) -> float:
    """Largest difference of equity or of a holding's value, as a fraction of equity."""
    equity = one.book.equity
    money = np.abs(one.book.equity - other.book.equity) / equity
    held = np.abs(values_of(one) - values_of(other)) / equity[:, None]
    return float(max(money.max(), held.max()))


# The reference


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ledger_equals_the_exact_reference(seed, draw_case, decimal_account):
    case = draw_case(seed)
    simulation, exact = case.run(), decimal_account(case)
    book, prices = simulation.book, np.nan_to_num(case.market.prices)
    equity = np.array([float(value) for value in exact.equity])
    ordered = np.zeros_like(book.trades)
    for row, trades in enumerate(exact.trades):
        for column, units in trades.items():
            ordered[row, column] = float(units)
    assert np.max(np.abs(book.equity - equity) / equity) <= 1e-12
    assert np.max(np.abs((book.trades - ordered) * prices) / equity[:, None]) <= 1e-12
    assert np.array_equal(book.trades != 0.0, ordered != 0.0)


def test_the_random_markets_contain_what_is_hard(draw_case, decimal_account):
    waited = overdrawn = sold_at_the_end = wiped_out = bought_late = shrunk = 0
    for seed in SEEDS:
        case = draw_case(seed)
        simulation, terms = case.run(), case.market
        made = simulation.book.trades != 0.0
        rows = np.arange(len(made))
        risky = [i for i in range(made.shape[1]) if i != terms.cash_column]
        waited += made[~np.isin(rows, list(case.orders))][:, risky].sum()
        overdrawn += simulation.overdraft > 1e-6
        shrunk += decimal_account(case).shrunk
        bought_late += (made & (rows[:, None] > 0) & np.isnan(terms.prices[:1])).any()
        for column in np.flatnonzero(terms.settlement >= 0):
            row = terms.settlement[column]
            held = simulation.book.holdings[row - 1, column] > 0.0
            sold_at_the_end += held and terms.prices[row, column] > 0.0
            wiped_out += held and terms.prices[row, column] == 0.0
    counts = (waited, overdrawn, shrunk, sold_at_the_end, wiped_out, bought_late)
    assert min(counts) >= 5, counts


# The contract, by hand


def test_a_purchase_pays_slippage_and_fee_and_its_weight_is_of_what_is_left():
    simulation = account(market({"A": [50.0, 50.0, 60.0]}), {1: [0.5]})
    # v bought, v * (pays - 1) lost: v = 0.5 * (10,000 - v * (pays - 1)).
    value = 0.5 * CASH / (1 + 0.5 * (PAYS - 1))
    assert simulation.units["A"].tolist() == pytest.approx([0, value / 50, value / 50], rel=1e-14)
    assert simulation.cash.iloc[-1] == pytest.approx(CASH - value * PAYS, rel=1e-14)
    assert simulation.weights["A"].iloc[1] == pytest.approx(0.5, rel=1e-14)
    assert simulation.equity.iloc[-1] == pytest.approx(CASH - value * (PAYS - 1) + value * 0.2)
    assert simulation.fees.sum() == pytest.approx(value * (1 + SLIPPAGE) * FEE, rel=1e-12)
    assert simulation.slippage.sum() == pytest.approx(value * SLIPPAGE, rel=1e-12)


def test_a_sale_receives_less_by_slippage_and_fee():
    simulation = account(market({"A": [50.0, 80.0]}), {0: [1.0], 1: [0.0]})
    bought = CASH / PAYS / 50.0
    assert simulation.equity.iloc[-1] == pytest.approx(bought * 80.0 * RECEIVES, rel=1e-14)
    assert simulation.units["A"].iloc[-1] == 0.0


def test_an_order_waits_until_it_can_be_filled_and_is_sized_then():
    closed = np.array([[OPEN, OPEN], [CLOSED, OPEN], [CLOSED, OPEN], [OPEN, OPEN]], dtype=np.int8)
    prices = {"A": [10.0, 10.0, 10.0, 10.0], "B": [10.0, 10.0, 20.0, 20.0]}
    simulation = account(market(prices, permission=closed), {1: [0.4, 0.4]})
    assert (simulation.units["A"] > 0).tolist() == [False, False, False, True]
    assert (simulation.units["B"] > 0).tolist() == [False, True, True, True]
    assert simulation.weights["A"].iloc[3] == pytest.approx(0.4, rel=1e-14)
    assert simulation.weights["B"].iloc[3] > 0.5


def test_a_newer_decision_replaces_a_waiting_order():
    closed = np.array([[CLOSED], [CLOSED], [OPEN], [OPEN]], dtype=np.int8)
    simulation = account(market({"A": [10.0] * 4}, permission=closed), {0: [0.9], 1: [0.2]})
    assert simulation.weights["A"].tolist() == pytest.approx([0, 0, 0.2, 0.2], rel=1e-14)


def test_purchases_shrink_by_one_factor_when_a_sale_is_stuck():
    closed = np.array([[OPEN] * 3, [CLOSED, OPEN, OPEN]], dtype=np.int8)
    prices = {"A": [10.0, 10.0], "B": [20.0, 20.0], "C": [5.0, 5.0]}
    simulation = account(market(prices, permission=closed), {0: [0.6, 0, 0], 1: [0, 0.75, 0.25]})
    held = simulation.weights.iloc[1]
    assert held["B"] / held["C"] == pytest.approx(3.0, rel=1e-14)
    assert simulation.units["A"].iloc[1] == simulation.units["A"].iloc[0]
    assert simulation.cash.iloc[1] == pytest.approx(0.0, abs=1e-9)
    assert simulation.overdraft == 0.0


def test_an_asset_that_may_only_be_sold_is_sold_but_never_bought():
    rule = np.array([[OPEN, OPEN], [SELL_ONLY, SELL_ONLY], [OPEN, OPEN]], dtype=np.int8)
    prices = {"A": [10.0] * 3, "B": [10.0] * 3}
    simulation = account(market(prices, permission=rule), {0: [0.5, 0.2], 1: [0.3, 0.6]})
    assert simulation.weights["A"].iloc[1] == pytest.approx(0.3, rel=1e-14)
    assert simulation.units["B"].nunique() == 1


def test_assets_that_close_later_are_valued_at_their_previous_close_while_others_are_bought():
    prices = {"SHARE": [10.0, 10.0, 10.0], "BTC": [100.0, 100.0, 150.0], "CASH": [1.0, 1.0, 1.0]}
    terms = market(prices, stage=np.array([0, 1, 0]))
    simulation = account(replace(terms, fee=terms.fee * 0, slippage=terms.slippage * 0),
                         {0: [0.0, 0.5, 0.5], 2: [0.5, 0.5, 0.0]})  # fmt: skip
    # At New York's close equity is 10,000; at midnight the coin has made it 12,500.
    assert simulation.units["SHARE"].iloc[2] == pytest.approx(500.0, rel=1e-14)
    assert simulation.units["BTC"].iloc[2] == pytest.approx(0.5 * 12_500.0 / 150.0, rel=1e-14)


@pytest.mark.parametrize("seed", range(0, 80, 2))
def test_the_later_close_of_a_fill_day_does_not_change_what_was_bought_before_it(seed, draw_case):
    case = draw_case(seed)
    terms, before = case.market, case.run().book.trades
    early = (terms.stage == 0) & (np.arange(len(terms.stage)) != terms.cash_column)
    for row in case.orders:
        moved = terms.prices.copy()
        moved[row:, ~early & (np.arange(len(early)) != terms.cash_column)] *= 1.37
        after = case.run(replace(terms, prices=moved)).book.trades
        assert np.array_equal(before[: row + 1][:, early], after[: row + 1][:, early])


def test_that_perturbation_does_change_what_is_bought_after_it(draw_case):
    changed = 0
    for seed in range(0, 20, 2):
        case = draw_case(seed)
        moved = case.market.prices * np.where(case.market.stage == 1, 1.37, 1.0)
        after = case.run(replace(case.market, prices=moved)).book.trades
        changed += not np.array_equal(case.run().book.trades, after)
    assert changed >= 8


def test_an_end_of_coverage_sells_with_costs_and_ends_a_waiting_order():
    terms = market({"A": [10.0, 20.0, np.nan]}, settlement=np.array([1]))
    simulation = account(terms, {0: [0.5], 1: [0.9]})
    bought = 0.5 * CASH / (1 + 0.5 * (PAYS - 1)) / 10.0
    assert simulation.ordered_units["A"].iloc[1] == pytest.approx(-bought, rel=1e-14)
    left = CASH - bought * 10.0 * PAYS + bought * 20.0 * RECEIVES
    assert simulation.equity.tolist()[1:] == pytest.approx([left, left], rel=1e-14)


def test_a_settlement_pays_while_trading_is_closed():
    terms = market({"A": [10.0, 10.0, 4.0, np.nan]}, settlement=np.array([2]))
    terms.permission[1:] = CLOSED
    terms.fee[2] = terms.slippage[2] = 0.0
    simulation = account(terms, {0: [0.5]})
    bought = 0.5 * CASH / (1 + 0.5 * (PAYS - 1)) / 10.0
    assert simulation.cash.iloc[-1] == pytest.approx(CASH - bought * 10.0 * PAYS + bought * 4.0)
    assert simulation.units["A"].tolist()[2:] == [0.0, 0.0]


def test_a_wipe_out_is_a_loss_without_an_order():
    terms = market({"A": [10.0, 10.0, 0.0, np.nan]}, settlement=np.array([2]))
    simulation = account(terms, {0: [0.5]})
    assert len(simulation.orders) == 1
    assert simulation.equity.iloc[-1] == simulation.cash.iloc[0]
    assert simulation.units["A"].tolist()[2:] == [0.0, 0.0]


def test_an_account_that_lost_all_stays_at_zero_without_warnings():
    # Many prices: what rounding leaves of the cash differs.
    for price in np.random.default_rng(2).uniform(1.0, 100.0, 50):
        simulation = account(market({"A": [price, 1.3 * price, 0.0, 0.0]}), {0: [0.4], 1: [1.0]})
        assert simulation.equity.tolist()[2:] == [0.0, 0.0]
        assert simulation.returns.tolist()[1:] == [-1.0, 0.0]
        assert simulation.weights["A"].tolist()[2:] == [0.0, 0.0]
        assert simulation.overdraft == 0.0


def test_the_cash_asset_takes_all_that_is_left_and_earns_its_return():
    prices = {"CASH": [100.0, 101.0, 102.0], "A": [10.0, 10.0, 10.0]}
    simulation = account(market(prices), {1: [0.1, 0.4]})
    assert simulation.equity.iloc[1] < CASH * 1.01  # costs
    assert simulation.units["CASH"].iloc[0] == pytest.approx(CASH / 100.0, rel=1e-14)
    assert simulation.weights["CASH"].iloc[1] == pytest.approx(0.6, rel=1e-14)
    assert simulation.cash.abs().max() < 1e-9
    expected = simulation.equity.iloc[1] * (1 + 0.6 / 101.0)
    assert simulation.equity.iloc[2] == pytest.approx(expected, rel=1e-14)


def test_an_overdraft_is_a_short_cash_asset_and_is_reported():
    prices = {"SHARE": [10.0] * 2, "BTC": [100.0, 60.0], "CASH": [1.0] * 2}
    terms = market(prices, stage=np.array([0, 1, 0]))
    simulation = account(terms, {0: [0.0, 1.0, 0.0], 1: [1.0, 0.0, 0.0]})
    assert simulation.units["CASH"].iloc[1] < 0.0
    assert simulation.overdraft == pytest.approx(-simulation.weights["CASH"].iloc[1], rel=1e-12)
    assert 0.3 < simulation.overdraft < 0.8


# Invariants


@pytest.mark.parametrize("seed", FEW)
def test_the_order_of_assets_does_not_matter(seed, draw_case):
    case = draw_case(seed)
    order = np.random.default_rng(seed).permutation(len(case.market.assets))
    one, other = case.run(), case.permuted(order).run()
    assert np.max(np.abs(one.book.equity / other.book.equity - 1.0)) <= 1e-12
    moved = np.abs(values_of(one)[:, order] - values_of(other)) / one.book.equity[:, None]
    assert moved.max() <= 1e-12


@pytest.mark.parametrize("seed", FEW)
def test_cash_and_holdings_are_equity_and_returns_compound_to_it(seed, draw_case):
    simulation = draw_case(seed).run()
    parts = simulation.cash + values_of(simulation).sum(axis=1)
    assert np.max(np.abs(parts / simulation.equity - 1.0)) <= 1e-12
    compounded = simulation.equity.iloc[0] * (1.0 + simulation.returns).cumprod()
    assert np.max(np.abs(compounded / simulation.equity.iloc[1:] - 1.0)) <= 1e-12
    with_cash = simulation.weights.sum(axis=1) + simulation.cash / simulation.equity
    assert np.max(np.abs(with_cash - 1.0)) <= 1e-12


@pytest.mark.parametrize("seed", FEW)
def test_cutting_the_data_leaves_everything_before_bit_equal(seed, draw_case):
    case = draw_case(seed)
    terms, whole = case.market, case.run().book
    for rows in (len(terms.sessions) // 3, len(terms.sessions) // 2, len(terms.sessions) - 1):
        cut = replace(
            terms,
            sessions=terms.sessions[:rows],
            settlement=np.where(terms.settlement < rows, terms.settlement, -1),
            **{name: getattr(terms, name)[:rows].copy()
               for name in ("prices", "permission", "fee", "slippage")},
        )  # fmt: skip
        orders = {row: weights for row, weights in case.orders.items() if row < rows}
        part = type(case)(cut, orders).run().book
        for name in ("equity", "trades", "holdings", "cash", "fees", "slipped"):
            assert np.array_equal(getattr(part, name), getattr(whole, name)[:rows]), name


@pytest.mark.parametrize("seed", FEW)
def test_assets_that_can_never_be_held_change_nothing(seed, draw_case):
    case = draw_case(seed)
    terms = case.market
    rows = len(terms.sessions)
    unlisted, closed = np.full((rows, 1), np.nan), np.full((rows, 1), 7.0)
    wider = replace(
        terms,
        assets=(*terms.assets, "UNLISTED", "CLOSED"),
        prices=np.hstack([terms.prices, unlisted, closed]),
        permission=np.hstack([terms.permission, np.zeros((rows, 2), dtype=np.int8)]),
        stage=np.append(terms.stage, [0, 1]),
        settlement=np.append(terms.settlement, [-1, -1]),
        fee=np.hstack([terms.fee, np.full((rows, 2), FEE)]),
        slippage=np.hstack([terms.slippage, np.full((rows, 2), FEE)]),
    )
    orders = {row: np.append(weights, [0.0, 0.0]) for row, weights in case.orders.items()}
    one, other = case.run().book, type(case)(wider, orders).run().book
    assert np.array_equal(one.equity, other.equity)
    assert np.array_equal(one.trades, other.trades[:, :-2])


@pytest.mark.parametrize("seed", FEW)
def test_costs_towards_zero_converge_to_the_frictionless_path(seed, draw_case):
    case = draw_case(seed)
    terms = case.market

    def at(share: float) -> Simulation:
        return case.run(replace(terms, fee=terms.fee * share, slippage=terms.slippage * share))

    free = at(0.0)
    gaps = [shift(free, at(share)) for share in (1.0, 0.1, 0.01, 1e-4, 1e-8)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] <= 1e-6 * gaps[0] + 1e-12
    assert free.fees.sum() == free.slippage.sum() == 0.0


@pytest.mark.parametrize("seed", FEW)
def test_scaling_capital_scales_the_path(seed, draw_case):
    case = draw_case(seed)
    one, other = case.run(initial_cash=1e5), case.run(initial_cash=7.3e5)
    assert np.max(np.abs(other.book.equity / one.book.equity / 7.3 - 1.0)) <= 1e-12
    moved = np.abs(values_of(other) / 7.3 - values_of(one)) / one.book.equity[:, None]
    assert moved.max() <= 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_short_and_weights_exceed_one_by_an_overdraft_only(seed, draw_case):
    case = draw_case(seed)
    simulation, cash = case.run(), case.market.cash_column
    risky = np.delete(simulation.weights.to_numpy(), cash, axis=1) if cash >= 0 else (
        simulation.weights.to_numpy())  # fmt: skip
    assert risky.min() >= 0.0
    assert risky.sum(axis=1).max() <= 1.0 + simulation.overdraft + 1e-12
    if case.market.stage.max() == 0:
        assert simulation.overdraft <= 1e-12


@pytest.mark.parametrize("level", [1e-7, 1.0, 90_000.0])
def test_the_same_target_twice_trades_nothing_while_prices_stand_still(level):
    random = np.random.default_rng(3)
    sessions = pd.date_range("2024-01-01", periods=12)
    for _ in range(20):
        row = level * random.uniform(0.5, 2.0, 5)
        prices = pd.DataFrame([row] * 12, sessions, list("ABCDE"))
        targets = pd.DataFrame([random.dirichlet(np.ones(5))] * 12, sessions, list("ABCDE"))
        simulation = simulate(prices, targets, RATES, initial_cash=10 ** random.uniform(3, 9))
        assert set(simulation.orders["session"]) == {sessions[1]}
        assert simulation.equity.iloc[1:].nunique() == 1


def test_a_change_of_less_than_1e_11_units_is_no_order():
    terms = market({"BTC": [100_000.0] * 2})
    terms.fee[:] = terms.slippage[:] = 0.0
    assert len(account(terms, {0: [0.5], 1: [0.5 + 0.9e-10]}).orders) == 1
    assert len(account(terms, {0: [0.5], 1: [0.5 + 1.1e-10]}).orders) == 2


def test_a_weight_below_a_hundred_millionth_is_none_and_closes_a_holding():
    terms = market({"A": [10.0] * 3, "B": [10.0] * 3})
    simulation = account(terms, {0: [0.5, 0.9e-8], 1: [0.9e-8, 0.5]})
    assert simulation.units["A"].iloc[1] == simulation.units["B"].iloc[0] == 0.0


@pytest.mark.parametrize("gap", [0.9e-8, -0.9e-9])
def test_weights_that_nearly_sum_to_one_are_all_invested(gap):
    terms = market({"A": [10.0] * 2, "B": [10.0] * 2})
    simulation = account(terms, {0: [0.75 * (1 - gap), 0.25 * (1 - gap)]})
    assert simulation.weights["A"].iloc[0] == pytest.approx(0.75, rel=1e-14)
    assert simulation.cash.iloc[0] == 0.0


def test_a_decision_never_fills_at_its_own_session_nor_the_last_one_at_all():
    sessions = pd.date_range("2024-01-01", periods=6)
    prices = pd.DataFrame({"A": [10.0, 11.0, 12.0, 11.0, 10.0, 9.0]}, sessions)
    for row in range(6):
        decision = pd.DataFrame({"A": [0.5]}, sessions[[row]])
        filled = simulate(prices, decision, RATES).orders["session"].tolist()
        assert filled == list(sessions[row + 1 : row + 2])


# Using it wrongly


def test_an_order_for_the_past_is_refused():
    ledger = Ledger(market({"A": [10.0] * 4}), CASH)
    ledger.advance(2)
    with pytest.raises(ConfigError, match=r"row 1 came after the ledger reached row 2"):
        ledger.place(1, np.array([0.5]))


@pytest.mark.parametrize("row", [1, 5])
def test_the_ledger_moves_neither_back_nor_beyond_the_last_session(row):
    ledger = Ledger(market({"A": [10.0] * 4}), CASH)
    ledger.advance(2)
    with pytest.raises(ConfigError, match=f"row {row}: it is at row 2 of 4"):
        ledger.advance(row)


def test_what_a_simulation_shows_cannot_be_written():
    simulation = account(market({"A": [10.0] * 3}), {0: [0.5]})
    with pytest.raises(ValueError, match="read-only"):
        simulation.book.trades[0, 0] = 1.0
