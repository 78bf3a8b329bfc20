"""What a chat template drops of a conversation without a word. Knows messages and renderings; knows no rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from core.base.chat_history import Message
from core.templates.message_outline import RenderedMessages, text_variants, texts_of

_REASONINGS = ("reasoning_content", "thinking", "reasoning")


def dropped_context(
    rendered: RenderedMessages, messages: Sequence[Message], tools: Sequence[Any], *, has_system: bool, question: int
) -> tuple[str, ...]:
    """What is not in the rendering: `system prompt`, `question`, `earlier turns`, `tool calls`,
    `reasoning before a tool call`, `tools`, in this order.

    has_system: the first message is the row's system prompt. question: the index of the row's question; a reasoning in
    an earlier turn is not looked for, because a model does not read it again.
    """
    texts, text = texts_of(messages, tools), _one_line(rendered.text)

    def is_written(numbers: Sequence[int]) -> bool:
        """Whether any of these texts is in the rendering; of texts that cannot be told apart, the longest."""
        if rendered.written is not None:
            return any(number in rendered.written for number in numbers)
        longest = max((texts[number] for number in numbers), key=len)
        return any(_one_line(variant) in text for variant in text_variants(longest) if variant)

    lost: set[str] = set()
    for index, key, numbers in _numbers(messages):
        if is_written(numbers):
            continue
        if key == "content":
            lost.add("system prompt" if has_system and index == 0 else "question" if index == question else _TURNS)
        elif key == "tool_calls":
            lost.add("tool calls")
        elif key in _REASONINGS and index > question:
            lost.add("reasoning before a tool call")
    first = len(texts_of(messages))
    tool_numbers = range(first, len(texts))
    if tool_numbers and not is_written(tool_numbers):
        lost.add("tools")
    return tuple(name for name in _ORDER if name in lost)


_TURNS = "earlier turns"
_ORDER = ("system prompt", "question", _TURNS, "tool calls", "reasoning before a tool call", "tools")


def _one_line(text: str) -> str:
    """`text` with one blank for any white space, which a chat template may change inside a text."""
    return " ".join(text.split())


def _numbers(messages: Sequence[Message]) -> Iterator[tuple[int, str, range]]:
    """The index of a message, one of its keys, and the numbers of the texts that it has there, where it has any."""
    first = 0
    for index, message in enumerate(messages):
        for key, value in message.items():
            count = len(texts_of([{key: value}]))
            if count:
                yield index, key, range(first, first + count)
            first += count
