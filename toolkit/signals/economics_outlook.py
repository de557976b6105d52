"""What hosting is worth against mining at the last decision of a panel, and what that hangs on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from toolkit.errors import InsufficientHistoryError
from toolkit.panel import Panel
from toolkit.signals.miner_economics import MinerKappaSpread
from toolkit.signals.relative_economics import KappaSpread, Ranges, sensitivity


@dataclass(frozen=True, eq=False)
class EconomicsOutlook:
    """Hosting less mining as it was known at a decision.

    Attributes
    ----------
    spread
        USD/MWh under the terms in use, as of `KappaSpread`.
    breakeven_hash_price
        USD per PH/s per day, below which hosting is worth more under those terms.
    sensitivity
        The comparison over the ranges, as of `sensitivity`.
    miners
        The spread with its own machines and power price, of each miner that has any.
    """

    spread: float
    breakeven_hash_price: float
    sensitivity: pd.DataFrame
    miners: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """Plain values; a row of the sensitivity is an object."""
        rows = self.sensitivity.reset_index().to_dict(orient="records")
        return {
            "spread": self.spread,
            "breakeven_hash_price": self.breakeven_hash_price,
            "sensitivity": [{str(name): value for name, value in row.items()} for row in rows],
            "miners": dict(self.miners),
        }


def economics_outlook(panel: Panel, signal: KappaSpread | None = None) -> EconomicsOutlook | None:
    """The comparison at the last decision; None where its conditions are not known then."""
    used = signal or KappaSpread()
    terms = Ranges(
        (used.mining.hash_price_drift,), (used.hosting.lead_years,), (used.discount_rate,)
    )
    try:
        table = sensitivity(panel, used)
        ours = sensitivity(panel, replace(used, ranges=terms)).iloc[0]
    except InsufficientHistoryError:
        return None
    own = MinerKappaSpread(replace(used, statistic="spread")).compute(panel).iloc[-1].dropna()
    return EconomicsOutlook(
        spread=float(ours["spread"]),
        breakeven_hash_price=float(ours["breakeven_hash_price"]),
        sensitivity=table,
        miners={str(asset): float(value) for asset, value in own.items()},
    )


def outlook_lines(outlook: EconomicsOutlook | None) -> list[str]:
    """The comparison as lines of text, none of them wider than a plain terminal."""
    if outlook is None:
        return [
            "Hosting against mining: no comparison, for want of a hash price or an asking rent."
        ]
    spreads = outlook.sensitivity["spread"]
    # A column a drift, the first input of the ranges, from mild to harsh as they are there.
    table = spreads.unstack(0)[spreads.index.get_level_values(0).unique()]
    width = max(map(len, outlook.miners), default=0)
    return [
        f"Hosting less mining {outlook.spread:+z.1f} USD/MWh under the terms in use;",
        f"{spreads.min():+z.1f} to {spreads.max():+z.1f} over the ranges, above 0 in "
        f"{int((spreads > 0.0).sum())} of {len(spreads)}. Under those terms hosting",
        f"is worth more below a hash price of {outlook.breakeven_hash_price:.1f} USD per PH/s per "
        "day.",
        f"{'hash price, log a year':<28}" + "".join(f"{drift:>+z9.2f}" for drift in table.columns),
        *(
            f"{f'{lead:.1f} years to rent, at {rate:.0%}':<28}"
            + "".join(f"{value:>+z9.1f}" for value in row)
            for (lead, rate), row in zip(table.index, table.to_numpy(), strict=True)
        ),
        *(
            f"{name:<{width}}  {spread:+z.1f} USD/MWh with its own machines and power price"
            for name, spread in outlook.miners.items()
        ),
    ]
