"""The look-ahead audit: recompute without the future, and compare.

Signals, dense targets and the risk model's output are computed again on the panel as it was at a
cut. Whatever differs at or before the cut has used something that was not public then.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.engine import Progress, TimeLoop, covariance_at, dense_targets
from toolkit.errors import InsufficientHistoryError, LookAheadError
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
Difference = tuple[str, str, float | None, float | None]
Rows = NDArray[np.intp]


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
    Two quantities are equal with the same NaN pattern and a difference of at most 1e-9. Each
    recomputation has its own copy of the strategy, so that none remembers what another one saw.
    """
    whole = outputs(loop, strategy, panel, deep=deep)
    examination = _Examination(loop, strategy, panel, whole, deep)
    rows = choose_cuts(whole, cuts, seed)
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
    frames["targets"] = dense_targets(strategy, panel, signals)
    if deep:
        try:
            decisions = loop.run(strategy, panel).decisions
        except InsufficientHistoryError:
            # Cut before the run's first fill: there is no sized decision to compare yet.
            return frames
        sized = {made.decision.session: made.weights for made in decisions}
        frames["sized weights"] = pd.DataFrame(sized).T
    return frames


def choose_cuts(frames: Mapping[str, pd.DataFrame], cuts: int | None, seed: int) -> Rows:
    """Rows to cut at, increasing; all of them where `cuts` is None.

    A rule that peeks at tomorrow shows only where tomorrow makes a difference. A quarter of the
    cuts lie at the largest changes of the targets and of each signal, which finds a rare switch
    among daily drift; a quarter where the targets change or one session before; the rest anywhere
    from the first target on.
    """
    targets = frames["targets"]
    rows = len(targets)
    if cuts is None or cuts >= rows:
        return np.arange(rows)
    generator = np.random.default_rng(seed)
    changes = {name: _changes(frame.reindex(targets.index), generator)
               for name, frame in frames.items()}  # fmt: skip
    share = max(1, cuts // 4 // len(frames))
    chosen = np.unique(np.concatenate([found[:share] for found in changes.values()]))[: cuts // 2]
    near = np.union1d(changes["targets"], changes["targets"] - 1)
    # Nothing lies after the last row that could be hidden.
    anywhere = np.arange(np.argmax(targets.notna().any(axis=1)), rows - 1)
    for pool, enough in ((near, cuts // 2), (anywhere, cuts)):
        left = np.setdiff1d(pool, chosen)
        drawn = generator.choice(left, min(enough - len(chosen), len(left)), replace=False)
        chosen = np.concatenate([chosen, drawn])
    return np.sort(chosen)


def _changes(frame: pd.DataFrame, generator: np.random.Generator) -> Rows:
    """Rows that differ from the one before, the largest change first, ties at random."""
    values = np.nan_to_num(frame.to_numpy(dtype=float), nan=-1.0, posinf=1e300, neginf=-1e300)
    size = np.abs(np.diff(values, axis=0, prepend=values[:1])).sum(axis=1)
    order = np.lexsort((generator.random(len(size)), -size))
    return order[: np.count_nonzero(size > TOLERANCE)]


@dataclass(frozen=True)
class _Examination:
    """One strategy on one panel, asked again and again with less of the future."""

    loop: TimeLoop
    strategy: Strategy
    panel: Panel
    whole: Frames
    deep: bool

    def findings(self, cut: pd.Timestamp, *, explain: bool) -> list[Finding]:
        """What differs at or before a cut."""
        truth = self._up_to(cut, self.panel, self.whole)
        past, day = self.panel.until(cut), f"{cut:%Y-%m-%d}"
        try:
            differences = _differences(truth, self._answer(cut, past))
        except Exception as error:
            # What fails without the future needs the future, unless it had no opinion by then.
            if truth["targets"].isna().to_numpy().all():
                return []
            differences = {"targets": (f"all assets ({error!r})", day, None, None)}
        return [
            Finding(name, day, *found, self._culprit(cut, name, truth, past) if explain else "")
            for name, found in differences.items()
        ]

    def _answer(self, cut: pd.Timestamp, panel: Panel) -> Frames:
        again = outputs(self.loop, self.strategy, panel, deep=self.deep)
        return self._up_to(cut, panel, again)

    def _up_to(self, cut: pd.Timestamp, panel: Panel, frames: Frames) -> Frames:
        """Outputs at or before a cut, and what the risk model says there."""
        known = {name: frame.loc[:cut] for name, frame in frames.items()}
        row = int(panel.sessions.searchsorted(cut))
        estimate = covariance_at(self.loop.risk_model, panel.returns(), row, panel)
        return known if estimate is None else {**known, "covariance": estimate.matrix}

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


def _without(panel: Panel, past: Panel, part: str) -> Panel:
    """The panel with one part as it was in the past."""
    if part == _SESSIONS:
        return replace(panel, sessions=past.sessions)
    if part == _UNIVERSE:
        return replace(panel, universe=past.universe)
    return replace(panel, fields={**panel.fields, part: past.fields[part]})


def _differences(full: Frames, seen: Frames) -> dict[str, Difference]:
    """First difference of each quantity that both have."""
    found = {
        name: _first_difference(full[name], seen[name], opinion=name.startswith("signal"))
        for name in full
        if name in seen
    }
    return {name: difference for name, difference in found.items() if difference is not None}


def _first_difference(
    full: pd.DataFrame, seen: pd.DataFrame, *, opinion: bool
) -> Difference | None:
    """Asset, session and both values of the first difference, or None.

    An asset that the past does not know yet must have no weight in the full run. An opinion on it
    is of no use without a weight.
    """
    rows, columns = full.index, full.columns
    if not (rows.equals(seen.index) and columns.equals(seen.columns)):
        rows, columns = rows.union(seen.index), columns.union(seen.columns, sort=False)
        full = full.reindex(index=rows, columns=columns)
    left = full.to_numpy(dtype=float)
    right = seen.reindex(index=rows, columns=columns).to_numpy(dtype=float)
    if np.array_equal(left, right, equal_nan=True):
        return None
    # infinity - infinity is NaN: equal cells are equal whatever they hold.
    with np.errstate(invalid="ignore"):
        equal = (left == right) | (np.abs(left - right) <= TOLERANCE)
    equal |= np.isnan(left) & np.isnan(right)
    equal |= ~columns.isin(seen.columns) & (opinion | (left == 0.0))
    if equal.all():
        return None
    row, column = np.argwhere(~equal)[0]
    label = rows[row]
    name = f"{label:%Y-%m-%d}" if isinstance(label, pd.Timestamp) else str(label)
    return str(columns[column]), name, _finite(left[row, column]), _finite(right[row, column])


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
