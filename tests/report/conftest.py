"""Run records to render: small ones, and one of the size of a real run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit import metrics
from toolkit.backtest.limits_log import COLUMNS
from toolkit.record import RunRecord
from toolkit.report.tables import EXCESSES

ASSETS = {
    "BTC": "bitcoin",
    "OLDM": "legacy_miners",
    "DEADM": "legacy_miners",
    "PIVA": "pivoting_miners",
    "PIVB": "pivoting_miners",
    "GPU": "ai_infrastructure",
    "RACK": "ai_infrastructure",
    "TOKX": "ai_tokens",
    "CASH": "cash",
}
LIMITS = {
    "MaxWeight": 0.25,
    "MaxSleeveWeight(legacy_miners)": 0.30,
    "MinCash": 0.02,
    "MaxTurnover": 0.25,
    "MaxVolatility": 0.45,
}

SIZING = {
    "decisions": 28,
    "statuses": {"optimal": 25, "relaxed": 2, "kept": 1},
    "fallbacks": [
        {"step": "second solver", "sessions": ["2018-03-01", "2018-07-02", "2019-01-02"]},
        {"step": "current weights", "sessions": ["2018-07-02"]},
    ],
    "unchecked": [{"limit": "MaxTradingDays", "decisions": 7, "assets": ["OLDM", "TOKX"]}],
    "repairs": {"decisions": 4, "largest": 0.123, "session": "2018-05-01"},
    "estimates": [{"asset": "GPU", "decisions": 5, "reason": "183 returns, a fit needs 252"}],
    "unknown": [
        {
            "asset": "RACK",
            "wanted_by": "view",
            "decisions": 3,
            "first": "2017-02-01",
            "last": "2017-04-03",
        }
    ],
    "executed_share": 0.654,
    "costs": {
        "assumed_usd": 1234.0,
        "charged_usd": 1500.0,
        "assumed_bps": 10.0,
        "charged_bps": 12.5,
        "decided_usd": 1234000.0,
        "traded_usd": 1200000.0,
        "fees_usd": 700.0,
        "spread_usd": 500.0,
        "impact_usd": 300.0,
        "without_impact_share": 0.25,
        "capped": 2.0,
    },
}


def returns_table(sessions: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    net = random.normal(0.0006, 0.019, len(sessions))
    cost = np.where(np.arange(len(sessions)) % 21 == 1, 3e-4, 0.0)
    net[0] = cost[0] = 0.0
    equity = 1e6 * np.cumprod(1.0 + net)
    return pd.DataFrame(
        {
            "net": net,
            "gross": net + cost,
            "cash": 0.00008,
            "benchmark": random.normal(0.0009, 0.035, len(sessions)),
            "equity": equity,
            "fees": cost * equity * 0.6,
            "slippage": cost * equity * 0.4,
        },
        index=sessions,
    )


def weights_table(sessions: pd.DatetimeIndex, seed: int, assets: list[str]) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    count = len(assets)
    months = random.dirichlet(np.r_[3.0, np.full(count - 2, 0.6), 1.5], len(sessions) // 21 + 1)
    drifted = months[np.arange(len(sessions)) // 21] * np.exp(
        0.01 * np.cumsum(random.normal(size=(len(sessions), count)), axis=0) % 0.2
    )
    drifted /= drifted.sum(axis=1, keepdims=True)
    return pd.DataFrame(drifted, index=sessions, columns=assets)


def limits_table(sessions: pd.DatetimeIndex, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = []
    for session in sessions[20::21]:
        for name, cap in LIMITS.items():
            side = 1.0 if name.startswith("Min") else -1.0
            room = abs(random.normal(0.0, 0.02)) * (random.random() < 0.7)
            moments = [cap + side * room]
            moments += [moments[0] - side * abs(random.normal(0.0, s)) for s in (0.006, 0.03)]
            beyond = [side * (cap - value) for value in moments]
            rows.append(
                {
                    "session": session,
                    "limit": name,
                    "measure": "fraction",
                    "cap": cap,
                    "slack": 0.0,
                    "binding": room == 0.0,
                    "excess_allowed": 0.0,
                    "unchecked": "",
                    **dict(zip(("at_decision", "after_fill", "drift"), moments, strict=True)),
                    **dict(zip(EXCESSES.values(), beyond, strict=True)),
                }
            )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def figures(returns: pd.DataFrame) -> dict[str, Any]:
    def of(name: str) -> dict[str, Any]:
        cash = None if name == "cash" else returns["cash"]
        return dict(metrics.summary(returns[name], cash, periods_per_year=252))

    return {
        "basis": {
            "periods_per_year": 252,
            "clock": "XNYS",
            "excess_of": "cash",
            "sessions": len(returns),
            "net_of": "fees, half-spread, slippage",
        },
        "net": {**of("net"), "turnover": 3.18, "total_costs": 0.0412},
        "gross": of("gross"),
        "benchmark": {"name": "Bitcoin only", **of("benchmark")},
        "cash": {**of("cash"), "sharpe": None, "sortino": None},
    }


def manifest(returns: pd.DataFrame, sleeves: dict[str, Any]) -> dict[str, Any]:
    first, last = f"{returns.index[0]:%Y-%m-%d}", f"{returns.index[-1]:%Y-%m-%d}"
    return {
        "run_id": "20250131T120000Z-0a1b2c3d",
        "title": "Difficulty rotation",
        "strategy": "difficulty_rotation",
        "status": "ok",
        "failures": [],
        "simulated": False,
        "start": first,
        "end": last,
        "sessions": len(returns),
        "clock": "XNYS",
        "periods_per_year": 252,
        "currency": "USD",
        "initial_cash": 1e6,
        "schedule": "month",
        "fill_delay": 1,
        "costs": {"fee_bps": 5.0, "half_spread_bps": 3.0, "slippage_bps": 2.0},
        "optimizer": "tracking, 5 limits",
        "risk_model": "Ledoit-Wolf, lookback 252",
        "order_sha256": "9f" * 32,
        "orders": 812,
        "hashes": {"config": "a1" * 32, "data": "b2" * 32, "code": "c3" * 32},
        "versions": {"hashpivot": "0.1.0", "pandas": "3.1.1", "vectorbt": "1.2.0"},
        "command": "hashpivot run difficulty_rotation --data data --start 2017-01-03",
        "created_at": "2025-01-31T12:00:00Z",
        "data": {
            "source": "files",
            "panel_digest": "d4" * 32,
            "fields": [
                {
                    "name": "close",
                    "unit": "USD",
                    "source": "prices.csv",
                    "rows": len(returns),
                    "first": first,
                    "last": last,
                }
            ],
        },
        "sleeves": sleeves,
        "audit": {
            "cuts": 40,
            "differences": 0,
            "findings": [],
            "cannot_see": ["constants that were tuned on the full sample"],
        },
        "reconciliation": {
            "max_relative_gap": 2.3e-13,
            "tolerance": 1e-9,
            "orders": 812,
            "records": 812,
            "engine": "vectorbt rust",
            "worst_session": last,
        },
        "notices": [],
        "endings": [],
        "corporate_actions": [],
        "holes": {},
        "sizing": SIZING,
        "undecided": "a key of a later version",
    }


@pytest.fixture
def make_record() -> Callable[..., RunRecord]:
    """Factory of records; keyword arguments replace keys of the manifest."""

    def make(sessions: int = 600, seed: int = 7, **changes: Any) -> RunRecord:
        return build_record(sessions, seed, changes)

    return make


def build_record(sessions: int, seed: int, changes: dict[str, Any]) -> RunRecord:
    index = pd.bdate_range("2017-01-03", periods=sessions, name="session")
    returns = returns_table(index, seed)
    sleeves = {asset: [["2009-01-03", sleeve]] for asset, sleeve in ASSETS.items()}
    sleeves["PIVB"] = [["2009-01-03", "legacy_miners"], ["2018-06-01", "pivoting_miners"]]
    return RunRecord(
        manifest={**manifest(returns, sleeves), **changes},
        config='title = "Difficulty rotation"\n\n[strategy]\nkind = "DifficultyRotation"\n',
        metrics=figures(returns),
        returns=returns,
        weights=weights_table(index, seed, list(ASSETS)),
        targets=pd.DataFrame(columns=["session", "asset", "target", "allocated"]),
        orders=pd.DataFrame(columns=["session", "asset", "units", "price", "value"]),
        limits=limits_table(index, seed),
    )
