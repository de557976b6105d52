"""A simulated Bitcoin network: the hash rate follows the price, the difficulty the hash rate.

What is planted, and nothing else:

- *Slow economics.* The logarithm of the hash rate closes 1/250 a day of its distance to the level
  at which the hash price equals a break-even: 1,000 USD per PH/s per day at the start of 2016,
  falling by 40 % a year (log) as machines improve. It sees yesterday's price, so the network
  follows the price and never leads it. A halving lowers the level by a half, without a jump.
- *Surprises.* A fat-tailed daily change of the hash rate, 1 % a day.
- *Exits*, one about every two years, independent of the price. They alternate between structural
  ones (12-35 % leaves over 20-60 days and at most 30 % of that returns over half a year) and
  curtailments (12-25 % leaves over 4 days, all of it is back within three weeks).
- *Block luck.* Blocks arrive at random; the published daily hash rate is the count of blocks times
  difficulty, so it carries a noise of 8 % a day.

Heights count 144 blocks a day from 2009-01-03; the subsidy halves every 210,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pandas as pd

from toolkit.panel import Field

SOURCE = "simulated market"

_GENESIS = pd.Timestamp("2009-01-03")
_EPOCH_BLOCKS = 2016
_EPOCH_SECONDS = 1_209_600
_HASHES = 2.0**32
_DAY_SECONDS = 86_400.0
_HALVING_BLOCKS = 210_000
_ADJUSTMENT_PER_DAY = 1.0 / 250.0
_ESTIMATED_TIME = pd.Timedelta(hours=6)
_VENDOR_LAG = pd.Timedelta(hours=1)


@dataclass(frozen=True)
class NetworkShocks:
    """What happens to the network whatever the price does, one value a day.

    Parameters
    ----------
    surprise
        Unexpected log change of the hash rate.
    fees
        Log deviation of the fees from 25 BTC a day.
    exits
        Log effect of miner exits on the hash rate, zero or below.
    """

    surprise: np.ndarray
    fees: np.ndarray
    exits: np.ndarray


def draw_shocks(
    days: int, daily: np.random.Generator, events: np.random.Generator
) -> NetworkShocks:
    """Shocks of a number of days; `daily` is used day by day, `events` once an exit."""
    noise = daily.standard_t(5.0, (days, 2)) * np.sqrt(3.0 / 5.0)
    fees = accumulate((0.12 * noise[:, 1]).tolist(), lambda level, step: 0.97 * level + step)
    return NetworkShocks(0.01 * noise[:, 0], np.array(list(fees)), _exits(days, events))


def _exits(days: int, events: np.random.Generator) -> np.ndarray:
    count = max(2, round(days / 730))
    effect = np.zeros(days)
    for number in range(count):
        place, size, pace, back = events.random(4)
        first = days * (number + 0.2 + 0.5 * place) / count
        if number % 2 == 0:
            leave, stay, home = 20.0 + 40.0 * pace, 30.0, 180.0
            lost, returned = np.log(0.88 - 0.23 * size), 0.3 * back
        else:
            leave, stay, home = 4.0, 2.0 + 8.0 * pace, 5.0
            lost, returned = np.log(0.88 - 0.13 * size), 1.0
        knots = first + np.cumsum([0.0, leave, stay, home])
        effect += np.interp(np.arange(days), knots, [0.0, lost, lost, lost * (1.0 - returned)])
    return effect


def network_fields(
    days: pd.DatetimeIndex, price: np.ndarray, shocks: NetworkShocks, luck: np.random.Generator
) -> Mapping[str, Field]:
    """Fields of the network for consecutive UTC days and the USD price at their ends.

    `luck` draws how many hashes each epoch takes and how many blocks each day finds.

    ``hash_rate`` (H/s), ``blocks``, ``issuance`` and ``fees`` (BTC per day) and ``hash_price``
    (USD per PH/s per day) have a row a day, public one hour after the day. ``difficulty`` has a
    row an epoch, labelled by the day of its retarget and public six hours after it;
    ``epoch_days`` is the length of the epoch that starts at the row, public six hours after the
    *next* retarget, and leaves out the running epoch.
    """
    first_height = _EPOCH_BLOCKS * round((days[0] - _GENESIS).days * 144 / _EPOCH_BLOCKS)
    work = np.concatenate([[0.0], np.cumsum(_DAY_SECONDS * _hash_rate(days, price, shocks))])
    starts, work_at_start, difficulty = _epochs(work, luck)
    mined = _block_counts(work, work_at_start, luck)
    work_of_epochs = np.concatenate([[0.0], np.cumsum(_EPOCH_BLOCKS * _HASHES * difficulty)])
    counted = np.interp(mined, _EPOCH_BLOCKS * np.arange(len(work_of_epochs)), work_of_epochs)
    published = np.diff(counted) / _DAY_SECONDS
    issuance = np.diff(_supply(first_height + mined))
    fees = 25.0 * np.exp(shocks.fees)
    daily = {
        "hash_rate": (published, "H/s"),
        "blocks": (np.diff(mined), "blocks per day"),
        "issuance": (issuance, "BTC per day"),
        "fees": (fees, "BTC per day"),
        "hash_price": (1e15 * (issuance + fees) * price / published, "USD per PH/s per day"),
    }
    after_day = (days + pd.Timedelta(days=1)).tz_localize("UTC") + _VENDOR_LAG
    fields = {
        name: Field(pd.DataFrame({name: values}, index=days), after_day, unit, SOURCE)
        for name, (values, unit) in daily.items()
    }
    retargets = days[0] + pd.to_timedelta(np.rint(starts * _DAY_SECONDS), unit="s")
    retargets = retargets[starts < len(days)].as_unit("ns")
    labels, public = retargets.normalize(), retargets.tz_localize("UTC") + _ESTIMATED_TIME
    by_epoch = pd.DataFrame({"difficulty": difficulty[: len(labels)]}, index=labels)
    lengths = pd.DataFrame({"epoch_days": np.diff(starts)[: len(labels) - 1]}, index=labels[:-1])
    fields["difficulty"] = Field(by_epoch, public, "difficulty", SOURCE)
    fields["epoch_days"] = Field(lengths, public[1:], "days", SOURCE)
    return fields


def _hash_rate(days: pd.DatetimeIndex, price: np.ndarray, shocks: NetworkShocks) -> np.ndarray:
    """True mean hash rate of each day, H/s."""
    age = (days - _GENESIS).days.to_numpy()
    subsidy_a_day = 144.0 * 50.0 / 2.0 ** (144 * age // _HALVING_BLOCKS)
    years = (days - pd.Timestamp("2016-01-01")).days.to_numpy() / 365.25
    breakeven = 1_000.0 * np.exp(-0.4 * years)
    wanted = np.log(1e15 * price * subsidy_a_day / breakeven)
    steps = _ADJUSTMENT_PER_DAY * wanted + np.append(shocks.surprise[1:], 0.0)
    keep = 1.0 - _ADJUSTMENT_PER_DAY
    path = accumulate(
        steps[:-1].tolist(), lambda level, step: keep * level + step, initial=wanted[0]
    )
    return np.asarray(np.exp(np.array(list(path)) + shocks.exits))


def _epochs(
    work: np.ndarray, luck: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts (days), work at the starts (hashes) and difficulties up to beyond the last day.

    The rule sees 2015 of the 2016 intervals of an epoch and caps a change at a factor of four.
    """
    last_day = len(work) - 1
    rate = work[-1] - work[-2]
    knots = np.append(work, work[-1] + 100.0 * rate)
    moments = np.append(np.arange(len(work), dtype=float), last_day + 100.0)
    starts, at_start = [0.0], [0.0]
    difficulties = [float(work[1]) / _DAY_SECONDS * 600.0 / _HASHES]
    while starts[-1] <= last_day:
        needed = _HASHES * difficulties[-1] * luck.standard_gamma(_EPOCH_BLOCKS)
        at_start.append(at_start[-1] + needed)
        starts.append(float(np.interp(at_start[-1], knots, moments)))
        seen = (starts[-1] - starts[-2]) * _DAY_SECONDS * (_EPOCH_BLOCKS - 1) / _EPOCH_BLOCKS
        change = min(max(_EPOCH_SECONDS / seen, 0.25), 4.0)
        difficulties.append(difficulties[-1] * change)
    return np.array(starts), np.array(at_start), np.array(difficulties)


