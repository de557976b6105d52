"""Minimum expected shortfall along a rolling weekly chain, against cvxpy restated each time.

All solve the same problems in turn, in one process: 504 scenarios, caps on weight and on four
groups, a cost of 10 bp of what is traded. Ours is a whole decision by `Program.solve`, with checks
of the input, certificate and small trades; and the raw solver, also less an expected return. Times
are of the processor, so that what else runs on the machine does not count. Exits with 1 if an
objective is above cvxpy's by more than 1e-8 of its value, or a bar is missed.
"""

from __future__ import annotations

import subprocess
import sys
import time
import warnings
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

from toolkit.optimize import (
    Decision,
    MaxSleeveWeight,
    MaxWeight,
    MinimumExpectedShortfall,
    Optimizer,
    Program,
    ProportionalCost,
)
from toolkit.optimize.roster import Floats
from toolkit.optimize.standard import StandardProblem, Tail
from toolkit.optimize.tail import OPTIMAL, solve_tail
from toolkit.universe import Asset, Membership, Sleeve

SCENARIOS, WEEKS, LEVEL, RATE, GROUPS, GROUP = 504, 60, 0.95, 1e-3, 4, 0.35
CAPS = {20: 0.15, 100: 0.05}
FASTER, MEGABYTES, AGREEMENT = 10.0, 300.0, 1e-8


def market(seed: int, assets: int) -> Floats:
    """Daily returns with a common factor and fat tails: days x assets."""
    generator = np.random.default_rng(seed)
    days = SCENARIOS + 5 * WEEKS
    shocks = generator.standard_t(4, size=(days, assets)) * 0.015
    common = generator.standard_t(4, size=(days, 1)) * 0.012
    returns: Floats = (shocks * (0.5 + generator.random(assets)) + common).clip(-0.5, 0.5)
    return returns


def members(assets: int) -> Floats:
    """Whether an asset is in a group: groups x assets."""
    return (np.arange(assets) % GROUPS == np.arange(GROUPS)[:, None]).astype(float)


def solved(scenarios: Floats, means: Floats, held: Floats) -> Floats:
    """Weights of ours, certificate included."""
    size, nothing = len(held), np.zeros((GROUPS, len(held)))
    problem = StandardProblem(
        quadratic=None,
        linear=-means,
        rates=np.full(size, RATE),
        constant=0.0,
        holdings=held,
        lower=np.zeros(size),
        upper=np.full(size, CAPS[size]),
        matrix=members(size),
        absolute=nothing,
        bound=np.full(GROUPS, GROUP),
        tail=Tail(scenarios, LEVEL, 1.0),
    )
    found = solve_tail(problem)
    if found.status != OPTIMAL or found.proof[1] > 1e-9:
        raise SystemExit(f"no certified answer: {found.status}")
    return found.weights


def names(assets: int) -> list[str]:
    return [f"A{place:03d}" for place in range(assets)]


def program(assets: int) -> Program:
    """The same for the toolkit: the groups are sleeves."""
    sleeves = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH][:GROUPS]
    listed = [
        Asset(name, (Membership(sleeves[place % GROUPS], date(2010, 1, 1)),))
        for place, name in enumerate(names(assets))
    ]
    limits = (MaxWeight(CAPS[assets]), *(MaxSleeveWeight(sleeve, GROUP) for sleeve in sleeves))
    objective = MinimumExpectedShortfall(LEVEL)
    return Optimizer(objective, limits, ProportionalCost(1e4 * RATE, 0.0, 0.0)).compile(listed)


def decision(scenarios: Floats, held: Floats) -> Decision:
    columns = names(len(held))
    return Decision(
        pd.Timestamp("2021-03-05"),
        current=pd.Series(held, columns),
        scenarios=pd.DataFrame(scenarios, columns=columns),
    )


def restated(scenarios: Floats, means: Floats, held: Floats) -> Floats:
    """Weights of the same problem stated in plain cvxpy, in the form it is fastest in."""
    import cvxpy as cp

    weights, edge = cp.Variable(len(held)), cp.Variable()
    beyond = cp.Variable(len(scenarios), nonneg=True)
    shortfall = edge + cp.sum(beyond) / ((1.0 - LEVEL) * len(scenarios))
    limits = [
        cp.sum(weights) == 1.0,
        weights >= 0.0,
        weights <= CAPS[len(held)],
        members(len(held)) @ weights <= GROUP,
        beyond >= -scenarios @ weights - edge,
    ]
    cost = RATE * cp.norm1(weights - held)
    problem = cp.Problem(cp.Minimize(shortfall + cost - means @ weights), limits)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        problem.solve(solver=cp.HIGHS)
    return np.array(weights.value)


