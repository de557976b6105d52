"""Signals of what miners have disclosed: AI power under contract, its share, and how much is new."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, ClassVar, Literal

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.signals.published import DAY
from toolkit.signals.signal import Signal
from toolkit.units import Fraction, Positive, component
from toolkit.universe import MINERS

Floats = NDArray[np.float64]

_KIND = "announcements_"


@component
class StageWeights:
    """What a MW under contract counts, by how far it is: conventions, not estimates.

    ``StageWeights(0, 0, 1)`` and ``StageWeights(1, 1, 1)`` bound what any other weights give: only
    what runs, and everything that was signed.
    """

    announced: Fraction = 0.5
    financed: Fraction = 0.75
    energised: Fraction = 1.0

    def __post_init__(self) -> None:
        if not self.announced <= self.financed <= self.energised:
            raise ConfigError(
                f"StageWeights {self.announced:g}, {self.financed:g}, {self.energised:g}: a later "
                "stage must not count less."
            )


@component
class ContractedMegawatts(Signal):
    """Critical IT power that a miner has contracted to AI, weighted by stage.

    Parameters
    ----------
    stages
        What a MW counts when announced, financed and energised.

    Notes
    -----
    MW, sessions x assets; colocation contracts, options that were taken up and GPU-cloud contracts
    together. It steps at the decision that first knew of an announcement. 0 where the table of
    announcements knows of no contract; NaN before its first announcement, for what is no miner on
    the date, and before an asset may be held.

    How sure it is: a lower bound in so far as contracts that tell no critical or gross MW add
    nothing; gross MW are divided by 1.4, and deals told 1.21 to 1.52, which is -8 % to +16 %; what
    the weights make of it lies between the bounds of `StageWeights`. A contract that ends is not
    taken off.
    """

    rises_with_events: ClassVar[bool] = True

    stages: StageWeights = StageWeights()

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Weighted MW under contract: sessions x assets."""
        contracted = _known(panel, "contracted_mw") + _known(panel, "gpu_cloud_mw")
        financed = np.minimum(_known(panel, "financed_mw"), contracted)
        energised = np.minimum(_known(panel, "energised_mw"), financed)
        weights = self.stages
        megawatts = (
            weights.announced * contracted
            + (weights.financed - weights.announced) * financed
            + (weights.energised - weights.financed) * energised
        )
        mines = panel.members(MINERS).to_numpy()
        return panel.frame(np.where(mines, megawatts, np.nan))


@component
class DisclosedShare(Signal):
    """Share of a miner's power that is contracted to AI, by what it and its owner's table tell.

    Parameters
    ----------
    stages
        As in `ContractedMegawatts`.
    overhead
        Power of a site over its critical IT power; deals told 1.21 to 1.52.

    Notes
    -----
    A fraction, sessions x assets: AI / (AI + mining) with AI = overhead x contracted MW. The MW of
    mining come from the table ``miner_capacity.csv``. NaN, not available, where that has no row yet
    for an asset or there is no such table, as in the shipped data; and where `ContractedMegawatts`
    is NaN or both powers are 0. It is never guessed from anything else. Since what is contracted is
    often still to be built beside the mines, it is a share of plans, not of revenue.
    """

    stages: StageWeights = StageWeights()
    overhead: Annotated[float, pydantic.Field(ge=1.0, le=2.0)] = 1.4

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Share of AI: sessions x assets."""
        power = self.overhead * ContractedMegawatts(self.stages).compute(panel).to_numpy()
        share = np.full(power.shape, np.nan)
        if "mining_mw" in panel.fields:
            total = power + _known(panel, "mining_mw")
            np.divide(power, total, out=share, where=total > 0.0)
        return panel.frame(share)


@component
class DisclosureCount(Signal):
    """New contracts of a miner, large ones counting more and old ones less.

    Parameters
    ----------
    kind
        Contracts and options of colocation, or GPU-cloud contracts; they are kept apart.
    halflife_days
        Calendar days after which an announcement counts half.

    Notes
    -----
    A number, sessions x assets: the sum of ln(1 + MW) over announcements that were public, halved
    every `halflife_days` since they became so. What became public on one day is one announcement.
    0 where nothing was told; NaN as in `ContractedMegawatts`. Announcements without critical MW do
    not count.
    """

    rises_with_events: ClassVar[bool] = True

    kind: Literal["colocation", "gpu_cloud"] = "colocation"
    halflife_days: Positive = 60.0

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Decayed count: sessions x assets."""
        field = panel.field("gpu_cloud_mw" if self.kind == "gpu_cloud" else "contracted_mw")
        news = field.values.diff()
        news.iloc[:1] = field.values.iloc[:1]
        sizes = np.log1p(news.to_numpy(dtype=float))
        known = field.available_at.to_numpy() <= panel.decisions.to_numpy()[:, None]
        days = field.values.index.to_numpy()
        age = (panel.sessions.to_numpy()[:, None] - days) / DAY.to_timedelta64()
        decay = np.where(known, 0.5 ** (np.maximum(age, 0.0) / self.halflife_days), 0.0)
        count = np.where(known.any(axis=1, keepdims=True), decay @ sizes, np.nan)
        frame = pd.DataFrame(count, panel.sessions, field.values.columns)
        return frame.reindex(columns=panel.universe.columns).where(panel.members(MINERS))


@dataclass(frozen=True)
class LastEvent:
    """The latest announcements of an asset: their kinds, and the day on which they were public."""

    day: date
    kinds: tuple[str, ...]


def last_events(panel: Panel) -> dict[str, LastEvent]:
    """Latest announcements of each asset that the last decision of a panel knew of.

    Assets that have no price then or of which nothing was announced are absent, and so is what
    concerns the whole market.
    """
    latest: dict[str, LastEvent] = {}
    alive = panel.universe.columns[panel.prices().iloc[-1].notna()]
    for name in sorted(panel.fields):
        if not name.startswith(_KIND):
            continue
        counts = panel.field(name).until(panel.decisions[-1]).values
        news = counts.diff().fillna(counts) > 0.0
        for asset in alive.intersection(news.columns):
            days = news.index[news[asset]]
            if len(days) == 0:
                continue
            day, known = days[-1].date(), latest.get(asset)
            if known is None or day > known.day:
                latest[asset] = LastEvent(day, (name.removeprefix(_KIND),))
            elif day == known.day:
                latest[asset] = LastEvent(day, (*known.kinds, name.removeprefix(_KIND)))
    return latest


def _known(panel: Panel, name: str) -> Floats:
    """Last public value at each decision, a column each asset of the universe."""
    known = panel.known(name)
    if not known.columns.equals(panel.universe.columns):
        known = known.reindex(columns=panel.universe.columns)
    return known.to_numpy()
