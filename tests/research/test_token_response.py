"""AI tokens: their part in AI shares is found where it is planted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times, sessions_between
from toolkit.config import DataSettings, panel_of
from toolkit.data.sample import SampleMarket
from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Field, Panel
from toolkit.research.bootstrap import Blocks
from toolkit.research.token_response import token_basket, token_events, token_sensitivity
from toolkit.universe import Asset, Membership, Sleeve, Universe


@pytest.fixture(scope="module")
def panel():
    return panel_of(DataSettings())


def test_the_planted_part_of_ai_is_found_and_absent_without_it(panel):
    """Tokens of the sample follow AI; bitcoin in their place does not beyond itself."""
    found, sessions = token_sensitivity(panel, Blocks(draws=200))
    assert sessions > 2000
    assert found.low > 0.2
    close = panel.fields["close"]
    values = close.values.copy()
    for name in ("SIMNET", "SIMGPU"):
        values[name] = values["SIMBTC"]
    coins = replace(panel, fields={**panel.fields, "close": replace(close, values=values)})
    absent, _ = token_sensitivity(coins, Blocks(draws=200))
    assert absent.value == pytest.approx(0.0, abs=1e-9)


def test_the_basket_holds_what_was_a_token_at_the_decision_before():
    """One token from the start, one from the fourth session on, one until the sixth."""
    sessions = sessions_between("XNYS", date(2024, 1, 2), date(2024, 1, 16))
    coin, tokens = Sleeve.BITCOIN, Sleeve.AI_TOKENS
    lives = {
        "EVER": (Membership(tokens, sessions[0].date()),),
        "LATE": (
            Membership(coin, sessions[0].date()),
            Membership(tokens, sessions[3].date()),
        ),
        "PAST": (
            Membership(tokens, sessions[0].date()),
            Membership(coin, sessions[5].date()),
        ),
    }
    returns = np.random.default_rng(3).normal(0.0, 0.05, (len(sessions), 3))
    prices = pd.DataFrame(np.cumprod(1.0 + returns, axis=0), sessions, list(lives))
    close = Field(prices, decision_times(sessions), "USD", "hand")
    assets = tuple(Asset(name, life, calendar="24/7") for name, life in lives.items())
    found = token_basket(Panel(Universe(assets), sessions, {"close": close}))
    held = np.zeros(returns.shape, dtype=bool)
    held[1:, 0] = True
    held[4:, 1] = True
    held[1:6, 2] = True
    assert np.isnan(found.iloc[0])
    expected = np.where(held, returns, 0.0).sum(axis=1)[1:] / held.sum(axis=1)[1:]
    np.testing.assert_allclose(found.iloc[1:], expected, rtol=1e-12)


def test_a_row_for_each_contract_and_none_for_statements(panel):
    events = SampleMarket(seed=7).events.events
    table = token_events(panel, events)
    assert table["asset"].tolist() == ["HASHCO", "HASHCO", "NONCE", "NONCE"]
    assert table["reaction"].notna().all()


def test_a_market_without_tokens_is_refused(panel):
    bare = replace(panel, universe=panel.universe.leave_out(("SIMNET", "SIMGPU")))
    with pytest.raises(InsufficientHistoryError, match="at least 252"):
        token_sensitivity(bare)
