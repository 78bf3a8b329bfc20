"""The editor of a template's file. Knows only text, which the room reads a moment after each change."""

from __future__ import annotations

from tui.common.safe_text_area import SafeTextArea

PASTE_LIMIT = 300_000  # characters; a template file may have 256 KiB


class TemplateArea(SafeTextArea):
    """Has line numbers, because errors name lines. Tab moves to the row beside it."""

    def __init__(self, *, id: str) -> None:
        super().__init__(paste_limit=PASTE_LIMIT, line_numbers=True, id=id)
