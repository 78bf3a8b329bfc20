"""Makes the history of a row of chat turns: messages as chat templates take them, and their JSON text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from core.base.chat_history import QUESTION_PLACE, Message, is_question_place
from core.data.cell_text import cell_text
from core.data.columns.turn_shapes import UnreadableTurns, as_turns
from core.data.columns.turns import ChatTurn, read_turns

_ROLES = {"User": "user", "Assistant": "assistant", "System": "system", "Tool": "tool"}


def history_text(before: Iterable[ChatTurn], after: Iterable[ChatTurn] = ()) -> str:
    """The JSON text of the turns before a question and of those between it and the answer, for `Row.history`."""
    first, last = list(_messages(before)), list(_messages(after))
    return _json_text([*first, QUESTION_PLACE, *last] if last else first)


def read_history(value: Any, unused_parts: list[str]) -> str:
    """The text for `Row.history` of a column with the earlier turns of each row: turns, pairs of a question and its
    answer, the JSON text of these, or nothing. What no message holds is added to `unused_parts`. Raises
    UnreadableTurns."""
    if value is None or value == [] or (isinstance(value, str) and value.strip() in ("", "[]", "null")):
        return ""
    turns = as_turns(value, pairs=True)
    if turns is None:
        raise UnreadableTurns("its history is not a list of turns")
    read = read_turns(turns)
    if foreign := next((turn.foreign for turn in read if turn.foreign), ""):
        raise UnreadableTurns(f"its history holds a part that is not text ({foreign})")
    unused_parts.extend(dict.fromkeys(other for turn in read for other in turn.others))
    places = [index for index, turn in enumerate(turns) if is_question_place(turn)]
    if not places:
        return history_text(read)
    return history_text(read_turns(turns[: places[0]]) if places[0] else (), read_turns(turns[places[0] + 1 :]))


def _messages(turns: Iterable[ChatTurn]) -> Iterable[Message]:
    for turn in turns:
        message: Message = {"role": _ROLES.get(turn.speaker, turn.speaker.lower()), "content": turn.text or ""}
        if turn.reasoning:
            message["reasoning_content"] = turn.reasoning
        if turn.calls:
            message["tool_calls"] = list(turn.calls)
        if turn.text or turn.reasoning or turn.calls:
            yield {**message, **dict(turn.tool)}


def _json_text(messages: Sequence[Message]) -> str:
    return cell_text(list(messages)) if messages else ""
