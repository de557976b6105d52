"""Plain momentum earns where what rose goes on rising, and nothing where it does not."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from strategies.benchmarks import EqualWeight
from strategies.trend_control import TrendControl
from toolkit.clock import decision_times
from toolkit.panel import Field, Panel
from toolkit.universe import Asset, Membership, Sleeve, Universe

FIRST, DAYS, LASTS = date(2021, 1, 1), 1500, 300
SLEEVES = {
    "COIN": Sleeve.BITCOIN,
    "MINE1": Sleeve.LEGACY_MINERS,
    "MINE2": Sleeve.PIVOTING_MINERS,
    "HOST1": Sleeve.AI_INFRASTRUCTURE,
    "HOST2": Sleeve.AI_INFRASTRUCTURE,
    "TOKEN": Sleeve.AI_TOKENS,
}
UNIVERSE = Universe(
    tuple(Asset(name, (Membership(sleeve, FIRST),), "24/7") for name, sleeve in SLEEVES.items())
)
MARKETS = 24


def simulated(seed: int, a_day: float) -> Panel:
    """Assets that rise or fall by so much a day for 300 days at a time, as often the one as the other.

    With 0 they move as much, together and alone, and nothing in the past foretells it.
    """
    random = np.random.default_rng(seed)
    days = pd.date_range(FIRST, periods=DAYS, freq="D").as_unit("ns")
    together = 0.01 * random.standard_normal(DAYS)
    moves = {}
    for name in SLEEVES:
        turns = random.choice([-1.0, 1.0], DAYS // LASTS).repeat(LASTS)
        moves[name] = together + 0.03 * random.standard_normal(DAYS) + a_day * turns
    closes = 100.0 * (1.0 + pd.DataFrame(moves, days).clip(lower=-0.9)).cumprod()
    fields = {"close": Field(closes, decision_times(days), "USD", "simulated")}
    return Panel(UNIVERSE, days, fields, clock="24/7", simulated=True)


def t_ratio(a_day: float) -> float:
    """Of what it earns beyond equal weights at the same share of equity on average, over markets."""
    found = []
    for seed in range(MARKETS):
        panel = simulated(seed, a_day)
        own = TrendControl().targets(panel)
        plain = EqualWeight().targets(panel).where(own.notna())
        tilt = own - plain * own.sum(axis=1).mean()
        found.append((tilt.shift(2) * panel.returns()).sum(axis=1).mean())
    return float(np.mean(found) / np.std(found, ddof=1) * np.sqrt(MARKETS))


def test_it_earns_where_what_rose_goes_on_rising():
    assert t_ratio(0.002) > 3.0


def test_it_earns_nothing_where_the_past_foretells_nothing():
    assert abs(t_ratio(0.0)) < 2.5
