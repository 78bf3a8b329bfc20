"""The heading of a field in the row pane: its name, lengths and marks, cut to a width. Knows no widget."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from core.base.plural import counted
from tui.actions import key_of
from tui.data.row_fields import HEADINGS

Piece = tuple[str, str]
"""Safe text, and the name of its style."""


def heading_pieces(
    column: str,
    text: str,
    width: int,
    has_cursor: bool,
    alone: bool,
    folded: bool,
    differs: bool,
    tokens: int | None,
    matches: int,
) -> list[Piece]:
    """The heading of the field `column` with the foreign `text`, in at most `width` cells.

    alone: whether only this field is shown; differs: whether it differs from the source; tokens: None where they are
    not counted; matches: of the search.
    """
    words = [counted(len(text), "character")] if text else ["empty"]
    if text and tokens is not None:
        words.append(counted(tokens, "token"))
    if matches:
        words.append(f"{matches:,} match{'es' if matches > 1 else ''}")
    lines = text.count("\n") + 1
    if lines > 1:
        words.append(f"{lines:,} lines")
    if folded and text and not alone:
        words.append(f"folded, {key_of('data.fold_field')} unfolds it")
    pointer = "" if alone else "  "
    if has_cursor:
        pointer = "> "
    style = "cursor" if has_cursor else "dim"
    pieces = [
        (pointer + HEADINGS.get(column, column), "cursor" if has_cursor else "heading"),
        ("  ", style),
        ("● " if differs else "", style if has_cursor else "mark"),
        (" · ".join(words), style),
    ]
    return cut_pieces(pieces, width)


def cut_pieces(pieces: list[Piece], width: int) -> list[Piece]:
    """The pieces, cut to at most `width` cells."""
    cut: list[Piece] = []
    for text, style in pieces:
        cells = cell_len(text)
        if cells > width:
            return [*cut, (set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else "", style)]
        cut.append((text, style))
        width -= cells
    return cut
