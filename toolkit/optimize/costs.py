"""What trading costs: one object for the optimizer and for the ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from toolkit.errors import ConfigError
from toolkit.units import BasisPoints, component

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate

Rate = Annotated[float, Field(ge=0.0, lt=0.5, allow_inf_nan=False)]

_BASIS_POINT = 1e-4


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
    """

    fee: Rate = 0.0
    slippage: Rate = 0.0


class Cost(ABC):
    """A cost model: convex in the trades for the optimizer, rates for the ledger."""

    @abstractmethod
    def cost(self, candidate: Candidate) -> Any:
        """Cost of the trades, a fraction of equity."""

    @abstractmethod
    def rates(self) -> CostRates:
        """The same cost as the ledger charges it."""

    @property
    def free(self) -> bool:
        """Whether no trade costs anything."""
        return self.rates() == CostRates()


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
    """

    fee_bps: BasisPoints = 5.0
    half_spread_bps: BasisPoints = 3.0
    slippage_bps: BasisPoints = 2.0

    def __post_init__(self) -> None:
        self.rates()

    def cost(self, candidate: Candidate) -> Any:
        """Fee, half-spread and slippage on everything traded."""
        paid_bps = self.fee_bps + self.half_spread_bps + self.slippage_bps
        return paid_bps * _BASIS_POINT * candidate.traded()

    def rates(self) -> CostRates:
        """Fee, and half-spread plus slippage."""
        slippage = (self.half_spread_bps + self.slippage_bps) * _BASIS_POINT
        try:
            return CostRates(self.fee_bps * _BASIS_POINT, slippage)
        except ConfigError as error:
            raise ConfigError(f"ProportionalCost is too large. {error}") from None
