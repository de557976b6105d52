import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import ConfigError, DataError
from toolkit.metrics import expected_shortfall
from toolkit.risk.scenarios import FilteredScenarios, HistoricalScenarios

SLEEVES = {"M0": "miners", "M1": "miners", "M2": "miners", "AI": "ai", "BTC": "bitcoin"}
MODELS = [HistoricalScenarios(150, 30), FilteredScenarios(halflife=11.2, lookback=150, minimum=30)]
models = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


def returns(seed=0, sessions=200):
    random = np.random.default_rng(seed)
    common = random.standard_t(5, size=(sessions, 1)) * 0.02
    spread = np.array([1.0, 2.0, 3.0, 0.5, 1.0])
    values = common * spread + random.normal(size=(sessions, 5)) * 0.01
    return pd.DataFrame(values, pd.bdate_range("2021-01-01", periods=sessions), list(SLEEVES))


def test_historical_scenarios_are_the_last_returns():
    frame = returns()
    found = MODELS[0].scenarios(frame, SLEEVES)
    assert found.returns.equals(frame.iloc[-150:])
    assert (found.imputed == 0).all()
    assert (found.floored == 0).all()


def test_a_missing_scenario_is_the_sleeves_return_times_the_ratio_of_volatilities():
    frame = returns(1)
    frame.iloc[:-60, 2] = np.nan
    found = MODELS[0].scenarios(frame, SLEEVES)
    assert found.returns["M2"].iloc[-60:].equals(frame["M2"].iloc[-60:])
    mates = (frame["M0"] + frame["M1"]) / 2.0
    own, other = frame["M2"].iloc[-60:], mates.iloc[-60:]
    ratio = np.sqrt((own**2).mean() / (other**2).mean())
    expected = ratio * mates.iloc[-150:-60]
    assert found.returns["M2"].iloc[:90].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)
    assert found.imputed.to_dict() == {"M0": 0, "M1": 0, "M2": 90, "AI": 0, "BTC": 0}
    assert found.from_market.sum() == found.closed.sum() == 0


def test_a_young_portfolio_does_not_look_safe():
    frame = returns(2)
    young = frame.copy()
    young.iloc[:-60, 2] = np.nan
    truth = expected_shortfall(frame["M2"].iloc[-150:], 0.95)
    zeros = expected_shortfall(young["M2"].fillna(0.0).iloc[-150:], 0.95)
    found = expected_shortfall(MODELS[0].scenarios(young, SLEEVES).returns["M2"], 0.95)
    assert zeros < 0.85 * truth
    assert found == pytest.approx(truth, rel=0.25)


def test_before_the_sleeve_was_listed_the_market_stands_in_and_is_counted():
    frame = returns(3)
    frame.iloc[:-60, 3] = np.nan  # The only one of its sleeve.
    found = MODELS[0].scenarios(frame, SLEEVES)
    assert found.from_market["AI"] == found.imputed["AI"] == 90
    others = frame.drop(columns="AI").mean(axis=1)
    ratio = np.sqrt((frame["AI"].iloc[-60:] ** 2).mean() / (others.iloc[-60:] ** 2).mean())
    expected = ratio * others.iloc[-150:-60]
    assert found.returns["AI"].iloc[:90].to_numpy() == pytest.approx(expected.to_numpy(), rel=1e-12)


def test_a_day_on_which_the_whole_sleeve_is_closed_moves_it_nothing():
    frame = returns(4)
    frame.iloc[-10, [0, 1, 2]] = np.nan  # The miners' market is closed.
    frame.iloc[-20, 0] = np.nan  # One of them is halted.
    found = MODELS[0].scenarios(frame, SLEEVES)
    assert (found.returns.iloc[-10, [0, 1, 2]] == 0.0).all()
    assert found.closed.to_dict() == {"M0": 1, "M1": 1, "M2": 1, "AI": 0, "BTC": 0}
    assert found.imputed["M0"] == 2
    assert found.returns.iloc[-20, 0] != 0.0


def test_filtered_scenarios_are_returns_over_then_times_now():
    frame = returns(5)
    frame.iloc[-100:-60] *= 4.0
    found = MODELS[1].scenarios(frame, SLEEVES).returns
    decay = 0.5 ** (1 / 11.2)
    own = frame["M1"].iloc[-150:].to_numpy()
    variance = [np.mean(own[:21] ** 2)]
    for value in own:
        variance.append(decay * variance[-1] + (1 - decay) * value**2)
    expected = own * np.sqrt(variance[-1] / np.array(variance[:-1]))
    assert found["M1"].to_numpy() == pytest.approx(expected, rel=1e-10)


@models
def test_nobody_loses_more_than_everything(model):
    frame = returns(6)
    frame.iloc[:-60, 2] = np.nan
    frame.iloc[-60:, 2] *= 30.0
    frame = frame.clip(-0.99)
    found = model.scenarios(frame, SLEEVES)
    assert found.returns.min().min() == -1.0
    assert found.floored["M2"] == (found.returns["M2"] == -1.0).sum() > 0


@models
@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_scenarios_have_no_gap_and_do_not_depend_on_order_or_on_the_unlisted(model, seed):
    random = np.random.default_rng(seed)
    frame = returns(seed)
    for column in range(5):
        first, last = sorted(random.integers(0, 201, size=2))
        frame.iloc[first:last, column] = np.nan
    found = model.scenarios(frame, SLEEVES)
    assert found.returns.notna().all().all()
    assert (found.returns >= -1.0).all().all()
    known = frame.iloc[-150:].notna()
    enough = (known.sum() >= 30) & known.iloc[-30:].any()
    assert list(found.returns) == list(frame.columns[enough])
    gaps = len(found.returns) - known.sum()[enough]
    assert (found.imputed == gaps).all()
    assert (found.imputed >= found.from_market + found.closed).all()
    order = list(random.permutation(frame.columns))
    again = model.scenarios(frame[order].assign(NEW=np.nan), SLEEVES | {"NEW": "miners"})
    expected = found.returns.to_numpy()
    assert again.returns[list(found.returns)].to_numpy() == pytest.approx(expected, rel=1e-10)
    tiny = model.scenarios(frame / 64.0, SLEEVES)
    if not found.floored.any():
        assert tiny.returns.to_numpy() == pytest.approx(expected / 64.0, rel=1e-12)


@models
def test_impossible_returns_and_settings_are_refused(model):
    frame = returns()
    frame.iloc[-2, 3] = np.inf
    with pytest.raises(DataError, match="return of AI on 2021-10"):
        model.scenarios(frame, SLEEVES)
    with pytest.raises(ConfigError, match="minimum = 600"):
        type(model)(minimum=600)
    empty = model.scenarios(returns() * np.nan, SLEEVES)
    assert empty.returns.shape == (0, 0)
