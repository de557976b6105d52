"""The block clock: exact retargets, the response to shocks, and luck."""

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError
from toolkit.network import difficulty as protocol
from toolkit.network.block_clock import retargeted
from toolkit.network.chain import ChainResult, Start, follow_epochs, follow_hash_rate
from toolkit.network.economics import scheduled_supply

REAL = os.environ.get("HASHPIVOT_DATA")
NORMAL = 9e20
"""H/s before anything happens."""


def follow(shares: list[float] | np.ndarray, phase: float = 0.0, **options: int) -> ChainResult:
    """Run over shares of the normal hash rate, a day each, from the equilibrium at 1."""
    days = pd.date_range("2026-07-01", periods=len(shares), freq="D")
    level = NORMAL * 1_209_600 / 2015 / 2**32
    start = Start(2016 * 470 + round(2016 * phase), level)
    return follow_hash_rate(pd.Series(NORMAL * np.asarray(shares), index=days), start, **options)


def monthly(result: ChainResult) -> np.ndarray:
    """Mean blocks a day in each 30 days."""
    return result.daily["blocks"].to_numpy().reshape(-1, 30).mean(axis=1)


# --- the rule ---------------------------------------------------------------------------------


@settings(deadline=None, max_examples=500)
@given(
    mantissa=st.integers(min_value=0x008000, max_value=0x7FFFFF),
    size=st.integers(min_value=4, max_value=0x1C),
    seconds=st.integers(min_value=1, max_value=6_000_000),
)
def test_a_retarget_is_the_protocols_to_the_integer(mantissa: int, size: int, seconds: int) -> None:
    bits = size << 24 | mantissa
    expected = protocol.bits_to_target(protocol.next_bits(bits, 0, seconds))
    assert int(retargeted(float(protocol.bits_to_target(bits)), float(seconds))) == expected


@pytest.mark.parametrize(
    ("bits", "first", "last", "expected"),
    [
        (0x1D00FFFF, 1261130161, 1262152739, 0x1D00D86A),
        (0x1D00FFFF, 1231006505, 1233061996, 0x1D00FFFF),
    ],
)
def test_published_retargets(bits: int, first: int, last: int, expected: int) -> None:
    target = retargeted(float(protocol.bits_to_target(bits)), float(last - first))
    assert protocol.target_to_bits(int(target)) == expected


def test_every_difficulty_of_a_year_is_one_that_the_compact_form_can_hold() -> None:
    shares = np.exp(0.02 * np.sin(np.arange(365.0) / 20.0) + 0.001 * np.arange(365.0))
    table = follow(shares).retargets
    assert len(table) >= 26
    for value in table["difficulty"]:
        # A quotient of two floats may lie below the whole target by its last bit.
        target = int(protocol.LARGEST_TARGET / value * (1.0 + 1e-12))
        kept = protocol.difficulty(protocol.target_to_bits(target))
        assert kept == pytest.approx(value, rel=1e-15)


# --- shocks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "phase", "first_days", "first", "second_days", "second"),
    [
        (0.5, 0.0, 28.0, 0.5, 14.0, 0.5),
        (0.5, 0.5, 14.0, 0.6667, 18.67, 0.5),
        (0.8, 0.0, 17.5, 0.8, 14.0, 0.8),
        (0.8, 0.5, 8.75, 0.8889, 15.56, 0.8),
        (0.1, 0.0, 140.0, 0.25, 35.0, 0.1),
    ],
)
def test_response_to_a_step_in_hash_rate(
    left: float, phase: float, first_days: float, first: float, second_days: float, second: float
) -> None:
    table = follow([left] * 250, phase).retargets
    before = NORMAL * 1_209_600 / 2015 / 2**32
    days = (table["time"] - pd.Timestamp("2026-07-01")).dt.total_seconds() / 86_400.0
    assert days[0] == pytest.approx(first_days, rel=1e-3)
    assert days[1] - days[0] == pytest.approx(second_days, rel=1e-3)
    assert table["difficulty"][0] / before == pytest.approx(first, abs=1e-3 * first)
    assert table["difficulty"][1] / before == pytest.approx(second, abs=1e-3 * second)


def test_a_fifth_gone_in_a_day_costs_half_a_month_of_blocks_and_no_more() -> None:
    months = monthly(follow([1.0] + [0.8] * 89))
    assert months == pytest.approx([127.5, 143.9, 143.9], abs=0.15)
    assert months[0] / 144.0 - 1.0 == pytest.approx(-0.115, abs=0.001)


