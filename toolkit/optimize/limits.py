"""Risk limits, each written once for solver, audit and report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
import pydantic

from toolkit.units import Fraction, Level, NonNegative, Positive, component
from toolkit.universe import AssetId, Sleeve

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate

Measure = Literal["fraction", "number", "days"]


class Limit(ABC):
    """A bound on a quantity of the candidate.

    Attributes
    ----------
    rank
        Who yields when not all limits can be met: lower ranks first. Rank 0 yields by the least
        violation whatever `Optimizer.on_infeasible` says.
    needs
        Fields of `Decision` it cannot do without.
    measure
        What the quantity is to a reader.
    floors
        Whether the cap is a floor, which the quantity has to stay above.
    """

    rank: ClassVar[int] = 1
    measure: ClassVar[Measure] = "fraction"
    needs: ClassVar[tuple[str, ...]] = ()
    floors: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """Name in results and messages, unique within an optimizer."""
        return type(self).__name__

    if TYPE_CHECKING:

        @property
        def cap(self) -> float:
            """The number that the value is held to; a setting in most limits."""

    @property
    def unit(self) -> float:
        """Size of the quantity: an excess is large or small against it.

        Fractions of equity have 1. Where the cap has the unit of the risk model, so that all would
        shrink together in another one, it is the cap.
        """
        return 1.0

    @abstractmethod
    def value(self, candidate: Candidate) -> Any:
        """The limited quantity."""

    def beyond(self, value: Any) -> Any:
        """How far a value of the quantity is beyond the cap; the limit holds where it is <= 0."""
        return self.cap - value if self.floors else value - self.cap

    def shown(self, value: Any) -> Any:
        """A value of the quantity as a reader knows it."""
        return value

    def excess(self, candidate: Candidate) -> Any:
        """How far the candidate is beyond the cap: convex in its weights."""
        return self.beyond(self.value(candidate))


@component
class MaxWeight(Limit):
    """Cap the weight of each asset.

    Parameters
    ----------
    cap
        Largest weight, a fraction of equity.
    assets
        Ids of the assets it holds for; every asset but cash where none are named.
    """

    cap: Fraction
    assets: tuple[AssetId, ...] = ()

    @property
    def name(self) -> str:
        """With the assets it names."""
        return "MaxWeight" + (f"({', '.join(self.assets)})" if self.assets else "")

    def value(self, candidate: Candidate) -> Any:
        """Largest weight."""
        return candidate.largest_weight(self.assets)


@component
class MaxSleeveWeight(Limit):
    """Cap the weight of one sleeve, or of several together.

    Parameters
    ----------
    sleeve
        One sleeve or several; who belongs to them is looked up at each session.
    cap
        Largest weight, a fraction of equity.
    """

    sleeve: Sleeve | tuple[Sleeve, ...]
    cap: Fraction

    @property
    def sleeves(self) -> tuple[Sleeve, ...]:
        """The sleeves as a tuple."""
        return (self.sleeve,) if isinstance(self.sleeve, Sleeve) else self.sleeve

    @property
    def name(self) -> str:
        """With its sleeves."""
        return f"MaxSleeveWeight({', '.join(self.sleeves)})"

    def value(self, candidate: Candidate) -> Any:
        """Weight of the sleeves."""
        return candidate.sleeve_weight(self.sleeves)


@component
class MinCash(Limit):
    """Keep at least this weight in cash.

    Parameters
    ----------
    floor
        Smallest weight of cash, a fraction of equity.
    """

    floors: ClassVar[bool] = True

    floor: Fraction

    @property
    def cap(self) -> float:
        """The floor."""
        return self.floor

    def value(self, candidate: Candidate) -> Any:
        """Weight of cash."""
        return candidate.cash_weight()


@component
class MaxTurnover(Limit):
    """Cap the one-way turnover of a decision. It yields before every other limit.

    Parameters
    ----------
    cap
        Half the sum of absolute weight changes over all assets, cash included. A first
        investment and the investment of proceeds of closings do not count.
    """

    rank: ClassVar[int] = 0

    cap: Fraction

    def value(self, candidate: Candidate) -> Any:
        """One-way turnover."""
        return candidate.turnover()


@component
class MaxVolatility(Limit):
    """Cap the volatility that the covariance of the decision forecasts.

    Parameters
    ----------
    cap
        Annual standard deviation, 0.4 = 40 %.
    """

    needs: ClassVar[tuple[str, ...]] = ("covariance",)

    cap: Positive

    @property
    def unit(self) -> float:
        """The cap."""
        return self.cap

    def value(self, candidate: Candidate) -> Any:
        """Annual volatility."""
        return candidate.volatility()


@component
class MaxExpectedShortfall(Limit):
    """Cap the expected shortfall of one session's loss.

    Parameters
    ----------
    cap
        Largest expected shortfall, a fraction of equity a session (0.03 = 3 %).
    level
        Confidence: 0.95 averages the worst 5 % of the scenarios.

    References
    ----------
    Rockafellar and Uryasev, Optimization of conditional value-at-risk, J. of Risk 2 (2000).
    """

    needs: ClassVar[tuple[str, ...]] = ("scenarios",)

    cap: Positive
    level: Level = 0.95

    @property
    def unit(self) -> float:
        """The cap."""
        return self.cap

    def value(self, candidate: Candidate) -> Any:
        """Expected shortfall."""
        return candidate.expected_shortfall(self.level)


@component
class MinExpectedReturn(Limit):
    """Demand at least this expected return.

    Parameters
    ----------
    floor
        Smallest expected return, a fraction a year.
    """

    needs: ClassVar[tuple[str, ...]] = ("expected_returns",)
    floors: ClassVar[bool] = True

    floor: Annotated[float, pydantic.Field(allow_inf_nan=False)]

    @property
    def cap(self) -> float:
        """The floor."""
        return self.floor

    def value(self, candidate: Candidate) -> Any:
        """Expected return."""
        return candidate.expected_return()


@component
class MaxTrackingError(Limit):
    """Cap the volatility of the difference to the target.

    Parameters
    ----------
    cap
        Annual standard deviation, 0.05 = 5 %.
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "covariance")

    cap: Positive

    @property
    def unit(self) -> float:
        """The cap."""
        return self.cap

    def value(self, candidate: Candidate) -> Any:
        """Tracking error."""
        return candidate.tracking_error()


