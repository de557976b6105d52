"""What became of the network: back in equilibrium, down with the price, or in decline. SIMULATED.

Difficulty always brings the blocks back to ten minutes in the end, so that alone says little. What
tells the three endings apart is who is left and what they are paid: a loss of machines at a given
reward raises the hash price and draws others in; a loss of reward turns machines off which stay on
site and come back with it; where the reward falls and the machines are gone too, nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from toolkit.errors import ConfigError
from toolkit.network.chain import EXAHASH, Floats
from toolkit.network.cohorts import BLOCKS_PER_DAY
from toolkit.network.difficulty import HASHES_PER_DIFFICULTY
from toolkit.network.economics import DAY_SECONDS
from toolkit.network.fleet import FleetResult

Verdict = Literal["return to equilibrium", "cyclical decline", "structural decline"]

_EPOCH_DAYS = 14


@dataclass(frozen=True)
class Aftermath:
    """Verdict on a run, and the numbers that led to it.

    Attributes
    ----------
    verdict
        By the signs of the changes, each of which counts beyond `tolerance`. Hash rate not down, or
        reward not down: return to equilibrium. Both down with the machines still on site: cyclical
        decline. Both down and machines gone: structural decline.
    days_to_equilibrium
        Days from the first on which the expected blocks a day were outside `band` of their normal
        number (143.93) to the first from which they stayed inside for 14 days; 0 if they never left
        and None if they never came back.
    min_blocks_per_day
        Lowest expected number, without luck.
    hash_rate_change, hash_price_change, price_change, reward_change, installed_change
        From the first day to the mean of the last 14, fractions. Reward is price times subsidy and
        fees, so that a halving counts; installed are the EH/s on site, running or not.
    hash_rate_trough
        Lowest 14-day mean hash rate over the first day's, minus 1.
    """

    verdict: Verdict
    days_to_equilibrium: int | None
    min_blocks_per_day: float
    hash_rate_change: float
    hash_rate_trough: float
    hash_price_change: float
    price_change: float
    reward_change: float
    installed_change: float
    band: float
    tolerance: float


def assess(result: FleetResult, *, band: float = 0.01, tolerance: float = 0.02) -> Aftermath:
    """Judge a run against its first day; what happens to the network must begin after it.

    Parameters
    ----------
    result
        At least 28 days.
    band
        Of the blocks a day around their normal number; growth of the hash rate by 25 % a year
        alone moves them by 0.9 %.
    tolerance
        Change that counts as none.

    Raises
    ------
    ConfigError
        A run that is too short, or a band or tolerance that is not between 0 and 1.
    """
    days = len(result.days)
    if days < 2 * _EPOCH_DAYS:
        raise ConfigError(f"A run of {days} days is too short: expected {2 * _EPOCH_DAYS} or more.")
    for name, value in (("band", band), ("tolerance", tolerance)):
        if not 0.0 < value < 1.0:
            raise ConfigError(f"{name} = {value} must lie between 0 and 1.")
    hash_rate, difficulty = result.column("hash_rate"), result.column("difficulty")
    hash_price, price = result.column("hash_price"), result.column("price")
    rate = hash_rate * EXAHASH * DAY_SECONDS / (difficulty * HASHES_PER_DIFFICULTY)
    # The hash price is the reward over the difficulty, but for constants.
    reward = hash_price * difficulty
    installed = result.installed.sum(axis=1)
    epochs = np.convolve(hash_rate, np.full(_EPOCH_DAYS, 1.0 / _EPOCH_DAYS), mode="valid")
    change = {
        "hash_rate_change": _change(hash_rate),
        "hash_price_change": _change(hash_price),
        "price_change": _change(price),
        "reward_change": _change(reward),
        "installed_change": _change(installed),
    }
    verdict: Verdict = "structural decline"
    if min(-change["hash_rate_change"], -change["reward_change"]) <= tolerance:
        verdict = "return to equilibrium"
    elif -change["installed_change"] <= tolerance:
        verdict = "cyclical decline"
    return Aftermath(
        verdict=verdict,
        days_to_equilibrium=_days_outside(np.abs(rate / BLOCKS_PER_DAY - 1.0) <= band),
        min_blocks_per_day=float(rate.min()),
        hash_rate_trough=float(epochs.min() / hash_rate[0] - 1.0),
        band=band,
        tolerance=tolerance,
        **change,
    )


def _change(values: Floats) -> float:
    return float(values[-_EPOCH_DAYS:].mean() / values[0] - 1.0)


def _days_outside(inside: np.ndarray) -> int | None:
    if inside.all():
        return 0
    left = int(np.argmin(inside))
    streak = np.convolve(inside[left:], np.ones(_EPOCH_DAYS), mode="valid") > _EPOCH_DAYS - 0.5
    return int(np.argmax(streak)) if streak.any() else None
