"""From a specification to decided weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal

import numpy as np

from toolkit.errors import ConfigError, DataError, InfeasibleLimitsError, SolverError
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.certify import TOLERANCE, Certifier
from toolkit.optimize.compiled import WAYS, Answer, Way
from toolkit.optimize.costs import Cost
from toolkit.optimize.decision import Allocation, Certificate, Decision, Status
from toolkit.optimize.diagnose import Diagnosis, named
from toolkit.optimize.facts import Facts, facts_of, trial
from toolkit.optimize.limits import Limit
from toolkit.optimize.objectives import Objective
from toolkit.optimize.problems import BestWeights
from toolkit.optimize.roster import Flags, Floats, Roster
from toolkit.units import component
from toolkit.universe import Asset

OnInfeasible = Literal["least_violation", "keep", "stop"]

_MARGINS = (0.0, 1e-6, 1e-5, 1e-4)
"""Added to relaxed caps in turn: at the least violation the portfolios left can be a single one."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class _Optimum:
    """A solved problem: weights without small trades; total and binding limits are with them."""

    weights: Floats
    total: float
    binding: Flags
    answer: Answer


@component
class Optimizer:
    """How targets become weights under limits.

    Parameters
    ----------
    objective
        What is minimised.
    limits
        What must hold. Budget, no short positions and what cannot be traded always hold.
    cost
        What trading costs; None trades free.
    on_infeasible
        What to do when no portfolio meets the limits, even with those of rank 0 (turnover)
        relaxed as little as possible. ``least_violation``: minimise the sum of
        slack / max(|cap|, 0.01). ``keep``: keep the current weights. ``stop``: raise.
    """

    objective: Objective
    limits: tuple[Limit, ...] = ()
    cost: Cost | None = None
    on_infeasible: OnInfeasible = "least_violation"

    def __post_init__(self) -> None:
        names = [limit.name for limit in self.limits]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ConfigError(f"The optimizer has {', '.join(twice)} more than once; keep one.")

    def compile(self, assets: Sequence[Asset | str]) -> Program:
        """The program for a list of assets.

        Raises
        ------
        ConfigError
            An asset is repeated, or a limit speaks of assets, sleeves or cash there are none of.
        """
        return Program(self, assets)


