"""A one-line text field with a steady cursor that shows foreign text safely and keeps it unchanged."""

from __future__ import annotations

import re
from typing import Any

from rich.text import Text
from textual.widgets import Input

from core.base.safe_text import UNSAFE, safe_text

# one character each, so that offsets in the text stay offsets on the line
_UNSHOWN = re.compile(f"{UNSAFE.pattern}|[\t\n]")


class Field(Input):
    """Compact, without a frame; a label beside it names it."""

    DEFAULT_CSS = """
    Field { width: 1fr; background: $panel; padding: 0 1 !important; margin: 0 !important; }
    Field:focus { background: $block-cursor-blurred-background; text-style: bold; }
    """

    def __init__(self, value: str = "", placeholder: str = "", *, id: str | None = None, **options: Any) -> None:
        super().__init__(value, placeholder, id=id, compact=True, **options)
        self.cursor_blink = False

    @property
    def _value(self) -> Text:
        text = _UNSHOWN.sub(lambda match: " " if match[0] in "\t\n" else safe_text(match[0]), self.value)
        return Text(text, no_wrap=True, overflow="ignore", end="")

    def put(self, text: str) -> None:
        """Replace the text and move the cursor to its end."""
        self.value = text
        self.cursor_position = len(text)
