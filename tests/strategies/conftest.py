"""A small simulated market in which a mechanism can be planted, and what a strategy earns there.

The hash rate grows by 30 % a year but for exits: every nine months 20 to 35 % leave within 20 days,
stay away for 50 and return within 60. Blocks arrive at random and the protocol retargets. No price
can be foreseen, so nothing can be earned on average, unless a mechanism is planted: from three days
after it holds, groups of assets earn more or less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times
from toolkit.panel import Field, Panel
from toolkit.strategy import Strategy
from toolkit.universe import Asset, Membership, Sleeve, Universe

FIRST, DAYS = date(2023, 1, 1), 1100
KNOWN_AFTER = 3
MARKETS = 24
SLEEVES = {
    "COIN": Sleeve.BITCOIN,
    "MINE1": Sleeve.LEGACY_MINERS,
    "MINE2": Sleeve.LEGACY_MINERS,
    "MINE3": Sleeve.PIVOTING_MINERS,
    "HOST1": Sleeve.AI_INFRASTRUCTURE,
    "HOST2": Sleeve.AI_INFRASTRUCTURE,
    "HOST3": Sleeve.AI_INFRASTRUCTURE,
}
UNIVERSE = Universe(
    tuple(Asset(name, (Membership(sleeve, FIRST),), "24/7") for name, sleeve in SLEEVES.items())
)

Mechanism = Callable[[pd.DataFrame], pd.Series]
"""From the true hash rate (H/s) and hash price of each day to -1, 0 or 1."""


@dataclass(frozen=True)
class Planted:
    """A mechanism, and what it adds to a day's return of some assets, named by their beginning."""

    mechanism: Mechanism
    effect: Mapping[str, float]


def simulated(seed: int, planted: Planted | None = None, hash_price: float = 75.0) -> Panel:
    """A market that begins with about a hash price (USD per PH/s per day)."""
    random = np.random.default_rng(seed)
    days = pd.date_range(FIRST, periods=DAYS, freq="D").as_unit("ns")
    noise = random.standard_normal((DAYS, len(SLEEVES)))
    rate = true_hash_rate(random) * 30_000.0 * 6.45 * 144.0 / hash_price * 1e15
    fields = network(days, rate, random)
    blocks, published = (fields[name].values.iloc[:, 0] for name in ("blocks", "hash_rate"))

    bitcoin = np.expm1(0.03 * noise[:, 0] - 0.00045)
    effect = {} if planted is None else planted.effect
    if planted is not None and "COIN" in effect:
        truth = pd.DataFrame({"hash_rate": rate}, days)
        bitcoin = bitcoin + effect["COIN"] * later(planted.mechanism(truth))
    price = 30_000.0 * np.cumprod(1.0 + bitcoin)
    truth = pd.DataFrame({"hash_rate": rate, "hash_price": price * 6.45 * 144e15 / rate}, days)
    returns = {"COIN": bitcoin}
    for column, name in enumerate(list(SLEEVES)[1:], 1):
        share = 1.2 if name.startswith("MINE") else 0.1
        returns[name] = share * bitcoin + 0.03 * noise[:, column]
        for start, size in effect.items():
            if planted is not None and name.startswith(start):
                returns[name] = returns[name] + size * later(planted.mechanism(truth))
    closes = 100.0 * (1.0 + pd.DataFrame(returns, days).clip(lower=-0.9)).cumprod()
    closes["COIN"] = price
    paid = 1e15 * price * 6.45 * blocks / published
    fields["hash_price"] = daily("hash_price", days, paid.to_numpy())
    fields["close"] = Field(closes, decision_times(days), "USD", "simulated")
    return Panel(UNIVERSE, days, fields, clock="24/7", simulated=True)


def later(mechanism: pd.Series) -> np.ndarray:
    """The mechanism as it works: some days after it holds, so that it was known."""
    return mechanism.shift(KNOWN_AFTER).fillna(0.0).to_numpy(dtype=float)


