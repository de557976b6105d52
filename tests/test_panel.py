"""The panel shows each value from the first decision that could have seen it, and no sooner."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.clock import sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import DataError, UnknownFieldError
from toolkit.panel import Field, Notice, Panel
from toolkit.universe import Asset, Closing, Halt, Membership, Sleeve, Universe

drawn = settings(deadline=None, derandomize=True, max_examples=150)

SESSIONS = sessions_between("XNYS", date(2024, 3, 4), date(2024, 4, 12))
MONDAY, FRIDAY = pd.Timestamp("2024-03-11"), pd.Timestamp("2024-03-08")
DAY = pd.Timedelta(days=1)


def asset(name: str, sleeve: Sleeve, calendar: str = "XNYS", **given) -> Asset:
    return Asset(name, (Membership(sleeve, date(2020, 1, 1)),), calendar, **given)


def close_of(universe: Universe, seed: int = 1) -> Field:
    """A price for every asset and UTC day, those of the exchange on its sessions only."""
    days = pd.date_range(SESSIONS[0], SESSIONS[-1], freq="D")
    random = np.random.default_rng(seed)
    values = 50.0 * np.exp(np.cumsum(0.03 * random.standard_normal((len(days), len(universe))), 0))
    frame = pd.DataFrame(values, index=pd.DatetimeIndex(days.to_numpy()), columns=universe.ids)
    for name in universe.ids:
        if universe[name].calendar == "XNYS":
            frame.loc[~frame.index.isin(SESSIONS), name] = np.nan
    return Field(frame, (frame.index + DAY).tz_localize("UTC"), "USD", "drawn")


def panel_of(*assets: Asset, **fields: Field) -> Panel:
    universe = Universe(assets)
    return Panel(universe, SESSIONS, {"close": close_of(universe), **fields})


CASH = asset("CASH", Sleeve.CASH, "24/7")
COIN = asset("COIN", Sleeve.BITCOIN, "24/7")
MINER = asset("MINER", Sleeve.LEGACY_MINERS)


def daily(name: str, lag_hours: float) -> Field:
    """A vendor's row for every UTC day, public some hours after the day."""
    days = pd.DatetimeIndex(pd.date_range(SESSIONS[0], SESSIONS[-1], freq="D").to_numpy())
    moments = (days + DAY + pd.Timedelta(hours=lag_hours)).tz_localize("UTC")
    return Field(pd.DataFrame({name: np.arange(float(len(days)))}, days), moments, "units", "drawn")


# Fields


def test_a_field_with_rows_out_of_order_or_repeated_is_refused():
    moments = pd.DatetimeIndex(["2024-01-03", "2024-01-03"], tz="UTC")
    for days in (["2024-01-02", "2024-01-01"], ["2024-01-01", "2024-01-01"]):
        frame = pd.DataFrame({"x": [1.0, 2.0]}, pd.DatetimeIndex(days))
        with pytest.raises(DataError, match="vendor: row labels must increase"):
            Field(frame, moments, "units", "vendor")


def test_a_field_labelled_with_a_time_zone_or_numbers_is_refused():
    moments = pd.DatetimeIndex(["2024-01-03"], tz="UTC")
    for index in (pd.DatetimeIndex(["2024-01-01"], tz="UTC"), pd.RangeIndex(1)):
        with pytest.raises(DataError, match="naive days"):
            Field(pd.DataFrame({"x": [1.0]}, index), moments, "units", "vendor")


def test_a_field_needs_a_moment_in_utc_for_every_row():
    frame = pd.DataFrame({"x": [1.0, 2.0]}, pd.DatetimeIndex(["2024-01-01", "2024-01-02"]))
    naive = pd.DatetimeIndex(["2024-01-02", "2024-01-03"])
    for moments in (naive, naive.tz_localize("America/New_York"), naive[:1].tz_localize("UTC")):
        with pytest.raises(DataError, match="every row needs a moment in UTC"):
            Field(frame, moments, "units", "vendor")


def test_a_later_row_that_was_public_before_an_earlier_one_is_refused():
    frame = pd.DataFrame({"x": [1.0, 2.0]}, pd.DatetimeIndex(["2024-01-01", "2024-01-02"]))
    moments = pd.DatetimeIndex(["2024-01-05", "2024-01-03"], tz="UTC")
    with pytest.raises(DataError, match="became public before an earlier"):
        Field(frame, moments, "units", "vendor")


