"""The risk of given weights, in the numbers that limits speak of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from toolkit.backtest.market_view import MarketView
from toolkit.errors import DataError
from toolkit.optimize.candidate import MeasuredCandidate
from toolkit.optimize.decision import Decision
from toolkit.optimize.facts import facts_of
from toolkit.optimize.roster import Roster
from toolkit.panel import Panel

LEVEL = 0.95


@dataclass(frozen=True)
class BookRisk:
    """Risk of a book; None: not checked, since what it is measured with is not there.

    Attributes
    ----------
    volatility
        Of a year's return, by the experiment's risk model.
    expected_shortfall_95
        Mean loss of a session in the worst 5 % of the scenarios.
    betas
        By factor.
    """

    volatility: float | None
    expected_shortfall_95: float | None
    betas: Mapping[str, float] | None


def risk_of_book(
    view: MarketView, panel: Panel, decision: Decision, weights: pd.Series
) -> BookRisk:
    """Risk of weights after the panel's last session."""
    roster, row = Roster(panel.universe.assets), len(panel.sessions) - 1
    plain = Decision(session=panel.sessions[row])

    def measured(given: Decision, read: Callable[[MeasuredCandidate], Any]) -> Any:
        facts = facts_of(given, roster)
        ordered = np.empty(len(roster))
        ordered[roster.place] = weights.reindex(roster.given).to_numpy()
        return read(MeasuredCandidate(roster, facts, ordered))

    def volatility() -> float | None:
        covariance = decision.covariance
        if covariance is None or decision.session != plain.session:
            estimate = view.covariance(row)
            if estimate is None:
                return None
            covariance = estimate.matrix
        given = replace(plain, covariance=covariance)
        return float(measured(given, MeasuredCandidate.volatility))

    def shortfall() -> float | None:
        given = replace(plain, scenarios=view.scenarios(row))
        return float(measured(given, lambda book: book.expected_shortfall(LEVEL)))

    def betas() -> dict[str, float] | None:
        table = view.betas(row)
        if table.empty:
            return None
        given = replace(plain, betas=table)
        names = [str(name) for name in table.columns]
        values = measured(given, lambda book: [float(book.beta(name)) for name in names])
        return dict(zip(names, values, strict=True))

    return BookRisk(_known(volatility), _known(shortfall), _known(betas))


def _known(measure: Callable[[], Any]) -> Any:
    """A measure, or None where the data do not suffice for it."""
    try:
        return measure()
    except DataError:
        return None
