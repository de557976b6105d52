"""AI tokens: their part in AI shares is found where it is planted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit.config import DataSettings, panel_of
from toolkit.data.sample import SampleMarket
from toolkit.errors import InsufficientHistoryError
from toolkit.research.bootstrap import Blocks
from toolkit.research.token_response import token_events, token_sensitivity


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


def test_a_row_for_each_contract_and_none_for_statements(panel):
    events = SampleMarket(seed=7).events.events
    table = token_events(panel, events)
    assert table["asset"].tolist() == ["HASHCO", "HASHCO", "NONCE", "NONCE"]
    assert table["reaction"].notna().all()


def test_a_market_without_tokens_is_refused(panel):
    bare = replace(panel, universe=panel.universe.leave_out(("SIMNET", "SIMGPU")))
    with pytest.raises(InsufficientHistoryError, match="at least 252"):
        token_sensitivity(bare)
