"""Whether each part of the machinery works on this machine: each is given something small to do."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.backtest.engine import Progress
    from toolkit.optimize import Limit, Objective


@dataclass(frozen=True)
class Check:
    """One part, whether it works, and what was found."""

    name: str
    ok: bool
    found: str


def examine(progress: Progress | None = None) -> tuple[Check, ...]:
    """Every part, tried out; `progress` is told which one comes next."""
    parts: dict[str, Callable[[], str]] = {
        "python": platform.python_version,
        "hashpivot": lambda: version("hashpivot"),
        "pandas": lambda: version("pandas"),
        "ledger (numba)": _ledger,
        "solver (daqp)": _quadratic_solver,
        "solver (piqp)": _interior_point,
        "solver (clarabel)": _conic_solver,
        "solver (highs)": _linear_solver,
        "replay (vectorbt)": _replay_engine,
        "calendar (XNYS)": _calendar,
        "strategies": _strategies,
    }
    checks: list[Check] = []
    for name, part in parts.items():
        if progress is not None:
            progress(name, len(checks), len(parts))
        checks.append(_try(name, part))
    return tuple(checks)


def _try(name: str, part: Callable[[], str]) -> Check:
    try:
        return Check(name, True, part())
    except Exception as error:
        return Check(name, False, f"{type(error).__name__}: {error}")


def _ledger() -> str:
    import pandas as pd

    from toolkit.backtest.ledger import simulate

    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"])
    prices = pd.DataFrame({"A": [10.0, 10.0, 11.0]}, index=days)
    targets = pd.DataFrame({"A": [1.0]}, index=days[:1])
    equity = float(simulate(prices, targets, initial_cash=1_000.0).equity.iloc[-1])
    if abs(equity - 1_100.0) > 1e-9:
        raise ArithmeticError(f"a 10 % gain on 1,000 became {equity}")
    return f"numba {version('numba')}"


def _quadratic_solver() -> str:
    from toolkit.optimize import MaxWeight, MinimumVariance

    _demand_answer("daqp solved", MinimumVariance(), MaxWeight(cap=0.7))
    return f"daqp {version('daqp')}"


def _interior_point() -> str:
    import numpy as np

    from toolkit.optimize.quadratic import interior_point

    # The least variance of an asset and one of nine times its variance, which is 9 to 1.
    budget, most = np.ones((1, 2)), np.ones(2)
    weights = interior_point(np.diag([1.0, 9.0]), np.zeros(2), budget, most[:1], most)[0]
    if not abs(weights[0] - 0.9) <= 1e-6:
        raise ArithmeticError(f"a weight of 0.9 became {weights[0]}")
    return f"piqp {version('piqp')}"


def _conic_solver() -> str:
    from toolkit.optimize import MaxVolatility, TrackTarget

    # What clarabel calls an answer.
    _demand_answer("Solved", TrackTarget(), MaxVolatility(cap=0.2))
    return f"clarabel {version('clarabel')}, cvxpy {version('cvxpy')}"


def _linear_solver() -> str:
    from toolkit.optimize import MaxWeight, MinimumExpectedShortfall

    _demand_answer("highs optimal", MinimumExpectedShortfall(), MaxWeight(cap=0.7))
    return f"highspy {version('highspy')}"


def _demand_answer(status: str, objective: Objective, limit: Limit) -> None:
    """Size two assets; the program certifies the weights, the status says whose they are."""
    import pandas as pd

    from toolkit.optimize import Decision, Optimizer

    names = ["A", "B"]
    decision = Decision(
        session=pd.Timestamp("2024-01-02"),
        target=pd.Series([0.1, 0.9], names),
        current=pd.Series([0.5, 0.5], names),
        covariance=pd.DataFrame([[0.01, 0.0], [0.0, 0.09]], names, names),
        scenarios=pd.DataFrame([[-0.01, -0.03], [0.01, 0.02], [-0.02, 0.01]] * 20, columns=names),
    )
    found = Optimizer(objective, (limit,)).compile(names).solve(decision)
    answered = None if found.certificate is None else found.certificate.solver
    if answered != status:
        raise ArithmeticError(f"the answer is {answered!r}, expected {status!r}")


def _replay_engine() -> str:
    import numpy as np
    import pandas as pd

    from toolkit.backtest.replay import ReplayInput, replay

    days = pd.DatetimeIndex(["2024-01-02", "2024-01-03", "2024-01-04"])
    prices = pd.DataFrame({"A": [10.0, 10.0, 11.0]}, index=days)
    units = pd.DataFrame({"A": [10.0, 0.0, -10.0]}, index=days)
    costless = np.zeros((3, 1))
    second = replay(units, ReplayInput(prices, costless + 0.01, costless, None, 1_000.0))
    equity = float(second.equity.iloc[-1])
    if second.records != 2 or abs(equity - 1_007.9) > 1e-9:
        raise ArithmeticError(f"two orders worth 1,007.90 became {second.records} and {equity}")
    return f"vectorbt {version('vectorbt')}, vectorbt-rust {version('vectorbt-rust')}"


def _calendar() -> str:
    from datetime import date

    from toolkit.clock import sessions_between

    year = sessions_between("XNYS", date(2024, 1, 1), date(2024, 12, 31))
    if len(year) != 252:
        raise ValueError(f"2024 has {len(year)} sessions, expected 252")
    return f"exchange-calendars {version('exchange-calendars')}"


def _strategies() -> str:
    from toolkit.settings import shipped_strategies

    return ", ".join(shipped_strategies())
