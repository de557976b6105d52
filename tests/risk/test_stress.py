from datetime import date

import pytest

from toolkit.errors import ConfigError, DataError, UnknownAssetError
from toolkit.risk.stress import Stress, stress_losses
from toolkit.universe import Asset, Membership, Sleeve, Universe

DAY = date(2024, 6, 3)


def asset(name, *sleeves):
    since = (date(2014, 1, 2), date(2024, 1, 2))
    return Asset(name, tuple(Membership(s, d) for s, d in zip(sleeves, since, strict=False)))


UNIVERSE = Universe(
    (
        asset("CASH", Sleeve.CASH),
        asset("BTC", Sleeve.BITCOIN),
        asset("NVDA", Sleeve.AI_INFRASTRUCTURE),
        asset("IREN", Sleeve.LEGACY_MINERS, Sleeve.PIVOTING_MINERS),
        asset("MARA", Sleeve.LEGACY_MINERS),
    )
)
BAN = Stress(
    "ban of mining",
    {"bitcoin": 0.5, "legacy_miners": 0.8, "pivoting_miners": 0.6, "ai_infrastructure": 0.0,
     "MARA": 0.9},
)  # fmt: skip


def test_losses_are_of_the_sleeve_of_the_day_and_an_assets_own_first():
    found = stress_losses([BAN], UNIVERSE, DAY)
    assert found.loc["ban of mining"].to_dict() == {
        "CASH": 0.0, "BTC": 0.5, "NVDA": 0.0, "IREN": 0.6, "MARA": 0.9,
    }  # fmt: skip
    assert stress_losses([BAN], UNIVERSE, date(2023, 6, 1)).loc["ban of mining", "IREN"] == 0.8


def test_what_an_event_does_not_say_or_cannot_say_is_refused():
    with pytest.raises(DataError, match=r"'AI bust' says nothing of BTC.*bitcoin"):
        stress_losses([Stress("AI bust", {"ai_infrastructure": 0.5})], UNIVERSE, DAY)
    with pytest.raises(UnknownAssetError, match=r"names 'bitcoins'.*'bitcoin'"):
        stress_losses([Stress("crash", {"bitcoins": 0.5})], UNIVERSE, DAY)
    with pytest.raises(ConfigError, match="Two stress events are called 'ban of mining'"):
        stress_losses([BAN, BAN], UNIVERSE, DAY)
    for loss in (1.2, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="loss of BTC"):
            Stress("crash", {"BTC": loss})
    assert stress_losses([], UNIVERSE, DAY).shape == (0, 5)
