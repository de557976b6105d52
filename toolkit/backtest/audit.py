"""The look-ahead audit: recompute without the future, and compare.

Signals, dense targets and the risk model's output are computed again on the panel as it was at a
cut. Whatever differs at or before the cut has used something that was not public then.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.cuts import choose_cuts
from toolkit.backtest.engine import (
    Progress,
    TimeLoop,
    dense_targets,
)
from toolkit.backtest.market_view import MarketView
from toolkit.errors import InsufficientHistoryError, LookAheadError, UnknownAssetError
from toolkit.panel import Panel
from toolkit.strategy import Strategy

TOLERANCE = 1e-9
"""Sums in another memory layout differ in the last bits; a peek differs by much more."""

SIZED_TOLERANCE = 2e-4
"""With fewer assets a solver stops elsewhere, and a trade near 1e-4 may or may not be dropped."""

CANNOT_SEE = (
    "constants that were tuned on the full sample",
    "data that a strategy brings along instead of reading the panel",
    "what a strategy's module or class remembers of an earlier call: every recomputation asks the same",
    "history that a vendor restated after the fact",
    "levels of prices that are adjusted as of a late date (their returns are right)",
    "a universe whose names were chosen with hindsight",
    "ends of coverage that nobody declared: they count as known a few sessions before",
)
_EXPLAINED = 3  # Findings whose culprit is looked for: the first ones tell the story.

_TARGETS, _SIZED, _COVARIANCE = "targets", "sized weights", "covariance"
_SESSIONS, _UNIVERSE = "later sessions", "later assets or events of the universe"

Frames = dict[str, pd.DataFrame]
Difference = tuple[str, str, float | None, float | None]


@dataclass(frozen=True)
class Finding:
    """One value that changed when the future was removed; None is no value, or no finite one."""

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
        Number of sessions at which the panel is cut, see `choose_cuts`; None for every session.
    deep
        Also run the time loop on every cut panel and compare the sized weights.
    seed
        Of the choice of cuts.
    progress
        Told how many cuts are done.

    Notes
    -----
    Two quantities are equal with the same NaN pattern and a difference of at most 1e-9 in weight,
    2e-4 in sized weight, 1e-9 of the largest value in a signal or covariance. Each recomputation
    has its own copy of the strategy, so that none remembers what another one saw.
    """
    whole = outputs(loop, strategy, panel, deep=deep)
    examination = _Examination(loop, strategy, panel, whole, loop.view(panel), deep)
    rows = choose_cuts(panel, whole, cuts, seed, loop.schedule.first_session(panel))
    findings: list[Finding] = []
    for count, row in enumerate(rows):
        findings += examination.findings(panel.sessions[row], explain=len(findings) < _EXPLAINED)
        if progress is not None:
            progress("look-ahead audit", count + 1, len(rows))
    return Audit(cuts=len(rows), findings=tuple(findings))


def demand_clean(result: Audit) -> None:
    """Refuse a strategy that saw the future.

    Raises
    ------
    LookAheadError
        Naming the first quantity, asset, session and the part of the panel that gave it away.
    """
    if result.findings:
        found = result.findings[0]
        raise LookAheadError(
            f"{found.what} of {found.asset} on {found.session}: {found.full} with all data, "
            f"{found.without_future} with the data known on {found.cut}. It used the future "
            f"through {found.culprit}. {result.differences} differences at {result.cuts} cuts. "
            f"Read fields through Panel.known, and look only backwards."
        )


def outputs(loop: TimeLoop, strategy: Strategy, panel: Panel, *, deep: bool = False) -> Frames:
    """Signals and dense targets on a panel, and the sized weights where `deep`."""
    strategy = copy.deepcopy(strategy)
    signals = strategy.read(panel)
    frames = {f"signal {name}": values for name, values in signals.items()}
    frames[_TARGETS] = dense_targets(strategy, panel, signals)
    expected = strategy.expected_returns(panel, signals)
    if expected is not None:
        frames["expected returns"] = expected
    if deep:
        decisions = loop.run(strategy, panel).decisions
        sized = {made.decision.session: made.weights for made in decisions}
        frames[_SIZED] = pd.DataFrame(sized).T
    return frames


