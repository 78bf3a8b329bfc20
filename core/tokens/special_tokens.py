"""Encodes template text, whose special tokens become their ids, together with row text, which is only ever text.

A text is a list of parts `(text, special)`. A special token counts where it is complete inside one special part; in a
row it is spelled letter by letter, even where it would only form across two parts. All text between two special tokens
is tokenised at once, so that the borders of parts have no effect: where no row spells a special token, the ids are
those of the joined text in the model's own tokenizer. Knows only tokenizers.

Special here are the special and the stopping tokens, and those other added tokens (`<think>` often is one) that a
template of the row writes, so that a row cannot close its own reasoning. All other added tokens (runs of blanks, HTML
tags) are encoded as in inference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

PartText = tuple[str, bool]
"""A part of a text, and whether it is the template's, so that special tokens in it count."""

# Characters of a template's text up to which its special tokens are cached; a whole conversation is longer.
_LONGEST_CACHED = 4096


class PartsEncoding:
    """The tokens of one text, with the methods of the library's Encoding."""

    __slots__ = ("_encoding", "_offsets", "ids", "special_ends")

    def __init__(
        self,
        ids: list[int],
        special_ends: dict[int, int],
        encoding: Encoding | None,
        offsets: list[tuple[int, int]] | None,
    ) -> None:
        """special_ends: the indices in `ids` of the special tokens that the template wrote, with the offset after the
        letters of each; white space that a token takes beside them is not counted. One of `encoding` and `offsets` is
        None."""
        self.ids, self.special_ends, self._encoding, self._offsets = ids, special_ends, encoding, offsets

    @property
    def special_positions(self) -> list[int]:
        """The indices in `ids` of the special tokens that the template wrote."""
        return list(self.special_ends)

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """The characters (start, end) of each id, as offsets in the joined parts."""
        if self._offsets is None:
            self._offsets = self._encoding.offsets if self._encoding is not None else []
        return self._offsets

    def char_to_token(self, character: int) -> int | None:
        """The index of the first token with the character at this offset; None where no token has it."""
        if self._encoding is not None:
            return self._encoding.char_to_token(character)
        holding = (token for token, (start, end) in enumerate(self.offsets) if start <= character < end)
        return next(holding, None)


class _AddedToken(msgspec.Struct, frozen=True):
    content: str
    id: int
    lstrip: bool
    rstrip: bool


_Occurrence = tuple[int, int, _AddedToken]  # characters (start, end) at which a text spells an added token


