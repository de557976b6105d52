# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Is the pivot from mining to AI in the prices, and does anything follow from it?
#
# Every claim below gets one of three answers, by a rule that was fixed before any figure was seen:
# **supported** or **refuted** where at least twenty independent cases speak and the probability of
# so clear an estimate, corrected for how many claims were tested (Holm), is below 5 %; otherwise
# **not identifiable**, which includes an effect that is there and too small for this record. Averages
# over events hold those with an exact day only. Nothing was tuned, and negative results are results.
#
# Without `HASHPIVOT_DATA` all of it runs on the **SIMULATED** market, where two pivots are planted, and
# shows how the study works and nothing else. With the folder, it runs on real prices. What it
# found there, to 2025-06-30, is written below each table.

# %%
import os
from pathlib import Path

# Threads that share matrices as small as these wait for one another longer than they work.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from toolkit import Experiment
from toolkit.config import DataSettings, panel_of
from toolkit.data.events import EventTable
from toolkit.data.files import open_folder
from toolkit.data.sample import SampleMarket
from toolkit.report.picture import Pane, picture
from toolkit.research.against import sharpe_difference
from toolkit.research.claims import Claim, judge
from toolkit.research.event_study import WINDOWS, event_table, event_tests, over_clusters
from toolkit.research.exposure_change import MEASURES, exposure_changes, exposure_table
from toolkit.research.overlap import active_returns, same_bets
from toolkit.research.token_response import token_events, token_sensitivity
from toolkit.settings import shipped_folder, shipped_strategies
from toolkit.signals.disclosure import ContractedMegawatts
from toolkit.signals.market_share import MarketShare, share_record
from toolkit.signals.pivot_detector import PivotDetector

folder = os.environ.get("HASHPIVOT_DATA")
panel = panel_of(DataSettings(folder=folder))
if folder:
    source, _ = open_folder(Path(folder), shipped_folder())
    events = next(table for table in source.facts if isinstance(table, EventTable)).events
else:
    events = SampleMarket(seed=DataSettings().seed).events.events
known = [event for event in events if event.day <= panel.sessions[-1].date()]
mark = "SIMULATED: no evidence about any market" if panel.simulated else "real prices"
claims = []
pd.set_option("display.max_rows", 200, "display.max_colwidth", 120)


def rounded(frame):
    """A table with two digits."""
    return frame.round(dict.fromkeys(frame.select_dtypes("number"), 2))


print(f"{mark}; {panel.sessions[0].date()} to {panel.sessions[-1].date()}; {len(known)} events")
proxy = "in the regressions" if "broad_equity" in panel.fields else "not available in these data"
print(f"a fund of the broad market (QQQ or such): {proxy}")

# %% [markdown]
# ## Does the pivot show in returns?
#
# AI's share of the risk that mining and AI explain of a miner's returns, with the band over all ways to
# estimate it and their 90 % intervals. A share is withheld where the fit is poor or the ways disagree.

# %%
signal = MarketShare()
share = signal.estimate(panel)
record = share_record(signal, panel)
print(f"{mark}. Ways to estimate: {len(share.specifications)}")
print(
    f"{record.miner_months} miner-months with a fit; {record.without_share:.0%} have no share "
    f"({record.low_r_squared:.0%} low R2, {record.wide_span:.0%} the ways disagree)"
)
width = share.band_high - share.band_low
yearly = pd.DataFrame(
    {
        "miners with a fit": share.r_squared.notna().sum(axis=1),
        "with a share": share.market_share.notna().sum(axis=1),
        "median share": share.market_share.median(axis=1),
        "median band width": width.median(axis=1),
        "median R2": share.r_squared.median(axis=1),
    }
)
yearly[yearly["miners with a fit"] > 0].resample("YE").mean().round(2)

# %%
contracts = {}
for event in known:
    if event.kind.value in ("colocation_contract", "option", "gpu_cloud_contract"):
        contracts.setdefault(event.ticker, event)
