"""How long it takes until limits that cannot hold together are named, with the smallest relaxation.

Twelve limits of every kind (weight, two sleeves, cash, turnover, volatility, tracking error, expected
shortfall of 504 scenarios, expected return, beta, stress, effective number), and a few of them, for
20 to 100 assets: the first decision of a program and the next one. Times are of the processor.
Exits with 1 if one takes longer than it may, or a conflict is not minimal.

``least_violation`` goes on to the best portfolio under the relaxed caps, which takes longer where
scenarios are part of it; its time is printed, too.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from toolkit.errors import InfeasibleLimitsError
from toolkit.optimize import (
    Decision,
    Limit,
    MaxBeta,
    MaxExpectedShortfall,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    Optimizer,
    ProportionalCost,
    TrackTarget,
)
from toolkit.universe import Asset, Membership, Sleeve

SCENARIOS = 504
SIZES, BAR = (20, 50, 100), 0.5
"""Numbers of assets, and the seconds that each of them may take."""
SLEEVES = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH][:4]
SETS: dict[str, tuple[Limit, ...]] = {
    "all twelve": (
        MaxWeight(0.2),
        *(MaxSleeveWeight(sleeve, 0.3) for sleeve in SLEEVES[:2]),
        MinCash(0.02),
        MaxTurnover(0.3),
        MaxVolatility(0.3),
        MaxTrackingError(0.2),
        MaxExpectedShortfall(0.004),
        MinExpectedReturn(0.15),
        MaxBeta("bitcoin", 0.5),
        MaxStressLoss(0.2),
        MinEffectiveNumber(5.0),
    ),
    "cash against tail": (
        MinCash(0.02),
        MaxSleeveWeight(Sleeve.CASH, 0.1),
        MaxExpectedShortfall(0.002),
    ),
    "return against risk": (
        MaxWeight(0.3),
        MinExpectedReturn(0.5),
        MaxVolatility(0.2),
        MaxTurnover(0.3),
    ),
    "cash against volatility": (
        MaxWeight(0.3),
        MaxSleeveWeight(Sleeve.CASH, 0.1),
        MaxVolatility(0.01),
        MaxTurnover(0.3),
    ),
}


def market(size: int) -> tuple[list[Asset], Decision]:
    """Assets of four sleeves with cash, and everything that a limit may ask for."""
    draw, names = np.random.default_rng(size), [f"A{place:03d}" for place in range(size)]
    since = date(2010, 1, 1)
    assets = [
        Asset(name, (Membership(SLEEVES[place % 4], since),)) for place, name in enumerate(names)
    ]
    assets.append(Asset("CASH", (Membership(Sleeve.CASH, since),)))
    moves = draw.normal(size=(4 * size, size)) * (0.1 + draw.random(size)) * 0.45
    tails = draw.standard_t(4, (SCENARIOS, size)) * 0.02
    tails += draw.standard_t(4, (SCENARIOS, 1)) * 0.015
    even = pd.Series(1.0 / (size + 1), names)
    return assets, Decision(
        pd.Timestamp("2021-03-05"),
        target=even,
        current=even,
        covariance=pd.DataFrame(moves.T @ moves / len(moves), names, names),
        scenarios=pd.DataFrame(tails, columns=names),
        stress=pd.DataFrame(-draw.uniform(0.1, 0.5, (3, size)), ["a", "b", "c"], names),
        betas=pd.DataFrame({"bitcoin": draw.normal(1.0, 0.3, size)}, names),
        expected_returns=pd.Series(draw.normal(0.1, 0.1, size), names),
    )


def named(optimizer: Optimizer, assets: list[Asset], decision: Decision) -> tuple[str, ...]:
    """The conflict, nothing where naming it takes too long."""
    program = optimizer.compile(assets)
    seconds: list[float] = []
    conflict: tuple[str, ...] = ()
    for _ in range(2):
        start = time.process_time()
        try:
            program.solve(decision)
        except InfeasibleLimitsError as error:
            conflict = error.conflict
        seconds.append(time.process_time() - start)
    print(f"  {seconds[0]:5.2f} s, then {seconds[1]:5.2f} s", end="")
    return conflict if max(seconds) < BAR else ()


def minimal(optimizer: Optimizer, conflict: tuple[str, ...], size: int) -> bool:
    """Whether its limits hold together once any of them is left out."""
    assets, decision = market(size)
    chosen = [limit for limit in optimizer.limits if limit.name in conflict]
    for left_out in chosen:
        rest = tuple(limit for limit in chosen if limit is not left_out)
        replace(optimizer, limits=rest).compile(assets).solve(decision)
    return bool(chosen)


def main() -> int:
    import clarabel  # noqa: F401 - imports are none of the times
    import cvxpy  # noqa: F401
    import piqp  # noqa: F401

    good = True
    for size in SIZES:
        assets, decision = market(size)
        for title, limits in SETS.items():
            print(f"{size:4d} assets, {title:24}", end="")
            optimizer = Optimizer(TrackTarget(), limits, ProportionalCost(), "stop")
            conflict = named(optimizer, assets, decision)
            good &= minimal(optimizer, conflict, size)
            print(f"  {' and '.join(conflict)}")
            start = time.process_time()
            relaxed = replace(optimizer, on_infeasible="least_violation")
            status = relaxed.compile(assets).solve(decision).status
            print(f"{'':36}  {time.process_time() - start:5.2f} s until {status}")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
