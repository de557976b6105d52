"""What a program is asked, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

import numpy as np
import pandas as pd

from toolkit.errors import DataError

_SERIES = (
    "target", "current", "expected_returns", "volumes", "volatilities", "half_spreads"
)  # fmt: skip
_FLAGS = ("tradable", "buyable")
_TABLES = ("covariance", "scenarios", "betas", "stress")

Status = Literal["target", "optimal", "relaxed", "kept", "cash", "not sized"]


@dataclass(frozen=True)
class Decision:
    """What is known when weights are decided; what no part of a program needs stays None.

    Weights are fractions of equity. A Series may be in any order; an asset it leaves out has the
    neutral value: weight 0, tradable, buyable.

    Parameters
    ----------
    session
        Session after which the decision is taken, or what `pandas.Timestamp` takes for one; sleeves
        are those of that day.
    target
        Wanted weights, at most 1 in sum; the rest is cash.
    current
        Weights held, `proceeds` included; the rest to 1 is cash. None is a first investment:
        nothing is held, and what is bought does not count as turnover.
    equity
        USD.
    tradable
        False: cannot be bought or sold, a holding stays as it is.
    buyable
        False: may be held or sold, not bought.
    covariance
        Annualised covariance of simple returns. Without one, an asset cannot be bought; a holding
        then enters risk uncorrelated, with the largest variance given (1.0 where none is). Cash
        that is left out is riskless.
    scenarios
        Simple returns of a session, equally likely: scenarios x assets. Here as in the next three
        an asset left out cannot be bought, and while it is held counts as the worst of the others;
        cash that is left out has zeros.
    expected_returns
        Fractions a year; that of cash is the riskless one.
    betas
        Assets x factors.
    stress
        Simple returns under each stress: stresses x assets.
    volumes
        USD traded in a session on average; an asset without one (or NaN) is not checked against it,
        and its trades have no impact.
    volatilities
        Standard deviation of a session's simple return; trades of an asset without one (or NaN)
        have no impact.
    half_spreads
        Half of the bid-ask spread, a fraction; an asset without one (or NaN) has the constant one
        of the cost.
    proceeds
        Fraction of equity that closings brought in since the last decision; investing it is not
        turnover.
    """

    session: pd.Timestamp
    target: pd.Series | None = None
    current: pd.Series | None = None
    equity: float | None = None
    tradable: pd.Series | None = None
    buyable: pd.Series | None = None
    covariance: pd.DataFrame | None = None
    scenarios: pd.DataFrame | None = None
    expected_returns: pd.Series | None = None
    betas: pd.DataFrame | None = None
    volumes: pd.Series | None = None
    stress: pd.DataFrame | None = None
    proceeds: float | None = None
    volatilities: pd.Series | None = None
    half_spreads: pd.Series | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.session, pd.Timestamp):
            try:
                session = pd.Timestamp(self.session)
            except (TypeError, ValueError):
                session = pd.NaT
            object.__setattr__(self, "session", session)
        if pd.isna(self.session):
            raise DataError(
                "The session of a decision is missing or no date; give a day, as in "
                "pandas.Timestamp('2021-03-05')."
            )
        for name in (*_SERIES, *_FLAGS, *_TABLES):
            self._demand_table(name, pd.DataFrame if name in _TABLES else pd.Series)
        for name in ("equity", "proceeds"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, Real):
                raise DataError(f"The {name} on {self.session.date()} is {value!r}; give a number.")

    def _demand_table(self, name: str, kind: type[pd.Series] | type[pd.DataFrame]) -> None:
        """Refuse a field that is no table of numbers, or of flags."""
        value, title = getattr(self, name), f"{name} on {self.session.date()}"
        if value is None:
            return
        if not isinstance(value, kind):
            raise DataError(
                f"The {title} is of type {type(value).__name__}; give a pandas {kind.__name__} "
                "with assets as labels."
            )
        numbers = value.to_numpy()
        if name in _FLAGS or numbers.dtype.kind in "fiub":
            return
        for place, cell in np.ndenumerate(numbers):
            if not isinstance(cell, Real):
                label = " and ".join(str(value.axes[axis][at]) for axis, at in enumerate(place))
                raise DataError(
                    f"The {title} of {label} is {cell!r}, which is no number; give numbers, and "
                    "leave out assets that have none."
                )


@dataclass(frozen=True)
class Certificate:
    """What was checked in plain arithmetic, apart from the solver.

    Parameters
    ----------
    worst_residual
        Largest excess over a limit (as relaxed) or a bound, at most 1e-6; negative: room left.
    budget_error
        Distance of the sum of weights from 1.
    objective
        Value of objective plus cost at the weights.
    optimum
        The same before small trades were left out: what is optimal. None where nothing was solved.
    reference
        Best value among the current and the target weights that meet every limit; None if neither.
    gap
        Bound on how far `optimum` is above the true one, from the solver's dual variables. Zero
        where the answer is the target, None where nothing was solved.
    solver
        What the solver said; it is recorded, not believed.
    iterations
        Steps of the solver in the last solve.
    covariance_repair
        Largest negative eigenvalue set to zero, relative to the largest eigenvalue.
    """

    worst_residual: float
    budget_error: float
    objective: float
    optimum: float | None
    reference: float | None
    gap: float | None
    solver: str
    iterations: int
    covariance_repair: float


@dataclass(frozen=True)
class Allocation:
    """Decided weights, with the proof that they meet the limits; weights alone are not sized.

    Parameters
    ----------
    weights
        By asset, cash included, in the order of the program's assets; sums to 1.
    binding
        Names of limits within 1e-6 of their cap or beyond it, at the weights or at the optimum
        before small trades were left out.
    relaxed
        Limits that could not be met: name to the excess over the cap, in the limit's unit.
    status
        ``target``: the target met everything and trades are free. ``optimal``: the optimum.
        ``relaxed``: the optimum under the least violation. ``kept``: the current weights.
        ``cash``: nothing is expected to earn more than cash; the least variance.
        ``not sized``: there was no optimizer.
    values
        Limit name to its value at the weights, in the limit's unit.
    achieved
        What the objective came to besides its value: risk contributions, posterior returns.
    fallbacks
        What had to be resorted to, in order: ``clarabel after daqp`` (who answered after whom
        failed, with the error where one was raised), ``least violation``; or ``no answer from``
        whom, ``no least violation`` where none was found, and ``current weights`` or ``cash``.
    unchecked
        Limits that could not be checked for some assets, with those assets.
    left_out
        What could not be followed and why: targets of assets that lack a covariance or another
        input, and so are not bought, and views that speak of such assets.
    """

    weights: pd.Series
    binding: tuple[str, ...] = ()
    relaxed: Mapping[str, float] = field(default_factory=dict)
    status: Status = "not sized"
    certificate: Certificate | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    achieved: Mapping[str, float] = field(default_factory=dict)
    fallbacks: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
