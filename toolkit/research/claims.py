"""What a study says of each of its claims: supported, refuted or not identifiable.

The rule is fixed before any figure is seen, and is the same for every claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from toolkit.research.bootstrap import Estimate, holm

LEVEL = 0.05
LEAST_CASES = 20


@dataclass(frozen=True)
class Claim:
    """A sentence that data could contradict.

    Parameters
    ----------
    text
        The sentence.
    sign
        1 where it says that the estimate is above 0, -1 where below.
    found
        The estimate; None where there is none.
    cases
        Independent cases it rests on: events, not the sessions around them.
    why
        What the reader should know of it.
    """

    text: str
    sign: int
    found: Estimate | None
    cases: int
    why: str = ""


def judge(claims: Sequence[Claim]) -> pd.DataFrame:
    """Every claim with its verdict.

    ``supported`` or ``refuted``: at least twenty cases, and the probability, corrected for the
    number of claims that were tested, is below 5 %. ``not identifiable``: everything else, which
    includes that there is an effect too small for this record.

    Returns
    -------
    DataFrame
        A row a claim: ``claim``, ``estimate``, ``low``, ``high``, ``cases``, ``p`` (corrected; NaN
        where it was not tested), ``verdict``, ``why``.
    """
    tested = {
        claim.text: claim.found.p_value
        for claim in claims
        if claim.found is not None and claim.cases >= LEAST_CASES
    }
    corrected = holm(tested)
    rows = []
    for claim in claims:
        found, p_value = claim.found, corrected.get(claim.text, float("nan"))
        verdict = "not identifiable"
        if found is not None and p_value < LEVEL:
            verdict = "supported" if claim.sign * found.value > 0.0 else "refuted"
        rows.append(
            {
                "claim": claim.text,
                "estimate": float("nan") if found is None else found.value,
                "low": float("nan") if found is None else found.low,
                "high": float("nan") if found is None else found.high,
                "cases": claim.cases,
                "p": p_value,
                "verdict": verdict,
                "why": claim.why,
            }
        )
    return pd.DataFrame(rows)
