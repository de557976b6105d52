"""From a specification to decided weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from toolkit.errors import ConfigError
from toolkit.optimize.costs import Cost
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import Objective
from toolkit.units import component
from toolkit.universe import Asset

if TYPE_CHECKING:
    from toolkit.optimize.program import Program

OnInfeasible = Literal["least_violation", "keep", "stop"]


@component
class Optimizer:
    """How targets become weights under limits.

    Parameters
    ----------
    objective
        What is minimised.
    limits
        What must hold. Budget, no short positions and what cannot be traded always hold.
    cost
        What trading costs; None trades free.
    on_infeasible
        What to do when no portfolio meets the limits, even with those of rank 0 (turnover)
        relaxed as little as possible. ``least_violation``: minimise the sum of
        slack / max(|cap|, 0.01). ``keep``: keep the current weights. ``stop``: raise.
    """

    objective: Objective
    limits: tuple[Limit, ...] = ()
    cost: Cost | None = None
    on_infeasible: OnInfeasible = "least_violation"

    def __post_init__(self) -> None:
        names = [limit.name for limit in self.limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"The optimizer has {', '.join(twice)} more than once; keep one.")

    def compile(self, assets: Sequence[Asset | str]) -> Program:
        """The program for a list of assets.

        Raises
        ------
        ConfigError
            An asset is repeated, or a limit speaks of assets, sleeves or cash there are none of.
        """
        from toolkit.optimize.program import Program

        return Program(self, assets)
