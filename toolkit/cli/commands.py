"""The commands on strategies and runs."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toolkit.cli import allocate
from toolkit.cli.network import network
from toolkit.cli.pivot import pivot
from toolkit.cli.progress import progress
from toolkit.cli.signals import signals
from toolkit.cli.terminal import (
    AsJson,
    DataFolder,
    FirstSession,
    LastSession,
    Runs,
    StrategyName,
    answer,
    complain,
    experiment_of,
    say,
)
from toolkit.errors import ConfigError

if TYPE_CHECKING:
    from toolkit.backtest.result import BacktestResult

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    # Plain help: drawing boxes takes three times as long as everything else that help does.
    rich_markup_mode=None,
)
app.add_typer(network, name="network")
app.add_typer(pivot, name="pivot")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        say(f"hashpivot {version('hashpivot')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show version.")
    ] = False,
) -> None:
    """Backtest portfolios of Bitcoin, miners and AI-linked assets, and trust the result."""


@app.command()
def run(  # noqa: PLR0913 - a command line has as many options as its users need
    strategy: StrategyName,
    data: DataFolder = None,
    start: FirstSession = None,
    end: LastSession = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: strategy.lookback=60, or 'data.without=[\"CORZ\"]' to leave out "
            "an asset.",
        ),
    ] = None,
    as_json: AsJson = False,
    report_page: Annotated[
        bool, typer.Option("--report/--no-report", help="Write report.html.")
    ] = True,
    replay: Annotated[bool, typer.Option("--replay/--no-replay", help="Account twice.")] = True,
    runs: Runs = Path("runs"),
) -> None:
    """Backtest a strategy and write a run folder."""
    with progress("start") as show:
        from toolkit.record import demand_writable
        from toolkit.report.summary import summary_lines

        demand_writable(runs)
        chosen = [*(overrides or []), *([] if replay else ["checks.replay=false"])]
        experiment = experiment_of(strategy, data, start, end, chosen)
        result = experiment.run(show, shlex.join(["hashpivot", *sys.argv[1:]]))
        show("report", 0, 1)
        folder = result.save(runs, page=report_page)
        page = str(folder / "report.html") if report_page else None
        content, lines = (
            _summary(result, folder, page),
            summary_lines(result.record(), folder, page),
        )
    answer(content, lines, as_json)
    if result.failures:
        complain(" ".join(result.failures) + f" The run was written to {folder}, marked failed.")
        raise typer.Exit(4)


@app.command()
def audit(
    strategy: StrategyName,
    data: DataFolder = None,
    cuts: Annotated[str, typer.Option(help="Number of cuts, or 'all' for every session.")] = "40",
    deep: Annotated[bool, typer.Option("--deep", help="Also compare the sized decisions.")] = False,
    as_json: AsJson = False,
) -> None:
    """Look for look-ahead in a strategy."""
    from dataclasses import asdict

    if cuts != "all" and not (cuts.isdigit() and int(cuts) > 0):
        raise ConfigError(f"--cuts {cuts}: expected a number above 0, or 'all'.")
    with progress("start") as show:
        from toolkit.backtest.audit import audit as look_ahead_audit
        from toolkit.backtest.audit import demand_clean

        experiment = experiment_of(strategy, data)
        show("data", 0, 1)
        panel = experiment.panel()
        show("signals and targets", 0, 1)
        found = look_ahead_audit(
            experiment.backtester().loop,
            experiment.strategy(),
            panel,
            None if cuts == "all" else int(cuts),
            deep=deep,
            progress=show,
        )
    content = {
        "strategy": experiment.name,
        "simulated": panel.simulated,
        "cuts": found.cuts,
        "differences": found.differences,
        "deep": deep,
        "findings": [asdict(finding) for finding in found.findings],
        "cannot_see": list(found.cannot_see),
    }
    lines = [
        f"{'SIMULATED MARKET   ' if panel.simulated else ''}{experiment.name}: {found.cuts} cuts, "
        f"{found.differences} differences",
        *(
            f"  {finding.cut}  {finding.what} of {finding.asset} on {finding.session}: "
            f"{finding.full} with the future, {finding.without_future} without  {finding.culprit}"
            for finding in found.findings[:10]
        ),
        "The audit cannot see: " + "; ".join(found.cannot_see) + ".",
    ]
    answer(content, lines, as_json)
    demand_clean(found)


@app.command()
def report(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, its name, or 'latest'.")],
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Where to write the page.")] = None,
) -> None:
    """Write the page of a run again from its files."""
    with progress("report"):
        from toolkit.record import RunRecord, find_run
        from toolkit.report.page import render

        folder = find_run(name, runs)
        page = render(RunRecord.load(folder))
    target = out or folder / "report.html"
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written ({error.strerror}); give --out.") from error
    say(str(target))


@app.command()
def strategies(as_json: AsJson = False) -> None:
    """List the shipped strategies."""
    from toolkit.settings import shipped_strategies

    found = shipped_strategies()
    answer(found, (f"{name:<22} {title}" for name, title in found.items()), as_json)


app.command()(signals)
app.add_typer(allocate.app)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Try every part of the machinery."""
    from toolkit.doctor import examine

    with progress("start") as show:
        checks = examine(show)
    if as_json:
        say(json.dumps({check.name: {"ok": check.ok, "found": check.found} for check in checks}))
    else:
        for check in checks:
            say(f"{'ok  ' if check.ok else 'FAIL'} {check.name:<18} {check.found}")
    if not all(check.ok for check in checks):
        raise ConfigError("Something above does not work; install the locked requirements again.")


def _summary(result: BacktestResult, folder: Path, page: str | None) -> dict[str, Any]:
    from toolkit.report.tables import KEY_MEASURES

    manifest, net = result.manifest(), result.metrics()["net"]
    agreement, found = result.reconciliation, result.audit
    keys = ("strategy", "status", "start", "end", "sessions", "clock", "order_sha256")
    return {
        "run_id": folder.name,
        **{key: manifest[key] for key in keys},
        "report": page,
        "simulated": manifest["simulated"],
        "periods_per_year": manifest["periods_per_year"],
        "metrics": {name: net[name] for name in KEY_MEASURES},
        "reconciliation": {
            "max_relative_gap": None if agreement is None else agreement.max_relative_gap
        },
        "audit": None if found is None else {"cuts": found.cuts, "differences": found.differences},
        "failures": manifest["failures"],
    }
