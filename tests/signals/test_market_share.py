"""The market's AI share: baskets by date, shares, bands, timing, asynchrony."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import strategies
from toolkit.clock import decision_times, ends_of, sessions_between
from toolkit.data.assemble import assemble
from toolkit.data.files import open_folder
from toolkit.errors import ConfigError, DataError, InsufficientHistoryError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.market_share import MarketShare, share_record
from toolkit.signals.rolling_regression import rolling_regression
from toolkit.signals.specifications import Exposure, Specification, ai_share
from toolkit.signals.style_factors import StyleFactors
from toolkit.signals.window_fit import Window
from toolkit.universe import Asset, Membership, Sleeve, Universe

START = date(2020, 1, 2)
MINERS = ("OLD", "DIG", "ORE", "RIG", "HOST", "MIX")
PIVOTED = date(2020, 9, 1)


def market(
    clock: str = "XNYS", seed: int = 5, last: date = date(2021, 12, 31), noise: float = 0.02
) -> Panel:
    """Six miners: four follow the hash price, HOST follows AI from its pivot on, MIX half of each.

    Prices move on every day of the calendar, so that the weekend is in Monday's return; shares
    have no price at weekends.
    """
    random = np.random.default_rng(seed)
    days = sessions_between("24/7", START, last)
    count = len(days)
    bitcoin = 0.030 * random.standard_normal(count)
    broad = 0.010 * random.standard_normal(count)
    ai = broad + 0.015 * random.standard_normal(count)
    mining = bitcoin + 0.5 * broad + 0.015 * random.standard_normal(count)
    hosts = np.asarray(days >= pd.Timestamp(PIVOTED))
    parts = {"COIN": bitcoin, "CHIP": 1.2 * ai, "GRID": 0.8 * ai}
    for name in MINERS:
        own = noise * random.standard_normal(count)
        share = {"HOST": np.where(hosts, 1.0, 0.0), "MIX": 0.5}.get(name, 0.0)
        parts[name] = (1.0 - share) * mining + 1.5 * share * ai + own
    for name in ("CHIP", "GRID"):
        parts[name] = parts[name] + 0.004 * random.standard_normal(count)
    prices = 100.0 * np.exp(pd.DataFrame(parts, days).cumsum())
    exchange = sessions_between("XNYS", START, last)
    shares = prices.columns != "COIN"
    prices.loc[~prices.index.isin(exchange), shares] = np.nan
    fund = 50.0 * np.exp(pd.DataFrame({"fund": broad}, days).cumsum()).loc[exchange]
    assets = [
        Asset("COIN", (Membership(Sleeve.BITCOIN, START),), calendar="24/7"),
        *(Asset(n, (Membership(Sleeve.AI_INFRASTRUCTURE, START),)) for n in ("CHIP", "GRID")),
        *(Asset(name, (Membership(Sleeve.LEGACY_MINERS, START),)) for name in MINERS[:-2]),
        Asset("HOST", (Membership(Sleeve.LEGACY_MINERS, START),
                       Membership(Sleeve.PIVOTING_MINERS, PIVOTED))),
        Asset("MIX", (Membership(Sleeve.PIVOTING_MINERS, START),)),
    ]  # fmt: skip
    fields = {
        "close": Field(prices, decision_times(days), "USD", "drawn"),
        "broad_equity": Field(fund, decision_times(exchange), "USD", "drawn"),
    }
    sessions = exchange if clock == "XNYS" else days
    return Panel(Universe(tuple(assets)), sessions, fields, clock=clock)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return market()


@pytest.fixture(scope="module")
def estimate(panel):
    return MarketShare().estimate(panel)


def test_who_writes_into_a_share_changes_it_for_nobody_else(panel, estimate):
    before = estimate.market_share.copy(deep=True)
    computed, estimated = MarketShare().compute(panel), MarketShare().estimate(panel).market_share
    computed.iloc[:] = 0.5
    estimated.loc[:, "HOST"] = 0.5
    pd.testing.assert_frame_equal(MarketShare().compute(panel), before)


def test_the_share_needs_no_sampling_errors_and_is_that_of_the_estimate(estimate):
    fresh = market()
    found = MarketShare().compute(fresh)
    pd.testing.assert_frame_equal(found, estimate.market_share, rtol=0.0, atol=0.0)
    factors, way = StyleFactors(fresh), Specification()
    quick, whole = way.exposure(factors, errors=False), way.exposure(factors)
    np.testing.assert_array_equal(quick.angle, whole.angle)
    assert np.isnan(quick.noise).all()
    assert np.isfinite(whole.noise).any()


def repriced(panel: Panel, returns: pd.DataFrame) -> Panel:
    """The panel with other returns of some of its assets, by session."""
    close = panel.fields["close"]
    values = close.values.copy()
    for name in returns:
        path = 100.0 * (1.0 + returns[name].fillna(0.0)).cumprod()
        values.loc[panel.sessions, name] = path
    return replace(panel, fields={**panel.fields, "close": replace(close, values=values)})


# Factors


def test_the_basket_holds_the_other_miners_that_are_legacy_on_that_session(panel):
    basket = StyleFactors(panel).legacy_basket()
    returns = panel.returns()
    pivot = panel.sessions.searchsorted(pd.Timestamp(PIVOTED))
    for row, others in ((pivot - 1, ["DIG", "ORE", "RIG", "HOST"]), (pivot, ["DIG", "ORE", "RIG"])):
        assert basket["OLD"].iloc[row] == pytest.approx(returns[others].iloc[row].mean())
    # One that pivots is compared with those that do not.
    legacy = returns[["OLD", "DIG", "ORE", "RIG"]]
    for name in ("HOST", "MIX"):
        assert basket[name].iloc[pivot] == pytest.approx(legacy.iloc[pivot].mean())


def test_no_return_of_its_own_is_in_a_miners_basket(panel):
    basket = StyleFactors(panel).legacy_basket()
    shocked = repriced(panel, panel.returns()[["OLD"]] * -3.0)
    for inverse in (False, True):
        basket = StyleFactors(panel).legacy_basket(inverse)
        other = StyleFactors(shocked).legacy_basket(inverse)
        np.testing.assert_allclose(other["OLD"], basket["OLD"], atol=1e-15)
        assert not np.allclose(other["DIG"][1:], basket["DIG"][1:], equal_nan=True)


def test_one_other_miner_is_no_basket(panel):
    few = Universe(tuple(a for a in panel.universe if a.id not in ("ORE", "RIG", "HOST", "MIX")))
    assert StyleFactors(replace(panel, universe=few)).legacy_basket().isna().all(axis=None)


def test_a_halted_miner_is_not_in_the_basket_and_has_no_return(panel):
    close = panel.fields["close"]
    values = close.values.copy()
    halt = panel.sessions[50:53]
    values.loc[halt, "DIG"] = np.nan
    factors = StyleFactors(
        replace(panel, fields={**panel.fields, "close": replace(close, values=values)})
    )
    # The first return after a halt spans several sessions, those of the others only one.
    assert factors.returns()["DIG"].iloc[50:54].isna().all()
    others = panel.returns()[["ORE", "RIG", "HOST"]]
    got = factors.legacy_basket()["OLD"].iloc[50:54]
    np.testing.assert_allclose(got, others.iloc[50:54].mean(axis=1))


def test_weights_by_volatility_know_the_past_only(panel):
    basket = StyleFactors(panel).legacy_basket(inverse_volatility=True)
    returns = panel.returns()[["DIG", "ORE", "RIG"]]
    past = returns.iloc[300 - 63 : 300].std()
    expected = np.average(returns.iloc[300], weights=1.0 / past)
    assert basket["OLD"].iloc[300] == pytest.approx(expected, rel=1e-9)


def test_the_clock_of_every_day_gives_the_same_shares_on_sessions(panel, estimate):
    daily = market("24/7")
    other = MarketShare().estimate(daily)
    for name in ("market_share", "band_low", "band_high", "r_squared"):
        here, there = getattr(estimate, name), getattr(other, name)
        pd.testing.assert_frame_equal(there.loc[panel.sessions], here, rtol=1e-9)
        saturday = pd.Timestamp("2021-06-05")
        assert there.loc[saturday].equals(there.loc[pd.Timestamp("2021-06-04")])


# Shares


def test_a_miner_follows_miners_and_a_host_follows_ai(estimate):
    last = estimate.market_share.iloc[-1]
    assert (last[["OLD", "DIG", "ORE", "RIG"]] < 0.1).all()
    assert last["HOST"] > 0.85
    assert 0.3 < last["MIX"] < 0.7
    assert last[["COIN", "CHIP", "GRID"]].isna().all()


def test_the_share_of_a_pivot_rises_after_it_and_not_before(panel, estimate):
    share = estimate.market_share["HOST"]
    pivot = panel.sessions.searchsorted(pd.Timestamp(PIVOTED))
    assert share.iloc[126:pivot].max() < 0.2
    assert share.iloc[pivot + 260] > 0.85


def without(control: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a constant and a control leave of each column."""
    design = np.column_stack([np.ones(len(control)), control])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def expected_share(returns: np.ndarray, factors: dict[str, np.ndarray]) -> float:
    """Share of the explained variance that covaries with AI, by the textbook."""
    x = np.column_stack(list(factors.values()))
    beta = np.linalg.lstsq(np.column_stack([np.ones(len(x)), x]), returns, rcond=None)[0][1:]
    loading = dict(zip(factors, beta, strict=True))
    parts = np.column_stack([factors["mining"], factors["ai"]])
    if "control" in factors:
        parts = without(factors["control"], parts)
    risk = np.cov(parts.T, ddof=0)
    if "mining_lagged" in factors:
        loading["mining"] += loading["mining_lagged"]
        risk[0, 1] += np.cov(factors["mining_lagged"], factors["ai"], ddof=0)[0, 1]
    mining, ai = loading["mining"], loading["ai"]
    own = ai**2 * risk[1, 1] + mining * ai * risk[0, 1]
    return own / (own + mining**2 * risk[0, 0] + mining * ai * risk[0, 1])


