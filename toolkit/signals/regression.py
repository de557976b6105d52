"""The value of bitcoin by its difficulty, refitted every day on the past."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import pandas as pd
import pydantic

from toolkit.network.difficulty import BLOCK_SECONDS
from toolkit.network.economics import scheduled_supply
from toolkit.panel import Field, Panel
from toolkit.signals.daily import amounts, bitcoin_price, difficulty_by_day, together
from toolkit.signals.published import PublishedSignal
from toolkit.units import component

_GENESIS = pd.Timestamp("2009-01-03")


@component
class DifficultyRegression(PublishedSignal):
    """Price over the price that a regression on difficulty would give it.

    Parameters
    ----------
    least_days
        Days with a price that a fit needs.

    Notes
    -----
    One column, ``difficulty_regression``, a ratio: the logarithm of the market value is regressed
    on that of the difficulty over all days so far, again every day; below 1 counts as below cost.
    Supply is the issuance so far, an absent day counting as none; what was issued before the first
    row is taken from the schedule at ten minutes a block, nothing where the series begins with the
    chain. A day is public one hour after its end. NaN until `least_days`, on a day without a price,
    and where the last day is more than ten days old.

    It is two trends laid over one another: the ratio wanders for years, and constants published
    once are stale soon. Its days are not independent, so no standard error is given.

    References
    ----------
    Glassnode, Difficulty regression model; its constants, fitted to September 2022, are not used.
    """

    least_days: Annotated[int, pydantic.Field(ge=3, le=10_000)] = 365

    def rows(self, panel: Panel) -> Field:
        """Ratio after each day."""
        parts = {
            "difficulty": difficulty_by_day(panel),
            "price": bitcoin_price(panel),
            "supply": amounts(panel, "issuance").apply(issued, unit="BTC"),
        }
        return together(parts).apply(self._ratio, unit="1")

    def _ratio(self, daily: pd.DataFrame) -> pd.DataFrame:
        fit = self.fits(daily)
        model = fit["intercept"] + fit["slope"] * _log(daily["difficulty"])
        excess = _log(daily["price"] * daily["supply"]) - model
        return pd.DataFrame({"difficulty_regression": np.exp(excess)})

    def fits(self, daily: pd.DataFrame) -> pd.DataFrame:
        """Each day's intercept and slope, from columns difficulty, price and supply."""
        value = _log(daily["price"] * daily["supply"])
        difficulty = _log(daily["difficulty"]).where(value.notna())
        value = value.where(difficulty.notna())
        x, y = (part.expanding(self.least_days) for part in (difficulty, value))
        slope = x.cov(value) / x.var()
        return pd.DataFrame({"intercept": y.mean() - slope * x.mean(), "slope": slope})


def issued(issuance: pd.DataFrame) -> pd.DataFrame:
    """Coins issued by the end of each day, BTC, from those of each day."""
    if len(issuance) == 0:
        return issuance
    blocks = (issuance.index[0] - _GENESIS) // pd.Timedelta(seconds=BLOCK_SECONDS)
    before = scheduled_supply(blocks - 1) if blocks > 0 else 0.0
    return before + issuance.fillna(0.0).cumsum()


def _log(values: pd.Series) -> pd.Series:
    return pd.Series(np.log(values.to_numpy()), values.index)
