"""Portfolios without an opinion, which every strategy is held against."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.panel import Panel
from toolkit.signals.price import TrailingVolatility
from toolkit.signals.signal import Signal
from toolkit.strategy import (
    Strategy,
    decided_where_invested,
    demand_at_most_one,
    proportions,
    share_equally,
)
from toolkit.units import Fraction, Sessions, component
from toolkit.universe import Sleeve

Shares = Mapping[Sleeve | tuple[Sleeve, ...], float | NDArray[np.float64]]

RISKY = tuple(sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH)


@component
class BitcoinOnly(Strategy):
    """All in bitcoin, always."""

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Weight 1 in bitcoin once it has a price."""
        return decided_where_invested(share_equally(panel.members([Sleeve.BITCOIN])))


@component
class EqualWeight(Strategy):
    """The same weight in every asset that can be held on the day, cash aside."""

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Equal weights over the eligible assets of each session."""
        return decided_where_invested(share_equally(panel.members(RISKY)))


@component
class StaticMix(Strategy):
    """Fixed shares of the sleeves, each spread equally over its members of the day.

    The share of a sleeve that has no member yet stays in cash.
    """

    bitcoin: Fraction = 0.30
    legacy_miners: Fraction = 0.15
    pivoting_miners: Fraction = 0.15
    ai_infrastructure: Fraction = 0.30
    ai_tokens: Fraction = 0.05

    def __post_init__(self) -> None:
        shares = (
            self.bitcoin,
            self.legacy_miners,
            self.pivoting_miners,
            self.ai_infrastructure,
            self.ai_tokens,
        )
        demand_at_most_one(sum(shares), "StaticMix")

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Sleeve shares spread over members: sessions x assets."""
        shares: Shares = {
            Sleeve.BITCOIN: self.bitcoin,
            Sleeve.LEGACY_MINERS: self.legacy_miners,
            Sleeve.PIVOTING_MINERS: self.pivoting_miners,
            Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure,
            Sleeve.AI_TOKENS: self.ai_tokens,
        }
        return decided_where_invested(sum_of_sleeves(panel, shares))


def sum_of_sleeves(
    panel: Panel, shares: Shares, among: NDArray[np.bool_] | None = None
) -> pd.DataFrame:
    """Weights that give each sleeve its share, spread equally over its members of the day.

    Several sleeves may have a share together, and it may be another on each session. Members that
    are not `among` those that count get none of it.
    """
    weights = np.zeros((len(panel.sessions), len(panel.universe)))
    for sleeves, share in shares.items():
        members = panel.members((sleeves,) if isinstance(sleeves, Sleeve) else sleeves).to_numpy()
        counted = members if among is None else members & among
        weights += np.reshape(share, (-1, 1)) * proportions(counted)
    return panel.frame(weights)


@component
class InverseVolatility(Strategy):
    """Weights in proportion to one over trailing volatility, cash aside."""

    lookback: Sessions = 63

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Trailing volatility."""
        return {"volatility": TrailingVolatility(self.lookback)}

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Weights by inverse volatility over eligible assets with a full window."""
        volatility = self.read(panel, signals)["volatility"].to_numpy()
        weights = proportions(panel.members(RISKY).to_numpy() / volatility)
        return decided_where_invested(panel.frame(weights))
