"""Time the migration model: one run, and many of them with the memory they take.

Usage: `python benchmarks/fleet.py [PATHS]`; the bars are those of 10,000 paths, and fewer paths are
held against their share of the time.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from dataclasses import replace
from statistics import median

import pandas as pd

from toolkit.network.cohorts import Conversion, Entry, Fleet, Relocation, lognormal_fleet
from toolkit.network.fleet import FleetResult, simulate_fleet
from toolkit.network.montecarlo import PathProcess, Plan, monte_carlo
from toolkit.network.present_value import HostingTerms, MiningTerms

DAYS, COHORTS, ROUNDS = 3_653, 50, 15
RUN_MILLISECONDS = 100.0
ALL_PATHS, MINUTES, GIGABYTES = 10_000, 10.0, 1.0


def whole_fleet() -> Fleet:
    """Everything on: entry in 21 vintages and relocation in 4 classes beside the 50 cohorts."""
    terms = MiningTerms(-0.15, 200_000.0, 15.0), HostingTerms(1.25, 15.0, 8e6, 1.25, 0.85)
    return replace(
        lognormal_fleet(1052.0, cohorts=COHORTS),
        entry=Entry(),
        relocation=Relocation(),
        conversion=Conversion(*terms),
    )


def one_run(fleet: Fleet, paths: pd.DataFrame) -> FleetResult:
    return simulate_fleet(fleet, paths, seed=1)


def main() -> int:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    fleet = whole_fleet()
    days = pd.date_range("2026-07-01", periods=DAYS, freq="D")
    paths = pd.DataFrame({"price": 62_000.0, "fees": 0.03, "rent": 150.0}, index=days)
    print(f"load {os.getloadavg()[0]:.2f} on {os.cpu_count()} processors")

    start = time.perf_counter()
    one_run(fleet, paths)
    first = time.perf_counter() - start
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        one_run(fleet, paths)
        times.append(1e3 * (time.perf_counter() - start))
    print(
        f"one run of {DAYS} days: {median(times):.1f} ms, best {min(times):.1f} "
        f"(bar {RUN_MILLISECONDS:.0f}); the first one {first:.1f} s"
    )

    start = time.perf_counter()
    result = monte_carlo(fleet, PathProcess(), Plan(paths=count, days=DAYS, threads=2))
    minutes = (time.perf_counter() - start) / 60.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0**2
    bar = MINUTES * count / ALL_PATHS
    print(
        f"{count} paths on 2 threads: {minutes:.2f} minutes (bar {bar:.2f}), "
        f"{6e4 * minutes / count:.1f} ms each, peak memory {peak:.2f} GB (bar {GIGABYTES:.0f})"
    )
    print(result.outcomes["verdict"].value_counts().to_string())
    return int(median(times) > RUN_MILLISECONDS or minutes > bar or peak > GIGABYTES)


if __name__ == "__main__":
    sys.exit(main())
