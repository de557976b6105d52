"""The market's AI share of 30 miners over 10 years, all specifications, points and intervals.

Windows of 126 and 252 sessions; the bar is 3 s on two cores, median of rounds, on a drawn market.
Where HASHPIVOT_DATA names the folder of real data it then prints, without any bar, how many
miner-months have no share, the alarms of the detector without contracts, and what New York's close
before the end of bitcoin's day does to the miners' betas. Exits with 1 if the bar is missed.
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd

import strategies
from toolkit.clock import decision_times, sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.files import open_folder
from toolkit.panel import Field, Panel
from toolkit.signals.market_share import BROAD_EQUITY, SEMICONDUCTORS, MarketShare, share_record
from toolkit.signals.pivot_detector import PivotDetector
from toolkit.signals.rolling_regression import rolling_regression
from toolkit.signals.specifications import Specification
from toolkit.signals.style_factors import StyleFactors
from toolkit.signals.window_fit import Window
from toolkit.universe import Asset, Membership, Sleeve, Universe

MINERS, SESSIONS, SEED, BAR_SECONDS, ROUNDS = 30, 2_520, 7, 3.0, 5
START = date(2014, 1, 2)
FUNDS = {BROAD_EQUITY: "QQQ", SEMICONDUCTORS: "SMH"}


def drawn_market() -> Panel:
    """Miners that follow bitcoin and AI names, with a fund of each kind: every way is used."""
    random = np.random.default_rng(SEED)
    sessions = sessions_between("XNYS", START, date(2024, 12, 31))[:SESSIONS]
    bitcoin, ai, broad = random.normal(0.0, 0.02, (3, SESSIONS))
    columns = {"BTC": bitcoin}
    for number in range(6):
        columns[f"AI{number}"] = ai + broad + random.normal(0.0, 0.01, SESSIONS)
    for number in range(MINERS):
        columns[f"M{number:02d}"] = bitcoin + broad + random.normal(0.0, 0.04, SESSIONS)
    paths = 100.0 * np.exp(pd.DataFrame(columns, sessions).cumsum())
    funds = 100.0 * np.exp(np.cumsum([broad, ai + broad], axis=1))
    moments = decision_times(sessions)
    fields = {"close": Field(paths, moments, "USD", "drawn")} | {
        name: Field(pd.DataFrame({name: fund}, sessions), moments, "USD", "drawn")
        for name, fund in zip(FUNDS, funds, strict=True)
    }
    sleeves = {"B": Sleeve.BITCOIN, "A": Sleeve.AI_INFRASTRUCTURE, "M": Sleeve.LEGACY_MINERS}
    assets = tuple(
        Asset(
            name,
            (Membership(sleeves[name[0]], START),),
            calendar="24/7" if name == "BTC" else "XNYS",
        )
        for name in paths
    )
    return Panel(Universe(assets), sessions, fields)


def real_market(folder: Path) -> Panel:
    """The folder's panel, with the two funds as fields."""
    source, universe = open_folder(folder, Path(strategies.__file__).parent)
    panel = assemble([source], universe)
    closes = pd.read_csv(
        folder / "equities_adjclose_daily.csv.gz", index_col=0, parse_dates=True
    ).loc[: panel.sessions[-1]]
    funds = {
        name: Field(
            closes[[ticker]].dropna(), decision_times(closes[ticker].dropna().index), "USD", ticker
        )
        for name, ticker in FUNDS.items()
    }
    return replace(panel, fields={**panel.fields, **funds})


def show_asynchrony(panel: Panel) -> None:
    """Betas to bitcoin with and without its return of the session before, over all sessions."""
    factors = StyleFactors(panel)
    mines = factors.returns().where(factors.is_miner())
    regressors = Specification(mining="bitcoin").regressors(factors)
    length = len(mines) // 12 * 12
    window = Window(length, 12, least=500 / length)
    both = rolling_regression(mines, regressors, window).coefficients[-1]
    del regressors["mining_lagged"]
    plain = rolling_regression(mines, regressors, window).coefficients[-1]
    table = pd.DataFrame(
        {
            "same session": plain[:, 0],
            "with lag: same": both[:, 0],
            "before": both[:, 1],
            "sum": both[:, :2].sum(axis=1),
            "AI": plain[:, 1],
            "AI with lag": both[:, 2],
        },
        mines.columns,
    ).dropna()
    table["too small by"] = 1.0 - table["same session"] / table["sum"]
    print("\nBeta to bitcoin, miners with 500 sessions\n" + table.round(3).to_string())
    print("median\n" + table.median().round(3).to_string())


def show_real(folder: Path) -> None:
    panel = real_market(folder)
    print(f"\nReal prices to {panel.sessions[-1].date()}: {share_record(MarketShare(), panel)}")
    alarms = PivotDetector().compute(panel)
    started = (alarms == 1.0) & (alarms.shift(1) != 1.0)
    years = alarms.notna().sum().sum() / panel.periods_per_year
    print(f"Alarms without contracts: {int(started.sum().sum())} in {years:.0f} miner-years")
    for session, asset in started.stack()[lambda on: on].index:
        print(f"  {session.date()} {asset}")
    show_asynchrony(panel)


def main() -> int:
    panel, taken = drawn_market(), []
    for _ in range(ROUNDS + 1):
        fresh = replace(panel)  # A panel keeps what was estimated from it.
        start = time.perf_counter()
        estimate = MarketShare().estimate(fresh)
        taken.append(time.perf_counter() - start)
    seconds = median(taken[1:])
    print(
        f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors: {MINERS} miners x {SESSIONS} "
        f"sessions, {len(estimate.specifications)} specifications in {seconds:.2f} s "
        f"(bar {BAR_SECONDS:.0f} s)"
    )
    if os.environ.get("HASHPIVOT_DATA"):
        show_real(Path(os.environ["HASHPIVOT_DATA"]))
    return int(seconds > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
