"""Sizing: from target weights to weights under risk limits, each answer certified."""

from toolkit.optimize.candidate import Candidate
from toolkit.optimize.costs import Cost, CostRates, Measured, ProportionalCost, SquareRootCost
from toolkit.optimize.decision import Allocation, Certificate, Decision
from toolkit.optimize.limits import (
    Limit,
    MaxBeta,
    MaxExpectedShortfall,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTradingDays,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
)
from toolkit.optimize.objectives import (
    MaximumSharpe,
    MeanVariance,
    MinimumExpectedShortfall,
    MinimumVariance,
    Objective,
    TrackTarget,
)
from toolkit.optimize.optimizer import Optimizer
from toolkit.optimize.program import Program
from toolkit.optimize.risk_budget import RiskBudget
from toolkit.optimize.views import BlackLitterman
from toolkit.risk.black_litterman import View

__all__ = [
    "Allocation",
    "BlackLitterman",
    "Candidate",
    "Certificate",
    "Cost",
    "CostRates",
    "Decision",
    "Limit",
    "Measured",
    "MaxBeta",
    "MaxExpectedShortfall",
    "MaxSleeveWeight",
    "MaxStressLoss",
    "MaxTrackingError",
    "MaxTradingDays",
    "MaxTurnover",
    "MaxVolatility",
    "MaxWeight",
    "MaximumSharpe",
    "MeanVariance",
    "MinCash",
    "MinEffectiveNumber",
    "MinExpectedReturn",
    "MinimumExpectedShortfall",
    "MinimumVariance",
    "Objective",
    "Optimizer",
    "Program",
    "ProportionalCost",
    "RiskBudget",
    "SquareRootCost",
    "TrackTarget",
    "View",
]
