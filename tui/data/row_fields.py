"""The fields of a row as the pane shows them: the six columns, then the context where the row has any.

The context is read, not edited: earlier turns are shown as lines with their speakers, tools as indented JSON. All texts
stay foreign.
"""

from __future__ import annotations

from typing import Any

import msgspec

from core.base.chat_history import Message, history_from_json, is_question_place
from core.base.row import COLUMNS, CONTEXT, Row

HEADINGS = {"system": "System", "history": "Earlier turns", "tools": "Tools"}
"""The headings of the context; a column's heading is its name."""
_SPEAKERS = {"user": "User", "assistant": "Assistant", "system": "System", "developer": "System", "tool": "Tool"}


def row_fields(row: Row | None) -> tuple[str, ...]:
    """The fields that can be gone to, in their order: columns, even empty ones, and the context that is there."""
    if row is None or not row.has_context:
        return COLUMNS
    return (*COLUMNS, *(field for field in CONTEXT if getattr(row, field)))


def is_read_only(field: str) -> bool:
    return field in CONTEXT


def field_text(row: Row, field: str) -> str:
    """The text of a field as it is shown and copied."""
    text: str = getattr(row, field)
    if field == "history":
        return _history_text(text)
    return _tools_text(text) if field == "tools" else text


def _history_text(history: str) -> str:
    """The turns with a blank line between them; the text itself where it is not JSON of messages."""
    try:
        return "\n\n".join(_turn_text(message) for message in history_from_json(history))
    except ValueError:
        return history


def _turn_text(message: Message) -> str:
    """`User: …`, `Assistant thinks: …`, `Assistant calls name(arguments)`, `Tool name: …`."""
    if is_question_place(message):
        return "User: (the instruction of this row)"  # turns stand between it and the answer
    role = str(message.get("role", ""))
    speaker = _SPEAKERS.get(role, role.capitalize())
    if name := message.get("name"):
        speaker = f"{speaker} {name}"
    lines = []
    if thoughts := message.get("reasoning_content"):
        lines.append(f"{speaker} thinks: {_plain(thoughts)}")
    made = message.get("tool_calls") or []
    calls = [f"{speaker} calls {_call_text(call)}" for call in (made if isinstance(made, list) else [made])]
    if (content := message.get("content")) or not (lines or calls):
        lines.append(f"{speaker}: {_plain(content or '')}")
    return "\n".join([*lines, *calls])


def _call_text(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, dict) else call
    if not isinstance(function, dict):
        return _plain(function)
    return f"{function.get('name', '')}({_plain(function.get('arguments', ''))})"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _tools_text(tools: str) -> str:
    """The JSON with a line for each key; the text itself where it is not JSON."""
    try:
        return msgspec.json.format(tools, indent=2)
    except msgspec.DecodeError:
        return tools
