"""The simulated market knows what is true, tells it after the end only, and announces facts."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import decision_times
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.data.sample_truth import Truth
from toolkit.panel import Panel

TRUTH = ("true_ai_share", "true_exits", "true_hash_rate", "true_confounders")


def told(market: SampleMarket) -> pd.DataFrame:
    """What was announced: a row an announcement."""
    facts = market.events.frame().rename(columns={"ticker": "asset"})
    return facts.assign(
        day=pd.to_datetime(facts["day"]),
        kind=facts["kind"].astype(str),
        published_at=pd.to_datetime(facts["published_at"], utc=True),
    )


@pytest.fixture(scope="module")
def market() -> SampleMarket:
    return SampleMarket()


@pytest.fixture(scope="module")
def truth(market: SampleMarket) -> Truth:
    return market.truth


@pytest.fixture(scope="module")
def panel(market: SampleMarket) -> Panel:
    return assemble([market], market.universe())


# No decision sees it


@pytest.mark.parametrize("clock", ["XNYS", "24/7"])
def test_no_decision_of_the_whole_market_sees_a_true_value(market: SampleMarket, clock) -> None:
    panel = assemble([market], market.universe(), clock)
    for name in TRUTH:
        assert panel.known(name).isna().all(axis=None)
        assert len(panel.field(name).values) == 0


def test_even_of_the_raw_fields_no_row_is_public_at_the_last_decision(market: SampleMarket) -> None:
    raw = market.fields(market.universe(), market.start, market.start + timedelta(days=3653))
    last = decision_times(pd.DatetimeIndex([pd.Timestamp(raw["close"].values.index[-1])]))[0]
    whole = Panel(market.universe(), raw["close"].values.index, raw, "24/7", True)
    for name in TRUTH:
        assert len(raw[name].values) == len(raw["close"].values)
        assert (raw[name].available_at > last).all()
        assert whole.known(name).isna().all(axis=None)


def test_a_cut_panel_does_not_even_name_the_miners_to_come(panel: Panel) -> None:
    cut = panel.until(panel.sessions[100])
    assert "JOULES" in panel.field("true_ai_share").values
    assert "JOULES" not in cut.field("true_ai_share").values


# Pivots


def test_the_ai_share_rises_from_the_dated_pivot_within_half_a_year(
    market: SampleMarket, truth: Truth
) -> None:
    pivots = {
        asset.id: pd.Timestamp(asset.memberships[1].since)
        for asset in market.universe()
        if len(asset.memberships) > 1
    }
    assert set(pivots) == {"HASHCO", "NONCE"}
    for name, share in truth.ai_share.items():
        if name in pivots:
            assert share[: pivots[name]].eq(0.0).all()
            assert share[pivots[name] + pd.Timedelta(days=180) :].eq(1.0).all()
            assert share.is_monotonic_increasing
        else:
            assert share.eq(0.0).all()


def test_a_contract_is_announced_after_the_close_before_the_membership(
    market: SampleMarket, panel: Panel
) -> None:
    facts = told(market)
    for name in ("HASHCO", "NONCE"):
        contract = facts[(facts["asset"] == name) & (facts["kind"] == "colocation_contract")].iloc[
            0
        ]
        since = pd.Timestamp(market.universe()[name].memberships[1].since)
        assert contract["day"] == panel.sessions[panel.sessions.get_loc(since) - 1]
        assert contract["published_at"].hour == 21
        assert contract["published_at"] < decision_times(pd.DatetimeIndex([contract["day"]]))[0]
        assert contract["megawatts"] > 0.0


# Exits


def test_each_market_has_a_ban_weather_and_lasting_exits_in_order() -> None:
    for seed in range(30):
        for years in (2.0, 9.0):
            exits = SampleMarket(seed=seed, years=years).truth.exits
            kinds = exits["kind"].value_counts()
            assert kinds["ban"] == 1
            assert kinds["weather"] >= 1
            assert kinds["lasting"] >= 1
            assert exits["first"].is_monotonic_increasing
            assert (exits["last"] > exits["first"]).all()
            assert exits["share"].between(0.05, 0.5).all()


def test_machines_are_gone_when_the_exits_say_so(truth: Truth) -> None:
    gone = truth.gone
    assert gone.ge(0.0).all(axis=None)
    assert gone.lt(1.0).all(axis=None)
    for exit in truth.exits.itertuples():
        before = gone.loc[exit.first - pd.Timedelta(days=1), exit.kind]
        after = gone.loc[exit.last, exit.kind]
        # Lasting exits and bans take their share of what is still there.
        expected = exit.share if exit.kind == "weather" else 1 - (1 - before) * (1 - exit.share)
        assert after >= expected - 1e-9
        if exit.kind == "weather":
            assert gone.loc[exit.last + pd.Timedelta(days=1), "weather"] == 0.0
    assert gone["lasting"].is_monotonic_increasing
    assert gone["ban"].is_monotonic_increasing


def test_the_network_falls_in_an_exit_and_is_back_after_weather_only() -> None:
    """Log change of the published hash rate, 14 days before against inside and 20 days after."""
    fell: dict[str, list[float]] = {"ban": [], "weather": [], "lasting": []}
    later: dict[str, list[float]] = {"ban": [], "weather": [], "lasting": []}
    for seed in range(12):
        market = SampleMarket(seed=seed)
        fields = market.fields(market.universe(), market.start, market.last_session())
        rate = np.log(fields["hash_rate"].values["hash_rate"])
        for exit in market.truth.exits.itertuples():
            day = pd.Timedelta(days=1)
            before = rate[exit.first - 14 * day : exit.first - day].mean()
            inside = (
                rate[exit.first : exit.last] if exit.kind == "weather" else rate[exit.last :][:5]
            )
            # In units of what left, so that exits of all sizes count alike.
            size = np.log1p(-exit.share)
            fell[exit.kind].append((inside.mean() - before) / size)
            after = rate[exit.last + day : exit.last + 20 * day].mean()
            later[exit.kind].append((after - before) / size)
    assert np.median(fell["weather"]) == pytest.approx(1.0, abs=0.15)
    assert abs(np.median(later["weather"])) < 0.25
    # Growth goes on meanwhile, and idle machines start where others stop.
    for kind in ("lasting", "ban"):
        assert 0.5 < np.median(fell[kind]) < 1.1
        assert 0.4 < np.median(later[kind]) < 1.1


def test_machines_of_a_named_miner_leave_months_after_its_contract(
    market: SampleMarket, truth: Truth
) -> None:
    named = truth.exits[truth.exits["asset"] != ""].set_index("asset")
    assert set(named.index) == {"HASHCO", "NONCE"}
    for name, exit in named.iterrows():
        since = pd.Timestamp(market.universe()[str(name)].memberships[1].since)
        assert (exit["first"] - since).days == 270


# Confounders


def test_every_confounder_is_there_and_no_pivot(market: SampleMarket, truth: Truth) -> None:
    confounders = truth.confounders.set_index("kind")
    assert set(confounders.index) == {
        "risk_on_rally", "rename", "strategy_statement", "ban", "low_r_squared",
    }  # fmt: skip
    facts = told(market)
    for kind in ("rename", "strategy_statement"):
        name, day = confounders.at[kind, "asset"], confounders.at[kind, "first"]
        assert truth.ai_share[name].eq(0.0).all()
        found = facts[(facts["asset"] == name) & (facts["day"] == day)]
        assert list(found["kind"]) == [kind]
        assert found["megawatts"].isna().all()
    ban = truth.exits[truth.exits["kind"] == "ban"].iloc[0]
    assert ban["first"] == confounders.at["ban", "first"]


def test_a_rally_lifts_bitcoin_ai_and_miners_without_a_pivot() -> None:
    rises = []
    for seed in range(12):
        market = SampleMarket(seed=seed)
        fields = market.fields(market.universe(), market.start, market.last_session())
        prices = fields["close"].values.ffill(limit=5)
        rally = market.truth.confounders.set_index("kind").loc["risk_on_rally"]
        assert (rally["last"] - rally["first"]).days == 89
        ends = prices.loc[[rally["first"] - pd.Timedelta(days=1), rally["last"]]]
        rises.append(np.log(ends).diff().iloc[1])
        moving = market.truth.ai_share.loc[rally["first"] : rally["last"]].diff().iloc[1:]
        assert moving.eq(0.0).all(axis=None)
    rise = pd.DataFrame(rises)
    assert (rise["SIMBTC"] > 0.1).all()
    assert (rise["TENSOR"] > 0.0).all()
    assert (rise[["HASHCO", "NONCE", "MERKLE", "MEMPOOL"]].median(axis=1) > 0.1).all()


def test_marks_of_confounders_cover_their_days(market: SampleMarket, truth: Truth) -> None:
    field = truth.fields(market.universe().ids)["true_confounders"].values
    for found in truth.confounders.itertuples():
        marked = field.index[field[found.kind] == 1.0]
        assert marked[0] == found.first
        assert marked[-1] == found.last
        assert len(marked) == (found.last - found.first).days + 1


# Announcements


@pytest.mark.parametrize("years", [2.0, 9.0, 15.0])
def test_announcements_are_dated_in_order_and_public_at_the_decision_of_their_day(
    years: float,
) -> None:
    market = SampleMarket(years=years, start=date(2015, 3, 2))
    facts = told(market)
    assert facts["published_at"].is_monotonic_increasing
    assert set(facts["kind"]) == {
        "colocation_contract", "strategy_statement", "rename", "regulation",
    }  # fmt: skip
    day = facts["day"].dt.tz_localize("UTC")
    assert (facts["published_at"] > day).all()
    assert (facts["published_at"] < day + pd.Timedelta(days=1)).all()
    assert set(facts["asset"]) <= {*market.universe().ids, "ALL"}
    assert (
        facts["day"].between(pd.Timestamp(market.start), pd.Timestamp(market.last_session())).all()
    )


def test_a_regulation_is_published_before_the_machines_of_the_ban_leave(truth, market) -> None:
    facts = told(market)
    (published,) = facts.loc[facts["kind"] == "regulation", "published_at"]
    ban = truth.exits[truth.exits["kind"] == "ban"].iloc[0]
    ahead = ban["first"].tz_localize("UTC") - published
    assert pd.Timedelta(0) < ahead < pd.Timedelta(days=5)


def test_the_truth_of_the_same_seed_is_the_same(truth: Truth) -> None:
    again = SampleMarket().truth
    pd.testing.assert_frame_equal(again.exits, truth.exits)
    pd.testing.assert_frame_equal(again.gone, truth.gone)
    pd.testing.assert_frame_equal(again.confounders, truth.confounders)
