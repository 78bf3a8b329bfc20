"""One row of reasoning data: the word that every room shares."""

from __future__ import annotations

import hashlib

import msgspec

COLUMNS = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
TEXTS = COLUMNS[:4]  # what a row says; the others say what it is
OPTIONAL = ("input", "reasoning", "syslang", "sysflag")


class Row(msgspec.Struct, frozen=True):
    """The six canonical columns as text, and `index`: the row's place in its source, from 0. What a source lacks is
    empty."""

    instruction: str
    input: str = ""
    reasoning: str = ""
    output: str = ""
    syslang: str = ""
    sysflag: str = ""
    index: int = -1

    def identity(self) -> str:
        """32 hex digits made of what the row says, not of where it stands: the same in any process, file and order."""
        digest = hashlib.blake2b(digest_size=16)
        for column in TEXTS:
            text = getattr(self, column).encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()
