"""Profiles the values of one column in a few sample rows: texts, flags, numbers, chat turns. Does not judge names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from core.base.row import is_blank
from core.data.cell_text import NumberText, cell_text
from core.data.columns.generations import as_list
from core.data.columns.headings import HeadingKind, systematic_heading
from core.data.columns.inner_text import describe_inner, inner_text, is_wrapped
from core.data.columns.thinking import split_thinking
from core.data.columns.turn_shapes import UnreadableTurns, as_turns, holds_pairs
from core.data.columns.turns import chat_traits

ValueKind = Literal["unseen", "empty", "text", "flag", "number", "mark", "list", "chat", "nested"]
"""unseen: no sample row has the column; empty: all its values are null or blank; flag: at most five distinct short
strings; mark: true or false, or lists of these; list: lists of texts or numbers; chat: lists of chat turns; nested: any
other list or object."""

_NUMBER = re.compile(r"[-+]?[$€¥]?\s?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?\s?%?")
_FLAG_WORDS = frozenset(("on", "off", "true", "false", "yes", "no", "enabled", "disabled", "low", "medium", "high"))
_FLAG_LENGTH, _FLAG_VALUES = 24, 5
ENOUGH_ROWS = 8  # from this number of rows on, few distinct values are no coincidence
_MOST = 0.8  # the share of values that decides the kind


class ColumnProfile(msgspec.Struct, frozen=True):
    """A summary of the values of one column."""

    kind: ValueKind
    """The kind of most values."""
    filled: int = 0
    """How many rows have a value."""
    values: tuple[str, ...] = ()
    """The distinct values of a flag."""
    length: float = 0.0
    """Mean length of the values that are not blank, in characters."""
    marker: str = ""
    """The first reasoning marker in the texts; empty where there is none."""
    several: bool = False
    """For lists: whether any has more than one element."""
    literal: bool = False
    """For lists: whether most are written as the JSON text of one."""
    inner: str = ""
    """For nested values: where the text inside them is, in words; empty where they hold none."""
    heading: HeadingKind | None = None
    """The kind of line at which nearly all texts can be split into reasoning and answer."""
    heading_mark: str = ""
    """How that line is written."""
    codes: bool = False
    """For numbers: whether they are few small integers that repeat, as the numbers of classes do."""
    asks: bool = False
    """For chat turns: whether most have a question."""
    replies: bool = False
    """For chat turns: whether most have a reply."""
    thinks: bool = False
    """For chat turns and nested values: whether any has reasoning."""
    instructed: bool = False
    """For chat turns: whether any begins with a system turn."""
    earlier: bool = False
    """For chat turns: whether any has turns before its last question."""


def profile_column(name: str, rows: Sequence[Mapping[str, Any]]) -> ColumnProfile:
    """The profile of the column `name` in `rows`."""
    return profile_values(name, [row[name] for row in rows if name in row])


def profile_values(name: str, values: Sequence[Any]) -> ColumnProfile:
    """The profile of the values of a column, or at the end of a path, of this name."""
    if not values:
        return ColumnProfile("unseen")
    filled = [value for value in values if not _blank(value)]
    if not filled:
        return ColumnProfile("empty")
    pairs = holds_pairs(name)
    found = (chat_traits(value, pairs) for value in filled if as_turns(value, pairs) is not None)
    chats = [chat for chat in found if chat is not None]
    if len(chats) > len(filled) / 2:
        return ColumnProfile(
            "chat",
            len(filled),
            asks=sum(chat.asks for chat in chats) >= len(chats) / 2,
            replies=sum(chat.replies for chat in chats) >= len(chats) / 2,
            thinks=any(chat.thinks for chat in chats),
            instructed=any(chat.instructed for chat in chats),
            earlier=any(chat.earlier for chat in chats),
        )
    literal = _most_are(filled, lambda value: isinstance(value, str))
    lists = [items for value in filled if (items := as_list(value)) is not None]
    if len(lists) >= _MOST * len(filled) and (listed := _profile_lists(lists, literal)) is not None:
        return listed
    if _most_are(filled, lambda value: isinstance(value, bool)):
        return ColumnProfile("mark", len(filled))
    if _most_are(filled, _is_number):
        return ColumnProfile("number", len(filled), length=8.0, codes=_are_codes(filled))
    if not _most_are(filled, lambda value: isinstance(value, str | bool | int | float | bytes)):
        return _profile_objects(filled)
    if literal and _most_are(filled, is_wrapped):
        return _profile_objects(filled)
    return _profile_texts([cell_text(value) for value in filled])


def _profile_lists(lists: list[list[Any]], literal: bool) -> ColumnProfile | None:
    """The profile of lists; None where they are texts that only look like lists."""
    items = [item for values in lists for item in values if item is not None]
    texts = [item for item in items if isinstance(item, str) and not isinstance(item, NumberText)]
    plain = texts if literal else list(filter(_is_text_or_number, items))
    if items and len(plain) >= (1 if literal else _MOST) * len(items):
        return ColumnProfile(
            "list",
            len(lists),
            length=sum(len(cell_text(item)) for item in plain) / len(plain),
            marker=_first_marker(texts),
            several=any(len(values) > 1 for values in lists),
            literal=literal,
        )
    if items and all(isinstance(item, bool) for item in items):
        return ColumnProfile("mark", len(lists))
    nested = _profile_objects(lists)
    return None if literal and not nested.inner else nested


def _profile_objects(values: list[Any]) -> ColumnProfile:
    inner = describe_inner(values)
    if not inner:
        return ColumnProfile("nested", len(values))
    found = []
    for value in values:
        try:
            found.append(inner_text(value))
        except UnreadableTurns:
            continue
    length = sum(len(text.text) for text in found) / max(1, len(found))
    several = any(isinstance(value, list) and len(value) > 1 for value in values)
    thinks = any(text.reasoning for text in found)
    return ColumnProfile("nested", len(values), length=length, several=several, inner=inner, thinks=thinks)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | NumberText) and not isinstance(value, bool)


def _is_text_or_number(value: Any) -> bool:
    return isinstance(value, str) or _is_number(value)


def _are_codes(values: Sequence[Any]) -> bool:
    texts = {str(value).strip() for value in values}
    return len(values) >= ENOUGH_ROWS and len(texts) * 3 <= len(values) and all(map(str.isdecimal, texts))


def _profile_texts(texts: list[str]) -> ColumnProfile:
    length = sum(map(len, texts)) / len(texts)
    if _most_are(texts, lambda text: _NUMBER.fullmatch(text.strip()) is not None):
        return ColumnProfile("number", len(texts), length=length, codes=_are_codes(texts))
    distinct = tuple(dict.fromkeys(text.strip() for text in texts))
    if len(distinct) <= _FLAG_VALUES and all(len(text) <= _FLAG_LENGTH and "\n" not in text for text in distinct):
        known = all(text.lower() in _FLAG_WORDS for text in distinct)
        if known or len(texts) >= ENOUGH_ROWS:
            return ColumnProfile("flag", len(texts), values=distinct, length=length)
    heading, mark = systematic_heading(texts) or (None, "")
    return ColumnProfile(
        "text", len(texts), length=length, marker=_first_marker(texts), heading=heading, heading_mark=mark
    )


def _first_marker(texts: Sequence[str]) -> str:
    for text in texts:
        sides = split_thinking(text)
        if sides is not None:
            return sides.marker
    return ""


def _blank(value: Any) -> bool:
    if isinstance(value, str):
        return is_blank(value)
    return value is None or (isinstance(value, float) and value != value) or value == [] or value == {}


def _most_are(values: Sequence[Any], test: Callable[[Any], bool]) -> bool:
    return sum(1 for value in values if test(value)) >= _MOST * len(values)
