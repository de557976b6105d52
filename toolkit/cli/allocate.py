"""The commands on today's decision, on past ones, and on what was recorded in advance."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from toolkit.cli.progress import progress
from toolkit.cli.terminal import (
    AsJson,
    DataFolder,
    Runs,
    StrategyName,
    answer,
    experiment_of,
    iso_day,
)
from toolkit.errors import ConfigError

if TYPE_CHECKING:
    from toolkit.backtest.forward_ledger import Entry
    from toolkit.backtest.forward_scores import Score
    from toolkit.backtest.proposal import Proposal
    from toolkit.config import Experiment
    from toolkit.panel import Panel

app = typer.Typer(rich_markup_mode=None)

LedgerFile = Annotated[
    Path, typer.Option("--ledger", envvar="HASHPIVOT_LEDGER", help="File of the forward ledger.")
]
_LEDGER = Path("ledger/forward.jsonl")


@app.command()
def allocate(  # noqa: PLR0913 - a command line has as many options as its users need
    strategy: StrategyName,
    data: DataFolder = None,
    holdings: Annotated[
        Path | None,
        typer.Option(help="CSV asset,units of what is held; default: the backtest's account."),
    ] = None,
    asof: Annotated[
        datetime | None,
        typer.Option(parser=iso_day, metavar="DAY", help="Day to decide on, ISO; default: today."),
    ] = None,
    allow_stale: Annotated[
        bool, typer.Option("--allow-stale", help="Accept data older than 3 sessions.")
    ] = False,
    record: Annotated[
        bool, typer.Option("--record", help="Append the weights to the forward ledger.")
    ] = False,
    trades_file: Annotated[
        Path | None, typer.Option("--csv", help="Write the trades to FILE.csv.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: strategy.lookback=60.")
    ] = None,
    ledger_file: LedgerFile = _LEDGER,
    as_json: AsJson = False,
) -> None:
    """Decide today: weights, trades from what is held, limits, risk and costs."""
    if trades_file is not None and trades_file.suffix != ".csv":
        raise ConfigError(f"--csv {trades_file}: expected a file that ends in .csv.")
    with progress("start") as show:
        from toolkit.backtest import forward_ledger
        from toolkit.backtest.holdings import Holdings
        from toolkit.backtest.proposal import panel_at, propose
        from toolkit.report.decision_lines import proposal_lines

        experiment = experiment_of(strategy, data, overrides=overrides or [])
        # An experiment may be evaluated on a past; today is not in it.
        section = {k: v for k, v in experiment.settings.get("data", {}).items() if k != "end"}
        experiment = replace(experiment, settings={**experiment.settings, "data": section})
        show("data", 0, 1)
        day = (asof or datetime.fromisoformat(forward_ledger.now())).date()
        panel, age = panel_at(experiment.panel(), day, allow_stale)
        held = None if holdings is None else Holdings.read(holdings, panel.universe)
        show("decision", 0, 1)
        proposal = propose(experiment.backtester().loop, experiment.strategy(), panel, held)
    content = {
        "strategy": experiment.name,
        "title": experiment.origin().title,
        "age_in_sessions": age,
        **proposal.as_json(),
        "recorded": None,
    }
    if age > 0:
        content["warnings"] = [
            *content["warnings"],
            f"The data end {age} session{'s' * (age > 1)} before {day}.",
        ]
    if trades_file is not None:
        _write_trades(trades_file, proposal)
    refusal: ConfigError | None = None
    if record:
        entry = _entry(experiment, panel, proposal)
        try:
            written = forward_ledger.append(ledger_file, entry)
            content["recorded"] = {
                "ledger": ledger_file.name,
                "recorded_at": written.recorded_at,
                "head": written.head,
            }
        except ConfigError as error:
            refusal = error
    answer(content, proposal_lines(content), as_json)
    if refusal is not None:
        raise refusal


@app.command()
def explain(
    name: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, its name, or 'latest'.")],
    day: Annotated[
        datetime,
        typer.Argument(
            metavar="DATE", parser=iso_day, help="The last decision up to this ISO day."
        ),
    ],
    data: DataFolder = None,
    strategy: Annotated[
        Path | None,
        typer.Option(help="Experiment file of the run, where its strategy is not a shipped one."),
    ] = None,
    runs: Runs = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Explain a decision of a run: signals, target, limits, trade, and each without a signal."""
    with progress("decision"):
        from toolkit.past_run import past_decision
        from toolkit.record import find_run
        from toolkit.report.decision_lines import explanation_lines

        found = past_decision(find_run(name, runs), day.date(), data, strategy)
    content = found.as_json()
    answer(content, explanation_lines(content), as_json)