@pytest.mark.parametrize(
    "way", [Specification(), Specification(mining="bitcoin"), Specification(control="broad_equity")]
)
def test_the_share_is_the_explained_variance_that_covaries_with_ai(panel, way):
    factors = StyleFactors(panel)
    rows = slice(300 - 125, 301)
    x = {
        name: frame["MIX" if "MIX" in frame else frame.columns[0]].to_numpy()[rows]
        for name, frame in way.regressors(factors).items()
    }
    expected = expected_share(factors.returns()["MIX"].to_numpy()[rows], x)
    exposure = way.exposure(factors)
    found = ai_share(exposure.angle, exposure.correlation)[300, factors.miners.get_loc("MIX")]
    assert found == pytest.approx(expected, rel=1e-9)


def test_an_interval_is_as_wide_as_students_t_has_it(panel):
    exposure = Specification().exposure(StyleFactors(panel))
    low, high = exposure.interval(0.9)
    width = 1.724718 * exposure.angle_error[200:]
    np.testing.assert_allclose(high[200:] - exposure.angle[200:], width, rtol=1e-6)
    np.testing.assert_allclose(exposure.angle[200:] - low[200:], width, rtol=1e-6)


@pytest.mark.parametrize("split", ["in_proportion", "mining_first"])
@pytest.mark.parametrize("correlation", [-0.5, 0.0, 0.6])
def test_shares_rise_with_the_angle_from_nothing_to_all_that_is_ais(split, correlation):
    angle = np.linspace(-2.0, 3.5, 500)
    share = ai_share(angle, np.full(500, correlation), split)
    assert (np.diff(share) >= 0.0).all()
    assert share[0] == 0.0
    whole = 1.0 if split == "in_proportion" else 1.0 - max(correlation, 0.0) ** 2
    assert share[-1] == pytest.approx(whole)


