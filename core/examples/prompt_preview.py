"""The prompts that inference feeds to a tuned model for a row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.examples.example import AnyTemplate, drops_empty_input, joined_text
from core.runs.spec import PromptSection
from core.tokens.encode import encode_prompt

if TYPE_CHECKING:
    from core.tokens.segments import Segment
    from core.tokens.tokenizer import TextTokenizer


class InferencePrompt(msgspec.Struct, frozen=True):
    """A prompt that inference feeds, up to where the model begins to write."""

    purpose: str
    """What the model is to write."""
    template: str = ""
    """Name of its template; empty where no template has such a prompt."""
    text: str = ""
    """The complete prompt."""
    tokens: int | None = None
    """Tokens of the prompt; None without a tokenizer."""
    why: str = ""
    """Why there is no prompt; then the text is empty."""


def inference_prompts(
    row: Row, templates: Sequence[AnyTemplate], prompt: PromptSection, tokenizer: TextTokenizer | None
) -> list[InferencePrompt]:
    """The three prompts of a row: for reasoning and answer, for an answer without reasoning, and for the answer that
    follows the row's own reasoning. Each is made with the first of `templates` that has such a prompt."""
    with_reasoning = next((template for template in templates if template.has_reasoning), None)
    plain = next((template for template in templates if not template.has_reasoning), None)

    def question_segments(template: AnyTemplate) -> Sequence[Segment]:
        return template.row_prompt_segments(row, drops_empty_input(prompt, template))

    def answer_segments(template: AnyTemplate) -> Sequence[Segment]:
        return template.row_answer_segments(row, drops_empty_input(prompt, template))

    prompts = []
    for purpose, template, make_segments, missing in (
        ("reasoning and answer", with_reasoning, question_segments, "no template here has a reasoning"),
        ("answer without reasoning", plain, question_segments, "every template here has a reasoning"),
        ("answer after this row's reasoning", with_reasoning, answer_segments, "no template here has a reasoning"),
    ):
        if template is None:
            prompts.append(InferencePrompt(purpose, why=missing))
        else:
            prompts.append(_prompt_of(purpose, template, make_segments, tokenizer))
    return prompts


def _prompt_of(
    purpose: str,
    template: AnyTemplate,
    make_segments: Callable[[AnyTemplate], Sequence[Segment]],
    tokenizer: TextTokenizer | None,
) -> InferencePrompt:
    try:
        segments = make_segments(template)
        tokens = len(encode_prompt(segments, tokenizer)) if tokenizer is not None else None
    except DataError as error:
        return InferencePrompt(purpose, template.name, why=error.what)
    return InferencePrompt(purpose, template.name, joined_text(segments), tokens)
