"""Finds where the slots of a text end in its tokens. Knows segments and tokenizers; knows nothing of labels.

There are two ways with the same result: by the library's characters of every token; and, where every token of a
tokenizer stands for bytes of the text, by counting these bytes, which is twice as fast because the library need not
track characters.
"""

from __future__ import annotations

import unicodedata
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from core.base.errors import DataError
from core.tokens.segments import EOS, PROMPT, RESPONSE, SLOT_COUNT, Segment, SegmentSlots

if TYPE_CHECKING:
    import numpy as np

    from core.tokens.special_tokens import PartsEncoding
    from core.tokens.tokenizer import TextTokenizer

    Int32Array = np.ndarray[Any, np.dtype[np.int32]]
    Int64s = np.ndarray[Any, np.dtype[np.int64]]
    Bools = np.ndarray[Any, np.dtype[np.bool_]]


class TokenByteLengths:
    """How many bytes of a text each token of a tokenizer stands for."""

    FEWEST_ROWS = 64  # from this number of rows on, making the table is worth it
    _tables: ClassVar[weakref.WeakKeyDictionary[TextTokenizer, TokenByteLengths | None]] = weakref.WeakKeyDictionary()

    def __init__(self, lengths: Int32Array, normalises: bool) -> None:
        """lengths: bytes by token id, int32, shape (vocabulary,). normalises: the tokenizer composes a text (NFC)."""
        self.lengths, self._normalises = lengths, normalises

    @classmethod
    def of(cls, tokenizer: TextTokenizer) -> TokenByteLengths | None:
        """The table of `tokenizer`, made once. None where tokens do not stand for bytes, or where the text is changed
        in other ways than Unicode's NFC before it is split."""
        if tokenizer not in cls._tables:
            cls._tables[tokenizer] = cls._make_table(tokenizer)
        return cls._tables[tokenizer]

    @classmethod
    def _make_table(cls, tokenizer: TextTokenizer) -> TokenByteLengths | None:
        import numpy as np

        definition: dict[str, Any] = msgspec.json.decode(tokenizer.raw.to_str())
        normalizers = _step_types(definition.get("normalizer"), "normalizers")
        decoders = _step_types(definition.get("decoder"), "decoders")
        if decoders != ["ByteLevel"] or normalizers not in ([], ["NFC"]):
            return None
        of_tokens = (tokenizer.token_bytes.data(id) for id in range(tokenizer.vocab_size))
        lengths = np.fromiter((len(data) if data else 0 for data in of_tokens), np.int32, tokenizer.vocab_size)
        return cls(lengths, bool(normalizers))

    def measures(self, text: str) -> bool:
        """Whether the tokenizer splits this text unchanged, not composed."""
        return not self._normalises or text.isascii() or unicodedata.is_normalized("NFC", text)


def _step_types(step: dict[str, Any] | None, inner_key: str) -> list[str]:
    """The types of a step of tokenizer.json and of all steps inside it, in order."""
    if not step:
        return []
    if step["type"] != "Sequence":
        return [step["type"]]
    return [step_type for inner in step[inner_key] for step_type in _step_types(inner, inner_key)]


class RowsByBytes(msgspec.Struct, frozen=True):
    """Rows encoded together, their slots found by counting bytes."""

    ids: Int32Array
    """Token ids of all rows with beginning and end of sequence, one row after the other, int32, shape (tokens,)."""
    starts: Int64s
    """Where each row starts in `ids`, and the end of the last one, int64, shape (rows + 1,)."""
    ends: Int32Array
    """The end of each slot, in tokens from the row's first one, int32, shape (rows, 6)."""
    certain: Bools
    """Whether the bytes of the row's tokens add up to its text; otherwise it is encoded by characters. Shape
    (rows,)."""


