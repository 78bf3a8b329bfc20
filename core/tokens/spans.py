"""Where the sections of a text lie among its tokens. Knows segments and tokenizers; knows nothing of labels.

Two ways to the same answer: by the characters that the library gives for every token, and, where every token of a
tokenizer stands for bytes of the text, by counting those bytes, which is twice as fast because the library then need
not keep track of characters.
"""

from __future__ import annotations

import unicodedata
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from core.base.errors import DataError
from core.tokens.segments import EOS, PROMPT, RESPONSE, SLOTS, Layout, Segment

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.tokenizer import TextTokenizer

    Ints = np.ndarray[Any, np.dtype[np.int32]]


class ByteLengths:
    """How many bytes of the text each token of a tokenizer stands for."""

    WORTH = 64  # rows at once from which making the table pays
    _made: ClassVar[weakref.WeakKeyDictionary[TextTokenizer, ByteLengths | None]] = weakref.WeakKeyDictionary()

    def __init__(self, lengths: Ints, normalises: bool) -> None:
        self.lengths, self._normalises = lengths, normalises

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> ByteLengths | None:
        """None for a tokenizer whose tokens do not stand for bytes, or that changes a text in other ways than Unicode's
        NFC before it splits it."""
        if tokenizer not in cls._made:
            cls._made[tokenizer] = cls._make(tokenizer)
        return cls._made[tokenizer]

    @classmethod
    def _make(cls, tokenizer: TextTokenizer) -> ByteLengths | None:
        import numpy as np

        definition: dict[str, Any] = msgspec.json.decode(tokenizer.raw.to_str())
        normalizers, decoders = (
            _steps(definition.get("normalizer"), "normalizers"),
            _steps(definition.get("decoder"), "decoders"),
        )
        if decoders != ["ByteLevel"] or normalizers not in ([], ["NFC"]):
            return None
        pieces = (tokenizer.pieces.data(id) for id in range(tokenizer.vocab_size))
        lengths = np.fromiter((len(piece) if piece else 0 for piece in pieces), np.int32, tokenizer.vocab_size)
        return cls(lengths, bool(normalizers))

    def measures(self, text: str) -> bool:
        """Whether the tokenizer splits exactly this text, not a changed one."""
        return not self._normalises or text.isascii() or unicodedata.is_normalized("NFC", text)


def _steps(part: dict[str, Any] | None, inside: str) -> list[str]:
    """The types of what a part of tokenizer.json does, in order."""
    if not part:
        return []
    return (
        [step for one in part[inside] for step in _steps(one, inside)] if part["type"] == "Sequence" else [part["type"]]
    )


def by_bytes(
    texts: Sequence[str],
    parts: Sequence[Sequence[Segment]],
    slots: Sequence[Layout],
    tokenizer: TextTokenizer,
    table: ByteLengths,
) -> Any:
    """Many texts without special tokens. Gives (ids, starts, ends, sure): all ids with beginning and end of sequence,
    where each row starts among them, the ends of its slots, and whether its bytes add up; where they do not, the row is
    to be done by characters. Raises TypeError for text that is no Unicode."""
    import numpy as np

    bos, eos, rows = tokenizer.bos_ids, tokenizer.eos_id, len(texts)
    encodings = tokenizer.raw.encode_batch_fast(texts, add_special_tokens=False)
    listed = (
        [[*bos, *encoding.ids, eos] for encoding in encodings]
        if bos
        else [[*encoding.ids, eos] for encoding in encodings]
    )
    counts = np.fromiter(map(len, listed), np.int64, rows)
    starts = np.concatenate(([0], np.cumsum(counts)))
    ids = np.concatenate([np.array(one, np.int32) for one in listed])

    measured = np.zeros((rows, SLOTS), np.int64)  # bytes of each slot
    for place, (of_row, layout) in enumerate(zip(parts, slots, strict=True)):
        for one, slot in zip(of_row, layout.slots, strict=True):
            text = one.text
            measured[place, slot] += len(text) if text.isascii() else len(text.encode())
    until = np.cumsum(measured, axis=1)  # bytes up to the end of each slot

    lengths = table.lengths[ids].astype(np.int64)
    lengths[starts[1:] - 1] = 0
    for place in range(len(bos)):
        lengths[starts[:-1] + place] = 0
    passed = np.cumsum(lengths)  # bytes up to the end of each token, over all rows
    before = np.concatenate(([0], passed))[starts]
    sure = before[1:] - before[:-1] == until[:, -1]
    found = np.searchsorted(passed, before[:-1, None] + until, side="right") - starts[:-1, None]
    ends = np.minimum(found, counts[:, None] - 1).astype(np.int32)
    ends[:, RESPONSE], ends[:, EOS] = counts - 1, counts
    return ids, starts, ends, sure


def by_characters(
    parts: Sequence[Sequence[Segment]], slots: Sequence[Layout], tokenizer: TextTokenizer, numbers: Sequence[int]
) -> list[Any]:
    """Many rows, each as (ids, ends of its slots) or as the DataError that says why it has none. Raises DataError for
    text that is no Unicode."""
    import numpy as np

    done: list[Any] = []
    encodings = tokenizer.encode_runs([[(one.text, one.special) for one in of_row] for of_row in parts])
    for of_row, layout, encoding, number in zip(parts, slots, encodings, numbers, strict=True):
        planted = set(encoding.planted)
        if any(id in tokenizer.stop_ids and place not in planted for place, id in enumerate(encoding.ids)):
            done.append(stray_end(tokenizer, number))
            continue
        bos = beginning(of_row, tokenizer)
        length = sum(len(one.text) for one in of_row)
        ends, at = [0] * SLOTS, 0
        for one, slot in zip(of_row, layout.slots, strict=True):
            at += len(one.text)
            ends[slot:] = [len(bos) + _token_at(encoding, at, length)] * (SLOTS - slot)
        ids = [*bos, *encoding.ids, tokenizer.eos_id]
        ends[PROMPT:EOS] = [max(end, len(bos)) for end in ends[PROMPT:EOS]]
        ends[RESPONSE], ends[EOS] = len(ids) - 1, len(ids)
        done.append((np.array(ids, np.int32), np.array(ends, np.int32)))
    return done


def beginning(segments: Sequence[Segment], tokenizer: TextTokenizer) -> list[int]:
    """The beginning of sequence to put in front. None where special text comes first: a chat form writes its own, or
    its model wants none."""
    return [] if segments and segments[0].special else tokenizer.bos_ids


def stray_end(tokenizer: TextTokenizer, number: int) -> DataError:
    return DataError(
        f"its text is encoded to an end of sequence ({tokenizer.eos})", f"row {number}", "Take that word out of the row"
    )


def _token_at(encoding: Any, place: int, length: int) -> int:
    """The first token whose last character stands at `place` or later."""
    if place < length:
        token = encoding.char_to_token(place)
        if token is not None:
            return int(token)
    # No token holds that character (the tokenizer dropped it), or nothing follows.
    return next((token for token, (_, end) in enumerate(encoding.offsets) if end > place), len(encoding.ids))
