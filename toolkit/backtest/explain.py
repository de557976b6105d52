"""Why a decision came out as it did: signals, target, limits, trade, and each without a signal.

One function serves the decision of a past run and that of today.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from toolkit.backtest.engine import SizedDecision, TimeLoop, dense_targets
from toolkit.backtest.sizing_log import targeted, without_history
from toolkit.errors import ToolkitError
from toolkit.optimize.decision import Decision
from toolkit.optimize.program import Program
from toolkit.panel import Panel
from toolkit.strategy import Strategy

_CHANGED = 1e-6
"""Weights that differ by less are the same."""


@dataclass(frozen=True)
class LimitEffect:
    """What a limit did to a decision, in the limit's own unit.

    Attributes
    ----------
    at_target, at_weights
        Its value at the strategy's target and at the sized weights.
    binding
        Whether the sized weights are at the cap.
    changed_target
        Whether the target was beyond the cap, so that it could not be ordered.
    relaxed
        Excess over the cap that had to be allowed; 0 for none.
    shadow_price
        Return a year gained for each unit that the cap is moved; None where it is not binding or
        the answer was no optimum.
    """

    name: str
    cap: float
    at_target: float | None
    at_weights: float
    binding: bool
    changed_target: bool
    relaxed: float
    shadow_price: float | None


@dataclass(frozen=True)
class Without:
    """The decision without one signal: all NaN, everything else unchanged.

    Attributes
    ----------
    target
        None: the strategy would not have decided, and what was held stays.
    weights
        What would have been ordered; None where that could not be told, for the `problem`.
    binding
        Limits that would have bound.
    units
        The trade by asset, at the prices of the session and before costs; None with the weights.
    """

    signal: str
    target: pd.Series | None
    weights: pd.Series | None
    problem: str = ""
    binding: tuple[str, ...] = ()
    units: pd.Series | None = None


@dataclass(frozen=True)
class Explanation:
    """One decision from signals to order. Weights are fractions of equity by asset.

    Attributes
    ----------
    signals
        Signal name to its value by asset, or in its one column; None is no opinion.
    current
        The book that the decision started from; None: nothing was held.
    target, sized, weights
        What the strategy wanted, what sizing made of it, and the `share` of that which overlays
        keep, with the rest in cash.
    status, fallbacks, unchecked
        As in `Allocation`.
    locked, not_buyable, unknown_risk
        Assets of the target that could not be traded, not be bought, or that lack the history
        which sizing needs and are therefore not bought.
    """

    session: pd.Timestamp
    signals: Mapping[str, Mapping[str, float | None]]
    current: pd.Series | None
    target: pd.Series
    sized: pd.Series
    weights: pd.Series
    share: float
    limits: tuple[LimitEffect, ...]
    without: tuple[Without, ...]
    status: str
    fallbacks: tuple[str, ...]
    unchecked: tuple[str, ...]
    locked: tuple[str, ...]
    not_buyable: tuple[str, ...]
    unknown_risk: tuple[str, ...]

    @property
    def change(self) -> pd.Series:
        """The trade in weights of the book: what was sized less what was held."""
        return self.sized if self.current is None else self.sized - self.current

    def as_json(self) -> dict[str, Any]:
        """The explanation as plain values; weights that are 0 everywhere are left out."""
        return {
            "session": f"{self.session:%Y-%m-%d}",
            "signals": {name: dict(values) for name, values in self.signals.items()},
            "current": None if self.current is None else nonzero(self.current),
            "target": nonzero(self.target),
            "sized": nonzero(self.sized),
            "weights": nonzero(self.weights),
            "change": nonzero(self.change),
            "share_kept_by_overlays": self.share,
            "status": self.status,
            "fallbacks": list(self.fallbacks),
            "unchecked": list(self.unchecked),
            "cannot_be_traded": list(self.locked),
            "cannot_be_bought": list(self.not_buyable),
            "too_little_history": list(self.unknown_risk),
            "limits": [vars(effect) for effect in self.limits],
            "without": [
                {
                    "signal": each.signal,
                    "decides": each.target is not None,
                    "target": None if each.target is None else nonzero(each.target),
                    "weights": None if each.weights is None else nonzero(each.weights),
                    "difference": None
                    if each.weights is None
                    else nonzero(each.weights - self.weights),
                    "problem": each.problem or None,
                    "binding": list(each.binding),
                    "units": None if each.units is None else nonzero(each.units),
                }
                for each in self.without
            ],
        }


def explain(
    loop: TimeLoop,
    strategy: Strategy,
    panel: Panel,
    signals: Mapping[str, pd.DataFrame],
    made: SizedDecision,
    share: float,
) -> Explanation:
    """Explanation of a decision, with what it would have been without each signal.

    Parameters
    ----------
    panel
        On which the decision was taken; rows after it change nothing.
    signals
        The strategy's, computed on the panel.
    made
        The decision and what was made of it.
    share
        Of the sized book that overlays keep.
    """
    decision, target = made.decision, made.decision.target
    if target is None:
        # The time loop gives every decision one.
        target = made.sized
    program = None if loop.optimizer is None else loop.optimizer.compile(panel.universe.assets)
    ablation = _Ablation(loop, strategy, panel, signals, made, share, program)
    allocation = made.allocation
    return Explanation(
        session=decision.session,
        signals={name: _row_of(frame, made.row) for name, frame in signals.items()},
        current=decision.current,
        target=target,
        sized=made.sized,
        weights=made.weights,
        share=share,
        limits=_effects(made, program),
        without=tuple(ablation.without(name) for name in strategy.signals),
        status="not sized" if allocation is None else allocation.status,
        fallbacks=() if allocation is None else allocation.fallbacks,
        unchecked=() if allocation is None else allocation.unchecked,
        locked=_refused(decision.tradable, target, decision.current),
        not_buyable=_refused(decision.buyable, target, None),
        unknown_risk=()
        if program is None
        else without_history(decision, targeted(target, str(panel.universe.cash))),
    )


def kept(sized: pd.Series, share: float, cash: str) -> pd.Series:
    """The share of sized weights that overlays keep, the rest in cash."""
    if share == 1.0:
        return sized
    weights = sized * share
    weights[cash] += 1.0 - share
    return weights


def nonzero(weights: pd.Series) -> dict[str, float]:
    """Weights by asset without those that are 0."""
    return {str(asset): float(weight) for asset, weight in weights.items() if weight != 0.0}


@dataclass(frozen=True)
class _Ablation:
    """The same decision with one signal switched off."""

    loop: TimeLoop
    strategy: Strategy
    panel: Panel
    signals: Mapping[str, pd.DataFrame]
    made: SizedDecision
    share: float
    program: Program | None

    def without(self, name: str) -> Without:
        frame = self.signals[name]
        silent = pd.DataFrame(np.nan, index=frame.index, columns=frame.columns)
        try:
            return self._decided(name, {**self.signals, name: silent})
        except ToolkitError as error:
            # A strategy may refuse to work without it, which is an answer too.
            return Without(name, None, None, str(error))

    def _decided(self, name: str, signals: Mapping[str, pd.DataFrame]) -> Without:
        made = self.made
        target = dense_targets(self.strategy, self.panel, signals).iloc[made.row]
        if target.isna().any():
            return self._told(name, None, self._book(), ())
        sized, binding = target, tuple[str, ...]()
        if self.program is not None:
            decision = replace(made.decision, target=target)
            if decision.expected_returns is not None:
                decision = self._expecting(decision, signals)
            allocation = self.program.solve(decision)
            sized, binding = allocation.weights, allocation.binding
        return self._told(name, target, sized, binding)

    def _book(self) -> pd.Series:
        """What was held, at full share; cash where nothing was."""
        held = self.made.decision.current
        if held is None:
            held = pd.Series(0.0, index=self.panel.universe.columns)
            held[str(self.panel.universe.cash)] = 1.0
        return held

    def _told(
        self, name: str, target: pd.Series | None, sized: pd.Series, binding: tuple[str, ...]
    ) -> Without:
        cash = str(self.panel.universe.cash)
        weights = kept(sized, self.share, cash)
        traded = (weights - kept(self._book(), self.share, cash)).drop(cash)
        equity, prices = self.made.decision.equity, self.panel.prices().iloc[self.made.row]
        units = None if equity is None else (traded * equity / prices).dropna()
        return Without(name, target, weights, binding=binding, units=units)

    def _expecting(self, decision: Decision, signals: Mapping[str, pd.DataFrame]) -> Decision:
        expected = self.strategy.expected_returns(self.panel, signals)
        row = None if expected is None else expected.iloc[self.made.row].dropna()
        return replace(decision, expected_returns=row)


def _effects(made: SizedDecision, program: Program | None) -> tuple[LimitEffect, ...]:
    allocation, decision = made.allocation, made.decision
    if program is None or allocation is None or decision.target is None:
        return ()
    prices = program.shadow_prices(decision) if allocation.binding else {}
    wanted = program.measure(decision.target.to_numpy(dtype=float), decision)
    found = []
    for limit in program.optimizer.limits:
        value = float(wanted[limit.name])
        found.append(
            LimitEffect(
                name=limit.name,
                cap=float(limit.cap),
                at_target=_finite(value),
                at_weights=float(allocation.values[limit.name]),
                binding=limit.name in allocation.binding,
                changed_target=bool(limit.beyond(value) > _CHANGED),
                relaxed=float(allocation.relaxed.get(limit.name, 0.0)),
                shadow_price=_finite(prices.get(limit.name)),
            )
        )
    return tuple(found)


def _refused(
    allowed: pd.Series | None, target: pd.Series, current: pd.Series | None
) -> tuple[str, ...]:
    """Assets of the target, or held, that are not allowed."""
    if allowed is None:
        return ()
    concerned = target > 0.0
    if current is not None:
        concerned |= current > 0.0
    return tuple(str(asset) for asset in target.index[concerned & ~allowed])


def _row_of(frame: pd.DataFrame, row: int) -> dict[str, float | None]:
    return {str(name): _finite(value) for name, value in frame.iloc[row].items()}


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
