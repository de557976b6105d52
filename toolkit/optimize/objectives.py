"""What an optimizer minimises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from toolkit.units import Level, NonNegative, Positive, component

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate
    from toolkit.optimize.facts import Facts
    from toolkit.optimize.roster import Floats, Roster


class Objective(ABC):
    """A convex function of the candidate; the cost of trading is added to it.

    Attributes
    ----------
    needs
        Fields of `Decision` it cannot do without.
    own_belief
        Whether it sees another covariance than the limits do.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    own_belief: ClassVar[bool] = False

    @abstractmethod
    def expression(self, candidate: Candidate) -> Any:
        """The value to minimise, as an annual return."""

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts as the objective sees them; an error where it cannot be answered with them."""
        return facts

    def unit(self, facts: Facts) -> float:
        """A size of the objective that matters; the solver sees multiples of it."""
        return 1.0

    def ideal(self, facts: Facts) -> Floats | None:
        """Weights that minimise it when nothing binds and trading is free, where they are known."""
        return None

    def achieved(self, facts: Facts, weights: Floats, roster: Roster) -> Mapping[str, float]:
        """What it came to besides its value, by name."""
        return {}


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


@component
class MeanVariance(Objective):
    """Expected return less the price of risk: ``risk_aversion / 2 * w'Sw - m'w``.

    Parameters
    ----------
    risk_aversion
        Return given up for a unit of annual variance.

    References
    ----------
    Markowitz, Portfolio selection, J. of Finance 7 (1952).
    """

    needs: ClassVar[tuple[str, ...]] = ("expected_returns", "covariance")

    risk_aversion: Positive = 5.0

    def expression(self, candidate: Candidate) -> Any:
        """Half the risk aversion times the variance, less the expected return."""
        return 0.5 * self.risk_aversion * candidate.variance() - candidate.expected_return()

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts, where the covariance determines the weights."""
        facts.known_belief().demand_regular(roster, facts.session)
        return facts

    def unit(self, facts: Facts) -> float:
        """Risk aversion times the mean variance, or the spread of expected returns."""
        risk = self.risk_aversion * facts.known_belief().variance
        return max(risk, float(np.ptp(facts.known_returns())))


@component
class MinimumVariance(Objective):
    """The variance of a year's return. A cash asset without a limit takes everything.

    References
    ----------
    Markowitz, Portfolio selection, J. of Finance 7 (1952).
    """

    needs: ClassVar[tuple[str, ...]] = ("covariance",)

    def expression(self, candidate: Candidate) -> Any:
        """The variance."""
        return candidate.variance()

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts, where the covariance determines the weights."""
        facts.known_belief().demand_regular(roster, facts.session)
        return facts

    def unit(self, facts: Facts) -> float:
        """The mean variance."""
        return facts.known_belief().variance


@component
class MinimumExpectedShortfall(Objective):
    """The mean loss of a session in the worst scenarios.

    Parameters
    ----------
    level
        Confidence: 0.95 averages the worst 5 % of the scenarios, the one at the edge with its
        fraction.

    References
    ----------
    Rockafellar and Uryasev, Optimization of conditional value-at-risk, J. of Risk 2 (2000).
    """

    needs: ClassVar[tuple[str, ...]] = ("scenarios",)

    level: Level = 0.95

    def expression(self, candidate: Candidate) -> Any:
        """The expected shortfall."""
        return candidate.expected_shortfall(self.level)

    def unit(self, facts: Facts) -> float:
        """The size of a large loss: twice the deviation of the scenarios."""
        return 2.0 * float(facts.known_scenarios().std()) or 1.0


@component
class MaximumSharpe(Objective):
    """The largest expected return above cash for a unit of volatility, after costs.

    What is minimised is ``s * volatility - (m'w - cash's return)`` for the largest ratio s that a
    portfolio within the limits has: its minimum is then 0. Of portfolios with the same ratio, as
    mixtures with cash are, the one with the least cash is taken. Where nothing is expected to earn
    more than cash there is no such ratio, and the answer is the least variance, with the status
    ``cash``, or ``relaxed`` where limits yield.

    References
    ----------
    Sharpe, Mutual fund performance, J. of Business 39 (1966). Dinkelbach, On nonlinear fractional
    programming, Management Science 13 (1967).
    """

    needs: ClassVar[tuple[str, ...]] = ("expected_returns", "covariance")

    def expression(self, candidate: Candidate) -> Any:
        """How far the expected return is below what the ratio asks of the volatility."""
        return candidate.below_hurdle() + TIE * candidate.idle_weight()

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts, where the covariance determines the weights."""
        facts.known_belief().demand_regular(roster, facts.session)
        return facts

    def unit(self, facts: Facts) -> float:
        """The spread of expected returns."""
        return float(np.ptp(facts.known_returns())) or 1.0


TIE = 1e-6
"""Price of cash, a fraction of equity a year, where it makes no difference otherwise."""
