"""The fleet's arithmetic: one compiled pass over days, and the block clock within each day.

Kept apart from `fleet` so that numba is loaded only when something is simulated. A day has five
steps, one function each: machines move, machines switch on or off, blocks are found (every retarget
at its own moment), the day closes with a price, investors decide. Machines move and switch on what
was known when the day before closed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from toolkit.network import present_value
from toolkit.network.block_clock import (
    EASIEST_TARGET,
    HEIGHT,
    TARGET,
    Floats,
    Log,
    Whole,
    compiled,
    equilibrium_rate,
    find_blocks,
    hash_price,
)

YEAR_DAYS = 365.25
YEAR_HOURS = 8_766.0
VALUATION_DAYS = 7
"""Days between two valuations of hosting against mining: a board, not a trading desk."""

_SMALLEST_RATE = 1e-12
"""EH/s below which nobody mines: one machine does a hundred times as much."""

PRICE, RENT, POWER_PRICE, CREDIT, FEES, CURTAILMENT, BAN, EXODUS = range(8)
"""Columns of the paths that come in."""

HASH_RATE, BLOCKS, DIFFICULTY, END_HEIGHT, CLOSE, HASH_PRICE, ORDERED, VALUE_SPREAD = range(8)
"""Columns of the days that come out: two of the day, the others as of its end."""

_mining_value: Callable[..., Any] = compiled(present_value.mining_value)
_hosting_value: Callable[..., Any] = compiled(present_value.hosting_value)


class Rows(NamedTuple):
    """One value a cohort.

    `efficiency` J/TH; `power_price` USD/MWh and `cost` USD per PH/s per day as of the first day;
    `spread`, the width of the costs in logs; `opens` and `closes`, the days between which new
    machines are delivered here; `destination`, the row to which displaced machines go, -1 for none.
    """

    efficiency: Floats
    power_price: Floats
    cost: Floats
    spread: Floats
    opens: Whole
    closes: Whole
    destination: Whole


class Rules(NamedTuple):
    """The settings of a `fleet.Fleet` as plain numbers, under their own names."""

    margin: float
    patience_days: int
    daily_share: float
    foresight: float
    entry_speed: float
    required_return: float
    machine_price: float
    technology_drift: float
    delivery_from: int
    delivery_to: int
    relocation_share: float
    relocation_from: int
    relocation_to: int
    eligible_share: float
    displacement: float
    lead_days: int
    notice_days: int
    hazard: float
    hazard_scale: float
    discount_rate: float
    hurdle: float
    mining_uptime: float
    mining_years: float
    hash_price_drift: float
    renewal: float
    salvage: float
    risk_premium: float
    income_per_rent: float
    rent_growth: float
    term_years: float
    capex: float
    residual: float
    selling: float
    security: float
    memory_days: float


class State(NamedTuple):
    """What a day hands on to the next; a value a cohort unless said otherwise.

    `installed` EH/s on site and `on`, the share of it that runs; `idle` EH/s that left by decree
    and may come back; `eligible` MW that may still sign for hosting; `hazard` of signing, per day.
    Of the whole fleet: `clock`; `relief`, the log of the hash price that owners reckon with over
    the power price, by day; `memory`, the smoothed cost share, its start, the smoothed hash rate
    and its peak.
    """

    installed: Floats
    on: Floats
    idle: Floats
    eligible: Floats
    hazard: Floats
    clock: Floats
    relief: Floats
    memory: Floats


class Outcome(NamedTuple):
    """What a run writes: `daily` has a column a quantity, the others one a cohort.

    `installed` and `hashing` EH/s (before curtailment). Cumulative: `signed` MW whose owners chose
    hosting, `decreed` MW sent there by the exodus path, `moving` EH/s on their way to this row.
    """

    daily: Floats
    installed: Floats
    hashing: Floats
    signed: Floats
    decreed: Floats
    moving: Floats


@compiled
def arrived(cumulative: Floats, t: int, first: int, last: int) -> float:
    """What a flow brings on day t when its delay is spread evenly over `first` to `last` days."""
    newest, oldest = t - first, t - last - 1
    upto = cumulative[newest] if newest >= 0 else 0.0
    return (upto - (cumulative[oldest] if oldest >= 0 else 0.0)) / (last - first + 1)


@compiled
def share_below(log_price: float, log_cost: float, spread: float) -> float:
    """Share of a cohort whose unit cost lies below a hash price."""
    if spread == 0.0:
        return 1.0 if log_price >= log_cost else 0.0
    return min(max((log_price - log_cost) / spread + 0.5, 0.0), 1.0)


@compiled
def move_machines(
    t: int, paths: Floats, ordered: Floats, rows: Rows, rules: Rules, state: State, out: Outcome
) -> None:
    """Step 1: machines leave by decree or for hosting, come back, are delivered, change site."""
    ban, exodus = paths[t, BAN], paths[t, EXODUS]
    ban_before = paths[t - 1, BAN] if t > 0 else 0.0
    exodus_before = paths[t - 1, EXODUS] if t > 0 else 0.0
    withdrawn = ban_before + exodus_before
    left = max(1.0 - withdrawn, 1e-300)
    banned, hosted = max(ban - ban_before, 0.0) / left, max(exodus - exodus_before, 0.0) / left
    leaving = min(banned + hosted, 1.0)
    back = max(ban_before - ban, 0.0) + max(exodus_before - exodus, 0.0)
    back = back / withdrawn if withdrawn > 0.0 else 0.0
    delivered = arrived(ordered, t, rules.delivery_from, rules.delivery_to)
    stopping = t - rules.lead_days + rules.notice_days

    for j in range(len(rows.cost)):
        gone = state.installed[j] * leaving
        returned = state.idle[j] * back
        state.idle[j] += (1.0 - rules.relocation_share) * gone - returned
        state.eligible[j] *= 1.0 - leaving
        if t > 0:
            out.decreed[t, j] = out.decreed[t - 1, j]
            out.moving[t, j] += out.moving[t - 1, j]
        if leaving > 0.0:
            out.decreed[t, j] += gone * rows.efficiency[j] * hosted / (banned + hosted)
        if stopping >= 0:
            before = out.signed[stopping - 1, j] if stopping > 0 else 0.0
            megawatts = rules.displacement * (out.signed[stopping, j] - before)
            gone += min(megawatts / rows.efficiency[j], state.installed[j] - gone)
        if rows.destination[j] >= 0:
            out.moving[t, rows.destination[j]] += rules.relocation_share * gone
        state.installed[j] -= gone

        fresh = returned
        if rows.opens[j] <= t < rows.closes[j]:
            fresh += delivered
        if rows.destination[j] == j:
            fresh += arrived(out.moving[:, j], t, rules.relocation_from, rules.relocation_to)
        if fresh > 0.0:
            total = state.installed[j] + fresh
            state.on[j] = (state.installed[j] * state.on[j] + fresh) / total
            state.installed[j] = total
            state.eligible[j] += rules.eligible_share * fresh * rows.efficiency[j]


@compiled
def switch_machines(t: int, log_cost: Floats, rows: Rows, rules: Rules, state: State) -> float:
    """Step 2: machines out of their band for long enough switch, a share a day; EH/s that run."""
    highest, lowest = state.relief[t], state.relief[t]
    for day in range(max(t - rules.patience_days + 1, 0), t):
        highest, lowest = max(highest, state.relief[day]), min(lowest, state.relief[day])
    highest -= math.log1p(-rules.margin)
    lowest -= math.log1p(rules.margin)
    running = 0.0
    for j in range(len(log_cost)):
        most = share_below(highest, log_cost[j], rows.spread[j])
        least = share_below(lowest, log_cost[j], rows.spread[j])
        wanted = min(max(state.on[j], least), most)
        state.on[j] += rules.daily_share * (wanted - state.on[j])
        running += state.installed[j] * state.on[j]
    return running


@compiled
def closing_price(
    price: float, hash_rate: float, cost_share: float, rules: Rules, state: State
) -> float:
    """Step 4: the path's price, less what miners' selling and a loss of security take from it."""
    memory = state.memory
    if memory[3] == 0.0:
        memory[0], memory[1], memory[2] = cost_share, cost_share, hash_rate
    memory[0] += (cost_share - memory[0]) / rules.memory_days
    memory[2] += (hash_rate - memory[2]) / rules.memory_days
    memory[3] = max(memory[3], memory[2])
    sold = max(memory[0] - memory[1], 0.0)
    trust = math.pow(memory[2] / memory[3], rules.security)
    return price * math.exp(-rules.selling * sold) * trust


@compiled
def value_sites(
    path: Floats, revenue: float, power: float, rows: Rows, rules: Rules, state: State
) -> float:
    """Step 5a: hazards of signing from today's values; mean spread of the values, USD per MW.

    Who signs mines on until the site is rebuilt: the value of that time counts for hosting.
    """
    lead_years = rules.lead_days / YEAR_DAYS
    hosting = _hosting_value(
        rules.income_per_rent * path[RENT],
        rules.rent_growth,
        math.log1p(rules.discount_rate + path[CREDIT]),
        lead_years,
        rules.term_years,
        rules.capex,
        rules.residual,
    )
    rate = math.log1p(rules.discount_rate + path[CREDIT] + rules.risk_premium)
    income = rules.mining_uptime * revenue * YEAR_DAYS * 1e3 / rows.efficiency
    bill = rules.mining_uptime * rows.power_price * power * YEAR_HOURS
    drift, renewal = rules.hash_price_drift, rules.renewal
    waiting = lead_years - rules.notice_days / YEAR_DAYS
    meanwhile = _mining_value(income, bill, renewal, drift, rate, waiting, 0.0)
    mining = _mining_value(income, bill, renewal, drift, rate, rules.mining_years, rules.salvage)
    total, megawatts = 0.0, 0.0
    for j in range(len(rows.cost)):
        spread = hosting + meanwhile[j] - mining[j]
        pull = math.tanh((spread - rules.hurdle) / (2.0 * rules.hazard_scale))
        state.hazard[j] = -math.expm1(-rules.hazard / YEAR_DAYS * max(pull, 0.0))
        total += spread * state.installed[j] * rows.efficiency[j]
        megawatts += state.installed[j] * rows.efficiency[j]
    return total / megawatts


@compiled
def order_machines(
    t: int, price: float, power: float, running: float, rows: Rows, rules: Rules
) -> float:
    """Step 5b: EH/s ordered today, by what the newest machine earns a year on its price."""
    for j in range(len(rows.cost)):
        if rows.opens[j] <= t < rows.closes[j]:
            cost = rules.machine_price * math.exp(-rules.technology_drift * t / YEAR_DAYS)
            earned = YEAR_DAYS * (price - rows.cost[j] * power) / 1e3 / cost
            excess = max(float(earned) - rules.required_return, 0.0)
            return rules.entry_speed * running * excess / YEAR_DAYS
    return 0.0


@compiled
def simulate(
    paths: Floats,
    rows: Rows,
    rules: Rules,
    state: State,
    luck: bool,
    draws: np.random.Generator,
    log: Log,
    out: Outcome,
) -> int:
    """Run every day; the number that were run is smaller if a day comes on which nobody mines."""
    days, cohorts = len(paths), len(rows.cost)
    clock, daily, log_cost = state.clock, out.daily, np.log(rows.cost)
    ordered = np.zeros(days)
    revenue = hash_price(paths[0, PRICE], paths[0, FEES], clock)
    state.relief[0] = math.log(revenue)
    for t in range(days):
        power = paths[t, POWER_PRICE] / paths[0, POWER_PRICE]
        move_machines(t, paths, ordered, rows, rules, state, out)
        running = switch_machines(t, log_cost, rows, rules, state)
        if running <= _SMALLEST_RATE:
            return t
        hash_rate = running * (1.0 - paths[t, CURTAILMENT])
        daily[t, HASH_RATE] = hash_rate
        daily[t, BLOCKS] = find_blocks(clock, hash_rate, float(t), 1.0, luck, draws, log)

        bill = 0.0
        for j in range(cohorts):
            out.installed[t, j] = state.installed[j]
            out.hashing[t, j] = state.installed[j] * state.on[j]
            bill += out.hashing[t, j] * rows.cost[j]
        # Miners cannot sell more than they are paid.
        cost_share = min(bill * power / running / revenue, 1.0)
        price = closing_price(paths[t, PRICE], hash_rate, cost_share, rules, state)
        revenue = hash_price(price, paths[t, FEES], clock)
        # Once the difficulty has followed the hash rate, the hash price will have risen by that.
        ahead = equilibrium_rate(clock) / running
        state.relief[t + 1] = math.log(revenue / power) + rules.foresight * math.log(ahead)

        if rules.eligible_share > 0.0 and t % VALUATION_DAYS == 0:
            spread = value_sites(paths[t], revenue, power, rows, rules, state)
        elif t > 0:
            spread = daily[t - 1, VALUE_SPREAD]
        else:
            spread = math.nan
        for j in range(cohorts):
            signed = state.hazard[j] * state.eligible[j]
            state.eligible[j] -= signed
            out.signed[t, j] = signed + (out.signed[t - 1, j] if t > 0 else 0.0)
        order = order_machines(t, revenue, power, running, rows, rules)
        ordered[t] = order + (ordered[t - 1] if t > 0 else 0.0)

        daily[t, DIFFICULTY] = EASIEST_TARGET / clock[TARGET]
        daily[t, END_HEIGHT] = clock[HEIGHT]
        daily[t, CLOSE] = price
        daily[t, HASH_PRICE] = revenue
        daily[t, ORDERED] = ordered[t]
        daily[t, VALUE_SPREAD] = spread
    return days
