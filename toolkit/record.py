"""A run as plain data: what is written to a run folder, and all that the report page reads.

Parquet for tables, JSON and TOML for the rest; nothing that executes when it is read.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from toolkit.errors import ConfigError, SourceUnavailableError, suggestion

TABLES = (
    "returns",
    "weights",
    "targets",
    "orders",
    "limits",
    "overlays",
    "executed",
    "costs",
)
_RUN_NAME = re.compile(r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}(-[0-9]{1,3})?")
_LARGEST_TABLE_ROWS = 20_000_000


@dataclass(frozen=True)
class RunRecord:
    """One run.

    Parameters
    ----------
    manifest
        What was run, on what, with which outcome of the checks; the wall clock is only here.
    config
        The resolved experiment as TOML text.
    metrics
        ``basis`` (text and numbers), then metric names to values, None where undefined.
    returns
        By session: net, gross, cash, benchmark (simple returns), equity, fees, slippage (USD).
    weights
        Share of equity at each session's end: sessions x assets.
    targets
        By decision and asset, long: session, asset, target (the strategy's), allocated (sized, at
        full share).
    orders
        Filled orders: session, asset, units, price, value.
    limits
        By decision and limit, long: session, limit, measure (fraction, number or days), cap,
        at_decision, slack, after_fill, drift, binding; excess, excess_allowed, excess_after_fill,
        excess_drift; unchecked. `drift` is the worst value until the next decision; slack is by how
        much the cap was relaxed. An excess is how far the value is beyond the cap, in the limit's
        own unit; what of it a relaxation allows, `excess_allowed`, is that of the slack.
        `unchecked` names traded assets that the limit could not be checked for.
    overlays
        Changes of state of overlays: session, overlay, before, after, share (what this one keeps),
        kept (what all keep), measured, reason.
    executed
        By decision and intended trade, long: session, asset, before, target, allocated, share (of
        the intended trade that was ordered).
    costs
        By decision: session, and what trading was assumed to cost and was charged, in USD and in
        basis points of what was traded.
    """

    manifest: Mapping[str, Any]
    config: str
    metrics: Mapping[str, Any]
    returns: pd.DataFrame
    weights: pd.DataFrame
    targets: pd.DataFrame
    orders: pd.DataFrame
    limits: pd.DataFrame
    overlays: pd.DataFrame = field(default_factory=pd.DataFrame)
    executed: pd.DataFrame = field(default_factory=pd.DataFrame)
    costs: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def name(self) -> str:
        """Name of the run folder: UTC time and hash of the inputs."""
        return str(self.manifest["run_id"])

    def save(self, runs: Path, page: str | None = None) -> Path:
        """Write the run folder under `runs` in one step: it is there whole, or not at all.

        Returns
        -------
        Path
            The folder. A number is added where the name is taken.

        Raises
        ------
        ConfigError
            The folder cannot be written.
        """
        if not _RUN_NAME.fullmatch(self.name):
            raise ConfigError(
                f"Run name {self.name!r} is not of the form 20250131T120000Z-0123abcd."
            )
        draft = _new_draft(runs)
        try:
            self._write(draft, page)
            return self._publish(draft, runs)
        except OSError as error:
            raise ConfigError(
                f"The run could not be written to {runs} ({error.strerror}). Free space or choose "
                f"another folder with --runs."
            ) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def _write(self, folder: Path, page: str | None) -> None:
        _write_text(folder / "config.toml", self.config)
        _write_text(folder / "metrics.json", json_text(self.metrics))
        for table in TABLES:
            getattr(self, table).to_parquet(folder / f"{table}.parquet")
        if page is not None:
            _write_text(folder / "report.html", page)

    def _publish(self, draft: Path, runs: Path) -> Path:
        """Give the draft its name, or the first free number after it; run.json says which."""
        for attempt in range(1000):
            name = f"{self.name}-{attempt}" if attempt else self.name
            if (runs / name).exists():
                continue
            _write_text(draft / "run.json", json_text({**self.manifest, "run_id": name}))
            try:
                os.rename(draft, runs / name)
            except OSError:
                if not (runs / name).exists():
                    raise
            else:
                return runs / name
        raise ConfigError(f"{runs} already holds 1,000 runs named {self.name}; remove some.")

    @classmethod
    def load(cls, folder: Path) -> RunRecord:
        """Read a run folder.

        Raises
        ------
        SourceUnavailableError
            The folder is no run folder, or a file of it is missing or unreadable.
        """
        missing = [
            name
            for name in (
                "run.json",
                "config.toml",
                "metrics.json",
                *(f"{t}.parquet" for t in TABLES),
            )
            if not (folder / name).is_file()
        ]
        if missing:
            raise SourceUnavailableError(
                f"{folder} is no complete run folder: {', '.join(missing)} missing. Give the path "
                f"that `hashpivot run` printed."
            )
        try:
            return cls(
                manifest=_read_object(folder / "run.json"),
                config=(folder / "config.toml").read_text(encoding="utf-8"),
                metrics=_read_object(folder / "metrics.json"),
                **{table: _read_table(folder / f"{table}.parquet") for table in TABLES},
            )
        except (ValueError, OSError) as error:
            raise SourceUnavailableError(f"{folder} cannot be read: {error}. Run again.") from error


def demand_writable(runs: Path) -> None:
    """Refuse a folder of runs that cannot be written, before anything is computed for it.

    Raises
    ------
    ConfigError
        Naming the folder.
    """
    _new_draft(runs).rmdir()


def _new_draft(runs: Path) -> Path:
    try:
        runs.mkdir(parents=True, exist_ok=True)
        draft = runs / f".draft-{secrets.token_hex(8)}"
        # Not a temporary folder, which nobody else may read: it becomes the run's folder.
        draft.mkdir()
        return draft
    except OSError as error:
        raise ConfigError(
            f"Run folder {runs} cannot be written ({error.strerror}). Choose another with --runs."
        ) from error


def find_run(name: str, runs: Path) -> Path:
    """Folder of a run given as a path, as its name under `runs`, or as ``latest``."""
    folders = (
        sorted(p.name for p in runs.iterdir() if _RUN_NAME.fullmatch(p.name))
        if runs.is_dir()
        else []
    )
    if name == "latest" and folders:
        return runs / max(folders, key=lambda folder: _written(runs / folder))
    if name in folders:
        return runs / name
    if Path(name).is_dir():
        return Path(name)
    raise SourceUnavailableError(f"Run {name!r} is not in {runs}. {suggestion(name, folders)}")


def _written(run: Path) -> tuple[str, int]:
    """When a run was made: the second in its name, and among those of a second when it was written.

    The clock of the file comes last, as a copy of the folder has another.
    """
    manifest = run / "run.json"
    return run.name.partition("-")[0], manifest.stat().st_mtime_ns if manifest.is_file() else 0


def json_text(value: Mapping[str, Any]) -> str:
    """JSON with sorted keys; NaN and infinity are refused, since no reader agrees on them."""
    return json.dumps(value, indent=2, sort_keys=True, allow_nan=False, default=str) + "\n"


def _read_object(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no object")
    return content


def _read_table(path: Path) -> pd.DataFrame:
    from pyarrow.parquet import ParquetFile

    rows = ParquetFile(path).metadata.num_rows
    if rows > _LARGEST_TABLE_ROWS:
        raise ValueError(f"{path.name} claims {rows} rows")
    return pd.read_parquet(path)


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
