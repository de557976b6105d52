"""The state of the network at the last decision of a panel: every signal, and the next retarget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from toolkit.panel import Panel
from toolkit.signals.daily import by_day
from toolkit.signals.economics_outlook import EconomicsOutlook, economics_outlook
from toolkit.signals.reading import Reading, readings
from toolkit.signals.retarget import RetargetOutlook, next_retarget

DAILY = ("blocks", "fees", "hash_price", "hash_rate", "issuance")
"""Fields whose windows have no reading while an absent day is in them."""

_LONGEST_WINDOW = 365


@dataclass(frozen=True)
class NetworkStatus:
    """What was public of the network at the decision of a session.

    `absent_days` has, by daily field, those of the last 365 days that it knows nothing of.
    """

    asof: date
    simulated: bool
    signals: tuple[Reading, ...]
    next_retarget: RetargetOutlook | None
    relative_economics: EconomicsOutlook | None
    absent_days: Mapping[str, tuple[date, ...]]

    def as_json(self) -> dict[str, Any]:
        """Plain values: days and moments in ISO form, None where there is no reading."""
        economics = self.relative_economics
        content = asdict(replace(self, relative_economics=None))
        content["relative_economics"] = None if economics is None else economics.as_json()
        content["asof"] = self.asof.isoformat()
        for reading in content["signals"]:
            reading["since"] = _iso(reading["since"])
            reading["known_at"] = _iso(reading["known_at"])
        for name, days in self.absent_days.items():
            content["absent_days"][name] = [day.isoformat() for day in days]
        if self.next_retarget is not None:
            content["next_retarget"]["known_at"] = _iso(self.next_retarget.known_at)
        return content


def _iso(moment: date | None) -> str | None:
    return None if moment is None else moment.isoformat()


def network_status(panel: Panel) -> NetworkStatus:
    """The status at the last decision of a panel.

    Raises
    ------
    InsufficientHistoryError
        The panel has no session.
    UnknownFieldError
        The panel lacks a field that a signal reads.
    """
    signals = tuple(readings(panel))
    absent = {name: days for name in DAILY if (days := absent_days(panel, name))}
    return NetworkStatus(
        asof=panel.sessions[-1].date(),
        simulated=panel.simulated,
        signals=signals,
        next_retarget=next_retarget(panel),
        relative_economics=economics_outlook(panel),
        absent_days=absent,
    )


def absent_days(panel: Panel, name: str) -> tuple[date, ...]:
    """Those of the last 365 days, up to its last public row, of which a daily field knows nothing."""
    known = by_day(panel.field(name)).until(panel.decisions[-1]).values.iloc[:, 0]
    recent = known.loc[panel.sessions[-1] - pd.Timedelta(days=_LONGEST_WINDOW) :]
    return tuple(day.date() for day in recent.index[recent.isna()])
