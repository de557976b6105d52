"""Stress in an experiment file: from a scenario of the network to a limit that binds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from toolkit.backtest.audit import audit
from toolkit.config import Experiment
from toolkit.errors import ConfigError, UnknownAssetError
from toolkit.network.scenarios import Scenario, scenario
from toolkit.optimize import MaxStressLoss
from toolkit.risk.scenario_shock import ScenarioShock
from toolkit.risk.stress import stress_losses

MARKED = "SIMULATED squeeze"
TEXT = """
title = "Stress"

[strategy]
kind = "benchmarks:EqualWeight"

[data]
start = 2021-01-04
end = 2022-12-30

[optimizer]
objective = { kind = "TrackTarget" }

[[optimizer.limits]]
kind = "MaxStressLoss"
cap = 0.25

[risk_model]
kind = "ExponentialCovariance"

[checks]
audit_cuts = 3
replay = false
"""
SQUEEZE = """
[[stress]]
name = "squeeze"
scenario = "joint"
horizon = 120
ai = -0.2
credit = 0.03
"""


def experiment(folder: Path, *parts: str, overrides: tuple[str, ...] = ()) -> Experiment:
    (folder / "mine.toml").write_text("".join((TEXT, *parts)))
    return Experiment.from_toml(folder / "mine.toml", overrides)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """The experiment, its result, and how often a network was simulated for it."""
    runs, plain = [], Scenario.run

    def counted(self, *, seed=None):
        runs.append(self.title)
        return plain(self, seed=seed)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Scenario, "run", counted)
        own = experiment(tmp_path_factory.mktemp("stress"), SQUEEZE)
        return own, own.run(), len(runs)


# A run


def test_the_limit_binds_and_holds_and_says_everywhere_that_it_is_simulated(ran, tmp_path):
    own, result, _ = ran
    rows = result.limits
    assert set(rows["limit"]) == {f"MaxStressLoss({MARKED})"}
    assert rows["binding"].mean() > 0.5
    assert (rows["at_decision"] <= 0.25 + 1e-6).all()
    losses = [-(d.sized @ d.decision.stress.loc[MARKED]) for d in result.account.decisions]
    assert np.allclose(losses, rows["at_decision"], atol=1e-8)
    result.to_html(tmp_path / "page.html")
    table = (tmp_path / "page.html").read_text().partition("<pre")[0]
    assert f"MaxStressLoss({MARKED})" in table
    loose = own.from_toml(own.folder / "mine.toml", ["optimizer.limits.0.cap=1.0"]).run()
    assert not loose.limits["binding"].any()
    assert loose.limits["at_decision"].max() > 0.3


def test_a_network_is_simulated_once_an_experiment_and_not_at_every_decision(ran):
    _, result, runs = ran
    assert runs == 1
    assert len(result.account.decisions) > 20


def test_a_decision_s_losses_are_the_bridge_s_with_what_was_known_then(ran):
    own, result, _ = ran
    shock = ScenarioShock("squeeze", "joint", 120, ai=-0.2, credit=0.03).shock(
        scenario("joint").run()
    )
    panel = own.panel()
    made = result.account.decisions[5]
    view = own.backtester().loop.view(panel.until(made.decision.session))
    row = len(view.panel.sessions) - 1
    past = view.stress(row).loc[MARKED]
    assert np.allclose(made.decision.stress.loc[MARKED, past.index], past, atol=1e-9)
    # What was known is no coefficient of the default: the fleet's margin and the betas of the day.
    stated = -stress_losses([shock], panel.universe, made.decision.session.date()).loc[MARKED]
    assert (stated - made.decision.stress.loc[MARKED]).abs().max() > 0.02


def test_the_sized_decisions_see_no_future(ran):
    own, _, _ = ran
    found = audit(own.backtester().loop, own.strategy(), own.panel(), 8, deep=True)
    assert (found.cuts, found.findings) == (8, ())


def test_the_resolved_file_is_the_same_experiment_without_the_scenario_s_file(tmp_path):
    (tmp_path / "deep.toml").write_text('base = "joint"\npaths.exodus = [[30, 0.0], [90, 0.3]]\n')
    own = experiment(
        tmp_path, SQUEEZE.replace('"joint"', '"deep.toml"'), "[bridge]\ncoins = 0.1\n",
        '[[stress]]\nname = "bitcoin halves"\nbitcoin = -0.5\n',
    )  # fmt: skip
    text = own.origin().config
    (tmp_path / "deep.toml").unlink()
    (tmp_path / "again.toml").write_text(text)
    again = Experiment.from_toml(tmp_path / "again.toml")
    assert again.backtester() == own.backtester()
    assert again.origin().config == text
    squeezed, halves = tomllib.loads(text)["stress"]
    assert (squeezed["name"], halves["name"]) == (MARKED, "bitcoin halves")
    assert "deep.toml, day" in squeezed["origin"]
    assert tomllib.loads(text)["bridge"]["coins"] == 0.1


def test_another_content_of_the_scenario_s_file_is_another_experiment(tmp_path):
    names = []
    for share in (0.3, 0.1):
        (tmp_path / "deep.toml").write_text(
            f'base = "joint"\npaths.exodus = [[30, 0.0], [90, {share}]]'
        )
        own = experiment(tmp_path, SQUEEZE.replace('"joint"', '"deep.toml"'))
        names.append(own.origin().identity)
    assert names[0] != names[1]


# Names of limits


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ('["squeeze"]', (MARKED,)),
        (f'["{MARKED}"]', (MARKED,)),
        ('["bitcoin halves"]', ("bitcoin halves",)),
        ("[]", (MARKED, "bitcoin halves")),
    ],
)
def test_a_limit_may_name_the_stress_by_its_own_name_and_shows_the_mark(tmp_path, named, found):
    halves = '[[stress]]\nname = "bitcoin halves"\nbitcoin = -0.5\n'
    own = experiment(tmp_path, SQUEEZE, halves)
    own.settings["optimizer"]["limits"][0]["scenarios"] = tomllib.loads(f"v = {named}")["v"]
    assert own.backtester().optimizer.limits == (MaxStressLoss(0.25, found),)


def test_without_a_simulated_scenario_a_limit_keeps_its_name(tmp_path):
    own = experiment(tmp_path, '[[stress]]\nname = "AI bust"\nai = -0.5\n')
    assert own.backtester().optimizer.limits == (MaxStressLoss(0.25),)


# Bad input


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"joint"', '"joins"', "no scenario 'joins'. Did you mean 'joint'"),
        ('"joint"', '"missing.toml"', "missing.toml cannot be read"),
        ('"joint"', '"../out.toml"', "'../out.toml' lies outside"),
        ('"joint"', '"/etc/out.toml"', "'/etc/out.toml' lies outside"),
        ('"joint"', '"link.toml"', "'link.toml' lies outside"),
        ('"joint"', '"broken.toml"', "broken.toml: base is missing"),
        ('"joint"', "3", "ScenarioShock.scenario = 3"),
        ("horizon", "horizn", "no setting 'horizn'. Did you mean 'horizon'"),
        ("= 120", "= 0", "ScenarioShock.horizon = 0"),
        ("= 120", "= 9999", "horizon = 9999: the run of 'joint' ends 599 days"),
        ("ai =", "hash_price =", "no setting 'hash_price'"),
        ("ai = -0.2", "ai = -2", "ScenarioShock.ai = -2"),
        ("ai = -0.2", 'moment = "never"', "ScenarioShock.moment = 'never'"),
        ("ai = -0.2", "losses = { bitcoin = 0.5 }", "no setting 'losses'"),
        ('name = "squeeze"', "", "needs the setting 'name'"),
        ('scenario = "joint"\nhorizon = 120', "losess = 1", "no setting 'losess'"),
        ('scenario = "joint"\nhorizon = 120\nai = -0.2\ncredit = 0.03', "", "setting 'losses'"),
        ("[[stress]]", "[bridge]\nmargins = 1\n[[stress]]", "Did you mean 'margin'"),
    ],
)
def test_a_wrong_stress_is_refused_with_its_place(tmp_path, old, new, said):
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "out.toml").write_text('base = "joint"\n')
    (folder / "link.toml").symlink_to(tmp_path / "out.toml")
    (folder / "broken.toml").write_text("days = 100\n")
    assert old in SQUEEZE
    with pytest.raises(ConfigError) as caught:
        experiment(folder, SQUEEZE.replace(old, new)).backtester()
    assert said in str(caught.value)
    assert re.search(r"mine\.toml \[+(stress|bridge)\]", str(caught.value))


def test_a_stress_that_is_no_table_is_refused(tmp_path):
    (tmp_path / "mine.toml").write_text("stress = [1]\n" + TEXT)
    with pytest.raises(ConfigError, match=r"\[\[stress\]\]: found 1; expected a table"):
        Experiment.from_toml(tmp_path / "mine.toml").backtester()


@pytest.mark.parametrize("key", ["debts", "ai_shares"])
def test_a_coefficient_of_an_asset_that_is_nowhere_is_refused(tmp_path, key):
    with pytest.raises(UnknownAssetError, match=r"'STRATM'.*Did you mean 'STRATUM'"):
        experiment(tmp_path, SQUEEZE, f"[bridge]\n{key} = {{ STRATM = 0.5 }}\n").panel()


@pytest.mark.parametrize("change", ['data.without=["STRATUM"]', "data.end=2021-06-30"])
def test_a_coefficient_of_an_asset_left_out_or_not_yet_listed_is_fine(tmp_path, change):
    bridge = "[bridge]\ndebts = { STRATUM = 0.5 }\n"
    result = experiment(tmp_path, SQUEEZE, bridge, overrides=(change,)).run()
    assert "STRATUM" not in result.panel.universe.ids
    assert result.limits["binding"].any()


# The page in docs/


def test_the_example_of_the_page_is_an_experiment_as_it_stands(tmp_path):
    page = (Path(__file__).parents[1] / "docs" / "stress.md").read_text()
    example = re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1]
    head, _, tail = TEXT.partition("[[optimizer.limits]]")
    rest = tail[tail.index("[risk_model]") :]
    (tmp_path / "mine.toml").write_text(head + rest + example)
    backtester = Experiment.from_toml(tmp_path / "mine.toml").backtester()
    names = [stress.name for stress in backtester.outlook.stresses]
    assert names == ["ban of mining", "AI bust", MARKED]
    assert backtester.optimizer.limits == (MaxStressLoss(0.25, tuple(names)),)
    assert backtester.outlook.bridge.ai_shares == {"CORZ": 0.67}
