"""The catalogue of assets: a ``universe.toml`` and the table of corporate actions beside it.

.. code-block:: toml

    corporate_actions = "corporate_actions.csv"      # optional, facts on record
    without_prices = ["ABTC"]                        # optional: it may tell of these too

    [assets.CASH]
    sleeve = "cash"
    ticker = "BIL"

    [assets.APLD]
    usable_from = 2022-04-13                         # not stated: from the first price on
    memberships = [
        { sleeve = "legacy_miners", since = 2022-04-13 },
        { sleeve = "pivoting_miners", since = 2023-05-17 },
    ]
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

from toolkit.data.checks import only_keys, path_inside, read_toml
from toolkit.data.facts import Fact, read_facts
from toolkit.errors import ConfigError, DataError, UnknownAssetError, suggestion
from toolkit.universe import Asset, CorporateAction, Membership, Universe

_ACTION_COLUMNS = ("asset", "date", "action", "ratio_or_terms", "source")


def read_universe(path: Path) -> Universe:
    """Read and check a ``universe.toml``.

    Raises
    ------
    ConfigError
        Naming the file, the asset and the key.
    UnknownAssetError
        The table of corporate actions tells of an asset that the file does not name: a slip of the
        pen would lose a fact without a word.
    """
    content = read_toml(path)
    try:
        only_keys(content, ("assets", "corporate_actions", "without_prices"), "the file")
        listed = content.get("assets", {})
        if not isinstance(listed, dict) or not listed:
            raise ConfigError("no assets; each is a table headed [assets.ID].")
        assets = tuple(_asset(name, settings) for name, settings in listed.items())
        table = content.get("corporate_actions", "")
        if not isinstance(table, str):
            raise ConfigError(f"corporate_actions is {table!r}; the name of a CSV is expected.")
        absent = content.get("without_prices", [])
        if not isinstance(absent, list) or not all(isinstance(name, str) for name in absent):
            raise ConfigError(f"without_prices is {absent!r}; a list of ids is expected.")
        held = {asset.id for asset in assets}
        known = {*held, *absent}
        actions = read_actions(path_inside(path.parent, table), known) if table else ()
        return Universe(assets, tuple(action for action in actions if action.asset in held))
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None


def _asset(name: str, settings: Any) -> Asset:
    where = f"[assets.{name}]"
    if not isinstance(settings, dict):
        raise ConfigError(f"{where} is {settings!r}; a table of settings is expected.")
    if ("sleeve" in settings) == ("memberships" in settings):
        raise ConfigError(f"{where} needs either sleeve or memberships.")
    if "id" in settings:
        raise ConfigError(f"{where}: the id is the name of the table; remove 'id'.")
    try:
        if "sleeve" in settings:
            stated = settings.get("usable_from")
            since = stated if isinstance(stated, date) else Asset.usable_from
            rest = {key: value for key, value in settings.items() if key != "sleeve"}
            only = Membership(sleeve=settings["sleeve"], since=since)
            return Asset(id=name, memberships=(only,), **rest)
        return Asset(id=name, **settings)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def read_actions(path: Path, known: Collection[str] | None = None) -> tuple[CorporateAction, ...]:
    """Read a table of corporate actions: asset, date, action, ratio_or_terms, source; CSV.

    Prices are adjusted already, so a row moves nothing: what ends an asset is its ``closing`` in
    the universe file.

    Parameters
    ----------
    known
        Assets that a row may be of. None: any.

    Raises
    ------
    DataError
        If a row has no day, action or terms; naming the file, the line and the column.
    UnknownAssetError
        If an asset is not known.
    """
    return tuple(_action(fact, known) for fact in read_facts(path, _ACTION_COLUMNS)[1])


def _action(fact: Fact, known: Collection[str] | None) -> CorporateAction:
    cells = fact.cells
    for column in ("action", "ratio_or_terms"):
        if not cells[column]:
            raise fact.wrong(column, f"an action of {cells['asset']} without it.")
    try:
        action = CorporateAction(
            asset=cells["asset"],
            day=fact.day("date"),
            action=cells["action"],
            terms=cells["ratio_or_terms"],
            source=cells["source"],
        )
    except ConfigError as error:
        raise DataError(f"{fact.where}: {error}") from None
    if known is not None and action.asset not in known:
        raise UnknownAssetError(
            f"{fact.where}, column 'asset': {action.asset!r} is not in the universe. "
            f"{suggestion(action.asset, known)} Add it to universe.toml, name it there under "
            "without_prices, or leave the row out."
        )
    return action
