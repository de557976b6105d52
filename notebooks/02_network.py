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
# # The network model beside history
#
# Everything in a column or line called *model* is **SIMULATED**. Nothing on this page was fitted to
# the case that it is compared with, but for the size of the fleet, which is set so that it hashes as
# much as history did before anything happened. Where the model misses, the table says **NO** and the
# text says so.
#
# | setting | value | from |
# |---|---|---|
# | retarget, subsidy | exact | the protocol |
# | spread of costs (log) | 0.39 | share of the fleet reported under water in 2026, later than the cases |
# | median cost, early 2024 | 28.5 USD per PH/s a day | some 24 J/TH at 50 USD/MWh |
# | median cost, late 2018 | 110.5 | Antminer S9, 98 J/TH, at 47 USD/MWh (both unverified) |
# | median cost, March 2020 | 74.9 | between S9 and S17 (45 J/TH), half each in logs (unverified) |
# | off and on | 7 % below and above cost, after 7 days, then a tenth a day | reported: 5-10 %, 7-14 days |
# | new and displaced machines, AI | none | history has deliveries in it, the model here has none |
#
# The two medians from machines are 5 to 11 % below what the Cambridge estimates of efficiency for the
# time would give. Retargets of the past come from the block headers; their days are estimated to a few
# hours. Prices are rounded from public closes, unless `HASHPIVOT_DATA` names a folder of real data:
# then they, and everything else that can be, are read from it, and the figures below move a little.

# %%
import os

import numpy as np
import pandas as pd

from toolkit.network import episodes, validation
from toolkit.network.cohorts import Switching
from toolkit.report.picture import Pane, picture

folder = os.environ.get("HASHPIVOT_DATA")
rows = []


def show(checks, model="model, SIMULATED", history="history"):
    """The checks as a table, kept for the last cell."""
    rows.extend(checks)
    table = validation.check_table(checks).rename(columns={"model": model, "history": history})
    return table.set_index(["case", "quantity"]).round(3)


def steps(values, times, days):
    """Values by day, each until the next one's time."""
    return pd.Series(np.asarray(values), pd.DatetimeIndex(times)).reindex(days, method="ffill")


real = None
if folder:
    from toolkit.config import DataSettings, panel_of

    panel = panel_of(DataSettings(folder=folder))
    names = ("blocks", "fees", "hash_rate", "hash_price")
    real = pd.DataFrame({name: panel.fields[name].values.iloc[:, 0] for name in names})
    real = real.assign(
        price=panel.fields["close"].values["BTC"], fees=real["fees"] / real["blocks"]
    )
print("real data:", "none" if real is None else f"to {real.index[-1].date()}")

# %% [markdown]
# ## China 2021: the clock under a ban
#
# Given the mean hash rate of each epoch, the model must find each change of difficulty, and how long
# the longest epoch took. This tests the clock, not the miners: a mean hash rate is itself known
# only from the blocks, so that a correct clock misses by no more than its rounding, 0.05 points.
# (Days of history are whole days in the picture, which shifts some steps.)

# %%
china = validation.china_2021()
days = pd.date_range("2021-05-13", "2021-09-05", freq="D")
begin, before = pd.Timestamp("2021-05-13"), 25.046488
difficulty = {
    name: steps([before, *(china[column] / 1e12)], [begin, *china[time]], days)
    for name, column, time in (
        ("model", "model_difficulty", "model_time"),
        ("history", "difficulty", "time"),
    )
}
# Each epoch's mean, from the retarget that begins it.
rate = {
    "epoch means, put in": steps(china["hash_rate"], [begin, *china["time"][:-1]], days).loc[
        : china["time"].iloc[-1]
    ]
}
if real is not None:
    rate["history, mean of 7 days"] = real["hash_rate"].rolling(7).mean().reindex(days) / 1e18
panes = [
    Pane("Difficulty, 10^12", pd.DataFrame(difficulty), steps=True),
    Pane("Hash rate, EH/s", pd.DataFrame(rate), steps=True),
]
picture("China 2021", panes, simulated=True)

