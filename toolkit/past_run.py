"""A decision of a past run, taken again from the run's own record and explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toolkit.backtest.engine import Account, SizedDecision
from toolkit.backtest.explain import Explanation, explain
from toolkit.config import Experiment
from toolkit.errors import ConfigError, DataError
from toolkit.panel import Panel
from toolkit.record import RunRecord
from toolkit.settings import locate, read_settings, shipped_folder

_SAME_WEIGHT = 1e-9


@dataclass(frozen=True)
class PastDecision:
    """A decision of a run, as it was taken again.

    Attributes
    ----------
    asked
        Day that was asked for; the decision is the last one up to it.
    fill
        Session of the fill; None where the run ended before.
    orders
        What was filled then: asset, units, price, value.
    difference
        Largest difference in weight to what the run recorded; None where it recorded none.
    warnings
        What does not agree with the run's record.
    """

    run: str
    title: str
    simulated: bool
    asked: date
    fill: pd.Timestamp | None
    explanation: Explanation
    orders: pd.DataFrame
    difference: float | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The decision as plain values."""
        return {
            "run": self.run,
            "title": self.title,
            "simulated": self.simulated,
            "asked": self.asked.isoformat(),
            "fill": None if self.fill is None else f"{self.fill:%Y-%m-%d}",
            "orders": self.orders.drop(columns="session").to_dict("records"),
            "difference_to_record": self.difference,
            "explanation": self.explanation.as_json(),
            "warnings": list(self.warnings),
        }


def past_decision(
    run: Path, day: date, data: Path | None = None, strategy: Path | None = None
) -> PastDecision:
    """The last decision of a run up to a day.

    Parameters
    ----------
    run
        Run folder.
    data
        Folder of market data; not given: one with the recorded name where the command was typed.
    strategy
        Experiment file beside which the strategy's module lies, where it is not a shipped one.

    Raises
    ------
    ConfigError
        The run was composed in Python; its data folder or module is not found; no decision up to
        the day.
    DataError
        The data are not those of the run.
    """
    record = RunRecord.load(run)
    experiment = _experiment(run, record, data, strategy)
    panel = experiment.panel()
    _demand_same_data(panel, record)
    loop, chosen = experiment.backtester().loop, experiment.strategy()
    account = loop.run(chosen, panel)
    made = _decision_of(account, day)
    share = next(o.share for o in account.orders if o.row == made.row - account.first)
    fill = made.row + loop.fill_delay
    session = panel.sessions[fill] if fill < len(panel.sessions) else None
    orders = account.simulation.orders
    difference = _difference(record, made)
    return PastDecision(
        run=record.name,
        title=str(record.manifest["title"]),
        simulated=panel.simulated,
        asked=day,
        fill=session,
        explanation=explain(loop, chosen, panel, account.signals, made, share),
        orders=orders[orders["session"] == session].astype({"asset": str}),
        difference=difference,
        warnings=_warnings(experiment, record, difference),
    )


def _experiment(
    run: Path, record: RunRecord, data: Path | None, strategy: Path | None
) -> Experiment:
    """The experiment that the run recorded, on data of this machine."""
    if record.config.startswith("# composed in Python"):
        raise ConfigError(
            f"Run {record.name} was composed in Python, so it cannot be made again from its "
            "record. Explain runs of an experiment file."
        )
    settings = read_settings(run / "config.toml")
    section: Mapping[str, Any] = settings.get("data", {})
    recorded = section.get("folder")
    if recorded is None and data is not None:
        raise ConfigError(f"Run {record.name} was on the simulated market; leave --data out.")
    if recorded is not None:
        place = Path(str(recorded)) if data is None else data
        if not place.is_dir():
            raise ConfigError(
                f"Run {record.name} was on a data folder named {recorded!r}, and there is no "
                f"{place}. Give the folder with --data."
            )
        settings["data"] = {**section, "folder": str(place.absolute())}
    folder = shipped_folder() if strategy is None else locate(str(strategy)).parent
    module = str(settings["strategy"]["kind"]).partition(":")[0]
    if strategy is None and not (folder / f"{module}.py").is_file():
        raise ConfigError(
            f"Run {record.name} used the module {module!r}, which is not a shipped one. Give the "
            "experiment file beside it with --strategy."
        )
    return Experiment(settings, folder.resolve(), str(record.manifest["strategy"]))


def _demand_same_data(panel: Panel, record: RunRecord) -> None:
    recorded, found = str(record.manifest["hashes"]["data"]), panel.digest()
    if recorded != found:
        raise DataError(
            f"The data are not those of run {record.name}: their digest is {found[:12]}..., the "
            f"run recorded {recorded[:12]}... Give the folder as it was with --data, or run again."
        )


def _decision_of(account: Account, day: date) -> SizedDecision:
    """The last decision up to a day."""
    past = [made for made in account.decisions if made.decision.session <= pd.Timestamp(day)]
    if not past:
        first = account.decisions[0].decision.session.date()
        raise ConfigError(f"The run took no decision up to {day}; its first is of {first}.")
    return past[-1]


def _difference(record: RunRecord, made: SizedDecision) -> float | None:
    """Largest difference between recorded and repeated weights."""
    table = record.targets
    rows = table[table["session"] == made.decision.session].set_index("asset")
    if rows.empty:
        return None
    again = pd.DataFrame({"target": made.decision.target, "allocated": made.sized})
    gaps = rows[["target", "allocated"]].sub(again, fill_value=0.0).abs()
    return float(np.nanmax(gaps.to_numpy()))


def _warnings(
    experiment: Experiment, record: RunRecord, difference: float | None
) -> tuple[str, ...]:
    found = []
    if experiment.origin().code != record.manifest["hashes"]["code"]:
        found.append("The code has changed since the run; this is the decision of today's code.")
    if difference is None:
        found.append("The run did not record this decision.")
    elif difference > _SAME_WEIGHT:
        found.append(f"The weights differ from those the run recorded, by up to {difference:.2g}.")
    return tuple(found)
