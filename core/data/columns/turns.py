"""Reads a list of chat turns: the last question, the turns around it, the reply and its reasoning.

Knows no columns and no files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from core.base.chat_history import is_question_place
from core.base.row import is_blank
from core.base.safe_text import safe_line
from core.data.cell_text import cell_text
from core.data.columns.marks import LEARN_KEYS, reply_reason, truth_of
from core.data.columns.thinking import split_thinking
from core.data.columns.turn_content import TurnContent, read_calls, read_content
from core.data.columns.turn_shapes import (
    CONTENTS,
    ROLES,
    SPEAKERS,
    THOUGHTS,
    UnreadableTurns,
    as_turns,
    explain_no_turns,
    field_of,
    first_key,
    names_besides,
)

_CALLS = ("tool_calls", "function_call")
_LOST_REASONING = ("reasoning without a reply",)
_OTHER_REASONING = ("other reasoning between markers than in its own field",)


class ChatTurn(NamedTuple):
    """One turn of a speaker."""

    speaker: str
    """User, Assistant, System, Tool, or the role's own name with a capital."""
    text: str | None
    """The content; None where it is null."""
    reasoning: str = ""
    """The reasoning before the text; empty where there is none."""
    closed: bool = True
    """Whether the reasoning ends."""
    calls: tuple[Any, ...] = ()
    """Calls of tools, as chat templates take them."""
    tool: tuple[tuple[str, str], ...] = ()
    """Of a tool's result: the `name` of the tool and the `tool_call_id`, where they are known."""
    foreign: str = ""
    """The type of a part that is no text, such as `image`; empty where all parts are."""
    unlearnt: str = ""
    """Why the source says that this reply must not be learnt; empty where it does not."""
    others: tuple[str, ...] = ()
    """What of the turn is in none of these, such as `info in its turns`."""


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
    system: str = ""
    """The system turns at the beginning, joined."""
    before: Sequence[ChatTurn] = ()
    """The turns between these and the question."""
    between: Sequence[ChatTurn] = ()
    """The turns between the question and the reply, such as a tool's call and its result."""
    unused: tuple[str, ...] = ()
    """What is in none of these parts, such as `turns after the answer`."""
    only_calls: bool = False
    """Whether the last reply calls a tool and says nothing, so that there is no reply to learn."""
    unlearnt: str = ""
    """Why the source says that the reply must not be learnt; empty where it does not."""


def read_turns(value: Any, pairs: bool = False) -> list[ChatTurn]:
    """The turns; one with only reasoning is joined to the reply after it. pairs: see `as_turns`. Raises
    UnreadableTurns."""
    turns = as_turns(value, pairs)
    if turns is None:
        raise UnreadableTurns(explain_no_turns(value))
    joined: list[ChatTurn] = []
    pending: list[str] = []
    lost: tuple[str, ...] = ()
    for turn in turns:
        speaker = _speaker(turn)
        content = read_content(field_of(turn, CONTENTS))
        if speaker in ("Assistant", "Reasoning", "Call"):
            thought = _thought(turn, content)
            if speaker == "Reasoning" or turn.get("channel") == "analysis":
                pending.append(content.text or thought)
                lost = (*lost, *_others(turn, speaker, content), *_lost_with_reasoning(turn, content, thought))
                continue
            if joined and _is_only_reasoning(joined[-1]):
                pending.insert(0, joined[-1].reasoning)
                lost = (*joined.pop().others, *lost)
            reply = _reply(turn, speaker, content, [*pending, thought])
            joined.append(reply._replace(others=(*lost, *reply.others, *_others(turn, speaker, content))))
            pending, lost = [], ()
            continue
        if content.result_of is not None:
            speaker = "Tool"
        if speaker == "User" and pending:
            pending, lost = [], _LOST_REASONING
        joined.append(
            ChatTurn(
                speaker,
                content.text,
                tool=_tool_fields(turn, speaker, content),
                foreign=content.foreign,
                others=(*lost, *_others(turn, speaker, content)),
            )
        )
        lost = ()
    if pending and joined:
        joined[-1] = joined[-1]._replace(others=(*joined[-1].others, *_LOST_REASONING))
    return joined


