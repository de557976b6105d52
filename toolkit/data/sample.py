"""The embedded default: a seeded simulated market with invented tickers. SIMULATED.

Results on it show that the machinery works. They are no evidence about any market: every number
in it was chosen by us, and a strategy that earns money here has learnt nothing about real prices.

What is planted, and nothing else:

- *Three sources of return* (`sample_prices`). A bitcoin factor (55 % a year, every UTC day), an AI
  factor (28 %, on weekdays), and each asset's own noise, fat-tailed and skewed like that of real
  miners. Only the sizes of moves, which wander slowly, can be foreseen.
- *Premia.* The bitcoin factor earns 20 % and the AI factor 14 % a year, cash 0.2 % to 4.2 %. The
  expected return of an asset is its exposures times these premia: there is no momentum, no
  reversal and no reward for a regime of the network to be found.
- *Closing times.* New York closes before the UTC day ends: 7/8 of a bitcoin day is in the same
  day's equity closes, 1/8 in the next. Weekends of bitcoin are in the next session's closes.
- *Hash price.* A miner moves with the unexpected part of the hash price: bitcoin's return less each
  unexpected change of the hash rate, at once. What can be foreseen in the network
  (`sample_network`: the migration model) is priced already and earns nothing.
- *Pivot.* From its dated membership on, within 180 days, a pivoting miner gives up its exposure to
  the hash price but for half of it in bitcoin, gains an AI exposure of 1.5, and leaves the crowd
  of miners, with a quarter less of noise.
- *Noise as large as it is.* Miners' own noise and the share of it in their variance are those of
  real miners, so most have an R-squared near 0.2; one has twice the noise of the others.
- *Announcements* of contracts, statements and a rename, each dated, and one of a ban. Their prices
  move on them by 10 % in either direction: nothing is earned by foreseeing or hearing them.
- *Events*, each at a fixed share of the period (`sample_cast`): listings, a bankruptcy, a halt, a
  hole, a reverse split. On the day of the filing the bankrupt miner loses 70 %; it trades for ten
  more sessions and 30 sessions after that pays 35 % of its last price.
- *Liquidity* (`sample_liquidity`). Volumes that wander, and highs and lows that hold the planted
  spread. Neither has anything to do with the prices' moves, and prices do not follow from them.
- *Truth and confounders* (`sample_truth`), public only after the market's last decision.

Prices are delivered adjusted as of the end of the period, like those of a vendor, so that early
prices of miners are high. The split is recorded in the universe and must not be applied again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from functools import cached_property
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field as Setting

from toolkit.data.announcement import ALL, Basis, Event, Kind
from toolkit.data.events import EventTable
from toolkit.data.sample_cast import (
    CAST,
    HALT_SESSIONS,
    PLANS,
    SESSIONS_AFTER_FILING,
    SESSIONS_TO_SETTLEMENT,
    SOURCE,
    SPLIT,
    Part,
    Timeline,
)
from toolkit.data.sample_liquidity import simulated_bars
from toolkit.data.sample_network import (
    Shocks,
    draw_shocks,
    machines_gone,
    network_fields,
    run_network,
)
from toolkit.data.sample_prices import Factors, closes, draw_factors
from toolkit.data.sample_truth import Truth, ai_shares, confounders
from toolkit.errors import ConfigError, DataError
from toolkit.network.chain import EXAHASH
from toolkit.network.fleet import FleetResult
from toolkit.panel import PRICE_FIELD, Field, Notice
from toolkit.units import component
from toolkit.universe import Asset, Closing, CorporateAction, Halt, Membership, Sleeve, Universe

_LATEST = date(2035, 12, 1)
_RECOVERY = 0.35
_AFTER_CLOSE = pd.Timedelta(hours=21, minutes=30)
_STREAMS = ("uptime", "conditions", "exits", "luck", "turbulence", "factors", "crowd", "own",
            "reactions", "cash", "volume", "range")  # fmt: skip

_FIRST_STREAM = 40
"""The first round number with which bitcoin in the default market neither collapses nor soars."""


@component
class SampleMarket:
    """A simulated market of 15 invented assets and the network they depend on.

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
        if self.start < date(2010, 1, 1) or self._timeline.end > _LATEST:
            raise ConfigError(
                f"SampleMarket: {self.start} to {self._timeline.end} is outside 2010-01-01 to {_LATEST}; "
                "choose another start or fewer years."
            )

    @property
    def simulated(self) -> bool:
        """True: the numbers are invented."""
        return True

    def universe(self) -> Universe:
        """The invented assets, with their dated memberships, events and recorded split."""
        terms = f"1 for {SPLIT}; prices are adjusted for it already"
        actions = tuple(
            CorporateAction(
                part.id, self._timeline.date(part.split), "reverse_split", terms, SOURCE
            )
            for part in CAST
            if part.split is not None
        )
        return Universe(tuple(self._asset(part) for part in CAST), actions)

    def fields(self, universe: Universe, start: date, end: date) -> Mapping[str, Field]:
        """Prices of the universe's assets that exist here, the network's fields, and the truth.

        ``close`` (USD) has a row every UTC day, public at the end of it, NaN where an asset does
        not trade, and so have ``dollar_volume``, ``high`` and ``low`` of all assets but cash. The
        network's fields are those of `sample_network.network_fields`. The truth's
        (``true_...``, see `sample_truth.Truth`) become public after the last decision of the
        market, so that no panel ever shows a value of theirs. Only rows labelled from start to end
        are returned.

        Raises
        ------
        DataError
            The period has no day in common with this market's.
        """
        if start > end or end < self.start or start > self._timeline.end:
            raise DataError(
                f"The simulated market has no rows from {start} to {end}; "
                f"it lasts from {self.start} to {self._timeline.end}."
            )
        columns = [name for name in universe.ids if name in self._closes]
        day_over = (self._timeline.days + pd.Timedelta(days=1)).tz_localize("UTC")
        prices = Field(self._closes[columns], day_over, "USD", SOURCE)
        bars = {
            name: replace(field, values=field.values[[n for n in columns if n in field.values]])
            for name, field in self._bars.items()
        }
        known = {
            **self._network,
            **bars,
            **self.events.fields(universe),
            **self.truth.fields(universe.ids),
            PRICE_FIELD: prices,
        }
        return {name: _rows(field, start, end) for name, field in known.items()}

    def notices(self) -> tuple[Notice, ...]:
        """One notice: that nothing here was observed."""
        text = f"SIMULATED market, seed {self.seed}: no evidence about any real market."
        return (Notice("simulated", "", "", text),)

    def last_session(self) -> date:
        """Last New York session of the period."""
        return self._timeline.sessions[-1].date()

    @cached_property
    def events(self) -> EventTable:
        """What was announced: after New York's close, a regulation at noon."""
        sessions, days = self._timeline.sessions, self._timeline.days
        told = []
        for plan in PLANS:
            day = sessions[self._timeline.session(plan.at, -1)]
            moment = (day + _AFTER_CLOSE).tz_localize("UTC")
            basis: Basis | None = None if plan.megawatts is None else "critical_it"
            told.append(
                Event(plan.asset, day.date(), plan.kind, moment,
                      megawatts=plan.megawatts, basis=basis, source=SOURCE)
            )  # fmt: skip
        for departure in self._shocks.departures:
            if departure.kind == "ban":
                day = sessions[int(sessions.searchsorted(days[departure.first])) - 1]
                noon = (day + pd.Timedelta(hours=12)).tz_localize("UTC")
                told.append(Event(ALL, day.date(), Kind.REGULATION, noon, source=SOURCE))
        return EventTable(tuple(told), SOURCE)

    @cached_property
    def truth(self) -> Truth:
        """What really happened: who pivoted when, which exits were of which kind, what misleads."""
        departures = self._shocks.departures
        return Truth(
            self._ai_share,
            machines_gone(self._run, self._shocks),
            departures,
            pd.Series(EXAHASH * self._run.column("hash_rate"), self._timeline.days),
            confounders(self._timeline, self._factors, self._closes, departures),
        )

    @cached_property
    def _timeline(self) -> Timeline:
        return Timeline(self.start, self.years)

    def _asset(self, part: Part) -> Asset:
        memberships = [Membership(part.sleeve, self.start)]
        halts, closing = [], None
        if part.pivots is not None:
            memberships.append(Membership(Sleeve.PIVOTING_MINERS, self._timeline.date(part.pivots)))
        if part.halted is not None:
            last = self._timeline.date(part.halted, HALT_SESSIONS - 1)
            halts.append(Halt(self._timeline.date(part.halted), last, "simulated halt"))
        if part.files is not None:
            closing = Closing(
                kind="bankruptcy",
                last_session=self._timeline.date(part.files, SESSIONS_AFTER_FILING),
                known_from=self._timeline.date(part.files),
                settles=self._timeline.date(part.files, SESSIONS_TO_SETTLEMENT),
                value=_RECOVERY * float(self._closes[part.id].dropna().iloc[-1]),
            )
        return Asset(
            id=part.id,
            memberships=tuple(memberships),
            calendar=part.calendar,
            usable_from=self._timeline.date(part.lists) if part.lists else self.start,
            closing=closing,
            halts=tuple(halts),
        )

    def _stream(self, name: str) -> np.random.Generator:
        """Own generator for each kind of draw, so that they do not shift one another."""
        number = _FIRST_STREAM + _STREAMS.index(name)
        return np.random.Generator(np.random.PCG64([self.seed, number]))

    @cached_property
    def _shocks(self) -> Shocks:
        return draw_shocks(self._timeline, self._stream)

    @cached_property
    def _factors(self) -> Factors:
        return draw_factors(self._timeline.days, self._stream)

    @cached_property
    def _ai_share(self) -> pd.DataFrame:
        return ai_shares(self._timeline)

    @cached_property
    def _closes(self) -> pd.DataFrame:
        """Closes of every asset on every UTC day, NaN where it does not trade."""
        reactions = [(plan.asset, self._timeline.row(plan.at)) for plan in PLANS]
        return closes(
            self._timeline,
            self._factors,
            self._shocks.surprise,
            self._ai_share,
            reactions,
            self._stream,
        )

    @cached_property
    def _bars(self) -> Mapping[str, Field]:
        public = (self._timeline.days + pd.Timedelta(days=1)).tz_localize("UTC")
        return simulated_bars(self._closes, public, self._stream)

    @cached_property
    def _run(self) -> FleetResult:
        """The network under the market's own bitcoin price."""
        luck = int(self._stream("luck").integers(2**62))
        price = self._closes[CAST[0].id].to_numpy()
        return run_network(self._timeline, price, self._shocks, luck)

    @cached_property
    def _network(self) -> Mapping[str, Field]:
        return network_fields(self._run)


def _rows(field: Field, start: date, end: date) -> Field:
    """The rows of a field that are labelled from start to end."""
    first = field.labels.searchsorted(pd.Timestamp(start).value)
    stop = field.labels.searchsorted(pd.Timestamp(end).value, side="right")
    if stop - first == len(field.labels):
        return field
    return replace(
        field, values=field.values.iloc[first:stop], available_at=field.available_at[first:stop]
    )
