"""Risk budgets: weights whose contributions to the variance are in given proportions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from toolkit.errors import ConfigError, DataError, SolverError
from toolkit.optimize.objectives import Objective
from toolkit.units import NonNegative, Positive, component
from toolkit.universe import AssetId, Sleeve

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate
    from toolkit.optimize.facts import Facts
    from toolkit.optimize.roster import Floats, Roster

_ACCURACY = 1e-9
_LAST_STEPS = 3


@component
class RiskBudget(Objective):
    """Shares of the risk: each asset or sleeve contributes its budget to the variance.

    The weights with exactly these contributions are found without regard to limits, and then
    tracked under them, as `TrackTarget` tracks a target. What they contribute in the end is in
    `Allocation.achieved`.

    The assets are those with a positive target, which together keep the target's weight; without a
    target all that can be bought, fully invested. Who has no covariance yet, and so cannot be
    bought, has no budget; the others then share the risk in the proportions of theirs, and what has
    a budget and contributes nothing is in `achieved` with a 0.

    Parameters
    ----------
    assets
        Asset to its budget; equal ones where neither assets nor sleeves are given. Budgets are
        taken in proportion; an asset without one gets no weight.
    sleeves
        Sleeve to its budget, shared equally by its assets of the session. Give one of the two.
    risk_aversion, ridge
        Of the tracking.

    References
    ----------
    Maillard, Roncalli and Teiletche, The properties of equally weighted risk contribution
    portfolios, J. of Portfolio Management 36 (2010). Bruder and Roncalli, Managing risk exposures
    using the risk budgeting approach (2012): the logarithmic barrier.
    """

    needs: ClassVar[tuple[str, ...]] = ("covariance",)

    assets: dict[AssetId, Positive] = field(default_factory=dict)
    sleeves: dict[Sleeve, Positive] = field(default_factory=dict)
    risk_aversion: Positive = 5.0
    ridge: NonNegative = 0.05

    def __post_init__(self) -> None:
        if self.assets and self.sleeves:
            raise ConfigError("RiskBudget has budgets of assets and of sleeves; give one of them.")

    def expression(self, candidate: Candidate) -> Any:
        """Half the risk aversion times the variance of the deviation from those weights."""
        return 0.5 * self.risk_aversion * candidate.tracking_variance(self.ridge)

    def unit(self, facts: Facts) -> float:
        """Risk aversion times the mean variance."""
        return self.risk_aversion * facts.known_risk().variance

    def ideal(self, facts: Facts) -> Floats | None:
        """The weights with the budgeted contributions."""
        return facts.aim

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts with those weights as what is tracked."""
        budgets, invested = self._budgets(facts, roster)
        chosen = np.flatnonzero(budgets > 0.0)
        risk = facts.known_risk()
        for place in chosen.tolist():
            if not risk.matrix[place, place] > 0.0:
                raise DataError(
                    f"{roster.index[place]} has a risk budget on {facts.session.date()} and a "
                    "variance of 0 in the covariance; leave its target at 0, or correct its prices."
                )
        aim = np.zeros(len(roster))
        shares = budgeted_weights(risk.matrix[np.ix_(chosen, chosen)], budgets[chosen])
        aim[chosen] = invested * shares
        if roster.cash is not None:
            aim[roster.cash] = 1.0 - invested
        return replace(facts, aim=aim)

    def achieved(self, facts: Facts, weights: Floats, roster: Roster) -> Mapping[str, float]:
        """Share in the variance of each asset that is held or has a budget, and of such sleeves."""
        risk = facts.known_risk()
        parts = weights * (risk.matrix @ weights)
        total = float(parts.sum())
        if not total > 0.0:
            return {}
        named = roster.risky & (weights != 0.0)
        named[roster.positions(self.assets, "RiskBudget")] = True
        shares = dict(zip(roster.index[named].tolist(), parts[named].tolist(), strict=True))
        for sleeve in self.sleeves:
            shares[sleeve.value] = parts[roster.members((sleeve,), facts.session)].sum()
        return {
            f"risk contribution of {name}": float(part / total) for name, part in shares.items()
        }

    def _budgets(self, facts: Facts, roster: Roster) -> tuple[Floats, float]:
        """Budget of each asset, in proportion, and the weight of all of them together."""
        if facts.target is None:
            able, invested = roster.risky & (facts.upper > 0.0), 1.0
        else:
            able = roster.risky & (facts.target > 0.0)
            invested = float(facts.target[roster.risky].sum())
        budgets = able.astype(float)
        if self.assets:
            budgets = np.zeros(len(roster))
            places = roster.positions(self.assets, "RiskBudget")
            if roster.cash in places:
                raise ConfigError(
                    "RiskBudget has a budget of cash, which has no risk; leave it out."
                )
            budgets[places] = list(self.assets.values())
        for sleeve, budget in self.sleeves.items():
            inside = able & roster.members((sleeve,), facts.session)
            budgets[inside] = budget / max(int(inside.sum()), 1)
        if self.sleeves:
            budgets[~roster.members(tuple(self.sleeves), facts.session)] = 0.0
        known = able & facts.known_risk().known
        budgets = np.where(known, budgets, 0.0)
        if not budgets.any() and (known.any() or roster.cash is None):
            wanted = ", ".join(roster.index[known].tolist()) or "nothing"
            raise DataError(
                f"On {facts.session.date()} no asset that is wanted and has a covariance has a risk "
                f"budget: wanted are {wanted}. Give one of them a budget, or want one that has."
            )
        return budgets, invested if budgets.any() else 0.0


