"""The status of the network: what its daily series lack is told with the day."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from toolkit.cli.network import status_lines
from toolkit.panel import Field
from toolkit.signals.status import network_status


def test_an_absent_day_is_named_beside_the_readings_that_it_takes_away(sample_panel):
    field = sample_panel.fields["hash_rate"]
    days = field.values.index[[-390, -21, -20]]
    kept = ~field.values.index.isin(days)
    values = field.values[kept].copy()
    # No number on a day that has a row is the same.
    values.iloc[-5] = float("nan")
    gaps = Field(values, field.available_at[kept], field.unit, field.source)
    panel = replace(sample_panel, fields={**sample_panel.fields, "hash_rate": gaps})

    status = network_status(panel)
    absent = [*days[1:], values.index[-5]]
    assert status.absent_days == {"hash_rate": tuple(day.date() for day in absent)}
    states = {reading.name: reading.state for reading in status.signals}
    assert states["hash_ribbons"] == "no reading"
    assert status_lines(status)[-2].startswith(f"hash_rate lacks {days[1].date()} and 2 more days")
    told = status.as_json()["absent_days"]["hash_rate"]
    assert told == [f"{day:%Y-%m-%d}" for day in absent]

    before = network_status(panel.until(days[1] - pd.Timedelta(days=8)))
    assert before.absent_days == {"hash_rate": (days[0].date(),)}
