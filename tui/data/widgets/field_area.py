"""A text field of several lines for a row's text."""

from __future__ import annotations

from tui.common.safe_text_area import SafeTextArea

PASTED = 1_000_000  # characters


class FieldArea(SafeTextArea):
    """Fills the space that it is given."""

    DEFAULT_CSS = """
    FieldArea {
        padding: 0 1; border: none; background: $surface; width: 1fr; height: 1fr; scrollbar-size-vertical: 1;
        &:focus { border: none; background: $panel; }
        & .text-area--placeholder { color: $text-muted; }
    }
    """

    def __init__(self, text: str = "", placeholder: str = "", *, id: str | None = None) -> None:
        super().__init__(text, placeholder, paste_limit=PASTED, id=id)
