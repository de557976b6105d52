"""The simulated market's network: the migration model, and what is done to it from outside.

The model (`network.fleet`) sees bitcoin's price and turns it into machines that are bought, turned
off and on, moved, and given over to AI hosting, and into blocks and retargets. Planted from
outside, all of it independent of every price:

- *Uptime.* 92 % of the machines run, times a fat-tailed noise of 1 % a day with a life of 12 days.
- *Exits*, about 1.3 a year: one ban of 25-45 % within 30-60 days; of the others every second one is
  weather (8-25 % off for 5-20 days, all of it back on the next), every second one lasting (10-25 %
  goes to AI hosting within 20-60 days).
- *Pivots.* 270 days after the first contract of a named miner its machines leave, 6 % of the whole
  within 45 days.
- *Rent of AI hosting, power price, financing spread, fees*: each wanders around a level, the rent
  around one that rises by 10 % a year from 75 USD per kW-month.

Heights count 144 blocks a day from 2009-01-03. Machines improve by 40 % a year (log) and were as
good as those of mid-2026 then; the fleet is scaled to its first day's price.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import numpy as np
import pandas as pd

from toolkit.data.sample_cast import MINERS, SOURCE, Timeline
from toolkit.data.sample_prices import Streams
from toolkit.data.sample_truth import Episode
from toolkit.network.chain import EXAHASH, Start
from toolkit.network.cohorts import (
    Conversion,
    Entry,
    Fleet,
    Relocation,
    lognormal_fleet,
)
from toolkit.network.difficulty import (
    BLOCKS_PER_EPOCH,
    HALVING_BLOCKS,
    HASHES_PER_DIFFICULTY,
    block_subsidy,
)
from toolkit.network.economics import DAY_SECONDS, SATOSHI_PER_BITCOIN
from toolkit.network.fleet import FleetResult, simulate_fleet
from toolkit.network.present_value import HostingTerms, MiningTerms
from toolkit.panel import Field

UPTIME = 0.92
FEES_PER_BLOCK = 25.0 / 144.0

_GENESIS = pd.Timestamp("2009-01-03")
_ESTIMATED_TIME = pd.Timedelta(hours=6)
_VENDOR_LAG = pd.Timedelta(hours=1)
_RENT_LAG, _POWER_LAG = pd.Timedelta(days=2), pd.Timedelta(days=76)
_CALIBRATED = date(2026, 7, 1)
_IMPROVEMENT = 0.40
_COST, _COST_SIGMA = 21.0, 0.39
_HASH_PRICE, _RUNNING = 31.5, 0.85
_MACHINES_LEAVE_AFTER, _MACHINES_LEAVE_WITHIN, _SHARE_OF_A_MINER = 270, 45, 0.06
_UPTIME_LIFE = 12.0


@dataclass(frozen=True)
class Shocks:
    """What happens to the network whatever bitcoin's price does, by day.

    Parameters
    ----------
    surprise
        Unexpected log change of the share of machines that runs.
    running
        Share of the machines that runs, before weather.
    conditions
        Columns `rent`, `power_price`, `credit`, `fees` of the model's paths.
    departures
        What leaves, and why.
    """

    surprise: np.ndarray
    running: np.ndarray
    conditions: Mapping[str, np.ndarray]
    departures: tuple[Episode, ...]


def draw_shocks(timeline: Timeline, streams: Streams) -> Shocks:
    """Shocks of a market; those that come every day begin alike in a longer one."""
    days = len(timeline.days)
    noise = np.sqrt(3.0 / 5.0) * streams("uptime").standard_t(5.0, days)
    surprise = 0.01 * noise
    walks = streams("conditions").standard_normal((days, 4))
    years = np.arange(days) / 365.25
    conditions = {
        "rent": 75.0 * np.exp(0.10 * years + _wandering(walks[:, 0], 0.15, 365.0)),
        "power_price": 47.0 * np.exp(_wandering(walks[:, 1], 0.15, 90.0)),
        "credit": 0.02 * np.exp(_wandering(walks[:, 2], 0.40, 250.0)),
        "fees": FEES_PER_BLOCK * np.exp(_wandering(walks[:, 3], 0.50, 33.0)),
    }
    running = np.minimum(UPTIME * np.exp(_decayed(surprise, _UPTIME_LIFE)), 1.0)
    return Shocks(surprise, running, conditions, _exits(timeline, streams("exits")))


def _decayed(steps: np.ndarray, life: float) -> np.ndarray:
    keep = 1.0 - 1.0 / life
    return np.array(list(accumulate(steps.tolist(), lambda level, step: keep * level + step)))


def _wandering(noise: np.ndarray, spread: float, life: float) -> np.ndarray:
    """A path from 0 that comes back to it within a life, with a spread in the long run."""
    return _decayed(spread * np.sqrt(2.0 / life) * noise, life)


def _exits(timeline: Timeline, draws: np.random.Generator) -> tuple[Episode, ...]:
    days = len(timeline.days)
    count = max(4, round(1.3 * days / 365.25))
    kinds = ["ban"] + ["weather" if n % 2 else "lasting" for n in range(1, count)]
    found = []
    for number, kind in enumerate(draws.permutation(kinds)):
        place, size, pace = draws.random(3)
        first = int(days * (number + 0.1 + 0.5 * place) / count)
        if kind == "ban":
            share, within = 0.25 + 0.20 * size, 30.0 + 30.0 * pace
        elif kind == "lasting":
            share, within = 0.10 + 0.15 * size, 20.0 + 40.0 * pace
        else:
            share, within = 0.08 + 0.17 * size, 5.0 + 15.0 * pace
        found.append(Episode(str(kind), "", first, first + int(within) - 1, share))
    for part in MINERS:
        if part.pivots is not None:
            first = timeline.row(part.pivots) + _MACHINES_LEAVE_AFTER
            last = first + _MACHINES_LEAVE_WITHIN - 1
            found.append(Episode("lasting", part.id, first, last, _SHARE_OF_A_MINER))
    return tuple(sorted((e for e in found if e.last < days), key=lambda e: e.first))


def run_network(timeline: Timeline, price: np.ndarray, shocks: Shocks, seed: int) -> FleetResult:
    """The migration model over a market's days."""
    days, height = timeline.days, _first_height(timeline.days)
    reward = price[0] * (block_subsidy(height) / SATOSHI_PER_BITCOIN + shocks.conditions["fees"][0])
    behind = float(np.exp(_IMPROVEMENT * (_CALIBRATED - timeline.start).days / 365.25))
    hash_rate = float(reward) * 144.0 / (1000.0 * _HASH_PRICE * behind)
    fleet = _fleet(hash_rate / _RUNNING, behind)
    # Part of the machines that pay is never on, and the difficulty of the first day knows it.
    difficulty = hash_rate * EXAHASH * shocks.running[0] * 600.0 / HASHES_PER_DIFFICULTY
    withdrawn = _withdrawn(len(days), shocks.departures)
    off = 1.0 - shocks.running * (1.0 - weather(len(days), shocks.departures))
    paths = pd.DataFrame(
        {"price": price, **shocks.conditions, "curtailment": off, **withdrawn}, index=days
    )
    return simulate_fleet(fleet, paths, Start(height, difficulty), seed=seed)


