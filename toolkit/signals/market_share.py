"""How much of a miner's explained risk the market takes for AI's, with the doubt about it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.clock import ends_of
from toolkit.errors import ConfigError, InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.signals.specifications import Exposure, Specification, ai_share
from toolkit.signals.style_factors import StyleFactors
from toolkit.units import Fraction, component

Floats = NDArray[np.float64]

BROAD_EQUITY, SEMICONDUCTORS = "broad_equity", "semiconductors"
"""Fields with the price of a fund of the broad market, and of one of semiconductor shares."""

SPECIFICATIONS = (
    Specification(),
    Specification(mining="bitcoin"),
    Specification(weighting="inverse_volatility"),
    Specification(split="mining_first"),
    Specification(sessions=252),
    Specification(ai=SEMICONDUCTORS),
    Specification(control=BROAD_EQUITY),
)
"""One way, and six that differ from it in one thing each; the last two need their fields."""


@dataclass(frozen=True)
class ShareEstimate:
    """AI's share of explained risk: frames of sessions x assets, NaN where there is no estimate.

    Parameters
    ----------
    market_share
        Median over the specifications; NaN too where it is not to be relied on.
    band_low, band_high
        Lowest and highest end of the specifications' intervals.
    r_squared
        Median of the specifications' R-squared.
    span
        Highest less lowest share of the specifications, without sampling noise.
    specifications
        Names of those in use, those whose fields the panel has.
    """

    market_share: pd.DataFrame
    band_low: pd.DataFrame
    band_high: pd.DataFrame
    r_squared: pd.DataFrame
    span: pd.DataFrame
    specifications: tuple[str, ...]


_FRAMES = ("market_share", "band_low", "band_high", "r_squared", "span")


@component
class MarketShare(Signal):
    """AI's share of the risk that mining and AI explain of a miner's returns.

    Parameters
    ----------
    specifications
        Ways to estimate it; those whose fields the panel lacks are left out.
    confidence
        Of each specification's sampling interval.
    least_r_squared
        Below it, in the median over specifications, the share is NaN.
    most_span
        If the specifications differ by more, the share is NaN.

    Notes
    -----
    In [0, 1]: a share of explained variance, neither of revenue nor of capacity. Each session's value
    comes from returns up to that session. NaN before a miner has a whole window, where it is no
    miner, and where R-squared or the agreement is too small; band and R-squared are shown still.
    Intervals are conditional on the factors of the window: they tell how well its loadings are
    known, not how far its factors' variances are from those of other years (docs/signals.md). A
    miner whose other legacy miners are fewer than two has the specifications of bitcoin only, and
    no share unless there are at least two of them.
    """

    specifications: tuple[Specification, ...] = SPECIFICATIONS
    confidence: Annotated[float, pydantic.Field(gt=0.0, lt=1.0)] = 0.9
    least_r_squared: Fraction = 0.3
    most_span: Fraction = 0.35

    def __post_init__(self) -> None:
        names = [specification.name for specification in self.specifications]
        if not names or len(set(names)) < len(names):
            raise ConfigError(
                f"MarketShare.specifications: found {len(names)}, {len(set(names))} of them "
                "different; expected at least one, each once."
            )

    def compute(self, panel: Panel) -> pd.DataFrame:
        """AI's share of explained risk: sessions x assets."""
        found = panel.derived((self, "share"), lambda: _Ways.of(self, panel, errors=False).share())
        return found.copy(deep=False)

    def estimate(self, panel: Panel) -> ShareEstimate:
        """Share, band, R-squared and span at each session."""
        found = panel.derived(self, lambda: _estimate(panel, self))
        # Copies: what is done to them must not reach who asks next.
        frames = {name: getattr(found, name).copy(deep=False) for name in _FRAMES}
        return replace(found, **frames)


