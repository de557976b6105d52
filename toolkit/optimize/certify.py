"""Checks of weights in plain arithmetic: what a solver says is not believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.costs import Cost
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import Objective
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats, Roster

TOLERANCE = 1e-6
"""Largest excess over a limit in its unit, or a bound, and error of the budget, that passes."""

SMALLEST_TRADE = 1e-4
"""Trades below this fraction of equity are not made."""

SNAP = 1e-7
"""Weights this near to a bound or to what is held are put there."""

_LAST_BITS = 4e-16
"""A sum of weights misses 1 by as much when they are only added in another order."""


@readonly
class Assessment:
    """What was measured of a portfolio.

    Parameters
    ----------
    values, excess
        By limit: the limited quantity, and how far it is beyond the cap (negative: room left).
    residual
        Worst of everything that must hold: excess over limits as widened, in their units or 1
        where that is smaller, excess over bounds, error of the budget.
    total
        Objective plus cost of a year.
    reference
        Smallest total among the current and the target weights that meet everything, None if
        neither does.
    """

    values: Floats
    excess: Floats
    residual: float
    total: float
    reference: float | None

    @property
    def holds(self) -> bool:
        """Whether everything that must hold does."""
        return self.residual <= TOLERANCE


class Certifier:
    """The limits, bounds, cost and objective of a program, as numbers for given weights."""

    def __init__(
        self, roster: Roster, objective: Objective, limits: Sequence[Limit], cost: Cost | None
    ):
        self.roster, self.objective, self.limits, self.cost = roster, objective, limits, cost
        self.units = np.array([min(1.0, limit.unit) for limit in limits])
        self._near = TOLERANCE * self.units
        self._caps = np.array([limit.cap for limit in limits])
        self._signs = np.array([-1.0 if limit.floors else 1.0 for limit in limits])

    def assess(
        self, facts: Facts, portfolios: Sequence[Floats], allowance: Floats
    ) -> list[Assessment]:
        """Everything about some portfolios, with limits widened by an allowance."""
        references = [each for each in (facts.current, facts.target) if each is not None]
        rows = np.array([*portfolios, *references])
        candidate = MeasuredCandidate(self.roster, facts, rows)
        values = np.empty((len(rows), len(self.limits)))
        for place, limit in enumerate(self.limits):
            values[:, place] = limit.value(candidate)
        excess = self._signs * (values - self._caps)
        over = (excess - allowance) / self.units
        everything = np.concatenate((over, facts.lower - rows, rows - facts.upper), axis=1)
        residuals = np.maximum(everything.max(axis=1), np.abs(rows.sum(axis=1) - 1.0))
        totals = self.objective.expression(candidate)
        if self.cost is not None:
            totals = totals + self.cost.yearly(candidate)
        found = list(zip(residuals.tolist(), totals.tolist(), strict=True))
        met = [total for residual, total in found[len(portfolios) :] if residual <= SNAP]
        best = min(met, default=None)
        return [
            Assessment(values[row], excess[row], *found[row], best)
            for row in range(len(portfolios))
        ]

    def accepts(self, facts: Facts, found: Assessment) -> bool:
        """Whether weights hold, and are not worse than the current and the target weights."""
        best = found.reference
        good = best is None or found.total <= best + self.resolution(facts, best)
        return found.holds and good

    def binding(self, found: Assessment) -> Flags:
        """By limit, whether it is within the tolerance of its cap or beyond it."""
        near: Flags = found.excess >= -self._near
        return near

    def broken(self, found: Assessment) -> Floats:
        """By limit, the excess over its cap where that is no rounding."""
        return np.where(found.excess > self._near, found.excess, 0.0)

    def resolution(self, facts: Facts, total: float) -> float:
        """Differences of totals that count as none: a millionth, of a hundredth unit at least."""
        return 1e-6 * max(abs(total), 0.01 * self.objective.unit(facts))

    def tidied(self, facts: Facts, weights: Floats, near: float = SNAP) -> Floats:
        """The weights with the solver's rounding taken off: on a bound where next to it."""
        low, high = facts.lower, facts.upper
        tidy = np.where(weights - low < near, low, weights)
        tidy = np.where(high - tidy < near, high, tidy)
        if facts.current is not None:
            tidy = np.where(np.abs(tidy - facts.current) < near, facts.current, tidy)
        if abs(1.0 - tidy.sum()) <= _LAST_BITS:
            return tidy
        inside = (tidy > low) & (tidy < high)
        # Who is not traded takes nothing, so that it stays exactly as it is.
        traded = inside & (tidy != facts.holdings)
        return self._balanced(facts, tidy, traded if traded.any() else inside)

    def _balanced(self, facts: Facts, weights: Floats, takers: Flags) -> Floats:
        """The weights with what is missing to 1 given to cash, or to the takers by their room."""
        missing = 1.0 - float(weights.sum())
        if self.roster.cash is not None:
            weights = weights.copy()
            weights[self.roster.cash] += missing
            return weights
        edge = facts.upper if missing > 0.0 else facts.lower
        room = np.where(takers, np.abs(edge - weights), 0.0)
        free = float(room.sum())
        return weights + missing * room / free if free > 0.0 else weights

    def small_trades(self, facts: Facts, weights: Floats) -> Flags:
        """By asset, whether its trade is below `SMALLEST_TRADE`."""
        trades = np.abs(weights - facts.holdings)
        small: Flags = self.roster.risky & (trades > 0.0) & (trades < SMALLEST_TRADE)
        return small

    def left_out(self, facts: Facts, weights: Floats, dropped: Flags) -> Floats:
        """The weights without some of their trades; what that frees goes to cash.

        Without a cash asset it goes to the trades that are made, in proportion to their room.
        """
        kept = np.where(dropped, facts.holdings, weights)
        traded = kept != facts.holdings
        if facts.current is not None and not traded[self.roster.risky].any():
            return facts.current
        return self._balanced(facts, kept, traded) if dropped.any() else weights

    def as_few_as_hold(
        self, facts: Facts, weights: Floats, allowance: Floats
    ) -> tuple[Floats, Assessment]:
        """The weights without small trades where not all can be left out: the smallest go first.

        A trade whose omission would break a limit is made.
        """

        def without(dropped: Flags) -> tuple[Floats, Assessment]:
            kept = self.left_out(facts, weights, dropped)
            return kept, self.assess(facts, [kept], allowance)[0]

        small = self.small_trades(facts, weights)
        dropped = np.zeros(len(small), dtype=bool)
        for place in np.argsort(np.abs(weights - facts.holdings), kind="stable"):
            if small[place]:
                dropped[place] = True
                dropped[place] = without(dropped)[1].holds
        return without(dropped)
