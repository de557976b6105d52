"""How well pivots are detected where the truth is known: simulated markets of nine years.

    python benchmarks/pivot_detector.py [SEEDS]

prints, with and without the announced contracts, recall within 126 sessions of the contract, the
median delay, false alarms per ten miner-years, and what misled. An alarm that was on before the
contract is false and finds nothing: only one that starts afterwards does. SIMULATED.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.signals.pivot_detector import PivotDetector
from toolkit.signals.signal import Signal

SEEDS = 50
WITHIN = 126
"""Sessions after the decision that knew of the contract, within which the start of an alarm is a hit."""

SHADOW = pd.Timedelta(days=180)
"""For so long after a confounder a false alarm is counted as its doing."""


@dataclass
class Record:
    """Outcome over markets: one delay a pivot (None: missed), and the false alarms."""

    delays: list[int | None] = field(default_factory=list)
    misled_by: Counter[str] = field(default_factory=Counter)
    false_alarms: int = 0
    miner_years: float = 0.0

    @property
    def recall(self) -> float:
        """Share of the pivots that were found in time."""
        return sum(delay is not None for delay in self.delays) / len(self.delays)

    @property
    def median_delay(self) -> float:
        """Sessions from the decision that knew of the contract, over the pivots found."""
        return float(np.median([delay for delay in self.delays if delay is not None]))

    @property
    def false_alarms_in_ten_years(self) -> float:
        """Per ten miner-years in which the detector had a reading and no pivot had begun."""
        return 10.0 * self.false_alarms / self.miner_years


def measure(seeds: Iterable[int], detector: Signal) -> Record:
    """Judge a detector on markets."""
    record = Record()
    for seed in seeds:
        market = SampleMarket(seed=seed)
        panel = assemble([market], market.universe())
        state = detector.compute(panel)
        truth, confounders = market.truth.ai_share, market.truth.confounders
        contracts = ContractedMegawatts().compute(panel)
        for name in truth.columns:
            begins = np.flatnonzero(contracts[name].fillna(0.0).to_numpy() > 0.0)
            pivots = bool((truth[name] > 0.0).any())
            known = int(begins[0]) if pivots else len(panel.sessions)
            on = state[name].to_numpy() > 0.0
            starts = on & ~np.append(False, on[:-1])
            quiet = state[name].iloc[:known]
            record.miner_years += float(quiet.notna().sum()) / panel.periods_per_year
            for day in panel.sessions[:known][starts[:known]]:
                record.false_alarms += 1
                record.misled_by.update(_near(confounders, name, day) or ["nothing planted"])
            if pivots:
                late = np.flatnonzero(starts[known : known + WITHIN + 1])
                record.delays.append(int(late[0]) if len(late) else None)
    return record


def _near(confounders: pd.DataFrame, name: str, day: pd.Timestamp) -> list[str]:
    mine = confounders["asset"].isin([name, "ALL"])
    after = (confounders["first"] - pd.Timedelta(days=1) <= day) & (
        confounders["last"] + SHADOW >= day
    )
    return sorted(set(confounders.loc[mine & after, "kind"]))


def main() -> int:
    """Print the table."""
    seeds = range(int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS)
    detectors = {
        "with contracts": PivotDetector(contracts=ContractedMegawatts()),
        "market alone": PivotDetector(),
    }
    for name, detector in detectors.items():
        found = measure(seeds, detector)
        print(
            f"{name:<15} {len(found.delays)} pivots: recall {found.recall:.2f}, median delay "
            f"{found.median_delay:.0f} sessions; {found.miner_years:.0f} miner-years without one: "
            f"{found.false_alarms_in_ten_years:.2f} false alarms per ten"
        )
        print(f"{'':<15} near {dict(found.misled_by.most_common())}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
