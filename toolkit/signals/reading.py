"""What each network signal says now: its value, the threshold in use, and the state it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.signals.economics import FleetCost, HashPricePercentile, MinerMargin
from toolkit.signals.epochs import EpochChange, EpochReversal, ImpliedHashRate
from toolkit.signals.exits import NonPriceExit
from toolkit.signals.issuance import PuellMultiple
from toolkit.signals.published import PublishedSignal
from toolkit.signals.regression import DifficultyRegression
from toolkit.signals.retarget import NextRetarget
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons, RibbonCompression

NO_READING = "no reading"
"""State of a signal whose last reading is too old, or that has had none."""


@dataclass(frozen=True)
class Reading:
    """One signal at one decision.

    Parameters
    ----------
    value
        Last public value, or None where there is none.
    unit
        What the value is measured in; fractions are 0.1 for 10 %.
    state
        Word for where the value stands against its thresholds.
    threshold
        The thresholds in words.
    since
        Day of the first reading of the present state, with no other state and no time without a
        reading since; None where there is but one state.
    known_at
        Moment (UTC) the value became public.
    """

    name: str
    value: float | None
    unit: str
    state: str
    threshold: str
    since: date | None = None
    known_at: pd.Timestamp | None = None


@dataclass(frozen=True)
class Gauge:
    """A signal with the thresholds it is read by.

    Parameters
    ----------
    low, high
        Below `low` the state is `below`, above `high` it is `above`, otherwise `between`; None
        where there is no such threshold.
    threshold
        The thresholds in words, where the numbers are not those of the value itself.
    """

    name: str
    signal: PublishedSignal
    low: float | None = None
    high: float | None = None
    below: str = "stress"
    between: str = "neutral"
    above: str = "growth"
    threshold: str = ""

    def state(self, value: float) -> str:
        """Word for where a value stands."""
        if self.low is not None and value < self.low:
            return self.below
        if self.high is not None and value > self.high:
            return self.above
        return self.between

    @property
    def words(self) -> str:
        """The thresholds in words."""
        low = [] if self.low is None else [f"below {self.low:g} {self.below}"]
        high = [] if self.high is None else [f"above {self.high:g} {self.above}"]
        return self.threshold or ", ".join(low + high) or "none"

    def read(self, panel: Panel) -> Reading:
        """The reading at the last decision of a panel."""
        field = self.signal.rows(panel).until(panel.decisions[-1])
        read = field.values.iloc[:, 0].notna().to_numpy()
        values, moments = field.values.iloc[:, 0][read], field.available_at[read]
        if not len(values) or panel.sessions[-1] - values.index[-1] > self.signal.max_age:
            known_at = moments[-1] if len(values) else None
            return Reading(self.name, None, field.unit, NO_READING, self.words, None, known_at)
        states = [self.state(value) for value in values]
        days, start = values.index, len(states) - 1
        while (
            start
            and states[start - 1] == states[-1]
            and days[start] - days[start - 1] <= self.signal.max_age
        ):
            start -= 1
        judged = self.low is not None or self.high is not None
        return Reading(
            name=self.name,
            value=float(values.iloc[-1]),
            unit=field.unit,
            state=states[-1],
            threshold=self.words,
            since=pd.Timestamp(days[start]).date() if judged else None,
            known_at=moments[-1],
        )


GAUGES = (
    Gauge("epoch_change", EpochChange(), low=-0.06, high=0.06),
    Gauge("epoch_change_denoised", EpochChange(denoised=True), low=-0.06, high=0.06),
    Gauge("next_retarget", NextRetarget(), low=-0.06, high=0.06),
    Gauge("implied_hash_rate", ImpliedHashRate(), between="level"),
    Gauge(
        "epoch_reversal",
        EpochReversal(),
        low=0.3,
        high=0.6,
        below="lasting",
        between="unclear",
        above="weather",
    ),
    Gauge(
        "hash_ribbons",
        HashRibbons(),
        low=0.0,
        high=0.0,
        threshold="30-day average 1.1 % below the 60-day one stress, 1.1 % above growth",
    ),
    Gauge(
        "hash_ribbons_on_difficulty",
        HashRibbons(on="difficulty"),
        low=0.0,
        high=0.0,
        threshold="30-day average 1.1 % below the 60-day one stress, 1.1 % above growth",
    ),
    Gauge(
        "hash_ribbon_cross",
        HashRibbonCross(),
        high=0.5,
        between="none",
        above="recovery",
        threshold="stress over and price confirmed within 7 days: recovery",
    ),
    Gauge("ribbon_compression", RibbonCompression(), low=-0.05, high=0.05, between="compressed"),
    Gauge("puell_multiple", PuellMultiple(), low=0.5, high=4.0, above="high"),
    Gauge(
        "puell_multiple_halving_adjusted",
        PuellMultiple(halving_adjusted=True),
        low=0.5,
        high=4.0,
        above="high",
    ),
    Gauge("hash_price_percentile", HashPricePercentile(), low=0.1, high=0.9, above="high"),
    Gauge(
        "hash_price_over_cost_percentile",
        HashPricePercentile(cost=FleetCost()),
        low=0.1,
        high=0.9,
        above="high",
    ),
    Gauge("miner_margin", MinerMargin(), low=0.3),
    Gauge("non_price_exit", NonPriceExit(), low=-0.04, below="exit"),
    Gauge(
        "non_price_exit_standard_error", NonPriceExit("standard_error"), between="size of its noise"
    ),
    Gauge("non_price_exit_t_ratio", NonPriceExit("t_ratio"), low=-2.0, below="exit"),
    Gauge("difficulty_regression", DifficultyRegression(), low=1.0, between="neutral"),
)
"""Every signal of the network, read by the thresholds in use."""


def readings(panel: Panel, gauges: Sequence[Gauge] = GAUGES) -> list[Reading]:
    """What each signal says at the last decision of a panel, in the order of the gauges.

    Raises
    ------
    InsufficientHistoryError
        The panel has no session.
    UnknownFieldError
        The panel lacks a field that a signal reads.
    """
    if len(panel.sessions) == 0:
        raise InsufficientHistoryError("The panel has no session, so there is no decision to read.")
    return [gauge.read(panel) for gauge in gauges]
