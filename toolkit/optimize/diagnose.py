"""What to do when no portfolio meets every limit: the least violation, and who is in conflict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from toolkit.errors import InfeasibleLimitsError, SolverError
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.certify import TOLERANCE, Certifier
from toolkit.optimize.compiled import WAYS, Answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.problems import LeastViolation
from toolkit.optimize.roster import Flags, Floats
from toolkit.optimize.symbolic import Sizes
from toolkit.optimize.violation import RowViolation

_NEAR, _NEAR_ENOUGH = 1e-6, 1e-2
"""How near to the least violation to stop, and to accept, relative to it or to a limit's unit."""

SMALLEST_UNIT = 0.01
"""Violations of limits are compared as slack / max(|cap|, 0.01)."""


class Diagnosis:
    """Least violations and conflicts of a set of limits.

    Limits yield by rank, lower ranks first, so slacks are decided from the highest rank down: each
    rank's are as small as the ranks above it allow, and everything below is free meanwhile. Slacks
    are those of actual weights, measured in plain arithmetic.
    """

    def __init__(self, certifier: Certifier):
        self._certifier = certifier
        self._limits = certifier.limits
        self._ranks = np.array([limit.rank for limit in certifier.limits])
        self.yielding = self._ranks == 0
        self._units = np.array([max(abs(limit.cap), SMALLEST_UNIT) for limit in self._limits])
        self._problems: dict[Sizes, LeastViolation] = {}

    def _problem(self, facts: Facts) -> LeastViolation:
        sizes = Sizes.of(facts)
        if sizes not in self._problems:
            self._problems[sizes] = LeastViolation(
                self._certifier.roster, self._limits, self._units, sizes
            )
        return self._problems[sizes]

    def _ample(self, facts: Facts) -> Floats:
        """Room that no portfolio needs: a convex excess is largest at one asset alone."""
        roster = self._certifier.roster
        alone = MeasuredCandidate(roster, facts, np.eye(len(roster)))
        worst = [float(np.max(limit.excess(alone))) for limit in self._limits]
        return self._units + 2.0 * np.maximum(worst, 0.0)

    def slacks(self, facts: Facts) -> Floats:
        """Smallest slack of each limit, in the limit's unit; 0 where it can be met."""
        if not self._limits:
            return np.zeros(0)
        rows, room = self._rows(facts), self._ample(facts)
        for rank in sorted(set(self._ranks.tolist()), reverse=True):
            decided = self._ranks == rank
            room = np.where(decided, self._excess(facts, rows, decided, room), room)
        return room

    def _rows(self, facts: Facts) -> RowViolation:
        return RowViolation(self._certifier.roster, facts, self._limits, self._units)

    def conflict(self, facts: Facts) -> tuple[str, ...]:
        """Names of limits that cannot hold together, while without any one of them they can.

        Found by a deletion filter: a limit without which the others still conflict is left out.
        """
        chosen = ~self.yielding
        rows, room = self._rows(facts), self._ample(facts)
        for place in np.flatnonzero(chosen):
            chosen[place] = False
            still = rows.conflict(chosen, TOLERANCE * self._certifier.units)
            if still is None:
                still = bool(self._excess(facts, rows, chosen, room)[chosen].any())
            chosen[place] = not still
        pairs = zip(self._limits, chosen.tolist(), strict=True)
        return tuple(limit.name for limit, kept in pairs if kept)

    def error(self, facts: Facts, slacks: Floats) -> InfeasibleLimitsError:
        """The error that names a conflict and the smallest relaxation."""
        conflict = self.conflict(facts)
        relaxation = named(self._limits, np.where(self.yielding, 0.0, slacks))
        steps = ", ".join(f"{name} by {slack:.4g}" for name, slack in relaxation.items())
        caps = {limit.name: limit.cap for limit in self._limits}
        sides = " and ".join(f"{name} {caps[name]:g}" for name in conflict)
        return InfeasibleLimitsError(
            f"No portfolio on {facts.session.date()} meets {sides}"
            f"{' together' if len(conflict) > 1 else ''}. The smallest relaxation is {steps}. "
            "Relax a limit, or set on_infeasible to 'least_violation' or 'keep'.",
            conflict,
            relaxation,
        )

    def _answers(
        self, facts: Facts, rows: RowViolation, priced: Flags, room: Floats
    ) -> Iterator[tuple[Floats, Answer]]:
        """Weights from one solver after the other: the fast one first, then stated in cvxpy."""
        price = priced.astype(float)
        matters = priced | (self._ranks > self._ranks[priced].max(initial=0))
        yield rows.solve(price, np.where(matters, room, np.inf))
        for way in WAYS:
            yield self._problem(facts).solve(facts, price, room, way)

    def _excess(self, facts: Facts, rows: RowViolation, priced: Flags, room: Floats) -> Floats:
        """Excess of each limit where the priced ones break their caps as little as possible."""
        best, nearest = np.zeros(len(self._limits)), np.inf
        for raw, answer in self._answers(facts, rows, priced, room):
            weights = self._certifier.tidied(facts, raw)
            found = self._certifier.assess(facts, [weights], room)[0]
            if not found.holds:
                continue
            excess = np.where(found.excess > TOLERANCE * self._certifier.units, found.excess, 0.0)
            least = float((excess / self._units)[priced].sum())
            # The solver's bound is about its own point.
            gap = abs(answer.gap) + max(0.0, least - answer.value)
            if gap / max(1.0, least) < nearest:
                best, nearest = excess, gap / max(1.0, least)
            if nearest <= _NEAR:
                break
        if nearest <= _NEAR_ENOUGH:
            return best
        raise SolverError(
            f"The least violation of the limits on {facts.session.date()} was not found: the "
            f"solver says {answer.status}, and is {nearest:.3g} from it at best. Check the caps "
            "and the covariance of that session."
        )


def named(limits: Sequence[Limit], slacks: Floats) -> dict[str, float]:
    """Limit name to its slack, for the limits that have one."""
    pairs = zip(limits, slacks.tolist(), strict=True)
    return {limit.name: slack for limit, slack in pairs if slack > 0.0}