def test_a_computed_field_is_public_when_its_rows_were():
    source = daily("x", 1.0)
    doubled = source.apply(lambda frame: 2.0 * frame, "double units")
    assert doubled.available_at.equals(source.available_at)
    assert doubled.unit == "double units"
    assert np.array_equal(doubled.values, 2.0 * source.values)
    with pytest.raises(DataError, match="changed its rows"):
        source.apply(lambda frame: frame.iloc[1:], "units")


def test_an_unknown_field_is_named_with_a_proposal():
    with pytest.raises(UnknownFieldError, match=r"'hashrate' is not in the panel.*'hash_rate'\?"):
        panel_of(CASH, hash_rate=daily("hash_rate", 1.0)).known("hashrate")


# What was known when


@st.composite
def odd_fields(draw) -> Field:
    """Rows on some days, public at odd moments, with NaN anywhere."""
    count = draw(st.integers(0, 12))
    offsets = draw(st.lists(st.integers(-10, 45), min_size=count, max_size=count, unique=True))
    days = pd.DatetimeIndex([SESSIONS[0] + offset * DAY for offset in sorted(offsets)])
    hours = draw(st.lists(st.integers(-48, 24 * 20), min_size=count, max_size=count))
    moments = pd.DatetimeIndex(
        [day + pd.Timedelta(hours=hour) for day, hour in zip(days, hours, strict=True)]
    )
    moments = pd.DatetimeIndex(np.maximum.accumulate(moments.to_numpy())).tz_localize("UTC")
    number = st.one_of(st.just(np.nan), st.integers(-5, 5).map(float))
    width = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(number, min_size=width, max_size=width), min_size=count,
                         max_size=count))  # fmt: skip
    values = np.array(rows, dtype=float).reshape(count, width)
    return Field(pd.DataFrame(values, days, list("abc")[:width]), moments, "units", "drawn")


@drawn
@given(odd_fields(), st.one_of(st.none(), st.integers(0, 30)))
def test_known_is_the_last_public_number_of_each_column_at_each_decision(source, max_days):
    max_age = None if max_days is None else max_days * DAY
    panel = Panel(Universe((CASH,)), SESSIONS, {"odd": source})
    found = panel.known("odd", max_age).to_numpy()
    rows = list(
        zip(source.values.index, source.available_at, source.values.to_numpy(), strict=True)
    )
    for position, session in enumerate(SESSIONS):
        decision = (session + DAY).tz_localize("UTC")
        for column in range(source.values.shape[1]):
            expected = np.nan
            for day, moment, values in rows:
                if moment <= decision and not np.isnan(values[column]):
                    stale = max_age is not None and session - day > max_age
                    expected = np.nan if stale else values[column]
            assert np.array_equal(found[position, column], expected, equal_nan=True)


@drawn
@given(odd_fields(), st.integers(0, len(SESSIONS) - 1))
def test_cutting_the_panel_changes_nothing_that_was_known(source, row):
    panel = Panel(Universe((CASH,)), SESSIONS, {"odd": source})
    cut = panel.until(SESSIONS[row])
    pd.testing.assert_frame_equal(cut.known("odd"), panel.known("odd").iloc[: row + 1])


def test_the_hash_rate_of_a_day_is_known_at_the_next_session_only():
    panel = panel_of(CASH, hash_rate=daily("hash_rate", lag_hours=1.0))
    known = panel.known("hash_rate")["hash_rate"]
    label = panel.fields["hash_rate"].values["hash_rate"]
    assert np.isnan(known.iloc[0])
    for before, session in pairwise(SESSIONS):
        assert known[session] == label[session - DAY]
        assert known[session] >= label[before]


def test_a_row_public_at_the_very_moment_of_the_decision_is_seen():
    panel = panel_of(CASH, on_time=daily("x", 0.0), late=daily("x", 1e-6))
    label = panel.fields["on_time"].values["x"]
    assert (panel.known("on_time")["x"] == label.reindex(SESSIONS)).all()
    assert (panel.known("late")["x"].iloc[1:] < label.reindex(SESSIONS).iloc[1:]).all()


def test_the_daylight_saving_change_moves_no_decision():
    summer = panel_of(CASH).decisions
    assert (np.asarray(summer.hour) == 0).all()
    assert SESSIONS[0] < pd.Timestamp("2024-03-10") < SESSIONS[-1]


