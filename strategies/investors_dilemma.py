"""Bitcoin, mining, the pivot or AI: every view at once, each with a confidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from strategies.difficulty_rotation import VOTES, score
from strategies.kappa_spread import KappaSpreadTilt
from strategies.miner_margin import MinerMarginSwitch
from strategies.pivot_rotation import PivotRotation, heading
from toolkit.errors import ConfigError, suggestion
from toolkit.panel import Panel
from toolkit.risk.black_litterman import Views, updated
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.signals.price import Momentum
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, demand_at_most_one, share_equally, share_in_proportion
from toolkit.units import Fraction, Positive, Sessions, component
from toolkit.universe import MINERS, Sleeve, labels_of

Floats = NDArray[np.float64]

BITCOIN, MINING, PIVOTING, AI = BASKETS = ("bitcoin", "mining", "pivoting", "ai")

RELATIVE = {
    "difficulty": {MINING: 1.0, AI: -1.0},
    "margin": {BITCOIN: 1.0, MINING: -1.0},
    "kappa": {AI: 1.0, MINING: -1.0},
    "pivot": {PIVOTING: 1.0, MINING: -1.0},
}
"""What each view holds against what; `momentum` is a view of every basket alone."""

VIEWS = Views.of([*RELATIVE.values(), *({name: 1.0} for name in BASKETS)], labels_of(*BASKETS))

FULL_RISE = 0.1
"""Change of the pivot share that is a whole view: about the sampling error of a share."""

RIDGE = 0.05
"""Part of the mean variance that is added to each, so that two baskets of the same miners differ."""

_CONFIDENCE = {"difficulty": 0.25, "margin": 0.25, "kappa": 0.25, "pivot": 0.25, "momentum": 0.5}


@component
class InvestorsDilemma(Strategy):
    """Weighs mining against AI by all that is known, no view of it alone.

    The economic reason: the same megawatt can mine or host, and the same money can hold the coin,
    those who mine it, those who are leaving, or AI itself. Difficulty, margins, rents, pivots and
    prices each tell a part, late and with noise, and often contradict one another. Combined by how
    far each is trusted they move the portfolio where they agree and leave it where they do not; the
    covariance sees that a view on miners is also one on bitcoin.

    Four baskets: bitcoin, AI infrastructure, and the miners twice, once by the part of each that
    mines and once by the part that is heading for AI (as in `PivotRotation`). The equilibrium is the
    neutral mix. A view of strength s in [-1, 1] expects its portfolio to return `strength` x s of
    the portfolio's deviation a year more than in equilibrium:

    ===========  ====================  ==========================================================
    view         portfolio             s
    ===========  ====================  ==========================================================
    difficulty   mining less AI        mean vote, as in `DifficultyRotation`
    margin       bitcoin less mining   depth of the stress, 0 to 1, as in `MinerMarginSwitch`
    kappa        AI less mining        how many combinations agree, as in `KappaSpreadTilt`
    pivot        pivoting less mining  mean over the basket: 1 in an alarm, or change of share / 0.1
    momentum     each basket           its return over the deviation of such a return
    ===========  ====================  ==========================================================

    A signal without an opinion makes no view, and without any the mix is neutral. The weights of
    the baskets are the long-only optimum for the posterior returns, scaled down to the sum of the
    neutral shares where above it; the rest is cash. They are computed at the first session of each
    week and kept until the next one's. A basket with fewer than 63 returns keeps its neutral share.

    Parameters
    ----------
    bitcoin, miners, ai_infrastructure
        Shares of equity in equilibrium.
    confidence
        Of each view; momentum is documented over a century, the others over a few episodes of one
        market. By convention, not by fit.
    strength
        Information ratio of a view that is certain and at its strongest.
    risk_aversion
        Return asked for a unit of variance, in the equilibrium and in the optimum.
    lookback
        Sessions of momentum.

    References
    ----------
    He and Litterman, The intuition behind Black-Litterman model portfolios (1999).
    """

    bitcoin: Fraction = 0.35
    miners: Fraction = 0.25
    ai_infrastructure: Fraction = 0.35
    confidence: dict[str, Fraction] = field(default_factory=_CONFIDENCE.copy)
    strength: Positive = 0.5
    risk_aversion: Positive = 2.5
    lookback: Sessions = 126

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.miners + self.ai_infrastructure, "InvestorsDilemma")
        for name in {*self.confidence} ^ {*_CONFIDENCE}:
            if name in _CONFIDENCE:
                raise ConfigError(
                    f"InvestorsDilemma.confidence lacks the view {name!r}; 0 ignores it."
                )
            raise ConfigError(
                f"InvestorsDilemma.confidence names {name!r}, which is no view. "
                f"{suggestion(name, _CONFIDENCE)}"
            )

    @property
    def signals(self) -> Mapping[str, Signal]:
        """What the strategies of the single views read, and price momentum."""
        voters: dict[str, Signal] = {name: gauge.signal for name, gauge in VOTES.items()}
        return {
            **voters,
            **MinerMarginSwitch().signals,
            **KappaSpreadTilt().signals,
            **PivotRotation().signals,
            "momentum": Momentum(self.lookback),
        }

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """Long-only weights of the posterior, new every week: sessions x assets."""
        values = self.read(panel, signals)
        ahead = heading(values, PivotRotation().alarm_share)
        baskets = _baskets(panel, ahead)
        composition = np.stack([baskets[name].to_numpy() for name in BASKETS])
        # A session's return is that of the baskets as they were at the last one's end.
        held = np.concatenate([np.zeros_like(composition[:, :1]), composition[:, :-1]], axis=1)
        moves = panel.returns().to_numpy()
        returns = pd.DataFrame(_mean_over(moves, held).T, panel.sessions, labels_of(*BASKETS))
        year, weeks = panel.periods_per_year, _first_of_weeks(panel.sessions)
        covariance = ExponentialCovariance().covariances(returns, weeks, year)
        coin = BASKETS.index(BITCOIN)
        decided = np.isfinite(covariance[:, coin, coin])
        weeks, covariance = weeks[decided], covariance[decided]
        rises = _mean_over(values["momentum"].to_numpy(), composition).T
        rises /= np.sqrt(self.lookback / year)
        strengths = np.column_stack([_strengths(values, composition), rises])[weeks]
        best = self._optimum(covariance, self._neutral(panel, ahead)[weeks], strengths)
        weights = np.full(composition.shape[1:], np.nan)
        weights[weeks] = np.einsum("wb,bwa->wa", best, composition[:, weeks])
        dense = pd.DataFrame(weights, panel.sessions, panel.universe.columns).ffill()
        # What was announced to end since the week began is not wanted any more.
        return dense.where(panel.eligible() | dense.isna(), 0.0)

    def _neutral(self, panel: Panel, ahead: pd.DataFrame) -> Floats:
        """Equilibrium shares of the baskets; all miners have equal weights in it."""
        miners = share_equally(panel.members(MINERS)).to_numpy()
        pivoting = self.miners * (miners * ahead.to_numpy()).sum(axis=1)
        mining = self.miners * miners.sum(axis=1) - pivoting
        fixed = np.ones(len(mining))
        shares = (self.bitcoin * fixed, mining, pivoting, self.ai_infrastructure * fixed)
        return np.column_stack(shares)

    def _optimum(self, covariance: Floats, neutral: Floats, strengths: Floats) -> Floats:
        """Shares of the baskets: best for the posterior returns, none negative; weeks x baskets.

        Strengths are weeks x views, those of momentum before they are held against the deviation.
        """
        variances = np.diagonal(covariance, axis1=1, axis2=2)
        known = np.isfinite(variances)
        ridge = RIDGE * np.nanmean(variances, axis=1, keepdims=True)
        # A basket without a covariance stands alone and has no view: its share stays neutral.
        apart = np.where(known, ridge, 1.0)
        matrix = np.nan_to_num(covariance) + apart[:, :, None] * np.eye(len(BASKETS))
        prior = self.risk_aversion * (matrix @ neutral[..., None])[..., 0]
        held = VIEWS.portfolios
        deviation = np.sqrt(np.einsum("vb,wbc,vc->wv", held, matrix, held))
        # A rise is strong or weak against the deviation of its basket.
        full = np.where(np.arange(len(held)) < len(RELATIVE), 1.0, deviation)
        strength = np.clip(strengths / full, -1.0, 1.0)
        silent = np.isnan(strength) | (~known @ (held != 0.0).T)
        trust = [self.confidence[name] for name in (*RELATIVE, *["momentum"] * len(BASKETS))]
        told = prior @ held.T + self.strength * np.nan_to_num(strength) * deviation
        means, _ = updated(prior, matrix, VIEWS, told, np.where(silent, 0.0, trust))
        # max m'w - a/2 w'Sw over w >= 0 is a least-squares problem in the root of S = L L'.
        root = np.linalg.cholesky(matrix)
        goal = np.linalg.solve(root, means[..., None])[..., 0] / self.risk_aversion
        best = np.empty_like(neutral)
        for week, (half, wanted) in enumerate(zip(root, goal, strict=True)):
            best[week] = nnls(half.T, wanted)[0]
        most, total = self.bitcoin + self.miners + self.ai_infrastructure, best.sum(axis=1)
        above = total > most
        best[above] *= most / total[above, None]
        return best


def _baskets(panel: Panel, ahead: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Weights of the assets within each basket; they sum to 1 or 0."""
    miners = panel.members(MINERS)
    return {
        BITCOIN: share_equally(panel.members([Sleeve.BITCOIN])),
        MINING: share_in_proportion((1.0 - ahead) * miners),
        PIVOTING: share_in_proportion(ahead * miners),
        AI: share_equally(panel.members([Sleeve.AI_INFRASTRUCTURE])),
    }


