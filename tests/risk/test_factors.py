import os

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.config import Experiment
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.risk.estimators import FactorModel
from toolkit.risk.factors import factor_returns
from toolkit.universe import Sleeve

REAL = os.environ.get("HASHPIVOT_DATA")
real = pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")


@pytest.fixture(scope="module")
def panel():
    market = SampleMarket(seed=21, years=3.0)
    return assemble([market], market.universe())


def real_panel():
    return Experiment.from_toml("equal_weight", [f"data.folder={REAL}"]).panel()


def test_bitcoin_is_that_of_the_panel_and_ai_the_mean_of_its_members(panel):
    found = factor_returns(panel)
    returns = panel.returns()
    coin = next(a.id for a in panel.universe if a.memberships[0].sleeve is Sleeve.BITCOIN)
    assert found["bitcoin"].equals(returns[coin].rename("bitcoin"))
    row = panel.sessions[400]
    names = [
        asset.id
        for asset in panel.universe
        if asset.sleeve_on(row.date()) is Sleeve.AI_INFRASTRUCTURE
        and np.isfinite(returns.loc[row, asset.id])
    ]
    assert len(names) > 1
    assert found.loc[row, "ai"] == pytest.approx(returns.loc[row, names].mean(), rel=1e-12)


def test_a_row_of_the_hash_price_ends_with_the_day_before(panel):
    daily = panel.field("hash_price").values.iloc[:, 0]
    row = panel.sessions[400]
    before = panel.sessions[399]

    def week(session):
        last = session - pd.Timedelta(days=1)
        return daily.loc[last - pd.Timedelta(days=6) : last].mean()

    found = factor_returns(panel).loc[row, "hash_price"]
    assert found == pytest.approx(week(row) / week(before) - 1.0, rel=1e-9)


def cut_agrees(panel, rows):
    whole = factor_returns(panel)
    model = FactorModel(tuple(whole.columns))
    for row in rows:
        cut = panel.until(panel.sessions[row])
        then = factor_returns(cut)
        assert list(then.columns) == list(whole.columns)
        np.testing.assert_allclose(then.to_numpy(), whole.iloc[: row + 1].to_numpy(), rtol=1e-12)
        known = model.covariance(cut.returns(), 252.0, then).matrix
        later = model.covariance(panel.returns().iloc[: row + 1], 252.0, whole.iloc[: row + 1])
        again = later.matrix.loc[known.index, known.columns]
        assert len(known) == len(later.matrix)
        np.testing.assert_allclose(again.to_numpy(), known.to_numpy(), rtol=1e-9, atol=1e-15)


def test_factors_and_estimate_are_the_same_on_the_panel_as_it_was(panel):
    cut_agrees(panel, (250, 333, 500, len(panel.sessions) - 1))


@real
def test_factors_and_estimate_are_the_same_on_the_real_panel_as_it_was():
    panel = real_panel()
    assert list(factor_returns(panel)) == ["bitcoin", "ai", "equity", "hash_price"]
    cut_agrees(panel, (700, 1501, 2300))


@real
def test_on_the_clock_of_every_day_a_closed_market_did_not_move():
    overrides = [f"data.folder={REAL}", "data.clock=24/7", "data.start=2024-01-02"]
    panel = Experiment.from_toml("equal_weight", overrides).panel()
    found = factor_returns(panel).loc["2024-02-01":"2024-06-30"]
    days = sessions_between("XNYS", found.index[0].date(), found.index[-1].date())
    closed = found.loc[~found.index.isin(days)]
    assert len(closed) > 40
    assert (closed[["ai", "equity"]] == 0.0).all().all()
    assert (closed["bitcoin"] != 0.0).all()
