"""The beta-matched benchmark takes the strategy's own risk, as it was known, and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import BitcoinOnly, StaticMix
from toolkit.backtest.beta_matched import beta_matched
from toolkit.backtest.engine import TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize.costs import ProportionalCost
from toolkit.panel import Panel
from toolkit.universe import Sleeve, Universe

LOOP = TimeLoop(None, None, ProportionalCost(), Schedule("month"), 1, 1e6)


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(seed=11, years=4.0)
    return assemble([market], market.universe())


def test_bitcoin_alone_is_its_own_benchmark(panel):
    account = LOOP.run(BitcoinOnly(), panel)
    matched = beta_matched(account, panel, LOOP)
    np.testing.assert_allclose(matched.betas, [[1.0, 0.0]] * len(account.decisions), atol=1e-10)
    pd.testing.assert_series_equal(
        matched.simulation.equity, account.simulation.equity, rtol=1e-9, check_names=False
    )


def test_its_betas_are_those_of_the_ordered_portfolio_over_the_sessions_before(panel):
    account = LOOP.run(StaticMix(), panel)
    matched = beta_matched(account, panel, LOOP)
    returns = panel.returns()
    tested = 0
    for number, made in enumerate(account.decisions):
        held = made.weights.drop("CASH")
        held = held[held > 0.0]
        recent = returns.iloc[made.row - 126 : made.row + 1]
        if made.row < 126 or recent[held.index].isna().to_numpy().any():
            continue
        tested += 1
        own = (recent[held.index] * held).sum(axis=1).iloc[1:]
        bitcoin = recent["SIMBTC"]
        factors = pd.DataFrame(
            {"one": 1.0, "now": bitcoin, "before": bitcoin.shift(1), "fund": recent[matched.fund]}
        ).iloc[1:]
        found = np.linalg.lstsq(factors.to_numpy(), own.to_numpy(), rcond=None)[0]
        expected = [found[1] + found[2], found[3]]
        np.testing.assert_allclose(matched.betas.iloc[number], expected, atol=1e-10)
    assert tested > 10


def test_it_holds_bitcoin_the_fund_and_cash_and_borrows_nothing(panel):
    matched = beta_matched(LOOP.run(StaticMix(), panel), panel, LOOP)
    weights = matched.simulation.weights
    others = weights.drop(columns=["SIMBTC", matched.fund, "CASH"])
    assert not others.to_numpy().any()
    assert (weights[["SIMBTC", matched.fund]] >= 0.0).all(axis=None)
    # An overdraft of a fill that closes later in the day is the ledger's, and small.
    assert weights["CASH"].min() > -0.02
    assert matched.simulation.fees.sum() > 0.0


def test_what_comes_later_changes_no_beta(panel):
    account = LOOP.run(StaticMix(), panel)
    whole = beta_matched(account, panel, LOOP).betas
    cut = account.decisions[20].decision.session
    past = panel.until(panel.sessions[panel.sessions.get_loc(cut) + 3])
    again = beta_matched(LOOP.run(StaticMix(), past), past, LOOP).betas
    pd.testing.assert_frame_equal(again[:cut], whole[:cut], rtol=0.0, atol=1e-9)


def test_without_a_fund_or_bitcoin_there_is_none(panel):
    for missing in (Sleeve.AI_INFRASTRUCTURE, Sleeve.BITCOIN):
        kept = [a for a in panel.universe if a.memberships[0].sleeve is not missing]
        names = [asset.id for asset in kept]
        close = panel.field("close")
        fields = {**panel.fields, "close": type(close)(
            close.values[names], close.available_at, close.unit, close.source)}  # fmt: skip
        less = Panel(Universe(tuple(kept)), panel.sessions, fields)
        account = LOOP.run(StaticMix(), less)
        assert beta_matched(account, less, LOOP) is None
