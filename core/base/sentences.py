"""Ends words with a full stop where they do not end a sentence already."""

from __future__ import annotations

_ENDINGS = tuple("。！？.!?…")
_CLOSING = "\"'”’»)]）」』】"


def with_full_stop(words: str) -> str:
    """`words` without white space around them, and with a full stop unless a mark that ends sentences is last, quotes
    and brackets after it aside. Empty words stay empty."""
    words = words.strip()
    return f"{words}." if words and not words.rstrip(_CLOSING).endswith(_ENDINGS) else words
