"""From a run of the migration model to the shock that a stress takes. SIMULATED.

What the simulated network does is a consequence of stated assumptions; that mark stays in the name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from toolkit.errors import ConfigError
from toolkit.network.fleet import FleetResult
from toolkit.risk.bridge import Change, Shock, Spread
from toolkit.units import Days, component

SIMULATED_MARK = "SIMULATED "
"""Begins the name of every stress that a simulated network is behind."""


@dataclass(frozen=True)
class NetworkChanges:
    """What became of the network on a day of a run, against the first.

    Attributes
    ----------
    day
        Counted from 0.
    hash_price, bitcoin
        Simple changes.
    credit
        Change of the financing spread per year.
    """

    day: int
    hash_price: float
    bitcoin: float
    credit: float


@component
class ScenarioShock:
    """A stress that takes bitcoin, hash price and credit from a scenario of the network.

    Parameters
    ----------
    name
        What a report calls it, behind `SIMULATED_MARK`.
    scenario
        Name of a ready scenario, or a TOML file beside the experiment.
    horizon
        Days after the first within which the state of the network is taken.
    moment
        ``worst``: the day of the lowest hash price; ``end``: the last day.
    bitcoin
        A further change of bitcoin on top of the scenario's; the hash price goes along.
    ai
        Change of the AI basket, of which a scenario says nothing.
    credit
        A further change of the financing spread.
    """

    name: str
    scenario: str
    horizon: Days = 180
    moment: Literal["worst", "end"] = "worst"
    bitcoin: Change = 0.0
    ai: Change = 0.0
    credit: Spread = 0.0

    def changes(self, result: FleetResult) -> NetworkChanges:
        """What the scenario's run itself does, without further changes.

        Raises
        ------
        ConfigError
            The run ends before the horizon.
        """
        if self.horizon >= len(result.days):
            raise ConfigError(
                f"ScenarioShock.horizon = {self.horizon}: the run of {self.scenario!r} ends "
                f"{len(result.days) - 1} days after its first. Take a shorter one."
            )
        pay, price = result.column("hash_price"), result.column("price")
        spread = result.path("credit")
        day = int(pay[: self.horizon + 1].argmin()) if self.moment == "worst" else self.horizon
        return NetworkChanges(
            day=day,
            hash_price=float(pay[day] / pay[0] - 1.0),
            bitcoin=float(price[day] / price[0] - 1.0),
            credit=float(spread[day] - spread[0]),
        )

    def shock(self, result: FleetResult) -> Shock:
        """The shock, with the further changes, to six decimals: the model's last bits are no news.

        Raises
        ------
        ConfigError
            The run ends before the horizon, or nothing moves.
        """
        found, further = self.changes(result), 1.0 + self.bitcoin
        found_as = {"worst": "the lowest hash price", "end": "the end"}[self.moment]
        return Shock(
            name=SIMULATED_MARK + self.name.removeprefix(SIMULATED_MARK),
            bitcoin=round((1.0 + found.bitcoin) * further - 1.0, 6),
            hash_price=round((1.0 + found.hash_price) * further - 1.0, 6),
            ai=self.ai,
            credit=round(found.credit + self.credit, 6),
            origin=f"simulated {self.scenario}, day {found.day}: {found_as} of {self.horizon} days",
        )
