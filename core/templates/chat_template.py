"""A model's own chat template as a template for rows: what it writes around a row, with the row joined in as text.

`bind_chat_template` finds that text once, with stand-ins, so row text never meets the chat template's program: it
cannot change what the program does, and special tokens in it stay letters. Values are not trimmed, whatever the chat
template would do to them.

The training text is the chat template's generation prompt, then what the model writes, up to the end of its turn. What
the chat template writes after the model's end of sequence is left out, because the encoder adds that once. Knows text
alone; knows nothing of encoding or models.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from core.base.errors import UsageError
from core.base.row import Row
from core.splitter.splitter import Markers, StartSection
from core.templates.template import Template
from core.tokens.segments import Segment

ReasoningPlace = Literal["field", "think", "none"]
"""Where a chat template has the reasoning. field: where it writes a message's `reasoning_content` (or `thinking`,
`reasoning`), in whatever markers it uses. think: as `<think>\\n...\\n</think>\\n\\n` in the assistant's text. Chat
templates that drop this from a message (as they do with earlier turns) still get it there, and where the generation
prompt opens `<think>`, the reasoning goes on from it. none: it is left out."""


class ChatTemplate(msgspec.Struct, frozen=True):
    """A model's own chat template, with the methods of Template. The question is the instruction and, after a blank
    line, the input if there is one."""

    name: str
    """The name that specifications use; empty until it is bound by name."""
    before: str
    """What it writes before the question."""
    after: str
    """What it writes after the question, up to where the model writes."""
    opening: str
    """What the model writes before its reasoning; before its answer where there is no reasoning."""
    closing: str
    """What the model writes between reasoning and answer."""
    tail: str
    """What the model writes after the answer, before the end of sequence."""
    reasoning_place: ReasoningPlace
    """Where the reasoning is written."""
    markers: Markers
    """How a splitter reads an answer."""
    start: StartSection
    """In which section the model begins to write."""
    prefix_kept: bool
    """Whether the training text begins with the chat template's own generation prompt, with which other servers ask."""
    words: str = ""
    """One line about the template, for users."""
    drop_empty_input: bool = False
    """Without effect here: an empty input is always left out."""
    leaves_out_reasoning: bool = False
    """Whether the reasoning was wanted and the chat template has no place for it."""

    @property
    def has_reasoning(self) -> bool:
        """Whether it trains the reasoning of a row."""
        return self.reasoning_place != "none"

    def version(self, language: str = "") -> ChatTemplate:
        """Itself: a chat template has one version for all languages."""
        return self

    def content_hash(self, language: str = "") -> str:
        """A hash of all that decides the training text of a row besides the row, 64 hex digits: the key of what was
        encoded with it."""
        decisive = (self.before, self.after, self.opening, self.closing, self.tail, self.reasoning_place)
        return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False, language: str = "") -> str:
        """What inference feeds: the text up to where the model writes."""
        return _joined_text(self.prompt_segments(instruction, input))

    def continue_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """What inference feeds to continue a reasoning that was begun. Raises UsageError for a chat template without
        reasoning."""
        return _joined_text(self.continue_segments(instruction, input, reasoning))

    def answer_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """The text up to the answer, with `reasoning` written in. A chat template without reasoning leaves that out."""
        return _joined_text(self.answer_segments(instruction, input, reasoning))

    def prompt_segments(
        self, instruction: str, input: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`prompt` for `encode_prompt`."""
        question = f"{instruction}\n\n{input}" if input else instruction
        return [Segment("prompt", self.before, True), Segment("prompt", question), Segment("prompt", self.after, True)]

    def continue_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`continue_prompt` for `encode_prompt`."""
        if not self.has_reasoning:
            raise UsageError(
                "the model's chat template has no reasoning to continue",
                self.name,
                "Choose a template with a {reasoning}",
            )
        opening = _marker_segments(self.opening)
        return [*self.prompt_segments(instruction, input), *opening, Segment("reasoning", reasoning)]

    def answer_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`answer_prompt` for `encode_prompt`."""
        if self.has_reasoning:
            return [*self.continue_segments(instruction, input, reasoning), *_marker_segments(self.closing)]
        return [*self.prompt_segments(instruction, input), *_marker_segments(self.opening)]

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, as segments; joined they are the text to the byte."""
        return [
            *self.answer_segments(row.instruction, row.input, row.reasoning),
            Segment("response", row.output),
            *_marker_segments(self.tail),
        ]


AnyTemplate = Template | ChatTemplate
"""A template that rows can be drawn for: of text, or a model's own chat template."""


def _marker_segments(text: str) -> list[Segment]:
    return [Segment("marker", text, True)] if text else []


def _joined_text(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)
