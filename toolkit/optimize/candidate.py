"""A portfolio under consideration, as limits, costs and objectives see it.

Each of them is written once, over `Candidate`. The solver gives it `SymbolicCandidate`; audit,
engine and report give it `MeasuredCandidate`, which computes the same quantities in numpy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from toolkit.errors import DataError, suggestion
from toolkit.optimize.facts import Facts
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Sleeve


class Candidate(ABC):
    """Quantities of a portfolio: numbers, or convex expressions for the solver.

    Weights are fractions of equity and sum to 1 over all assets, cash included.
    """

    @abstractmethod
    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets; among all but cash where none are named."""

    @abstractmethod
    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the assets that belong to one of the sleeves on the session."""

    @abstractmethod
    def cash_weight(self) -> Any:
        """Weight of the cash asset."""

    @abstractmethod
    def idle_weight(self) -> Any:
        """Weight of the cash asset; 0 where there is none."""

    @abstractmethod
    def turnover(self) -> Any:
        """One-way turnover: half the sum of absolute weight changes, cash included.

        Investing proceeds of closings, or anything on a first investment, does not count.
        """

    @abstractmethod
    def traded(self) -> Any:
        """Value bought plus value sold in all assets but cash, a fraction of equity."""

    @abstractmethod
    def volatility(self) -> Any:
        """Standard deviation of a year's return."""

    @abstractmethod
    def tracking_error(self) -> Any:
        """Standard deviation of a year's return less the target's."""

    @abstractmethod
    def expected_shortfall(self, level: float) -> Any:
        """Mean loss of a session in the worst 1 - level of the scenarios."""

    @abstractmethod
    def expected_return(self) -> Any:
        """Expected return of a year."""

    @abstractmethod
    def believed_return(self) -> Any:
        """Expected return of a year, in the eyes of the objective."""

    @abstractmethod
    def below_hurdle(self) -> Any:
        """How far the return above cash is below the facts' hurdle times the volatility."""

    @abstractmethod
    def beta(self, to: str) -> Any:
        """Beta to a factor."""

    @abstractmethod
    def stress_loss(self, names: tuple[str, ...] = ()) -> Any:
        """Largest loss under the named stresses; under all where none are named."""

    @abstractmethod
    def trading_days(self) -> Any:
        """Largest trade in days of its asset's average volume, of assets whose volume is known."""

    @abstractmethod
    def market_impact(self) -> Any:
        """Cost of moving prices under a coefficient of 1, a fraction of equity.

        The sum over the trades x of all assets with known volume of
        ``volatility * sqrt(equity / volume) * abs(x) ** 1.5``.
        """

    @abstractmethod
    def half_spread_paid(self, constant: float) -> Any:
        """Half-spread times trade, summed over all assets but cash; the constant if unknown."""

    @abstractmethod
    def herfindahl(self) -> Any:
        """Sum of squared weights of all assets but cash."""

    @abstractmethod
    def variance(self) -> Any:
        """Variance of a year's return, in the covariance of the objective."""

    @abstractmethod
    def tracking_variance(self, ridge: float) -> Any:
        """Annual variance of the deviation d from what the objective tracks, plus a ridge.

        ``d'(S + ridge * v * I)d``, where v is the mean of the variances in the objective's
        covariance S.
        """


