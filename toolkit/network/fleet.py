"""The migration model: what the network does when miners come, go, or turn to AI hosting.

Everything here is SIMULATED. Blocks, retargets and subsidies follow the protocol exactly; what
people do follows the rules and numbers of a `cohorts.Fleet`, which are assumptions. A day's hash rate
depends on prices up to the day before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, DataError, suggestion
from toolkit.network.chain import (
    EXAHASH,
    Floats,
    Start,
    begin_clock,
    chain_table,
    check_days,
    empty_log,
    numbers,
    random_blocks,
    refuse,
    retarget_table,
)
from toolkit.network.cohorts import Conversion, Entry, Fleet, Relocation, equilibrium, share_on
from toolkit.network.difficulty import block_subsidy
from toolkit.network.economics import SATOSHI_PER_BITCOIN, hash_price
from toolkit.network.present_value import HostingTerms, MiningTerms

if TYPE_CHECKING:
    from toolkit.network.block_clock import Log
    from toolkit.network.fleet_kernel import Outcome, Rows, Rules

PATHS = (
    ("price", None),
    ("rent", 0.0),
    ("power_price", 1.0),
    ("credit", 0.0),
    ("fees", 0.0),
    ("curtailment", 0.0),
    ("ban", 0.0),
    ("exodus", 0.0),
)
"""Names of the paths in the order of the kernel's columns, and what stands for one not given."""

_LARGEST = 1e9
"""Of any path; what the model makes of more may be no finite number any longer."""

_PLACES = MappingProxyType({name: place for place, (name, _) in enumerate(PATHS)})
_COLUMNS = ("hash_rate", "blocks", "difficulty", "height", "price", "hash_price", "ordered",
            "value_spread")  # fmt: skip


@dataclass(frozen=True, eq=False)
class FleetResult:
    """A run of the migration model.

    Attributes
    ----------
    cohorts
        `Fleet.table`: one row a cohort, in the order of the columns of all arrays by cohort.
    days
        UTC days.
    paths
        What came in, days x the names of `PATHS`.
    start
        Height and difficulty as given.
    rules, outcome, log, first_target
        The kernel's settings and what it wrote.
    simulated
        Always true.
    """

    cohorts: pd.DataFrame
    days: pd.DatetimeIndex
    paths: Floats
    start: Start
    rules: Rules
    outcome: Outcome
    log: Log
    first_target: float
    simulated: ClassVar[bool] = True

    @cached_property
    def retargets(self) -> pd.DataFrame:
        """As in `chain.ChainResult`."""
        return retarget_table(self.log, self.days[0], self.first_target)

    @property
    def installed(self) -> Floats:
        """EH/s on site, days x cohorts."""
        return self.outcome.installed

    @property
    def hashing(self) -> Floats:
        """EH/s that are turned on, before curtailment, days x cohorts."""
        return self.outcome.hashing

    @cached_property
    def contracted_megawatts(self) -> Floats:
        """MW signed over to hosting so far, days x cohorts."""
        return self.outcome.signed + self.outcome.decreed

    @cached_property
    def converted_megawatts(self) -> Floats:
        """MW that earn rent, days x cohorts: signed the lead time ago, or sent by `exodus`."""
        converted = self.outcome.decreed.copy()
        lead = self.rules.lead_days
        if lead < len(converted):
            converted[lead:] += self.outcome.signed[: len(converted) - lead]
        return converted

    @cached_property
    def ai_share(self) -> Floats:
        """Power that earns rent over that and the power of machines on site, days x cohorts.

        NaN where a cohort has neither.
        """
        mining = self.installed * self.cohorts["efficiency"].to_numpy()
        total = self.converted_megawatts + mining
        return np.divide(  # type: ignore[no-any-return]
            self.converted_megawatts, total, out=np.full_like(total, np.nan), where=total > 0.0
        )

    @cached_property
    def margins(self) -> Floats:
        """Share of the hash price left after power, days x cohorts, negative under water."""
        power = self.path("power_price")
        cost = np.outer(power / power[0], self.cohorts["unit_cost"].to_numpy())
        return np.asarray(1.0 - cost / self.column("hash_price")[:, None])

    def margin_quantiles(self, levels: Sequence[float] = (0.1, 0.5, 0.9)) -> pd.DataFrame:
        """Quantiles of the margin over the machines that run, a column a level, a row a day."""
        order = np.argsort(self.cohorts["unit_cost"].to_numpy())[::-1]
        below = np.cumsum(self.hashing[:, order], axis=1)
        below /= below[:, -1:]
        # The level's machine stands in the first cohort up to which that share of machines runs.
        places = {level: np.argmax(below >= level - 1e-12, axis=1) for level in levels}
        ranked = self.margins[:, order]
        rows = np.arange(len(ranked))
        return pd.DataFrame(
            {level: ranked[rows, place] for level, place in places.items()}, index=self.days
        )

    def path(self, name: str) -> Floats:
        """What came in under one name of `PATHS`, by day."""
        return self.paths[:, _PLACES[name]]

    def column(self, name: str) -> Floats:
        """One quantity by day, without building the table; the hash rate is in EH/s.

        Beside columns of `daily` there is `ordered`, the EH/s of new machines ordered so far.
        """
        return self.outcome.daily[:, _COLUMNS.index(name)]

    @cached_property
    def daily(self) -> pd.DataFrame:
        """One row a UTC day.

        `hash_rate` (H/s, mean of the day), `blocks`, `issuance` (BTC), `supply` (BTC),
        `security_budget` (USD paid to miners that day); as of the day's end `difficulty`,
        `interval_seconds` and `blocks_per_day` expected at it, `height` (blocks so far), `price`
        (with feedback), `hash_price` (USD per PH/s per day); `installed` and `offline` (EH/s on
        site, and not running), `contracted` and `converted` (MW), `value_spread` (USD per MW by
        which hosting is worth more than mining, mean over the power on site; NaN without
        conversion).
        """
        chain = chain_table(self.days, self.outcome.daily, self.start)
        installed = self.installed.sum(axis=1)
        price = self.column("price")
        fees = self.path("fees") * chain["blocks"].to_numpy()
        return chain.assign(
            price=price,
            hash_price=self.column("hash_price"),
            security_budget=(chain["issuance"].to_numpy() + fees) * price,
            installed=installed,
            offline=installed - self.column("hash_rate"),
            contracted=self.contracted_megawatts.sum(axis=1),
            converted=self.converted_megawatts.sum(axis=1),
            value_spread=self.column("value_spread"),
        )


