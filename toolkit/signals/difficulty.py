"""Signals of difficulty and hash rate, in one place."""

from __future__ import annotations

from toolkit.signals.epochs import EpochChange, EpochReversal, ImpliedHashRate
from toolkit.signals.ribbons import HashRibbonCross, HashRibbons, RibbonCompression

__all__ = [
    "EpochChange",
    "EpochReversal",
    "HashRibbonCross",
    "HashRibbons",
    "ImpliedHashRate",
    "RibbonCompression",
]