def test_a_fifth_gone_in_half_a_year_costs_little() -> None:
    result = follow(1.0 - 0.2 * np.minimum(np.arange(240) / 180.0, 1.0))
    assert result.daily["blocks"][:180].mean() / 144.0 - 1.0 == pytest.approx(-0.017, abs=5e-4)
    assert monthly(result)[1:6] == pytest.approx(141.5, abs=0.4)


def test_blocks_exceed_normal_only_while_miners_return() -> None:
    days = np.arange(240.0)
    shares = np.where(
        days <= 45, 1.0 - 0.5 * days / 45, np.minimum(0.5 + 0.5 * (days - 45) / 120, 1)
    )
    result = follow(shares)
    assert monthly(result)[:7] == pytest.approx([125, 117, 156, 155, 153, 151, 144], abs=0.5)
    blocks = result.daily["blocks"]
    assert blocks.min() == pytest.approx(99, abs=2.0)
    assert blocks.max() == pytest.approx(165, abs=1.0)


def test_a_steady_fall_lowers_the_block_rate_by_fourteen_days_of_it() -> None:
    pace = np.log(0.8) / 180.0
    blocks = follow(np.exp(pace * np.arange(360.0))).daily["blocks"][100:]
    assert blocks.mean() == pytest.approx(144.0 * (1.0 + 14.0 * pace), abs=0.3)


def test_a_constant_hash_rate_never_changes_the_difficulty() -> None:
    result = follow([1.0] * 400)
    assert (result.retargets["change"] == 0.0).all()
    assert len(result.retargets) == 28
    assert result.daily["interval_seconds"].to_numpy() == pytest.approx(600.298, abs=0.01)


def test_china_2021_by_mean_hash_rate_of_each_epoch() -> None:
    path = [179.2, 150.6, 142.6, 102.8, 97.8, 103.7, 111.3, 126.0]
    table = follow_epochs([1e18 * rate for rate in path], difficulty=25.046488e12)
    changes = [-15.97, -5.30, -27.94, -4.81, 6.03, 7.31, 13.24]
    assert 100.0 * table["change"].to_numpy()[1:] == pytest.approx(changes, abs=0.1)
    assert table["days"][3] == pytest.approx(19.43, abs=0.02)


@pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")
def test_every_epoch_since_2014_follows_from_its_mean_hash_rate() -> None:
    epochs = pd.read_csv(Path(str(REAL)) / "btc_difficulty_epochs.csv").iloc[140:478]
    after = epochs["difficulty"].shift(-1).dropna().to_numpy()
    mean = after * 2015 / 1_209_600 * 2**32
    table = follow_epochs(list(mean), float(epochs["difficulty"].iloc[0]))
    actual = after / epochs["difficulty"].to_numpy()[:-1] - 1.0
    assert table["change"].to_numpy() == pytest.approx(actual, abs=1e-4)


# --- luck -------------------------------------------------------------------------------------


def test_luck_alone_moves_the_difficulty_by_3_percent_and_takes_half_of_it_back() -> None:
    table = follow([1.0] * 70_000, seed=11).retargets
    steps = np.diff(np.log(table["difficulty"]))
    assert len(steps) > 4_900
    assert steps.std() == pytest.approx(0.0315, abs=0.001)
    assert np.corrcoef(steps[1:], steps[:-1])[0, 1] == pytest.approx(-0.5, abs=0.03)


def test_blocks_of_a_day_scatter_like_a_poisson_count() -> None:
    daily = follow([1.0] * 20_000, seed=3).daily
    # Days without a retarget, whose expectation is known throughout.
    same = daily["difficulty"].diff() == 0.0
    expected, found = daily["blocks_per_day"][same], daily["blocks"][same]
    assert (found == found.round()).all()
    assert found.sum() / expected.sum() == pytest.approx(1.0, abs=3e-3)
    assert ((found - expected) ** 2 / expected).mean() == pytest.approx(1.0, abs=0.05)


