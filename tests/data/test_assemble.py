"""Sources become a panel: cut, merged, and every gap either explained or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times, sessions_between
from toolkit.data.assemble import assemble
from toolkit.errors import DataError
from toolkit.panel import Field, Notice
from toolkit.universe import (
    Asset,
    Closing,
    CorporateAction,
    Halt,
    Membership,
    Universe,
)

FIRST, LAST = date(2021, 1, 4), date(2021, 6, 30)
DAYS = pd.date_range(FIRST, LAST, unit="ns")
SESSIONS = sessions_between("XNYS", FIRST, LAST)


class Tape:
    """A source that holds its fields in memory."""

    simulated = False

    def __init__(self, *fields: tuple[str, Field], told: tuple[Notice, ...] = ()):
        self.held = dict(fields)
        self.told = told
        self.newest = LAST

    def fields(self, universe: Universe, start: date, end: date) -> Mapping[str, Field]:
        return self.held

    def notices(self) -> tuple[Notice, ...]:
        return self.told

    def last_session(self) -> date:
        return self.newest


def prices(**columns: pd.Series) -> tuple[str, Field]:
    frame = pd.DataFrame(columns).dropna(how="all")
    return "close", Field(frame, decision_times(frame.index), "USD", "tape.csv")


def vendor(name: str = "hash_rate", source: str = "vendor.csv") -> tuple[str, Field]:
    frame = pd.DataFrame({name: np.arange(len(DAYS), dtype=float)}, index=DAYS)
    moments = decision_times(DAYS) + pd.Timedelta(hours=1)
    return name, Field(frame, moments, "H/s", source)


def exchange(level: float = 10.0) -> pd.Series:
    return pd.Series(level + 0.01 * np.arange(len(SESSIONS)), index=SESSIONS)


def every_day(level: float = 30_000.0) -> pd.Series:
    return pd.Series(level + np.arange(len(DAYS)), index=DAYS)


def asset(
    name: str,
    sleeve: str = "legacy_miners",
    calendar: str = "XNYS",
    usable_from: date = FIRST,
    **more: object,
) -> Asset:
    member = Membership(sleeve=sleeve, since=usable_from)
    return Asset(id=name, memberships=(member,), calendar=calendar, usable_from=usable_from, **more)


CASH = asset("CASH", "cash")
BTC = asset("BTC", "bitcoin", "24/7")
MARA = asset("MARA")
UNIVERSE = Universe((CASH, BTC, MARA))


def tape(**columns: pd.Series) -> Tape:
    return Tape(
        prices(**{"CASH": exchange(100.0), "BTC": every_day(), "MARA": exchange(), **columns}),
        vendor(),
    )


def without(series: pd.Series, first: str, last: str) -> pd.Series:
    return series[(series.index < first) | (series.index > last)]


def with_asset(changed: Asset) -> Universe:
    return Universe((CASH, BTC, changed))


def test_sessions_come_from_the_calendar_and_begin_before_the_start():
    panel = assemble([tape()], UNIVERSE, start=date(2021, 3, 1), warmup_days=30)
    assert panel.sessions.equals(sessions_between("XNYS", date(2021, 1, 30), LAST))
    assert panel.field("close").values.index[0] == pd.Timestamp(FIRST)
    assert not panel.simulated
    assert panel.clock == "XNYS"


def test_without_a_start_sessions_begin_with_the_first_price_of_cash():
    late = tape(CASH=exchange(100.0).iloc[20:])
    universe = Universe((replace(CASH, usable_from=SESSIONS[20].date()), BTC, MARA))
    assert assemble([late], universe).sessions[0] == SESSIONS[20]


def test_without_an_end_the_run_goes_to_the_newest_day_of_the_first_source():
    source = tape()
    source.newest = date(2021, 5, 30)
    assert assemble([source], UNIVERSE).sessions[-1] == pd.Timestamp("2021-05-28")


def test_weekend_rows_are_kept_and_rows_after_the_end_are_cut():
    panel = assemble([tape()], UNIVERSE, end=date(2021, 5, 30))
    close = panel.field("close").values
    assert pd.Timestamp("2021-05-22") in close.index
    assert close.index[-1] == pd.Timestamp("2021-05-28")
    # The vendor publishes an hour after the last decision, so its last row is not there.
    assert panel.field("hash_rate").values.index[-1] == pd.Timestamp("2021-05-27")


@pytest.mark.parametrize("end", [date(2021, 3, 12), date(2021, 4, 1), date(2021, 5, 30)])
def test_a_panel_that_ends_early_is_the_whole_panel_as_it_was_then(end):
    closing = Closing("merger", date(2021, 5, 4), date(2021, 4, 20), value=11.0)
    halt = Halt(first=date(2021, 3, 10), last=date(2021, 3, 16))
    member = (
        Membership(sleeve="legacy_miners", since=FIRST),
        Membership(sleeve="pivoting_miners", since=date(2021, 4, 5)),
    )
    miner = asset("MARA", closing=closing, halts=(halt,))
    universe = with_asset(replace(miner, memberships=member))
    source = tape(MARA=without(exchange(), "2021-05-05", "2021-06-30"))
    whole = assemble([source], universe)
    early = assemble([source], universe, end=end)
    assert early.digest() == whole.until(early.sessions[-1]).digest()


def test_a_price_that_is_public_after_its_own_decision_is_refused():
    name, close = prices(CASH=exchange(), BTC=every_day(), MARA=exchange())
    late = replace(close, available_at=close.available_at + pd.Timedelta(hours=1))
    with pytest.raises(DataError, match=r"tape.csv: the row of 2021-01-04 is public at .* 01:00"):
        assemble([Tape((name, late))], UNIVERSE)


def test_prices_that_are_public_early_are_still_used_at_midnight():
    name, close = prices(CASH=exchange(), BTC=every_day(), MARA=exchange())
    early = replace(close, available_at=close.available_at - pd.Timedelta(hours=3))
    merged = assemble([Tape((name, early))], UNIVERSE).field("close")
    assert merged.available_at.equals(decision_times(merged.values.index))


def test_several_sources_make_one_price_field_in_the_order_of_the_universe():
    first = Tape(prices(MARA=exchange(), CASH=exchange(100.0)))
    second = Tape(prices(BTC=every_day(), OTHER=every_day()), vendor())
    panel = assemble([first, second], UNIVERSE)
    assert list(panel.field("close").values.columns) == ["CASH", "BTC", "MARA"]
    assert panel.prices().notna().all().all()
    assert set(panel.fields) == {"close", "hash_rate"}


def test_an_asset_priced_twice_and_a_field_given_twice_are_refused():
    with pytest.raises(DataError, match=r"MARA is priced by tape.csv and by tape.csv"):
        assemble([tape(), Tape(prices(MARA=exchange()))], UNIVERSE)
    again = Tape(vendor(source="other.csv"))
    with pytest.raises(DataError, match=r"'hash_rate' comes from vendor.csv and from other.csv"):
        assemble([tape(), again], UNIVERSE)


def test_an_asset_without_a_column_and_prices_of_another_currency_are_refused():
    universe = Universe((CASH, BTC, MARA, asset("RIOT"), asset("CLSK")))
    with pytest.raises(DataError, match=r"No source has prices of RIOT, CLSK"):
        assemble([tape()], universe)
    name, close = prices(CASH=exchange(), BTC=every_day(), MARA=exchange())
    with pytest.raises(DataError, match=r"in 'EUR'; USD is expected"):
        assemble([Tape((name, replace(close, unit="EUR")))], UNIVERSE)


def test_an_asset_of_after_the_end_is_not_in_the_panel_and_nobody_is_told():
    later = asset("CORZ", usable_from=date(2021, 6, 1))
    universe = Universe((*UNIVERSE, later))
    source = tape(CORZ=exchange()[exchange().index >= "2021-06-01"])
    assert "CORZ" in assemble([source], universe).universe.ids
    panel = assemble([source], universe, end=date(2021, 5, 28))
    assert panel.universe.ids == ("CASH", "BTC", "MARA")
    assert panel.notices == ()


def test_what_is_declared_for_later_days_is_not_in_the_panel():
    closing = Closing("merger", date(2021, 6, 4), date(2021, 6, 1), value=11.0)
    actions = (CorporateAction("MARA", date(2021, 6, 2), "merger"),)
    universe = Universe((CASH, BTC, asset("MARA", closing=closing)), actions)
    source = tape(MARA=exchange()[exchange().index <= "2021-06-04"])
    early = assemble([source], universe, end=date(2021, 5, 28)).universe
    assert (early["MARA"].closing, early.actions) == (None, ())
    whole = assemble([source], universe).universe
    assert (whole["MARA"].closing, whole.actions) == (closing, actions)


def test_a_series_that_stops_undeclared_is_an_end_of_coverage_with_a_warning():
    source = tape(MARA=exchange()[exchange().index <= "2021-06-11"])
    panel = assemble([source], UNIVERSE)
    closing = panel.universe["MARA"].closing
    assert closing.kind == "coverage_ended"
    assert closing.last_session == date(2021, 6, 11)
    assert closing.known_from == date(2021, 6, 4)
    (notice,) = panel.notices
    assert (notice.kind, notice.asset, notice.session) == ("undeclared_end", "MARA", "2021-06-11")
    assert "tape.csv" in notice.text
    assert not panel.eligible().loc["2021-06-04":, "MARA"].any()
    assert panel.eligible().loc["2021-06-03", "MARA"]


def test_one_missing_session_at_the_end_is_an_end_too():
    panel = assemble([tape(MARA=exchange().iloc[:-1])], UNIVERSE)
    assert panel.universe["MARA"].closing.last_session == date(2021, 6, 29)


def test_an_asset_that_is_halted_at_the_end_has_not_ended():
    halted = asset("MARA", halts=(Halt(first=date(2021, 6, 14)),))
    source = tape(MARA=exchange()[exchange().index <= "2021-06-11"])
    panel = assemble([source], with_asset(halted))
    assert panel.universe["MARA"].closing is None
    assert panel.notices == ()
    assert panel.prices()["MARA"].notna().all()


def test_data_that_stop_before_a_declared_end_of_coverage_end_there():
    declared = Closing("coverage_ended", date(2021, 6, 25), date(2021, 5, 25))
    source = tape(MARA=exchange()[exchange().index <= "2021-06-11"])
    panel = assemble([source], with_asset(asset("MARA", closing=declared)))
    closing = panel.universe["MARA"].closing
    assert (closing.last_session, closing.known_from) == (date(2021, 6, 11), date(2021, 5, 25))
    assert [notice.kind for notice in panel.notices] == ["undeclared_end"]
    assert "closing of 2021-06-25" in panel.notices[0].text


def test_a_short_gap_before_an_event_leaves_the_event_and_its_value():
    declared = Closing("bankruptcy", date(2021, 6, 11), date(2021, 6, 8), value=0.5)
    source = tape(MARA=exchange()[exchange().index <= "2021-06-08"])
    panel = assemble([source], with_asset(asset("MARA", closing=declared)))
    assert panel.universe["MARA"].closing == declared
    assert [notice.kind for notice in panel.notices] == ["hole"]
    assert panel.prices().loc["2021-06-11", "MARA"] == 0.5


def test_an_asset_whose_life_was_over_before_the_sessions_is_left_out():
    declared = Closing("delisting", date(2021, 2, 5), date(2021, 2, 1))
    gone = exchange()[exchange().index <= "2021-02-05"]
    start = {"start": date(2021, 4, 1), "warmup_days": 1}
    panel = assemble([tape(MARA=gone)], with_asset(asset("MARA", closing=declared)), **start)
    assert panel.universe.ids == ("CASH", "BTC")
    assert panel.notices == ()
    panel = assemble([tape(MARA=gone)], UNIVERSE, **start)
    assert panel.universe.ids == ("CASH", "BTC")
    assert [(one.kind, one.session) for one in panel.notices] == [("undeclared_end", "2021-02-05")]


def test_a_hole_of_ten_sessions_is_counted_and_one_of_eleven_is_refused():
    ten = without(exchange(), *(str(SESSIONS[k].date()) for k in (30, 39)))
    panel = assemble([tape(MARA=ten)], UNIVERSE)
    (notice,) = panel.notices
    assert (notice.kind, notice.asset) == ("hole", "MARA")
    assert notice.session == str(SESSIONS[30].date())
    assert "no price on 10 of its sessions" in notice.text
    assert not panel.tradable()["MARA"].iloc[30:40].any()
    eleven = without(exchange(), *(str(SESSIONS[k].date()) for k in (30, 40)))
    first, last = SESSIONS[30].date(), SESSIONS[40].date()
    with pytest.raises(DataError, match=rf"MARA .* 11 sessions, {first} to {last} .tape.csv"):
        assemble([tape(MARA=eleven)], UNIVERSE)


def test_a_declared_halt_explains_a_long_hole():
    first, last = SESSIONS[30].date(), SESSIONS[50].date()
    source = tape(MARA=without(exchange(), str(first), str(last)))
    halted = asset("MARA", halts=(Halt(first=first, last=last),))
    panel = assemble([source], with_asset(halted))
    assert panel.notices == ()
    with pytest.raises(DataError, match=r"Declare a halt"):
        assemble([source], UNIVERSE)


def test_a_24_7_asset_needs_a_price_on_every_session_of_the_exchange_clock():
    weekend = without(every_day(), "2021-03-06", "2021-03-07")
    assert assemble([tape(BTC=weekend)], UNIVERSE).notices == ()
    session = without(every_day(), "2021-03-08", "2021-03-08")
    assert [one.asset for one in assemble([tape(BTC=session)], UNIVERSE).notices] == ["BTC"]


def test_any_hole_in_cash_is_refused():
    with pytest.raises(DataError, match=r"Cash CASH has no price on 2021-03-08 .tape.csv"):
        assemble([tape(CASH=without(exchange(), "2021-03-08", "2021-03-08"))], UNIVERSE)
    with pytest.raises(DataError, match=r"Cash CASH has no price on 2021-06-30"):
        assemble([tape(CASH=exchange().iloc[:-1])], UNIVERSE)


def test_cash_may_start_inside_the_warm_up_but_not_after_the_start():
    universe = Universe((replace(CASH, usable_from=SESSIONS[30].date()), BTC, MARA))
    source = tape(CASH=exchange(100.0).iloc[30:])
    start = SESSIONS[30].date()
    assert assemble([source], universe, start=start).prices()["CASH"].isna().any()
    with pytest.raises(DataError, match=rf"Cash CASH has no price on {SESSIONS[29].date()}"):
        assemble([source], universe, start=SESSIONS[29].date())


def test_a_run_that_ends_before_its_cash_exists_is_refused():
    universe = Universe((replace(CASH, usable_from=date(2021, 6, 1)), BTC, MARA))
    with pytest.raises(DataError, match=r"CASH can be held from 2021-06-01 on"):
        assemble([tape()], universe, end=date(2021, 5, 3))


def test_a_late_first_price_is_refused_with_the_day_to_write():
    source = tape(MARA=exchange().iloc[11:])
    day = SESSIONS[11].date()
    with pytest.raises(DataError, match=rf"MARA .* 11 sessions later .* usable_from = {day}"):
        assemble([source], UNIVERSE)
    panel = assemble([tape(MARA=exchange().iloc[10:])], UNIVERSE)
    assert [notice.kind for notice in panel.notices] == ["hole"]


def test_an_asset_without_a_stated_day_is_usable_from_its_first_price():
    open_ended = asset("MARA", usable_from=Asset.usable_from)
    source = tape(MARA=exchange().iloc[40:])
    panel = assemble([source], with_asset(open_ended))
    assert panel.universe["MARA"].usable_from == SESSIONS[40].date()
    early = assemble([source], with_asset(open_ended), end=SESSIONS[39].date())
    assert early.universe.ids == ("CASH", "BTC")


def test_an_asset_without_any_price_is_refused():
    universe = Universe((*UNIVERSE, asset("RIOT")))
    empty = pd.Series(np.nan, index=SESSIONS)
    with pytest.raises(DataError, match=r"RIOT has no price between 2021-01-04 and 2021-06-30"):
        assemble([tape(RIOT=empty)], universe)


def test_an_exchange_price_on_a_day_without_session_is_refused():
    shifted = exchange()
    shifted.index = shifted.index + pd.Timedelta(days=1)
    with pytest.raises(DataError, match=r"MARA has a price on 2021-01-09, which is no session"):
        assemble([tape(MARA=shifted[shifted.index <= "2021-06-30"])], UNIVERSE)


def test_on_the_24_7_clock_cash_is_at_hand_and_equities_are_closed_at_weekends():
    panel = assemble([tape()], UNIVERSE, clock="24/7")
    assert panel.periods_per_year == 365.0
    assert len(panel.sessions) == len(DAYS)
    saturday = panel.tradable().loc["2021-03-06"]
    assert saturday.to_dict() == {"CASH": True, "BTC": True, "MARA": False}
    assert panel.prices().loc["2021-03-06", "CASH"] == panel.prices().loc["2021-03-05", "CASH"]
    assert panel.notices == ()


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (None, date(2021, 7, 1), "ends on 2021-07-01, the main prices on 2021-06-30"),
        (date(2021, 5, 3), date(2021, 4, 1), "starts on 2021-05-03 and ends on 2021-04-01"),
        (date(2021, 5, 29), date(2021, 5, 31), "no session between 2021-05-29 and 2021-05-31"),
    ],
)
def test_a_period_that_cannot_be_run_is_refused(start, end, message):
    with pytest.raises(DataError, match=message):
        assemble([tape()], UNIVERSE, start=start, end=end)


def test_a_panel_needs_a_source_and_an_asset():
    for sources, universe in (([], UNIVERSE), ([tape()], Universe(()))):
        with pytest.raises(DataError, match=r"at least one source of data and one asset"):
            assemble(sources, universe)


def test_one_simulated_source_makes_the_panel_simulated():
    invented = Tape(vendor())
    invented.simulated = True
    real = Tape(prices(CASH=exchange(), BTC=every_day(), MARA=exchange()))
    assert assemble([real, invented], UNIVERSE).simulated


def test_what_sources_tell_is_kept_for_assets_and_days_of_the_panel():
    told = (
        Notice("source_switch", "BTC", "2021-03-02", "a"),
        Notice("source_switch", "BTC", "2020-03-02", "before the sessions"),
        Notice("source_switch", "GONE", "2021-03-02", "not in the panel"),
        Notice("remark", "", "", "b"),
    )
    source = tape()
    source.told = told
    assert [notice.text for notice in assemble([source], UNIVERSE).notices] == ["a", "b"]
