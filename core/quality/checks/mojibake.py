"""Text that was decoded with a wrong encoding, such as `cafÃ©`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base import characters
from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind, fix_each_text
from core.quality.text.garbled_text import is_garbled

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CONTROL = re.compile(characters.character_class(characters.CONTROLS))


def decode_garbled(text: str) -> str:
    """The text decoded again, line by line, where ftfy finds a way that leaves no garbled text and loses no letter;
    other lines stay unchanged."""
    return "\n".join(map(_decode_line, text.split("\n"))) if is_garbled(text) else text


def _decode_line(line: str) -> str:
    if not is_garbled(line):
        return line
    from ftfy import fix_encoding

    decoded = fix_encoding(line)
    is_worse = is_garbled(decoded) or characters.REPLACEMENT in decoded or _CONTROL.search(decoded)
    return line if is_worse else decoded


KINDS = (
    FindingKind(
        "mojibake",
        "warning",
        "text decoded with the wrong encoding (mojibake)",
        "The model would learn to write garbled letters",
        "Decode it again; the fix does so where the result is certain",
        fix_each_text("decode the text again where the result is certain", decode_garbled),
    ),
)


def check_mojibake(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        texts = block[column]
        for position in block.character_counts[column].garbled_candidates():
            if is_garbled(texts[position]):
                findings.add("mojibake", block.indices[position], column)


CHECK = RowCheck(KINDS, lambda context: check_mojibake)
