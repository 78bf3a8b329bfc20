"""The texts a row becomes: what a model is trained on, and what it is asked with. Knows strings alone; EOS is the
encoder's.

Values are joined in, never formatted in: braces, placeholders or headings inside a row stay what they are. Where
templates come from, and how a file of one reads, is `template_file`'s.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal

import msgspec

from core.base.errors import UsageError
from core.base.languages import language_code
from core.base.row import Row
from core.splitter.splitter import Markers, Splitter, Start
from core.tokens.segments import Segment

DEFAULT = "default"  # the version for languages that have none of their own
SLOTS = ("instruction", "input", "reasoning", "output")


class Version(msgspec.Struct, frozen=True):
    """A text with the slots `{instruction}`, `{input}`, perhaps `{reasoning}`, and `{output}` at its end, each once and
    in this order.

    input_block: the part of the text, slot and blank line included, that `drop_empty_input` takes away for a row whose
    input is "". markers: how a splitter reads an answer to the prompt. Raises UsageError, whose `where` is the key that
    is wrong.
    """

    text: str
    input_block: str
    markers: Markers

    def __post_init__(self) -> None:
        slots = re.findall(r"\{(instruction|input|reasoning|output)\}", self.text)
        wanted = [slot for slot in SLOTS if slot != "reasoning" or self.has_reasoning]
        if slots != wanted or not self.text.endswith("{output}"):
            raise UsageError(
                "the template's slots are off",
                "text",
                "Use {instruction}, {input}, perhaps {reasoning}, then {output} last, each once",
            )
        if "{input}" not in self.input_block or self.text.count(self.input_block) != 1:
            raise UsageError(
                "it must stand in the text, once, and hold {input}",
                "input_block",
                "Copy the heading, {input} and the blank line",
            )
        if re.search(r"\{(instruction|reasoning|output)\}", self.input_block):
            raise UsageError("it holds more than {input}", "input_block", "Leave the other slots out of it")
        if self.has_reasoning:
            self._read_back()

    def _read_back(self) -> None:
        """Raises UsageError where an answer as the text has it could not be told apart into its sections."""
        splitter = Splitter(self.markers, "reasoning")
        splitter.feed(f"a{self.response_marker}b")
        splitter.close()
        if (splitter.reasoning.strip(), splitter.response.strip()) != ("a", "b"):
            mark = self.response_marker.strip()
            what = (
                f"none of the response's reads {mark!r}, which the text has between {{reasoning}} and {{output}}"
                if mark
                else "nothing tells them apart"
            )
            raise UsageError(
                what, "markers", "Name it under markers.response; a heading must stand at the start of a line"
            )

    @property
    def has_reasoning(self) -> bool:
        return "{reasoning}" in self.text

    def prompt(self, instruction: str, input: str, drop: bool) -> str:
        head, tail, after = _cut(self.text, self.input_block if drop and not input else "{input}")
        return "".join((head, instruction, tail, input, after))

    @property
    def response_marker(self) -> str:
        """What stands between a reasoning and the response; empty where there is no reasoning."""
        return _after_reasoning(self.text)


@lru_cache(maxsize=256)
def _cut(text: str, at: str) -> tuple[str, str, str]:
    """What stands before the instruction, between it and the input, and after the input up to where the model
    writes."""
    before, after = text.split(at)
    head, tail = before.split("{instruction}")
    return head, tail, re.split(r"\{(?:reasoning|output)\}", after, maxsplit=1)[0]


@lru_cache(maxsize=256)
def _after_reasoning(text: str) -> str:
    return text.partition("{reasoning}")[2].removesuffix("{output}")


class ChatForm(msgspec.Struct, frozen=True):
    """The model's own chat template in place of a text; `core.templates.chat_template.bind` makes it one, with a
    tokenizer.

    reasoning: `field` gives it to the template as reasoning_content, `think` writes <think> into the text, `none`
    leaves it out, `auto` is whichever of these the model expects.
    """

    reasoning: Literal["auto", "field", "think", "none"] = "auto"


class Template(msgspec.Struct, frozen=True):
    """versions: by language, as `language_code` spells it, and `default`; empty for a chat form. words: one line for
    people.

    drop_empty_input: what the file says; a run's own setting wins. Raises UsageError where the versions do not fit each
    other.
    """

    name: str
    versions: dict[str, Version] = {}
    words: str = ""
    drop_empty_input: bool = False
    chat: ChatForm | None = None

    def __post_init__(self) -> None:
        if (self.chat is None) == (not self.versions):
            raise UsageError(
                "a template has either versions or a chat form", self.name, "Give it `versions` or `chat`, not both"
            )
        if self.versions and DEFAULT not in self.versions:
            raise UsageError(
                "there is no version for other languages",
                f"{self.name}: versions",
                "Name one of the versions `default`",
            )
        if len({version.has_reasoning for version in self.versions.values()}) > 1:
            raise UsageError(
                "some versions have a {reasoning} and some have none", self.name, "Make two templates of them"
            )
        if self.versions:
            _ = self.markers  # versions whose markers contradict each other are no template

    @property
    def has_reasoning(self) -> bool:
        """Whether it trains the reasoning of a row. Of a chat form: whether it would, where the model takes one."""
        return self.chat.reasoning != "none" if self.chat is not None else self.versions[DEFAULT].has_reasoning

    @property
    def pattern(self) -> str:
        """The text of the default version."""
        return self.versions[DEFAULT].text

    @property
    def markers(self) -> Markers:
        """Those of all versions, so that an answer in any language is read; `version(language).markers` are those of
        one."""
        return joined(version.markers for version in self.versions.values())

    @property
    def start(self) -> Start:
        """In which section the model begins to write."""
        return "reasoning" if self.has_reasoning else "response"

    def version(self, language: str = "") -> Version:
        """The version for a `syslang`, by any name of the language; the default where there is none."""
        if self.chat is not None:
            raise UsageError("this template is the model's own chat form", self.name, "Name a model")
        if len(self.versions) == 1 or not language:
            return self.versions[DEFAULT]
        code = language_code(language)
        return self.versions.get(code) or self.versions.get(code.split("-")[0]) or self.versions[DEFAULT]

    def content(self, language: str = "") -> str:
        """All that decides the training text of a row besides the row: a key for what was made of it."""
        return hashlib.sha256(
            msgspec.json.encode((self.version(language).text, self.version(language).input_block))
        ).hexdigest()

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False, language: str = "") -> str:
        """What inference feeds: all up to the place where the model writes, which is the reasoning where the template
        has one."""
        return self.version(language).prompt(instruction, input, drop_empty_input)

    def continue_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """What inference feeds to go on within a reasoning that was begun. Raises UsageError for a template without
        one."""
        if not self.has_reasoning:
            raise UsageError(
                "the template has no reasoning to go on with",
                self.name,
                "Choose one with a {reasoning}, such as alpaca-reasoning",
            )
        return self.prompt(instruction, input, drop_empty_input, language) + reasoning

    def answer_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """All up to and with the heading of the response, `reasoning` written in. A template without reasoning leaves
        it out."""
        prompt = self.prompt(instruction, input, drop_empty_input, language)
        return prompt + reasoning + self.version(language).response_marker if self.has_reasoning else prompt

    def prompt_segments(
        self, instruction: str, input: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`prompt` for `encode_prompt`, as a chat form has it too, whose special tokens count."""
        return [Segment("prompt", self.prompt(instruction, input, drop_empty_input, language))]

    def continue_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        return [Segment("prompt", self.continue_prompt(instruction, input, reasoning, drop_empty_input, language))]

    def answer_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        return [Segment("prompt", self.answer_prompt(instruction, input, reasoning, drop_empty_input, language))]

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, in stretches; joined they are the text to the byte. A stretch may be
        empty."""
        version = self.version(row.syslang)
        segments = [Segment("prompt", version.prompt(row.instruction, row.input, drop_empty_input))]
        if version.has_reasoning:
            segments += [Segment("reasoning", row.reasoning), Segment("marker", version.response_marker)]
        return [*segments, Segment("response", row.output)]


def joined(several: Iterable[Markers]) -> Markers:
    """One set of markers that reads what any of `several` read. Raises UsageError where they contradict each other."""
    marks = list(dict.fromkeys(several))
    if len(marks) == 1:
        return marks[0]
    if len({one.line_start for one in marks}) > 1:
        raise UsageError(
            "some versions' markers are headings and some are tags",
            "markers",
            "Give all versions the same `line_start`",
        )
    reasoning, response, runaway = (
        {mark: None for one in marks for mark in getattr(one, key)} for key in ("reasoning", "response", "runaway")
    )
    return Markers(tuple(reasoning), tuple(response), tuple(runaway), marks[0].line_start)
