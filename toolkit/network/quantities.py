"""Numbers, arrays and Series as one: checked where they enter a formula, named where they are wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray
from pandas import Series

from toolkit.errors import DataError

Quantity = TypeVar("Quantity", float, NDArray[np.float64], Series)
P = ParamSpec("P")
T = TypeVar("T")


def meeting(formula: Callable[P, T]) -> Callable[P, T]:
    """The formula, with inputs whose lengths do not meet named in a `DataError`."""

    @wraps(formula)
    def explained(*inputs: P.args, **settings: P.kwargs) -> T:
        try:
            return formula(*inputs, **settings)
        except ValueError as error:
            given = signature(formula).bind(*inputs, **settings).arguments
            lengths = {name: np.shape(value) for name, value in given.items() if np.shape(value)}
            if len(set(lengths.values())) < 2:
                raise
            told = ", ".join(
                f"{name} of {' x '.join(map(str, shape))}" for name, shape in lengths.items()
            )
            raise DataError(
                f"{formula.__name__} was given {told}: expected arrays of one length, or Series, which "
                "meet by label."
            ) from error

    return explained


def positive(name: str, value: object) -> Any:
    """Value as floats, each known to be above zero and finite, or NaN."""
    numbers = _floats(name, value)
    refuse(name, numbers, (numbers <= 0.0) | np.isinf(numbers), "above 0 and finite")
    return numbers


def non_negative(name: str, value: object) -> Any:
    """Value as floats, each known to be zero or above and finite, or NaN."""
    numbers = _floats(name, value)
    refuse(name, numbers, (numbers < 0.0) | np.isinf(numbers), "0 or above and finite")
    return numbers


def _floats(name: str, value: object) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    numbers: Any = value if isinstance(value, Series) else np.asarray(value)
    # Text, truth values, None and dates would turn into numbers without a word.
    if numbers.dtype.kind not in "iuf":
        raise DataError(
            f"{name} is a {type(value).__name__} of {numbers.dtype}: expected numbers, as one "
            "number, an array or a Series of floats."
        )
    return numbers.astype(float) if numbers.ndim else float(numbers)


def refuse(name: str, numbers: Any, wrong: Any, wanted: str) -> None:
    """Refuse numbers of which some are wrong, naming the first of them and its place.

    Raises
    ------
    DataError
        Some are.
    """
    places = np.argwhere(np.asarray(wrong))
    if not len(places):
        return
    first = tuple(int(place) for place in places[0])
    where = f" at position {', '.join(map(str, first))}" if first else ""
    if isinstance(numbers, Series):
        where = f" at {numbers.index[first[0]]}"
    more = f" ({len(places)} such values)" if len(places) > 1 else ""
    found = np.asarray(numbers)[first]
    raise DataError(f"{name} is {found:g}{where}{more}: expected {wanted}, or NaN for none.")