class Program:
    """An optimizer for given assets: stated once, solved at every decision.

    What it solves is deterministic and keeps no memory of earlier decisions. The problem for the
    solver is built when a decision first needs it. Use one program in one thread.
    """

    def __init__(self, optimizer: Optimizer, assets: Sequence[Asset | str]):
        self.optimizer = optimizer
        self.roster = Roster(assets)
        self._limits = optimizer.limits
        self._certifier = Certifier(
            self.roster, optimizer.objective, optimizer.limits, optimizer.cost
        )
        # A limit that speaks of what the assets do not have says so now, not in mid-backtest.
        self._certifier.assess(trial(self.roster), [np.ones(len(self.roster))])

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields of `Decision` that must be given."""
        parts: tuple[Objective | Limit, ...] = (self.optimizer.objective, *self._limits)
        return tuple(sorted({need for part in parts for need in part.needs}))

    @cached_property
    def _best(self) -> BestWeights:
        optimizer = self.optimizer
        return BestWeights(self.roster, optimizer.objective, self._limits, optimizer.cost)

    @cached_property
    def _diagnosis(self) -> Diagnosis:
        return Diagnosis(self._certifier)

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
        facts = self._facts(decision)
        none = np.zeros(len(self._limits))
        ideal = self._ideal(facts)
        if ideal is not None:
            return self._allocation(facts, ideal, none, "target", None)
        found = self._optimum(facts, none)
        if found is not None:
            return self._allocation(facts, found.weights, none, "optimal", found)
        return self._relaxed(facts)

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
                "objective or a limit needs."
            )
        return facts_of(decision, self.roster)

    def _ideal(self, facts: Facts) -> Floats | None:
        """The unconstrained optimum, where it is known, allowed and free to reach."""
        cost = self.optimizer.cost
        if cost is not None and not cost.free:
            return None
        ideal = self.optimizer.objective.ideal(facts)
        if ideal is None:
            return None
        found = self._certifier.assess(facts, [ideal])
        return ideal if found.residuals(np.zeros(len(self._limits)))[0] <= _ROUNDING else None

    def _optimum(
        self, facts: Facts, allowance: Floats, margin: float = 0.0, way: Way = WAYS[0]
    ) -> _Optimum | None:
        """The best weights, or None where the answer does not pass: infeasible, or not solved."""
        certifier = self._certifier
        raw, answer = self._best.solve(facts, allowance + margin, way)
        if not abs(raw.sum() - 1.0) <= TOLERANCE:
            return None
        weights = certifier.tidied(facts, raw)
        found = certifier.accepted(facts, weights, allowance)
        if found is None or answer.gap > certifier.resolution(facts, float(found.totals[0])):
            return None
        kept = certifier.without_small_trades(facts, weights, allowance)
        return _Optimum(kept, float(found.totals[0]), found.excess[0] >= -TOLERANCE, answer)

    def _relaxed(self, facts: Facts) -> Allocation:
        """Weights when the limits as they are have no certified answer."""
        slacks = self._diagnosis.slacks(facts)
        conflict = bool((slacks[~self._diagnosis.yielding] > 0.0).any())
        mode = self.optimizer.on_infeasible
        if conflict and mode == "stop":
            raise self._diagnosis.error(facts, slacks)
        if conflict and mode == "keep":
            return self._kept(facts, slacks)
        for margin, way in product(_MARGINS, WAYS):
            allowance = np.where(slacks > 0.0, slacks + margin, 0.0)
            found = self._optimum(facts, allowance, min(margin, 0.9 * TOLERANCE), way)
            if found is not None:
                status: Status = "relaxed" if slacks.any() else "optimal"
                return self._allocation(facts, found.weights, allowance, status, found)
        relaxed = f" with {named(self._limits, slacks)} relaxed" if slacks.any() else ""
        _, answer = self._best.solve(facts, slacks)
        raise SolverError(
            f"No answer on {facts.session.date()}{relaxed} passed the checks; the solver says "
            f"{answer.status} after {answer.iterations} iterations, gap {answer.gap:.3g}. Check "
            "the covariance of that session, or compare with fewer limits."
        )

    def _kept(self, facts: Facts, slacks: Floats) -> Allocation:
        if facts.current is None:
            raise InfeasibleLimitsError(
                f"No portfolio on {facts.session.date()} meets every limit, and there are no "
                "weights to keep. Set on_infeasible to 'least_violation', or add a cash asset.",
                self._diagnosis.conflict(facts),
                named(self._limits, slacks),
            )
        excess = np.maximum(self._certifier.assess(facts, [facts.current]).excess[0], 0.0)
        return self._allocation(facts, facts.current, excess, "kept", None)

    def _allocation(
        self,
        facts: Facts,
        weights: Floats,
        allowance: Floats,
        status: Status,
        solved: _Optimum | None,
    ) -> Allocation:
        found = self._certifier.assess(facts, (weights, facts.current, facts.target))
        excess = found.excess[0]
        beyond = np.where(excess > TOLERANCE, excess, 0.0)
        binding = excess >= -TOLERANCE
        if solved:
            binding |= solved.binding
        names = [limit.name for limit in self._limits]
        return Allocation(
            weights=self.roster.series(weights),
            binding=tuple(names[place] for place in np.flatnonzero(binding)),
            relaxed=named(self._limits, beyond),
            status=status,
            certificate=Certificate(
                worst_residual=float(found.residuals(allowance)[0]),
                budget_error=abs(float(weights.sum()) - 1.0),
                objective=float(found.totals[0]),
                optimum=solved.total if solved else None,
                reference=found.best(slice(1, None), allowance),
                gap=solved.answer.gap if solved else (0.0 if status == "target" else None),
                solver=solved.answer.status if solved else "not used",
                iterations=solved.answer.iterations if solved else 0,
                covariance_repair=facts.risk.repair if facts.risk else 0.0,
            ),
            values=dict(zip(names, found.values[0].tolist(), strict=True)),
        )
