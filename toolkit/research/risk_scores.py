"""Which risk model was right: scores of forecasts, and whether their differences are luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import DataError, suggestion
from toolkit.research.bootstrap import Blocks, bootstrap, holm
from toolkit.research.risk_forecasts import tail_column
from toolkit.risk.forecast_tests import christoffersen, kupiec, qlike

Floats = NDArray[np.float64]

CELL = ["portfolio", "horizon", "model"]


def volatility_scores(forecasts: pd.DataFrame) -> pd.DataFrame:
    """How close forecasts of variance came: a row a portfolio, horizon and model.

    Parameters
    ----------
    forecasts
        Of `toolkit.research.risk_forecasts.risk_forecasts`.

    Returns
    -------
    DataFrame
        ``forecasts``, their number; ``qlike``, the mean loss; ``ratio``, the root of the mean of
        realised over forecast variance: above 1 the model said too little; ``bias``, the root
        of the mean square of the horizon's return over its forecast volatility, which also has what
        correlates the sessions' returns; ``volatility``, a year, that came.
    """
    scored = forecasts.assign(
        qlike=qlike(forecasts["realised"].to_numpy(), forecasts["forecast"].to_numpy()),
        ratio=forecasts["realised"] / forecasts["forecast"],
        square=forecasts["score"] ** 2,
    )
    cells = scored.groupby(CELL, sort=False)
    return pd.DataFrame(
        {
            "forecasts": cells.size(),
            "qlike": cells["qlike"].mean(),
            "ratio": np.sqrt(cells["ratio"].mean()),
            "bias": np.sqrt(cells["square"].mean()),
            "volatility": np.sqrt(cells["realised"].mean()),
        }
    ).reset_index()


def tail_scores(forecasts: pd.DataFrame, level: float) -> pd.DataFrame:
    """How often losses went beyond value at risk, and how far: a row a portfolio, horizon and model.

    Of forecasts that overlap only those count that begin where the one before has ended, so that
    the tests may take them for independent.

    Returns
    -------
    DataFrame
        ``forecasts`` and ``exceptions``; ``expected``, as many as the level says; ``kupiec`` and
        ``christoffersen``, probabilities of what came if the forecasts are right; ``shortfall``, the
        mean loss in the exceptions over the mean forecast of it, NaN without any.

    Raises
    ------
    DataError
        A level that was not forecast.
    """
    value_at_risk, shortfall = tail_column("var", level), tail_column("es", level)
    if value_at_risk not in forecasts:
        levels = [name for name in map(str, forecasts) if name.startswith("var_")]
        raise DataError(f"No forecast at level {level}. {suggestion(value_at_risk, levels)}")
    records = []
    for cell, rows in forecasts.groupby(CELL, sort=False):
        apart = rows.iloc[_apart(rows["row"].to_numpy(), int(rows["horizon"].iloc[0]))]
        loss = apart["loss"].to_numpy()
        beyond = loss > apart[value_at_risk].to_numpy()
        mean = apart[shortfall].to_numpy()[beyond]
        records.append(
            {
                **dict(zip(CELL, cell, strict=True)),
                "forecasts": len(apart),
                "exceptions": int(beyond.sum()),
                "expected": (1.0 - level) * len(apart),
                "kupiec": kupiec(int(beyond.sum()), len(apart), level).p_value,
                "christoffersen": christoffersen(beyond).p_value,
                "shortfall": float(loss[beyond].mean() / mean.mean()) if beyond.any() else np.nan,
            }
        )
    return pd.DataFrame(records)


def qlike_differences(
    forecasts: pd.DataFrame, against: str, blocks: Blocks | None = None
) -> pd.DataFrame:
    """Mean QLIKE of each model less that of one of them: a row a portfolio, horizon and model.

    Negative: better than it. Differences of the same decisions are drawn again in blocks, which must
    be longer than forecasts overlap.

    Parameters
    ----------
    against
        The model that the others are compared with.
    blocks
        In decisions; 13 of them, a quarter of weeks, where not given.

    Returns
    -------
    DataFrame
        ``difference``; ``low`` and ``high``, its interval; ``p_value``, two-sided, and ``holm``,
        corrected for all rows of the table.

    Raises
    ------
    DataError
        No such model.
    """
    blocks = blocks or Blocks(length=13)
    names = list(map(str, forecasts["model"].unique()))
    if against not in names:
        raise DataError(f"No forecasts of {against!r}. {suggestion(against, names)}")
    scored = forecasts.assign(
        qlike=qlike(forecasts["realised"].to_numpy(), forecasts["forecast"].to_numpy())
    )
    records = []
    for cell, rows in scored.groupby(CELL[:2], sort=False):
        losses = rows.pivot(index="session", columns="model", values="qlike")
        for model in names:
            if model != against:
                apart = (losses[model] - losses[against]).to_numpy()
                found = bootstrap(lambda drawn: float(drawn.mean()), apart, blocks)
                records.append(
                    {
                        **dict(zip(CELL, (*cell, model), strict=True)),
                        "difference": found.value,
                        "low": found.low,
                        "high": found.high,
                        "p_value": found.p_value,
                    }
                )
    table = pd.DataFrame(records)
    corrected = holm({str(row): p for row, p in enumerate(table["p_value"])})
    return table.assign(holm=[corrected[str(row)] for row in range(len(table))])


def _apart(rows: NDArray[np.int64], horizon: int) -> list[int]:
    """Places of rows of which each lies a horizon or more after the one chosen before."""
    chosen: list[int] = []
    for place, row in enumerate(rows):
        if not chosen or row >= rows[chosen[-1]] + horizon:
            chosen.append(place)
    return chosen
