"""Signals of difficulty and hash rate, in one place."""

from __future__ import annotations

from toolkit.signals.epochs import EpochChange, EpochReversal, ImpliedHashRate
from toolkit.signals.exits import NonPriceExit
from toolkit.signals.regression import DifficultyRegression
from toolkit.signals.retarget import NextRetarget
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons, RibbonCompression

__all__ = [
    "DifficultyRegression",
    "EpochChange",
    "EpochReversal",
    "HashRibbonCross",
    "HashRibbons",
    "ImpliedHashRate",
    "NextRetarget",
    "NonPriceExit",
    "RibbonCompression",
]
