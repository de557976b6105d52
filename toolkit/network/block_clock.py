"""The block clock, compiled: how many blocks a hash rate finds, and each retarget at its moment.

The target is kept as the whole number that the protocol keeps, so that a retarget is exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from toolkit.network.difficulty import (
    BLOCKS_PER_EPOCH,
    EPOCH_SECONDS,
    HALVING_BLOCKS,
    HASHES_PER_DIFFICULTY,
    LARGEST_TARGET,
)

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
F = TypeVar("F", bound=Callable[..., Any])

DAY_SECONDS = 86_400.0
EXAHASH = 1e18
EASIEST_TARGET = float(LARGEST_TARGET)

_HASHES = EASIEST_TARGET * HASHES_PER_DIFFICULTY
_EPOCH = float(BLOCKS_PER_EPOCH)
_HALVING = float(HALVING_BLOCKS)
_EPOCH_TIME = float(EPOCH_SECONDS)
_LAST_ERA = 33

TARGET, DONE, TIMED, HEIGHT = range(4)
"""State of the clock: the target in force, blocks of the epoch that are found, seconds since the
first of them, blocks of the whole chain."""


_SOURCES = sha256(
    b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
).hexdigest()


def compiled(function: F) -> F:
    """A function as machine code that lets other threads run, kept on disk while no source changes.

    By itself numba looks at the function's own file alone, and runs what it once made of functions
    and constants of other files, whatever became of them.
    """
    made = numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    index = getattr(getattr(made, "_cache", None), "_cache_file", None)
    if index is not None:  # There is none where compiling is switched off.
        index._source_stamp = index._source_stamp, _SOURCES
    return cast(F, made)


class Log(NamedTuple):
    """Retargets in the order of time: day with its fraction, height, new target; how many."""

    moment: Floats
    height: Floats
    target: Floats
    total: Whole


@compiled
def retargeted(target: float, seconds: float) -> float:
    """Next target, to the bit, from a target that fits its compact form and whole seconds.

    The mantissa has 23 bits at most and the seconds as many, so that their product is exact in a
    float; and no quotient lies so close below a whole mantissa that it is rounded up to it.
    """
    bounded = min(max(seconds, _EPOCH_TIME / 4.0), _EPOCH_TIME * 4.0)
    longer = min(target * bounded / _EPOCH_TIME, EASIEST_TARGET)
    size = (math.frexp(longer)[1] + 7) // 8
    # The top bit of the three bytes is a sign: a mantissa that would set it moves on by a byte.
    if longer >= 2.0 ** (8 * size - 1):
        size += 1
    unit = 2.0 ** (8 * (size - 3))
    return math.floor(longer / unit) * unit


@compiled
def find_blocks(
    clock: Floats,
    hash_rate: float,
    start: float,
    days: float,
    luck: bool,
    draws: np.random.Generator,
    log: Log,
) -> float:
    """Blocks (expected or random) that a hash rate in EH/s finds from day `start` on.

    An epoch is timed from its first block to its last, 2,015 intervals. With luck blocks are a
    Poisson process, without approximation: a count is drawn for the time that is left, and if it
    reaches the epoch's end, the moment of that block, given the count, is a beta variate.
    """
    left, found = days * DAY_SECONDS, 0.0
    while hash_rate > 0.0:
        rate = hash_rate * EXAHASH * clock[TARGET] / _HASHES
        first = clock[DONE] < 1.0
        needed = (1.0 if first else _EPOCH) - clock[DONE]
        count, wait = rate * left, needed / rate
        if luck and first:
            count, wait = 0.0, draws.exponential(1.0 / rate)
        elif luck:
            count = float(draws.poisson(rate * left))
            wait = left * draws.beta(needed, count + 1.0 - needed) if count >= needed else math.inf
        if wait > left:
            clock[DONE] += count
            found += count
            break
        left -= wait
        found += needed
        clock[TIMED] += wait
        if first:
            clock[DONE], clock[TIMED] = 1.0, 0.0
            continue
        clock[DONE] = 0.0
        # Blocks carry whole seconds.
        clock[TARGET] = retargeted(clock[TARGET], np.round(clock[TIMED]))
        if log.total[0] < len(log.moment):
            log.moment[log.total[0]] = start + days - left / DAY_SECONDS
            log.height[log.total[0]] = np.round(clock[HEIGHT] + found)
            log.target[log.total[0]] = clock[TARGET]
        log.total[0] += 1
    clock[TIMED] += left
    clock[HEIGHT] += found
    return found


@compiled
def follow(
    hash_rates: Floats,
    step_days: Floats,
    clock: Floats,
    luck: bool,
    draws: np.random.Generator,
    log: Log,
    out: Floats,
) -> None:
    """Run the clock on given hash rates; columns of `out`: blocks, target and height at the end."""
    start = 0.0
    for t in range(len(hash_rates)):
        out[t, 0] = find_blocks(clock, hash_rates[t], start, step_days[t], luck, draws, log)
        out[t, 1], out[t, 2] = clock[TARGET], clock[HEIGHT]
        start += step_days[t]


@compiled
def hash_price(price: float, fees: float, clock: Floats) -> float:
    """Expected revenue of hashing by the difficulty in force, USD per PH/s per day."""
    era = math.floor(clock[HEIGHT] / _HALVING)
    subsidy = math.floor(5e9 / 2.0**era) / 1e8 if era < _LAST_ERA else 0.0
    hashes = _HASHES / float(clock[TARGET])
    return price * (subsidy + fees) * DAY_SECONDS * 1e15 / hashes


@compiled
def equilibrium_rate(clock: Floats) -> float:
    """Hash rate, EH/s, at which the difficulty in force stays."""
    return _HASHES / float(clock[TARGET]) * (_EPOCH - 1.0) / _EPOCH_TIME / EXAHASH
