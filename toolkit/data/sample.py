"""The embedded default: a seeded simulated market with invented tickers. SIMULATED.

Results on it show that the machinery works. They are no evidence about any market: every number
below was chosen by us, and a strategy that earns money here has learnt nothing about real prices.

What is planted, and nothing else:

- *Three sources of return.* A bitcoin factor (55 % a year, every UTC day), an AI factor (28 %, on
  weekdays) and each asset's own noise: independent Student t with 5 degrees of freedom. Only their
  volatility, which wanders slowly, can be foreseen.
- *Premia.* The bitcoin factor earns 20 % and the AI factor 14 % a year, cash 0.2 % to 4.2 %. The
  expected return of an asset is its exposures times these premia: there is no momentum, no
  reversal and no reward for a regime of the network to be found.
- *Closing times.* New York closes before the UTC day ends: 7/8 of a bitcoin day is in the same
  day's equity closes, 1/8 in the next. Weekends of bitcoin are in the next session's closes.
- *Hash price.* A miner loses 0.6 of each unexpected change of the hash rate, at once. What is
  foreseeable in the hash rate (`sample_network`) is priced already and earns nothing.
- *Pivot.* From its dated membership on, within 180 days, a pivoting miner gives up half of its
  bitcoin exposure and its exposure to the hash price, and gains an AI exposure of 1.
- *Events*, each at a fixed share of the period (`_CAST`): listings, a bankruptcy, a halt, a hole,
  a reverse split. On the day of the filing the bankrupt miner loses 70 %; it trades for ten more
  sessions and 30 sessions after that pays 35 % of its last price.

Prices of the reverse split's miner are delivered adjusted as of the end of the period, like those
of a vendor: the split is recorded in the universe and must not be applied to them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from itertools import accumulate
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field as Setting

from toolkit.clock import sessions_between
from toolkit.data.sample_network import SOURCE, NetworkShocks, draw_shocks, network_fields
from toolkit.errors import ConfigError, DataError
from toolkit.panel import PRICE_FIELD, Field, Notice
from toolkit.units import component
from toolkit.universe import Asset, Closing, CorporateAction, Halt, Membership, Sleeve, Universe

_LATEST = date(2035, 12, 1)
_PIVOT_DAYS = 180
_HALT_SESSIONS, _HOLE_SESSIONS = 15, 3
_SESSIONS_AFTER_FILING, _SESSIONS_TO_SETTLEMENT = 10, 40
_CRASH, _RECOVERY = 0.70, 0.35
_SPLIT = 20


@dataclass(frozen=True)
class _Part:
    """What an asset is like; moments are shares of the sessions of the whole period."""

    id: str
    sleeve: Sleeve
    price: float
    bitcoin: float
    ai: float
    volatility: float
    calendar: Literal["XNYS", "24/7"] = "XNYS"
    lists: float = 0.0
    shell_sessions: int = 0
    pivots: float | None = None
    files: float | None = None
    halted: float | None = None
    hole: float | None = None
    split: float | None = None


_CAST = (
    _Part("SIMBTC", Sleeve.BITCOIN, 2_000.0, 1.0, 0.0, 0.0, "24/7"),
    _Part("HASHCO", Sleeve.LEGACY_MINERS, 40.0, 1.4, 0.1, 0.40, pivots=0.45),
    _Part("NONCE", Sleeve.LEGACY_MINERS, 25.0, 1.6, 0.0, 0.45, pivots=0.65),
    _Part("MERKLE", Sleeve.LEGACY_MINERS, 8.0 * _SPLIT, 1.7, 0.0, 0.45, split=0.55),
    _Part("ORPHAN", Sleeve.LEGACY_MINERS, 60.0, 1.8, 0.0, 0.45, files=0.60),
    _Part("MEMPOOL", Sleeve.LEGACY_MINERS, 30.0, 1.3, 0.1, 0.35, halted=0.40),
    _Part("JOULES", Sleeve.LEGACY_MINERS, 20.0, 1.5, 0.1, 0.45, lists=0.30, shell_sessions=60),
    _Part("TENSOR", Sleeve.AI_INFRASTRUCTURE, 50.0, 0.10, 1.3, 0.25),
    _Part("RACKS", Sleeve.AI_INFRASTRUCTURE, 35.0, 0.10, 0.9, 0.25),
    _Part("COOLANT", Sleeve.AI_INFRASTRUCTURE, 20.0, 0.05, 0.8, 0.22, hole=0.50),
    _Part("GRADIENT", Sleeve.AI_INFRASTRUCTURE, 30.0, 0.15, 1.4, 0.35, lists=0.35),
    _Part("SIMNET", Sleeve.AI_TOKENS, 20.0, 1.1, 0.5, 0.50, "24/7"),
    _Part("SIMGPU", Sleeve.AI_TOKENS, 30.0, 1.0, 0.7, 0.55, "24/7"),
    _Part("CASH", Sleeve.CASH, 100.0, 0.0, 0.0, 0.0, "24/7"),
)


@component
class SampleMarket:
    """A simulated market of 14 invented assets and the network they depend on.

    Parameters
    ----------
    seed
        Chooses the market. The same settings give the same bytes.
    years
        Length of the period, 2 to 20 years. A longer period draws the same daily shocks first,
        but moves the dated events, which lie at fixed shares of it.
    start
        First day.
    """

    seed: Annotated[int, Setting(ge=0, lt=2**63)] = 7
    years: Annotated[float, Setting(ge=2.0, le=20.0)] = 9.0
    start: date = date(2016, 1, 4)

    def __post_init__(self) -> None:
        if self.start < date(2010, 1, 1) or self._end > _LATEST:
            raise ConfigError(
                f"SampleMarket: {self.start} to {self._end} is outside 2010-01-01 to {_LATEST}; "
                "choose another start or fewer years."
            )

    @property
    def simulated(self) -> bool:
        """True: the numbers are invented."""
        return True

    def universe(self) -> Universe:
        """The invented assets, with their dated memberships, events and recorded split."""
        terms = f"1 for {_SPLIT}; prices are adjusted for it already"
        actions = tuple(
            CorporateAction(part.id, self._date(part.split), "reverse_split", terms, SOURCE)
            for part in _CAST
            if part.split is not None
        )
        return Universe(tuple(self._asset(part) for part in _CAST), actions)

    def fields(self, universe: Universe, start: date, end: date) -> Mapping[str, Field]:
        """Prices of the universe's assets that exist here, and the network's fields.

        ``close`` (USD) has a row every UTC day, public at the end of it, NaN where an asset does
        not trade. The network's fields are those of `sample_network.network_fields`. Only rows
        labelled from start to end are returned.

        Raises
        ------
        DataError
            The period has no day in common with this market's.
        """
        if start > end or end < self.start or start > self._end:
            raise DataError(
                f"The simulated market has no rows from {start} to {end}; "
                f"it lasts from {self.start} to {self._end}."
            )
        columns = [name for name in universe.ids if name in self._closes]
        day_over = (self._days + pd.Timedelta(days=1)).tz_localize("UTC")
        closes = Field(self._closes[columns], day_over, "USD", SOURCE)
        known = {**self._network, PRICE_FIELD: closes}
        return {name: _rows(field, start, end) for name, field in known.items()}

    def notices(self) -> tuple[Notice, ...]:
        """One notice: that nothing here was observed."""
        text = f"SIMULATED market, seed {self.seed}: no evidence about any real market."
        return (Notice("simulated", "", "", text),)

    def last_session(self) -> date:
        """Last New York session of the period."""
        return self._sessions[-1].date()

    @property
    def _end(self) -> date:
        return self.start + timedelta(days=round(365.25 * self.years))

    @cached_property
    def _days(self) -> pd.DatetimeIndex:
        return sessions_between("24/7", self.start, self._end)

    @cached_property
    def _sessions(self) -> pd.DatetimeIndex:
        return sessions_between("XNYS", self.start, self._end)

    def _date(self, share: float, later: int = 0) -> date:
        """Session at a share of the period, or some sessions later."""
        return self._sessions[int(share * len(self._sessions)) + later].date()

    def _row(self, share: float, later: int = 0) -> int:
        """Row of that session among the UTC days."""
        return int(self._days.searchsorted(pd.Timestamp(self._date(share, later))))

    def _asset(self, part: _Part) -> Asset:
        memberships = [Membership(part.sleeve, self.start)]
        halts, closing = [], None
        if part.pivots is not None:
            memberships.append(Membership(Sleeve.PIVOTING_MINERS, self._date(part.pivots)))
        if part.halted is not None:
            last = self._date(part.halted, _HALT_SESSIONS - 1)
            halts.append(Halt(self._date(part.halted), last, "simulated halt"))
        if part.files is not None:
            closing = Closing(
                kind="bankruptcy",
                last_session=self._date(part.files, _SESSIONS_AFTER_FILING),
                known_from=self._date(part.files),
                settles=self._date(part.files, _SESSIONS_TO_SETTLEMENT),
                value=_RECOVERY * float(self._closes[part.id].dropna().iloc[-1]),
            )
        return Asset(
            id=part.id,
            memberships=tuple(memberships),
            calendar=part.calendar,
            usable_from=self._date(part.lists) if part.lists else self.start,
            closing=closing,
            halts=tuple(halts),
        )

    def _generator(self, stream: int) -> np.random.Generator:
        """Own generator for each kind of draw, so that they do not shift one another."""
        return np.random.Generator(np.random.PCG64([self.seed, stream]))

    @cached_property
    def _shocks(self) -> NetworkShocks:
        return draw_shocks(len(self._days), self._generator(0), self._generator(1))

    @cached_property
    def _network(self) -> Mapping[str, Field]:
        price = self._closes[_CAST[0].id].to_numpy()
        return network_fields(self._days, price, self._shocks, self._generator(2))

    @cached_property
    def _closes(self) -> pd.DataFrame:
        """Closes of every asset on every UTC day, NaN where it does not trade."""
        levels = np.cumprod(1.0 + np.clip(self._simple_returns(), -0.8, 0.8), axis=0)
        closed = ~self._days.isin(self._sessions)
        for column, part in enumerate(_CAST):
            levels[:, column] *= part.price / levels[self._row(part.lists), column]
            if part.calendar == "XNYS":
                levels[closed, column] = np.nan
            if part.lists:
                levels[: self._row(part.lists, -part.shell_sessions), column] = np.nan
            for since, sessions in ((part.halted, _HALT_SESSIONS), (part.hole, _HOLE_SESSIONS)):
                if since is not None:
                    levels[self._row(since) : self._row(since, sessions), column] = np.nan
            if part.files is not None:
                levels[self._row(part.files, _SESSIONS_AFTER_FILING) + 1 :, column] = np.nan
        return pd.DataFrame(levels, index=self._days, columns=[part.id for part in _CAST])

    def _simple_returns(self) -> np.ndarray:
        """Simple return of every asset on every UTC day, whether it trades or not."""
        count = len(self._days)
        turbulence = _turbulence(self._generator(3).standard_normal((count, 3)))
        scale = np.sqrt(3.0 / 5.0)  # a Student t with 5 degrees of freedom has variance 5/3
        factors = scale * self._generator(4).standard_t(5.0, (count, 2))
        own = scale * self._generator(5).standard_t(5.0, (count, len(_CAST)))
        weekday = np.where(self._days.dayofweek < 5, 1.0, 0.0)

        bitcoin = 0.20 / 365.25 + 0.55 / np.sqrt(365.25) * turbulence[:, 0] * factors[:, 0]
        bitcoin = np.clip(bitcoin, -0.4, 0.4)
        seen_in_new_york = 0.875 * bitcoin + 0.125 * np.append(0.0, bitcoin[:-1])
        ai = weekday * (0.14 / 261.0 + 0.28 / np.sqrt(261.0) * turbulence[:, 1] * factors[:, 1])

        returns = np.empty((count, len(_CAST)))
        for column, part in enumerate(_CAST):
            always = part.calendar == "24/7"
            pivoted = self._pivoted(part)
            noise = part.volatility * turbulence[:, 2] * own[:, column]
            noise *= 1.0 / np.sqrt(365.25) if always else weekday / np.sqrt(261.0)
            seen = bitcoin if always else seen_in_new_york
            total = noise + part.bitcoin * (1.0 - 0.5 * pivoted) * seen + (part.ai + pivoted) * ai
            if part.sleeve is Sleeve.LEGACY_MINERS:
                total -= 0.6 * (1.0 - pivoted) * self._shocks.surprise
            if part.sleeve is Sleeve.CASH:
                total += self._cash_rate() / 365.25
            if part.files is not None:
                total[self._row(part.files)] = -_CRASH
            returns[:, column] = total
        return returns

    def _pivoted(self, part: _Part) -> np.ndarray | float:
        """How far a miner has become an AI host by day: 0 up to the dated day, 1 after 180."""
        if part.pivots is None:
            return 0.0
        since = np.arange(len(self._days)) - self._row(part.pivots)
        return np.clip(since / _PIVOT_DAYS, 0.0, 1.0)

    def _cash_rate(self) -> np.ndarray:
        """Yearly rate of cash on each day: 0.2 % to 4.2 %, a wave of seven years."""
        phase = 2.0 * np.pi * self._generator(6).random()
        wave = np.sin(2.0 * np.pi * np.arange(len(self._days)) / (7.0 * 365.25) + phase)
        return np.asarray(0.022 + 0.020 * wave)


def _turbulence(noise: np.ndarray) -> np.ndarray:
    """Volatility multipliers by day: log-normal, half-life 34 days, mean square near 1."""
    keep, spread = 0.98, 0.35
    steps = (spread * np.sqrt(1.0 - keep**2) * noise).T.tolist()
    paths = [list(accumulate(path, lambda level, step: keep * level + step)) for path in steps]
    return np.asarray(np.exp(np.array(paths).T - spread**2))


def _rows(field: Field, start: date, end: date) -> Field:
    """The rows of a field that are labelled from start to end."""
    inside = field.values.index.slice_indexer(pd.Timestamp(start), pd.Timestamp(end))
    values, available_at = field.values.iloc[inside], field.available_at[inside]
    return replace(field, values=values, available_at=available_at)
