"""A small sleeve of AI tokens beside a core of bitcoin and AI infrastructure."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from strategies.benchmarks import Shares, sum_of_sleeves
from toolkit.panel import Panel
from toolkit.signals.price import Momentum, TrailingVolatility
from toolkit.signals.signal import Signal
from toolkit.strategy import Strategy, decided_where, demand_at_most_one, share_in_proportion
from toolkit.units import Fraction, Sessions, component
from toolkit.universe import Sleeve


@component
class AiTokenSatellite(Strategy):
    """Swaps a little bitcoin for the AI tokens that outrun it.

    The economic reason: an AI token is a claim on the use of a network that lets computers to those
    who train and run models, in a coin that moves with all coins. Most of its risk is bitcoin's, and
    bitcoin has that without a team that can issue more. What a token has of its own is the news of
    its network's use, which spreads slowly among holders who are few and seldom professional, so it
    is held only while it does better than bitcoin. Its tail is long on both sides and its history
    short: a loss of all of it must not matter, and that is what the limits are for.

    The tokens' part is split by inverse volatility among those that outran bitcoin, none above its
    own limit, and what is not spent on tokens stays in bitcoin. Which tokens the universe names was
    written knowing which survived, so that a good record of them proves little.

    Parameters
    ----------
    bitcoin, ai_infrastructure
        Shares of equity of the core.
    most_tokens, most_per_token
        Largest shares of equity in all tokens together and in each; they come out of bitcoin's.
    lookback
        Sessions of the return that is compared with bitcoin's.
    volatility_lookback
        Sessions of the trailing volatility.
    """

    bitcoin: Fraction = 0.40
    ai_infrastructure: Fraction = 0.55
    most_tokens: Fraction = 0.05
    most_per_token: Fraction = 0.02
    lookback: Sessions = 63
    volatility_lookback: Sessions = 63

    def __post_init__(self) -> None:
        demand_at_most_one(self.bitcoin + self.ai_infrastructure, "AiTokenSatellite")

    @property
    def signals(self) -> Mapping[str, Signal]:
        """Price momentum and trailing volatility."""
        return {
            "momentum": Momentum(self.lookback),
            "volatility": TrailingVolatility(self.volatility_lookback),
        }

    def targets(
        self, panel: Panel, signals: Mapping[str, pd.DataFrame] | None = None
    ) -> pd.DataFrame:
        """The core with its satellite: sessions x assets."""
        values = self.read(panel, signals)
        momentum, volatility = values["momentum"], values["volatility"]
        coins = panel.members([Sleeve.BITCOIN])
        ahead = momentum.gt(momentum.where(coins).mean(axis=1), axis=0)
        chosen = panel.members([Sleeve.AI_TOKENS]) & ahead
        part = min(self.most_tokens, self.bitcoin)
        tokens = part * share_in_proportion((1.0 / volatility).where(chosen, 0.0))
        tokens = tokens.clip(upper=self.most_per_token)
        core: Shares = {Sleeve.AI_INFRASTRUCTURE: self.ai_infrastructure}
        weights = sum_of_sleeves(panel, core) + tokens
        coin = sum_of_sleeves(panel, {Sleeve.BITCOIN: 1.0})
        weights += coin.mul(self.bitcoin - tokens.sum(axis=1), axis=0)
        return decided_where(weights, coins.any(axis=1))
