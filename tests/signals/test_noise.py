"""False alarms: formulas against simulation, and the table of the docs against the formulas."""

from __future__ import annotations

import math
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from toolkit.signals.epochs import EpochChange, ImpliedHashRate
from toolkit.signals.reading import GAUGES
from toolkit.signals.ribbons import HashRibbons

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "signals.md"

# Growth a year, and how often the 30-day average is then below the 60-day one, rounded.
RATES = [(0.0, 0.50), (0.10, 0.36), (0.25, 0.20), (0.40, 0.10), (0.80, 0.01)]


def normal(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2.0))


def chance_of_stress(growth: float, band: float = 0.0) -> float:
    """The averages' centres lie 15 days apart; 30 days of 144 blocks are 1/sqrt(4320) of luck."""
    drift = math.log1p(growth) * 15.0 / 365.25
    luck = math.sqrt((1.0 / 30.0 - 1.0 / 60.0) / 144.0)
    return normal((-band - drift) / luck)


@pytest.fixture(scope="module")
def benchmark(benchmark_of) -> ModuleType:
    return benchmark_of("signal_noise")


@pytest.mark.parametrize(("growth", "rounded"), RATES)
def test_ribbons_without_a_band_misfire_as_often_as_the_formula_says(growth, rounded):
    assert chance_of_stress(growth) == pytest.approx(rounded, abs=0.0055)
    random = np.random.default_rng([5, round(100 * growth)])
    chains, days = 40, 7305
    # Difficulty follows, so the count stays near 144 while the rate that it stands for grows.
    luck = random.poisson(144, (chains, days)) / 144.0
    level = (1.0 + growth) ** (np.arange(days) / 365.25)
    ribbons = HashRibbons(band=0.0)
    excess = [ribbons.excess(level * one)[ribbons.long_days - 1 :] for one in luck]
    shares = np.array([(one < 0.0).mean() for one in excess])
    error = shares.std(ddof=1) / math.sqrt(chains)
    assert abs(shares.mean() - chance_of_stress(growth)) < 4.0 * error


def test_the_noise_of_the_ratio_is_108_hundredths_of_a_percent():
    random = np.random.default_rng(6)
    excess = HashRibbons().excess(random.poisson(144, 200_000) / 144.0)
    assert 100.0 * np.nanstd(excess) == pytest.approx(1.08, abs=0.03)


def test_a_constant_hash_rate_moves_difficulty_by_its_luck(benchmark):
    random = np.random.default_rng(7)
    changes, rates = [], []
    for _ in range(6):
        chain = benchmark.simulate_chain(20.0, 0.0, random)
        panel = benchmark.panel_of(chain, np.full(len(chain.blocks), 1e4))
        changes.append(EpochChange().rows(panel).values.iloc[:, 0].dropna())
        rates.append(np.log(ImpliedHashRate().rows(panel).values.iloc[:, 0].dropna()))
    count = sum(map(len, changes))
    deviation = 100.0 * np.sqrt(np.mean(np.concatenate(changes) ** 2))
    # An MA(1) with -0.5 has 1.5 times the variance of its variance.
    assert abs(deviation - math.sqrt(2.0 / 2015.0) * 100.0) < 4.0 * deviation * math.sqrt(
        0.75 / count
    )
    correlation = np.mean([change.autocorr(1) for change in changes])
    assert abs(correlation + 0.5) < 4.0 / math.sqrt(count)
    assert 100.0 * np.concatenate(rates).std() == pytest.approx(2.23, abs=0.12)


def test_a_simulated_chain_keeps_its_books(benchmark):
    chain = benchmark.simulate_chain(3.0, 0.5, np.random.default_rng(8))
    lengths = np.diff(chain.retargets)
    assert len(chain.blocks) == 1096
    # Of the last epoch only a part is in the period.
    assert 0 < chain.blocks.sum() - 2016 * len(lengths) <= 2016
    ratio = chain.difficulty[1:] / chain.difficulty[:-1]
    # 2,015 of 2,016 intervals are seen; the other one is an exponential.
    assert abs(np.mean(lengths * ratio / 1_209_600.0) - 2016.0 / 2015.0) < 4e-4
    assert chain.difficulty[-1] / chain.difficulty[0] == pytest.approx(1.5**3, rel=0.1)


# The page


def measured(name: str, reads: str) -> list[tuple[float, float]]:
    """Shares of a row of the page's table, each with its standard error."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[:2] == [name, reads]:
            found = [re.match(r"([\d.]+) ± ([\d.]+) %", cell) for cell in cells[3:]]
            return [(float(one[1]) / 100.0, float(one[2]) / 100.0) for one in found]
    raise LookupError(f"docs/signals.md has no row {name!r}, {reads!r}")


def test_the_table_of_the_page_agrees_with_the_formula():
    row = measured("hash ribbons", "stress, no band")
    for growth, (share, error) in zip((0.0, 0.25, 0.50), row, strict=True):
        # The page rounds to a tenth of a percent.
        assert abs(share - chance_of_stress(growth)) < 4.0 * error + 0.0005


def test_the_table_has_the_rate_at_which_a_normal_change_falls_below_six_percent():
    (share, error), *_ = measured("epoch change", "below -6 %")
    assert abs(share - normal(-0.06 / math.sqrt(2.0 / 2015.0))) < 4.0 * error + 0.0005


def test_the_page_has_every_signal_that_is_read():
    text = PAGE.read_text(encoding="utf-8")
    for gauge in GAUGES:
        assert f"`{gauge.name}`" in text, gauge.name
        assert type(gauge.signal).__name__ in text, gauge.name
