"""A model's own chat template as a template for rows: the text that it adds around a row, with the row's texts.

`bind_chat_template` finds that text once, with stand-ins, so that the text of a plain row never reaches the chat
template's program: it cannot change the program's result, and special tokens in it stay letters. A row with a system
prompt, earlier turns or tools is rendered by `core.templates.context_prompt`. Texts are trimmed where the chat template
trims them, and only there.

The training text is the chat template's generation prompt, then the model's text up to the end of its turn. The end of
sequence and the text after it are left out, because the encoder adds the end once. Knows only text; knows nothing of
encoding or models.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from core.base.errors import UsageError
from core.base.row import Row
from core.splitter.splitter import Markers, StartSection
from core.templates.answer_forms import ReasoningPlace
from core.templates.context_prompt import ContextPrompts
from core.templates.template import Template
from core.templates.thought_marks import opening_after
from core.templates.trimming import NOT_TRIMMED, Trimming
from core.tokens.segments import Segment


class ChatTemplate(msgspec.Struct, frozen=True):
    """A model's own chat template, with the methods of Template. The question is the instruction and, after a blank
    line, the input if there is one."""

    name: str
    """The name in specifications; empty until it is bound by name."""
    before: str
    """The text before the question."""
    after: str
    """The text after the question, up to where the model writes."""
    opening: str
    """The model's text before its reasoning; before its answer where there is no reasoning."""
    closing: str
    """The model's text between reasoning and answer."""
    tail: str
    """The model's text after the answer, before the end of sequence."""
    reasoning_place: ReasoningPlace
    """The place of the reasoning."""
    markers: Markers
    """The markers with which a splitter reads an answer."""
    start: StartSection
    """The section in which the model begins to write."""
    prefix_kept: bool
    """Whether the training text begins with the chat template's own generation prompt, as other servers use it."""
    words: str = ""
    """One line about the template, for users."""
    drop_empty_input: bool = False
    """Has no effect here: an empty input is always left out."""
    leaves_out_reasoning: bool = False
    """Whether the reasoning was wanted and the chat template has no place for it."""
    question_trim: Trimming = NOT_TRIMMED
    """The white space that the chat template takes from the question."""
    reasoning_trim: Trimming = NOT_TRIMMED
    """The white space that it takes from the reasoning."""
    answer_trim: Trimming = NOT_TRIMMED
    """The white space that it takes from the answer."""
    switches: str = ""
    """The switches of the chat template with which it is rendered, as `enable_thinking=True`; empty for none."""
    day: str = ""
    """The date that the chat template writes as today's, as `2026-11-28`; empty where it writes none."""
    rewrites_question: bool = False
    """Whether it changes white space or signs inside a question, so that the prompt of every question is rendered."""
    context: ContextPrompts | None = None
    """Renders the prompts of rows with context; None only for templates made by hand."""

    @property
    def has_reasoning(self) -> bool:
        """Whether a row's reasoning is part of the training text."""
        return self.reasoning_place != "none"

    def version(self, language: str = "") -> ChatTemplate:
        """Itself: a chat template has one version for all languages."""
        return self

    def content_hash(self, language: str = "") -> str:
        """A hash of everything besides the row that decides its training text, 64 hex digits; part of the key of
        encoded rows."""
        trims = (self.question_trim, self.reasoning_trim, self.answer_trim)
        texts = (self.before, self.after, self.opening, self.closing, self.tail, self.reasoning_place)
        program = "" if self.context is None else self.context.content_hash()
        return hashlib.sha256(msgspec.json.encode((*texts, *trims, self.day, program))).hexdigest()

    # for a question

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False, language: str = "") -> str:
        """The prompt for inference: the text up to where the model writes."""
        return _joined_text(self.prompt_segments(instruction, input))

    def continue_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """The prompt for inference that continues the beginning of a reasoning. Raises UsageError for a chat template
        without reasoning."""
        return _joined_text(self.continue_segments(instruction, input, reasoning))

    def answer_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """The text up to the answer, including `reasoning`. A chat template without reasoning leaves it out."""
        return _joined_text(self.answer_segments(instruction, input, reasoning))

    def prompt_segments(
        self, instruction: str, input: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`prompt` for `encode_prompt`."""
        if self.rewrites_question and self.context is not None:
            return self._rendered_prompt(self.context, Row(instruction, input))
        question = self.question_trim.apply(question_text(instruction, input))
        return [Segment("prompt", self.before, True), Segment("prompt", question), Segment("prompt", self.after, True)]

    def continue_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`continue_prompt` for `encode_prompt`."""
        return self._continued(self.prompt_segments(instruction, input), reasoning)

    def answer_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`answer_prompt` for `encode_prompt`."""
        return self._to_answer(self.prompt_segments(instruction, input), reasoning)

    # for a row, with its context

    def row_prompt_segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The prompt for inference with a row's question and context. Raises DataError where the chat template refuses
        the conversation."""
        if self.context is None or not (row.has_context or self.rewrites_question):
            return self.prompt_segments(row.instruction, row.input)
        return self._rendered_prompt(self.context, row)

    def row_continue_segments(self, row: Row, reasoning: str, drop_empty_input: bool = False) -> list[Segment]:
        """The prompt for inference that continues the beginning of a reasoning of the row. Raises UsageError for a chat
        template without reasoning; DataError as `row_prompt_segments`."""
        return self._continued(self.row_prompt_segments(row), reasoning)

    def row_answer_segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The text up to the row's answer, including its reasoning. Raises DataError as `row_prompt_segments`."""
        return self._to_answer(self.row_prompt_segments(row), row.reasoning)

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, as segments; joined they are exactly the text. Raises DataError as
        `row_prompt_segments`."""
        return [
            *self.row_answer_segments(row),
            Segment("response", self.answer_trim.apply(row.output)),
            *_marker_segments(self.tail),
        ]

    def context_losses(self, row: Row) -> tuple[str, ...]:
        """What of a row's context the chat template silently drops, as `dropped_context` names it. Raises DataError as
        `row_prompt_segments`."""
        if not row.has_context or self.context is None:
            return ()
        return self.context.prompt(row, question_text(row.instruction, row.input)).dropped

    def start_after(self, prompt: Sequence[Segment]) -> StartSection:
        """The section in which the model begins to write after a prompt of a row."""
        opens_earlier = self.has_reasoning and self.opening and not self._opening_after(prompt)
        return "reasoning" if opens_earlier else self.start

    # the parts of an answer

    def _rendered_prompt(self, context: ContextPrompts, row: Row) -> list[Segment]:
        parts = context.prompt(row, question_text(row.instruction, row.input)).parts
        return [Segment("prompt", text, special) for text, special in parts]

    def _continued(self, prompt: list[Segment], reasoning: str) -> list[Segment]:
        if not self.has_reasoning:
            raise UsageError(
                "the model's chat template has no reasoning to continue",
                self.name,
                "Choose a template with a {reasoning}",
            )
        begun = self.reasoning_trim.apply_left(reasoning)
        return [*prompt, *_marker_segments(self._opening_after(prompt)), Segment("reasoning", begun)]

    def _to_answer(self, prompt: list[Segment], reasoning: str) -> list[Segment]:
        if not self.has_reasoning:
            return [*prompt, *_marker_segments(self.opening)]
        complete = Segment("reasoning", self.reasoning_trim.apply(reasoning))
        opening = self._opening_after(prompt)
        return [*prompt, *_marker_segments(opening), complete, *_marker_segments(self.closing)]

    def _opening_after(self, prompt: Sequence[Segment]) -> str:
        """The model's text before its reasoning: another one after a prompt that ends in an unusual way, as some do
        after the result of a tool."""
        last = prompt[-1]
        return opening_after(last.text if last.special else "", self.after, self.opening)


AnyTemplate = Template | ChatTemplate
"""A template that rows can be drawn for: of text, or a model's own chat template."""


def question_text(instruction: str, input: str) -> str:
    """The user's message of a row: the instruction and, after a blank line, the input if there is one."""
    return f"{instruction}\n\n{input}" if input else instruction


def _marker_segments(text: str) -> list[Segment]:
    return [Segment("marker", text, True)] if text else []


def _joined_text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)
