"""Hash ribbons: the regime of a plain loop over days, known one session later."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.clock import sessions_between
from toolkit.errors import ConfigError, UnknownFieldError
from toolkit.panel import Field, Panel
from toolkit.signals.difficulty import HashRibbons
from toolkit.universe import Universe

drawn = settings(deadline=None, derandomize=True, max_examples=60)
DAY = pd.Timedelta(days=1)
FIRST, LAST = date(2023, 1, 2), date(2023, 6, 30)


def panel_with(hash_rate: np.ndarray, clock: str = "XNYS") -> Panel:
    """A row a UTC day from the first session on, public one hour after the day."""
    days = pd.DatetimeIndex(pd.date_range(FIRST, periods=len(hash_rate), freq="D").to_numpy())
    moments = (days + DAY + pd.Timedelta(hours=1)).tz_localize("UTC")
    field = Field(pd.DataFrame({"hash_rate": hash_rate}, days), moments, "H/s", "drawn")
    return Panel(
        Universe(()), sessions_between(clock, FIRST, LAST), {"hash_rate": field}, clock=clock
    )


def wandering(seed: int, days: int = 180, missing: float = 0.0) -> np.ndarray:
    random = np.random.default_rng(seed)
    rate = 4e20 * np.exp(np.cumsum(0.02 * random.standard_normal(days)))
    return np.where(random.random(days) < missing, np.nan, rate)


def by_loop(rate: np.ndarray, short: int, long: int, band: float) -> list[float]:
    """Regime after each day: averages of full windows, the last clear reading kept."""
    regimes, last = [], np.nan
    for end in range(1, len(rate) + 1):
        recent, past = rate[max(0, end - short) : end], rate[max(0, end - long) : end]
        read = len(past) == long and not np.isnan(past).any()
        if read:
            ratio = sum(recent) / short / (sum(past) / long) - 1.0
            if ratio > band:
                last = 1.0
            elif ratio < -band:
                last = -1.0
        regimes.append(last if read else np.nan)
    return regimes


@drawn
@given(
    seed=st.integers(0, 10**6),
    short=st.integers(1, 30),
    longer=st.integers(1, 40),
    band=st.sampled_from([0.0, 0.011, 0.05]),
    missing=st.sampled_from([0.0, 0.03]),
)
def test_the_regime_at_a_session_is_the_loop_s_regime_of_the_day_before(
    seed, short, longer, band, missing
):
    rate = wandering(seed, missing=missing)
    panel = panel_with(rate)
    found = HashRibbons(short, short + longer, band).compute(panel)["hash_ribbons"]
    regimes = dict(
        zip(panel.fields["hash_rate"].values.index, by_loop(rate, short, short + longer, band),
            strict=True)
    )  # fmt: skip
    expected = []
    for session in panel.sessions:
        recent = [regimes.get(session - age * DAY, np.nan) for age in range(1, 11)]
        expected.append(next((regime for regime in recent if not np.isnan(regime)), np.nan))
    assert np.array_equal(found, expected, equal_nan=True)


def test_a_ratio_inside_the_band_keeps_the_last_regime():
    up, flat, down = np.full(20, 1.10), np.full(60, 1.0), np.full(20, 0.90)
    rate = 1e20 * np.cumprod(np.concatenate([np.ones(10), up, flat, down, flat]))
    regime = HashRibbons(5, 10, 0.011).compute(panel_with(rate, "24/7"))["hash_ribbons"]
    assert regime.iloc[:10].isna().all()
    assert (regime.iloc[15:90] == 1.0).all()
    assert (regime.iloc[100:170] == -1.0).all()


def test_a_constant_hash_rate_gives_no_opinion():
    regime = HashRibbons(30, 60).compute(panel_with(np.full(180, 3e20)))
    assert regime.isna().all(axis=None)


def test_a_wider_band_is_never_clearer():
    rate = wandering(3)
    clear = [
        HashRibbons(30, 60, band).compute(panel_with(rate)).notna().to_numpy()
        for band in (0.0, 0.01, 0.05, 0.2)
    ]
    for narrow, wide in pairwise(clear):
        assert (narrow | ~wide).all()


def test_scaling_the_hash_rate_changes_nothing():
    rate = wandering(4)
    one = HashRibbons().compute(panel_with(rate))
    pd.testing.assert_frame_equal(HashRibbons().compute(panel_with(2.0**-60 * rate)), one)


def test_the_hash_rate_of_the_session_itself_is_not_used():
    rate = wandering(5)
    panel = panel_with(rate)
    session = panel.sessions[100]
    row = int((session - pd.Timestamp(FIRST)).days)
    shocked = rate.copy()
    shocked[row:] *= 100.0
    before = HashRibbons(3, 20).compute(panel).loc[:session]
    pd.testing.assert_frame_equal(
        HashRibbons(3, 20).compute(panel_with(shocked)).loc[:session], before
    )
    shocked[row - 1] *= 100.0
    after = HashRibbons(3, 20).compute(panel_with(shocked)).loc[:session]
    assert after.iloc[-1, 0] == 1.0


def test_a_cut_panel_gives_the_same_regimes():
    panel = panel_with(wandering(6, missing=0.02))
    whole = HashRibbons(10, 20).compute(panel)
    for session in panel.sessions[::7]:
        cut = HashRibbons(10, 20).compute(panel.until(session))
        pd.testing.assert_frame_equal(cut, whole.loc[:session])


def test_a_panel_without_hash_rate_is_refused_by_name():
    with pytest.raises(UnknownFieldError, match="'hash_rate'"):
        HashRibbons().compute(Panel(Universe(()), panel_with(wandering(1)).sessions, {}))


@pytest.mark.parametrize("wrong", [{"short_days": 0}, {"band": -0.1}, {"band": np.nan}])
def test_an_empty_window_or_a_negative_band_is_refused(wrong):
    with pytest.raises(ConfigError, match="HashRibbons"):
        HashRibbons(**wrong)


def test_a_short_average_that_is_not_shorter_is_refused():
    with pytest.raises(ConfigError, match="short_days"):
        HashRibbons(short_days=60, long_days=30)
