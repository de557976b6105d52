"""A miner's own machines and power price decide its spread, from when they are usable, and only its."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from toolkit.cli.network import status_lines
from toolkit.data.capacity import read_capacity
from toolkit.errors import DataError
from toolkit.panel import Field, Panel
from toolkit.signals.economics_outlook import economics_outlook, outlook_lines
from toolkit.signals.miner_economics import MinerKappaSpread
from toolkit.signals.relative_economics import AskingRent, KappaSpread, sensitivity
from toolkit.signals.status import network_status
from toolkit.universe import Asset, Membership, Sleeve, Universe

FIRST = date(2018, 1, 1)
RENTS = (
    AskingRent(date(2018, 3, 1), 120.0, "hand"),
    AskingRent(date(2018, 9, 3), 150.0, "hand"),
)
SECTOR = KappaSpread(rents=RENTS)
TABLE = """asset,usable_from,mining_mw,efficiency,power_price
OWN,2018-05-01,100,90,45
OWN,2018-11-01,100,60,
POWER,2018-05-01,100,,30
CHIP,2018-05-01,100,90,45
"""


@pytest.fixture
def bare(make_panel) -> Panel:
    """Four hundred days, three miners and a maker of chips, and no table of capacities."""
    hash_price = 400.0 + 100.0 * np.sin(np.arange(400) / 30.0)
    panel = make_panel({"hash_price": hash_price}, difficulty=np.full(40, 2e12), days=400)
    sleeves = dict.fromkeys(("OWN", "POWER", "NONE"), Sleeve.LEGACY_MINERS)
    sleeves["CHIP"] = Sleeve.AI_INFRASTRUCTURE
    assets = tuple(Asset(name, (Membership(sleeve, FIRST),)) for name, sleeve in sleeves.items())
    close = pd.DataFrame(10.0, panel.sessions, list(sleeves))
    prices = Field(close, panel.decisions, "USD", "hand")
    return replace(panel, universe=Universe(assets), fields={**panel.fields, "close": prices})


def told(panel: Panel, folder: Path, table: str = TABLE) -> Panel:
    path = folder / "miner_capacity.csv"
    path.write_text(table)
    fields = read_capacity(path, panel.universe).fields(panel.universe)
    return replace(panel, fields={**panel.fields, **fields})


@pytest.fixture
def panel(bare, tmp_path) -> Panel:
    return told(bare, tmp_path)


def test_only_a_miner_with_both_numbers_has_a_spread_and_from_its_day_on(panel):
    found = MinerKappaSpread(SECTOR).compute(panel)
    assert found.index.equals(panel.sessions)
    assert found.columns.equals(panel.universe.columns)
    assert found.loc[:"2018-04-30"].isna().all(axis=None)
    assert found.loc["2018-05-01":, "OWN"].notna().all()
    assert found[["POWER", "NONE", "CHIP"]].isna().all(axis=None)


def test_the_spread_is_the_sectors_with_the_miners_two_numbers_in_it(panel):
    found = MinerKappaSpread(SECTOR).compute(panel)["OWN"]
    met = SECTOR.conditions(panel)
    overhead = SECTOR.cost.overhead
    # The second row tells no power price: that of the first is the last that is known.
    for day, efficiency in (("2018-06-15", 90.0), ("2018-10-31", 90.0), ("2018-11-01", 60.0)):
        own = met.apply(
            lambda rows, machines=efficiency: rows.assign(
                efficiency=overhead * machines, power_price=45.0
            ),
            met.unit,
        )
        expected = panel.known(SECTOR.judge(own))["spread"]
        assert found[day] == pytest.approx(expected[day], rel=1e-12)


@pytest.mark.parametrize("statistic", ["spread", "agreement", "breakeven_hash_price"])
def test_a_miner_that_is_the_fleets_mean_has_the_sectors_value(panel, statistic):
    sector = replace(SECTOR, statistic=statistic)
    met = panel.known(sector.conditions(panel))
    values = {
        "mining_efficiency": met["efficiency"] / sector.cost.overhead,
        "mining_power_price": met["power_price"],
    }
    fields = {
        name: Field(column.to_frame("OWN"), panel.decisions, "1", "the fleet")
        for name, column in values.items()
    }
    found = MinerKappaSpread(sector).compute(replace(panel, fields={**panel.fields, **fields}))
    whole = sector.compute(panel)[statistic]
    assert whole.notna().sum() > 300
    np.testing.assert_allclose(found["OWN"], whole, rtol=1e-9)


def test_dear_power_makes_hosting_worth_more_and_good_machines_less(bare, tmp_path):
    table = "asset,usable_from,mining_mw,efficiency,power_price\n"
    rows = "OWN,2018-05-01,1,{},{}\nPOWER,2018-05-01,1,90,45\n"
    for own, sign in (((90, 60), 1.0), ((60, 45), -1.0)):
        panel = told(bare, tmp_path, table + rows.format(*own))
        found = MinerKappaSpread(SECTOR).compute(panel).loc["2018-05-01":]
        assert (sign * (found["OWN"] - found["POWER"]) > 0.0).all()


@pytest.mark.parametrize("statistic", ["spread", "agreement"])
def test_the_past_alone_gives_the_same(panel, statistic):
    signal = MinerKappaSpread(replace(SECTOR, statistic=statistic))
    whole = signal.compute(panel)
    for day in ("2018-03-02", "2018-04-30", "2018-05-01", "2018-09-05", "2018-10-31", "2018-11-01"):
        session = pd.Timestamp(day)
        cut = signal.compute(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-9)


def test_without_a_table_no_miner_has_a_spread_and_the_outlook_names_none(bare):
    assert MinerKappaSpread(SECTOR).compute(bare).isna().all(axis=None)
    assert economics_outlook(bare, SECTOR).miners == {}


def test_a_machine_that_takes_no_power_is_refused(bare, tmp_path):
    with pytest.raises(DataError, match=r"line 2, column 'efficiency': 0 J/TH is no machine"):
        told(bare, tmp_path, TABLE.replace("100,90,45", "100,0,45", 1))


# What is shown of it


def test_the_outlook_is_the_table_the_spread_in_use_and_the_miners_own(panel):
    outlook = economics_outlook(panel, SECTOR)
    pd.testing.assert_frame_equal(outlook.sensitivity, sensitivity(panel, SECTOR))
    assert outlook.spread == pytest.approx(SECTOR.compute(panel)["spread"].iloc[-1], rel=1e-12)
    own = MinerKappaSpread(SECTOR).compute(panel)["OWN"].iloc[-1]
    assert outlook.miners == {"OWN": pytest.approx(own, rel=1e-12)}
    shown = outlook.as_json()
    assert len(shown["sensitivity"]) == 27
    middle = {"hash_price_drift": -0.1, "lead_years": 1.5, "discount_rate": 0.1}
    (row,) = (row for row in shown["sensitivity"] if middle.items() <= row.items())
    assert row["spread"] == pytest.approx(outlook.spread)


def test_the_lines_show_every_combination_and_every_miner_in_the_width_of_a_terminal(panel):
    outlook = economics_outlook(panel, SECTOR)
    lines = outlook_lines(outlook)
    assert max(map(len, lines)) <= 80
    numbers = [line for line in lines if "years to rent" in line]
    shown = [value for line in numbers for value in line.split("%")[1].split()]
    assert sorted(shown) == sorted(f"{value:+z.1f}" for value in outlook.sensitivity["spread"])
    middle = next(line for line in numbers if line.startswith("1.5 years to rent, at 10%"))
    assert middle.split()[-2] == f"{outlook.spread:+z.1f}"
    assert lines[-1].startswith(f"OWN  {outlook.miners['OWN']:+z.1f} USD/MWh")


def test_before_the_first_rent_the_status_says_that_there_is_no_comparison(sample_panel):
    early = sample_panel.until(pd.Timestamp("2021-06-30"))
    status = network_status(early)
    assert status.relative_economics is None
    assert status.as_json()["relative_economics"] is None
    assert any(line.startswith("Hosting against mining: no") for line in status_lines(status))
