"""What an optimizer minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from toolkit.units import NonNegative, Positive, component

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate
    from toolkit.optimize.facts import Facts
    from toolkit.optimize.roster import Floats


class Objective(ABC):
    """A convex function of the candidate; the cost of trading is added to it.

    Attributes
    ----------
    needs
        Fields of `Decision` it cannot do without.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def expression(self, candidate: Candidate) -> Any:
        """The value to minimise, as an annual return."""

    def unit(self, facts: Facts) -> float:
        """A size of the objective that matters; the solver sees multiples of it."""
        return 1.0

    def ideal(self, facts: Facts) -> Floats | None:
        """Weights that minimise it when nothing binds and trading is free, where they are known."""
        return None


@component
class TrackTarget(Objective):
    """Stay near the target, where distance is risk.

    ``risk_aversion / 2 * (w - w0)'(S + ridge * v * I)(w - w0)``, with the target w0, the annual
    covariance S and the mean v of its variances. It is the mean-variance utility of an investor
    for whom the target would be optimal (reverse optimisation).

    Parameters
    ----------
    risk_aversion
        Return given up for a unit of variance: a higher one trades more to stay on the target.
    ridge
        Part of v that is added to every variance; it keeps cash and duplicates (bitcoin and its
        fund) on their targets, which covariance alone does not tell apart.

    References
    ----------
    Black and Litterman, Global portfolio optimization, Financial Analysts Journal 48 (1992).
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "covariance")

    risk_aversion: Positive = 5.0
    ridge: NonNegative = 0.05

    def expression(self, candidate: Candidate) -> Any:
        """Half the risk aversion times the variance of the deviation."""
        return 0.5 * self.risk_aversion * candidate.tracking_variance(self.ridge)

    def unit(self, facts: Facts) -> float:
        """Risk aversion times the mean variance."""
        return self.risk_aversion * facts.known_risk().variance

    def ideal(self, facts: Facts) -> Floats | None:
        """The target."""
        return facts.target
