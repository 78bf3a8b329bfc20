"""One row of reasoning data, the type that every room shares."""

from __future__ import annotations

import hashlib

import msgspec

COLUMNS = ("instruction", "input", "reasoning", "output", "syslang", "sysflag")
TEXTS = COLUMNS[:4]  # the columns with a row's texts; the other two classify it
CONTEXT = ("system", "history", "tools")  # what a conversation holds besides its last question and reply
FIELDS = (*COLUMNS, *CONTEXT)  # every text of a row, in the order in which rows are stored
IDENTITY_FIELDS = (*TEXTS, *CONTEXT)  # what makes two rows different; language and flag do not
OPTIONAL = ("input", "reasoning", "syslang", "sysflag", *CONTEXT)


class Row(msgspec.Struct, frozen=True):
    """The six canonical columns of a row as text, and the context of its question. A column that the source lacks is
    empty."""

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
    system: str = ""
    """The system prompt before the conversation; may be empty."""
    history: str = ""
    """The turns before the question, as JSON of messages (see `core.base.chat_history`); empty where there are none."""
    tools: str = ""
    """The definitions of the tools that the model may call, as the JSON text of a list; empty where there are none."""
    index: int = -1
    """Position of the row in its source, from 0; -1 for a row that has no source."""

    @property
    def has_reasoning(self) -> bool:
        """Whether the reasoning holds more than white space."""
        return not is_blank(self.reasoning)

    @property
    def has_context(self) -> bool:
        """Whether a system prompt, earlier turns or tools belong to the question."""
        return bool(self.system or self.history or self.tools)

    def as_record(self) -> dict[str, str | int]:
        """The six columns, the context where there is any, and the index, by name."""
        context = {column: text for column in CONTEXT if (text := getattr(self, column))}
        return {**{column: getattr(self, column) for column in COLUMNS}, **context, "index": self.index}

    def identity(self) -> str:
        """32 hex digits of the texts and the context: equal in any process, file and order."""
        digest = hashlib.blake2b(digest_size=16)
        columns = IDENTITY_FIELDS if self.has_context else TEXTS
        for column in columns:
            text = getattr(self, column).encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "little") + text)
        return digest.hexdigest()


def is_blank(text: str) -> bool:
    """Whether `text` is empty or only white space. Stops at the first other character."""
    return not text or text.isspace()