# %%
show(validation.china_checks(china))

# %% [markdown]
# ## Halving 2024: the cost curve, and the patience of miners
#
# The model answers in two ways. **At rest**: where the cost curve supports the new reward (price 64,500,
# then 58,000 USD; fees 0.35, then 0.15 BTC a block). **Day by day**: the same miners, who wait and keep
# running a little below cost. The bar is 3 points, for the first whole epoch after the halving and for
# the lowest difficulty.


# %%
def beside(run):
    """Difficulty of model and history, and what the miners were paid, as panes."""
    levels, days = run.levels, run.result.days
    lines = {
        name: steps(100.0 * levels[name], levels[f"{name}_time"], days)
        for name in ("model", "history")
    }
    paid = {"model": run.result.daily["hash_price"]}
    if real is not None:
        paid["history"] = real["hash_price"].reindex(days)
    return [
        Pane(
            "Difficulty, % of its value before the fall", pd.DataFrame(lines), steps=True, level=0
        ),
        Pane(
            "Hash price, USD per PH/s per day, mean of 3 days", pd.DataFrame(paid).rolling(3).mean()
        ),
        Pane("Price that was put in, thousand USD", run.paths[["price"]] / 1e3),
    ]


halving = episodes.replay(episodes.HALVING_2024, real)
picture("Halving 2024, day by day", beside(halving), simulated=True)

# %%
show(episodes.halving_checks(halving))

# %% [markdown]
# At rest the model is half a point from history. **Day by day it misses**: too few machines go off, and
# too late. Can luck explain it, or other bands and waiting times? History is one draw, and the lowest
# of several lucky or unlucky epochs is lower than the lowest that was expected.

# %%
lucky = [
    100.0 * episodes.replay(episodes.HALVING_2024, real, seed=seed).levels["model"].min()
    for seed in range(100)
]
low, middle, high = np.quantile(lucky, (0.05, 0.5, 0.95))
print(f"lowest with random blocks: median {middle:.1f} %, 90 % of runs {low:.1f} to {high:.1f} %")
print("(100 runs, SIMULATED; history -9.8 %)")
ways = {
    "the model's own": Switching(),
    "least of what is reported: 5 %, 7 days": Switching(margin=0.05, patience_days=7),
    "most of what is reported: 10 %, 14 days": Switching(margin=0.1, patience_days=14),
    "no band, no waiting, all at once": Switching(margin=0.0, patience_days=1, daily_share=1.0),
}
pd.DataFrame(
    {
        name: [
            100.0 * run.levels["model"].iloc[1],
            100.0 * run.levels["model"].min(),
        ]
        for name, way in ways.items()
        for run in [episodes.replay(episodes.HALVING_2024, real, switching=way)]
    },
    index=["first epoch after, % (SIMULATED)", "lowest, % (SIMULATED)"],
).T.round(1)

# %% [markdown]
# Luck explains a part: history lies at the edge of what random blocks make of the model, or beyond it.
# Within the bands and waiting times that are reported no choice meets the bar; without any, the model
# comes close to history. So either miners in 2024 were quicker than is reported, or some had switched
# off ahead of a halving that everybody saw coming, which this model does not do. The settings stay
# as they are: to change them here would be to fit them.

# %% [markdown]
# ## Late 2018 and March 2020: elasticity
#
# Elasticity is ln(change of the hash rate) / ln(change of what a block pays), from the last epoch
# before the fall to the epoch of the lowest hash rate, and to that of the lowest pay. The bar, for
# model and history alike, is 0.3 to 0.7. For the size of the fall none was set; it is shown.

# %%
late = episodes.replay(episodes.LATE_2018, real)
picture("Late 2018, day by day", beside(late), simulated=True)

# %%
crash = episodes.replay(episodes.MARCH_2020, real)
picture("March 2020, day by day", beside(crash), simulated=True)

# %%
show([*episodes.elasticity_checks(late), *episodes.elasticity_checks(crash)])