def value(weights: Floats, scenarios: Floats, means: Floats, held: Floats) -> float:
    """The objective, by sorting."""
    worst = np.sort(-scenarios @ weights)[::-1]
    size = (1.0 - LEVEL) * len(worst)
    inside = np.clip(size - np.arange(len(worst)), 0.0, 1.0)
    cost = RATE * np.abs(weights - held).sum()
    return float(worst @ inside / size + cost - means @ weights)


def chain(assets: int, with_means: bool) -> bool:
    """Solve a chain on both sides; whether optimum and bar hold."""
    returns, compiled = market(assets, assets), program(assets)
    held = np.full(assets, 1.0 / assets)
    times, apart, traded, outside = [], [], [], 0.0
    for week in range(WEEKS):
        scenarios = returns[5 * week : 5 * week + SCENARIOS]
        means = scenarios.mean(axis=0) * with_means
        asked = decision(scenarios, held)
        marks = [time.process_time()]
        weights = solved(scenarios, means, held)
        marks.append(time.process_time())
        certificate = None if with_means else compiled.solve(asked).certificate
        marks.append(time.process_time())
        reference = restated(scenarios, means, held)
        marks.append(time.process_time())
        if week:  # The first one imports.
            times.append(1e3 * np.diff(marks))
        theirs = value(reference, scenarios, means, held)
        values = [value(weights, scenarios, means, held)]
        if certificate is not None and certificate.optimum is not None:
            values.append(certificate.optimum)
        apart += [(each - theirs) / abs(theirs) for each in values]
        excess = (-weights, weights - CAPS[assets], members(assets) @ weights - GROUP)
        outside = max(outside, abs(weights.sum() - 1.0), *(float(each.max()) for each in excess))
        traded.append(int((np.abs(weights - held) > 1e-9).sum()))
        held = weights * (1.0 + returns[5 * week + SCENARIOS :][:5].sum(axis=0))
        held /= held.sum()
    raw, whole, theirs = np.median(times, axis=0)
    ours = raw if with_means else whole
    ways = f"raw {raw:.2f} ms" if with_means else f"Program.solve {whole:.2f} ms (raw {raw:.2f})"
    print(
        f"{assets} assets{', less expected return' * with_means}: {ways}, cvxpy with HiGHS "
        f"{theirs:.1f} ms: {theirs / ours:.1f} times (raw {theirs / raw:.1f}; bar {FASTER:.0f}); "
        f"{median(traded):.0f} assets traded a week; objective above cvxpy's by {max(apart):.1e} "
        f"at most, limits exceeded by {outside:.1e}"
    )
    return bool(theirs >= FASTER * ours and max(apart) <= AGREEMENT and outside <= 1e-9)


def peak_megabytes() -> float:
    """Most memory of this process so far. (That of `resource` counts the parent's before exec.)"""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(float(line.split()[1]) / 1024.0 for line in lines if line.startswith("VmHWM"))


def memory() -> float:
    """Most memory that our side of the chain with 100 assets takes over the imports."""
    import highspy  # noqa: F401 - imported late by the solver

    before = peak_megabytes()
    returns, held = market(100, 100), np.full(100, 0.01)
    for week in range(WEEKS):
        held = solved(returns[5 * week : 5 * week + SCENARIOS], np.zeros(100), held)
    return peak_megabytes() - before


def main() -> int:
    if "--memory" in sys.argv:
        print(memory())
        return 0
    command = [sys.executable, __file__, "--memory"]
    peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    good = [chain(assets, with_means) for assets in CAPS for with_means in (False, True)]
    print(f"peak memory over the imports, {SCENARIOS} x 100: {peak:.1f} MB (bar {MEGABYTES:.0f})")
    return int(not (all(good) and peak < MEGABYTES))


if __name__ == "__main__":
    sys.exit(main())
