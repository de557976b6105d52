"""What sizing did, as rows and lines: executed share, costs, fallbacks, what was not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolkit.report.formats import count, percent, plural, ratio, small
from toolkit.report.tables import NamedRow

_COSTS = (
    ("Traded, {currency}", count, "decided_usd", "traded_usd"),
    ("Costs, {currency}", count, "assumed_usd", "charged_usd"),
    ("Costs in basis points of what was traded", ratio, "assumed_bps", "charged_bps"),
)


@dataclass(frozen=True)
class Sizing:
    """The part of a page about sizing.

    Parameters
    ----------
    facts
        What is to be said in a line each: its name and its text.
    fallbacks
        Step, decisions, first and last of them, all of them.
    unchecked
        Limit, decisions, and assets that it was not checked for.
    costs
        Assumed against charged.
    charged
        What the charged costs are made of.
    """

    facts: tuple[tuple[str, str], ...]
    fallbacks: tuple[NamedRow, ...]
    unchecked: tuple[tuple[str, str], ...]
    unknown: tuple[NamedRow, ...]
    estimates: tuple[NamedRow, ...]
    costs: tuple[NamedRow, ...]
    charged: str


def sizing(entry: Mapping[str, Any] | None, currency: str) -> Sizing | None:
    """The part about sizing; None where it was not recorded."""
    if entry is None:
        return None
    return Sizing(
        facts=_facts(entry),
        fallbacks=tuple(
            (
                _titled(found["step"]),
                (
                    count(len(found["sessions"])),
                    found["sessions"][0],
                    found["sessions"][-1],
                ),
            )
            for found in entry["fallbacks"]
        ),
        unchecked=tuple(
            (
                str(found["limit"]),
                f"at {_of(found['decisions'], entry)}: traded without a known volume were "
                f"{', '.join(found['assets'])}",
            )
            for found in entry["unchecked"]
        ),
        unknown=tuple(
            (
                str(found["asset"]),
                (
                    _titled(found["wanted_by"]),
                    count(found["decisions"]),
                    found["first"],
                    found["last"],
                ),
            )
            for found in entry["unknown"]
        ),
        estimates=tuple(
            (str(found["asset"]), (count(found["decisions"]), str(found["reason"])))
            for found in entry["estimates"]
        ),
        costs=tuple(
            (name.format(currency=currency), tuple(text(entry["costs"][key]) for key in keys))
            for name, text, *keys in _COSTS
        ),
        charged=_charged(entry["costs"], currency),
    )


def resorted(entry: Mapping[str, Any] | None) -> tuple[str, ...]:
    """What was not as it should be, in a few words each; empty where all was."""
    if entry is None:
        return ()
    repairs, unknown = entry["repairs"], {found["asset"] for found in entry["unknown"]}
    return (
        *(
            f"{found['step']} at {_of(len(found['sessions']), entry)}"
            for found in entry["fallbacks"]
        ),
        *(
            f"{found['limit']} NOT CHECKED at {_of(found['decisions'], entry)}"
            for found in entry["unchecked"]
        ),
        *(
            [f"covariance repaired at {_of(repairs['decisions'], entry)}"]
            if repairs["decisions"]
            else []
        ),
        *([f"{plural(len(unknown), 'asset')} not bought for want of history"] if unknown else []),
    )


def _facts(entry: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    statuses = sorted(entry["statuses"].items(), key=lambda item: (-item[1], item[0]))
    outcomes = ", ".join(f"{count(number)} {name}" for name, number in statuses)
    repairs = entry["repairs"]
    repaired = (
        f"at {_of(repairs['decisions'], entry)}, the most on {repairs['session']}: a "
        f"correlation eigenvalue of \u2212{small(repairs['largest'])} was raised above 0"
    )
    return (
        ("Outcome", f"{plural(entry['decisions'], 'decision')}: {outcomes or 'not sized'}"),
        (
            "Executed share",
            "nothing was intended"
            if entry["executed_share"] is None
            else f"{percent(entry['executed_share'])} of all intended trades, by their size",
        ),
        *(() if entry["fallbacks"] else (("Fallbacks", "none"),)),
        *((("Covariance repaired", repaired),) if repairs["decisions"] else ()),
    )


def _charged(costs: Mapping[str, Any], currency: str) -> str:
    missing, capped = costs["without_impact_share"], costs["capped"]
    parts = ", ".join(
        f"{name} {count(costs[key])} {currency}"
        for name, key in (
            ("fees", "fees_usd"),
            ("half-spread and slippage", "spread_usd"),
            *((("impact", "impact_usd"),) if missing is not None else ()),
        )
    )
    sentences = [f"Charged: {parts}."]
    if missing:
        sentences.append(
            f"No impact was charged for {percent(missing)} of what was traded: its volume is "
            "unknown."
        )
    if capped:
        sentences.append(f"The impact of {plural(int(capped), 'order')} was at its ceiling.")
    return " ".join(sentences)


def _of(number: int, entry: Mapping[str, Any]) -> str:
    return f"{count(number)} of {plural(entry['decisions'], 'decision')}"


def _titled(text: Any) -> str:
    return str(text)[:1].upper() + str(text)[1:]
