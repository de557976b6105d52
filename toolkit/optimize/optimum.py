"""The search for the best weights that pass every check, one solver after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from toolkit.optimize.certify import SNAP, TOLERANCE, Assessment, Certifier
from toolkit.optimize.compiled import WAYS, Answer
from toolkit.optimize.facts import Facts
from toolkit.optimize.objectives import MaximumSharpe
from toolkit.optimize.problems import BestWeights, Standard
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats
from toolkit.optimize.sharpe import SharpeSearch
from toolkit.optimize.symbolic import Sizes

ALL = 1 + len(WAYS)
"""Solvers and settings that are tried where an answer is known to exist."""


@readonly
class Optimum:
    """A solved problem: the weights, and those without small trades.

    The total is that of the former, measured are the latter, and limits bind at either. The facts
    are those it is the optimum of, and `fallback` says whose answer it is where the first had none.
    """

    facts: Facts
    whole: Floats
    weights: Floats
    total: float
    binding: Flags
    answer: Answer
    gap: float
    measured: Assessment
    fallback: str = ""


class Search:
    """Finds the optimum of a decision, certified.

    The problem for a solver is built when a decision first needs it.
    """

    def __init__(self, certifier: Certifier):
        self._certifier = certifier
        self._parts = (certifier.roster, certifier.objective, certifier.limits, certifier.cost)
        self._standard = Standard(*self._parts)
        self._stated: dict[Sizes, BestWeights] = {}
        searched = isinstance(certifier.objective, MaximumSharpe)
        parts = (certifier.roster, certifier.limits, certifier.cost)
        self._sharpe = SharpeSearch(*parts) if searched else None

    def best(
        self, facts: Facts, allowance: Floats, margin: float = 0.0, tries: int = 2
    ) -> Optimum | None:
        """The best weights, or None where no answer passes: infeasible, or not solved."""
        if self._sharpe is None:
            return self.first(facts, allowance, margin, tries)

        def against(hurdle: float) -> Optimum | None:
            return self.first(replace(facts, hurdle=hurdle), allowance, margin)

        return self._sharpe.best(facts, allowance + margin * self._certifier.units, against)

    def first(
        self, facts: Facts, allowance: Floats, margin: float = 0.0, tries: int = ALL
    ) -> Optimum | None:
        """The first answer that passes."""
        failed: list[str] = []
        wider = allowance + margin * self._certifier.units if margin else allowance
        for raw, answer in islice(self._answers(facts, wider), tries):
            if answer.empty:
                return None
            for weights in self._refined(facts, raw, wider):
                found = self._checked(facts, weights, answer, allowance)
                if found is not None:
                    told = _fallback(answer.solver, failed) if failed else ""
                    return replace(found, fallback=told) if told else found
            # That limits which were left out are exceeded is no failure of a solver.
            if answer.complete:
                failed.append(answer.told)
        return None

    def tried(self, facts: Facts, allowance: Floats) -> str:
        """The solvers there are for a problem, each with the error it raised, if any."""
        told = (answer.told for _, answer in self._answers(facts, allowance) if answer.complete)
        return ", ".join(dict.fromkeys(told))

    def _answers(self, facts: Facts, allowance: Floats) -> Iterator[tuple[Floats, Answer]]:
        """Weights from one solver after the other: the fast one first, then stated in cvxpy."""
        fast = self._standard.solve(facts, allowance)
        if fast is not None:
            yield fast
        for way in WAYS:
            yield self._best(facts).solve(facts, allowance, way)

    def _best(self, facts: Facts) -> BestWeights:
        sizes = Sizes.of(facts)
        if sizes not in self._stated:
            self._stated[sizes] = BestWeights(*self._parts, sizes)
        return self._stated[sizes]

    def _refined(self, facts: Facts, weights: Floats, allowance: Floats) -> Sequence[Floats]:
        """The weights, after finer ones where there are any."""
        finer = self._sharpe.finer(facts, weights, allowance) if self._sharpe else None
        return [weights] if finer is None else [finer, weights]

    def _checked(
        self, facts: Facts, raw: Floats, answer: Answer, allowance: Floats
    ) -> Optimum | None:
        """An answer that passes every check, without small trades."""
        if not abs(raw.sum() - 1.0) <= TOLERANCE:
            return None
        # Where all that is left is next to nothing, so much tidying can be too much.
        for near in (SNAP, 0.0):
            weights = self._certifier.tidied(facts, raw, near)
            found = self._passed(facts, weights, answer, allowance)
            if found is not None:
                return found
        return None

    def _passed(
        self, facts: Facts, weights: Floats, answer: Answer, allowance: Floats
    ) -> Optimum | None:
        """Weights that pass every check, without small trades."""
        certifier, kept = self._certifier, weights
        small = certifier.small_trades(facts, weights)
        if np.count_nonzero(small):
            kept = certifier.left_out(facts, weights, small)
            found, measured = certifier.assess(facts, (weights, kept), allowance)
        else:
            found = measured = certifier.assess(facts, [weights], allowance)[0]
        if not certifier.accepts(facts, found):
            return None
        # The solver's bound is about its own point: what was tidied away comes on top.
        gap = answer.gap + max(0.0, found.total - answer.value)
        # Far below zero it proves that what was solved has no portfolio at all.
        if not abs(gap) <= certifier.resolution(facts, found.total):
            return None
        if not measured.holds:
            kept, measured = certifier.as_few_as_hold(facts, weights, allowance)
        binding = certifier.binding(found)
        if measured is not found:
            binding |= certifier.binding(measured)
        return Optimum(facts, weights, kept, found.total, binding, answer, gap, measured)


def _fallback(solver: str, failed: Sequence[str]) -> str:
    """Who answered after whom; nothing where the first one did."""
    if not failed:
        return ""
    again = any(each.split(" ")[0] == solver for each in failed)
    others = " with other settings" if again else ""
    return f"{solver}{others} after {', '.join(dict.fromkeys(failed))}"
