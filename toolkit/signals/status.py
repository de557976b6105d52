"""The state of the network at the last decision of a panel: every signal, and the next retarget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd

from toolkit.panel import Panel
from toolkit.signals.daily import by_day
from toolkit.signals.reading import Reading, readings
from toolkit.signals.retarget import RetargetOutlook, next_retarget

DAILY = ("blocks", "fees", "hash_price", "hash_rate", "issuance")
"""Fields whose windows have no reading while an absent day is in them."""

_LONGEST_WINDOW = 365
_HEADINGS = ("signal", "value", "unit", "state", "since", "known at (UTC)", "threshold")


@dataclass(frozen=True)
class NetworkStatus:
    """What was public of the network at the decision of a session.

    `absent_days` has, by daily field, those of the last 365 days that it knows nothing of.
    """

    asof: date
    simulated: bool
    signals: tuple[Reading, ...]
    next_retarget: RetargetOutlook | None
    absent_days: Mapping[str, tuple[date, ...]]

    def as_json(self) -> dict[str, Any]:
        """Plain values: days and moments in ISO form, None where there is no reading."""
        content = asdict(self)
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
        panel.sessions[-1].date(), panel.simulated, signals, next_retarget(panel), absent
    )


def absent_days(panel: Panel, name: str) -> tuple[date, ...]:
    """Those of the last 365 days, up to its last public row, of which a daily field knows nothing."""
    known = by_day(panel.field(name)).until(panel.decisions[-1]).values.iloc[:, 0]
    recent = known.loc[panel.sessions[-1] - pd.Timedelta(days=_LONGEST_WINDOW) :]
    return tuple(day.date() for day in recent.index[recent.isna()])


def status_lines(status: NetworkStatus) -> list[str]:
    """The status as lines of text."""
    marked = "  SIMULATED, no evidence about any real network" if status.simulated else ""
    lines = [f"Network as of the decision of {status.asof}{marked}", ""]
    rows: list[tuple[str, ...]] = [_HEADINGS, *map(_row, status.signals)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        cells = [text.rjust(width) if column == 1 else text.ljust(width)
                 for column, (text, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        lines.append("  ".join(cells).rstrip())
    lines += ["", _retarget_line(status.next_retarget)]
    for name, days in status.absent_days.items():
        more = f" and {len(days) - 1} more days" if len(days) > 1 else ""
        lines.append(f"{name} lacks {days[0]}{more}: no reading of a window that holds such a day.")
    return lines


def _row(reading: Reading) -> tuple[str, ...]:
    value = "-" if reading.value is None else _shown(reading.value, reading.unit)
    unit = "" if reading.unit == "fraction" else reading.unit
    since = "-" if reading.since is None else str(reading.since)
    known_at = "-" if reading.known_at is None else f"{reading.known_at:%Y-%m-%d %H:%M}"
    return reading.name, value, unit, reading.state, since, known_at, reading.threshold


def _shown(value: float, unit: str) -> str:
    return f"{value:+z.1%}" if unit == "fraction" else f"{value:.4g}"


def _retarget_line(retarget: RetargetOutlook | None) -> str:
    if retarget is None:
        return "Next retarget: no forecast, for want of recent days or of past epochs."
    height = "" if retarget.height is None else f" at height {retarget.height:,}"
    return (
        f"Next retarget{height}: {retarget.change:+z.1%}, with 90 % between "
        f"{retarget.band_low:+z.1%} and {retarget.band_high:+z.1%}; "
        f"{retarget.fraction:.0%} of the epoch is mined."
    )
