"""What becomes of a row's system prompt, earlier turns and tools in a template, in words and counted."""

from __future__ import annotations

import msgspec

from core.base.chat_history import history_from_json, is_question_place
from core.base.errors import DataError
from core.base.plural import counted
from core.base.row import Row
from core.base.row_tally import RowTally
from core.examples.example import AnyTemplate
from core.templates.chat_template import ChatTemplate


def context_note(row: Row, template: AnyTemplate) -> str:
    """`the system prompt and 2 earlier turns are put into the Input` for a template of text; else empty."""
    if isinstance(template, ChatTemplate) or not (row.system or row.history):
        return ""
    try:
        turns = sum(not is_question_place(message) for message in history_from_json(row.history))
    except ValueError:
        return ""
    parts = (["the system prompt"] if row.system else []) + ([counted(turns, "earlier turn")] if turns else [])
    is_one = len(parts) == 1 and (bool(row.system) or turns == 1)
    return f"{' and '.join(parts)} {'is' if is_one else 'are'} put into the Input"


def context_losses(row: Row, template: AnyTemplate) -> tuple[str, ...]:
    """What of the row's context its text in this template lacks; nothing for a row that the template refuses."""
    try:
        return template.context_losses(row) if row.has_context else ()
    except DataError:
        return ()


def loss_words(lost: str, template: AnyTemplate) -> str:
    """`the model's chat template drops the system prompt`."""
    who = "the model's chat template" if isinstance(template, ChatTemplate) else "a template of text"
    return f"{who} drops the {lost}"


class ContextCounts(msgspec.Struct):
    """What became of the context of the rows of a training set."""

    rows: int = 0
    """Rows with a context."""
    in_input: RowTally = msgspec.field(default_factory=RowTally)
    """Rows whose system prompt and earlier turns are put into the Input of a template of text."""
    dropped: dict[str, RowTally] = {}
    """Rows that lose a part of their context, by what loses which part, in words."""

    def add(self, row: Row, template: AnyTemplate) -> None:
        """Counts one trained row with its template."""
        if not row.has_context:
            return
        self.rows += 1
        if context_note(row, template):
            self.in_input.add(row.index)
        for lost in context_losses(row, template):
            self.dropped.setdefault(loss_words(lost, template), RowTally()).add(row.index)

    def warnings(self) -> list[str]:
        """`the model's chat template drops the system prompt: 12 rows (0, 4, …)`, a sentence for each loss."""
        words = [f"{lost}: {tally.row_words()}" for lost, tally in self.dropped.items()]
        if self.in_input.count:
            words.append(f"system prompt and earlier turns are put into the Input: {self.in_input.row_words()}")
        return words
