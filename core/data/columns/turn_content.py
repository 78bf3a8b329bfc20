"""Reads the content of one chat turn: a text, or a list of parts that are texts, reasoning, calls and results."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.data.cell_text import cell_text, replace_surrogates
from core.data.columns.nested_text import read_nested
from core.data.columns.turn_shapes import field_of, first_key, names_besides

_TEXTS = ("text", "input_text", "output_text")
_THINKING = ("thinking", "reasoning", "thought")
_TEXT_KEYS = ("text", "value", "content")
_THOUGHT_KEYS = (*_THINKING, "text", "value")
_ARGUMENTS = ("arguments", "input", "parameters")
_CALLS = ("tool_use", "tool_call", "tool_calls", "function_call", "function")


class TurnContent(NamedTuple):
    """What a turn says."""

    text: str | None
    """Its text; None where it is null."""
    reasoning: str = ""
    """Its parts that are reasoning."""
    calls: tuple[Any, ...] = ()
    """Its parts that call tools, each as chat templates take it."""
    result_of: str | None = None
    """Where it is the result of a tool: the id of the call, which may be empty."""
    foreign: str = ""
    """The type of its first part that is no text, such as a picture; empty where there is none."""
    others: tuple[str, ...] = ()
    """The names of values in its parts that are none of these."""


def read_content(value: Any) -> TurnContent:
    """The content of a turn, a text or parts."""
    if value is None or type(value) is str:
        return TurnContent(value if value is None else replace_surrogates(value))
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return TurnContent(cell_text(value))
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Any] = []
    others: list[str] = []
    result_of, foreign = None, ""
    for part in value:
        if isinstance(part, str):
            texts.append(cell_text(part))
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        if kind in _THINKING:
            thoughts.append(cell_text(field_of(part, _THOUGHT_KEYS)))
            others += names_besides(part, ("type", first_key(part, _THOUGHT_KEYS)))
        elif kind in _TEXTS and isinstance(text := field_of(part, _TEXT_KEYS), str):
            texts.append(cell_text(text))
            others += names_besides(part, ("type", first_key(part, _TEXT_KEYS)))
        elif kind in _CALLS:
            calls += read_calls(part.get("value", part))
        elif kind == "tool_result":
            inner = read_content(part.get("content"))
            texts.append(inner.text or "")
            others += [*inner.others, *names_besides(part, ("type", "content", "tool_use_id"))]
            result_of, foreign = cell_text(part.get("tool_use_id")), foreign or inner.foreign
        else:
            foreign = foreign or _kind_of(part)
    return TurnContent("".join(texts), "\n\n".join(thoughts), tuple(calls), result_of, foreign, tuple(others))


def _kind_of(part: Any) -> str:
    """What a part is that is no text: its type, or the name of what it holds."""
    kind = part.get("type") or next(iter(part), "") if isinstance(part, dict) else None
    return kind if kind and isinstance(kind, str) else "of no known type"


def read_calls(value: Any) -> list[Any]:
    """The calls of tools in `value`, as chat templates take them: a list, one call, or the JSON text of these; empty
    where it holds none."""
    if isinstance(value, str):
        value = read_nested(value)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return []
    return [_call(call) for call in value if isinstance(call, dict)]


def _call(call: dict[str, Any]) -> dict[str, Any]:
    if "name" not in call:
        return call
    known = {"id": call["id"]} if call.get("id") is not None else {}
    key = next((key for key in _ARGUMENTS if call.get(key) is not None), "arguments")
    others = {name: value for name, value in call.items() if name not in ("name", "id", "type", key)}
    return {**known, "type": "function", "function": {"name": call["name"], "arguments": call.get(key)}, **others}
