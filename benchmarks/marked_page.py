"""The part of a page that a benchmark measured: what lies between two marks, and nothing else of it."""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
END = "<!-- end of what is measured -->"


def numbers_given() -> list[int]:
    """Whole numbers of the command line, in their order."""
    return [int(word) for word in sys.argv[1:] if not word.startswith("-")]


def parts(page: str, benchmark: str) -> tuple[str, str, str]:
    """A page of the docs up to the mark of a benchmark, what it measured, and the page from there."""
    begin = f"<!-- measured by benchmarks/{benchmark} -->"
    head, rest = (DOCS / page).read_text(encoding="utf-8").split(begin)
    measured, tail = rest.split(END)
    return head + begin, measured, END + tail


def tell(text: str, page: str, benchmark: str) -> None:
    """Print what was measured or, where the command says --write, put it on a page of the docs."""
    if "--write" not in sys.argv:
        print(text)
        return
    head, _, tail = parts(page, benchmark)
    (DOCS / page).write_text(f"{head}\n\n{text}\n\n{tail}", encoding="utf-8")
