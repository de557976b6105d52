"""Volatilities that rise and die down by GARCH(1,1), around correlations that stay."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from typing import Literal

import numpy as np
import pandas as pd

from toolkit.errors import ConfigError, DataError, SolverError
from toolkit.risk.model import CovarianceEstimate, RiskModel
from toolkit.risk.sample import (
    Floats,
    demand_enough,
    estimate_of,
    pairwise,
    recent_returns,
    sample_of,
)
from toolkit.risk.shrinkage import ledoit_wolf_intensity, shrunk
from toolkit.units import Sessions, component

_DECAY, _SEED_SESSIONS = 0.94, 75
_TOLERANCE = 1e-10
_PERIOD = {"month": "M", "quarter": "Q", "year": "Y"}


@dataclass(frozen=True)
class GarchProcess:
    """Variance of a return around its mean: h' = omega + alpha e^2 + beta h.

    Parameters
    ----------
    mean, omega
        In the unit of the returns, and in its square.
    log_likelihood
        Of the returns it was fitted to, normal; NaN where it was not fitted.
    """

    mean: float
    omega: float
    alpha: float
    beta: float
    log_likelihood: float = float("nan")

    def variances(self, returns: Floats) -> Floats:
        """Variance expected for each return from those before it, and for the next one.

        Before the first stands the weighted mean of the first 75 squares, with 0.94 a session.
        """
        from scipy.signal import lfilter

        squares = (returns - self.mean) ** 2
        weights = _DECAY ** np.arange(min(_SEED_SESSIONS, len(squares)))
        before = float(weights @ squares[: len(weights)] / weights.sum())
        first = self.omega + (self.alpha + self.beta) * before
        following, _ = lfilter(
            [1.0], [1.0, -self.beta], self.omega + self.alpha * squares, zi=[self.beta * first]
        )
        return np.concatenate([[first], following])

    def mean_variance(self, following: float, horizon: int) -> float:
        """Mean variance over the next returns, given that of the first of them."""
        variance, total = following, 0.0
        for _ in range(horizon):
            total += variance
            variance = self.omega + (self.alpha + self.beta) * variance
        return total / horizon


RISK_METRICS = GarchProcess(mean=0.0, omega=0.0, alpha=1.0 - _DECAY, beta=_DECAY)
"""Stands in where nothing can be fitted (RiskMetrics technical document, 1996, section 5.3)."""


def fit_garch(returns: Floats) -> GarchProcess:
    """GARCH(1,1) with a constant mean, by maximum likelihood of normal returns.

    Parameters
    ----------
    returns
        In the order of time, without NaN; in any unit, for they are scaled before the fit.

    Raises
    ------
    SolverError
        The returns do not vary, or the optimizer did not converge.
    """
    from arch.univariate import arch_model
    from arch.utility.exceptions import StartingValueWarning

    scale = float(np.std(returns))
    if not scale > 0.0:
        raise SolverError("A GARCH process cannot be fitted to returns that do not vary.")
    with warnings.catch_warnings():
        warnings.simplefilter("error", StartingValueWarning)
        model = arch_model(returns / scale, mean="Constant", vol="GARCH", p=1, q=1, rescale=False)
        # Whether it converged is asked below.
        fit = model.fit(disp="off", show_warning=False, tol=_TOLERANCE)
    mean, omega, alpha, beta = (float(value) for value in fit.params)
    if fit.convergence_flag != 0 or not np.isfinite([mean, omega, alpha, beta]).all():
        raise SolverError(
            f"The GARCH fit to {len(returns)} returns did not converge "
            f"(code {fit.convergence_flag}); give it more of them, or another risk model."
        )
    return GarchProcess(
        mean=mean * scale,
        omega=omega * scale**2,
        alpha=alpha,
        beta=beta,
        log_likelihood=float(fit.loglikelihood) - len(returns) * float(np.log(scale)),
    )


@component
class GarchVolatility(RiskModel):
    """GARCH(1,1) volatility of each asset, with the shrunk correlation of standardised returns.

    The parameters are those of the returns before the current calendar period; from there the
    variance runs forward with every return, up to the decision. An asset whose process cannot be
    fitted has the exponentially weighted variance of RiskMetrics (0.94 a session) and is named
    among the estimate's `fallbacks`. Correlations are constant: Ledoit and Wolf's shrinkage of
    returns over their expected volatility.

    Parameters
    ----------
    horizon
        Sessions ahead whose mean variance is given.
    lookback
        Sessions before the current period that the parameters are fitted to, and the variance runs
        through.
    correlation_lookback
        Sessions that correlations are measured over.
    minimum
        Returns an asset needs within those, and sessions within which the last one must lie.
    minimum_fit
        Returns that a fit needs.
    refit
        The calendar period at whose beginning parameters change.

    References
    ----------
    Bollerslev, Generalized autoregressive conditional heteroskedasticity, J. of Econometrics 31
    (1986); Modelling the coherence in short-run nominal exchange rates, Review of Economics and
    Statistics 72 (1990).
    """

    horizon: Sessions = 21
    lookback: Sessions = 1008
    correlation_lookback: Sessions = 252
    minimum: Sessions = 63
    minimum_fit: Sessions = 252
    refit: Literal["month", "quarter", "year"] = "quarter"

    def __post_init__(self) -> None:
        demand_enough(self.minimum, self.correlation_lookback)
        demand_enough(self.minimum_fit, self.lookback)
        if self.correlation_lookback > self.lookback:
            raise ConfigError(
                f"correlation_lookback = {self.correlation_lookback} sessions is more than lookback "
                f"= {self.lookback}: there would be no volatility to standardise by."
            )

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        """Covariance from the last `correlation_lookback` rows, and `lookback` before the period.

        Raises
        ------
        DataError
            Also: rows that are not labelled by days.
        """
        sample = sample_of(returns, self.correlation_lookback, self.minimum)
        anchor = self._anchor(returns)
        first = max(0, anchor - self.lookback)
        history = recent_returns(returns, len(returns) - first)[sample.assets]
        standard, variances = np.zeros_like(sample.values), np.zeros(len(sample.assets))
        fallbacks: dict[str, str] = {}
        for column, name in enumerate(sample.assets):
            given = history[name].to_numpy(dtype=float)
            known = np.isfinite(given)
            process, reason = self._process(given[: anchor - first][known[: anchor - first]])
            if reason:
                fallbacks[str(name)] = reason
            expected = process.variances(given[known])
            variances[column] = process.mean_variance(float(expected[-1]), self.horizon)
            moving = expected[:-1] > 0.0
            shares = np.zeros(len(given))
            shares[np.flatnonzero(known)[moving]] = given[known][moving] / np.sqrt(
                expected[:-1][moving]
            )
            standard[:, column] = shares[len(given) - len(standard) :]
        residual = replace(sample, values=standard)
        spread = pairwise(residual, np.ones(len(standard)), residual.mean)
        spread = shrunk(spread, ledoit_wolf_intensity(residual, spread))
        size = np.sqrt(np.diag(spread))
        scale = np.sqrt(variances * periods_per_year) / np.where(size > 0.0, size, 1.0)
        return estimate_of(sample, spread * scale[:, None] * scale, fallbacks)

    def _anchor(self, returns: pd.DataFrame) -> int:
        """First row of the calendar period of the last one: parameters come from those before."""
        if not isinstance(returns.index, pd.DatetimeIndex):
            raise DataError("GarchVolatility needs returns whose rows are labelled by days.")
        if not len(returns):
            return 0
        begin = returns.index[-1].to_period(_PERIOD[self.refit]).start_time
        return int(returns.index.searchsorted(begin))

    def _process(self, returns: Floats) -> tuple[GarchProcess, str]:
        """The process of returns, and why it is not a fitted one."""
        if len(returns) < self.minimum_fit:
            return RISK_METRICS, (
                f"{len(returns)} returns before this {self.refit}, a fit needs {self.minimum_fit}"
            )
        # By content: the same returns have the same fit, whatever else was asked before.
        key = blake2b(returns.tobytes()).digest()
        if key not in self._fits:
            try:
                self._fits[key] = fit_garch(returns), ""
            except SolverError as error:
                self._fits[key] = RISK_METRICS, str(error)
        return self._fits[key]

    @cached_property
    def _fits(self) -> dict[bytes, tuple[GarchProcess, str]]:
        return {}