def encode_by_bytes(
    texts: Sequence[str],
    rows: Sequence[Sequence[Segment]],
    slots: Sequence[SegmentSlots],
    tokenizer: TextTokenizer,
    table: TokenByteLengths,
) -> RowsByBytes:
    """Encodes many texts without special tokens. rows: the segments of each. Raises TypeError for text that is not
    Unicode."""
    import numpy as np

    bos, eos, count = tokenizer.bos_ids, tokenizer.eos_id, len(texts)
    encodings = tokenizer.raw.encode_batch_fast(texts, add_special_tokens=False)
    if bos:
        ids_of_rows = [[*bos, *encoding.ids, eos] for encoding in encodings]
    else:
        ids_of_rows = [[*encoding.ids, eos] for encoding in encodings]
    lengths = np.fromiter(map(len, ids_of_rows), np.int64, count)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    ids = np.concatenate([np.array(ids_of_row, np.int32) for ids_of_row in ids_of_rows])

    slot_bytes = np.zeros((count, SLOT_COUNT), np.int64)
    for index, (segments, layout) in enumerate(zip(rows, slots, strict=True)):
        for segment, slot in zip(segments, layout.slots, strict=True):
            text = segment.text
            slot_bytes[index, slot] += len(text) if text.isascii() else len(text.encode())
    slot_end_bytes = np.cumsum(slot_bytes, axis=1)  # from the row's first byte

    token_bytes = table.lengths[ids].astype(np.int64)
    token_bytes[starts[1:] - 1] = 0  # the end of sequence stands for no text, and neither does the beginning
    for offset in range(len(bos)):
        token_bytes[starts[:-1] + offset] = 0
    token_end_bytes = np.cumsum(token_bytes)  # over all rows
    row_start_bytes = np.concatenate(([0], token_end_bytes))[starts]
    certain = row_start_bytes[1:] - row_start_bytes[:-1] == slot_end_bytes[:, -1]
    end_tokens = np.searchsorted(token_end_bytes, row_start_bytes[:-1, None] + slot_end_bytes, side="right")
    ends = np.minimum(end_tokens - starts[:-1, None], lengths[:, None] - 1).astype(np.int32)
    ends[:, RESPONSE], ends[:, EOS] = lengths - 1, lengths
    return RowsByBytes(ids, starts, ends, certain)


def encode_by_characters(
    rows: Sequence[Sequence[Segment]],
    slots: Sequence[SegmentSlots],
    tokenizer: TextTokenizer,
    row_numbers: Sequence[int],
) -> list[tuple[Int32Array, Int32Array] | DataError]:
    """Many rows, each as its token ids (int32, shape (tokens,)) and the ends of its slots (int32, shape (6,)), or as a
    DataError with the reason why there are none. row_numbers: the rows' numbers in errors. Raises DataError for text
    that is not Unicode."""
    import numpy as np

    results: list[tuple[Int32Array, Int32Array] | DataError] = []
    parts = [[(segment.text, segment.special) for segment in segments] for segments in rows]
    encodings = tokenizer.encode_parts(parts)
    for segments, layout, encoding, number in zip(rows, slots, encodings, row_numbers, strict=True):
        meant = encoding.special_ends
        if any(id in tokenizer.stop_ids and position not in meant for position, id in enumerate(encoding.ids)):
            results.append(_stray_end_error(tokenizer, number))
            continue
        bos = bos_before(segments, tokenizer)
        length = sum(len(segment.text) for segment in segments)
        ends = [0] * SLOT_COUNT
        character = 0
        for segment, slot in zip(segments, layout.slots, strict=True):
            character += len(segment.text)
            ends[slot:] = [len(bos) + _token_at(encoding, character, length)] * (SLOT_COUNT - slot)
        ids = [*bos, *encoding.ids, tokenizer.eos_id]
        ends[PROMPT:EOS] = [max(end, len(bos)) for end in ends[PROMPT:EOS]]
        ends[RESPONSE], ends[EOS] = len(ids) - 1, len(ids)
        results.append((np.array(ids, np.int32), np.array(ends, np.int32)))
    return results


def bos_before(segments: Sequence[Segment], tokenizer: TextTokenizer) -> list[int]:
    """The ids of the beginning of sequence before the text. Empty where the text begins with the template's special
    text: a chat template writes its own, or its model needs none."""
    return [] if segments and segments[0].special else tokenizer.bos_ids


def _stray_end_error(tokenizer: TextTokenizer, number: int) -> DataError:
    return DataError(
        f"its text is encoded to an end of sequence ({tokenizer.eos})", f"row {number}", "Remove that word from the row"
    )


def _token_at(encoding: PartsEncoding, character: int, length: int) -> int:
    """The first token whose last character is at offset `character` or later, in a text of `length` characters. White
    space that a special token takes after its own letters does not count as its characters."""
    if character < length:
        token = encoding.char_to_token(character)
        if token is not None:
            return int(token) + (encoding.special_ends.get(token, length) <= character)
    # No token has that character (the tokenizer dropped it), or the text ends there.
    later = (token for token, (_, end) in enumerate(encoding.offsets) if end > character)
    return next(later, len(encoding.ids))
