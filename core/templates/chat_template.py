"""The model's own chat template as a template for rows: what it writes around a row, found once with stand-ins, and the
row joined in as text.

The template renders stand-ins for question, reasoning and answer; each must come out once and unchanged. What it wrote
around them is the form. Row text never meets the program: it cannot change what the template does, and special tokens
in it stay letters. Values are not trimmed, whatever the template would do to them.

The training text is the template's generation prompt, then what the model writes, up to the end of its turn: what the
template writes after the model's end of sequence goes, since the encoder puts that there once. Where the reasoning
stands:

- field: where the template writes a message's `reasoning_content` (or `thinking`, `reasoning`), in whatever marks it
  has;
- think: `<think>\\n...\\n</think>\\n\\n` in the assistant's text. Templates that drop this from a message (as they do
  with earlier turns) still get
  it there, and where the generation prompt opens `<think>`, the reasoning goes on from it;
- none: it is left out, and `leaves_out_reasoning` says whether it was wanted.

Knows templates and tokenizers; knows nothing of encoding or models.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from core.base.errors import UsageError
from core.base.row import Row
from core.splitter.splitter import Markers, Start
from core.tokens.segments import Segment

Way = Literal["field", "think", "none"]



class ChatTemplate(msgspec.Struct, frozen=True):
    """A chat form bound to a model; has the methods of Template. The question is the instruction and, after a blank
    line, the input if there is one.

    before, after: what the template writes around the question, up to where the model writes. opening: what the model
    writes before its reasoning (before its answer where there is no reasoning), closing: between the two, tail: after
    the answer, before the end of sequence. way: where the reasoning stands. leaves_out_reasoning: it was wanted, and
    the model's template has no place for it. prefix_kept: the training text begins with the template's own generation
    prompt, which is what other servers ask with.
    """

    name: str
    before: str
    after: str
    opening: str
    closing: str
    tail: str
    way: Way
    markers: Markers
    start: Start
    prefix_kept: bool
    words: str = ""
    drop_empty_input: bool = False
    leaves_out_reasoning: bool = False

    @property
    def has_reasoning(self) -> bool:
        return self.way != "none"

    def version(self, language: str = "") -> ChatTemplate:
        """Itself: a chat template has one version for all languages."""
        return self

    def content(self, language: str = "") -> str:
        """All that decides the training text of a row besides the row: a key for what was made of it."""
        return hashlib.sha256(
            msgspec.json.encode((self.before, self.after, self.opening, self.closing, self.tail, self.way))
        ).hexdigest()

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False, language: str = "") -> str:
        """What inference feeds: all up to the place where the model writes."""
        return _joined(self.prompt_segments(instruction, input))

    def continue_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """What inference feeds to go on within a reasoning that was begun. Raises UsageError for a form without one."""
        return _joined(self.continue_segments(instruction, input, reasoning))

    def answer_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """All up to the answer, `reasoning` written in. A form without reasoning leaves it out."""
        return _joined(self.answer_segments(instruction, input, reasoning))

    def prompt_segments(
        self, instruction: str, input: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        asked = f"{instruction}\n\n{input}" if input else instruction
        return [Segment("prompt", self.before, True), Segment("prompt", asked), Segment("prompt", self.after, True)]

    def continue_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        if not self.has_reasoning:
            raise UsageError(
                "the model's chat form has no reasoning to go on with",
                self.name,
                "Choose a template with a {reasoning}",
            )
        return [*self.prompt_segments(instruction, input), *self._marker(self.opening), Segment("reasoning", reasoning)]

    def answer_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        if self.has_reasoning:
            return [*self.continue_segments(instruction, input, reasoning), *self._marker(self.closing)]
        return [*self.prompt_segments(instruction, input), *self._marker(self.opening)]

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, in stretches; joined they are the text to the byte."""
        return [
            *self.answer_segments(row.instruction, row.input, row.reasoning),
            Segment("response", row.output),
            *self._marker(self.tail),
        ]

    def _marker(self, text: str) -> list[Segment]:
        return [Segment("marker", text, True)] if text else []


def _joined(segments: list[Segment]) -> str:
    return "".join(segment.text for segment in segments)
