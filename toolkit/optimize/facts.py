"""A decision as checked arrays: what is held, what is wanted, what cannot be otherwise."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import field
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from toolkit.errors import DataError, InfeasibleLimitsError
from toolkit.optimize.covariance import Risk, risk_of
from toolkit.optimize.decision import Decision
from toolkit.optimize.readonly import readonly
from toolkit.optimize.roster import Flags, Floats, Roster

ROUNDING = 1e-9
"""Weights may miss 0 or 1 by this much in sums of floats."""

_LAST_BITS = 1e-12

Given = TypeVar("Given")


@readonly
class Facts:
    """One decision in the order of a roster.

    Parameters
    ----------
    target
        Wanted weights with the rest in cash, or None.
    current
        Weights held, summing to 1; None where there are none: without cash, on a first investment
        or when there are proceeds.
    holdings
        Weights that trades start from: the current ones before `proceeds` arrived in cash.
    proceeds
        What trades start with besides the holdings: 1 on a first investment.
    lower, upper
        Bounds that are never relaxed.
    risk
        What limits on risk see.
    belief
        What the objective sees: the same, where it has no covariance of its own.
    aim
        What the objective tracks: the target, where it has no weights of its own.
    expected_returns
        By asset, a fraction a year: what limits see.
    opinion
        What the objective sees: the same, where it has no expected returns of its own.
    scenarios
        Simple returns of a session: scenarios x assets.
    betas
        Factor to the beta of each asset.
    stress
        Name of each stress, and the return of each asset under it: stresses x assets.
    turnover_days
        Days of each asset's average volume that trading all of the equity would take; 0 where no
        volume is known.
    impact
        Impact of trading all of the equity in an asset, before the cost's coefficient: volatility
        times the root of `turnover_days`; 0 where either is unknown. None: not told.
    half_spreads
        Half-spread by asset, NaN where it is unknown. None: not told.
    hurdle
        Return above cash asked for a unit of volatility, where the largest such ratio is sought.
    left_out
        What is wanted and cannot be followed, with what it lacks.
    """

    session: pd.Timestamp
    target: Floats | None
    current: Floats | None
    holdings: Floats
    proceeds: float
    lower: Floats
    upper: Floats
    risk: Risk | None
    belief: Risk | None = None
    aim: Floats | None = None
    expected_returns: Floats | None = None
    opinion: Floats | None = None
    scenarios: Floats | None = None
    betas: Mapping[str, Floats] = field(default_factory=dict)
    stress: tuple[tuple[str, ...], Floats] | None = None
    turnover_days: Floats | None = None
    impact: Floats | None = None
    half_spreads: Floats | None = None
    hurdle: float = 0.0
    left_out: tuple[str, ...] = ()

    def known_target(self) -> Floats:
        """The target; without one the decision cannot be answered."""
        return self._given(self.target, "a target")

    def known_risk(self) -> Risk:
        """The covariance; without one the decision cannot be answered."""
        return self._given(self.risk, "a covariance")

    def known_belief(self) -> Risk:
        """The covariance that the objective sees."""
        return self.belief or self.known_risk()

    def known_returns(self) -> Floats:
        """The expected returns; without them the decision cannot be answered."""
        return self._given(self.expected_returns, "expected returns")

    def known_aim(self) -> Floats:
        """What the objective tracks."""
        return self.known_target() if self.aim is None else self.aim

    def known_opinion(self) -> Floats:
        """The expected returns that the objective sees."""
        return self.known_returns() if self.opinion is None else self.opinion

    def cash_return(self, roster: Roster) -> float:
        """Expected return of cash; 0 where there is no cash asset."""
        return 0.0 if roster.cash is None else float(self.known_returns()[roster.cash])

    def known_scenarios(self) -> Floats:
        """The scenarios; without them the decision cannot be answered."""
        return self._given(self.scenarios, "scenarios")

    def known_betas(self, to: str) -> Floats:
        """Betas to a factor; without them the decision cannot be answered."""
        try:
            return self.betas[to]
        except KeyError:
            told = f"; it has those to {', '.join(self.betas)}" if self.betas else ""
            raise DataError(
                f"The decision on {self.session.date()} needs betas to {to!r}{told}."
            ) from None

    def known_stress(self) -> tuple[tuple[str, ...], Floats]:
        """The stresses; without them the decision cannot be answered."""
        return self._given(self.stress, "stress scenarios")

    def known_impact(self) -> Floats:
        """The impacts; without volumes and volatilities the decision cannot be answered."""
        return self._given(self.impact, "volumes and volatilities")

    def known_half_spreads(self) -> Floats:
        """The half-spreads; without them the decision cannot be answered."""
        return self._given(self.half_spreads, "half-spreads")

    def _given(self, value: Given | None, what: str) -> Given:
        if value is None:
            raise DataError(f"The decision on {self.session.date()} needs {what}.")
        return value


def facts_of(decision: Decision, roster: Roster) -> Facts:
    """The arrays of a decision.

    Raises
    ------
    DataError
        An input is not finite, names an unknown asset, is not a weight, or no covariance.
    InfeasibleLimitsError
        What cannot be traded leaves no portfolio that sums to 1.
    """
    where = f"on {decision.session.date()}"
    proceeds = _proceeds(decision, where)
    current = _current(decision, roster, proceeds, where)
    held = roster.zeros if current is None or decision.current is None else current
    if roster.cash is not None and proceeds and decision.current is not None:
        held = held - proceeds * roster.unit_rows[roster.cash]
    # Without cash the proceeds are nowhere, so that what is left cannot be kept as it is.
    if roster.cash is None and proceeds > ROUNDING:
        current = None
    covariance, returns = decision.covariance, decision.expected_returns
    risk = None if covariance is None else risk_of(covariance, roster, where)
    inputs = _Inputs(roster, where)
    if risk is not None:
        inputs.note("covariance", risk.known)
    expected = scenarios = betas = stress = days = impact = spreads = None
    factors: tuple[str, ...] = ()
    stresses: tuple[str, ...] = ()
    if returns is not None:
        numbers = returns.to_numpy(dtype=float)[None]
        expected = inputs.table(returns.index, numbers, "expected return")[0]
    if decision.scenarios is not None:
        numbers = decision.scenarios.to_numpy(dtype=float)
        scenarios = inputs.table(decision.scenarios.columns, numbers, "scenario")
    if decision.betas is not None:
        factors = _names(decision.betas.columns, f"The betas {where}")
        numbers = decision.betas.to_numpy(dtype=float).T
        betas = inputs.table(decision.betas.index, numbers, "beta", np.max)
    if decision.stress is not None:
        stresses = _names(decision.stress.index, f"The stresses {where}")
        numbers = decision.stress.to_numpy(dtype=float)
        stress = inputs.table(decision.stress.columns, numbers, "return under stress")
    if decision.volumes is not None:
        days = _turnover_days(decision.volumes, decision.equity, roster, where)
    if decision.volatilities is not None:
        impact = _impact(decision.volatilities, days, roster, where)
    if decision.half_spreads is not None:
        spreads = _sizes(decision.half_spreads, roster, f"The half-spreads {where}")
    lower, upper = _bounds(decision, roster, held, inputs.known, where)
    target = None
    if decision.target is not None:
        target = _weights(decision.target, roster, 1.0, f"The target {where}")
    return Facts(
        decision.session, target, current, held, proceeds, lower, upper, risk,
        expected_returns=expected,
        scenarios=scenarios,
        betas={} if betas is None else dict(zip(factors, betas, strict=True)),
        stress=None if stress is None else (stresses, stress),
        turnover_days=days,
        impact=impact,
        half_spreads=spreads,
        left_out=() if target is None or inputs.known.all() else inputs.left_out(target),
    )  # fmt: skip


def trial(roster: Roster) -> Facts:
    """Made-up facts, for trying out whether limits can be evaluated for the assets."""
    size = len(roster)
    even, ones = np.full(size, 1.0 / size), np.ones(size)
    risk = Risk(1.0, np.eye(size), np.eye(size), np.ones(size, dtype=bool), 0.0)
    return Facts(
        pd.Timestamp(2020, 1, 1), even, even, even, 0.0, 0.0 * ones, ones, risk,
        expected_returns=0.0 * ones,
        scenarios=np.zeros((1, size)),
        betas=defaultdict(lambda: 0.0 * ones),
        stress=(("trial",), np.zeros((1, size))),
        turnover_days=ones,
        impact=ones,
        half_spreads=0.0 * ones,
    )  # fmt: skip


class _Inputs:
    """Numbers by asset. Who has none cannot be bought, and counts as the worst of the others.

    Cash without a number has 0.
    """

    def __init__(self, roster: Roster, where: str):
        self._roster, self._where = roster, where
        self.known: Flags = roster.everyone
        self._known: dict[str, Flags] = {}

    def note(self, what: str, given: Flags) -> None:
        """Who has one of the inputs."""
        self.known = given if self.known is self._roster.everyone else self.known & given
        self._known[what] = given

    def left_out(self, target: Floats) -> tuple[str, ...]:
        """Targets of assets that lack an input, with what they lack."""
        wanted = self._roster.risky & (target > 0.0) & ~self.known
        return tuple(
            f"target of {self._roster.index[place]}: no "
            + ", no ".join(what for what, given in self._known.items() if not given[place])
            for place in np.flatnonzero(wanted).tolist()
        )

    def table(self, names: pd.Index, numbers: Floats, what: str, worst: Any = np.min) -> Floats:
        """Rows of numbers by name as rows by asset; `worst` picks the bad end of a row."""
        roster, title = self._roster, f"The {what} {self._where}"
        place = roster.positions(names, title)
        if not numbers.size or not math.isfinite(numbers.sum()):
            finite = np.isfinite(numbers).all(axis=0)
            name = names[int(np.argmin(finite))] if numbers.size else "no asset"
            raise DataError(
                f"{title} of {name} is missing or no finite number. Leave out assets without one: "
                "they are not bought."
            )
        given = np.zeros(len(roster), dtype=bool)
        given[place] = True
        table = np.zeros((len(numbers), len(roster)))
        table[:, place] = numbers
        if roster.cash is not None:
            given[roster.cash] = True
        if not given.all():
            table[:, ~given] = worst(numbers, axis=1)[:, None]
        self.note(what, given)
        return table


def _turnover_days(volumes: pd.Series, equity: float | None, roster: Roster, where: str) -> Floats:
    """Days of average volume that the whole equity is; 0 where no volume is known."""
    known = _sizes(volumes, roster, f"The volumes {where}")
    if equity is None or not 0.0 < equity < np.inf:
        raise DataError(
            f"The decision {where} has volumes in USD and the equity {equity}; give its equity in "
            "USD too, a positive number."
        )
    known = np.where(roster.risky, known, 0.0)
    return np.divide(equity, known, out=np.zeros(len(roster)), where=known > 0.0)


def _impact(
    volatilities: pd.Series, days: Floats | None, roster: Roster, where: str
) -> Floats | None:
    known = _sizes(volatilities, roster, f"The volatilities {where}")
    if days is None:
        return None
    return np.where(roster.risky, np.nan_to_num(known) * np.sqrt(days), 0.0)


def _sizes(values: pd.Series, roster: Roster, title: str) -> Floats:
    """Numbers by asset that are not negative, NaN where there is none."""
    row = np.full(len(roster), np.nan)
    row[roster.positions(values.index, title)] = values.to_numpy(dtype=float)
    wrong = (row < 0.0) | np.isinf(row)
    if wrong.any():
        name = roster.index[int(np.argmax(wrong))]
        raise DataError(
            f"{title}: {name} is {values[name]}; give a finite number of at least 0, or NaN where "
            "none is known."
        )
    return row


def _proceeds(decision: Decision, where: str) -> float:
    if decision.current is None:
        return 1.0
    proceeds = decision.proceeds or 0.0
    if not 0.0 <= proceeds <= 1.0 + ROUNDING:
        raise DataError(f"The proceeds {where} are {proceeds}; expected a fraction of equity.")
    return proceeds


def _current(decision: Decision, roster: Roster, proceeds: float, where: str) -> Floats | None:
    if decision.current is not None:
        total = 1.0 if roster.cash is not None else 1.0 - proceeds
        return _weights(
            decision.current, roster, total, f"The current weights {where}", overdraft=True
        )
    if roster.cash is None:
        return None
    cash: Floats = roster.unit_rows[roster.cash]
    return cash


def _weights(
    values: pd.Series, roster: Roster, total: float, where: str, overdraft: bool = False
) -> Floats:
    """Weights that are not negative and sum to the total, the rest in cash if there is any."""
    weights = roster.floats(values, where)
    missing = total - float(weights.sum())
    if weights.min() >= 0.0 and abs(missing) <= _LAST_BITS:
        return weights
    if roster.cash is not None and missing > _LAST_BITS:
        weights[roster.cash] += missing
    elif abs(missing) > ROUNDING:
        raise DataError(
            f"{where} sum to {total - missing:.9g}; expected {total:.9g}"
            + (" or less." if roster.cash is not None else ", since there is no cash asset.")
        )
    short = (weights < -ROUNDING) & (roster.risky | (not overdraft))
    if short.any():
        name = roster.index[int(np.argmax(short))]
        raise DataError(f"{where}: {name} is {weights[short][0]:.6g}; weights are not negative.")
    return np.where(roster.risky, np.maximum(weights, 0.0), weights)


def _bounds(
    decision: Decision, roster: Roster, held: Floats, known: Flags, where: str
) -> tuple[Floats, Floats]:
    if decision.tradable is None and decision.buyable is None and known.all():
        return roster.zeros, roster.ones
    tradable = roster.flags(decision.tradable, f"tradable {where}")
    buyable = tradable & known & roster.flags(decision.buyable, f"buyable {where}")
    lower = np.where(tradable, 0.0, held)
    upper = np.where(buyable, 1.0, held)
    if roster.cash is not None:
        # An overdraft behind holdings that cannot be sold has to be carried until they can be.
        locked = lower[roster.risky].sum()
        lower[roster.cash], upper[roster.cash] = min(0.0, 1.0 - locked), 1.0
    if not lower.sum() - ROUNDING <= 1.0 <= upper.sum() + ROUNDING:
        raise InfeasibleLimitsError(
            f"The weights {where} can sum to {lower.sum():.6g} at least and {upper.sum():.6g} at "
            "most, with what can be sold and bought; they must sum to 1. Add a cash asset.",
            ("budget",),
            {},
        )
    return lower, upper


def _names(index: pd.Index, what: str) -> tuple[str, ...]:
    names = tuple(map(str, index))
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{what} name {twice} more than once; name each once.")
    return names