# Prices, tradability, returns


def test_the_weekend_of_bitcoin_is_inside_the_monday_return():
    panel = panel_of(CASH, COIN)
    coin = panel.fields["close"].values["COIN"]
    assert panel.returns().loc[MONDAY, "COIN"] == coin[MONDAY] / coin[FRIDAY] - 1.0
    weekend = [coin[d] / coin[d - DAY] for d in pd.date_range(FRIDAY + DAY, MONDAY)]
    assert panel.returns().loc[MONDAY, "COIN"] == pytest.approx(np.prod(weekend) - 1.0, abs=1e-15)
    assert (1.0 + panel.returns()["COIN"].iloc[1:]).prod() == pytest.approx(
        coin[SESSIONS[-1]] / coin[SESSIONS[0]], rel=1e-14
    )


def test_a_halted_asset_is_valued_at_its_last_price_and_not_tradable():
    halt = Halt(date(2024, 3, 12), date(2024, 3, 14))
    panel = panel_of(CASH, replace(MINER, halts=(halt,)))
    close = panel.fields["close"]
    silent = close.values.copy()
    silent.loc["2024-03-12":"2024-03-14", "MINER"] = np.nan
    panel = replace(panel, fields={"close": replace(close, values=silent)})
    during = slice("2024-03-12", "2024-03-14")
    assert (panel.prices().loc[during, "MINER"] == close.values.loc[MONDAY, "MINER"]).all()
    assert not panel.tradable().loc[during, "MINER"].any()
    assert panel.tradable()["MINER"].sum() == len(SESSIONS) - 3
    assert (panel.returns().loc[during, "MINER"] == 0.0).all()
    assert panel.eligible()["MINER"].all()


def test_a_declared_halt_stops_trading_even_where_the_file_has_prices():
    halt = Halt(date(2024, 3, 12), date(2024, 3, 14))
    panel = panel_of(CASH, replace(MINER, halts=(halt,)))
    assert not panel.tradable().loc["2024-03-12":"2024-03-14", "MINER"].any()


def test_a_missing_price_is_valued_at_the_last_one_and_not_tradable():
    panel = panel_of(CASH, MINER)
    close = panel.fields["close"]
    holed = close.values.copy()
    holed.loc["2024-03-19", "MINER"] = np.nan
    panel = replace(panel, fields={"close": replace(close, values=holed)})
    assert panel.prices().loc["2024-03-19", "MINER"] == holed.loc["2024-03-18", "MINER"]
    assert panel.tradable()["MINER"].sum() == len(SESSIONS) - 1


def test_an_asset_has_neither_price_nor_trade_before_it_is_usable():
    panel = panel_of(CASH, replace(MINER, usable_from=date(2024, 3, 14)))
    before, after = panel.prices().loc[:"2024-03-13"], panel.prices().loc["2024-03-14":]
    assert before["MINER"].isna().all()
    assert after["MINER"].notna().all()
    assert not panel.tradable().loc[:"2024-03-13", "MINER"].any()
    assert np.isnan(panel.returns().loc["2024-03-14", "MINER"])


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_closing_values_at_the_last_price_then_pays_then_is_gone(value):
    closing = Closing("bankruptcy", date(2024, 3, 19), date(2024, 3, 13), date(2024, 3, 26), value)
    panel = panel_of(CASH, replace(MINER, closing=closing))
    raw, price = panel.fields["close"].values["MINER"], panel.prices()["MINER"]
    assert (price[:"2024-03-19"] == raw.reindex(SESSIONS)[:"2024-03-19"]).all()
    assert (price["2024-03-20":"2024-03-25"] == raw["2024-03-19"]).all()
    assert price["2024-03-26"] == value
    assert price["2024-03-27":].isna().all()
    assert panel.returns().loc["2024-03-26", "MINER"] == value / raw["2024-03-19"] - 1.0
    assert panel.tradable()["MINER"].tolist() == (SESSIONS <= "2024-03-19").tolist()
    assert panel.eligible()["MINER"].tolist() == (SESSIONS < "2024-03-13").tolist()


def test_a_wipe_out_loses_everything_on_its_settlement():
    closing = Closing("bankruptcy", date(2024, 3, 19), date(2024, 3, 13), value=0.0)
    panel = panel_of(CASH, replace(MINER, closing=closing))
    assert panel.returns().loc["2024-03-19", "MINER"] == -1.0


