"""Claims about the network of the simulated market."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.clock import sessions_between
from toolkit.data.sample import SampleMarket
from toolkit.panel import Field, Panel

MARKET = SampleMarket()
SIX_HOURS = pd.Timedelta(hours=6)


@pytest.fixture(scope="module")
def fields() -> dict[str, Field]:
    return dict(MARKET.fields(MARKET.universe(), MARKET.start, MARKET.last_session()))


def test_hash_price_is_revenue_of_a_petahash_a_day(fields: dict[str, Field]) -> None:
    daily = {name: fields[name].values[name] for name in ("hash_rate", "issuance", "fees")}
    revenue = (daily["issuance"] + daily["fees"]) * fields["close"].values["SIMBTC"]
    expected = revenue / (daily["hash_rate"] / 1e15)
    np.testing.assert_allclose(fields["hash_price"].values["hash_price"], expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["hash_rate", "blocks", "hash_price", "issuance", "fees"])
def test_a_network_day_is_not_public_at_the_decision_of_its_own_session(
    name: str, fields: dict[str, Field]
) -> None:
    sessions = sessions_between("XNYS", MARKET.start, MARKET.last_session())
    seen = Panel(MARKET.universe(), sessions, fields).known(name)[name]
    raw = fields[name].values[name]
    assert np.isnan(seen.iloc[0])
    previous = raw.reindex(sessions[1:] - pd.Timedelta(days=1)).to_numpy()
    np.testing.assert_array_equal(seen.iloc[1:].to_numpy(), previous)


def test_difficulty_is_labelled_by_its_retarget_and_public_six_hours_after(
    fields: dict[str, Field],
) -> None:
    field = fields["difficulty"]
    retargets = (field.available_at - SIX_HOURS).tz_localize(None)
    assert (retargets.normalize() == field.values.index).all()


def test_the_length_of_an_epoch_is_public_only_after_the_next_one_started(
    fields: dict[str, Field],
) -> None:
    lengths, difficulty = fields["epoch_days"], fields["difficulty"]
    assert len(lengths.values) == len(difficulty.values) - 1  # the running epoch has no length
    assert lengths.values.index.equals(difficulty.values.index[:-1])
    assert lengths.available_at.equals(difficulty.available_at[1:])
    # The protocol times 2,015 intervals; from retarget to retarget there is one more.
    took = np.diff(difficulty.available_at.asi8) / 1e9
    interval = took - 86_400 * lengths.values["epoch_days"].to_numpy()
    assert interval.min() > -2.0  # moments are whole seconds
    assert interval.max() < 12_000.0
    assert interval.mean() == pytest.approx(600.0, rel=0.25)


def test_daily_hash_rate_carries_the_noise_of_the_block_count(fields: dict[str, Field]) -> None:
    rate = np.log(fields["hash_rate"].values["hash_rate"])
    noise = (rate - rate.rolling(15, center=True).mean()).std()
    assert 0.07 < noise < 0.10


def test_difficulty_follows_the_hash_rate_of_the_epoch_before(fields: dict[str, Field]) -> None:
    difficulty = fields["difficulty"].values["difficulty"]
    rate = fields["hash_rate"].values["hash_rate"]
    before = rate.rolling(14).mean().shift(1).reindex(difficulty.index)
    implied = difficulty * 2**32 / 600
    gap = np.log(implied / before).dropna()
    assert gap.abs().median() < 0.02
    assert gap.abs().max() < 0.12
    changes = np.log(difficulty).diff().dropna()
    lengths = fields["epoch_days"].values["epoch_days"]
    expected = np.log(14.0 / lengths).to_numpy()
    np.testing.assert_allclose(changes.to_numpy(), expected, atol=1e-9)
    assert 0.03 < changes.std() < 0.09


def test_miner_exits_make_the_hash_rate_fall(fields: dict[str, Field]) -> None:
    changes = fields["difficulty"].values["difficulty"].pct_change()
    assert (changes < -0.08).sum() >= 3
    rate = fields["hash_rate"].values["hash_rate"]
    ribbon = rate.rolling(30).mean() / rate.rolling(60).mean() - 1.0
    assert ribbon.min() < -0.05


def test_issuance_is_blocks_times_a_subsidy_that_halves(fields: dict[str, Field]) -> None:
    subsidy = fields["issuance"].values["issuance"] / fields["blocks"].values["blocks"]
    steps = subsidy.round(9).value_counts()
    assert set(steps[steps > 100].index) == {25.0, 12.5, 6.25}
    assert len(steps) <= 7  # four subsidies and the mixed days of three halvings
    assert (subsidy.diff().dropna() <= 1e-9).all()


def test_blocks_add_up_to_2016_an_epoch(fields: dict[str, Field]) -> None:
    found = fields["blocks"].values["blocks"].cumsum()
    at_retarget = found.reindex(fields["difficulty"].values.index[1:]).to_numpy()
    expected = 2016 * np.arange(1, len(at_retarget) + 1)
    before = at_retarget - fields["blocks"].values["blocks"].reindex(
        fields["difficulty"].values.index[1:]
    )
    assert (at_retarget >= expected - 1).all()
    assert (before <= expected + 1).all()


def test_the_published_hash_rate_is_the_true_one_but_for_luck(fields: dict[str, Field]) -> None:
    published = np.log(fields["hash_rate"].values["hash_rate"])
    luck = published - np.log(fields["true_hash_rate"].values["true_hash_rate"])
    assert abs(luck.mean()) < 0.01
    assert luck.std() == pytest.approx(1 / 12, rel=0.1)  # 144 blocks a day
    assert abs(luck.autocorr(1)) < 0.06
