"""The report page and its band of key figures, from a run record alone.

What a record says is data, whoever wrote it: every text is escaped, the page has no script and its
security policy forbids any request. An identical run gives identical bytes, so the wall clock and
the part of the run's name that holds it are left out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, TemplateError
from markupsafe import Markup

from toolkit.errors import DataError
from toolkit.record import RunRecord
from toolkit.report import formats, tables
from toolkit.report.charts import equity_chart, sleeve_chart
from toolkit.report.sizing import sizing
from toolkit.report.verdict import checks, failures, sentence

_LONGEST_CONFIG = 60_000


def render(record: RunRecord) -> str:
    """Report of a run: one HTML page that needs nothing else and runs nothing.

    Raises
    ------
    DataError
        The record lacks a key or column that the page is about, or holds another type there.
    """
    style = _text("figures.css") + _text("page.css")
    try:
        return _render(
            "page.html.j2",
            {
                **_summary(record),
                **_charts(record),
                **_details(record),
                "style": Markup(style),
                "style_hash": base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
            },
        )
    except (LookupError, TypeError, ValueError, TemplateError) as error:
        raise _unreadable(record, error) from error


def key_figures(record: RunRecord) -> str:
    """Power card, key figures and checks of a run: an HTML fragment in a notebook's colours.

    Raises
    ------
    DataError
        As for `render`.
    """
    try:
        return _render(
            "figures.html.j2", {**_summary(record), "style": Markup(_text("figures.css"))}
        )
    except (LookupError, TypeError, ValueError, TemplateError) as error:
        raise _unreadable(record, error) from error


def _summary(record: RunRecord) -> dict[str, Any]:
    """What both the page and the fragment tell."""
    manifest, outcome = record.manifest, checks(record)
    return {
        "run": {
            **dict.fromkeys(_OPTIONAL),
            **manifest,
            "title": str(manifest.get("title") or manifest["strategy"]),
        },
        "basis": record.metrics["basis"],
        "benchmark": (record.metrics.get("benchmark") or {}).get("name"),
        "checks": outcome,
        "failures": failures(record, outcome),
        "sentence": sentence(outcome),
        "tiles": tables.tiles(record.metrics),
    }


def _charts(record: RunRecord) -> dict[str, Any]:
    benchmark = (record.metrics.get("benchmark") or {}).get("name")
    by_sleeve = tables.sleeve_weights(record.weights, _mapping(record, "sleeves"))
    return {
        "equity": equity_chart(
            record.returns,
            record.weights.index[0],
            float(record.manifest["initial_cash"]),
            benchmark,
        ),
        "sleeves": sleeve_chart(by_sleeve),
        "sleeve_names": [formats.words(name) for name in by_sleeve.columns],
        "return_years": tables.return_years(record.returns),
        "sleeve_years": tables.sleeve_years(by_sleeve),
        "assets": tables.asset_rows(
            record.weights, _mapping(record, "sleeves"), record.manifest.get("holes")
        ),
    }


def _details(record: RunRecord) -> dict[str, Any]:
    manifest = record.manifest
    audit = manifest.get("audit") or {}
    notices = manifest.get("notices") or ()
    actions = tables.listing(manifest.get("corporate_actions"))
    fields = tables.listing(_mapping(record, "data").get("fields"))
    return {
        "series": tables.compared(record.metrics),
        "metric_lines": tables.metric_rows(record.metrics),
        "limits": tables.limit_rows(record.limits),
        "sizing": sizing(manifest.get("sizing"), str(manifest["currency"])),
        "switches": tables.listing(tables.overlay_rows(record.overlays)),
        "fees": float(record.returns["fees"].sum()),
        "slippage": float(record.returns["slippage"].sum()),
        "endings": tables.listing(manifest.get("endings")),
        "without": tables.left_out(notices),
        "notice_kinds": tables.kinds(notices),
        "notices": tables.listing(notices),
        "findings": tables.listing(audit.get("findings")),
        "actions": actions,
        "action_lines": tables.lines(actions.rows, ("asset", "day", "action", "terms")),
        "fields": fields,
        "field_lines": tables.lines(
            fields.rows, ("name", "unit", "source", "first", "last", "rows")
        ),
        "run_hash": _run_hash(record.name),
        "config": record.config[:_LONGEST_CONFIG],
        "config_left_out": max(0, len(record.config) - _LONGEST_CONFIG),
    }


_OPTIONAL = (
    "power",
    "schedule",
    "fill_delay",
    "costs",
    "optimizer",
    "risk_model",
    "overlays",
    "order_sha256",
    "orders",
    "hashes",
    "versions",
    "command",
    "data",
    "audit",
    "reconciliation",
)
"""Keys of the manifest that the page calls 'not recorded' where they are missing."""


def _mapping(record: RunRecord, key: str) -> Mapping[str, Any]:
    return record.manifest.get(key) or {}


def _run_hash(name: str) -> str:
    """Hash of the inputs: the second part of the run's name, whose first is the wall clock."""
    parts = name.split("-")
    return parts[1] if len(parts) > 1 else name


def _unreadable(record: RunRecord, error: Exception) -> DataError:
    return DataError(
        f"Run {record.manifest.get('run_id', 'without run_id')} has no report: its record holds "
        f"something else than a run does ({type(error).__name__}: {error}). Run it again."
    )


def _text(name: str) -> str:
    return files("toolkit.report").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_text),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count=formats.count,
        day=formats.day,
        ending=tables.ending_text,
        percent=formats.percent,
        plain=formats.plain,
        plural=formats.plural,
        ratio=formats.ratio,
        recorded=formats.recorded,
        small=formats.small,
        words=formats.words,
    )
    return environment


def _render(template: str, context: Mapping[str, Any]) -> str:
    return _environment().get_template(template).render(context)
