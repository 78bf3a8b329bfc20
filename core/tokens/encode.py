"""Encodes rows to token ids with the ends of their slots, and prompts to token ids.

Preview, trainer and evaluation all use this encoder. The complete text is tokenised at once, so that training sees the
same ids as inference; spans are found afterwards. A token that crosses two segments belongs to the segment with its
last character. The beginning of sequence is first, once; the end of sequence is last. Knows segments; knows nothing of
templates, runs, models or files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from core.base.errors import DataError
from core.tokens.encode_spans import TokenByteLengths, encode_by_bytes, encode_by_characters
from core.tokens.loss_mask import loss_labels, token_weights
from core.tokens.prompt_ids import encode_prompt, rows_with_other_prompt
from core.tokens.segments import PROMPT_DIFFERS, SLOT_COUNT, Segment, SegmentKind, SegmentSlots, segment_slots
from core.tokens.tokenizer import NOT_UNICODE, TextTokenizer, is_unicode

if TYPE_CHECKING:
    from core.tokens.encode_spans import Int32Array

__all__ = ["EncodedBatch", "EncodedRow", "TokenSpan", "encode_batch", "encode_prompt", "encoded_row"]

SpanKind = Literal[SegmentKind, "eos"]
_SLOT_KINDS: tuple[SpanKind, ...] = ("prompt", "marker", "reasoning", "marker", "response", "eos")


class TokenSpan(msgspec.Struct, frozen=True):
    """The tokens of one section of a row."""

    kind: SpanKind
    """The section."""
    start: int
    """Index of its first token."""
    end: int
    """Index after its last token."""


class EncodedRow(msgspec.Struct, frozen=True):
    """One row's tokens, for display."""

    ids: list[int]
    """Token ids: the beginning of sequence where the tokenizer has one, the text, the end of sequence."""
    labels: list[int]
    """The id of each token, IGNORED_LABEL where it is not trained."""
    spans: list[TokenSpan]
    """The spans that cover `ids` in order: one for each section of the template (may be empty; the prompt's includes
    the beginning of sequence), then "eos"."""
    text: str
    """The text of the ids, without beginning and end of sequence."""
    weights: list[float] | None = None
    """How much each token counts in the loss; None where every trained token counts 1."""


class EncodedBatch(msgspec.Struct, frozen=True):
    """Rows encoded together."""

    ids: Any
    """Token ids of all rows, one row after the other, int32, shape (tokens,). Row n is ids[starts[n]:starts[n + 1]],
    empty where it is in `errors`."""
    starts: Any
    """Where each row starts in `ids`, and the end of the last one, int64, shape (rows + 1,)."""
    ends: Any
    """The end of each slot (see `segments`), in tokens from the row's first one, int32, shape (rows, 6). The last is
    the row's length."""
    present: Any
    """The slots that the row's template has, as bits, uint8, shape (rows,). A section may be present and empty. The bit
    PROMPT_DIFFERS is set where inference would ask with other ids than the row's first ones."""
    errors: dict[int, DataError]
    """Why a row was not encoded, by its index in the batch."""


def encoded_row(
    ids: Int32Array, ends: Int32Array, present: int, text: str, weights: tuple[float, ...], weighted: bool
) -> EncodedRow:
    """One row of a batch as lists, with its labels and spans.

    ids: int32, shape (tokens,). ends: of its slots, int32, shape (6,). present: its slots as bits. text: the row's
    text. weights: of the six slots. weighted: include the weight of each token.
    """
    bounds = [0, *ends.tolist()]
    present_slots = [slot for slot in range(SLOT_COUNT) if present >> slot & 1]
    spans = [TokenSpan(_SLOT_KINDS[slot], bounds[slot], bounds[slot + 1]) for slot in present_slots]
    labels = loss_labels(ids, ends, weights).tolist()
    return EncodedRow(ids.tolist(), labels, spans, text, token_weights(ends, weights).tolist() if weighted else None)


def encode_batch(
    rows: Sequence[Sequence[Segment]], tokenizer: TextTokenizer, row_numbers: Sequence[int]
) -> EncodedBatch:
    """Many rows, each as its segments, on all cores. row_numbers: the rows' numbers in errors.

    A row that is not Unicode, or whose text is encoded to an end of sequence, gets an error; the other rows are
    encoded. Raises UsageError for segments in an order that no answer has.
    """
    batch = _encode_rows(rows, tokenizer, row_numbers)
    for index in rows_with_other_prompt(rows, batch.ids, batch.starts, batch.ends, tokenizer):
        batch.present[index] |= PROMPT_DIFFERS
    return batch


