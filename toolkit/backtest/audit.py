"""The look-ahead audit: recompute without the future, and compare.

Signals, dense targets and the risk model's output are computed again on the panel as it was at a
cut. Whatever differs at or before the cut has used something that was not public then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.engine import Progress, TimeLoop, covariance_at, dense_targets
from toolkit.errors import InsufficientHistoryError, LookAheadError
from toolkit.panel import PRICE_FIELD, Panel
from toolkit.strategy import Strategy

TOLERANCE = 1e-9
"""Sums in another memory layout differ in the last bits; a peek differs by much more."""

_EXPLAINED = 3
"""Findings whose culprit is looked for; the first ones tell the story."""

CANNOT_SEE = (
    "constants that were tuned on the full sample",
    "history that a vendor restated after the fact",
    "levels of prices that are adjusted as of a late date (their returns are right)",
    "a universe whose names were chosen with hindsight",
)


@dataclass(frozen=True)
class Finding:
    """One value that changed when the future was removed."""

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
        Of the choice of cuts that do not lie at a change of the target.
    progress
        Called with the number of cuts done and of all cuts.

    Notes
    -----
    Half of the cuts lie where the dense target changes or one session before: a two-state rule
    that peeks shows only there. Two quantities are equal with the same NaN pattern and a
    difference of at most 1e-9.
    """
    full = outputs(loop, strategy, panel, deep=deep)
    full_returns = panel.returns()
    rows = choose_cuts(full["targets"], cuts, seed)
    findings: list[Finding] = []
    for count, row in enumerate(rows):
        if progress is not None:
            progress(count + 1, len(rows))
        cut = panel.sessions[row]
        past = panel.until(cut)
        try:
            seen = outputs(loop, strategy, past, deep=deep)
        except Exception as error:
            # What fails without the future needs the future, unless it had no opinion by then.
            if full["targets"].iloc[: row + 1].notna().to_numpy().any():
                findings.append(_refusal(cut, error))
            continue
        pairs = {name: (full[name].loc[:cut], frame) for name, frame in seen.items()}
        estimate = covariance_at(loop.risk_model, full_returns, row, panel)
        estimate_then = covariance_at(loop.risk_model, past.returns(), row, past)
        if estimate is not None and estimate_then is not None:
            pairs["covariance"] = (estimate.matrix, estimate_then.matrix)
        for name, (with_future, without) in pairs.items():
            difference = _first_difference(with_future, without)
            if difference is not None:
                explain = len(findings) < _EXPLAINED
                culprit = (
                    _culprit(loop, strategy, panel, past, name, with_future) if explain else ""
                )
                findings.append(Finding(name, f"{cut:%Y-%m-%d}", *difference, culprit))
    return Audit(cuts=len(rows), findings=tuple(findings))


def demand_clean(result: Audit) -> None:
    """Refuse a strategy that saw the future.

    Raises
    ------
    LookAheadError
        Naming the first quantity, asset, session and the field that gave it away.
    """
    if result.findings:
        found = result.findings[0]
        raise LookAheadError(
            f"{found.what} of {found.asset} on {found.session} was {found.full} with all data and "
            f"{found.without_future} with the data known on {found.cut}: it used the future "
            f"(through {found.culprit}). {result.differences} differences at {result.cuts} cuts. "
            f"Read fields through Panel.known, and look only backwards."
        )


def outputs(
    loop: TimeLoop, strategy: Strategy, panel: Panel, *, deep: bool = False
) -> dict[str, pd.DataFrame]:
    """Signals and dense targets on a panel, and the sized weights where `deep`."""
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


def choose_cuts(targets: pd.DataFrame, cuts: int | None, seed: int) -> NDArray[np.int64]:
    """Rows to cut at: half where the target changes or one session before, the rest at random."""
    rows = len(targets)
    if cuts is None or cuts >= rows:
        return np.arange(rows)
    values = np.nan_to_num(targets.to_numpy(), nan=-1.0)
    changes = np.flatnonzero((np.abs(np.diff(values, axis=0)) > TOLERANCE).any(axis=1)) + 1
    near = np.unique(np.concatenate([changes, np.maximum(changes - 1, 0)]))
    generator = np.random.default_rng(seed)
    at_change = generator.choice(near, min(cuts // 2, len(near)), replace=False)
    decided = np.flatnonzero(targets.notna().to_numpy().any(axis=1))
    others = np.setdiff1d(decided, at_change)
    at_random = generator.choice(others, min(cuts - len(at_change), len(others)), replace=False)
    return np.sort(np.concatenate([at_change, at_random]))


def _first_difference(
    full: pd.DataFrame, seen: pd.DataFrame
) -> tuple[str, str, float | None, float | None] | None:
    """Asset, session and both values of the first difference, or None.

    An asset that the past does not know yet must have no weight and no opinion in the full run.
    """
    rows = full.index.union(seen.index)
    columns = full.columns.union(seen.columns, sort=False)
    left = full.reindex(index=rows, columns=columns).to_numpy(dtype=float)
    right = seen.reindex(index=rows, columns=columns).to_numpy(dtype=float)
    # infinity - infinity is NaN: equal cells are equal whatever they hold.
    with np.errstate(invalid="ignore"):
        equal = (left == right) | (np.abs(left - right) <= TOLERANCE)
    equal |= np.isnan(left) & np.isnan(right)
    equal |= ~columns.isin(seen.columns) & (left == 0.0)
    if equal.all():
        return None
    row, column = np.argwhere(~equal)[0]
    label = rows[row]
    name = f"{label:%Y-%m-%d}" if isinstance(label, pd.Timestamp) else str(label)
    return str(columns[column]), name, _number(left[row, column]), _number(right[row, column])


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _culprit(
    loop: TimeLoop,
    strategy: Strategy,
    panel: Panel,
    past: Panel,
    quantity: str,
    with_future: pd.DataFrame,
) -> str:
    """What gives the future away: the first thing whose restoring removes the difference."""
    restored = {
        f"rows of {name} that were not public": {**past.fields, name: panel.fields[name]}
        for name in panel.fields
    }
    candidates = {name: replace(past, fields=fields) for name, fields in restored.items()}
    candidates["later events or members of the universe"] = replace(past, universe=panel.universe)
    prices = {**past.fields, PRICE_FIELD: panel.fields[PRICE_FIELD]}
    candidates["prices of later sessions"] = replace(past, sessions=panel.sessions, fields=prices)
    for name, candidate in candidates.items():
        try:
            frames = outputs(loop, strategy, candidate)
        except Exception:
            continue
        if quantity in frames:
            value = frames[quantity].loc[: past.sessions[-1]]
            if _first_difference(with_future, value) is None:
                return name
    return "several of them together"


def _refusal(cut: pd.Timestamp, error: Exception) -> Finding:
    what = f"targets ({type(error).__name__}: {error})"
    return Finding(what, f"{cut:%Y-%m-%d}", "all", f"{cut:%Y-%m-%d}", None, None, "an error")