# %% [markdown]
# At rest the elasticity lies in the band, near its lower end; history's is well inside. **The model
# loses about 20 % of the hash rate in late 2018 where history lost 31.5 %, and 11 to 12 % in March
# 2020 where history lost 16 %.** Day by day March 2020 falls just out of the band. And both falls come
# too late: three quarters of history's fall of 2018 were over before the model's difficulty had moved by
# 1 %, and in March 2020 machines went off within days. Miners of the time paid for more than power
# (hosting, debt), which the cost curve here leaves out; nothing on this page tests that.

# %% [markdown]
# ## A constant hash rate: luck alone
#
# With random blocks and nothing else, changes of difficulty scatter by 3.15 % and take half of
# each other back. Forty simulated chains of 14 years; errors are standard errors over the chains.

# %%
changes = validation.changes_by_luck()
luck = pd.DataFrame({"one chain": 100.0 * np.expm1(changes[0].iloc[:78].to_numpy())})
luck.index = pd.date_range("2026-07-01", periods=len(luck), freq="14D")
picture(
    "Three years of retargets under a constant hash rate",
    [Pane("Change of difficulty, %", luck, steps=True, level=0.0)],
    simulated=True,
)

# %%
show(validation.luck_checks(changes), history="theory")

# %%
if real is not None:
    steps = np.log(panel.fields["difficulty"].values.iloc[:, 0].loc["2019-11":]).diff().dropna()
    share = (validation.changes_by_luck(1)[0].std() / steps.std()) ** 2
    print(f"history since late 2019: {100 * steps.std():.2f} % a retarget,", end=" ")
    print(f"correlation {steps.autocorr(1):.2f}; luck is {share:.0%} of the variance")

# %% [markdown]
# ## Shocks: a part of the hash rate gone at once
#
# Against arithmetic by hand: an epoch that is slowed takes longer, the first retarget sees the mean of
# before and after and stops at a quarter, the second completes it. The tenth of a percent allowed
# is for the 2,015 intervals of an epoch of 2,016 blocks.

# %%
show(validation.shock_checks(), history="by hand")

# %% [markdown]
# ## Issuance: a fifth leaves, at once or slowly
#
# Lost blocks are never made up, but they are few. The same exit costs a month of slow blocks when
# it comes in a day, and almost nothing when the retargets can follow it. Expected are -11.5 % over the
# first 30 days, and -1.7 % over the 180: blocks a day are 144 (1 + 14 g) while the hash rate grows at
# g a day, since the difficulty is a fortnight old in the mean.

# %%
exits = validation.exits()
picture(
    "A fifth of the hash rate leaves",
    [
        Pane(
            "Blocks a day (144 is normal)",
            pd.DataFrame({name: run.daily["blocks"] for name, run in exits.items()}),
            level=144.0,
        ),
        Pane(
            "Difficulty, % of before",
            pd.DataFrame(
                {
                    name: 100.0 * run.daily["difficulty"] / run.daily["difficulty"].iloc[0]
                    for name, run in exits.items()
                }
            ),
            steps=True,
        ),
    ],
    simulated=True,
)

# %%
show(validation.issuance_checks(exits), history="expected")

# %% [markdown]
# ## Drift of the hash price
#
# What a miner may expect of the hash price decides whether hosting AI pays. This project reckons with
# -24 % a year (log), and -11 % as the mildest. It is measured on your own data; the recorded
# figures are those of Coin Metrics community data from January 2019 to June 2025, and about: the line
# through these years falls by 25 % a year (90 %: 18 to 31), the mean change is -18 % a year (90 %:
# -68 to +34).

# %%
if real is None:
    print("Not measured here: set HASHPIVOT_DATA to a folder of real data.")
    shown = None