def test_leverage_and_a_rally_leave_the_share_where_it_is(panel, estimate):
    returns = panel.returns()[["MIX"]]
    levered = MarketShare().estimate(repriced(panel, 2.5 * returns + 0.004))
    pd.testing.assert_series_equal(
        levered.market_share["MIX"], estimate.market_share["MIX"], rtol=1e-8
    )


def test_what_follows_the_broad_market_counts_for_neither_under_its_control(panel):
    way = Specification(control="broad_equity")
    factors = StyleFactors(panel)
    broad = factors.priced_by("broad_equity").to_numpy()
    riskier = StyleFactors(repriced(panel, panel.returns()[["MIX"]] + broad))
    column = factors.miners.get_loc("MIX")
    for one, same in ((way, True), (Specification(), False)):
        before, after = (one.exposure(f).angle[200:, column] for f in (factors, riskier))
        assert np.allclose(before, after, rtol=1e-6) == same


def test_both_loadings_negative_count_from_the_nearer_end():
    degrees = np.array([[200.0, 250.0, -30.0, 120.0]])
    loading = np.stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    exposure = Exposure(loading, np.zeros((2, 2, 1, 4)), np.zeros((1, 4)), np.ones((1, 4)), 20)
    np.testing.assert_allclose(np.degrees(exposure.angle), [[200.0, -110.0, -30.0, 120.0]])
    np.testing.assert_allclose(ai_share(exposure.angle, exposure.correlation), [[1, 0, 0, 1]])


