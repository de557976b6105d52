"""Expected returns from an equilibrium and views, as an objective."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from toolkit.optimize.covariance import risk_of
from toolkit.optimize.objectives import Objective
from toolkit.risk.black_litterman import View, equilibrium_returns, posterior
from toolkit.units import NonNegative, Positive, component
from toolkit.universe import AssetId

if TYPE_CHECKING:
    from toolkit.optimize.candidate import Candidate
    from toolkit.optimize.facts import Facts
    from toolkit.optimize.roster import Floats, Roster


@component
class BlackLitterman(Objective):
    """Mean-variance utility of what equilibrium and views expect together.

    Without views the target, or the market weights, would be optimal; the more confident a view,
    the further it moves the weights. Each view's uncertainty is (1 - c) / c times the variance that
    its portfolio has under the prior, for a confidence c.

    Parameters
    ----------
    views
        Opinions on portfolios of assets; a view that speaks of an asset without covariance is left
        out of that decision, as the asset cannot be bought.
    market_weights
        What the market holds, by asset; the decision's target where none are given.
    risk_aversion
        Of the market, and of the utility.
    tau
        Uncertainty of the prior: its covariance is tau times that of returns.

    References
    ----------
    He and Litterman, The intuition behind Black-Litterman model portfolios (1999).
    """

    needs: ClassVar[tuple[str, ...]] = ("target", "covariance")
    own_belief: ClassVar[bool] = True

    views: tuple[View, ...]
    market_weights: dict[AssetId, NonNegative] = field(default_factory=dict)
    risk_aversion: Positive = 2.5
    tau: Positive = 0.05

    def expression(self, candidate: Candidate) -> Any:
        """Half the risk aversion times the variance, less the expected return."""
        return 0.5 * self.risk_aversion * candidate.variance() - candidate.believed_return()

    def prepare(self, facts: Facts, roster: Roster) -> Facts:
        """The facts with posterior expected returns, above cash, and their covariance."""
        risk = facts.known_risk()
        risk.demand_regular(roster, facts.session)
        known = roster.index[risk.known & roster.risky]
        whole = pd.DataFrame(risk.variance * risk.matrix, roster.index, roster.index)
        covariance = whole.loc[known, known]
        if self.market_weights:
            market = pd.Series(self.market_weights, dtype=float)
            roster.positions(market.index, "BlackLitterman.market_weights")
        else:
            market = pd.Series(facts.known_target(), roster.index)
        prior = equilibrium_returns(
            covariance, market[market.index.isin(known)], self.risk_aversion
        )
        views, left_out = [], list(facts.left_out)
        for view in self._known_views(roster):
            unknown = [name for name in view.portfolio if name not in known]
            if unknown:
                spoken = ", ".join(view.portfolio)
                left_out.append(f"view on {spoken}: no covariance of {', '.join(unknown)}")
            else:
                views.append(view)
        told = posterior(prior, covariance, views, self.tau)
        returns = np.zeros(len(roster))
        returns[roster.positions(known)] = told.expected_returns.to_numpy()
        where = f"of the views on {facts.session.date()}"
        return replace(
            facts,
            opinion=returns,
            belief=risk_of(told.covariance, roster, where),
            left_out=tuple(left_out),
        )

    def unit(self, facts: Facts) -> float:
        """Risk aversion times the mean variance."""
        return self.risk_aversion * facts.known_belief().variance

    def achieved(self, facts: Facts, weights: Floats, roster: Roster) -> Mapping[str, float]:
        """The posterior expected return of each asset held, above cash."""
        returns = facts.known_opinion()
        return {
            f"expected return of {roster.index[place]}": float(returns[place])
            for place in np.flatnonzero(roster.risky & (weights != 0.0)).tolist()
        }

    def _known_views(self, roster: Roster) -> tuple[View, ...]:
        for view in self.views:
            roster.positions(view.portfolio, "A view of BlackLitterman")
        return self.views
