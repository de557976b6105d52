"""Difficulty as the protocol computes it, exact to the integer.

Targets are 256-bit integers, block headers carry them in a compact form of four bytes ("bits").
Every 2,016 blocks the target is multiplied by the time the past epoch took over the time it should
have taken, within a factor of four, and cut to what the compact form can hold.
"""

from __future__ import annotations

import operator

from toolkit.errors import DataError

BLOCKS_PER_EPOCH = 2016
BLOCK_SECONDS = 600
EPOCH_SECONDS = BLOCKS_PER_EPOCH * BLOCK_SECONDS
HALVING_BLOCKS = 210_000
FIRST_SUBSIDY_SATOSHI = 50 * 100_000_000
HASHES_PER_DIFFICULTY = 2**32
"""Expected hashes for one block at difficulty 1; the exact number is 1.5e-5 higher."""

LARGEST_TARGET = 0xFFFF << 208
"""Target of difficulty 1; no target is easier."""

LARGEST_BITS = 0x1D00FFFF
_SIGN = 0x00800000
_MANTISSA = 0x007FFFFF
_CLAMP = 4
_SUBSIDY_ENDS_AT_HALVING = 33


def bits_to_target(bits: int) -> int:
    """Target that a compact form stands for.

    Parameters
    ----------
    bits
        Four bytes: the size in the first, the mantissa in the others, whose top bit is a sign.

    Raises
    ------
    DataError
        No whole number, not four bytes, negative, zero, or easier than difficulty 1.
    """
    bits = _whole("bits", bits)
    if not 0 <= bits <= 0xFFFFFFFF:
        raise DataError(f"bits = {bits:#x} is not a compact target: it must fit in four bytes.")
    size, mantissa = bits >> 24, bits & _MANTISSA
    if bits & _SIGN and mantissa:
        raise DataError(f"bits = {bits:#010x} has its sign set: a target is not negative.")
    target = mantissa >> 8 * (3 - size) if size <= 3 else mantissa << 8 * (size - 3)
    if target == 0:
        raise DataError(f"bits = {bits:#010x} stands for a target of zero, which no block meets.")
    if target > LARGEST_TARGET:
        raise DataError(
            f"bits = {bits:#010x} overflows: the easiest target is {LARGEST_BITS:#010x}."
        )
    return target


def target_to_bits(target: int) -> int:
    """Compact form of a target, cut to the three bytes it can hold.

    Raises
    ------
    DataError
        Not a whole number between 1 and the target of difficulty 1.
    """
    target = _whole("target", target)
    if not 0 < target <= LARGEST_TARGET:
        raise DataError(f"target = {target} must lie between 1 and {LARGEST_TARGET}.")
    size = (target.bit_length() + 7) // 8
    mantissa = target << 8 * (3 - size) if size <= 3 else target >> 8 * (size - 3)
    if mantissa & _SIGN:
        mantissa >>= 8
        size += 1
    return size << 24 | mantissa


def difficulty(bits: int) -> float:
    """Difficulty of a compact target: how many times harder than the easiest one."""
    return LARGEST_TARGET / bits_to_target(bits)


def next_bits(bits: int, first_time: int, last_time: int) -> int:
    """Compact target of the next epoch.

    Parameters
    ----------
    bits
        Compact target of the epoch that ends.
    first_time, last_time
        Timestamps (seconds) of its first and its last block: 2,015 intervals lie between them,
        though 2,016 are paid for, which makes blocks 0.05 % slower than ten minutes for good.

    Raises
    ------
    DataError
        A wrong compact target, or times in other than whole seconds. Times may go backwards, since
        miners set them within bounds; the clamp then applies, as in the protocol.
    """
    took = _whole("last_time", last_time) - _whole("first_time", first_time)
    seconds = min(max(took, EPOCH_SECONDS // _CLAMP), EPOCH_SECONDS * _CLAMP)
    target = bits_to_target(bits) * seconds // EPOCH_SECONDS
    return target_to_bits(min(target, LARGEST_TARGET))


def block_subsidy(height: int) -> int:
    """New coins in the block at a height, in satoshi.

    Raises
    ------
    DataError
        The height is negative, or no whole number.
    """
    height = _whole("height", height)
    if height < 0:
        raise DataError(f"height = {height}: the first block has height 0.")
    halvings = height // HALVING_BLOCKS
    return 0 if halvings >= _SUBSIDY_ENDS_AT_HALVING else FIRST_SUBSIDY_SATOSHI >> halvings


def hash_rate(difficulty: float, interval_seconds: float = 600.0) -> float:
    """Hash rate in H/s that finds blocks of a difficulty at a mean interval.

    Raises
    ------
    DataError
        A difficulty or an interval that is not positive and finite.
    """
    for name, value in (("difficulty", difficulty), ("interval_seconds", interval_seconds)):
        if not 0.0 < value < float("inf"):
            raise DataError(f"{name} = {value} must be positive and finite.")
    return difficulty * HASHES_PER_DIFFICULTY / interval_seconds


def _whole(name: str, value: int) -> int:
    """A Python integer; one of numpy, such as a cell of a column, would overflow in silence."""
    try:
        return operator.index(value)
    except TypeError:
        raise DataError(f"{name} = {value!r} is not a whole number.") from None
