"""Geometry of the page's charts; the template `chart.html.j2` draws it as inline SVG.

Lines live in a drawing of 1,000 units across and ten units per pixel down, stretched to the width
of the page; text does not stretch, so its places are percentages across and pixels down.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.metrics import drawdown
from toolkit.report.formats import day, percent, plain, short_money, words

Floats = NDArray[np.float64]

WIDTH = 1_000
UNITS_PER_PIXEL = 10
_COLUMNS = 450
_SMALLEST_SHARE_SHOWN = 1e-4


@dataclass(frozen=True)
class Mark:
    """A place on an axis and its text: percent across for times, pixels down for values."""

    at: float
    text: str
    minor: bool = False


@dataclass(frozen=True)
class Line:
    """One curve: the class that styles it, its name, its last value, its SVG path."""

    style: str
    name: str
    last: str
    path: str


@dataclass(frozen=True)
class Point:
    """A text inside a pane: percent across, pixels down; `below` a dot that marks the place."""

    across: float
    down: float
    text: str
    side: str = "middle"
    below: bool = False


@dataclass(frozen=True)
class Pane:
    """A plot with its own values and the common time axis."""

    name: str
    top: int
    height: int
    values: tuple[Mark, ...]
    lines: tuple[Line, ...]
    points: tuple[Point, ...] = ()


@dataclass(frozen=True)
class Chart:
    """Panes above one another over one time axis."""

    title: str
    description: str
    height: int
    times: tuple[Mark, ...]
    panes: tuple[Pane, ...]


def thinned(across: Floats, values: Floats) -> NDArray[np.int64]:
    """Positions to draw: the lowest and highest of every column of pixels, and both ends.

    No extreme disappears, and a line keeps at most twice as many points as there are columns.
    """
    if len(values) <= 2 * _COLUMNS:
        return np.arange(len(values))
    column = np.minimum((across * _COLUMNS).astype(np.int64), _COLUMNS - 1)
    order = np.lexsort((values, column))
    edges = np.flatnonzero(np.diff(column[order])) + 1
    lowest, highest = order[np.r_[0, edges]], order[np.r_[edges, len(order)] - 1]
    return np.unique(np.r_[0, lowest, highest, len(values) - 1])


def path(across: Floats, down: Floats) -> str:
    """SVG path through points: fractions across, pixels down; relative whole units, so short."""
    keep = thinned(across, down)
    x = np.rint(across[keep] * WIDTH).astype(np.int64)
    y = np.rint(down[keep] * UNITS_PER_PIXEL).astype(np.int64)
    moves = np.column_stack([np.diff(x), np.diff(y)]).tolist()
    steps = [f"{right} {lower}" for right, lower in moves if right or lower]
    start = f"M{x[0]} {y[0]}"
    return f"{start}l{' '.join(steps)}".replace(" -", "-") if steps else f"{start}h0"


def equity_chart(
    returns: pd.DataFrame, start: pd.Timestamp, initial_cash: float, benchmark: str | None
) -> Chart:
    """Equity net, gross and of the benchmark on a log scale, with the drawdowns below.

    Parameters
    ----------
    start
        Session at which the initial cash is the equity; it has no return.
    benchmark
        Name of the benchmark, None for none.
    """
    returns = _from(start, returns, initial_cash)
    sessions = pd.DatetimeIndex(returns.index)
    across = _across(sessions)
    named = [("net", "Net of costs"), ("gross", "Gross"), ("benchmark", benchmark or "")]
    curves = {
        key: (name, _equity(returns, key, initial_cash), drawdown(returns[key]).to_numpy(float))
        for key, name in named
        if name and key in returns.columns and returns[key].notna().any()
    }
    equity = _log_pane(across, {key: curve[:2] for key, curve in curves.items()}, height=300)
    under = {key: (curves[key][0], curves[key][2]) for key in curves if key != "gross"}
    depth = _drawdown_pane(across, sessions, under, top=344, height=130)
    net, deepest = curves["net"][1], curves["net"][2]
    trough = int(np.argmin(deepest))
    return Chart(
        title="Equity and drawdown",
        description=(
            f"Log scale. Net of costs, {initial_cash:,.0f} becomes {net[-1]:,.0f} from "
            f"{day(sessions[0])} to {day(sessions[-1])}; the deepest drawdown is "
            f"{percent(float(deepest[trough]))} on {day(sessions[trough])}."
        ),
        height=equity.height + depth.height + 44,
        times=time_marks(sessions),
        panes=(equity, depth),
    )


def sleeve_chart(by_sleeve: pd.DataFrame) -> Chart:
    """Shares of equity by sleeve, stacked to the whole."""
    sessions = pd.DatetimeIndex(by_sleeve.index)
    across, height = _across(sessions), 260
    shares = by_sleeve.to_numpy(dtype=float)
    borders = np.cumsum(np.clip(shares, 0.0, None), axis=1)
    down = (1.0 - borders / np.maximum(borders[:, -1:], 1.0)) * height
    names = [words(name) for name in by_sleeve.columns]
    # Each area reaches down to zero, so the highest border is drawn first and covered by the next.
    lines = tuple(
        Line(
            style=f"sleeve-{_sleeve_style(str(sleeve))}",
            name=names[position],
            last=percent(float(shares[-1, position])),
            path=f"{path(across, down[:, position])}V{height * UNITS_PER_PIXEL}H0Z",
        )
        for position, sleeve in reversed(list(enumerate(by_sleeve.columns)))
    )
    average = ", ".join(
        f"{name} {percent(float(share))}"
        for name, share in zip(names, shares.mean(axis=0), strict=True)
    )
    lowest = float(shares.min(initial=0.0))
    overdraft = (
        f" The lowest share is {percent(lowest, 2)} (an overdraft); it is drawn as zero."
        if lowest < -_SMALLEST_SHARE_SHOWN
        else ""
    )
    pane = Pane(
        name="Share of equity",
        top=0,
        height=height,
        values=tuple(Mark((1.0 - s) * height, f"{s:.0%}") for s in (0, 0.25, 0.5, 0.75, 1.0)),
        lines=lines,
        points=_area_names(across, down, names, height),
    )
    return Chart(
        title="Sleeve weights",
        description=f"Average shares of equity: {average}.{overdraft}",
        height=height,
        times=time_marks(sessions),
        panes=(pane,),
    )


def time_marks(sessions: pd.DatetimeIndex) -> tuple[Mark, ...]:
    """Starts of years, or of months in a short run; every second one is minor."""
    first, last = sessions[0], sessions[-1]
    months = (last.year - first.year) * 12 + last.month - first.month
    if months < 2:
        return (Mark(0.0, day(first)),)
    step = next((s for s in (1, 2, 3, 6, 12, 24, 60, 120) if months / s <= 14), 120)
    form = "%Y" if step >= 12 else "%b %Y"
    starts = pd.date_range(f"{first.year}-01-01", last, freq="MS")[::step]
    starts = starts[starts >= first]
    span = (last - first) / pd.Timedelta(days=1)
    return tuple(
        Mark(
            _places(100.0 * ((start - first) / pd.Timedelta(days=1)) / span),
            f"{start:{form}}",
            bool(n % 2),
        )
        for n, start in enumerate(starts)
    )


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between two positive ones, three to seven where possible."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        ticks = [
            d * 10.0**power for power in powers for d in digits if low <= d * 10**power <= high
        ]
        if len(ticks) >= 3:
            return ticks[:: math.ceil(len(ticks) / 7)]
    return linear_ticks(low, high)


def linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten between two values, about four."""
    rough = max(high - low, 1e-12) / 4.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(d * power for d in (1.0, 2.0, 2.5, 5.0, 10.0) if d * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _across(sessions: pd.DatetimeIndex) -> Floats:
    """Fractions of the time between the first and the last session."""
    passed = (sessions - sessions[0]).to_numpy() / np.timedelta64(1, "D")
    fractions: Floats = passed / max(passed[-1], 1.0)
    return fractions


def _from(start: pd.Timestamp, returns: pd.DataFrame, initial_cash: float) -> pd.DataFrame:
    """Returns with a row for the start, where nothing was earned yet."""
    if start >= returns.index[0]:
        return returns
    before = (returns.iloc[:1] * 0.0).assign(equity=initial_cash).set_axis([start])
    return pd.concat([before, returns])


def _equity(returns: pd.DataFrame, key: str, initial_cash: float) -> Floats:
    """Account of a series in USD, NaN before it starts."""
    if key == "net":
        return returns["equity"].to_numpy(dtype=float)
    growth = (1.0 + returns[key]).cumprod()
    return growth.to_numpy(dtype=float) * initial_cash


def _log_pane(across: Floats, curves: dict[str, tuple[str, Floats]], height: int) -> Pane:
    everything = np.concatenate([values[np.isfinite(values)] for _, values in curves.values()])
    # A wiped-out account has no place on a log scale: it is drawn at the bottom edge.
    floor = float(everything.max()) * 1e-6
    low, high = max(float(everything.min()), floor), float(everything.max())
    margin = max(math.log(high / low) * 0.04, 0.005)
    bottom, top = math.log(low) - margin, math.log(high) + margin

    def down(values: Floats) -> Floats:
        placed: Floats = (top - np.log(np.maximum(values, low))) / (top - bottom) * height
        return placed

    marks = log_ticks(math.exp(bottom), math.exp(top))
    places = down(np.array(marks))
    return Pane(
        name="Equity",
        top=0,
        height=height,
        values=tuple(
            Mark(_places(at), short_money(value)) for at, value in zip(places, marks, strict=True)
        ),
        # Drawn in reverse, so that the net line lies on top.
        lines=tuple(
            Line(key, name, short_money(float(values[-1])), _from_start(across, down(values)))
            for key, (name, values) in reversed(curves.items())
        ),
    )


def _drawdown_pane(
    across: Floats,
    sessions: pd.DatetimeIndex,
    curves: dict[str, tuple[str, Floats]],
    top: int,
    height: int,
) -> Pane:
    deepest = min(float(np.nanmin(depth)) for _, depth in curves.values())
    # Room below the trough for its text, where no net line can be.
    bottom = min(deepest * 1.18, -0.01)
    lines = []
    for key, (name, depth) in reversed(curves.items()):
        drawn = _from_start(across, depth / bottom * height)
        if key == "net":
            lines.append(Line("net-area", "", "", f"{drawn}V0H0Z"))
        lines.append(Line(key, name, percent(float(depth[-1])), drawn))
    net = curves["net"][1]
    trough = int(np.argmin(net))
    point = Point(
        across=_places(100.0 * across[trough]),
        down=_places(net[trough] / bottom * height),
        text=f"{percent(float(net[trough]))} on {day(sessions[trough])}",
        side="start" if across[trough] < 0.25 else "end" if across[trough] > 0.75 else "middle",
        below=True,
    )
    return Pane(
        name="Drawdown",
        top=top,
        height=height,
        values=tuple(
            Mark(_places(value / bottom * height), f"{plain(100.0 * value)}%")
            for value in linear_ticks(bottom, 0.0)
        ),
        lines=tuple(lines),
        points=(point,),
    )


def _from_start(across: Floats, down: Floats) -> str:
    started = np.isfinite(down)
    return path(across[started], down[started])


def _area_names(across: Floats, down: Floats, names: list[str], height: int) -> tuple[Point, ...]:
    """Names inside the areas that are thick enough for one over a quarter of the width."""
    grid = np.linspace(0.0, 1.0, 101)
    rows = np.minimum(np.searchsorted(across, grid), len(across) - 1)
    upper = down[rows]
    lower = np.column_stack([np.full(len(rows), float(height)), upper[:, :-1]])
    window = 17
    found = []
    for position, name in enumerate(names):
        ceiling = pd.Series(upper[:, position]).rolling(window, center=True).max()
        ground = pd.Series(lower[:, position]).rolling(window, center=True).min()
        room = (ground - ceiling).fillna(-1.0)
        best = int(room.to_numpy().argmax())
        if room[best] >= 18.0:
            middle = (ground[best] + ceiling[best]) / 2.0
            found.append(Point(_places(100.0 * grid[best]), _places(middle + 4.0), name))
    return tuple(found)


def _sleeve_style(sleeve: str) -> str:
    known = [
        "bitcoin",
        "legacy_miners",
        "pivoting_miners",
        "ai_infrastructure",
        "ai_tokens",
        "cash",
    ]
    return sleeve if sleeve in known else "other"


def _places(value: float) -> float:
    """Two decimals, which is finer than any screen."""
    return round(float(value), 2)
