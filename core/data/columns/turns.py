"""Reads a list of chat turns: the last question, the turns before it, the reply and its reasoning.

Knows no columns and no files. Reads `role`/`content` and `from`/`value`, as a list, the JSON text of one, or an object
of two lists; a content may be a list of parts. System turns are left out, since they are not part of a row.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from core.data.cell_text import TOLERANT_JSON, cell_text, replace_surrogates
from core.data.columns.thinking import split_thinking

_ROLES = ("role", "from", "speaker")
_CONTENTS = ("content", "value", "text")
_THOUGHTS = ("reasoning_content", "thinking", "reasoning", "thought", "reasoning_text")
_TURN_TEXTS = frozenset((*_CONTENTS, *_THOUGHTS))
_SPEAKERS = {
    **dict.fromkeys(("user", "human", "prompter"), "User"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "bard", "bing", "ai"), "Assistant"),
    **dict.fromkeys(("system", "developer"), ""),
    **dict.fromkeys(("reasoning", "thinking", "thought", "thoughts", "analysis"), "Reasoning"),
}
_TEXTS = ("text", "input_text", "output_text")


class UnreadableTurns(Exception):
    """No row can be made from a value. The message is a sentence without its full stop."""


class ChatTurn(NamedTuple):
    """One turn of a speaker."""

    speaker: str
    """User, Assistant, or the role's own name with a capital (Tool)."""
    text: str | None
    """The content; None where it is null."""
    reasoning: str = ""
    """The reasoning before the text; empty where there is none."""
    closed: bool = True
    """Whether the reasoning ends."""


class ChatParts(NamedTuple):
    """The parts of a list of turns."""

    question: str | None
    """The user's last question; None where there is none."""
    earlier: str
    """The turns before it, a line each with the speaker, without system turns."""
    reply: str | None = None
    """The assistant's last reply; None where there is none."""
    reasoning: str = ""
    """The reasoning of the reply; empty where there is none."""
    closed: bool = True
    """Whether the reasoning ends, so that there is a reply after it."""


def as_turns(value: Any) -> list[dict[str, Any]] | None:
    """The value as a list of objects with a role and a content; None for anything else, also for an empty list."""
    if isinstance(value, str):
        if not value.lstrip().startswith(("[{", "[ {", "[\n")):
            return None
        try:
            value = TOLERANT_JSON.decode(value.strip())
        except (ValueError, RecursionError):
            return None
    elif isinstance(value, dict):
        value = _objects_of_lists(value)
    if not isinstance(value, list) or not value:
        return None
    for turn in value:
        if not isinstance(turn, dict) or _field(turn, _ROLES) is None or _TURN_TEXTS.isdisjoint(turn):
            return None
    return value


def _objects_of_lists(value: dict[str, Any]) -> list[dict[str, Any]]:
    """`{"role": [...], "content": [...]}`, as a sequence of objects may be saved, as objects; none for any other
    value."""
    lists = {name: items for name, items in value.items() if isinstance(items, list)}
    if len(lists) != len(value) or len({len(items) for items in lists.values()}) != 1:
        return []
    return [dict(zip(lists, items, strict=True)) for items in zip(*lists.values(), strict=True)]


def _field(turn: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if (value := turn.get(name)) is not None:
            return value
    return None


def read_turns(value: Any) -> list[ChatTurn]:
    """The turns without system turns; a turn with only reasoning is joined to the reply after it. Raises
    UnreadableTurns."""
    turns = as_turns(value)
    if turns is None:
        raise UnreadableTurns("it has no chat turns" if value in ([], "", None) else "it is not a list of chat turns")
    joined: list[ChatTurn] = []
    pending: list[str] = []
    for turn in turns:
        role = _field(turn, _ROLES)
        speaker = _SPEAKERS.get(role) if type(role) is str else None
        if speaker is None:
            speaker = _SPEAKERS.get(str(role).strip().lower(), str(role).strip().capitalize())
        if speaker == "":
            continue
        text, inner = _content(_field(turn, _CONTENTS))
        if speaker not in ("Assistant", "Reasoning"):
            joined.append(ChatTurn(speaker, text))
            continue
        thought = _field(turn, _THOUGHTS) if len(turn) > 2 or text is None else None
        thought_text = _content(thought)[0] if thought is not None else ""
        if speaker == "Reasoning" or turn.get("channel") == "analysis":
            pending.append(text or thought_text or "")
            continue
        closed = True
        if text and (sides := split_thinking(text)):
            text, closed = sides.answer or "", sides.answer is not None
            inner = inner or sides.reasoning
        thoughts = [*pending, thought_text or inner]
        pending = []
        joined.append(ChatTurn(speaker, text, "\n\n".join(filter(None, thoughts)), closed))
    return joined


def _content(value: Any) -> tuple[str | None, str]:
    """A turn's content as text and, where it has parts, its parts that are reasoning."""
    if value is None or type(value) is str:
        return value if value is None else replace_surrogates(value), ""
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return cell_text(value), ""
    texts, thoughts = [], []
    for part in value:
        if isinstance(part, str):
            texts.append(cell_text(part))
            continue
        kind = part.get("type", "text") if isinstance(part, dict) else None
        if kind in ("thinking", "reasoning"):
            thoughts.append(cell_text(_field(part, ("thinking", "reasoning", "text"))))
        elif kind in _TEXTS and isinstance(part.get("text"), str):
            texts.append(cell_text(part["text"]))
        else:
            part_type = kind if isinstance(kind, str) else "of no known type"
            raise UnreadableTurns(f"a turn holds a part that is not text ({part_type})")
    return "".join(texts), "\n\n".join(thoughts)


def read_chat(value: Any, replied: bool = True) -> ChatParts:
    """The parts of a list of turns. With `replied`, the reply is the assistant's last and the question is the last one
    before it. Without, the list is a prompt: the question is the user's last turn, and all turns before it are earlier.
    Raises UnreadableTurns."""
    turns = read_turns(value)
    reply = _last(turns, "Assistant", len(turns)) if replied else -1
    before = reply if reply >= 0 else len(turns)
    question = _last(turns, "User", before)
    if reply < 0 <= question:
        before = question
    earlier_turns = [turn for index, turn in enumerate(turns[:before]) if index != question and turn.text]
    earlier = "\n".join(f"{turn.speaker}: {turn.text}" for turn in earlier_turns)
    question_text = turns[question].text if question >= 0 else None
    if reply < 0:
        return ChatParts(question_text, earlier)
    last_reply = turns[reply]
    return ChatParts(question_text, earlier, last_reply.text, last_reply.reasoning, last_reply.closed)


def _last(turns: list[ChatTurn], speaker: str, end: int) -> int:
    """The index of the last turn of `speaker` before `end`, -1 where there is none."""
    for index in range(end - 1, -1, -1):
        if turns[index].speaker == speaker:
            return index
    return -1


class ChatTraits(msgspec.Struct, frozen=True):
    """Which turns a list has, for the guess of a mapping."""

    asks: bool
    """Whether the user asks something."""
    replies: bool
    """Whether there is a reply to it."""
    thinks: bool
    """Whether the reply has reasoning."""


def chat_traits(value: Any) -> ChatTraits | None:
    """Which turns the value has; None where it is not a list of turns that can be read."""
    try:
        chat = read_chat(value)
    except (UnreadableTurns, RecursionError):
        return None
    return ChatTraits(chat.question is not None, chat.reply is not None, bool(chat.reasoning))
