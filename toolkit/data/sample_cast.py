"""Who is in the simulated market, what happens to each, and what is announced. All invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from toolkit.clock import sessions_between
from toolkit.data.announcement import Kind
from toolkit.universe import Sleeve

SOURCE = "simulated market"

SPLIT = 100
PIVOT_DAYS = 180
HALT_SESSIONS, HOLE_SESSIONS = 15, 3
SESSIONS_AFTER_FILING, SESSIONS_TO_SETTLEMENT = 10, 40


@dataclass(frozen=True)
class Part:
    """What an asset is like; moments are shares of the sessions of the whole period.

    Parameters
    ----------
    hash_price, bitcoin, ai
        What its price does when the hash price, bitcoin or AI names do something unexpected.
    volatility
        Of its own noise, a year.
    """

    id: str
    sleeve: Sleeve
    price: float
    hash_price: float = 0.0
    bitcoin: float = 0.0
    ai: float = 0.0
    volatility: float = 0.0
    calendar: Literal["XNYS", "24/7"] = "XNYS"
    lists: float = 0.0
    shell_sessions: int = 0
    pivots: float | None = None
    files: float | None = None
    halted: float | None = None
    hole: float | None = None
    split: float | None = None

    @property
    def mines(self) -> bool:
        """Whether it began as a miner."""
        return self.sleeve is Sleeve.LEGACY_MINERS


_MINERS, _AI, _TOKENS = Sleeve.LEGACY_MINERS, Sleeve.AI_INFRASTRUCTURE, Sleeve.AI_TOKENS

CAST = (
    Part("SIMBTC", Sleeve.BITCOIN, 2_000.0, bitcoin=1.0, calendar="24/7"),
    Part("HASHCO", _MINERS, 4_000.0, 0.90, ai=0.75, volatility=0.95, pivots=0.45),
    Part("NONCE", _MINERS, 2_500.0, 0.95, ai=0.75, volatility=1.10, pivots=0.65),
    Part("MERKLE", _MINERS, 40.0 * SPLIT, 1.00, ai=0.80, volatility=1.10, split=0.55),
    Part("ORPHAN", _MINERS, 6_000.0, 1.00, ai=0.60, volatility=1.25, files=0.60),
    Part("MEMPOOL", _MINERS, 3_000.0, 0.95, ai=0.75, volatility=1.00, halted=0.40),
    Part("JOULES", _MINERS, 2_000.0, 0.95, ai=0.75, volatility=1.15, lists=0.30, shell_sessions=60),
    Part("STRATUM", _MINERS, 5_000.0, 0.95, ai=0.75, volatility=2.20, lists=0.80),
    Part("TENSOR", _AI, 50.0, bitcoin=0.10, ai=1.3, volatility=0.25),
    Part("RACKS", _AI, 35.0, bitcoin=0.10, ai=0.9, volatility=0.25),
    Part("COOLANT", _AI, 20.0, bitcoin=0.05, ai=0.8, volatility=0.22, hole=0.50),
    Part("GRADIENT", _AI, 30.0, bitcoin=0.15, ai=1.4, volatility=0.35, lists=0.35),
    Part("SIMNET", _TOKENS, 20.0, bitcoin=1.1, ai=0.5, volatility=0.50, calendar="24/7"),
    Part("SIMGPU", _TOKENS, 30.0, bitcoin=1.0, ai=0.7, volatility=0.55, calendar="24/7"),
    Part("CASH", Sleeve.CASH, 100.0, calendar="24/7"),
)
MINERS = tuple(part for part in CAST if part.mines)

NOISY = "STRATUM"
"""The miner whose own noise is twice that of the others."""


@dataclass(frozen=True)
class Plan:
    """Something that will be announced, at a share of the sessions of the whole period."""

    asset: str
    at: float
    kind: Kind
    megawatts: float | None = None


PLANS = (
    Plan("HASHCO", 0.41, Kind.STRATEGY_STATEMENT),
    Plan("HASHCO", 0.45, Kind.COLOCATION_CONTRACT, 200.0),
    Plan("MEMPOOL", 0.52, Kind.RENAME),
    Plan("HASHCO", 0.56, Kind.COLOCATION_CONTRACT, 120.0),
    Plan("JOULES", 0.58, Kind.STRATEGY_STATEMENT),
    Plan("NONCE", 0.65, Kind.COLOCATION_CONTRACT, 150.0),
    Plan("NONCE", 0.74, Kind.COLOCATION_CONTRACT, 90.0),
)


@dataclass(frozen=True)
class Timeline:
    """The days of a market, and where in them a share of the period lies."""

    start: date
    years: float

    @property
    def end(self) -> date:
        """Last day."""
        return self.start + timedelta(days=round(365.25 * self.years))

    @cached_property
    def days(self) -> pd.DatetimeIndex:
        """Every UTC day."""
        return sessions_between("24/7", self.start, self.end)

    @cached_property
    def sessions(self) -> pd.DatetimeIndex:
        """Every New York session."""
        return sessions_between("XNYS", self.start, self.end)

    @cached_property
    def rows(self) -> np.ndarray:
        """Rows of the sessions among the days."""
        return np.asarray(self.days.searchsorted(self.sessions))

    def session(self, share: float, later: int = 0) -> int:
        """Number of the session at a share of the period, or some sessions later."""
        return int(share * len(self.sessions)) + later

    def date(self, share: float, later: int = 0) -> date:
        """Day of that session."""
        return self.sessions[self.session(share, later)].date()

    def row(self, share: float, later: int = 0) -> int:
        """Row of that session among the days."""
        return int(self.rows[self.session(share, later)])
