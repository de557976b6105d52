"""Charts keep every extreme, and show what the tables say."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from toolkit import metrics
from toolkit.record import RunRecord
from toolkit.report.charts import (
    UNITS_PER_PIXEL,
    WIDTH,
    equity_chart,
    linear_ticks,
    log_ticks,
    path,
    sleeve_chart,
    thinned,
    time_marks,
)
from toolkit.report.formats import percent
from toolkit.report.tables import sleeve_weights

Make = Callable[..., RunRecord]


def vertices(drawn: str) -> np.ndarray:
    """Points of a relative path, in the units of the drawing."""
    start, _, moves = drawn[1:].partition("l")
    numbers = [int(text) for text in re.findall(r"-?\d+", re.split("[VHZh]", moves)[0])]
    first = [int(text) for text in re.findall(r"-?\d+", start)[:2]]
    return np.cumsum(np.vstack([first, np.reshape(numbers, (-1, 2))]), axis=0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thinning_keeps_the_extremes_of_every_column(seed: int) -> None:
    random = np.random.default_rng(seed)
    across = np.linspace(0.0, 1.0, 20_000)
    values = np.cumsum(random.normal(size=20_000))
    kept = thinned(across, values)
    assert len(kept) <= 902
    assert (kept[0], kept[-1]) == (0, 19_999)
    columns = np.minimum((across * 450).astype(int), 449)
    whole = pd.Series(values).groupby(columns)
    drawn = pd.Series(values[kept]).groupby(columns[kept])
    pd.testing.assert_series_equal(whole.min(), drawn.min())
    pd.testing.assert_series_equal(whole.max(), drawn.max())


def test_a_single_crash_survives_thinning() -> None:
    values = np.full(10_000, 50.0)
    values[6_789] = 123.4
    drawn = vertices(path(np.linspace(0.0, 1.0, 10_000), values))
    assert drawn[:, 1].max() == 1234
    assert drawn[drawn[:, 1].argmax(), 0] == round(0.6789 * WIDTH)


def test_paths_come_back_to_within_a_tenth_of_a_pixel() -> None:
    random = np.random.default_rng(4)
    across, down = np.linspace(0.0, 1.0, 500), random.uniform(0.0, 300.0, 500)
    drawn = vertices(path(across, down))
    assert np.abs(drawn[:, 1] / UNITS_PER_PIXEL - down).max() <= 0.05 + 1e-9
    assert np.abs(drawn[:, 0] / WIDTH - across).max() <= 0.0005 + 1e-9


def test_a_line_costs_less_than_ten_kilobytes(make_record: Make) -> None:
    record = make_record(sessions=2_500)
    chart = equity_chart(record.returns, record.weights.index[0], 1e6, "Bitcoin only")
    assert all(len(line.path) < 10_000 for pane in chart.panes for line in pane.lines)


def test_deepest_drawdown_is_the_one_of_the_metrics(make_record: Make) -> None:
    record = make_record(sessions=2_200)
    returns = record.returns.copy()
    returns.iloc[1_234, returns.columns.get_loc("net")] = -0.6
    returns["equity"] = 1e6 * (1.0 + returns["net"]).cumprod()
    chart = equity_chart(returns, record.weights.index[0], 1e6, None)
    depth = metrics.drawdown(returns["net"])
    (point,) = chart.panes[1].points
    assert (
        point.text
        == f"{percent(metrics.max_drawdown(returns['net']))} on {depth.idxmin():%Y-%m-%d}"
    )
    net = next(line for line in chart.panes[1].lines if line.style == "net")
    lowest = vertices(net.path)[:, 1].max() / UNITS_PER_PIXEL
    assert lowest == pytest.approx(point.down, abs=0.06)


def test_equity_starts_at_the_initial_cash(make_record: Make) -> None:
    record = make_record(sessions=100)
    later = record.returns.iloc[1:].assign(net=-0.01, gross=-0.01)
    later["equity"] = 1e6 * (1.0 + later["net"]).cumprod()
    chart = equity_chart(later, record.weights.index[0], 1e6, None)
    net = next(line for line in chart.panes[0].lines if line.style == "net")
    million = next(mark.at for mark in chart.panes[0].values if mark.text == "1M")
    assert vertices(net.path)[0, 1] / UNITS_PER_PIXEL == pytest.approx(million, abs=0.06)


def test_benchmark_that_starts_late_is_not_filled_back(make_record: Make) -> None:
    record = make_record(sessions=200)
    returns = record.returns.copy()
    returns.iloc[:100, returns.columns.get_loc("benchmark")] = np.nan
    chart = equity_chart(returns, record.weights.index[0], 1e6, "Late")
    late = next(line for line in chart.panes[0].lines if line.style == "benchmark")
    assert vertices(late.path)[0, 0] == pytest.approx(0.5 * WIDTH, abs=10)


def test_sleeve_areas_are_nested_and_end_at_the_whole(make_record: Make) -> None:
    record = make_record(sessions=400)
    by_sleeve = sleeve_weights(record.weights, record.manifest["sleeves"])
    chart = sleeve_chart(by_sleeve)
    lines = chart.panes[0].lines
    assert [line.name for line in lines][::5] == ["Cash", "Bitcoin"]
    tops = [vertices(line.path)[-1, 1] for line in lines]
    assert tops[0] == 0
    assert tops == sorted(tops)
    expected = (1.0 - by_sleeve["bitcoin"].iloc[-1]) * chart.height * UNITS_PER_PIXEL
    assert tops[-1] == pytest.approx(expected, abs=1.0)


def test_overdraft_is_told(make_record: Make) -> None:
    record = make_record(sessions=50)
    weights = record.weights.copy()
    weights.iloc[20] = 0.0
    weights.iloc[20, 0], weights.iloc[20, -1] = 1.004, -0.004
    chart = sleeve_chart(sleeve_weights(weights, record.manifest["sleeves"]))
    assert "The lowest share is \u22120.40% (an overdraft)" in chart.description
    chart = sleeve_chart(sleeve_weights(record.weights, record.manifest["sleeves"]))
    assert "overdraft" not in chart.description


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (9e5, 1.2e7, [1e6, 3e6, 1e7]),
        (1.0, 1e4, [1.0, 10.0, 100.0, 1e3, 1e4]),
        (9.6e5, 1.06e6, [0.975e6, 1.0e6, 1.025e6, 1.05e6]),
    ],
)
def test_log_ticks_are_round_and_few(low: float, high: float, expected: list[float]) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("high", [1e-3, 0.37, 1.0, 8.2, 1e9])
def test_linear_ticks_are_inside_and_between_three_and_six(high: float) -> None:
    ticks = linear_ticks(0.0, high)
    assert 3 <= len(ticks) <= 6
    assert min(ticks) == 0.0
    assert max(ticks) <= high * (1 + 1e-9)


@pytest.mark.parametrize("sessions", [30, 120, 600, 2_500, 12_000])
def test_time_marks_stay_inside_and_do_not_crowd(sessions: int) -> None:
    marks = time_marks(pd.bdate_range("1999-03-15", periods=sessions))
    assert 1 <= len(marks) <= 15
    assert all(0.0 <= mark.at <= 100.0 for mark in marks)


def test_chart_of_an_unchanging_account_is_drawn(make_record: Make) -> None:
    record = make_record(sessions=40)
    flat = record.returns.assign(net=0.0, gross=0.0, equity=1e6)
    chart = equity_chart(flat, record.weights.index[0], 1e6, None)
    assert all("nan" not in line.path for pane in chart.panes for line in pane.lines)
