"""Checks of weights in plain arithmetic: what a solver says is not believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.costs import Cost
from toolkit.optimize.facts import Facts
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import Objective
from toolkit.optimize.roster import Flags, Floats, Roster

TOLERANCE = 1e-6
"""Largest excess over a limit in its unit, or a bound, and error of the budget, that passes."""

SMALLEST_TRADE = 1e-4
"""Trades below this fraction of equity are not made."""

_SNAP = 1e-7


@dataclass(frozen=True)
class Assessment:
    """What was measured of portfolios: a row each.

    Parameters
    ----------
    values, excess
        By limit: the limited quantity, and how far it is beyond the cap (negative: room left).
    units
        By limit: its unit, or 1 where that is larger.
    hard
        Worst excess over a bound or error of the budget.
    totals
        Objective plus cost of a year.
    """

    values: Floats
    excess: Floats
    units: Floats
    hard: Floats
    totals: Floats

    def residuals(self, allowance: Floats) -> Floats:
        """Worst of everything that must hold, with limits widened by an allowance: a row each."""
        limits = ((self.excess - allowance) / self.units).max(axis=1, initial=-np.inf)
        worst: Floats = np.maximum(self.hard, limits)
        return worst

    def best(self, rows: slice, allowance: Floats) -> float | None:
        """Smallest total among rows that meet everything, None if none does."""
        met = self.residuals(allowance)[rows] <= _SNAP
        return float(self.totals[rows][met].min()) if met.any() else None


class Certifier:
    """The limits, bounds, cost and objective of a program, as numbers for given weights."""

    def __init__(
        self, roster: Roster, objective: Objective, limits: Sequence[Limit], cost: Cost | None
    ):
        self.roster, self.objective, self.limits, self.cost = roster, objective, limits, cost
        self.units = np.array([min(1.0, limit.unit) for limit in limits])

    def assess(self, facts: Facts, portfolios: Sequence[Floats | None]) -> Assessment:
        """Everything about some portfolios; None is left out."""
        rows = np.array([weights for weights in portfolios if weights is not None])
        candidate = MeasuredCandidate(self.roster, facts, rows)
        values = np.empty((len(rows), len(self.limits)))
        excess = np.empty_like(values)
        for place, limit in enumerate(self.limits):
            values[:, place] = limit.value(candidate)
            excess[:, place] = limit.beyond(values[:, place])
        budget = np.abs(rows.sum(axis=1) - 1.0)
        beyond = np.maximum(facts.lower - rows, rows - facts.upper).max(axis=1)
        totals = self.objective.expression(candidate)
        if self.cost is not None:
            totals = totals + self.cost.yearly(candidate)
        return Assessment(values, excess, self.units, np.maximum(budget, beyond), totals)

    def accepted(self, facts: Facts, weights: Floats, allowance: Floats) -> Assessment | None:
        """What was measured of weights that pass; None where they do not.

        They pass where they meet everything and are not worse than the current or the target
        weights, of those that do.
        """
        found = self.assess(facts, (weights, facts.current, facts.target))
        reference = found.best(slice(1, None), allowance)
        if not found.residuals(allowance)[0] <= TOLERANCE:
            return None
        if reference is None:
            return found
        return found if found.totals[0] <= reference + self.resolution(facts, reference) else None

    def resolution(self, facts: Facts, total: float) -> float:
        """Differences of totals that count as none: a millionth, of a hundredth unit at least."""
        return 1e-6 * max(abs(total), 0.01 * self.objective.unit(facts))

    def tidied(self, facts: Facts, weights: Floats) -> Floats:
        """The weights with the solver's rounding taken off: on a bound where next to it."""
        tidy = np.clip(weights, facts.lower, facts.upper)
        for place in (facts.lower, facts.upper, facts.current):
            if place is not None:
                tidy = np.where(np.abs(tidy - place) < _SNAP, place, tidy)
        return self._balanced(facts, tidy, (tidy > facts.lower) & (tidy < facts.upper))

    def _balanced(self, facts: Facts, weights: Floats, takers: Any) -> Floats:
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

    def without_small_trades(
        self, facts: Facts, weights: Floats, allowance: Floats
    ) -> tuple[Floats, Assessment] | None:
        """The weights without trades below `SMALLEST_TRADE`; what that frees goes to cash.

        Without a cash asset it goes to the trades that are made, in proportion to their room. A
        trade whose omission would break a limit is made. If all cannot be left out together, the
        smallest are left out first. None where there is nothing to leave out.
        """
        trades = np.abs(weights - facts.holdings)
        small = self.roster.risky & (trades > 0.0) & (trades < SMALLEST_TRADE)
        if not small.any():
            return None

        def measured(dropped: Flags) -> tuple[Floats, Assessment, bool]:
            kept = self._left_out(facts, weights, dropped)
            found = self.assess(facts, (kept, facts.current, facts.target))
            return kept, found, bool(found.residuals(allowance)[0] <= TOLERANCE)

        kept, found, holds = measured(small)
        if holds:
            return kept, found
        dropped = np.zeros(len(small), dtype=bool)
        for place in np.argsort(trades, kind="stable"):
            if small[place]:
                dropped[place] = True
                dropped[place] = measured(dropped)[2]
        kept, found, _ = measured(dropped)
        return kept, found

    def _left_out(self, facts: Facts, weights: Floats, dropped: Any) -> Floats:
        kept = np.where(dropped, facts.holdings, weights)
        traded = kept != facts.holdings
        if facts.current is not None and not traded[self.roster.risky].any():
            return facts.current
        return self._balanced(facts, kept, traded) if dropped.any() else weights
