"""The power card states what a record of its length can and cannot show."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import ConfigError
from toolkit.evidence import independent_bets, smallest_information_ratio


def test_eight_years_show_an_information_ratio_of_one_and_no_less():
    assert smallest_information_ratio(8 * 252, 252) == pytest.approx(2.8015852 / 8**0.5, abs=1e-7)


def test_it_is_found_with_the_stated_power_in_simulated_records():
    sessions, rate = 1260, 252
    ratio = smallest_information_ratio(sessions, rate)
    random = np.random.default_rng(5)
    returns = random.normal(ratio / rate**0.5, 1.0, (4000, sessions))
    t = returns.mean(axis=1) / returns.std(axis=1, ddof=1) * sessions**0.5
    assert (np.abs(t) > 1.96).mean() == pytest.approx(0.8, abs=0.02)


def test_the_same_years_say_the_same_on_both_clocks():
    assert smallest_information_ratio(5 * 252, 252) == smallest_information_ratio(5 * 365, 365)


@pytest.mark.parametrize(("sessions", "rate", "power"), [(1, 252, 0.8), (9, 0, 0.8), (9, 252, 1.0)])
def test_what_shows_nothing_is_refused(sessions, rate, power):
    with pytest.raises(ConfigError):
        smallest_information_ratio(sessions, rate, power)


def test_decisions_that_repeat_are_one_bet():
    held = [[0.5, 0.5], [0.52, 0.48], [0.55, 0.45], [0.65, 0.35], [0.6, 0.4], [0.0, 1.0]]
    assert independent_bets(pd.DataFrame(held)) == 3
    assert independent_bets(pd.DataFrame(held[:1] * 100)) == 1
    assert independent_bets(pd.DataFrame(held[:0])) == 0
