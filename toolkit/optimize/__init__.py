"""Sizing: from target weights to weights under risk limits, each answer certified."""

from toolkit.optimize.candidate import Candidate
from toolkit.optimize.costs import Cost, CostRates, ProportionalCost
from toolkit.optimize.decision import Allocation, Certificate, Decision
from toolkit.optimize.limits import (
    Limit,
    MaxSleeveWeight,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MinCash,
)
from toolkit.optimize.objectives import Objective, TrackTarget
from toolkit.optimize.optimizer import Optimizer, Program

__all__ = [
    "Allocation",
    "Candidate",
    "Certificate",
    "Cost",
    "CostRates",
    "Decision",
    "Limit",
    "MaxSleeveWeight",
    "MaxTurnover",
    "MaxVolatility",
    "MaxWeight",
    "MinCash",
    "Objective",
    "Optimizer",
    "Program",
    "ProportionalCost",
    "TrackTarget",
]