# Bands and what is NaN


def test_the_band_holds_every_specification_and_its_interval(panel, estimate):
    factors = StyleFactors(panel)
    low, high = (
        frame[list(MINERS)].to_numpy() for frame in (estimate.band_low, estimate.band_high)
    )
    lowest, highest = np.full(low.shape, np.inf), np.full(low.shape, -np.inf)
    for way in MarketShare().specifications:
        if way.available(panel):
            exposure = way.exposure(factors)
            ends = [ai_share(a, exposure.correlation, way.split) for a in exposure.interval(0.9)]
            lowest, highest = np.fmin(lowest, ends[0]), np.fmax(highest, ends[1])
    fitted = np.isfinite(low)
    np.testing.assert_allclose(low[fitted], lowest[fitted])
    np.testing.assert_allclose(high[fitted], highest[fitted])
    share = estimate.market_share[list(MINERS)].to_numpy()
    inside = np.isnan(share) | ((share >= low) & (share <= high))
    assert inside.all()
    assert np.isfinite(share).sum() > 1000


def test_fields_that_are_absent_leave_their_specifications_out_and_are_not_guessed(panel, estimate):
    assert len(estimate.specifications) == 6  # of seven: the panel has no semiconductor fund
    assert not any("semiconductors" in name for name in estimate.specifications)
    bare = replace(panel, fields={"close": panel.fields["close"]})
    assert len(MarketShare().estimate(bare).specifications) == 5
    with pytest.raises(UnknownFieldError, match="semiconductors"):
        Specification(ai="semiconductors").exposure(StyleFactors(panel))


def test_a_small_r_squared_leaves_no_share_but_a_band():
    noisy = MarketShare().estimate(market(noise=0.12))
    fit = noisy.r_squared["OLD"].dropna()
    low = fit[fit < 0.3].index
    assert len(low) > 100
    assert noisy.market_share.loc[low, "OLD"].isna().all()
    assert noisy.band_high.loc[low, "OLD"].notna().all()


def test_specifications_that_disagree_leave_no_share_but_a_band(panel, estimate):
    strict = replace(MarketShare(), most_span=0.05).estimate(panel)
    apart = estimate.span["MIX"] > 0.05
    assert apart.sum() > 50
    assert strict.market_share.loc[apart, "MIX"].isna().all()
    agreed = (estimate.span["MIX"] <= 0.05) & estimate.market_share["MIX"].notna()
    assert strict.market_share.loc[agreed, "MIX"].notna().all()
    pd.testing.assert_frame_equal(strict.band_low, estimate.band_low)


def test_a_share_is_told_from_an_r_squared_of_03_and_up_to_a_span_of_035():
    """The two bounds as published, on a market with miners close to either side of both."""
    found = MarketShare().estimate(market(noise=0.035, seed=7))
    fit, span, share = (
        frame.to_numpy() for frame in (found.r_squared, found.span, found.market_share)
    )
    fitted = np.isfinite(fit) & np.isfinite(span)
    told = (fit >= 0.3) & (span <= 0.35)
    np.testing.assert_array_equal(np.isfinite(share[fitted]), told[fitted])
    for value, bound, other in ((fit, 0.3, span <= 0.35), (span, 0.35, fit >= 0.3)):
        near = fitted & other & (np.abs(value - bound) < 0.01)
        assert min((near & (value < bound)).sum(), (near & (value > bound)).sum()) > 5


