"""What the model says beside what happened, or beside what follows from the protocol by hand.

A case is a list of checks: one number of the model, the number it should be, and a criterion that
was set before either was known. Nothing is fitted here. Falls of the hash rate that people caused
are in `episodes`; here are the cases that need no people. What the model says is SIMULATED.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from toolkit.network.chain import ChainResult, Start, follow_epochs, follow_hash_rate
from toolkit.network.difficulty import BLOCK_SECONDS, BLOCKS_PER_EPOCH, HASHES_PER_DIFFICULTY
from toolkit.network.drift import Drift
from toolkit.network.economics import BLOCKS_PER_DAY

CHINA_2021 = (
    ("2021-05-13", 683_424, 25.046488e12, 179.2),
    ("2021-05-30", 685_440, 21.047731e12, 150.6),
    ("2021-06-13", 687_456, 19.932791e12, 142.6),
    ("2021-07-03", 689_472, 14.363026e12, 102.8),
    ("2021-07-17", 691_488, 13.672594e12, 97.8),
    ("2021-07-31", 693_504, 14.496443e12, 103.7),
    ("2021-08-13", 695_520, 15.556094e12, 111.3),
    ("2021-08-25", 697_536, 17.615033e12, 126.0),
)
"""Retargets of the ban: estimated day, height, new difficulty, mean EH/s of the epoch that ended.

