"""What mining earns, what it costs, and what the network pays for its security.

Every function takes numbers, arrays and Series, mixed as numpy and pandas mix them: arrays by
position, Series by label, a label that one of them lacks being NaN. NaN stays NaN. `DataError` names
and places a value out of range, an infinite one and one that is no number, and names arrays whose
lengths do not meet.

Units: hash rate in H/s; hash price in USD per PH/s per day; efficiency in J/TH; power price in
USD/MWh; subsidy and fees in BTC per block; price in USD per BTC, or 1 for amounts in BTC.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from toolkit.network.difficulty import (
    BLOCK_SECONDS,
    FIRST_SUBSIDY_SATOSHI,
    HALVING_BLOCKS,
    HASHES_PER_DIFFICULTY,
    block_subsidy,
)
from toolkit.network.quantities import Quantity, meeting, non_negative, positive, refuse

SATOSHI_PER_BITCOIN = 100_000_000
DAY_SECONDS = 86_400
BLOCKS_PER_DAY = DAY_SECONDS / BLOCK_SECONDS
DAYS_PER_YEAR = 365.25
PETAHASH = 1e15


@meeting
def hash_price(
    difficulty: Quantity | float,
    price: Quantity | float,
    subsidy: Quantity | float,
    fees: Quantity | float = 0.0,
) -> Quantity:
    """Expected revenue of a PH/s in a day, which is what pools that pay by expectation pay.

    Parameters
    ----------
    difficulty
        In force, above 0.
    price
        USD per BTC, 0 or more; 1 gives the hash price in BTC.
    subsidy, fees
        BTC per block, 0 or more; the quoted index takes the mean fees of the past 144 blocks.

    Returns
    -------
    USD per PH/s per day: price (subsidy + fees) 86,400 10^15 / (difficulty 2^32).

    References
    ----------
    Luxor, Hashrate Index documentation, hashprice.
    """
    blocks = DAY_SECONDS * PETAHASH / (positive("difficulty", difficulty) * HASHES_PER_DIFFICULTY)
    answer: Quantity = non_negative("price", price) * _reward(subsidy, fees) * blocks
    return answer


@meeting
def realised_hash_price(
    hash_rate: Quantity | float,
    blocks: Quantity | float,
    price: Quantity | float,
    subsidy: Quantity | float,
    fees: Quantity | float = 0.0,
    days: Quantity | float = 1.0,
) -> Quantity:
    """Revenue that the blocks of some days really brought, for each PH/s and day of work.

    It differs from `hash_price` by the luck of the blocks. A hash rate that was itself counted from
    these blocks takes the luck out again, and gives `hash_price`.

    Parameters
    ----------
    hash_rate
        Mean over the time, H/s, above 0.
    blocks
        Number found in the time, 0 or more.
    price, subsidy, fees
        As in `hash_price`: USD per BTC, BTC per block, BTC per block.
    days
        The time, above 0.

    Returns
    -------
    USD per PH/s per day: price (subsidy + fees) blocks / days / (hash_rate / 10^15).
    """
    work = positive("hash_rate", hash_rate) / PETAHASH * positive("days", days)
    income = non_negative("price", price) * _reward(subsidy, fees) * non_negative("blocks", blocks)
    answer: Quantity = income / work
    return answer


@meeting
def unit_power_cost(
    efficiency: Quantity | float,
    power_price: Quantity | float,
    overhead: Quantity | float = 1.0,
) -> Quantity:
    """Cost of the power that a PH/s takes in a day, USD per PH/s per day.

    Parameters
    ----------
    efficiency
        Of the machine, J/TH, above 0: a PH/s draws as many kW.
    power_price
        USD/MWh, 0 or more. Credits for switching off are income of another kind, not a price.
    overhead
        Power of the site over power of its machines, above 0.
    """
    energy = _megawatt_hours(efficiency, overhead)
    answer: Quantity = non_negative("power_price", power_price) * energy
    return answer


@meeting
def mining_margin(hash_price: Quantity | float, unit_cost: Quantity | float) -> Quantity:
    """Share of revenue that the power bill leaves, at most 1 and negative under water.

    Parameters
    ----------
    hash_price
        USD per PH/s per day, above 0.
    unit_cost
        `unit_power_cost`, USD per PH/s per day, 0 or more.
    """
    share = non_negative("unit_cost", unit_cost) / positive("hash_price", hash_price)
    answer: Quantity = 1.0 - share
    return answer


@meeting
def breakeven_power_price(
    hash_price: Quantity | float,
    efficiency: Quantity | float,
    overhead: Quantity | float = 1.0,
) -> Quantity:
    """Power price at which the margin is zero, USD/MWh: it is also the revenue of a MWh.

    Parameters
    ----------
    hash_price
        USD per PH/s per day, 0 or more.
    efficiency, overhead
        As in `unit_power_cost`: J/TH, and a ratio.
    """
    energy = _megawatt_hours(efficiency, overhead)
    answer: Quantity = non_negative("hash_price", hash_price) / energy
    return answer


@meeting
def breakeven_efficiency(
    hash_price: Quantity | float,
    power_price: Quantity | float,
    overhead: Quantity | float = 1.0,
) -> Quantity:
    """Efficiency at which the margin is zero, J/TH; machines that need more are under water.

    Parameters
    ----------
    hash_price
        USD per PH/s per day, 0 or more.
    power_price
        USD/MWh, above 0.
    overhead
        As in `unit_power_cost`.
    """
    cost = _megawatt_hours(1.0, overhead) * positive("power_price", power_price)
    answer: Quantity = non_negative("hash_price", hash_price) / cost
    return answer


@meeting
def block_rate(hash_rate: Quantity | float, difficulty: Quantity | float) -> Quantity:
    """Expected blocks per day: 144 in equilibrium, in proportion to hash rate out of it.

    Blocks that were lost are never made up: the schedule goes by height, not by date.

    Parameters
    ----------
    hash_rate
        H/s, 0 or more.
    difficulty
        In force, above 0.
    """
    hashes_per_block = positive("difficulty", difficulty) * HASHES_PER_DIFFICULTY
    answer: Quantity = non_negative("hash_rate", hash_rate) * DAY_SECONDS / hashes_per_block
    return answer


@meeting
def daily_issuance(
    subsidy: Quantity | float, blocks_per_day: Quantity | float = BLOCKS_PER_DAY
) -> Quantity:
    """New coins per day, BTC.

    Parameters
    ----------
    subsidy
        BTC per block, 0 or more.
    blocks_per_day
        144 in equilibrium; out of it `block_rate`, or the blocks that were counted.
    """
    blocks = non_negative("blocks_per_day", blocks_per_day)
    answer: Quantity = non_negative("subsidy", subsidy) * blocks
    return answer


@meeting
def annual_inflation(issuance: Quantity | float, supply: Quantity | float) -> Quantity:
    """Growth of the supply in 365.25 days of one issuance, a fraction, not compounded.

    Parameters
    ----------
    issuance
        `daily_issuance`, in equilibrium or out of it, BTC per day, 0 or more.
    supply
        BTC issued so far, above 0: see `scheduled_supply`.
    """
    grown = DAYS_PER_YEAR * non_negative("issuance", issuance)
    answer: Quantity = grown / positive("supply", supply)
    return answer


@meeting
def scheduled_supply(height: Quantity | float) -> Quantity:
    """Coins issued up to and with the block at a height, BTC, exact to the satoshi.

    Rewards that miners did not claim and coins that cannot be spent, such as those of the first
    block, are counted.

    Parameters
    ----------
    height
        A whole number, 0 for the first block.
    """
    blocks = non_negative("height", height) + 1.0
    refuse("height", blocks - 1.0, np.mod(blocks, 1.0) > 0.0, "a whole number")
    satoshi = 0.0 * blocks
    for halving in range(FIRST_SUBSIDY_SATOSHI.bit_length()):
        start = halving * HALVING_BLOCKS
        # Whole numbers below 2^53: sums of floats are exact.
        satoshi = satoshi + np.clip(blocks - start, 0, HALVING_BLOCKS) * block_subsidy(start)
    answer: Quantity = satoshi / SATOSHI_PER_BITCOIN
    return answer


@meeting
def fee_share(fees: Quantity | float, subsidy: Quantity | float) -> Quantity:
    """Share of fees in what blocks pay: fees / (subsidy + fees).

    Parameters
    ----------
    fees, subsidy
        In one unit, 0 or more and not both 0.
    """
    reward = positive("subsidy + fees", _reward(subsidy, fees))
    answer: Quantity = non_negative("fees", fees) / reward
    return answer


@meeting
def security_budget(
    price: Quantity | float,
    subsidy: Quantity | float,
    fees: Quantity | float = 0.0,
    blocks_per_day: Quantity | float = BLOCKS_PER_DAY,
) -> Quantity:
    """What the network pays its miners, USD per day.

    In equilibrium hash rate does not enter: when miners leave, the others share the same budget.

    Parameters
    ----------
    price, subsidy, fees
        As in `hash_price`: USD per BTC, BTC per block, BTC per block.
    blocks_per_day
        As in `daily_issuance`.
    """
    blocks = non_negative("blocks_per_day", blocks_per_day)
    answer: Quantity = non_negative("price", price) * _reward(subsidy, fees) * blocks
    return answer


@meeting
def attack_hour_cost(
    hash_rate: Quantity | float,
    efficiency: Quantity | float,
    power_price: Quantity | float,
    overhead: Quantity | float = 1.0,
) -> Quantity:
    """Electricity that an outsider burns in an hour to match all honest miners, USD.

    A floor, and a low one: machines are not counted, nor whether so many can be had. Whoever turns
    half of the present miners needs half of it.

    Parameters
    ----------
    hash_rate
        Of the honest miners, H/s, 0 or more.
    efficiency, power_price, overhead
        As in `unit_power_cost`: J/TH, USD/MWh, and a ratio.
    """
    machines = non_negative("hash_rate", hash_rate) / PETAHASH
    cost = non_negative("power_price", power_price) * _megawatt_hours(efficiency, overhead)
    answer: Quantity = machines * cost / 24.0
    return answer


@meeting
def attack_hour_rental(
    hash_rate: Quantity | float, hash_price: Quantity | float, premium: Quantity | float = 0.0
) -> Quantity:
    """What owners of as many machines as all honest miners have would ask for an hour, USD.

    No market rents out such a share of the network. Blocks that the attacker mines are not
    deducted.

    Parameters
    ----------
    hash_rate
        Of the honest miners, H/s, 0 or more.
    hash_price
        USD per PH/s per day, 0 or more.
    premium
        What owners ask above the hash price, a fraction, 0 or more.
    """
    machines = non_negative("hash_rate", hash_rate) / PETAHASH
    rent = non_negative("hash_price", hash_price) * (1.0 + non_negative("premium", premium))
    answer: Quantity = machines * rent / 24.0
    return answer


def _reward(subsidy: object, fees: object) -> Any:
    return non_negative("subsidy", subsidy) + non_negative("fees", fees)


def _megawatt_hours(efficiency: object, overhead: object) -> Any:
    """Energy that a PH/s takes in a day."""
    return positive("efficiency", efficiency) * positive("overhead", overhead) * 24.0 / 1000.0
