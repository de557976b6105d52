"""The chain over a hash rate that is given: blocks, retargets and supply. SIMULATED."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from toolkit.errors import ConfigError, DataError
from toolkit.network.difficulty import (
    BLOCKS_PER_EPOCH,
    EPOCH_SECONDS,
    HALVING_BLOCKS,
    HASHES_PER_DIFFICULTY,
    LARGEST_TARGET,
    bits_to_target,
    block_subsidy,
    target_to_bits,
)
from toolkit.network.economics import DAY_SECONDS, SATOSHI_PER_BITCOIN
from toolkit.units import component

if TYPE_CHECKING:
    from toolkit.network.block_clock import Log

Floats = NDArray[np.float64]

EXAHASH = 1e18


@component
class Start:
    """Where the chain stands when the first day begins.

    Parameters
    ----------
    height
        Of the first block to be found; it fixes the subsidy and the place within the epoch, which
        is taken to have run at the target pace so far.
    difficulty
        In force, at least 1. Left out, it is the one in equilibrium with the fleet at the first
        day's price.
    """

    height: Annotated[int, Field(ge=0, lt=4_000_000)] = 953_568
    difficulty: Annotated[float, Field(ge=1.0, lt=1e60)] | None = None


@dataclass(frozen=True, eq=False)
class ChainResult:
    """What the block clock made of a hash rate.

    Attributes
    ----------
    daily
        `hash_rate` (H/s), `difficulty` at the day's end, `interval_seconds` expected at it,
        `blocks`, `issuance` (BTC of the day), `supply` (BTC at the day's end).
    retargets
        `time`, `height` of the first block, `difficulty` from there on, and its `change`.
    simulated
        Always true.
    """

    daily: pd.DataFrame
    retargets: pd.DataFrame
    simulated: ClassVar[bool] = True


def follow_hash_rate(
    hash_rate: pd.Series, start: Start | None = None, *, seed: int | None = None
) -> ChainResult:
    """Run the block clock over a given hash rate.

    Parameters
    ----------
    hash_rate
        H/s, mean of each UTC day, without gaps.
    start
        Height and difficulty; without a difficulty, the one in equilibrium with the first value.
    seed
        As in `simulate_fleet`.

    Raises
    ------
    DataError
        Gaps, missing or negative values, a first value of zero.
    ConfigError
        A seed that is no whole number of 0 or more.
    """
    from toolkit.network.block_clock import EASIEST_TARGET, follow

    check_days(hash_rate.index)
    values = numbers("hash_rate", hash_rate.to_numpy(), hash_rate.index)
    refuse("hash_rate", values, values < 0.0, hash_rate.index, "0 or more")
    refuse("hash_rate", values[:1], values[:1] <= 0.0, hash_rate.index, "above 0 on the first day")
    start = start or Start()
    clock = begin_clock(start, values[0])
    log, first, steps = empty_log(len(values)), clock[0], np.empty((len(values), 3))
    draws = random_blocks(seed)
    follow(values / EXAHASH, np.ones(len(values)), clock, seed is not None, draws, log, steps)
    days = pd.DatetimeIndex(hash_rate.index)
    columns = np.column_stack(
        [values / EXAHASH, steps[:, 0], EASIEST_TARGET / steps[:, 1], steps[:, 2]]
    )
    return ChainResult(chain_table(days, columns, start), retarget_table(log, days[0], first))


def follow_epochs(hash_rates: Sequence[float], difficulty: float | None = None) -> pd.DataFrame:
    """Run the block clock over a mean hash rate an epoch, each of which lasts as long as it takes.

    Parameters
    ----------
    hash_rates
        H/s.
    difficulty
        Of the first epoch; left out, it is in equilibrium with its hash rate.

    Returns
    -------
    One row an epoch: `hash_rate`, `difficulty`, `days` it lasts, and the `change` of difficulty
    that ends it.

    Raises
    ------
    DataError
        A hash rate or difficulty that is not positive and finite, or no hash rate at all.
    """
    from toolkit.network.block_clock import EASIEST_TARGET, retargeted

    if len(hash_rates) == 0:
        raise DataError("hash_rates is empty: expected one an epoch.")
    epochs = pd.RangeIndex(len(hash_rates))
    values = numbers("hash_rates", np.asarray(hash_rates, dtype=float), epochs)
    refuse("hash_rates", values, values <= 0.0, epochs, "above 0")
    target = begin_clock(Start(0, difficulty), values[0])[0]
    rows = []
    for rate in values.tolist():
        level = EASIEST_TARGET / target
        interval = level * HASHES_PER_DIFFICULTY / rate
        after = retargeted(target, round(interval * (BLOCKS_PER_EPOCH - 1)))
        rows.append((rate, level, interval * BLOCKS_PER_EPOCH / DAY_SECONDS, target / after - 1.0))
        target = after
    return pd.DataFrame(rows, columns=["hash_rate", "difficulty", "days", "change"])


def check_days(index: pd.Index) -> None:
    """Refuse an index that is not one UTC day after another."""
    if not isinstance(index, pd.DatetimeIndex):
        raise DataError(f"The paths are labelled by {type(index).__name__}; expected UTC days.")
    if len(index) == 0:
        raise DataError("The paths have no day.")
    expected = pd.date_range(index[0], periods=len(index), freq="D")
    wrong = np.flatnonzero(index != expected)
    if index[0] != index[0].normalize() or len(wrong):
        place = int(wrong[0]) if len(wrong) else 0
        raise DataError(
            f"The days are not consecutive: row {place} is {index[place]}, expected "
            f"{expected[place].normalize()}. Fill gaps before the run, or cut the paths there."
        )


def numbers(name: str, values: np.ndarray, index: pd.Index) -> Floats:
    """Values as finite floats, or an error that names the first that is none."""
    try:
        floats = np.asarray(values, dtype=float)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds something that is no number.") from None
    refuse(name, floats, ~np.isfinite(floats), index, "a finite number")
    return floats


def refuse(name: str, values: Floats, wrong: np.ndarray, index: pd.Index, wanted: str) -> None:
    """Raise for the first value that is marked wrong."""
    if wrong.any():
        place = int(np.argmax(wrong))
        raise DataError(
            f"{name} is {values[place]} on {index[place]} ({int(wrong.sum())} such values): "
            f"expected {wanted}."
        )


def begin_clock(start: Start, hash_rate: float) -> Floats:
    """State of the block clock; `hash_rate` in H/s sets the difficulty where none is given."""
    difficulty = start.difficulty
    if difficulty is None:
        difficulty = hash_rate * EPOCH_SECONDS / (BLOCKS_PER_EPOCH - 1) / HASHES_PER_DIFFICULTY
    # No target is easier than that of difficulty 1.
    target = bits_to_target(target_to_bits(int(LARGEST_TARGET / max(difficulty, 1.0))))
    done = start.height % BLOCKS_PER_EPOCH
    timed = max(done - 1, 0) * EPOCH_SECONDS / (BLOCKS_PER_EPOCH - 1)
    return np.array([float(target), float(done), timed, float(start.height)])


def random_blocks(seed: int | np.random.SeedSequence | None) -> np.random.Generator:
    """Draws of the moments of blocks; without a seed they are not used."""
    try:
        return np.random.default_rng(0 if seed is None else seed)
    except (TypeError, ValueError):
        raise ConfigError(f"seed = {seed!r}: expected a whole number, 0 or more.") from None


def empty_log(days: int) -> Log:
    """Room for one retarget a day and some."""
    from toolkit.network.block_clock import Log

    size = days + 64
    return Log(np.empty(size), np.empty(size), np.empty(size), np.zeros(1, dtype=np.int64))


def retarget_table(log: Log, first_day: pd.Timestamp, first_target: float) -> pd.DataFrame:
    """A log as the table of `ChainResult`."""
    count = int(log.total[0])
    if count > len(log.moment):
        raise DataError(
            f"The hash rate rises so fast that {count} epochs end within {len(log.moment) - 64} "
            "days: expected one a day at most."
        )
    target = np.append(first_target, log.target[:count])
    moments = first_day + pd.to_timedelta(log.moment[:count] * DAY_SECONDS, unit="s")
    return pd.DataFrame(
        {
            "time": moments,
            "height": log.height[:count].astype(np.int64),
            "difficulty": LARGEST_TARGET / target[1:],
            "change": target[:-1] / target[1:] - 1.0,
        }
    )


def chain_table(days: pd.DatetimeIndex, columns: Floats, start: Start) -> pd.DataFrame:
    """Days as the table of `ChainResult`; columns: EH/s, blocks, difficulty, height."""
    hash_rate, difficulty = columns[:, 0] * EXAHASH, columns[:, 2]
    # Without hashing no block is expected, however long one waits.
    with np.errstate(divide="ignore"):
        interval = difficulty * HASHES_PER_DIFFICULTY / hash_rate
    supply = _supply(np.append(float(start.height), columns[:, 3]))
    return pd.DataFrame(
        {
            "hash_rate": hash_rate,
            "difficulty": difficulty,
            "interval_seconds": interval,
            "blocks_per_day": DAY_SECONDS / interval,
            "blocks": columns[:, 1],
            "height": columns[:, 3],
            "issuance": np.diff(supply),
            "supply": supply[1:],
        },
        index=days,
    )


def _supply(blocks: Floats) -> Floats:
    """BTC issued by a number of blocks, of which the last may be a part."""
    starts = HALVING_BLOCKS * np.arange(35)
    issued = [HALVING_BLOCKS * block_subsidy(int(start)) for start in starts[:-1]]
    total = np.concatenate([[0], np.cumsum(issued)])
    return np.asarray(np.interp(blocks, starts, total) / SATOSHI_PER_BITCOIN)
