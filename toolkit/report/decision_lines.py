"""A decision, proposed or past, and the forward ledger, as lines of text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

from toolkit.report.formats import count, percent, plain, ratio

_WIDTH = 96
_SMALL = 5e-5
"""Weights that would be shown as 0.0 %."""

_SHOWN_USD = 10.0
"""Trades below it are not shown where nothing is held: what a rest pays for the costs of others."""

Content = Mapping[str, Any]


def proposal_lines(content: Content) -> list[str]:
    """Today's decision as `hashpivot allocate` shows it."""
    scheduled = "a scheduled decision"
    if not content["scheduled"]:
        scheduled = f"last scheduled decision: {content['last_scheduled_decision']}"
    held = "given holdings" if content["holdings"] == "given" else "the backtest's own holdings"
    costs = content["costs"]
    return [
        *_marked(content),
        f"{content['title']} after the session of {content['asof']} ({scheduled})",
        f"equity {count(content['equity'])} USD, {held}",
        "",
        *_trades(content),
        "",
        f"costs {count(costs['total'])} USD ({percent(costs['fraction'], 3)} of equity): fees "
        f"{count(costs['fees'])}, half-spread and slippage {count(costs['slippage'])}, impact "
        f"{count(costs['impact'])}",
        f"turnover {percent(content['turnover'])}",
        *_risk(content["risk"]),
        *_limits(content["explanation"]),
        *_overlays(content["overlays"]),
        *_signals(content["explanation"]),
        *_without(content["explanation"]),
        *_warned(content),
        *_recorded(content["recorded"]),
    ]


def explanation_lines(content: Content) -> list[str]:
    """A decision of a run as `hashpivot explain` shows it."""
    told = content["explanation"]
    asked = "" if content["asked"] == told["session"] else f" (asked for {content['asked']})"
    fill = content["fill"]
    lines = [
        *_marked(content),
        f"{content['title']}, run {content['run']}",
        f"Decision after the session of {told['session']}{asked}, "
        + ("not filled within the run" if fill is None else f"filled on {fill}"),
        "",
        f"{'asset':<12}{'held':>9}{'target':>9}{'sized':>9}{'ordered':>9}{'change':>9}"
        f"{'units':>16}{'price':>13}",
    ]
    orders = {order["asset"]: order for order in content["orders"]}
    held = told["current"] or {}
    for name in _named(held, told["target"], told["sized"], told["weights"]):
        cells = [part.get(name, 0.0) for part in (held, told["target"], told["sized"])]
        cells += [told["weights"].get(name, 0.0), told["change"].get(name, 0.0)]
        order = orders.get(name)
        bought = "" if order is None else f"{_units(order['units']):>16}{plain(order['price']):>13}"
        lines.append(f"{name:<12}" + "".join(f"{percent(cell):>9}" for cell in cells) + bought)
    if told["current"] is None:
        lines.append("Nothing was held before.")
    return [
        *lines,
        *_limits(told),
        *_signals(told),
        *_without(told),
        *_warned(content),
    ]


def ledger_lines(content: Content) -> list[str]:
    """The forward ledger as `hashpivot ledger` shows it."""
    lines = [
        f"{content['file']}: {content['entries']} entries, the chain holds",
        f"head {content['head']}",
        "",
        f"{'line':>4}  {'strategy':<22}{'as of':<12}{'held':<24}{'net':>9}{'cash':>9}{'bitcoin':>9}",
    ]
    for score in content["scores"]:
        period = "" if score["filled"] is None else f"{score['filled']} {score['until']}"
        returns = "".join(
            f"{'' if score[name] is None else percent(score[name]):>9}"
            for name in ("net", "cash", "bitcoin")
        )
        lines.append(
            f"{score['line']:>4}  {score['strategy'][:21]:<22}{score['asof']:<12}{period:<24}"
            f"{returns}"
        )
        remarks = [
            *(["SIMULATED"] if score["simulated"] else []),
            *([] if score["forward"] else ["not forward: recorded after its fill"]),
            *([score["note"]] if score["note"] else []),
        ]
        lines += wrap("; ".join(remarks), _WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)
    for name, total in content["forward"].items():
        lines += [
            "",
            f"{name}: {total['entries']} forward entries, net {percent(total['net'])}, cash "
            f"{percent(total['cash'])}, bitcoin only {percent(total['bitcoin'])}",
        ]
    if not content["forward"]:
        lines += ["", "No entry that was recorded before its fill has filled yet."]
    return lines


