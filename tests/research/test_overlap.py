"""Two names for one bet are found, and the market that is in all of them is not taken for one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.research.overlap import active_returns, same_bets

DAYS = pd.date_range("2024-01-01", periods=400, freq="D")


@pytest.fixture
def noise() -> pd.DataFrame:
    values = np.random.default_rng(0).standard_normal((len(DAYS), 4)) * 0.01
    return pd.DataFrame(values, DAYS, ["first", "second", "third", "market"])


def test_a_copy_under_another_name_is_the_same_bet(noise):
    active = noise[["first", "second"]].assign(renamed=0.5 * noise["first"])
    found = same_bets(active)
    assert [pair[:2] for pair in found.pairs] == [("first", "renamed")]
    assert found.pairs[0][2] == pytest.approx(1.0, abs=1e-12)
    assert found.sessions == 400


def test_the_correlations_are_pearsons(noise):
    found = same_bets(noise).correlations
    pd.testing.assert_frame_equal(found, noise.corr(), rtol=0.0, atol=1e-12)


def test_a_pair_is_at_the_threshold_or_above_and_the_closest_comes_first(noise):
    first, second = noise["first"], noise["second"]
    active = pd.DataFrame({"a": first, "b": first + 0.2 * second, "c": first + 0.6 * second})
    table = active.corr()
    everything = same_bets(active, threshold=0.5)
    assert [pair[:2] for pair in everything.pairs] == [("a", "b"), ("b", "c"), ("a", "c")]
    between = (table.loc["b", "c"] + table.loc["a", "c"]) / 2.0
    assert [pair[:2] for pair in same_bets(active, between).pairs] == [("a", "b"), ("b", "c")]


def test_opposite_bets_are_no_pair(noise):
    active = pd.DataFrame({"for": noise["first"], "against": -noise["first"]})
    found = same_bets(active, threshold=0.01)
    assert found.pairs == ()
    assert found.correlations.loc["for", "against"] == pytest.approx(-1.0)


def test_the_market_in_two_strategies_does_not_make_them_one(noise):
    net = noise[["first", "second"]].add(10.0 * noise["market"], axis=0)
    assert len(same_bets(net).pairs) == 1
    assert same_bets(active_returns(net, 10.0 * noise["market"])).pairs == ()


def test_each_strategy_has_its_own_benchmark_taken_off(noise):
    own = pd.DataFrame({"second": 2.0 * noise["market"], "first": noise["market"]})
    net = noise[["first", "second"]] + own
    active = active_returns(net, own)
    pd.testing.assert_frame_equal(active, noise[["first", "second"]], rtol=0.0, atol=1e-15)


def test_only_sessions_that_all_have_count(noise):
    active = noise[["first", "second"]].copy()
    active.loc[DAYS[:100], "first"] = np.nan
    found = same_bets(active)
    assert found.sessions == 300
    expected = active.iloc[100:].corr()
    pd.testing.assert_frame_equal(found.correlations, expected, rtol=0.0, atol=1e-12)


def test_a_strategy_that_is_its_benchmark_has_no_correlation(noise):
    active = noise[["first", "second"]].assign(second=0.0)
    found = same_bets(active)
    assert found.correlations["second"].isna().all()
    assert found.correlations.loc["first", "first"] == pytest.approx(1.0)
    assert found.pairs == ()


def test_what_cannot_be_compared_is_refused(noise):
    with pytest.raises(InsufficientHistoryError, match="share 59 sessions; expected at least 60"):
        same_bets(noise.iloc[:59])
    with pytest.raises(ConfigError, match=r"threshold = 0\.0"):
        same_bets(noise, 0.0)
    with pytest.raises(DataError, match="several strategies 'first'"):
        same_bets(pd.concat([noise, noise["first"]], axis=1))
    with pytest.raises(DataError, match=r"third on 2024-01-05 .* is infinite"):
        same_bets(noise.assign(third=noise["third"].where(DAYS[4] != DAYS, np.inf)))
    with pytest.raises(DataError, match="no benchmark for second, third, market"):
        active_returns(noise, noise[["first"]])
    with pytest.raises(DataError, match="100 sessions, the strategies 400"):
        active_returns(noise, noise["market"].iloc[:100])
