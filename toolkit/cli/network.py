"""The commands on the Bitcoin network."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.progress import progress
from toolkit.cli.terminal import (
    AsJson,
    DataFolder,
    LastSession,
    answer,
    panel_to_read,
)
from toolkit.errors import ConfigError

if TYPE_CHECKING:
    from toolkit.network.aftermath import Aftermath
    from toolkit.network.fleet import FleetResult
    from toolkit.signals.reading import Reading
    from toolkit.signals.retarget import RetargetOutlook
    from toolkit.signals.status import NetworkStatus

_WIDTH, _INDENT = 80, "    "
_HORIZON = 180
"""Days that a stress looks ahead where it does not say how many."""

network = typer.Typer(help="Read and simulate the Bitcoin network.", rich_markup_mode=None)


@network.command()
def status(
    data: DataFolder = None,
    end: LastSession = None,
    as_json: AsJson = False,
) -> None:
    """Show every signal of the network, and the next retarget."""
    with progress("data") as show:
        from toolkit.signals.status import network_status

        panel = panel_to_read(data, end=end)
        show("signals", 0, 1)
        found = network_status(panel)
    answer(found.as_json(), status_lines(found), as_json)


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
    from toolkit.risk.scenario_shock import ScenarioShock

    if plot is not None and plot.suffix != ".svg":
        raise ConfigError(f"--plot {plot}: expected a file that ends in .svg.")
    scenario = find_scenario(name)
    with progress("simulation"):
        result = scenario.run(seed=seed)
        aftermath = assess(result)
        horizon = min(_HORIZON, len(result.days) - 1)
        stresses = {
            moment: ScenarioShock("", name, horizon, moment).changes(result)
            for moment in ("worst", "end")
        }
    if plot is not None:
        _draw(plot, scenario.title, result)
    columns = result.daily.assign(date=result.days.strftime("%Y-%m-%d"))
    daily = {
        column: [None if value != value else value for value in columns[column].tolist()]
        for column in columns
    }
    content = {
        "scenario": name,
        "simulated": True,
        "daily": daily,
        "summary": asdict(aftermath),
        "stress": {"horizon": horizon} | {m: asdict(found) for m, found in stresses.items()},
    }
    lines = aftermath_lines(scenario.title, aftermath)
    lines += [
        f"{f'{moment} of {horizon} days':<24}hash price {found.hash_price:+z.1%}, "
        f"bitcoin {found.bitcoin:+z.1%}  (day {found.day})"
        for moment, found in stresses.items()
    ]
    answer(content, lines, as_json)


@network.command()
def scenarios(as_json: AsJson = False) -> None:
    """List the ready scenarios."""
    from toolkit.network.scenarios import SCENARIO_NAMES, scenario

    titles = {name: scenario(name).title for name in SCENARIO_NAMES}
    answer(titles, (f"{name:<18} {title}" for name, title in titles.items()), as_json)


def status_lines(status: NetworkStatus) -> list[str]:
    """The status of the network as lines of text, none of them wider than a plain terminal."""
    from toolkit.signals.economics_outlook import outlook_lines

    marked = "  SIMULATED, no evidence" if status.simulated else ""
    lines = [f"Network as of the decision of {status.asof}{marked}", ""]
    for reading in status.signals:
        lines += _reading_lines(reading)
    lines += ["", *wrap(_retarget_line(status.next_retarget), _WIDTH)]
    lines += ["", *outlook_lines(status.relative_economics), ""]
    for name, days in status.absent_days.items():
        more = f" and {len(days) - 1} more days" if len(days) > 1 else ""
        text = f"{name} lacks {days[0]}{more}: no reading of a window that holds such a day."
        lines += wrap(text, _WIDTH)
    return lines


def _reading_lines(reading: Reading) -> list[str]:
    """The state of a signal, and below it the value, when it was known, and its thresholds."""
    since = "" if reading.since is None else f"since {reading.since}"
    state = f"{reading.name:<34}{reading.state:<20}{since}".rstrip()
    if reading.value is None:
        value = "no value"
    elif reading.unit == "fraction":
        value = f"{reading.value:+z.1%}"
    else:
        value = f"{reading.value:.4g} {reading.unit}".removesuffix(" 1")
    known = "" if reading.known_at is None else f", known {reading.known_at:%Y-%m-%d %H:%M} UTC"
    thresholds = "" if reading.threshold == "none" else f"; {reading.threshold}"
    text = f"{value}{known}{thresholds}"
    return [state, *wrap(text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)]


def _retarget_line(retarget: RetargetOutlook | None) -> str:
    if retarget is None:
        return "Next retarget: no forecast, for want of recent days or of past epochs."
    height = "" if retarget.height is None else f" at height {retarget.height:,}"
    return (
        f"Next retarget{height}: {retarget.change:+z.1%}, with 90 % between "
        f"{retarget.band_low:+z.1%} and {retarget.band_high:+z.1%}; "
        f"{retarget.fraction:.0%} of the epoch is mined."
    )


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