def simulate_fleet(
    fleet: Fleet, paths: pd.DataFrame, start: Start | None = None, *, seed: int | None = None
) -> FleetResult:
    """Run a fleet over daily paths.

    Parameters
    ----------
    fleet
        At the start of the first day, in equilibrium with its price.
    paths
        One row a UTC day without gaps. `price` (USD per BTC at the day's end) is needed; others are
        taken as constant: `rent` (USD per kW-month of critical IT power, 0), `power_price`
        (USD/MWh, of which only the ratio to the first day counts), `credit` (financing spread per
        year, 0), `fees` (BTC per block, 0), `curtailment` (share of the running machines off-line
        that day, below 1), `ban` and `exodus` (share of the machines that has been taken off the
        network by decree, or has gone to hosting, up to that day; a fall brings back those that
        were not moved meanwhile).
    start
        Height and difficulty; mid-2026 and equilibrium if left out.
    seed
        Blocks arrive at random; without a seed every block takes its expected time.

    Raises
    ------
    ConfigError
        A path with an unknown name, no price, or a seed that is no whole number of 0 or more.
    DataError
        Gaps, wrong lengths, missing or impossible values; a day on which nobody mines.
    """
    matrix = check_paths(paths)
    days = pd.DatetimeIndex(paths.index)
    return Prepared(fleet, len(days)).run(matrix, days, start or Start(), seed)


class Prepared:
    """A fleet made ready to run over many paths of one length."""

    def __init__(self, fleet: Fleet, days: int) -> None:
        from toolkit.network.fleet_kernel import Rows

        self.fleet = fleet
        self.cohorts = fleet.table(days)
        column = {name: self.cohorts[name].to_numpy() for name in self.cohorts}
        self.rows: Rows = Rows(
            *(
                column[name].astype(float)
                for name in ("efficiency", "power_price", "unit_cost", "spread")
            ),
            *(column[name].astype(np.int64) for name in ("opens", "closes", "destination")),
        )
        self.rules = _rules(fleet)

    def run(
        self,
        paths: Floats,
        days: pd.DatetimeIndex,
        start: Start,
        seed: int | np.random.SeedSequence | None,
    ) -> FleetResult:
        """Run over paths that `check_paths` returned; see `simulate_fleet`."""
        from toolkit.network.fleet_kernel import Outcome, State, simulate

        clock, on = self._begin(paths, start)
        shape = (len(paths), len(self.cohorts))
        outcome = Outcome(np.zeros((len(paths), 8)), *(np.zeros(shape) for _ in range(5)))
        installed = self.cohorts["capacity"].to_numpy(dtype=float).copy()
        eligible = self.rules.eligible_share * installed * self.rows.efficiency
        zero = np.zeros(shape[1])
        relief, memory = np.empty(len(paths) + 1), np.zeros(4)
        state = State(installed, on, zero, eligible, zero.copy(), clock, relief, memory)
        log = empty_log(len(paths))
        first = float(clock[0])
        draws = random_blocks(seed)
        done = simulate(paths, self.rows, self.rules, state, seed is not None, draws, log, outcome)
        if done < len(paths):
            raise DataError(
                f"Nobody mines on {days[done].date()}: no capacity is above water at a hash price "
                f"of {np.exp(relief[done]):.4g} USD per PH/s per day; {installed.sum():.4g} EH/s "
                f"are on site and the cheapest costs {self.rows.cost.min():.4g}. Without blocks "
                "the difficulty never falls: check price, ban and exodus, or slow the switching."
            )
        return FleetResult(self.cohorts, days, paths, start, self.rules, outcome, log, first)

    def _begin(self, paths: Floats, start: Start) -> tuple[Floats, Floats]:
        subsidy = block_subsidy(start.height) / SATOSHI_PER_BITCOIN
        price, fees = (float(paths[0, _PLACES[name]]) for name in ("price", "fees"))
        if start.difficulty is None:
            hash_rate, revenue = equilibrium(self.fleet, price * (subsidy + fees))
            clock = begin_clock(start, hash_rate * EXAHASH)
        else:
            revenue = float(hash_price(start.difficulty, price, subsidy, fees))
            clock = begin_clock(start, 0.0)
        on = share_on(self.rows.cost, self.rows.spread, revenue)
        if not (on * self.cohorts["capacity"].to_numpy()).sum() > 0.0:
            raise DataError(
                "The cost curve has no capacity above water on the first day: the hash price is "
                f"{revenue:.4g} USD per PH/s per day and the cheapest unit cost "
                f"{self.rows.cost.min():.4g}. Check price, difficulty and the cohorts' costs."
            )
        return clock, on


