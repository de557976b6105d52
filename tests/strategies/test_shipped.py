"""Every shipped strategy on the simulated market, against its formula."""

from __future__ import annotations

import tomllib
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from strategies.benchmarks import BitcoinOnly, EqualWeight, InverseVolatility, StaticMix
from strategies.difficulty_rotation import VOTES, DifficultyRotation
from strategies.trend_control import TrendControl
from toolkit.config import Experiment
from toolkit.data.assemble import assemble
from toolkit.data.sample import SampleMarket
from toolkit.errors import ConfigError
from toolkit.panel import Panel
from toolkit.settings import shipped_folder, shipped_strategies
from toolkit.strategy import Strategy
from toolkit.universe import Sleeve

NAMES = (
    "ai_token_satellite",
    "bitcoin_only",
    "difficulty_rotation",
    "equal_weight",
    "hash_ribbon_timing",
    "inverse_volatility",
    "investors_dilemma",
    "kappa_spread",
    "miner_margin",
    "pivot_rotation",
    "static_mix",
    "trend_control",
)
MINING = (Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS)


@pytest.fixture(scope="module")
def panel() -> Panel:
    market = SampleMarket(years=5.0)
    return assemble([market], market.universe())


def held(panel: Panel, *sleeves: Sleeve) -> pd.DataFrame:
    """Listed members of the sleeves without a known end, asset by asset and day by day."""
    days = [session.date() for session in panel.sessions]
    columns = {}
    for asset in panel.universe:
        end = asset.closing.known_from if asset.closing else days[-1] + timedelta(days=1)
        columns[asset.id] = [
            asset.usable_from <= day < end and asset.sleeve_on(day) in sleeves for day in days
        ]
    return pd.DataFrame(columns, panel.sessions)


def every_nth(panel: Panel) -> pd.DatetimeIndex:
    return panel.sessions[::11]


def test_these_strategies_are_shipped_each_with_a_title():
    shipped = shipped_strategies()
    assert tuple(shipped) == NAMES
    assert len(set(shipped.values())) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_its_targets_are_dense_long_only_and_within_one(panel, name):
    targets = Experiment.from_toml(name).strategy().targets(panel)
    assert targets.index.equals(panel.sessions)
    assert set(targets.columns) <= set(panel.universe.ids)
    whole, empty = targets.notna().all(axis=1), targets.isna().all(axis=1)
    assert (whole | empty).all()
    assert whole.mean() > 0.85
    assert (targets[whole] >= 0.0).all(axis=None)
    assert (targets[whole].sum(axis=1) <= 1.0 + 1e-12).all()


@pytest.mark.parametrize("name", NAMES)
def test_it_never_wants_what_cannot_be_bought(panel, name):
    targets = Experiment.from_toml(name).strategy().targets(panel).fillna(0.0)
    assert not (targets.gt(0.0) & ~panel.eligible()[targets.columns]).any(axis=None)


@pytest.mark.parametrize("name", NAMES)
def test_its_targets_do_not_depend_on_the_future(panel, name):
    strategy = Experiment.from_toml(name).strategy()
    whole = strategy.targets(panel)
    for session in panel.sessions[200::190]:
        cut = strategy.targets(panel.until(session))
        past = whole.loc[:session].reindex(columns=cut.columns)
        pd.testing.assert_frame_equal(cut, past, rtol=0.0, atol=1e-9)
        gone = whole.loc[:session].drop(columns=cut.columns).fillna(0.0)
        assert (gone == 0.0).all(axis=None)


@pytest.mark.parametrize("name", NAMES)
def test_its_file_builds_and_states_every_parameter_of_its_class(name):
    strategy = Experiment.from_toml(name).strategy()
    assert isinstance(strategy, Strategy)
    stated = tomllib.loads((shipped_folder() / f"{name}.toml").read_text())["strategy"]
    assert set(stated) - {"kind"} == set(strategy.__dataclass_fields__)
    for key, value in stated.items():
        assert key == "kind" or getattr(strategy, key) == value
    assert Experiment.from_toml(name).backtester().cost.rates().fee == 5e-4


