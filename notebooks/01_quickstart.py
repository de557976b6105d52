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
# # Quickstart
#
# One strategy, from its TOML file to a checked result. Everything below runs on the embedded market,
# which is **simulated**: it shows how the tools work and says nothing about any real market. On a
# folder of real prices, pass `["data.folder='path/to/data'"]` as overrides.

# %%
import pandas as pd

from toolkit import Experiment

experiment = Experiment.from_toml("difficulty_rotation")
result = experiment.run()
result

# %% [markdown]
# Before any figure it says how much the record can tell at all: how many independent bets it holds,
# and the smallest information ratio that it could have told from luck.
#
# ## Can it be trusted?
#
# Two engines account for the same orders, and the look-ahead audit recomputes the strategy with
# the future cut away.

# %%
print("largest gap between the two accounts:", result.reconciliation.max_relative_gap)
print("look-ahead differences:", result.audit.differences, "at", result.audit.cuts, "cuts")
for blind_spot in result.audit.cannot_see:
    print("the audit cannot see:", blind_spot)

# %% [markdown]
# ## What it did
#
# Weights at the end of each session by asset, and the limits in their three columns: at the decision,
# after the fill, and the worst passive drift until the next decision.

# %%
result.weights.loc[:, result.weights.max() > 0.05].resample("YE").last().round(3)

# %%
result.limits.groupby("limit")[["cap", "at_decision", "after_fill", "drift"]].max().round(3)

# %% [markdown]
# ## One change at a time
#
# The same call with another setting is another experiment. Count how many you try: each one
# makes the best of them less believable.

# %%
variants = {
    every: Experiment.from_toml(
        "difficulty_rotation", [f"schedule.every={every}", "checks.replay=false"]
    ).run()
    for every in ("week", "month", "quarter")
}
print("variants tried:", len(variants))
pd.DataFrame([variant.power for variant in variants.values()], index=list(variants))

# %%
for every, variant in variants.items():
    net = variant.metrics()["net"]
    print(
        f"{every:8} Sharpe {net['sharpe']:.2f}  turnover {net['turnover']:.0%} a year (simulated)"
    )

# %% [markdown]
# ## Against what?
#
# A strategy is compared with portfolios that have no opinion, on the same market, dates and costs.

# %%
names = ("bitcoin_only", "equal_weight", "static_mix", "inverse_volatility", "trend_control")
others = {name: Experiment.from_toml(name, ["checks.replay=false"]).run() for name in names}
pd.DataFrame([plain.power for plain in others.values()], index=list(others))

# %%
for name, plain in others.items():
    other = plain.metrics()["net"]
    print(
        f"{name:20} CAGR {other['cagr']:6.1%}  Sharpe {other['sharpe']:5.2f}  "
        f"max drawdown {other['max_drawdown']:6.1%} (simulated)"
    )
