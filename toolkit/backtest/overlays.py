"""Overlays: how much of the book that decisions ask for is kept, by what its equity did.

An overlay is a specified state machine that is asked after every session. It reads two curves up to
and including that session: `equity`, that of the account, and `book`, that of the same decisions at
full share, which is what the account would be without overlays. A rule about a loss reads the
account; a rule about risk, or about when to come back, reads the book, since an account in cash
tells nothing of the market. Only ratios count, so a curve may be in any unit. `watch.Watch` puts
several overlays to work.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from toolkit.errors import ConfigError
from toolkit.units import Fraction, NonNegative, Positive, Sessions, component

Floats = NDArray[np.float64]

Level = Annotated[float, Field(gt=0.0, lt=1.0, allow_inf_nan=False)]
Window = Annotated[int, Field(ge=2, le=10_000)]

SMALLEST_SAMPLE = 21
"""Returns before a volatility is believed."""


class Overlay(ABC):
    """A rule that says which share of the risky book to keep, by what the equity did so far."""

    @abstractmethod
    def start(self, periods_per_year: float) -> Machine:
        """Its machine, as it is before the first session."""


@dataclass(frozen=True)
class Switch:
    """A change of state: between which, on which measured value, and why in words."""

    before: str
    after: str
    measured: float
    reason: str


class Machine(ABC):
    """The state of one overlay.

    Attributes
    ----------
    state
        Name of the state.
    share
        Share of the risky book to keep, 0 to 1.
    """

    def __init__(self, state: str, share: float) -> None:
        self.state, self.share = state, share

    @abstractmethod
    def advance(self, equity: float, book: float) -> Switch | None:
        """Take in one session; the change of state that it brought, if any."""

    def _to(self, state: str, share: float, measured: float, reason: str) -> Switch:
        switch = Switch(self.state, state, measured, reason)
        self.state, self.share = state, share
        return switch


class Stage(NamedTuple):
    """From which drawdown on (0.1 = 10 %) which share is kept."""

    drawdown: Level
    share: Fraction


@component
class DrawdownStop(Overlay):
    """Keep less the deeper the account has fallen, and come back by a rule.

    ========  =============  ==================================================  ==================
    state     share          is left when                                        for
    ========  =============  ==================================================  ==================
    armed     1              the drawdown reaches that of a stage                the deepest reached
    stage k   of stage k     the drawdown reaches that of a deeper stage         the deepest reached
    stage k   of stage k     `wait` sessions have passed since it was entered,   armed
                             and the book is `recovery` above its lowest since
                             the first stage was entered
    ========  =============  ==================================================  ==================

    The drawdown is that of the account from its highest equity since it was last armed. Arming
    again starts a new highest equity at the present one: the fall that was stopped cannot stop
    again, a new one can. So each stretch between two armings loses about the last stage's drawdown
    at most, plus what is lost until the order fills; several stretches can lose more together.
    A stage is never left for a shallower one but by arming.

    Parameters
    ----------
    stages
        Pairs of a drawdown and the share kept from it on: drawdowns rise, shares fall.
    wait
        Sessions in a stage, at least.
    recovery
        Gain of the book over its lowest, 0.05 = 5 %; 0: time alone brings the account back.
    """

    stages: tuple[Stage, ...]
    wait: Sessions = 21
    recovery: NonNegative = 0.05

    def __post_init__(self) -> None:
        given = [tuple(stage) for stage in self.stages]
        if not self.stages:
            raise ConfigError("DrawdownStop.stages is empty; give [drawdown, share] pairs.")
        for before, after in zip(((0.0, 1.0), *self.stages), self.stages, strict=False):
            if not (after[0] > before[0] and after[1] < before[1]):
                raise ConfigError(
                    f"DrawdownStop.stages = {given}: expected drawdowns that rise from 0 and shares "
                    f"that fall from 1, but {tuple(after)} follows {tuple(before)}."
                )

    def start(self, periods_per_year: float) -> Machine:
        """Its machine, armed."""
        return _Stop(self)


class _Stop(Machine):
    def __init__(self, rule: DrawdownStop) -> None:
        super().__init__("armed", 1.0)
        self.rule = rule
        self.stage, self.waited = 0, 0
        self.highest, self.lowest = 0.0, math.inf

    def advance(self, equity: float, book: float) -> Switch | None:
        rule = self.rule
        self.highest = max(self.highest, equity)
        reached = sum(equity <= self.highest * (1.0 - stage.drawdown) for stage in rule.stages)
        if reached > self.stage:
            self.lowest = book if self.stage == 0 else min(self.lowest, book)
            self.stage, self.waited = reached, 0
            stage, drawdown = rule.stages[reached - 1], 1.0 - equity / self.highest
            reason = f"the drawdown reached {stage.drawdown:.1%}"
            return self._to(f"stage {reached}", stage.share, drawdown, reason)
        if self.stage == 0:
            return None
        self.waited, self.lowest = self.waited + 1, min(self.lowest, book)
        if self.waited < rule.wait or book < self.lowest * (1.0 + rule.recovery):
            return None
        recovered = book / self.lowest - 1.0
        reason = f"{self.waited} sessions in the stage, the book {recovered:.1%} above its lowest"
        self.stage, self.highest = 0, equity
        return self._to("armed", 1.0, recovered, reason)


@component
class VolatilityTarget(Overlay):
    """Keep the share of the book whose volatility is the target.

    =========  ===================  ==========================================  ==================
    state      share                is left when                                for
    =========  ===================  ==========================================  ==================
    unknown    `cap`                the book has 21 returns                     the share wanted
    share s    s                    the share wanted is more than `band` off s  the share wanted
    =========  ===================  ==========================================  ==================

    The share wanted is ``target / volatility``, not below `floor` nor above `cap`. The volatility
    is that of the book's returns around a mean of zero, exponentially weighted, times the square
    root of the sessions a year. It reads the book: the account's own volatility falls when less is
    kept, and would call it back at once.

    Parameters
    ----------
    target
        Annual volatility, 0.2 = 20 %.
    floor, cap
        Smallest and largest share.
    halflife
        Sessions after which a return counts half.
    band
        Change of the share that is not worth an order.
    """

    target: Positive
    floor: Fraction = 0.0
    cap: Fraction = 1.0
    halflife: Sessions = 21
    band: Fraction = 0.1

    def __post_init__(self) -> None:
        if self.floor > self.cap:
            raise ConfigError(
                f"VolatilityTarget.floor = {self.floor} is above cap = {self.cap}; expected a "
                f"floor of at most the cap."
            )

    def start(self, periods_per_year: float) -> Machine:
        """Its machine, before any return."""
        return _Scaling(self, periods_per_year)


class _Scaling(Machine):
    def __init__(self, rule: VolatilityTarget, periods_per_year: float) -> None:
        super().__init__("unknown", rule.cap)
        self.rule, self.periods_per_year = rule, periods_per_year
        self.decay = 0.5 ** (1.0 / rule.halflife)
        self.squares, self.weight, self.count = 0.0, 0.0, 0
        self.book = math.nan

    def advance(self, equity: float, book: float) -> Switch | None:
        change, self.book = book / self.book - 1.0, book
        if math.isnan(change):
            return None
        self.squares = self.decay * self.squares + change * change
        self.weight = self.decay * self.weight + 1.0
        self.count += 1
        if self.count < SMALLEST_SAMPLE:
            return None
        rule = self.rule
        volatility = math.sqrt(self.squares / self.weight * self.periods_per_year)
        wanted = rule.target / volatility if volatility * rule.cap > rule.target else rule.cap
        wanted = max(wanted, rule.floor)
        if self.state != "unknown" and abs(wanted - self.share) <= rule.band:
            return None
        reason = f"the book's volatility is {volatility:.1%}, the target {rule.target:.1%}"
        return self._to(f"share {wanted:.1%}", wanted, volatility, reason)


@component
class ExpectedShortfallBreaker(Overlay):
    """Keep less while the worst sessions of the book's recent past are too bad.

    =======  =======  ====================================================  =======
    state    share    is left when                                          for
    =======  =======  ====================================================  =======
    armed    1        the expected shortfall is above `cap`                 tripped
    tripped  `share`  the expected shortfall is at or below `release`       armed
    =======  =======  ====================================================  =======

    The expected shortfall is the mean loss of the worst ``1 - level`` of the book's last `lookback`
    returns, with the fractional tail; before there are so many it stays armed. It reads the book:
    the account's own losses shrink when less is kept.

    Parameters
    ----------
    cap
        Expected shortfall of one session, a fraction of equity.
    release
        Below the cap; four fifths of it where not given.
    share
        Kept while tripped, below 1.
    level
        Confidence; 0.95 averages the worst 5 %.
    lookback
        Sessions.
    """

    cap: Positive
    release: NonNegative | None = None
    share: Fraction = 0.0
    level: Level = 0.95
    lookback: Window = 63

    def __post_init__(self) -> None:
        if self.released_at >= self.cap:
            raise ConfigError(
                f"ExpectedShortfallBreaker.release = {self.release} is not below cap = {self.cap}; "
                f"without a gap it would switch to and fro."
            )
        if self.share == 1.0:
            raise ConfigError("ExpectedShortfallBreaker.share = 1.0 keeps all; expected less.")

    @property
    def released_at(self) -> float:
        """The expected shortfall at which it arms again."""
        return 0.8 * self.cap if self.release is None else self.release

    def start(self, periods_per_year: float) -> Machine:
        """Its machine, armed."""
        return _Breaker(self)


class _Breaker(Machine):
    def __init__(self, rule: ExpectedShortfallBreaker) -> None:
        super().__init__("armed", 1.0)
        self.rule = rule
        self.returns, self.count = np.zeros(rule.lookback), 0
        self.book = math.nan

    def advance(self, equity: float, book: float) -> Switch | None:
        change, self.book = book / self.book - 1.0, book
        if math.isnan(change):
            return None
        rule = self.rule
        self.returns[self.count % rule.lookback] = change
        self.count += 1
        if self.count < rule.lookback:
            return None
        shortfall = expected_shortfall(self.returns, rule.level)
        armed = self.state == "armed"
        if armed and shortfall > rule.cap:
            reason = f"the expected shortfall passed {rule.cap:.2%}"
            return self._to("tripped", rule.share, shortfall, reason)
        if not armed and shortfall <= rule.released_at:
            reason = f"the expected shortfall is back at {rule.released_at:.2%}"
            return self._to("armed", 1.0, shortfall, reason)
        return None


def expected_shortfall(returns: Floats, level: float) -> float:
    """Mean loss of the worst ``1 - level`` of the returns, the last of them counted in part."""
    worst = np.sort(returns)
    size = (1.0 - level) * len(worst)
    whole = int(size)
    part = (size - whole) * worst[whole] if whole < len(worst) else 0.0
    return float(-(worst[:whole].sum() + part) / size)
