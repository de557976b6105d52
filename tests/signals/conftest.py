"""Panels to read signals from: small ones built by hand, the sample market, the real folder."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.clock import decision_times, sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.files import open_folder
from toolkit.data.sample import SampleMarket
from toolkit.panel import Field, Panel
from toolkit.universe import Asset, Membership, Sleeve, Universe

NAMED = os.environ.get("HASHPIVOT_DATA", "")
FIRST = date(2018, 1, 1)
HOUR = pd.Timedelta(hours=1)
COIN = Asset("COIN", (Membership(Sleeve.BITCOIN, FIRST),), calendar="24/7")

PanelMaker = Callable[..., Panel]


def hand_made(
    daily: dict[str, np.ndarray] | None = None,
    difficulty: np.ndarray | None = None,
    price: np.ndarray | None = None,
    days: int = 400,
) -> Panel:
    """Every day a session. Daily rows are public an hour after the day, retargets after six hours.

    An epoch takes the time that the change of difficulty after it says; NaN days are left out.
    """
    last = FIRST + pd.Timedelta(days=days - 1)
    sessions = sessions_between("24/7", FIRST, last)
    fields = {}
    for name, values in (daily or {}).items():
        rows = pd.DataFrame({name: values}, sessions[: len(values)]).dropna()
        moments = decision_times(pd.DatetimeIndex(rows.index)) + HOUR
        fields[name] = Field(rows, moments, name, "hand")
    if price is not None:
        rows = pd.DataFrame({"COIN": price}, sessions[: len(price)])
        fields["close"] = Field(rows, decision_times(sessions[: len(price)]), "USD", "hand")
    if difficulty is not None:
        lengths = 14.0 * difficulty[:-1] / difficulty[1:]
        starts = sessions[0] + pd.to_timedelta(np.append(0.0, np.cumsum(lengths)), unit="D")
        starts = starts.round("s").as_unit("ns")
        rows = pd.DataFrame({"difficulty": difficulty}, starts.normalize())
        fields["difficulty"] = Field(rows, starts.tz_localize("UTC") + 6 * HOUR, "1", "hand")
    return Panel(Universe((COIN,)), sessions, fields, clock="24/7")


@pytest.fixture(scope="session")
def benchmark_of() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a benchmark by its name, as one of the folder in which it runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
        yield importlib.import_module


@pytest.fixture(scope="session")
def make_panel() -> PanelMaker:
    return hand_made


@pytest.fixture(scope="session")
def sample_panel() -> Panel:
    market = SampleMarket(seed=3, years=5.0)
    return assemble([market], market.universe())


@pytest.fixture(scope="session")
def real_panel() -> Panel:
    """The real folder, New York sessions."""
    if not NAMED:
        pytest.skip("HASHPIVOT_DATA is not set to a folder of real data")
    source, universe = open_folder(Path(NAMED), Path(strategies.__file__).parent)
    return assemble([source], universe)
