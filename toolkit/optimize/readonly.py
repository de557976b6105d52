"""Records that nobody changes, as the type checker sees to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def readonly(given: type[T]) -> type[T]:
    """A dataclass of the sizing's insides, frozen to the type checker alone.

    A decision passes through a dozen such records: to guard each field at run time takes a tenth
    of the time that sizing takes.
    """
    return dataclass(eq=False)(given)