@dataclass(frozen=True)
class _Ways:
    """What each specification in use says of a panel."""

    signal: MarketShare
    factors: StyleFactors
    used: tuple[Specification, ...]
    exposures: tuple[Exposure, ...]

    @classmethod
    def of(cls, signal: MarketShare, panel: Panel, *, errors: bool) -> _Ways:
        """Of the specifications whose fields the panel has; bands need errors, shares do not."""
        factors = StyleFactors(panel)
        used = tuple(way for way in signal.specifications if way.available(panel))
        return cls(signal, factors, used, tuple(way.exposure(factors, errors) for way in used))

    def shares(self, angles: Iterable[Floats]) -> Spread:
        """Of the shares at an angle of each."""
        return Spread(
            [
                ai_share(angle, exposure.correlation, way.split)
                for way, exposure, angle in zip(self.used, self.exposures, angles, strict=True)
            ]
        )

    @cached_property
    def points(self) -> Spread:
        """Of the shares without sampling noise."""
        return self.shares(exposure.angle for exposure in self.exposures)

    @cached_property
    def fits(self) -> Spread:
        """Of R-squared."""
        return Spread([exposure.r_squared for exposure in self.exposures])

    def share(self) -> pd.DataFrame:
        """The middle share where it is to be relied on."""
        span = self.points.highest - self.points.lowest
        # One or two of many specifications have no middle.
        unsure = 2 * self.points.count < len(self.used)
        unsure |= ~(self.fits.median >= self.signal.least_r_squared)
        unsure |= ~(span <= self.signal.most_span)
        return self.shown(np.where(unsure, np.nan, self.points.median))

    def shown(self, values: Floats) -> pd.DataFrame:
        """Values where an asset is a miner: sessions x assets."""
        return self.factors.on_clock(np.where(self.factors.is_miner().to_numpy(), values, np.nan))


def _estimate(panel: Panel, signal: MarketShare) -> ShareEstimate:
    ways = _Ways.of(signal, panel, errors=True)
    lows, highs = zip(*(one.interval(signal.confidence) for one in ways.exposures), strict=True)
    return ShareEstimate(
        market_share=ways.share(),
        band_low=ways.shown(ways.shares(lows).lowest),
        band_high=ways.shown(ways.shares(highs).highest),
        r_squared=ways.shown(ways.fits.median),
        span=ways.shown(ways.points.highest - ways.points.lowest),
        specifications=tuple(way.name for way in ways.used),
    )


class Spread:
    """Lowest, median and highest of several arrays, element by element, without their NaN.

    Attributes
    ----------
    count
        How many are no NaN.
    lowest, median, highest
        NaN where none is.
    """

    def __init__(self, arrays: Sequence[NDArray[np.float64]]) -> None:
        ordered = np.sort(np.stack(arrays), axis=0)  # NaN come last.
        self.count = np.isfinite(ordered).sum(axis=0)

        def at(place: NDArray[np.int64]) -> NDArray[np.float64]:
            found = np.take_along_axis(ordered, np.maximum(place, 0)[None], axis=0)
            return np.asarray(found[0])

        self.lowest, self.highest = ordered[0], at(self.count - 1)
        self.median = 0.5 * (at((self.count - 1) // 2) + at(self.count // 2 * (self.count > 0)))


@dataclass(frozen=True)
class ShareRecord:
    """How many miner-months have a share, and why the others have none.

    A miner-month is the last session of a month on which a miner has a fit at all.

    Parameters
    ----------
    miner_months
        All of them.
    without_share
        Fraction of them whose share is NaN.
    low_r_squared, wide_span
        Fraction with too small an R-squared, and with too wide a span; some have both.
    """

    miner_months: int
    without_share: float
    low_r_squared: float
    wide_span: float


def share_record(signal: MarketShare, panel: Panel) -> ShareRecord:
    """How often a signal of the market's share has an opinion.

    Raises
    ------
    InsufficientHistoryError
        There is no miner-month with a fit.
    """
    estimate = signal.estimate(panel)
    ends = ends_of("month", panel.sessions, panel.clock).to_numpy()
    fit, span, share = (
        frame.to_numpy()[ends]
        for frame in (estimate.r_squared, estimate.span, estimate.market_share)
    )
    fitted = np.isfinite(fit)
    if not fitted.any():
        raise InsufficientHistoryError(
            "No miner has a whole window of returns at any month's end, so that nothing can be said "
            "about its share. Start the data earlier, or choose shorter windows."
        )
    return ShareRecord(
        miner_months=int(fitted.sum()),
        without_share=float(np.isnan(share[fitted]).mean()),
        low_r_squared=float((fit[fitted] < signal.least_r_squared).mean()),
        wide_span=float((span[fitted] > signal.most_span).mean()),
    )
