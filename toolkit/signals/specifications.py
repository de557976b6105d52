"""Ways to estimate how much of a miner's explained risk is AI's, and the estimate under one way.

The answer depends more on the way than on noise, so that no single one is trusted: `MarketShare`
takes the middle of a small set and shows its whole width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import stdtrit

from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.signals.rolling_regression import rolling_regression
from toolkit.signals.style_factors import StyleFactors
from toolkit.signals.window_fit import Window
from toolkit.units import Sessions, component

Array = NDArray[np.float64]

Split = Literal["in_proportion", "mining_first"]

_AI, _CONTROL = "ai", "control"
_BLOCKS = 21


@component
class Specification:
    """One way to split a miner's explained risk between mining and AI.

    The miner's returns are regressed on a mining factor and an AI factor. With b and a their
    coefficients, each times its factor's standard deviation, and c the correlation of the factors,
    the explained variance is ``b^2 + a^2 + 2 a b c``.

    Parameters
    ----------
    mining
        ``legacy_basket``: other miners that are still legacy (`StyleFactors.legacy_basket`).
        ``bitcoin``: bitcoin's return and that of the session before. Its UTC day ends hours after
        New York's close, so that part of a move is in the miner's next session; the two
        coefficients are added up (Dimson).
    weighting
        Of the basket: ``equal`` or by ``inverse_volatility``.
    ai
        ``ai_basket``: names of AI infrastructure by date; otherwise a price field of the panel.
    control
        A price field, as of a fund of the broad market, that enters the regression and whose part
        in both factors is left out of their variances and of c; none if empty.
    split
        Whose is what the factors explain together. ``in_proportion``: AI has ``a^2 + a b c``, its
        covariance with the fit. ``mining_first``: where c is positive AI has ``a^2 (1 - c^2)``,
        what it explains beyond mining.
    sessions
        Length of the window, a multiple of 21: standard errors come from 21 blocks.

    References
    ----------
    Sharpe, Asset allocation: management style and performance measurement, J. of Portfolio
    Management 18 (1992). Dimson, Risk measurement when shares are subject to infrequent trading,
    J. of Financial Economics 7 (1979).
    """

    mining: Literal["legacy_basket", "bitcoin"] = "legacy_basket"
    weighting: Literal["equal", "inverse_volatility"] = "equal"
    ai: str = "ai_basket"
    control: str = ""
    split: Split = "in_proportion"
    sessions: Sessions = 126

    def __post_init__(self) -> None:
        if self.sessions % _BLOCKS:
            raise ConfigError(
                f"Specification.sessions = {self.sessions}: expected a multiple of {_BLOCKS}, so "
                "that the window has as many blocks of whole sessions."
            )
        if self.weighting != "equal" and self.mining == "bitcoin":
            raise ConfigError("Specification.weighting is of the basket; bitcoin has none.")

    @property
    def window(self) -> Window:
        """The window of its regressions."""
        return Window(self.sessions, self.sessions // _BLOCKS)

    @property
    def name(self) -> str:
        """The settings in one word."""
        basket = self.mining if self.weighting == "equal" else f"{self.mining}:{self.weighting}"
        control = f"-{self.control}" if self.control else ""
        return f"{basket}/{self.ai}{control}/{self.split}/{self.sessions}"

    @property
    def fields(self) -> tuple[str, ...]:
        """Price fields it reads."""
        return tuple(name for name in (self.ai, self.control) if name not in ("", "ai_basket"))

    def available(self, panel: Panel) -> bool:
        """Whether the panel has the fields it reads."""
        return all(name in panel.fields for name in self.fields)

    def regressors(self, factors: StyleFactors) -> dict[str, pd.DataFrame]:
        """Returns that the miners' are regressed on, by name."""
        if self.mining == "bitcoin":
            bitcoin = factors.bitcoin()
            found = {"mining": bitcoin, "mining_lagged": bitcoin.shift(1)}
        else:
            found = {"mining": factors.legacy_basket(self.weighting == "inverse_volatility")}
        found[_AI] = factors.ai_basket() if self.ai == "ai_basket" else factors.priced_by(self.ai)
        if self.control:
            found[_CONTROL] = factors.priced_by(self.control)
        return found

    def exposure(self, factors: StyleFactors, errors: bool = True) -> Exposure:
        """Each miner's exposure to mining and AI in the window that ends at each session.

        NaN where the window lacks returns, and everywhere where there are fewer sessions than one.
        Its errors are most of the work.
        """
        # The split changes nothing before the end.
        alike = replace(self, split="in_proportion")
        return factors.panel.derived(
            (alike, errors), lambda: alike._exposure(factors, errors=errors)
        )

    def _exposure(self, factors: StyleFactors, *, errors: bool) -> Exposure:
        shape = (len(factors.rows), len(factors.miners))
        if shape[0] < self.sessions or shape[1] == 0:
            return Exposure.none(shape)
        fit = rolling_regression(
            factors.returns(), self.regressors(factors), self.window, errors=errors
        )
        names = fit.factors
        mining = [number for number, name in enumerate(names) if name.startswith("mining")]
        ai = names.index(_AI)
        risk = fit.factor_covariance
        if _CONTROL in names:
            control = names.index(_CONTROL)
            shared = risk[..., control, :]
            own = shared[..., control][..., None, None]
            risk = risk - shared[..., :, None] * shared[..., None, :] / own
        spread = np.stack([np.sqrt(risk[..., mining[0], mining[0]]), np.sqrt(risk[..., ai, ai])])
        # Bitcoin's covariance with AI is spread over its own session and the one before, too.
        together = risk[..., mining, ai].sum(axis=-1) / (spread[0] * spread[1])
        summed = np.zeros((2, len(names)))
        summed[0, mining], summed[1, ai] = 1.0, 1.0
        loading = np.einsum("gk,tnk->gtn", summed, fit.coefficients) * spread
        noise = np.full((2, 2, *shape), np.nan)
        if errors:
            noise = np.einsum("gk,tnkl,hl->ghtn", summed, fit.covariance, summed)
            noise *= spread[:, None] * spread[None]
        return Exposure(loading, noise, together, fit.r_squared, fit.degrees_of_freedom)