shown = [
    name for name in contracts if name in share.r_squared and share.r_squared[name].notna().any()
]
panes = [
    Pane(
        f"{name}: AI's share of explained risk; first contract {contracts[name].day}",
        pd.DataFrame(
            {
                "share": share.market_share[name],
                "lowest": share.band_low[name],
                "highest": share.band_high[name],
            }
        )
        .loc[share.r_squared[name].first_valid_index() :]
        .resample("W")
        .last(),
    )
    for name in shown
]
picture("AI's share of the risk of miners with a contract", panes, simulated=panel.simulated)

# %%
rows = []
for name in shown:
    day = pd.Timestamp(contracts[name].published_at).tz_convert(None).normalize()
    at = int(panel.sessions.searchsorted(day)) - 1
    row = {"miner": name, "first contract": contracts[name].day, "day": contracts[name].quality}
    for label, place in (("before", at), ("126 sessions after", at + 126)):
        if 0 <= place < len(panel.sessions):
            low, high = share.band_low[name].iloc[place], share.band_high[name].iloc[place]
            row[label] = share.market_share[name].iloc[place]
            row[f"band {label}"] = "-" if np.isnan(low) else f"{low:.2f} to {high:.2f}"
    rows.append(row)
moves = pd.DataFrame(rows)
exact = moves[moves["day"] == "exact"]
rise, cases = over_clusters(
    exact["126 sessions after"] - exact["before"], pd.to_datetime(exact["first contract"])
)
claims.append(
    Claim(
        "A miner's AI share of risk is higher 126 sessions after its first contract",
        1,
        rise,
        cases,
        "miners with an exact day and a share at both ends",
    )
)
rounded(moves)

# %% [markdown]
# Recorded on real prices to 2025-06-30: **not identifiable**. 48 % of 1,064 miner-months have no share,
# where there is one the median over miners is 0.00 to 0.08 in every year since 2021, and the bands are
# about half as wide as the whole scale. No miner with an exact contract day has a share at both ends, and
# 126
# sessions after its contract every band contains 0; early in 2025 the lower ends of APLD and CORZ rose to
# 0.2 and 0.1. That is no evidence against a pivot: these data cannot tell.

# %% [markdown]
# A second look that needs no share: an alarm when the loadings of a miner turn from mining to AI by
# more than noise should (`PivotDetector`), and whether a contract was public in the 126 sessions before.

# %%
detector = PivotDetector(contracts=ContractedMegawatts())
alarm = detector.compute(panel)
contract = detector.evidence(panel).contract
begins = (alarm == 1.0) & (alarm.shift(1) != 1.0)
rows = [
    {"miner": name, "alarm": day.date(), "contract within 126 sessions": bool(contract[name][day])}
    for name in begins
    for day in begins.index[begins[name]]
]
years = alarm.notna().to_numpy().sum() / panel.periods_per_year
alone = sum(not row["contract within 126 sessions"] for row in rows)
print(f"{mark}. {years:.0f} miner-years, {len(rows)} alarms, {alone} of them without a contract")
pd.DataFrame(rows)

# %% [markdown]
# Recorded: 9 alarms in 69 miner-years, one of them after a contract (CORZ). Eight have none,
# some of them around March 2020 and the end of 2022. The alarm is not specific enough to prove a pivot.

# %% [markdown]
# ## Did a contract change a miner's risk?
#
# The claim is that the pivot mitigates the risk of bitcoin. Up to 252 sessions before and after the
# first contract, five sessions on either side left out; the last column takes off what changed for
# miners without a contract over the same sessions. In brackets 90 % by block bootstrap. Volatility is
# annual, the expected shortfall that of the worst 5 % of sessions.

# %%
changes = exposure_changes(panel, known)
print(f"{mark}. Beta to bitcoin: the day's and the day before's together")
exposure_table(changes)

