"""What a mapping takes of chat turns, of answers that name an option, and of lists of tools, record by record.

A view takes the values of a reader's source columns and returns the texts that picks choose among.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from core.base.safe_text import safe_line
from core.data.cell_text import cell_text
from core.data.columns.answer_options import named_option
from core.data.columns.tool_definitions import read_tools
from core.data.columns.turn_messages import history_text
from core.data.columns.turns import ChatParts, read_chat
from core.data.extra_columns import has_value

View = Callable[[Sequence[Any]], Sequence[str | None]]
"""Takes the values of one record, and returns texts."""
REPLY_HOWS = frozenset(("assistant", "assistant_think"))
"""The ways to read a list of chat turns that need its reply."""


class NoValue(str):
    """Why there is no value: the problem of a row, or, in an optional column, an empty text."""

    __slots__ = ()


class NotLearnt(Exception):
    """The row is left out. The message is the reason."""


UNCLOSED = NoValue("its reasoning never ends, so there is no answer")
_NO_QUESTION = NoValue("its chat turns have no question of a user")
_NO_REPLY = NoValue("its chat turns have no reply")
_ONLY_CALLS = NoValue("its last reply only calls a tool, so there is no answer")


def chat_view(position: int, hows: Collection[str], marked: bool, pairs: bool, unused_parts: list[str]) -> View:
    """Question, turns before it, reply, its reasoning, system prompt and history of a list of chat turns.

    hows: everything that is taken of the list; marked: whether a reply that its turn marks is left out (raises
    NotLearnt); pairs: see `as_turns`; unused_parts: what is taken of no turn is added to it. Raises UnreadableTurns.
    """
    replied = not REPLY_HOWS.isdisjoint(hows)

    def view(values: Sequence[Any]) -> Sequence[str | None]:
        value = values[position]
        if value is None:
            return None, "", None, "", "", ""
        chat = read_chat(value, replied, pairs)
        if marked and chat.unlearnt:
            raise NotLearnt(chat.unlearnt)
        unused_parts.extend(_unused_turns(chat, hows))
        history = history_text(chat.before, chat.between) if "chat_history" in hows else ""
        return (*_chat_texts(chat), chat.system, history)

    return view


def option_view(position: int, options: int, name: str, replaced: bool, unused_parts: list[str]) -> View:
    """An answer that may only name one of the options at position `options`, a column of this name: as it is, and
    counted among the unused parts; with `replaced`, the option's text."""

    def view(values: Sequence[Any]) -> Sequence[str | None]:
        answer = values[position]
        option = named_option(answer, values[options])
        if (option is None or replaced) and has_value(values[options]):
            unused_parts.append(
                f"other {safe_line(name, 60)}"
                if replaced and option is not None
                else f"{safe_line(name, 60)} that are not used"
            )
        if option is not None and replaced:
            return (option,)
        if option is not None:
            unused_parts.append(f"an answer that only names one of {safe_line(name, 60)}, which is not used")
        return (None if answer is None else cell_text(answer),)

    return view


def tools_view(position: int, unused_parts: list[str]) -> View:
    """The JSON text of a list of tools."""

    def view(values: Sequence[Any]) -> Sequence[str | None]:
        tools = read_tools(values[position])
        if tools is None:
            unused_parts.append("tools that are not a list of objects")
        return (tools or "",)

    return view


def _chat_texts(chat: ChatParts) -> tuple[str, str, str, str]:
    """The question, the turns before it, the reply and its reasoning."""
    question = _NO_QUESTION if chat.question is None else chat.question
    reply = _NO_REPLY if chat.reply is None else chat.reply
    if chat.only_calls:
        reply = _ONLY_CALLS
    elif not chat.closed:
        reply = UNCLOSED
    return question, chat.earlier, reply, chat.reasoning


def _unused_turns(chat: ChatParts, hows: Collection[str]) -> list[str]:
    """What the picks `hows` take from no turn."""
    unused = list(chat.unused)
    if chat.system and "system_turn" not in hows:
        unused.append("a system turn")
    if "chat_history" not in hows and "earlier" not in hows and (chat.before or chat.between):
        unused.append("turns before the answer besides the question")
    return unused
