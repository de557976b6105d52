"""Forecasts are of the past alone, a right model is found right, and a wrong one wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.errors import ConfigError, DataError, InsufficientHistoryError
from toolkit.panel import Field, Panel
from toolkit.research.bootstrap import Blocks
from toolkit.research.risk_forecasts import Trial, minimum_variance, risk_forecasts
from toolkit.research.risk_scores import qlike_differences, tail_scores, volatility_scores
from toolkit.risk.estimators import (
    CovarianceEstimate,
    ExponentialCovariance,
    FactorModel,
    LedoitWolf,
    RiskModel,
)
from toolkit.risk.scenarios import HistoricalScenarios
from toolkit.universe import Asset, Membership, Sleeve, Universe

NAMES = ("BTC", "NVDA", "MARA")
SLEEVES = (Sleeve.BITCOIN, Sleeve.AI_INFRASTRUCTURE, Sleeve.LEGACY_MINERS)
DEVIATIONS = np.array([0.03, 0.02, 0.05])
CORRELATION = np.array([[1.0, 0.3, 0.7], [0.3, 1.0, 0.4], [0.7, 0.4, 1.0]])
TRUTH = CORRELATION * np.outer(DEVIATIONS, DEVIATIONS)
TRIAL = Trial(date(2015, 1, 2), "day", (1, 5))


class Known(RiskModel):
    """The truth, times a factor."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def covariance(self, returns, periods_per_year, factors=None):
        matrix = pd.DataFrame(self.factor * TRUTH * periods_per_year, NAMES, NAMES)
        return CovarianceEstimate(matrix, 0.0, pd.Series(len(returns), NAMES))


@pytest.fixture(scope="module")
def panel():
    """Three assets whose returns are independent draws of one covariance."""
    days = sessions_between("XNYS", date(2014, 1, 2), date(2018, 6, 1))[:1000]
    random = np.random.default_rng(11)
    moves = random.multivariate_normal(np.zeros(3), TRUTH, size=1000)
    closes = pd.DataFrame(100.0 * np.cumprod(1.0 + moves, axis=0), days, list(NAMES))
    assets = tuple(
        Asset(name, (Membership(sleeve, date(2010, 1, 4)),))
        for name, sleeve in zip(NAMES, SLEEVES, strict=True)
    )
    closed = days.tz_localize("UTC") + pd.Timedelta(hours=21)
    return Panel(Universe(assets), days, {"close": Field(closes, closed, "USD", "drawn")})


@pytest.fixture(scope="module")
def forecasts(panel):
    models = {"truth": Known(1.0), "half": Known(0.5), "double": Known(2.0)}
    return risk_forecasts(models, panel, replace(TRIAL, first=panel.sessions[400].date()))


def test_the_truth_scores_best_and_errors_show_with_their_size(forecasts):
    scores = volatility_scores(forecasts).set_index(["portfolio", "horizon", "model"])
    for portfolio in ("equal weight", "sleeve mix", "minimum variance", "bitcoin"):
        row = scores.xs((portfolio, 1), level=("portfolio", "horizon"))
        assert row["qlike"].idxmin() == "truth"
        assert row.loc["truth", "ratio"] == pytest.approx(1.0, abs=0.06)
        assert row.loc["truth", "bias"] == pytest.approx(1.0, abs=0.06)
        assert row.loc["half", "ratio"] == pytest.approx(
            np.sqrt(2.0) * row.loc["truth", "ratio"], rel=1e-9
        )
        assert row.loc["double", "bias"] == pytest.approx(
            np.sqrt(0.5) * row.loc["truth", "bias"], rel=1e-9
        )


def test_differences_are_found_and_corrected(forecasts):
    found = qlike_differences(forecasts, "truth", Blocks(length=21))
    assert set(found["model"]) == {"half", "double"}
    assert (found["difference"] > 0.0).all()
    assert (found["low"] > 0.0).all()
    assert (found["holm"] >= found["p_value"]).all()
    assert (found["holm"] < 0.05).all()


def test_a_right_value_at_risk_passes_and_a_wrong_one_does_not(forecasts):
    scores = tail_scores(forecasts, 0.95).set_index(["portfolio", "horizon", "model"])
    right = scores.xs("truth", level="model")
    assert (right["kupiec"] > 0.01).all()
    assert (right["shortfall"] - 1.0).abs().max() < 0.2
    wrong = scores.loc[("equal weight", 1, "half")]
    assert wrong["kupiec"] < 1e-4
    assert wrong["exceptions"] > 1.5 * wrong["expected"]


