"""The page shows what the record says, and nothing that the record says can act on the page."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError
from toolkit.record import RunRecord
from toolkit.report import key_figures, render

Make = Callable[..., RunRecord]

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "</style></title></svg><b onload=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "' onfocus='alert(1)",
)
TEXTS = (
    *("run_id", "title", "strategy", "start", "end", "clock", "currency", "schedule"),
    *("optimizer", "risk_model", "order_sha256", "command"),
)
UNDEFINED_NUMBER = re.compile(r"\b(nan|NaN|None|inf)\b")
VOID = {"meta", "link", "br", "img", "input", "hr"}


class Parsed(HTMLParser):
    """Elements of a page with their attributes, text apart, tags checked to be balanced."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def hostile_record(make: Make, text: str) -> RunRecord:
    """A record with a hostile text in every place that holds text."""
    record = make(sessions=60)
    event = dict.fromkeys(
        ("kind", "asset", "session", "text", "note", "what", "cut", "culprit"), text
    )
    columns = [text, *record.weights.columns[1:]]
    manifest: dict[str, Any] = {
        **record.manifest,
        **dict.fromkeys(TEXTS, text),
        "failures": [text],
        "status": text,
        "hashes": {text: text},
        "versions": {text: text},
        "costs": {"fee_bps": 5.0, text: text},
        "data": {
            "source": text,
            "panel_digest": text,
            "fields": [
                dict.fromkeys(("name", "unit", "source", "first", "last"), text) | {"rows": 3}
            ],
        },
        "sleeves": {text: [[text, text]]},
        "notices": [event],
        "endings": [event | {"value_per_unit": 1.0, "units": 1.0, "proceeds": 1.0}],
        "corporate_actions": [dict.fromkeys(("asset", "day", "action", "terms"), text)],
        "sizing": {
            **record.manifest["sizing"],
            "statuses": {text: 3},
            "fallbacks": [{"step": text, "sessions": [text]}],
            "unchecked": [{"limit": text, "decisions": 1, "assets": [text]}],
            "repairs": {"decisions": 1, "largest": 0.1, "session": text},
            "estimates": [{"asset": text, "decisions": 1, "reason": text}],
            "unknown": [
                dict.fromkeys(("asset", "wanted_by", "first", "last"), text) | {"decisions": 1}
            ],
        },
        "audit": {
            "cuts": 1,
            "differences": 1,
            "cannot_see": [text],
            "findings": [event | {"full": 0.5, "without_future": None}],
        },
        "reconciliation": {
            "max_relative_gap": 0.0,
            "tolerance": 1e-9,
            "orders": 1,
            "records": 1,
            "engine": text,
            "worst_session": text,
        },
    }
    metrics = {
        **record.metrics,
        "benchmark": {**record.metrics["benchmark"], "name": text},
        "basis": {**record.metrics["basis"], "net_of": text, "excess_of": text},
    }
    return replace(
        record,
        manifest=manifest,
        metrics=metrics,
        config=text,
        weights=record.weights.set_axis(columns, axis=1),
        limits=record.limits.assign(limit=text, measure=text, unchecked=text),
    )


def all_nodes(record: RunRecord) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(sorted(attributes))) for tag, attributes in Parsed(render(record)).elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_never_acts(make_record: Make, text: str) -> None:
    record = hostile_record(make_record, text)
    for html in (render(record), key_figures(record)):
        page = Parsed(html)
        assert not page.open
        assert text in " ".join(page.words)
        forbidden = {"script", "img", "iframe", "object", "embed", "form", "base"}
        assert not forbidden & {tag for tag, _ in page.elements}
        for _, attributes in page.elements:
            assert not any(name.startswith("on") for name in attributes)
            assert not any("javascript:" in (attributes.get(k) or "") for k in ("href", "src"))


def test_hostile_text_adds_no_element_and_no_attribute(make_record: Make) -> None:
    harmless = all_nodes(hostile_record(make_record, "harmless"))
    assert all(all_nodes(hostile_record(make_record, text)) == harmless for text in HOSTILE)


