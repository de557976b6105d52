"""What prices did around announcements, less what bitcoin and AI shares explain of it.

Betas are those of before the event. The window of the reaction begins with the first session that
closes after the announcement was public, and that of what could be traded one session after the
fill. Every event is in the table; averages hold those with an exact day only, and there is no test
below twenty independent ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.backtest.beta_matched import first_priced
from toolkit.data.announcement import CONTRACTS, Event, Kind
from toolkit.errors import DataError
from toolkit.panel import Panel
from toolkit.research.bootstrap import Blocks, Estimate, bootstrap
from toolkit.signals.style_factors import StyleFactors
from toolkit.universe import Sleeve

Floats = NDArray[np.float64]

LEAST_CLUSTERS = 20
"""Independent events below which only the table is shown."""

ESTIMATION, LEAST_RETURNS, GAP = 126, 63, 5
_CLOSE = pd.Timedelta(hours=16)
_FAILED = ("gpu_cloud_exit", "takeover_fail")
_BROAD_EQUITY = "broad_equity"

WINDOWS = {"day before": (-1, 0), "reaction": (0, 2), "tradable month": (0, 21)}
"""First session and the one after the last, from the reaction or, the month, from the first return
that somebody who learnt of the event could earn."""


def group_of(event: Event) -> str:
    """What an announcement says of a pivot: contract, failed, statement, build, finance, other.

    ``failed`` are ended GPU clouds and takeovers that came to nothing; ``build`` is what a miner
    built or bought without a tenant; ``statement`` what it only said or called itself.
    """
    if event.event_type in _FAILED:
        return "failed"
    if event.kind in CONTRACTS:
        return "contract"
    named = {
        Kind.STRATEGY_STATEMENT: "statement",
        Kind.RENAME: "statement",
        Kind.FINANCING: "finance",
        Kind.TAKEOVER: "takeover",
        Kind.MILESTONE: "build",
        Kind.OTHER: "build",
    }
    return named.get(event.kind, "other")


def market_factors(panel: Panel) -> pd.DataFrame:
    """Returns that move the whole sector: sessions x factors.

    ``bitcoin`` and ``bitcoin_lagged``, the session before, for its day ends after New York's;
    ``semiconductors``, the AI fund of the universe (its first AI asset with a price throughout);
    ``broad_equity`` where the panel has that field. NaN where one has no return.

    Raises
    ------
    DataError
        No bitcoin or no AI asset with a price throughout.
    """
    fund = first_priced(panel, 0, Sleeve.AI_INFRASTRUCTURE)
    styles = StyleFactors(panel)
    bitcoin = styles.bitcoin()["bitcoin"]
    if fund is None or bitcoin.isna().all():
        raise DataError(
            "The panel has no bitcoin, or no AI asset with a price throughout; without them nothing "
            "can be said of what a miner follows. Add them to universe.toml."
        )
    factors = {
        "bitcoin": bitcoin,
        "bitcoin_lagged": bitcoin.shift(1),
        "semiconductors": panel.returns()[fund],
    }
    if _BROAD_EQUITY in panel.fields:
        factors[_BROAD_EQUITY] = styles.priced_by(_BROAD_EQUITY).iloc[:, 0]
    return pd.DataFrame(factors)


def fit_betas(returns: Floats, factors: Floats) -> tuple[Floats, Floats]:
    """Betas of returns to factors, and what is left of the returns, the mean included.

    The mean of some months is luck, so that it is fitted and not carried forward.
    """
    design = np.column_stack([np.ones(len(factors)), factors])
    betas = np.linalg.lstsq(design, returns, rcond=None)[0][1:]
    return np.asarray(betas), returns - factors @ betas


@dataclass(frozen=True)
class EventTest:
    """Average over independent events of a group, for one window.

    Attributes
    ----------
    events, clusters
        With an exact day and enough history; those within five sessions of one another count as
        one cluster, whoever's they are.
    mean
        Of the clusters' abnormal returns; None below twenty of them.
    p_value
        Two-sided, of the mean rank (Corrado); None below twenty clusters.
    estimate
        The mean with its interval and the probability of the ranks, which is 1 where mean and
        ranks point to different sides; None below twenty clusters.
    """

    group: str
    window: str
    events: int
    clusters: int
    mean: float | None = None
    p_value: float | None = None
    estimate: Estimate | None = None


def event_table(panel: Panel, events: Iterable[Event]) -> pd.DataFrame:
    """Abnormal returns around every announcement of an asset of the panel.

    Returns
    -------
    DataFrame
        A row an event: ``asset``, ``day``, ``quality``, ``group``, ``session`` (of the reaction),
        ``beta_`` of each factor and, for each window, the abnormal return and ``rank_``, the share
        of the asset's own earlier stretches of that length that were lower. NaN where the asset
        has fewer than 63 returns before, or the window is not over yet.
    """
    factors = market_factors(panel)
    returns, rows = panel.returns(), []
    closes = session_closes(panel.sessions)
    assets = {name: a.id for a in panel.universe for name in (a.ticker, a.id) if name}
    for event in events:
        reaction = int(closes.searchsorted(pd.Timestamp(event.published_at)))
        known = int(panel.decisions.searchsorted(pd.Timestamp(event.published_at)))
        if event.ticker not in assets or reaction >= len(panel.sessions):
            continue
        asset = _alive(panel, event.ticker, reaction) or assets[event.ticker]
        row: dict[str, object] = {
            "asset": asset,
            "day": pd.Timestamp(event.day),
            "quality": event.quality,
            "group": group_of(event),
            "session": panel.sessions[reaction],
        }
        row |= abnormal_returns(
            returns[asset].to_numpy(), factors, reaction, spans(reaction, known)
        )
        rows.append(row)
    names = [f"{prefix}{name}" for name in WINDOWS for prefix in ("", "rank_")]
    columns = ["asset", "day", "quality", "group", "session"]
    betas = [f"beta_{name}" for name in factors if name != "bitcoin_lagged"]
    return pd.DataFrame(rows, columns=[*columns, *betas, *names])


def spans(reaction: int, known: int) -> dict[str, tuple[int, int]]:
    """Sessions of each window, for an event's reaction and the session that decides knowing of it."""
    # Decided, filled at the next close, earning from the one after.
    begins = {"tradable month": known + 2}
    return {
        name: (begins.get(name, reaction) + first, begins.get(name, reaction) + last)
        for name, (first, last) in WINDOWS.items()
    }


