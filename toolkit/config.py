"""TOML to experiment: which strategy, on which data, sized and checked how.

The same experiment runs in a script, in a notebook and behind ``hashpivot run``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, is_dataclass, replace
from functools import cached_property
from inspect import isabstract
from pathlib import Path
from types import ModuleType
from typing import Any

import tomli_w

from toolkit import optimize
from toolkit.backtest import overlays
from toolkit.backtest.backtester import Backtester, Checks, FillDelay
from toolkit.backtest.engine import Progress
from toolkit.backtest.market_view import Outlook
from toolkit.backtest.result import BacktestResult, Origin
from toolkit.backtest.schedule import Schedule
from toolkit.clock import ClockName
from toolkit.data.scenario_file import find_scenario
from toolkit.data.source import DataSource
from toolkit.errors import ConfigError, suggestion
from toolkit.optimize.costs import Cost
from toolkit.optimize.optimizer import Optimizer
from toolkit.panel import Notice, Panel
from toolkit.risk import estimators, scenarios
from toolkit.risk.bridge import Bridge, Shock
from toolkit.risk.scenario_shock import SIMULATED_MARK, ScenarioShock
from toolkit.risk.stress import Stress
from toolkit.settings import locate, read_settings, shipped_folder
from toolkit.strategy import Strategy
from toolkit.strategy_module import find_strategy
from toolkit.units import IsoDay, Positive, component, settings_of


@component
class DataSettings:
    """Which data an experiment runs on.

    Parameters
    ----------
    folder
        Folder of market data; not given: the embedded simulated market.
    clock
        ``XNYS`` (New York sessions) or ``24/7``.
    start, end
        First and last session of the run; without `end`, the last session of the prices.
    seed
        Of the simulated market.
    without
        Assets of the universe that are left out, to see how much rests on them.
    """

    folder: str | None = None
    clock: ClockName = "XNYS"
    start: IsoDay | None = None
    end: IsoDay | None = None
    seed: int = 7
    without: tuple[str, ...] = ()


@component
class AccountSettings:
    """Money and delay: see `Backtester`."""

    initial_cash: Positive = 1_000_000.0
    fill_delay: FillDelay = 1


def panel_of(settings: DataSettings, beside: Path = Path(), named: Sequence[str] = ()) -> Panel:
    """The data that settings choose: of a folder, or of the simulated market where none is given.

    Parameters
    ----------
    beside
        Where a relative folder lies.
    named
        Assets that other settings name, refused where the whole universe does not know them.
    """
    from toolkit.data.assemble import assemble

    if settings.folder is None:
        from toolkit.data.sample import SampleMarket

        market = SampleMarket(seed=settings.seed)
        universe = market.universe()
        source: DataSource = market
    else:
        from toolkit.data.files import open_folder

        source, universe = open_folder(beside / settings.folder, shipped_folder())
    for name in named:
        universe[name]
    universe = universe.leave_out(settings.without)
    panel = assemble([source], universe, settings.clock, settings.start, settings.end)
    told = tuple(
        Notice(
            "left_out", name, "", f"{name} was left out of the universe, as [data] without asks."
        )
        for name in settings.without
    )
    return replace(panel, notices=(*told, *panel.notices))


@dataclass(frozen=True)
class Experiment:
    """One strategy with everything it runs on, as a TOML file describes it.

    Parameters
    ----------
    settings
        The parsed file with overrides applied: section to settings.
    folder
        Where the file lies: modules beside it are found first.
    name
        Name of the file without its suffix.
    """

    settings: Mapping[str, Any]
    folder: Path
    name: str

    @classmethod
    def from_toml(cls, strategy: str | Path, overrides: Sequence[str] = ()) -> Experiment:
        """Experiment of a TOML file, or of a shipped strategy given by its bare name.

        Parameters
        ----------
        overrides
            ``key=value`` with a dotted key: ``strategy.lookback=60``, ``schedule.every=week``,
            ``optimizer.limits.0.cap=0.2``.

        Raises
        ------
        ConfigError
            No such strategy or file, invalid TOML, an unknown section or key.
        """
        path = locate(str(strategy))
        return cls(read_settings(path, overrides), path.parent.resolve(), path.stem)

    def data_settings(self) -> DataSettings:
        """Which data, clock and period."""
        settings: DataSettings = self._built("data", DataSettings)
        return settings

    def strategy(self) -> Strategy:
        """The strategy, built from its module and settings."""
        section = self._section("strategy")
        kind = find_strategy(section["kind"], self.folder, self.name)
        strategy: Strategy = _build(section, kind, f"{self.name}.toml [strategy]")
        return strategy

    def backtester(self) -> Backtester:
        """Sizing, overlays, schedule, costs and checks."""
        sizing = self._section("optimizer")
        account: AccountSettings = self._built("account", AccountSettings)
        schedule = {"start": self.data_settings().start, **self._section("schedule")}
        risk_model = self._section("risk_model")
        cost = self._cost()
        return Backtester(
            optimizer=self._optimizer(sizing, cost) if sizing else None,
            risk_model=self._part(risk_model, estimators, estimators.RiskModel, "[risk_model]")
            if risk_model
            else None,
            cost=cost,
            schedule=_build(schedule, Schedule, f"{self.name}.toml [schedule]"),
            fill_delay=account.fill_delay,
            initial_cash=account.initial_cash,
            checks=self._built("checks", Checks),
            overlays=tuple(
                self._part(entry, overlays, overlays.Overlay, "[[overlays]]")
                for entry in self.settings.get("overlays", ())
            ),
            outlook=self.outlook,
        )

    def panel(self) -> Panel:
        """The data, on the experiment's clock, with warm-up before its start."""
        return panel_of(self.data_settings(), self.folder, self._bridge().assets)

    def run(self, progress: Progress | None = None, command: str = "") -> BacktestResult:
        """Result of the experiment, with where it came from.

        Parameters
        ----------
        progress
            Told the stage of the run and how much of it is done.
        command
            The command that was typed, for the record.
        """
        strategy, backtester = self.strategy(), self.backtester()
        if progress is not None:
            progress("data", 0, 1)
        return backtester.run(strategy, self.panel(), self.origin(command), progress)

    def origin(self, command: str = "") -> Origin:
        """Where a result of this experiment comes from.

        The data folder appears by its name alone: the same data in another place are the same.
        """
        folder, resolved = self.data_settings().folder, self.resolved()
        # Where the data lie changes no number: the panel's digest stands for them.
        place_free = {key: value for key, value in resolved["data"].items() if key != "folder"}
        return Origin(
            title=str(self.settings.get("title", self.name)),
            config=tomli_w.dumps(resolved),
            code=self._code_sha256(),
            command=command or f"Experiment.from_toml({self.name!r}).run()",
            source="embedded simulated market" if folder is None else f"folder {Path(folder).name}",
            strategy=self.name,
            identity=tomli_w.dumps({**resolved, "data": place_free}),
            variants_tried=self.settings.get("variants_tried"),
        )

    def resolved(self) -> dict[str, Any]:
        """Every setting with its value, given or default, as an experiment file states it.

        Of the data folder only the name is kept.
        """
        strategy, backtester = self.strategy(), self.backtester()
        section = self._section("strategy")
        if is_dataclass(strategy):
            section = {"kind": section["kind"], **settings_of(strategy)}
        data = settings_of(self.data_settings())
        if "folder" in data:
            data["folder"] = Path(data["folder"]).name
        sizing, risk_model = backtester.optimizer, backtester.risk_model
        optional = {
            "optimizer": None if sizing is None else _without_cost(settings_of(sizing)),
            "risk_model": None if risk_model is None else _kind_and_settings(risk_model),
            "overlays": [_kind_and_settings(part) for part in backtester.overlays] or None,
            "scenarios": _kind_and_settings(backtester.outlook.scenarios)
            if self._section("scenarios")
            else None,
            "stress": [settings_of(stress) for stress in backtester.outlook.stresses] or None,
            "bridge": settings_of(backtester.outlook.bridge) if self._section("bridge") else None,
        }
        tried = self.settings.get("variants_tried")
        return {
            "title": str(self.settings.get("title", self.name)),
            **({} if tried is None else {"variants_tried": tried}),
            "strategy": section,
            "data": data,
            "schedule": settings_of(backtester.schedule),
            **{name: content for name, content in optional.items() if content is not None},
            "cost": _kind_and_settings(backtester.cost),
            "account": {
                "initial_cash": backtester.initial_cash,
                "fill_delay": backtester.fill_delay,
            },
            "checks": settings_of(backtester.checks),
        }

    def _code_sha256(self) -> str:
        """SHA-256 over the toolkit's and the strategies' source, and the module beside the file."""
        roots = {Path(__file__).parent, shipped_folder()}
        paths = sorted(path for root in roots for path in root.rglob("*.py"))
        module = self.settings["strategy"]["kind"].partition(":")[0]
        own = self.folder / f"{module}.py"
        digest = hashlib.sha256()
        for path in [*paths, *([own] if own.is_file() and own not in paths else [])]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()

    def _section(self, name: str) -> dict[str, Any]:
        return dict(self.settings.get(name, {}))

    def _built(self, section: str, kind: Any) -> Any:
        """An object of a class from the section of the file."""
        return _build(self._section(section), kind, f"{self.name}.toml [{section}]")

    def _part(self, settings: object, module: ModuleType, base: type, where: str) -> Any:
        """A component of the toolkit by its class name in ``kind``."""
        where = f"{self.name}.toml {where}"
        if not isinstance(settings, dict):
            raise ConfigError(f"{where}: found {settings!r}; expected a table with a kind.")
        known = {
            name: part
            for name, part in vars(module).items()
            if isinstance(part, type) and issubclass(part, base) and not isabstract(part)
        }
        kind = str(settings.get("kind"))
        if kind not in known:
            raise ConfigError(f"{where}: kind = {kind!r} is unknown. {suggestion(kind, known)}")
        return _build(settings, known[kind], where)

    def _cost(self) -> Cost:
        """What trading costs: in proportion, where no other kind is named."""
        section = {"kind": "ProportionalCost", **self._section("cost")}
        cost: Cost = self._part(section, optimize, optimize.Cost, "[cost]")
        return cost

    @cached_property
    def outlook(self) -> Outlook:
        """How scenarios are drawn, and the events that are feared: networks are simulated once."""
        drawn, base = self._section("scenarios"), scenarios.ScenarioModel
        given: dict[str, Any] = {
            "stresses": tuple(self._stress(event) for event in self.settings.get("stress", ())),
            "bridge": self._bridge(),
        }
        if drawn:
            given["scenarios"] = self._part(drawn, scenarios, base, "[scenarios]")
        return Outlook(**given)

    def _bridge(self) -> Bridge:
        bridge: Bridge = self._built("bridge", Bridge)
        return bridge

    def _stress(self, event: Any) -> Stress | Shock:
        """An event by stated losses, by a shock to the market, or by a scenario of the network."""
        where = f"{self.name}.toml [[stress]]"
        if not isinstance(event, dict):
            raise ConfigError(f"{where}: found {event!r}; expected a table with a name.")
        kind = Shock if {"bitcoin", "hash_price", "ai", "credit"} & event.keys() else Stress
        if "scenario" not in event:
            built: Stress | Shock = _build(event, kind, where)
            return built
        taken: ScenarioShock = _build(event, ScenarioShock, where)
        try:
            return taken.shock(find_scenario(taken.scenario, self.folder).run())
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None

    def _optimizer(self, settings: dict[str, Any], cost: Cost) -> Optimizer:
        entries = settings.pop("limits", [])
        objective = settings.pop("objective", {"kind": "TrackTarget"})
        if not isinstance(entries, list):
            raise ConfigError(
                f"{self.name}.toml [optimizer]: limits is a list of tables, each headed "
                f"[[optimizer.limits]]."
            )
        place, where = "[optimizer.objective]", "[[optimizer.limits]]"
        parts = {
            "objective": self._part(objective, optimize, optimize.Objective, place),
            "limits": tuple(
                _marked(self._part(entry, optimize, optimize.Limit, where), self.outlook)
                for entry in entries
            ),
            "cost": cost,
        }
        optimizer: Optimizer = _build(
            {**settings, **parts}, Optimizer, f"{self.name}.toml [optimizer]"
        )
        return optimizer


def _marked(limit: Any, outlook: Outlook) -> Any:
    """A limit; one on stresses that a simulated scenario is behind says so in its name."""
    names = [stress.name for stress in outlook.stresses]
    marked = {name.removeprefix(SIMULATED_MARK): name for name in names}
    simulated = any(name.startswith(SIMULATED_MARK) for name in names)
    if not isinstance(limit, optimize.MaxStressLoss) or not simulated:
        return limit
    wanted = tuple(marked.get(name, name) for name in limit.scenarios)
    return replace(limit, scenarios=wanted or tuple(names))


def _kind_and_settings(part: Any) -> dict[str, Any]:
    return {"kind": type(part).__name__, **settings_of(part)}


def _without_cost(sizing: dict[str, Any]) -> dict[str, Any]:
    """The optimizer's own settings: what trading costs has a section of its own."""
    return {name: value for name, value in sizing.items() if name != "cost"}


def _build(settings: Mapping[str, Any], kind: Any, where: str) -> Any:
    """An object of a class from its settings, with the place in the file in every complaint."""
    given = {name: value for name, value in settings.items() if name != "kind"}
    try:
        return kind(**given)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except TypeError as error:
        raise ConfigError(f"{where}: {kind.__name__} refused its settings: {error}.") from None
