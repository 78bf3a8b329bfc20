"""The prompt of a row with context: its system prompt, earlier turns, question and tools, as the model's chat template
writes them. Knows rows and chat templates; knows nothing of token ids."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from core.base.chat_history import Message, context_messages, messages_after_question
from core.base.errors import DataError, UsageError
from core.base.row import Row
from core.templates.chat_template_source import ChatTemplateSource
from core.templates.dropped_context import dropped_context
from core.templates.message_outline import MessageRenderer, RenderedMessages
from core.templates.thinking_switches import Switches
from core.templates.thought_marks import open_thought
from core.tokens.special_tokens import PartText

_KEPT = 8192  # prompts of the last rows
_WRITES_OBJECT = re.compile(r"arguments['\"\]]*\s*\|\s*(tojson|items|dictsort)")
_ASKS_FOR_TEXT = re.compile(r"arguments['\"\]]*\s+is\s+(not\s+)?(string|mapping)")


REASONING_FIELDS = ("reasoning_content", "thinking", "reasoning")
"""The names of a message's reasoning in chat templates."""
_ROW_FIELD = REASONING_FIELDS[0]  # its name in `Row.history`


class PromptWay(msgspec.Struct, frozen=True):
    """How the prompt is made of a rendering."""

    switches: Switches = ()
    """The variables that the chat template is given."""
    answer: Message | None = None
    """A last message of the assistant with stand-ins; None where the prompt is the generation prompt."""
    stand_in: str = ""
    """The text in `answer` before which the prompt ends."""
    suffix: str = ""
    """Text that is added after it where a thought is open there: what closes an empty thought."""

    def prompt(self, source: ChatTemplateSource, messages: Sequence[Message], tools: Sequence[Any] | None) -> str:
        """The prompt for `messages`. Raises UsageError where the chat template refuses them."""
        variables = dict(self.switches)
        if self.answer is None:
            text = source.render(messages, generate=True, tools=tools, **variables)
        else:
            whole = source.render([*messages, self.answer], generate=False, tools=tools, **variables)
            text, found, _ = whole.rpartition(self.stand_in)
            if not found:
                what = "the model's chat template drops the answer after these messages"
                raise UsageError(what, source.where, "Choose a template of text, such as alpaca-reasoning")
        return text + self.suffix if open_thought(text) is not None else text


class ContextPrompt(msgspec.Struct, frozen=True):
    """The prompt of one row with context."""

    parts: tuple[PartText, ...]
    """The text in parts; True for the template's text, in which special tokens count."""
    dropped: tuple[str, ...]
    """What of the context is not in it, as `dropped_context` names it."""


class ContextPrompts:
    """Makes the prompts of rows with context. The last ones are kept. For any number of threads."""

    def __init__(self, source: ChatTemplateSource, way: PromptWay, special: Collection[str]) -> None:
        """special: spellings of the special tokens that no text of a row may become."""
        self._source, self._way = source, way
        self._renderer = MessageRenderer(self._prompt_text, special)
        program = f"{source.template}\n{source.tool_template}"
        self._wants_objects = bool(_WRITES_OBJECT.search(program)) and not _ASKS_FOR_TEXT.search(program)
        self._field = next((field for field in REASONING_FIELDS if _reads_field(program, field)), _ROW_FIELD)
        self._made: OrderedDict[tuple[str, str, str, str], ContextPrompt] = OrderedDict()
        self._lock = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ContextPrompts) and (self._source, self._way) == (other._source, other._way)

    def __hash__(self) -> int:
        return hash(self.content_hash())

    def content_hash(self) -> str:
        """A hash of the chat template's program, its tokens and its switches, 64 hex digits."""
        source = self._source
        decisive = (source.template, source.tool_template, sorted(source.tokens.items()), self._way)
        return hashlib.sha256(msgspec.json.encode(decisive)).hexdigest()

    def prompt(self, row: Row, question: str) -> ContextPrompt:
        """The prompt of `row`. question: its user message. Raises DataError with the row's number where its context
        cannot be read or the chat template refuses the conversation."""
        key = (row.system, row.history, row.tools, question)
        with self._lock:
            made = self._made.get(key)
        if made is None:
            made = self._make(row, question)
            with self._lock:
                self._made[key] = made
                while len(self._made) > _KEPT:
                    self._made.popitem(last=False)
        return made

    def _make(self, row: Row, question: str) -> ContextPrompt:
        where = f"row {row.index}"
        try:
            before, behind = context_messages(row), messages_after_question(row)
            tools = msgspec.json.decode(row.tools, type=list[Any]) if row.tools else []
        except ValueError as error:
            what = f"its earlier turns or tools cannot be read ({error})"
            raise DataError(what, where, "Fix that row, or leave out its context") from error
        messages = [
            *map(self._with_field, before),
            {"role": "user", "content": question},
            *map(self._with_field, behind),
        ]
        try:
            rendered, messages = self._rendered(messages, tools)
        except UsageError as error:
            raise DataError(error.what, where, error.do) from error
        dropped = dropped_context(rendered, messages, tools, has_system=bool(row.system), question=len(before))
        if "question" in dropped:
            what = "the model's chat template drops its question"
            raise DataError(what, where, "Choose a template of text, such as alpaca-reasoning")
        return ContextPrompt(rendered.parts, dropped)

    def _with_field(self, message: Message) -> Message:
        """The message with its reasoning in the field that the chat template reads."""
        return {self._field if key == _ROW_FIELD else key: value for key, value in message.items()}

    def _rendered(self, messages: list[Message], tools: list[Any]) -> tuple[RenderedMessages, list[Message]]:
        """The conversation, with the arguments of tool calls as the template takes them: as the messages have them, or
        as the other of text and object."""
        forms = [messages, _with_arguments(messages)]
        if self._wants_objects:
            forms.reverse()
        try:
            return self._renderer.rendered(forms[0], tools), forms[0]
        except UsageError:
            if forms[0] == forms[1]:
                raise
            return self._renderer.rendered(forms[1], tools), forms[1]

    def _prompt_text(self, messages: Sequence[Message], tools: Sequence[Any] | None) -> str:
        return self._way.prompt(self._source, messages, tools)


def _reads_field(program: str, field: str) -> bool:
    """Whether a chat template reads this field of a message."""
    return re.search(rf"""(\.|\[\s*['"]|get\(\s*['"]){field}\b""", program) is not None


def _with_arguments(messages: Sequence[Message]) -> list[Message]:
    """The messages with the arguments of tool calls as objects, where they are the JSON text of one."""
    return [
        {**message, "tool_calls": [_with_object(call) for call in calls]}
        if isinstance(calls := message.get("tool_calls"), list)
        else message
        for message in messages
    ]


def _with_object(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    if isinstance(function := call.get("function"), dict):
        return {**call, "function": _with_object(function)}
    arguments = call.get("arguments")
    if not isinstance(arguments, str):
        return call
    try:
        return {**call, "arguments": msgspec.json.decode(arguments, type=dict[str, Any])}
    except msgspec.DecodeError:
        return call