def _encode_rows(
    rows: Sequence[Sequence[Segment]], tokenizer: TextTokenizer, row_numbers: Sequence[int]
) -> EncodedBatch:
    """`encode_batch` without the comparison with the prompts."""
    import numpy as np

    slots = [segment_slots(tuple([segment.kind for segment in segments])) for segments in rows]
    present = np.fromiter((layout.present for layout in slots), np.uint8, len(rows))
    texts = ["".join([segment.text for segment in segments]) for segments in rows]
    errors: dict[int, DataError] = {}
    for index, text in enumerate(texts):
        if not text.isascii() and not is_unicode(text):
            errors[index] = DataError(NOT_UNICODE, f"row {row_numbers[index]}", "Fix that row")

    encoded: dict[int, tuple[Int32Array, Int32Array]] = {}
    table = TokenByteLengths.of(tokenizer) if len(rows) >= TokenByteLengths.FEWEST_ROWS else None
    measured = [] if table is None else _measured_rows(rows, texts, errors, table)
    if table is not None and measured:
        all_rows = len(measured) == len(rows)
        by_bytes = encode_by_bytes(
            texts if all_rows else [texts[index] for index in measured],
            rows if all_rows else [rows[index] for index in measured],
            slots if all_rows else [slots[index] for index in measured],
            tokenizer,
            table,
        )
        ids, starts = by_bytes.ids, by_bytes.starts
        certain = by_bytes.certain & _only_end_is_last(ids, starts, tokenizer)
        if all_rows and certain.all():
            return EncodedBatch(ids, starts, by_bytes.ends, present, errors)
        for position, index in enumerate(measured):
            if certain[position]:
                encoded[index] = (ids[starts[position] : starts[position + 1]], by_bytes.ends[position])

    rest = [index for index in range(len(rows)) if index not in encoded and index not in errors]
    _encode_rest(rest, rows, slots, tokenizer, row_numbers, encoded, errors)
    nothing = (np.empty(0, np.int32), np.zeros(SLOT_COUNT, np.int32))
    ordered = [encoded.get(index, nothing) for index in range(len(rows))]
    row_starts = np.concatenate(([0], np.cumsum([len(ids) for ids, _ in ordered], dtype=np.int64)))
    all_ids = np.concatenate([nothing[0], *(ids for ids, _ in ordered)])
    ends = np.reshape([ends for _, ends in ordered], (len(rows), SLOT_COUNT)).astype(np.int32)
    return EncodedBatch(all_ids, row_starts, ends, present, errors)


def _measured_rows(
    rows: Sequence[Sequence[Segment]], texts: Sequence[str], errors: dict[int, DataError], table: TokenByteLengths
) -> list[int]:
    """The rows whose slots can be found by counting bytes."""
    special = [any([segment.special for segment in segments]) for segments in rows]
    return [
        index for index, text in enumerate(texts) if not special[index] and index not in errors and table.measures(text)
    ]


def _encode_rest(
    rest: Sequence[int],
    rows: Sequence[Sequence[Segment]],
    slots: Sequence[SegmentSlots],
    tokenizer: TextTokenizer,
    row_numbers: Sequence[int],
    encoded: dict[int, tuple[Int32Array, Int32Array]],
    errors: dict[int, DataError],
) -> None:
    """Adds the rows at the indices `rest`, by characters, to `encoded` or `errors`."""
    results = encode_by_characters(
        [rows[index] for index in rest],
        [slots[index] for index in rest],
        tokenizer,
        [row_numbers[index] for index in rest],
    )
    for index, result in zip(rest, results, strict=True):
        if isinstance(result, DataError):
            errors[index] = result
        else:
            encoded[index] = result


def _only_end_is_last(ids: Int32Array, starts: Any, tokenizer: TextTokenizer) -> Any:
    """For each row, whether its only end of sequence is its last token. Bool, shape (rows,)."""
    import numpy as np

    is_stop = np.zeros(max(tokenizer.vocab_size, max(tokenizer.stop_ids) + 1), np.bool_)
    is_stop[list(tokenizer.stop_ids)] = True
    return np.add.reduceat(is_stop[ids], starts[:-1], dtype=np.int64) == 1
