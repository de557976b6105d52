"""Returns of what a miner's price can follow: other miners, bitcoin, AI names, the broad market.

Rows are New York sessions on every clock, for that is where miners have prices. On the 24/7 clock
the days between them are inside the next session's returns, as they are on the exchange's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.clock import sessions_between
from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.universe import MINERS, Sleeve

_LEAST_NAMES = 2
"""Names in a basket of miners: one name is no basket."""

_VOLATILITY_SESSIONS = 63


@dataclass(frozen=True)
class StyleFactors:
    """Returns of miners and of what they may follow, by New York session.

    Baskets are kept by the panel for whoever asks again, who must not change them.

    Parameters
    ----------
    panel
        Where the prices are.
    """

    panel: Panel

    @cached_property
    def _sessions(self) -> Panel:
        """The panel on the sessions of the exchange alone."""
        panel = self.panel
        if panel.clock == "XNYS" or len(panel.sessions) == 0:
            return panel
        first, last = panel.sessions[0].date(), panel.sessions[-1].date()
        days = sessions_between("XNYS", first, last)
        return replace(panel, sessions=panel.sessions[panel.sessions.isin(days)], clock="XNYS")

    @property
    def rows(self) -> pd.DatetimeIndex:
        """The sessions."""
        return self._sessions.sessions

    @cached_property
    def _returns(self) -> pd.DataFrame:
        """Returns of one session to the next; NaN where an asset did not trade on both."""
        traded = self._sessions.tradable().to_numpy()
        both = traded.copy()
        both[1:] &= traded[:-1]
        returns = self._sessions.returns()
        values = np.where(both, returns.to_numpy(), np.nan)
        return pd.DataFrame(values, returns.index, returns.columns, copy=False)

    @cached_property
    def _mines(self) -> NDArray[np.bool_]:
        """Which assets were ever miners."""
        return np.asarray(self.panel.members(MINERS).to_numpy().any(axis=0))

    @cached_property
    def miners(self) -> pd.Index[str]:
        """Every asset that was ever a miner."""
        return self._returns.columns[self._mines]

    def is_miner(self) -> pd.DataFrame:
        """Whether each of them is one at each session, legacy or pivoting: sessions x miners."""
        return self._of_miners(self._sessions.members(MINERS))

    def returns(self) -> pd.DataFrame:
        """Returns of the miners, from the second session of each of them on."""
        return self._of_miners(self._returns)

    def _of_miners(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame(frame.to_numpy()[:, self._mines], self.rows, self.miners, copy=False)

    def legacy_basket(self, inverse_volatility: bool = False) -> pd.DataFrame:
        """Mean return of the miners that are legacy on each session, without the miner itself.

        Sessions x miners. A miner's basket of a session holds the *other* miners whose sleeve on
        that very session is legacy and that traded; NaN where there are fewer than two.

        Parameters
        ----------
        inverse_volatility
            Weigh each by the inverse of its volatility over 63 sessions up to the one before;
            equal weights otherwise.
        """
        key = StyleFactors.legacy_basket, inverse_volatility
        return self.panel.derived(key, lambda: self._legacy_basket(inverse_volatility))

    def _legacy_basket(self, inverse_volatility: bool) -> pd.DataFrame:
        returns = self.returns()
        legacy = self._of_miners(self._sessions.members([Sleeve.LEGACY_MINERS])).to_numpy()
        weights = np.ones(returns.shape)
        if inverse_volatility:
            past = returns.rolling(_VOLATILITY_SESSIONS, min_periods=_VOLATILITY_SESSIONS // 2)
            spread = past.std().shift(1).to_numpy()
            weights = np.divide(1.0, spread, out=np.full(spread.shape, np.nan), where=spread > 0.0)
        values = returns.to_numpy()
        members = legacy & np.isfinite(values) & np.isfinite(weights)
        mean = _mean_of_others(np.where(members, values, 0.0), np.where(members, weights, 0.0))
        return pd.DataFrame(mean, returns.index, returns.columns)

    def bitcoin(self) -> pd.DataFrame:
        """Return of bitcoin over the UTC days from session to session: one column.

        NaN as long as the universe has no bitcoin that trades every day.

        Raises
        ------
        ConfigError
            The universe has several.
        """
        coins = [
            asset.id
            for asset in self.panel.universe
            if asset.memberships[0].sleeve is Sleeve.BITCOIN and asset.calendar == "24/7"
        ]
        if len(coins) > 1:
            raise ConfigError(
                f"The universe has {len(coins)} assets of every day in the bitcoin sleeve, "
                f"{', '.join(coins)}; a factor of bitcoin is the return of one."
            )
        return self._returns[coins].sum(axis=1, min_count=1).to_frame("bitcoin")

    def ai_basket(self) -> pd.DataFrame:
        """Mean return of the names that are AI infrastructure on each session: one column."""
        return self.panel.derived(StyleFactors.ai_basket, self._ai_basket)

    def _ai_basket(self) -> pd.DataFrame:
        members = self._sessions.members([Sleeve.AI_INFRASTRUCTURE]).to_numpy()
        returns = self._returns.to_numpy()
        counted = members & ~np.isnan(returns)
        count = counted.sum(axis=1)
        total = np.where(counted, returns, 0.0).sum(axis=1)
        mean = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
        return pd.DataFrame({"ai_basket": mean}, self.rows)

    def priced_by(self, field: str) -> pd.DataFrame:
        """Return of a price series that is a field of the panel, of a fund for example: one column.

        Raises
        ------
        UnknownFieldError
            The panel has no such field.
        ConfigError
            The field has several columns.
        """
        prices = self._sessions.known(field, max_age=pd.Timedelta(days=5))
        if prices.shape[1] != 1:
            raise ConfigError(f"Field {field!r} has {prices.shape[1]} columns; a factor needs one.")
        return prices / prices.shift(1) - 1.0

    def on_clock(self, values: NDArray[np.float64]) -> pd.DataFrame:
        """Values of the sessions for every asset and every row of the panel's clock.

        Assets that are no miners are NaN; a day without a session has the values of the last one.
        """
        wide = np.full((len(self.rows), len(self._mines)), np.nan)
        wide[:, self._mines] = values
        frame = pd.DataFrame(wide, self.rows, self.panel.universe.columns, copy=False)
        if self._sessions is self.panel:
            return frame
        return frame.reindex(self.panel.sessions, method="ffill")


def _mean_of_others(
    returns: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted mean along each row without the column itself, NaN where too few are left."""
    member = weights > 0.0
    weighted = returns * weights
    others = member.sum(axis=1, keepdims=True) - member
    total = weighted.sum(axis=1, keepdims=True) - weighted
    weight = weights.sum(axis=1, keepdims=True) - weights
    enough = others >= _LEAST_NAMES
    found = np.full(returns.shape, np.nan)
    np.divide(total, weight, out=found, where=enough)
    return found
