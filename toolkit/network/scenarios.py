"""Ready scenarios of the migration model, by name. SIMULATED.

A scenario is a fleet and a few knots a path, with straight lines between them. All start from the
network of mid-2026 (price 62,000, 894 EH/s, hash price 31.5) and let a month pass before anything
happens. They show what the model does; nothing says how likely they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from toolkit.errors import ConfigError, suggestion
from toolkit.network.chain import Start
from toolkit.network.cohorts import Entry, Feedback, Fleet, Relocation, lognormal_fleet
from toolkit.network.fleet import PATHS, FleetResult, simulate_fleet
from toolkit.units import IsoDay, component

# Strict: to Python true is 1.
Day = Annotated[float, Field(ge=0.0, allow_inf_nan=False, strict=True)]
Value = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Knots = tuple[tuple[Day, Value], ...]

SCENARIO_NAMES = (
    "ai-bust",
    "ai-exodus",
    "ban",
    "halving-2028",
    "heat-curtailment",
    "joint",
    "price-halving",
)
"""Names that `scenario` knows."""

_PRICE, _FEES = 62_000.0, 0.03


@component
class Scenario:
    """A fleet, where the chain stands, and what comes in.

    Parameters
    ----------
    title
        One line that says what happens.
    fleet
        Miners on the first day.
    paths
        By the names that `simulate_fleet` takes: pairs of a day, counted from 0 in rising order,
        and a value; straight lines between them, constant before and after. `ban` and `exodus`
        begin with 0.
    first_day, days
        Period.
    start
        Height and difficulty.
    """

    title: str
    fleet: Fleet
    paths: Mapping[str, Knots]
    first_day: IsoDay = date(2026, 7, 1)
    days: Annotated[int, Field(ge=28, le=20_000)] = 600
    start: Start = Start()

    def __post_init__(self) -> None:
        known = [name for name, _ in PATHS]
        for name, knots in self.paths.items():
            if name not in known:
                raise ConfigError(f"Scenario.paths has no {name!r}. {suggestion(name, known)}")
            moments = [moment for moment, _ in knots]
            if not moments or moments != sorted(set(moments)):
                raise ConfigError(
                    f"Scenario.paths: the days of {name!r} are {moments}; expected one or more in "
                    "rising order."
                )
            if name in ("ban", "exodus") and knots[0][1] != 0.0:
                raise ConfigError(
                    f"Scenario.paths: {name!r} begins with {knots[0][1]:g}; expected 0, since a run "
                    "is judged against its first day."
                )

    def table(self) -> pd.DataFrame:
        """The paths by day, as `simulate_fleet` takes them."""
        index = pd.date_range(self.first_day, periods=self.days, freq="D")
        numbers = np.arange(self.days)
        return pd.DataFrame(
            {
                name: np.interp(numbers, *np.transpose(np.asarray(knots)))
                for name, knots in self.paths.items()
            },
            index=index,
        )

    def run(self, *, seed: int | None = None) -> FleetResult:
        """Simulate it; see `simulate_fleet`."""
        return simulate_fleet(self.fleet, self.table(), self.start, seed=seed)


def scenario(name: str) -> Scenario:
    """A ready scenario.

    Parameters
    ----------
    name
        One of `SCENARIO_NAMES`.

    Raises
    ------
    ConfigError
        Another name, with the nearest known ones.
    """
    fleet = replace(lognormal_fleet(1052.0), entry=Entry(), relocation=Relocation())
    stuck = replace(fleet, relocation=None)
    calm: dict[str, Knots] = {"price": ((0, _PRICE),), "fees": ((0, _FEES),)}
    ready = {
        "ai-exodus": Scenario(
            "AI hosting takes 20 % of the machines' sites within 180 days; half of the machines "
            "are put up again elsewhere.",
            fleet,
            {**calm, "exodus": ((30, 0.0), (210, 0.2))},
        ),
        "ban": Scenario(
            "A ban stops half of the machines at once; half of those are put up again elsewhere.",
            fleet,
            {**calm, "ban": ((30, 0.0), (31, 0.5))},
        ),
        "ai-bust": Scenario(
            "AI hosting takes 20 % within 180 days; half a year later contracts are cancelled and "
            "half of it returns within two months.",
            stuck,
            {**calm, "exodus": ((30, 0.0), (210, 0.2), (390, 0.2), (450, 0.1))},
        ),
        "price-halving": Scenario(
            "The price halves within two weeks and stays there.",
            fleet,
            {**calm, "price": ((30, _PRICE), (44, 0.5 * _PRICE))},
        ),
        "halving-2028": Scenario(
            "The subsidy halves at block 1,050,000 and the price does not move.",
            fleet,
            calm,
            first_day=date(2028, 2, 1),
            start=Start(height=1_050_000 - 60 * 144),
        ),
        "heat-curtailment": Scenario(
            "A heat wave takes 12 % of the machines off-line for ten days, twice.",
            fleet,
            {
                **calm,
                "curtailment": (
                    *((30, 0.0), (33, 0.12), (43, 0.12), (50, 0.0)),
                    *((60, 0.0), (63, 0.12), (73, 0.12), (80, 0.0)),
                ),
            },
        ),
        "joint": Scenario(
            "The price falls by 40 % while AI hosting takes 25 %, few machines are put up again, "
            "and the market minds both their selling and the loss of security.",
            replace(
                fleet, relocation=Relocation(share=0.1), feedback=Feedback(selling=0.5, security=0.5)
            ),
            {**calm, "price": ((30, _PRICE), (150, 0.6 * _PRICE)),
             "exodus": ((30, 0.0), (210, 0.25))},
        ),
    }  # fmt: skip
    if name not in ready:
        raise ConfigError(f"There is no scenario {name!r}. {suggestion(name, ready)}")
    return ready[name]
