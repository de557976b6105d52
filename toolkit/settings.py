"""The text of an experiment file: found, parsed, and changed by ``key=value`` overrides."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from toolkit.errors import ConfigError, suggestion

SHIPPED = "strategies"
"""Package whose folder holds the shipped strategies and their TOML files."""

SECTIONS = (
    "title",
    "variants_tried",
    "strategy",
    "data",
    "schedule",
    "optimizer",
    "risk_model",
    "overlays",
    "scenarios",
    "stress",
    "bridge",
    "cost",
    "account",
    "checks",
)
_LISTS = ("overlays", "stress")
_NO_TABLES = ("title", "variants_tried", *_LISTS)
_LARGEST_FILE_BYTES = 1_000_000
_LARGEST_COUNT = 10**9


def read_settings(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Settings of an experiment file, section by section, with the overrides applied.

    Raises
    ------
    ConfigError
        A file that cannot be read, invalid TOML, an unknown section, an override that does not fit.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE_BYTES:
            raise ConfigError(f"{path} is larger than 1 MB; an experiment is a page of TOML.")
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}); correct its permissions or give another."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no valid TOML: {error}.") from None
    # Another kind has other settings, so kinds come first: what is set for them then stays.
    for override in sorted(overrides, key=lambda override: not _names_kind(override)):
        _override(settings, override)
    for section, content in settings.items():
        if section not in SECTIONS:
            raise ConfigError(
                f"{path}: unknown section {section!r}. {suggestion(section, SECTIONS)}"
            )
        if section in _LISTS and not isinstance(content, list):
            raise ConfigError(f"{path}: {section} is a list of tables, each headed [[{section}]].")
        if section not in _NO_TABLES and not isinstance(content, dict):
            raise ConfigError(f"{path}: {section} must be a table: [{section}].")
    tried = settings.get("variants_tried", 1)
    if type(tried) is not int or not 1 <= tried <= _LARGEST_COUNT:
        raise ConfigError(
            f"{path}: variants_tried = {tried!r}; expected how many variants were evaluated, this "
            f"one included: 1 or more."
        )
    if not isinstance(settings.get("strategy", {}).get("kind"), str):
        raise ConfigError(f'{path}: [strategy] needs kind = "module:Class".')
    return settings


def shipped_folder() -> Path:
    """Folder of the shipped strategies and their TOML files."""
    return Path(str(files(SHIPPED)))


def shipped_strategies() -> dict[str, str]:
    """Bare name of each shipped strategy to its title."""
    found = {}
    for path in sorted(shipped_folder().glob("*.toml")):
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        if "strategy" in settings:
            found[path.stem] = str(settings.get("title", path.stem))
    return found


def locate(strategy: str) -> Path:
    """File of a strategy: a path that ends in .toml, or the bare name of a shipped one."""
    if strategy.endswith(".toml"):
        path = Path(strategy)
        if not path.is_file():
            raise ConfigError(f"There is no file {strategy}. Give the path of a TOML file.")
        return path
    known = shipped_strategies()
    if strategy not in known:
        raise ConfigError(
            f"There is no strategy {strategy!r}. {suggestion(strategy, known)} `hashpivot "
            f"strategies` lists them; a file of your own is given as a path that ends in .toml."
        )
    return shipped_folder() / f"{strategy}.toml"


def _names_kind(override: str) -> bool:
    return override.partition("=")[0].strip().endswith(".kind")


def _override(settings: dict[str, Any], override: str) -> None:
    """Set one dotted key of nested settings from ``key=value``."""
    key, equals, text = override.partition("=")
    parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts) or len(parts) < 2:
        raise ConfigError(
            f"--set {override}: expected section.key=value, like strategy.lookback=60."
        )
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        # A bare word is text: --set schedule.every=week needs no quotes.
        parsed = {"value": text.strip()}
    if len(parsed) > 1:
        raise ConfigError(f"--set {override}: expected one value after the equals sign.")
    place: Any = settings
    for part in parts[:-1]:
        place = _descend(place, part, override)
    if isinstance(place, list):
        raise ConfigError(
            f"--set {override}: name a key of entry {parts[-1]}, not the entry itself."
        )
    if _names_kind(override) and place.get("kind") != parsed["value"]:
        place.clear()
    place[parts[-1]] = parsed["value"]


def _descend(place: Any, part: str, override: str) -> Any:
    if isinstance(place, list):
        if not part.isdigit() or int(part) >= len(place):
            raise ConfigError(
                f"--set {override}: entry {part!r} is not one of 0 to {len(place) - 1}."
            )
        return place[int(part)]
    found = place.setdefault(part, {})
    if not isinstance(found, (dict, list)):
        raise ConfigError(f"--set {override}: {part!r} is a value and has no keys.")
    return found