@pytest.mark.parametrize("name", NAMES)
def test_what_its_file_states_is_the_default_of_its_class(name):
    strategy = Experiment.from_toml(name).strategy()
    assert type(strategy)() == strategy


@pytest.mark.parametrize("kind", [BitcoinOnly, EqualWeight, StaticMix, TrendControl])
def test_a_misspelt_parameter_is_refused(kind):
    with pytest.raises(ConfigError, match=f"{kind.__name__} has no setting 'lookbak'"):
        kind(lookbak=3)


def test_bitcoin_only_is_all_in_bitcoin(panel):
    targets = BitcoinOnly().targets(panel)
    decided = targets.dropna()
    assert (decided["SIMBTC"] == 1.0).all()
    assert (decided.drop(columns="SIMBTC") == 0.0).all(axis=None)
    assert len(decided) == panel.prices()["SIMBTC"].notna().sum()


def test_equal_weight_is_one_over_the_number_of_assets_of_the_day(panel):
    targets = EqualWeight().targets(panel)
    risky = held(panel, *(sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH))
    for session in every_nth(panel):
        names = [name for name in risky if risky.loc[session, name]]
        for name in targets:
            expected = 1.0 / len(names) if name in names else 0.0
            assert targets.loc[session, name] == pytest.approx(expected, abs=1e-15)


def test_static_mix_gives_each_sleeve_its_share_or_leaves_it_in_cash(panel):
    shares = {
        Sleeve.BITCOIN: 0.30,
        Sleeve.LEGACY_MINERS: 0.15,
        Sleeve.PIVOTING_MINERS: 0.15,
        Sleeve.AI_INFRASTRUCTURE: 0.30,
        Sleeve.AI_TOKENS: 0.05,
    }
    targets = StaticMix().targets(panel)
    for sleeve, share in shares.items():
        members = held(panel, sleeve)
        for session in every_nth(panel):
            inside = targets.loc[session][members.loc[session]]
            assert inside.sum() == pytest.approx(share if len(inside) else 0.0, abs=1e-15)
            assert np.allclose(inside, share / max(1, len(inside)), atol=1e-15)
    assert (targets["CASH"] == 0.0).all()
    no_pivot_yet = ~held(panel, Sleeve.PIVOTING_MINERS).any(axis=1)
    assert no_pivot_yet.any()
    assert np.allclose(targets[no_pivot_yet].sum(axis=1), 0.80)


def test_inverse_volatility_is_one_over_the_deviation_of_the_window(panel):
    targets = InverseVolatility(lookback=63).targets(panel)
    prices, tradable = panel.prices(), panel.tradable()
    risky = held(panel, *(sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH))
    assert targets.iloc[:63].isna().all(axis=None)
    for row in range(70, len(panel.sessions), 97):
        scores = {}
        for name in prices:
            window = prices[name].iloc[row - 63 : row + 1].to_numpy()
            moves = window[1:] / window[:-1] - 1.0
            traded = tradable[name].iloc[row - 62 : row + 1].to_numpy()
            moved = not np.isnan(moves).any() and traded.mean() >= 0.6
            if moved and risky[name].iloc[row]:
                year = np.sqrt(traded.mean())
                scores[name] = 1.0 / (np.std(moves[traded], ddof=1) * year)
        for name in targets:
            expected = scores.get(name, 0.0) / sum(scores.values())
            assert targets[name].iloc[row] == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_trend_control_gives_each_rising_asset_one_share_of_all_judged(panel):
    targets = TrendControl(lookback=126).targets(panel)
    prices = panel.prices()
    risky = held(panel, *(sleeve for sleeve in Sleeve if sleeve is not Sleeve.CASH))
    assert targets.iloc[:126].isna().all(axis=None)
    for row in range(130, len(panel.sessions), 97):
        momentum = prices.iloc[row] / prices.iloc[row - 126] - 1.0
        judged = momentum[risky.iloc[row] & momentum.notna()]
        for name in targets:
            rising = name in judged.index and judged[name] > 0.0
            expected = 1.0 / len(judged) if rising else 0.0
            assert targets[name].iloc[row] == pytest.approx(expected, abs=1e-15)


