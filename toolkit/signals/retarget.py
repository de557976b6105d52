"""The next retarget as it was forecast each day."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.network.difficulty import BLOCKS_PER_EPOCH, FIRST_SUBSIDY_SATOSHI, HALVING_BLOCKS
from toolkit.network.economics import SATOSHI_PER_BITCOIN
from toolkit.network.forecast import FIT_EPOCHS, fit_prior, forecast_epochs, forecast_retarget
from toolkit.panel import Field, Panel
from toolkit.signals.daily import Floats, amounts, daily_amounts, together
from toolkit.signals.epochs import epochs
from toolkit.signals.published import DAY, PublishedSignal
from toolkit.units import NonNegative, component
from toolkit.universe import labels_of

_COLUMNS = ("change", "standard_error", "band_low", "band_high", "fraction")
_GENESIS = pd.Timestamp("2009-01-03")

_HOUR = pd.Timedelta(hours=1)

Rows = NDArray[np.int64]


@component
class NextRetarget(PublishedSignal):
    """Forecast of the next change of difficulty, from the blocks of the epoch so far.

    Parameters
    ----------
    statistic
        ``change``, a fraction (-0.06 = -6 %); its ``standard_error``; ``band_low`` or
        ``band_high``, with 90 % between them; ``fraction``, the share of the epoch that is mined.
    published_after_hours
        How long after a retarget the difficulty field tells of it: its lag in ``files.toml``. What
        is left is the time the epoch started.

    Notes
    -----
    One column, named by the statistic. A day's blocks are public one hour after it, and only
    retargets that were public by then are used, so a forecast reaches the decision of the next
    session. Those of the retarget's own day are shared out by time, an error of some six blocks at
    most, which the hour allowed for the start of an epoch covers. NaN until 27 epochs are known, in
    an epoch from its first absent day on, and on a day that ends with more blocks than the epoch
    has: its retarget is about to be public. Where a retarget became public on the day of a session,
    that decision still sees the last forecast of the epoch before. `forecast_retarget` says how it
    is computed; what it knows of growth and volatility is fitted to the 26 epochs before.
    """

    statistic: Literal["change", "standard_error", "band_low", "band_high", "fraction"] = "change"
    published_after_hours: NonNegative = 6.0

    def rows(self, panel: Panel) -> Field:
        """The statistic after each day."""
        forecasts = self.forecasts(panel)
        return forecasts.derive(self.statistic, forecasts.column(self.statistic), forecasts.unit)

    def forecasts(self, panel: Panel) -> Field:
        """Every statistic after each day, a column each."""
        source, daily = epochs(panel), daily_amounts(panel, "blocks")
        table = np.full((len(daily.values), len(_COLUMNS)), np.nan)
        told, epoch, blocks, elapsed = self._progress(source, daily)
        if len(told):
            found = forecast_epochs(source.column(), epoch, blocks, elapsed)
            table[told] = np.column_stack([found[name] for name in _COLUMNS])
        frame = pd.DataFrame(table, daily.values.index, labels_of(*_COLUMNS), copy=False)
        return Field(frame, daily.available_at, "fraction", f"{source.source}; {daily.source}")

    def _progress(self, source: Field, daily: Field) -> tuple[Rows, Rows, Floats, Floats]:
        """Rows of the days with a forecast, and for each of them epoch, its blocks and seconds."""
        # What was public when the day's blocks were: a later retarget is not known yet.
        epoch = source.moments.searchsorted(daily.moments, side="right") - 1
        told = epoch >= FIT_EPOCHS
        if not told.any():
            return np.flatnonzero(told), epoch[told], np.empty(0), np.empty(0)
        start = source.moments[epoch] - round(self.published_after_hours * _HOUR.value)
        blocks, at_end = daily.column(), np.arange(1.0, len(epoch) + 1.0)
        at_start = (start - daily.labels[0]) / DAY.value
        count = _since(np.nan_to_num(blocks), at_start, at_end)
        absent = _since(np.isnan(blocks).astype(float), np.floor(at_start), at_end)
        told &= (at_start >= 0.0) & (at_end > at_start)
        told &= (absent == 0.0) & (count <= BLOCKS_PER_EPOCH)
        seconds = (at_end - at_start) * DAY.total_seconds()
        return np.flatnonzero(told), epoch[told], np.rint(count[told]), seconds[told]


def _since(by_day: Floats, start: Floats, end: Floats) -> Floats:
    """Sum of a daily amount from start to end, in days; within a day it accrues evenly."""
    total = np.append(0.0, np.cumsum(by_day))
    at = np.arange(len(total), dtype=float)
    return np.asarray(np.interp(end, at, total) - np.interp(start, at, total))


@dataclass(frozen=True)
class RetargetOutlook:
    """The next retarget, as the last decision of a panel sees it.

    Parameters
    ----------
    height
        Of the first block of the next epoch; None where the panel cannot tell.
    change, standard_error, band_low, band_high
        Of difficulty, fractions, with 90 % between the bounds.
    fraction
        Share of the epoch's blocks that was mined by the end of the last day known.
    known_at
        When the blocks, or the last retarget, became public.
    """

    height: int | None
    change: float
    standard_error: float
    band_low: float
    band_high: float
    fraction: float
    known_at: pd.Timestamp


def next_retarget(panel: Panel, forecast: NextRetarget | None = None) -> RetargetOutlook | None:
    """The outlook at the end of a panel, or None where there is no forecast of the last ten days.

    Right after a retarget, before a day of its epoch is public, it is what the past alone says: for
    two days, since after that some of the epoch is mined and only the count of it is absent.
    """
    signal, now = forecast or NextRetarget(), panel.decisions[-1]
    known, source = signal.forecasts(panel).until(now), epochs(panel).until(now)
    told = np.flatnonzero(known.values["change"].notna())
    if len(told) == 0:
        return None
    row, retarget, max_age = int(told[-1]), source.available_at[-1], signal.max_age + DAY
    outlook = {name: float(known.values[name].iloc[row]) for name in _COLUMNS}
    moment = known.available_at[row]
    if retarget > moment:
        levels = source.values.iloc[:, 0].to_numpy()
        outlook = vars(forecast_retarget(levels[-1], 0, 1.0, fit_prior(levels)))
        moment, max_age = retarget, 2 * DAY
    if now - moment > max_age:
        return None
    return RetargetOutlook(
        height=_next_height(panel),
        change=outlook["change"],
        standard_error=outlook["standard_error"],
        band_low=outlook["band_low"],
        band_high=outlook["band_high"],
        fraction=outlook["fraction"],
        known_at=moment,
    )


def _next_height(panel: Panel) -> int | None:
    """Height of the first block of the next epoch, by what the panel knows at its end.

    Counted from the genesis block where the difficulties begin with it, else from the last halving
    in the panel: the day after which a block issues half. None without either.
    """
    now = panel.decisions[-1]
    retargets = pd.DatetimeIndex(epochs(panel).until(now).values.index)
    if len(retargets) and retargets[0] == _GENESIS:
        return BLOCKS_PER_EPOCH * len(retargets)
    daily = together({"blocks": amounts(panel, "blocks"), "issuance": amounts(panel, "issuance")})
    known = daily.until(now).values
    subsidy = known["issuance"] / known["blocks"]
    # The day of the halving itself has a mean in between, which still counts as the era before it.
    era = np.floor(np.log2(FIRST_SUBSIDY_SATOSHI / SATOSHI_PER_BITCOIN / subsidy) + 1e-9)
    halved = known.index[(era.diff() == 1.0).to_numpy()]
    if len(halved) == 0 or len(retargets) == 0:
        return None
    day, before = halved[-1], known.loc[halved[-1] - DAY]
    full = FIRST_SUBSIDY_SATOSHI / SATOSHI_PER_BITCOIN / 2.0 ** (era[day] - 1.0)
    late = 2.0 * (before["blocks"] - before["issuance"] / full)
    mined = known["blocks"].cumsum()
    nearest = int(np.argmin(np.abs(retargets - day)))
    label = retargets[nearest]
    height = HALVING_BLOCKS * era[day] + late + mined.asof(label) - mined[day - DAY]
    epoch = round(float(height) / BLOCKS_PER_EPOCH)
    return BLOCKS_PER_EPOCH * (epoch + len(retargets) - nearest)