def _strengths(values: Mapping[str, pd.DataFrame], composition: Floats) -> Floats:
    """Strength of each relative view in [-1, 1], sessions x views; NaN without an opinion."""
    usual = MinerMarginSwitch()
    depth = usual.stress + usual.uncertainty - values["margin"].to_numpy()[:, 0]
    heard = np.any([values[name].notna().to_numpy()[:, 0] for name in VOTES], axis=0)
    rise = np.clip(values["pivot_momentum"].to_numpy() / FULL_RISE, -1.0, 1.0)
    turning = np.where(values["pivot_alarm"].to_numpy() == 1.0, 1.0, rise)
    strengths = {
        "difficulty": np.where(heard, score(values), np.nan),
        "margin": np.clip(depth / (2.0 * usual.uncertainty), 0.0, 1.0),
        "kappa": 2.0 * values["hosting_is_worth_more"].to_numpy()[:, 0] - 1.0,
        "pivot": _mean_over(turning, composition[BASKETS.index(PIVOTING)]),
    }
    return np.column_stack([strengths[name] for name in RELATIVE])


def _mean_over(values: Floats, baskets: Floats) -> Floats:
    """Mean of the assets' values in each basket; NaN where none of its assets has one.

    Baskets are (baskets x) sessions x assets, means (baskets x) sessions.
    """
    known = np.isfinite(values)
    weights = np.where(known, baskets, 0.0)
    total = weights.sum(axis=-1)
    summed = (weights * np.where(known, values, 0.0)).sum(axis=-1)
    return np.asarray(summed / np.where(total > 0.0, total, np.nan))


def _first_of_weeks(sessions: pd.DatetimeIndex) -> NDArray[np.int64]:
    """Rows of the first session of each week, which begins on Monday."""
    days = sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    week = (days + 3) // 7  # Day 0 was a Thursday.
    return np.flatnonzero(np.diff(week, prepend=week[:1] - 1))