def _marked(content: Content) -> list[str]:
    return ["SIMULATED MARKET, no evidence and no advice"] if content["simulated"] else []


def _trades(content: Content) -> list[str]:
    target = content["explanation"]["target"]
    lines = [
        f"{'asset':<12}{'held':>8}{'target':>8}{'weight':>8}{'price':>13}{'units':>16}"
        f"{'USD':>14}{'cost':>8}{'days':>8}"
    ]
    for row in content["trades"]:
        if abs(row["value"]) < _SHOWN_USD and row["weight"] < _SMALL:
            continue
        days = "?" if row["days"] is None else _days(row["days"])
        waits = " waits" if row["waits"] else ""
        lines.append(
            f"{row['asset']:<12}{percent(row['held_weight']):>8}"
            f"{percent(target.get(row['asset'], 0.0)):>8}{percent(row['weight']):>8}"
            f"{plain(row['price']):>13}{_units(row['units']):>16}{count(row['value']):>14}"
            f"{count(row['cost']):>8}{days:>8}{waits}"
        )
    before, after = content["cash"]["before"], content["cash"]["after"]
    lines.append(
        f"{'cash':<12}{percent(before / content['equity']):>8}"
        f"{'':>8}{percent(after / content['equity_after']):>8}{'':>29}"
        f"{count(after - before):>14}"
    )
    small = len(content["trades"]) + 2 - len(lines)
    if small:
        lines.append(f"not shown: {small} of no weight, with a trade below {_SHOWN_USD:.0f} USD")
    if content["liquidity"] == "NOT CHECKED":
        lines.append("days of average volume: NOT CHECKED, where ? stands no volume is known")
    return lines


def _days(days: float) -> str:
    return "<0.01" if 0.0 < days < 0.005 else ratio(days)


def _units(units: float) -> str:
    return ratio(units, 4 if abs(units) < 100.0 else 1)


def _risk(risk: Content) -> list[str]:
    before, after = risk["before"], risk["after"]

    def told(value: float | None, shown: Any) -> str:
        return "NOT CHECKED" if value is None else str(shown(value))

    rows = [("volatility a year", "volatility", percent)]
    rows += [("expected shortfall 95 % a session", "expected_shortfall_95", percent)]
    lines = ["", f"{'risk':<36}{'before':>14}{'after':>14}"]
    for label, name, shown in rows:
        lines.append(f"{label:<36}{told(before[name], shown):>14}{told(after[name], shown):>14}")
    if before["betas"] is None or after["betas"] is None:
        return [*lines, f"{'betas':<36}{'NOT CHECKED':>14}{'NOT CHECKED':>14}"]
    for name in after["betas"]:
        label = f"beta to {name.replace('_', ' ')}"
        lines.append(
            f"{label:<36}{ratio(before['betas'][name]):>14}{ratio(after['betas'][name]):>14}"
        )
    return lines


