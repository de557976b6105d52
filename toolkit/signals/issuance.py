"""Signals of what miners are paid in new coins."""

from __future__ import annotations

from toolkit.panel import Field, Panel
from toolkit.signals.daily import amounts, bitcoin_price, together, trailing_mean
from toolkit.signals.published import PublishedSignal
from toolkit.units import Days, component


@component
class PuellMultiple(PublishedSignal):
    """USD value of a day's new coins over its trailing average.

    Parameters
    ----------
    halving_adjusted
        Value the day's blocks alike whatever their subsidy. The plain form halves at a halving,
        and takes a year to forget it.
    average_days
        UTC days in the trailing average, the day itself included.
    smoothing_days
        UTC days over which the multiple is averaged; 14 in one of the usual forms.

    Notes
    -----
    One column, ``puell_multiple``, a ratio. Usual thresholds: below 0.5 low, above 4 high; smoothed
    over 14 days 0.5 and 3. A day is public one hour after its end, so it reaches the decision of
    the next session. NaN until the average is full, where a window has an absent day, and where the
    last day is more than ten days old. The count of blocks gives a day 8.3 % of noise, and slow
    blocks read as low pay, as in summer 2021.
    """

    halving_adjusted: bool = False
    average_days: Days = 365
    smoothing_days: Days = 1

    def rows(self, panel: Panel) -> Field:
        """Multiple after each day."""
        coins = amounts(panel, "blocks" if self.halving_adjusted else "issuance")
        daily = together({"coins": coins, "price": bitcoin_price(panel)})
        value = daily.column("coins") * daily.column("price")
        multiple = value / trailing_mean(value, self.average_days)
        smooth = trailing_mean(multiple, self.smoothing_days)
        return daily.derive("puell_multiple", smooth, "1")
