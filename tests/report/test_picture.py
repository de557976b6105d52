"""Pictures say what they show, say when it is simulated, and are the same for the same numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from toolkit.errors import DataError
from toolkit.report.picture import Pane, picture

DAYS = pd.date_range("2024-01-01", periods=40)
LINES = pd.DataFrame({"model": np.arange(40.0), "history": np.arange(40.0) ** 1.1}, index=DAYS)
PANES = [
    Pane("Hash rate, EH/s", LINES),
    Pane("Blocks <a day> & more", LINES[["model"]], level=144.0),
]


def text_of(svg: str) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_it_is_well_formed_and_names_panes_and_lines():
    shown = text_of(picture("Two & two", PANES, simulated=False).svg)
    for text in ("Two & two", "Hash rate, EH/s", "Blocks <a day> & more", "model", "history"):
        assert text in shown
    assert "SIMULATED" not in shown


def test_a_simulated_picture_says_so():
    assert "SIMULATED" in text_of(picture("Title", PANES, simulated=True).svg)


def test_the_same_numbers_give_the_same_bytes_and_others_do_not():
    first = picture("Title", PANES, simulated=True).svg
    assert picture("Title", PANES, simulated=True).svg == first
    other = [Pane("Hash rate, EH/s", LINES + 0.5 * np.sin(LINES)), PANES[1]]
    assert picture("Title", other, simulated=True).svg != first


def test_notebooks_show_it_by_themselves():
    drawn = picture("Title", PANES, simulated=True)
    assert drawn._repr_svg_() == drawn.svg


@pytest.mark.parametrize("panes", [[], [Pane("Empty", LINES * np.nan)]])
def test_nothing_to_draw_is_refused(panes):
    with pytest.raises(DataError):
        picture("Title", panes, simulated=False)
