"""What the bridge makes of a shock, against the formulas of docs/stress.md worked by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError
from toolkit.risk.bridge import Bridge, Estimates, Shock
from toolkit.risk.stress import Stress, stress_losses
from toolkit.universe import Asset, Membership, Sleeve, Universe

PIVOT = date(2024, 1, 2)
DAY, BEFORE = date(2024, 6, 3), date(2023, 6, 1)


def asset(name, *sleeves):
    since = (date(2014, 1, 2), PIVOT)
    return Asset(name, tuple(Membership(s, d) for s, d in zip(sleeves, since, strict=False)))


UNIVERSE = Universe(
    (
        asset("CASH", Sleeve.CASH),
        asset("BTC", Sleeve.BITCOIN),
        asset("NVDA", Sleeve.AI_INFRASTRUCTURE),
        asset("CRWV", Sleeve.AI_INFRASTRUCTURE),
        asset("FET", Sleeve.AI_TOKENS),
        asset("MARA", Sleeve.LEGACY_MINERS),
        asset("CORZ", Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS),
    )
)
PLAIN = Bridge(
    margin=0.5, least_margin=0.2, coins=0.25, ai_share=0.4, hosting_beta=1.5, ai_beta=1.1,
    token_beta=1.3, token_ai=0.6, mining_debt=0.2, hosting_debt=0.5, credit_years=4.0,
    debts={"CRWV": 0.6},
)  # fmt: skip
ALL = Shock("all at once", bitcoin=-0.2, hash_price=-0.1, ai=-0.3, credit=0.02)


def of(shock, bridge=PLAIN, day=DAY, known=None):
    return bridge.returns(shock, UNIVERSE, day, known).to_dict()


# Each kind of holding, by hand


def test_each_kind_of_holding_answers_by_its_own_formula():
    mining = 0.75 * (-0.1 / 0.5) + 0.25 * -0.2  # -0.20: power worth its margin, and coins
    assert of(ALL) == pytest.approx(
        {
            "CASH": 0.0,
            "BTC": -0.2,
            "NVDA": 1.1 * -0.3,
            "CRWV": 1.1 * -0.3 - 1.5 * 4 * 0.02,  # 0.6 of debt on 0.4 of equity
            "FET": 1.3 * -0.2 + 0.6 * -0.3,
            "MARA": mining - 0.25 * 4 * 0.02,  # 0.2 on 0.8
            "CORZ": 0.6 * mining + 0.4 * 1.5 * -0.3 - (0.32 / 0.68) * 4 * 0.02,
        },
        abs=1e-12,
    )


def test_the_value_of_mining_power_is_what_it_earns_above_its_break_even():
    """Value after over value before, of a machine that needs 21 USD at a hash price of 31.5."""
    bridge = Bridge(margin=1 - 21 / 31.5, least_margin=0.01, coins=0.0)
    for paid in (35.0, 31.5 - 1e-9, 28.0, 21.0, 15.0):
        shock = Shock("pay", bitcoin=-0.5, hash_price=paid / 31.5 - 1)
        value = max(paid - 21, 0) / (31.5 - 21)
        assert of(shock, bridge)["MARA"] == pytest.approx(value - 1, abs=1e-9)


def test_a_hash_price_that_is_not_given_moves_with_bitcoin():
    alone, told = Shock("fall", bitcoin=-0.3), Shock("fall", bitcoin=-0.3, hash_price=-0.3)
    assert of(alone) == of(told)
    assert of(Shock("fall", bitcoin=-0.3, hash_price=0.0))["MARA"] == pytest.approx(0.25 * -0.3)


def test_a_miner_is_a_host_from_its_dated_membership_on_and_not_before():
    told = replace(PLAIN, ai_shares={"CORZ": 1.0}, hosting_debt=0.0)
    bust = Shock("bust", ai=-0.2)
    assert of(bust, told)["CORZ"] == pytest.approx(1.5 * -0.2)
    assert of(bust, told, BEFORE)["CORZ"] == 0.0
    assert of(ALL, told, BEFORE)["CORZ"] == of(ALL, told, BEFORE)["MARA"]


def test_what_the_decision_knows_takes_the_place_of_what_is_stated():
    betas = pd.DataFrame({"bitcoin": [2.0, 5.0], "ai": [3.0, 1.7]}, ["FET", "NVDA"])
    known = Estimates(0.8, betas)
    found, stated = of(ALL, known=known), of(ALL)
    assert found["NVDA"] == pytest.approx(1.7 * -0.3)
    assert found["FET"] == pytest.approx(2.0 * -0.2 + 0.6 * -0.3)
    assert found["MARA"] == pytest.approx(0.75 * -0.1 / 0.8 + 0.25 * -0.2 - 0.02)
    assert found["CRWV"] == stated["CRWV"]  # it has no estimate
    assert of(ALL, replace(PLAIN, estimated=False), known=known) == stated


def test_neither_a_negative_beta_nor_a_margin_below_the_least_one_is_believed():
    noise = Estimates(-0.3, pd.DataFrame({"ai": [-0.5]}, ["NVDA"]))
    found = of(ALL, known=noise)
    assert found["NVDA"] == 0.0
    assert found["MARA"] == pytest.approx(0.75 * -0.1 / 0.2 + 0.25 * -0.2 - 0.02)


# For all shocks

CHANGE = st.floats(-1.0, 1.0)
MARGIN = st.one_of(st.just(np.nan), st.floats(-1.0, 1.0))


@settings(max_examples=200, deadline=None)
@given(CHANGE, st.one_of(st.none(), CHANGE), CHANGE, CHANGE, MARGIN)
def test_nothing_loses_more_than_all_of_it(bitcoin, hash_price, ai, credit, margin):
    shock = Shock("any", bitcoin, hash_price, ai, credit or 0.5)
    found = pd.Series(of(shock, Bridge(), known=Estimates(margin)))
    assert np.isfinite(found).all()
    assert found.min() >= -1.0
    assert found["CASH"] == 0.0


@settings(max_examples=200, deadline=None)
@given(CHANGE, st.one_of(st.none(), CHANGE), CHANGE, CHANGE, st.floats(1e-6, 1.0), MARGIN)
def test_a_worse_shock_of_any_kind_is_a_gain_for_nobody(
    bitcoin, hash_price, ai, credit, step, margin
):
    base = Shock("base", bitcoin, hash_price, ai, credit or 0.5)
    worse = [
        replace(base, bitcoin=max(bitcoin - step, -1.0)),
        replace(base, ai=max(ai - step, -1.0)),
        replace(base, credit=min(base.credit + step, 1.0)),
    ]
    if hash_price is not None:
        worse.append(replace(base, hash_price=max(hash_price - step, -1.0)))
    known = Estimates(margin)
    before = pd.Series(of(base, Bridge(), known=known))
    for shock in worse:
        assert (pd.Series(of(shock, Bridge(), known=known)) <= before + 1e-12).all()


# Beside stated losses, and what is refused


def test_a_table_of_stresses_holds_both_kinds_in_the_order_given():
    stated = Stress("stated", {sleeve.value: 0.1 for sleeve in Sleeve})
    table = stress_losses([ALL, stated], UNIVERSE, DAY, PLAIN)
    assert [*table.index] == ["all at once", "stated"]
    assert table.loc["all at once"].to_dict() == pytest.approx({a: -r for a, r in of(ALL).items()})
    assert (table.loc["stated"] == 0.1).all()
    with pytest.raises(ConfigError, match="Two stress events are called 'stated'"):
        stress_losses([replace(ALL, name="stated"), stated], UNIVERSE, DAY)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: Shock("calm"), "'calm' moves nothing"),
        (lambda: Shock("calm", hash_price=0.0), "'calm' moves nothing"),
        (lambda: Shock("x", bitcoin=-1.1), "Shock.bitcoin = -1.1"),
        (lambda: Shock("x", ai=float("nan")), "Shock.ai = nan"),
        (lambda: Shock("x", hash_price=float("inf")), "Shock.hash_price = inf"),
        (lambda: Shock("x", credit=300.0), "Shock.credit = 300"),
        (lambda: Bridge(margin=0.0), "Bridge.margin = 0"),
        (lambda: Bridge(hosting_debt=1.0), "Bridge.hosting_debt = 1"),
        (lambda: Bridge(ai_shares={"CORZ": 1.2}), "Bridge.ai_shares.CORZ = 1.2"),
        (lambda: Bridge(debts={"CRWV": -0.1}), "Bridge.debts.CRWV = -0.1"),
        (lambda: Bridge(token_beta=-1.0), "Bridge.token_beta = -1"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused_by_name(build, said):
    with pytest.raises(ConfigError) as caught:
        build()
    assert said in str(caught.value)
