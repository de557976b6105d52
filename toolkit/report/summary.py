"""The few lines a terminal shows after a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from toolkit.record import RunRecord
from toolkit.report.sizing import resorted
from toolkit.report.tables import left_out


def summary_lines(record: RunRecord, folder: Path, page: str | None) -> list[str]:
    """Headline of a run in a dozen lines: what, evidence, basis, numbers, benchmarks, checks, where."""
    manifest, net, basis = record.manifest, record.metrics["net"], record.metrics["basis"]
    benchmark = record.metrics["benchmark"]
    reconciliation, audit = manifest["reconciliation"], manifest["audit"]
    mark = "SIMULATED MARKET, no evidence   " if manifest["simulated"] else ""
    notices = len(manifest["notices"])
    without = left_out(manifest["notices"])
    sizing = resorted(manifest.get("sizing"))
    relaxed = record.limits.loc[record.limits["slack"] > 1e-6, "session"].nunique()
    return [
        f"{mark}{manifest['title']}   {manifest['start']} to {manifest['end']}   "
        f"{manifest['sessions']} sessions",
        *([f"left out of the universe: {', '.join(without)}"] if without else []),
        *_power(manifest.get("power")),
        f"net of costs, {basis['periods_per_year']:g} sessions a year, ratios in excess of cash",
        f"  CAGR {_percent(net['cagr'])}   volatility {_percent(net['volatility'])}   "
        f"Sharpe {_number(net['sharpe'])}   Sortino {_number(net['sortino'])}",
        f"  max drawdown {_percent(net['max_drawdown'])}   "
        f"expected shortfall 95 % {_percent(net['expected_shortfall_95'])} a session",
        f"  turnover {_percent(net['turnover'])} a year   "
        f"costs {_percent(net['total_costs'])} of initial cash",
        "  no benchmark"
        if benchmark is None
        else f"  {benchmark['name']}: CAGR {_percent(benchmark['cagr'])}   "
        f"Sharpe {_number(benchmark['sharpe'])}   "
        f"max drawdown {_percent(benchmark['max_drawdown'])}",
        *_beta_matched(record.metrics.get("beta_matched")),
        "  two accounts: "
        + (
            "NOT CHECKED"
            if reconciliation is None
            else "CANNOT BE COMPARED"
            if reconciliation["max_relative_gap"] is None
            else f"gap {reconciliation['max_relative_gap']:.1e} of equity"
        )
        + "   look-ahead: "
        + (
            "NOT CHECKED"
            if audit is None
            else f"{audit['differences']} differences at {audit['cuts']} cuts"
        )
        + f"   decisions with relaxed limits: {relaxed}   data notices: {notices}",
        *([f"  sizing: {'; '.join(sizing)}"] if sizing else []),
        f"  {page if page is not None else folder}",
    ]


def _beta_matched(figures: dict[str, Any] | None) -> list[str]:
    if figures is None:
        return []
    return [
        f"  {figures['name']}: CAGR {_percent(figures['cagr'])}   "
        f"Sharpe {_number(figures['sharpe'])}   "
        f"max drawdown {_percent(figures['max_drawdown'])}"
    ]


def _power(card: dict[str, Any] | None) -> list[str]:
    if card is None:
        return []
    events, tried = card.get("events_used"), card["variants_tried"]
    return [
        f"{card['independent_bets']} independent bets, announcements used: "
        f"{'not recorded' if events is None else events}, variants tried: "
        f"{'not stated' if tried is None else tried}; an information ratio below "
        f"{card['smallest_information_ratio']:.2f} could not be told from luck"
    ]


def _percent(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.2f}"