def _first_height(days: pd.DatetimeIndex) -> int:
    return BLOCKS_PER_EPOCH * round((days[0] - _GENESIS).days * 144 / BLOCKS_PER_EPOCH)


def _fleet(capacity: float, behind: float) -> Fleet:
    """Miners as in mid-2026, with machines that are worse by a factor."""
    today = lognormal_fleet(capacity, median_cost=_COST * behind, sigma=_COST_SIGMA, cohorts=12)
    return Fleet(
        today.cohorts,
        entry=Entry(
            machine_price_usd_per_th=15.0 * behind,
            efficiency=15.0 * behind,
            technology_drift=_IMPROVEMENT,
        ),
        relocation=Relocation(share=0.4, classes=2),
        conversion=Conversion(
            MiningTerms(
                hash_price_drift=-_IMPROVEMENT,
                renewal_usd_per_mw_year=200_000.0,
                horizon_years=15.0,
            ),
            HostingTerms(
                lead_years=1.5,
                term_years=15.0,
                capex_usd_per_mw=8e6,
                overhead=1.25,
                net_margin=0.82,
            ),
        ),
    )


def weather(days: int, departures: tuple[Episode, ...]) -> np.ndarray:
    """Share of the running machines that weather keeps off, by day."""
    on = np.ones(days)
    for episode in departures:
        if episode.kind == "weather":
            on[episode.first : episode.last + 1] *= 1.0 - episode.share
    return 1.0 - on


def _leaving(days: int, departures: tuple[Episode, ...]) -> dict[str, np.ndarray]:
    """Log change of the number of machines on each day, by law and for hosting."""
    left = {kind: np.zeros(days) for kind in ("ban", "lasting")}
    for episode in departures:
        if episode.kind in left:
            within = episode.last - episode.first + 1
            ramp = np.clip((np.arange(days) - episode.first + 1) / within, 0.0, 1.0)
            left[episode.kind] += np.diff(np.log1p(-episode.share * ramp), prepend=0.0)
    return left


def _withdrawn(days: int, departures: tuple[Episode, ...]) -> dict[str, np.ndarray]:
    """The model's paths of what was taken off so far, as shares of what was there at first."""
    left = _leaving(days, departures)
    # Each takes its share of what is still there; together they cannot take more than all.
    still = np.exp(np.cumsum(left["ban"] + left["lasting"]))
    loss = -np.diff(still, prepend=1.0)
    both = np.minimum(left["ban"] + left["lasting"], -1e-300)
    return {
        "ban": np.cumsum(loss * left["ban"] / both),
        "exodus": np.cumsum(loss * left["lasting"] / both),
    }


