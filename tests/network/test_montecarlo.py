"""Many futures: reproducible, streamed, and with the moments that were asked for."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError
from toolkit.network.aftermath import assess
from toolkit.network.cohorts import Entry, lognormal_fleet
from toolkit.network.fleet import simulate_fleet
from toolkit.network.montecarlo import TRACKED, PathProcess, Plan, monte_carlo

FLEET = replace(lognormal_fleet(1052.0, cohorts=12), entry=Entry())
CALM = PathProcess(
    price_volatility=0.0,
    rent_volatility=0.0,
    power_volatility=0.0,
    credit_volatility=0.0,
    fee_volatility=0.0,
    curtailment=0.0,
)


def test_the_number_of_threads_does_not_matter() -> None:
    one = monte_carlo(FLEET, PathProcess(), Plan(paths=8, days=200, seed=3, threads=1))
    four = monte_carlo(FLEET, PathProcess(), Plan(paths=8, days=200, seed=3, threads=4))
    pd.testing.assert_frame_equal(one.outcomes, four.outcomes)
    for name in TRACKED:
        assert (one.samples[name] == four.samples[name]).all()
    other = monte_carlo(FLEET, PathProcess(), Plan(paths=8, days=200, seed=4))
    assert not np.array_equal(one.samples["price"], other.samples["price"])


def test_more_paths_keep_the_first_ones() -> None:
    few = monte_carlo(FLEET, PathProcess(), Plan(paths=3, days=100))
    many = monte_carlo(FLEET, PathProcess(), Plan(paths=6, days=100))
    pd.testing.assert_frame_equal(few.outcomes, many.outcomes.iloc[:3])


def test_a_path_without_volatility_is_the_single_run() -> None:
    result = monte_carlo(FLEET, CALM, Plan(paths=2, days=300, every=10))
    drawn = CALM.draw(300, np.random.default_rng(0))
    days = pd.date_range("2026-07-01", periods=300, freq="D")
    single = simulate_fleet(FLEET, pd.DataFrame(drawn, index=days))
    hash_rate = single.column("hash_rate")[::10]
    # The luck of blocks moves the moment of retargets, and nothing else.
    assert result.samples["hash_rate"][0] == pytest.approx(hash_rate, rel=0.01)
    assert result.outcomes["verdict"][0] == assess(single).verdict
    assert result.simulated is True


def test_drawn_paths_have_the_moments_that_were_asked_for() -> None:
    process = PathProcess(price_drift=0.1)
    draws = np.random.default_rng(1)
    paths = [process.draw(3_653, draws) for _ in range(60)]
    returns = np.concatenate([np.diff(np.log(path["price"])) for path in paths])
    rents = np.concatenate([np.diff(np.log(path["rent"])) for path in paths])
    assert returns.std() * np.sqrt(365.25) == pytest.approx(0.55, rel=0.01)
    assert returns.mean() * 365.25 == pytest.approx(0.1, abs=0.06)
    assert rents.std() * np.sqrt(365.25) == pytest.approx(0.15, rel=0.01)
    assert np.corrcoef(returns, rents)[0, 1] == pytest.approx(0.3, abs=0.01)
    late = {name: np.array([path[name][1_000:] for path in paths]) for name in paths[0]}
    assert np.log(late["power_price"] / 47.0).std() == pytest.approx(0.15, rel=0.1)
    assert np.log(late["fees"] / 0.03).std() == pytest.approx(0.6, rel=0.05)
    assert late["curtailment"].mean() == pytest.approx(0.02, rel=0.05)
    assert late["credit"].mean() == pytest.approx(0.02, abs=0.002)
    for name, value in {"price": 62e3, "rent": 150.0, "power_price": 47.0, "fees": 0.03}.items():
        assert paths[0][name][0] == pytest.approx(value)


def test_a_shock_to_fees_fades_within_the_days_given() -> None:
    fees = PathProcess(curtailment_days=12).draw(200_000, np.random.default_rng(2))["fees"]
    logs = np.log(fees)
    assert np.corrcoef(logs[12:], logs[:-12])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.02)


def test_quantiles_widen_with_time() -> None:
    result = monte_carlo(FLEET, PathProcess(), Plan(paths=60, days=800, every=100))
    table = result.quantiles("price", (0.1, 0.5, 0.9))
    assert list(table.index) == list(pd.date_range("2026-07-01", periods=8, freq="100D"))
    spread = np.log(table[0.9] / table[0.1])
    assert spread.iloc[0] == pytest.approx(0.0, abs=1e-6)
    assert spread.iloc[-1] > 1.5 * spread.iloc[2]
    with pytest.raises(ConfigError, match="'hash_rate'"):
        result.quantiles("hashrate")


def test_what_is_kept_is_small() -> None:
    result = monte_carlo(FLEET, PathProcess(), Plan(paths=5, days=3_653))
    kept = sum(values.nbytes for values in result.samples.values())
    assert kept == 5 * len(TRACKED) * 122 * 4
    assert len(result.outcomes) == 5


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"paths": 0}, r"Plan\.paths = 0"), ({"days": 10}, r"Plan\.days"), ({"seed": -1}, "seed")],
)
def test_impossible_plans_are_refused(settings: dict[str, int], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Plan(**settings)


def test_unknown_settings_of_a_process_are_refused() -> None:
    with pytest.raises(ConfigError, match="'price_volatility'"):
        PathProcess(price_volatilty=0.1)  # type: ignore[call-arg]
