"""The exception tree, split by what the reader does next.

ToolkitError                    exit code 1
├── ConfigError                 2   correct the call, the TOML file or the option
├── DataError                   3   correct or complete the input data
│   ├── UnknownFieldError
│   ├── UnknownAssetError
│   ├── InsufficientHistoryError
│   └── SourceUnavailableError
├── GateError                   4   the result must not be trusted as it is
│   ├── InfeasibleLimitsError
│   ├── LookAheadError
│   ├── ReconciliationError
│   └── TamperedLedgerError
└── SolverError                 5   change the solver settings or the problem
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ToolkitError(Exception):
    """Root of every error this package raises on purpose."""

    exit_code = 1


class ConfigError(ToolkitError):
    """A setting, name or argument is wrong."""

    exit_code = 2


class DataError(ToolkitError):
    """Input data are missing, malformed or contradictory."""

    exit_code = 3


class UnknownFieldError(DataError):
    """A field that the panel does not hold was asked for."""


class UnknownAssetError(DataError):
    """An asset that the universe does not hold was named."""


class InsufficientHistoryError(DataError):
    """There are fewer observations than the computation needs."""


class SourceUnavailableError(DataError):
    """A file or service that a source needs cannot be read."""


class GateError(ToolkitError):
    """A check on the result failed."""

    exit_code = 4


class InfeasibleLimitsError(GateError):
    """No portfolio meets every limit.

    Attributes
    ----------
    conflict
        Names of a minimal set of limits that cannot hold together.
    relaxation
        Smallest relaxation found: limit name to slack, in the limit's own unit.
    """

    def __init__(self, message: str, conflict: tuple[str, ...], relaxation: dict[str, float]):
        super().__init__(message)
        self.conflict = conflict
        self.relaxation = relaxation


class LookAheadError(GateError):
    """A value changed when the future was removed, or an asset was wanted before it was usable."""


class ReconciliationError(GateError):
    """Ledger and replay disagree."""


class TamperedLedgerError(GateError):
    """A line of the forward ledger is not what was written.

    Attributes
    ----------
    line
        Its number, counted from 1.
    """

    def __init__(self, message: str, line: int):
        super().__init__(message)
        self.line = line


class SolverError(ToolkitError):
    """The solver returned no answer that passes our checks."""

    exit_code = 5


def suggestion(name: str, known: Iterable[str]) -> str:
    """Sentence that proposes the nearest known names, or lists what there is."""
    options = sorted(known)
    close = get_close_matches(name, options, n=3, cutoff=0.6)
    if close:
        return "Did you mean " + " or ".join(repr(option) for option in close) + "?"
    return "Known: " + (", ".join(options[:20]) if options else "none") + "."
