"""Recognises text that was decoded with a wrong encoding (mojibake) with ftfy, which is imported when it is needed."""

from __future__ import annotations


def is_garbled(text: str) -> bool:
    """Whether ftfy recognises `text` as mojibake; never for ASCII."""
    from ftfy.badness import is_bad

    return not text.isascii() and is_bad(text)
