"""Where the look-ahead audit cuts: where a peek would show.

A rule that peeks at tomorrow differs from an honest one only where tomorrow makes a difference.
Sessions drawn at random would miss a rule with two states nineteen times out of twenty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.panel import Panel
from toolkit.universe import Universe

Rows = NDArray[np.intp]


def choose_cuts(
    panel: Panel,
    frames: Mapping[str, pd.DataFrame],
    cuts: int | None,
    seed: int,
    start: int = 0,
) -> Rows:
    """Rows to cut at, increasing; all of them where `cuts` is None.

    Parameters
    ----------
    frames
        Dense ``targets``, and signals by name.
    cuts
        How many; there are fewer where not so many sessions follow the first target.
    seed
        Of the draws.
    start
        Row on which the run starts: what lies before only warms up.

    Notes
    -----
    Half of them lie where the targets change or one session before; the first half of these at the
    largest changes of the targets and of each signal, which finds the rare switch of a rule that
    drifts every session. A quarter lie one session before something dated in the universe, where
    every earlier use of it shows. The rest lie anywhere from the first target on.
    """
    targets = frames["targets"]
    if cuts is None or cuts >= len(targets):
        return np.arange(len(targets))
    generator = np.random.default_rng(seed)
    largest = [
        _changes(frame.reindex(targets.index), generator)[: max(1, cuts // 4 // len(frames))]
        for frame in frames.values()
    ]
    changes = _changes(targets, generator)
    # Nothing lies after the last row that could be hidden.
    first, last = max(start, int(np.argmax(targets.notna().any(axis=1)))), len(targets) - 1
    pools = (
        (np.concatenate(largest), cuts // 4),
        (np.concatenate([changes, changes - 1]), cuts // 2),
        (_rows_before(panel.universe, panel.sessions), cuts - cuts // 4),
        (np.arange(last), cuts),
    )
    chosen = np.array([], dtype=np.intp)
    for pool, enough in pools:
        inside = pool[(pool >= first) & (pool < last)]
        left = np.setdiff1d(inside, chosen)
        drawn = generator.choice(left, min(enough - len(chosen), len(left)), replace=False)
        chosen = np.concatenate([chosen, drawn])
    return np.sort(chosen)


def _changes(frame: pd.DataFrame, generator: np.random.Generator) -> Rows:
    """Rows that differ from the one before, the largest change first, ties at random."""
    values = np.nan_to_num(frame.to_numpy(dtype=float), nan=-1.0, posinf=1e300, neginf=-1e300)
    size = np.abs(np.diff(values, axis=0, prepend=values[:1])).sum(axis=1)
    order = np.lexsort((generator.random(len(size)), -size))
    return order[: np.count_nonzero(size > 1e-9)]


def _rows_before(universe: Universe, sessions: pd.DatetimeIndex) -> Rows:
    """Row of the session before each dated fact of the universe."""
    days = np.array([str(day) for day in _dated(universe)], dtype="datetime64[D]")
    return sessions.to_numpy().astype("datetime64[D]").searchsorted(days) - 1


def _dated(universe: Universe) -> Iterator[date]:
    for asset in universe:
        yield asset.usable_from
        yield from (membership.since for membership in asset.memberships[1:])
        yield from (halt.first for halt in asset.halts)
        if asset.closing:
            yield from (asset.closing.known_from, asset.closing.settlement)
    yield from (action.day for action in universe.actions)