def test_a_seed_fixes_the_luck() -> None:
    one, same, other = (follow([1.0] * 200, seed=seed) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(one.daily, same.daily)
    assert not one.daily["blocks"].equals(other.daily["blocks"])


# --- coins ------------------------------------------------------------------------------------


def test_issuance_is_the_schedule_and_halves_within_the_day() -> None:
    days = pd.date_range("2028-04-01", periods=60, freq="D")
    start = Start(height=1_050_000 - 3_000)
    daily = follow_hash_rate(pd.Series(NORMAL, index=days), start, seed=2).daily
    for height, supply in zip(daily["height"], daily["supply"], strict=True):
        assert supply == pytest.approx(scheduled_supply(height - 1.0), abs=1e-6)
    issued = daily["supply"].iloc[-1] - scheduled_supply(start.height - 1.0)
    assert daily["issuance"].sum() == pytest.approx(issued, abs=1e-6)
    rates = daily["issuance"] / daily["blocks"]
    assert rates.iloc[0] == pytest.approx(3.125)
    assert rates.iloc[-1] == pytest.approx(1.5625)
    assert all(later <= earlier + 1e-9 for earlier, later in pairwise(rates))


def test_lost_blocks_are_never_made_up() -> None:
    calm, hit = follow([1.0] * 300), follow([1.0] * 30 + [0.5] * 270)
    gap = calm.daily["height"] - hit.daily["height"]
    assert gap.iloc[90] > 1_000.0
    assert gap.iloc[90:].to_numpy() == pytest.approx(gap.iloc[90], rel=1e-3)


# --- refusals ---------------------------------------------------------------------------------


def test_gaps_are_refused_with_their_place() -> None:
    days = pd.date_range("2026-07-01", periods=10, freq="D").delete(4)
    with pytest.raises(DataError, match=r"row 4 is 2026-07-06 .* expected 2026-07-05"):
        follow_hash_rate(pd.Series(NORMAL, index=days))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ([1.0, float("nan"), 1.0], "hash_rate is nan on 2026-07-02"),
        ([1.0, 1.0, -2.0], "hash_rate is -2.0 on 2026-07-03"),
        ([0.0, 1.0, 1.0], "above 0 on the first day"),
        (["a", "b", "c"], "no number"),
        ([], "no day"),
    ],
)
def test_impossible_hash_rates_are_refused(values: list[float], complaint: str) -> None:
    days = pd.date_range("2026-07-01", periods=len(values), freq="D")
    with pytest.raises(DataError, match=complaint):
        follow_hash_rate(pd.Series(values, index=days, dtype=object))


def test_days_must_be_days() -> None:
    with pytest.raises(DataError, match="labelled by RangeIndex"):
        follow_hash_rate(pd.Series([1.0, 2.0]))
    hours = pd.date_range("2026-07-01 06:00", periods=3, freq="D")
    with pytest.raises(DataError, match="not consecutive"):
        follow_hash_rate(pd.Series(1.0, index=hours))
    with pytest.raises(DataError, match=r"hash_rates is 0\.0"):
        follow_epochs([1e18, 0.0])
    with pytest.raises(DataError, match="hash_rates is empty"):
        follow_epochs([])


@pytest.mark.parametrize("seed", [-1, 1.5, "one"])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises(ConfigError, match=f"seed = {seed!r}: expected a whole number"):
        follow([1.0] * 3, seed=seed)


def test_a_hash_rate_that_explodes_is_refused() -> None:
    days = pd.date_range("2026-07-01", periods=30, freq="D")
    explosion = pd.Series(1e18 * 1e4 ** np.arange(30.0), index=days)
    with pytest.raises(DataError, match="rises so fast"):
        follow_hash_rate(explosion)


def test_a_day_without_hashing_finds_nothing_and_counts_as_time() -> None:
    result = follow([1.0] * 5 + [0.0] * 4 + [1.0] * 20)
    assert (result.daily["blocks"].iloc[5:9] == 0.0).all()
    assert result.retargets["change"][0] == pytest.approx(14 / 18 - 1, abs=1e-3)


# --- machine code -----------------------------------------------------------------------------


def test_machine_code_is_kept_until_any_source_of_the_network_changes(tmp_path: Path) -> None:
    folder = Path(protocol.__file__).parents[1]
    unwanted = shutil.ignore_patterns("__pycache__")
    shutil.copytree(folder, tmp_path / "toolkit", ignore=unwanted)
    code = (
        "from toolkit.network.block_clock import retargeted as f; f(1e60, 1e6); "
        "print(sum(f.stats.cache_hits.values()))"
    )

    def hits() -> int:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    assert [hits(), hits()] == [0, 1]
    # A file that the function is not in, as numba sees it.
    with (tmp_path / "toolkit" / "network" / "present_value.py").open("a") as source:
        source.write("# changed\n")
    assert [hits(), hits()] == [0, 1]