else:
    from toolkit.network.drift import drift, trends_by_start

    since = real["hash_price"].loc["2019":]
    found, by_start = drift(since), trends_by_start(since)
    years = (since.index - since.index[0]).days / 365.25
    level = np.log(since).mean() - found.trend * np.mean(years)
    lines = (
        pd.DataFrame(
            {
                "hash price": np.log10(since),
                f"line, {found.trend:.1%} a year": (level + found.trend * years) / np.log(10.0),
            },
            index=since.index,
        )
        .resample("2W")
        .mean()
    )
    starts = pd.DataFrame({"slope": 100.0 * by_start})
    shown = picture(
        "Hash price since 2019",
        [
            Pane("Log10 of USD per PH/s per day, means of two weeks (2 is 100)", lines),
            Pane("Slope of the line from each month on, % per year", starts),
        ],
        simulated=False,
    )
shown

# %%
if real is not None:
    shown = show(validation.drift_checks(found, by_start), model="assumed", history="measured")
shown

# %% [markdown]
# The two intervals answer two questions. The line's slope is near -24 %, and its interval holds if the
# hash price keeps returning to the line. If it wanders, as prices do, the years since 2019 say little
# about the next ones: in the mean it fell by 18 % a year, and could as well have fallen by 68 % or risen
# by 34 %. **The mildest start is not reproduced**: to June 2025 no line of three years or more is
# flatter than -19 %, against the -11 % that were recorded. Read every present value over a range of
# drifts: hosting less mining in USD/MWh, by years to the first rent and the cost of money.

# %%
if real is not None:
    from toolkit.signals.relative_economics import sensitivity

    shown = sensitivity(panel)["spread"].unstack("hash_price_drift").round(1)
shown

# %% [markdown]
# ## The next retarget
#
# Forecasts for every epoch since 2017, each fitted on the epochs before it, at the first day's end
# at which a share of the epoch is mined, against 600 s over the mean interval, as public explorers
# show it. Recorded on Coin Metrics community data to June 2025, 226 epochs: the error is 39, 30 and
# 11 % smaller at 5, 10 and 25 % of an epoch, then 3, 1 and 1 %; bands of 90 % held 87 to 91 %.

# %%
errors = None
if real is not None:
    from toolkit.network.forecast_record import epoch_progress, forecast_errors, past_forecasts

    field = panel.fields["difficulty"]
    # Retargets are public six hours after the block; the days of this source end 55 minutes late.
    starts = field.available_at.tz_localize(None) - pd.Timedelta(hours=6)
    epochs = pd.DataFrame(
        {
            "height": 2016 * np.arange(len(starts)),
            "difficulty": field.values.iloc[:, 0].to_numpy(),
        },
        index=starts,
    )
    mined = (real["blocks"].cumsum() + 1.0).shift(freq="D")
    past = past_forecasts(
        epoch_progress(mined, epochs, 3_300.0), epochs, pd.Timestamp("2017-01-01"), 1_800.0
    )
    errors = forecast_errors(past)[
        ["epochs", "error", "plain_interval", "floor", "ratio_interval", "coverage"]
    ]
errors if errors is None else errors.round(4)

# %%
if errors is not None:
    errors = show(validation.forecast_checks(errors), model="forecast", history="plain, or nominal")
errors

# %% [markdown]
# From half an epoch on what is left is block luck: the column `floor` is the error of somebody who knows
# the hash rate exactly. One figure depends on how the days of the source are read. If they ended on
# time, and not 55 minutes late, the error at 90 % of an epoch would be 2.3 % above the plain one
# instead of 1 % below it, and just miss the bar of 2 %.

# %% [markdown]
# ## What is met and what is not

# %%
table = validation.check_table(rows).rename(columns={"model": "model, SIMULATED"})
print(f"{(table['met'] == 'yes').sum()} met, {(table['met'] == 'NO').sum()} not")
if real is None:
    print("not measured: drift of the hash price, forecast of the next retarget")
table[table["met"] == "NO"].drop(columns="met").set_index(["case", "quantity"]).round(2)

# %% [markdown]
# What this page does not test: how fast new machines are ordered, how many displaced ones come back,
# and when owners turn to hosting. No past episode isolates them, so those settings are
# assumptions, and a run that rests on them is a scenario, not a forecast.
