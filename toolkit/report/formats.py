"""How numbers, days and names become text on the page."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

UNDEFINED = "undefined"
_MINUS = "\u2212"


def defined(value: Any) -> bool:
    """Whether a number is there: not None, not NaN, not infinite."""
    return value is not None and math.isfinite(value)


def percent(value: float | None, digits: int = 1) -> str:
    """Fraction as a percentage: 0.1234 is ``12.3%``."""
    return (
        f"{_number(100.0 * value, digits)}%" if defined(value) and value is not None else UNDEFINED
    )


def ratio(value: float | None, digits: int = 2) -> str:
    """Plain number with a fixed count of decimals."""
    return _number(value, digits) if defined(value) and value is not None else UNDEFINED


def count(value: float | None) -> str:
    """Whole number with thousands separated."""
    return ratio(value, 0)


def measured(value: float | None, measure: str, digits: int = 1) -> str:
    """Value of a limit's quantity: a fraction as a percentage, days with their unit."""
    if measure == "fraction":
        return percent(value, digits)
    text = ratio(value)
    return f"{text} days" if measure == "days" and text != UNDEFINED else text


def recorded(value: object) -> object:
    """What a run recorded, or that it did not."""
    return "not recorded" if value is None else value


def small(value: float | None) -> str:
    """Number near zero, in powers of ten: 2.2 times ten to the -13."""
    if value is None or not defined(value):
        return UNDEFINED
    mantissa, _, power = f"{value:.2g}".partition("e")
    return f"{mantissa}e{int(power)}".replace("-", _MINUS) if power else mantissa


def plain(value: float | None) -> str:
    """Number with as many digits as it needs, up to six."""
    return f"{value:,.6g}".replace("-", _MINUS) if defined(value) else UNDEFINED


def short_money(value: float) -> str:
    """Amount in thousands or millions, for an axis: ``1.5M``."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def plural(number: int, noun: str) -> str:
    """Count and noun: ``1 notice``, ``1,200 notices``."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def day(value: Any) -> str:
    """ISO day of a time; text is left as it is."""
    return f"{value:%Y-%m-%d}" if isinstance(value, pd.Timestamp) else str(value)


def words(name: Any) -> str:
    """Identifier as words: ``legacy_miners`` is ``Legacy miners``, ``ai_tokens`` ``AI tokens``."""
    text = str(name).replace("_", " ").strip()
    if text.lower().startswith("ai "):
        return "AI " + text[3:]
    return text[:1].upper() + text[1:]


def _number(value: float, digits: int) -> str:
    return f"{value:z,.{digits}f}".replace("-", _MINUS)
