"""The dilemma moves to what its views favour by how far they are trusted, and is neutral without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import nnls

from strategies.difficulty_rotation import VOTES
from strategies.investors_dilemma import BASKETS, RELATIVE, RIDGE, InvestorsDilemma
from strategies.kappa_spread import KappaSpreadTilt
from strategies.miner_margin import MinerMarginSwitch
from strategies.pivot_rotation import PivotRotation
from toolkit.clock import decision_times
from toolkit.errors import ConfigError, DataError
from toolkit.panel import Field, Panel
from toolkit.risk.black_litterman import View, equilibrium_returns, posterior
from toolkit.risk.estimators import ExponentialCovariance

MINERS = ["MINE1", "MINE2", "MINE3"]
HOSTS = ["HOST1", "HOST2", "HOST3"]
NEUTRAL = KappaSpreadTilt(tilt=0.0)
MARKETS = 8
BY_ASSET = ("pivot_share", "pivot_momentum", "pivot_alarm", "momentum")


def given(panel: Panel, values: Mapping[str, object]) -> dict[str, pd.DataFrame]:
    """Opinions that hold on every session: a number, or one by asset; NaN where not named."""
    rows, assets = panel.sessions, panel.universe.columns
    found = {name: pd.DataFrame({name: np.nan}, rows) for name in InvestorsDilemma().signals}
    for name in BY_ASSET:
        found[name] = pd.DataFrame(np.nan, rows, assets)
    for name, value in values.items():
        if isinstance(value, dict):
            for asset, number in value.items():
                found[name][asset] = number
        else:
            found[name] = pd.DataFrame({name: value}, rows)
    return found


def shares(panel: Panel, values: Mapping[str, object], **settings: float) -> pd.Series:
    """Shares of coin, miners and hosts on the last session."""
    found = InvestorsDilemma(**settings).targets(panel, given(panel, values)).iloc[-1]
    return pd.Series(
        {"coin": found["COIN"], "miners": found[MINERS].sum(), "hosts": found[HOSTS].sum()}
    )


def with_disclosures(panel: Panel) -> Panel:
    nothing = pd.DataFrame(0.0, panel.sessions[:1], MINERS)
    public = decision_times(panel.sessions[:1])
    names = ("contracted_mw", "gpu_cloud_mw", "financed_mw", "energised_mw")
    fields = {name: Field(nothing, public, "MW", "simulated") for name in names}
    return Panel(panel.universe, panel.sessions, {**panel.fields, **fields}, panel.clock)


def hosting_pays(truth: pd.DataFrame) -> pd.Series:
    """1 where the true hash price of 30 days is below 130 USD, -1 where it is above."""
    return (truth["hash_price"].rolling(30).mean() < 130.0).astype(float) * 2.0 - 1.0


@pytest.fixture(scope="module")
def panel(make_market) -> Panel:
    return make_market(0).until(pd.Timestamp("2023-09-29"))


@pytest.fixture(scope="module")
def neutral(panel) -> pd.Series:
    return shares(panel, {})


def test_without_any_opinion_it_is_the_neutral_mix(panel):
    found = InvestorsDilemma().targets(panel, given(panel, {}))
    decided = found.dropna()
    assert 60 < len(panel.sessions) - len(decided) < 75
    static = NEUTRAL.targets(panel, given(panel, {})).loc[decided.index]
    pd.testing.assert_frame_equal(decided, static, rtol=0.0, atol=1e-9)


@pytest.mark.parametrize(
    ("opinion", "gains", "loses"),
    [
        ({"epoch_change_denoised": 0.5}, "miners", "hosts"),
        ({"epoch_change_denoised": -0.5}, "hosts", "miners"),
        ({"margin": 0.0}, "coin", "miners"),
        ({"hosting_is_worth_more": 1.0}, "hosts", "miners"),
        ({"hosting_is_worth_more": 0.0}, "miners", "hosts"),
    ],
)
def test_a_view_moves_from_what_it_is_against_to_what_it_is_for(
    panel, neutral, opinion, gains, loses
):
    moved = shares(panel, opinion) - neutral
    assert moved[gains] > 0.01
    assert moved[loses] < -0.01


@pytest.mark.parametrize("opinion", [{"margin": 0.5}, {"hosting_is_worth_more": 0.5}])
def test_a_view_without_strength_moves_nothing(panel, neutral, opinion):
    pd.testing.assert_series_equal(shares(panel, opinion), neutral, rtol=0.0, atol=1e-9)


def test_the_pivot_moves_from_miners_that_stay_to_those_that_turn(panel):
    turn = {"pivot_share": dict.fromkeys(MINERS, 0.1), "pivot_momentum": {"MINE1": 0.1}}
    found = InvestorsDilemma().targets(panel, given(panel, turn)).iloc[-1]
    assert found["MINE1"] > 0.25 / 3.0 > found["MINE2"]
    alarm = {"pivot_alarm": {"MINE2": 1.0}}
    found = InvestorsDilemma().targets(panel, given(panel, alarm)).iloc[-1]
    assert found["MINE2"] > 0.25 / 3.0 > found["MINE1"]


def test_what_falls_is_held_less_and_what_rises_more(panel, neutral):
    moves = {**dict.fromkeys(MINERS, -0.5), **dict.fromkeys(HOSTS, 0.5)}
    moved = shares(panel, {"momentum": moves}) - neutral
    assert moved["hosts"] > 0.01
    assert moved["miners"] < -0.01


def test_the_more_a_view_is_trusted_the_further_it_moves(panel, neutral):
    opinion = {"hosting_is_worth_more": 1.0}
    usual = InvestorsDilemma().confidence
    moved = [
        (shares(panel, opinion, confidence={**usual, "kappa": trust}) - neutral)["hosts"]
        for trust in (0.0, 0.1, 0.3)
    ]
    assert moved[0] == pytest.approx(0.0, abs=1e-9)
    assert 0.0 < moved[1] < moved[2]


def test_views_that_agree_move_further_than_one_and_views_that_differ_less(panel, neutral):
    kappa, stress = {"hosting_is_worth_more": 1.0}, {"epoch_change_denoised": -0.5}
    growth = {"epoch_change_denoised": 0.5}
    alone = (shares(panel, kappa) - neutral)["hosts"]
    assert (shares(panel, {**kappa, **stress}) - neutral)["hosts"] > alone
    assert abs((shares(panel, {**kappa, **growth}) - neutral)["hosts"]) < 0.5 * alone


def test_it_is_long_only_and_within_its_shares_however_strong_the_views(panel):
    strong = {
        "hosting_is_worth_more": 1.0,
        "margin": 0.0,
        "momentum": {"COIN": -0.9, **dict.fromkeys(MINERS, -0.9), **dict.fromkeys(HOSTS, 2.0)},
    }
    found = InvestorsDilemma(strength=3.0).targets(panel, given(panel, strong)).dropna()
    assert (found >= 0.0).all(axis=None)
    assert (found.sum(axis=1) <= 0.95 + 1e-12).all()
    assert (found[MINERS].iloc[-1] == 0.0).all()
    assert not (found.gt(0.0) & ~panel.eligible().loc[found.index]).any(axis=None)


def test_its_weights_change_at_the_first_session_of_a_week_only(panel):
    values = given(panel, {})
    values["momentum"] = panel.prices().pct_change(30)
    found = InvestorsDilemma().targets(panel, values).dropna()
    changed = found.diff().abs().sum(axis=1) > 1e-12
    assert changed.sum() > 20
    assert set(found.index[changed].dayofweek) == {0}


def one_week(covariance: pd.DataFrame, neutral: np.ndarray, strengths: np.ndarray) -> np.ndarray:
    """Shares of the baskets of one week, by the public posterior and from the docstring alone."""
    names = list(covariance.index)
    own = [BASKETS.index(name) for name in names]
    spread = covariance + RIDGE * np.diag(covariance).mean() * np.eye(len(names))
    prior = equilibrium_returns(spread, pd.Series(neutral[own], names))
    portfolios = [*RELATIVE.values(), *({name: 1.0} for name in BASKETS)]
    views = []
    for place, portfolio in enumerate(portfolios):
        held = pd.Series(portfolio).reindex(names, fill_value=0.0)
        if np.isnan(strengths[place]) or not set(portfolio) <= set(names):
            continue
        deviation, momentum = np.sqrt(held @ spread @ held), place >= len(RELATIVE)
        strength = np.clip(strengths[place] / (deviation if momentum else 1.0), -1.0, 1.0)
        told = held @ prior + 0.5 * strength * deviation
        views.append(View(portfolio, told, 0.5 if momentum else 0.25))
    means = posterior(prior, spread, views).expected_returns
    root = np.linalg.cholesky(spread)
    best = neutral.copy()
    best[own] = nnls(root.T, np.linalg.solve(root, means) / 2.5)[0]
    return best * min(1.0, 0.95 / best.sum())


def test_all_weeks_at_once_are_the_public_posterior_week_by_week():
    """With weeks before a basket has a covariance, and views that come and go."""
    random = np.random.default_rng(11)
    moves = 0.02 * random.standard_normal((900, 1)) + 0.03 * random.standard_normal((900, 4))
    moves[:400, 2], moves[:500, 3] = np.nan, np.nan
    days = pd.date_range("2020-01-01", periods=900)
    returns = pd.DataFrame(moves, days, pd.Index(BASKETS, dtype=object))
    rows, model = np.arange(70, 900, 7), ExponentialCovariance()
    neutral = random.dirichlet(np.ones(4), len(rows)) * 0.95
    strengths = random.uniform(-1.5, 1.5, (len(rows), len(RELATIVE) + len(BASKETS)))
    strengths[random.random(strengths.shape) < 0.2] = np.nan
    strengths[0] = np.nan
    found = InvestorsDilemma()._optimum(model.covariances(returns, rows, 365.0), neutral, strengths)
    for week, row in enumerate(rows):
        covariance = model.covariance(returns.iloc[: row + 1], 365.0).matrix
        expected = one_week(covariance, neutral[week], strengths[week])
        np.testing.assert_allclose(found[week], expected, rtol=0.0, atol=1e-12)
    assert (found == 0.0).any()


def test_views_that_are_certain_and_contradict_one_another_are_refused(panel):
    sure = dict.fromkeys(InvestorsDilemma().confidence, 1.0)
    opinions = {"epoch_change_denoised": 0.5, "momentum": dict.fromkeys([*MINERS, *HOSTS], 0.2)}
    with pytest.raises(DataError, match="contradict"):
        shares(panel, opinions, confidence=sure)


class Planted(NamedTuple):
    """A mechanism, and what it adds to a day's return of some assets, named by their beginning."""

    mechanism: Callable[[pd.DataFrame], pd.Series]
    effect: Mapping[str, float]