def test_most_specifications_without_a_fit_leave_no_share(panel):
    # Without a basket only bitcoin is left of the specifications.
    few = Universe(tuple(a for a in panel.universe if a.id not in ("ORE", "RIG", "HOST", "MIX")))
    alone = MarketShare().estimate(replace(panel, universe=few))
    assert alone.market_share.isna().all(axis=None)
    assert alone.band_high["OLD"].notna().any()


def test_the_record_counts_miner_months_without_a_share_and_why(panel, estimate):
    record = share_record(MarketShare(), panel)
    ends = pd.Series(panel.sessions, panel.sessions).groupby(panel.sessions.to_period("M")).max()
    fit = estimate.r_squared.loc[ends]
    assert record.miner_months == int(fit.notna().sum().sum())
    missing = estimate.market_share.loc[ends].isna() & fit.notna()
    assert record.without_share == pytest.approx(missing.sum().sum() / record.miner_months)
    assert record.low_r_squared <= record.without_share
    assert record.wide_span <= record.without_share


def test_analytic_errors_are_those_of_a_block_bootstrap_at_decision_dates(panel):
    """The turn of the loadings resampled by blocks, every fourth month's end, for three miners."""
    random = np.random.default_rng(21)
    month_ends = np.flatnonzero(ends_of("month", panel.sessions, panel.clock))
    factors, window, draws = StyleFactors(panel), Window(), 400
    ratios = []
    for way in (Specification(), Specification(mining="bitcoin")):
        analytic = way.exposure(factors).angle_error
        x, y = way.regressors(factors), factors.returns()
        for end in month_ends[month_ends >= 200][::4]:
            for name in ("OLD", "HOST", "MIX"):
                rows = np.arange(end - window.sessions + 1, end + 1)
                starts = random.integers(0, len(rows) - window.block + 1, (window.blocks, draws))
                chosen = (starts[:, None] + np.arange(window.block)[:, None]).reshape(-1, draws)
                columns = {
                    key: f[name if name in f else f.columns[0]].to_numpy()[rows][chosen]
                    for key, f in (x | {"y": y}).items()
                }
                days = panel.sessions[: window.sessions]
                frames = {key: pd.DataFrame(part, days) for key, part in columns.items()}
                fit = rolling_regression(frames.pop("y"), frames, window)
                spread = np.sqrt(np.diagonal(fit.factor_covariance, axis1=2, axis2=3))[-1]
                loading = fit.coefficients[-1] * spread.mean(axis=0)
                angle = np.arctan2(loading[:, -1], loading[:, :-1].sum(axis=1))
                column = factors.miners.get_loc(name)
                ratios.append(analytic[end, column] / angle.std())
    assert len(ratios) >= 24
    assert 0.9 < np.mean(ratios) < 1.15
    assert np.min(ratios) > 0.6
    assert np.max(ratios) < 1.6


class Drawn:
    """Factors and miners as `Specification` reads them, each miner with factors of its own."""

    def __init__(self, mining: np.ndarray, ai: np.ndarray, miners: np.ndarray) -> None:
        days = sessions_between("XNYS", START, date(2021, 12, 31))[: len(miners)]
        self._mining, self._ai, self._returns = (
            pd.DataFrame(x, days) for x in (mining, ai, miners)
        )
        self.rows, self.miners = self._returns.index, self._returns.columns

    def returns(self) -> pd.DataFrame:
        return self._returns

    def legacy_basket(self, inverse_volatility: bool) -> pd.DataFrame:
        return self._mining

    def ai_basket(self) -> pd.DataFrame:
        return self._ai


