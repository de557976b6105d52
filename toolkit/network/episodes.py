"""Falls of the hash rate that prices caused, and what the migration model makes of each.

The model's side is SIMULATED. It meets each episode in two ways: at rest, as the point where the
cost curve of the day supports the new reward; and day by day, with the waiting and the bands of
`cohorts.Switching`. Costs come from machines and power prices of the time, not from the episode.
Nobody enters: history has deliveries in it, the model has none here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from toolkit.errors import DataError
from toolkit.network.chain import EXAHASH, Floats, Start
from toolkit.network.cohorts import (
    BLOCKS_PER_DAY,
    Fleet,
    Switching,
    equilibrium,
    lognormal_fleet,
    share_on,
)
from toolkit.network.difficulty import HASHES_PER_DIFFICULTY, block_subsidy
from toolkit.network.economics import DAY_SECONDS, SATOSHI_PER_BITCOIN, unit_power_cost
from toolkit.network.fleet import FleetResult, simulate_fleet
from toolkit.network.validation import Check

Knots = tuple[tuple[str, float], ...]

POWER_PRICE = 47.0
"""USD/MWh of the median miner; 45-50 is what estimates of these years assume (unverified)."""

S9, S17 = 98.0, 45.0
"""Nominal J/TH of the machines that did most of the work in 2018, and shared it in early 2020."""

ELASTICITY_BAND = (0.3, 0.7)


class Retarget(NamedTuple):
    """Estimated day of a retarget, its height and the new difficulty."""

    day: date
    height: int
    difficulty: float


@dataclass(frozen=True)
class Episode:
    """A fall of the hash rate, and the costs of the miners that it met.

    Attributes
    ----------
    name, retargets
        The latter in order, from the start of the last epoch before the fall on: its mean hash rate
        is the one at which the model starts.
    median_cost
        USD per PH/s per day.
    price, fees
        USD per BTC and BTC per block, rounded: days and values, with straight lines between them.
    """

    name: str
    retargets: tuple[Retarget, ...]
    median_cost: float
    price: Knots
    fees: Knots

    @property
    def hash_rate(self) -> float:
        """Mean of the first epoch, EH/s."""
        hashes = self.retargets[1].difficulty * HASHES_PER_DIFFICULTY
        return hashes * BLOCKS_PER_DAY / DAY_SECONDS / EXAHASH

    @property
    def days(self) -> pd.DatetimeIndex:
        """Days of a run, with ten to spare: a slower chain reaches the last retarget later."""
        last = self.retargets[-1].day + timedelta(days=10)
        return pd.date_range(self.retargets[0].day, last, freq="D")

    def paths(self) -> pd.DataFrame:
        """The rounded price and fees by day."""
        return pd.DataFrame(
            {"price": _along(self.days, self.price), "fees": _along(self.days, self.fees)},
            index=self.days,
        )

    def fleet(self, block_reward_usd: float) -> Fleet:
        """Miners of whom as many run at this reward as did in the first epoch."""
        one = lognormal_fleet(1.0, median_cost=self.median_cost).table(days=1)
        hash_price = block_reward_usd * BLOCKS_PER_DAY / 1e3 / self.hash_rate
        cost, spread = one["unit_cost"].to_numpy(), one["spread"].to_numpy()
        running = float(one["capacity"] @ share_on(cost, spread, hash_price))
        return lognormal_fleet(self.hash_rate / running, median_cost=self.median_cost)

    def at_rest(self, before: float, after: float) -> float:
        """Change of the hash rate between two rewards (USD a block) by the cost curve alone."""
        return equilibrium(self.fleet(before), after).hash_rate / self.hash_rate - 1.0


@dataclass(frozen=True, eq=False)
class Replay:
    """A run of the model through an episode, SIMULATED, beside what happened."""

    episode: Episode
    paths: pd.DataFrame
    result: FleetResult

    @cached_property
    def levels(self) -> pd.DataFrame:
        """Difficulty over what it was before the fall, minus 1, by height.

        Columns `model` and `history`, and `model_time` and `history_time`, the retargets.
        """
        past = pd.DataFrame(self.episode.retargets[1:]).set_index("height")
        ours = self.result.retargets.set_index("height").reindex(past.index)
        if ours["difficulty"].isna().any():
            raise DataError(
                f"{self.episode.name}: the run reached height {self.result.daily['height'].iloc[-1]:.0f} "
                f"in {len(self.paths)} days; expected {past.index[-1]}: too many miners left."
            )
        before = past["difficulty"].iloc[0]
        return pd.DataFrame(
            {
                "model": ours["difficulty"] / before - 1.0,
                "history": past["difficulty"] / before - 1.0,
                "model_time": ours["time"],
                "history_time": pd.to_datetime(past["day"]),
            }
        )

    @cached_property
    def rewards(self) -> Floats:
        """Mean USD a block in each epoch of history."""
        retargets = self.episode.retargets
        coins = [block_subsidy(one.height) / SATOSHI_PER_BITCOIN for one in retargets]
        means = []
        for one, then, subsidy in zip(retargets, retargets[1:], coins, strict=False):
            epoch = self.paths.loc[str(one.day) : str(then.day)].iloc[:-1]
            means.append(float((epoch["price"] * (subsidy + epoch["fees"])).mean()))
        return np.array(means)


def replay(
    episode: Episode,
    paths: pd.DataFrame | None = None,
    *,
    switching: Switching | None = None,
    seed: int | None = None,
) -> Replay:
    """Run the migration model through an episode.

    Parameters
    ----------
    episode
        Which one.
    paths
        Real `price` (USD per BTC at the day's end) and `fees` (BTC per block) by day, of which the
        episode's days are taken; without them its own, rounded.
    switching
        Other bands and waiting times than the model's own.
    seed
        Blocks arrive at random; without a seed every block takes its expected time.

    Raises
    ------
    DataError
        The paths lack a day of the episode.
    """
    own = episode.paths() if paths is None else paths[["price", "fees"]].reindex(episode.days)
    if own.isna().to_numpy().any():
        missing = own.index[own.isna().any(axis=1)]
        raise DataError(
            f"{episode.name}: price or fees are absent on {len(missing)} days, the first of them "
            f"{missing[0].date()}; expected {own.index[0].date()} to {own.index[-1].date()}."
        )
    first = episode.retargets[0].height
    subsidy = block_subsidy(first) / SATOSHI_PER_BITCOIN
    fleet = episode.fleet(float(own["price"].iloc[0] * (subsidy + own["fees"].iloc[0])))
    fleet = fleet if switching is None else replace(fleet, switching=switching)
    return Replay(episode, own, simulate_fleet(fleet, own, Start(first), seed=seed))


def halving_checks(run: Replay) -> list[Check]:
    """The halving of 2024 within 3 points: its first whole epoch, and the lowest difficulty."""
    levels = 100.0 * run.levels[["model", "history"]]
    first, lowest = levels.iloc[1], levels.min()
    rest = [
        100.0 * run.episode.at_rest(64_500.0 * (6.25 + 0.35), price * (3.125 + fees))
        for price, fees in ((64_500.0, 0.35), (58_000.0, 0.15))
    ]
    name = run.episode.name
    rows = (
        ("at rest: first epoch after", rest[0], first["history"]),
        ("at rest: lowest", rest[1], lowest["history"]),
        ("day by day: first epoch after", first["model"], first["history"]),
        ("day by day: lowest", lowest["model"], lowest["history"]),
    )
    return [
        Check.within(name, f"difficulty, {what}", "%", (float(model), float(past)), 3.0)
        for what, model, past in rows
    ]


def elasticity_checks(run: Replay) -> list[Check]:
    """Fall of the hash rate per fall of the reward, in logs, model and history in the band.

    From the first epoch to the one of the lowest hash rate, and to that of the lowest reward. The
    falls themselves are shown; no bar was set for them.
    """
    low, high = ELASTICITY_BAND
    before, after = float(run.rewards[0]), float(run.rewards.min())
    past = float(run.levels["history"].min())
    ours = {
        "at rest": run.episode.at_rest(before, after),
        "day by day": float(run.levels["model"].min()),
    }
    name, checks = run.episode.name, []
    for way, fall in ours.items():
        pair = [math.log1p(change) / math.log(after / before) for change in (fall, past)]
        met = all(low <= value <= high for value in pair)
        words = f"both in {low} to {high}"
        checks += [
            Check(name, f"elasticity, {way}", "", pair[0], pair[1], words, met),
            Check(name, f"hash rate, {way}", "%", 100.0 * fall, 100.0 * past, "none", None),
        ]
    return checks


def _along(days: pd.DatetimeIndex, knots: Knots) -> Floats:
    moments = pd.DatetimeIndex([day for day, _ in knots])
    return np.interp(days.asi8, moments.as_unit(days.unit).asi8, [value for _, value in knots])


def _retargets(*rows: tuple[str, int, float]) -> tuple[Retarget, ...]:
    return tuple(Retarget(date.fromisoformat(day), height, 1e12 * d) for day, height, d in rows)


HALVING_2024 = Episode(
    "Halving 2024",
    _retargets(
        ("2024-04-10", 838_656, 86.388559),
        ("2024-04-24", 840_672, 88.104191),
        ("2024-05-09", 842_688, 83.148355),
        ("2024-05-23", 844_704, 84.381462),
        ("2024-06-06", 846_720, 83.716655),
        ("2024-06-20", 848_736, 83.675262),
        ("2024-07-05", 850_752, 79.495195),
    ),
    median_cost=28.5,
    price=(("2024-04-20", 64_500.0), ("2024-07-05", 58_000.0)),
    fees=(("2024-04-20", 0.35), ("2024-07-05", 0.15)),
)
"""Costs by the calibration for early 2024: the median has some 24 J/TH at 50 USD/MWh."""

LATE_2018 = Episode(
    "Late 2018",
    _retargets(
        ("2018-09-20", 542_304, 7.152633),
        ("2018-10-04", 544_320, 7.454969),
        ("2018-10-18", 546_336, 7.182852),
        ("2018-11-01", 548_352, 7.184405),
        ("2018-11-17", 550_368, 6.653303),
        ("2018-12-03", 552_384, 5.646404),
        ("2018-12-19", 554_400, 5.106423),
        ("2018-12-31", 556_416, 5.618596),
    ),
    median_cost=float(unit_power_cost(S9, POWER_PRICE)),
    price=(("2018-11-13", 6_400.0), ("2018-11-25", 4_000.0), ("2018-12-15", 3_250.0),
           ("2018-12-20", 4_000.0)),
    fees=(("2018-09-20", 0.15),),
)  # fmt: skip
"""The fall of the price in November 2018. The machine of the time was the S9."""

MARCH_2020 = Episode(
    "March 2020",
    _retargets(
        ("2020-02-25", 618_912, 15.486913),
        ("2020-03-09", 620_928, 16.552924),
        ("2020-03-26", 622_944, 13.912524),
        ("2020-04-08", 624_960, 14.715214),
        ("2020-04-21", 626_976, 15.958652),
    ),
    median_cost=float(unit_power_cost(math.sqrt(S9 * S17), POWER_PRICE)),
    price=(("2020-02-25", 9_300.0), ("2020-03-07", 8_900.0), ("2020-03-11", 7_900.0),
           ("2020-03-12", 5_000.0), ("2020-03-18", 5_300.0), ("2020-03-20", 6_200.0),
           ("2020-04-06", 7_000.0)),
    fees=(("2020-03-08", 0.15), ("2020-03-12", 0.4), ("2020-04-01", 0.2)),
)  # fmt: skip
"""The crash of 12 March 2020. S9 and S17 shared the work; half each, in logs, is assumed."""