@component
class MaxBeta(Limit):
    """Cap the beta to a factor.

    Parameters
    ----------
    to
        The factor, a column of `Decision.betas`: ``bitcoin`` or ``ai`` in a backtest.
    cap
        Largest beta of the portfolio.
    """

    measure: ClassVar[Measure] = "number"
    needs: ClassVar[tuple[str, ...]] = ("betas",)

    to: str
    cap: NonNegative

    @property
    def name(self) -> str:
        """With its factor."""
        return f"MaxBeta({self.to})"

    def value(self, candidate: Candidate) -> Any:
        """Beta to the factor."""
        return candidate.beta(self.to)


@component
class MaxStressLoss(Limit):
    """Cap the loss under each of a set of stresses.

    Parameters
    ----------
    cap
        Largest loss, a fraction of equity.
    scenarios
        Names of stresses, rows of `Decision.stress`; all of them where none are named.
    """

    needs: ClassVar[tuple[str, ...]] = ("stress",)

    cap: Fraction
    scenarios: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """With the stresses it names."""
        return "MaxStressLoss" + (f"({', '.join(self.scenarios)})" if self.scenarios else "")

    def value(self, candidate: Candidate) -> Any:
        """Largest loss."""
        return candidate.stress_loss(self.scenarios)


@component
class MaxTradingDays(Limit):
    """Cap each trade against the average daily volume of its asset.

    It holds for assets whose volume is known; where none is, `Allocation.unchecked` says so.

    Parameters
    ----------
    cap
        Largest trade, in days of average volume: 0.1 trades at most a tenth of a day's volume.
    """

    rank: ClassVar[int] = 0
    measure: ClassVar[Measure] = "days"
    needs: ClassVar[tuple[str, ...]] = ("equity",)

    cap: Positive

    def value(self, candidate: Candidate) -> Any:
        """Days of volume of the largest trade."""
        return candidate.trading_days()


@component
class MinEffectiveNumber(Limit):
    """Hold at least as many assets as this, counted by their weights.

    The effective number is 1 / (sum of squared weights), cash left out. What is held to a cap is
    that sum, Herfindahl's index, which is convex.

    Parameters
    ----------
    floor
        Smallest effective number: 5 is met by five weights of 20 %.
    """

    measure: ClassVar[Measure] = "number"

    floor: Annotated[float, pydantic.Field(ge=1.0, allow_inf_nan=False)]

    @property
    def cap(self) -> float:
        """Largest sum of squared weights."""
        return 1.0 / self.floor

    def shown(self, value: Any) -> Any:
        """The effective number; infinite where nothing is held but cash."""
        return np.divide(
            1.0, value, out=np.full(np.shape(value), np.inf), where=np.not_equal(value, 0.0)
        )

    def value(self, candidate: Candidate) -> Any:
        """Sum of squared weights."""
        return candidate.herfindahl()
