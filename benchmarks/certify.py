"""Random sizing problems, each solved by the toolkit and by two solvers of cvxpy, in turn.

An answer fails where

- it is further above the optimum of the better of two solvers than 1e-6 of it, or of a hundredth of
  what matters in the objective;
- it is below it by more than the prices of the limits account for, at the 1e-6 they may be exceeded
  by, and the solvers' own disagreement;
- a limit or bound, as the second statement measures it, is exceeded by more than 1e-6;
- its certificate bounds its gap below the true one.

``python benchmarks/certify.py [COUNT [FIRST]]`` prints what was found and exits with 1 if any
fails.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from typing import Any

import cvxpy as cp
import numpy as np
from random_problems import OBJECTIVES, Problem

from toolkit.errors import DataError
from toolkit.optimize import Allocation

COUNT, SMALL = 3000, 1e-6
Way = tuple[str, dict[str, Any]]
TOLERANCES = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
CLARABEL: list[Way] = [(cp.CLARABEL, dict.fromkeys(TOLERANCES, size)) for size in (1e-11, 1e-9)]
SCS: list[Way] = [(cp.SCS, {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 100_000})]
PIQP: list[Way] = [(cp.PIQP, {"eps_abs": 1e-10, "eps_rel": 1e-10}), (cp.PIQP, {})]
HIGHS: list[Way] = [(cp.HIGHS, {})]


@dataclass(frozen=True)
class Verdict:
    """How an answer compares; differences in units of the bound that the module's top states.

    Parameters
    ----------
    above
        How far the value is above the optimum.
    below
        How far it is below, and what prices of limits explain of it at most.
    excess
        Worst excess over a limit or a bound.
    understated
        How far the true gap is above that of the certificate.
    disagreement
        Of the two solvers.
    """

    above: float
    below: float
    excess: float
    understated: float
    disagreement: float

    def failures(self) -> list[str]:
        """What is not as it should be."""
        noise = 1e-8 + self.disagreement
        found = {
            "not optimal": not self.above <= SMALL + noise,
            "better than the best": not self.below <= noise,
            "a limit exceeded": not self.excess <= SMALL,
            "gap understated": not self.understated <= noise,
        }
        return [name for name, wrong in found.items() if wrong]


@dataclass(frozen=True)
class Reference:
    """What two solvers say: both optima, and the sum of the prices of all limits."""

    values: tuple[float, float]
    prices: float


def solved_twice(problem: Problem) -> Reference | None:
    """The optimum by Clarabel and by the solver that suits it best else; None if infeasible."""
    stated, _, _ = problem.stated()
    ways = [[*CLARABEL, *SCS]]
    if {"volatility", "tracking", "number"} & set(problem.caps):
        ways.append(SCS)
    elif problem.objective == "shortfall":
        ways.append(HIGHS)
    else:
        ways.append(PIQP)
    values, prices = [], 0.0
    with warnings.catch_warnings():
        # At these tolerances some say "inaccurate"; how far they are apart is what counts.
        warnings.simplefilter("ignore")
        for way in ways:
            value = _value(stated, way)
            if not np.isfinite(value):
                return None
            values.append(value)
            if way is ways[0]:
                # The first of a ratio is what it is counted per, and no limit.
                limits = stated.constraints[problem.objective == "sharpe" :]
                prices = sum(float(np.abs(c.dual_value).sum()) for c in limits)
    return Reference((values[0], values[1]), prices)


def _value(stated: cp.Problem, ways: Sequence[Way]) -> float:
    """The optimum in the first way that a solver does not give up on."""
    for solver, settings in ways[:-1]:
        try:
            return float(stated.solve(solver=solver, **settings))
        except cp.SolverError:
            continue
    solver, settings = ways[-1]
    return float(stated.solve(solver=solver, **settings))


def judged(problem: Problem, found: Allocation, reference: Reference) -> Verdict:
    """The answer of the toolkit against the reference."""
    weights = found.weights.reindex(problem.names).to_numpy()
    certificate, values, prices = found.certificate, reference.values, reference.prices
    assert certificate is not None
    gap: float = certificate.gap or 0.0
    ratio = 0.0
    if problem.objective == "sharpe":
        # The distance from the line through cash with the best slope there is.
        ratio = min(values) ** -0.5
        apart = abs(values[0] ** -0.5 - values[1] ** -0.5)
        apart *= problem.values(weights)["volatility"]
        best = 0.0
        # Prices are those of the variance per return, 1 / ratio ** 2, and caps scale with weights.
        prices *= 0.5 * ratio**2
        # Cash has a price of a millionth where it makes no difference else.
        gap += SMALL * problem.has_cash
    else:
        best, apart = min(values), abs(values[0] - values[1])
    value = problem.measured(weights, ratio)
    # Trades too small to be made are left out after solving; the optimum is the value before.
    if certificate.optimum is not None:
        value -= certificate.objective - certificate.optimum
    unit = max(abs(best), 0.01 * problem.unit())
    limited = problem.values(weights)
    excess = [limited[name] - cap for name, cap in problem.caps.items() if name != "number"]
    if "number" in problem.caps:
        excess.append(limited["number"] ** 2 - problem.caps["number"] ** 2)
    excess += [abs(weights.sum() - 1.0), *(problem.lower - weights), *(weights - problem.upper)]
    return Verdict(
        above=(value - best) / unit,
        below=(best - value - SMALL * prices) / unit,
        excess=max(excess),
        understated=(value - best - gap) / unit,
        disagreement=apart / unit,
    )


def checked(seed: int) -> tuple[str, list[str], Verdict | None]:
    """What kind of answer a problem has, what is wrong with it, and how it compares."""
    problem = Problem(seed)
    reference = solved_twice(problem)
    program = problem.optimizer().compile(problem.assets())
    try:
        found = program.solve(problem.decision())
    except DataError as error:
        # Without cash there is no answer where no portfolio earns anything.
        right = reference is None and problem.objective == "sharpe" and not problem.has_cash
        return "no ratio", [] if right else [str(error)], None
    if reference is None:
        return found.status, [] if found.status == "cash" else ["infeasible"], None
    verdict = judged(problem, found, reference)
    wrong = verdict.failures()
    if found.status not in ("optimal", "target"):
        wrong.append(f"status {found.status}")
    return (f"{found.status} {' '.join(found.fallbacks)}".strip(), wrong, verdict)


def main() -> int:
    """Check the problems and print what came out."""
    asked = [int(word) for word in sys.argv[1:]]
    count, first = (*asked, *(COUNT, 0)[len(asked) :])
    start, kinds, failed = time.perf_counter(), Counter[str](), 0
    verdicts: dict[str, list[Verdict]] = {name: [] for name in OBJECTIVES}
    for seed in range(first, first + count):
        kind, wrong, verdict = checked(seed)
        kinds[kind] += 1
        if verdict is not None:
            verdicts[OBJECTIVES[seed % len(OBJECTIVES)]].append(verdict)
        if wrong:
            failed += 1
            print(f"problem {seed}: {', '.join(wrong)}: {verdict}")
    print(f"{count} problems in {time.perf_counter() - start:.0f} s, {failed} failed")
    print(", ".join(f"{kind}: {times}" for kind, times in kinds.most_common()))
    print(f"{'worst of each':12}" + "".join(f"{each.name:>15}" for each in fields(Verdict)))
    for name, those in verdicts.items():
        worst = np.array([astuple(each) for each in those]).max(axis=0)
        print(f"{name:13}" + "".join(f"{value:15.1e}" for value in worst))
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
