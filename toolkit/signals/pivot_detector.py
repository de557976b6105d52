"""Detection of a pivot: a change in what moves a miner, alone or after a contract."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.signals.signal import Signal
from toolkit.signals.specifications import Specification
from toolkit.signals.style_factors import StyleFactors
from toolkit.units import NonNegative, Positive, Sessions, component


@dataclass(frozen=True)
class PivotEvidence:
    """What speaks for a pivot: frames of sessions x assets.

    Parameters
    ----------
    change
        By how far a miner's loadings turned from mining towards AI, in radians (pi/2: from the one
        alone to the other alone); recent window against the one before it.
    t_ratio
        The change over its standard error.
    contract
        Whether contracted power grew within the sessions that a contract counts.
    """

    change: pd.DataFrame
    t_ratio: pd.DataFrame
    contract: pd.DataFrame


@component
class PivotDetector(Signal):
    """Alarm that a miner is turning from mining to AI.

    Parameters
    ----------
    contracts
        Signal of contracted power, sessions x assets, which grows when a contract is public; None
        for the market's evidence alone.
    specification
        How the recent exposure to mining and AI is measured; its window is the recent one.
    baseline_sessions
        Window, up to the recent one, of the exposure it is compared with; a multiple of 21.
    alone
        t-ratio that raises an alarm without a contract.
    with_contract
        t-ratio that raises one while a contract counts.
    contract_sessions
        Sessions for which a contract counts.

    Notes
    -----
    1 from an alarm until the t-ratio is negative, 0 otherwise; NaN where the miner lacks the
    returns of both windows. The statistic is the turn of the loadings, so that leverage, a rally
    or a crash, which scale them all, are no evidence, and neither is what moves all miners, since
    other legacy miners are the mining factor. Statements, new names and bans are no contracts.

    The thresholds are round numbers that no real price was asked about. Alone, 3.5: Student's t
    with 20 degrees of freedom exceeds it with a probability of 0.0011, and ten years, in which the
    recent window is new some 30 times and looked at in about ten positions that matter, hold a
    third of a false alarm; fat tails add to it. With a contract, 2: what is ordinary evidence on
    one day. It is looked at every day, so that a contract without any consequence is confirmed in
    every third or fourth case: the contract is the main evidence then, and the market has to agree.

    An alarm does not tell which of the two loadings moved, nor why.
    """

    rises_with_events: ClassVar[bool] = True

    contracts: Signal | None = None
    specification: Specification = Specification(sessions=84)
    baseline_sessions: Sessions = 252
    alone: Positive = 3.5
    with_contract: NonNegative = 2.0
    contract_sessions: Sessions = 126

    def __post_init__(self) -> None:
        if self.with_contract > self.alone:
            raise ConfigError(
                f"PivotDetector.with_contract = {self.with_contract} is above alone = {self.alone}; "
                "a contract must not make an alarm harder."
            )

    def compute(self, panel: Panel) -> pd.DataFrame:
        """Whether an alarm is on: 1 or 0, sessions x assets."""
        evidence = self.evidence(panel)
        ratio = evidence.t_ratio.to_numpy()
        limit = np.where(evidence.contract, self.with_contract, self.alone)
        raised, ended = ratio >= limit, ratio < 0.0
        state = _last(raised) > _last(ended)
        told = np.where(np.isnan(ratio), np.nan, state)
        return pd.DataFrame(told, panel.sessions, panel.universe.columns)

    def evidence(self, panel: Panel) -> PivotEvidence:
        """Change of exposure, its t-ratio, and whether a contract counts."""
        factors = StyleFactors(panel)
        recent = self.specification.exposure(factors)
        baseline = replace(self.specification, sessions=self.baseline_sessions)
        before = baseline.exposure(factors)
        lag = self.specification.sessions
        change = recent.angle - _earlier(before.angle, lag)
        error = np.hypot(recent.angle_error, _earlier(before.angle_error, lag))
        mines = factors.is_miner().to_numpy()
        return PivotEvidence(
            change=factors.on_clock(np.where(mines, change, np.nan)),
            t_ratio=factors.on_clock(np.where(mines, change / error, np.nan)),
            contract=self._contract(panel),
        )

    def _contract(self, panel: Panel) -> pd.DataFrame:
        """Whether contracted power grew within the last sessions: bool, sessions x assets."""
        rows, columns = panel.sessions, panel.universe.columns
        if self.contracts is None:
            return pd.DataFrame(False, rows, columns)
        power = self.contracts.compute(panel).reindex(index=rows, columns=columns).to_numpy()
        last = _last(np.diff(np.nan_to_num(power), axis=0, prepend=0.0) > 0.0)
        recent = np.arange(len(rows))[:, None] - last < self.contract_sessions
        return pd.DataFrame(recent & (last >= 0), rows, columns)


def _last(flags: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Row of the last true flag of each column up to each row, -1 where there was none."""
    rows = np.arange(len(flags))[:, None]
    return np.asarray(np.maximum.accumulate(np.where(flags, rows, -1), axis=0))


def _earlier(values: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Values of some rows before; NaN at first."""
    return np.concatenate([np.full_like(values[:lag], np.nan), values[: max(len(values) - lag, 0)]])
