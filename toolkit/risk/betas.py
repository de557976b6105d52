"""Betas of assets to what moves all of them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from toolkit.errors import DataError


def factor_betas(
    returns: pd.DataFrame, factors: pd.DataFrame, lookback: int = 252, minimum: int = 63
) -> pd.DataFrame:
    """Beta of each asset to each factor alone: assets x factors.

    The slope of a regression on the factor of the session and of the one before, summed: prices
    that close at other hours answer a part of a move a session later.

    Parameters
    ----------
    returns, factors
        Simple returns of the same sessions, up to and including the decision's; NaN where there
        was none.
    lookback
        Sessions looked at.
    minimum
        Sessions that asset and factor must share; assets with fewer are left out.

    Raises
    ------
    DataError
        Returns and factors have other sessions.

    References
    ----------
    Dimson, Risk measurement when shares are subject to infrequent trading, J. of Financial
    Economics 7 (1979).
    """
    if not returns.index.equals(factors.index):
        raise DataError("Returns and factors have other sessions; align them first.")
    recent, moves = returns.iloc[-lookback:], factors.iloc[-lookback - 1 :]
    betas = {}
    for name in factors.columns:
        now = moves[name].to_numpy(dtype=float)
        before = np.concatenate(([np.nan], now[:-1]))[-len(recent) :]
        pair = np.column_stack((now[-len(recent) :], before))
        betas[str(name)] = [
            _slopes(recent.iloc[:, column].to_numpy(dtype=float), pair, minimum)
            for column in range(recent.shape[1])
        ]
    return pd.DataFrame(betas, returns.columns).dropna()


def _slopes(returns: np.ndarray, pair: np.ndarray, minimum: int) -> float:
    """Sum of both slopes, NaN with too few sessions or a factor that does not move."""
    known = np.isfinite(returns) & np.isfinite(pair).all(axis=1)
    if known.sum() < minimum:
        return np.nan
    centred = pair[known] - pair[known].mean(axis=0)
    if not centred.std(axis=0).all():
        return np.nan
    slopes, *_ = np.linalg.lstsq(centred, returns[known] - returns[known].mean(), rcond=None)
    return float(slopes.sum())
