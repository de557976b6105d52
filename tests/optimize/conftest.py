from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.optimize import Decision
from toolkit.universe import Asset, Membership, Sleeve

SINCE = date(2010, 1, 1)
RISKY = [sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH]
SESSION = pd.Timestamp("2021-03-05")


class Market:
    """Random assets of all sleeves with cash, and random decisions about them."""

    def __init__(self, seed, size):
        self.random = np.random.default_rng(seed)
        names = [f"A{place}" for place in self.random.permutation(size)]
        self.assets = [
            Asset(name, (Membership(RISKY[place % len(RISKY)], SINCE),))
            for place, name in enumerate(names)
        ]
        self.assets.append(Asset("CASH", (Membership(Sleeve.CASH, SINCE),)))
        self.ids = [asset.id for asset in self.assets]
        self.risky = self.ids[:-1]

    def weights(self, spread=0.5):
        shares = self.random.dirichlet(np.full(len(self.ids), spread))
        return pd.Series(shares, self.ids)

    def covariance(self, scale=1.0):
        size = len(self.risky)
        moves = self.random.normal(size=(3 * size, size)) + self.random.normal(size=(3 * size, 1))
        moves *= 0.1 + self.random.random(size)
        return pd.DataFrame(scale * moves.T @ moves / len(moves), self.risky, self.risky)

    def decision(self, **given):
        standard = {
            "session": SESSION,
            "target": self.weights(),
            "current": self.weights(),
            "covariance": self.covariance(),
        }
        return Decision(**{**standard, **given})

    def sleeve_weight(self, weights, sleeves):
        return sum(
            weights[asset.id] for asset in self.assets if asset.memberships[0].sleeve in sleeves
        )


@pytest.fixture(scope="session")
def market():
    return Market


def plain_volatility(weights, covariance):
    return (
        sum(
            weights[a] * weights[b] * covariance.loc[a, b]
            for a in covariance.columns
            for b in covariance.columns
        )
        ** 0.5
    )


@pytest.fixture(scope="session")
def volatility():
    return plain_volatility
