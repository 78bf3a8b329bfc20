"""Placeholders of pictures, sounds and films, which are not trained."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base.row import COLUMNS, TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind
from core.quality.text.code_in_text import without_code

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_MEDIA = "image|img|picture|photo|figure|audio|sound|speech|video"
_CANDIDATE = rf"(?i)[<\[](?:{_MEDIA})(?:[ _-]?\d+|_?placeholder|_?here)?[>\]]|!\[[^\]\n]*\]\([^)\n]+\)"
_PLACEHOLDER = re.compile(
    r"<(?P<name>image|audio|video|speech)(?:[ _-]?\d+|_?placeholder|_?here)?>|"
    r"<(?:img|picture|photo|figure|sound)(?:[ _-]?\d+|_?placeholder|_?here)>|"
    r"(?<!!)\[(?:image|img|audio|video)(?:[ _-]?\d+|_placeholder)?\](?!\()",
    re.IGNORECASE,
)
_PICTURE_LINK = re.compile(r"!\[[^\]\n]*\]\([^)\s]+\)")

KINDS = (
    FindingKind(
        "media_placeholder",
        "warning",
        "placeholder of a picture, sound or film",
        "Only texts are trained: the model would learn to answer about something that it cannot see",
        "Delete the row, or describe in words what the placeholder stands for",
    ),
)


def check_placeholders(block: RowBlock, findings: Findings) -> None:
    for column in (*TEXTS, "system", "history"):
        for position in block.positions_matching(column, _CANDIDATE):
            if _has_placeholder(block[column][position], column):
                findings.add("media_placeholder", block.indices[position], column if column in COLUMNS else "")


def _has_placeholder(text: str, column: str) -> bool:
    """Whether a placeholder stands in prose. HTML elements have attributes or an end tag; a link to a picture counts
    where the question shows it, since an answer may contain one."""
    prose = without_code(text)
    for found in _PLACEHOLDER.finditer(prose):
        if f"</{found['name'] or found[0][1:-1]}".lower() not in prose.lower():
            return True
    return column in ("instruction", "input") and _PICTURE_LINK.search(prose) is not None


CHECK = RowCheck(KINDS, lambda context: check_placeholders)
