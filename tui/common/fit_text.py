"""Text in a given number of terminal cells."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from core.base.safe_text import safe_line


def fit_to_width(text: str, width: int) -> str:
    """Foreign text as one safe line of exactly `width` cells, `…` at its end where some is left out."""
    # a cell holds at most a few characters; what combines beyond that is cut
    return cut_line(safe_line(text, max(width, 1) * 2), width)


def cut_line(line: str, width: int) -> str:
    """A safe line of exactly `width` cells, `…` at its end where some is left out."""
    if cell_len(line) > width:
        line = set_cell_size(line, max(0, width - 1)).rstrip() + "…"
    return set_cell_size(line, max(0, width))
