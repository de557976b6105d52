"""Exposure before and after a contract: a planted change is found, a shared one is taken off."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import numpy as np
import pandas as pd
import pytest

from toolkit.config import DataSettings, panel_of
from toolkit.data.announcement import Event, Kind
from toolkit.research.bootstrap import Blocks
from toolkit.research.exposure_change import (
    MEASURES,
    exposure_changes,
    exposure_table,
    first_contracts,
)

BLOCKS = Blocks(draws=100)
MINERS = ["HASHCO", "NONCE", "MERKLE", "MEMPOOL", "JOULES"]


@pytest.fixture(scope="module")
def panel():
    return panel_of(DataSettings())


def signed(panel, row: int, ticker: str = "MERKLE", **settings) -> Event:
    moment = (panel.sessions[row] + pd.Timedelta(hours=14)).to_pydatetime().replace(tzinfo=UTC)
    return Event(ticker, moment.date(), Kind.COLOCATION_CONTRACT, moment, **settings)


def with_returns(panel, change):
    """A panel whose miners' returns are made from the market's on New York sessions."""
    returns = panel.returns().fillna(0.0)
    changed = change(returns.copy())
    close = panel.fields["close"]
    values = close.values.copy()
    for name in MINERS:
        path = 100.0 * (1.0 + changed[name]).cumprod()
        values[name] = path.reindex(values.index)
    assets = tuple(
        replace(asset, usable_from=panel.sessions[0].date(), halts=())
        if asset.id in MINERS
        else asset
        for asset in panel.universe
    )
    universe = replace(panel.universe, assets=assets)
    fields = {**panel.fields, "close": replace(close, values=values)}
    return replace(panel, universe=universe, fields=fields)


def planted(seed: int, row: int, after: float, others: float):
    """Beta 1 to bitcoin, then `after` for the miner with the contract and `others` for the rest."""

    def change(returns):
        random = np.random.default_rng(seed)
        bitcoin = returns["SIMBTC"].to_numpy()
        late = np.arange(len(returns)) >= row
        for name in MINERS:
            beta = np.where(late, after if name == "MERKLE" else others, 1.0)
            returns[name] = beta * bitcoin + 0.02 * random.standard_normal(len(returns))
        return returns

    return change


def measured(panel, row, after, others, seed=3):
    market = with_returns(panel, planted(seed, row, after, others))
    found = exposure_changes(market, [signed(market, row)], BLOCKS)
    return {change.measure: change for change in found}


def test_a_planted_fall_of_beta_and_volatility_is_found_beside_the_controls(panel):
    found = measured(panel, 1200, after=0.4, others=1.0)
    beta = found["beta to bitcoin"]
    assert beta.change.value == pytest.approx(-0.6, abs=0.15)
    assert beta.against_controls.high < -0.3
    assert beta.controls >= 3
    assert found["volatility"].against_controls.high < 0.0
    assert found["expected shortfall"].against_controls.high < 0.0


def test_a_fall_that_all_miners_share_is_no_change_beside_them(panel):
    found = measured(panel, 1200, after=0.4, others=0.4)
    beta = found["beta to bitcoin"]
    assert beta.change.high < -0.3
    assert beta.against_controls.low < 0.0 < beta.against_controls.high
    assert abs(beta.against_controls.value) < 0.15


def test_intervals_hold_no_change_about_as_often_as_they_say(panel):
    """Of 20 draws without any change 90 % intervals leave out 0 about twice."""
    missed = 0
    for seed in range(20):
        found = measured(panel, 1200, after=1.0, others=1.0, seed=100 + seed)["beta to bitcoin"]
        missed += not found.against_controls.low <= 0.0 <= found.against_controls.high
    assert missed <= 6


def test_only_the_first_contract_counts_and_options_are_contracts(panel):
    later, first = signed(panel, 1500), signed(panel, 900)
    statement = replace(signed(panel, 600), kind=Kind.STRATEGY_STATEMENT)
    assert first_contracts([later, statement, first]) == {"MERKLE": first}


def test_a_miner_with_too_few_sessions_on_a_side_is_left_out(panel):
    events = [signed(panel, len(panel.sessions) - 40)]
    assert exposure_changes(panel, events, BLOCKS) == []


def test_who_has_a_contract_within_the_windows_is_no_control(panel):
    alone = exposure_changes(panel, [signed(panel, 1600)], BLOCKS)
    both = exposure_changes(panel, [signed(panel, 1600), signed(panel, 1700, "NONCE")], BLOCKS)
    count = {
        name: next(c.controls for c in found if c.asset == "MERKLE")
        for name, found in (("alone", alone), ("both", both))
    }
    assert count["both"] == count["alone"] - 1


def test_the_table_has_a_row_a_miner_and_measure_and_keeps_the_quality_of_the_day(panel):
    table = exposure_table(exposure_changes(panel, [signed(panel, 1600, quality="approx")], BLOCKS))
    assert table["measure"].tolist() == list(MEASURES)
    assert set(table["day"]) == {"approx"}
