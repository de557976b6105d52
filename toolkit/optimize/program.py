"""A program: an optimizer for given assets, solved at every decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from toolkit.errors import DataError, InfeasibleLimitsError, SolverError
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.certify import TOLERANCE, Certifier
from toolkit.optimize.decision import Allocation, Certificate, Decision, Status
from toolkit.optimize.diagnose import Diagnosis, named
from toolkit.optimize.facts import Facts, facts_of, trial
from toolkit.optimize.limits import Limit, MaxTradingDays
from toolkit.optimize.objectives import MaximumSharpe, MinimumVariance, Objective
from toolkit.optimize.optimum import ALL, Optimum, Search
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Asset

if TYPE_CHECKING:
    from toolkit.optimize.optimizer import Optimizer

_MARGINS = (0.0, 1e-6, 1e-5, 1e-4)
"""Added to relaxed caps in turn: at the least violation the portfolios left can be a single one."""

_ROUNDING = 1e-9


class Program:
    """An optimizer for given assets: stated once, solved at every decision.

    What it solves is deterministic and keeps no memory of earlier decisions. The problem for the
    solver is built when a decision first needs it. Use one program in one thread.
    """

    def __init__(self, optimizer: Optimizer, assets: Sequence[Asset | str]):
        self.optimizer = optimizer
        self.roster = Roster(assets)
        self._limits = optimizer.limits
        self._names = [limit.name for limit in self._limits]
        self._seeks_ratio = isinstance(optimizer.objective, MaximumSharpe)
        self._on_volume = [each.name for each in self._limits if isinstance(each, MaxTradingDays)]
        cost = optimizer.cost
        self._cost = None if cost is None or cost.free else cost
        self._certifier = Certifier(self.roster, optimizer.objective, self._limits, self._cost)
        self._search = Search(self._certifier)
        # What speaks of assets that are not there says so now, not in mid-backtest.
        tried = optimizer.objective.prepare(trial(self.roster), self.roster)
        self._certifier.assess(tried, [np.ones(len(self.roster))], np.zeros(len(self._limits)))

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Fields of `Decision` that must be given."""
        cost = self.optimizer.cost
        parts: tuple[Objective | Limit, ...] = (self.optimizer.objective, *self._limits)
        needed = {need for part in parts for need in part.needs}
        return tuple(sorted(needed.union(() if cost is None else cost.needs)))

    @cached_property
    def _diagnosis(self) -> Diagnosis:
        return Diagnosis(self._certifier)

    @cached_property
    def _least_variance(self) -> Program:
        """What answers where nothing is expected to earn more than cash."""
        return Program(
            replace(self.optimizer, objective=MinimumVariance(), cost=None), self.roster.assets
        )

    def solve(self, decision: Decision) -> Allocation:
        """Weights for a decision, certified.

        Raises
        ------
        DataError
            An input that is needed is missing or malformed.
        InfeasibleLimitsError
            No portfolio meets the limits and `on_infeasible` is ``stop``.
        SolverError
            The solver's answer did not pass the checks.
        """
        facts = self.optimizer.objective.prepare(self._facts(decision), self.roster)
        none = np.zeros(len(self._limits))
        ideal = self._ideal(facts)
        if ideal is not None:
            return self._allocation(facts, ideal, none, "target", None)
        found = self._search.best(facts, none)
        if found is None:
            return self._relaxed(facts, decision)
        if self._without_hurdle(found):
            return self._without_ratio(decision)
        return self._allocation(found.facts, found.weights, none, "optimal", found)

    def shadow_prices(self, decision: Decision, step: float = 1e-4) -> dict[str, float]:
        """What a binding limit costs: return a year for each unit that its cap is moved.

        Where limits are relaxed these are the prices of the others, with the relaxed caps moved by
        their slacks. Weights that are kept have none.

        Parameters
        ----------
        step
            By how much each cap is moved to find out, in multiples of the larger of it and 0.01.
        """
        allocation = self.solve(decision)
        if allocation.status not in ("optimal", "relaxed"):
            return {}
        facts = self.optimizer.objective.prepare(self._facts(decision), self.roster)
        slacks = np.array([allocation.relaxed.get(name, 0.0) for name in self._names])
        best, wider = self._within(facts, slacks)
        prices: dict[str, float] = {}
        for place, limit in enumerate(self._limits):
            if best is None or limit.name not in allocation.binding or slacks[place] > 0.0:
                continue
            more = step * max(abs(limit.cap), 0.01)
            # Against the same hurdle: the best for a larger one are all worth nothing.
            found = self._search.first(best.facts, wider + more * np.eye(len(wider))[place])
            if found is not None:
                prices[limit.name] = (best.total - found.total) / more
        return prices

    def measure(
        self, weights: Floats, decision: Decision, sessions: Any = None, drifted: bool = False
    ) -> dict[str, Floats]:
        """Value of each limited quantity for given weights, without solving anything.

        Parameters
        ----------
        weights
            One portfolio (assets,) or many (rows, assets), in the order the assets were given.
        decision
            What the weights are measured against: covariance, and weights before the trade.
        sessions
            Session of each row, for sleeves by date; the decision's where not given.
        drifted
            Whether the weights came about without a trade: turnover is then 0.
        """
        facts = facts_of(decision, self.roster)
        ordered = np.empty_like(weights)
        ordered[..., self.roster.place] = weights
        candidate = MeasuredCandidate(self.roster, facts, ordered, sessions, drifted)
        return {limit.name: np.asarray(limit.value(candidate)) for limit in self._limits}

    def _facts(self, decision: Decision) -> Facts:
        missing = [need for need in self.needs if getattr(decision, need) is None]
        if missing:
            raise DataError(
                f"The decision on {decision.session.date()} lacks {', '.join(missing)}, which the "
                "objective, a limit or the cost needs."
            )
        return facts_of(decision, self.roster)

    def _ideal(self, facts: Facts) -> Floats | None:
        """The unconstrained optimum, where it is known, allowed and free to reach."""
        ideal = self.optimizer.objective.ideal(facts) if self._cost is None else None
        if ideal is None:
            return None
        found = self._certifier.assess(facts, [ideal], np.zeros(len(self._limits)))[0]
        return ideal if found.residual <= _ROUNDING else None

    def _without_hurdle(self, found: Optimum) -> bool:
        """Whether nothing is expected to earn more than cash."""
        return self._seeks_ratio and found.facts.hurdle == 0.0

    def _without_ratio(self, decision: Decision) -> Allocation:
        if self.roster.cash is None:
            raise DataError(
                f"On {decision.session.date()} no portfolio is expected to earn anything, so that "
                "there is no largest Sharpe ratio. Add a cash asset, or minimise the variance."
            )
        found = self._least_variance.solve(decision)
        return replace(found, status="cash") if found.status == "optimal" else found

    def _relaxed(self, facts: Facts, decision: Decision) -> Allocation:
        """Weights when the limits as they are have no certified answer."""
        try:
            slacks = self._diagnosis.slacks(facts)
            conflict = bool((slacks[~self._diagnosis.yielding] > 0.0).any())
            if conflict and self.optimizer.on_infeasible == "stop":
                raise self._diagnosis.error(facts, slacks)
        except SolverError as error:
            return self._unsolved(facts, np.zeros(len(self._limits)), error)
        if conflict and self.optimizer.on_infeasible == "keep":
            return self._kept(facts, slacks)
        found, allowance = self._within(facts, slacks)
        if found is None:
            return self._unsolved(facts, slacks, None)
        if self._without_hurdle(found):
            return self._without_ratio(decision)
        status: Status = "relaxed" if slacks.any() else "optimal"
        return self._allocation(found.facts, found.weights, allowance, status, found)

    def _within(self, facts: Facts, slacks: Floats) -> tuple[Optimum | None, Floats]:
        """The optimum with caps moved by their slacks, and the least more that it takes."""
        allowance = slacks
        for margin in _MARGINS:
            allowance = np.where(slacks > 0.0, slacks + margin * self._certifier.units, 0.0)
            found = self._search.best(facts, allowance, min(margin, 0.9 * TOLERANCE), ALL)
            if found is not None:
                return found, allowance
        return None, allowance

    def _unsolved(self, facts: Facts, slacks: Floats, failure: SolverError | None) -> Allocation:
        """What is held, or cash, where no solver has an answer that passes the checks.

        The failure is that of the diagnosis: then no limit has a slack.
        """
        tried = self._search.tried(facts, slacks)
        if facts.current is None:
            relaxed = f" with {named(self._limits, slacks)} relaxed" if slacks.any() else ""
            raise SolverError(
                f"No answer on {facts.session.date()}{relaxed} passed the checks, and nothing is "
                f"held; tried: {tried}. Check the covariance of that session, or add a cash asset."
                + ("" if failure is None else f" {failure}")
            )
        steps = ("no least violation",) if failure else ("least violation",) * bool(slacks.any())
        kept = self._held(facts, facts.current)
        return replace(kept, fallbacks=(f"no answer from {tried}", *steps, *kept.fallbacks))

    def _kept(self, facts: Facts, slacks: Floats) -> Allocation:
        if facts.current is None:
            raise InfeasibleLimitsError(
                f"No portfolio on {facts.session.date()} meets every limit, and there are no "
                "weights to keep. Set on_infeasible to 'least_violation', or add a cash asset.",
                self._diagnosis.conflict(facts),
                named(self._limits, slacks),
            )
        return self._held(facts, facts.current)

    def _held(self, facts: Facts, current: Floats) -> Allocation:
        """What is held, with every limit widened by as much as it is exceeded."""
        found = self._certifier.assess(facts, [current], np.zeros(len(self._limits)))[0]
        kept = self._allocation(facts, current, np.maximum(found.excess, 0.0), "kept", None)
        invested = facts.holdings[self.roster.risky].any()
        return replace(kept, fallbacks=("current weights" if invested else "cash",))

    def _allocation(
        self,
        facts: Facts,
        weights: Floats,
        allowance: Floats,
        status: Status,
        solved: Optimum | None,
    ) -> Allocation:
        certifier, names = self._certifier, self._names
        found = solved.measured if solved else certifier.assess(facts, [weights], allowance)[0]
        binding = solved.binding if solved else certifier.binding(found)
        relaxed: dict[str, float] = {}
        if status in ("relaxed", "kept"):
            relaxed = named(self._limits, certifier.broken(found))
        return Allocation(
            weights=self.roster.series(weights),
            binding=tuple(compress(names, binding.tolist())),
            relaxed=relaxed,
            status=status,
            certificate=Certificate(
                worst_residual=found.residual,
                budget_error=abs(float(weights.sum()) - 1.0),
                objective=found.total,
                optimum=solved.total if solved else None,
                reference=found.reference,
                gap=solved.gap if solved else (0.0 if status == "target" else None),
                solver=solved.answer.status if solved else "not used",
                iterations=solved.answer.iterations if solved else 0,
                covariance_repair=facts.risk.repair if facts.risk else 0.0,
            ),
            values=dict(zip(names, found.values.tolist(), strict=True)),
            achieved=self.optimizer.objective.achieved(facts, weights, self.roster),
            fallbacks=(
                *((solved.fallback,) if solved and solved.fallback else ()),
                *(("least violation",) if status == "relaxed" and relaxed else ()),
            ),
            unchecked=self._unchecked(facts),
            left_out=facts.left_out,
        )

    def _unchecked(self, facts: Facts) -> tuple[str, ...]:
        """Limits on trading that could not be held against a volume, with the assets."""
        names = self._on_volume
        if not names:
            return ()
        days = facts.turnover_days
        unknown = self.roster.risky & (True if days is None else days == 0.0)
        lacking = self.roster.index[unknown].tolist()
        return tuple(f"{name}: {', '.join(lacking)}" for name in names) if lacking else ()
