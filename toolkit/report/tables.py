"""Rows of the page's tables, built from a run record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from toolkit.metrics import drawdown
from toolkit.report.formats import count, day, measured, percent, ratio, words

LIMIT_TOLERANCE = 1e-6
"""A limit is broken, or relaxed, by more than this; the solver's own residuals are below it."""

EXCESSES = {
    "at_decision": "excess",
    "after_fill": "excess_after_fill",
    "drift": "excess_drift",
}
"""Moment to the column that says how far the value is beyond the cap."""

SLEEVE_ORDER = (
    "bitcoin",
    "legacy_miners",
    "pivoting_miners",
    "ai_infrastructure",
    "ai_tokens",
)
NO_SLEEVE = "without sleeve"
_LARGEST_LISTING = 100


NamedRow = tuple[str, tuple[str, ...]]
"""A row's name and its cells; an empty cell is one that does not apply."""


@dataclass(frozen=True)
class Measure:
    """A figure of the metrics: its key, its name on the page, and its text."""

    key: str
    name: str
    text: Callable[[float | None], str]
    basis: str = ""


MEASURES = (
    Measure("cagr", "CAGR", percent, "per year"),
    Measure("total_return", "Total return", percent, "whole period"),
    Measure("volatility", "Volatility", percent, "per year"),
    Measure("sharpe", "Sharpe ratio", ratio, "per year"),
    Measure("sortino", "Sortino ratio", ratio, "per year"),
    Measure("calmar", "Calmar ratio", ratio, "per year"),
    Measure("max_drawdown", "Maximum drawdown", percent, "whole period"),
    Measure("expected_shortfall_95", "Expected shortfall 95%", percent, "per session"),
    Measure("turnover", "Turnover", percent, "one-way, per year"),
    Measure("total_costs", "Total costs", percent, "of initial cash"),
)
KEY_MEASURES = (
    "cagr",
    "volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "expected_shortfall_95",
    "turnover",
    "total_costs",
)


_SHORT_NAMES = {"beta_matched": "beta-matched", "without_overlays": "without overlays"}
"""What a tile calls a series, where its key is no reader's word."""


@dataclass(frozen=True)
class Tile:
    """A key figure, net of costs, with the same figure of the comparisons below it."""

    name: str
    value: str
    basis: str
    others: tuple[tuple[str, str], ...]


def compared(metrics: Mapping[str, Any]) -> tuple[tuple[str, str, Mapping[str, Any]], ...]:
    """The series that figures exist for: key, name, figures."""
    named = (
        ("net", "Strategy, net"),
        ("gross", "Strategy, gross"),
        ("benchmark", str((metrics.get("benchmark") or {}).get("name", "Benchmark"))),
        ("beta_matched", str((metrics.get("beta_matched") or {}).get("name", "Beta-matched"))),
        ("without_overlays", "Without overlays, net"),
        ("cash", "Cash"),
    )
    return tuple((key, name, metrics[key]) for key, name in named if metrics.get(key))


def tiles(metrics: Mapping[str, Any]) -> tuple[Tile, ...]:
    """The key figures."""
    measures = {measure.key: measure for measure in MEASURES}
    others = [(key, figures) for key, _, figures in compared(metrics)[1:] if key != "cash"]
    return tuple(
        Tile(
            measure.name,
            measure.text(metrics["net"].get(measure.key)),
            measure.basis,
            tuple(
                (_SHORT_NAMES.get(key, key), measure.text(figures[measure.key]))
                for key, figures in others
                if measure.key in figures
            ),
        )
        for measure in (measures[key] for key in KEY_MEASURES)
    )


def metric_rows(metrics: Mapping[str, Any]) -> tuple[NamedRow, ...]:
    """All figures by series; an empty text where a figure does not apply to a series."""
    series = compared(metrics)
    return tuple(
        (
            f"{measure.name}, {measure.basis}",
            tuple(
                measure.text(figures[measure.key]) if measure.key in figures else ""
                for _, _, figures in series
            ),
        )
        for measure in MEASURES
    )


