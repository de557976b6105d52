"""The candidate as cvxpy expressions, with everything that a decision changes as a parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolkit.optimize.candidate import Candidate, spread_rates, stressed
from toolkit.optimize.facts import Facts
from toolkit.optimize.roster import Floats, Roster
from toolkit.universe import Sleeve

Reading = Callable[[Facts], Floats]

_LARGEST_POWER = 8.0

_STEP = 63
"""Scenarios are filled up to a multiple, so that a growing history needs few problems."""


@dataclass(frozen=True)
class Sizes:
    """How many scenarios, at most, and stresses a problem is built for."""

    scenarios: int = 1
    stresses: int = 1

    @classmethod
    def of(cls, facts: Facts) -> Sizes:
        """Those that a decision needs."""
        scenarios = 0 if facts.scenarios is None else len(facts.scenarios)
        stresses = 1 if facts.stress is None else len(facts.stress[0])
        return cls(max(1, -(-scenarios // _STEP) * _STEP), stresses)


class SymbolicCandidate(Candidate):
    """The unknown portfolio of one compiled problem.

    The variable is the deviation from what is tracked, so that the objective is small where the
    answer is near it and its relative accuracy does not suffer. Risk enters in units of the mean
    variance: the solver sees numbers near one whatever the unit of the covariance. Every
    parameter enters affinely (disciplined parametrised programming), and what nobody asks for is
    not part of the problem.

    Attributes
    ----------
    constraints
        Those that hold by definition: budget, bounds, and what ties auxiliary variables.
    readings
        Parameter to the function that reads its value from a decision's facts.
    """

    def __init__(self, roster: Roster, sizes: Sizes | None = None, own_belief: bool = False):
        import cvxpy

        self._cvxpy = cvxpy
        self._roster = roster
        self._sizes = sizes or Sizes()
        self._own_belief = own_belief
        self.constraints: list[Any] = []
        self.readings: dict[Any, Reading] = {}
        self._sleeves: dict[tuple[Sleeve, ...], Any] = {}
        self._trades: Any = None
        self._spreads: dict[Reading, Any] = {}
        self._whole: dict[Reading, Any] = {}
        self._level: Any = None
        self.deviation = cvxpy.Variable(len(roster))
        self.weights = self.deviation + self.parameter(len(roster), _origin)
        self.constraints += [
            cvxpy.sum(self.weights) == 1.0,
            self.weights >= self.parameter(len(roster), lambda facts: facts.lower),
            self.weights <= self.parameter(len(roster), lambda facts: facts.upper),
        ]

    def parameter(
        self, shape: int | tuple[int, ...], reading: Reading, nonneg: bool = False
    ) -> Any:
        """A new parameter whose value is read from the facts of each decision."""
        made = self._cvxpy.Parameter(shape, nonneg=nonneg)
        self.readings[made] = reading
        return made

    def values(self, facts: Facts) -> dict[Any, Floats]:
        """Value of every parameter for a decision."""
        return {parameter: reading(facts) for parameter, reading in self.readings.items()}

    def weights_of(self, point: Floats, start: int, facts: Facts) -> Floats:
        """Weights at a solver's point, where the deviation starts at a position."""
        return point[start : start + len(self._roster)] + _origin(facts)

    def largest_weight(self, assets: tuple[str, ...] = ()) -> Any:
        """Largest weight among the assets."""
        roster = self._roster
        chosen = roster.positions(assets) if assets else np.flatnonzero(roster.risky)
        return self._cvxpy.max(self.weights[chosen]) if len(chosen) else 0.0

    def sleeve_weight(self, sleeves: Sequence[Sleeve]) -> Any:
        """Weight of the sleeves; who belongs to them is a parameter."""
        chosen = tuple(sorted(set(sleeves)))
        if chosen not in self._sleeves:

            def members(facts: Facts) -> Floats:
                return self._roster.shares(chosen, facts.session)

            # The origin's share is a parameter of its own: a product of two would not be affine.
            share = self.parameter((), lambda facts: members(facts) @ _origin(facts))
            mask = self.parameter(len(self._roster), members)
            self._sleeves[chosen] = mask @ self.deviation + share
        return self._sleeves[chosen]

    def cash_weight(self) -> Any:
        """Weight of cash."""
        return self.weights[self._roster.cash_position()]

    def idle_weight(self) -> Any:
        """Weight of cash, if there is any."""
        return 0.0 if self._roster.cash is None else self.cash_weight()

    def turnover(self) -> Any:
        """One-way turnover."""
        changes = self.traded()
        if self._roster.cash is not None:
            held = self.parameter((), lambda facts: facts.holdings[self._roster.cash])
            changes = changes + self._cvxpy.abs(self.cash_weight() - held)
        proceeds = self.parameter((), lambda facts: np.array(facts.proceeds))
        return 0.5 * (changes - proceeds)

    def traded(self) -> Any:
        """Value traded in all assets but cash."""
        return self._cvxpy.sum(self._trade_sizes())

    def trading_days(self) -> Any:
        """Largest trade in days of volume."""
        risky = np.flatnonzero(self._roster.risky)
        days = self.parameter(len(risky), lambda facts: _days(facts)[risky], nonneg=True)
        return self._cvxpy.max(self._cvxpy.multiply(days, self._trade_sizes()))

    def market_impact(self) -> Any:
        """Cost of moving prices: 3/2 powers as second-order cones."""
        trades, risky = self._trade_sizes(), np.flatnonzero(self._roster.risky)
        rates = self.parameter(len(risky), lambda f: f.known_impact()[risky], nonneg=True)
        # t^2 <= p r and r^2 <= t give t^(3/2) <= p, with equality where p has a price. No trade is
        # above 1 but those that end an overdraft; a bound keeps what is free from growing.
        roots, powers = self._cvxpy.Variable(len(risky)), self._cvxpy.Variable(len(risky))
        self.constraints += [self._cvxpy.square(roots) <= trades, powers <= _LARGEST_POWER]
        self.constraints += [
            self._cvxpy.quad_over_lin(trades[place], roots[place]) <= powers[place]
            for place in range(len(risky))
        ]
        return rates @ powers

    def half_spread_paid(self, constant: float) -> Any:
        """Half-spread times trade."""
        risky = np.flatnonzero(self._roster.risky)
        rates = self.parameter(
            len(risky), lambda f: spread_rates(f, self._roster, constant)[risky], nonneg=True
        )
        return rates @ self._trade_sizes()

    def volatility(self) -> Any:
        """Annual volatility."""
        unit = self.parameter((), lambda f: np.sqrt(_variance(f)), nonneg=True)
        return unit * self._volatility_level()

    def tracking_error(self) -> Any:
        """Annual volatility of the deviation from the target."""
        unit = self.parameter((), lambda f: np.sqrt(_variance(f)), nonneg=True)
        # The objective may track other weights than the target.
        away = self.parameter(
            len(self._roster), lambda f: _factor(f) @ (_origin(f) - f.known_target())
        )
        spread = self._cvxpy.Variable(len(self._roster))
        self.constraints.append(spread == self._deviation_spread(_factor) + away)
        return unit * self._cvxpy.norm(spread)

    def expected_shortfall(self, level: float) -> Any:
        """Expected shortfall of a session."""
        count, size = self._sizes.scenarios, len(self._roster)
        edge, beyond = self._cvxpy.Variable(), self._cvxpy.Variable(count, nonneg=True)
        padded = self._padded(_scenarios, count)
        returns = self.parameter((count, size), padded)
        wanted = self.parameter(count, lambda facts: padded(facts) @ _origin(facts))
        self.constraints.append(beyond >= -(returns @ self.deviation) - wanted - edge)
        chance = self.parameter(
            count, lambda facts: _chances(len(_scenarios(facts)), count), nonneg=True
        )
        return edge + chance @ beyond / (1.0 - level)

    def expected_return(self) -> Any:
        """Expected return of a year."""
        return self._affine(lambda facts: facts.known_returns())

    def believed_return(self) -> Any:
        """Expected return of a year, in the eyes of the objective."""
        return self._affine(lambda facts: facts.known_opinion())

    def below_hurdle(self) -> Any:
        """Hurdle times volatility less the return above cash."""
        asked = self.parameter((), lambda f: f.hurdle * np.sqrt(_variance(f)), nonneg=True)
        cash = self.parameter((), lambda f: np.array(f.cash_return(self._roster)))
        return asked * self._volatility_level() - self.expected_return() + cash

    def beta(self, to: str) -> Any:
        """Beta to a factor."""
        return self._affine(lambda facts: facts.known_betas(to))

    def stress_loss(self, names: tuple[str, ...] = ()) -> Any:
        """Largest loss under the stresses."""
        count = len(names) or self._sizes.stresses
        losses = self.parameter((count, len(self._roster)), lambda f: -stressed(f, names))
        wanted = self.parameter(count, lambda f: -stressed(f, names) @ _origin(f))
        return self._cvxpy.max(losses @ self.deviation + wanted)

    def herfindahl(self) -> Any:
        """Sum of squared weights without cash."""
        return self._cvxpy.sum_squares(self.weights[np.flatnonzero(self._roster.risky)])

    def variance(self) -> Any:
        """Annual variance."""
        unit = self.parameter((), lambda f: np.array(f.known_belief().variance), nonneg=True)
        return unit * self._cvxpy.sum_squares(self._weight_spread(self._belief()))

    def tracking_variance(self, ridge: float) -> Any:
        """Variance of the deviation from what is tracked plus the ridge."""
        squares = self._cvxpy.sum_squares
        unit = self.parameter((), lambda f: np.array(f.known_belief().variance), nonneg=True)
        spread = self._deviation_spread(self._belief())
        return unit * (squares(spread) + ridge * squares(self.deviation))

    def _trade_sizes(self) -> Any:
        """Absolute changes of all weights but that of cash."""
        if self._trades is None:
            # Cash is left out here: costs do not hold its trade down, and a variable that may grow
            # for nothing spoils the solver's accuracy in all others.
            risky = np.flatnonzero(self._roster.risky)
            self._trades = self._cvxpy.Variable(len(risky))
            held = self.parameter(len(risky), lambda facts: facts.holdings[risky])
            wanted = self.weights[risky]
            self.constraints += [self._trades >= wanted - held, self._trades >= held - wanted]
        return self._trades

    def _volatility_level(self) -> Any:
        """Volatility in units of its parameter.

        A parameter times an expression that holds parameters would not be affine, times a variable
        it is.
        """
        if self._level is None:
            self._level = self._cvxpy.Variable()
            self.constraints.append(self._cvxpy.norm(self._weight_spread(_factor)) <= self._level)
        return self._level

    def _affine(self, reading: Reading) -> Any:
        """Weights times a number for each asset."""
        numbers = self.parameter(len(self._roster), reading)
        wanted = self.parameter((), lambda facts: reading(facts) @ _origin(facts))
        return numbers @ self.deviation + wanted

    @staticmethod
    def _padded(reading: Reading, count: int) -> Reading:
        """A table with rows of zeros below, so that one problem serves many lengths."""
        return lambda facts: np.pad(reading(facts), ((0, count - len(reading(facts))), (0, 0)))

    def _belief(self) -> Reading:
        """Factor of the covariance that the objective sees."""
        return _factor_of_belief if self._own_belief else _factor

    def _deviation_spread(self, factor: Reading) -> Any:
        """Covariance factor times the deviation: its squares sum to the variance."""
        if factor not in self._spreads:
            size = len(self._roster)
            upper = np.triu_indices(size)
            entries = self.parameter(size * (size + 1) // 2, lambda f: factor(f)[upper])
            spread = self._cvxpy.Variable(size)
            triangle = self._cvxpy.vec_to_upper_tri(entries)
            self.constraints.append(spread == triangle @ self.deviation)
            self._spreads[factor] = spread
        return self._spreads[factor]

    def _weight_spread(self, factor: Reading) -> Any:
        """Covariance factor times the weights, as a variable."""
        if factor not in self._whole:
            wanted = self.parameter(len(self._roster), lambda f: factor(f) @ _origin(f))
            whole = self._cvxpy.Variable(len(self._roster))
            self.constraints.append(whole == self._deviation_spread(factor) + wanted)
            self._whole[factor] = whole
        return self._whole[factor]


def _origin(facts: Facts) -> Floats:
    """Where deviations start: at what is tracked, or at nothing."""
    origin = facts.target if facts.aim is None else facts.aim
    return np.zeros(len(facts.holdings)) if origin is None else origin


def _factor_of_belief(facts: Facts) -> Floats:
    return facts.known_belief().factor


def _scenarios(facts: Facts) -> Floats:
    return facts.known_scenarios()


def _chances(count: int, padded: int) -> Floats:
    """Chance of each scenario: equal ones, none for the padding."""
    return (np.arange(padded) < count) / count


def _days(facts: Facts) -> Floats:
    days = facts.turnover_days
    return np.zeros(len(facts.holdings)) if days is None else days


def _factor(facts: Facts) -> Floats:
    return facts.known_risk().factor


def _variance(facts: Facts) -> Floats:
    return np.array(facts.known_risk().variance)
