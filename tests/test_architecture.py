"""Imports point down, heavy packages have one home, and no file or signature outgrows a reader."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLKIT, STRATEGIES = ROOT / "toolkit", ROOT / "strategies"

# Lowest first. What stands on one line may not import one another, but for modules of one folder.
LAYERS = (
    ("errors",),
    ("units",),
    ("clock", "evidence", "metrics", "record", "settings"),
    ("universe", "report"),
    ("panel",),
    ("network",),
    ("data", "signals", "risk"),
    ("strategy", "optimize"),
    ("strategy_module",),
    ("backtest",),
    ("research",),
    ("config",),
    ("doctor", "past_run"),
    ("cli",),
    ("",),  # the package itself names all that is public
)

HOMES = {
    "vectorbt": {"backtest/replay.py"},
    "vectorbt_rust": {"doctor.py"},
    "cvxpy": {"optimize/", "doctor.py"},
    "clarabel": {"optimize/"},
    "highspy": {"optimize/tail.py"},
    "daqp": {"optimize/active_set.py"},
    "piqp": {"optimize/quadratic.py", "optimize/sharpe.py"},
    "numba": {"backtest/kernel.py", "network/block_clock.py"},
    "exchange_calendars": {"clock.py"},
    "jinja2": {"report/page.py"},
    "matplotlib": {"report/picture.py"},
    "typer": {"cli/"},
    "pyarrow": {"data/tables.py", "record.py"},
    "arch": {"risk/"},
    "sklearn": {"risk/"},
    "yfinance": set(),
    "quantstats": set(),
    "ffn": set(),
}

LAZY = ("vectorbt", "vectorbt_rust", "cvxpy", "clarabel", "highspy", "daqp", "piqp", "numba",
        "arch", "statsmodels", "exchange_calendars", "sklearn", "pyarrow", "matplotlib")  # fmt: skip

FORBIDDEN_IMPORTS = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve", "cloudpickle"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "print", "breakpoint", "input"}
FORBIDDEN_METHODS = {"read_pickle", "to_pickle", "eval", "query", "system", "popen"}


def sources(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.py"))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path) for path in sources(TOOLKIT) + sources(STRATEGIES)}


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(tree: ast.AST, *, types_too: bool = True, deferred_too: bool = True) -> Iterator[str]:
    """Absolute names imported anywhere below a node."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node) and not types_too:
            continue
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not deferred_too:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)
        else:
            yield from imports(node, types_too=types_too, deferred_too=deferred_too)


def part_of(module: str) -> str:
    """The part of the toolkit that a module belongs to: its file, or its folder."""
    return module.split(".")[1] if "." in module else ""


def rank(part: str) -> int:
    return next(level for level, parts in enumerate(LAYERS) if part in parts)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def in_fresh_process(code: str) -> set[str]:
    """Top-level modules that are loaded once the code has run."""
    script = f"{code}\nimport sys, json\nsys.stderr.write(json.dumps(sorted(sys.modules)))"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return {name.split(".")[0] for name in json.loads(answer.stderr)}


def test_every_module_has_a_layer():
    parts = {part_of(module_name(path)) for path in sources(TOOLKIT)}
    assert parts <= {part for layer in LAYERS for part in layer}


@pytest.mark.parametrize("path", sources(TOOLKIT), ids=shown)
def test_its_imports_point_down(path):
    own = part_of(module_name(path))
    for name in imports(tree_of(path)):
        if name.split(".")[0] == "toolkit":
            other = part_of(name)
            if other != own and any(other in layer for layer in LAYERS):
                assert rank(other) < rank(own), f"{shown(path)} imports {name}"


@pytest.mark.parametrize("path", sources(TOOLKIT), ids=shown)
def test_the_toolkit_never_imports_a_strategy(path):
    assert not [name for name in imports(tree_of(path)) if name.split(".")[0] == "strategies"]


def test_strategies_use_the_toolkit_below_the_backtest_only():
    for path in sources(STRATEGIES):
        for name in imports(tree_of(path)):
            if name.startswith("toolkit."):
                assert rank(part_of(name)) <= rank("strategy"), f"{shown(path)} imports {name}"


