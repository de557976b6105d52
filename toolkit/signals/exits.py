"""The change of hash rate that neither price nor cost explains."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.panel import Field, Panel
from toolkit.signals.daily import amounts, bitcoin_price, together
from toolkit.signals.economics import efficiency_by_day
from toolkit.signals.epochs import epochs, implied_hash_rate
from toolkit.signals.hardware import Fleet
from toolkit.signals.published import DAY, STALE_EPOCH, PublishedSignal
from toolkit.units import Positive, component

_LEAST = 26
"""Epochs, a year of them, that a fit and a standard error need."""


@component
class NonPriceExit(PublishedSignal):
    """Growth of the hash rate, over the epochs just ended, beyond what a model expected of it.

    Parameters
    ----------
    statistic
        ``residual``: its mean per epoch. ``standard_error``: what it usually is. ``t_ratio``: the
        one over the other.
    smoothing_epochs
        Epochs in the mean.
    halflife_epochs
        Epochs after which an observation counts half in the fit and in the standard error.
    fleet
        How the efficiency of machines follows what can be bought.

    Notes
    -----
    One column, named by the statistic; a log change per epoch (-0.04 = 4 % of the hash rate lost
    every epoch beside the model). With h the log of an epoch's mean hash rate (from the retarget
    after it), r that of the USD paid per block, and q that of the hash price over the fleet's
    J/TH two epochs before, the model is

        h(k) - h(k-1) = a + b (r(k) - r(k-1)) + c q(k-2) + residual(k):

    miners answer to price at once and to profit with delay. Before each epoch it is fitted to the
    epochs known by then, so every residual is an error of forecast; the standard error is the
    root of the weighted mean square of the earlier values of the smoothed residual. Weights are
    needed because growth of 20 % an epoch, as in 2013, is of another kind: with equal weights the
    residuals since 2016 are -3 % on average. The half-life of a year was chosen for being one.

    In use: below -0.04 over 3 epochs an exit that has no price behind it (a ban, AI, weather:
    `EpochReversal` tells weather). Read it with its standard error, 2 to 6 % an epoch since 2015;
    an exodus of 20 % over half a year is 1.7 % an epoch and cannot be seen over three. Block luck
    alone leaves sqrt(2) 2.23 % / 3 = 1.05 %, since it telescopes.

    Known at the retarget, or with the last daily row before it where that comes later. NaN for an
    epoch with an absent day, before two years of epochs are known, and after 60 days. An exit that
    lasts becomes the norm within some half-lives.
    """

    statistic: Literal["residual", "standard_error", "t_ratio"] = "residual"
    smoothing_epochs: Annotated[int, pydantic.Field(ge=1, le=26)] = 3
    halflife_epochs: Positive = 26.0
    fleet: Fleet = Fleet()

    max_age: ClassVar[pd.Timedelta] = STALE_EPOCH

    def rows(self, panel: Panel) -> Field:
        """The statistic at each retarget."""
        states = self.states(panel)
        residual = _forecast_errors(states.values, self.halflife_epochs)
        smooth = residual.rolling(self.smoothing_epochs).mean()
        error = _usual_size(smooth.to_numpy(), self.halflife_epochs)
        values = {
            "residual": smooth,
            "standard_error": pd.Series(error, smooth.index).where(smooth.notna()),
            "t_ratio": smooth / error,
        }[self.statistic]
        frame = values.to_frame(self.statistic)
        unit = "1" if self.statistic == "t_ratio" else "log change per epoch"
        return Field(frame, states.available_at, unit, states.source)

    def states(self, panel: Panel) -> Field:
        """What the model reads, a row a retarget, about the epoch that ended with it.

        Columns: ``rate`` (log mean hash rate), ``revenue`` (log USD per block) and ``profit`` (log
        of the hash price over the fleet's J/TH, up to a constant).
        """
        source = epochs(panel)
        daily = together(
            {
                "issuance": amounts(panel, "issuance"),
                "fees": amounts(panel, "fees"),
                "blocks": amounts(panel, "blocks"),
                "price": bitcoin_price(panel),
                "efficiency": efficiency_by_day(panel, self.fleet),
            }
        )
        by_epoch, public = _by_epoch(daily, pd.DatetimeIndex(source.values.index))
        rate = pd.Series(np.log(implied_hash_rate(source.column())), source.values.index)
        revenue = np.log(by_epoch["paid"] / by_epoch["blocks"])
        profit = revenue - rate - np.log(by_epoch["efficiency"])
        frame = pd.DataFrame({"rate": rate, "revenue": revenue, "profit": profit})
        moments = source.available_at
        later = moments.where(~(public > moments), public)
        sources = f"{source.source}; {daily.source}"
        return Field(frame, pd.DatetimeIndex(later), "logarithms", sources)


def _by_epoch(daily: Field, retargets: pd.DatetimeIndex) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Sums over the whole days of the epoch before each retarget, and when they were public."""
    rows = daily.values
    epoch = retargets.searchsorted(pd.DatetimeIndex(rows.index), side="right")
    paid = (rows["issuance"] + rows["fees"]) * rows["price"]
    table = rows[["blocks", "efficiency"]].assign(paid=paid, present=1.0)
    whole = table.where(table.notna().all(axis=1))
    grouped = whole.groupby(epoch)
    sums = grouped[["paid", "blocks", "present"]].sum().join(grouped["efficiency"].last())
    sums = sums.reindex(np.arange(len(retargets))).set_axis(retargets)
    days = retargets.to_series().diff() / DAY
    complete = sums["present"] == days
    moments = pd.Series(daily.available_at, epoch).groupby(level=0).max()
    public = pd.DatetimeIndex(moments.reindex(np.arange(len(retargets))))
    return sums.where(complete), public


def _forecast_errors(states: pd.DataFrame, halflife: float) -> pd.Series:
    """Error of each epoch's forecast, fitted to the epochs before it, older ones weighing less."""
    change = states.diff()
    regressors = pd.DataFrame(
        {"constant": 1.0, "revenue": change["revenue"], "profit": states["profit"].shift(2)},
        states.index,
    )
    x, y = regressors.to_numpy(), change["rate"].to_numpy()
    usable = np.isfinite(x).all(axis=1) & np.isfinite(y)
    fade = 0.5 ** (1.0 / halflife)
    errors, count = np.full(len(y), np.nan), 0
    squares, products = np.zeros((3, 3)), np.zeros(3)
    for row in range(len(y)):
        squares, products = fade * squares, fade * products
        if not usable[row]:
            continue
        if count >= _LEAST:
            # Least squares, since a price that never moves leaves two regressors in one.
            errors[row] = y[row] - x[row] @ np.linalg.lstsq(squares, products, rcond=1e-12)[0]
        squares, products, count = (
            squares + np.outer(x[row], x[row]),
            products + x[row] * y[row],
            count + 1,
        )
    return pd.Series(errors, states.index)


def _usual_size(values: NDArray[np.float64], halflife: float) -> NDArray[np.float64]:
    """Root of the weighted mean square of the values before each one."""
    fade = 0.5 ** (1.0 / halflife)
    size, count, weight, square = np.full(len(values), np.nan), 0, 0.0, 0.0
    for row, value in enumerate(values):
        weight, square = fade * weight, fade * square
        if count >= _LEAST:
            size[row] = np.sqrt(square / weight)
        if np.isfinite(value):
            weight, square, count = weight + 1.0, square + value * value, count + 1
    return size
