"""What a stress takes from a run of the migration model, read off the run's own table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from toolkit.errors import ConfigError
from toolkit.network.scenarios import scenario
from toolkit.risk.scenario_shock import ScenarioShock


@pytest.fixture(scope="module")
def joint():
    """With a financing spread that widens by four points within 200 days."""
    ready = scenario("joint")
    return replace(ready, paths={**ready.paths, "credit": ((0, 0.01), (200, 0.05))}).run()


def test_the_worst_moment_is_the_day_of_the_lowest_hash_price_for_every_change(joint):
    table = joint.daily.iloc[:121]
    day = int(table["hash_price"].to_numpy().argmin())
    found = ScenarioShock("s", "joint", horizon=120).changes(joint)
    assert 0 < found.day == day < 120
    for name, column in (("hash_price", "hash_price"), ("bitcoin", "price")):
        expected = table[column].iloc[day] / table[column].iloc[0] - 1.0
        assert getattr(found, name) == pytest.approx(expected, abs=1e-12)
    assert found.credit == pytest.approx(0.04 * day / 200)


def test_the_end_is_the_last_day_of_the_horizon(joint):
    found = ScenarioShock("s", "joint", horizon=120, moment="end").changes(joint)
    assert found.day == 120
    assert found.bitcoin == pytest.approx(joint.daily["price"].iloc[120] / 62_000.0 - 1.0)
    worst = ScenarioShock("s", "joint", horizon=120).changes(joint)
    assert worst.hash_price < found.hash_price < 0.0


def test_further_changes_come_on_top_and_bitcoin_takes_the_hash_price_along(joint):
    plain = ScenarioShock("s", "joint").shock(joint)
    more = ScenarioShock("s", "joint", bitcoin=-0.2, ai=-0.1, credit=0.03).shock(joint)
    assert 1 + more.bitcoin == pytest.approx((1 + plain.bitcoin) * 0.8, abs=2e-6)
    assert 1 + more.hash_price == pytest.approx((1 + plain.hash_price) * 0.8, abs=2e-6)
    assert (more.ai, more.credit) == (-0.1, pytest.approx(plain.credit + 0.03))


def test_its_name_says_once_that_it_is_simulated_and_its_origin_which_day_it_was(joint):
    shock = ScenarioShock("squeeze", "joint").shock(joint)
    assert shock.name == "SIMULATED squeeze"
    assert ScenarioShock(shock.name, "joint").shock(joint) == shock
    day = ScenarioShock("squeeze", "joint").changes(joint).day
    assert shock.origin == f"simulated joint, day {day}: the lowest hash price of 180 days"


def test_miners_that_stay_gain_when_others_leave_so_that_the_worst_moment_moves_nothing():
    run = scenario("ai-exodus").run()
    with pytest.raises(
        ConfigError, match=r"'SIMULATED exodus' moves nothing \(simulated ai-exodus, day 0"
    ):
        ScenarioShock("exodus", "ai-exodus").shock(run)
    assert ScenarioShock("exodus", "ai-exodus", moment="end").shock(run).hash_price > 0.05


def test_a_horizon_beyond_the_run_is_refused(joint):
    last = len(joint.days) - 1
    assert ScenarioShock("s", "joint", last, "end").changes(joint).day == last
    with pytest.raises(ConfigError, match=f"horizon = {last + 1}: the run of 'joint' ends {last}"):
        ScenarioShock("s", "joint", last + 1).changes(joint)
