"""The simulated miners are as noisy as real ones, and nothing about them can be foreseen."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.data.assemble import assemble
from toolkit.data.files import open_folder
from toolkit.data.sample import SampleMarket
from toolkit.panel import Panel
from toolkit.universe import MINERS

# Medians over the 25 miners of the real folder, sessions from 2017 (or the day a miner became
# usable) to 2025-06-30, at least 126 of them: ordinary least squares of daily simple returns on
# bitcoin's, bitcoin's of the session before, and those of a fund of semiconductor shares (SMH).
REAL_R_SQUARED = 0.211
REAL_IDIOSYNCRATIC_VOLATILITY = 1.127
REAL_BITCOIN_BETA = 0.91  # 0.80 on the same session and 0.11 on the one before
REAL_MINERS = 25

NAMED = os.environ.get("HASHPIVOT_DATA", "")
AI_NAMES = ["TENSOR", "RACKS", "COOLANT", "GRADIENT"]
SEEDS = range(20)


def told(market: SampleMarket) -> pd.DataFrame:
    """What was announced: a row an announcement."""
    facts = market.events.frame().rename(columns={"ticker": "asset"})
    return facts.assign(
        day=pd.to_datetime(facts["day"]),
        kind=facts["kind"].astype(str),
        published_at=pd.to_datetime(facts["published_at"], utc=True),
    )


def measured(panel: Panel, bitcoin: str, ai: list[str]) -> pd.DataFrame:
    """R-squared, idiosyncratic volatility a year and both bitcoin betas together, by miner."""
    returns = panel.returns().where(panel.tradable()).loc["2017":]
    factors = np.column_stack(
        [
            np.ones(len(returns)),
            returns[bitcoin],
            returns[bitcoin].shift(1),
            returns[ai].mean(axis=1),
        ]
    )
    rows = {}
    for asset in panel.universe:
        if any(membership.sleeve in MINERS for membership in asset.memberships):
            own = returns[asset.id].to_numpy()
            whole = ~np.isnan(own) & ~np.isnan(factors).any(axis=1)
            if whole.sum() >= 126:
                beta, *_ = np.linalg.lstsq(factors[whole], own[whole], rcond=None)
                rest = own[whole] - factors[whole] @ beta
                explained = 1.0 - rest.var() / own[whole].var()
                rows[asset.id] = (explained, rest.std(ddof=1) * np.sqrt(252.0), beta[1] + beta[2])
    return pd.DataFrame(rows, index=["r_squared", "volatility", "beta"]).T


@pytest.fixture(scope="module")
def simulated() -> dict[int, pd.DataFrame]:
    tables = {}
    for seed in SEEDS:
        market = SampleMarket(seed=seed)
        tables[seed] = measured(assemble([market], market.universe()), "SIMBTC", AI_NAMES)
    return tables


def test_noise_and_r_squared_are_within_a_fifth_of_real_miners(
    simulated: dict[int, pd.DataFrame],
) -> None:
    medians = pd.concat(simulated.values()).median()
    assert medians["r_squared"] == pytest.approx(REAL_R_SQUARED, rel=0.2)
    assert medians["volatility"] == pytest.approx(REAL_IDIOSYNCRATIC_VOLATILITY, rel=0.2)
    assert medians["beta"] == pytest.approx(REAL_BITCOIN_BETA, rel=0.2)


def test_so_are_those_of_the_embedded_default(simulated: dict[int, pd.DataFrame]) -> None:
    medians = simulated[SampleMarket().seed].median()
    assert medians["r_squared"] == pytest.approx(REAL_R_SQUARED, rel=0.2)
    assert medians["volatility"] == pytest.approx(REAL_IDIOSYNCRATIC_VOLATILITY, rel=0.2)


def test_one_miner_has_twice_the_noise_of_the_others(simulated: dict[int, pd.DataFrame]) -> None:
    ratios = [
        table.at["STRATUM", "volatility"] / table["volatility"].drop("STRATUM").median()
        for table in simulated.values()
    ]
    explained = [table["r_squared"].idxmin() == "STRATUM" for table in simulated.values()]
    assert np.median(ratios) == pytest.approx(2.0, rel=0.15)
    assert np.mean(explained) > 0.75


@pytest.mark.skipif(not NAMED, reason="HASHPIVOT_DATA is not set to a folder of real data")
def test_the_real_numbers_are_those_of_the_real_folder() -> None:
    source, universe = open_folder(Path(NAMED), Path(strategies.__file__).parent)
    table = measured(assemble([source], universe), "BTC", ["SMH"])
    assert len(table) == REAL_MINERS
    medians = table.median()
    assert medians["r_squared"] == pytest.approx(REAL_R_SQUARED, rel=0.01)
    assert medians["volatility"] == pytest.approx(REAL_IDIOSYNCRATIC_VOLATILITY, rel=0.01)
    assert medians["beta"] == pytest.approx(REAL_BITCOIN_BETA, rel=0.03)


# Nothing can be foreseen, and nothing that is announced pays


def sessions_of(market: SampleMarket) -> pd.DataFrame:
    """Closes on the sessions."""
    prices = market.fields(market.universe(), market.start, market.last_session())["close"].values
    return prices[prices["RACKS"].notna()]


@pytest.mark.parametrize("days", [5, 20, 60, 250])
def test_past_returns_do_not_tell_the_next_ones(days: int) -> None:
    """A trend that could be followed, or a reversal, would show in the pooled correlation."""
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        moves = np.log(sessions_of(SampleMarket(seed=seed, years=5.0))).diff()
        for name in ("SIMBTC", "MERKLE", "MEMPOOL", "TENSOR", "SIMNET"):
            ahead = moves[name].shift(-2)  # decided after D, filled at D+1, earned to D+2
            found.setdefault(name, []).append(ahead.corr(moves[name].rolling(days).sum()))
    for name, correlations in found.items():
        error = np.std(correlations, ddof=1) / np.sqrt(len(correlations))
        # A trend known in hindsight leaves a negative bias of about days / sessions, no more.
        assert abs(np.mean(correlations)) < 3.5 * error + days / 1260.0, name


def test_neither_an_announcement_nor_an_exit_of_machines_pays_a_miner() -> None:
    """Mean excess over bitcoin of the days around them, pooled over seeds."""
    reactions, after, leaving = [], [], []
    for seed in range(60):
        market = SampleMarket(seed=seed, years=4.0)
        moves = sessions_of(market).pct_change(fill_method=None)
        excess = moves.sub(0.9 * moves["SIMBTC"], axis=0)
        for fact in told(market).itertuples():
            own = excess.get(fact.asset)
            if own is not None:
                later = own[own.index > fact.day].dropna()
                reactions.append(later.iloc[0])
                after.append(later.iloc[1:21].sum())
        for departure in market.truth.exits.itertuples():
            span = excess.loc[departure.first : departure.last, ["MERKLE", "MEMPOOL"]]
            leaving.append(span.mean(axis=1).sum())
    for name, sums in (("reactions", reactions), ("after", after), ("leaving", leaving)):
        error = np.std(sums) / np.sqrt(len(sums))
        assert len(sums) > 200
        assert abs(np.mean(sums)) < 3.0 * error, name
    assert np.std(reactions) > 0.10
