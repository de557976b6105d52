"""How much a record can tell at all, to be read before any of its figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError

POWER, LEVEL = 0.8, 0.05


@dataclass(frozen=True)
class PowerCard:
    """What a record rests on, and the smallest edge it could have shown.

    Attributes
    ----------
    sessions
        Returns in the record.
    decisions
        Decisions that were taken.
    independent_bets
        Stretches of decisions in which the weights stayed within 10 % of equity (one-way) of where
        the stretch began: many decisions that repeat one another are one bet.
    events_used
        Announcements that became public while it decided and moved a field that the strategy read:
        0 where it reads none, None where that was not recorded.
    smallest_information_ratio
        Annualised ratio that a two-sided test at 5 % finds with a probability of 80 %. A smaller
        true one would most likely not be told from luck by a record of this length.
    variants_tried
        How many variants of the strategy were evaluated, as its author states; None: not stated.
    """

    sessions: int
    decisions: int
    independent_bets: int
    events_used: int | None
    smallest_information_ratio: float
    variants_tried: int | None


def smallest_information_ratio(
    sessions: int, periods_per_year: float, power: float = POWER, level: float = LEVEL
) -> float:
    """Annualised information ratio that a record of so many returns detects.

    Parameters
    ----------
    sessions
        Returns in the record, at least 2.
    periods_per_year
        Of the returns.
    power
        Probability of finding it.
    level
        Of the two-sided test.

    Raises
    ------
    ConfigError
        Fewer than two sessions, or a probability that is not between 0 and 1.

    Notes
    -----
    (q(1 - level/2) + q(power)) / sqrt(years), q the normal quantile: returns are taken as
    independent, so where they are not the true figure is larger.
    """
    if sessions < 2:
        raise ConfigError(f"A record of {sessions} returns cannot show anything; at least 2.")
    if not (0.0 < power < 1.0 and 0.0 < level < 1.0 and periods_per_year > 0.0):
        raise ConfigError(
            f"power = {power}, level = {level}, periods_per_year = {periods_per_year}: expected two "
            "probabilities between 0 and 1 and a positive number."
        )
    quantile = NormalDist().inv_cdf
    needed = quantile(1.0 - level / 2.0) + quantile(power)
    return needed / math.sqrt(sessions / periods_per_year)


def independent_bets(weights: pd.DataFrame, change: float = 0.10) -> int:
    """Number of stretches of decisions that hold about the same.

    Parameters
    ----------
    weights
        Decisions x assets, oldest first, without NaN.
    change
        One-way distance from the stretch's first weights that begins the next stretch, a fraction
        of equity.
    """
    count, anchor = 0, None
    for held in weights.to_numpy(dtype=float):
        if anchor is None or np.abs(held - anchor).sum() / 2.0 > change:
            count, anchor = count + 1, held
    return count
