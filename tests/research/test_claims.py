"""Verdicts, intervals and the comparison with a control: each can come out either way."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError, InsufficientHistoryError
from toolkit.research.against import sharpe_difference
from toolkit.research.bootstrap import Blocks, Estimate, bootstrap, holm
from toolkit.research.claims import Claim, judge

CLEAR = Estimate(0.5, 0.4, 0.6, 0.001)


def test_holm_multiplies_by_how_many_are_left_and_never_falls():
    found = holm({"a": 0.04, "b": 0.01, "c": 0.03})
    assert found == pytest.approx({"a": 0.06, "b": 0.03, "c": 0.06})


def test_a_claim_is_supported_refuted_or_not_identifiable():
    claims = [
        Claim("as said", 1, CLEAR, 30),
        Claim("the contrary", -1, CLEAR, 30),
        Claim("unclear", 1, Estimate(0.5, -0.4, 1.2, 0.4), 30),
        Claim("clear, of nineteen cases", 1, CLEAR, 19),
        Claim("no estimate", 1, None, 100),
    ]
    found = judge(claims).set_index("claim")["verdict"].to_dict()
    assert found == {
        "as said": "supported",
        "the contrary": "refuted",
        "unclear": "not identifiable",
        "clear, of nineteen cases": "not identifiable",
        "no estimate": "not identifiable",
    }


def test_many_questions_make_each_answer_weaker():
    one = Estimate(0.5, 0.1, 0.9, 0.02)
    few = judge([Claim("it", 1, one, 30)])
    many = judge([Claim(f"it {number}", 1, one, 30) for number in range(3)])
    assert few["verdict"].tolist() == ["supported"]
    assert set(many["verdict"]) == {"not identifiable"}


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    """100 draws of autocorrelated rows with mean 0; a 90 % interval misses some ten times."""
    missed = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        noise = random.standard_normal(800)
        rows = noise[1:] + 0.5 * noise[:-1]
        found = bootstrap(lambda drawn: float(drawn.mean()), rows, Blocks(draws=200, seed=seed))
        missed += not found.low <= 0.0 <= found.high
    assert 3 <= missed <= 20


def test_the_same_rows_give_the_same_interval_and_few_rows_none():
    rows = np.random.default_rng(1).standard_normal(200)
    mean = lambda drawn: float(drawn.mean())  # noqa: E731 - a statistic
    assert bootstrap(mean, rows) == bootstrap(mean, rows)
    with pytest.raises(InsufficientHistoryError, match="three blocks"):
        bootstrap(mean, rows[:40])


def series(values) -> pd.Series:
    return pd.Series(values, pd.bdate_range("2015-01-01", periods=len(values)))


def test_a_better_series_is_found_and_its_own_copy_is_not():
    random = np.random.default_rng(5)
    plain = series(0.01 * random.standard_normal(2000))
    better = plain + 0.0005 + 0.001 * random.standard_normal(2000)
    cash = 0.0 * plain
    found = sharpe_difference(better, plain, cash, 252.0)
    assert found.low > 0.0
    assert found.value == pytest.approx(0.79, abs=0.15)
    same = sharpe_difference(2.0 * plain, plain, cash, 252.0)
    assert same.value == pytest.approx(0.0, abs=1e-12)


def test_series_of_other_sessions_or_with_a_hole_are_refused():
    plain = series(np.linspace(-0.01, 0.01, 300))
    with pytest.raises(DataError, match="same sessions"):
        sharpe_difference(plain, plain.iloc[1:], plain, 252.0)
    with pytest.raises(DataError, match="missing"):
        sharpe_difference(plain.where(plain < 0.009), plain, plain, 252.0)
