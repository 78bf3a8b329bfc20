"""What a question needs beyond what is typed: its language, its data set, and how its run was trained."""

from __future__ import annotations

import msgspec

from core.base.languages import east_asian_language
from core.data.locate.source_name import resolve_source_name
from core.engine.protocol import ChatQuestion
from core.runs.tuned_models import TunedModel
from core.templates.template import Template


def whole_question(question: ChatQuestion, row: tuple[str, str], data: str, template: Template | None) -> ChatQuestion:
    """The question with its language, its data set, and what its template says of an empty input. row: an instruction
    that came from a row, and the row's language; data: the data set's name."""
    instruction, language = row
    if not language or instruction != question.instruction:
        language = east_asian_language(question.instruction)
    return msgspec.structs.replace(
        question,
        data=resolve_source_name(data).address,
        language=language,
        drop_empty_input=template is not None and template.drop_empty_input,
    )


def as_trained(question: ChatQuestion, tuned: TunedModel) -> ChatQuestion:
    """The question, written as the rows of the run are."""
    return msgspec.structs.replace(question, drop_empty_input=tuned.drop_empty_input)


def with_draft(question: ChatQuestion, response: str, reasoning: str) -> ChatQuestion:
    """The question with the answer that stands there: one like it comes faster."""
    return msgspec.structs.replace(question, draft=response, draft_reasoning=reasoning if response else "")
