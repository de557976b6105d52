"""Overlays are the state machines they say they are, and the account follows them to the letter."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit import metrics
from toolkit.backtest.audit import audit
from toolkit.backtest.backtester import Backtester, Checks
from toolkit.backtest.engine import Account
from toolkit.backtest.overlays import (
    DrawdownStop,
    ExpectedShortfallBreaker,
    Overlay,
    VolatilityTarget,
    expected_shortfall,
)
from toolkit.backtest.schedule import Schedule
from toolkit.backtest.watch import Watch, replay
from toolkit.clock import sessions_between
from toolkit.config import Experiment
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import ConfigError, DataError
from toolkit.optimize import MaxTurnover, MinCash, Optimizer, ProportionalCost, TrackTarget
from toolkit.panel import Field, Panel
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.strategy import Strategy
from toolkit.universe import Asset, Halt, Membership, Sleeve, Universe

DATA = os.environ.get("HASHPIVOT_DATA", "")
FREE = ProportionalCost(fee_bps=0.0, half_spread_bps=0.0, slippage_bps=0.0)
COST = ProportionalCost()
SINCE = date(2020, 1, 1)

TWO_STAGES = DrawdownStop(stages=((0.10, 0.5), (0.25, 0.0)), wait=3, recovery=0.10)
EACH = {
    "stop": DrawdownStop(stages=((0.10, 0.6), (0.20, 0.2)), wait=10, recovery=0.03),
    "target": VolatilityTarget(target=0.25, floor=0.1, cap=0.9),
    "breaker": ExpectedShortfallBreaker(cap=0.05, share=0.3),
}


def history(moves: list[float] | np.ndarray) -> pd.Series:
    """A curve that starts at 100 and moves by so much from session to session."""
    values = 100.0 * np.cumprod(1.0 + np.concatenate([[0.0], moves]))
    return pd.Series(values, pd.bdate_range("2021-01-04", periods=len(values)))


def shares(
    overlays: list[Overlay], equity: pd.Series, book: pd.Series | None = None
) -> list[float]:
    watch = Watch(overlays, 252.0)
    book = equity if book is None else book
    return [watch.step(day, equity[day], book[day]) for day in equity.index]


def kept_account(overlays: list[Overlay], moves: np.ndarray) -> tuple[pd.Series, pd.Series, Watch]:
    """Equity of an account that holds the kept share from the next session on, without costs; with
    the book, and the overlays at the end.
    """
    watch, book, equity = Watch(overlays, 252.0), history(moves), [100.0]
    share = watch.step(book.index[0], 100.0, 100.0)
    for day, move in zip(book.index[1:], moves, strict=True):
        equity.append(equity[-1] * (1.0 + share * move))
        share = watch.step(day, equity[-1], book[day])
    return pd.Series(equity, book.index), book, watch


def drawn(seed: int, size: int, scale: float) -> np.ndarray:
    """Moves of at most 12 %, of a volatility that itself wanders."""
    random = np.random.default_rng(seed)
    wandering = scale * np.exp(np.cumsum(random.normal(0.0, 0.15, size)))
    return np.clip(random.standard_normal(size) * wandering, -0.12, 0.12)


# Drawn by a seed: lists that hypothesis draws number by number are too short to fill a window.
moves_drawn = st.builds(
    drawn, st.integers(0, 10**6), st.integers(5, 150), st.sampled_from([0.003, 0.01, 0.03, 0.06])
)


@st.composite
def stops(draw: st.DrawFn) -> DrawdownStop:
    count = draw(st.integers(1, 4))
    depths = draw(
        st.lists(st.integers(1, 60), min_size=count, max_size=count, unique=True).map(sorted)
    )
    kept = draw(
        st.lists(st.integers(0, 99), min_size=count, max_size=count, unique=True).map(sorted)
    )
    stages = tuple((d / 100, s / 100) for d, s in zip(depths, reversed(kept), strict=True))
    return DrawdownStop(stages, draw(st.integers(1, 15)), draw(st.integers(0, 10)) / 100)


overlays_drawn = st.lists(
    st.one_of(
        stops(),
        st.builds(
            VolatilityTarget,
            target=st.floats(0.05, 1.0),
            floor=st.floats(0.0, 0.4),
            cap=st.floats(0.4, 1.0),
            halflife=st.integers(1, 60),
            band=st.floats(0.0, 0.3),
        ),
        st.builds(
            ExpectedShortfallBreaker,
            cap=st.floats(0.01, 0.2),
            share=st.floats(0.0, 0.9),
            level=st.floats(0.5, 0.99),
            lookback=st.integers(2, 30),
        ),
    ),
    min_size=1,
    max_size=3,
)


# Properties of the machines


@settings(max_examples=150, deadline=None, derandomize=True)
@given(overlays=overlays_drawn, moves=moves_drawn)
def test_the_share_is_between_none_and_all_and_is_the_smallest_of_them(overlays, moves):
    equity, book, watch = kept_account(overlays, moves)
    assert ((watch.log()["kept"] >= 0.0) & (watch.log()["kept"] <= 1.0)).all()
    own = [replay([overlay], equity, book, 252.0).share for overlay in overlays]
    assert 0.0 <= watch.share <= 1.0
    assert watch.share == min(own)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(overlays=overlays_drawn, moves=moves_drawn, repeats=st.integers(1, 3))
def test_the_same_session_again_changes_nothing(overlays, moves, repeats):
    equity, book, once = kept_account(overlays, moves)
    again = Watch(overlays, 252.0)
    for day in equity.index:
        given_again = {again.step(day, equity[day], book[day]) for _ in range(repeats + 1)}
        assert len(given_again) == 1
    assert again.share == once.share
    pd.testing.assert_frame_equal(again.log(), once.log())


@settings(max_examples=150, deadline=None, derandomize=True)
@given(stop=stops(), moves=moves_drawn, follows=st.booleans())
def test_a_stop_never_trades_twice_on_one_breach(stop, moves, follows):
    book = history(moves)
    log = (kept_account([stop], moves)[2] if follows else replay([stop], book, book, 252.0)).log()
    rearmed = (log["after"] == "armed").cumsum().shift(fill_value=0)
    for _, stretch in log.groupby(rearmed):
        entered = stretch.loc[stretch["after"] != "armed", "after"].tolist()
        assert entered == sorted(set(entered))
        down = stretch.loc[stretch["after"] != "armed", "share"].to_numpy()
        assert (np.diff(down) < 0.0).all()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(stop=stops(), moves=moves_drawn)
def test_a_stop_arms_again_by_its_rule_and_stops_a_new_fall(stop, moves):
    equity, book, watch = kept_account([stop], moves)
    log = watch.log()
    for position in log.index[log["after"] == "armed"]:
        now, entered = log["session"][position], log["session"][position - 1]
        start = log.loc[: position - 1].iloc[::-1]
        first = start["session"][start["before"] == "armed"].iloc[0]
        assert book.index.get_loc(now) - book.index.get_loc(entered) >= stop.wait
        assert book[now] >= book[first:now].min() * (1.0 + stop.recovery)
        # A fall from here on as deep as the first stage stops again.
        onwards = equity[now:]
        deep = onwards[onwards <= onwards.cummax() * (1.0 - stop.stages[0].drawdown)]
        if len(deep):
            assert log["session"][position + 1] == deep.index[0]
        else:
            assert position == log.index[-1]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(stop=stops(), depths=st.lists(st.floats(0.0, 0.9), min_size=2, max_size=8).map(sorted))
def test_a_deeper_fall_never_keeps_more(stop, depths):
    kept = [shares([stop], history([-depth]))[-1] for depth in depths]
    assert kept == sorted(kept, reverse=True)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(moves=moves_drawn, depth=st.integers(3, 40))
def test_a_stop_to_nothing_caps_the_loss_at_its_drawdown_and_what_came_before_the_fill(
    moves, depth
):
    stop = DrawdownStop(stages=((depth / 100, 0.0),), wait=5, recovery=0.05)
    equity, _, watch = kept_account([stop], moves)
    armings = watch.log().query("after == 'armed'")["session"].tolist()
    bounds = [equity.index[0], *armings, equity.index[-1]]
    for first, last in itertools.pairwise(bounds):
        stretch = equity[first:last]
        worst = (stretch / stretch.cummax()).min()
        assert worst >= (1.0 - depth / 100) * (1.0 - 0.12) - 1e-12


@settings(max_examples=100, deadline=None, derandomize=True)
@given(moves=moves_drawn)
def test_only_ratios_of_a_curve_count(moves):
    overlays = list(EACH.values())
    book = history(moves)
    one = replay(overlays, book, book, 252.0).log()
    other = replay(overlays, book * 2.0**20, book * 2.0**-7, 252.0).log()
    pd.testing.assert_frame_equal(one, other)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    moves=moves_drawn,
    halflife=st.integers(1, 60),
    target=st.floats(0.05, 1.5),
    floor=st.floats(0.0, 0.5),
)
def test_the_share_of_a_volatility_target_is_target_over_volatility_within_the_band(
    moves, halflife, target, floor
):
    book = history(moves)
    rule = VolatilityTarget(target, floor=floor, cap=0.9, halflife=halflife, band=0.05)
    found = pd.Series(shares([rule], book), book.index)
    squares = book.pct_change().dropna() ** 2
    volatility = np.sqrt(squares.ewm(halflife=halflife).mean() * 252.0)
    wanted = (target / volatility).clip(floor, 0.9)
    assert (found.iloc[:21] == 0.9).all()
    assert ((found - wanted).iloc[21:].abs() <= 0.05 + 1e-9).all()
    switched = found.iloc[20:].diff().abs() > 0.0
    assert (found.iloc[21:].diff().abs()[switched.iloc[1:]].dropna() > 0.05).all()
    assert np.allclose(found.iloc[20:][switched], wanted.reindex(found.index).iloc[20:][switched])


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.975, 0.99])
@pytest.mark.parametrize("count", [2, 21, 63, 100])
def test_the_breaker_measures_the_expected_shortfall_of_the_report(level, count):
    returns = np.random.default_rng(count).standard_t(3, count) * 0.02
    wanted = metrics.expected_shortfall(pd.Series(returns), level=level)
    assert expected_shortfall(returns, level) == pytest.approx(wanted, rel=1e-12)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(moves=moves_drawn, lookback=st.integers(2, 30))
def test_a_breaker_trips_above_its_cap_and_arms_again_at_its_release(moves, lookback):
    rule = ExpectedShortfallBreaker(0.06, release=0.03, share=0.25, level=0.8, lookback=lookback)
    book = history(moves)
    found, tripped, wanted = shares([rule], book), False, []
    returns = book.pct_change().to_numpy()
    for row in range(len(book)):
        if row >= lookback:
            worst = metrics.expected_shortfall(
                pd.Series(returns[row - lookback + 1 : row + 1]), level=0.8
            )
            tripped = worst > 0.06 if not tripped else worst > 0.03
        wanted.append(0.25 if tripped else 1.0)
    assert found == wanted


# Machines by hand


def test_a_stop_by_hand():
    equity = pd.Series(
        [100.0, 110.0, 99.5, 99.0, 98.0, 82.5, 82.0, 82.0, 82.0, 82.0, 73.8, 73.7],
        pd.bdate_range("2021-01-04", periods=12),
    )
    book = pd.Series(
        [100.0, 110.0, 99.5, 99.0, 97.0, 66.0, 60.0, 65.9, 65.9, 66.1, 59.4, 59.3], equity.index
    )
    watch = Watch([TWO_STAGES], 252.0)
    kept = [watch.step(day, equity[day], book[day]) for day in equity.index]
    # 99.0 is exactly a tenth below 110, 82.5 a quarter; then the book's lowest is 60.0, and only
    # 66.1 is a tenth above it, three sessions or more after 82.5. The new highest is 82.0.
    assert kept == [1, 1, 1, 0.5, 0.5, 0, 0, 0, 0, 1, 0.5, 0.5]
    log = watch.log()
    assert log["before"].tolist() == ["armed", "stage 1", "stage 2", "armed"]
    assert log["after"].tolist() == ["stage 1", "stage 2", "armed", "stage 1"]
    assert log["measured"].tolist() == pytest.approx([0.1, 0.25, 66.1 / 60.0 - 1.0, 0.1])
    assert log["session"].tolist() == equity.index[[3, 5, 9, 10]].tolist()
    assert "4 sessions in the stage" in log["reason"][2]


def test_a_fall_through_both_stages_at_once_goes_to_the_deepest():
    watch = replay([TWO_STAGES], history([-0.4]), history([-0.4]), 252.0)
    assert watch.log()["after"].tolist() == ["stage 2"]
    assert watch.share == 0.0


def test_each_fall_is_recovered_from_its_own_lowest():
    stop = DrawdownStop(stages=((0.2, 0.0),), wait=2, recovery=0.1)
    levels = np.array([100.0, 50.0, 56.0, 56.0, 100.0, 80.0, 80.0, 80.0, 80.0, 88.1])
    moves = levels[1:] / levels[:-1] - 1.0
    assert shares([stop], history(moves)) == [1, 0, 0, 1, 1, 0, 0, 0, 0, 1]


def test_a_stage_is_not_left_for_a_shallower_one():
    stop = DrawdownStop(stages=((0.1, 0.5), (0.2, 0.0)), wait=100)
    assert shares([stop], history([-0.25, 0.15, 0.05, 0.05])) == [1, 0, 0, 0, 0]


def test_a_recovery_of_nothing_comes_back_by_time_alone():
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=4, recovery=0.0)
    assert shares([stop], history([-0.2, -0.1, -0.1, -0.1, -0.1])) == [1, 0, 0, 0, 0, 1]


def test_of_several_overlays_the_smallest_share_counts_and_is_not_cut_twice():
    stop = DrawdownStop(stages=((0.1, 0.5),), wait=100)
    fall = history([-0.2])
    assert shares([stop, stop], fall)[-1] == 0.5
    other = DrawdownStop(stages=((0.15, 0.2),), wait=100)
    watch = replay([stop, other], fall, fall, 252.0)
    assert watch.share == 0.2
    assert watch.log()["overlay"].tolist() == ["DrawdownStop 1", "DrawdownStop 2"]
    assert watch.log()["share"].tolist() == [0.5, 0.2]
    assert watch.log()["kept"].tolist() == [0.2, 0.2]


def test_volatility_is_annualised_by_the_clock():
    moves = np.tile([0.02, -0.02], 30)
    by_clock = {
        periods: replay([VolatilityTarget(0.2)], history(moves), history(moves), periods).share
        for periods in (252.0, 365.0)
    }
    assert by_clock[252.0] == pytest.approx(0.2 / (0.02 * math.sqrt(252.0)), rel=1e-6)
    assert by_clock[365.0] == pytest.approx(0.2 / (0.02 * math.sqrt(365.0)), rel=1e-6)


def test_a_flat_book_is_kept_up_to_the_cap():
    assert set(shares([VolatilityTarget(0.2, cap=0.7)], history(np.zeros(40)))) == {0.7}


# What is refused


@pytest.mark.parametrize(
    ("kind", "given", "named"),
    [
        (DrawdownStop, {"stages": ()}, "stages"),
        (DrawdownStop, {"stages": ((0.2, 0.5), (0.1, 0.0))}, r"stages.*\(0\.1, 0\.0\) follows"),
        (DrawdownStop, {"stages": ((0.1, 0.5), (0.2, 0.5))}, "stages"),
        (DrawdownStop, {"stages": ((0.1, 0.5), (0.2, 0.7))}, "stages"),
        (DrawdownStop, {"stages": ((0.1, 1.0),)}, "stages"),
        (DrawdownStop, {"stages": ((0.0, 0.5),)}, r"stages\.0\.(0|drawdown)"),
        (DrawdownStop, {"stages": ((1.0, 0.5),)}, r"stages\.0\.(0|drawdown)"),
        (DrawdownStop, {"stages": ((-0.1, 0.5),)}, r"stages\.0\.(0|drawdown)"),
        (DrawdownStop, {"stages": ((0.1, -0.5),)}, r"stages\.0\.(1|share)"),
        (DrawdownStop, {"stages": ((0.1, math.nan),)}, "stages"),
        (DrawdownStop, {"stages": ((0.1,),)}, "stages"),
        (DrawdownStop, {"stages": 0.1}, "stages"),
        (DrawdownStop, {}, "stages"),
        (DrawdownStop, {"stages": ((0.1, 0.5),), "wait": 0}, "wait"),
        (DrawdownStop, {"stages": ((0.1, 0.5),), "wait": -3}, "wait"),
        (DrawdownStop, {"stages": ((0.1, 0.5),), "recovery": -0.1}, "recovery"),
        (DrawdownStop, {"stages": ((0.1, 0.5),), "stop": 0.1}, "stop"),
        (VolatilityTarget, {"target": 0.2, "floor": 0.9, "cap": 0.5}, "floor = 0.9 is above cap"),
        (VolatilityTarget, {"target": 0.0}, "target"),
        (VolatilityTarget, {"target": -0.2}, "target"),
        (VolatilityTarget, {"target": math.inf}, "target"),
        (VolatilityTarget, {"target": 0.2, "cap": 1.5}, "cap"),
        (VolatilityTarget, {"target": 0.2, "floor": -0.1}, "floor"),
        (VolatilityTarget, {"target": 0.2, "band": -0.1}, "band"),
        (VolatilityTarget, {"target": 0.2, "halflife": 0}, "halflife"),
        (ExpectedShortfallBreaker, {"cap": 0.0}, "cap"),
        (ExpectedShortfallBreaker, {"cap": -0.1}, "cap"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "release": 0.05}, "release = 0.05 is not below"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "release": -0.01}, "release"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "share": 1.0}, "share"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "level": 1.0}, "level"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "level": 0.0}, "level"),
        (ExpectedShortfallBreaker, {"cap": 0.05, "lookback": 1}, "lookback"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_its_name(kind, given, named):
    with pytest.raises(ConfigError, match=named) as caught:
        kind(**given)
    assert kind.__name__ in str(caught.value)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_curve_that_is_no_amount_is_refused_with_its_session(value):
    day = pd.Timestamp("2021-01-04")
    for pair in ((value, 1.0), (1.0, value)):
        with pytest.raises(DataError, match="2021-01-04"):
            Watch([TWO_STAGES], 252.0).step(day, *pair)


def test_a_session_out_of_order_or_told_twice_differently_is_refused():
    equity = history([0.01, 0.01])
    watch = replay([TWO_STAGES], equity, equity, 252.0)
    with pytest.raises(DataError, match=r"2021-01-05.*after 2021-01-06"):
        watch.step(equity.index[1], 101.0, 101.0)
    with pytest.raises(DataError, match="once, in order"):
        watch.step(equity.index[2], 1.0, 1.0)
    with pytest.raises(DataError, match="same sessions"):
        replay([TWO_STAGES], equity, equity.iloc[1:], 252.0)


# In the account


class Holds(Strategy):
    """Given weights, every day."""

    def __init__(self, **weights: float):
        self.weights = weights

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        return pd.DataFrame(self.weights, index=panel.sessions)


def market(coin: list[float], halts: tuple[Halt, ...] = (), **others: list[float]) -> Panel:
    """Closes of one coin, of shares, and of cash that earns nothing."""
    start = date(2024, 1, 2)
    sessions = sessions_between("XNYS", start, date(2026, 1, 2))[: len(coin)]
    closes = pd.DataFrame({**others, "COIN": coin, "CASH": 100.0}, sessions)
    assets = [
        Asset(name, (Membership(Sleeve.LEGACY_MINERS, SINCE),), halts=halts) for name in others
    ]
    assets.append(Asset("COIN", (Membership(Sleeve.BITCOIN, SINCE),), "24/7"))
    assets.append(Asset("CASH", (Membership(Sleeve.CASH, SINCE),), "24/7"))
    moments = (sessions + pd.Timedelta(days=1)).tz_localize("UTC")
    for halt in halts:
        closed = (sessions >= pd.Timestamp(halt.first)) & (sessions <= pd.Timestamp(halt.last))
        closes.loc[closed, list(others)] = np.nan
    return Panel(Universe(tuple(assets)), sessions, {"close": Field(closes, moments, "USD", "x")})


def account_of(panel: Panel, strategy: Strategy, *overlays: Overlay, **given) -> Account:
    settings = {"cost": FREE, "checks": Checks(audit_cuts=0), **given}
    return Backtester(overlays=overlays, **settings).loop.run(strategy, panel)


PLANTED = [100, 100, 100, 88, 80, 60, 60, 30, 15, 16, 16.4, 16.4, 16.5, 16.5, 20, 20]


def test_a_planted_crash_by_hand():
    account = account_of(market(PLANTED), Holds(COIN=1.0), TWO_STAGES)
    equity = account.simulation.equity.to_numpy() / 1e6
    # Bought at 100. 88 is 12 % down: half is sold at the next close, 80. There 0.4 of cash and 0.4
    # of coin are left; at 60 equity is 0.7, so the rest is sold at the next 60.
    # The book's lowest is 15; 16.5 is a tenth above: bought at the next 16.5, 20 is a gain of 21 %.
    back = 0.7 * 20 / 16.5
    wanted = [1, 1, 1, 0.88, 0.80, *[0.7] * 9, back, back]
    assert np.allclose(equity, wanted, rtol=1e-12)
    log = account.watch.log()
    sessions = account.simulation.market.sessions
    assert log["after"].tolist() == ["stage 1", "stage 2", "armed"]
    assert log["session"].tolist() == sessions[[3, 5, 12]].tolist()
    filled = account.simulation.orders
    assert filled.loc[filled["asset"] == "COIN", "session"].tolist() == (
        sessions[[1, 4, 6, 13]].tolist()
    )
    assert account.full.equity.iloc[-1] == pytest.approx(0.2e6, rel=1e-12)


def test_what_an_overlay_trades_is_charged():
    cost = ProportionalCost(fee_bps=10.0, half_spread_bps=0.0, slippage_bps=0.0)
    account = account_of(market(PLANTED), Holds(COIN=1.0), TWO_STAGES, cost=cost)
    fees = account.simulation.fees.to_numpy()
    traded = account.simulation.orders
    coins = traded[traded["asset"] == "COIN"].set_index("session")["value"].abs()
    assert np.count_nonzero(fees) == 4
    paid = account.simulation.fees[coins.index]
    assert np.allclose(paid, 1e-3 * coins, rtol=1e-12)
    assert np.count_nonzero(account.full.fees) == 1


def test_an_overlay_sells_every_asset_alike_and_trades_no_drift_back():
    random = np.random.default_rng(3)
    drift = 100.0 * np.cumprod(1.0 + random.normal(0.0, 0.03, 40))
    share = 20.0 * np.cumprod(1.0 + random.normal(0.0, 0.03, 40))
    coin = np.concatenate([drift[:20], drift[20:] * 0.6])
    stop = DrawdownStop(stages=((0.2, 0.4),), wait=500)
    account = account_of(
        market(list(coin), SHARE=list(share)), Holds(COIN=0.6, SHARE=0.4), stop,
        schedule=Schedule("quarter"),
    )  # fmt: skip
    (switch,) = account.watch.log()["session"]
    sessions = account.simulation.market.sessions
    row = sessions.get_loc(switch)
    units = account.simulation.units[["SHARE", "COIN"]].to_numpy()
    left = units[row + 1] / units[row]
    assert np.allclose(left, 0.4, atol=0.03)
    # Sized at the fill, from the day's prices: what was ordered are the drifted weights.
    order = account.orders[-1]
    assert order.row == row
    drifted = account.full.weights.to_numpy()[row]
    assert np.allclose(order.weights[:2], 0.4 * drifted[:2], rtol=1e-12)
    assert order.weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (units[row + 1 :] == units[row + 1]).all()


def test_a_decision_while_an_overlay_is_engaged_orders_the_kept_share():
    stop = DrawdownStop(stages=((0.1, 0.25),), wait=500)
    account = account_of(
        market([100.0, 100.0, 80.0] + [80.0] * 60), Holds(COIN=0.8), stop,
        schedule=Schedule("month"),
    )  # fmt: skip
    later = [made for made in account.decisions if made.row > 5]
    assert later
    for made in later:
        assert made.sized["COIN"] == pytest.approx(0.8)
        assert made.weights["COIN"] == pytest.approx(0.2)
        assert made.weights.sum() == pytest.approx(1.0)
    assert account.simulation.weights["COIN"].iloc[-1] == pytest.approx(0.2)
    assert account.full.weights["COIN"].iloc[-1] == pytest.approx(0.8)


@pytest.mark.parametrize("delay", [1, 2, 3])
def test_an_overlay_fills_as_late_as_a_decision(delay):
    panel = market([100.0] * 8 + [80.0] * 8)
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=100)
    account = account_of(
        panel, Holds(COIN=1.0), stop, fill_delay=delay, schedule=Schedule("quarter")
    )
    orders = account.simulation.orders
    filled = orders.loc[orders["asset"] == "COIN", "session"].tolist()
    assert filled == panel.sessions[[delay, 8 + delay]].tolist()


def test_an_overlay_that_acts_before_the_last_decision_filled_keeps_a_share_of_that_decision():
    coin = [100.0] * 20 + [85.0] * 12
    panel = market(coin, SHARE=[50.0] * 32)

    class Turns(Holds):
        """Coin, and shares from the session on which the coin falls."""

        def targets(self, panel, signals=None):
            late = np.arange(len(panel.sessions)) >= 20
            return pd.DataFrame({"COIN": ~late * 1.0, "SHARE": late * 1.0}, panel.sessions)

    # Weeks end on rows 3, 8, 12, 17, 22 ...: the stop of row 20 fills on 23, the turn on 25.
    stop = DrawdownStop(stages=((0.1, 0.5),), wait=2, recovery=0.0)
    account = account_of(panel, Turns(), stop, fill_delay=3, schedule=Schedule("week"))
    made = [order for order in account.orders if order.row >= 20]
    assert [order.row for order in made][:2] == [20, 22]
    assert made[0].weights.tolist() == pytest.approx([0.0, 0.5, 0.5])
    assert made[1].weights.tolist() == pytest.approx([1.0, 0.0, 0.0])
    assert account.simulation.weights["SHARE"].iloc[-1] == pytest.approx(1.0)


def test_an_overlay_that_acts_after_a_decision_that_has_not_filled_keeps_a_share_of_that_decision():
    panel = market([100.0] * 18 + [80.0] * 14, SHARE=[50.0] * 32)

    class Turns(Holds):
        """Coin, and shares from the end of the week in row 17 on."""

        def targets(self, panel, signals=None):
            late = np.arange(len(panel.sessions)) >= 17
            return pd.DataFrame({"COIN": ~late * 1.0, "SHARE": late * 1.0}, panel.sessions)

    stop = DrawdownStop(stages=((0.1, 0.5),), wait=100)
    account = account_of(panel, Turns(), stop, fill_delay=3, schedule=Schedule("week"))
    (made,) = (order for order in account.orders if order.row == 18)
    assert made.weights.tolist() == pytest.approx([0.5, 0.0, 0.5])
    weights = account.simulation.weights
    assert weights["SHARE"].iloc[19:23].tolist() == pytest.approx([0.0, 1.0, 0.5, 0.5])
    assert weights["COIN"].iloc[20:].max() == 0.0


def test_a_halted_asset_waits_and_is_sold_when_it_trades_again():
    coin = [100.0] * 6 + [60.0] * 24
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 12, 31))
    halt = Halt(sessions[5].date(), sessions[9].date())
    panel = market(coin, (halt,), SHARE=[50.0] * 30)
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=100)
    account = account_of(panel, Holds(COIN=0.5, SHARE=0.5), stop, schedule=Schedule("quarter"))
    orders = account.simulation.orders
    sold = orders[orders["units"] < 0.0].set_index("asset")["session"]
    assert sold["COIN"] == panel.sessions[7]
    assert sold["SHARE"] == panel.sessions[10]


def test_what_a_decision_still_waits_to_buy_is_kept_in_part_too():
    coin = [100.0] * 6 + [70.0] * 24
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 12, 31))
    halt = Halt(sessions[1].date(), sessions[9].date())
    panel = market(coin, (halt,), SHARE=[50.0] * 30)
    stop = DrawdownStop(stages=((0.1, 0.5),), wait=100)
    account = account_of(panel, Holds(COIN=0.5, SHARE=0.5), stop, schedule=Schedule("quarter"))
    bought = account.simulation.orders.set_index("asset").loc[["SHARE"]]
    assert bought["session"].tolist() == [panel.sessions[10]]
    assert account.simulation.weights["SHARE"].iloc[10] == pytest.approx(0.25)
    assert account.full.weights["SHARE"].iloc[10] == pytest.approx(0.5)


# Turnover and limits


@pytest.fixture(scope="module")
def crash() -> Panel:
    """A year of calm growth of coin and share, with one crash and a recovery."""
    random = np.random.default_rng(11)
    moves = random.normal(0.001, 0.01, (300, 2))
    moves[120:130] -= 0.05
    moves[150:200] += 0.008
    coin, share = (100.0 * np.cumprod(1.0 + moves[:, i]) for i in range(2))
    return market(list(coin), SHARE=list(share))


SIZED = {
    "optimizer": Optimizer(TrackTarget(), (MaxTurnover(cap=0.10), MinCash(floor=0.02)), COST),
    "risk_model": ExponentialCovariance(),
    "cost": COST,
    "schedule": Schedule("week", date(2024, 5, 1)),
}


class Alternates(Strategy):
    """Coin and share, of which one or the other leads by month."""

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        even = panel.sessions.month % 2 == 0
        return pd.DataFrame(
            {"COIN": np.where(even, 0.7, 0.3), "SHARE": np.where(even, 0.3, 0.7)}, panel.sessions
        )


def test_sizing_never_learns_of_an_overlay(crash):
    stop = DrawdownStop(stages=((0.1, 0.5), (0.2, 0.0)), wait=5, recovery=0.05)
    without = account_of(crash, Alternates(), **SIZED)
    kept = account_of(crash, Alternates(), stop, **SIZED)
    assert set(kept.watch.log()["after"]) == {"stage 1", "stage 2", "armed"}
    assert np.array_equal(kept.full.equity, without.simulation.equity)
    assert len(kept.decisions) == len(without.decisions)
    for one, other in zip(kept.decisions, without.decisions, strict=True):
        pd.testing.assert_series_equal(one.sized, other.sized)
        assert one.allocation.relaxed == other.allocation.relaxed


def test_buying_back_is_not_charged_against_turnover_and_a_rebalance_is(crash):
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=5, recovery=0.05)
    result = Backtester(overlays=(stop,), **SIZED, checks=Checks(audit_cuts=0)).run(
        Alternates(), crash
    )
    account, log = result.account, result.overlays
    (back,) = log.loc[log["after"] == "armed", "session"]
    sessions = account.simulation.market.sessions
    fill = sessions.get_loc(back) + 1
    orders = account.simulation.orders
    bought = orders[(orders["session"] == sessions[fill]) & (orders["asset"] != "CASH")]
    one_way = bought["value"].sum() / account.simulation.equity.iloc[fill]
    assert one_way > 0.9
    # The whole book is back, but for the day it took to fill.
    own = account.simulation.weights.to_numpy()[fill]
    assert np.allclose(own, account.full.weights.to_numpy()[fill], atol=0.01)
    turnover = result.limits[result.limits["limit"] == "MaxTurnover"].iloc[1:]
    assert (turnover["at_decision"] <= 0.10 + turnover["slack"] + 1e-9).all()
    assert (turnover["slack"] == 0.0).all()
    assert turnover["after_fill"].max() < 0.13
    assert turnover["at_decision"].max() == pytest.approx(0.10, abs=1e-6)
    assert turnover["drift"].isna().all()


def test_limits_after_the_fill_are_those_of_what_was_held(crash):
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=5, recovery=0.05)
    result = Backtester(overlays=(stop,), **SIZED, checks=Checks(audit_cuts=0)).run(
        Alternates(), crash
    )
    cash = result.limits[result.limits["limit"] == "MinCash"].set_index("session")
    out = [made for made in result.account.decisions if made.weights["CASH"] == 1.0]
    assert out
    for made in out:
        assert cash.at[made.decision.session, "at_decision"] < 0.1
        assert cash.at[made.decision.session, "after_fill"] == pytest.approx(1.0)


def test_turnover_after_the_fill_is_that_of_the_book_at_full_share(crash):
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=5, recovery=0.05)
    result = Backtester(overlays=(stop,), **SIZED, checks=Checks(audit_cuts=0)).run(
        Alternates(), crash
    )
    found = result.limits[result.limits["limit"] == "MaxTurnover"].set_index("session")
    full, prices = result.account.full, result.panel.prices()
    traded = []
    for made in result.account.decisions[1:]:
        fill = made.row + 1
        after = result.panel.sessions[fill]
        held = full.units.loc[: made.decision.session].iloc[-1] * prices.loc[after]
        change = full.weights.loc[after] - held / held.sum()
        assert found.at[made.decision.session, "after_fill"] == pytest.approx(
            change.abs().sum() / 2.0, abs=1e-12
        )
        if made.weights["CASH"] == 1.0:
            traded.append(change.abs().sum() / 2.0)
    assert max(traded) > 0.02


def test_an_overlay_that_never_acts_changes_no_order(crash):
    far = DrawdownStop(stages=((0.99, 0.0),))
    without = account_of(crash, Alternates(), **SIZED)
    kept = account_of(crash, Alternates(), far, **SIZED)
    assert np.array_equal(kept.simulation.ordered_units, without.simulation.ordered_units)
    assert np.array_equal(kept.simulation.equity, without.simulation.equity)


def test_a_cap_below_one_holds_from_the_first_order_on():
    account = account_of(market([100.0] * 5), Holds(COIN=1.0), VolatilityTarget(0.2, cap=0.4))
    assert account.simulation.weights["COIN"].tolist() == pytest.approx([0.0] + [0.4] * 4)


def test_a_book_that_lost_everything_ends_the_decisions_and_no_more():
    gone = [100.0, 100.0, 50.0] + [1e-9] * 30
    stop = DrawdownStop(stages=((0.1, 0.0),), wait=1, recovery=0.0)
    account = account_of(market(gone), Holds(COIN=1.0), stop, schedule=Schedule("week"))
    assert account.simulation.equity.iloc[-1] >= 0.0
    assert np.isfinite(account.simulation.equity).all()


# Result, record and page


@pytest.fixture(scope="module")
def sampled() -> tuple[Panel, Experiment]:
    simulated = SampleMarket(years=4.0)
    panel = assemble([simulated], simulated.universe(), start=date(2017, 7, 3))
    return panel, Experiment.from_toml("trend_control", ["data.start=2017-07-03"])


@pytest.mark.parametrize("name", EACH)
def test_a_run_with_an_overlay_passes_every_check(sampled, name):
    panel, experiment = sampled
    backtester = replace(
        experiment.backtester(), overlays=(EACH[name],), checks=Checks(audit_cuts=4)
    )
    result = backtester.run(experiment.strategy(), panel)
    assert result.failures == ()
    assert result.reconciliation.max_relative_gap <= 1e-9
    assert len(result.overlays) > 0
    assert len(result.account.orders) > len(result.account.decisions)


@pytest.mark.parametrize("delay", [1, 4])
def test_a_replay_of_the_run_ends_in_the_same_state(sampled, delay):
    panel, experiment = sampled
    overlays = tuple(EACH.values())
    account = replace(experiment.backtester(), overlays=overlays, fill_delay=delay).loop.run(
        experiment.strategy(), panel
    )
    first = account.orders[0].row + delay
    again = replay(
        overlays,
        account.simulation.equity.iloc[first:],
        account.full.equity.iloc[first:],
        panel.periods_per_year,
    )
    assert again.share == account.watch.share
    pd.testing.assert_frame_equal(again.log(), account.watch.log(), check_exact=True)


def test_the_result_tells_of_its_overlays_and_of_the_book_without_them(sampled, tmp_path):
    panel, experiment = sampled
    backtester = replace(
        experiment.backtester(), overlays=tuple(EACH.values()), checks=Checks(0, replay=False)
    )
    result = backtester.run(experiment.strategy(), panel)
    plain = replace(backtester, overlays=()).run(experiment.strategy(), panel)
    ours, theirs = result.returns["without_overlays"], plain.returns["net"]
    assert np.allclose(ours, theirs, atol=1e-15)
    assert result.metrics()["without_overlays"]["cagr"] == pytest.approx(
        plain.metrics()["net"]["cagr"], rel=1e-12
    )
    assert "without_overlays" not in plain.returns
    assert plain.manifest()["overlays"] is None
    assert plain.overlays.empty
    told = result.manifest()["overlays"]
    assert told["switches"] == len(result.overlays)
    assert told["share"] == result.overlays["kept"].iloc[-1]
    # The share of each session is that of the last order.
    kept = result.overlays.groupby("session")["kept"].last()
    daily = kept.reindex(result.weights.index).ffill().fillna(0.9)
    opened = result.account.orders[0].row
    assert told["sessions_kept_back"] == int((daily.iloc[opened:] < 1.0).sum())
    folder = result.save(tmp_path)
    page = (folder / "report.html").read_text()
    assert "Changes of state of overlays" in page
    assert "Without overlays, net" in page
    assert "DrawdownStop" in page
    written = pd.read_parquet(folder / "overlays.parquet")
    pd.testing.assert_frame_equal(written, result.overlays, check_dtype=False)
    other = (plain.save(tmp_path) / "report.html").read_text()
    assert "Changes of state" not in other
    assert "Without overlays" not in other


def test_what_is_on_record_as_allocated_is_the_book_at_full_share(sampled):
    panel, experiment = sampled
    backtester = replace(
        experiment.backtester(), overlays=(EACH["target"],), checks=Checks(0, replay=False)
    )
    result = backtester.run(experiment.strategy(), panel)
    allocated = result.targets.pivot(index="session", columns="asset", values="allocated")
    for made in result.account.decisions:
        row = allocated.loc[made.decision.session].reindex(made.sized.index)
        assert (row == made.sized).all()
        share = made.weights.drop("CASH").sum() / made.sized.drop("CASH").sum()
        assert 0.1 <= share <= 0.9 + 1e-12


def test_the_beta_matched_benchmark_follows_what_overlays_ordered(sampled):
    panel, experiment = sampled
    out = DrawdownStop(stages=((0.10, 0.0),), wait=10, recovery=0.03)
    backtester = replace(experiment.backtester(), overlays=(out,), checks=Checks(0, replay=False))
    result = backtester.run(experiment.strategy(), panel)
    betas = result.beta_matched.betas
    orders = result.account.orders
    sessions = result.account.simulation.market.sessions
    assert betas.index.tolist() == [sessions[order.row] for order in orders]
    kept = np.array([order.share for order in orders])
    assert (betas[kept == 0.0] == 0.0).all(axis=None)
    assert (kept == 0.0).sum() > 1
    assert (betas[kept == 1.0].sum(axis=1) > 0.0).all()


# The experiment file

TOML = """
title = "Kept back"