def true_hash_rate(random: np.random.Generator) -> np.ndarray:
    """Hash rate over its first value."""
    path = np.exp(0.3 / 365.0 * np.arange(DAYS))
    for start in np.arange(random.uniform(100.0, 250.0), DAYS, 270.0):
        left = 1.0 - random.uniform(0.20, 0.35)
        knots = start + np.cumsum([0.0, 20.0, 50.0, 60.0])
        path = path * np.interp(np.arange(DAYS), knots, [1.0, left, left, 1.0])
    return path


def network(
    days: pd.DatetimeIndex, rate: np.ndarray, random: np.random.Generator
) -> dict[str, Field]:
    """What is published of a hash rate: blocks of each day, and difficulty of each epoch."""
    level = rate[0] * 600.0 / 2.0**32
    found, work, difficulty, starts, mined = [], [], [level], [0.0], 0
    for day, true in enumerate(rate):
        blocks = int(random.poisson(true * 86_400.0 / (level * 2.0**32)))
        found.append(blocks)
        work.append(blocks * level)
        mined += blocks
        if mined >= 2016:
            mined -= 2016
            starts.append(day + 1.0 - mined / blocks)
            level *= 14.0 / ((starts[-1] - starts[-2]) * 2015.0 / 2016.0)
            difficulty.append(level)
    moments = (days[0] + pd.to_timedelta(starts, unit="D")).round("s").as_unit("ns")
    by_epoch = pd.DataFrame({"difficulty": difficulty}, moments.normalize())
    public = moments.tz_localize("UTC") + pd.Timedelta(hours=6)
    return {
        "difficulty": Field(by_epoch, public, "1", "simulated"),
        "blocks": daily("blocks", days, np.array(found, dtype=float)),
        "hash_rate": daily("hash_rate", days, np.array(work) * 2.0**32 / 86_400.0),
    }


def daily(name: str, days: pd.DatetimeIndex, values: np.ndarray) -> Field:
    """A row a day, public one hour after it."""
    public = decision_times(days) + pd.Timedelta(hours=1)
    return Field(pd.DataFrame({name: values}, days), public, name, "simulated")


def earned(panel: Panel, targets: pd.DataFrame) -> pd.Series:
    """Return of each day: decided after a day, filled at the next close, earning from then on."""
    held = targets.fillna(0.0).shift(2).fillna(0.0)
    return (held * panel.returns().fillna(0.0)).sum(axis=1)


def yearly_excess(strategy: Strategy, static: Strategy, panels: Iterable[Panel]) -> np.ndarray:
    """Mean return a year beyond that of a mix without a view, one number a market."""
    found = []
    for panel in panels:
        values = strategy.read(panel)
        own, other = (earned(panel, one.targets(panel, values)) for one in (strategy, static))
        found.append(365.0 * (own - other).mean())
    return np.array(found)


def t_ratio(values: np.ndarray) -> float:
    """Mean over its standard error."""
    return float(values.mean() / values.std(ddof=1) * np.sqrt(len(values)))


@pytest.fixture(scope="session")
def make_market() -> Callable[..., Panel]:
    return simulated


@pytest.fixture(scope="session")
def excess() -> Callable[..., float]:
    """t-ratio, over many markets, of what a strategy earns beyond a mix without a view."""

    def over_markets(
        strategy: Strategy,
        static: Strategy,
        mechanism: Mechanism | None = None,
        effect: Mapping[str, float] | None = None,
        hash_price: float = 75.0,
    ) -> float:
        planted = None if mechanism is None else Planted(mechanism, effect or {})
        panels = (simulated(seed, planted, hash_price) for seed in range(MARKETS))
        return t_ratio(yearly_excess(strategy, static, panels))

    return over_markets


@pytest.fixture(scope="session")
def changed() -> Callable[[Panel, str, pd.Timestamp, float], Panel]:
    """A panel in which one field is multiplied by a factor on one day."""

    def change(panel: Panel, name: str, day: pd.Timestamp, factor: float) -> Panel:
        field = panel.field(name)
        values = field.values.copy()
        values.loc[day] *= factor
        other = Field(values, field.available_at, field.unit, field.source)
        return Panel(panel.universe, panel.sessions, {**panel.fields, name: other}, panel.clock)

    return change