def test_the_end_of_coverage_is_at_the_last_price():
    closing = Closing("coverage_ended", date(2024, 3, 19), date(2024, 3, 13))
    panel = panel_of(CASH, replace(MINER, closing=closing))
    price, raw = panel.prices()["MINER"], panel.fields["close"].values["MINER"]
    assert price["2024-03-19"] == raw["2024-03-19"]
    assert price["2024-03-20":].isna().all()


def test_an_end_on_a_weekend_is_not_stretched_to_monday():
    closing = Closing("coverage_ended", date(2024, 3, 16), date(2024, 3, 13))
    panel = panel_of(CASH, replace(COIN, closing=closing))
    raw = panel.fields["close"].values["COIN"]
    assert not panel.tradable().loc["2024-03-18", "COIN"]
    assert panel.prices().loc["2024-03-18", "COIN"] != raw["2024-03-18"]


def test_a_halt_that_ends_on_a_weekend_does_not_close_monday():
    panel = panel_of(CASH, replace(COIN, halts=(Halt(date(2024, 3, 14), date(2024, 3, 16)),)))
    tradable = panel.tradable()["COIN"]
    assert tradable[["2024-03-13", "2024-03-14", "2024-03-15", "2024-03-18"]].tolist() == [
        True, False, False, True,
    ]  # fmt: skip


def test_members_are_the_eligible_assets_of_a_sleeve_by_date():
    moved = replace(
        MINER,
        memberships=(
            Membership(Sleeve.LEGACY_MINERS, date(2020, 1, 1)),
            Membership(Sleeve.PIVOTING_MINERS, date(2024, 3, 20)),
        ),
        closing=Closing("merger", date(2024, 4, 9), date(2024, 4, 3)),
    )
    panel = panel_of(CASH, COIN, moved)
    legacy = panel.members([Sleeve.LEGACY_MINERS])
    pivoting = panel.members([Sleeve.PIVOTING_MINERS])
    assert legacy["MINER"].tolist() == (SESSIONS < "2024-03-20").tolist()
    assert (
        pivoting["MINER"].tolist()
        == ((SESSIONS >= "2024-03-20") & (SESSIONS < "2024-04-03")).tolist()
    )
    assert not legacy["COIN"].any()


def test_writing_into_what_the_panel_returned_does_not_change_the_panel():
    panel = panel_of(CASH, COIN, MINER)
    before = panel.prices().copy(deep=True)
    for frame in (panel.prices(), panel.returns(), panel.known("close")):
        frame.iloc[5:] = 1e6
    for flags in (panel.tradable(), panel.eligible(), panel.members([Sleeve.BITCOIN])):
        flags.iloc[:] = False
    pd.testing.assert_frame_equal(panel.prices(), before)
    pd.testing.assert_frame_equal(panel.returns().iloc[1:], (before / before.shift(1) - 1).iloc[1:])
    assert panel.tradable().all(axis=None)
    assert panel.eligible().all(axis=None)


def _replace_a_column(frame: pd.DataFrame) -> None:
    frame["COIN"] = frame["COIN"].cummax()


def _write_cells(frame: pd.DataFrame) -> None:
    frame.iloc[3:, 1] = 1e6


def _write_through_a_view(frame: pd.DataFrame) -> None:
    for view in (lambda: frame["COIN"].array, frame.to_numpy, lambda: frame.values):
        with pytest.raises(ValueError, match="read-only"):
            view()[3] = 1e6


@pytest.mark.parametrize("change", [_replace_a_column, _write_cells, _write_through_a_view])
@pytest.mark.parametrize("cut", [False, True])
def test_changing_the_values_of_a_field_changes_no_market(change, cut):
    panel = panel_of(CASH, COIN, MINER)
    panel = panel.until(SESSIONS[-1]) if cut else panel
    before, untouched = panel.digest(), replace(panel)
    for read in (lambda: panel.field("close"), lambda: panel.fields["close"]):
        change(read().values)
    with pytest.raises(ValueError, match="read-only"):
        panel.field("close").column("COIN")[3] = 1e6
    with pytest.raises(ValueError, match="read-only"):
        panel.field("close").moments[3] = 0
    assert panel.digest() == before
    pd.testing.assert_frame_equal(panel.known("close"), untouched.known("close"))
    pd.testing.assert_frame_equal(panel.prices(), untouched.prices())


