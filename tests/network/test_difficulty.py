"""The retarget rule, to the integer."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.errors import DataError
from toolkit.network import difficulty as network

REAL = os.environ.get("HASHPIVOT_DATA")


@pytest.mark.parametrize(
    ("bits", "first", "last", "expected"),
    [
        (0x1D00FFFF, 1261130161, 1262152739, 0x1D00D86A),
        (0x1D00FFFF, 1231006505, 1233061996, 0x1D00FFFF),
    ],
)
def test_published_retargets(bits: int, first: int, last: int, expected: int) -> None:
    assert network.next_bits(bits, first, last) == expected


@pytest.mark.parametrize(("seconds", "factor"), [(1, 4), (302_399, 4), (302_400, 4)])
def test_difficulty_rises_by_a_factor_of_four_at_most(seconds: int, factor: int) -> None:
    # A mantissa that four divides, so that the compact form cuts nothing off.
    bits = 0x1B400000
    after = network.next_bits(bits, 0, seconds)
    assert network.bits_to_target(bits) == factor * network.bits_to_target(after)


@pytest.mark.parametrize("seconds", [4_838_400, 4_838_401, 10**9])
def test_difficulty_falls_by_a_factor_of_four_at_most(seconds: int) -> None:
    bits = 0x1B100000
    after = network.next_bits(bits, 0, seconds)
    assert network.bits_to_target(after) == 4 * network.bits_to_target(bits)


def test_times_that_go_backwards_are_clamped_as_in_the_protocol() -> None:
    assert network.next_bits(0x1B400000, 100, 0) == network.next_bits(0x1B400000, 0, 302_400)


@given(st.integers(min_value=1, max_value=network.LARGEST_TARGET))
def test_compact_form_keeps_the_three_leading_bytes(target: int) -> None:
    bits = network.target_to_bits(target)
    kept = network.bits_to_target(bits)
    assert network.target_to_bits(kept) == bits
    assert 0 <= target - kept < max(1, target >> 15)


@pytest.mark.parametrize(
    ("bits", "complaint"),
    [
        (-1, "four bytes"),
        (1 << 32, "four bytes"),
        (0x1D80FFFF, "sign"),
        (0x1D000000, "zero"),
        (0x01000000, "zero"),
        (0x1D010000, "overflows"),
        (0xFF00FFFF, "overflows"),
    ],
)
def test_malformed_bits_are_refused(bits: int, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        network.bits_to_target(bits)


@pytest.mark.parametrize("target", [0, -5, network.LARGEST_TARGET + 1])
def test_targets_out_of_range_are_refused(target: int) -> None:
    with pytest.raises(DataError, match="must lie between"):
        network.target_to_bits(target)


@pytest.mark.parametrize(
    ("height", "satoshi"),
    [
        (0, 5_000_000_000),
        (209_999, 5_000_000_000),
        (210_000, 2_500_000_000),
        (420_000, 1_250_000_000),
        (630_000, 625_000_000),
        (840_000, 312_500_000),
        (6_929_999, 1),
        (6_930_000, 0),
        (64 * 210_000, 0),
    ],
)
def test_subsidy_by_height(height: int, satoshi: int) -> None:
    assert network.block_subsidy(height) == satoshi


def test_all_subsidies_sum_to_just_under_21_million() -> None:
    total = sum(210_000 * network.block_subsidy(210_000 * epoch) for epoch in range(40))
    assert total == 2_099_999_997_690_000


def test_equilibrium_hash_rate() -> None:
    assert network.hash_rate(124.932866e12) / 1e18 == pytest.approx(894.3, abs=0.05)
    assert network.hash_rate(1e12, 300.0) == 2.0 * network.hash_rate(1e12)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("inf"), float("nan")])
def test_hash_rate_of_no_difficulty_is_refused(bad: float) -> None:
    with pytest.raises(DataError, match="difficulty"):
        network.hash_rate(bad)
    with pytest.raises(DataError, match="interval_seconds"):
        network.hash_rate(1.0, bad)


@pytest.mark.parametrize("kind", [np.int64, np.uint32, np.int32])
def test_a_cell_of_a_column_is_the_number_it_shows(kind: type) -> None:
    bits, seconds = 0x17272FBD, 1_255_000
    assert network.bits_to_target(kind(bits)) == network.bits_to_target(bits)
    assert network.difficulty(kind(bits)) == network.difficulty(bits)
    after = network.next_bits(kind(bits), kind(0), kind(seconds))
    assert after == network.next_bits(bits, 0, seconds)
    assert type(network.block_subsidy(kind(840_000))) is int


@pytest.mark.parametrize("bad", [0.5, float("nan"), "0x1d00ffff", None])
def test_what_is_no_whole_number_is_refused_by_name(bad: object) -> None:
    for name, call in {
        "bits": lambda: network.bits_to_target(bad),
        "target": lambda: network.target_to_bits(bad),
        "first_time": lambda: network.next_bits(0x1D00FFFF, bad, 0),
        "last_time": lambda: network.next_bits(0x1D00FFFF, 0, bad),
        "height": lambda: network.block_subsidy(bad),
    }.items():
        with pytest.raises(DataError, match=f"^{name} = .* is not a whole number"):
            call()


@pytest.mark.skipif(REAL is None, reason="HASHPIVOT_DATA names no folder of real data")
def test_every_recorded_epoch_leads_to_the_next() -> None:
    epochs = pd.read_csv(Path(str(REAL)) / "btc_difficulty_epochs.csv")
    checked = 0
    for row, after in zip(
        epochs.itertuples(), epochs["bits"].shift(-1).dropna().tolist(), strict=False
    ):
        if pd.isna(row.timespan_days):
            continue
        seconds = round(row.timespan_days * 86_400)
        candidates = [
            network.next_bits(int(row.bits, 16), 0, guess)
            for guess in range(seconds - 1, seconds + 2)
        ]
        assert int(after, 16) in candidates, row.epoch
        checked += 1
    assert checked > 400
