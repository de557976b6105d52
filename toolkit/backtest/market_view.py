"""What sizing needs to know of the market at a decision, from what was public then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from toolkit.backtest.accounts import open_for_orders
from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.risk.betas import factor_betas
from toolkit.risk.estimators import CovarianceEstimate, RiskModel
from toolkit.risk.factors import factor_returns
from toolkit.risk.scenarios import HistoricalScenarios, ScenarioModel
from toolkit.risk.stress import Stress, stress_losses
from toolkit.strategy import Strategy


@dataclass(frozen=True)
class MarketModels:
    """How the market is estimated for sizing.

    Parameters
    ----------
    risk
        Covariance; None gives none.
    scenarios
        Scenarios of one session, where an objective or a limit reads them.
    stresses
        Events with losses, where a limit reads them.
    """

    risk: RiskModel | None = None
    scenarios: ScenarioModel = HistoricalScenarios()
    stresses: Sequence[Stress] = ()


class MarketView:
    """Estimates at each decision of a panel, each from returns up to that session."""

    def __init__(self, models: MarketModels, panel: Panel) -> None:
        self.models, self.panel = models, panel
        self.returns = returns_for_risk(panel)

    @cached_property
    def factors(self) -> pd.DataFrame:
        """Returns of what moves all assets, sessions x factors."""
        return factor_returns(self.panel)

    def covariance(self, row: int) -> CovarianceEstimate | None:
        """Annual covariance; None without a risk model."""
        if self.models.risk is None:
            return None
        factors = self.factors.iloc[: row + 1] if self.models.risk.reads_factors else None
        return self.models.risk.covariance(
            self.returns.iloc[: row + 1], self.panel.periods_per_year, factors
        )

    def scenarios(self, row: int) -> pd.DataFrame:
        """Simple returns that the next session may bring: scenarios x assets."""
        day = self.panel.sessions[row].date()
        sleeves = {a.id: a.sleeve_on(day).value for a in self.panel.universe if not a.is_cash}
        return self.models.scenarios.scenarios(self.returns.iloc[: row + 1], sleeves).returns

    def betas(self, row: int) -> pd.DataFrame:
        """Beta of each asset to each factor: assets x factors."""
        return factor_betas(self.returns.iloc[: row + 1], self.factors.iloc[: row + 1])

    def stress(self, row: int) -> pd.DataFrame:
        """Return of each asset under each stress."""
        if not self.models.stresses:
            raise ConfigError(
                "A limit on stress losses needs stresses. Add tables [[stress]] with a name and "
                "the losses by sleeve or asset to the experiment."
            )
        day = self.panel.sessions[row].date()
        return -stress_losses(self.models.stresses, self.panel.universe, day)


def returns_for_risk(panel: Panel) -> pd.DataFrame:
    """Returns without cash and without halts, whose zeros say nothing about the risk."""
    returns = np.where(open_for_orders(panel), panel.returns(), np.nan)
    risky = np.array([not asset.is_cash for asset in panel.universe], dtype=bool)
    return pd.DataFrame(returns[:, risky], panel.sessions, panel.universe.columns[risky])
