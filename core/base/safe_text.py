"""Makes foreign text safe to show on a terminal.

Foreign text is all text that the user did not type into this program: rows, answers, model names, file names, logs, and
errors that quote them. Terminals act on control characters, and some act on characters that only reorder or hide text;
the functions here remove them all. Markup is not handled here: foreign text is shown as `Content` or `Text` objects,
which do not parse markup.
"""

from __future__ import annotations

import re

from core.base import characters

UNSAFE = re.compile(characters.character_class(characters.UNSAFE))
"""One unsafe character. Each is replaced by a visible picture, so that a reader sees that it was there."""

_BREAKS = re.compile(r"\s*[\n\t]\s*")


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # ␀ .. ␟
    if code == 0x7F:
        return "␡"
    return characters.REPLACEMENT


def safe_text(text: str) -> str:
    """Text without any character that a terminal acts on. Newlines stay, CRLF becomes a newline, tabs become spaces (to
    the next multiple of 4 columns), other unsafe characters become visible."""
    text = text.replace("\r\n", "\n")
    return UNSAFE.sub(_picture, text).expandtabs(4)


def safe_line(text: str, limit: int = 500) -> str:
    """One line of safe text: line breaks and tabs become single spaces; text beyond `limit` characters is cut and ends
    in `…`.

    Cuts first, so that a megabyte in one cell costs no more than `limit` characters.
    """
    cut = text[: limit + 1]
    line = UNSAFE.sub(_picture, _BREAKS.sub(" ", cut.replace("\r\n", "\n"))).strip()
    return line[:limit] + "…" if len(cut) > limit else line
