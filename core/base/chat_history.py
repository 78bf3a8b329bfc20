"""The turns before a row's question: as JSON in the row, as messages for a chat template, as lines of text.

A message is an object with `role` and `content`; an assistant's may have `reasoning_content` and `tool_calls`, a tool's
`name` and `tool_call_id`. The row's own question is none of the messages. Where turns stand between it and the answer,
as a tool's call and its result do, `QUESTION_PLACE` stands for it in the history, and they follow. Knows neither the
files that turns are read from nor templates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from core.base.row import Row

Message = dict[str, Any]
"""One turn, as chat templates take it."""
QUESTION_PLACE: Message = {"role": "user", "content": None, "question": True}
"""Stands for the row's question in `Row.history` where that is not the last turn before the answer."""
_SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "developer": "System"}
_encode = msgspec.json.Encoder().encode


def history_to_json(messages: Sequence[Message]) -> str:
    """The JSON text of `messages` for `Row.history`; empty where there are none."""
    return _encode(list(messages)).decode() if messages else ""


def history_from_json(history: str) -> list[Message]:
    """The messages of `Row.history`. Raises ValueError where it is not JSON of a list of objects."""
    return msgspec.json.decode(history, type=list[dict[str, Any]]) if history else []


def is_question_place(message: Message) -> bool:
    """Whether `message` only stands for the row's question."""
    return message.get("question") is True and message.get("content") is None


def context_messages(row: Row) -> list[Message]:
    """The messages before the row's question: its system prompt and its earlier turns. Raises ValueError where the
    history is not JSON of messages."""
    system: list[Message] = [{"role": "system", "content": row.system}] if row.system else []
    return [*system, *_around_question(row.history)[0]]


def messages_after_question(row: Row) -> list[Message]:
    """The messages between the row's question and its answer, such as a tool's call and its result; mostly none. Raises
    ValueError where the history is not JSON of messages."""
    return _around_question(row.history)[1]


def context_text(row: Row) -> str:
    """The messages before the question as text, a line for each turn with its speaker; empty where there are none.
    Raises ValueError where the history is not JSON of messages."""
    return _messages_text(context_messages(row))


def text_after_question(row: Row) -> str:
    """The messages between question and answer as text, as `context_text`; mostly empty. Raises ValueError where the
    history is not JSON of messages."""
    return _messages_text(messages_after_question(row))


def _around_question(history: str) -> tuple[list[Message], list[Message]]:
    """The messages before the question, and those after it."""
    messages = history_from_json(history)
    for index, message in enumerate(messages):
        if is_question_place(message):
            return messages[:index], messages[index + 1 :]
    return messages, []


def _messages_text(messages: Sequence[Message]) -> str:
    lines = []
    for message in messages:
        role = str(message.get("role", ""))
        speaker = _SPEAKERS.get(role, role.capitalize())
        if content := message.get("content"):
            lines.append(f"{speaker}: {content}")
        lines += [f"{speaker} calls {_call_text(call)}" for call in message.get("tool_calls") or ()]
    return "\n".join(lines)


def _call_text(call: Any) -> str:
    """`name(arguments)` of a tool call, whose arguments are JSON or an object."""
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict):
        return _encode(function).decode()
    arguments = function.get("arguments", "")
    text = arguments if isinstance(arguments, str) else _encode(arguments).decode()
    return f"{function.get('name', '')}({text})"
