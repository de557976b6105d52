"""How well the network signals tell exits of machines, measured where the truth is known.

The simulated market (`SampleMarket`, nine years a seed) knows which machines left, when and why. A
detector's alarm is the moment at which it starts to fire, as it became public.

    python benchmarks/detectors.py [SEEDS] [--write]

prints the tables of docs/detectors.md, or writes them there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from marked_page import numbers_given, tell

from toolkit.data.sample import SampleMarket
from toolkit.data.sample_truth import Truth
from toolkit.panel import Panel
from toolkit.signals.difficulty import (
    EpochChange,
    EpochReversal,
    HashRibbons,
    ImpliedHashRate,
    NextRetarget,
    NonPriceExit,
)
from toolkit.signals.published import PublishedSignal

SEEDS = 50
SETTLING = pd.Timedelta(days=800)
"""Before it some detectors have no reading yet: nothing counts."""

TAIL = pd.Timedelta(days=30)
"""After the last day of an exit, in which an alarm is still right: two epochs."""

FALL = 0.03
"""Log fall of the true hash rate, over the 28 days before an alarm, that makes it a real one."""

GROUPS = {
    "ban": ("ban", 0.0, 1.0),
    "lasting": ("lasting", 0.1, 1.0),
    "small lasting": ("lasting", 0.0, 0.1),
    "weather": ("weather", 0.0, 1.0),
}
"""Kinds of exits that are told apart: kind and the range of the share that leaves."""


@dataclass(frozen=True)
class Case:
    """A simulated market: what was public, and what is true.

    Parameters
    ----------
    days
        UTC days that count.
    exits
        Those that count, with `until`, the last moment at which an alarm is right.
    covered
        Share of the days that lie in an exit.
    fell
        By day, the largest log fall of the true hash rate from a fortnight to the next one, of
        those that ended in the fortnight up to it.
    """

    panel: Panel
    truth: Truth
    days: pd.DatetimeIndex
    exits: pd.DataFrame
    covered: float
    fell: pd.Series

    @property
    def years(self) -> float:
        """Length of the time that counts."""
        return len(self.days) / 365.25


def case(seed: int) -> Case:
    """The market of a seed, every day of it a decision."""
    market = SampleMarket(seed=seed)
    universe = market.universe()
    fields = market.fields(universe, market.start, market.last_session())
    sessions = pd.DatetimeIndex(fields["close"].values.index)
    days = sessions[sessions >= sessions[0] + SETTLING]
    exits = market.truth.exits
    exits = exits.assign(until=exits["last"] + TAIL)
    exits = exits[(exits["first"] >= days[0]) & (exits["until"] <= days[-1])]
    fortnight = np.log(market.truth.hash_rate).rolling(14).mean()
    return Case(
        panel=Panel(universe, sessions, fields, "24/7", True),
        truth=market.truth,
        days=days,
        exits=exits.reset_index(drop=True),
        covered=float((_exit_of(exits, days) >= 0).mean()),
        fell=(fortnight.shift(14) - fortnight).rolling(14).max(),
    )


def _exit_of(exits: pd.DataFrame, moments: pd.DatetimeIndex) -> np.ndarray:
    """Row of the exit that each moment lies in, the latest to begin, -1 where it lies in none."""
    at = moments.to_numpy()[:, None]
    inside = (exits["first"].to_numpy() <= at) & (at <= exits["until"].to_numpy())
    latest = inside.shape[1] - 1 - np.argmax(inside[:, ::-1], axis=1) if len(exits) else -1
    return np.where(inside.any(axis=1), latest, -1)


@dataclass(frozen=True)
class Detector:
    """A signal and the threshold by which it is an alarm."""

    name: str
    reads: str
    signal: PublishedSignal
    fires: Callable[[pd.Series], pd.Series]

    def alarms(self, case: Case) -> pd.DatetimeIndex:
        """Moments (naive UTC) at which it starts to fire, of those that count."""
        field = self.signal.rows(case.panel)
        read = field.values.iloc[:, 0].notna().to_numpy()
        fired = self.fires(field.values.iloc[:, 0][read]).to_numpy()
        begins = fired & ~np.append(True, fired[:-1])
        moments = field.available_at[read][begins].tz_localize(None)
        return moments[(moments >= case.days[0]) & (moments <= case.days[-1])]


def below(level: float) -> Callable[[pd.Series], pd.Series]:
    return lambda values: values < level


DETECTORS = (
    Detector("epoch change", "below -6 %", EpochChange(), below(-0.06)),
    Detector("epoch change, denoised", "below -6 %", EpochChange(True), below(-0.06)),
    Detector("retarget forecast", "below -6 %", NextRetarget(), below(-0.06)),
    Detector("hash ribbons", "stress, band 1.1 %", HashRibbons(), below(0.0)),
    Detector("hash ribbons", "stress, band 2.2 %", HashRibbons(band=0.022), below(0.0)),
    Detector("hash ribbons on difficulty", "stress, band 1.1 %",
             HashRibbons(on="difficulty"), below(0.0)),
    Detector("non-price exit", "residual below -0.04", NonPriceExit(), below(-0.04)),
    Detector("non-price exit", "t-ratio below -2", NonPriceExit("t_ratio"), below(-2.0)),
)  # fmt: skip


@dataclass(frozen=True)
class Score:
    """What a detector did over all markets.

    Parameters
    ----------
    alarms, false_alarms
        A year; false ones lie in no exit.
    precision
        Share of the alarms that lie in an exit, from its first day to 30 days after its last.
    chance
        Share of the days that lie in one: the precision of alarms at random.
    real
        Share of the alarms before which the true hash rate had fallen, by whatever cause.
    kinds
        Share of the alarms that lie in an exit of each kind.
    recall, delay_days
        By group of exits: share of them with an alarm, and its median delay from the first day.
    recall_by_chance
        The recall of as many alarms at random.
    """

    alarms: float
    false_alarms: float
    precision: float
    chance: float
    real: float
    kinds: dict[str, float]
    recall: dict[str, float]
    delay_days: dict[str, float]
    recall_by_chance: dict[str, float]


def score(detector: Detector, cases: Sequence[Case]) -> Score:
    """What a detector did in some markets."""
    kinds: list[str] = []
    real: list[bool] = []
    delays: dict[str, list[float]] = {name: [] for name in GROUPS}
    lengths: dict[str, list[float]] = {name: [] for name in GROUPS}
    for one in cases:
        alarms = detector.alarms(one)
        named = np.append(one.exits["kind"].to_numpy(), "none")
        kinds += named[_exit_of(one.exits, alarms)].tolist()
        # An alarm knows the days that ended before it.
        fell = one.fell.reindex(alarms.normalize() - pd.Timedelta(days=1))
        real += (fell > FALL).tolist()
        for exit in one.exits.itertuples():
            hits = alarms[(alarms >= exit.first) & (alarms <= exit.until)]
            delay = (hits[0] - exit.first) / pd.Timedelta(days=1) if len(hits) else np.nan
            for name, (kind, low, high) in GROUPS.items():
                if exit.kind == kind and low <= exit.share < high:
                    delays[name].append(delay)
                    lengths[name].append((exit.until - exit.first) / pd.Timedelta(days=365.25))
    years = sum(one.years for one in cases)
    rate = len(kinds) / years
    share = pd.Series(kinds).value_counts(normalize=True)
    none = float(share.get("none", 0.0))
    return Score(
        alarms=rate,
        false_alarms=none * rate,
        precision=1.0 - none,
        chance=float(np.mean([one.covered for one in cases])),
        real=float(np.mean(real)),
        kinds={kind: float(share.get(kind, 0.0)) for kind in ("ban", "lasting", "weather")},
        recall={name: float(np.isfinite(these).mean()) for name, these in delays.items()},
        delay_days={name: float(np.nanmedian(these)) for name, these in delays.items()},
        recall_by_chance={
            name: float(-np.expm1(-rate * np.array(these)).mean())
            for name, these in lengths.items()
        },
    )


# Weather or lasting


VERDICTS = ("weather", "unclear", "lasting")
CAUSES = ("weather", "lasting", "ban", "price", "luck")


def verdicts(cases: Sequence[Case]) -> pd.DataFrame:
    """Every fall that `EpochReversal` judged: `cause`, `verdict`, `fall`, and `delay_days`.

    The cause is what took most of the log hash rate from one epoch to the next: weather, AI
    hosting, a ban, machines under water, or the luck of blocks, all by the truth. The delay runs
    from the start of the epoch of the fall to the verdict.
    """
    rows = []
    for one in cases:
        reversal = EpochReversal().rows(one.panel)
        share = reversal.values.iloc[:, 0]
        observed = np.log(ImpliedHashRate().rows(one.panel).values.iloc[:, 0]).to_numpy()
        labels = pd.DatetimeIndex(share.index)
        states = np.log1p(-one.truth.gone).assign(luck=-np.log(one.truth.hash_rate))
        epoch = pd.Series(labels.searchsorted(states.index, side="right"), states.index)
        means = states.groupby(epoch).mean().reindex(range(len(labels) + 1))
        for row in np.flatnonzero(share.notna().to_numpy()):
            if labels[row] < one.days[0]:
                continue
            # The verdict of a row is about the epoch that ended one row before it.
            lost = means.loc[row - 2] - means.loc[row - 1]
            fall = observed[row - 2] - observed[row - 1]
            lost["luck"] = fall + lost["luck"]
            value = share.iloc[row]
            verdict = "weather" if value > 0.6 else "lasting" if value < 0.3 else "unclear"
            waited = reversal.available_at[row].tz_localize(None) - labels[row - 2]
            rows.append((lost.idxmax(), verdict, fall, waited / pd.Timedelta(days=1)))
    return pd.DataFrame(rows, columns=["cause", "verdict", "fall", "delay_days"])


def agreement(found: pd.DataFrame) -> pd.DataFrame:
    """Verdicts by cause, counted: causes x `VERDICTS`."""
    counts = found.groupby(["cause", "verdict"]).size().unstack(fill_value=0)
    return counts.reindex(index=CAUSES, columns=VERDICTS, fill_value=0)


def percent(value: float) -> str:
    return f"{100.0 * value:.0f} %"


def tables(cases: Sequence[Case], scores: Sequence[Score], judged: pd.DataFrame) -> str:
    """The tables of the page, from the scores of `DETECTORS` and the verdicts."""
    years = sum(one.years for one in cases)
    exits = pd.concat([one.exits for one in cases])
    counted = {
        name: int((exits["kind"].eq(kind) & exits["share"].between(low, high, "left")).sum())
        for name, (kind, low, high) in GROUPS.items()
    }
    chance = scores[0].chance
    heads = " | ".join(f"{name} ({count})" for name, count in counted.items())
    lines = [
        f"Seeds 0 to {len(cases) - 1}, {years:.0f} years that count. By chance {percent(chance)} "
        "of alarms would be right.",
        "",
        "| detector | fires | alarms a year | right | in a ban, lasting exit, weather | real fall |"
        " false alarms a year |",
        "|---|---|---|---|---|---|---|",
    ]
    for detector, found in zip(DETECTORS, scores, strict=True):
        kinds = ", ".join(percent(found.kinds[kind]) for kind in ("ban", "lasting", "weather"))
        lines.append(
            f"| {detector.name} | {detector.reads} | {found.alarms:.2f} | "
            f"{percent(found.precision)} | {kinds} | {percent(found.real)} | "
            f"{found.false_alarms:.2f} |"
        )
    lines += [
        "",
        "Share of the exits that are found, in brackets by as many alarms at random, and the median "
        "delay in days from their first day:",
        "",
        f"| detector | fires | {heads} |",
        "|---|---|" + "---|" * len(counted),
    ]
    for detector, found in zip(DETECTORS, scores, strict=True):
        cells = " | ".join(
            f"{percent(found.recall[name])} ({percent(found.recall_by_chance[name])}), "
            f"{found.delay_days[name]:.0f} d"
            for name in GROUPS
        )
        lines.append(f"| {detector.name} | {detector.reads} | {cells} |")
    counts = agreement(judged)
    lines += [
        "",
        f"The {len(judged)} falls of 5 % or more that `EpochReversal` judged, known "
        f"{judged['delay_days'].median():.0f} days (median) after the epoch of the fall began:",
        "",
        "| what took most of the hash rate | falls | median fall | said weather | unclear | "
        "said lasting |",
        "|---|---|---|---|---|---|",
    ]
    sizes = judged.groupby("cause")["fall"].median()
    for cause, row in counts.iterrows():
        said = " | ".join(percent(value) for value in row / row.sum())
        lines.append(f"| {cause} | {row.sum()} | {percent(sizes[cause])} | {said} |")
    lines += [
        "",
        "| of the falls called | falls | " + " | ".join(CAUSES) + " |",
        "|---|---|" + "---|" * len(CAUSES),
    ]
    for verdict in ("weather", "lasting"):
        column = counts[verdict]
        shares = " | ".join(percent(value) for value in column / column.sum())
        lines.append(f"| {verdict} | {column.sum()} | {shares} |")
    return "\n".join(lines)


def main() -> int:
    numbers = numbers_given()
    cases = [case(seed) for seed in range(*(numbers or [SEEDS]))]
    text = tables(cases, [score(one, cases) for one in DETECTORS], verdicts(cases))
    tell(text, "detectors.md", "detectors.py")
    return 0


if __name__ == "__main__":
    sys.exit(main())