@app.command()
def ledger(
    data: DataFolder = None,
    ledger_file: LedgerFile = _LEDGER,
    as_json: AsJson = False,
) -> None:
    """Verify the forward ledger, and score what it holds."""
    with progress("scores"):
        from toolkit.backtest import forward_ledger
        from toolkit.backtest.forward_scores import compounded
        from toolkit.report.decision_lines import ledger_lines

        entries, head = forward_ledger.read(ledger_file)
        found = _scores(entries, data)
    content = {
        "file": ledger_file.name,
        "entries": len(entries),
        "head": head,
        "scores": [vars(score) for score in found],
        "forward": compounded(found),
    }
    answer(content, ledger_lines(content), as_json)


def _entry(experiment: Experiment, panel: Panel, proposal: Proposal) -> Entry:
    """What the forward ledger keeps of a proposal."""
    from hashlib import sha256

    from toolkit.backtest.forward_ledger import Entry, now
    from toolkit.units import settings_of

    origin, loop = experiment.origin(), experiment.backtester().loop
    rates, prices = loop.cost.rates(), panel.prices().iloc[-1]
    weights = {str(name): float(w) for name, w in proposal.weights.items() if w != 0.0}
    chosen = experiment.resolved()["data"]
    return Entry(
        recorded_at=now(),
        asof=f"{proposal.session:%Y-%m-%d}",
        strategy=experiment.name,
        config=sha256(origin.identity.encode()).hexdigest(),
        code=origin.code,
        data=panel.digest(),
        settings={
            key: list(chosen[key]) if key == "without" else chosen[key]
            for key in ("clock", "seed", "without")
            if key in chosen
        },
        simulated=panel.simulated,
        weights=weights,
        prices={name: float(prices[name]) for name in weights},
        fee=rates.fee,
        slippage=rates.slippage,
        measured=None if rates.measured is None else settings_of(rates.measured),
        fill_delay=loop.fill_delay,
        equity=proposal.trades.equity if proposal.own_holdings else None,
    )


def _scores(entries: list[Entry], data: Path | None) -> list[Score]:
    """Scores of all entries, each on data as it was recorded on."""
    import json

    from toolkit.backtest.forward_scores import scores, unscored
    from toolkit.config import DataSettings, panel_of

    groups: dict[tuple[bool, str], list[tuple[int, Entry]]] = {}
    for line, entry in enumerate(entries, 1):
        key = (entry.simulated, json.dumps(entry.settings, sort_keys=True))
        groups.setdefault(key, []).append((line, entry))
    found: list[Score] = []
    for (simulated, text), members in groups.items():
        if not simulated and data is None:
            found += [unscored(line, e, "give its data with --data") for line, e in members]
            continue
        folder = None if simulated or data is None else str(data.absolute())
        settings = DataSettings(folder=folder, **json.loads(text))
        found += scores(members, panel_of(settings))
    return sorted(found, key=lambda score: score.line)


def _write_trades(path: Path, proposal: Proposal) -> None:
    table = proposal.trades.table
    columns = ["units", "price", "value", "cost", "days", "waits"]
    traded = table[table["units"] != 0.0][columns]
    try:
        traded.to_csv(path, index_label="asset", lineterminator="\n")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); give another.") from error