def test_no_module_imports_itself_through_others():
    known = {module_name(path): path for path in sources(TOOLKIT) + sources(STRATEGIES)}
    edges = {
        module: {
            name
            for name in imports(tree_of(path), types_too=False, deferred_too=False)
            if name in known and name != module
        }
        for module, path in known.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, (*trail, module))
            done.add(module)

    for module in sorted(edges):
        visit(module, ())


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_a_heavy_package_is_imported_in_its_home_only(path):
    where = str(path.relative_to(TOOLKIT if TOOLKIT in path.parents else STRATEGIES))
    for name in imports(tree_of(path)):
        homes = HOMES.get(name.split(".")[0])
        if homes is not None:
            assert any(where == home or (home.endswith("/") and where.startswith(home))
                       for home in homes), f"{shown(path)} imports {name}"  # fmt: skip


def test_importing_the_package_loads_nothing_heavy():
    loaded = in_fresh_process("import toolkit")
    assert not loaded & {*LAZY, "pandas", "numpy", "pydantic", "jinja2", "scipy", "strategies"}


def test_the_help_of_the_command_line_loads_neither_pandas_nor_what_is_heavier():
    call = (
        "import sys; sys.argv = ['hashpivot', '--help']\n"
        "from toolkit.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code"
    )
    loaded = in_fresh_process(call)
    assert "typer" in loaded
    assert not loaded & {*LAZY, "pandas", "numpy", "scipy", "jinja2", "strategies"}


def test_importing_the_core_loads_nothing_heavy():
    loaded = in_fresh_process("import toolkit.panel, toolkit.strategy, toolkit.record")
    assert "pandas" in loaded
    assert not loaded & {*LAZY} - {"pyarrow", "numexpr"}  # pandas looks for pyarrow by itself


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_a_file_has_at_most_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_a_signature_has_at_most_eight_parameters_and_no_open_ones(path):
    for function in functions(tree_of(path)):
        given = function.args
        names = [a.arg for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        # A command of the command line has an option for each parameter.
        command = "app.command" in " ".join(ast.unparse(d) for d in function.decorator_list)
        assert count <= 8 or command, f"{shown(path)}: {function.name} has {count} parameters"
        # The constructor that explains a refusal passes settings on as they came.
        wrapper = function.name == "explained"
        assert given.kwarg is None or wrapper, f"{shown(path)}: {function.name} has **{given.kwarg}"


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_nothing_executes_data_prints_or_asserts(path):
    tree = tree_of(path)
    assert not {name.split(".")[0] for name in imports(tree)} & FORBIDDEN_IMPORTS
    for node in ast.walk(tree):
        assert not isinstance(node, ast.Assert), f"{shown(path)}:{node.lineno} asserts"
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Name):
                assert function.id not in FORBIDDEN_CALLS, f"{shown(path)}:{node.lineno}"
            elif isinstance(function, ast.Attribute):
                assert function.attr not in FORBIDDEN_METHODS, f"{shown(path)}:{node.lineno}"
            for keyword in node.keywords:
                truth = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                assert not (keyword.arg in ("allow_pickle", "shell") and truth)


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_every_error_is_caught_only_where_each_has_an_answer(path):
    """The command line exits 1, the doctor reports, the audit counts it as a finding, the experiment
    names the user's module that failed.
    """
    broad = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    answers = {
        "toolkit/cli/__init__.py",
        "toolkit/doctor.py",
        "toolkit/backtest/audit.py",
        "toolkit/strategy_module.py",
    }
    assert not broad or shown(path) in answers, f"{shown(path)}: lines {broad}"


def test_there_is_no_module_for_odds_and_ends():
    names = {path.stem for path in sources(TOOLKIT) + sources(STRATEGIES)}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc", "base"}


@pytest.mark.parametrize("path", sources(TOOLKIT) + sources(STRATEGIES), ids=shown)
def test_a_file_says_what_it_is_and_leaves_nothing_to_do(path):
    assert ast.get_docstring(tree_of(path)), shown(path)
    with tokenize.open(path) as file:
        comments = [t.string for t in tokenize.generate_tokens(file.readline)
                    if t.type == tokenize.COMMENT]  # fmt: skip
    assert not [text for text in comments if any(w in text for w in ("TODO", "FIXME", "XXX"))]
