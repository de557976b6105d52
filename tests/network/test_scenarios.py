"""Ready scenarios and the verdict on what became of the network."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError
from toolkit.network.aftermath import Aftermath, assess
from toolkit.network.cohorts import Cohort, Fleet, Relocation, lognormal_fleet
from toolkit.network.fleet import FleetResult, simulate_fleet
from toolkit.network.scenarios import SCENARIO_NAMES, Scenario, scenario

RICH = Fleet((Cohort(900.0, 15.0, 20.0),))


@cache
def run(name: str) -> FleetResult:
    return scenario(name).run()


@cache
def judged(name: str) -> Aftermath:
    return assess(run(name))


def exodus(result_days: int, **shares: object) -> FleetResult:
    days = pd.date_range("2026-07-01", periods=result_days, freq="D")
    return simulate_fleet(RICH, pd.DataFrame({"price": 62_000.0, **shares}, index=days))


@pytest.mark.parametrize("name", SCENARIO_NAMES)
def test_a_scenario_starts_in_equilibrium_and_stays_there_for_a_month(name: str) -> None:
    result = run(name)
    daily = result.daily
    assert result.simulated is True
    assert daily["hash_rate"].iloc[0] / 1e18 == pytest.approx(894.0, abs=1.0)
    assert daily["hash_price"].iloc[0] == pytest.approx(31.5, abs=0.05)
    assert daily["blocks_per_day"].iloc[:29].to_numpy() == pytest.approx(143.93, abs=0.05)
    assert np.isfinite(daily.drop(columns="value_spread").to_numpy()).all()


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("ai-exodus", "return to equilibrium"),
        ("ban", "return to equilibrium"),
        ("ai-bust", "return to equilibrium"),
        ("heat-curtailment", "return to equilibrium"),
        ("price-halving", "cyclical decline"),
        ("halving-2028", "cyclical decline"),
        ("joint", "structural decline"),
    ],
)
def test_verdict_of_a_scenario(name: str, verdict: str) -> None:
    assert judged(name).verdict == verdict


def test_an_exodus_raises_the_hash_price_and_draws_machines_in() -> None:
    daily = run("ai-exodus").daily
    at_the_end = daily.iloc[210]
    assert at_the_end["hash_price"] > 1.1 * daily["hash_price"].iloc[0]
    assert at_the_end["installed"] < 0.85 * 1052.0
    assert daily["installed"].iloc[-1] > 0.95 * 1052.0
    assert daily["blocks"].iloc[60:210].mean() / 143.93 - 1.0 == pytest.approx(-0.016, abs=0.004)


def test_a_ban_halves_the_blocks_and_the_return_lifts_them_above_normal() -> None:
    assert judged("ban").min_blocks_per_day == pytest.approx(72.0, abs=0.5)
    assert judged("ban").hash_rate_trough < -0.45
    assert run("ban").daily["blocks_per_day"].iloc[150:300].mean() > 147.0


def test_of_the_fifth_that_left_a_tenth_returns_when_ai_busts() -> None:
    bust = scenario("ai-bust")
    result = replace(bust, fleet=replace(bust.fleet, entry=None)).run()
    installed = result.installed.sum(axis=1) / 1052.0
    assert installed[[0, 210, 390, 450, 599]] == pytest.approx([1.0, 0.8, 0.8, 0.9, 0.9])
    assert (np.diff(result.converted_megawatts.sum(axis=1)) >= 0.0).all()


def test_the_halving_comes_when_block_1050000_is_found() -> None:
    result = run("halving-2028")
    rate = result.daily["issuance"] / result.daily["blocks"]
    day = int(np.argmax(result.daily["height"] >= 1_050_000))
    assert 55 < day < 65
    assert rate.iloc[day - 1] == pytest.approx(3.125)
    assert rate.iloc[day + 1] == pytest.approx(1.5625)


def test_a_heat_wave_is_over_within_two_epochs() -> None:
    daily = run("heat-curtailment").daily
    assert daily["hash_rate"].iloc[40] == pytest.approx(0.88 * daily["hash_rate"].iloc[0], rel=0.01)
    assert daily["hash_rate"].iloc[110] == pytest.approx(daily["hash_rate"].iloc[0], rel=0.01)
    assert judged("heat-curtailment").days_to_equilibrium is not None


# --- the verdict ------------------------------------------------------------------------------


def test_days_count_from_leaving_the_band_to_an_epoch_within_it() -> None:
    result = exodus(300, ban=np.where(np.arange(300) < 28, 0.0, 0.2))
    judgement = assess(result)
    rate = result.daily["blocks_per_day"] / 143.93 - 1.0
    outside = np.flatnonzero(rate.abs() > 0.01)
    assert judgement.days_to_equilibrium == outside[-1] + 1 - outside[0]
    # The epoch that has just begun takes 14 / 0.8 days.
    assert judgement.days_to_equilibrium == 17


def test_a_network_that_never_left_needs_no_day() -> None:
    judgement = assess(exodus(100))
    assert judgement.days_to_equilibrium == 0
    assert judgement.verdict == "return to equilibrium"
    assert judgement.hash_rate_change == pytest.approx(0.0, abs=1e-9)


def test_a_network_that_keeps_falling_never_comes_back() -> None:
    falling = 1.0 - 0.995 ** np.arange(300)
    assert assess(exodus(300, exodus=falling)).days_to_equilibrium is None
    assert assess(exodus(300, exodus=falling), band=0.2).days_to_equilibrium == 0


def test_the_same_fall_in_price_is_structural_once_machines_are_gone_for_good() -> None:
    days = pd.date_range("2026-07-01", periods=500, freq="D")
    table = pd.DataFrame({"price": np.where(np.arange(500) < 30, 62e3, 40e3)}, index=days)
    fleet = lognormal_fleet(1052.0)
    assert assess(simulate_fleet(fleet, table)).verdict == "cyclical decline"
    leaving = table.assign(exodus=np.interp(np.arange(500), [30, 100], [0.0, 0.2]))
    assert assess(simulate_fleet(fleet, leaving)).verdict == "structural decline"
    moved = replace(fleet, relocation=Relocation(share=1.0))
    assert assess(simulate_fleet(moved, leaving)).verdict == "cyclical decline"


def test_the_verdict_carries_its_numbers() -> None:
    result, judgement = run("joint"), judged("joint")
    last = result.daily.iloc[-14:].mean()
    first = result.daily.iloc[0]
    for name in ("hash_rate", "hash_price", "price", "installed"):
        change = last[name] / first[name] - 1.0
        assert getattr(judgement, f"{name}_change") == pytest.approx(change), name
    assert judgement.reward_change == pytest.approx(judgement.price_change, abs=1e-6)
    assert judgement.hash_rate_change < 0.0 > judgement.reward_change


@pytest.mark.parametrize("band", [0.0, 1.0, float("nan")])
def test_a_band_must_be_one(band: float) -> None:
    with pytest.raises(ConfigError, match="band"):
        assess(run("ban"), band=band)


def test_a_run_must_last_two_epochs() -> None:
    with pytest.raises(ConfigError, match="27 days is too short"):
        assess(exodus(27))


# --- names and keys ---------------------------------------------------------------------------


def test_unknown_scenarios_and_keys_are_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match=r"no scenario 'ai-exodos'.*'ai-exodus'"):
        scenario("ai-exodos")
    with pytest.raises(ConfigError, match=r"no scenario '\.\./ban'"):
        scenario("../ban")
    with pytest.raises(ConfigError, match="'curtailment'"):
        Scenario("", RICH, {"price": ((0, 1.0),), "curtailed": ((0, 0.1),)})
    with pytest.raises(ConfigError, match=r"no setting 'strat'.*'start'"):
        Scenario("", RICH, {"price": ((0, 1.0),)}, strat=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("knots", [(), ((5, 1.0), (5, 2.0)), ((5, 1.0), (2, 2.0))])
def test_knots_rise_in_time(knots: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(ConfigError, match="rising order"):
        Scenario("", RICH, {"price": knots})


def test_every_name_has_a_scenario_that_says_what_it_is() -> None:
    assert list(SCENARIO_NAMES) == sorted(SCENARIO_NAMES)
    titles = {scenario(name).title for name in SCENARIO_NAMES}
    assert len(titles) == len(SCENARIO_NAMES)
    assert all(title.endswith(".") for title in titles)