@pytest.mark.parametrize(("fat", "lowest", "highest"), [(False, 0.82, 0.90), (True, 0.70, 0.82)])
def test_an_interval_holds_the_share_at_the_variances_of_its_window_as_often_as_it_says(
    fat, lowest, highest
):
    """And that at the variances of all years less often, the less so with fat tails: loadings 2, 1."""
    random, size = np.random.default_rng(6), (126, 2000)

    def noise() -> np.ndarray:
        return random.standard_t(4, size) / 2**0.5 if fat else random.standard_normal(size)

    # R-squared 0.5, factors without correlation.
    mining, ai = noise(), noise()
    drawn = Drawn(mining, ai, 2.0 * mining + ai + 5**0.5 * noise())
    exposure = Specification()._exposure(drawn, errors=True)
    low, high = (ai_share(end, exposure.correlation)[-1] for end in exposure.interval(0.9))
    here = ai_share(np.arctan2(ai.std(axis=0), 2.0 * mining.std(axis=0)), exposure.correlation[-1])
    assert 0.87 < np.mean((low <= here) & (here <= high)) < 0.92
    assert lowest < np.mean((low <= 0.2) & (high >= 0.2)) < highest


# Timing


def test_a_cut_panel_gives_the_same_estimates(panel, estimate):
    for session in (panel.sessions[100], pd.Timestamp(PIVOTED), *panel.sessions[150::67]):
        past = panel.until(session)
        cut = MarketShare().estimate(past)
        for name in ("market_share", "band_low", "band_high", "r_squared", "span"):
            whole = getattr(estimate, name).loc[:session]
            pd.testing.assert_frame_equal(getattr(cut, name), whole, rtol=0.0, atol=1e-12)


def test_a_market_without_miners_has_no_shares(panel):
    others = Universe(tuple(a for a in panel.universe if a.id not in MINERS))
    assert MarketShare().compute(replace(panel, universe=others)).isna().all(axis=None)


def test_too_few_sessions_are_no_share_and_no_record(panel):
    early = panel.until(panel.sessions[80])
    assert MarketShare().compute(early).isna().all(axis=None)
    with pytest.raises(InsufficientHistoryError, match="whole window"):
        share_record(MarketShare(), early)


# Bitcoin's day ends after New York's


def hours_of_bitcoin(seed: int, close_hour: int, beta: float) -> Panel:
    """A miner with a known beta to bitcoin from New York's close to close, in a 24-hour market."""
    random = np.random.default_rng(seed)
    last = date(2024, 12, 31)
    days = sessions_between("24/7", date(2010, 1, 4), last)
    path = np.cumsum(0.006 * random.standard_normal(24 * len(days))).reshape(len(days), 24)
    exchange = sessions_between("XNYS", date(2010, 1, 4), last)
    rows = days.searchsorted(exchange)
    chips = 0.015 * random.standard_normal(len(rows)).cumsum()
    frame = pd.DataFrame(np.nan, days, ["COIN", "CHIP", "RIG"])
    frame["COIN"] = np.exp(path[:, -1])
    frame.iloc[rows, 1] = np.exp(chips)
    noise = 0.01 * random.standard_normal(len(rows)).cumsum()
    frame.iloc[rows, 2] = np.exp(beta * path[rows, close_hour - 1] + noise)
    assets = (
        Asset("COIN", (Membership(Sleeve.BITCOIN, START),), calendar="24/7"),
        Asset("CHIP", (Membership(Sleeve.AI_INFRASTRUCTURE, START),)),
        Asset("RIG", (Membership(Sleeve.LEGACY_MINERS, START),)),
    )
    close = Field(frame, decision_times(days), "USD", "drawn")
    return Panel(Universe(assets), exchange, {"close": close})


@pytest.mark.parametrize(("close_hour", "bias"), [(20, 4 / 24), (21, 3 / 24)])
def test_a_known_beta_is_biased_without_the_lagged_day_and_right_with_it(close_hour, bias):
    beta, found = 1.4, {"plain": [], "summed": []}
    for seed in range(8):
        panel = hours_of_bitcoin(seed, close_hour, beta)
        factors, window = StyleFactors(panel), Window(2520, 12)
        x = Specification(mining="bitcoin").regressors(factors)
        both = rolling_regression(factors.returns(), x, window).coefficients[-1, 0]
        del x["mining_lagged"]
        found["plain"].append(
            rolling_regression(factors.returns(), x, window).coefficients[-1, 0, 0]
        )
        found["summed"].append(both[0] + both[1])
    # Weekends lengthen the day of which three to four hours are missed: a session is 1.45 days.
    expected = beta * (1.0 - bias / 1.45)
    assert np.mean(found["plain"]) == pytest.approx(expected, abs=0.02)
    assert np.mean(found["summed"]) == pytest.approx(beta, abs=0.02)
    assert max(found["plain"]) < min(found["summed"])


