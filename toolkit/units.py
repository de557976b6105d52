"""Validated scalar types, and the decorator that makes a class a validated value.

A component only stores its settings. It is frozen, refuses unknown and wrong settings with a
`ConfigError`, and is what a TOML table of an experiment turns into.
"""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from datetime import date
from enum import Enum
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as validated_dataclass
from pydantic_core import PydanticCustomError

from toolkit.errors import ConfigError, suggestion

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
"""A share of a whole, 0.25 = 25 %."""

NonNegative = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
"""A finite number that is not negative."""

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
"""A finite number above zero."""

Level = Annotated[float, Field(ge=0.5, lt=1.0, allow_inf_nan=False)]
"""Confidence of a tail; 0.95 looks at the worst 5 %."""

BasisPoints = Annotated[float, Field(ge=0.0, lt=10_000.0, allow_inf_nan=False)]
"""Hundredths of a percent; 10 = 0.1 %."""

Sessions = Annotated[int, Field(ge=1, le=10_000)]
"""A number of sessions of the panel's clock."""

Days = Annotated[int, Field(ge=1, le=10_000)]
"""A number of calendar days."""


def _no_number(value: object) -> object:
    """The value, unless it would be taken for seconds since 1970."""
    if isinstance(value, date) or (isinstance(value, str) and _ISO_DAY.fullmatch(value)):
        return value
    raise PydanticCustomError("iso_day", "expected an ISO day, like 2024-01-31")


_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

IsoDay = Annotated[date, BeforeValidator(_no_number)]
"""A day: TOML's own, or its ISO text."""

_SETTINGS = ConfigDict(extra="forbid", strict=False, arbitrary_types_allowed=True)

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def component(cls: type[T]) -> type[T]:
    """Turn a class with annotated settings into a frozen, validated value.

    Raises
    ------
    ConfigError
        On construction, naming the class, each wrong setting and what was expected.
    """
    # The cast to Any: pydantic's decorator is typed for its own use, not for re-decoration.
    built: Any = validated_dataclass(frozen=True, config=_SETTINGS)(cls)
    validate = built.__init__
    known = tuple(field.name for field in fields(built))

    def explained(self: Any, *args: Any, **settings: Any) -> None:
        for name, value in settings.items():
            # To Python True is 1; in a setting that wants a number it is a slip.
            entry = built.__pydantic_fields__.get(name)
            if isinstance(value, bool) and entry is not None and entry.annotation is not bool:
                raise ConfigError(f"{built.__name__}.{name} = {value}: expected another type.")
        try:
            validate(self, *args, **settings)
        except ValidationError as error:
            raise ConfigError(_explain(built.__name__, known, error)) from None

    built.__init__ = explained
    return built  # type: ignore[no-any-return]


def settings_of(part: Any) -> dict[str, Any]:
    """Settings of a component as TOML can hold them; those that are None are left out."""
    values = {entry.name: getattr(part, entry.name) for entry in fields(part)}
    return {name: _plain(value) for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    if is_dataclass(value):
        return {"kind": type(value).__name__, **settings_of(value)}
    return value


def _explain(name: str, known: tuple[str, ...], error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        place = list(problem["loc"])
        # A value given by position is reported by its number; readers know its name.
        if place and isinstance(place[0], int) and place[0] < len(known):
            place[0] = known[place[0]]
        setting = ".".join(str(part) for part in place)
        if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            lines.append(f"{name} has no setting {setting!r}. {suggestion(setting, known)}")
        elif problem["type"] in ("missing", "missing_argument"):
            lines.append(f"{name} needs the setting {setting!r}.")
        else:
            found = problem.get("input")
            lines.append(
                f"{name}.{setting} = {found!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}."
            )
    return " ".join(lines)