def test_page_asks_for_nothing(make_record: Make) -> None:
    html = render(make_record())
    page = Parsed(html)
    targets = [
        attributes[name]
        for _, attributes in page.elements
        for name in ("href", "src", "xlink:href", "action", "data", "poster", "srcset")
        if name in attributes
    ]
    assert targets
    assert all(target and (target.startswith("#") or target == "data:,") for target in targets)
    assert not re.search(r"https?:|url\(|@import|<script", html)


def test_policy_allows_only_the_page_s_own_style(make_record: Make) -> None:
    html = render(make_record())
    (policy,) = (m["content"] for m in Parsed(html).all("meta") if "http-equiv" in m)
    (style,) = re.findall(r"<style>(.*?)</style>", html, flags=re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert " style=" not in html


def test_links_inside_the_page_lead_somewhere_and_ids_are_unique(make_record: Make) -> None:
    page = Parsed(render(make_record()))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        for name in ("aria-labelledby", "href"):
            for target in (attributes.get(name) or "").replace("data:,", "").split():
                assert target.lstrip("#") in ids


def test_every_header_cell_has_a_scope_and_every_chart_a_name(make_record: Make) -> None:
    page = Parsed(render(make_record()))
    assert all(cell.get("scope") in ("col", "row") for cell in page.all("th"))
    assert len(page.all("caption")) == len(page.all("table"))
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(charts) == 2
    assert all(svg.get("aria-labelledby") for svg in charts)


def test_identical_runs_give_identical_bytes(make_record: Make) -> None:
    first = make_record()
    again = make_record(
        run_id="20260707T070707Z-0a1b2c3d-2", created_at="2026-07-07T07:07:07Z", other="unknown"
    )
    assert render(first) == render(again)
    assert key_figures(first) == key_figures(again)
    assert "0a1b2c3d" in render(first)


def test_page_from_a_saved_run_is_the_same(make_record: Make, tmp_path: Any) -> None:
    record = make_record()
    page = render(record)
    assert render(RunRecord.load(record.save(tmp_path, page))) == page


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_is_marked_everywhere_or_nowhere(make_record: Make, simulated: bool) -> None:
    record = make_record(simulated=simulated)
    html = render(record)
    (title,) = re.findall(r"<title>(.*?)</title>", html)
    charts = re.findall(r'<svg class="chart".*?</svg>\s*</figure>', html, flags=re.S)
    assert title.startswith("SIMULATED") is simulated
    assert [("SIMULATED" in chart) for chart in charts] == [simulated, simulated]
    assert ('class="simulated"' in html) is simulated
    assert ("SIMULATED" in key_figures(record)) is simulated


def test_failed_run_says_so_first_with_every_reason(make_record: Make) -> None:
    record = make_record(status="failed", failures=["Look-ahead: GPU saw the future."])
    html = render(record)
    assert "<title>FAILED: " in html
    assert html.index("FAILED: do not rely") < html.index("Can it be trusted?")
    assert "Look-ahead: GPU saw the future." in Parsed(html).text
    assert "Look-ahead: GPU saw the future." in Parsed(key_figures(record)).text


def test_sound_run_is_not_called_failed(make_record: Make) -> None:
    assert "FAIL" not in re.sub(r"<style>.*?</style>", "", render(make_record()), flags=re.S)


def test_missing_checks_are_not_checked(make_record: Make) -> None:
    record = make_record(audit=None, reconciliation=None)
    text = Parsed(render(record)).text
    assert "NOT CHECKED Reconciliation: the run was not replayed" in text
    assert "NOT CHECKED Look-ahead: the future was never removed" in text
    assert "Of 5 checks: 2 not checked, 3 passed." in text
    assert Parsed(key_figures(record)).text.count("NOT CHECKED") == 2


def test_run_without_limits_says_not_checked(make_record: Make) -> None:
    record = make_record()
    text = Parsed(render(replace(record, limits=record.limits.iloc[:0]))).text
    assert "NOT CHECKED No limit was set for this run." in text


def test_what_sizing_resorted_to_is_on_the_page(make_record: Make) -> None:
    text = Parsed(render(make_record())).text
    for told in (
        "28 decisions: 25 optimal, 2 relaxed, 1 kept",
        "65.4% of all intended trades, by their size",
        "Second solver 3 2018-03-01 2019-01-02",
        "Current weights 1 2018-07-02 2018-07-02",
        "MaxTradingDays NOT CHECKED at 7 of 28 decisions: traded without a known volume were "
        "OLDM, TOKX",
        "at 4 of 28 decisions, the most on 2018-05-01: a correlation eigenvalue of \u22120.12 was",
        "GPU 5 183 returns, a fit needs 252",
        "RACK View 3 2017-02-01 2017-04-03",
        "Costs, USD 1,234 1,500",
        "Costs in basis points of what was traded 10.00 12.50",
        "fees 700 USD, half-spread and slippage 500 USD, impact 300 USD.",
        "No impact was charged for 25.0% of what was traded: its volume is unknown.",
        "The impact of 2 orders was at its ceiling.",
    ):
        assert told in text
    assert "Fallbacks none" not in text


def test_a_run_without_fallbacks_says_none_and_one_without_record_says_so(
    make_record: Make,
) -> None:
    sizing = make_record().manifest["sizing"]
    quiet = {
        **sizing,
        **{key: [] for key in ("fallbacks", "unchecked", "estimates", "unknown")},
        "repairs": {"decisions": 0, "largest": 0.0, "session": None},
        "executed_share": None,
        "costs": {**sizing["costs"], "without_impact_share": None, "impact_usd": 0.0},
    }
    text = Parsed(render(make_record(sizing=quiet))).text
    assert "Fallbacks none" in text
    assert "nothing was intended" in text
    assert "impact 0 USD" not in text
    assert not UNDEFINED_NUMBER.search(text)
    silent = {k: v for k, v in make_record().manifest.items() if k != "sizing"}
    text = Parsed(render(replace(make_record(), manifest=silent))).text
    assert "Sizing and costs Not recorded." in text


def test_undefined_figures_are_called_undefined(make_record: Make) -> None:
    record = make_record()
    none = dict.fromkeys(record.metrics["net"])
    record = replace(record, metrics={**record.metrics, "net": none})
    text = Parsed(render(record)).text
    assert text.count("undefined") >= 8 + len(none)
    assert not UNDEFINED_NUMBER.search(text)
    assert Parsed(key_figures(record)).text.count("undefined") == 8


def test_figures_come_with_their_basis(make_record: Make) -> None:
    for html in (render(make_record()), key_figures(make_record())):
        text = Parsed(html).text
        assert "net of fees, half-spread, slippage" in text
        assert "annualised with 252 periods a year, ratios in excess of cash" in text
        assert "600 sessions of the XNYS clock; start with 1,000,000 USD" in text


def test_limits_have_three_separate_columns(make_record: Make) -> None:
    html = render(make_record())
    heads = re.findall(r'<th scope="col"[^>]*>(Worst[^<]*)</th>', html)
    assert heads == ["Worst at decision", "Worst after fill", "Worst passive drift"]


def test_end_of_coverage_is_neither_delisting_nor_loss(make_record: Make) -> None:
    ending = {"asset": "OLDM", "session": "2018-03-08", "value_per_unit": 3.21}
    ending |= {"units": 15432.1, "proceeds": 49537.1, "kind": "coverage_ended"}
    text = Parsed(render(make_record(endings=[ending]))).text
    assert "sold at the last price. This is neither a delisting nor a loss." in text
    assert "15,432.1 49,537" in text


def test_long_lists_are_cut_and_say_so(make_record: Make) -> None:
    notice = {"kind": "source_switch", "asset": "TOKX", "session": "2018-01-02", "text": "switch"}
    text = Parsed(render(make_record(notices=[notice] * 5000))).text
    assert "4,900 more are in run.json." in text
    assert "Source switch: 5,000." in text


def test_page_of_a_long_run_is_small(make_record: Make) -> None:
    record = make_record(sessions=2_200)
    wide = record.weights.div(2.0)
    record = replace(record, weights=pd.concat([wide, wide.add_suffix("2")], axis=1))
    assert len(render(record).encode()) < 400_000
    assert len(key_figures(record).encode()) < 100_000


@pytest.mark.parametrize("sessions", [1, 2, 25])
def test_short_runs_have_a_page(make_record: Make, sessions: int) -> None:
    page = Parsed(render(make_record(sessions=sessions)))
    assert not page.open
    assert not UNDEFINED_NUMBER.search(page.text)


def test_ruined_run_has_a_page(make_record: Make) -> None:
    record = make_record(sessions=60)
    returns = record.returns.copy()
    returns.loc[returns.index[30], ["net", "gross"]] = -1.0
    returns.loc[returns.index[31] :, ["net", "gross"]] = 0.0
    returns["equity"] = 1e6 * (1.0 + returns["net"]).cumprod()
    text = Parsed(render(replace(record, returns=returns))).text
    assert "\u2212100.0% on" in text
    assert not UNDEFINED_NUMBER.search(text)


def test_benchmark_may_be_absent(make_record: Make) -> None:
    record = make_record()
    record = replace(
        record,
        metrics={**record.metrics, "benchmark": None},
        returns=record.returns.assign(benchmark=np.nan),
    )
    html = render(record)
    assert "No benchmark was set." in Parsed(html).text
    assert 'class="benchmark"' not in html


def test_record_that_is_no_run_is_refused_with_its_name(make_record: Make) -> None:
    record = make_record()
    broken = replace(record, returns=record.returns.drop(columns="equity"))
    with pytest.raises(DataError, match=r"20250131T120000Z-0a1b2c3d has no report.*equity"):
        render(broken)
    with pytest.raises(DataError, match="simulated"):
        key_figures(
            replace(record, manifest={k: v for k, v in record.manifest.items() if k != "simulated"})
        )


CARD = {
    "sessions": 59,
    "decisions": 9,
    "independent_bets": 4,
    "events_used": 3,
    "smallest_information_ratio": 5.79,
    "variants_tried": None,
}


def test_the_power_card_stands_before_the_first_figure(make_record: Make) -> None:
    record = make_record(sessions=60)
    told = replace(record, manifest={**record.manifest, "power": CARD})
    text = Parsed(render(told)).text
    assert "59 sessions, 9 decisions, 4 independent bets; announcements used: 3;" in text
    assert "variants tried: not recorded" in text
    assert text.index("How much can this record tell?") < text.index("Key figures")
    assert "information ratio below 5.79" in text
    # Of a run that was written before the number was recorded.
    older = {key: value for key, value in CARD.items() if key != "events_used"}
    told = replace(record, manifest={**record.manifest, "power": older})
    assert "announcements used: not recorded" in Parsed(render(told)).text
    silent = {key: value for key, value in record.manifest.items() if key != "power"}
    assert "can tell: not recorded." in Parsed(render(replace(record, manifest=silent))).text


def test_a_notebook_shows_the_power_card_before_the_first_figure(make_record: Make) -> None:
    record = make_record(sessions=60)
    card = {**CARD, "events_used": None, "variants_tried": 2}
    told = replace(record, manifest={**record.manifest, "power": card})
    text = Parsed(key_figures(told)).text
    assert "4 independent bets; announcements used: not recorded; variants tried: 2." in text
    assert text.index("information ratio below 5.79") < text.index("CAGR")
    silent = {key: value for key, value in record.manifest.items() if key != "power"}
    text = Parsed(key_figures(replace(record, manifest=silent))).text
    assert text.index("can tell: not recorded.") < text.index("CAGR")


def test_what_was_left_out_on_purpose_stands_before_the_first_figure(make_record: Make) -> None:
    told = [
        {
            "kind": "left_out",
            "asset": name,
            "session": "",
            "text": f"{name} was left out.",
            "count": 0,
        }
        for name in ("PIVA", "PIVB")
    ]
    text = Parsed(render(make_record(sessions=60, notices=told))).text
    assert "Left out of the universe on purpose: PIVA, PIVB" in text
    assert text.index("Left out of the universe") < text.index("Key figures")
    assert "Left out of the universe" not in Parsed(render(make_record(sessions=60))).text