def check_paths(paths: pd.DataFrame) -> Floats:
    """Paths as the kernel takes them, days x `PATHS`; see `simulate_fleet` for what is refused."""
    for name in paths.columns:
        if name not in _PLACES:
            raise ConfigError(f"There is no path {name!r}. {suggestion(str(name), _PLACES)}")
    if paths.columns.has_duplicates:
        raise ConfigError(f"A path is given twice: {', '.join(paths.columns)}.")
    if "price" not in paths:
        raise ConfigError("The paths have no 'price': USD per BTC, a value a day, is needed.")
    check_days(paths.index)
    columns = {}
    for name, default in PATHS:
        given = paths[name].to_numpy() if name in paths else np.full(len(paths), default)
        columns[name] = values = numbers(name, given, paths.index)
        if name in ("price", "power_price"):
            refuse(name, values, values <= 0.0, paths.index, "above 0")
        refuse(name, values, values < 0.0, paths.index, "0 or more")
        refuse(name, values, values > _LARGEST, paths.index, f"at most {_LARGEST:g}")
    offline, gone = columns["curtailment"], columns["ban"] + columns["exodus"]
    refuse("curtailment", offline, offline >= 1.0, paths.index, "a share below 1")
    refuse("ban + exodus", gone, gone > 1.0, paths.index, "a share of at most 1")
    return np.column_stack(list(columns.values()))


def _rules(fleet: Fleet) -> Rules:
    from toolkit.network.fleet_kernel import Rules

    # What is None never happens: its rate is 0, and its other numbers are of no effect.
    entry = fleet.entry or Entry(speed=0.0)
    relocation = fleet.relocation or Relocation(share=0.0)
    conversion = fleet.conversion or Conversion(
        MiningTerms(0.0, 0.0, 1.0), HostingTerms(1.0, 1.0, 0.0, 1.0, 1.0), eligible_share=0.0
    )
    mining, hosting = conversion.mining, conversion.hosting
    return Rules(
        margin=fleet.switching.margin,
        patience_days=fleet.switching.patience_days,
        daily_share=fleet.switching.daily_share,
        foresight=fleet.switching.foresight,
        entry_speed=entry.speed,
        required_return=entry.required_return,
        machine_price=entry.machine_price_usd_per_th,
        technology_drift=entry.technology_drift,
        delivery_from=entry.delivery_days[0],
        delivery_to=entry.delivery_days[1],
        relocation_share=relocation.share,
        relocation_from=relocation.lag_days[0],
        relocation_to=relocation.lag_days[1],
        eligible_share=conversion.eligible_share,
        displacement=conversion.displacement,
        lead_days=conversion.lead_days,
        notice_days=conversion.notice_days,
        hazard=conversion.hazard,
        hazard_scale=conversion.hazard_scale_usd_per_mw,
        discount_rate=conversion.discount_rate,
        hurdle=conversion.hurdle_usd_per_mw,
        mining_uptime=mining.uptime,
        mining_years=mining.horizon_years,
        hash_price_drift=mining.hash_price_drift,
        renewal=mining.renewal_usd_per_mw_year,
        salvage=mining.salvage_usd_per_mw,
        risk_premium=mining.risk_premium,
        income_per_rent=12_000.0 * hosting.utilisation * hosting.net_margin / hosting.overhead,
        rent_growth=float(np.log1p(hosting.rent_growth)),
        term_years=hosting.term_years,
        capex=hosting.capex_usd_per_mw / hosting.overhead,
        residual=hosting.residual_usd_per_mw / hosting.overhead,
        selling=fleet.feedback.selling,
        security=fleet.feedback.security,
        memory_days=fleet.feedback.memory_days,
    )