def test_forecasts_that_overlap_count_once(forecasts):
    scores = tail_scores(forecasts, 0.99).set_index(["portfolio", "horizon", "model"])
    one, five = (scores.loc[("bitcoin", ahead, "truth"), "forecasts"] for ahead in (1, 5))
    assert five == -(-one // 5)


def test_a_forecast_and_its_outcome_are_those_of_plain_arithmetic(panel):
    model = ExponentialCovariance(halflife=30, lookback=200, minimum=63)
    start = panel.sessions[300]
    found = risk_forecasts({"e": model, "h": HistoricalScenarios(200, 63)}, panel,
                           Trial(start.date(), "week", (5,)))  # fmt: skip
    row = found[(found["model"] == "e") & (found["portfolio"] == "equal weight")].iloc[3]
    place = panel.sessions.get_loc(row["session"])
    assert row["row"] == place
    returns = panel.returns()
    known = returns.iloc[: place + 1]
    matrix = model.covariance(known, 252.0).matrix
    assert row["forecast"] == pytest.approx(matrix.to_numpy().sum() / 9.0, rel=1e-12)
    path = returns.iloc[place + 1 : place + 6].mean(axis=1)
    assert row["realised"] == pytest.approx(252.0 * (path**2).mean(), rel=1e-12)
    assert row["loss"] == pytest.approx(1.0 - (1.0 + path).prod(), rel=1e-9)
    assert row["var_95"] == pytest.approx(1.6448536 * np.sqrt(row["forecast"] * 5 / 252), rel=1e-6)
    drawn = found[(found["model"] == "h") & (found["portfolio"] == "equal weight")].iloc[3]
    past = np.sort(known.iloc[-200:].mean(axis=1).to_numpy())
    assert drawn["es_95"] == pytest.approx(-past[:10].mean() * np.sqrt(5.0), rel=1e-9)


def test_what_came_later_changes_no_forecast(panel):
    models = {"lw": LedoitWolf(), "f": FactorModel(("bitcoin", "ai")), "h": HistoricalScenarios()}
    trial = Trial(panel.sessions[300].date(), "month", (5,))
    whole = risk_forecasts(models, panel, trial)
    closes = panel.field("close")
    changed = closes.values.copy()
    changed.iloc[600:] *= np.random.default_rng(0).uniform(0.5, 2.0, size=(400, 3))
    other = replace(panel, fields={"close": replace(closes, values=changed)})
    again = risk_forecasts(models, other, trial)
    columns = ["forecast", "var_95", "es_99"]
    early = whole["row"] < 600
    assert early.sum() > 50
    assert whole.loc[early, columns].equals(again.loc[again["row"] < 600, columns])
    assert not whole.loc[~early, columns].equals(again.loc[again["row"] >= 600, columns])


@pytest.mark.parametrize("seed", range(5))
def test_minimum_variance_has_the_same_slope_wherever_it_holds(seed):
    random = np.random.default_rng(seed)
    root = random.normal(size=(8, 12)) + random.normal(size=12)
    matrix = root @ root.T * random.choice([1e-6, 1.0])
    weights = minimum_variance(matrix)
    assert weights.sum() == pytest.approx(1.0, abs=1e-12)
    assert (weights >= 0.0).all()
    slope = matrix @ weights
    least = weights @ slope
    assert slope[weights > 0.0] == pytest.approx(least, rel=1e-6)
    assert (slope >= least * (1.0 - 1e-6)).all()


def test_what_cannot_be_scored_is_refused(panel, forecasts):
    with pytest.raises(InsufficientHistoryError, match="No decision since 2090-01-01"):
        risk_forecasts({"e": ExponentialCovariance()}, panel, Trial(date(2090, 1, 1)))
    with pytest.raises(ConfigError, match="levels between 0 and 1"):
        Trial(date(2020, 1, 1), levels=(95.0,))
    with pytest.raises(DataError, match=r"No forecast at level 0.9"):
        tail_scores(forecasts, 0.9)
    with pytest.raises(DataError, match=r"No forecasts of 'truht'.*'truth'"):
        qlike_differences(forecasts, "truht")
