"""What risk models said of portfolios at past decisions, beside what came.

Every model sees the returns up to a decision and nothing else. The portfolios are fixed rules that
were not chosen by what came: equal weights, equal weights of the sleeves, bitcoin alone, and the
least risky portfolio in the model's own view, where an estimate that is wrong in the detail shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from math import sqrt

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.market_view import returns_for_risk
from toolkit.clock import Period, ends_of
from toolkit.errors import ConfigError, InsufficientHistoryError
from toolkit.metrics import expected_shortfall, value_at_risk
from toolkit.panel import Panel
from toolkit.risk.factors import factor_returns
from toolkit.risk.measures import normal_expected_shortfall, normal_value_at_risk
from toolkit.risk.model import RiskModel
from toolkit.risk.scenarios import ScenarioModel
from toolkit.units import Sessions, component
from toolkit.universe import Sleeve

Floats = NDArray[np.float64]

EQUAL, SLEEVES, LEAST, BITCOIN = "equal weight", "sleeve mix", "minimum variance", "bitcoin"

_RIDGE = 1e-8


@component
class Trial:
    """When risk models are asked, and how far ahead.

    Parameters
    ----------
    first
        First session after which they are asked.
    every
        ``day``, ``week``, ``month`` or ``quarter``: the last session of each.
    horizons
        Sessions ahead, each judged apart. The panel's last ones are only outcomes.
    levels
        Confidences of value at risk and expected shortfall.
    """

    first: date
    every: Period = "week"
    horizons: tuple[Sessions, ...] = (5, 21)
    levels: tuple[float, ...] = (0.95, 0.99)

    def __post_init__(self) -> None:
        if not self.horizons or not all(0.0 < level < 1.0 for level in self.levels):
            raise ConfigError("Trial needs a horizon, and levels between 0 and 1.")


def risk_forecasts(
    models: Mapping[str, RiskModel | ScenarioModel], panel: Panel, trial: Trial
) -> pd.DataFrame:
    """Forecasts of every model for the reference portfolios, with what came.

    Parameters
    ----------
    models
        By name. Scenarios speak of one session; further ahead their losses grow with the root of
        the sessions, and covariances speak of normal returns without a mean.

    Returns
    -------
    DataFrame
        A row a ``model``, ``portfolio``, ``horizon`` and ``session`` of decision, which is the
        panel's ``row``. ``forecast`` and
        ``realised`` are variances a year, the latter the mean square of the session returns that
        followed; ``loss`` that of all of them together; ``score`` the sum of them over its forecast
        volatility; ``var_95`` and ``es_95`` (a pair a level)
        the loss forecast. Weights are those of the decision on every session. A portfolio holds
        what all models have an estimate of and may be bought; rows without any are left out.

    Raises
    ------
    InsufficientHistoryError
        No decision has a whole horizon after it.
    """
    returns, factors, ahead = returns_for_risk(panel), factor_returns(panel), max(trial.horizons)
    moves = panel.returns()[returns.columns].fillna(0.0).to_numpy()
    eligible = panel.eligible()[returns.columns].to_numpy()
    due = ends_of(trial.every, panel.sessions, panel.clock).to_numpy()
    due = due & (panel.sessions >= pd.Timestamp(trial.first))
    records: list[dict[str, object]] = []
    for row in np.flatnonzero(due).tolist():
        if row + ahead >= len(panel.sessions):
            break
        day = panel.sessions[row].date()
        sleeves = {asset.id: asset.sleeve_on(day).value for asset in panel.universe}
        known = _Known(
            returns.iloc[: row + 1], factors.iloc[: row + 1], sleeves, panel.periods_per_year
        )
        outlooks = {name: _outlook(model, known) for name, model in models.items()}
        live = eligible[row] & returns.columns.isin(_common(outlooks))
        if not live.any():
            continue
        assets = returns.columns[live]
        following, rules = moves[row + 1 : row + 1 + ahead, live], _rules(assets, sleeves)
        for name, outlook in outlooks.items():
            own = outlook.of(assets)
            portfolios = {**rules, LEAST: minimum_variance(own.matrix)}
            for portfolio, weights in portfolios.items():
                path, variance = following @ weights, float(weights @ own.matrix @ weights)
                for horizon in trial.horizons:
                    records.append(
                        {
                            "model": name,
                            "portfolio": portfolio,
                            "horizon": horizon,
                            "session": panel.sessions[row],
                            "row": row,
                            "forecast": variance,
                            "realised": known.periods_per_year
                            * float(np.mean(path[:horizon] ** 2)),
                            "loss": 1.0 - float(np.prod(1.0 + path[:horizon])),
                            "score": float(path[:horizon].sum())
                            / np.sqrt(variance * horizon / known.periods_per_year),
                            **own.tails(weights, horizon, trial.levels),
                        }
                    )
    if not records:
        raise InsufficientHistoryError(
            f"No decision since {trial.first} has an estimate and {ahead} sessions after it; ask "
            "about an earlier or a longer time."
        )
    return pd.DataFrame(records)


@dataclass(frozen=True)
class _Known:
    """What there was to see at a decision."""

    returns: pd.DataFrame
    factors: pd.DataFrame
    sleeves: Mapping[str, str]
    periods_per_year: float


@dataclass(frozen=True)
class _Outlook:
    """What a model says at a decision: covariance a year, and scenarios where it has some."""

    assets: pd.Index
    matrix: Floats
    scenarios: Floats | None
    periods_per_year: float

    def of(self, assets: pd.Index) -> _Outlook:
        """The same of some of the assets."""
        place = self.assets.get_indexer(assets)
        chosen = None if self.scenarios is None else self.scenarios[:, place]
        return _Outlook(assets, self.matrix[np.ix_(place, place)], chosen, self.periods_per_year)

    def tails(self, weights: Floats, horizon: int, levels: tuple[float, ...]) -> dict[str, float]:
        """Value at risk and expected shortfall over a horizon, by level."""
        found = {}
        for level in levels:
            if self.scenarios is None:
                spread = sqrt(float(weights @ self.matrix @ weights) / self.periods_per_year)
                pair = (
                    normal_value_at_risk(0.0, spread, level),
                    normal_expected_shortfall(0.0, spread, level),
                )
            else:
                path = pd.Series(self.scenarios @ weights)
                pair = value_at_risk(path, level), expected_shortfall(path, level)
            for measure, loss in zip(("var", "es"), pair, strict=True):
                found[tail_column(measure, level)] = float(loss) * sqrt(horizon)
        return found


def tail_column(measure: str, level: float) -> str:
    """Column of forecasts of ``var`` or ``es``: ``var_95``, ``es_97.5``."""
    return f"{measure}_{100.0 * level:.6g}"


def _outlook(model: RiskModel | ScenarioModel, known: _Known) -> _Outlook:
    per_year = known.periods_per_year
    if isinstance(model, RiskModel):
        matrix = model.covariance(known.returns, per_year, known.factors).matrix
        return _Outlook(matrix.columns, matrix.to_numpy(), None, per_year)
    frame = model.scenarios(known.returns, known.sleeves).returns
    values = frame.to_numpy()
    return _Outlook(
        frame.columns, per_year * values.T @ values / max(1, len(values)), values, per_year
    )


def _common(outlooks: Mapping[str, _Outlook]) -> set[str]:
    """Assets that every model has an estimate of."""
    return set.intersection(*(set(outlook.assets) for outlook in outlooks.values()))


def _rules(assets: pd.Index, sleeves: Mapping[str, str]) -> dict[str, Floats]:
    """Weights of the reference portfolios that ask no model."""
    names, group, sizes = np.unique(
        [sleeves[name] for name in assets], return_inverse=True, return_counts=True
    )
    found = {
        EQUAL: np.full(len(assets), 1.0 / len(assets)),
        SLEEVES: 1.0 / sizes[group] / len(names),
    }
    coins = names[group] == Sleeve.BITCOIN.value
    if coins.any():
        found[BITCOIN] = coins / coins.sum()
    return found


def minimum_variance(matrix: Floats) -> Floats:
    """Long-only weights of least variance, which sum to 1.

    With S = LL' they are, but for scale, the non-negative x that brings L'x closest to L^-1 1. A
    millionth of a percent of the mean variance is added, so that a singular S has an answer.
    """
    from scipy.optimize import nnls

    size = len(matrix)
    mean = float(np.diag(matrix).mean())
    if not mean > 0.0:
        return np.full(size, 1.0 / size)
    root = np.linalg.cholesky(matrix / mean + _RIDGE * np.eye(size))
    free, _ = nnls(root.T, np.linalg.solve(root, np.ones(size)), maxiter=100 * size)
    return np.asarray(free / free.sum())