class PartsEncoder:
    """Encodes texts in parts, with a tokenizer that treats special tokens as text."""

    def __init__(self, plain: Tokenizer) -> None:
        """plain: its stopping tokens count as special, and it has no post-processor."""
        self._plain = plain
        tokens = plain.get_added_tokens_decoder()
        self._added = {
            token.content: _AddedToken(token.content, id, token.lstrip, token.rstrip) for id, token in tokens.items()
        }
        self._always_special = frozenset(token.content for token in tokens.values() if token.special)
        self._any_added = _any_of(frozenset(self._added))
        self._with_special_tokens: Tokenizer | None = None
        self._cached_special = lru_cache(maxsize=1024)(self._find_special)  # a template's texts recur with every row
        self._blind_tokenizers = lru_cache(maxsize=8)(self._make_blind_tokenizers)

    def encode(self, rows: Sequence[Sequence[PartText]]) -> list[PartsEncoding]:
        """Many texts, each in parts, on all cores. Raises TypeError for text that is not Unicode."""
        texts = ["".join(text for text, _ in parts) for parts in rows]
        meant = [self.meant_tokens(parts) for parts in rows]
        without_template = [index for index, parts in enumerate(rows) if not any(special for _, special in parts)]
        with_template = [index for index, parts in enumerate(rows) if any(special for _, special in parts)]
        at_once = [index for index in with_template if self._spells_only(texts[index], meant[index])]
        encoded: dict[int, PartsEncoding] = {}
        if without_template:
            encodings = self._encode_texts(self._plain, [texts[index] for index in without_template])
            for index, encoding in zip(without_template, encodings, strict=True):
                encoded[index] = PartsEncoding(encoding.ids, {}, encoding, None)
        if at_once:
            encodings = self._encode_texts(self._seeing_tokenizer(), [texts[index] for index in at_once])
            for index, encoding in zip(at_once, encodings, strict=True):
                encoded[index] = _with_positions(encoding, meant[index])
        for index in with_template:
            if index not in encoded:
                encoded[index] = self.encode_around(texts[index], meant[index])
        return [encoded[index] for index in range(len(rows))]

    def _encode_texts(self, tokenizer: Tokenizer, texts: list[str]) -> list[Encoding]:
        return tokenizer.encode_batch(texts, add_special_tokens=False)

    # where special tokens are

    def meant_tokens(self, parts: Sequence[PartText]) -> list[_Occurrence]:
        """The special tokens that the template wrote, with their offsets in the joined text."""
        meant: list[_Occurrence] = []
        offset = 0
        for text, special in parts:
            if special:
                occurrences = self._cached_special(text) if len(text) <= _LONGEST_CACHED else self._find_special(text)
                meant += [(offset + start, offset + end, added) for start, end, added in occurrences]
            offset += len(text)
        return meant

    def _find_special(self, text: str) -> list[_Occurrence]:
        if self._any_added is None:
            return []
        matches = ((match, self._added[match.group()]) for match in self._any_added.finditer(text))
        return [
            (match.start(), match.end(), added)
            for match, added in matches
            if added.content in self._always_special or not added.content.isspace()
        ]

    def _spells_only(self, text: str, meant: list[_Occurrence]) -> bool:
        """Whether the text spells special tokens only where they are meant."""
        any_special = _any_of(self._special_in(meant))
        if any_special is None:
            return True
        return [match.span() for match in any_special.finditer(text)] == [(start, end) for start, end, _ in meant]

    def _special_in(self, meant: list[_Occurrence]) -> frozenset[str]:
        return self._always_special.union(added.content for _, _, added in meant)

    # a row that spells special tokens

    def encode_around(self, text: str, meant: list[_Occurrence]) -> PartsEncoding:
        """Encodes the text between the meant special tokens with a tokenizer that does not know them."""
        between: list[tuple[int, str]] = []  # offset and text
        special: list[tuple[int, int, int, int]] = []  # start, end with and without white space, id
        offset = 0
        for start, letters_end, added in meant:
            end = letters_end
            if added.lstrip:
                start -= len(text[offset:start]) - len(text[offset:start].rstrip())
            if added.rstrip:
                end += len(text[end:]) - len(text[end:].lstrip())
            start = max(start, offset)
            between.append((offset, text[offset:start]))
            special.append((start, end, letters_end, added.id))
            offset = max(offset, end)
        between.append((offset, text[offset:]))
        at_start, later = self._blind_tokenizers(self._special_in(meant))
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        special_ends: dict[int, int] = {}
        for index, (shift, piece) in enumerate(between):
            if piece:
                tokenizer = at_start if shift == 0 else later
                encoding = tokenizer.encode(piece, add_special_tokens=False)
                ids += encoding.ids
                offsets += [(start + shift, end + shift) for start, end in encoding.offsets]
            if index < len(special):
                start, end, letters_end, id = special[index]
                special_ends[len(ids)] = letters_end
                ids.append(id)
                offsets.append((start, end))
        return PartsEncoding(ids, special_ends, None, offsets)

    # the tokenizers, made when first needed

    def _seeing_tokenizer(self) -> Tokenizer:
        """The tokenizer that treats special tokens as tokens."""
        if self._with_special_tokens is None:
            self._with_special_tokens = _make_tokenizer(self._definition())
        return self._with_special_tokens

    def _make_blind_tokenizers(self, special: frozenset[str]) -> tuple[Tokenizer, Tokenizer]:
        """Two tokenizers that treat `special` as text: for the beginning of a text, and for text after a special
        token."""
        definition = self._definition()
        for token in definition.get("added_tokens") or []:
            token["special"] = token["content"] in special
        later = definition | {"pre_tokenizer": _never_first(definition.get("pre_tokenizer"))}
        at_start = _make_tokenizer(definition, blind=True)
        return at_start, at_start if later == definition else _make_tokenizer(later, blind=True)

    def _definition(self) -> dict[str, Any]:
        """The tokenizer's definition. Not kept, since a large vocabulary takes 100 MB as Python objects."""
        definition: dict[str, Any] = msgspec.json.decode(self._plain.to_str())
        return definition


def _with_positions(encoding: Encoding, meant: list[_Occurrence]) -> PartsEncoding:
    """The encoding of a text that spells special tokens only where they are meant."""
    ids = encoding.ids
    tokens = [(encoding.char_to_token(start), end, added.id) for start, end, added in meant]
    ends = {token: end for token, end, id in tokens if token is not None and ids[token] == id}
    return PartsEncoding(ids, ends, encoding, None)


def _make_tokenizer(definition: dict[str, Any], *, blind: bool = False) -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(msgspec.json.encode(definition).decode())
    tokenizer.encode_special_tokens = blind
    return tokenizer


def _never_first(pre_tokenizer: Any) -> Any:
    """The pre-tokenizer for text that is not at the beginning: a Metaspace that adds a blank before the first word
    would otherwise add it before the first word of every piece."""
    if not isinstance(pre_tokenizer, dict):
        return pre_tokenizer
    if pre_tokenizer.get("type") == "Sequence":
        steps = pre_tokenizer.get("pretokenizers") or []
        return pre_tokenizer | {"pretokenizers": [_never_first(step) for step in steps]}
    if pre_tokenizer.get("prepend_scheme") == "first":
        return pre_tokenizer | {"prepend_scheme": "never"}
    return pre_tokenizer


@lru_cache(maxsize=32)
def _any_of(contents: frozenset[str]) -> re.Pattern[str] | None:
    """A pattern for any of `contents`, the longest where several begin at one position; None for no contents."""
    if not contents:
        return None
    longest_first = sorted(contents, key=lambda content: (-len(content), content))
    return re.compile("|".join(map(re.escape, longest_first)))
