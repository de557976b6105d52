"""Errors are split by what the reader does next, and a misspelt name gets a proposal."""

from __future__ import annotations

import inspect

import pytest

from toolkit import errors
from toolkit.errors import (
    ConfigError,
    DataError,
    GateError,
    InfeasibleLimitsError,
    InsufficientHistoryError,
    LookAheadError,
    ReconciliationError,
    SolverError,
    SourceUnavailableError,
    ToolkitError,
    UnknownAssetError,
    UnknownFieldError,
    suggestion,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ToolkitError, 1),
        (ConfigError, 2),
        (DataError, 3),
        (UnknownFieldError, 3),
        (UnknownAssetError, 3),
        (InsufficientHistoryError, 3),
        (SourceUnavailableError, 3),
        (GateError, 4),
        (InfeasibleLimitsError, 4),
        (LookAheadError, 4),
        (ReconciliationError, 4),
        (SolverError, 5),
    ],
)
def test_each_error_ends_the_command_line_with_its_documented_code(kind, code):
    assert kind.exit_code == code


def test_every_error_is_in_the_tree_and_documented():
    assert len(ALL) >= 12
    for kind in ALL:
        assert issubclass(kind, ToolkitError)
        assert kind.__doc__


def test_the_branches_do_not_catch_one_another():
    for branch in (ConfigError, DataError, GateError, SolverError):
        others = {ConfigError, DataError, GateError, SolverError} - {branch}
        assert not any(issubclass(branch, other) for other in others)


def test_infeasible_limits_carry_the_conflict_and_the_relaxation():
    error = InfeasibleLimitsError("no portfolio", ("MinCash", "MaxWeight"), {"MinCash": 0.1})
    assert str(error) == "no portfolio"
    assert error.conflict == ("MinCash", "MaxWeight")
    assert error.relaxation == {"MinCash": 0.1}


def test_a_near_miss_gets_the_near_name_and_not_the_list():
    assert suggestion("lookbak", ["lookback", "halflife"]) == "Did you mean 'lookback'?"


def test_a_name_like_nothing_gets_the_sorted_list():
    assert suggestion("zzz", ["lookback", "halflife"]) == "Known: halflife, lookback."


def test_an_empty_choice_is_said_to_be_empty():
    assert suggestion("zzz", []) == "Known: none."


def test_a_long_list_is_cut_at_twenty_names():
    assert suggestion("?", [f"name{i:02d}" for i in range(50)]).count("name") == 20
