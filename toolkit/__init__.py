"""Backtests of portfolios of Bitcoin, mining equities and AI-linked assets.

The public names are loaded when they are first used, so that importing the package is cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.backtest.audit import Audit, audit
    from toolkit.backtest.backtester import Backtester, Checks
    from toolkit.backtest.ledger import Simulation, simulate
    from toolkit.backtest.result import BacktestResult
    from toolkit.backtest.schedule import Schedule
    from toolkit.config import Experiment
    from toolkit.data.assemble import assemble
    from toolkit.data.files import FilesSource, open_folder
    from toolkit.data.sample import SampleMarket
    from toolkit.data.source import DataSource
    from toolkit.errors import ToolkitError
    from toolkit.panel import Field, Panel
    from toolkit.record import RunRecord
    from toolkit.signals.reading import Reading, readings
    from toolkit.signals.signal import Signal
    from toolkit.strategy import Strategy
    from toolkit.universe import Asset, Sleeve, Universe

__all__ = [
    "Asset",
    "Audit",
    "BacktestResult",
    "Backtester",
    "Checks",
    "DataSource",
    "Experiment",
    "Field",
    "FilesSource",
    "Panel",
    "Reading",
    "RunRecord",
    "SampleMarket",
    "Schedule",
    "Signal",
    "Simulation",
    "Sleeve",
    "Strategy",
    "ToolkitError",
    "Universe",
    "assemble",
    "audit",
    "open_folder",
    "readings",
    "simulate",
]

_HOMES = {
    "toolkit.backtest.audit": ("Audit", "audit"),
    "toolkit.backtest.backtester": ("Backtester", "Checks"),
    "toolkit.backtest.ledger": ("Simulation", "simulate"),
    "toolkit.backtest.result": ("BacktestResult",),
    "toolkit.backtest.schedule": ("Schedule",),
    "toolkit.config": ("Experiment",),
    "toolkit.data.assemble": ("assemble",),
    "toolkit.data.files": ("FilesSource", "open_folder"),
    "toolkit.data.sample": ("SampleMarket",),
    "toolkit.data.source": ("DataSource",),
    "toolkit.errors": ("ToolkitError",),
    "toolkit.panel": ("Field", "Panel"),
    "toolkit.record": ("RunRecord",),
    "toolkit.signals.reading": ("Reading", "readings"),
    "toolkit.signals.signal": ("Signal",),
    "toolkit.strategy": ("Strategy",),
    "toolkit.universe": ("Asset", "Sleeve", "Universe"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'toolkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