def budgeted_weights(covariance: Floats, budgets: Floats) -> Floats:
    """Long-only weights, summing to 1, whose shares in the variance are the budgets.

    Parameters
    ----------
    covariance
        Assets x assets, in any unit, with positive variances.
    budgets
        Positive, in proportion.

    Raises
    ------
    SolverError
        The contributions found miss the budgets by more than 1e-9.

    Notes
    -----
    The minimum of ``y'Cy / 2 - sum b log y`` has ``y_i (Cy)_i = b_i``; with correlations C the
    numbers are near one whatever the volatilities. It is found by trust-region Newton steps.
    """
    from scipy.optimize import minimize

    if not len(budgets):
        return np.zeros(0)
    shares = budgets / budgets.sum()
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance / deviations[:, None] / deviations

    # In logarithms, y = exp(x): every x is allowed, and no step has to be kept from leaving.
    def value(x: Floats) -> float:
        y = np.exp(x)
        return float(0.5 * y @ correlation @ y - shares @ x)

    def slope(x: Floats) -> Floats:
        y = np.exp(x)
        gradient: Floats = y * (correlation @ y) - shares
        return gradient

    def curvature(x: Floats) -> Floats:
        y = np.exp(x)
        hessian: Floats = y[:, None] * correlation * y + np.diag(y * (correlation @ y))
        return hessian

    start = np.log(np.sqrt(shares))
    found = minimize(
        value, start, jac=slope, hess=curvature, method="trust-exact", options={"gtol": 1e-13}
    )
    # Values near the minimum are alike to the last digit long before slopes are: without the steps
    # that look at slopes alone, the contributions can be 1e-8 off.
    x = found.x
    for _ in range(_LAST_STEPS):
        x = x - np.linalg.lstsq(curvature(x), slope(x))[0]
    y = np.exp(x)
    parts = y * (correlation @ y)
    if not np.abs(parts / parts.sum() - shares).max() <= _ACCURACY:
        raise SolverError(
            f"Risk budgets were not met: the contributions miss them by "
            f"{np.abs(parts / parts.sum() - shares).max():.3g}. Check the covariance for copies of "
            "one asset in opposite directions."
        )
    weights = y / deviations
    total: Floats = weights / weights.sum()
    return total