# Settings


def test_settings_that_mean_nothing_are_refused():
    with pytest.raises(ConfigError, match="multiple of 21"):
        Specification(sessions=100)
    with pytest.raises(ConfigError, match="bitcoin has none"):
        Specification(mining="bitcoin", weighting="inverse_volatility")
    with pytest.raises(ConfigError, match="expected at least one, each once"):
        MarketShare(specifications=(Specification(), Specification()))
    with pytest.raises(ConfigError, match=r"MarketShare\.confidence"):
        MarketShare(confidence=1.0)


def test_a_second_bitcoin_is_refused(panel):
    twice = Asset("COIN2", (Membership(Sleeve.BITCOIN, START),), calendar="24/7")
    more = replace(panel, universe=Universe((*panel.universe, twice)))
    with pytest.raises(ConfigError, match="2 assets of every day"):
        StyleFactors(more).bitcoin()


def test_a_miner_that_is_its_own_factor_is_refused(panel):
    own = panel.fields["close"].values.loc[panel.sessions, ["OLD"]]
    fund = Field(own, decision_times(panel.sessions), "USD", "drawn")
    copied = replace(panel, fields={**panel.fields, "semiconductors": fund})
    with pytest.raises(DataError, match=r"OLD, window .* explain the series exactly"):
        MarketShare().compute(copied)


def test_a_fund_that_stands_still_is_refused(panel):
    still = panel.fields["broad_equity"].values * 0.0 + 7.0
    fund = Field(still, decision_times(panel.sessions), "USD", "drawn")
    flat = replace(panel, fields={**panel.fields, "broad_equity": fund})
    with pytest.raises(DataError, match="control never moves"):
        MarketShare().compute(flat)


# The folder of real data


@pytest.fixture(scope="module")
def real() -> Panel:
    folder = os.environ.get("HASHPIVOT_DATA", "")
    if not folder:
        pytest.skip("HASHPIVOT_DATA is not set to a folder of real data")
    source, universe = open_folder(Path(folder), Path(strategies.__file__).parent)
    return assemble([source], universe, start=date(2023, 6, 1))


def test_on_real_prices_about_half_of_the_miner_months_have_no_share(real):
    record = share_record(MarketShare(), real)
    assert record.miner_months > 500
    assert 0.3 < record.without_share < 0.7
    assert record.low_r_squared > 0.1
    assert record.wide_span > 0.1


def test_on_real_prices_a_cut_panel_gives_the_same_shares(real):
    whole = MarketShare().estimate(real)
    for day in ("2024-03-14", "2024-12-23", "2024-12-24"):
        session = pd.Timestamp(day)
        cut = MarketShare().estimate(real.until(session))
        for name in ("market_share", "band_low", "band_high"):
            full = getattr(whole, name).loc[:session]
            part = getattr(cut, name)
            pd.testing.assert_frame_equal(part, full[part.columns], rtol=0.0, atol=1e-9)


def test_on_real_prices_bitcoins_beta_is_a_tenth_too_small_without_the_lagged_day(real):
    factors = StyleFactors(real)
    returns = factors.returns()[["MARA", "RIOT", "CLSK", "HUT", "KEEL", "CIFR", "IREN", "WULF"]]
    x = Specification(mining="bitcoin").regressors(factors)
    window = Window(672, 12)
    both = rolling_regression(returns, x, window).coefficients[-1]
    del x["mining_lagged"]
    plain = rolling_regression(returns, x, window).coefficients[-1]
    short = 1.0 - np.median(plain[:, 0]) / np.median(both[:, 0] + both[:, 1])
    assert 0.03 < short < 0.2
