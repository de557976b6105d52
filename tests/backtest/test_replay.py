"""The second account: it agrees with every true ledger, and with none that was tampered with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.accounts import market_of, replay_input
from toolkit.backtest.ledger import Ledger, Market, Simulation, simulate
from toolkit.backtest.replay import (
    TOLERANCE,
    Reconciliation,
    Replay,
    ReplayInput,
    demand_agreement,
    reconcile,
    replay,
)
from toolkit.clock import decision_times, sessions_between
from toolkit.errors import ReconciliationError
from toolkit.optimize.costs import CostRates
from toolkit.panel import Field, Panel
from toolkit.universe import Asset, Closing, Halt, Membership, Universe

CASH = 250_000.0
RATES = CostRates(fee=0.0005, slippage=0.0008)
SESSIONS = sessions_between("XNYS", date(2022, 3, 1), date(2022, 4, 1))
DAYS = [session.date() for session in SESSIONS]
FILL, LISTED, HALTED, BANKRUPT, SETTLED, COVERED = 5, 4, 9, 12, 15, 18


def checked(simulation: Simulation, inputs: ReplayInput) -> Reconciliation:
    second = replay(simulation.ordered_units, inputs)
    return reconcile(simulation.equity, len(simulation.orders), second)


def inputs_of(simulation: Simulation, initial_cash: float) -> ReplayInput:
    """What the replay is given where there is no panel."""
    market = simulation.market
    return ReplayInput(
        prices=pd.DataFrame(market.prices, market.sessions, list(market.assets)),
        fee=market.fee,
        slippage=market.slippage,
        cash=None if market.cash_column < 0 else market.assets[market.cash_column],
        initial_cash=initial_cash,
    )


# Agreement


@pytest.mark.parametrize("seed", range(100, 130))
def test_the_replay_agrees_with_the_ledger_in_random_markets(seed, draw_case):
    simulation = draw_case(seed).run(initial_cash=CASH)
    result = checked(simulation, inputs_of(simulation, CASH))
    demand_agreement(result)
    assert result.max_relative_gap <= 1e-12
    assert result.records == result.orders == np.count_nonzero(simulation.book.trades)


def test_an_overdraft_is_in_both_accounts(draw_case):
    overdrawn = 0
    for seed in range(0, 60, 6):
        simulation = draw_case(seed).run(initial_cash=CASH)
        if simulation.overdraft > 1e-3:
            overdrawn += 1
            demand_agreement(checked(simulation, inputs_of(simulation, CASH)))
    assert overdrawn >= 2


@pytest.mark.parametrize("seed", range(8))
def test_tiny_prices_that_stand_still_make_no_order_that_the_replay_would_drop(seed):
    random = np.random.default_rng(seed)
    sessions = pd.date_range("2024-01-01", periods=15)
    level = np.exp(random.uniform(np.log(1e-7), np.log(1e5), 5))
    prices = pd.DataFrame([level] * 15, sessions, list("ABCDE"))
    targets = pd.DataFrame([random.dirichlet(np.ones(5))] * 15, sessions, list("ABCDE"))
    cash = 10 ** random.uniform(3, 10)
    simulation = simulate(prices, targets, RATES, initial_cash=cash)
    demand_agreement(checked(simulation, inputs_of(simulation, cash)))


@pytest.mark.parametrize("seed", range(3))
def test_targets_that_nearly_close_a_position_every_day_keep_the_accounts_together(seed):
    random = np.random.default_rng(seed)
    sessions = pd.date_range("2020-01-01", periods=750)
    moves = random.normal(0.0, 0.03, (750, 12))
    prices = pd.DataFrame(np.exp(random.uniform(-3, 11, 12) + np.cumsum(moves, axis=0)), sessions)
    # Weights of 1e-9 beside weights of one half.
    targets = pd.DataFrame(random.dirichlet(np.full(12, 0.15), 750), sessions)
    simulation = simulate(prices, targets, RATES)
    result = checked(simulation, inputs_of(simulation, 1e6))
    demand_agreement(result)
    assert result.max_relative_gap <= 1e-11


@pytest.mark.parametrize("seed", range(4))
def test_two_accounts_that_lost_everything_agree(seed):
    random = np.random.default_rng(seed)
    sessions = pd.date_range("2024-01-01", periods=8)
    prices = pd.DataFrame({"A": random.uniform(5.0, 90.0, 8), "B": 20.0}, sessions)
    prices.loc[sessions[5] :, "A"] = 0.0
    targets = pd.DataFrame({"A": 1.0, "B": 0.0}, sessions[:3])
    simulation = simulate(prices, targets, RATES)
    assert simulation.equity.iloc[-1] == 0.0
    demand_agreement(checked(simulation, inputs_of(simulation, 1e6)))


# Mutants, on a panel with everything that ends


@pytest.fixture(scope="module")
def panel() -> Panel:
    def asset(name: str, sleeve: str = "legacy_miners", **more: object) -> Asset:
        member = Membership(sleeve=sleeve, since=DAYS[0])
        return Asset(id=name, memberships=(member,), usable_from=DAYS[0], **more)

    bankrupt = Closing("bankruptcy", DAYS[BANKRUPT], DAYS[BANKRUPT], DAYS[SETTLED], 1.7)
    nothing = Closing("delisting", DAYS[BANKRUPT + 1], DAYS[BANKRUPT], DAYS[SETTLED + 1], 0.0)
    covered = Closing("coverage_ended", DAYS[COVERED], DAYS[COVERED - 3])
    universe = Universe(
        (
            asset("BTC", "bitcoin", calendar="24/7"),
            asset("MARA", halts=(Halt(DAYS[HALTED], DAYS[HALTED + 1]),)),
            asset("CORZ", closing=bankrupt),
            asset("GONE", closing=nothing),
            asset("GREE", closing=covered),
            asset("LATE", "ai_infrastructure"),
            asset("BIL", "cash"),
        )
    )
    random = np.random.default_rng(11)
    level = np.array([42_000.0, 24.0, 9.0, 3.0, 8.0, 130.0, 91.4])
    noise = np.array([0.04, 0.05, 0.07, 0.08, 0.06, 0.03, 0.0])
    moves = random.normal(0.0, noise, (len(SESSIONS), len(level)))
    moves[:, -1] = 1e-4
    closes = pd.DataFrame(level * np.exp(np.cumsum(moves, axis=0)), SESSIONS, list(universe.ids))
    closes.iloc[:LISTED, 5] = np.nan
    closes.iloc[BANKRUPT + 1 :, 2] = closes.iloc[BANKRUPT + 2 :, 3] = np.nan
    closes.iloc[COVERED + 1 :, 4] = np.nan
    field = Field(closes, decision_times(SESSIONS), "USD", "a seeded walk")
    return Panel(universe, SESSIONS, {"close": field})


@pytest.fixture(scope="module")
def inputs(panel) -> ReplayInput:
    return replay_input(panel, RATES, 0, CASH)


@pytest.fixture(scope="module")
def market(panel) -> Market:
    return market_of(panel, RATES, 0)


def account(market: Market) -> Simulation:
    ledger = Ledger(market, CASH)
    random = np.random.default_rng(5)
    for row in range(1, len(SESSIONS), 4):
        ledger.advance(row)
        ledger.place(row, random.dirichlet(np.full(len(market.assets), 2.0)))
    ledger.advance(len(SESSIONS))
    return ledger.simulation()


def changed(market: Market, edit: Callable[[Market], object]) -> Market:
    """The market after an edit of its arrays."""
    arrays = ("prices", "permission", "stage", "settlement", "fee", "slippage")
    copy = replace(market, **{name: getattr(market, name).copy() for name in arrays})
    edit(copy)
    return copy


def column(name: str) -> int:
    return ["BTC", "MARA", "CORZ", "GONE", "GREE", "LATE", "BIL"].index(name)


def test_the_true_ledger_passes_on_the_panel(market, inputs):
    simulation = account(market)
    result = checked(simulation, inputs)
    demand_agreement(result)
    assert result.max_relative_gap <= 1e-12
    ends = simulation.ordered_units
    assert ends["CORZ"].iloc[SETTLED] < 0.0
    assert ends["GREE"].iloc[COVERED] < 0.0
    assert simulation.units["GONE"].iloc[SETTLED] > 0.0
    assert simulation.units["GONE"].iloc[SETTLED + 1] == 0.0


def _stale_price(market: Market) -> None:
    market.prices[FILL, column("BTC")] = market.prices[FILL - 1, column("BTC")]


def _no_fee(market: Market) -> None:
    market.fee[:] = 0.0


def _no_fee_on_one_fill(market: Market) -> None:
    market.fee[FILL, column("BTC")] = 0.0


def _no_slippage(market: Market) -> None:
    market.slippage[:] = 0.0


def _skipped_settlement(market: Market) -> None:
    market.settlement[column("CORZ")] = -1


def _settlement_skipped_and_marked_at_its_value(market: Market) -> None:
    market.settlement[column("CORZ")] = -1
    market.prices[SETTLED:, column("CORZ")] = market.prices[SETTLED - 1, column("CORZ")]


def _skipped_wipe_out(market: Market) -> None:
    market.settlement[column("GONE")] = -1
    market.prices[SETTLED + 1 :, column("GONE")] = market.prices[SETTLED, column("GONE")]


def _settled_at_the_last_price(market: Market) -> None:
    market.prices[SETTLED, column("CORZ")] = market.prices[SETTLED - 1, column("CORZ")]


def _settlement_charged(market: Market) -> None:
    market.fee[SETTLED, column("CORZ")] = RATES.fee


def _end_of_coverage_free(market: Market) -> None:
    market.fee[COVERED, column("GREE")] = market.slippage[COVERED, column("GREE")] = 0.0


def _no_interest(market: Market) -> None:
    market.prices[:, column("BIL")] = market.prices[0, column("BIL")]


MARKETS = (
    _stale_price,
    _no_fee,
    _no_fee_on_one_fill,
    _no_slippage,
    _skipped_settlement,
    _settlement_skipped_and_marked_at_its_value,
    _skipped_wipe_out,
    _settled_at_the_last_price,
    _settlement_charged,
    _end_of_coverage_free,
    _no_interest,
)


@pytest.mark.parametrize("edit", MARKETS, ids=lambda edit: edit.__name__.strip("_"))
def test_a_ledger_with_wrong_terms_is_caught(edit, market, inputs):
    with pytest.raises(ReconciliationError, match="do not use the result"):
        demand_agreement(checked(account(changed(market, edit)), inputs))


def test_a_fill_at_a_stale_price_shows_ever_after_not_only_in_its_valuation(market, inputs):
    wrong = account(changed(market, _stale_price))
    assert wrong.book.trades[FILL, column("BTC")] != 0.0
    second = replay(wrong.ordered_units, inputs)
    after = slice(FILL + 1, None)
    gap = (wrong.equity.iloc[after] / second.equity.iloc[after] - 1.0).abs()
    assert gap.min() > 1e3 * TOLERANCE


@pytest.mark.parametrize("factor", [-1.0, 2.0, 0.0])
def test_every_single_order_that_is_not_what_was_booked_is_caught(factor, market, inputs):
    true = account(market)
    for row, asset in np.argwhere(true.book.trades != 0.0):
        trades = true.book.trades.copy()
        trades[row, asset] *= factor
        wrong = Simulation(market, true.book._replace(trades=trades))
        with pytest.raises(ReconciliationError):
            demand_agreement(checked(wrong, inputs))


def test_an_order_in_the_wrong_asset_or_session_is_caught(market, inputs):
    true = account(market)
    for moved in (np.roll(true.book.trades, 1, axis=0), np.roll(true.book.trades, 1, axis=1)):
        wrong = Simulation(market, true.book._replace(trades=moved))
        with pytest.raises(ReconciliationError):
            demand_agreement(checked(wrong, inputs))


# The verdict


def curve(*values: float) -> pd.Series:
    return pd.Series(values, SESSIONS[: len(values)])


def test_the_gap_is_relative_and_names_its_worst_session():
    second = Replay(curve(100.0, 100.0, 401.0), records=3, portfolio=None)
    result = reconcile(curve(100.0, 101.0, 400.0), 3, second)
    assert result.max_relative_gap == pytest.approx(1 / 101, rel=1e-12)
    assert result.worst_session == str(DAYS[1])
    with pytest.raises(ReconciliationError, match=rf"0\.0099.*{DAYS[1]}.*3 orders against 3"):
        demand_agreement(result)


@pytest.mark.parametrize(
    "pair", [(np.nan, 100.0), (100.0, np.nan), (np.nan, np.nan), (np.inf, 1.0)]
)
def test_what_cannot_be_compared_has_no_gap_and_does_not_agree(pair):
    second = Replay(curve(100.0, pair[1]), records=1, portfolio=None)
    result = reconcile(curve(100.0, pair[0]), 1, second)
    assert result.max_relative_gap is None
    with pytest.raises(ReconciliationError, match=f"cannot be compared from {DAYS[1]} on"):
        demand_agreement(result)


def test_what_one_account_lost_and_the_other_kept_does_not_agree():
    second = Replay(curve(100.0, 1.0), records=1, portfolio=None)
    result = reconcile(curve(100.0, 0.0), 1, second)
    assert result.max_relative_gap > 1.0
    assert not result.agrees


def test_equal_curves_with_unequal_order_counts_do_not_agree():
    second = Replay(curve(100.0, 101.0), records=2, portfolio=None)
    with pytest.raises(ReconciliationError, match="1 orders against 2 records"):
        demand_agreement(reconcile(curve(100.0, 101.0), 1, second))


def test_the_tolerance_is_a_billionth():
    second = Replay(curve(100.0, 100.0 * (1 + 0.9e-9)), records=0, portfolio=None)
    demand_agreement(reconcile(curve(100.0, 100.0), 0, second))
    assert TOLERANCE == 1e-9
    further = replace(second, equity=curve(100.0, 100.0 * (1 + 1.1e-9)))
    assert not reconcile(curve(100.0, 100.0), 0, further).agrees
