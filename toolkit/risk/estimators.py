"""The risk models there are: the kinds that an experiment file can name."""

from toolkit.risk.exponential import ExponentialCovariance
from toolkit.risk.factor_model import FactorModel
from toolkit.risk.garch import GarchVolatility
from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import SMALLEST_OVERLAP
from toolkit.risk.shrinkage import LedoitWolf, OracleApproximatingShrinkage

__all__ = [
    "SMALLEST_OVERLAP",
    "CovarianceEstimate",
    "ExponentialCovariance",
    "FactorModel",
    "GarchVolatility",
    "LedoitWolf",
    "OracleApproximatingShrinkage",
    "RiskModel",
]