# %%
for measure in MEASURES:
    own = [c for c in changes if c.measure == measure]
    exact = [c for c in own if c.quality == "exact"]
    sign = 1 if measure == "beta to semiconductors" else -1
    clear = [
        c.asset
        for c in exact
        if c.against_controls is not None
        and max(sign * c.against_controls.low, sign * c.against_controls.high) > 0.0
        and min(sign * c.against_controls.low, sign * c.against_controls.high) > 0.0
    ]
    direction = "raises" if sign > 0 else "lowers"
    said = f"beyond its interval as claimed: {', '.join(clear) or 'none'}"
    text = f"A first contract {direction} a miner's {measure}, beside other miners"
    beside = [c for c in exact if c.against_controls is not None]
    # Fewer than twenty contracts: the table above is all that there is to say.
    moved, cases = over_clusters(
        pd.Series([c.against_controls.value for c in beside], dtype=float),
        pd.Series([c.session for c in beside], dtype="datetime64[ns]"),
    )
    claims.append(Claim(text, sign, moved, cases, said))
print(f"n = {len(exact)} first contracts with an exact day and enough sessions ({mark})")

# %% [markdown]
# Recorded: **not identifiable**, n = 2 exact days (APLD, WULF), and BTBT to the month; CORZ was relisted 33
# sessions before its first contract. They disagree: beside other miners the beta to bitcoin of APLD fell
# by 0.86 [-1.60, -0.02], that of WULF rose by 0.16 [-0.32, +0.55]. WULF's volatility rose by 0.17
# [+0.05, +0.29] and its shortfall by 0.037 [+0.003, +0.074] relative to them, against the claim, and
# so did the
# volatility of BTBT, 0.19 [+0.03, +0.34]. Twelve intervals of 90 % were looked at: one in ten would leave
# out 0 by chance. The comparison takes care of bitcoin's own calm: alone, BTBT's beta fell by 0.39, which
# is what all miners' did.

# %% [markdown]
# ## Events
#
# Abnormal returns: less the betas of the 126 sessions before, to bitcoin (two days) and to the fund of AI
# shares. `reaction`: two sessions from the first that closes after publication. `tradable month`: 21
# sessions from the first return that somebody who learnt of it could earn. `day before`: where the
# hour is unknown, the announcement may lie in it. Ranks are among the miner's own earlier stretches.

# %%
reactions = event_table(panel, known)
table = reactions.assign(day=reactions["day"].dt.date, session=reactions["session"].dt.date)
print(f"{mark}. {len(table)} events of listed miners, by group and quality of the day:")
print(table.groupby(["group", "quality"]).size().to_string())
rounded(table)

# %%
groups = ("contract", "statement", "build", "finance", "takeover", "failed")
tests = event_tests(reactions, groups)
for test in tests:
    if test.group == "contract" and test.window != "day before":
        text = f"A contract earns an abnormal return: {test.window}"
        claims.append(Claim(text, 1, test.estimate, test.clusters, f"{test.events} events"))
shown = pd.DataFrame([test.__dict__ for test in tests]).drop(columns="estimate")
shown.set_index(["group", "window"])

# %% [markdown]
# Clusters are events within a week of one another, whoever's; below twenty there is no average and no
# test, and the rows above are all that can be said.

# %% [markdown]
# Recorded: **not identifiable**; 10 contracts with an exact day are 9 independent cases. Single reactions
# were large: CORZ 2024-06-03 +41 %, APLD 2025-06-02 +26 %, and on the session before the window, which
# may be the day itself where the hour is unknown, +78 %, +46 % and +36 %. Statements and
# what was built without a tenant range from -15 to +19 %; the one failed pivot (SLNH, month only) lost 13
# %. Of the months that could be traded 6 of 9 were above 0, from -34 to +48 %.

# %% [markdown]
# ## AI tokens
#
# Whether they move with AI shares at a given move of bitcoin, and whether miners' contracts move them.

