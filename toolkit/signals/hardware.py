"""How efficient the machines are: the best that could be bought, and the fleet behind it.

Estimates of the network's efficiency that are published today were revised with hindsight, so they
cannot be part of a signal. Release dates and ratings of machines were known when they happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import accumulate

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.units import Days, component

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Machine:
    """A machine that was the most efficient one when it came out.

    Parameters
    ----------
    released
        End of the month of its release: the day within the month is not certain.
    efficiency
        J/TH at the wall, as rated by its maker.
    """

    name: str
    released: date
    efficiency: float


MACHINES = (
    Machine("processor, Core i5-650", date(2009, 1, 31), 5_000_000.0),
    Machine("graphics card, Radeon HD 5870", date(2010, 10, 31), 264_550.0),
    Machine("FPGA, X6500", date(2011, 8, 31), 43_000.0),
    Machine("Avalon batch 1", date(2013, 1, 31), 9_351.0),
    Machine("KnC Jupiter", date(2013, 10, 31), 1_500.0),
    Machine("Antminer S5", date(2014, 12, 31), 510.0),
    Machine("Antminer S7", date(2015, 9, 30), 250.0),
    Machine("Antminer S9", date(2016, 7, 31), 96.0),
    Machine("Antminer S15", date(2018, 11, 30), 57.0),
    Machine("Antminer S17 Pro", date(2019, 4, 30), 40.0),
    Machine("Antminer S19 Pro", date(2020, 3, 31), 29.5),
    Machine("Antminer S19 XP", date(2022, 7, 31), 21.0),
    Machine("Antminer S21 Hyd", date(2023, 8, 31), 16.0),
    Machine("Antminer S21 XP", date(2024, 10, 31), 13.5),
)
"""The frontier of efficiency.

Collected by the repository EnergyCostModel/model (README) from pages of bitdeer.com,
d-central.tech, digiconomist.net and bitmain.com; S9, S15 and S17 Pro are dated by F2Pool's list of
machines of March 2020, which has them later or by their full name.
"""

_RELEASES = np.array([machine.released for machine in MACHINES], dtype="datetime64[D]")
_EFFICIENCIES = np.array([machine.efficiency for machine in MACHINES])


@component
class Fleet:
    """Mean efficiency of all machines at work, by what was known each day.

    Parameters
    ----------
    delivery_days
        From the release of a machine until new machines are of its kind.
    life_days
        Mean age at which a machine is replaced.

    Notes
    -----
    Hash rate is replaced at the rate 1 / life, and a rise of difficulty above its highest value so
    far is new hash rate; what is new has the efficiency of the best machine delivered. Machines
    that come back after an exit are not new. The two settings are round numbers and not fitted:
    half a year for delivery, four years for life. From 2018 to March 2025 the result has been, in
    logarithms, 0.00 on average and 0.14 in standard deviation from the Cambridge estimate of 2025.
    """

    delivery_days: Days = 180
    life_days: Days = 1460

    def efficiency(self, difficulty: pd.Series) -> pd.Series:
        """J/TH of the fleet on each of consecutive days, from the difficulty known on each.

        It starts with the best machine delivered by the first day. NaN where difficulty is.
        """
        values = difficulty.to_numpy(dtype=float)
        known = ~np.isnan(values)
        if not known.any():
            return difficulty.astype(float)
        highest = np.maximum.accumulate(np.where(known, values, -np.inf))
        highest[: np.argmax(known)] = highest[np.argmax(known)]
        new = -np.expm1(-(np.diff(np.log(highest)) + 1.0 / self.life_days))
        best = self._delivered(pd.DatetimeIndex(difficulty.index))
        fleet = accumulate(
            zip(best[1:].tolist(), new.tolist(), strict=True),
            lambda old, step: old + (step[0] - old) * step[1],
            initial=float(best[0]),
        )
        path = np.fromiter(fleet, float, len(best))
        return pd.Series(np.where(known, path, np.nan), difficulty.index)

    def _delivered(self, days: pd.DatetimeIndex) -> Floats:
        """J/TH of the best machine delivered by each day; before all, the first one's."""
        arrivals = _RELEASES + np.timedelta64(self.delivery_days, "D")
        row = arrivals.searchsorted(days.to_numpy().astype(arrivals.dtype), side="right") - 1
        return _EFFICIENCIES[np.maximum(row, 0)]
