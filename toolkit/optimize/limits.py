"""Risk limits, each written once for solver, audit and report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit.units import Fraction, Positive, component
from toolkit.universe import AssetId, Sleeve

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate


class Limit(ABC):
    """A bound on a quantity of the candidate.

    Attributes
    ----------
    rank
        Who yields when not all limits can be met: lower ranks first. Rank 0 yields by the least
        violation whatever `Optimizer.on_infeasible` says.
    needs
        Fields of `Decision` it cannot do without.
    """

    rank: ClassVar[int] = 1
    needs: ClassVar[tuple[str, ...]] = ()

    @property
    def name(self) -> str:
        """Name in results and messages, unique within an optimizer."""
        return type(self).__name__

    if TYPE_CHECKING:

        @property
        def cap(self) -> float:
            """The number that the value is held to; a setting in most limits."""

    @abstractmethod
    def value(self, candidate: Candidate) -> Any:
        """The limited quantity."""

    def beyond(self, value: Any) -> Any:
        """How far a value of the quantity is beyond the cap; the limit holds where it is <= 0."""
        return value - self.cap

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

    floor: Fraction

    @property
    def cap(self) -> float:
        """The floor."""
        return self.floor

    def value(self, candidate: Candidate) -> Any:
        """Weight of cash."""
        return candidate.cash_weight()

    def beyond(self, value: Any) -> Any:
        """Floor minus weight."""
        return self.floor - value


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

    def value(self, candidate: Candidate) -> Any:
        """Annual volatility."""
        return candidate.volatility()
