"""The candidate as coefficients: what a solver of quadratic or linear programs takes as it is.

Limits, costs and objectives are stated over `Candidate` once. Given `CoefficientCandidate` they
turn into rows of numbers within microseconds; what has no such rows (a volatility, a tail loss as
a limit) raises `NotPolyhedral` and is left to cvxpy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from toolkit.optimize.candidate import Candidate, spread_rates, stressed
from toolkit.optimize.facts import Facts
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Sleeve


class NotPolyhedral(Exception):  # noqa: N818 - a signal between two modules, no error of a user
    """A quantity that no finite number of rows can express."""


@readonly
class Coefficients:
    """A convex function of the weights w with the holdings h.

    ``w'Qw / 2 + tail * ES(w) + max over rows of (M w + A |w - h| + c)``.

    Parameters
    ----------
    matrix
        M: rows x assets.
    constant
        c: rows.
    absolute
        A, not negative: rows x assets; None is zero.
    quadratic
        Q: assets x assets; None is zero.
    tail, level
        Factor of the expected shortfall and its confidence; 0.0 is none.
    """

    matrix: Floats
    constant: Floats
    absolute: Floats | None = None
    quadratic: Floats | None = None
    tail: float = 0.0
    level: float = 0.0

    # So that a numpy number on the left leaves the arithmetic to this class.
    __array_ufunc__ = None

    @property
    def linear(self) -> bool:
        """Whether it is one affine function."""
        return len(self.matrix) == 1 and self.polyhedral and self.absolute is None

    @property
    def polyhedral(self) -> bool:
        """Whether its rows are all there is to it."""
        return self.quadratic is None and self.tail == 0.0

    def __add__(self, other: Any) -> Coefficients:
        if not isinstance(other, Coefficients):
            return replace(self, constant=self.constant + other)
        if (len(self.matrix) > 1 and len(other.matrix) > 1) or (self.tail and other.tail):
            raise NotPolyhedral
        tailed = self if self.tail else other
        return Coefficients(
            self.matrix + other.matrix,
            self.constant + other.constant,
            _sum(self.absolute, other.absolute),
            _sum(self.quadratic, other.quadratic),
            tailed.tail,
            tailed.level,
        )

    __radd__ = __add__

    def __mul__(self, factor: Any) -> Coefficients:
        if isinstance(factor, Coefficients) or (factor < 0.0 and not self.linear):
            raise NotPolyhedral
        return Coefficients(
            self.matrix * factor,
            self.constant * factor,
            None if self.absolute is None else self.absolute * factor,
            None if self.quadratic is None else self.quadratic * factor,
            self.tail * factor,
            self.level,
        )

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Coefficients:
        return self * (1.0 / divisor)

    def __neg__(self) -> Coefficients:
        flipped: Coefficients = self * -1.0
        return flipped

    def __sub__(self, other: Any) -> Coefficients:
        total: Coefficients = self + -other
        return total

    def __rsub__(self, other: Any) -> Coefficients:
        total: Coefficients = -self + other
        return total


class CoefficientCandidate(Candidate):
    """The candidate of one decision, in coefficients of its weights."""

    def __init__(self, roster: Roster, facts: Facts):
        self._roster, self._facts = roster, facts

    def largest_weight(self, assets: tuple[str, ...] = ()) -> Coefficients:
        """A row for each of the assets."""
        roster = self._roster
        unit = roster.unit_rows[roster.positions(assets) if assets else roster.risky]
        return Coefficients(unit, np.zeros(len(unit)))

    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Coefficients:
        """One where an asset belongs to the sleeves."""
        return _row(self._roster.shares(sleeves, self._facts.session))

    def cash_weight(self) -> Coefficients:
        """One at cash."""
        return _row(self._roster.unit_rows[self._roster.cash_position()])

    def idle_weight(self) -> Coefficients:
        """One at cash, if there is any."""
        if self._roster.cash is None:
            return _row(np.zeros(len(self._roster)))
        return self.cash_weight()

    def turnover(self) -> Coefficients:
        """One half for each change of weight."""
        half = np.full((1, len(self._roster)), 0.5)
        return Coefficients(0.0 * half, np.array([-0.5 * self._facts.proceeds]), half)

    def traded(self) -> Coefficients:
        """One for each change of weight but that of cash."""
        risky = self._roster.risky.astype(float)[None]
        return Coefficients(0.0 * risky, np.zeros(1), risky)

    def volatility(self) -> Coefficients:
        """None: it has a round edge."""
        raise NotPolyhedral

    def tracking_error(self) -> Coefficients:
        """None: it has a round edge."""
        raise NotPolyhedral

    def expected_shortfall(self, level: float) -> Coefficients:
        """Once the tail loss."""
        return replace(_row(np.zeros(len(self._roster))), tail=1.0, level=level)

    def expected_return(self) -> Coefficients:
        """The expected return of each asset."""
        return _row(self._facts.known_returns())

    def believed_return(self) -> Coefficients:
        """The return that the objective expects of each asset."""
        return _row(self._facts.known_opinion())

    def below_hurdle(self) -> Coefficients:
        """None: volatility has a round edge."""
        raise NotPolyhedral

    def beta(self, to: str) -> Coefficients:
        """The beta of each asset."""
        return _row(self._facts.known_betas(to))

    def stress_loss(self, names: tuple[str, ...] = ()) -> Coefficients:
        """A row for each stress."""
        losses = -stressed(self._facts, names)
        return Coefficients(losses, np.zeros(len(losses)))

    def trading_days(self) -> Coefficients:
        """A row for each asset with known volume."""
        days = self._facts.turnover_days
        known = np.diag(np.zeros(0) if days is None else days)
        rows = known[np.diag(known) > 0.0]
        if not len(rows):
            return _row(np.zeros(len(self._roster)))
        return Coefficients(0.0 * rows, np.zeros(len(rows)), rows)

    def market_impact(self) -> Coefficients:
        """Nothing where no volume is known; elsewhere it has a power that no row has."""
        if self._facts.known_impact().any():
            raise NotPolyhedral
        return _row(np.zeros(len(self._roster)))

    def half_spread_paid(self, constant: float) -> Coefficients:
        """The half-spread for each change of weight."""
        rates = spread_rates(self._facts, self._roster, constant)[None]
        return Coefficients(0.0 * rates, np.zeros(1), rates)

    def herfindahl(self) -> Coefficients:
        """Two on the diagonal, as half of it counts."""
        square = 2.0 * np.diag(self._roster.risky.astype(float))
        return replace(_row(np.zeros(len(self._roster))), quadratic=square)

    def variance(self) -> Coefficients:
        """Twice the covariance, as half of it counts."""
        risk = self._facts.known_belief()
        square = 2.0 * risk.variance * risk.matrix
        return Coefficients(np.zeros((1, len(square))), np.zeros(1), quadratic=square)

    def tracking_variance(self, ridge: float) -> Coefficients:
        """Twice the covariance with the ridge, around what is tracked."""
        risk, aim = self._facts.known_belief(), self._facts.known_aim()
        square = 2.0 * risk.variance * (risk.matrix + ridge * self._roster.unit_rows)
        slope = square @ aim
        return Coefficients(-slope[None], np.array([0.5 * float(slope @ aim)]), quadratic=square)


def _row(values: Floats) -> Coefficients:
    return Coefficients(values[None], np.zeros(1))


def _sum(left: Floats | None, right: Floats | None) -> Floats | None:
    if left is None or right is None:
        return right if left is None else left
    total: Floats = left + right
    return total