@dataclass(frozen=True)
class LimitValue:
    """The worst value of a limit at one of the three moments."""

    text: str
    beyond: bool


@dataclass(frozen=True)
class LimitRow:
    """One limit over all decisions; `unchecked` counts those at which it was not checked for all."""

    name: str
    cap: str
    at_decision: LimitValue
    after_fill: LimitValue
    drift: LimitValue
    binding: str
    relaxed: str
    unchecked: str


def limit_rows(limits: pd.DataFrame) -> tuple[LimitRow, ...]:
    """One row a limit, in the order in which they appear."""
    rows = []
    for name, group in limits.groupby("limit", sort=False):
        measure = str(group["measure"].iloc[0])
        caps = [measured(float(cap), measure) for cap in (group["cap"].min(), group["cap"].max())]
        slack = group["slack"]
        times = int((slack > LIMIT_TOLERANCE).sum())
        most = measured(float(slack.max()), measure, 2)
        worst = {
            moment: _worst(group[moment], group[excess], measure)
            for moment, excess in EXCESSES.items()
        }
        unchecked = int((group["unchecked"] != "").sum())
        rows.append(
            LimitRow(
                name=str(name),
                cap=" to ".join(dict.fromkeys(caps)),
                **worst,
                binding=f"{int(group['binding'].sum()):,} of {len(group):,}",
                relaxed=f"{times:,}, at most by {most}" if times else "0",
                unchecked=f"{unchecked:,} of {len(group):,}" if unchecked else "",
            )
        )
    return tuple(rows)


def _worst(values: pd.Series, excess: pd.Series, measure: str) -> LimitValue:
    if excess.isna().all():
        return LimitValue("not measured", beyond=False)
    worst = int(np.nanargmax(excess.to_numpy()))
    return LimitValue(
        measured(float(values.iloc[worst]), measure),
        beyond=float(excess.iloc[worst]) > LIMIT_TOLERANCE,
    )


def overlay_rows(overlays: pd.DataFrame) -> tuple[NamedRow, ...]:
    """One row a change of state of an overlay, oldest first."""
    return tuple(
        (
            day(row["session"]),
            (
                str(row["overlay"]),
                str(row["before"]),
                str(row["after"]),
                percent(float(row["kept"])),
                str(row["reason"]),
            ),
        )
        for row in overlays.to_dict("records")
    )


def sleeve_weights(weights: pd.DataFrame, sleeves: Mapping[str, Any]) -> pd.DataFrame:
    """Share of equity by sleeve, an asset counting for the sleeve it is in on each session.

    Sleeves that are never held are left out; cash is the last column.
    """
    sessions = weights.index
    values = weights.to_numpy(dtype=float, na_value=0.0)
    totals: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    for column, asset in enumerate(weights.columns):
        memberships = sleeves.get(asset) or [["", NO_SLEEVE]]
        starts = [0, *(sessions.searchsorted(pd.Timestamp(since)) for since, _ in memberships[1:])]
        ends = [*starts[1:], len(sessions)]
        for (_, sleeve), first, last in zip(memberships, starts, ends, strict=True):
            total = totals.setdefault(str(sleeve), np.zeros(len(sessions)))
            total[first:last] += values[first:last, column]
    held = [name for name, total in totals.items() if np.any(np.abs(total) > LIMIT_TOLERANCE)]
    known = [name for name in SLEEVE_ORDER if name in held]
    other = sorted(set(held) - set(known) - {"cash"})
    last_one = ["cash"] if "cash" in held else []
    return pd.DataFrame({name: totals[name] for name in [*known, *other, *last_one]}, sessions)


