import numpy as np
import pytest
from scipy.stats import binom, chi2

from toolkit.errors import DataError
from toolkit.risk.forecast_tests import christoffersen, conditional_coverage, kupiec, qlike


def runs(*lengths):
    """Exceptions in runs of these lengths, apart from one another, in 253 observations."""
    hits = np.zeros(253, dtype=bool)
    for place, length in enumerate(lengths):
        first = 20 + 60 * place
        hits[first : first + length] = True
    return hits


def test_the_published_case():
    """Jorion, Value at Risk, chapter 6, exercise 10: 6 of 252, four right after another."""
    assert kupiec(6, 252, 0.99).statistic == pytest.approx(3.498777, abs=1e-6)
    found = christoffersen(runs(3, 3))
    assert found.statistic == pytest.approx(25.837428, abs=1e-6)
    assert found.p_value == pytest.approx(chi2.sf(25.837428, 1), rel=1e-5)


def test_as_many_exceptions_as_expected_are_no_evidence():
    assert kupiec(10, 200, 0.95).statistic == pytest.approx(0.0, abs=1e-12)
    assert kupiec(10, 200, 0.95).p_value == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("count", [0, 1, 7, 40, 100])
def test_kupiec_is_a_ratio_of_binomial_likelihoods(count):
    expected = 2.0 * (binom.logpmf(count, 100, count / 100) - binom.logpmf(count, 100, 0.05))
    assert kupiec(count, 100, 0.95).statistic == pytest.approx(expected, rel=1e-9)


def test_independent_exceptions_are_no_evidence_of_dependence():
    random = np.random.default_rng(1)
    found = [christoffersen(random.random(1500) < 0.05).p_value for _ in range(300)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.03)


def test_exceptions_in_a_row_are():
    assert christoffersen(runs(2, 2, 2)).p_value < 1e-3
    assert christoffersen(runs(1, 1, 1, 1)).p_value > 0.5


@pytest.mark.parametrize("hits", [[False] * 50, [True] * 50, [False] * 49 + [True]])
def test_without_both_kinds_before_the_last_nothing_speaks_against_independence(hits):
    assert christoffersen(hits).statistic == pytest.approx(0.0, abs=1e-9)


def test_conditional_coverage_is_the_sum():
    hits = runs(3, 1)
    found = conditional_coverage(hits, 0.99)
    total = kupiec(4, 253, 0.99).statistic + christoffersen(hits).statistic
    assert found.statistic == pytest.approx(total, rel=1e-12)
    assert found.p_value == pytest.approx(chi2.sf(total, 2), rel=1e-12)
    assert found.freedom == 2


def test_qlike_is_least_for_the_truth_and_worse_below_than_above():
    assert qlike(np.array([0.04]), np.array([0.04]))[0] == pytest.approx(0.0, abs=1e-15)
    low, high = qlike(np.array([0.04, 0.04]), np.array([0.02, 0.08]))
    assert low == pytest.approx(2.0 - np.log(2.0) - 1.0, rel=1e-12)
    assert 0.0 < high < low
    random = np.random.default_rng(2)
    realised = 0.09 * random.chisquare(5, size=4000) / 5
    losses = {v: qlike(realised, np.full(4000, v)).mean() for v in (0.07, 0.08, 0.09, 0.1, 0.11)}
    assert min(losses, key=losses.get) == 0.09


def test_impossible_counts_and_variances_are_refused():
    for exceptions, observations, level in ((-1, 10, 0.9), (11, 10, 0.9), (0, 0, 0.9), (1, 9, 1.0)):
        with pytest.raises(DataError, match="expected a count"):
            kupiec(exceptions, observations, level)
    with pytest.raises(DataError, match="two at least"):
        christoffersen([True])
    for forecast in (0.0, -0.04, np.nan, np.inf):
        with pytest.raises(DataError, match="at row 1"):
            qlike(np.array([0.04, 0.04]), np.array([0.04, forecast]))