def test_a_change_that_stays_ones_own_is_allowed():
    panel = panel_of(CASH, COIN)
    mine = panel.field("close").values
    mine["COIN"] = 1.0
    mine.iloc[0, 0] = 2.0
    assert (mine["COIN"].iloc[1:] == 1.0).all()
    assert mine.iloc[0, 0] == 2.0


def test_fields_can_be_neither_added_nor_replaced():
    given = {"close": close_of(Universe((CASH, COIN)))}
    panel = Panel(Universe((CASH, COIN)), SESSIONS, given)
    with pytest.raises(TypeError, match="item assignment"):
        panel.fields["close"] = daily("COIN", 1.0)
    given["late"] = daily("COIN", 1.0)
    assert list(panel.fields) == ["close"]


# Cuts


def test_a_cut_panel_is_the_panel_rebuilt_from_what_was_public_then():
    closing = Closing("bankruptcy", date(2024, 3, 19), date(2024, 3, 13), date(2024, 3, 26), 1.0)
    late = replace(asset("LATE", Sleeve.AI_TOKENS, "24/7"), usable_from=date(2024, 3, 21))
    halted = replace(COIN, halts=(Halt(date(2024, 3, 7), date(2024, 3, 12)),))
    miner = replace(MINER, closing=closing)
    both = daily("MINER", 1.0)
    both = replace(both, values=both.values.assign(LATE=0.5))
    panel = panel_of(CASH, halted, miner, late, vendor=daily("vendor", 1.0), shares=both)
    for session in SESSIONS:
        moment = (session + DAY).tz_localize("UTC")
        fields = {
            name: Field(
                source.values[source.available_at <= moment],
                source.available_at[source.available_at <= moment],
                source.unit,
                source.source,
            )
            for name, source in panel.fields.items()
        }
        universe = panel.universe.until(session.date())
        for name in ("close", "shares"):
            known = [column for column in fields[name].values if column in universe.ids]
            fields[name] = replace(fields[name], values=fields[name].values[known])
        rebuilt = Panel(universe, SESSIONS[session >= SESSIONS], fields)
        assert panel.until(session).digest() == rebuilt.digest()


