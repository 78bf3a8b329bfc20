"""The one table of control characters, hidden characters and otherwise unsafe characters, as ranges of code points.

Knows nothing of terminals, rows or findings. Imports nothing heavy.
"""

from __future__ import annotations

Ranges = tuple[tuple[int, int], ...]
"""Inclusive ranges of code points."""

CONTROLS: Ranges = ((0x00, 0x08), (0x0B, 0x0C), (0x0E, 0x1F), (0x7F, 0x9F))
"""C0, DEL and C1, except tab, newline and carriage return, which are white space in ordinary text."""

CARRIAGE_RETURN: Ranges = ((0x0D, 0x0D),)
"""Ordinary in text with Windows line ends, but a terminal moves its cursor."""

REORDERING: Ranges = ((0x061C, 0x061C), (0x200E, 0x200F), (0x202A, 0x202E), (0x2066, 0x2069))
"""Bidirectional marks, embeddings, overrides and isolates: they reorder the text beside them."""

ZERO_WIDTH: Ranges = ((0x200B, 0x200B), (0x2060, 0x2065), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB))
"""Characters without width. The joiners U+200C and U+200D are not among them: emoji, Persian and Indic scripts need
them, and they neither reorder text nor reach a terminal as a command."""

TAGS: Ranges = ((0xE0000, 0xE007F),)
"""Invisible copies of ASCII. They hide text, except after U+1F3F4, where they spell the flag of a region."""

HIDDEN: Ranges = (*REORDERING, *ZERO_WIDTH, *TAGS)
"""Characters that hide or reorder text."""

LINE_SEPARATORS: Ranges = ((0x2028, 0x2029),)
"""Unicode's own line and paragraph separators: white space in ordinary text; terminals disagree about them."""

SURROGATES: Ranges = ((0xD800, 0xDFFF),)
"""Halves of UTF-16 pairs. Python keeps the bytes of a file name that is not UTF-8 as these; no encoder takes them."""

UNSAFE: Ranges = (*CONTROLS, *CARRIAGE_RETURN, *HIDDEN, *LINE_SEPARATORS, *SURROGATES)
"""All characters that foreign text must not contain when it is shown."""

RIGHT_TO_LEFT: Ranges = (
    (0x0590, 0x061B),
    (0x061D, 0x08FF),
    (0xFB1D, 0xFDFF),
    (0xFE70, 0xFEFE),
    (0x10800, 0x10FFF),
    (0x1E800, 0x1EFFF),
)
"""The blocks of right-to-left scripts, whose texts may need hidden characters to be read correctly."""

REPLACEMENT = "\ufffd"
"""The character that decoders insert where bytes were lost."""

BLACK_FLAG = "\U0001f3f4"
"""The emoji that tags follow to spell the flag of a region."""


def character_class(ranges: Ranges) -> str:
    """`ranges` as a character class of a regular expression, such as `[\\x00-\\x08]`."""
    return f"[{''.join(f'{_escape(first)}-{_escape(last)}' for first, last in ranges)}]"


def _escape(code: int) -> str:
    return f"\\U{code:08x}"
