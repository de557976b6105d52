"""The scorecard credits what could still be earned, and nothing that only looks like it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import ConfigError
from toolkit.panel import Field, Panel
from toolkit.research.scorecard import Scorecard, scorecard_table, scorecards
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.signals.price import Momentum
from toolkit.signals.published import PublishedSignal
from toolkit.signals.reading import Gauge
from toolkit.signals.signal import Signal
from toolkit.universe import Asset, Membership, Sleeve, Universe

COUNT = 20


def panel_of(returns: pd.DataFrame) -> Panel:
    """A panel of miners, bitcoin and cash with the given returns."""
    begin = returns.index[0].date()
    miners = [name for name in returns if name != "BTC"]
    assets = [Asset(name, (Membership(Sleeve.LEGACY_MINERS, begin),)) for name in miners]
    assets.append(Asset("BTC", (Membership(Sleeve.BITCOIN, begin),), "24/7"))
    assets.append(Asset("CASH", (Membership(Sleeve.CASH, begin),), "24/7"))
    prices = 100.0 * (1.0 + returns.assign(CASH=0.0)).cumprod()
    moments = pd.DatetimeIndex(returns.index + pd.Timedelta(hours=22)).tz_localize("UTC")
    close = Field(prices, moments, "USD", "test")
    return Panel(Universe(tuple(assets)), pd.DatetimeIndex(returns.index), {"close": close})


def drawn(seed: int, years: int = 6) -> pd.DataFrame:
    """Independent returns of miners and bitcoin."""
    from datetime import date

    sessions = sessions_between("XNYS", date(2015, 1, 2), date(2015 + years, 1, 2))
    names = [*(f"M{number:02d}" for number in range(COUNT)), "BTC"]
    values = np.random.default_rng(seed).normal(0.0, 0.03, (len(sessions), len(names)))
    return pd.DataFrame(values, sessions, names)


class Given(Signal):
    """Values that a test made up."""

    def __init__(self, values: pd.DataFrame) -> None:
        self.values = values

    def compute(self, panel: Panel) -> pd.DataFrame:
        return self.values.reindex(panel.sessions)


def card_of(values: pd.DataFrame, panel: Panel, horizons: tuple[int, ...] = (1,)) -> Scorecard:
    return scorecards({"given": Given(values)}, panel, horizons)[0]


def test_a_signal_that_knows_the_return_after_the_fill_scores_its_correlation():
    returns = drawn(1)
    miners = returns.drop(columns="BTC")
    noise = drawn(2).drop(columns="BTC")
    share = 0.5
    known = share * miners.shift(-2) + np.sqrt(1.0 - share**2) * noise
    score = card_of(known, panel_of(returns)).scores[0]
    # Expectation of the rank correlation of n normal pairs: Moran (1948).
    pairs = np.arcsin(share) + (COUNT - 2) * np.arcsin(share / 2.0)
    expected = 6.0 / (np.pi * (COUNT + 1)) * pairs
    assert score.coefficient == pytest.approx(expected, abs=3.0 * 0.18 / len(miners) ** 0.5)
    direct = [known.iloc[t].corr(miners.iloc[t + 2], method="spearman") for t in range(300)]
    same = card_of(known.iloc[:300], panel_of(returns)).scores[0]
    assert same.coefficient == pytest.approx(np.mean(direct), abs=1e-12)


@pytest.mark.parametrize("shift", [0, -1])
def test_what_is_over_before_the_fill_earns_no_credit(shift):
    returns = drawn(3)
    score = card_of(returns.drop(columns="BTC").shift(shift), panel_of(returns)).scores[0]
    assert score.low < 0.0 < score.high
    assert abs(score.coefficient) < 0.02


def test_intervals_of_noise_leave_out_zero_about_as_often_as_they_say():
    missed = {1: 0, 21: 0}
    trials = 60
    for seed in range(trials):
        returns = drawn(100 + seed, years=4)
        slow = drawn(500 + seed, years=4).drop(columns="BTC").rolling(10).mean()
        for score in card_of(slow, panel_of(returns), (1, 21)).scores:
            missed[score.horizon] += not score.low < 0.0 < score.high
    # 3 of 60 are expected; 9 or more would come up once in 300 experiments.
    assert missed[1] <= 8
    assert missed[21] <= 8


def test_a_market_wide_signal_is_judged_over_time_against_miners_less_bitcoin():
    returns = drawn(7)
    spread = np.log1p(returns.drop(columns="BTC").mean(axis=1)) - np.log1p(returns["BTC"])
    knowing = spread.shift(-2).to_frame("one")
    card = card_of(knowing, panel_of(returns))
    assert card.judged == "over time"
    assert card.scores[0].coefficient > 0.99
    constant = card_of(knowing * 0.0, panel_of(returns))
    assert constant.scores[0].coefficient is None
    assert (constant.momentum_correlation, constant.events) == (None, 0)


def test_momentum_is_momentum_and_a_constant_order_turns_nothing_over():
    panel = panel_of(drawn(8))
    momentum = scorecards({"momentum": Momentum()}, panel, (5,))[0]
    assert momentum.momentum_correlation == pytest.approx(1.0)
    assert momentum.turnover > 1.0
    order = pd.DataFrame([list(range(COUNT))] * len(panel.sessions), panel.sessions)
    still = card_of(order.set_axis([f"M{n:02d}" for n in range(COUNT)], axis=1), panel)
    assert (still.turnover, still.events) == (0.0, 0)


class Announced(Given):
    """Values that a test made up, which rise with announcements."""

    rises_with_events = True


class Measured(Given, PublishedSignal):
    """Values that a test made up, read by thresholds."""

    def rows(self, panel: Panel) -> Field:
        return Field(self.values, panel.decisions, "1", "test")


def test_an_event_is_a_rise_a_threshold_crossed_or_a_change_of_sign():
    panel = panel_of(drawn(12, years=1))
    told = pd.DataFrame(0.0, panel.sessions, ["M00", "M01"])
    told.iloc[:10, 1] = np.nan
    told.iloc[10:, 1] = 5.0  # Listed with what it had told before: nothing happened.
    told.iloc[40:, 0] = 100.0
    told.iloc[60:] += 20.0  # Two of one session are one.
    told.iloc[80:] -= 3.0  # What fades is no event.
    level = told[["M00"]]
    cards = scorecards(
        {
            "announced": Announced(told),
            "level": Given(told - 102.0),
            "high": Gauge("high", Measured(level), high=110.0),
            "both": Gauge("both", Measured(level), low=50.0, high=118.0),
            "none": Gauge("none", Measured(level)),
        },
        panel,
        (1,),
    )
    found = {card.name: (card.events, card.counted) for card in cards}
    # 0 to 100 to 120 to 117: it crosses 110 once, 50 and 118 once each and 118 back; less 102 it
    # changes its sign once.
    assert found == {
        "announced": (2, "rises"),
        "level": (1, "signs"),
        "high": (1, "thresholds"),
        "both": (3, "thresholds"),
        "none": (1, "signs"),
    }
    table = scorecard_table(cards).set_index("signal")
    assert table["counted"].tolist() == [card.counted for card in cards]


def test_the_loss_of_a_bankruptcy_belongs_to_the_record():
    market = SampleMarket(years=4.0)
    panel = assemble([market], market.universe())
    closing = panel.universe["ORPHAN"].closing
    settled = panel.sessions.searchsorted(pd.Timestamp(closing.settlement))
    before = panel.sessions[settled - 60]
    wanted = pd.DataFrame(0.0, [before], list(panel.universe.ids))
    score = card_of(wanted, panel, (100,)).scores[0]
    assert score.observations == 0  # One session without an order: nothing to correlate.
    from toolkit.research.scorecard import _Market

    assert _Market(panel).forward(100).loc[before, "ORPHAN"] < -0.5


def test_sessions_before_the_first_are_not_judged():
    panel = panel_of(drawn(9))
    first = panel.sessions[700]
    late = scorecards({"momentum": Momentum()}, panel, (1,), first)[0].scores[0]
    whole = scorecards({"momentum": Momentum()}, panel, (1,))[0].scores[0]
    assert late.observations == len(panel.sessions) - 700 - 2
    assert whole.observations == len(panel.sessions) - 126 - 2


def test_too_little_is_no_score_and_a_wrong_horizon_is_refused():
    panel = panel_of(drawn(10).iloc[:50])
    score = card_of(drawn(11).drop(columns="BTC").iloc[:50], panel).scores[0]
    assert (score.coefficient, score.low, score.high) == (None, None, None)
    with pytest.raises(ConfigError, match="horizons"):
        scorecards({}, panel, (0,))
    assert scorecard_table([]).empty


def test_a_signal_that_the_data_cannot_give_is_not_available_and_says_why():
    panel = panel_of(drawn(1, years=1))
    nothing = pd.DataFrame(np.nan, panel.sessions, panel.universe.columns)
    cards = scorecards(
        {"mw": ContractedMegawatts(), "none": Given(nothing), "m": Momentum()}, panel
    )
    assert [card.judged for card in cards] == ["not available", "not available", "across assets"]
    assert "contracted_mw" in cards[0].missing
    assert [card.scores for card in cards[:2]] == [(), ()]
    table = scorecard_table(cards).set_index("signal")
    assert set(table.loc["mw", [f"{score.horizon} sessions" for score in cards[2].scores]]) == {"-"}
