"""One row of reasoning data, the type that every room shares."""

from __future__ import annotations

import hashlib

import msgspec

COLUMNS = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
TEXTS = COLUMNS[:4]  # the columns with a row's texts; the other two classify it
OPTIONAL = ("input", "reasoning", "syslang", "sysflag")


class Row(msgspec.Struct, frozen=True):
    """The six canonical columns of a row as text. A column that the source lacks is empty."""

    instruction: str
    """The task for the model."""
    input: str = ""
    """The text that the instruction is about; may be empty."""
    reasoning: str = ""
    """The thoughts that lead to the output; may be empty."""
    output: str = ""
    """The answer."""
    syslang: str = ""
    """The language of the row, as the source spells it."""
    sysflag: str = ""
    """The purpose of the row: `train`, `test` or any other word."""
    index: int = -1
    """Position of the row in its source, from 0; -1 for a row that has no source."""

    @property
    def has_reasoning(self) -> bool:
        """Whether the reasoning holds more than white space."""
        return not is_blank(self.reasoning)

    def identity(self) -> str:
        """32 hex digits of the four texts: equal in any process, file and order."""
        digest = hashlib.blake2b(digest_size=16)
        for column in TEXTS:
            text = getattr(self, column).encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()


def is_blank(text: str) -> bool:
    """Whether `text` is empty or only white space. Stops at the first other character."""
    return not text or text.isspace()
