"""How much of a miner's explained risk the market takes for AI's, with the doubt about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pandas as pd
import pydantic
from numpy.typing import NDArray

from toolkit.clock import ends_of
from toolkit.errors import ConfigError, InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.signals.specifications import Specification, ai_share
from toolkit.signals.style_factors import StyleFactors
from toolkit.units import Fraction, component

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
        return self.estimate(panel).market_share

    def estimate(self, panel: Panel) -> ShareEstimate:
        """Share, band, R-squared and span at each session."""
        found = panel.derived(self, lambda: _estimate(panel, self))
        # Copies: what is done to them must not reach who asks next.
        frames = {name: getattr(found, name).copy(deep=False) for name in _FRAMES}
        return replace(found, **frames)


def _estimate(panel: Panel, signal: MarketShare) -> ShareEstimate:
    factors = StyleFactors(panel)
    used = tuple(way for way in signal.specifications if way.available(panel))
    shares, lows, highs, fits = [], [], [], []
    for way in used:
        exposure = way.exposure(factors)
        low, high = exposure.interval(signal.confidence)
        shares.append(ai_share(exposure.angle, exposure.correlation, way.split))
        lows.append(ai_share(low, exposure.correlation, way.split))
        highs.append(ai_share(high, exposure.correlation, way.split))
        fits.append(exposure.r_squared)
    share, fit, band_low, band_high = Spread(shares), Spread(fits), Spread(lows), Spread(highs)
    span = share.highest - share.lowest
    # One or two of many specifications have no middle.
    unsure = 2 * share.count < len(used)
    unsure |= ~(fit.median >= signal.least_r_squared) | ~(span <= signal.most_span)
    sure = np.where(unsure, np.nan, share.median)
    mines = factors.is_miner().to_numpy()

    def shown(values: NDArray[np.float64]) -> pd.DataFrame:
        return factors.on_clock(np.where(mines, values, np.nan))

    return ShareEstimate(
        market_share=shown(sure),
        band_low=shown(band_low.lowest),
        band_high=shown(band_high.highest),
        r_squared=shown(fit.median),
        span=shown(span),
        specifications=tuple(way.name for way in used),
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
