"""Ten years of weekly minimum variance, 20 assets: this toolkit against skfolio, in turn.

Both fit on the last 252 sessions and hold for 5, with caps on each weight, on two groups, and on
volatility; the covariance is the sample's on both sides. Ours is then timed with a cap on turnover
and a floor on cash as well. Exits with 1 if an annual variance differs by more than 1e-6 of its
value. With ``--memory`` it prints the peak memory of our side over that of the imports.
"""

from __future__ import annotations

import sys
import time
from datetime import date

import numpy as np
import pandas as pd

from toolkit.optimize import (
    Decision,
    Limit,
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinimumVariance,
    Optimizer,
)
from toolkit.universe import Asset, Membership, Sleeve

WINDOW, STEP, WEEKS, ASSETS, ROUNDS = 252, 5, 520, 20, 3
WEIGHT, GROUP, VOLATILITY = 0.15, 0.35, 0.40
TOLERANCES = ("tol_gap_abs", "tol_gap_rel", "tol_feas")
SLEEVES = (Sleeve.LEGACY_MINERS, Sleeve.AI_INFRASTRUCTURE)


def returns_of(seed: int = 11) -> pd.DataFrame:
    """Daily returns with a common factor."""
    generator = np.random.default_rng(seed)
    rows = WINDOW + STEP * WEEKS
    common = generator.standard_t(5, size=(rows, 2)) * 0.012
    own = generator.standard_t(5, size=(rows, ASSETS)) * 0.012 * (0.5 + generator.random(ASSETS))
    values = common @ (0.6 + 0.3 * generator.normal(size=(2, ASSETS))) + own
    names = [f"A{place:02d}" for place in range(ASSETS)]
    return pd.DataFrame(values.clip(-0.4, 0.4), pd.bdate_range("2013-01-01", periods=rows), names)


def sleeve_of(place: int) -> Sleeve:
    return SLEEVES[place % 2] if place % 5 < 4 else Sleeve.AI_TOKENS


def assets(cash: bool) -> list[Asset]:
    since = date(2010, 1, 1)
    named = [(f"A{place:02d}", sleeve_of(place)) for place in range(ASSETS)]
    if cash:
        named.append(("CASH", Sleeve.CASH))
    return [Asset(name, (Membership(sleeve, since),)) for name, sleeve in named]


def ours(returns: pd.DataFrame, cash: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Weights of every week, and the returns of the sessions they were held."""
    limits: list[Limit] = [MaxWeight(WEIGHT), MaxVolatility(VOLATILITY)]
    limits += [MaxSleeveWeight(sleeve, GROUP) for sleeve in SLEEVES]
    if cash:
        limits += [MaxTurnover(0.10), MinCash(0.02), MaxWeight(0.02, ("CASH",))]
    program = Optimizer(MinimumVariance(), tuple(limits)).compile(assets(cash))
    values, names, index = returns.to_numpy(), returns.columns, returns.index
    current, chosen, earned = None, [], []
    for week in range(WEEKS):
        start = STEP * week
        window = values[start : start + WINDOW]
        covariance = pd.DataFrame(np.cov(window.T) * 252, names, names)
        decision = Decision(index[start + WINDOW - 1], current=current, covariance=covariance)
        weights = program.solve(decision).weights
        held = values[start + WINDOW : start + WINDOW + STEP]
        chosen.append(weights.to_numpy())
        earned.append(held @ chosen[-1][:ASSETS])
        if cash:
            growth = np.append((1.0 + held).prod(axis=0), 1.0)
            current = pd.Series(chosen[-1] * growth / (chosen[-1] @ growth), weights.index)
    return np.array(chosen), np.concatenate(earned)


def theirs(returns: pd.DataFrame, tight: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """The same by skfolio; `tight` asks its solver for more digits than it does by itself."""
    from skfolio import RiskMeasure
    from skfolio.model_selection import WalkForward, cross_val_predict
    from skfolio.moments import EmpiricalCovariance
    from skfolio.optimization import MeanRisk, ObjectiveFunction
    from skfolio.prior import EmpiricalPrior

    places = {name: sleeve_of(place).value for place, name in enumerate(returns.columns)}
    model = MeanRisk(
        objective_function=ObjectiveFunction.MINIMIZE_RISK,
        risk_measure=RiskMeasure.VARIANCE,
        prior_estimator=EmpiricalPrior(covariance_estimator=EmpiricalCovariance(nearest=False)),
        max_weights=WEIGHT,
        max_variance=VOLATILITY**2 / 252,
        groups=[[places[name] for name in returns.columns]],
        linear_constraints=[f"{sleeve.value} <= {GROUP}" for sleeve in SLEEVES],
        solver_params=dict.fromkeys(TOLERANCES, 1e-11) if tight else None,
    )
    found = cross_val_predict(model, returns, cv=WalkForward(test_size=STEP, train_size=WINDOW))
    return np.array([part.weights for part in found.portfolios]), np.asarray(found.returns)


def main() -> int:
    returns = returns_of()
    if "--memory" in sys.argv:
        return memory(returns)
    marks: dict[str, list[float]] = {"ours": [], "with turnover and cash": [], "skfolio": []}
    for _ in range(ROUNDS):
        for name, work in (
            ("ours", lambda: ours(returns)),
            ("with turnover and cash", lambda: ours(returns, cash=True)),
            ("skfolio", lambda: theirs(returns)),
        ):
            start = time.perf_counter()
            if name == "ours":
                weights, earned = work()
            elif name == "skfolio":
                loose, _ = work()
            else:
                work()
            marks[name].append(time.perf_counter() - start)
    times = {name: float(np.median(seconds)) for name, seconds in marks.items()}
    tight, also = theirs(returns, tight=True)
    mine, peers, loosely = (variances(returns, rows) for rows in (weights, tight, loose))
    worst = float(np.abs(mine / peers - 1.0).max())
    print(f"{WEEKS} weeks, {ASSETS} assets, median of {ROUNDS} rounds:")
    for name, seconds in times.items():
        print(f"  {name}: {seconds:.2f} s, {seconds / WEEKS * 1e3:.2f} ms a week")
    print(f"ratio {times['skfolio'] / times['ours']:.1f}")
    print(
        f"variance: ours within {worst:.0e} of skfolio's with a tight solver, whose default is ",
        end="",
    )
    print(f"within {float(np.abs(loosely / peers - 1.0).max()):.0e}; ", end="")
    print(f"returns within {np.abs(earned - also).max():.0e}")
    return int(worst > 1e-6)


def variances(returns: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """Variance of each week's weights in the covariance they were found with."""
    values = returns.to_numpy()
    return np.array(
        [
            weights @ np.cov(values[STEP * week : STEP * week + WINDOW].T) @ weights
            for week, weights in enumerate(rows)
        ]
    )


def memory(returns: pd.DataFrame) -> int:
    import piqp  # noqa: F401 - so that it counts as an import

    before = _peak_mib()
    ours(returns)
    print(f"peak over the imports: {_peak_mib() - before:.0f} MiB")
    return 0


def _peak_mib() -> float:
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024.0


if __name__ == "__main__":
    sys.exit(main())
