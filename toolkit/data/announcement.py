"""What an announcement is, and from when it was public.

A row of a table of announcements is public

========================  ==================================================================
``published_at``          at that moment, where the column gives one (with its time zone)
exact day, ``pre_open``   by 9:30 in New York, its open
exact day, ``intraday``   by 16:00 in New York, its close: the day's price reacts
``after_close``           by the decision of that day, 00:00 UTC of the next
no time of day            at the end of New York's day, after that decision: one session later
``approx``                the same, seven days later
``month``                 the same, for the last day of the month
========================  ==================================================================

What falls on a day without a session is seen by the decision of the next session.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

import pandas as pd
from pydantic import Field as Setting

from toolkit.errors import ConfigError
from toolkit.units import Fraction, Positive, component
from toolkit.universe import AssetId

ALL = "ALL"
"""Ticker of what concerns every miner: regulation, and nothing else."""

GROSS_PER_CRITICAL = 1.4
"""MW of a site for a MW of critical IT. Nine deals told 1.21 to 1.52, median 1.43.

A convention that looks back on them; of the shipped table it converts MW of 2025-11 only.
"""

Quality = Literal["exact", "approx", "month"]
Hour = Literal["pre_open", "intraday", "after_close", "unknown"]
Basis = Literal[
    "critical_it", "billing_critical_it", "gross", "site", "generation", "critical_it_target"
]
Stage = Literal["announced", "financed", "energised"]
Megawatts = Annotated[float, Setting(gt=0.0, le=20_000.0, allow_inf_nan=False)]

NEW_YORK = ZoneInfo("America/New_York")
"""Where days begin and end: tables name days of the United States."""

_BY = {"pre_open": time(9, 30), "intraday": time(16)}
"""Hour in New York, summer or winter, by which it was public."""

_CRITICAL = {"critical_it": 1.0, "billing_critical_it": 1.0, "gross": 1.0 / GROSS_PER_CRITICAL}
"""Bases that tell critical IT power. Site, generation and target tell what may be built, not what."""


class Kind(StrEnum):
    """What an announcement is about. The kinds are kept apart; ``other`` feeds no signal."""

    COLOCATION_CONTRACT = "colocation_contract"
    GPU_CLOUD_CONTRACT = "gpu_cloud_contract"
    OPTION = "option"
    FINANCING = "financing"
    STRATEGY_STATEMENT = "strategy_statement"
    TAKEOVER = "takeover"
    MILESTONE = "milestone"
    REGULATION = "regulation"
    RENAME = "rename"
    OTHER = "other"


CONTRACTS = (Kind.COLOCATION_CONTRACT, Kind.OPTION, Kind.GPU_CLOUD_CONTRACT)
"""Kinds whose MW add to what is contracted. An option is one that was taken up."""

KINDS = {
    **{kind.value: kind for kind in Kind},
    "colo_contract": Kind.COLOCATION_CONTRACT,
    "jv_contract": Kind.COLOCATION_CONTRACT,
    "colo_option": Kind.OPTION,
    "strategy": Kind.STRATEGY_STATEMENT,
    "takeover_bid": Kind.TAKEOVER,
    "takeover_talks": Kind.TAKEOVER,
    "takeover_fail": Kind.TAKEOVER,
    "gpu_cloud_launch": Kind.MILESTONE,
    "milestone_revenue": Kind.MILESTONE,
    "site_build": Kind.MILESTONE,
    "acquisition": Kind.OTHER,
    "acquisition_close": Kind.OTHER,
    "gpu_cloud_exit": Kind.OTHER,
    "gpu_purchase": Kind.OTHER,
    "ipo": Kind.OTHER,
    "jv": Kind.OTHER,
    "site_expansion": Kind.OTHER,
    "site_purchase": Kind.OTHER,
}
"""Kind of each event type. A type that is not here is ``other``, and its reader is told."""


def public_from(day: date, quality: Quality = "exact", hour: Hour = "unknown") -> datetime:
    """Moment (UTC) from which an announcement of a New York day was public.

    Parameters
    ----------
    day
        As announced.
    quality
        How well the day is known.
    hour
        When on that day; it counts only where the day is exact.
    """
    if quality == "approx":
        day += timedelta(days=7)
    if quality == "month":
        day = (pd.Timestamp(day) + pd.offsets.MonthEnd(0)).date()
    tomorrow = day + timedelta(days=1)
    if quality == "exact" and hour in _BY:
        return datetime.combine(day, _BY[hour], NEW_YORK).astimezone(UTC)
    if quality == "exact" and hour == "after_close":
        return datetime.combine(tomorrow, time(), UTC)
    return _midnight(tomorrow)


def _midnight(day: date) -> datetime:
    """Moment (UTC) at which a day of New York begins."""
    return datetime.combine(day, time(), NEW_YORK).astimezone(UTC)


@component
class Event:
    """One announcement.

    Parameters
    ----------
    ticker
        Whose it is, by the ticker of its day; ``ALL`` for a regulation.
    day
        New York day on which it was made.
    published_at
        Moment from which anybody could know it, not before the day begins in New York.
    megawatts, basis
        Power it tells, and of what. An option that was not taken up is not in it.
    share
        The company's own part of the MW, below 1 in a joint venture.
    stage
        How far the MW are. Not given: a contract is announced.
    value_usd, term_years
        Of the firm part of a contract.
    usd_per_kw_month
        Rent as it was told; see `rent`.
    """

    ticker: AssetId
    day: date
    kind: Kind
    published_at: datetime
    event_type: str = ""
    megawatts: Megawatts | None = None
    basis: Basis | None = None
    share: Fraction = 1.0
    stage: Stage | None = None
    value_usd: Positive | None = None
    term_years: Positive | None = None
    usd_per_kw_month: Positive | None = None
    quality: Quality = "exact"
    company: str = ""
    counterparty: str = ""
    site: str = ""
    notes: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.published_at.utcoffset() is None:
            raise ConfigError(f"published_at {self.published_at} has no time zone; add Z for UTC.")
        if self.published_at < _midnight(self.day):
            raise ConfigError(
                f"published_at {self.published_at} lies before its announcement on {self.day}, a "
                f"day of New York that begins at {_midnight(self.day):%Y-%m-%d %H:%M} UTC. Where "
                "only the day is known, leave published_at empty."
            )
        if self.megawatts is not None and self.basis is None:
            raise ConfigError(
                f"mw is {self.megawatts:g} without mw_basis; say of what, one of "
                f"{', '.join(get_args(Basis))}."
            )
        if (self.kind is Kind.REGULATION) != (self.ticker == ALL):
            raise ConfigError(
                f"a {self.kind} with ticker {self.ticker}: regulation, and nothing else, concerns "
                f"{ALL}."
            )

    @property
    def critical_megawatts(self) -> float | None:
        """The company's critical IT power in MW; None where nothing tells it.

        Gross MW are divided by 1.4. MW of a site, of generation or of a target are not converted:
        they hold other loads too, or nothing yet.
        """
        if self.megawatts is None or self.basis not in _CRITICAL:
            return None
        return self.megawatts * _CRITICAL[self.basis] * self.share

    @property
    def reached(self) -> Stage | None:
        """Stage of the MW: as stated, or announced for contracts, financed for financing.

        Revenue that is billed for some MW shows that they are energised.
        """
        if self.stage is not None:
            return self.stage
        if self.basis == "billing_critical_it":
            return "energised"
        if self.kind is Kind.FINANCING:
            return "financed"
        return "announced" if self.kind in CONTRACTS else None

    @property
    def rent(self) -> float | None:
        """USD a kW-month of critical IT that a colocation contract pays over its term.

        Its value over MW and term; as it was told where that cannot be computed. None for other
        kinds, since a GPU-cloud contract pays for machines too, and for MW that are not critical.
        """
        if self.kind not in (Kind.COLOCATION_CONTRACT, Kind.OPTION) or self.basis != "critical_it":
            return None
        if self.megawatts and self.value_usd and self.term_years:
            return self.value_usd / (self.megawatts * 1000.0 * self.term_years * 12.0)
        return self.usd_per_kw_month
