"""A component is frozen, validated, and refuses what it does not know."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace
from datetime import date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError
from toolkit.units import (
    BasisPoints,
    Days,
    Fraction,
    IsoDay,
    NonNegative,
    Positive,
    Sessions,
    component,
)

drawn = settings(deadline=None, derandomize=True)


@component
class Everything:
    share: Fraction = 0.5
    amount: NonNegative = 0.0
    size: Positive = 1.0
    fee: BasisPoints = 10.0
    lookback: Sessions = 20
    days: Days = 30


@component
class Needy:
    lookback: Sessions


BOUNDS = {
    "share": (0.0, 1.0),
    "amount": (0.0, math.inf),
    "size": (5e-324, math.inf),
    "fee": (0.0, math.nextafter(10_000.0, 0.0)),
}


@drawn
@given(st.sampled_from(sorted(BOUNDS)), st.floats())
def test_a_number_is_taken_exactly_when_it_is_finite_and_within_its_bounds(name, value):
    low, high = BOUNDS[name]
    if math.isfinite(value) and low <= value <= high:
        assert getattr(Everything(**{name: value}), name) == value
    else:
        with pytest.raises(ConfigError):
            Everything(**{name: value})


@drawn
@given(st.sampled_from(["lookback", "days"]), st.integers())
def test_a_count_is_taken_exactly_from_one_to_ten_thousand(name, value):
    if 1 <= value <= 10_000:
        assert getattr(Everything(**{name: value}), name) == value
    else:
        with pytest.raises(ConfigError):
            Everything(**{name: value})


@pytest.mark.parametrize("value", [20.5, "many", None, [20], math.nan])
def test_a_count_is_a_whole_number(value):
    with pytest.raises(ConfigError, match=r"Everything\.lookback"):
        Everything(lookback=value)


@component
class Dated:
    """A setting that is a day."""

    day: IsoDay | None = None


@pytest.mark.parametrize("given", [date(2024, 1, 31), "2024-01-31", datetime(2024, 1, 31)])
def test_a_day_is_taken_as_it_is_or_as_its_iso_text(given):
    assert Dated(day=given).day == date(2024, 1, 31)
    assert Dated().day is None


@pytest.mark.parametrize(
    "given", [0, 1_706_659_200, 1.5, "0", "1706659200", "-1706659200", "2024-1-31", "20240131", ""]
)
def test_a_number_is_no_day(given):
    with pytest.raises(ConfigError, match=r"Dated\.day = .*: expected an ISO day, like 2024-01-31"):
        Dated(day=given)


def test_a_wrong_value_is_named_with_class_setting_and_what_was_found():
    with pytest.raises(ConfigError, match=r"Everything\.share = 1\.5: .*less than or equal to 1"):
        Everything(share=1.5)


def test_a_misspelt_setting_is_refused_with_a_proposal():
    with pytest.raises(ConfigError, match=r"Everything has no setting 'lookbak'.*'lookback'\?"):
        Everything(lookbak=20)


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="Needy needs the setting 'lookback'"):
        Needy()


def test_every_wrong_setting_is_named_at_once():
    with pytest.raises(ConfigError, match=r"share.*fee.*hallo"):
        Everything(share=-1.0, fee=-1.0, hallo=1)


def test_a_component_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Everything().share = 0.1


def test_components_are_values():
    assert Everything(share=0.25) == Everything(share=0.25)
    assert Everything(share=0.25) != Everything(share=0.5)
    assert len({Everything(), Everything()}) == 1
    assert repr(Needy(lookback=3)) == "Needy(lookback=3)"


def test_a_copy_with_another_value_is_validated_too():
    assert replace(Everything(), share=0.1).share == 0.1
    with pytest.raises(ConfigError):
        replace(Everything(), share=7.0)


def test_a_refusal_does_not_drag_the_validator_behind_it():
    with pytest.raises(ConfigError) as caught:
        Everything(share=2.0)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
