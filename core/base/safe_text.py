"""The one trust boundary: foreign text in, harmless text out.

Foreign is whatever a person did not type into this program: rows, answers, model names, file names, logs, errors that
quote them. Terminals act on control characters, and some act on what merely reorders or hides text; none of these leave
this module. Markup is not handled here: foreign text is shown as `Content` or `Text` objects, which have none.
"""

from __future__ import annotations

import re

# C0 except newline and tab, DEL, C1: what terminals act on. Each is replaced by a visible picture, so that a reader
# sees it was there. Bidirectional controls reorder what stands beside them, and zero-width or tag characters hide text;
# they are shown the same way. ZWJ (200D) and ZWNJ (200C) stay: emoji, Persian and Indic scripts need them, and they
# neither reorder nor reach the terminal as a command.
UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_BREAKS = re.compile(r"\s*[\n\t]\s*")


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # ␀ .. ␟
    if code == 0x7F:
        return "␡"
    return "�"


def safe_text(text: str) -> str:
    """Text that no terminal acts on. Newlines stay, tabs become spaces, CRLF becomes a newline, all other controls
    become visible."""
    text = text.replace("\r\n", "\n")
    return UNSAFE.sub(_picture, text).expandtabs(4)


def safe_line(text: str, limit: int = 500) -> str:
    """One line of safe text: line breaks and tabs become single spaces, and what is longer than `limit` characters ends
    in `…`.

    Cuts first, so that a megabyte in one cell costs no more than `limit` characters.
    """
    cut = text[: limit + 1]
    line = UNSAFE.sub(_picture, _BREAKS.sub(" ", cut.replace("\r\n", "\n"))).strip()
    return line[:limit] + "…" if len(cut) > limit else line