[strategy]
kind = "benchmarks:BitcoinOnly"

[data]
start = 2023-01-03
end = 2023-12-29

[[overlays]]
kind = "DrawdownStop"
stages = [[0.10, 0.5], [0.20, 0.0]]
wait = 10

[[overlays]]
kind = "VolatilityTarget"
target = 0.4
floor = 0.1

[[overlays]]
kind = "ExpectedShortfallBreaker"
cap = 0.08

[checks]
audit_cuts = 2
"""


@pytest.fixture
def experiment(tmp_path) -> Experiment:
    (tmp_path / "kept.toml").write_text(TOML)
    return Experiment.from_toml(tmp_path / "kept.toml")


def changed(experiment: Experiment, *overrides: str) -> Experiment:
    return Experiment.from_toml(experiment.folder / "kept.toml", overrides)


def test_the_file_becomes_overlays_in_its_order(experiment):
    assert experiment.backtester().overlays == (
        DrawdownStop(stages=((0.10, 0.5), (0.20, 0.0)), wait=10),
        VolatilityTarget(target=0.4, floor=0.1),
        ExpectedShortfallBreaker(cap=0.08),
    )
    assert Experiment.from_toml("trend_control").backtester().overlays == ()


def test_an_override_reaches_an_overlay_and_changes_the_identity(experiment):
    other = changed(experiment, "overlays.1.target=0.3", "overlays.0.stages=[[0.15, 0.25]]")
    stop, target, _ = other.backtester().overlays
    assert target.target == 0.3
    assert stop.stages == ((0.15, 0.25),)
    assert other.origin().identity != experiment.origin().identity


def test_the_resolved_file_says_the_same_again(experiment, tmp_path):
    text = experiment.origin().config
    (tmp_path / "again.toml").write_text(text)
    again = Experiment.from_toml(tmp_path / "again.toml")
    assert again.backtester().overlays == experiment.backtester().overlays
    assert again.origin().config == text
    assert "overlays" not in Experiment.from_toml("trend_control").resolved()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("overlays.0.wiat=3", r"kept\.toml \[\[overlays\]\].*'wait'"),
        ("overlays.0.kind=DrawdownStp", r"\[\[overlays\]\].*Did you mean 'DrawdownStop'"),
        ("overlays.0.kind=Overlay", r"\[\[overlays\]\].*unknown"),
        ("overlays.0.kind=Machine", r"\[\[overlays\]\].*unknown"),
        ("overlays.1.floor=2", r"\[\[overlays\]\].*floor"),
        ("overlays.1.cap=0.05", r"\[\[overlays\]\].*floor = 0\.1 is above cap"),
        ("overlays.0.stages=[[0.2, 0.5], [0.1, 0.0]]", r"\[\[overlays\]\].*stages"),
        ("overlays.7.cap=0.1", r"'7' is not one of 0 to 2"),
    ],
)
def test_a_wrong_overlay_is_refused_with_its_place(experiment, override, message):
    with pytest.raises(ConfigError, match=message):
        changed(experiment, override).backtester()


@pytest.mark.parametrize("given", ["3", '{ kind = "DrawdownStop" }'])
def test_overlays_that_are_no_list_are_refused(tmp_path, given):
    head = TOML.partition("[[overlays]]")[0]
    (tmp_path / "kept.toml").write_text(f"overlays = {given}\n{head}")
    with pytest.raises(ConfigError, match=r"\[\[overlays\]\]"):
        Experiment.from_toml(tmp_path / "kept.toml")


def test_overlays_that_are_no_tables_are_refused(tmp_path):
    head = TOML.partition("[[overlays]]")[0]
    (tmp_path / "kept.toml").write_text(f"overlays = [3]\n{head}")
    with pytest.raises(ConfigError, match=r"\[\[overlays\]\].*expected a table"):
        Experiment.from_toml(tmp_path / "kept.toml").backtester()


# Real prices


@pytest.fixture(scope="module")
def real() -> tuple[Panel, Experiment]:
    experiment = Experiment.from_toml(
        "trend_control", [f"data.folder={DATA}", "data.start=2019-01-02", "schedule.every=quarter"]
    )
    return experiment.panel(), experiment


@pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA names no folder of market data")
@pytest.mark.parametrize("name", EACH)
def test_on_real_prices_both_accounts_agree(real, name):
    panel, experiment = real
    backtester = replace(
        experiment.backtester(), overlays=(EACH[name],), checks=Checks(audit_cuts=0)
    )
    result = backtester.run(experiment.strategy(), panel)
    assert result.failures == ()
    assert result.reconciliation.max_relative_gap <= 1e-9
    assert len(result.overlays) >= 2


@pytest.mark.skipif(not DATA, reason="HASHPIVOT_DATA names no folder of market data")
def test_on_real_prices_what_is_ordered_needs_no_future(real):
    panel, experiment = real
    loop = replace(experiment.backtester(), overlays=tuple(EACH.values())).loop
    found = audit(loop, experiment.strategy(), panel, 3, deep=True)
    assert (found.cuts, found.differences) == (3, 0)
