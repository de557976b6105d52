"""Frames that a user hands to `simulate`, checked and turned into arrays.

Nothing is repaired: what cannot be meant is refused, naming the place.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError, LookAheadError, UnknownAssetError, suggestion
from toolkit.universe import Universe

Floats = NDArray[np.float64]

_NUMERIC = "fiu"
_ROUNDING, _EXCESS = 1e-12, 1e-9
"""How far rounding may bring a target below 0, and a sum of targets above 1."""


def demand_frame(given: object, name: str) -> None:
    """Refuse what is no DataFrame, saying what it is."""
    if not isinstance(given, pd.DataFrame):
        found = "None" if given is None else type(given).__name__
        raise DataError(
            f"{name} must be a DataFrame with a row a session and a column an asset; found {found}."
        )


def checked_axes(prices: pd.DataFrame) -> tuple[pd.DatetimeIndex, tuple[str, ...]]:
    """Sessions and asset names of a price frame, refused where unsorted or repeated."""
    demand_frame(prices, "prices")
    sessions, assets = prices.index, tuple(map(str, prices.columns.tolist()))
    if not isinstance(sessions, pd.DatetimeIndex) or prices.empty or sessions.hasnans:
        raise DataError(
            "prices must have a column an asset and a row a session, each labelled by its day "
            f"(a DatetimeIndex); found {len(assets)} columns and {len(sessions)} rows of "
            f"{type(sessions).__name__}{' with NaT' if sessions.hasnans else ''}."
        )
    if not (sessions.is_monotonic_increasing and sessions.is_unique):
        late = sessions[1:][sessions[1:] <= sessions[:-1]][0]
        raise DataError(
            f"prices: session {late:%Y-%m-%d} repeats or is out of order; sort the rows."
        )
    twice = sorted({name for name in assets if assets.count(name) > 1})
    if twice:
        raise DataError(f"prices: more than one column for {', '.join(twice)}; keep one.")
    return sessions, assets


def _numbers(frame: pd.DataFrame, name: str) -> Floats:
    """The frame's values as a private array; text that looks like a number is no number."""
    values = frame.to_numpy()
    if values.dtype.kind not in _NUMERIC:
        for column, dtype in zip(frame.columns, frame.dtypes, strict=True):
            if dtype.kind not in _NUMERIC:
                raise DataError(f"{name}: column {column!r} holds {dtype}, expected numbers.")
        values = frame.to_numpy(dtype=np.float64)
    return np.array(values, dtype=np.float64, order="C")


def checked_prices(prices: pd.DataFrame) -> Floats:
    """Prices as a private array: positive, NaN for no trade, or 0 for good."""
    values = _numbers(prices, "prices")
    if values.min() > 0.0 and values.max() < np.inf:
        return values
    wrong = np.isinf(values) | (values < 0.0)
    # A price of zero ends an asset: nothing may follow it.
    alive = np.where(np.isnan(values), 0.0, values) > 0.0
    alive_later = np.maximum.accumulate(alive[::-1], axis=0)[::-1]
    wrong |= (values == 0.0) & alive_later
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"prices: {prices.columns[column]} on {prices.index[row]:%Y-%m-%d} is "
            f"{values[row, column]}; expected a positive finite price, NaN for no trade, or 0 for "
            f"good. Correct the row."
        )
    return values


def checked_flags(tradable: pd.DataFrame, prices: pd.DataFrame) -> NDArray[np.bool_]:
    """Tradability as an array, with the sessions and assets of prices."""
    for what, given, wanted in (
        ("sessions", tradable.index, prices.index),
        ("assets", tradable.columns, prices.columns),
    ):
        if not given.equals(wanted):
            raise DataError(
                f"tradable: its {len(given)} {what} are not the {len(wanted)} {what} of prices in "
                f"their order; reindex it like prices."
            )
    for column, dtype in zip(tradable.columns, tradable.dtypes, strict=True):
        if dtype != np.bool_:
            raise DataError(f"tradable: column {column!r} holds {dtype}, expected bool.")
    return tradable.to_numpy(dtype=np.bool_)


def checked_stages(closing_order: dict[str, int], assets: tuple[str, ...]) -> NDArray[np.int64]:
    """Stage of the day at which each asset closes, 0 where not given."""
    for name, stage in closing_order.items():
        if name not in assets:
            raise UnknownAssetError(f"closing_order names {name!r}. {suggestion(name, assets)}")
        if stage not in (0, 1, 2, 3):
            raise ConfigError(
                f"closing_order: {name} has stage {stage!r}; a stage is 0 (closes first) to 3."
            )
    return np.array([closing_order.get(name, 0) for name in assets], dtype=np.int64)