def test_a_cut_panel_is_what_the_same_sources_gave_on_that_day():
    market = SampleMarket(years=3.0)
    whole = assemble([market], market.universe())
    asleep = whole.universe["ORPHAN"].closing
    during = date.fromordinal((asleep.known_from.toordinal() + asleep.settlement.toordinal()) // 2)
    for day in (date(2016, 5, 6), date(2017, 3, 1), asleep.known_from, during, asleep.settlement):
        session = whole.sessions[whole.sessions <= pd.Timestamp(day)][-1]
        cut = whole.until(session)
        then = assemble([market], market.universe(), end=session.date())
        assert cut.universe == then.universe.without_remarks()
        for view in ("prices", "tradable", "eligible", "returns"):
            pd.testing.assert_frame_equal(getattr(cut, view)(), getattr(then, view)())
        for name in cut.fields:
            if name != "close":
                pd.testing.assert_frame_equal(cut.known(name), then.known(name))


def test_prices_up_to_a_cut_do_not_depend_on_what_came_later():
    closing = Closing("bankruptcy", date(2024, 3, 19), date(2024, 3, 13), date(2024, 3, 26), 0.0)
    panel = panel_of(CASH, COIN, replace(MINER, closing=closing))
    for row, session in enumerate(SESSIONS):
        cut = panel.until(session)
        for view in ("prices", "tradable", "eligible", "returns"):
            whole = getattr(panel, view)().iloc[: row + 1]
            pd.testing.assert_frame_equal(getattr(cut, view)(), whole)


def test_cutting_at_the_last_session_keeps_everything_public():
    panel = panel_of(CASH, COIN, MINER)
    assert panel.until(SESSIONS[-1]).digest() == panel.digest()


# Digest


def test_the_same_panel_has_the_same_digest():
    assert panel_of(CASH, COIN).digest() == panel_of(CASH, COIN).digest()
    reordered = replace(
        panel_of(CASH, COIN, a=daily("x", 1.0), b=daily("y", 1.0)),
    )
    fields = dict(reversed(list(reordered.fields.items())))
    assert replace(reordered, fields=fields).digest() == reordered.digest()
    told = replace(reordered, notices=(Notice("hole", "COIN", "2024-03-05", "text"),))
    assert told.digest() == reordered.digest()


def test_the_digest_does_not_depend_on_the_unit_of_the_time_index():
    panel = panel_of(CASH, vendor=daily("x", 1.0))
    source = panel.fields["vendor"]
    seconds = Field(
        source.values.set_axis(source.values.index.as_unit("s")),
        source.available_at.as_unit("s"),
        source.unit,
        source.source,
    )
    same = replace(panel, fields={**panel.fields, "vendor": seconds})
    assert same.digest() == panel.digest()


def test_the_digest_changes_with_anything_that_can_change_a_result():
    panel = panel_of(CASH, COIN, vendor=daily("x", 1.0))
    source = panel.fields["vendor"]
    touched = source.values.copy()
    touched.iloc[3, 0] = np.nextafter(touched.iloc[3, 0], 9.0)
    moments = source.available_at
    later = moments[:-1].append(moments[-1:] + pd.Timedelta(seconds=1))

    def with_vendor(**change: object) -> Panel:
        return replace(panel, fields={**panel.fields, "vendor": replace(source, **change)})

    variants = [
        panel,
        with_vendor(values=touched),
        with_vendor(values=source.values.rename(columns={"x": "y"})),
        with_vendor(available_at=later),
        with_vendor(unit="other units"),
        with_vendor(source="another vendor"),
        with_vendor(
            values=source.values.set_axis(source.values.index[:-1].append(SESSIONS[-1:] + DAY))
        ),
        replace(panel, fields={"close": panel.fields["close"]}),
        replace(panel, fields={"close": panel.fields["close"], "seller": source}),
        replace(panel, universe=Universe((CASH, replace(COIN, usable_from=date(2024, 3, 5))))),
        replace(panel, universe=Universe((CASH, replace(COIN, ticker="XBT")))),
        replace(panel, sessions=SESSIONS[:-1]),
        replace(panel, clock="24/7"),
        replace(panel, simulated=True),
    ]
    assert len({variant.digest() for variant in variants}) == len(variants)


def test_the_panel_knows_how_many_of_its_sessions_make_a_year():
    assert panel_of(CASH).periods_per_year == 252.0
    assert replace(panel_of(CASH), clock="24/7").periods_per_year == 365.0


# What is computed once


def test_what_was_derived_is_kept_by_its_panel_and_reaches_no_other():
    panel, asked = panel_of(CASH, COIN, blocks=daily("blocks", 1)), []

    def rows_of(one: Panel) -> int:
        def count() -> int:
            asked.append(one)
            return len(one.field("blocks").values)

        return one.derived("rows", count)

    assert rows_of(panel) == rows_of(panel) == len(panel.field("blocks").values)
    assert len(asked) == 1
    past = panel.until(MONDAY)
    # Friday, whose row is public on Saturday, and the Sunday before: each day up to Sunday's.
    assert rows_of(past) == (MONDAY - SESSIONS[0]).days
    assert rows_of(replace(panel)) == rows_of(panel)
    assert len(asked) == 3
    assert panel.until(MONDAY) is not past


def test_a_derived_frame_is_given_to_each_reader_as_their_own():
    panel = panel_of(CASH, COIN)
    first, second = (panel.derived("copied", panel.prices) for _ in range(2))
    first["COIN"] = first["COIN"].cummax()
    second.iloc[3:] = 0.0
    pd.testing.assert_frame_equal(panel.derived("copied", panel.prices), panel.prices())


def test_a_field_of_one_column_has_the_rows_and_moments_of_the_one_it_is_derived_from():
    blocks = daily("blocks", 1)
    doubled = blocks.derive("twice", 2.0 * blocks.column(), "1")
    pd.testing.assert_frame_equal(
        doubled.values,
        blocks.apply(lambda rows: 2.0 * rows, "1").values.set_axis(["twice"], axis=1),
    )
    assert doubled.available_at.equals(blocks.available_at)
    assert doubled.column("twice")[3] == 6.0


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_labels_and_moments_are_nanoseconds_in_whatever_unit_the_index_counts(unit):
    source = daily("blocks", 1)
    values = source.values.set_axis(source.values.index.as_unit(unit))
    other = Field(values, source.available_at.as_unit(unit), "1", "drawn")
    np.testing.assert_array_equal(other.labels, source.labels)
    np.testing.assert_array_equal(other.moments, source.moments)
    assert pd.Timestamp(source.moments[0], tz="UTC") == source.available_at[0]
