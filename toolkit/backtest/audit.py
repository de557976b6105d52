"""The look-ahead audit: recompute without the future, and compare.

Signals, dense targets and the risk model's output are computed again on the panel as it was at a
cut. Whatever differs at or before the cut has used something that was not public then.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from toolkit.backtest.engine import Progress, TimeLoop
from toolkit.panel import Panel
from toolkit.strategy import Strategy

TOLERANCE = 1e-9
"""Sums in another memory layout differ in the last bits; a peek differs by much more."""

CANNOT_SEE = (
    "constants that were tuned on the full sample",
    "data that a strategy brings along instead of reading the panel",
    "history that a vendor restated after the fact",
    "levels of prices that are adjusted as of a late date (their returns are right)",
    "a universe whose names were chosen with hindsight",
)

_EXPLAINED = 3
"""Findings whose culprit is looked for; the first ones tell the story."""

_SESSIONS, _UNIVERSE = "later sessions", "later assets or events of the universe"

Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True)
class Finding:
    """One value that changed when the future was removed.

    Parameters
    ----------
    what
        The quantity, or the error that was raised without the future.
    cut
        Last session that the recomputation knew.
    asset, session
        Where the quantity differs first.
    full, without_future
        The value in the whole run and without the future; None: no value, or not finite.
    culprit
        The parts of the panel that give the future away; empty where it was not looked for.
    """

    what: str
    cut: str
    asset: str
    session: str
    full: float | None
    without_future: float | None
    culprit: str


@dataclass(frozen=True)
class Audit:
    """Outcome of the look-ahead audit."""

    cuts: int
    findings: tuple[Finding, ...]
    cannot_see: tuple[str, ...] = CANNOT_SEE

    @property
    def differences(self) -> int:
        """Number of cuts and quantities at which the past changed."""
        return len(self.findings)


def audit(
    loop: TimeLoop,
    strategy: Strategy,
    panel: Panel,
    cuts: int | None = 40,
    *,
    deep: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> Audit:
    """Compare a strategy's outputs with and without the future.

    Parameters
    ----------
    cuts
        Number of sessions at which the panel is cut; None for every session.
    deep
        Also run the time loop on every cut panel and compare the sized weights.
    seed
        Of the choice of cuts, see `choose_cuts`.
    progress
        Called with the number of cuts done and of all cuts.

    Notes
    -----
    Two quantities are equal with the same NaN pattern and a difference of at most 1e-9. Every
    recomputation gets a copy of the strategy as it was given, so that it cannot remember the
    future from another one.
    """

    def outputs_of(some: Panel) -> Frames:
        return outputs(loop, strategy, some, deep=deep)

    full = outputs_of(panel)
    rows = choose_cuts(full, cuts, seed)
    findings: list[Finding] = []
    for count, row in enumerate(rows):
        cut = panel.sessions[row]
        truth, past = _known_at(cut, full, loop, panel), panel.until(cut)
        try:
            seen = _known_at(cut, outputs_of(past), loop, past)
        except Exception as error:
            differences = _refusal(truth["targets"], cut, error)
        else:
            differences = _differences(truth, seen)
        for what, found in differences.items():
            name = what if what in truth else "targets"

            def same(some: Panel, name: str = name, truth: Frames = truth) -> bool:
                # `some` may have later sessions than the last of `truth`.
                last = panel.sessions[len(truth["targets"]) - 1]
                try:
                    again = _known_at(last, outputs_of(some), loop, some)
                except Exception:
                    return False
                return name not in _differences(truth, again)

            culprit = _culprit(same, panel, past) if len(findings) < _EXPLAINED else ""
            findings.append(Finding(what, f"{cut:%Y-%m-%d}", *found, culprit))
        if progress is not None:
            progress(count + 1, len(rows))
    return Audit(cuts=len(rows), findings=tuple(findings))
