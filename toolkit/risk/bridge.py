"""The bridge: what a shock to bitcoin, hash price, AI and credit does to each holding.

Formulas, the evidence of each coefficient and what the bridge cannot know: ``docs/stress.md``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from toolkit.errors import ConfigError
from toolkit.risk.factors import AI, BITCOIN
from toolkit.units import Fraction, NonNegative, component
from toolkit.universe import Asset, AssetId, Sleeve, Universe

Change = Annotated[float, Field(ge=-1.0, le=100.0, allow_inf_nan=False)]
"""A simple change: -0.3 loses 30 %."""

Spread = Annotated[float, Field(ge=-1.0, le=1.0, allow_inf_nan=False)]
"""A change of a rate per year: 0.03 is three percentage points."""

Margin = Annotated[float, Field(gt=0.0, le=1.0)]
"""Share of the hash price that is left after power."""

Debt = Annotated[float, Field(ge=0.0, lt=1.0)]
"""Debt over the value of what it finances."""


@component
class Shock:
    """A named change of the market, before anything is said of a holding.

    Parameters
    ----------
    name
        What a report calls it.
    bitcoin, hash_price, ai
        Simple changes of bitcoin's price, of the hash price in USD, of the AI basket. A hash price
        that is not given moves with bitcoin, as it does until the difficulty follows.
    credit
        Change of the financing spread per year.
    origin
        Where the numbers come from, for the record.
    """

    name: str
    bitcoin: Change = 0.0
    hash_price: Change | None = None
    ai: Change = 0.0
    credit: Spread = 0.0
    origin: str = ""

    def __post_init__(self) -> None:
        if not any((self.bitcoin, self.hash_price, self.ai, self.credit)):
            raise ConfigError(
                f"Stress {self.name!r} moves nothing{self.origin and f' ({self.origin})'}; give a "
                "change of bitcoin, hash_price, ai or credit."
            )


@dataclass(frozen=True, eq=False)
class Estimates:
    """What a decision knows that takes the place of coefficients.

    Parameters
    ----------
    margin
        Share of the hash price that the fleet has left after power; NaN where unknown.
    betas
        `factor_betas`: assets x factors, without those that have none.
    """

    margin: float = np.nan
    betas: pd.DataFrame = field(default_factory=pd.DataFrame)

    def beta(self, asset: str, factor: str, stated: float) -> float:
        """Estimated beta, not below 0: noise is no hedge; the stated one where there is none."""
        if factor not in self.betas:
            return stated
        return max(float(self.betas[factor].get(asset, stated)), 0.0)


@component
class Bridge:
    """Coefficients that turn a shock into the return of each holding.

    Parameters
    ----------
    estimated
        Whether the margin and the betas that a decision knows replace `margin`, `ai_beta` and
        `token_beta`.
    margin
        Share of the hash price that a miner has left after power: its value moves by 1 / margin
        times the hash price. A third: 31.5 USD at a cost of 21, mid-2026.
    least_margin
        A thinner margin counts as this one, since a miner that earns nothing is not worth nothing;
        0.25 bounds the elasticity at 4 (unverified).
    coins
        Share of a miner's mining side that moves with bitcoin instead: coins held (unverified).
    ai_share
        Share of a pivoting miner's value that is hosting: median of five reported revenue shares.
        Miners of the legacy sleeve have 0.
    ai_shares
        The same by asset; each counts from the asset's dated membership of the pivoting sleeve.
    hosting_beta, ai_beta
        Multiple of the AI shock: of hosting, and of AI infrastructure without an estimate.
    token_beta, token_ai
        Multiples of the shocks to bitcoin and AI in an AI token, the first without an estimate.
    mining_debt, hosting_debt
        Debt over value of the mining side (unverified) and of hosting (80 % loan to cost).
    debts
        Debt over value of whole assets, by asset, in place of the two; 0 for all but miners.
    credit_years
        Years over which debt pays the new spread, discounted (unverified): 0 for fixed coupons, 7
        for all of a 15-year lease at 12 %.
    """

    estimated: bool = True
    margin: Margin = 0.33
    least_margin: Margin = 0.25
    coins: Fraction = 0.3
    ai_share: Fraction = 0.4
    ai_shares: dict[AssetId, Fraction] = field(default_factory=dict)
    hosting_beta: NonNegative = 1.0
    ai_beta: NonNegative = 1.0
    token_beta: NonNegative = 1.2
    token_ai: NonNegative = 0.4
    mining_debt: Debt = 0.2
    hosting_debt: Debt = 0.8
    debts: dict[AssetId, Debt] = field(default_factory=dict)
    credit_years: NonNegative = 5.0

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets that a coefficient names."""
        return (*self.ai_shares, *self.debts)

    def returns(
        self, shock: Shock, universe: Universe, day: date, known: Estimates | None = None
    ) -> pd.Series:
        """Return of each asset under a shock, -1 at the least; cash does not move.

        Parameters
        ----------
        day
            Assets are in the sleeve that they have then.
        known
            What the decision knows; not given: the coefficients as they are stated.
        """
        known = known if self.estimated and known is not None else Estimates()
        found = [self._of(asset, asset.sleeve_on(day), shock, known) for asset in universe]
        return pd.Series(np.maximum(found, -1.0), universe.columns, dtype=float)

    def _of(self, asset: Asset, sleeve: Sleeve, shock: Shock, known: Estimates) -> float:
        debt = 0.0
        match sleeve:
            case Sleeve.CASH:
                return 0.0
            case Sleeve.BITCOIN:
                change = shock.bitcoin
            case Sleeve.AI_INFRASTRUCTURE:
                change = known.beta(asset.id, AI, self.ai_beta) * shock.ai
            case Sleeve.AI_TOKENS:
                beta = known.beta(asset.id, BITCOIN, self.token_beta)
                change = beta * shock.bitcoin + self.token_ai * shock.ai
            case Sleeve.LEGACY_MINERS:
                change, debt = self._mining(shock, known), self.mining_debt
            case Sleeve.PIVOTING_MINERS:
                share = self.ai_shares.get(asset.id, self.ai_share)
                hosting = self.hosting_beta * shock.ai
                change = (1.0 - share) * self._mining(shock, known) + share * hosting
                debt = (1.0 - share) * self.mining_debt + share * self.hosting_debt
        debt = self.debts.get(asset.id, debt)
        return change - debt / (1.0 - debt) * self.credit_years * shock.credit

    def _mining(self, shock: Shock, known: Estimates) -> float:
        """Return of the mining side: of mining power, worth the margin it earns, and of coins."""
        margin = max(self.margin if np.isnan(known.margin) else known.margin, self.least_margin)
        pay = shock.bitcoin if shock.hash_price is None else shock.hash_price
        return (1.0 - self.coins) * max(pay / margin, -1.0) + self.coins * shock.bitcoin