def session_closes(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """Moment (UTC) of each session's close in New York; 16:00 on shortened days too."""
    local = (sessions + _CLOSE).tz_localize("America/New_York")
    return pd.DatetimeIndex(local.tz_convert("UTC"))


def _alive(panel: Panel, ticker: str, row: int) -> str | None:
    """Asset that had a ticker on a session: two shares of one company may have shared it."""
    priced = panel.tradable().iloc[row]
    for asset in panel.universe:
        if ticker in (asset.id, asset.ticker) and priced[asset.id]:
            return asset.id
    return None


def abnormal_returns(
    returns: Floats, factors: pd.DataFrame, reaction: int, windows: Mapping[str, tuple[int, int]]
) -> dict[str, float]:
    """Betas of before an event, and abnormal return and rank of each window.

    Parameters
    ----------
    returns
        Of one asset, one a session.
    factors
        As of `market_factors`.
    reaction
        Session of the reaction; betas end five sessions before it.
    windows
        First session and the one after the last of each window.
    """
    market = factors.to_numpy()
    last = reaction - GAP
    before = slice(max(0, last - ESTIMATION), max(0, last))
    known = np.isfinite(np.column_stack([returns, market])).all(axis=1)
    rows = np.flatnonzero(known[before]) + before.start
    if len(rows) < LEAST_RETURNS:
        return {}
    betas, left = fit_betas(returns[rows], market[rows])
    by_name = dict(zip(factors.columns, betas, strict=True))
    found = {f"beta_{name}": beta for name, beta in by_name.items()}
    found["beta_bitcoin"] += found.pop("beta_bitcoin_lagged")
    for name, (first, stop) in windows.items():
        window = slice(first, stop)
        if first < 0 or stop > len(returns) or not known[window].all():
            continue
        total = float((returns[window] - market[window] @ betas).sum())
        width = stop - first
        # Log returns would hide what a jump is worth; sums of simple ones compare like with like.
        past = np.convolve(left, np.ones(width), "valid")
        found[name] = total
        found[f"rank_{name}"] = float((np.sum(past < total) + 0.5) / (len(past) + 1.0))
    return found


def event_tests(table: pd.DataFrame, groups: Sequence[str]) -> list[EventTest]:
    """Averages of groups of events with an exact day, with a test where there are enough.

    The rank of each window among the asset's own earlier ones is uniform where nothing happens. Of
    a cluster it is the mean over its events, which varies less, so that the test errs on the side
    of finding nothing. The month's windows of different clusters may overlap.

    References
    ----------
    Corrado, A nonparametric test for abnormal security-price performance in event studies, J. of
    Financial Economics 23 (1989).
    """
    found = []
    exact = table[table["quality"] == "exact"]
    for group in groups:
        for window in WINDOWS:
            own = exact[(exact["group"] == group) & exact[window].notna()]
            mean, count = over_clusters(own[window], own["session"])
            if mean is None:
                found.append(EventTest(group, window, len(own), count))
                continue
            ranks = own.groupby(clusters(own["session"]))[f"rank_{window}"].mean()
            score = float(ranks.mean() - 0.5) * math.sqrt(12.0 * count)
            p_value = 2.0 * NormalDist().cdf(-abs(score))
            agreed = replace(mean, p_value=p_value if score * mean.value > 0.0 else 1.0)
            found.append(
                EventTest(group, window, len(own), count, mean.value, p_value, estimate=agreed)
            )
    return found


def over_clusters(values: pd.Series, sessions: pd.Series) -> tuple[Estimate | None, int]:
    """Mean over the clusters of events, each the mean of its own; and the number of clusters.

    None below twenty of them. Events without a value are left out; clusters are drawn again for
    interval and probability.
    """
    known = values.notna()
    means = values[known].groupby(clusters(sessions[known])).mean().to_numpy(dtype=float)
    if len(means) < LEAST_CLUSTERS:
        return None, len(means)
    return bootstrap(lambda drawn: float(drawn.mean()), means, Blocks(length=1)), len(means)


def clusters(sessions: pd.Series, days: int = 7) -> pd.Series:
    """Number of the cluster of each event: a new one after more than some days without any."""
    ordered = sessions.sort_values()
    fresh = ordered.diff() > timedelta(days=days)
    return fresh.cumsum().reindex(sessions.index)
