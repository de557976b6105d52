"""What trading costs: one object for the optimizer and for the ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from toolkit.errors import ConfigError
from toolkit.risk.liquidity import LOOKBACK, SPREAD_LOOKBACK
from toolkit.units import BasisPoints, NonNegative, Positive, Sessions, component

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate

Rate = Annotated[float, Field(ge=0.0, lt=0.5, allow_inf_nan=False)]

LARGEST_IMPACT = 0.25
"""The ledger charges no impact beyond this fraction of the traded value.

There the law has long ceased to be one; and a sale must bring something.
"""

_BASIS_POINT = 1e-4


@component
class Measured:
    """The part of the rates that depends on what was known of an asset at the decision.

    Parameters
    ----------
    impact
        Coefficient c of the square-root law: a trade worth V moves its own price by
        ``c * volatility * sqrt(V / volume)``, the volatility of a session and the average volume
        of a day; at most by `LARGEST_IMPACT`, and by nothing where either is unknown.
    half_spread
        Half-spread, a fraction, of assets for which none can be estimated; the others have their
        estimate. None: none is estimated, the slippage holds it.
    lookback, spread_lookback
        Sessions for volume and volatility, and for the spread.
    """

    impact: NonNegative = 0.0
    half_spread: Rate | None = None
    lookback: Sessions = LOOKBACK
    spread_lookback: Sessions = SPREAD_LOOKBACK


@component
class CostRates:
    """What one side of a trade costs; cash trades free.

    Parameters
    ----------
    fee
        Fraction of the traded value.
    slippage
        Fraction by which the price is worse than the close, half-spread included: a buy pays
        ``close * (1 + slippage)``, a sale receives ``close * (1 - slippage)``.
    measured
        What comes on top of the slippage, asset by asset; None is nothing.
    """

    fee: Rate = 0.0
    slippage: Rate = 0.0
    measured: Measured | None = None


class Cost(ABC):
    """A cost model: convex in the trades for the optimizer, rates for the ledger."""

    holding_years: float = 1.0

    @abstractmethod
    def cost(self, candidate: Candidate) -> Any:
        """Cost of the trades, a fraction of equity."""

    @abstractmethod
    def rates(self) -> CostRates:
        """The same cost as the ledger charges it."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Fields of `Decision` that must be given."""
        return ()

    @property
    def free(self) -> bool:
        """Whether no trade costs anything."""
        return self.rates() == CostRates()

    def yearly(self, candidate: Candidate) -> Any:
        """Cost of the trades spread over the time they are held, in the unit of a year's return."""
        paid = self.cost(candidate)
        return paid if self.holding_years == 1.0 else paid * (1.0 / self.holding_years)


@component
class ProportionalCost(Cost):
    """Costs in proportion to the traded value.

    Parameters
    ----------
    fee_bps
        Fee per side.
    half_spread_bps
        Half the bid-ask spread.
    slippage_bps
        Further loss against the close.
    holding_years
        For how long a trade is expected to be held. Risk and return in an objective are those of a
        year, so the optimizer counts costs divided by it; the ledger charges them in full. With
        0.25 a trade must earn its cost back within a quarter.
    """

    fee_bps: BasisPoints = 5.0
    half_spread_bps: BasisPoints = 3.0
    slippage_bps: BasisPoints = 2.0
    holding_years: Positive = 1.0

    def __post_init__(self) -> None:
        self.rates()

    def cost(self, candidate: Candidate) -> Any:
        """Fee, half-spread and slippage on everything traded."""
        paid_bps = self.fee_bps + self.half_spread_bps + self.slippage_bps
        return paid_bps * _BASIS_POINT * candidate.traded()

    def rates(self) -> CostRates:
        """Fee, and half-spread plus slippage."""
        return self._rates(self.half_spread_bps + self.slippage_bps)

    def _rates(self, slippage_bps: float, measured: Measured | None = None) -> CostRates:
        try:
            return CostRates(self.fee_bps * _BASIS_POINT, slippage_bps * _BASIS_POINT, measured)
        except ConfigError as error:
            raise ConfigError(f"{type(self).__name__} is too large. {error}") from None


@component
class SquareRootCost(ProportionalCost):
    """Costs in proportion to the traded value, and the price that large trades move.

    A trade worth V costs ``impact * volatility * sqrt(V / volume) * V`` besides, with the volatility
    of a session and the average volume of a day as they were known at the decision. Where either is
    unknown no impact is charged, which `cost_log` reports.

    Parameters
    ----------
    impact
        Coefficient of the impact. An order is found to move the price by about once the volatility
        times the root of its share in a day's volume by the time it is done; 1.0 charges all of
        it. Of an order that is filled in slices the average price is worse by two thirds of it.
    estimated_spread
        Whether the half-spread is estimated from highs, lows and closes where there are such:
        see `toolkit.risk.spread.half_spreads`, which tells how rough it is. `half_spread_bps` is
        that of the other assets.
    lookback, spread_lookback
        Sessions for volume and volatility, and for the spread.

    References
    ----------
    Almgren, Thum, Hauptmann and Li, Direct estimation of equity market impact, Risk 18 (2005). Toth
    et al., Anomalous price impact and the critical nature of liquidity in financial markets,
    Physical Review X 1 (2011).
    """

    impact: NonNegative = 1.0
    estimated_spread: bool = False
    lookback: Sessions = LOOKBACK
    spread_lookback: Sessions = SPREAD_LOOKBACK

    @property
    def needs(self) -> tuple[str, ...]:
        """What impact and spread are computed from."""
        size = ("equity", "volumes", "volatilities") if self.impact > 0.0 else ()
        return (*size, "half_spreads") if self.estimated_spread else size

    def cost(self, candidate: Candidate) -> Any:
        """Fee, half-spread and slippage on everything traded, and the impact of each trade."""
        if self.estimated_spread:
            paid_bps = self.fee_bps + self.slippage_bps
            half_spread = candidate.half_spread_paid(self.half_spread_bps * _BASIS_POINT)
            total = paid_bps * _BASIS_POINT * candidate.traded() + half_spread
        else:
            total = super().cost(candidate)
        if self.impact > 0.0:
            total = total + self.impact * candidate.market_impact()
        return total

    def rates(self) -> CostRates:
        """Fee, slippage, and what is measured."""
        half_spread = self.half_spread_bps * _BASIS_POINT if self.estimated_spread else None
        if self.impact == 0.0 and half_spread is None:
            return super().rates()
        constant = 0.0 if self.estimated_spread else self.half_spread_bps
        measured = Measured(self.impact, half_spread, self.lookback, self.spread_lookback)
        return self._rates(constant + self.slippage_bps, measured)