From the targets in the block headers; days by adding up how long the epochs took.
"""

SHOCKS = ((0.5, 0.0), (0.5, 0.5), (0.8, 0.0), (0.8, 0.5), (0.1, 0.0))
"""Share of the hash rate that is left, and the share of an epoch that was over when it fell."""

_ASSUMED_DRIFTS = (-0.24, -0.11)
_FORECAST_BARS = (0.65, 0.75, 0.92, 1.02, 1.02, 1.02)
_EPOCH_DAYS = 14.0
_LARGEST_CUT = 0.25
_BEFORE = 9e20
"""Hash rate, H/s, before a shock; no result depends on it."""

_FIRST_HEIGHT = 473 * BLOCKS_PER_EPOCH
_FIRST_DAY = "2026-07-01"


@dataclass(frozen=True)
class Check:
    """One number of the model beside the number that it should be.

    Attributes
    ----------
    case, quantity, unit
        What is compared.
    model, history
        The two numbers; for a case of pure arithmetic, history is the arithmetic.
    criterion
        When they agree, in words.
    met
        Whether they do; None where no criterion was set.
    """

    case: str
    quantity: str
    unit: str
    model: float
    history: float
    criterion: str
    met: bool | None

    @classmethod
    def within(
        cls, case: str, quantity: str, unit: str, pair: tuple[float, float], tolerance: float
    ) -> Check:
        """Check that the model and history, in this order, are no further apart than a tolerance."""
        model, history = pair
        met = abs(model - history) <= tolerance
        return cls(case, quantity, unit, model, history, f"within {tolerance:.3g} {unit}", met)


def check_table(checks: Iterable[Check]) -> pd.DataFrame:
    """Checks as rows: case, quantity, unit, model, history, difference, criterion, met."""
    table = pd.DataFrame([asdict(check) for check in checks])
    table.insert(5, "difference", table["model"] - table["history"])
    words = {True: "yes", False: "NO", None: "no bar"}
    return table.assign(met=[words[met] for met in table["met"]])


def china_2021() -> pd.DataFrame:
    """The ban of 2021: difficulty after each epoch, from the mean hash rates of the epochs.

    Returns
    -------
    A row a retarget, by height: `time` and `difficulty` of history, `hash_rate` (EH/s) of the
    epoch that it ends, how many `days` that took in the model, `model_time`, `model_difficulty`,
    and the changes of difficulty, `model` and `history` (%).
    """
    columns = ["time", "height", "difficulty", "hash_rate"]
    past = pd.DataFrame(CHINA_2021, columns=columns).set_index("height")
    past["time"] = pd.to_datetime(past["time"])
    history = 100.0 * past["difficulty"].pct_change()
    before, past = past.iloc[0], past.iloc[1:].copy()
    run = follow_epochs(list(1e18 * past["hash_rate"]), float(before["difficulty"]))
    run.index = past.index
    return past.assign(
        days=run["days"],
        model_time=before["time"] + pd.to_timedelta(run["days"].cumsum(), unit="D"),
        model_difficulty=run["difficulty"] * (1.0 + run["change"]),
        model=100.0 * run["change"],
        history=history,
    )


def china_checks(table: pd.DataFrame) -> list[Check]:
    """Seven changes within 0.1 points, and the length of the longest epoch within half an hour."""
    checks = [
        Check.within("China 2021", f"change at {height:,}", "%", (model, past), 0.1)
        for height, model, past in table[["model", "history"]].itertuples(name=None)
    ]
    longest = (float(table["days"].max()), 19.43)
    return [*checks, Check.within("China 2021", "longest epoch", "days", longest, 0.02)]


def shock(left: float, phase: float) -> ChainResult:
    """Run the chain for 250 days on a share of the hash rate, from a phase of an epoch on."""
    days = pd.date_range(_FIRST_DAY, periods=250, freq="D")
    start = Start(_FIRST_HEIGHT + round(phase * BLOCKS_PER_EPOCH), _equilibrium(_BEFORE))
    return follow_hash_rate(pd.Series(left * _BEFORE, index=days), start)


def shock_checks() -> list[Check]:
    """Times and sizes of the two retargets after each of `SHOCKS`, to a tenth of a percent."""
    checks = []
    for left, phase in SHOCKS:
        table = shock(left, phase).retargets
        days = (table["time"] - pd.Timestamp(_FIRST_DAY)).dt.total_seconds() / 86_400.0
        level = table["difficulty"] / _equilibrium(_BEFORE)
        first = max(1.0 / (phase + (1.0 - phase) / left), _LARGEST_CUT)
        by_hand = {
            "first retarget after": ("days", days[0], _EPOCH_DAYS * (1.0 - phase) / left),
            "difficulty after it": ("of before", level[0], first),
            "next epoch": ("days", days[1] - days[0], _EPOCH_DAYS * first / left),
            "difficulty after that": ("of before", level[1], max(left, _LARGEST_CUT * first)),
        }
        name = f"Shock: {left:.0%} left, {phase:.0%} into an epoch"
        checks += [
            Check(name, what, unit, model, value, "within 0.1 %", abs(model / value - 1.0) <= 1e-3)
            for what, (unit, model, value) in by_hand.items()
        ]
    return checks


def exits() -> dict[str, ChainResult]:
    """A fifth of the hash rate gone in one day, and gone in a straight line over 180 days."""
    days = pd.date_range(_FIRST_DAY, periods=240, freq="D")
    gone = {
        "in one day": np.where(np.arange(240) >= 1, 0.2, 0.0),
        "over 180 days": 0.2 * np.minimum(np.arange(240) / 180.0, 1.0),
    }
    start = Start(_FIRST_HEIGHT, _equilibrium(_BEFORE))
    return {
        name: follow_hash_rate(pd.Series(_BEFORE * (1.0 - share), index=days), start)
        for name, share in gone.items()
    }


def issuance_checks(runs: dict[str, ChainResult]) -> list[Check]:
    """What the two `exits` cost in issuance, against 144 blocks a day, within 0.1 points."""
    cases = (
        ("in one day", "first 30 days", 30, -11.5),
        ("over 180 days", "the 180 days", 180, -1.7),
    )
    checks = []
    for name, period, days, expected in cases:
        blocks = float(runs[name].daily["blocks"].iloc[:days].mean())
        lost = 100.0 * (blocks / BLOCKS_PER_DAY - 1.0)
        case = f"A fifth leaves {name}"
        checks.append(Check.within(case, f"issuance, {period}", "%", (lost, expected), 0.1))
    return checks


def changes_by_luck(chains: int = 40, epochs: int = 365, seed: int = 2021) -> pd.DataFrame:
    """Log changes of difficulty under a constant hash rate: epochs x independent chains."""
    # A week to spare: the last epoch may take longer than a fortnight.
    days = pd.date_range(_FIRST_DAY, periods=round(_EPOCH_DAYS * (epochs + 10)), freq="D")
    rate = pd.Series(_BEFORE, index=days)
    start = Start(_FIRST_HEIGHT, _equilibrium(_BEFORE))
    columns = {}
    for chain in range(chains):
        table = follow_hash_rate(rate, start, seed=seed + chain).retargets
        columns[chain] = np.diff(np.log(table["difficulty"]))[:epochs]
    return pd.DataFrame(columns)


def luck_checks(changes: pd.DataFrame) -> list[Check]:
    """Scatter and correlation of `changes_by_luck`, within three standard errors of theory.

    A retarget measures 2,015 exponential times, with a relative error of 2,015^-1/2; it enters two
    changes with opposite signs, so that they scatter by the square root of two of that.
    """
    scatter = 100.0 * changes.std()
    follow = changes.apply(lambda chain: chain.autocorr(1))
    theory = 100.0 * math.sqrt(2.0 / (BLOCKS_PER_EPOCH - 1))
    checks = []
    for quantity, unit, values, expected in (
        ("standard deviation of a change", "%", scatter, theory),
        ("correlation with the change before", "", follow, -0.5),
    ):
        error = float(values.std() / math.sqrt(len(values)))
        found = float(values.mean())
        words = f"within 3 standard errors of {error:.2g}"
        met = abs(found - expected) <= 3.0 * error
        checks.append(
            Check("Constant hash rate", quantity, unit, found, expected, words, bool(met))
        )
    return checks


def drift_checks(found: Drift, by_start: pd.Series) -> list[Check]:
    """Drifts of the hash price that this project reckons with, beside those of a series.

    Parameters
    ----------
    found
        Of the series since 2019.
    by_start
        Its `trends_by_start`.
    """
    assumed, mildest = _ASSUMED_DRIFTS
    case, unit = "Hash price since 2019", "% per year"
    spans = {
        "trend line": (found.trend, found.trend_low, found.trend_high),
        "mean change": (found.mean, found.mean_low, found.mean_high),
    }
    checks = []
    for what, (middle, low, high) in spans.items():
        words = f"inside {100.0 * low:.0f} to {100.0 * high:.0f}"
        inside = low <= assumed <= high
        checks.append(Check(case, what, unit, 100.0 * assumed, 100.0 * middle, words, inside))
    pair = (100.0 * mildest, 100.0 * float(by_start.max()))
    return [*checks, Check.within(case, "mildest trend line", unit, pair, 3.0)]


def forecast_checks(errors: pd.DataFrame) -> list[Check]:
    """The record of the retarget forecast (`forecast_errors`) against its bars."""
    checks = []
    for (point, row), bar in zip(errors.iterrows(), _FORECAST_BARS, strict=True):
        case = f"Next retarget, {point:.0%} mined"
        ratio, cover = float(row["ratio_interval"]), 100.0 * float(row["coverage"])
        checks += [
            Check(case, "error over the plain one", "", ratio, 1.0, f"<= {bar}", ratio <= bar),
            Check(case, "outcomes inside the 90 % band", "%", cover, 90.0, "85 to 95 %",
                  85.0 <= cover <= 95.0),
        ]  # fmt: skip
    return checks


def _equilibrium(hash_rate: float) -> float:
    """Difficulty at which a hash rate in H/s keeps the difficulty as it is."""
    interval = BLOCK_SECONDS * BLOCKS_PER_EPOCH / (BLOCKS_PER_EPOCH - 1)
    return hash_rate * interval / HASHES_PER_DIFFICULTY
