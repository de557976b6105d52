"""The assets of a program and their sleeves by date."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion
from toolkit.universe import Asset, Sleeve

_FEW = 8

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Roster:
    """The assets of a program, in the order it computes in.

    That order is the alphabetic one, so the order in which assets are listed changes no result.

    Parameters
    ----------
    assets
        Assets, of which at most one is cash; or plain ids: then there are no sleeves and no cash,
        and the weights sum to 1 over the assets given.
    """

    def __init__(self, assets: Sequence[Asset | str]):
        given = [asset if isinstance(asset, str) else asset.id for asset in assets]
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice or not given:
            found = f"{', '.join(twice)} more than once" if twice else "no asset"
            raise ConfigError(f"The program was given {found}; give each asset once.")
        self.assets = tuple(assets)
        self._size = len(given)
        self.given = pd.Index(given)
        self.index = pd.Index(sorted(given))
        self._position = {name: place for place, name in enumerate(sorted(given))}
        self.in_order = np.arange(self._size)
        self.everyone = np.ones(self._size, dtype=bool)
        self.zeros, self.ones = np.zeros(self._size), np.ones(self._size)
        self.unit_rows = np.eye(self._size)
        for constant in (self.in_order, self.everyone, self.zeros, self.ones, self.unit_rows):
            constant.flags.writeable = False
        self.place = self._positions(given, "The program")
        known = [asset for asset in assets if isinstance(asset, Asset)]
        if known and len(known) < len(given):
            raise ConfigError("Give a program either assets or plain ids, not both.")
        cash = [asset.id for asset in known if asset.is_cash]
        if len(cash) > 1:
            raise ConfigError(f"{' and '.join(cash)} are both cash; keep one.")
        self.cash = self._position[cash[0]] if cash else None
        self.risky = np.arange(len(given)) != (-1 if self.cash is None else self.cash)
        days = sorted({membership.since for asset in known for membership in asset.memberships})
        self._changes = np.array(days, dtype="datetime64[ns]")
        self._since = list(map(pd.Timestamp, days))
        codes = {sleeve: code for code, sleeve in enumerate(Sleeve)}
        ordered = sorted(known, key=lambda asset: asset.id)
        self._sleeves = np.array([[codes[a.sleeve_on(day)] for a in ordered] for day in days])
        self._shares: dict[tuple[Sleeve, ...], Floats] = {}
        self._session: tuple[Any, Any] = (None, 0)
        # Decisions of one backtest name their assets by a few indexes and views of them.
        self._looked_up: list[tuple[pd.Index, NDArray[np.intp]]] = [(self.given, self.place)]

    def __len__(self) -> int:
        return self._size

    def positions(self, names: Iterable[str], where: str = "A limit") -> NDArray[np.intp]:
        """Positions of assets by name, each named once.

        Raises
        ------
        UnknownAssetError, DataError
            A name is unknown or repeated; `where` says whose names they are.
        """
        if not isinstance(names, pd.Index):
            return self._positions(list(names), where)
        place = self._known(names)
        if place is None:
            same = names.equals(self.given)
            place = self.place if same else self._positions(names.tolist(), where)
            self._remember(names, place)
        return place

    def alike(self, names: pd.Index, others: pd.Index) -> bool:
        """Whether two indexes, the second one of known assets, are the same in the same order."""
        place, known = self.positions(others), self._known(names)
        if known is not None:
            return known is place or np.array_equal(known, place)
        same = names.equals(others)
        if same:
            self._remember(names, place)
        return same

    def _known(self, names: pd.Index) -> NDArray[np.intp] | None:
        """Positions of names that were looked up lately."""
        for known, place in self._looked_up:
            # A copy of an index shares its array.
            if known.is_(names) or known.array is names.array:
                return place
        return None

    def _remember(self, names: pd.Index, place: NDArray[np.intp]) -> None:
        if len(self._looked_up) == _FEW:
            del self._looked_up[1:]
        self._looked_up.append((names, place))

    def _positions(self, wanted: list[str], where: str) -> NDArray[np.intp]:
        unknown = [str(name) for name in wanted if name not in self._position]
        if unknown:
            raise UnknownAssetError(
                f"{where} names {unknown[0]!r}, which the program was not compiled for. "
                f"{suggestion(unknown[0], self._position)}"
            )
        if len(set(wanted)) < len(wanted):
            twice = next(name for name in wanted if wanted.count(name) > 1)
            raise DataError(f"{where} names {twice} more than once; name each asset once.")
        place = np.array([self._position[name] for name in wanted], dtype=np.intp)
        return self.in_order if np.array_equal(place, self.in_order) else place

    def cash_position(self) -> int:
        """Position of the cash asset.

        Raises
        ------
        ConfigError
            There is none.
        """
        if self.cash is None:
            raise ConfigError(
                "A limit speaks of cash, and the program has no cash asset. Compile the optimizer "
                "for assets of a universe that has one."
            )
        return self.cash

    def members(self, sleeves: Sequence[Sleeve], sessions: Any) -> Flags:
        """Whether each asset is in one of the sleeves, by session: (assets,) or (rows, assets)."""
        return self.shares(sleeves, sessions) > 0.0

    def shares(self, sleeves: Sequence[Sleeve], sessions: Any) -> Floats:
        """The same in numbers, 1 for an asset that is."""
        if not self._since:
            raise ConfigError(
                "A limit speaks of sleeves, and the assets are plain ids without sleeves. Compile "
                "the optimizer for assets of a universe, or limit named assets."
            )
        chosen = tuple(sleeves)
        table = self._shares.get(chosen)
        if table is None:
            wanted = np.array([float(sleeve in chosen) for sleeve in Sleeve])
            table = self._shares[chosen] = wanted[self._sleeves]
        shares: Floats = table[self.period(sessions)]
        return shares

    def period(self, sessions: Any) -> Any:
        """Number of the period between changes of sleeves that a session, or each, lies in."""
        if not self._since:
            return 0
        if sessions is not self._session[0]:
            if isinstance(sessions, pd.Timestamp):
                row: Any = max(bisect_right(self._since, sessions) - 1, 0)
            else:
                row = np.maximum(np.searchsorted(self._changes, sessions, "right") - 1, 0)
            self._session = (sessions, row)
        return self._session[1]

    def floats(self, values: pd.Series, where: str) -> Floats:
        """Values by position, 0 for an absent asset."""
        row = np.zeros(len(self))
        row[self.positions(values.index, where)] = values.to_numpy()
        if not math.isfinite(row.sum()):
            name = self.index[int(np.argmin(np.isfinite(row)))]
            raise DataError(f"{where}: {name} is {values[name]}; give a finite number.")
        return row

    def flags(self, values: pd.Series | None, where: str) -> Flags:
        """True or False by position, True for an absent asset."""
        row = np.ones(len(self), dtype=bool)
        if values is not None:
            if values.dtype != bool:
                raise DataError(f"{where} holds {values.dtype}; give True or False.")
            row[self.positions(values.index, where)] = values.to_numpy()
        return row

    def series(self, row: Floats) -> pd.Series:
        """A row by position as a Series in the order the assets were given."""
        return pd.Series(row[self.place], index=self.given, copy=False)