def _lost_with_reasoning(turn: dict[str, Any], content: TurnContent, thought: str) -> tuple[str, ...]:
    """What of a turn that is only reasoning is not read, besides its other values."""
    found = _OTHER_REASONING if content.text and thought else ()
    is_more = content.foreign or content.calls or read_calls(field_of(turn, _CALLS))
    return (*found, "a part of its reasoning that is not text") if is_more else found


def _learn_keys(turn: dict[str, Any]) -> list[str]:
    """The keys of a turn that say whether it is learnt; a weight between 0 and 1 does not."""
    return [key for key in LEARN_KEYS if truth_of(turn.get(key)) is not None]


def _others(turn: dict[str, Any], speaker: str, content: TurnContent) -> tuple[str, ...]:
    """What of a turn of `speaker` is not read, besides parts that are no text."""
    if len(turn) == 2 and content.text is not None and not content.others:
        return ()
    others: tuple[str, ...] = ()
    used = {first_key(turn, ROLES), first_key(turn, CONTENTS), *_learn_keys(turn)}
    if is_question_place(turn):
        used.add("question")
    if speaker in ("Assistant", "Reasoning", "Call"):
        used.add("channel")
        if read_calls(field_of(turn, _CALLS)):
            used.add(first_key(turn, _CALLS))
        if _own_thought(turn, content):
            used.add(first_key(turn, THOUGHTS))
        if content.reasoning and _own_thought(turn, content):
            others = _OTHER_REASONING
    if speaker == "Tool":
        used |= {"name"} if content.result_of else {"name", "tool_call_id"}
    names = dict.fromkeys((*names_besides(turn, used), *content.others))
    return (*others, *(f"{safe_line(name, 60)} in its turns" for name in names))


def _speaker(turn: dict[str, Any]) -> str:
    role = field_of(turn, ROLES)
    speaker = SPEAKERS.get(role) if type(role) is str else None
    return speaker or SPEAKERS.get(str(role).strip().lower(), str(role).strip().capitalize())


def _thought(turn: dict[str, Any], content: TurnContent) -> str:
    """The reasoning in a field or a part of its own."""
    return _own_thought(turn, content) or content.reasoning


def _own_thought(turn: dict[str, Any], content: TurnContent) -> str:
    """The reasoning in a field of its own."""
    thought = field_of(turn, THOUGHTS) if len(turn) > 2 or content.text is None else None
    return read_content(thought).text or "" if thought is not None else ""


def _reply(turn: dict[str, Any], speaker: str, content: TurnContent, thoughts: list[str]) -> ChatTurn:
    text, closed = content.text, True
    others: tuple[str, ...] = ()
    calls = [*content.calls, *read_calls(field_of(turn, _CALLS))]
    if speaker == "Call" and (spoken := read_calls(text)):
        text, calls = "", [*calls, *spoken]
    if text and (sides := split_thinking(text)):
        text, closed = sides.answer or "", sides.answer is not None
        if not thoughts[-1]:
            thoughts = [*thoughts[:-1], sides.reasoning]
        elif sides.reasoning.strip() != thoughts[-1].strip():
            others = _OTHER_REASONING
    reasoning = "\n\n".join(filter(None, thoughts))
    return ChatTurn(
        "Assistant",
        text,
        reasoning,
        closed,
        tuple(calls),
        foreign=content.foreign,
        unlearnt=reply_reason(turn),
        others=others,
    )


def _is_only_reasoning(turn: ChatTurn) -> bool:
    """Whether a reply has nothing but the reasoning of the reply after it."""
    return bool(turn.speaker == "Assistant" and turn.reasoning and is_blank(turn.text or "") and not turn.calls)


