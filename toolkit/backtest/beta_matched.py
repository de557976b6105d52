"""The benchmark that takes the same market risk: bitcoin, an AI fund and cash at the run's betas.

A strategy that holds miners moves more than bitcoin, one that sits in cash moves less. Against this
benchmark neither counts as skill.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.accounts import market_of
from toolkit.backtest.engine import Account, TimeLoop
from toolkit.backtest.ledger import Ledger, Simulation
from toolkit.panel import Panel
from toolkit.universe import Sleeve

Floats = NDArray[np.float64]

LOOKBACK, SMALLEST_SAMPLE = 126, 63


@dataclass(frozen=True)
class BetaMatched:
    """The benchmark's account, and what it was asked to hold.

    Attributes
    ----------
    bitcoin, fund
        The assets it holds beside cash.
    betas
        Sessions of orders x (`bitcoin`, `fund`): of the portfolio that was ordered, as estimated
        then.
    simulation
        Its account, with the same orders' timing and the same rates as the strategy's.
    """

    bitcoin: str
    fund: str
    betas: pd.DataFrame
    simulation: Simulation


def beta_matched(account: Account, panel: Panel, loop: TimeLoop) -> BetaMatched | None:
    """The benchmark of a run; None where no bitcoin or no AI asset has a price throughout.

    The fund is the first AI infrastructure asset of the universe with a price throughout, which is
    where a universe names its fund. At each order (of a decision, or of an overlay) the returns of
    the last 126 sessions give each asset's betas to bitcoin, today's and the session before's
    together since New York closes first, and to the fund. An asset with fewer than 63 returns is
    taken to be like the rest of the portfolio. A negative beta counts as 0, and betas that sum to
    more than 1 are scaled to 1: nothing is sold short or borrowed.
    """
    bitcoin = first_priced(panel, account.first, Sleeve.BITCOIN)
    fund = first_priced(panel, account.first, Sleeve.AI_INFRASTRUCTURE)
    cash = panel.universe.cash
    if bitcoin is None or fund is None or cash is None:
        return None
    names = panel.universe.ids
    factors = names.index(bitcoin), names.index(fund)
    moves = panel.returns().to_numpy()
    market = market_of(panel, loop.cost.rates(), account.first, loop.fill_delay)
    ledger = Ledger(market, loop.initial_cash)
    betas = np.zeros((len(account.orders), 2))
    for number, made in enumerate(account.orders):
        held, last = made.weights.copy(), account.first + made.row
        held[names.index(cash)] = 0.0
        recent = moves[max(0, last - LOOKBACK) : last + 1]
        betas[number] = _portfolio_betas(recent, held, factors)
        long_only = np.maximum(betas[number], 0.0)
        order = np.zeros(len(names))
        order[list(factors)] = long_only / max(1.0, long_only.sum())
        order[names.index(cash)] = 1.0 - order.sum()
        ledger.advance(made.row + 1)
        ledger.place(made.row + loop.fill_delay, order)
    ledger.advance(len(panel.sessions) - account.first)
    sessions = ledger.market.sessions[[made.row for made in account.orders]]
    table = pd.DataFrame(betas, index=sessions, columns=["bitcoin", "fund"])
    return BetaMatched(bitcoin, fund, table, ledger.simulation())


def first_priced(panel: Panel, first: int, sleeve: Sleeve) -> str | None:
    """First asset that began in a sleeve and has a price on every session from a row on."""
    priced = panel.prices().iloc[first:].notna().all()
    for asset in panel.universe:
        if asset.memberships[0].sleeve is sleeve and priced[asset.id]:
            return asset.id
    return None


def _portfolio_betas(returns: Floats, weights: Floats, factors: tuple[int, int]) -> Floats:
    """Betas of a portfolio to bitcoin and to a fund, from the returns of its assets."""
    bitcoin, fund = returns[:, factors[0]], returns[1:, factors[1]]
    design = np.column_stack([np.ones(len(fund)), bitcoin[1:], bitcoin[:-1], fund])
    complete = np.isfinite(design).all(axis=1)
    total, covered = np.zeros(2), 0.0
    for column in np.flatnonzero(weights > 0.0):
        own = returns[1:, column]
        known = complete & np.isfinite(own)
        if known.sum() >= SMALLEST_SAMPLE:
            found = np.linalg.lstsq(design[known], own[known], rcond=None)[0]
            total += weights[column] * np.array([found[1] + found[2], found[3]])
            covered += float(weights[column])
    invested = float(weights.sum())
    if covered == 0.0:
        # Nothing held has a history: all of it counts as bitcoin, the market's own risk.
        return np.array([invested, 0.0])
    return total * (invested / covered)
