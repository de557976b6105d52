"""An explanation says what the decision was made of, and a signal left out is a signal of NaN."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.engine import Account, TimeLoop
from toolkit.backtest.explain import Explanation, explain
from toolkit.backtest.overlays import VolatilityTarget
from toolkit.config import Experiment
from toolkit.errors import DataError
from toolkit.optimize import MaxWeight
from toolkit.panel import Panel
from toolkit.strategy import Strategy

START = "data.start=2023-06-01"


class WithoutOne(Strategy):
    """A strategy that is given one of its signals as all NaN."""

    def __init__(self, other: Strategy, silent: str) -> None:
        self.other, self.silent = other, silent

    @property
    def signals(self):
        return self.other.signals

    def targets(self, panel, signals=None):
        values = dict(self.other.read(panel))
        values[self.silent] = values[self.silent].astype(float) * np.nan
        return self.other.targets(panel, values)


class Needy(Strategy):
    """Refuses to decide without its signal."""

    def __init__(self, other: Strategy) -> None:
        self.other = other

    @property
    def signals(self):
        return self.other.signals

    def targets(self, panel, signals=None):
        values = self.read(panel, signals)
        if any(frame.isna().all().all() for frame in values.values()):
            raise DataError("Nothing to go by.")
        return self.other.targets(panel, values)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return Experiment.from_toml("pivot_rotation", [START])


@pytest.fixture(scope="module")
def panel(experiment) -> Panel:
    return experiment.panel()


@pytest.fixture(scope="module")
def strategy(experiment) -> Strategy:
    return experiment.strategy()


@pytest.fixture(scope="module")
def loop(experiment) -> TimeLoop:
    return experiment.backtester().loop


@pytest.fixture(scope="module")
def account(loop, strategy, panel) -> Account:
    return loop.run(strategy, panel)


def explained(loop, strategy, panel, account, number: int) -> Explanation:
    return explain(loop, strategy, panel, account.signals, account.decisions[number], 1.0)


@pytest.fixture(scope="module")
def first(loop, strategy, panel, account) -> Explanation:
    """The first decision: nothing is held, so runs with and without a signal start alike."""
    return explained(loop, strategy, panel, account, 0)


def test_without_a_signal_is_running_the_strategy_with_nan(loop, strategy, panel, first):
    assert [each.signal for each in first.without] == list(strategy.signals)
    changed = 0
    for each in first.without:
        row = panel.sessions.get_loc(first.session)
        other = loop.run(WithoutOne(strategy, each.signal), panel.until(panel.sessions[row + 3]))
        made = other.decisions[0]
        assert made.decision.session == first.session
        wanted = made.decision.target.reindex(each.target.index).fillna(0.0)
        weights = made.weights.reindex(each.weights.index).fillna(0.0)
        assert (wanted - each.target).abs().max() <= 1e-12
        assert (weights - each.weights).abs().max() <= 1e-9
        assert each.binding == made.allocation.binding
        # Nothing was held, so what is bought is all there is.
        prices = panel.prices().loc[first.session]
        bought = (weights * made.decision.equity / prices)[each.units.index]
        assert each.units.to_numpy() == pytest.approx(bought.to_numpy(), rel=1e-6, abs=1e-6)
        assert str(panel.universe.cash) not in each.units
        changed += (each.weights - first.weights).abs().max() > 1e-3
    assert changed


def test_signals_target_weights_and_trade_are_those_of_the_run(loop, strategy, panel, account):
    made = account.decisions[7]
    found = explained(loop, strategy, panel, account, 7)
    assert found.session == made.decision.session
    for name, frame in account.signals.items():
        row = frame.iloc[made.row]
        for asset, value in found.signals[name].items():
            assert value == row[asset] or (value is None and np.isnan(row[asset]))
    pd.testing.assert_series_equal(found.weights, made.weights)
    pd.testing.assert_series_equal(found.change, made.sized - made.decision.current)


def test_the_limit_that_changed_the_target_is_named_with_its_price(loop, strategy, panel):
    optimizer = loop.optimizer
    tight = replace(
        loop, optimizer=replace(optimizer, limits=(MaxWeight(0.2), *optimizer.limits[1:]))
    )
    account = tight.run(strategy, panel)
    found = explained(tight, strategy, panel, account, -1)
    cap = found.limits[0]
    assert (cap.name, cap.cap) == ("MaxWeight", 0.2)
    assert cap.at_target == pytest.approx(found.target.drop("CASH").max())
    assert cap.changed_target
    assert cap.binding
    assert cap.shadow_price > 0.0
    calm = [limit for limit in found.limits if not limit.binding]
    assert calm
    assert all(limit.shadow_price is None for limit in calm)


def test_the_future_changes_no_explanation(loop, strategy, panel, account):
    made = account.decisions[9]
    cut = panel.until(panel.sessions[made.row])
    short = loop.run(strategy, cut)
    full = explained(loop, strategy, panel, account, 9).as_json()
    past = explained(loop, strategy, cut, short, 9).as_json()
    for part in ("target", "weights"):
        assert full[part] == pytest.approx(past[part], abs=1e-9)
    for one, other in zip(full["without"], past["without"], strict=True):
        assert one["target"] == pytest.approx(other["target"], abs=1e-9)


def test_what_overlays_keep_is_kept_without_a_signal_too(loop, strategy, panel):
    watched = replace(loop, overlays=(VolatilityTarget(target=0.1, floor=0.2),))
    account = watched.run(strategy, panel)
    made = account.decisions[-1]
    share = next(o.share for o in account.orders if o.row == made.row - account.first)
    assert share < 1.0
    found = explain(watched, strategy, panel, account.signals, made, share)
    same = [each for each in found.without if (each.target - found.target).abs().max() < 1e-12]
    assert same
    for each in same:
        assert (each.weights - made.weights).abs().max() <= 1e-9
    pd.testing.assert_series_equal(found.change, made.sized - made.decision.current)


def test_a_strategy_that_refuses_to_go_without_is_quoted(loop, strategy, panel, account):
    found = explained(loop, Needy(strategy), panel, account, 0)
    for each in found.without:
        if each.weights is None:
            assert each.problem == "Nothing to go by."
    assert any(each.weights is None for each in found.without)


def test_a_strategy_that_would_not_decide_keeps_what_is_held():
    bare = Experiment.from_toml("trend_control", ["data.start=2024-01-02"])
    panel, loop, strategy = bare.panel(), bare.backtester().loop, bare.strategy()
    account = loop.run(strategy, panel)
    found = explain(loop, strategy, panel, account.signals, account.decisions[-1], 1.0)
    undecided = [each for each in found.without if each.target is None and not each.problem]
    for each in undecided:
        assert (each.weights - found.current).abs().max() <= 1e-12
    assert found.without
