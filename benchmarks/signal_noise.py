"""How often the network signals fire on pure noise: a true hash rate that only grows steadily.

Chains with exponential times between blocks and the retarget rule of the protocol, every signal
computed by the toolkit on the fields such a chain would publish. The price is either constant or a
random walk without drift in its logarithm, 60 % a year. Nobody leaves, nobody fails: whatever fires
is luck.

    python benchmarks/signal_noise.py [YEARS] [SEED] [--write]

prints the tables of docs/signals.md, or writes them there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from marked_page import numbers_given, tell

from toolkit.clock import decision_times, sessions_between
from toolkit.network.difficulty import BLOCK_SECONDS, BLOCKS_PER_EPOCH, EPOCH_SECONDS
from toolkit.network.difficulty import HASHES_PER_DIFFICULTY as HASHES
from toolkit.panel import Field, Panel
from toolkit.signals.daily import difficulty_by_day
from toolkit.signals.difficulty import (
    DifficultyRegression,
    EpochChange,
    EpochReversal,
    HashRibbonCross,
    HashRibbons,
    ImpliedHashRate,
    NextRetarget,
    NonPriceExit,
    RibbonCompression,
)
from toolkit.signals.economics import HashPricePercentile
from toolkit.signals.issuance import PuellMultiple
from toolkit.signals.published import PublishedSignal
from toolkit.universe import Asset, Membership, Sleeve, Universe

GROWTHS = (0.0, 0.25, 0.50)
YEARS, SEED, YEARS_A_CHAIN = 1_000, 1, 20
START, VOLATILITY = 1e12, 0.6
FIRST = date(2010, 1, 1)
DAY_SECONDS = 86_400.0
SUBSIDY, FEES = 6.25, 0.1
COIN = Universe((Asset("BTC", (Membership(Sleeve.BITCOIN, FIRST),), calendar="24/7"),))


@dataclass(frozen=True)
class Chain:
    """What one simulated chain recorded.

    Parameters
    ----------
    retargets
        Start of each epoch in seconds, the first at 0.
    difficulty
        Of each epoch.
    blocks, hashes
        Found by day, and the hashes their difficulty stands for.
    """

    retargets: np.ndarray
    difficulty: np.ndarray
    blocks: np.ndarray
    hashes: np.ndarray


def simulate_chain(years: float, growth: float, random: np.random.Generator) -> Chain:
    """Blocks of a chain whose true hash rate grows by a share a year, from equilibrium on."""
    days = round(365.25 * years)
    rate = np.log1p(growth) / (365.25 * DAY_SECONDS)
    difficulty = START
    speed = difficulty * HASHES / BLOCK_SECONDS
    starts, difficulties = [], []
    blocks, hashes = np.zeros(days), np.zeros(days)
    done = 0.0
    while not starts or starts[-1] < days * DAY_SECONDS:
        work = done + difficulty * HASHES * np.cumsum(random.exponential(size=BLOCKS_PER_EPOCH))
        # The time by which a hash rate that grows at `rate` has done so much work.
        times = np.log1p(rate * work / speed) / rate if rate else work / speed
        day = (times // DAY_SECONDS).astype(int)
        inside = day[day < days]
        np.add.at(blocks, inside, 1.0)
        np.add.at(hashes, inside, difficulty * HASHES)
        starts.append(times[0])
        difficulties.append(difficulty)
        # The protocol sees the 2,015 intervals between the epoch's own blocks.
        difficulty *= np.clip(EPOCH_SECONDS / (times[-1] - times[0]), 0.25, 4.0)
        done = work[-1]
    known = np.array(starts) < days * DAY_SECONDS
    return Chain(np.array(starts)[known], np.array(difficulties)[known], blocks, hashes)


def panel_of(chain: Chain, price: np.ndarray) -> Panel:
    """The panel that would have been published of a chain and of a USD price by day."""
    last = FIRST + pd.Timedelta(days=len(chain.blocks) - 1)
    sessions = sessions_between("24/7", FIRST, last)
    rate, paid = chain.hashes / DAY_SECONDS, chain.blocks * (SUBSIDY + FEES)
    daily = {
        "hash_rate": (rate, "H/s"),
        "blocks": (chain.blocks, "blocks per day"),
        "issuance": (chain.blocks * SUBSIDY, "BTC per day"),
        "fees": (chain.blocks * FEES, "BTC per day"),
        "hash_price": (paid * price / (rate / 1e15), "USD per PH/s per day"),
    }
    ends = decision_times(sessions)
    fields = {
        name: Field(pd.DataFrame({name: v}, sessions), ends + pd.Timedelta(hours=1), unit, "noise")
        for name, (v, unit) in daily.items()
    }
    fields["close"] = Field(pd.DataFrame({"BTC": price}, sessions), ends, "USD", "noise")
    times = sessions[0] + pd.to_timedelta(np.rint(chain.retargets), unit="s").as_unit("ns")
    public = times.tz_localize("UTC") + pd.Timedelta(hours=6)
    by_epoch = pd.DataFrame({"difficulty": chain.difficulty}, index=times.normalize())
    fields["difficulty"] = Field(by_epoch, public, "1", "noise")
    return Panel(COIN, sessions, fields, clock="24/7")


@dataclass(frozen=True)
class Alarm:
    """One way in which a signal is read.

    Parameters
    ----------
    fires
        Whether a value is the alarm.
    walks
        Whether the price is a random walk; otherwise it is constant.
    every
        What a reading is of: ``days`` or ``epochs``, or ``falls`` that are judged.
    """

    name: str
    reads: str
    signal: PublishedSignal
    fires: Callable[[pd.Series], pd.Series]
    every: str = "days"
    walks: bool = False


def below(level: float) -> Callable[[pd.Series], pd.Series]:
    return lambda values: values < level


def above(level: float) -> Callable[[pd.Series], pd.Series]:
    return lambda values: values > level


ALARMS = (
    Alarm("epoch change", "below -6 %", EpochChange(), below(-0.06), "epochs"),
    Alarm("epoch change", "above 6 %", EpochChange(), above(0.06), "epochs"),
    Alarm("epoch change, denoised", "below -6 %", EpochChange(True), below(-0.06), "epochs"),
    Alarm("epoch change, denoised", "above 6 %", EpochChange(True), above(0.06), "epochs"),
    Alarm("retarget forecast", "below -6 %", NextRetarget(), below(-0.06)),
    Alarm("retarget forecast", "above 6 %", NextRetarget(), above(0.06)),
    Alarm("epoch reversal", "above 0.6, weather", EpochReversal(), above(0.6), "falls"),
    Alarm("epoch reversal", "below 0.3, lasting", EpochReversal(), below(0.3), "falls"),
    Alarm("hash ribbons", "stress, no band", HashRibbons(band=0.0), below(0.0)),
    Alarm("hash ribbons", "stress, band 1.1 %", HashRibbons(), below(0.0)),
    Alarm("hash ribbons", "stress, band 2.2 %", HashRibbons(band=0.022), below(0.0)),
    Alarm("hash ribbons on difficulty", "stress, no band",
          HashRibbons(band=0.0, on="difficulty"), below(0.0)),
    Alarm("hash ribbons on difficulty", "stress, band 1.1 %",
          HashRibbons(on="difficulty"), below(0.0)),
    Alarm("hash ribbon cross", "recovery, no band",
          HashRibbonCross(HashRibbons(band=0.0)), above(0.5), walks=True),
    Alarm("hash ribbon cross", "recovery, band 1.1 %", HashRibbonCross(), above(0.5), walks=True),
    Alarm("ribbon compression", "below -0.05", RibbonCompression(), below(-0.05)),
    Alarm("ribbon compression", "above 0.05", RibbonCompression(), above(0.05)),
    Alarm("Puell multiple", "below 0.5", PuellMultiple(), below(0.5)),
    Alarm("Puell multiple", "below 0.5", PuellMultiple(), below(0.5), walks=True),
    Alarm("Puell multiple", "above 4", PuellMultiple(), above(4.0), walks=True),
    Alarm("hash price percentile", "below 0.1", HashPricePercentile(), below(0.1)),
    Alarm("hash price percentile", "below 0.1", HashPricePercentile(), below(0.1), walks=True),
    Alarm("hash price percentile", "above 0.9", HashPricePercentile(), above(0.9)),
    Alarm("hash price percentile", "above 0.9", HashPricePercentile(), above(0.9), walks=True),
    Alarm("non-price exit", "residual below -0.04", NonPriceExit(), below(-0.04), "epochs", True),
    Alarm("non-price exit", "t-ratio below -2", NonPriceExit("t_ratio"), below(-2.0), "epochs",
          True),
    Alarm("difficulty regression", "below 1", DifficultyRegression(), below(1.0), walks=True),
)  # fmt: skip


def chains(years: int, growth: float, seed: int) -> Iterator[tuple[Panel, Panel]]:
    """Panels of independent chains, once with a constant price and once with a random walk."""
    for number in range(years // YEARS_A_CHAIN):
        random = np.random.default_rng([seed, number, round(100 * growth)])
        chain = simulate_chain(YEARS_A_CHAIN, growth, random)
        steps = VOLATILITY / np.sqrt(365.0) * random.standard_normal(len(chain.blocks))
        constant = np.full(len(steps), 50_000.0)
        yield panel_of(chain, constant), panel_of(chain, constant * np.exp(np.cumsum(steps)))


def measure(alarm: Alarm, panels: list[tuple[Panel, Panel]]) -> tuple[np.ndarray, np.ndarray]:
    """Of each chain: the share of readings that fire, and how often a year firing starts."""
    shares, starts = [], []
    for constant, walk in panels:
        values = alarm.signal.rows(walk if alarm.walks else constant).values.iloc[:, 0].dropna()
        fired = alarm.fires(values).to_numpy(dtype=float)
        shares.append(fired.mean())
        begun = fired if alarm.every == "falls" else np.diff(fired, prepend=0.0) > 0.0
        starts.append(begun.sum() / YEARS_A_CHAIN)
    return np.array(shares), np.array(starts)


def noise_sizes(panels: list[tuple[Panel, Panel]]) -> dict[str, np.ndarray]:
    """Of each chain, under a constant hash rate: standard deviations of what should not move."""
    truth = np.log(START * HASHES / BLOCK_SECONDS)
    sizes: dict[str, list[float]] = {}
    for panel, _ in panels:
        change = EpochChange().rows(panel).values.iloc[:, 0].dropna()
        rate = np.log(ImpliedHashRate().rows(panel).values.iloc[:, 0].dropna()) - truth
        daily = panel.field("hash_rate").values.iloc[:, 0]
        found = {
            "epoch change, standard deviation": 100.0 * change.std(),
            "epoch change, correlation with the one before": change.autocorr(1),
            "epoch change denoised, standard deviation":
                100.0 * EpochChange(True).rows(panel).values.iloc[:, 0].std(),
            "implied hash rate, standard deviation": 100.0 * rate.std(),
            "daily hash rate, standard deviation": 100.0 * daily.std() / daily.mean(),
            "ratio of 30-day to 60-day average, standard deviation":
                100.0 * HashRibbons().excess(daily).std(),
            "same on difficulty":
                100.0 * HashRibbons().excess(difficulty_by_day(panel).values.iloc[:, 0]).std(),
            "Puell multiple of a day, standard deviation":
                100.0 * PuellMultiple().rows(panel).values.iloc[:, 0].std(),
            "hash price, standard deviation":
                100.0 * np.log(panel.field("hash_price").values.iloc[:, 0]).std(),
        }  # fmt: skip
        for name, size in found.items():
            sizes.setdefault(name, []).append(float(size))
    return {name: np.array(values) for name, values in sizes.items()}


def with_error(values: np.ndarray, digits: int) -> str:
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():.{digits}f} ± {error:.{digits}f}"


def tables(years: int, seed: int) -> str:
    by_growth = {growth: list(chains(years, growth, seed)) for growth in GROWTHS}
    heads = " | ".join(f"growth {growth:.0%} a year" for growth in GROWTHS)
    lines = [
        f"Seed {seed}; {years} simulated years for each rate of growth, in chains of "
        f"{YEARS_A_CHAIN}. A cell is the",
        "share of readings that fire in percent, and after the semicolon how many times a year it "
        "starts to;",
        "± is one standard error of the simulation.",
        "",
        f"| signal | fires when | price | {heads} |",
        "|---|---|---|" + "---|" * len(GROWTHS),
    ]
    for alarm in ALARMS:
        cells = []
        for growth in GROWTHS:
            shares, starts = measure(alarm, by_growth[growth])
            share = with_error(100.0 * shares, 1)
            cells.append(f"{share} % of {alarm.every}; {with_error(starts, 2)}")
        price = "random walk" if alarm.walks else "constant"
        lines.append(f"| {alarm.name} | {alarm.reads} | {price} | {' | '.join(cells)} |")
    lines += ["", "| under a constant hash rate and price | size |", "|---|---|"]
    for name, sizes in noise_sizes(by_growth[0.0]).items():
        correlation = "correlation" in name
        text = with_error(sizes, 3 if correlation else 2)
        lines.append(f"| {name} | {text}{'' if correlation else ' %'} |")
    return "\n".join(lines)


def main() -> int:
    numbers = numbers_given()
    years, seed = [*numbers, *(YEARS, SEED)[len(numbers) :]]
    text = tables(years, seed)
    tell(text, "signals.md", "signal_noise.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
