"""What sizing needs to know of the market at a decision, from what was public then."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.backtest.accounts import open_for_orders
from toolkit.errors import ConfigError
from toolkit.optimize.costs import Measured
from toolkit.panel import Panel
from toolkit.risk.betas import factor_betas
from toolkit.risk.bridge import Bridge, Estimates, Shock
from toolkit.risk.estimators import CovarianceEstimate, RiskModel
from toolkit.risk.factors import factor_returns
from toolkit.risk.liquidity import (
    average_daily_volume,
    estimated_half_spread,
    session_volatility,
)
from toolkit.risk.scenarios import HistoricalScenarios, ScenarioModel
from toolkit.risk.stress import Stress, stress_losses
from toolkit.signals.economics import MinerMargin
from toolkit.units import component
from toolkit.universe import labels_of


@component
class Outlook:
    """What could happen to the market, for objectives and limits that ask.

    Parameters
    ----------
    scenarios
        How the scenarios of the next session are drawn.
    stresses
        Events: what each sleeve or asset loses in them, or how they shock the market.
    bridge
        What a shock does to a holding.
    """

    scenarios: ScenarioModel = field(default_factory=HistoricalScenarios)
    stresses: tuple[Stress | Shock, ...] = ()
    bridge: Bridge = Bridge()


class MarketView:
    """Estimates at each decision of a panel, each from returns up to that session."""

    def __init__(
        self,
        risk_model: RiskModel | None,
        outlook: Outlook,
        panel: Panel,
        measured: Measured | None = None,
    ) -> None:
        self.risk_model, self.outlook, self.panel = risk_model, outlook, panel
        self.measured = measured or Measured()
        self.returns = returns_for_risk(panel)

    @cached_property
    def factors(self) -> pd.DataFrame:
        """Returns of what moves all assets, sessions x factors."""
        return factor_returns(self.panel)

    @cached_property
    def margins(self) -> pd.Series | None:
        """Share of the hash price that the fleet has left after power, as it was known."""
        if not {"hash_price", "difficulty"} <= set(self.panel.fields):
            return None
        return MinerMargin().compute(self.panel).iloc[:, 0]

    def covariance(self, row: int) -> CovarianceEstimate | None:
        """Annual covariance; None without a risk model."""
        model, years = self.risk_model, self.panel.periods_per_year
        if model is None:
            return None
        returns = self.returns.iloc[: row + 1]
        if not model.reads_factors:
            return model.covariance(returns, years)
        return model.covariance(returns, years, self.factors.iloc[: row + 1])

    def scenarios(self, row: int) -> pd.DataFrame:
        """Simple returns that the next session may bring: scenarios x assets."""
        day = self.panel.sessions[row].date()
        sleeves = {a.id: a.sleeve_on(day).value for a in self.panel.universe if not a.is_cash}
        return self.outlook.scenarios.scenarios(self.returns.iloc[: row + 1], sleeves).returns

    def betas(self, row: int) -> pd.DataFrame:
        """Beta of each asset to each factor: assets x factors."""
        return factor_betas(self.returns.iloc[: row + 1], self.factors.iloc[: row + 1])

    def stress(self, row: int) -> pd.DataFrame:
        """Return of each asset under each stress."""
        if not self.outlook.stresses:
            raise ConfigError(
                "A limit on stress losses needs stresses. Add tables [[stress]] to the experiment, "
                "each with a name and the losses by sleeve or asset, a shock, or a scenario."
            )
        day, outlook = self.panel.sessions[row].date(), self.outlook
        shocked = any(isinstance(stress, Shock) for stress in outlook.stresses)
        known = self._estimates(row) if shocked and outlook.bridge.estimated else None
        losses = stress_losses(outlook.stresses, self.panel.universe, day, outlook.bridge, known)
        return -losses

    def _estimates(self, row: int) -> Estimates:
        """Margin of the fleet and betas, for the bridge."""
        margin = np.nan if self.margins is None else float(self.margins.iloc[row])
        return Estimates(margin, self.betas(row))

    def volumes(self, row: int) -> pd.Series:
        """USD traded in a day, NaN where unknown."""
        return average_daily_volume(self.panel, self.measured.lookback).iloc[row]

    def volatilities(self, row: int) -> pd.Series:
        """Standard deviation of a session's return, NaN where unknown."""
        return session_volatility(self.panel, self.measured.lookback).iloc[row]

    def half_spreads(self, row: int) -> pd.Series:
        """Estimated half-spread, a fraction, NaN where unknown."""
        return estimated_half_spread(self.panel, self.measured.spread_lookback).iloc[row]


def returns_for_risk(panel: Panel) -> pd.DataFrame:
    """Returns without cash and without halts, whose zeros say nothing about the risk."""
    traded = open_for_orders(panel).to_numpy()
    returns = np.where(traded, panel.returns().to_numpy(), np.nan)
    risky = [column for column, asset in enumerate(panel.universe) if not asset.is_cash]
    names = labels_of(*(asset.id for asset in panel.universe if not asset.is_cash))
    return pd.DataFrame(returns[:, risky], panel.sessions, names)
