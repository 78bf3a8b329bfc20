"""Renders a conversation with a chat template in parts: the template's own text, and the texts of the conversation.

The template also renders the conversation with a stand-in for every text. What stands between the stand-ins is the
template's, and the texts are found again in the true rendering, as they are, trimmed, or as JSON spells them. So a
special token that a text spells stays letters. Knows messages and tools; knows nothing of rows or token ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from core.base.chat_history import Message
from core.base.errors import UsageError
from core.tokens.special_tokens import PartText

_STAND_IN = "qSuironSaid{}x5b1q"
_ANY_STAND_IN = re.compile(r"qSuironSaid(\d+)x5b1q")
_KEPT_KEYS = frozenset({"role", "type"})  # whose values decide what a template does
_MOST_MATCHES = 20_000  # tries to find the texts in one rendering
_encode = msgspec.json.Encoder().encode  # keeps the order of keys


class MessageOutline(msgspec.Struct, frozen=True):
    """The rendering of a conversation of one shape: the template's texts, and which text stands between them."""

    template_texts: tuple[str, ...]
    """The template's texts, one more than `numbers`."""
    numbers: tuple[int, ...]
    """The numbers of the conversation's texts, in the order in which they were written; some may be missing."""


class RenderedMessages(msgspec.Struct, frozen=True):
    """One conversation as a chat template renders it."""

    parts: tuple[PartText, ...]
    """The text in parts; True for the template's text, in which special tokens count."""
    written: frozenset[int] | None
    """The numbers of the conversation's texts that were written, as `texts_of` counts them; None where they cannot be
    told from the template's text."""

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(text for text, _ in self.parts)


class UnsafeTextError(UsageError):
    """A text spells a special token, and the chat template changes it so that it cannot be kept as letters."""


class MessageRenderer:
    """Renders conversations with one chat template. For any number of threads.

    render: makes the text of messages and tools; it may raise UsageError. special: spellings of the special tokens that
    no text of a conversation may become.
    """

    def __init__(
        self, render: Callable[[Sequence[Message], Sequence[Any] | None], str], special: Collection[str]
    ) -> None:
        self._render = render
        longest_first = sorted(special, key=lambda word: -len(word))
        self._special = re.compile("|".join(map(re.escape, longest_first))) if special else None
        self._outline = lru_cache(maxsize=512)(self._make_outline)
        self._structure_fault = lru_cache(maxsize=512)(self._find_structure_fault)

    def rendered(self, messages: Sequence[Message], tools: Sequence[Any] | None = None) -> RenderedMessages:
        """The conversation in parts. Raises UsageError where the template refuses it, UnsafeTextError where a special
        token that a text spells would not stay letters."""
        text = self._render(messages, tools)
        texts = texts_of(messages, tools)
        skeleton = _encode([_skeleton(list(messages)), _skeleton(list(tools or []))])
        if spelt := self._structure_fault(skeleton):
            what = f"a role or a key spells the special token {spelt}, which the model's chat template would write"
            raise UnsafeTextError(what, "messages", "Rename it")
        if not any(_ANY_STAND_IN.search(one) for one in texts):
            outline = self._outline(skeleton)
            if outline is not None and (parts := _matched(text, outline, texts)) is not None:
                return RenderedMessages(tuple(parts), frozenset(outline.numbers))
        if spelt := next(filter(None, map(self._special_in, texts)), ""):
            what = f"a text spells the special token {spelt}, and the model's chat template changes that text"
            raise UnsafeTextError(what, "messages", "Remove that word from the text")
        return RenderedMessages(((text, True),), None)

    def _special_in(self, text: str) -> str:
        """The first special token that `text` spells; empty for none."""
        found = self._special.search(text) if self._special is not None else None
        return found.group() if found is not None else ""

    def _find_structure_fault(self, skeleton: bytes) -> str:
        """The first special token that a role, a type or a key spells; empty for none."""
        return next(filter(None, map(self._special_in, _structure_words(msgspec.json.decode(skeleton)))), "")

    def _make_outline(self, skeleton: bytes) -> MessageOutline | None:
        """The outline of conversations with this skeleton; None where the template does not take stand-ins."""
        messages, tools = msgspec.json.decode(skeleton)
        count = iter(range(1 << 30))

        def stand_in(_: str) -> str:
            return _STAND_IN.format(next(count))

        filled = _with_texts(messages, stand_in), _with_texts(tools, stand_in)
        try:
            text = self._render(filled[0], filled[1] or None)
        except UsageError:
            return None
        pieces = _ANY_STAND_IN.split(text)
        return MessageOutline(tuple(pieces[::2]), tuple(map(int, pieces[1::2])))


def texts_of(messages: Sequence[Message], tools: Sequence[Any] | None = None) -> list[str]:
    """Every text of a conversation besides roles and types, in order; blank ones are left out. The messages' come
    first."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    _with_texts(list(messages), note)
    _with_texts(list(tools or []), note)
    return texts


def _with_texts(value: Any, change: Callable[[str], str], key: str = "") -> Any:
    """`value` with every text in it changed, except roles, types and blank texts."""
    if isinstance(value, str):
        return value if key in _KEPT_KEYS or not value.strip() else change(value)
    if isinstance(value, dict):
        return {name: _with_texts(inner, change, name) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(inner, change, key) for inner in value]
    return value


def _skeleton(value: Any) -> Any:
    return _with_texts(value, lambda _: "x")


def _structure_words(value: Any, key: str = "") -> Iterator[str]:
    """The roles, types and keys of a conversation."""
    if isinstance(value, str) and key in _KEPT_KEYS:
        yield value
    elif isinstance(value, dict):
        yield from value
        for name, inner in value.items():
            yield from _structure_words(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _structure_words(inner, key)


def _matched(text: str, outline: MessageOutline, texts: Sequence[str]) -> list[PartText] | None:
    """The rendering `text` in parts, as the outline has them; None where it is another one."""
    first = outline.template_texts[0]
    if not text.startswith(first):
        return None
    chosen: list[str] = []
    tries = 0

    def match(index: int, position: int) -> bool:
        nonlocal tries
        if index == len(outline.numbers):
            return position == len(text)
        after = outline.template_texts[index + 1]
        for variant in text_variants(texts[outline.numbers[index]]):
            tries += 1
            end = position + len(variant)
            if tries < _MOST_MATCHES and text.startswith(variant, position) and text.startswith(after, end):
                chosen.append(variant)
                if match(index + 1, end + len(after)):
                    return True
                chosen.pop()
        return False

    if len(outline.numbers) > 500 or not match(0, len(first)):
        return None
    parts: list[PartText] = [(first, True)]
    for variant, after in zip(chosen, outline.template_texts[1:], strict=True):
        parts += [(variant, False), (after, True)]
    return parts


@lru_cache(maxsize=4096)
def text_variants(text: str) -> tuple[str, ...]:
    """The ways in which templates write a text: as it is, trimmed, and as JSON or Python spell it."""
    trimmed = (text, text.strip(), text.strip("\n"), text.lstrip("\n"), text.rstrip("\n"), text.lstrip(), text.rstrip())
    json_text = json.dumps(text, ensure_ascii=False)[1:-1]
    spelt = (json_text, json.dumps(text)[1:-1], json.dumps(json_text, ensure_ascii=False)[1:-1], repr(text)[1:-1])
    return tuple(dict.fromkeys((*trimmed, *spelt)))
