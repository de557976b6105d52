"""The retarget forecast on the real epochs since 2017, each fitted on the epochs before it.

Judged at the first UTC day end at which a share of the 2,016 blocks is mined. Errors in percentage
points of difficulty. Exact: block counts, difficulties, changes. Estimated, to about an hour: the
start of an epoch. The days of the source seem to end 55 minutes after midnight, so the second table
sets the clock right, for the plain estimate as well. Needs HASHPIVOT_DATA; stops at 2025-06-30.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pandas as pd

from toolkit.network.forecast import fit_prior
from toolkit.network.forecast_record import epoch_progress, forecast_errors, past_forecasts

TRAINING, FIRST, LAST = (pd.Timestamp(day) for day in ("2012-01-01", "2017-01-01", "2025-06-30"))
CLOCKS = (
    ("days end at midnight", 0.0, 3600.0),
    ("days end 55 minutes later", 3300.0, 1800.0),
)


def main() -> int:
    if not os.environ.get("HASHPIVOT_DATA"):
        print("HASHPIVOT_DATA is not set to a folder of real data", file=sys.stderr)
        return 1
    folder = Path(os.environ["HASHPIVOT_DATA"])
    daily = pd.read_csv(folder / "btc_network_daily.csv.gz", parse_dates=["date"], index_col="date")
    epochs = pd.read_csv(
        folder / "btc_difficulty_epochs.csv", parse_dates=["start_time_utc_est"]
    ).set_index("start_time_utc_est")
    epochs.index = pd.DatetimeIndex(epochs.index).tz_localize(None)
    epochs, blocks = epochs.loc[:LAST], daily.loc[:LAST, "blocks"]
    # The first block of the chain is in no day's count.
    mined = blocks.cumsum().add(1.0).set_axis(blocks.index + pd.Timedelta(days=1))
    old = epochs.loc[: FIRST - pd.Timedelta(seconds=1)]
    progress = epoch_progress(mined.loc[: old.index[-1]], old)
    for window in (13, 26, 52):
        show(
            f"epochs of 2012 to 2016, fitted on the {window} before each",
            past_forecasts(progress, old, TRAINING, fit_epochs=window),
        )
    print(f"\nprior of the last epoch before 2017: {fit_prior(old['difficulty'])}")
    for clock, lag, error in CLOCKS:
        show(
            f"epochs since 2017, {clock}; standard error of the elapsed time {error:.0f} s",
            past_forecasts(epoch_progress(mined, epochs, lag), epochs, FIRST, error),
        )
    return 0


def show(title: str, forecasts: pd.DataFrame) -> None:
    table = forecast_errors(forecasts)
    for column in ("error", "plain", "plain_interval", "floor"):
        table[column] *= 100.0
    print(f"\n{title}\n{table.round(3).to_string()}")


if __name__ == "__main__":
    sys.exit(main())
