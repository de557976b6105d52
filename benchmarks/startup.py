"""How long a command takes from a cold process, against the imports it stands on.

Each pair is measured in turn, round by round, in fresh processes after one discarded run of each;
the printed ratio is of medians. The bars: `--help` at most 4x `import typer`; a whole run of
the embedded market at most 2.3x `import vectorbt`, 1.5x without the replay; peak memory at most 2x.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 7
HASHPIVOT = str(Path(sys.executable).with_name("hashpivot"))
STRATEGY = "difficulty_rotation"


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and peak MiB of one process."""
    began = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed with {status}")
    return perf_counter() - began, usage.ru_maxrss / 1024.0


def main() -> None:
    with tempfile.TemporaryDirectory() as runs:
        run = [HASHPIVOT, "run", STRATEGY, "--runs", runs]
        commands = {
            "import typer": [sys.executable, "-c", "import typer"],
            "hashpivot --help": [HASHPIVOT, "--help"],
            "import vectorbt": [sys.executable, "-c", "import vectorbt"],
            "hashpivot run": run,
            "hashpivot run --no-replay": [*run, "--no-replay"],
        }
        for command in commands.values():
            measure(command)
        seen: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(ROUNDS):
            for name, command in commands.items():
                seen[name].append(measure(command))
    seconds = {name: median(second for second, _ in runs) for name, runs in seen.items()}
    memory = {name: median(peak for _, peak in runs) for name, runs in seen.items()}
    for name in commands:
        print(f"{name:28} {seconds[name]:7.3f} s  {memory[name]:6.0f} MiB")
    bars = (
        ("--help / import typer", seconds["hashpivot --help"] / seconds["import typer"], 4.0),
        ("run / import vectorbt", seconds["hashpivot run"] / seconds["import vectorbt"], 2.3),
        (
            "run --no-replay / import vectorbt",
            seconds["hashpivot run --no-replay"] / seconds["import vectorbt"],
            1.5,
        ),
        (
            "memory of run / import vectorbt",
            memory["hashpivot run"] / memory["import vectorbt"],
            2.0,
        ),
    )
    for name, ratio, bar in bars:
        print(f"{name:36} {ratio:5.2f}x  (bar {bar}x)  {'met' if ratio <= bar else 'MISSED'}")
    sys.exit(0 if all(ratio <= bar for _, ratio, bar in bars) else 1)


if __name__ == "__main__":
    main()
