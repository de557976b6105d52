"""What sizing executed, and assumed against charged costs, on whole runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.costs_log import (
    COSTS,
    EXECUTED,
    cost_log,
    cost_summary,
    executed_share,
    executed_total,
)
from toolkit.backtest.engine import Account, TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize import MaxTurnover, Optimizer, ProportionalCost, SquareRootCost, TrackTarget
from toolkit.optimize.costs import Cost
from toolkit.panel import Panel
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.strategy import Strategy

CASH = 5e7
IMPACT = SquareRootCost(fee_bps=4.0, half_spread_bps=2.0, slippage_bps=0.0, impact=0.5)
PLAIN = ProportionalCost(6.0, 3.0, 1.0)


class Waves(Strategy):
    """Weights of three assets that go up and down, one of them a share of a few months."""

    def targets(self, panel, signals=None):
        time = np.arange(len(panel.sessions))[:, None] / 40.0
        weights = 0.25 + 0.2 * np.sin(time + np.array([0.0, 2.0, 4.0]))
        return pd.DataFrame(weights, panel.sessions, ["SIMBTC", "TENSOR", "HASHCO"])


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(seed=12, years=2.0)
    return assemble([market], market.universe())


def run(panel: Panel, cost: Cost, optimizer: Optimizer | None = None, delay: int = 1) -> Account:
    model = ExponentialCovariance() if optimizer else None
    loop = TimeLoop(optimizer, model, cost, Schedule("month"), delay, CASH)
    return loop.run(Waves(), panel)


def test_without_sizing_every_intended_trade_is_executed(panel):
    shares = executed_share(run(panel, PLAIN))
    assert tuple(shares.columns) == EXECUTED
    assert shares["share"].to_numpy() == pytest.approx(np.ones(len(shares)), rel=1e-12)
    assert executed_total(shares) == pytest.approx(1.0, rel=1e-12)
    assert not (shares["asset"] == "CASH").any()
    assert (shares["target"] - shares["before"]).abs().min() >= 1e-4


def test_a_limit_on_turnover_shows_in_what_was_executed(panel):
    optimizer = Optimizer(TrackTarget(), (MaxTurnover(0.05),), PLAIN)
    account = run(panel, PLAIN, optimizer)
    shares = executed_share(account)
    made = account.decisions[-3]
    mine = shares[shares["session"] == made.decision.session].set_index("asset")
    for name in mine.index:
        before = made.decision.current[name]
        wanted = made.decision.target[name] - before
        assert mine.loc[name, "share"] == pytest.approx((made.sized[name] - before) / wanted)
    later = shares[shares["session"] > account.decisions[0].decision.session]
    assert 0.0 < executed_total(later) < 0.8
    meant = (later["target"] - later["before"]).abs()
    assert executed_total(later) == pytest.approx((later["share"] * meant).sum() / meant.sum())


def test_nothing_intended_is_no_share(panel):
    empty = replace(run(panel, PLAIN), decisions=())
    assert executed_share(empty).empty
    assert executed_total(executed_share(empty)) is None
    assert tuple(executed_share(empty).columns) == EXECUTED


@pytest.mark.parametrize("delay", [1, 3])
def test_in_proportion_the_charged_costs_are_all_that_the_account_paid(panel, delay):
    account = run(panel, PLAIN, delay=delay)
    log = cost_log(account, panel, PLAIN, delay)
    assert tuple(log.columns) == COSTS
    simulation = account.simulation
    paid = simulation.fees.sum() + simulation.slippage.sum()
    assert log["charged_usd"].sum() == pytest.approx(paid, rel=1e-12)
    assert log["fees_usd"].sum() == pytest.approx(simulation.fees.sum(), rel=1e-12)
    assert (log["impact_usd"] == 0.0).all()
    assert log["without_impact_usd"].isna().all()
    # A fee is on the slipped price, so a sale pays a little less and a purchase a little more.
    assert log["assumed_bps"].dropna().to_numpy() == pytest.approx(10.0, rel=1e-9)
    assert log["charged_bps"].dropna().to_numpy() == pytest.approx(10.0, rel=1e-3)
    whole = cost_summary(log)
    assert whole["charged_usd"] == pytest.approx(paid, rel=1e-12)
    assert whole["assumed_bps"] == pytest.approx(10.0, rel=1e-9)
    assert whole["without_impact_share"] is None
    assert whole["capped"] == 0.0


def test_what_is_assumed_is_the_cost_of_the_weights_at_the_decision(panel):
    account = run(panel, PLAIN)
    log = cost_log(account, panel, PLAIN).set_index("session")
    for made in account.decisions[1:]:
        trades = (made.sized - made.decision.current).drop("CASH").abs().sum()
        expected = 10e-4 * trades * made.decision.equity
        assert log.loc[made.decision.session, "assumed_usd"] == pytest.approx(expected, rel=1e-9)


def test_impact_is_told_apart_and_makes_up_the_rest_of_the_charges(panel):
    account = run(panel, IMPACT)
    log = cost_log(account, panel, IMPACT)
    market, book = account.simulation.market, account.simulation.book
    value = np.abs(book.trades * np.nan_to_num(market.prices))
    moved = (market.impact * value**1.5).sum()
    assert (log["impact_usd"] > 0.0).any()
    assert log["impact_usd"].sum() == pytest.approx(moved, rel=1e-12)
    parts = log["fees_usd"] + log["spread_usd"] + log["impact_usd"]
    assert parts.to_numpy() == pytest.approx(log["charged_usd"].to_numpy(), rel=1e-12)
    assert log["spread_usd"].sum() == pytest.approx(2e-4 * log["traded_usd"].sum(), rel=1e-9)
    # The first purchases come before there was any volume to know.
    assert (log["without_impact_usd"].iloc[1:] == 0.0).all()
    assert log["without_impact_usd"].iloc[0] == log["traded_usd"].iloc[0]
    # Volume and volatility are the same at both; only what prices did in between is not.
    ratio = log["charged_bps"] / log["assumed_bps"]
    assert ratio.median() == pytest.approx(1.0, abs=0.03)
    assert log["assumed_bps"].iloc[1:].min() > 20.0


def test_trades_without_known_volume_are_counted(panel):
    fields = {name: field for name, field in panel.fields.items() if name != "dollar_volume"}
    bare = replace(panel, fields=fields)
    account = run(bare, IMPACT)
    log = cost_log(account, bare, IMPACT)
    assert (log["impact_usd"] == 0.0).all()
    assert log["without_impact_usd"].to_numpy() == pytest.approx(log["traded_usd"].to_numpy())
    assert cost_summary(log)["without_impact_share"] == pytest.approx(1.0)


def test_orders_at_the_ceiling_are_counted(panel):
    heavy = replace(IMPACT, impact=1e4)
    account = run(panel, heavy)
    log = cost_log(account, panel, heavy)
    assert log["capped"].sum() > 10
    assert log["charged_bps"].max() < 1e4 * 0.27
    assert log["assumed_usd"].sum() > log["charged_usd"].sum()


def test_the_same_book_with_more_capital_pays_more_for_each_usd(panel):
    paid = []
    for cash in (1e5, 1e7, 1e9):
        loop = TimeLoop(None, None, IMPACT, Schedule("month"), 1, cash)
        account = loop.run(Waves(), panel)
        paid.append(cost_summary(cost_log(account, panel, IMPACT))["charged_bps"])
    assert paid[0] < paid[1] < paid[2]
    assert (paid[1] - 6.0) / (paid[0] - 6.0) == pytest.approx(10.0, rel=0.1)
