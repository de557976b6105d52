"""The forward ledger: allocations written down before the market answered them.

A file of JSON lines that only grows. Each line holds the SHA-256 of itself and of the line before
it, so a line that is changed, removed or put in between shows. Lines cut off at the end, or a chain
forged anew from some line on, do not: keep the hash of the last line elsewhere, it is what
`hashpivot ledger` prints as the head.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigError, SourceUnavailableError, TamperedLedgerError

NOTHING_BEFORE = "0" * 64
"""What the first line holds in place of a hash."""

_LARGEST_FILE_BYTES = 200_000_000
_OWN = "sha256"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Entry:
    """One recorded allocation.

    Attributes
    ----------
    recorded_at
        Moment it was written, UTC by the clock of the machine that wrote it.
    asof
        Session after which it was decided.
    config, code, data
        SHA-256 of the settings that can change a number, of the code, and of the panel up to then.
    settings
        Which data: clock, seed, what was left out; without the folder.
    weights, prices
        By asset, cash included; USD.
    fee, slippage, measured
        Assumed, as fractions of traded value; and how impact and spread are measured: the settings
        of `Measured`, None where they are not.
    fill_delay
        Sessions from the decision to its fill.
    equity
        USD, where holdings were given.
    previous
        SHA-256 of the line before.
    """

    recorded_at: str
    asof: str
    strategy: str
    config: str
    code: str
    data: str
    settings: Mapping[str, Any]
    simulated: bool
    weights: Mapping[str, float]
    prices: Mapping[str, float]
    fee: float
    slippage: float
    measured: Mapping[str, Any] | None
    fill_delay: int
    equity: float | None = None
    previous: str = NOTHING_BEFORE

    @property
    def moment(self) -> datetime:
        """When it was recorded."""
        return datetime.strptime(self.recorded_at, _TIME).replace(tzinfo=UTC)

    @property
    def session(self) -> date:
        """Session after which it was decided."""
        return date.fromisoformat(self.asof)

    @property
    def head(self) -> str:
        """SHA-256 of its line: that of the ledger while it is the last one."""
        return hashlib.sha256(self.line()).hexdigest()

    def line(self) -> bytes:
        """The entry as it is written, without the end of the line."""
        content = asdict(self)
        return _text({**content, _OWN: hashlib.sha256(_text(content)).hexdigest()})


def _text(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, allow_nan=False, separators=(",", ":")).encode()


def now() -> str:
    """The present moment as entries state it."""
    return datetime.now(UTC).strftime(_TIME)


def read(path: Path) -> tuple[list[Entry], str]:
    """Every entry, oldest first, and the hash of the last line.

    Raises
    ------
    SourceUnavailableError
        There is no such file, or it cannot be read.
    TamperedLedgerError
        A line is not what was written, naming it.
    """
    if not path.is_file():
        raise SourceUnavailableError(
            f"There is no forward ledger {path}. `hashpivot allocate STRATEGY --record` begins one."
        )
    if path.stat().st_size > _LARGEST_FILE_BYTES:
        raise SourceUnavailableError(f"{path.name} is larger than 200 MB: no forward ledger.")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SourceUnavailableError(f"{path.name} cannot be read: {error.strerror}.") from None
    return _verified(content, path.name)


def append(path: Path, entry: Entry) -> Entry:
    """Write an entry at the end of the ledger, after its chain was verified; as it was written.

    Raises
    ------
    ConfigError
        The same strategy with the same configuration was recorded for that session before, or the
        file cannot be written.
    TamperedLedgerError
        The ledger so far is not what was written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file, _locked(file.fileno()):
            file.seek(0)
            entries, head = _verified(file.read(), path.name)
            _demand_new(entries, entry, path.name)
            chained = Entry(**{**vars(entry), "previous": head})
            # One write of one line: a reader sees all of it or nothing.
            os.write(file.fileno(), chained.line() + b"\n")
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigError(
            f"The forward ledger {path} cannot be written ({error.strerror}). Choose another with "
            "--ledger."
        ) from error
    return chained


def _demand_new(entries: list[Entry], entry: Entry, name: str) -> None:
    key = (entry.asof, entry.strategy, entry.config)
    for number, earlier in enumerate(entries, 1):
        if (earlier.asof, earlier.strategy, earlier.config) == key:
            raise ConfigError(
                f"{name} already holds {entry.strategy} as of {entry.asof} with the same "
                f"configuration, on line {number}, recorded at {earlier.recorded_at}. The first "
                "record counts; nothing was written."
            )


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Hold the file for this process alone."""
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _verified(content: bytes, name: str) -> tuple[list[Entry], str]:
    """Entries of the file's content, each held against the one before."""
    entries: list[Entry] = []
    head = NOTHING_BEFORE
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        entry = _entry(line, name, number)
        if entry.previous != head:
            raise TamperedLedgerError(
                f"{name}, line {number}: it follows a line with the hash {entry.previous[:12]}..., "
                f"but the line before it has {head[:12]}... Line {max(number - 1, 1)} was changed, "
                "or lines were added or removed before this one. Restore the file from a copy.",
                number,
            )
        entries.append(entry)
        head = hashlib.sha256(line).hexdigest()
    if rest:
        number = len(lines) + 1
        raise TamperedLedgerError(
            f"{name}, line {number} has no end: writing it was cut short. Restore the file from a "
            "copy, or remove that line.",
            number,
        )
    return entries, head


def _entry(line: bytes, name: str, number: int) -> Entry:
    try:
        content = json.loads(line)
        sound = _text(content) == line
        own = content.pop(_OWN, None)
        sound &= own == hashlib.sha256(_text(content)).hexdigest()
        entry = Entry(**content)
        entry.moment, entry.session  # noqa: B018 - that they can be read is the question
        sound &= all(math.isfinite(float(weight)) for weight in entry.weights.values())
    except (ValueError, TypeError, AttributeError):
        sound = False
    if not sound:
        known = ", ".join(field.name for field in fields(Entry))
        raise TamperedLedgerError(
            f"{name}, line {number} is not as it was written; expected one JSON object with "
            f"{known}. Restore the file from a copy.",
            number,
        )
    return entry