class MeasuredCandidate(Candidate):
    """The numbers of one portfolio, or of many at once.

    Parameters
    ----------
    weights
        One portfolio (assets,) or many (rows, assets), in the order of the roster.
    sessions
        Session of each row, for sleeves by date; that of the decision where not given.
    drifted
        Whether the weights came about without a trade.
    """

    def __init__(
        self,
        roster: Roster,
        facts: Facts,
        weights: Floats,
        sessions: Any = None,
        drifted: bool = False,
    ):
        self.roster, self.facts, self.weights = roster, facts, weights
        self.sessions = facts.session if sessions is None else sessions
        self.drifted = drifted

    def _changes(self) -> Floats:
        """Absolute changes of the weights, by row."""
        changes: Floats = np.abs(self.weights - self.facts.holdings)
        return changes

    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets, by row."""
        roster = self.roster
        if not assets and roster.cash is None:
            return self.weights.max(axis=-1, initial=0.0)
        chosen = roster.positions(assets) if assets else roster.risky
        return self.weights[..., chosen].max(axis=-1, initial=0.0)

    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the sleeves, by row."""
        shares = self.roster.shares(sleeves, self.sessions)
        return self.weights @ shares if shares.ndim == 1 else (self.weights * shares).sum(axis=-1)

    def cash_weight(self) -> Any:
        """Weight of cash, by row."""
        return self.weights[..., self.roster.cash_position()]

    def idle_weight(self) -> Any:
        """Weight of cash, by row."""
        return np.zeros(self.weights.shape[:-1]) if self.roster.cash is None else self.cash_weight()

    def turnover(self) -> Any:
        """One-way turnover, by row."""
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        return 0.5 * (self._changes().sum(axis=-1) - self.facts.proceeds)

    def traded(self) -> Any:
        """Value traded in all assets but cash, by row."""
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        if self.roster.cash is None:
            return self._changes().sum(axis=-1)
        return self._changes()[..., self.roster.risky].sum(axis=-1)

    def volatility(self) -> Any:
        """Annual volatility, by row."""
        risk = self.facts.known_risk()
        return np.sqrt(risk.variance) * np.linalg.norm(self.weights @ risk.factor.T, axis=-1)

    def tracking_error(self) -> Any:
        """Annual volatility of the deviation from the target, by row."""
        risk = self.facts.known_risk()
        spread = (self.weights - self.facts.known_target()) @ risk.factor.T
        return np.sqrt(risk.variance) * np.linalg.norm(spread, axis=-1)

    def expected_shortfall(self, level: float) -> Any:
        """Expected shortfall of a session, by row."""
        losses = -self.weights @ self.facts.known_scenarios().T
        return tail_mean(losses, level)

    def expected_return(self) -> Any:
        """Expected return of a year, by row."""
        return self.weights @ self.facts.known_returns()

    def believed_return(self) -> Any:
        """Expected return of a year in the eyes of the objective, by row."""
        return self.weights @ self.facts.known_opinion()

    def below_hurdle(self) -> Any:
        """Hurdle times volatility less the return above cash, by row."""
        earned = self.expected_return() - self.facts.cash_return(self.roster)
        return self.facts.hurdle * self.volatility() - earned

    def beta(self, to: str) -> Any:
        """Beta to a factor, by row."""
        return self.weights @ self.facts.known_betas(to)

    def stress_loss(self, names: tuple[str, ...] = ()) -> Any:
        """Largest loss under the stresses, by row."""
        return (-self.weights @ stressed(self.facts, names).T).max(axis=-1)

    def trading_days(self) -> Any:
        """Largest trade in days of volume, by row; 0 where no volume is known."""
        days = self.facts.turnover_days
        if self.drifted or days is None:
            return np.zeros(self.weights.shape[:-1])
        return (self._changes() * days).max(axis=-1)

    def market_impact(self) -> Any:
        """Cost of moving prices, by row."""
        impact = self.facts.known_impact()
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        return (self._changes() ** 1.5 * impact).sum(axis=-1)

    def half_spread_paid(self, constant: float) -> Any:
        """Half-spread times trade, by row."""
        paid = spread_rates(self.facts, self.roster, constant)
        if self.drifted:
            return np.zeros(self.weights.shape[:-1])
        return (self._changes() * paid).sum(axis=-1)

    def herfindahl(self) -> Any:
        """Sum of squared weights without cash, by row."""
        return (self.weights[..., self.roster.risky] ** 2).sum(axis=-1)

    def variance(self) -> Any:
        """Annual variance, by row."""
        risk = self.facts.known_belief()
        spread = self.weights @ risk.factor.T
        return risk.variance * np.vecdot(spread, spread)

    def tracking_variance(self, ridge: float) -> Any:
        """Variance of the deviation from what is tracked plus the ridge, by row."""
        risk = self.facts.known_belief()
        deviation = self.weights - self.facts.known_aim()
        spread = deviation @ risk.factor.T
        return risk.variance * (np.vecdot(spread, spread) + ridge * np.vecdot(deviation, deviation))


def tail_mean(losses: Floats, level: float) -> Floats:
    """Mean of the worst 1 - level of equally likely losses along the last axis.

    The scenario at the edge of the tail counts with the fraction of it that is in the tail.

    References
    ----------
    Rockafellar and Uryasev, Conditional value-at-risk for general loss distributions, J. of
    Banking and Finance 26 (2002), proposition 8.
    """
    count = losses.shape[-1]
    size = (1.0 - level) * count
    whole = min(int(size + 1e-9), count - 1)
    worst = -np.partition(-losses, whole, axis=-1)[..., : whole + 1]
    edge = worst[..., whole] * (size - whole)
    mean: Floats = (worst[..., :whole].sum(axis=-1) + edge) / size
    return mean


def tail_chances(losses: Floats, level: float) -> Floats:
    """Chance of each loss within the worst 1 - level of equally likely ones: `tail_mean` is theirs.

    They sum to 1.
    """
    size = (1.0 - level) * len(losses)
    inside = np.clip(size - np.arange(len(losses)), 0.0, 1.0)
    chances = np.empty(len(losses))
    chances[np.argsort(-losses, kind="stable")] = inside / size
    return chances


def spread_rates(facts: Facts, roster: Roster, constant: float) -> Floats:
    """Half-spread of each asset, the constant where it is unknown; 0 of cash."""
    known = facts.known_half_spreads()
    return np.where(roster.risky, np.where(np.isnan(known), constant, known), 0.0)


def stressed(facts: Facts, names: tuple[str, ...]) -> Floats:
    """Returns under the named stresses, under all where none are named: stresses x assets."""
    known, returns = facts.known_stress()
    unknown = [name for name in names if name not in known]
    if unknown and known != ("trial",):
        raise DataError(
            f"A limit names the stress {unknown[0]!r}, which the decision on "
            f"{facts.session.date()} does not have. {suggestion(unknown[0], known)}"
        )
    if not names or unknown:
        return returns
    return returns[[known.index(name) for name in names]]
