"""The commands on the Bitcoin network."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.terminal import AsJson, DataFolder, progress, say
from toolkit.errors import ConfigError

if TYPE_CHECKING:
    from toolkit.network.aftermath import Aftermath
    from toolkit.network.fleet import FleetResult

network = typer.Typer(help="Read and simulate the Bitcoin network.", rich_markup_mode=None)


@network.command()
def status(
    data: DataFolder = None,
    end: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Last session looked at, ISO day."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every signal of the network, and the next retarget."""
    from toolkit.config import DataSettings, panel_of
    from toolkit.signals.status import network_status, status_lines

    folder = None if data is None else str(data.absolute())
    last = None if end is None else end.date()
    found = network_status(panel_of(DataSettings(folder=folder, end=last)))
    if as_json:
        say(json.dumps(found.as_json(), allow_nan=False))
    else:
        for line in status_lines(found):
            say(line)


@network.command()
def simulate(
    name: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO", help="Name of a ready scenario, or path of a .toml file."
        ),
    ],
    plot: Annotated[Path | None, typer.Option(help="Also draw it: FILE.svg.")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Let blocks arrive at random; default: as expected.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate miners that leave, return or turn to AI hosting, and what the network does."""
    from dataclasses import asdict

    from toolkit.data.scenario_file import find_scenario
    from toolkit.network.aftermath import assess

    if plot is not None and plot.suffix != ".svg":
        raise ConfigError(f"--plot {plot}: expected a file that ends in .svg.")
    scenario = find_scenario(name)
    show = progress()
    if show is not None:
        show("simulation", 0, 1)
    result = scenario.run(seed=seed)
    aftermath = assess(result)
    if show is not None:
        show("simulation", 1, 1)
    if plot is not None:
        _draw(plot, scenario.title, result)
    if as_json:
        columns = result.daily.assign(date=result.days.strftime("%Y-%m-%d"))
        daily = {
            column: [None if value != value else value for value in columns[column].tolist()]
            for column in columns
        }
        answer = {"scenario": name, "simulated": True, "daily": daily, "summary": asdict(aftermath)}
        say(json.dumps(answer, allow_nan=False))
        return
    for line in aftermath_lines(scenario.title, aftermath):
        say(line)


@network.command()
def scenarios(as_json: AsJson = False) -> None:
    """List the ready scenarios."""
    from toolkit.network.scenarios import SCENARIO_NAMES, scenario

    titles = {name: scenario(name).title for name in SCENARIO_NAMES}
    if as_json:
        say(json.dumps(titles))
        return
    for name, title in titles.items():
        say(f"{name:<18} {title}")


def aftermath_lines(title: str, aftermath: Aftermath) -> list[str]:
    """What came of a scenario, as lines of text."""
    back = aftermath.days_to_equilibrium
    rows = (
        ("verdict", aftermath.verdict),
        ("lowest blocks a day", f"{aftermath.min_blocks_per_day:.1f}  (normal 143.9)"),
        ("back at ten minutes", "never within the run" if back is None else f"after {back} days"),
        ("hash rate, lowest", f"{aftermath.hash_rate_trough:+z.1%}"),
        ("hash rate, at the end", f"{aftermath.hash_rate_change:+z.1%}"),
        ("machines on site", f"{aftermath.installed_change:+z.1%}"),
        ("hash price", f"{aftermath.hash_price_change:+z.1%}"),
        ("bitcoin price", f"{aftermath.price_change:+z.1%}"),
        ("reward a block", f"{aftermath.reward_change:+z.1%}"),
    )
    return [f"SIMULATED: {title}", "", *(f"{label:<24}{value}" for label, value in rows)]


def _draw(path: Path, title: str, result: FleetResult) -> None:
    from toolkit.report.picture import Pane, picture

    daily = result.daily
    rates = daily[["hash_rate"]] / 1e18
    machines = daily[["installed", "offline"]].set_axis(["on site", "not running"], axis=1)
    panes = [
        Pane("Hash rate, EH/s", rates.set_axis(["running"], axis=1).join(machines)),
        Pane("Difficulty, trillions", daily[["difficulty"]] / 1e12, steps=True),
        Pane("Blocks a day, expected", daily[["blocks_per_day"]], level=143.93),
        Pane("Hash price, USD per PH/s per day", daily[["hash_price"]]),
        Pane("Security budget, million USD a day", daily[["security_budget"]] / 1e6),
    ]
    try:
        path.write_text(picture(title, panes, simulated=True).svg, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); give another.") from error
