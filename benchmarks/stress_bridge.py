"""The stress bridge on past falls of bitcoin: what it would have said, and what came.

    HASHPIVOT_DATA=DIR python benchmarks/stress_bridge.py [--write]

prints the table of docs/stress.md, or writes it there. Stops at 2025-06-30. Nothing is fitted here.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd

from toolkit.backtest.market_view import MarketView, Outlook
from toolkit.config import DataSettings, panel_of
from toolkit.panel import Panel
from toolkit.risk.bridge import Bridge, Estimates, Shock
from toolkit.universe import Sleeve

PAGE = Path(__file__).parents[1] / "docs" / "stress.md"
BEGIN, END = "<!-- measured by benchmarks/stress_bridge.py -->", "<!-- end of what is measured -->"
FALLS = (
    ("2018-03-05", "2018-06-28"),
    ("2018-09-28", "2018-12-14"),
    ("2019-06-26", "2019-12-17"),
    ("2020-02-14", "2020-03-13"),
    ("2021-04-15", "2021-07-19"),
    ("2021-11-09", "2022-06-17"),
    ("2022-06-17", "2022-12-28"),
    ("2024-03-13", "2024-09-06"),
    ("2024-12-17", "2025-04-08"),
)
SLEEVES = {
    "legacy miners": Sleeve.LEGACY_MINERS,
    "pivoting miners": Sleeve.PIVOTING_MINERS,
    "AI infrastructure": Sleeve.AI_INFRASTRUCTURE,
    "AI tokens": Sleeve.AI_TOKENS,
}
LUCK_DAYS = 7


def main() -> None:
    folder = str(Path(os.environ["HASHPIVOT_DATA"]).absolute())
    settings = DataSettings(folder=folder, start=date(2018, 1, 2), end=date(2025, 6, 30))
    panel = panel_of(settings)
    view = MarketView(None, Outlook(), panel)
    rows = [_row(panel, view, *fall) for fall in FALLS]
    head = ["fall of bitcoin", "bitcoin, hash price, AI", "margin", *SLEEVES, "legacy, no coins"]
    lines = [head, ["---"] * len(head), *rows]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    if "--write" not in sys.argv:
        sys.stdout.write(table + "\n")
        return
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.partition(END)[2]}", "utf-8")


def _row(panel: Panel, view: MarketView, first: str, last: str) -> list[str]:
    start, end = (int(panel.sessions.searchsorted(pd.Timestamp(day))) for day in (first, last))
    day, prices = panel.sessions[start].date(), panel.prices()
    came = prices.iloc[end] / prices.iloc[start] - 1.0
    pay = panel.known("hash_price").iloc[:, 0].rolling(LUCK_DAYS).mean()
    shock = Shock(
        name=first,
        bitcoin=float(came["BTC"]),
        hash_price=float(pay.iloc[end] / pay.iloc[start] - 1.0),
        ai=float((1.0 + view.factors["ai"].iloc[start + 1 : end + 1]).prod() - 1.0),
    )
    margin = float(view.margins.iloc[start])
    known = Estimates(margin, view.betas(start))
    said = Bridge().returns(shock, panel.universe, day, known)
    no_coins = replace(Bridge(), coins=0.0).returns(shock, panel.universe, day, known)
    held = {
        name: [a.id for a in panel.universe if a.sleeve_on(day) is sleeve and a.usable_from <= day]
        for name, sleeve in SLEEVES.items()
    }
    cells = [_cell(said, came, names) for names in held.values()]
    return [
        f"{first} to {last}",
        f"{shock.bitcoin:+.0%}, {shock.hash_price:+.0%}, {shock.ai:+.0%}",
        f"{margin:.2f}",
        *cells,
        f"{no_coins[held['legacy miners']].median():+.0%}",
    ]


def _cell(said: pd.Series, came: pd.Series, names: list[str]) -> str:
    """Medians of what was said and what came, and of how many."""
    found = came[names].dropna()
    if found.empty:
        return "-"
    return f"{said[found.index].median():+.0%}, {found.median():+.0%} ({len(found)})"


if __name__ == "__main__":
    main()
