"""Recognises lists of chat turns in the shapes in which they are saved, and makes objects with a role and a content of
them. Reads no content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.data.columns.column_names import CHAT_NAMES, HISTORY_NAMES, normalized_name
from core.data.columns.marks import LEARN_KEYS
from core.data.columns.moss_turns import read_moss
from core.data.columns.nested_text import looks_like_python, read_nested
from core.data.columns.transcripts import read_transcript
from core.data.extra_columns import has_value

ROLES = ("role", "from", "speaker")
CONTENTS = ("content", "value", "text", "parts", "message")
THOUGHTS = ("reasoning_content", "thinking", "reasoning", "thought", "reasoning_text")
_TURN_TEXTS = frozenset((*CONTENTS, *THOUGHTS, "tool_calls", "function_call"))
SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), "User"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "chatbot", "bard", "bing", "ai"), "Assistant"),
    **dict.fromkeys(("system", "developer"), "System"),
    **dict.fromkeys(("reasoning", "thinking", "thought", "thoughts", "analysis"), "Reasoning"),
    **dict.fromkeys(
        ("tool", "function", "observation", "ipython", "tool_response", "function_response", "tool_result"), "Tool"
    ),
    **dict.fromkeys(("function_call", "tool_call"), "Call"),
}
"""The speaker of each role; any other role is a speaker of its own."""
_TURN_KEYS = frozenset((*ROLES, *CONTENTS))
_ASKING = ("input", "question", "instruction", "prompt", "query")
_ANSWERING = ("output", "answer", "response", "completion")


class UnreadableTurns(Exception):
    """No row can be made from a value. The message is a sentence without its full stop."""


def holds_pairs(name: str) -> bool:
    """Whether pairs of texts in the column `name`, which may be a path, are a question and its answer."""
    return normalized_name(name.rsplit(".", 1)[-1]) in (*CHAT_NAMES, *HISTORY_NAMES)


def as_turns(value: Any, pairs: bool = False) -> list[dict[str, Any]] | None:
    """The value as a list of objects with a role and a content; None for anything else, also for an empty list.

    Reads a list of such objects, a single one, an object of lists, objects of a speaker and a text
    (`{"human": …, "assistant": …}`), the turns of MOSS, the JSON text or Python text of these, and a
    conversation written into one text.
    `pairs`: whether a list of pairs (`["question", "answer"]`, or objects with an input and an output) is one too.
    """
    if isinstance(value, str):
        value = read_nested(value) or read_transcript(value)
    if isinstance(value, dict):
        value = [value] if is_turn(value) else read_moss(value) or _objects_of_lists(value)
    if not isinstance(value, list) or not value:
        return None
    if all(map(is_turn, value)) and not (pairs and all(map(_is_pair, value))):
        return value
    return _turns_of_speakers(value) or (_turns_of_pairs(value) if pairs else None)


def field_of(record: dict[str, Any], names: tuple[str, ...]) -> Any:
    """The first value of `names` that is not null."""
    for name in names:
        if (value := record.get(name)) is not None:
            return value
    return None


def first_key(record: dict[str, Any], names: tuple[str, ...]) -> str:
    """The name of the value of `field_of`; empty where there is none."""
    return next((name for name in names if record.get(name) is not None), "")


def names_besides(record: dict[str, Any], used: Iterable[str]) -> list[str]:
    """The names of the values of an object that are there, and not among `used`."""
    return [name for name in record.keys() - set(used) if has_value(record[name])]


def explain_no_turns(value: Any) -> str:
    """Why a value is not a list of chat turns."""
    if value in ([], "", None):
        return "it has no chat turns"
    if looks_like_python(value):
        return "it looks like a Python list, not JSON, and cannot be read as chat turns"
    return "it is not a list of chat turns"


def is_turn(turn: Any) -> bool:
    """Whether a value is an object with a role and a content."""
    return (
        isinstance(turn, dict)
        and (role := field_of(turn, ROLES)) is not None
        and not isinstance(role, list | dict)
        and not _TURN_TEXTS.isdisjoint(turn)
    )


def _is_pair(item: dict[str, Any]) -> bool:
    """Whether an object is a question and its answer, whatever else it has."""
    return bool(first_key(item, _ASKING) and first_key(item, _ANSWERING)) and "content" not in item


def _objects_of_lists(value: dict[str, Any]) -> list[dict[str, Any]]:
    """`{"role": [...], "content": [...]}`, as a sequence of objects may be saved, as objects; none for any other
    value."""
    lists = {name: items for name, items in value.items() if isinstance(items, list)}
    if len(lists) != len(value) or len({len(items) for items in lists.values()}) != 1:
        return []
    return [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]


def _turns_of_speakers(value: list[Any]) -> list[dict[str, Any]] | None:
    """`[{"human": "q", "assistant": "a"}]` as turns, the last of each object with its marks; None for any other
    list."""
    turns: list[dict[str, Any]] = []
    for item in value:
        if not isinstance(item, dict) or not item.keys() - set(LEARN_KEYS):
            return None
        marks = {key: item[key] for key in LEARN_KEYS if key in item}
        for role, text in item.items():
            if role in marks:
                continue
            if SPEAKERS.get(role.lower()) not in ("User", "Assistant", "System") or not isinstance(text, str | None):
                return None
            turns.append({"role": role, "content": text})
        turns[-1] |= marks
    speakers = {SPEAKERS[turn["role"].lower()] for turn in turns}
    return [turn for turn in turns if turn["content"] is not None] if "User" in speakers else None


def _turns_of_pairs(value: list[Any]) -> list[dict[str, Any]] | None:
    """`[["q", "a"]]` or `[{"input": "q", "output": "a"}]` as turns; None for any other list."""
    turns = []
    for item in value:
        others: dict[str, Any] = {}
        if isinstance(item, dict):
            used = ("system", first_key(item, _ASKING), first_key(item, _ANSWERING))
            others = {
                f"another {name}" if name in _TURN_KEYS else name: item[name] for name in names_besides(item, used)
            }
            system, item = item.get("system"), [field_of(item, _ASKING), field_of(item, _ANSWERING)]
            if system:
                turns.append({"role": "system", "content": system})
        if not isinstance(item, list) or len(item) != 2 or not all(isinstance(text, str | None) for text in item):
            return None
        pair = [
            {"role": role, "content": text}
            for role, text in zip(("user", "assistant"), item, strict=True)
            if text is not None
        ]
        if pair:
            pair[-1] = {**others, **pair[-1]}
        turns += pair
    return turns or None
