"""Risk models on the real data since 2018: what they said, and what came. Nothing is fitted here.

    HASHPIVOT_DATA=DIR python benchmarks/risk_models.py [--write]

prints the tables of docs/risk_models.md, or writes them there. Stops at 2025-06-30.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from toolkit.config import Experiment
from toolkit.research.bootstrap import Blocks
from toolkit.research.risk_forecasts import Trial, risk_forecasts
from toolkit.research.risk_scores import qlike_differences, tail_scores, volatility_scores
from toolkit.risk.estimators import (
    CovarianceEstimate,
    ExponentialCovariance,
    FactorModel,
    GarchVolatility,
    LedoitWolf,
    OracleApproximatingShrinkage,
    RiskModel,
)
from toolkit.risk.sample import estimate_of, sample_of
from toolkit.risk.scenarios import FilteredScenarios, HistoricalScenarios
from toolkit.units import component

PAGE = Path(__file__).parents[1] / "docs" / "risk_models.md"
BEGIN, END = "<!-- measured by benchmarks/risk_models.py -->", "<!-- end of what is measured -->"
BASE = "exponential, 63"
LAST = "2025-06-30"


@component
class WithOvernightLag(RiskModel):
    """Exponential covariance with what the close of bitcoin, 3 hours after New York's, carries over.

    The covariances of bitcoin with the others of one session before and after are added whole.
    """

    coin: str = "BTC"
    halflife: float = 63.0

    def covariance(
        self,
        returns: pd.DataFrame,
        periods_per_year: float,
        factors: pd.DataFrame | None = None,
    ) -> CovarianceEstimate:
        plain = ExponentialCovariance(self.halflife)
        estimate = plain.covariance(returns, periods_per_year)
        sample = sample_of(returns, plain.lookback, plain.minimum)
        if self.coin not in sample.assets:
            return estimate
        weights = 0.5 ** (np.arange(len(sample.values))[::-1] / self.halflife)
        coin, values = sample.values[:, sample.assets.get_loc(self.coin)], sample.values
        cross = weights[1:] @ (values[1:] * coin[:-1, None] + values[:-1] * coin[1:, None])
        shared = weights[1:] @ (sample.present[1:] * sample.present[:-1])
        cross *= periods_per_year / np.maximum(shared, 1e-12)
        matrix, place = estimate.matrix.to_numpy().copy(), sample.assets.get_loc(self.coin)
        cross[place] = 0.0
        matrix[place] += cross
        matrix[:, place] += cross
        return estimate_of(sample, matrix)


MODELS = {
    BASE: ExponentialCovariance(),
    "exponential, 11.2": ExponentialCovariance(halflife=11.2),
    "exponential, 63, lag": WithOvernightLag(),
    "Ledoit-Wolf": LedoitWolf(),
    "OAS": OracleApproximatingShrinkage(),
    "factor": FactorModel(),
    "factor, no hash price": FactorModel(("bitcoin", "ai", "equity")),
    "GARCH, 21": GarchVolatility(),
    "GARCH, 5": GarchVolatility(horizon=5),
    "historical": HistoricalScenarios(),
    "filtered": FilteredScenarios(),
}
LEFT_OUT = ("exponential, 63, lag", "factor, no hash price", "GARCH, 21", "GARCH, 5")
NEXT = {
    **{name: model for name, model in MODELS.items() if name not in LEFT_OUT},
    "GARCH, 1": GarchVolatility(horizon=1),
}
"""Models that are asked every session, about the next one."""

WEEKS = Trial(date(2018, 1, 1))
MONTHS = replace(WEEKS, every="month", horizons=(21,))
SESSIONS = replace(WEEKS, every="day", horizons=(1,))


def main() -> int:
    if not os.environ.get("HASHPIVOT_DATA"):
        print("HASHPIVOT_DATA is not set to a folder of real data", file=sys.stderr)
        return 1
    folder = os.environ["HASHPIVOT_DATA"]
    panel = Experiment.from_toml(
        "equal_weight", [f"data.folder={folder}", f"data.end={LAST}"]
    ).panel()
    weeks, months = (risk_forecasts(MODELS, panel, trial) for trial in (WEEKS, MONTHS))
    sessions = risk_forecasts(NEXT, panel, SESSIONS)
    parts = [
        *volatility_part("5 sessions ahead, every week", weeks[weeks["horizon"] == 5], 13),
        *volatility_part("21 sessions ahead, every week", weeks[weeks["horizon"] == 21], 13),
        *volatility_part("21 sessions ahead, every month", months, 6),
        *volatility_part("the next session, every session", sessions, 63),
        *tail_part("the next session, every session", sessions, (0.95, 0.99)),
        *tail_part("5 sessions, every week", weeks[weeks["horizon"] == 5], (0.95, 0.99)),
        # At 99 % less than one loss of a month is expected: nothing could be told.
        *tail_part("21 sessions, every month", months, (0.95,)),
    ]
    text = "\n".join(parts).strip()
    if "--write" not in sys.argv:
        print(text)
        return 0
    head, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    tail = rest.split(END)[1]
    PAGE.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", encoding="utf-8")
    return 0


def volatility_part(title: str, forecasts: pd.DataFrame, block: int) -> list[str]:
    scores = volatility_scores(forecasts).set_index(["model", "portfolio"])
    apart = qlike_differences(forecasts, BASE, Blocks(length=block))
    apart = apart.set_index(["model", "portfolio"])
    portfolios = list(scores.index.get_level_values(1).unique())

    def cell(model: str, portfolio: str) -> str:
        row = scores.loc[(model, portfolio)]
        star = ""
        if (model, portfolio) in apart.index:
            found = apart.loc[(model, portfolio)]
            star = "**" if found["holm"] < 0.05 else "*" if found["p_value"] < 0.05 else ""
        return f"{row['qlike']:.3f}{star}, {row['ratio']:.2f}, {row['bias']:.2f}"

    models = list(forecasts["model"].unique())
    rows = [[model, *(cell(model, name) for name in portfolios)] for model in models]
    least = [f"{scores.loc[(model, 'minimum variance'), 'volatility']:.1%}" for model in models]
    rows = [[*row, risk] for row, risk in zip(rows, least, strict=True)]
    count = int(scores["forecasts"].max())
    head = ["model", *portfolios, "volatility of its minimum variance"]
    return [f"### Variance, {title}: {count} forecasts", "", *table(head, rows), ""]


def tail_part(title: str, forecasts: pd.DataFrame, levels: tuple[float, ...]) -> list[str]:
    lines = []
    for level in levels:
        scores = tail_scores(forecasts, level).set_index(["model", "portfolio"])
        portfolios = list(scores.index.get_level_values(1).unique())

        def cell(row: pd.Series) -> str:
            words = f"{row['exceptions']:.0f} ({row['kupiec']:.2f}, {row['christoffersen']:.2f})"
            return words if np.isnan(row["shortfall"]) else f"{words}, {row['shortfall']:.2f}"

        models = forecasts["model"].unique()
        rows = [[m, *(cell(scores.loc[(m, name)]) for name in portfolios)] for m in models]
        first = scores.iloc[0]
        lines += [
            f"### Losses beyond the {level:.0%} value at risk, {title}: {first['expected']:.1f} of "
            f"{first['forecasts']:.0f} expected",
            "",
            *table(["model", *portfolios], rows),
            "",
        ]
    return lines


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


if __name__ == "__main__":
    sys.exit(main())
