"""The look-ahead audit of every shipped strategy on 200 simulated markets: none may trip it.

Three years each, default cuts, with the risk model in the loop. A number of markets may be given.
Prints count, time and differences by strategy; exits with 1 if there is any difference.
"""

from __future__ import annotations

import sys
import time

from toolkit.backtest.audit import audit
from toolkit.backtest.engine import TimeLoop
from toolkit.backtest.schedule import Schedule
from toolkit.config import Experiment
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.optimize.costs import ProportionalCost
from toolkit.risk.estimators import ExponentialCovariance
from toolkit.settings import shipped_strategies

MARKETS, YEARS = 200, 3.0
STRATEGIES = {name: Experiment.from_toml(name).strategy() for name in shipped_strategies()}
LOOP = TimeLoop(None, ExponentialCovariance(), ProportionalCost(), Schedule(), 1, 1e6)


def main() -> int:
    markets = int(sys.argv[1]) if len(sys.argv) > 1 else MARKETS
    seconds = dict.fromkeys(STRATEGIES, 0.0)
    differences, cuts = dict.fromkeys(STRATEGIES, 0), 0
    began, began_on_cpu = time.perf_counter(), time.process_time()
    for seed in range(markets):
        market = SampleMarket(seed=seed, years=YEARS)
        panel = assemble([market], market.universe())
        for name, strategy in STRATEGIES.items():
            start = time.process_time()
            found = audit(LOOP, strategy, panel)
            seconds[name] += time.process_time() - start
            differences[name] += found.differences
            cuts += found.cuts
            for finding in found.findings[:3]:
                print(f"seed {seed}, {name}: {finding}")
    for name in STRATEGIES:
        mean = seconds[name] / markets
        print(f"{name:<20} {markets} audits, {differences[name]} differences, {mean:.3f} s each")
    wall, cpu = time.perf_counter() - began, time.process_time() - began_on_cpu
    print(
        f"{len(STRATEGIES) * markets} audits, {cuts} cuts, {sum(differences.values())} differences"
    )
    print(f"{wall:.0f} s, {cpu:.0f} s of processor, {1e3 * cpu / cuts:.1f} ms a cut")
    return int(any(differences.values()))


if __name__ == "__main__":
    sys.exit(main())