def _block_counts(
    work: np.ndarray, work_at_start: np.ndarray, luck: np.random.Generator
) -> np.ndarray:
    """Blocks found by the end of each day, from 0 before the first: exactly 2016 an epoch.

    Within an epoch the count is its share of the work plus a Brownian bridge with the variance of
    a Poisson count: the noise of a day, and no contradiction with the retargets.
    """
    epochs = np.arange(len(work_at_start), dtype=float)
    share = np.interp(work, work_at_start, epochs)
    points = np.concatenate([share, epochs])
    order = np.argsort(points, kind="stable")
    widths = np.diff(points[order], prepend=0.0)
    walk = np.empty(len(points))
    walk[order] = np.cumsum(np.sqrt(_EPOCH_BLOCKS * widths) * luck.standard_normal(len(points)))
    at_days, at_starts = walk[: len(share)], walk[len(share) :]
    bridge = at_days - np.interp(share, epochs, at_starts)
    return np.asarray(np.maximum.accumulate(np.rint(_EPOCH_BLOCKS * share + bridge)))


def _supply(height: np.ndarray) -> np.ndarray:
    """BTC issued before a height."""
    eras = np.arange(34)
    issued = np.concatenate([[0.0], np.cumsum(_HALVING_BLOCKS * 50.0 / 2.0 ** eras[:-1])])
    return np.asarray(np.interp(height, _HALVING_BLOCKS * eras, issued))
