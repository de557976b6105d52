"""The candidate near given weights: what is curved, as the plane that touches it there.

All quantities are convex, so none is below its plane anywhere: limits in this form cut off weights
that break them, and none that do not.

References
----------
Kelley, The cutting-plane method for solving convex programs, J. of the Society for Industrial and
Applied Mathematics 8 (1960). Kuenzi-Bay and Mayer, Computational aspects of minimizing conditional
value-at-risk, Computational Management Science 3 (2006): planes of a tail loss.
"""

from __future__ import annotations

import numpy as np

from toolkit.optimize.candidate import tail_chances
from toolkit.optimize.coefficients import CoefficientCandidate, Coefficients
from toolkit.optimize.facts import Facts
from toolkit.optimize.roster import Floats, Roster


class TangentCandidate(CoefficientCandidate):
    """The candidate as coefficients, all of them rows.

    Parameters
    ----------
    weights
        Where the planes touch.
    """

    def __init__(self, roster: Roster, facts: Facts, weights: Floats):
        super().__init__(roster, facts)
        self._weights = weights

    def volatility(self) -> Coefficients:
        """The plane at the weights; it goes through no weights at all."""
        return self._deviation(np.zeros(len(self._weights)))

    def tracking_error(self) -> Coefficients:
        """The plane at the weights; it goes through the target."""
        return self._deviation(self._facts.known_target())

    def expected_shortfall(self, level: float) -> Coefficients:
        """The mean loss of the scenarios that are in the tail at the weights."""
        scenarios = self._facts.known_scenarios()
        chances = tail_chances(-scenarios @ self._weights, level)
        return Coefficients(-(chances @ scenarios)[None], np.zeros(1))

    def herfindahl(self) -> Coefficients:
        """The plane at the weights."""
        risky = np.where(self._roster.risky, self._weights, 0.0)
        return Coefficients(2.0 * risky[None], -np.array([risky @ risky]))

    def _deviation(self, origin: Floats) -> Coefficients:
        risk = self._facts.known_risk()
        spread = risk.factor @ (self._weights - origin)
        length = float(np.linalg.norm(spread))
        # Where there is no risk at all, the least there can be is a plane that touches.
        slope = np.sqrt(risk.variance) / length * (spread @ risk.factor) if length else 0.0 * origin
        return Coefficients(slope[None], -np.array([slope @ origin]))


class TaylorCandidate(TangentCandidate):
    """The candidate to the second order: planes, bent as what they touch.

    It says how a round quantity goes on near the weights, not where it is: elsewhere it can be
    above or below.
    """

    def herfindahl(self) -> Coefficients:
        """The quantity itself."""
        return CoefficientCandidate.herfindahl(self)

    def _deviation(self, origin: Floats) -> Coefficients:
        plane, risk = super()._deviation(origin), self._facts.known_risk()
        slope, away = plane.matrix[0], self._weights - origin
        length = float(slope @ away)
        if length <= 0.0:
            return plane
        bend = (risk.variance * risk.matrix - np.outer(slope, slope)) / length
        tilt = bend @ self._weights
        return Coefficients(
            plane.matrix - tilt, plane.constant + 0.5 * tilt @ self._weights, quadratic=bend
        )
