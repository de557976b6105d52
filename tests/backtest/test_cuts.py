"""Where the look-ahead audit cuts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.backtest.cuts import choose_cuts
from toolkit.panel import Panel
from toolkit.universe import (
    Asset,
    Closing,
    CorporateAction,
    Halt,
    Membership,
    Sleeve,
    Universe,
)

ROWS, CUTS = 300, 40
DAYS = pd.bdate_range("2022-01-03", periods=ROWS, unit="ns")
CALM = Panel(Universe(()), DAYS, {})


def targets_of(changes: np.ndarray, first: int = 0) -> dict[str, pd.DataFrame]:
    """A two-state target that changes on the given rows, without a target before the first."""
    state = np.isin(np.arange(ROWS), changes).cumsum() % 2
    values = np.where(np.arange(ROWS) < first, np.nan, state)
    return {"targets": pd.DataFrame({"A": values}, DAYS)}


def some_changes(count: int, seed: int = 1) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(np.arange(1, ROWS - 1), count, replace=False))


def day(row: int):
    return DAYS[row].date()


@pytest.mark.parametrize("cuts", [1, 2, 7, 40, 299])
@pytest.mark.parametrize("changes", [0, 3, 30, 200])
def test_cuts_are_as_many_as_asked_increasing_and_before_the_last_session(
    cuts: int, changes: int
) -> None:
    rows = choose_cuts(CALM, targets_of(some_changes(changes)), cuts, seed=0)
    assert len(rows) == cuts
    assert (np.diff(rows) > 0).all()
    assert rows[0] >= 0
    assert rows[-1] < ROWS - 1


@pytest.mark.parametrize("changes", [20, 60, 200])
def test_half_of_the_cuts_lie_at_a_change_or_one_session_before(changes: int) -> None:
    changed = some_changes(changes)
    rows = choose_cuts(CALM, targets_of(changed), CUTS, seed=0)
    assert np.isin(rows, [*changed, *(changed - 1)]).sum() >= CUTS // 2
    assert np.isin(rows, changed).sum() >= CUTS // 4


def test_few_changes_are_all_cut_at_and_before() -> None:
    changed = np.array([40, 120, 250])
    rows = choose_cuts(CALM, targets_of(changed), CUTS, seed=0)
    assert set(changed) | set(changed - 1) <= set(rows)


def test_the_same_seed_gives_the_same_cuts_and_another_seed_others() -> None:
    frames = targets_of(some_changes(30))
    first = choose_cuts(CALM, frames, CUTS, seed=4)
    assert np.array_equal(first, choose_cuts(CALM, frames, CUTS, seed=4))
    assert not np.array_equal(first, choose_cuts(CALM, frames, CUTS, seed=5))


def test_all_rows_are_cuts_without_a_number_or_where_there_are_fewer_rows() -> None:
    frames = targets_of(some_changes(30))
    for cuts in (None, ROWS, 10 * ROWS):
        assert np.array_equal(choose_cuts(CALM, frames, cuts, seed=0), np.arange(ROWS))


def test_no_cut_is_spent_before_the_first_target() -> None:
    rows = choose_cuts(CALM, targets_of(some_changes(30), first=200), CUTS, seed=0)
    assert rows.min() >= 200
    assert len(rows) == CUTS


def test_there_are_fewer_cuts_where_few_sessions_have_a_target() -> None:
    rows = choose_cuts(CALM, targets_of(np.array([295]), first=290), CUTS, seed=0)
    assert rows.tolist() == list(range(290, ROWS - 1))


def test_a_switch_hidden_in_daily_drift_is_cut_at() -> None:
    drift = np.random.default_rng(2).normal(0.0, 0.004, ROWS).cumsum()
    switches = [50, 130, 131, 220]
    jumps = np.isin(np.arange(ROWS), switches).cumsum() % 2 * 0.3
    frames = {"targets": pd.DataFrame({"A": 0.4 + drift + jumps}, DAYS)}
    assert set(switches) <= set(choose_cuts(CALM, frames, CUTS, seed=0))


def test_a_signal_is_cut_at_where_it_changes_although_the_targets_stay() -> None:
    frames = targets_of(np.array([], dtype=int))
    regime = np.where(np.arange(ROWS) < 90, -1.0, 1.0)
    frames["signal regime"] = pd.DataFrame({"regime": regime}, DAYS)
    frames["signal huge"] = pd.DataFrame({"huge": np.arange(ROWS) * 1e20}, DAYS)
    assert 90 in choose_cuts(CALM, frames, CUTS, seed=0)


def test_the_session_before_each_dated_fact_of_the_universe_is_a_cut() -> None:
    miner = Asset(
        "MINER",
        (
            Membership(Sleeve.LEGACY_MINERS, day(0)),
            Membership(Sleeve.PIVOTING_MINERS, day(80)),
        ),
        usable_from=day(30),
        closing=Closing("bankruptcy", day(210), day(200), day(230), 1.0),
        halts=(Halt(day(110), day(119)),),
    )
    split = CorporateAction("MINER", day(150), "reverse_split")
    panel = Panel(Universe((miner,), (split,)), DAYS, {})
    rows = choose_cuts(panel, targets_of(np.array([5])), CUTS, seed=0)
    assert {29, 79, 109, 149, 199, 229} <= set(rows)


def test_no_decision_at_all_is_cut_anywhere() -> None:
    frames = {"targets": pd.DataFrame({"A": np.full(ROWS, np.nan)}, DAYS)}
    assert len(choose_cuts(CALM, frames, CUTS, seed=0)) == CUTS


def test_infinite_values_are_changes_like_others() -> None:
    frames = targets_of(np.array([], dtype=int))
    values = np.where(np.arange(ROWS) == 77, np.inf, 0.0)
    frames["signal"] = pd.DataFrame({"x": values}, DAYS)
    assert {77, 78} <= set(choose_cuts(CALM, frames, CUTS, seed=0))
