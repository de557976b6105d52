"""Who can be held, by date; and that no later date shows through a cut."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, UnknownAssetError
from toolkit.universe import (
    MINERS,
    Asset,
    Closing,
    CorporateAction,
    Halt,
    Membership,
    Sleeve,
    Universe,
)

drawn = settings(deadline=None, derandomize=True)
LISTED = date(2020, 1, 6)


def miner(**settings) -> Asset:
    memberships = (
        Membership(Sleeve.LEGACY_MINERS, LISTED),
        Membership(Sleeve.PIVOTING_MINERS, date(2021, 3, 1)),
    )
    return Asset("MINER", **{"memberships": memberships, "usable_from": LISTED, **settings})


CASH = Asset("CASH", (Membership(Sleeve.CASH, date(2019, 1, 1)),), "24/7")
COIN = Asset("COIN", (Membership(Sleeve.BITCOIN, date(2019, 1, 1)),), "24/7")
LATE = Asset(
    "LATE", (Membership(Sleeve.AI_TOKENS, date(2021, 6, 1)),), usable_from=date(2021, 6, 1)
)
BANKRUPT = Closing("bankruptcy", date(2021, 9, 15), date(2021, 9, 1), date(2021, 11, 1), 0.2)
SPLIT = CorporateAction("MINER", date(2021, 5, 3), "reverse_split", "1 for 10")


@pytest.fixture
def universe() -> Universe:
    halts = (Halt(date(2020, 6, 1), date(2020, 6, 12)), Halt(date(2021, 2, 1), date(2021, 2, 5)))
    return Universe((CASH, COIN, miner(closing=BANKRUPT, halts=halts), LATE), (SPLIT,))


# What is refused


@pytest.mark.parametrize(
    "name", ["", "a/b", "../up", ".hidden", "a b", "x" * 33, "a\nb", "-dash", "<script>"]
)
def test_an_id_that_could_be_a_path_or_markup_is_refused(name):
    with pytest.raises(ConfigError, match="Asset"):
        Asset(name, (Membership(Sleeve.BITCOIN, LISTED),))


def test_memberships_out_of_order_doubled_or_absent_are_refused():
    first, second = Membership(Sleeve.CASH, LISTED), Membership(Sleeve.BITCOIN, date(2019, 1, 1))
    for wrong in ((first, second), (first, first), ()):
        with pytest.raises(ConfigError, match="Asset X: memberships must be dated, oldest first"):
            Asset("X", wrong)


def test_an_unknown_sleeve_calendar_or_closing_is_refused():
    with pytest.raises(ConfigError, match="sleeve"):
        Membership(sleeve="bitcoins", since=LISTED)
    with pytest.raises(ConfigError, match="calendar"):
        miner(calendar="XLON")
    with pytest.raises(ConfigError, match="kind"):
        Closing(kind="vanished", last_session=LISTED, known_from=LISTED)


def test_an_event_known_after_it_happened_or_paid_before_it_is_refused():
    with pytest.raises(ConfigError, match="known_from 2021-09-16 must not be later"):
        Closing("merger", date(2021, 9, 15), date(2021, 9, 16))
    with pytest.raises(ConfigError, match="settles 2021-09-14 must not be earlier"):
        Closing("merger", date(2021, 9, 15), date(2021, 9, 1), date(2021, 9, 14))


@pytest.mark.parametrize("value", [-0.01, float("nan"), float("inf")])
def test_a_negative_or_infinite_recovery_is_refused(value):
    with pytest.raises(ConfigError, match=r"Closing\.value"):
        Closing("bankruptcy", LISTED, LISTED, LISTED, value)  # named, though given by position


def test_the_end_of_coverage_is_not_an_event_with_a_value():
    for extra in ({"value": 1.0}, {"settles": date(2021, 12, 1)}):
        with pytest.raises(ConfigError, match="sells at the last price"):
            Closing("coverage_ended", date(2021, 9, 15), date(2021, 9, 1), **extra)


def test_two_cash_assets_or_one_name_twice_are_refused():
    with pytest.raises(ConfigError, match="more than one cash"):
        Universe((CASH, Asset("BILLS", (Membership(Sleeve.CASH, LISTED),))))
    with pytest.raises(ConfigError, match="lists COIN more than once"):
        Universe((CASH, COIN, COIN))


# What is there


def test_a_universe_keeps_its_order_and_knows_its_cash(universe):
    assert universe.ids == ("CASH", "COIN", "MINER", "LATE")
    assert [asset.id for asset in universe] == list(universe.ids)
    assert len(universe) == 4
    assert universe.cash == "CASH"
    assert Universe((COIN,)).cash is None


def test_an_unknown_asset_is_named_with_a_proposal(universe):
    with pytest.raises(UnknownAssetError, match=r"'MINOR' is not in the universe.*'MINER'\?"):
        universe["MINOR"]


def test_the_sleeve_of_an_asset_depends_on_the_day():
    asset = miner()
    assert asset.sleeve_on(date(2018, 1, 1)) is Sleeve.LEGACY_MINERS
    assert asset.sleeve_on(date(2021, 2, 28)) is Sleeve.LEGACY_MINERS
    assert asset.sleeve_on(date(2021, 3, 1)) is Sleeve.PIVOTING_MINERS
    assert asset.sleeve_on(date(2030, 1, 1)) is Sleeve.PIVOTING_MINERS


def test_members_by_date_agree_with_the_sleeve_of_each_day(universe):
    sessions = pd.date_range("2020-12-01", "2021-07-01", freq="B")
    for sleeves in ([Sleeve.PIVOTING_MINERS], list(MINERS), [Sleeve.AI_TOKENS, Sleeve.CASH]):
        frame = universe.members(sleeves, sessions)
        for asset in universe:
            expected = [asset.sleeve_on(day.date()) in sleeves for day in sessions]
            assert frame[asset.id].tolist() == expected


def test_a_closing_settles_on_its_last_session_unless_a_day_is_given():
    assert Closing("merger", date(2021, 9, 15), date(2021, 9, 1)).settlement == date(2021, 9, 15)
    assert BANKRUPT.settlement == date(2021, 11, 1)


# What a cut hides


def test_an_asset_listed_later_is_absent_before(universe):
    assert "LATE" not in universe.until(date(2021, 5, 31)).ids
    assert "LATE" in universe.until(date(2021, 6, 1)).ids


def test_a_later_sleeve_is_hidden(universe):
    before, after = universe.until(date(2021, 2, 28)), universe.until(date(2021, 3, 1))
    assert [m.sleeve for m in before["MINER"].memberships] == [Sleeve.LEGACY_MINERS]
    assert after["MINER"].memberships[-1].sleeve is Sleeve.PIVOTING_MINERS


def test_a_closing_is_hidden_until_the_day_it_is_known(universe):
    assert universe.until(date(2021, 8, 31))["MINER"].closing is None
    assert universe.until(date(2021, 9, 1))["MINER"].closing is not None


def test_what_holders_recover_is_hidden_until_it_is_paid(universe):
    assert universe.until(date(2021, 10, 31))["MINER"].closing.value is None
    assert universe.until(date(2021, 11, 1))["MINER"].closing.value == 0.2


def test_the_end_of_a_halt_is_hidden_while_it_lasts(universe):
    assert universe.until(date(2020, 5, 29))["MINER"].halts == ()
    during = universe.until(date(2020, 6, 5))["MINER"].halts
    assert during == (Halt(date(2020, 6, 1), None),)
    after = universe.until(date(2020, 6, 12))["MINER"].halts
    assert after == (Halt(date(2020, 6, 1), date(2020, 6, 12)),)


def test_a_later_corporate_action_is_hidden(universe):
    assert universe.until(date(2021, 5, 2)).actions == ()
    assert universe.until(date(2021, 5, 3)).actions == (SPLIT,)


@drawn
@given(st.dates(date(2019, 1, 1), date(2022, 1, 1)), st.integers(0, 400))
def test_cutting_twice_is_cutting_at_the_earlier_day(day, later):
    halts = (Halt(date(2020, 6, 1), date(2020, 6, 12)),)
    universe = Universe((CASH, COIN, miner(closing=BANKRUPT, halts=halts), LATE), (SPLIT,))
    assert universe.until(day + timedelta(days=later)).until(day) == universe.until(day)


@drawn
@given(st.dates(date(2019, 6, 1), date(2022, 1, 1)))
def test_nothing_dated_after_the_cut_is_left_but_the_announced_end(day):
    halts = (Halt(date(2020, 6, 1), date(2020, 6, 12)), Halt(date(2021, 2, 1), date(2021, 2, 5)))
    universe = Universe((CASH, COIN, miner(closing=BANKRUPT, halts=halts), LATE), (SPLIT,))
    for asset in universe.until(day):
        assert asset.usable_from <= day
        assert all(m.since <= day for m in asset.memberships)
        assert all(h.first <= day and (h.last is None or h.last <= day) for h in asset.halts)
        if asset.closing:
            assert asset.closing.known_from <= day
            assert asset.closing.value is None or asset.closing.settlement <= day


def test_what_is_left_out_is_gone_with_its_actions_and_a_wrong_name_is_refused(universe):
    less = universe.leave_out(["MINER"])
    assert less.ids == tuple(name for name in universe.ids if name != "MINER")
    assert all(action.asset != "MINER" for action in less.actions)
    assert universe.leave_out([]) == universe
    with pytest.raises(UnknownAssetError, match="MINER"):
        universe.leave_out(["MINR"])
