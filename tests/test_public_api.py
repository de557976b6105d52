"""What a user may import is listed, loads when it is used, and is documented."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

import toolkit

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "toolkit").rglob("*.py"), *(ROOT / "strategies").rglob("*.py")])


def test_the_public_names_are_sorted_and_unique():
    assert toolkit.__all__ == sorted(set(toolkit.__all__))


@pytest.mark.parametrize("name", toolkit.__all__)
def test_a_public_name_is_what_its_home_defines(name):
    found = getattr(toolkit, name)
    assert found.__name__ == name
    assert getattr(import_module(found.__module__), name) is found
    assert inspect.getdoc(found)


def test_the_names_that_scripts_rely_on_are_public():
    wanted = {
        "Asset", "Audit", "BacktestResult", "Backtester", "DataSource", "Experiment", "Field",
        "Panel", "SampleMarket", "Schedule", "Signal", "Sleeve", "Strategy", "ToolkitError",
        "Universe", "assemble", "audit", "simulate",
    }  # fmt: skip
    assert wanted <= set(toolkit.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'toolkit' has no attribute 'Backtestr'"):
        toolkit.Backtestr  # noqa: B018 - the access is what is tested


def test_the_names_are_offered_for_completion():
    assert dir(toolkit) == toolkit.__all__


def test_the_home_table_and_the_type_checker_see_the_same_names():
    tree = ast.parse((ROOT / "toolkit" / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    homes = {(home, name) for home, names in toolkit._HOMES.items() for name in names}
    assert seen == homes
    assert sorted(name for _, name in homes) == toolkit.__all__


def is_overload(node: ast.AST) -> bool:
    return "overload" in map(ast.unparse, getattr(node, "decorator_list", ()))


def public_parts(tree: ast.Module) -> list[tuple[str, ast.AST]]:
    """Public functions and classes of a module, and the public methods of those classes."""
    parts: list[tuple[str, ast.AST]] = []
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if isinstance(node, kinds) and not node.name.startswith("_") and not is_overload(node):
            parts.append((node.name, node))
            if isinstance(node, ast.ClassDef):
                parts += [
                    (f"{node.name}.{inner.name}", inner)
                    for inner in node.body
                    if isinstance(inner, kinds) and not inner.name.startswith("_")
                ]
    return parts


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_part_has_a_docstring_whose_first_line_is_a_sentence(path):
    for name, node in public_parts(ast.parse(path.read_text(encoding="utf-8"))):
        text = ast.get_docstring(node)
        assert text, f"{path.name}: {name}"
        first = text.splitlines()[0]
        assert first.endswith((".", "?")), f"{path.name}: {name}: {first}"