def _tool_fields(turn: dict[str, Any], speaker: str, content: TurnContent) -> tuple[tuple[str, str], ...]:
    if speaker != "Tool":
        return ()
    values = {"name": turn.get("name"), "tool_call_id": content.result_of or turn.get("tool_call_id")}
    return tuple((name, cell_text(value)) for name, value in values.items() if value is not None)


def read_chat(value: Any, replied: bool = True, pairs: bool = False) -> ChatParts:
    """The parts of a list of turns. With `replied`, the reply is the assistant's last and the question is the last one
    before it. Without, the list is a prompt: the question is the user's last turn. pairs: see `as_turns`. Raises
    UnreadableTurns, also where a turn up to the reply has a part that is no text."""
    turns = read_turns(value, pairs)
    chat, end = _parts(turns, replied)
    for turn in turns[:end]:
        if turn.foreign:
            raise UnreadableTurns(f"a turn holds a part that is not text ({turn.foreign})")
    return chat


def _parts(turns: list[ChatTurn], replied: bool) -> tuple[ChatParts, int]:
    """The parts of the turns, and the number of the turns that they are made of."""
    reply = _last(turns, "Assistant", len(turns)) if replied else -1
    end = reply if reply >= 0 else len(turns)
    question = _last(turns, "User", end)
    first = next((index for index, turn in enumerate(turns[:end]) if turn.speaker != "System"), end)
    earlier_end = question if reply < 0 <= question else end
    earlier = "\n".join(
        f"{turn.speaker}: {turn.text}"
        for index, turn in enumerate(turns[:earlier_end])
        if index != question and turn.text and turn.speaker != "System"
    )
    chat = ChatParts(
        turns[question].text if question >= 0 else None,
        earlier,
        system="\n\n".join(turn.text for turn in turns[:first] if turn.text),
        before=turns[first : question if question >= 0 else end],
        between=turns[question + 1 : end] if question >= 0 else (),
        unused=tuple(dict.fromkeys(other for turn in turns for other in turn.others)),
    )
    if reply < 0:
        return chat, end
    last = turns[reply]
    unused = [*chat.unused]
    if any(turn.text or turn.calls or turn.foreign for turn in turns[reply + 1 :]):
        unused.append("turns after the answer")
    if last.calls:
        unused.append("tool calls in the answer")
    only_calls = bool(last.calls) and is_blank(last.text or "")
    return chat._replace(
        reply=None if only_calls else last.text,
        reasoning=last.reasoning,
        closed=last.closed,
        unused=tuple(unused),
        only_calls=only_calls,
        unlearnt=last.unlearnt,
    ), reply + 1


def _last(turns: list[ChatTurn], speaker: str, end: int) -> int:
    """The index of the last turn of `speaker` before `end`, -1 where there is none."""
    for index in range(end - 1, -1, -1):
        if turns[index].speaker == speaker:
            return index
    return -1


class ChatTraits(msgspec.Struct, frozen=True):
    """Which turns a list has, for the guess of a mapping; parts that are no texts do not matter."""

    asks: bool
    """Whether the user asks something."""
    replies: bool
    """Whether there is a reply to it."""
    thinks: bool
    """Whether the reply has reasoning."""
    instructed: bool = False
    """Whether it begins with a system turn."""
    earlier: bool = False
    """Whether there are turns before the last question."""


def chat_traits(value: Any, pairs: bool = False) -> ChatTraits | None:
    """Which turns the value has; None where it is not a list of turns. pairs: see `as_turns`."""
    try:
        turns = read_turns(value, pairs)
    except (UnreadableTurns, RecursionError):
        return None
    chat, _ = _parts(turns, True)
    replies = chat.reply is not None or chat.only_calls
    return ChatTraits(chat.question is not None, replies, bool(chat.reasoning), bool(chat.system), bool(chat.before))
