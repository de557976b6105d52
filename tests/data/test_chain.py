"""Sources of one asset are joined on returns, each day from its own and earlier rows only."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.data.chain import chain
from toolkit.errors import DataError
from toolkit.universe import Halt

NAN = np.nan


def quotes(**columns: list[float]) -> pd.DataFrame:
    rows = len(next(iter(columns.values())))
    return pd.DataFrame(columns, index=pd.date_range("2024-07-18", periods=rows, unit="ns"))


def test_a_chain_does_not_change_when_its_future_is_removed():
    generator = np.random.default_rng(7)
    table = pd.DataFrame(
        np.exp(generator.normal(0, 0.05, (60, 3)).cumsum(axis=0)),
        index=pd.date_range("2024-01-01", periods=60),
        columns=["a", "b", "c"],
    ).mask(generator.random((60, 3)) < 0.15)
    table.loc[:, "c"] = table["c"].ffill().bfill()
    whole, _ = chain(table, (), "t")
    for cut in range(2, 60):
        part, _ = chain(table.iloc[:cut], (), "t")
        pd.testing.assert_series_equal(part, whole.iloc[:cut], check_exact=True, check_freq=False)


def test_a_preferred_source_is_followed_from_its_second_day_on():
    series, switches = chain(quotes(best=[NAN, 5.0, 6.0], other=[1.0, 2.0, 3.0]), (), "t")
    np.testing.assert_allclose(series, [1.0, 2.0, 2.0 * 6.0 / 5.0], rtol=1e-15)
    assert [(switch.day.day, switch.new) for switch in switches] == [(20, "best")]


def test_a_day_that_no_source_links_is_left_out_and_not_joined_on_levels():
    series, switches = chain(quotes(a=[1.0, NAN, 1.2], b=[NAN, 9.0, NAN]), (), "t")
    assert series.to_list() == [1.0, 1.2]
    assert switches == []


def test_sources_that_do_not_overlap_are_refused():
    with pytest.raises(DataError, match=r"'a' ends on 2024-07-19 .* from 2024-07-20 on"):
        chain(quotes(a=[1.0, 1.1, NAN, NAN], b=[NAN, NAN, 9.0, 9.9]), (), "tokens, RENDER")


def test_across_a_declared_halt_sources_are_joined_on_their_level():
    table = quotes(a=[7.0, 7.7, NAN, NAN, NAN], b=[NAN, NAN, NAN, 6.6, 6.0]).dropna(how="all")
    halt = Halt(first=date(2024, 7, 20), last=date(2024, 7, 20))
    series, switches = chain(table, (halt,), "t")
    assert series.to_list() == [7.0, 7.7, 6.6, 6.0]
    assert "declared halt" in switches[0].how
    other = Halt(first=date(2024, 7, 21), last=date(2024, 7, 25))
    with pytest.raises(DataError, match=r"Declare a halt"):
        chain(table, (other,), "t")