def _limits(told: Content) -> list[str]:
    if not told["limits"]:
        return (
            ["", "No limits: the target is ordered as it is."]
            if told["status"] == ("not sized")
            else []
        )
    lines = ["", f"{'limit':<34}{'cap':>8}{'target':>9}{'sized':>8}"]
    for limit in told["limits"]:
        remarks = [
            *(["changes the target"] if limit["changed_target"] else []),
            *(["binds"] if limit["binding"] else []),
            *([f"relaxed by {plain(limit['relaxed'])}"] if limit["relaxed"] else []),
        ]
        worth = limit["shadow_price"]
        if worth is not None:
            remarks.append(f"worth {ratio(worth, 3)}")
        name = limit["name"] if len(limit["name"]) <= 33 else limit["name"][:30] + "..."
        lines.append(
            f"{name:<34}{plain(limit['cap']):>8}{_short(limit['at_target']):>9}"
            f"{_short(limit['at_weights']):>8}  {', '.join(remarks)}".rstrip()
        )
    if any(limit["shadow_price"] is not None for limit in told["limits"]):
        lines.append("worth: return a year that moving the cap by 1 would bring, at the margin")
    for reason, names in (
        ("cannot be traded now", told["cannot_be_traded"]),
        ("cannot be bought now", told["cannot_be_bought"]),
        ("too little history, so not bought", told["too_little_history"]),
    ):
        if names:
            lines += wrap(f"{reason}: {', '.join(names)}", _WIDTH)
    return lines


def _short(value: float | None) -> str:
    return "?" if value is None else ratio(value, 4)


def _overlays(overlays: Content) -> list[str]:
    if not overlays["states"]:
        return []
    return [
        "",
        f"overlays keep {percent(overlays['share'])} of the book",
        *(f"  {o['name']:<34}{o['state']:<20}{percent(o['share'])}" for o in overlays["states"]),
    ]


def _signals(told: Content) -> list[str]:
    if not told["signals"]:
        return []
    concerned = set(_named(told["current"] or {}, told["target"], told["weights"]))
    lines = ["", "signals (those of assets that are held or wanted)"]
    for name, values in told["signals"].items():
        chosen = {k: v for k, v in values.items() if k in concerned} or values
        known = {k: v for k, v in chosen.items() if v is not None}
        text = ", ".join(f"{k} {v:.4g}" for k, v in list(known.items())[:24]) or "no opinion"
        lines += wrap(f"{name}: {text}", _WIDTH, initial_indent="  ", subsequent_indent="    ")
    return lines


def _without(told: Content) -> list[str]:
    if not told["without"]:
        return []
    lines = ["", "without one signal, what would have been ordered instead"]
    for each in told["without"]:
        if each["weights"] is None:
            text = f"cannot be told: {each['problem']}"
        else:
            moved = sorted(each["difference"].items(), key=lambda item: -abs(item[1]))
            shown = [f"{name} {percent(gap)}" for name, gap in moved if abs(gap) >= _SMALL]
            text = ", ".join(shown[:8]) or "the same"
            if not each["decides"]:
                text = f"no decision; against what was ordered {text}"
            if each["binding"]:
                text += f"; bound by {', '.join(each['binding'])}"
            trades = sorted((each["units"] or {}).items(), key=lambda item: item[0])
            bought = [f"{name} {_units(units)}" for name, units in trades if units]
            text += f"; trades in units {', '.join(bought[:8])}" if bought else "; no trade"
        lines += wrap(
            f"{each['signal']}: {text}", _WIDTH, initial_indent="  ", subsequent_indent="    "
        )
    return lines


def _warned(content: Content) -> list[str]:
    lines = [""] if content["warnings"] else []
    for text in content["warnings"]:
        lines += wrap(f"! {text}", _WIDTH, subsequent_indent="  ")
    return lines


def _recorded(recorded: Content | None) -> list[str]:
    if recorded is None:
        return []
    return [
        "",
        f"recorded in {recorded['ledger']} at {recorded['recorded_at']}",
        f"head {recorded['head']}",
    ]


def _named(*books: Mapping[str, float]) -> Sequence[str]:
    """Assets of books whose weight can be seen, largest first."""
    largest: dict[str, float] = {}
    for book in books:
        for name, weight in book.items():
            largest[name] = max(largest.get(name, 0.0), abs(weight))
    return sorted(
        (n for n, weight in largest.items() if weight >= _SMALL), key=lambda n: (-largest[n], n)
    )