# Difficulty rotation


def opinions(panel: Panel, regime: float, rising: float = 0.1) -> dict[str, pd.DataFrame]:
    """All voters of one value, and every asset with a price rising or falling."""
    momentum = panel.prices().notna().astype(float).replace({0.0: np.nan}) * rising
    return {
        **{name: pd.DataFrame({name: regime}, panel.sessions) for name in VOTES},
        "momentum": momentum,
    }


def sleeve_sums(panel: Panel, targets: pd.DataFrame, *sleeves: Sleeve) -> pd.Series:
    return targets.where(held(panel, *sleeves), 0.0).sum(axis=1)


@pytest.mark.parametrize(
    ("regime", "miners", "ai"),
    [(1.0, 0.40, 0.20), (-1.0, 0.10, 0.50), (np.nan, 0.25, 0.35)],
)
def test_the_regime_moves_the_tilt_between_miners_and_ai(panel, regime, miners, ai):
    targets = DifficultyRotation().targets(panel, opinions(panel, regime))
    assert np.allclose(sleeve_sums(panel, targets, Sleeve.BITCOIN), 0.35)
    assert np.allclose(sleeve_sums(panel, targets, *MINING), miners)
    assert np.allclose(sleeve_sums(panel, targets, Sleeve.AI_INFRASTRUCTURE), ai)
    assert np.allclose(sleeve_sums(panel, targets, Sleeve.AI_TOKENS, Sleeve.CASH), 0.0)


def test_the_tilt_never_makes_a_share_negative(panel):
    strategy = DifficultyRotation(miners=0.1, ai_infrastructure=0.2, tilt=1.0, bitcoin=0.3)
    stress = strategy.targets(panel, opinions(panel, -1.0))
    growth = strategy.targets(panel, opinions(panel, 1.0))
    assert np.allclose(sleeve_sums(panel, stress, *MINING), 0.0)
    assert np.allclose(sleeve_sums(panel, stress, Sleeve.AI_INFRASTRUCTURE), 0.3)
    assert np.allclose(sleeve_sums(panel, growth, *MINING), 0.3)
    assert np.allclose(sleeve_sums(panel, growth, Sleeve.AI_INFRASTRUCTURE), 0.0)


def test_a_falling_asset_is_not_held_and_its_share_stays_in_cash(panel):
    given = opinions(panel, 0.0)
    given["momentum"]["TENSOR"] = -0.1
    whole = DifficultyRotation().targets(panel, opinions(panel, 0.0))
    targets = DifficultyRotation().targets(panel, given)
    assert (targets["TENSOR"] == 0.0).all()
    pd.testing.assert_frame_equal(
        targets.drop(columns="TENSOR"), whole.drop(columns="TENSOR"), rtol=0.0, atol=1e-15
    )
    assert (targets.sum(axis=1) < whole.sum(axis=1)).all()


def test_bitcoin_is_held_whatever_its_momentum(panel):
    targets = DifficultyRotation().targets(panel, opinions(panel, 1.0, rising=-0.1))
    assert np.allclose(targets["SIMBTC"], 0.35)
    assert np.allclose(targets.drop(columns="SIMBTC"), 0.0)


def test_there_is_no_decision_before_bitcoin_has_a_momentum(panel):
    targets = DifficultyRotation(lookback=126).targets(panel)
    assert targets.iloc[:126].isna().all(axis=None)
    assert targets.iloc[126:].notna().all(axis=None)


def test_the_rotation_reads_its_voters_and_the_momentum_it_documents(panel):
    strategy = DifficultyRotation(lookback=100)
    signals = strategy.signals
    assert set(signals) == {*VOTES, "momentum"}
    assert signals["momentum"].lookback == 100
    for name, values in strategy.read(panel).items():
        assert values.notna().any(axis=None), name
