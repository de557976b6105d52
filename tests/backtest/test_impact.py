"""Impact in both accounts: the formula, what was known when, and mutants that are caught."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.backtest.accounts import market_of, replay_input
from toolkit.backtest.ledger import Ledger, Market, Simulation, simulate
from toolkit.backtest.replay import (
    Reconciliation,
    ReplayInput,
    demand_agreement,
    reconcile,
    replay,
)
from toolkit.clock import decision_times, sessions_between
from toolkit.errors import ConfigError, ReconciliationError
from toolkit.optimize import CostRates, Measured
from toolkit.optimize.costs import LARGEST_IMPACT
from toolkit.panel import Field, Panel
from toolkit.risk.liquidity import average_daily_volume, estimated_half_spread, session_volatility
from toolkit.universe import Asset, Closing, Membership, Universe

CASH = 1e6
OPEN = 1


def with_impact(case, seed):
    """The case in a market where trades move prices, some beyond the ceiling."""
    random = np.random.default_rng(seed)
    shape = case.market.prices.shape
    rates = 10.0 ** random.uniform(-6.0, -3.0, shape[1]) * random.uniform(0.5, 2.0, shape)
    rates[:, random.random(shape[1]) < 0.2] = 0.0
    rates[(case.market.fee == 0.0) & (case.market.slippage == 0.0)] = 0.0
    if case.market.cash_column >= 0:
        rates[:, case.market.cash_column] = 0.0
    return replace(case, market=replace(case.market, impact=rates))


def inputs_of(simulation: Simulation, initial_cash: float) -> ReplayInput:
    market = simulation.market
    return ReplayInput(
        prices=pd.DataFrame(market.prices, market.sessions, list(market.assets)),
        fee=market.fee,
        slippage=market.slippage,
        cash=None if market.cash_column < 0 else market.assets[market.cash_column],
        initial_cash=initial_cash,
        impact=market.impact,
    )


def compared(simulation: Simulation, inputs: ReplayInput) -> Reconciliation:
    second = replay(simulation.ordered_units, inputs)
    return reconcile(simulation.equity, len(simulation.orders), second)


# The formula


def single(impact: float, prices: tuple[float, ...] = (50.0, 50.0, 60.0), **rates: float) -> Market:
    values = np.array(prices)[:, None]
    ones = np.ones_like(values)
    return Market(
        pd.date_range("2024-01-01", periods=len(prices)), ("A",), values,
        np.full(values.shape, OPEN, dtype=np.int8), np.zeros(1, dtype=np.int64),
        np.full(1, -1, dtype=np.int64), rates.get("fee", 0.0) * ones,
        rates.get("slippage", 0.0) * ones, -1, impact * ones,
    )  # fmt: skip


def account(market: Market, orders: dict[int, float], cash: float = CASH) -> Simulation:
    ledger = Ledger(market, cash)
    for row, weight in orders.items():
        ledger.advance(row)
        ledger.place(row, np.array([weight]))
    ledger.advance(len(market.sessions))
    return ledger.simulation()


def test_a_purchase_pays_the_root_of_its_size_and_its_weight_is_of_what_is_left():
    rate = 0.1 / 1e3  # A million moves the price by a tenth.
    simulation = account(single(rate), {1: 0.5})
    value = float(simulation.ordered_units["A"].iloc[1]) * 50.0
    paid = rate * value**1.5
    assert simulation.slippage.iloc[1] == pytest.approx(paid, rel=1e-14)
    assert simulation.cash.iloc[1] == pytest.approx(CASH - value - paid, rel=1e-14)
    assert simulation.weights["A"].iloc[1] == pytest.approx(0.5, rel=1e-13)
    assert paid / value == pytest.approx(0.1 * (value / CASH) ** 0.5, rel=1e-12)


def test_fee_is_on_the_price_that_was_moved():
    simulation = account(single(1e-4, fee=0.01, slippage=0.02), {1: 0.3})
    value = float(simulation.ordered_units["A"].iloc[1]) * 50.0
    moved = 0.02 + 1e-4 * value**0.5
    assert simulation.slippage.iloc[1] == pytest.approx(value * moved, rel=1e-13)
    assert simulation.fees.iloc[1] == pytest.approx(value * (1.0 + moved) * 0.01, rel=1e-13)


def test_no_trade_moves_its_price_beyond_the_ceiling():
    simulation = account(single(10.0), {0: 0.5, 1: 0.0})
    values = np.abs(simulation.ordered_units["A"].to_numpy()) * (50.0, 50.0, 60.0)
    assert values[:2].min() > 0.0
    assert simulation.slippage.to_numpy()[:2] == pytest.approx(LARGEST_IMPACT * values[:2])
    assert simulation.equity.min() > 0.0


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    cash=st.floats(1e4, 1e9),
    scale=st.floats(2.0, 50.0),
    rate=st.floats(1e-8, 1e-6),
    weight=st.floats(0.05, 0.9),
)
def test_more_capital_pays_more_for_each_usd_by_the_root_of_the_scale(cash, scale, rate, weight):
    one, many = (account(single(rate), {1: weight}, money) for money in (cash, cash * scale))
    paid = [
        float(each.slippage.sum() / (each.ordered_units["A"].abs() * 50.0).sum())
        for each in (one, many)
    ]
    assert 0.0 < paid[0] < paid[1] <= LARGEST_IMPACT
    if paid[1] < LARGEST_IMPACT:
        traded = [float(each.ordered_units["A"].abs().sum()) for each in (one, many)]
        assert paid[1] / paid[0] == pytest.approx((traded[1] / traded[0]) ** 0.5, rel=1e-9)


# The exact reference and the second account


@pytest.mark.parametrize("seed", range(40))
def test_the_ledger_with_impact_equals_the_exact_reference(seed, draw_case, decimal_account):
    case = with_impact(draw_case(seed), seed)
    simulation, exact = case.run(), decimal_account(case)
    book, prices = simulation.book, np.nan_to_num(case.market.prices)
    equity = np.array([float(value) for value in exact.equity])
    ordered = np.zeros_like(book.trades)
    for row, trades in enumerate(exact.trades):
        for column, units in trades.items():
            ordered[row, column] = float(units)
    assert np.max(np.abs(book.equity - equity) / equity) <= 1e-12
    assert np.max(np.abs((book.trades - ordered) * prices) / equity[:, None]) <= 1e-12


@pytest.mark.parametrize("seed", range(40, 70))
def test_the_replay_agrees_where_trades_move_prices(seed, draw_case):
    simulation = with_impact(draw_case(seed), seed).run()
    result = compared(simulation, inputs_of(simulation, 250_000.0))
    demand_agreement(result)
    assert result.max_relative_gap <= 1e-12


def test_the_random_markets_reach_the_ceiling_and_stay_below_it(draw_case):
    below = beyond = 0
    for seed in range(70):
        simulation = with_impact(draw_case(seed), seed).run()
        market, book = simulation.market, simulation.book
        moved = market.impact * np.sqrt(np.abs(book.trades * np.nan_to_num(market.prices)))
        beyond += int((moved > LARGEST_IMPACT).sum())
        below += int(((moved > 1e-3) & (moved < LARGEST_IMPACT)).sum())
    assert min(below, beyond) > 20


@pytest.mark.parametrize("seed", range(0, 40, 5))
def test_an_impact_of_zero_changes_no_bit(seed, draw_case):
    case = draw_case(seed)
    zero = case.run(replace(case.market, impact=np.zeros(case.market.prices.shape)))
    for name, one, other in zip(case.run().book._fields, case.run().book, zero.book, strict=True):
        assert np.array_equal(one, other, equal_nan=True), name


def test_in_a_market_without_volumes_measured_costs_are_refused():
    days = pd.date_range("2024-01-01", periods=3)
    prices = pd.DataFrame({"A": [1.0, 2.0, 3.0]}, days)
    with pytest.raises(ConfigError, match="no volumes"):
        simulate(prices, prices * 0.1, CostRates(measured=Measured(1.0)))


# A panel: what was known at the decision


SESSIONS = sessions_between("XNYS", date(2022, 1, 3), date(2022, 6, 30))
DAYS = sessions_between("24/7", date(2022, 1, 3), date(2022, 6, 30))
RATES = CostRates(
    fee=0.0005, slippage=0.0002, measured=Measured(0.8, 0.0004, lookback=10, spread_lookback=20)
)
FIRST, DELAY = 40, 2
NAMES = ("CASH", "BTC", "MARA", "GREE", "CORZ")


def panel(seed: int = 3) -> Panel:
    random = np.random.default_rng(seed)
    since = (Membership("legacy_miners", date(2022, 1, 3)),)
    bankrupt = Closing("bankruptcy", SESSIONS[90].date(), SESSIONS[84].date(),
                       SESSIONS[95].date(), 0.3)  # fmt: skip
    left = Closing("coverage_ended", SESSIONS[100].date(), SESSIONS[97].date())
    universe = Universe(
        (
            Asset("CASH", (Membership("cash", date(2022, 1, 3)),), "24/7"),
            Asset("BTC", (Membership("bitcoin", date(2022, 1, 3)),), "24/7"),
            Asset("MARA", since),
            Asset("GREE", since, closing=left),
            Asset("CORZ", since, closing=bankrupt),
        )
    )
    count = len(DAYS)
    moves = random.normal(0.0, [1e-5, 0.03, 0.05, 0.06, 0.05], (count, 5))
    close = pd.DataFrame(100.0 * np.exp(np.cumsum(moves, axis=0)), DAYS, NAMES)
    close.loc[~DAYS.isin(SESSIONS), ["MARA", "GREE", "CORZ"]] = np.nan
    close.loc[SESSIONS[91] :, "CORZ"] = close.loc[SESSIONS[101] :, "GREE"] = np.nan
    stretch = np.exp(random.uniform(0.01, 0.05, close.shape))
    # Nobody knows what of GREE was traded.
    volume = 1e7 * np.exp(random.normal(0.0, 0.5, (count, 3)))
    public = decision_times(DAYS)
    fields = {
        "close": Field(close, public, "USD", "test"),
        "high": Field((close * stretch)[["BTC", "MARA"]], public, "USD", "test"),
        "low": Field((close / stretch)[["BTC", "MARA"]], public, "USD", "test"),
        "dollar_volume": Field(
            pd.DataFrame(volume, DAYS, ["BTC", "MARA", "CORZ"]).where(close.notna()),
            public, "USD", "test",
        ),
    }  # fmt: skip
    return Panel(universe, SESSIONS, fields)


def orders(made: Panel, market: Market) -> Simulation:
    random = np.random.default_rng(5)
    ledger = Ledger(market, CASH)
    for row in range(DELAY, len(market.sessions), 6):
        ledger.advance(row)
        ledger.place(row, random.dirichlet(np.ones(5)))
    ledger.advance(len(market.sessions))
    return ledger.simulation()


@pytest.fixture(scope="module")
def made() -> Panel:
    return panel()


@pytest.fixture
def market(made: Panel) -> Market:
    return market_of(made, RATES, FIRST, DELAY)


@pytest.fixture(scope="module")
def inputs(made: Panel) -> ReplayInput:
    return replay_input(made, RATES, FIRST, CASH, DELAY)


def test_both_accounts_agree_on_measured_costs_of_a_panel(made, market, inputs):
    simulation = orders(made, market)
    result = compared(simulation, inputs)
    demand_agreement(result)
    assert result.max_relative_gap <= 1e-12
    settled = made.sessions.get_loc(pd.Timestamp(SESSIONS[95])) - FIRST
    assert simulation.book.trades[settled, 4] < 0.0
    assert simulation.book.trades[SESSIONS.get_loc(SESSIONS[100]) - FIRST, 3] < 0.0


def test_a_fill_is_charged_what_was_known_at_its_decision(made, market):
    volume, spread = average_daily_volume(made, 10), estimated_half_spread(made, 20)
    volatility = session_volatility(made, 10)
    for fill in (0, 7, 30):
        decided = FIRST + fill - DELAY
        for name in ("BTC", "MARA"):
            column = NAMES.index(name)
            expected = 0.8 * volatility[name].iloc[decided] / volume[name].iloc[decided] ** 0.5
            assert market.impact[fill, column] == pytest.approx(expected, rel=1e-14)
            slippage = 0.0002 + spread[name].iloc[decided]
            assert market.slippage[fill, column] == pytest.approx(slippage, rel=1e-14)
    # No volume: no impact. No highs and lows: the constant half-spread. Cash trades free.
    assert (market.impact[:, 3] == 0.0).all()
    assert market.slippage[:50, 3] == pytest.approx(0.0006)
    assert market.slippage[:50, 4] == pytest.approx(0.0006)
    assert (market.impact[:, 0] == 0.0).all()
    assert (market.slippage[:, 0] == 0.0).all()


@pytest.mark.parametrize("cut", [60, 75, 99])
def test_charges_do_not_change_when_the_future_is_removed(made, market, cut):
    past = market_of(made.until(SESSIONS[cut]), RATES, FIRST, DELAY)
    count = cut - FIRST + 1
    assert np.array_equal(past.impact, market.impact[:count])
    assert np.array_equal(past.slippage, market.slippage[:count])


def test_the_first_fills_of_a_panel_know_nothing(made):
    market = market_of(made, RATES, 0, DELAY)
    assert (market.impact[: 5 + DELAY - 1] == 0.0).all()
    assert market.slippage[0, 1:] == pytest.approx(0.0006)
    demand_agreement(compared(orders(made, market), replay_input(made, RATES, 0, CASH, DELAY)))


def test_impact_that_is_not_asked_for_leaves_no_trace(made):
    plain = CostRates(fee=0.0005, slippage=0.0002)
    market, inputs = market_of(made, plain, FIRST), replay_input(made, plain, FIRST, CASH)
    assert market.impact is None
    assert inputs.impact is None
    assert (market.slippage[:50, 1:] == 0.0002).all()


def late(market: Market) -> Market:
    return replace(market, impact=np.vstack([market.impact[1:], market.impact[-1:]]))


def wider(market: Market) -> Market:
    market.slippage[:, 2] += 1e-4
    return market


def unmoved(market: Market) -> Market:
    market.impact[:, 1] = 0.0
    return market


def linear(market: Market) -> Market:
    # Right for an order of 10,000 USD, wrong for every other.
    return replace(market, impact=None, slippage=market.slippage + 100.0 * market.impact)


def charged_at_the_end(market: Market) -> Market:
    market.impact[SESSIONS.get_loc(SESSIONS[95]) - FIRST, 4] = 1e-4
    return market


@pytest.mark.parametrize(
    "mutant",
    [
        lambda market: replace(market, impact=None),
        lambda market: replace(market, impact=0.999 * market.impact),
        late,
        wider,
        unmoved,
        linear,
        charged_at_the_end,
    ],
    ids=["no impact", "a thousandth less", "known a session later", "wider spread",
         "one asset left out", "in proportion", "a bankruptcy that is charged"],
)  # fmt: skip
def test_a_ledger_that_charges_something_else_is_caught(made, market, inputs, mutant):
    simulation = orders(made, mutant(market))
    with pytest.raises(ReconciliationError):
        demand_agreement(compared(simulation, inputs))