def return_years(returns: pd.DataFrame) -> tuple[NamedRow, ...]:
    """By calendar year: compounded net, gross, benchmark and cash, and the worst net drawdown."""
    series = returns.reindex(columns=["net", "gross", "benchmark", "cash"])
    years = pd.DatetimeIndex(returns.index).year
    wealth = (1.0 + series).groupby(years).prod(min_count=1) - 1.0
    whole = series.notna().groupby(years).all()
    deepest = drawdown(returns["net"]).groupby(years).min()
    return tuple(
        (
            _year(returns.index, years, year),
            (
                *(percent(v) if ok else "" for v, ok in zip(row, whole.loc[year], strict=True)),
                percent(deepest[year]),
            ),
        )
        for year, row in zip(wealth.index, wealth.to_numpy(), strict=True)
    )


def sleeve_years(by_sleeve: pd.DataFrame) -> tuple[NamedRow, ...]:
    """Average sleeve weights by calendar year."""
    years = pd.DatetimeIndex(by_sleeve.index).year
    average = by_sleeve.groupby(years).mean()
    return tuple(
        (_year(by_sleeve.index, years, year), tuple(percent(value) for value in row))
        for year, row in zip(average.index, average.to_numpy(), strict=True)
    )


def _year(sessions: pd.Index, years: pd.Index, year: int) -> str:
    """Year, with its first or last day where the run covers only a part of it."""
    inside = sessions[years == year]
    if year == years[0] and inside[0].dayofyear > 7:
        return f"{year}, from {inside[0]:%d %b}"
    if year == years[-1] and inside[-1].dayofyear < 358:
        return f"{year}, to {inside[-1]:%d %b}"
    return str(year)


def asset_rows(
    weights: pd.DataFrame, sleeves: Mapping[str, Any], holes: Mapping[str, int] | None
) -> tuple[NamedRow, ...]:
    """By asset: sleeves, sessions held, first and last of them, average, largest, missing."""
    rows = []
    for asset in weights.columns:
        own = weights[asset].astype(float).fillna(0.0)
        held = own[own.abs() > LIMIT_TOLERANCE]
        names = dict.fromkeys(words(sleeve) for _, sleeve in sleeves.get(asset) or [])
        rows.append(
            (
                str(asset),
                (
                    ", then ".join(names) or words(NO_SLEEVE),
                    count(len(held)),
                    day(held.index[0]) if len(held) else "never",
                    day(held.index[-1]) if len(held) else "never",
                    percent(float(own.mean())),
                    percent(float(own.max())),
                    "" if holes is None else count(holes.get(asset, 0)),
                ),
            )
        )
    return tuple(rows)


ENDINGS = {
    "coverage_ended": "Coverage ended: the data stop here, so the holding was sold at the last "
    "price. This is neither a delisting nor a loss.",
    "delisting": "Delisted; holders received the value shown.",
    "bankruptcy": "Bankruptcy; holders received the value shown.",
    "merger": "Merged; holders received the value shown.",
    "exchange": "Exchanged for another security of the value shown.",
}


def ending_text(kind: Any) -> str:
    """What an ending means for a holder."""
    return ENDINGS.get(str(kind), words(kind))


def left_out(notices: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Assets that a run left out of its universe on purpose."""
    return tuple(notice["asset"] for notice in notices if notice.get("kind") == "left_out")


def kinds(notices: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, int], ...]:
    """Notices by kind, the most frequent first."""
    found = Counter(words(notice.get("kind", "notice")) for notice in notices)
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class Listing:
    """The first rows of a long list, and how many are left out."""

    rows: tuple[Any, ...]
    left_out: int


def listing(rows: Sequence[Any] | None) -> Listing:
    """As many rows as a page can show."""
    given = tuple(rows or ())
    return Listing(given[:_LARGEST_LISTING], max(0, len(given) - _LARGEST_LISTING))


def lines(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> tuple[NamedRow, ...]:
    """Rows of mappings as text, the first key naming the row."""
    texts = (
        tuple(
            count(value) if isinstance(value, int) else "" if value is None else str(value)
            for value in (row.get(key) for key in keys)
        )
        for row in rows
    )
    return tuple((text[0], text[1:]) for text in texts)
