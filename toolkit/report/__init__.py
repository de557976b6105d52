"""The report page."""

from toolkit.report.page import key_figures, render

__all__ = ["key_figures", "render"]