@dataclass(frozen=True)
class Exposure:
    """Loadings on mining and AI, in units of the factors' standard deviations.

    Parameters
    ----------
    loading
        Coefficient times standard deviation of the factor: (mining, AI) x sessions x miners.
    noise
        Covariance of the loadings, NaN without errors: 2 x 2 x sessions x miners.
    correlation
        Of the factors.
    r_squared
        Of the regression.
    degrees_of_freedom
        Of the noise.
    """

    loading: Array
    noise: Array
    correlation: Array
    r_squared: Array
    degrees_of_freedom: int

    @classmethod
    def none(cls, shape: tuple[int, int]) -> Exposure:
        """No exposure is known on any session of any miner."""
        nothing = np.full((2, 2, *shape), np.nan)
        return cls(nothing[0], nothing, nothing[0, 0], nothing[0, 0], _BLOCKS - 1)

    @cached_property
    def angle(self) -> Array:
        """Direction of the loadings: 0 is mining alone, pi/2 is AI alone.

        It does not change when a miner's whole exposure grows or shrinks, as with leverage or in a
        rally. Below 0 the loading on AI is negative, above pi/2 that on mining; where both are, it
        is counted from the nearer of the two ends, so that angles lie between -3/4 pi and 5/4 pi.
        """
        angle = np.arctan2(self.loading[1], self.loading[0])
        return np.asarray(np.where(angle < -0.75 * np.pi, angle + 2.0 * np.pi, angle))

    @cached_property
    def angle_error(self) -> Array:
        """Standard error of the angle, by the delta method."""
        mining, ai = self.loading
        across = ai**2 * self.noise[0, 0] + mining**2 * self.noise[1, 1]
        across -= 2.0 * ai * mining * self.noise[0, 1]
        return np.asarray(np.sqrt(np.maximum(across, 0.0)) / (mining**2 + ai**2))

    def interval(self, confidence: float) -> tuple[Array, Array]:
        """Angles between which the true one lies with a probability, given the window's factors.

        The true loadings at the factors' standard deviations in the window, not in all years.
        """
        width = stdtrit(self.degrees_of_freedom, 0.5 + 0.5 * confidence) * self.angle_error
        return self.angle - width, self.angle + width


def ai_share(angle: Array, correlation: Array, split: Split = "in_proportion") -> Array:
    """AI's share of the explained variance at a direction of the loadings, in [0, 1].

    A negative loading counts as none: below 0 the share is 0, above pi/2 it is that of pi/2.
    """
    inside = np.clip(angle, 0.0, np.pi / 2.0)
    mining, ai = np.cos(inside), np.sin(inside)
    own = ai**2 + correlation * mining * ai
    if split == "mining_first":
        own = np.where(correlation > 0.0, ai**2 * (1.0 - correlation**2), own)
    explained = 1.0 + 2.0 * correlation * mining * ai
    return np.asarray(np.clip(own / explained, 0.0, 1.0))