# %%
sensitivity, sessions = token_sensitivity(panel)
claims.append(
    Claim(
        "AI tokens move with AI shares beyond bitcoin",
        1,
        sensitivity,
        sessions // 21,
        "cases are blocks of 21 sessions",
    )
)
print(
    f"{mark}. Coefficient on AI shares {sensitivity.value:.2f} "
    f"[{sensitivity.low:.2f}, {sensitivity.high:.2f}], {sessions} sessions"
)
responses = token_events(panel, known)
(reaction,) = [t for t in event_tests(responses, ["contract"]) if t.window == "reaction"]
text = "AI tokens respond to miners' contracts"
claims.append(Claim(text, 1, reaction.estimate, reaction.clusters, f"{reaction.events} events"))
responses = responses.assign(day=responses["day"].dt.date)
rounded(responses[["asset", "day", "quality", *WINDOWS, "rank_reaction"]])

# %% [markdown]
# Recorded: tokens move with AI shares beyond bitcoin, 0.40 [0.23, 0.58] over 1,254 sessions:
# **supported**, as a description. That they respond to miners' contracts is **not identifiable**: ranks
# of the 9 reactions to exact days lie on both sides of the middle, and 6 of 8 months were losses.

# %% [markdown]
# ## Strategies: what the record can show at all
#
# Before any figure of performance: how many independent bets there were, and the smallest
# information ratio that a record of this length tells from luck with a probability of 80 %. Events are
# the announcements that moved what the strategy read while it decided.

# %%
PLAIN = ("bitcoin_only", "equal_weight", "inverse_volatility", "static_mix", "trend_control")
settings = ["checks.replay=false", "checks.audit_cuts=0"]
first = pd.Timestamp("2017-01-03")


def run(name, market, start):
    """A shipped strategy on a market: the two accounts and the audit have tests of their own."""
    experiment = Experiment.from_toml(name, [*settings, f"data.start={start}"])
    return experiment.backtester().run(experiment.strategy(), market, experiment.origin())


market = panel_of(DataSettings(folder=folder, start=first.date()))
results = {name: run(name, market, first.date()) for name in shipped_strategies()}
active = [name for name in results if name not in PLAIN]
card = pd.DataFrame([results[name].power for name in results], index=list(results))
print(f"{mark}. {len(results)} strategies; nothing was tried again with other settings here")
card

# %%
rows = {}
for name, result in results.items():
    found = result.metrics()
    matched = found["beta_matched"] or {}
    rows[name] = {
        "CAGR": found["net"]["cagr"],
        "volatility": found["net"]["volatility"],
        "Sharpe": found["net"]["sharpe"],
        "max drawdown": found["net"]["max_drawdown"],
        "turnover a year": found["net"]["turnover"],
        "costs / initial cash": found["net"]["total_costs"],
        "Sharpe, beta-matched": matched.get("sharpe", np.nan),
    }
print(f"{mark}. Net of costs, {market.sessions[-1].date()} at the end")
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# Against the control, plain momentum, and against bitcoin, the AI fund and cash at the strategy's own
# betas: difference of the Sharpe ratios with its 90 % interval, both drawn again together.

# %%
control = results["trend_control"].returns
rows = {}
for name in active:
    own = results[name].returns
    begin = max(own.index[0], control.index[0])
    own, other = own.loc[begin:], control.loc[begin:]
    basis, bets = market.periods_per_year, results[name].power.independent_bets
    pairs = {"plain momentum": other["net"]}
    if "beta_matched" in own:
        pairs["its beta-matched benchmark"] = own["beta_matched"]
    for label, benchmark in pairs.items():
        found = sharpe_difference(own["net"], benchmark, own["cash"], basis)
        rows[(name, label)] = {**found.__dict__, "bets": bets}
        claims.append(Claim(f"{name} beats {label}, net", 1, found, bets, "cases are bets"))
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# Two names for one bet are said to be one. Net returns of long-only strategies are alike because the
# market is in all of them; so the second table takes off each one's beta-matched benchmark, and from 0.9
# on in it two names are one bet. Bitcoin alone has nothing left there.

# %%
returns = pd.DataFrame({name: result.returns["net"] for name, result in results.items()})
matched = {name: result.returns.get("beta_matched") for name, result in results.items()}
beyond = same_bets(active_returns(returns, pd.DataFrame(matched, returns.index, dtype=float)))
print(f"{mark}. Correlation of daily returns, and of what is left of them beyond the market")
for name, other, alike in beyond.pairs:
    print(f"one bet under two names: {name} and {other}, {alike:.2f} beyond the market")