def excess(make_market, effect: dict[str, float]) -> float:
    """t-ratio of what it earns beyond the neutral mix; the pivot is left out, nobody turns here."""
    planted = Planted(hosting_pays, effect) if effect else None
    found = []
    for seed in range(MARKETS):
        panel = make_market(seed, planted, 130.0)
        values = given(panel, {})
        for name, signal in InvestorsDilemma().signals.items():
            if not name.startswith("pivot"):
                values[name] = signal.compute(panel)
        tilt = InvestorsDilemma().targets(panel, values) - NEUTRAL.targets(panel, values)
        found.append((tilt.shift(2) * panel.returns()).sum(axis=1).mean())
    return float(np.mean(found) / np.std(found, ddof=1) * np.sqrt(MARKETS))


def test_it_earns_where_its_views_come_true(make_market):
    assert excess(make_market, {"HOST": 0.004, "MINE": -0.004}) > 3.0


def test_it_earns_nothing_where_prices_do_not_care(make_market):
    assert abs(excess(make_market, {})) < 2.5


def test_the_past_alone_gives_the_same_targets(make_market):
    panel = with_disclosures(make_market(3))
    whole = InvestorsDilemma().targets(panel)
    for session in panel.sessions[[300, 701, 1000]]:
        cut = InvestorsDilemma().targets(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session], rtol=0.0, atol=1e-9)


def test_it_reads_what_the_strategies_of_its_views_read():
    signals = InvestorsDilemma(lookback=60).signals
    single = {
        **{name: gauge.signal for name, gauge in VOTES.items()},
        **MinerMarginSwitch().signals,
        **KappaSpreadTilt().signals,
        **PivotRotation().signals,
    }
    assert {name: signals[name] for name in single} == single
    assert signals["momentum"].lookback == 60
    assert set(signals) == {*single, "momentum"}


def test_settings_that_make_no_sense_are_refused():
    usual = InvestorsDilemma().confidence
    with pytest.raises(ConfigError, match=r"shares of InvestorsDilemma sum to 1\.2"):
        InvestorsDilemma(bitcoin=0.6)
    with pytest.raises(ConfigError, match=r"names 'kapa', which is no view. Did you mean 'kappa'"):
        InvestorsDilemma(confidence={**usual, "kapa": 0.1})
    with pytest.raises(ConfigError, match="lacks the view 'momentum'"):
        InvestorsDilemma(confidence={n: c for n, c in usual.items() if n != "momentum"})
    with pytest.raises(ConfigError, match="confidence"):
        InvestorsDilemma(confidence={**usual, "kappa": 1.5})
