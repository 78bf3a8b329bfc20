"""Reads the conversations of MOSS: an object of numbered turns, each an object of what was said, thought and called."""

from __future__ import annotations

import re
from typing import Any

_NUMBERED = re.compile(r"turn_(\d+)")
_ROLES = {
    "Human": "user", "Inner Thoughts": "reasoning", "Commands": "function_call", "Tool Responses": "tool",
    "MOSS": "assistant",
}  # fmt: skip
_AROUND = re.compile(r"\A\s*<\|[A-Za-z ]+\|>:?\s*|\s*<eo[a-z]>\s*\Z")  # <|Human|>: … <eoh>
_NOTHING = ("", "None")


def read_moss(value: dict[str, Any]) -> list[dict[str, Any]] | None:
    """`{"turn_1": {"Human": …, "Inner Thoughts": …, "Commands": …, "Tool Responses": …, "MOSS": …}, …}` as turns with a
    role and a content, without the marks around each text; None for any other object."""
    if not value or not all(map(_NUMBERED.fullmatch, value)) or not all(map(_is_moss_turn, value.values())):
        return None
    turns = []
    for name in sorted(value, key=lambda name: int(name.removeprefix("turn_"))):
        texts = {part: _AROUND.sub("", value[name][part] or "") for part in _ROLES if part in value[name]}
        others = {part: other for part, other in value[name].items() if part not in _ROLES}
        spoken = [{"role": _ROLES[part], "content": text} for part, text in texts.items() if text not in _NOTHING]
        if spoken:
            spoken[-1] = {**others, **spoken[-1]}
        turns += spoken
    return turns


def _is_moss_turn(turn: Any) -> bool:
    return (
        isinstance(turn, dict)
        and {"Human", "MOSS"} <= turn.keys()
        and all(isinstance(turn[part], str | None) for part in _ROLES if part in turn)
    )
