"""Many futures of a fleet: paths drawn one by one, run, and reduced to a few numbers. SIMULATED.

What a run leaves behind is a row of outcomes and a value every so many days, so that memory does
not grow with the length of the days. The kernel lets other threads run while it works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.signal import lfilter

from toolkit.errors import ConfigError, suggestion
from toolkit.network.aftermath import Aftermath, assess
from toolkit.network.chain import Floats, Start
from toolkit.network.cohorts import Fleet
from toolkit.network.fleet import FleetResult, Prepared, check_paths
from toolkit.units import Days, Fraction, NonNegative, Positive, component

TRACKED = ("hash_rate", "difficulty", "hash_price", "price", "installed", "contracted")
"""Quantities whose distribution over time is kept."""

Correlation = Annotated[float, Field(ge=-1.0, le=1.0)]


@component
class PathProcess:
    """How paths are drawn. All numbers are assumptions.

    Price and rent are geometric random walks, with correlated steps; power price, financing spread
    and fees wander around their level; of the curtailment, the share off-line, a shock fades within
    days. Steps are normal.

    Parameters
    ----------
    price, rent, power_price, credit, fees, curtailment
        On the first day, in the units of `simulate_fleet`; the last four are also the levels to
        which they return.
    price_drift, price_volatility
        Of the log price, per year; the drift is that of the median.
    rent_volatility
        Of the log rent, per year.
    correlation
        Of the steps of price and rent.
    power_volatility, credit_volatility
        Standard deviation around the level: of the log power price, and of the spread (below 0 it
        is cut off).
    fee_volatility
        Standard deviation of log fees around their level.
    years_to_level
        Mean reversion time of power price and financing spread.
    curtailment_days
        Mean reversion time of curtailment, and of fees.
    """

    price: Positive = 62_000.0
    price_drift: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    price_volatility: NonNegative = 0.55
    rent: NonNegative = 150.0
    rent_volatility: NonNegative = 0.15
    correlation: Correlation = 0.3
    power_price: Positive = 47.0
    power_volatility: NonNegative = 0.15
    credit: NonNegative = 0.02
    credit_volatility: NonNegative = 0.01
    years_to_level: Positive = 1.0
    fees: NonNegative = 0.03
    fee_volatility: NonNegative = 0.6
    curtailment: Fraction = 0.02
    curtailment_days: Days = 12

    def draw(self, days: int, draws: np.random.Generator) -> dict[str, Floats]:
        """Paths by name, a value a day, from the starting values on."""
        steps = draws.standard_normal((6, days))
        steps[:, 0] = 0.0
        yearly = np.sqrt(1.0 / 365.25)
        own = np.sqrt(1.0 - self.correlation**2)
        rent_steps = self.correlation * steps[0] + own * steps[1]
        drift = self.price_drift / 365.25 * np.arange(days)
        slow, fast = 365.25 * self.years_to_level, float(self.curtailment_days)
        power = self.power_volatility * _wander(steps[2], slow)
        credit = self.credit + self.credit_volatility * _wander(steps[3], slow)
        fees = self.fee_volatility * _wander(steps[4], fast)
        # The absolute value of a normal number has a mean of 0.8 standard deviations.
        offline = self.curtailment / np.sqrt(2.0 / np.pi) * np.abs(_wander(steps[5], fast))
        return {
            "price": self.price
            * np.exp(drift + self.price_volatility * yearly * np.cumsum(steps[0])),
            "rent": self.rent * np.exp(self.rent_volatility * yearly * np.cumsum(rent_steps)),
            "power_price": self.power_price * np.exp(power),
            "credit": np.maximum(credit, 0.0),
            "fees": self.fees * np.exp(fees),
            "curtailment": np.minimum(offline, 0.9),
        }


@dataclass(frozen=True, eq=False)
class MonteCarlo:
    """Outcomes of many paths.

    Attributes
    ----------
    outcomes
        One row a path: the fields of `aftermath.Aftermath`.
    samples
        By quantity of `TRACKED`: paths x sampled days, in the units of `FleetResult.daily` but for
        the hash rate, which is in EH/s.
    days
        Sampled days.
    simulated
        Always true.
    """

    outcomes: pd.DataFrame
    samples: Mapping[str, NDArray[np.float32]]
    days: pd.DatetimeIndex
    simulated: ClassVar[bool] = True

    def quantiles(
        self, name: str, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    ) -> pd.DataFrame:
        """Quantiles over the paths of one tracked quantity, a row a sampled day.

        Raises
        ------
        ConfigError
            A quantity that is not tracked.
        """
        if name not in self.samples:
            raise ConfigError(f"{name!r} is not tracked. {suggestion(name, self.samples)}")
        values = np.quantile(self.samples[name], levels, axis=0).T
        return pd.DataFrame(values, index=self.days, columns=pd.Index(levels, name="level"))


@component
class Plan:
    """How much is drawn.

    Parameters
    ----------
    paths
        Number of futures.
    days
        Length of each.
    first_day
        Date of the first.
    every
        Days between two samples of what is tracked.
    seed
        The same seed gives the same paths, whatever the number of threads.
    threads
        That run at a time.
    """

    paths: Annotated[int, Field(ge=1, le=10_000_000)] = 1_000
    days: Annotated[int, Field(ge=28, le=20_000)] = 3_653
    first_day: date = date(2026, 7, 1)
    every: Days = 30
    seed: Annotated[int, Field(ge=0)] = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 2


def monte_carlo(
    fleet: Fleet, process: PathProcess, plan: Plan | None = None, start: Start | None = None
) -> MonteCarlo:
    """Run a fleet over many drawn paths, with random blocks.

    Memory is that of one run a thread, and of the samples.

    Raises
    ------
    DataError
        A path on which a day comes when nobody mines.
    """
    plan, start = plan or Plan(), start or Start()
    days = pd.date_range(plan.first_day, periods=plan.days, freq="D")
    prepared = Prepared(fleet, plan.days)
    kept = np.arange(0, plan.days, plan.every)
    samples = {name: np.empty((plan.paths, len(kept)), dtype=np.float32) for name in TRACKED}

    def run(path: int) -> Aftermath:
        # A stream a path and a use: the order in which threads come does not matter.
        of_paths, of_blocks = np.random.SeedSequence((plan.seed, path)).spawn(2)
        drawn = process.draw(plan.days, np.random.default_rng(of_paths))
        matrix = check_paths(pd.DataFrame(drawn, index=days))
        result = prepared.run(matrix, days, start, of_blocks)
        for name, values in samples.items():
            values[path] = tracked(result, name)[kept]
        return assess(result)

    with ThreadPoolExecutor(plan.threads) as pool:
        rows = list(pool.map(run, range(plan.paths)))
    return MonteCarlo(pd.DataFrame([asdict(row) for row in rows]), samples, days[kept])


def tracked(result: FleetResult, name: str) -> Floats:
    """One quantity of `TRACKED` by day, without the table of all."""
    if name == "installed":
        return np.asarray(result.installed.sum(axis=1))
    if name == "contracted":
        return np.asarray(result.contracted_megawatts.sum(axis=1))
    return result.column(name)


def _wander(steps: Floats, days: float) -> Floats:
    """Mean-reverting walk from 0 with a long-run standard deviation of 1."""
    keep = np.exp(-1.0 / days)
    return np.asarray(lfilter([np.sqrt(1.0 - keep**2)], [1.0, -keep], steps))