@dataclass(frozen=True)
class _Examination:
    """One strategy on one panel, asked again and again with less of the future."""

    loop: TimeLoop
    strategy: Strategy
    panel: Panel
    whole: Frames
    view: MarketView
    deep: bool

    def findings(self, cut: pd.Timestamp, *, explain: bool) -> list[Finding]:
        """What differs at or before a cut."""
        truth = self._up_to(cut, self.panel, self.whole, self.view)
        past, day = self.panel.until(cut), f"{cut:%Y-%m-%d}"
        try:
            differences = _differences(truth, self._answer(cut, past))
        except Exception as error:
            # What fails without the future needs the future, unless it had no opinion by then.
            if truth[_TARGETS].isna().to_numpy().all():
                return []
            differences = {_TARGETS: (f"all assets ({error!r})", day, None, None)}
        return [
            Finding(name, day, *found, self._culprit(cut, name, truth, past) if explain else "")
            for name, found in differences.items()
        ]

    def _answer(self, cut: pd.Timestamp, panel: Panel) -> Frames:
        try:
            again = outputs(self.loop, self.strategy, panel, deep=self.deep)
        except (InsufficientHistoryError, UnknownAssetError):
            # Cut before the run's first fill, or before the listing of an asset that a limit or a
            # stress names: there is no sized decision to compare yet. Of the whole panel these
            # are errors, and what a strategy itself raises is raised again.
            again = outputs(self.loop, self.strategy, panel)
        return self._up_to(cut, panel, again, self.loop.view(panel))

    def _up_to(self, cut: pd.Timestamp, panel: Panel, frames: Frames, view: MarketView) -> Frames:
        """Outputs at or before a cut, and what the risk model says there."""
        row = int(panel.sessions.searchsorted(cut))
        known = {name: _until(cut, row, frame) for name, frame in frames.items()}
        estimate = view.covariance(row)
        return known if estimate is None else {**known, _COVARIANCE: estimate.matrix}

    def _culprit(self, cut: pd.Timestamp, name: str, truth: Frames, past: Panel) -> str:
        """The parts of the future that the answer needs: each is cut, and stays cut if it can."""

        def unchanged(panel: Panel) -> bool:
            try:
                return name not in _differences(truth, self._answer(cut, panel))
            except Exception:
                return False

        rest, culprits = self.panel, []
        if not unchanged(rest):
            return "chance: asked twice, it does not give the same answer"
        for part in (_SESSIONS, *past.fields, _UNIVERSE):
            less = _without(rest, past, part)
            if unchanged(less):
                rest = less
            else:
                culprits.append(f"later rows of {part}" if part in past.fields else part)
        return " and ".join(culprits)


def _until(cut: pd.Timestamp, row: int, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of a frame at or before a cut, most likely those up to its row of the sessions."""
    if len(frame) == row + 1 and frame.index[row] == cut:
        return frame
    return frame.loc[:cut]


def _without(panel: Panel, past: Panel, part: str) -> Panel:
    """The panel with one part as it was in the past."""
    if part == _SESSIONS:
        return replace(panel, sessions=past.sessions)
    if part == _UNIVERSE:
        return replace(panel, universe=past.universe)
    return replace(panel, fields={**panel.fields, part: past.fields[part]})


def _differences(full: Frames, seen: Frames) -> dict[str, Difference]:
    """First difference of each quantity that both have."""
    found = {name: _first_difference(name, full[name], seen[name]) for name in full if name in seen}
    return {name: difference for name, difference in found.items() if difference is not None}


def _first_difference(name: str, full: pd.DataFrame, seen: pd.DataFrame) -> Difference | None:
    """Asset, session and both values of the first difference, or None.

    An asset that the past does not know may have no weight. What else is said of it is of no use.
    """
    is_weight = name in (_TARGETS, _SIZED)
    rows, columns = seen.index, seen.columns.tolist()
    if full.index.equals(rows) and full.columns.equals(seen.columns):
        left, right = full.to_numpy(dtype=float), seen.to_numpy(dtype=float)
    else:
        if name != _COVARIANCE:
            rows = full.index.union(rows)
        known = len(columns)
        if is_weight:
            columns += [asset for asset in full.columns.tolist() if asset not in columns]
        left, right = _laid_out(full, rows, columns), _laid_out(seen, rows, columns)
        # No weight is the same as a weight of 0.
        right[:, known:][left[:, known:] == 0.0] = 0.0
    if np.array_equal(left, right, equal_nan=True):
        return None
    size = 1.0 if is_weight else np.abs(left[np.isfinite(left)]).max(initial=0.0)
    # infinity - infinity is NaN: equal cells are equal whatever they hold.
    with np.errstate(invalid="ignore"):
        equal = np.abs(left - right) <= size * (SIZED_TOLERANCE if name == _SIZED else TOLERANCE)
    equal |= (left == right) | (np.isnan(left) & np.isnan(right))
    if equal.all():
        return None
    row, column = (int(places[0]) for places in np.nonzero(~equal))
    values = _finite(left[row, column]), _finite(right[row, column])
    return str(columns[column]), f"{rows[row]!s:.10}", *values


def _laid_out(frame: pd.DataFrame, rows: pd.Index, columns: list[str]) -> NDArray[np.float64]:
    """A copy of the values at the rows and columns, NaN where the frame has none."""
    if not frame.index.equals(rows):
        frame = frame.reindex(index=rows)
    place = {column: number for number, column in enumerate(frame.columns.tolist())}
    absent = np.full((len(frame), 1), np.nan)
    values = np.hstack([frame.to_numpy(dtype=float), absent])
    return values[:, [place.get(column, -1) for column in columns]]


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
