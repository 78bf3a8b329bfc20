"""Text of two sorts to token ids: what a template wrote, whose special tokens become their ids, and what a row says,
which is only ever text.

A text comes as runs `(text, special)`. A special token counts where it stands whole inside one special run; in a row it
is spelled letter by letter, also when it would come about at a joint of two runs. All between two special tokens is
tokenised whole, so that joints of runs leave no trace: the ids are those of the joined text in the model's own
tokenizer, wherever no row spells a special token. Knows tokenizers alone.

Special here: the special and the stopping tokens; and of the other added tokens (`<think>` often is one) those that a
template of the row writes, so that a row cannot close its own reasoning. Further added tokens (runs of blanks, HTML
tags) stay what inference makes of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Run = tuple[str, bool]  # text; is it the template's, where special tokens count?
_REMEMBERED = (
    4096  # characters of a template's text whose special tokens are remembered; a whole conversation is longer
)


class RunEncoding:
    """One row's tokens, in the words of the library's Encoding. planted: the places in `ids` of the special tokens that
    the template wrote."""

    __slots__ = ("_encoding", "_offsets", "ids", "planted")

    def __init__(
        self, ids: list[int], planted: list[int], encoding: Encoding | None, offsets: list[tuple[int, int]] | None
    ) -> None:
        self.ids, self.planted, self._encoding, self._offsets = ids, planted, encoding, offsets

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """For each id the characters it stands for (start, end), counted over the joined runs."""
        if self._offsets is None:
            self._offsets = self._encoding.offsets if self._encoding is not None else []
        return self._offsets

    def char_to_token(self, place: int) -> int | None:
        """The first token that holds the character at `place`; None where none does."""
        if self._encoding is not None:
            return self._encoding.char_to_token(place)
        return next((token for token, (start, end) in enumerate(self.offsets) if start <= place < end), None)


class _Added(msgspec.Struct, frozen=True):
    content: str
    id: int
    lstrip: bool
    rstrip: bool


_Mark = tuple[int, int, _Added]  # where a special token stands in a text, with the white space it takes with it


class RunEncoder:
    """plain: a tokenizer to which special tokens are text; its stopping tokens count as special, and it has no
    post-processor."""

    def __init__(self, plain: Tokenizer) -> None:
        self._plain = plain
        tokens = plain.get_added_tokens_decoder()
        self._added = {
            token.content: _Added(token.content, id, token.lstrip, token.rstrip) for id, token in tokens.items()
        }
        self._always = frozenset(token.content for token in tokens.values() if token.special)
        self._any_added = _any_of(frozenset(self._added))
        self._seeing: Tokenizer | None = None  # to which special tokens are tokens
        self._marks_in = lru_cache(maxsize=1024)(self._find_marks)  # a template's own texts come back with every row
        self._blind = lru_cache(maxsize=8)(self._make_blind)

    def encode(self, rows: Sequence[Sequence[Run]]) -> list[RunEncoding]:
        """Many rows on all cores. Raises TypeError for text that is no Unicode."""
        texts = ["".join(text for text, _ in runs) for runs in rows]
        marks = [self._wanted(runs) for runs in rows]
        plain = [place for place, runs in enumerate(rows) if not any(special for _, special in runs)]
        others = [place for place, runs in enumerate(rows) if any(special for _, special in runs)]
        whole = [place for place in others if self._is_honest(texts[place], marks[place])]
        done: dict[int, RunEncoding] = {}
        if plain:
            for place, encoding in zip(
                plain,
                self._plain.encode_batch([texts[place] for place in plain], add_special_tokens=False),
                strict=True,
            ):
                done[place] = RunEncoding(encoding.ids, [], encoding, None)
        if whole:
            seeing = self._with_special()
            for place, encoding in zip(
                whole, seeing.encode_batch([texts[place] for place in whole], add_special_tokens=False), strict=True
            ):
                ids = encoding.ids
                places = [(encoding.char_to_token(start), added.id) for start, _, added in marks[place]]
                done[place] = RunEncoding(
                    ids, [token for token, id in places if token is not None and ids[token] == id], encoding, None
                )
        for place in others:
            if place not in done:
                done[place] = self._in_parts(texts[place], marks[place])
        return [done[place] for place in range(len(rows))]

    # where special tokens stand

    def _wanted(self, runs: Sequence[Run]) -> list[_Mark]:
        marks, at = [], 0
        for text, special in runs:
            if special:
                found = self._marks_in(text) if len(text) <= _REMEMBERED else self._find_marks(text)
                marks += [(at + start, at + end, added) for start, end, added in found]
            at += len(text)
        return marks

    def _find_marks(self, text: str) -> list[_Mark]:
        if self._any_added is None:
            return []
        found = ((match, self._added[match.group()]) for match in self._any_added.finditer(text))
        return [
            (match.start(), match.end(), added)
            for match, added in found
            if added.content in self._always or not added.content.isspace()
        ]

    def _is_honest(self, text: str, marks: list[_Mark]) -> bool:
        """Does the whole text spell special tokens at the wanted places and nowhere else?"""
        any_of = _any_of(self._special_with(marks))
        return any_of is None or [match.span() for match in any_of.finditer(text)] == [
            (start, end) for start, end, _ in marks
        ]

    def _special_with(self, marks: list[_Mark]) -> frozenset[str]:
        return self._always.union(added.content for _, _, added in marks)

    # a row that spells special tokens: part by part

    def _in_parts(self, text: str, marks: list[_Mark]) -> RunEncoding:
        """What stands between the special tokens, encoded by a tokenizer that does not know them."""
        pieces: list[tuple[int, str]] = []
        at, bounds = 0, []
        for start, end, added in marks:
            if added.lstrip:
                start -= len(text[at:start]) - len(text[at:start].rstrip())
            if added.rstrip:
                end += len(text[end:]) - len(text[end:].lstrip())
            start = max(start, at)
            pieces.append((at, text[at:start]))
            bounds.append((start, end, added.id))
            at = max(at, end)
        pieces.append((at, text[at:]))
        first, later = self._blind(self._special_with(marks))
        encodings = [
            (first if start == 0 else later).encode(piece, add_special_tokens=False) if piece else None
            for start, piece in pieces
        ]
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        planted: list[int] = []
        for place, ((shift, _), encoding) in enumerate(zip(pieces, encodings, strict=True)):
            if encoding is not None:
                ids += encoding.ids
                offsets += [(start + shift, end + shift) for start, end in encoding.offsets]
            if place < len(bounds):
                start, end, id = bounds[place]
                planted.append(len(ids))
                ids.append(id)
                offsets.append((start, end))
        return RunEncoding(ids, planted, None, offsets)

    # the tokenizers, made when first needed

    def _with_special(self) -> Tokenizer:
        if self._seeing is None:
            self._seeing = _made(self._definition())
        return self._seeing

    def _make_blind(self, special: frozenset[str]) -> tuple[Tokenizer, Tokenizer]:
        """Tokenizers to which these are text: for the beginning of a text, and for what follows a special token."""
        definition = self._definition()
        for token in definition.get("added_tokens") or []:
            token["special"] = token["content"] in special
        later = definition | {"pre_tokenizer": _not_first(definition.get("pre_tokenizer"))}
        first = _made(definition, blind=True)
        return first, first if later == definition else _made(later, blind=True)

    def _definition(self) -> dict[str, Any]:
        """Asked of the tokenizer when it is needed: as Python objects a large vocabulary takes 100 MB."""
        definition: dict[str, Any] = msgspec.json.decode(self._plain.to_str())
        return definition


def _made(definition: dict[str, Any], *, blind: bool = False) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(msgspec.json.encode(definition).decode())
    tokenizer.encode_special_tokens = blind
    return tokenizer


def _not_first(pre_tokenizer: Any) -> Any:
    """A Metaspace that puts its blank before the first word of a text only would put it before every part of one."""
    if not isinstance(pre_tokenizer, dict):
        return pre_tokenizer
    if pre_tokenizer.get("type") == "Sequence":
        return pre_tokenizer | {
            "pretokenizers": [_not_first(step) for step in pre_tokenizer.get("pretokenizers") or []]
        }
    return (
        pre_tokenizer | {"prepend_scheme": "never"} if pre_tokenizer.get("prepend_scheme") == "first" else pre_tokenizer
    )


@lru_cache(maxsize=32)
def _any_of(contents: frozenset[str]) -> re.Pattern[str] | None:
    """Any of them, the longest where several begin; None for none."""
    return (
        re.compile("|".join(map(re.escape, sorted(contents, key=lambda content: (-len(content), content)))))
        if contents
        else None
    )