pd.concat({"net": returns.corr(), "beyond the market": beyond.correlations}).round(2)

# %%
wealth = np.log10(1.0 + returns).cumsum().resample("W").last()
panes = [
    Pane("Log10 of what 1 became", wealth[["trend_control", *active[start : start + 3]]])
    for start in range(0, len(active), 3)
]
picture("Strategies and the control, net of costs", panes, simulated=panel.simulated)

# %% [markdown]
# Recorded: the smallest information ratio that 2,133 sessions show is 0.96, so that nothing but a very
# large edge could be seen here. No signal strategy beats plain momentum (Sharpe 1.24): the differences
# lie between -0.08 and +0.20, every interval holds 0. Against bitcoin, fund and cash at their own
# betas five of seven are lower and the ribbons are equal. The satellite is 0.18 [0.07, 0.30] higher, on
# four bets: **not identifiable**. Most of that is no token's. Run without any tokens it is 0.14 higher,
# with the fund as its only AI asset 0.05, and with neither 0.02: the single AI names of its core are
# held against a fund, and who wrote the universe knew what had become of them. Beyond the market the
# dilemma, the spread, the margin and the pivot rotation are one bet under four names, 0.91 to 0.96; the
# margin and the pivot rotation are also one with equal weight, 0.91 each, which has no view at all and is
# one with inverse volatility and the static mix, 0.92 and 0.91. The difficulty rotation and plain momentum
# fall just short of one, 0.90. Eight announcements moved what the two strategies that read any could act
# on.

# %% [markdown]
# ## Without the one name that carries the early pivot
#
# Those strategies that ever held more than 1 % of it, run again with it and without it, from the month
# before it could be bought: earlier it could change nothing.

# %%
carrier = "CORZ" if folder else "HASHCO"
listed = next(asset.usable_from for asset in panel.universe if asset.id == carrier)
since = max(first, pd.Timestamp(listed) - pd.Timedelta(days=35)).date()
late = panel_of(DataSettings(folder=folder, start=since))
without = panel_of(DataSettings(folder=folder, start=since, without=(carrier,)))
largest = {name: results[name].weights[carrier].max() for name in ("trend_control", *active)}
pairs = {
    name: [run(name, part, since) for part in (late, without)]
    for name, weight in largest.items()
    if weight > 0.01
}
print(f"{mark}. {carrier} left out since {since}; held by {len(pairs)} of {len(largest)}")
print("What this shorter record can show, with it:")
pd.DataFrame([pair[0].power for pair in pairs.values()], index=list(pairs))

# %%
rows = {}
for name, pair in pairs.items():
    both = [result.metrics()["net"] for result in pair]
    rows[name] = {
        "largest weight": largest[name],
        "Sharpe with": both[0]["sharpe"],
        "Sharpe without": both[1]["sharpe"],
        "CAGR with": both[0]["cagr"],
        "CAGR without": both[1]["cagr"],
    }
pd.DataFrame(rows).T.round(2)

# %% [markdown]
# Recorded, December 2023 to June 2025, 20 decisions that were 3 to 15 independent bets, in which a true
# information ratio below 2.28 would most likely not have been told from luck: all six that held CORZ are
# the same or lower without it, `investors_dilemma` by most, 1.03 after 1.11; the pivot rotation has 0.99
# after 1.05.

# %% [markdown]
# ## The answers

# %%
answers = judge(claims)
tested = int(answers["p"].notna().sum())
print(f"{mark}. {len(claims)} claims, {tested} of them tested together: p is corrected for that")
print("an estimate without a test is a table above, with too few cases to go on from")
answers.set_index("claim").round(3)

# %% [markdown]
# Recorded: one of 23 claims is supported, that AI tokens move with AI shares beyond bitcoin (p = 0.011
# after correction for 11 tests). None is refuted. **All others, every claim on contracts and every
# strategy against its benchmarks among them, are not identifiable** in data to 2025-06-30.
