"""A template: makes the training text and the prompts of a row. Knows only strings; the encoder adds EOS.

Values are joined, never formatted: braces, placeholders or headings inside a row stay unchanged. `by_name` finds
templates, `template_file` reads and writes their files.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from core.base.chat_history import context_text, text_after_question
from core.base.errors import DataError, UsageError
from core.base.languages import language_code
from core.base.row import Row
from core.splitter.splitter import Markers, Splitter, StartSection
from core.tokens.segments import Segment

DEFAULT_VERSION = "default"  # the version for all other languages
PLACEHOLDERS = ("instruction", "input", "reasoning", "output")


class TemplateVersion(msgspec.Struct, frozen=True):
    """A template's text for one language.

    Raises UsageError with the wrong key as its `where`.
    """

    text: str
    """The text with the placeholders {instruction}, {input}, perhaps {reasoning}, and {output} at its end, each once
    and in this order."""
    input_block: str
    """The part of the text, including {input} and the blank line, that `drop_empty_input` removes for a row with an
    empty input."""
    markers: Markers
    """The markers with which a splitter reads an answer to the prompt."""

    def __post_init__(self) -> None:
        placeholders = re.findall(r"\{(instruction|input|reasoning|output)\}", self.text)
        expected = [name for name in PLACEHOLDERS if name != "reasoning" or self.has_reasoning]
        if placeholders != expected or not self.text.endswith("{output}"):
            raise UsageError(
                "the template's placeholders are wrong",
                "text",
                "Use {instruction}, {input}, perhaps {reasoning}, then {output} last, each once",
            )
        if "{input}" not in self.input_block or self.text.count(self.input_block) != 1:
            raise UsageError(
                "it must be in the text once, and contain {input}",
                "input_block",
                "Copy the heading, {input} and the blank line",
            )
        if re.search(r"\{(instruction|reasoning|output)\}", self.input_block):
            raise UsageError("it contains more than {input}", "input_block", "Remove the other placeholders from it")
        if self.has_reasoning:
            self._check_markers()

    def _check_markers(self) -> None:
        """Raises UsageError where a splitter could not find the sections of an answer in this template."""
        splitter = Splitter(self.markers, "reasoning")
        splitter.feed(f"a{self.response_marker}b")
        splitter.close()
        if (splitter.reasoning.strip(), splitter.response.strip()) == ("a", "b"):
            return
        marker = self.response_marker.strip()
        if marker:
            what = f"no `response` marker matches {marker!r}, which the text has between {{reasoning}} and {{output}}"
        else:
            what = "nothing in the text separates {reasoning} from {output}"
        raise UsageError(what, "markers", "List it under markers.response; a heading must be at the start of a line")

    @property
    def has_reasoning(self) -> bool:
        """Whether the text has a reasoning before the answer."""
        return "{reasoning}" in self.text

    def prompt(self, instruction: str, input: str, drop: bool) -> str:
        """The text up to where the model writes. drop: without the input block if the input is empty."""
        head, tail, after = _cut(self.text, self.input_block if drop and not input else "{input}")
        return "".join((head, instruction, tail, input, after))

    @property
    def response_marker(self) -> str:
        """The text between a reasoning and the response; empty where there is no reasoning."""
        return _after_reasoning(self.text)


@lru_cache(maxsize=256)
def _cut(text: str, block: str) -> tuple[str, str, str]:
    """The text before the instruction, between it and the input, and after the input up to where the model writes.
    block: the part of the text that the input replaces."""
    before, after = text.split(block)
    head, tail = before.split("{instruction}")
    return head, tail, re.split(r"\{(?:reasoning|output)\}", after, maxsplit=1)[0]


@lru_cache(maxsize=256)
def _after_reasoning(text: str) -> str:
    return text.partition("{reasoning}")[2].removesuffix("{output}")


class ChatTemplateSettings(msgspec.Struct, frozen=True):
    """Marks a template as the model's own chat template; `core.templates.bind_chat_template` finds that with a
    tokenizer."""

    reasoning: Literal["auto", "field", "think", "none"] = "auto"
    """The place of the reasoning. field: the chat template gets it as reasoning_content. think: as <think> in the text.
    none: it is left out. auto: as the model expects it."""


class Template(msgspec.Struct, frozen=True):
    """A template with its name: texts by language, or the model's own chat template.

    Raises UsageError where the versions do not fit each other.
    """

    name: str
    """The name in specifications."""
    versions: dict[str, TemplateVersion] = {}
    """The versions by language (as spelled by `language_code`) and `default`; empty for a chat template."""
    words: str = ""
    """One line about the template, for users."""
    drop_empty_input: bool = False
    """Whether the input block is removed for a row without input; a run's setting takes precedence."""
    chat: ChatTemplateSettings | None = None
    """Set for the model's own chat template, None for a template of text."""

    def __post_init__(self) -> None:
        if (self.chat is None) == (not self.versions):
            raise UsageError(
                "a template needs either versions or a chat template",
                self.name,
                "Give it `versions` or `chat`, not both",
            )
        if self.versions and DEFAULT_VERSION not in self.versions:
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
            _ = self.markers  # raises where the markers of the versions contradict each other

    @property
    def has_reasoning(self) -> bool:
        """Whether a row's reasoning is part of the training text. For a chat template: where the model supports it."""
        return self.chat.reasoning != "none" if self.chat is not None else self.versions[DEFAULT_VERSION].has_reasoning

    @property
    def pattern(self) -> str:
        """The text of the default version."""
        return self.versions[DEFAULT_VERSION].text

    @property
    def markers(self) -> Markers:
        """The markers of all versions, so that an answer in any language is read; `version(language).markers` has those
        of one."""
        return joined_markers(version.markers for version in self.versions.values())

    @property
    def start(self) -> StartSection:
        """The section in which the model begins to write."""
        return "reasoning" if self.has_reasoning else "response"

    def version(self, language: str = "") -> TemplateVersion:
        """The version for a row's `syslang`, by any name of the language; else the default. Raises UsageError for a
        chat template, which needs a model."""
        if self.chat is not None:
            raise UsageError("this template is the model's own chat template", self.name, "Name a model")
        if len(self.versions) == 1 or not language:
            return self.versions[DEFAULT_VERSION]
        code = language_code(language)
        return self.versions.get(code) or self.versions.get(code.split("-")[0]) or self.versions[DEFAULT_VERSION]

    def content_hash(self, language: str = "") -> str:
        """A hash of everything besides the row that decides its training text, 64 hex digits; part of the key of
        encoded rows."""
        version = self.version(language)
        return hashlib.sha256(msgspec.json.encode((version.text, version.input_block))).hexdigest()

    def prompt(self, instruction: str, input: str, drop_empty_input: bool = False, language: str = "") -> str:
        """The prompt for inference: the text up to where the model writes its reasoning, or its answer where the
        template has no reasoning."""
        return self.version(language).prompt(instruction, input, drop_empty_input)

    def continue_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """The prompt for inference that continues the beginning of a reasoning. Raises UsageError for a template
        without reasoning."""
        if not self.has_reasoning:
            raise UsageError(
                "the template has no reasoning to continue",
                self.name,
                "Choose one with a {reasoning}, such as alpaca-reasoning",
            )
        return self.prompt(instruction, input, drop_empty_input, language) + reasoning

    def answer_prompt(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> str:
        """The text up to the response with its heading, including `reasoning`. A template without reasoning leaves it
        out."""
        prompt = self.prompt(instruction, input, drop_empty_input, language)
        return prompt + reasoning + self.version(language).response_marker if self.has_reasoning else prompt

    def prompt_segments(
        self, instruction: str, input: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`prompt` for `encode_prompt`. In a chat template's segments, special tokens count."""
        return [Segment("prompt", self.prompt(instruction, input, drop_empty_input, language))]

    def continue_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`continue_prompt` for `encode_prompt`."""
        return [Segment("prompt", self.continue_prompt(instruction, input, reasoning, drop_empty_input, language))]

    def answer_segments(
        self, instruction: str, input: str, reasoning: str, drop_empty_input: bool = False, language: str = ""
    ) -> list[Segment]:
        """`answer_prompt` for `encode_prompt`."""
        return [Segment("prompt", self.answer_prompt(instruction, input, reasoning, drop_empty_input, language))]

    def row_prompt_segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """`prompt_segments` with a row's question and context. Raises DataError for a context that cannot be read."""
        return self.prompt_segments(row.instruction, input_with_context(row), drop_empty_input, row.syslang)

    def row_continue_segments(self, row: Row, reasoning: str, drop_empty_input: bool = False) -> list[Segment]:
        """`continue_segments` with a row's question and context. Raises DataError as `row_prompt_segments`."""
        input = input_with_context(row)
        return self.continue_segments(row.instruction, input, reasoning, drop_empty_input, row.syslang)

    def row_answer_segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """`answer_segments` with a row's question, context and reasoning. Raises DataError as `row_prompt_segments`."""
        input = input_with_context(row)
        return self.answer_segments(row.instruction, input, row.reasoning, drop_empty_input, row.syslang)

    def start_after(self, prompt: Sequence[Segment]) -> StartSection:
        """The section in which the model begins to write: the same after every prompt."""
        return self.start

    def context_losses(self, row: Row) -> tuple[str, ...]:
        """What of a row's context is left out of its text: the `tools`, which have no form in a text."""
        return ("tools",) if row.tools else ()

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]:
        """The training text without its EOS, as segments; joined they are exactly the text. A segment may be empty.
        Raises DataError as `row_prompt_segments`."""
        version = self.version(row.syslang)
        input = input_with_context(row) if row.has_context else row.input
        segments = [Segment("prompt", version.prompt(row.instruction, input, drop_empty_input))]
        if version.has_reasoning:
            segments += [Segment("reasoning", row.reasoning), Segment("marker", version.response_marker)]
        return [*segments, Segment("response", row.output)]


def input_with_context(row: Row) -> str:
    """The input of a row in a template of text: its system prompt and earlier turns, then its own input, then the turns
    that follow the question, with a blank line between them. Raises DataError for a context that cannot be read."""
    if not row.has_context:
        return row.input
    try:
        texts = (context_text(row), row.input, text_after_question(row))
    except ValueError as error:
        what = f"its earlier turns cannot be read ({error})"
        raise DataError(what, f"row {row.index}", "Fix that row, or leave out its context") from error
    return "\n\n".join(filter(None, texts))


def joined_markers(several: Iterable[Markers]) -> Markers:
    """Markers that read any answer that one of `several` reads. Raises UsageError where they contradict each other."""
    distinct = list(dict.fromkeys(several))
    if len(distinct) == 1:
        return distinct[0]
    if len({markers.line_start for markers in distinct}) > 1:
        raise UsageError(
            "some versions' markers are headings and some are tags",
            "markers",
            "Give all versions the same `line_start`",
        )

    def each_once(kind: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(spelling for markers in distinct for spelling in getattr(markers, kind)))

    return Markers(
        each_once("reasoning"), each_once("response"), each_once("runaway"), line_start=distinct[0].line_start
    )
