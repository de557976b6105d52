"""Whether each part of the machinery works on this machine."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version


@dataclass(frozen=True)
class Check:
    """One part, whether it works, and what was found."""

    name: str
    ok: bool
    found: str


def examine() -> tuple[Check, ...]:
    """Every part, tried out."""
    parts: dict[str, Callable[[], str]] = {
        "python": platform.python_version,
        "hashpivot": lambda: version("hashpivot"),
        "pandas": lambda: version("pandas"),
        "ledger (numba)": _ledger,
        "solver (clarabel)": _solver,
        "replay (vectorbt)": _replay_engine,
        "calendar (XNYS)": _calendar,
        "strategies": _strategies,
    }
    return tuple(_try(name, part) for name, part in parts.items())


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


def _solver() -> str:
    import cvxpy

    if "CLARABEL" not in cvxpy.installed_solvers():
        raise ImportError("cvxpy does not find CLARABEL")
    return f"clarabel {version('clarabel')}, cvxpy {version('cvxpy')}"


def _replay_engine() -> str:
    import vectorbt_rust

    return f"vectorbt {version('vectorbt')}, engine {vectorbt_rust.__name__}"


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
