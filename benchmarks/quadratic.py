"""One sizing decision with costs, cap and groups: `Program.solve` against cvxpy, in turn.

A weekly chain of minimum-variance decisions for 20 and for 100 assets: a window of 252 sessions, a
cap of 15 % or 5 %, four sleeves of at most 35 %, 10 basis points for each trade. Ours includes the
checks of the input and the certificate; cvxpy is stated anew each week with CLARABEL, and once
with parameters (DPP). All three solve the same stretch of weeks, one decision after the other as in
a backtest, in turn and for several rounds.
Exits with 1 if an objective of ours is further than 1e-6 from a tight optimum, or one is not as many
times faster as it must be: 15 times than cvxpy anew and 5 times than with parameters for 20 assets,
3.5 times than anew for 100.
"""

from __future__ import annotations

import sys
import time
from datetime import date

import cvxpy as cp
import numpy as np
import pandas as pd

from toolkit.optimize import (
    Decision,
    MaxSleeveWeight,
    MaxWeight,
    MinimumVariance,
    Optimizer,
    Program,
    ProportionalCost,
)
from toolkit.universe import Asset, Membership, Sleeve

WINDOW, GROUP_CAP, COST = 252, 0.35, 10e-4
GROUPS = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH][:4]
ROUNDS, STRETCH = 9, 60
TIGHT = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-12)
SIZES = {20: (0.15, 120), 100: (0.05, 60)}
BARS = {20: (15.0, 5.0), 100: (3.5, 0.0)}
"""How many times faster than cvxpy anew and with parameters."""


def returns_of(size: int, weeks: int, seed: int = 5) -> pd.DataFrame:
    """Daily returns with three common factors."""
    generator = np.random.default_rng(seed)
    rows = WINDOW + 5 * weeks
    common = generator.standard_t(5, size=(rows, 3)) * 0.008
    own = generator.standard_t(5, size=(rows, size)) * 0.01 * (0.5 + generator.random(size))
    values = common @ generator.normal(size=(3, size)) + own
    names = [f"A{place:03d}" for place in range(size)]
    return pd.DataFrame(values, pd.bdate_range("2015-01-01", periods=rows), names)


class Stated:
    """The problem in plain cvxpy: anew for each week, or once with parameters."""

    def __init__(self, groups: np.ndarray, cap: float, parametrised: bool):
        self.groups, self.cap, self.parametrised = groups, cap, parametrised
        if parametrised:
            size = groups.shape[1]
            self.factor, self.held = cp.Parameter((size, size)), cp.Parameter(size)
            self.weights = cp.Variable(size)
            self.problem = self.stated(cp.sum_squares(self.factor @ self.weights), self.held)

    def stated(self, risk: cp.Expression, held: object) -> cp.Problem:
        cost = COST * cp.norm1(self.weights - held)
        limits = [
            cp.sum(self.weights) == 1.0,
            self.weights >= 0.0,
            self.weights <= self.cap,
            self.groups @ self.weights <= GROUP_CAP,
        ]
        return cp.Problem(cp.Minimize(risk + cost), limits)

    def solve(self, covariance: np.ndarray, held: np.ndarray, **settings: float) -> float:
        if self.parametrised:
            self.factor.value, self.held.value = np.linalg.cholesky(covariance).T, held
        else:
            self.weights = cp.Variable(len(held))
            risk = cp.quad_form(self.weights, cp.psd_wrap(covariance))
            self.problem = self.stated(risk, held)
        self.problem.solve(solver=cp.CLARABEL, **settings)
        return float(self.problem.value)


def compare(size: int, cap: float, weeks: int) -> bool:
    returns = returns_of(size, weeks)
    since = date(2010, 1, 1)
    assets = [
        Asset(name, (Membership(GROUPS[place % 4], since),))
        for place, name in enumerate(returns.columns)
    ]
    groups = np.array([[place % 4 == group for place in range(size)] for group in range(4)], float)
    limits = (MaxWeight(cap), *(MaxSleeveWeight(sleeve, GROUP_CAP) for sleeve in GROUPS))
    program = Optimizer(MinimumVariance(), limits, ProportionalCost(10.0, 0.0, 0.0)).compile(assets)
    chain = decisions(program, returns, weeks)
    arrays = [(each.covariance.to_numpy(), each.current.to_numpy()) for each in chain]
    anew, once = Stated(groups, cap, False), Stated(groups, cap, True)
    samples = [
        seconds(program, (anew, once), chain[first : first + STRETCH], arrays[first:])
        for _ in range(ROUNDS)
        for first in range(0, weeks, STRETCH)
    ]
    ours, fresh, parametrised = np.median(samples, axis=0) * 1e3
    # Of times taken one right after the other, as machines are not equally fast all the time.
    anew_ratio, once_ratio = np.median([(b / a, c / a) for a, b, c in samples], axis=0)
    values = [
        [program.solve(decision).certificate.optimum for decision in chain],
        *([way.solve(*each) for each in arrays] for way in (anew, once)),
    ]
    tight = [anew.solve(*each, **TIGHT) for each in arrays]
    worst = [float(np.max(np.abs(np.array(each) / tight - 1.0))) for each in values]
    print(
        f"{size:4d} assets, {weeks} weeks, median of {len(samples)} stretches: ours {ours:.3f} ms, "
        f"cvxpy anew {fresh:.2f} ms ({anew_ratio:.1f}x), with parameters {parametrised:.2f} ms "
        f"({once_ratio:.1f}x)"
    )
    print("     distance from a tight optimum: " + ", ".join(f"{each:.0e}" for each in worst))
    most, more = BARS[size]
    return worst[0] <= 1e-6 and bool(anew_ratio >= most and once_ratio >= more)


def seconds(
    program: Program,
    ways: tuple[Stated, ...],
    chain: list[Decision],
    arrays: list[tuple[np.ndarray, np.ndarray]],
) -> list[float]:
    """What a decision takes: ours, and each of the other ways."""
    marks = [time.perf_counter()]
    for decision in chain:
        program.solve(decision)
    marks.append(time.perf_counter())
    for way in ways:
        for covariance, held in arrays[: len(chain)]:
            way.solve(covariance, held)
        marks.append(time.perf_counter())
    return [float(each) / len(chain) for each in np.diff(marks)]


def decisions(program: Program, returns: pd.DataFrame, weeks: int) -> list[Decision]:
    """A chain of decisions, each of which holds what the one before it came to."""
    held, chain = pd.Series(1.0 / returns.shape[1], returns.columns), []
    for week in range(weeks):
        window = returns.iloc[5 * week : 5 * week + WINDOW]
        chain.append(Decision(window.index[-1], current=held, covariance=window.cov() * 252))
        later = returns.iloc[5 * week + WINDOW : 5 * week + WINDOW + 5]
        grown = program.solve(chain[-1]).weights * (1.0 + later).prod()
        held = grown / grown.sum()
    return chain


def main() -> int:
    return min(1, sum(not compare(size, cap, weeks) for size, (cap, weeks) in SIZES.items()))


if __name__ == "__main__":
    sys.exit(main())
