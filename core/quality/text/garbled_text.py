"""Text that was decoded with a wrong encoding (mojibake): recognised by ftfy. Imports it only when it is needed."""

from __future__ import annotations


def is_garbled(text: str) -> bool:
    """Whether ftfy takes `text` for mojibake; never so for ASCII."""
    from ftfy.badness import is_bad

    return not text.isascii() and is_bad(text)
