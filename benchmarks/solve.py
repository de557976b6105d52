"""Sizing the 520 decisions of a ten-year weekly backtest, against cvxpy restated each time.

Both sides solve the same chain of problems in turn, in one process: 20 assets and cash, caps on
weight, sleeve, cash, turnover and volatility, proportional costs, CLARABEL with the same
tolerances. Exits with 1 if an objective differs by more than 1e-6 of its value, or if ours is not at
least three times as fast.
"""

from __future__ import annotations

import sys
import time
import warnings
from datetime import date

import cvxpy as cp
import numpy as np
import pandas as pd

from toolkit.optimize import (
    Decision,
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)
from toolkit.optimize.compiled import TOLERANCE
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.universe import Asset, Membership, Sleeve

DECISIONS, ASSETS, WARM_UP = 520, 20, 504
BAR = 3.0
SLEEVES = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH]
MINERS = (Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS)
WEIGHT, MINING, CASH, TURNOVER, VOLATILITY = 0.15, 0.35, 0.02, 0.10, 0.30
AVERSION, RIDGE, COST = 5.0, 0.05, ProportionalCost()


def universe() -> list[Asset]:
    since = date(2010, 1, 1)
    risky = [
        Asset(f"A{place:02d}", (Membership(SLEEVES[place % len(SLEEVES)], since),))
        for place in range(ASSETS)
    ]
    return [*risky, Asset("CASH", (Membership(Sleeve.CASH, since),))]


def market(seed: int, assets: list[Asset]) -> tuple[pd.DataFrame, np.ndarray]:
    """Daily returns with a common factor, and a slowly moving target for every week."""
    generator = np.random.default_rng(seed)
    days = pd.bdate_range("2012-01-02", periods=WARM_UP + 5 * DECISIONS)
    names = [asset.id for asset in assets[:-1]]
    calm = 0.5 + generator.random(ASSETS)
    shocks = generator.standard_t(5, size=(len(days), ASSETS)) * 0.018 * calm
    common = generator.standard_t(5, size=(len(days), 1)) * 0.015
    returns = pd.DataFrame(shocks + common, index=days, columns=names).clip(-0.5, 0.5)
    scores = generator.normal(size=(DECISIONS, ASSETS)).cumsum(axis=0) * 0.15
    shares = np.exp(scores - scores.max(axis=1, keepdims=True))
    return returns, 0.95 * shares / shares.sum(axis=1, keepdims=True)


def restated(decision: Decision, assets: list[Asset]) -> float:
    """The same problem stated in plain cvxpy: its value, NaN where the solver gives up."""
    names = [asset.id for asset in assets]
    covariance = decision.covariance.reindex(index=names, columns=names, fill_value=0.0).to_numpy()
    target = decision.target.reindex(names, fill_value=0.0).to_numpy().copy()
    target[-1] = 1.0 - target[:-1].sum()
    first = decision.current is None
    held = np.zeros(len(names)) if first else decision.current.reindex(names).to_numpy()
    mining = np.array([asset.memberships[0].sleeve in MINERS for asset in assets], dtype=float)
    ridge = RIDGE * np.diag(decision.covariance).mean() * np.eye(len(names))
    weights = cp.Variable(len(names))
    rates = COST.rates()
    distance = cp.quad_form(weights - target, cp.psd_wrap(covariance + ridge))
    cost = (rates.fee + rates.slippage) * cp.norm1(weights[:-1] - held[:-1])
    values, vectors = np.linalg.eigh(covariance)
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    limits = [
        cp.sum(weights) == 1.0,
        weights >= 0.0,
        weights[:-1] <= WEIGHT,
        mining @ weights <= MINING,
        weights[-1] >= CASH,
        cp.norm2(root @ weights) <= VOLATILITY,
    ]
    if not first:
        limits.append(0.5 * cp.norm1(weights - held) <= TURNOVER)
    problem = cp.Problem(cp.Minimize(0.5 * AVERSION * distance + cost), limits)
    names_of = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            problem.solve(solver=cp.CLARABEL, **dict.fromkeys(names_of, TOLERANCE))
        except cp.error.SolverError:
            return np.nan
    return float(problem.value)


def main(seed: int = 7) -> int:
    assets = universe()
    returns, targets = market(seed, assets)
    limits = (
        MaxWeight(WEIGHT),
        MaxSleeveWeight(MINERS, MINING),
        MinCash(CASH),
        MaxTurnover(TURNOVER),
        MaxVolatility(VOLATILITY),
    )
    program = Optimizer(TrackTarget(AVERSION, RIDGE), limits, COST).compile(assets)
    model = ExponentialCovariance()
    names = [asset.id for asset in assets]
    current: pd.Series | None = None
    ours = theirs = worst = 0.0
    first, statuses, relaxed, gave_up, binding = 0.0, {}, 0, 0, {}
    for week in range(DECISIONS):
        end = WARM_UP + 5 * week
        decision = Decision(
            session=returns.index[end - 1],
            target=pd.Series(targets[week], index=names[:-1]),
            current=current,
            covariance=model.covariance(returns.iloc[:end], 252.0).matrix,
        )
        start = time.perf_counter()
        allocation = program.solve(decision)
        middle = time.perf_counter()
        value = restated(decision, assets)
        finish = time.perf_counter()
        if week == 0:  # Imports and the one compilation: reported apart.
            first = middle - start
        else:
            ours, theirs = ours + middle - start, theirs + finish - middle
        statuses[allocation.status] = statuses.get(allocation.status, 0) + 1
        for name in allocation.binding:
            binding[name] = binding.get(name, 0) + 1
        if allocation.relaxed:
            relaxed += 1
        elif np.isnan(value):
            gave_up += 1
        else:
            found = allocation.certificate.optimum
            worst = max(worst, abs(found - value) / abs(value))
        growth = np.append((1.0 + returns.iloc[end : end + 5]).prod().to_numpy(), 1.0004)
        drifted = allocation.weights.to_numpy() * growth
        current = pd.Series(drifted / drifted.sum(), index=names)
    count = DECISIONS - 1
    print(f"decisions {DECISIONS}: {statuses}, {binding} bind")
    print(f"not compared: {relaxed} relaxed by us, {gave_up} without an answer from cvxpy")
    print(f"first solve with imports and compilation {first:.2f} s")
    print(f"ours {ours / count * 1e3:.2f} ms, restated {theirs / count * 1e3:.2f} ms a decision")
    met = theirs >= BAR * ours and worst <= 1e-6
    print(f"ratio {theirs / ours:.1f} (bar {BAR:g}x), {'met' if met else 'MISSED'}")
    print(f"worst relative difference of objectives {worst:.1e} (bar 1e-6)")
    return int(not met)


if __name__ == "__main__":
    sys.exit(main())