def machines_gone(result: FleetResult, shocks: Shocks) -> pd.DataFrame:
    """Share of the machines that is missing by day and cause; see `sample_truth.Truth`."""
    days = result.days
    left = _leaving(len(days), shocks.departures)
    installed, hashing = result.installed.sum(axis=1), result.hashing.sum(axis=1)
    rules, efficiency = result.rules, result.cohorts["efficiency"].to_numpy()
    # Who signs of his own accord switches off shortly before the rent begins.
    signed = (rules.displacement * result.outcome.signed / efficiency).sum(axis=1)
    later = rules.lead_days - rules.notice_days
    switched_off = np.diff(np.concatenate([np.zeros(later + 1), signed]))[: len(days)]
    converted = np.log1p(-np.minimum(switched_off / installed, 0.99))
    return pd.DataFrame(
        {
            "lasting": -np.expm1(np.cumsum(left["lasting"] + converted)),
            "ban": -np.expm1(np.cumsum(left["ban"])),
            "weather": weather(len(days), shocks.departures),
            "price": 1.0 - hashing / installed,
        },
        index=days,
    )


def _issued(height: np.ndarray) -> np.ndarray:
    """BTC issued before a height."""
    eras = HALVING_BLOCKS * np.arange(34)
    coins = [HALVING_BLOCKS * block_subsidy(int(era)) / SATOSHI_PER_BITCOIN for era in eras[:-1]]
    return np.asarray(np.interp(height, eras, np.append(0.0, np.cumsum(coins))))


def network_fields(result: FleetResult) -> Mapping[str, Field]:
    """Fields of the network for a run of the model.

    ``hash_rate`` (H/s), ``blocks``, ``issuance`` and ``fees`` (BTC per day) and ``hash_price``
    (USD per PH/s per day) have a row a day, public one hour after the day. ``difficulty`` has a
    row an epoch, labelled by the day of its retarget and public six hours after it;
    ``epoch_days`` is the time that the 2,015 intervals of the epoch took that starts at the row,
    public six hours after the *next* retarget, and leaves out the running epoch. ``power_price``
    (USD/MWh) and ``ai_rent`` (USD per kW-month of critical IT power) have a row a whole month, its
    mean, labelled by its last day; power prices are public 75 days after it, rents one day.

    The published hash rate is the count of a day's blocks times their difficulty, as vendors have
    it: it carries a noise of 8 %.
    """
    days, chain = result.days, result.retargets
    first = result.start
    height = np.append(first.height, result.column("height"))
    blocks = np.diff(height)
    second, change = chain["difficulty"].iloc[0], chain["change"].iloc[0]
    difficulty = np.append(second / (1.0 + change), chain["difficulty"].to_numpy())
    at_retarget = np.append(first.height, chain["height"].to_numpy())
    work = np.cumsum(np.append(0.0, np.diff(at_retarget) * difficulty[:-1]))
    # Beyond the last retarget the difficulty in force counts.
    done = np.interp(height, at_retarget, work)
    done += np.maximum(height - at_retarget[-1], 0.0) * difficulty[-1]
    published = np.diff(done) * HASHES_PER_DIFFICULTY / DAY_SECONDS
    issuance = np.diff(_issued(height))
    fees = result.paths[:, 4] * blocks
    price = result.paths[:, 0]
    daily = {
        "hash_rate": (published, "H/s"),
        "blocks": (blocks, "blocks per day"),
        "issuance": (issuance, "BTC per day"),
        "fees": (fees, "BTC per day"),
        "hash_price": (1e15 * (issuance + fees) * price / published, "USD per PH/s per day"),
    }
    after_day = (days + pd.Timedelta(days=1)).tz_localize("UTC") + _VENDOR_LAG
    fields = {
        name: Field(pd.DataFrame({name: values}, index=days), after_day, unit, SOURCE)
        for name, (values, unit) in daily.items()
    }
    moments = pd.DatetimeIndex([days[0], *chain["time"]]).floor("s").as_unit("ns")
    labels, public = moments.normalize(), moments.tz_localize("UTC") + _ESTIMATED_TIME
    by_epoch = pd.DataFrame({"difficulty": difficulty}, index=labels)
    lengths = pd.DataFrame({"epoch_days": 14.0 * difficulty[:-1] / difficulty[1:]}, labels[:-1])
    fields["difficulty"] = Field(by_epoch, public, "1", SOURCE)
    fields["epoch_days"] = Field(lengths, public[1:], "days", SOURCE)
    rent = _monthly(days, result.paths[:, 1], "ai_rent")
    power = _monthly(days, result.paths[:, 2], "power_price")
    months = pd.DatetimeIndex(rent.index).tz_localize("UTC")
    fields["ai_rent"] = Field(rent, months + _RENT_LAG, "USD per kW-month", SOURCE)
    fields["power_price"] = Field(power, months + _POWER_LAG, "USD/MWh", SOURCE)
    return fields


def _monthly(days: pd.DatetimeIndex, values: np.ndarray, name: str) -> pd.DataFrame:
    """Mean of each whole month, labelled by its last day."""
    ends = np.flatnonzero(days.is_month_end)
    sums = np.diff(np.append(0.0, np.cumsum(values))[ends + 1])
    means = sums / np.diff(ends)
    return pd.DataFrame({name: means}, index=days[ends[1:]])
