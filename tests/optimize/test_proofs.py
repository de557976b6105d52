"""What proves that an answer is optimal, and what does not."""

from dataclasses import replace

import numpy as np
import pytest

from toolkit.optimize import MaxWeight, MinimumVariance, Optimizer, ProportionalCost, TrackTarget
from toolkit.optimize.compiled import Answer
from toolkit.optimize.problems import Standard
from toolkit.optimize.standard import Found, Prices, StandardProblem, Tail

COST = ProportionalCost()
PROBLEM = StandardProblem(
    quadratic=None,
    linear=np.array([1.0, 2.0]),
    rates=np.zeros(2),
    constant=0.0,
    holdings=np.array([0.5, 0.5]),
    lower=np.zeros(2),
    upper=np.ones(2),
    matrix=np.array([[1.0, 0.0]]),
    absolute=np.zeros((1, 2)),
    bound=np.array([0.25]),
)
BEST = np.array([0.25, 0.75])


def gap(problem, weights, prices):
    return Found(problem, weights, prices, "solved", 1).proof[1]


def test_the_right_multipliers_prove_the_optimum():
    assert gap(PROBLEM, BEST, Prices(2.0, np.array([1.0]))) == pytest.approx(0.0, abs=1e-15)


def test_multipliers_of_the_wrong_sign_prove_nothing():
    """Taken as they are, these would prove more than there is: that nothing is below 1.0 more."""
    wrong = Prices(2.0, np.array([-4.0]))
    assert PROBLEM.least(BEST, wrong) == -np.inf
    assert gap(PROBLEM, BEST, wrong) == np.inf


@pytest.mark.parametrize(
    "chances",
    [
        None,
        np.array([0.9, 0.9, 0.0, 0.0]),
        np.array([1.0, 0.0, 0.0, 0.0]),
        np.array([0.5, 0.6, -0.1, 0.0]),
        np.array([0.3, 0.3, 0.3, 0.3]),
        np.zeros(4),
    ],
    ids=["none", "beyond one", "too likely", "negative", "sum above one", "sum below one"],
)
def test_chances_that_are_none_prove_nothing(chances):
    returns = np.array([[-0.4, -0.4], [-0.1, -0.1], [0.2, 0.2], [0.3, 0.3]])
    problem = replace(PROBLEM, linear=np.zeros(2), tail=Tail(returns, 0.5, 1.0))
    right = np.array([0.5, 0.5, 0.0, 0.0])
    rows = np.zeros(1)
    assert gap(problem, BEST, Prices(0.25, rows, right)) == pytest.approx(0.0, abs=1e-15)
    assert problem.least(BEST, Prices(0.25, rows, chances)) == -np.inf


@pytest.mark.parametrize("objective", [MinimumVariance(), TrackTarget()], ids=type)
def test_an_answer_that_is_worse_than_what_is_held_is_none(market, monkeypatch, objective):
    """Whatever its solver says to prove it."""
    made = market(1, 6)
    decision = made.decision()
    # What is held is not the optimum, and everything in the dearest asset is worse.
    dearest = int(
        np.argmax(np.diag(decision.covariance.loc[sorted(made.risky), sorted(made.risky)]))
    )
    wrong = np.eye(7)[dearest]

    def lying(self, facts, allowance):
        return wrong, Answer("solved", wrong, np.inf, 0.0, 1)

    program = Optimizer(objective, (MaxWeight(1.0),), COST).compile(made.assets)
    honest = program.solve(decision)
    monkeypatch.setattr(Standard, "solve", lying)
    program = Optimizer(objective, (MaxWeight(1.0),), COST).compile(made.assets)
    found = program.solve(decision)
    assert found.fallbacks
    assert found.certificate.optimum == pytest.approx(honest.certificate.optimum, rel=1e-6)
