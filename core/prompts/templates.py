"""The texts a row becomes: what a model is trained on, and what it is asked with. Knows strings alone; EOS is the encoder's.

Values are joined in, never formatted in: braces, placeholders or headings inside a row stay what they are.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from core.errors import UsageError
from core.prompts.splitter import ALPACA, Markers, Start
from core.row import Row

Kind = Literal["prompt", "reasoning", "marker", "response"]


class Segment(msgspec.Struct, frozen=True):
    """A stretch of the training text. `prompt` is given to the model; it writes `reasoning`, `marker` and `response` itself."""

    kind: Kind
    text: str


class Template(msgspec.Struct, frozen=True):
    """A pattern with the slots `{instruction}`, `{input}`, perhaps `{reasoning}`, and `{output}` at its end, each once and in this order.

    input_block: the part of the pattern, slot and blank line included, that `drop_empty_input` takes away for a row whose input is "".
    markers, start: how a splitter reads an answer to `prompt`.
    """

    name: str
    pattern: str
    input_block: str
    markers: Markers
    start: Start

    def __post_init__(self) -> None:
        slots = re.findall(r"\{(instruction|input|reasoning|output)\}", self.pattern)
        wanted = ["instruction", "input", *(["reasoning"] if self.has_reasoning else []), "output"]
        block_found = "{input}" in self.input_block and self.pattern.count(self.input_block) == 1
        if slots != wanted or not self.pattern.endswith("{output}") or not block_found:
            raise UsageError("the template's slots are off", self.name, "Use {instruction}, {input}, perhaps {reasoning}, then {output}, each once")

    @property
    def has_reasoning(self) -> bool:
        return "{reasoning}" in self.pattern

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False) -> str:
        """What inference feeds: all up to the place where the model writes, which is the reasoning where the template has one."""
        before, input_slot, after = self._around_input(input, drop_empty_input)
        head, tail = before.split("{instruction}")
        stop = after.index("{reasoning}" if self.has_reasoning else "{output}")
        return head + instruction + tail + input_slot + after[:stop]

    def answer_prompt(self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False) -> str:
        """All up to and with the heading of the response, `reasoning` written in. A template without reasoning leaves it out."""
        prompt = self.prompt(instruction, input, drop_empty_input)
        return prompt + reasoning + self._response_marker() if self.has_reasoning else prompt

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, in stretches; joined they are the text to the byte. A stretch may be empty."""
        segments = [Segment("prompt", self.prompt(row.instruction, row.input, drop_empty_input))]
        if self.has_reasoning:
            segments += [Segment("reasoning", row.reasoning), Segment("marker", self._response_marker())]
        return [*segments, Segment("response", row.output)]

    def _around_input(self, input: str, drop_empty_input: bool) -> tuple[str, str, str]:
        if drop_empty_input and not input:
            before, after = self.pattern.split(self.input_block)
        else:
            before, after = self.pattern.split("{input}")
        return before, input, after

    def _response_marker(self) -> str:
        return self.pattern.partition("{reasoning}")[2].removesuffix("{output}")


_VANILLA = """\
Below is an instruction that describes a task, paired with an input that provides further context. \
Write a response that appropriately completes the request.

### Instruction:
{instruction}

### Input:
{input}

### Response:
{output}"""

_REASONING = """\
Below is an instruction that describes a task, paired with an input that provides further context. \
You should write a response that appropriately completes the request.
To improve quality of response, you should perform validation before writing. \
You should create REASONING for validation in advance, and improve the response if necessary.

### Instruction:
{instruction}

### Input:
{input}

### Reasoning:
{reasoning}

### Response:
{output}"""

_INPUT_BLOCK = "### Input:\n{input}\n\n"

TEMPLATES = {
    template.name: template
    for template in (
        Template("alpaca", _VANILLA, _INPUT_BLOCK, ALPACA, "response"),
        Template("alpaca-reasoning", _REASONING, _INPUT_BLOCK, ALPACA, "reasoning"),
    )
}


def get_template(name: str) -> Template:
    """Raises UsageError naming the templates there are."""
    if name not in TEMPLATES:
        raise UsageError("there is no such template", name, f"Choose one of: {', '.join(TEMPLATES)}")
    return TEMPLATES[name]
