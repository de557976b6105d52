"""Stress: losses by name, stated for assets and sleeves or bridged from a shock to the market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion
from toolkit.risk.bridge import Bridge, Estimates, Shock
from toolkit.units import component
from toolkit.universe import Sleeve, Universe


@component
class Stress:
    """A named event and what each sleeve or asset loses in it.

    Parameters
    ----------
    name
        What a report calls it.
    losses
        Asset or sleeve to its loss, a fraction of its value: 0.4 loses 40 %, a gain is negative,
        1 is the most. An asset's own entry comes before that of its sleeve.
    """

    name: str
    losses: dict[str, float]

    def __post_init__(self) -> None:
        for asset, loss in self.losses.items():
            if not (np.isfinite(loss) and loss <= 1.0):
                raise ConfigError(
                    f"Stress {self.name!r}: the loss of {asset} is {loss}; expected a fraction of "
                    "its value, 1 at most."
                )


def stress_losses(
    stresses: Sequence[Stress | Shock],
    universe: Universe,
    day: date,
    bridge: Bridge | None = None,
    known: Estimates | None = None,
) -> pd.DataFrame:
    """Loss of every asset in every event: events x assets, fractions of the asset's value.

    Parameters
    ----------
    day
        Assets are in the sleeve that they have then.
    bridge, known
        What a shock does to a holding, and what the decision knows for it; see `Bridge`.

    Raises
    ------
    ConfigError
        Two events of one name.
    UnknownAssetError
        A stated loss of something that is neither an asset of the universe nor a sleeve.
    DataError
        An asset for which stated losses say nothing; cash loses nothing unless they say so.
    """
    names = [stress.name for stress in stresses]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"Two stress events are called {twice[0]!r}; rename one.")
    bridge = bridge or Bridge()
    table = np.zeros((len(stresses), len(universe)))
    for row, stress in enumerate(stresses):
        if isinstance(stress, Shock):
            table[row] = -bridge.returns(stress, universe, day, known).to_numpy()
        else:
            table[row] = _stated(stress, universe, day)
    return pd.DataFrame(table, pd.Index(names, dtype=str, name="event"), universe.columns)


def _stated(stress: Stress, universe: Universe, day: date) -> list[float]:
    """Losses of a stress that states them, by asset."""
    known = {*universe.ids, *(sleeve.value for sleeve in Sleeve)}
    for name in stress.losses:
        if name not in known:
            raise UnknownAssetError(
                f"Stress {stress.name!r} names {name!r}. {suggestion(name, known)}"
            )
    losses = []
    for asset in universe:
        sleeve = asset.sleeve_on(day).value
        loss = stress.losses.get(asset.id, stress.losses.get(sleeve))
        if loss is None and not asset.is_cash:
            raise DataError(
                f"Stress {stress.name!r} says nothing of {asset.id}; give a loss of it or of "
                f"its sleeve, {sleeve} (0 if it loses nothing)."
            )
        losses.append(0.0 if loss is None else loss)
    return losses
