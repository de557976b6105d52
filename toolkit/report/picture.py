"""Pictures of time series: panes above one another over one time axis, as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from textwrap import fill
from typing import TYPE_CHECKING, Any

import pandas as pd

from toolkit.errors import DataError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito (2008): told apart by colour-blind readers, and by lightness in print.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
_INK, _FAINT = "#222222", "#8a8a8a"
_WIDTH_INCHES, _PANE_INCHES = 9.0, 1.9
_TITLE_LETTERS = 110
_STYLE: Any = {
    "axes.edgecolor": _FAINT,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "svg.fonttype": "none",
    "svg.hashsalt": "picture",
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


@dataclass(frozen=True)
class Pane:
    """Lines that share a unit.

    Parameters
    ----------
    title
        What is shown and in which unit.
    lines
        Sorted times x lines, one column a line; NaN leaves a gap.
    steps
        Draw each value until the next time instead of a slope to it.
    level
        Height of a thin reference line, or None.
    """

    title: str
    lines: pd.DataFrame
    steps: bool = False
    level: float | None = None


@dataclass(frozen=True)
class Picture:
    """An SVG, which notebooks show by themselves."""

    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


def picture(title: str, panes: Sequence[Pane], *, simulated: bool) -> Picture:
    """Draw panes above one another.

    Parameters
    ----------
    simulated
        Whether any line comes from a simulation; the picture then says so.

    Raises
    ------
    DataError
        There is no pane, or one has no value.

    Notes
    -----
    The same numbers give the same bytes.
    """
    import matplotlib
    from matplotlib.figure import Figure

    for pane in panes:
        if not pane.lines.notna().to_numpy().any():
            raise DataError(f"The pane {pane.title!r} has no value to draw.")
    if not panes:
        raise DataError("A picture needs at least one pane.")
    with matplotlib.rc_context(_STYLE):
        height = _PANE_INCHES * len(panes) + 0.6
        figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
        marked = f"SIMULATED. {title}" if simulated else title
        figure.suptitle(fill(marked, _TITLE_LETTERS), x=0.01, ha="left", fontsize=11)
        axes = figure.subplots(len(panes), 1, sharex=True, squeeze=False)[:, 0]
        for pane, place in zip(panes, axes, strict=True):
            _draw(place, pane)
        text = StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    return Picture(text.getvalue())


def _draw(place: Axes, pane: Pane) -> None:
    place.set_title(pane.title, loc="left", fontsize=9, color=_INK)
    if pane.level is not None:
        place.axhline(pane.level, color=_FAINT, linewidth=0.8, zorder=1)
    for number, name in enumerate(pane.lines.columns):
        line = pane.lines[name]
        place.plot(
            line.index.to_numpy(),
            line.to_numpy(),
            label=str(name),
            color=_COLOURS[number % len(_COLOURS)],
            linestyle="-" if number < len(_COLOURS) else "--",
            linewidth=1.3,
            drawstyle="steps-post" if pane.steps else "default",
        )
    if pane.lines.shape[1] > 1:
        place.legend(frameon=False, fontsize=8, loc="best", ncols=pane.lines.shape[1])
    place.grid(axis="y", color="#e6e6e6", linewidth=0.6)
    place.spines[["top", "right"]].set_visible(False)
