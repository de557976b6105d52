"""A strategy class by its name, from a module beside the experiment or among the shipped ones."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from toolkit.errors import ConfigError, ToolkitError, suggestion
from toolkit.settings import SHIPPED, shipped_folder
from toolkit.strategy import Strategy

_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}(\.[A-Za-z_][A-Za-z0-9_]{0,63}){0,5}")


def find_strategy(kind: str, folder: Path, name: str) -> Any:
    """The class that ``module:Class`` names: beside the file first, then among the shipped.

    Parameters
    ----------
    folder, name
        Where the experiment file lies, and its name without the suffix, for messages.

    Raises
    ------
    ConfigError
        No such module or class, one that fails when imported, or no strategy.
    """
    module_name, colon, class_name = str(kind).partition(":")
    if not colon or not _MODULE.fullmatch(module_name) or not class_name.isidentifier():
        raise ConfigError(
            f'{name}.toml [strategy]: kind = {kind!r} must be "module:Class", for example '
            f'"{name}:{name.title().replace("_", "")}".'
        )
    module = _import(module_name, folder, name)
    if not hasattr(module, class_name):
        classes = [name for name in vars(module) if name[:1].isupper()]
        raise ConfigError(
            f"Module {module_name} has no {class_name!r}. {suggestion(class_name, classes)}"
        )
    found = getattr(module, class_name)
    # Before it is called: a file must not be able to call whatever can be imported.
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(
            f"{name}.toml [strategy]: {kind} is not a Strategy; derive it from toolkit.Strategy."
        )
    return found


def _import(name: str, folder: Path, experiment: str) -> ModuleType:
    beside = folder / f"{name}.py"
    try:
        if beside.is_file() and folder != shipped_folder().resolve():
            return _import_file(beside)
        # Nothing else: a stranger's file must not run whatever happens to be installed.
        if (shipped_folder() / f"{name}.py").is_file():
            return importlib.import_module(f"{SHIPPED}.{name}")
        raise ConfigError(
            f"{experiment}.toml [strategy]: there is no module {name!r}. Put {name}.py beside "
            f"the TOML file."
        )
    except SyntaxError as error:
        raise ConfigError(
            f"{experiment}.toml [strategy]: {error.filename}, line {error.lineno}, is no valid "
            f"Python: {error.msg}."
        ) from error
    except ToolkitError:
        raise
    except Exception as error:
        raise ConfigError(
            f"{experiment}.toml [strategy]: module {name!r} fails when it is imported: "
            f"{type(error).__name__}: {error}. Correct {name}.py."
        ) from error


def _import_file(path: Path) -> ModuleType:
    """A user's module, under a name of its own so that it shadows nothing."""
    name = f"hashpivot_user.{hashlib.sha256(str(path).encode()).hexdigest()[:12]}.{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{path} cannot be loaded as a Python module.")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name while the class is made.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
