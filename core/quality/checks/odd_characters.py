"""Characters that do not belong in a text: lost letters, control characters, characters that hide or reorder text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from core.base import characters
from core.base.characters import character_class
from core.base.row import TEXTS
from core.quality.check_interface import RowCheck
from core.quality.finding_kind import FindingKind, fix_each_text
from core.quality.text.character_classes import CharacterClass
from core.quality.text.garbled_text import is_garbled

if TYPE_CHECKING:
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock

_CONTROL = re.compile(character_class(characters.CONTROLS))
_HIDDEN = re.compile(character_class(characters.HIDDEN))
_HIDDEN_BUT_TAGS = re.compile(character_class(characters.REORDERING + characters.ZERO_WIDTH))
_RIGHT_TO_LEFT = re.compile(character_class(characters.RIGHT_TO_LEFT))


def hides_text(text: str) -> bool:
    """Whether hidden characters in a text hide anything. The tags of a flag emoji do not: they belong to it."""
    return characters.BLACK_FLAG not in text or _HIDDEN_BUT_TAGS.search(text) is not None


def remove_controls(text: str) -> str:
    """The text without control characters. Garbled text stays: its control characters are halves of letters."""
    return text if not _CONTROL.search(text) or is_garbled(text) else _CONTROL.sub("", text)


def remove_hidden(text: str) -> str:
    """The text without hidden characters. Text with right-to-left letters or the flag of a region stays unchanged,
    because it may need them."""
    return text if _RIGHT_TO_LEFT.search(text) or characters.BLACK_FLAG in text else _HIDDEN.sub("", text)


KINDS = (
    FindingKind(
        "replacement_character",
        "error",
        "replacement character (U+FFFD)",
        "Letters were lost when the text was read with the wrong encoding, and the model would learn to write the gaps",
        "Read the text from its source again, with the right encoding",
    ),
    FindingKind(
        "control_character",
        "warning",
        "control characters",
        "They are invisible, and the model would learn to write characters that break terminals and parsers",
        "Remove them",
        fix_each_text("remove the control characters", remove_controls),
    ),
    FindingKind(
        "hidden_character",
        "warning",
        "characters that hide or reorder text",
        "Zero-width and bidirectional characters make a text differ from what is shown, and split words into odd "
        "tokens",
        "Remove them, unless the language needs them",
        fix_each_text(
            "remove zero-width and bidirectional characters where the text has no right-to-left letters", remove_hidden
        ),
    ),
)


def check_characters(block: RowBlock, findings: Findings) -> None:
    for column in TEXTS:
        counts, texts = block.character_counts[column], block[column]
        for position in counts.positions_with(CharacterClass.REPLACEMENT):
            findings.add("replacement_character", block.indices[position], column)
        for position in counts.positions_with(CharacterClass.CONTROL):
            findings.add("control_character", block.indices[position], column)
        for position in counts.positions_with(CharacterClass.HIDDEN):
            if hides_text(texts[position]):
                findings.add("hidden_character", block.indices[position], column)


CHECK = RowCheck(KINDS, lambda context: check_characters)
