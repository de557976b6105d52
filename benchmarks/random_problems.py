"""Random sizing problems, stated for the toolkit and a second time in plain cvxpy.

Every objective and limit is drawn, with and without costs and cash, with assets that are not
listed yet, have no numbers, cannot be sold or bought, with first investments and proceeds of
closings. The statement in cvxpy is made from the definitions alone.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import cvxpy as cp
import numpy as np
import pandas as pd

from toolkit.optimize import (
    BlackLitterman,
    Decision,
    MaxBeta,
    MaxExpectedShortfall,
    MaximumSharpe,
    MaxSleeveWeight,
    MaxStressLoss,
    MaxTrackingError,
    MaxTradingDays,
    MaxTurnover,
    MaxVolatility,
    MaxWeight,
    MeanVariance,
    MinCash,
    MinEffectiveNumber,
    MinExpectedReturn,
    MinimumExpectedShortfall,
    MinimumVariance,
    Optimizer,
    ProportionalCost,
    RiskBudget,
    TrackTarget,
    View,
)
from toolkit.universe import Asset, Membership, Sleeve

SESSION = pd.Timestamp("2021-03-05")
SINCE = date(2010, 1, 1)
SLEEVES = (Sleeve.BITCOIN, Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS)
OBJECTIVES = ("track", "utility", "variance", "shortfall", "sharpe", "budget", "views")
RIDGE, TAU, EQUITY = 0.05, 0.05, 1e6
_SWEEPS = 300


class Problem:
    """A drawn decision, with a portfolio that is possible and caps around what that needs.

    Parameters
    ----------
    room
        Caps are beyond what the portfolio needs by a draw from this range, relative to it.
    """

    def __init__(self, seed: int, room: tuple[float, float] = (0.0, 0.5)):
        self.draw = draw = np.random.default_rng(seed)
        self.objective = OBJECTIVES[seed % len(OBJECTIVES)]
        self.risky, self.has_cash = int(draw.integers(2, 10)), bool(draw.random() < 0.7)
        self.size = self.risky + self.has_cash
        self.names = [f"A{place}" for place in draw.permutation(self.risky)]
        self.names += ["CASH"] * self.has_cash
        self.rate = float(draw.choice([0.0, 1e-4, 1e-3, 1e-2]))
        self.aversion = float(draw.choice([0.5, 2.5, 10.0]))
        self.level = float(draw.choice([0.9, 0.95, 0.97]))
        self._draw_holdings()
        self._draw_numbers()
        self._draw_target()
        self._draw_caps(*room)

    def _draw_holdings(self) -> None:
        draw, risky = self.draw, self.risky
        self.first = bool(draw.random() < 0.2)
        held = draw.dirichlet(np.full(self.size, 0.4))
        held = np.where(held < 1e-3, 0.0, held)
        self.free = 1.0 if self.first else float(draw.choice([0.0, 0.0, draw.uniform(0.01, 0.3)]))
        self.held = held / held.sum() * (1.0 - self.free)
        self.listed = draw.random(risky) > 0.15
        self.tradable, self.buyable = draw.random(risky) > 0.1, draw.random(risky) > 0.1
        one = int(draw.integers(risky))
        self.listed[one] = self.tradable[one] = self.buyable[one] = True
        # What has no numbers and is held counts as the worst of the others.
        self.shown = self.listed | ((self.held[:risky] > 0.0) & (draw.random(risky) < 0.5))
        self.lower, self.upper = np.zeros(self.size), np.ones(self.size)
        self.lower[:risky] = np.where(self.tradable, 0.0, self.held[:risky])
        bought = self.tradable & self.buyable & self.listed
        self.upper[:risky] = np.where(bought, 1.0, self.held[:risky])
        some = self.lower + 0.5 * draw.random(self.size) ** 2 * (self.upper - self.lower)
        missing = 1.0 - some.sum()
        space = np.abs((self.upper if missing > 0.0 else self.lower) - some)
        self.possible = some + missing * space / space.sum()

    def _draw_numbers(self) -> None:
        draw, size, risky = self.draw, self.size, self.risky
        moves = draw.normal(size=(3 * risky, risky)) + draw.normal(size=(3 * risky, 1))
        moves *= 0.05 + draw.random(risky)
        self.given = moves.T @ moves / len(moves)
        self.covariance = self._completed(self.given[np.ix_(self.listed, self.listed)])
        self.returns = np.zeros(size)
        self.returns[:risky] = draw.normal(0.08, 0.12, risky)
        self.returns[risky:] = draw.choice([0.0, 0.02])
        self.scenarios = np.zeros((int(draw.integers(30, 90)), size))
        common = draw.standard_t(4, (len(self.scenarios), 1)) * 0.015
        self.scenarios[:, :risky] = common + draw.standard_t(4, (len(common), risky)) * 0.02
        self.beta, self.stress = np.zeros(size), np.zeros((3, size))
        self.beta[:risky] = draw.normal(0.8, 0.6, risky)
        self.stress[:, :risky] = draw.normal(-0.2, 0.2, (3, risky))
        shown = np.flatnonzero(self._given())
        for hidden in np.flatnonzero(~self.shown):
            self.returns[hidden] = self.returns[shown].min()
            self.scenarios[:, hidden] = self.scenarios[:, shown].min(axis=1)
            self.beta[hidden] = self.beta[shown].max()
            self.stress[:, hidden] = self.stress[:, shown].min(axis=1)
        self.volumes = draw.lognormal(13.0, 1.0, risky)
        self.volumes[draw.random(risky) < 0.2] = np.nan

    def _given(self) -> np.ndarray:
        """Whether an asset's numbers are told."""
        return np.append(self.shown, np.ones(self.size - self.risky, dtype=bool))

    def _completed(self, known: np.ndarray) -> np.ndarray:
        """A covariance of all risky assets: those without are uncorrelated, with the largest."""
        whole = np.diag(np.full(self.risky, np.diag(known).max()))
        whole[np.ix_(self.listed, self.listed)] = known
        return whole

    def _draw_target(self) -> None:
        target = self.draw.dirichlet(np.full(self.size, 0.5))
        if self.objective == "budget":
            target[: self.risky][~self.listed] = 0.0
        self.target = target / target.sum()
        self.views: list[View] = []
        self.mean, self.belief, self.aim = self.returns, self.covariance, self.target
        if self.objective == "views":
            self._draw_views()
        if self.objective == "budget":
            self.aim = self._with_equal_contributions()

    def _draw_views(self) -> None:
        """The posterior as the textbook has it, with every inverse written out."""
        known, draw = np.flatnonzero(self.listed), self.draw
        spread = TAU * self.covariance[np.ix_(known, known)]
        prior = self.aversion / TAU * spread @ self.target[known]
        pick = draw.normal(size=(int(draw.integers(1, 3)), len(known)))
        pick = pick[: len(known)]
        told, sure = draw.normal(0.05, 0.1, len(pick)), draw.uniform(0.1, 0.9, len(pick))
        for row, value, confidence in zip(pick, told, sure, strict=True):
            weights = dict(zip(np.array(self.names)[known].tolist(), row.tolist(), strict=True))
            self.views.append(View(weights, float(value), float(confidence)))
        for place in np.flatnonzero(~self.listed)[:1]:
            self.views.append(View({self.names[place]: 1.0}, 0.5, 0.9))
        doubt = np.diag((1.0 - sure) / sure * np.einsum("vi,ij,vj->v", pick, spread, pick))
        left = np.linalg.inv(np.linalg.inv(spread) + pick.T @ np.linalg.inv(doubt) @ pick)
        mean = left @ (np.linalg.solve(spread, prior) + pick.T @ np.linalg.solve(doubt, told))
        self.mean = np.zeros(self.size)
        self.mean[known] = mean
        self.belief = self._completed(spread / TAU + left)

    def _with_equal_contributions(self) -> np.ndarray:
        """For what has a target, asset by asset: each has its budget given the others, in turn."""
        chosen, target = np.flatnonzero(self.target[: self.risky] > 0.0), self.target.copy()
        scale = np.sqrt(np.diag(self.covariance)[chosen])
        correlation = self.covariance[np.ix_(chosen, chosen)] / scale / scale[:, None]
        y, budget = np.ones(len(chosen)), 1.0 / len(chosen)
        for _ in range(_SWEEPS):
            for place in range(len(chosen)):
                others = correlation[place] @ y - y[place]
                y[place] = (np.sqrt(others**2 + 4.0 * budget) - others) / 2.0
        shares = y / scale
        target[chosen] = target[chosen].sum() * shares / shares.sum()
        return target

    def _draw_caps(self, least: float, most: float) -> None:
        draw, needed = self.draw, self.values(self.possible)
        names = draw.permutation(sorted(needed))[: int(draw.integers(0, 6))].tolist()
        size = {name: max(abs(needed[name]), 0.01) for name in names}
        caps = {name: needed[name] + draw.uniform(least, most) * size[name] for name in names}
        edges = dict.fromkeys(("weight", "sleeve", "turnover", "stress"), (0.0, 1.0))
        edges |= {"cash": (-1.0, 0.0), "number": (0.0, 1.0), "beta": (0.0, np.inf)}
        edges["return"] = (-np.inf, np.inf)
        # By value; what is bounded from below has its sign changed.
        self.caps = {
            name: float(np.clip(caps[name], *edges.get(name, (1e-3, 9.0)))) for name in names
        }

    def limited(self, y: Any, tail: Any, scale: Any = 1.0) -> dict[str, Any]:
        """What limits bound from above, of weights ``y / scale``, times the scale."""
        owned, trades = y[: self.risky], y - self.held * scale
        sleeve = [float(place % len(SLEEVES) == 1) for place in range(self.risky)]
        days = EQUITY / np.where(np.isnan(self.volumes), np.inf, self.volumes)
        found = {
            "weight": cp.max(owned),
            "sleeve": np.array(sleeve) @ owned,
            "turnover": (cp.norm1(trades) - self.free * scale) / 2.0,
            "days": cp.max(cp.multiply(days, cp.abs(trades[: self.risky]))),
            "volatility": cp.norm2(self._root(self.covariance) @ owned),
            "tail": tail,
            "return": -self.returns @ y,
            "tracking": cp.norm2(
                self._root(self.covariance) @ (owned - self.target[: self.risky] * scale)
            ),
            "beta": self.beta @ y,
            "stress": cp.max(-self.stress @ y),
            # The root of the sum of squares, as that is homogeneous.
            "number": cp.norm2(owned),
        }
        if self.has_cash:
            found["cash"] = -y[-1]
        return found

    def values(self, weights: np.ndarray) -> dict[str, float]:
        """The limited quantities of given weights."""
        y = cp.Variable(self.size, value=weights)
        limited = self.limited(y, cp.Constant(self.shortfall(weights)))
        return {name: float(quantity.value) for name, quantity in limited.items()}

    def shortfall(self, weights: np.ndarray) -> float:
        """Mean of the worst losses, the one at the edge with its fraction."""
        losses = np.sort(-self.scenarios @ weights)[::-1]
        size = (1.0 - self.level) * len(losses)
        parts = np.clip(size - np.arange(len(losses)), 0.0, 1.0)
        return float(parts @ losses / size)

    def tail(self, y: Any) -> Any:
        """The same in cvxpy, as Rockafellar and Uryasev state it."""
        edge = cp.Variable()
        beyond = cp.sum(cp.pos(-self.scenarios @ y - edge))
        return edge + beyond / ((1.0 - self.level) * len(self.scenarios))

    def measured(self, weights: np.ndarray, ratio: float = 0.0) -> float:
        """Objective and cost of given weights."""
        y = cp.Variable(self.size, value=weights)
        return float(self.total(y, cp.Constant(self.shortfall(weights)), ratio).value)

    def total(self, y: Any, tail: Any, ratio: float = 0.0) -> Any:
        """Objective and cost; of the ratio of return to volatility, how far it is below one given."""
        owned = y[: self.risky]
        away = y - self.aim
        ridge = RIDGE * self.mean_variance() * cp.sum_squares(away)
        near = cp.sum_squares(self._root(self.covariance) @ away[: self.risky]) + ridge
        variance = cp.sum_squares(self._root(self.belief) @ owned)
        values = {
            "track": self.aversion / 2.0 * near,
            "budget": self.aversion / 2.0 * near,
            "utility": self.aversion / 2.0 * variance - self.mean @ y,
            "views": self.aversion / 2.0 * variance - self.mean @ y,
            "variance": variance,
            "shortfall": tail,
            "sharpe": ratio * cp.norm2(self._root(self.covariance) @ owned)
            - self._above_cash(y, 1.0),
        }
        return values[self.objective] + self.rate * cp.norm1(owned - self.held[: self.risky])

    def unit(self) -> float:
        """What matters in the objective."""
        spread = float(np.ptp(self.mean))
        risk = self.aversion * self.mean_variance()
        return {
            "shortfall": 2.0 * float(self.scenarios.std()),
            "sharpe": spread,
            "variance": self.mean_variance(),
            "utility": max(risk, spread),
        }.get(self.objective, risk)

    def mean_variance(self) -> float:
        return float(np.diag(self.belief)[self.listed].mean())

    def _above_cash(self, y: Any, scale: Any) -> Any:
        return self.returns @ y - scale * (self.returns[-1] if self.has_cash else 0.0)

    @staticmethod
    def _root(covariance: np.ndarray) -> np.ndarray:
        return np.linalg.cholesky(covariance).T

    def stated(self) -> tuple[cp.Problem, cp.Variable, Any]:
        """The problem in cvxpy, its variable, and the scale of the weights in it."""
        y, scale = cp.Variable(self.size), 1.0
        if self.objective == "sharpe":
            # Per unit of return above cash after costs: the least risk has the largest ratio.
            scale = cp.Variable(nonneg=True)
            paid = self.rate * cp.norm1((y - self.held * scale)[: self.risky])
            asked = [self._above_cash(y, scale) - paid >= 1.0]
            value = cp.sum_squares(self._root(self.covariance) @ y[: self.risky])
        else:
            asked, value = [], self.total(y, self.tail(y))
        limited = self.limited(y, self.tail(y), scale)
        asked += [cp.sum(y) == scale, y >= self.lower * scale, y <= self.upper * scale]
        asked += [limited[name] <= cap * scale for name, cap in self.caps.items()]
        return cp.Problem(cp.Minimize(value), asked), y, scale

    def optimizer(self, **settings: Any) -> Optimizer:
        """The same for the toolkit."""
        objective = {
            "track": lambda: TrackTarget(self.aversion, RIDGE),
            "budget": lambda: RiskBudget(risk_aversion=self.aversion, ridge=RIDGE),
            "utility": lambda: MeanVariance(self.aversion),
            "views": lambda: BlackLitterman(tuple(self.views), {}, self.aversion, TAU),
            "variance": MinimumVariance,
            "shortfall": lambda: MinimumExpectedShortfall(self.level),
            "sharpe": MaximumSharpe,
        }[self.objective]()
        build = {
            "weight": MaxWeight,
            "sleeve": lambda cap: MaxSleeveWeight(SLEEVES[1], cap),
            "turnover": MaxTurnover,
            "days": MaxTradingDays,
            "volatility": MaxVolatility,
            "tail": lambda cap: MaxExpectedShortfall(cap, self.level),
            "return": lambda cap: MinExpectedReturn(-cap),
            "tracking": MaxTrackingError,
            "beta": lambda cap: MaxBeta("bitcoin", cap),
            "stress": MaxStressLoss,
            "number": lambda cap: MinEffectiveNumber(1.0 / cap**2),
            "cash": lambda cap: MinCash(-cap),
        }
        limits = tuple(build[name](cap) for name, cap in self.caps.items())
        cost = ProportionalCost(1e4 * self.rate, 0.0, 0.0) if self.rate else None
        return Optimizer(objective, limits, cost, **settings)

    def assets(self) -> list[Asset]:
        """Assets in the order of the numbers."""
        sleeves = [SLEEVES[place % len(SLEEVES)] for place in range(self.risky)]
        sleeves += [Sleeve.CASH] * self.has_cash
        pairs = zip(self.names, sleeves, strict=True)
        return [Asset(name, (Membership(sleeve, SINCE),)) for name, sleeve in pairs]

    def decision(self) -> Decision:
        """What the toolkit is told: nothing of assets that are not listed, but what is held."""
        names, risky = np.array(self.names), self.risky
        known = self.draw.permutation(np.flatnonzero(self.listed))
        shown = self._given()
        current = self.held.copy()
        current[risky:] += self.free
        owned = dict(zip(names[:risky], self.volumes, strict=True))
        return Decision(
            SESSION,
            target=pd.Series(self.target, names),
            current=None if self.first else pd.Series(current, names),
            equity=EQUITY,
            tradable=pd.Series(self.tradable, names[:risky]),
            buyable=pd.Series(self.buyable, names[:risky]),
            covariance=pd.DataFrame(self.given[np.ix_(known, known)], names[known], names[known]),
            scenarios=pd.DataFrame(self.scenarios[:, shown], columns=names[shown]),
            expected_returns=pd.Series(self.returns[shown], names[shown]),
            betas=pd.DataFrame({"bitcoin": self.beta[shown]}, names[shown]),
            volumes=pd.Series(owned),
            stress=pd.DataFrame(self.stress[:, shown], ["a", "b", "c"], names[shown]),
            proceeds=None if self.first else self.free,
        )
