"""A scenario of the network by name, or from a user's own TOML file.

.. code-block:: toml

    base = "ai-exodus"                     # the ready scenario that is changed
    title = "A third leaves within a year"
    days = 900
    paths.exodus = [[30, 0.0], [395, 0.33]]    # pairs of a day, counted from 0, and a value
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from toolkit.data.checks import only_keys, read_toml
from toolkit.errors import ConfigError
from toolkit.network.chain import Start
from toolkit.network.scenarios import Scenario, scenario

_KEYS = ("base", "title", "first_day", "days", "paths", "start")


def find_scenario(name: str, inside: Path | None = None) -> Scenario:
    """A ready scenario by its name, or that of a file whose path ends in ``.toml``.

    Parameters
    ----------
    inside
        Folder that the path starts from and must not leave; not given: any path.

    Raises
    ------
    ConfigError
        An unknown name or key, a value out of range, naming the file; a path that leaves the folder.
    """
    if not name.endswith(".toml"):
        return scenario(name)
    path = Path(name) if inside is None else inside / name
    if inside is not None and not path.resolve().is_relative_to(inside.resolve()):
        raise ConfigError(
            f"Scenario {name!r} lies outside of {inside}; put the file beside the experiment."
        )
    content = read_toml(path)
    try:
        return _changed(content)
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def _changed(content: dict[str, Any]) -> Scenario:
    only_keys(content, _KEYS, "the file")
    if not isinstance(content.get("base"), str):
        raise ConfigError("base is missing; name the ready scenario that is changed.")
    base = scenario(content.pop("base"))
    for key in ("paths", "start"):
        if not isinstance(content.get(key, {}), dict):
            raise ConfigError(f"{key} is {content[key]!r}; expected a table.")
    if "paths" in content:
        content["paths"] = {**base.paths, **content["paths"]}
    if "start" in content:
        content["start"] = Start(**content["start"])
    return replace(base, **content)