def checked_targets(
    targets: pd.DataFrame, sessions: pd.DatetimeIndex, assets: tuple[str, ...]
) -> Floats:
    """Target weights as sessions x assets, every row complete or all NaN.

    Raises
    ------
    UnknownAssetError, DataError
        Naming the asset and the session.
    """
    rows, weights = checked_decisions(targets, sessions, assets)
    complete = np.full((len(sessions), len(assets)), np.nan)
    complete[rows] = weights
    return complete


def demand_usable(targets: pd.DataFrame, universe: Universe) -> None:
    """Refuse decisions for an asset that may not be held on their session yet.

    Assets that ended or are halted are no matter of this: the ledger does not fill them.

    Raises
    ------
    LookAheadError
        Naming the asset, the session, and the one from which on it is usable.
    """
    days = targets.index.to_numpy().astype("datetime64[D]")
    for asset in universe:
        weights = targets[asset.id].to_numpy()
        early = (days < np.datetime64(asset.usable_from)) & (weights > 0.0) & (not asset.is_cash)
        if early.any():
            row = int(np.argmax(early))
            raise LookAheadError(
                f"The target of {targets.index[row]:%Y-%m-%d} has {weights[row]:.6g} in {asset.id}, "
                f"which is usable from {asset.usable_from} on. It cannot be held before, and whoever "
                f"names it before looks ahead. Give weights to assets of the day only: "
                f"Panel.members, Panel.eligible."
            )


def checked_decisions(
    targets: pd.DataFrame, sessions: pd.DatetimeIndex, assets: tuple[str, ...]
) -> tuple[NDArray[np.intp], Floats]:
    """Rows of the sessions with a decision, and the weights of each: decisions x assets.

    Raises
    ------
    UnknownAssetError, DataError
        Naming the asset and the session.
    """
    demand_frame(targets, "targets")
    names = tuple(map(str, targets.columns.tolist()))
    for name in names:
        if name not in assets:
            raise UnknownAssetError(f"targets name {name!r}. {suggestion(name, assets)}")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise DataError(f"targets: more than one column for {', '.join(twice)}; keep one.")
    if not targets.index.is_unique:
        again = targets.index[targets.index.duplicated()][0]
        raise DataError(f"targets: session {again} repeats; keep one row.")
    if len(targets) > 0 and not isinstance(targets.index, pd.DatetimeIndex):
        raise DataError(
            f"targets: {targets.index[0]!r} is no session; label the rows by the sessions of prices "
            f"(a DatetimeIndex)."
        )
    rows = sessions.get_indexer(targets.index)
    if (rows < 0).any():
        stranger = targets.index[rows < 0][0]
        raise DataError(f"targets: {stranger} is no session of the prices; use their sessions.")
    weights = _numbers(targets, "targets")
    with np.errstate(invalid="ignore"):
        decided = ~np.isnan(weights.sum(axis=1))
    if not decided.all():
        partly = ~decided & ~np.isnan(weights).all(axis=1)
        if partly.any():
            _refuse_unsound(targets[partly])
        rows, weights = rows[decided], weights[decided]
    lowest, highest = weights.min(initial=0.0), weights.sum(axis=1).max(initial=0.0)
    if lowest < -_ROUNDING or highest > 1.0 + _EXCESS:
        _refuse_unsound(targets[decided])
    if names != assets:
        placed = np.zeros((len(weights), len(assets)))
        placed[:, [assets.index(name) for name in names]] = weights
        weights = placed
    return rows, np.maximum(weights, 0.0, out=weights)


def _refuse_unsound(targets: pd.DataFrame) -> None:
    """Refuse the first row that no portfolio can follow."""
    for session, row in targets.iterrows():
        if row.isna().any():
            problem = "is partly NaN; give every weight, or none"
        elif np.isinf(row).any():
            problem = "is infinite; weights are fractions of equity"
        elif row.min() < -_ROUNDING:
            problem = "has a negative weight; portfolios are long-only"
        elif row.sum() > 1.0 + _EXCESS:
            problem = "sums to more than 1; there is no leverage"
        else:
            continue
        found = {str(name): float(weight) for name, weight in row.items() if weight != 0.0}
        raise DataError(f"The target of {session:%Y-%m-%d} {problem}: {found}.")
