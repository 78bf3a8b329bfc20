"""A row as token ids, with spans and labels: the one encoder behind the preview, the trainer and the scorer.

The whole text is tokenised at once, so that training sees the ids inference sees; spans are found afterwards. A token
that straddles two segments belongs to the one where its last character lies. The beginning of sequence is put there
once, the end of sequence last. Knows nothing of runs, models or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from core.base.errors import DataError
from core.base.row import Row
from core.tokens.loss_mask import IGNORED, Loss, is_weighted, labels_of, slot_weights, weights_of
from core.tokens.segments import SLOTS, Segment, SegmentKind, slots_of
from core.tokens.spans import ByteLengths, beginning, by_bytes, by_characters
from core.tokens.tokenizer import TextTokenizer, is_unicode

if TYPE_CHECKING:
    from core.tokens.spans import Ints

__all__ = [
    "IGNORED",
    "EncodedRow",
    "LossOn",
    "Span",
    "encode_batch",
    "encode_many",
    "encode_prompt",
    "encode_row",
    "fits",
    "prefix_kept",
]

LossOn = Loss
SpanKind = Literal[SegmentKind, "eos"]
NO_UNICODE = "the text holds half of a surrogate pair, which is no character"
_BATCH = 512  # rows given to the library at once: enough for all cores, little in memory
_KINDS: tuple[SpanKind, ...] = ("prompt", "marker", "reasoning", "marker", "response", "eos")


class AnyTemplate(Protocol):
    """What the encoder needs of a template, of text or bound to a model's chat form."""

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]: ...


class Span(msgspec.Struct, frozen=True):
    """Tokens `start` up to, not including, `end`."""

    kind: SpanKind
    start: int
    end: int


class EncodedRow(msgspec.Struct, frozen=True):
    """ids: beginning of sequence where the tokenizer has one, text, EOS. labels: as many, IGNORED where nothing is
    learnt, else the id.

    spans tile ids in order, one for each section of the template (it may be empty; the prompt's holds the beginning of
    sequence), then "eos". text: what the ids say, without beginning and EOS. weights: how much each token counts, None
    where the labels say it all.
    """

    ids: list[int]
    labels: list[int]
    spans: list[Span]
    text: str
    weights: list[float] | None = None


class Batch(msgspec.Struct, frozen=True):
    """Rows encoded together. ids: all of them, one after the other, int32; row n is ids[starts[n]:starts[n + 1]], empty
    where it is in `errors`.

    ends: int32 of shape (rows, 6), the end of each slot (see `policy`) counted from the row's first token; the last is
    its length. present: the slots that the row's template has, as bits: a section may be empty and yet there.
    """

    ids: Any
    starts: Any
    ends: Any
    present: Any
    errors: dict[int, DataError]


def encode_row(
    row: Row,
    template: AnyTemplate,
    tokenizer: TextTokenizer,
    *,
    loss_on: LossOn = "completion",
    drop_empty_input: bool = False,
) -> EncodedRow:
    """Raises DataError for a row that is no Unicode, or that holds an end of sequence within its text."""
    return next(encode_many([(row, template)], tokenizer, loss_on=loss_on, drop_empty_input=drop_empty_input))


def encode_many(
    rows: Iterable[tuple[Row, AnyTemplate]],
    tokenizer: TextTokenizer,
    *,
    loss_on: LossOn = "completion",
    drop_empty_input: bool = False,
) -> Iterator[EncodedRow]:
    """`encode_row` for many, on all cores, in order; reads `rows` a batch at a time."""
    source = iter(rows)
    weights, weighted = slot_weights(loss_on), is_weighted(loss_on)
    while batch := list(islice(source, _BATCH)):
        segments = [template.segments(row, drop_empty_input) for row, template in batch]
        encoded = encode_batch(segments, tokenizer, [row.index for row, _ in batch])
        for place, of_row in enumerate(segments):
            if place in encoded.errors:
                raise encoded.errors[place]
            ids, ends = encoded.ids[encoded.starts[place] : encoded.starts[place + 1]], encoded.ends[place]
            yield as_row(ids, ends, int(encoded.present[place]), "".join(one.text for one in of_row), weights, weighted)


def as_row(ids: Ints, ends: Ints, present: int, text: str, weights: tuple[float, ...], weighted: bool) -> EncodedRow:
    """The arrays of one row in the words of a preview."""
    bounds = [0, *ends.tolist()]
    spans = [Span(_KINDS[slot], bounds[slot], bounds[slot + 1]) for slot in range(SLOTS) if present >> slot & 1]
    learnt = labels_of(ids, ends, weights).tolist()
    return EncodedRow(ids.tolist(), learnt, spans, text, weights_of(ends, weights).tolist() if weighted else None)


def encode_prompt(text: str | Sequence[Segment], tokenizer: TextTokenizer) -> list[int]:
    """What inference feeds: the beginning of sequence where there is one, and the text. Segments may hold special
    tokens, see `Segment`."""
    if isinstance(text, str):
        return tokenizer.bos_ids + tokenizer.encode_batch([text])[0].ids
    encoding = tokenizer.encode_runs([[(one.text, one.special) for one in text]])[0]
    return beginning(text, tokenizer) + encoding.ids


def prefix_kept(row: Row, template: AnyTemplate, tokenizer: TextTokenizer, *, drop_empty_input: bool = False) -> bool:
    """Do the row's training ids begin with the ids of its inference prompt? False where a token merges across the end
    of the prompt: then the model is trained on a first token that it is not asked for."""
    trained = encode_row(row, template, tokenizer, drop_empty_input=drop_empty_input).ids
    prompt = encode_prompt([one for one in template.segments(row, drop_empty_input) if one.kind == "prompt"], tokenizer)
    return trained[: len(prompt)] == prompt


def fits(encoded: EncodedRow, max_seq_length: int) -> bool:
    return len(encoded.ids) <= max_seq_length


def encode_batch(rows: Sequence[Sequence[Segment]], tokenizer: TextTokenizer, numbers: Sequence[int]) -> Batch:
    """Many rows, each as its segments, on all cores. numbers: what to call the rows in errors.

    A row that is no Unicode, or whose text is encoded to an end of sequence, is an error in its place and costs no
    other row.
    """
    import numpy as np

    layouts = [slots_of(tuple([one.kind for one in of_row])) for of_row in rows]
    present = np.fromiter((layout.present for layout in layouts), np.uint8, len(rows))
    texts = ["".join([one.text for one in of_row]) for of_row in rows]
    errors: dict[int, DataError] = {}
    for place, text in enumerate(texts):
        if not text.isascii() and not is_unicode(text):
            errors[place] = DataError(NO_UNICODE, f"row {numbers[place]}", "Mend that row")
    table = ByteLengths.of(tokenizer) if len(rows) >= ByteLengths.WORTH else None
    quick: list[int] = []
    if table is not None:
        plain = [not any([one.special for one in of_row]) for of_row in rows]
        quick = [
            place for place, text in enumerate(texts) if plain[place] and place not in errors and table.measures(text)
        ]
    done: dict[int, tuple[Ints, Ints]] = {}
    if quick and table is not None:
        every = len(quick) == len(rows)
        parts = rows if every else [rows[place] for place in quick]
        ids, starts, ends, sure = by_bytes(
            [texts[place] for place in quick], parts, [layouts[place] for place in quick], tokenizer, table
        )
        sure &= _no_stray_end(ids, starts, tokenizer)
        if every and sure.all():
            return Batch(ids, starts, ends, present, errors)
        done = {place: (ids[starts[at] : starts[at + 1]], ends[at]) for at, place in enumerate(quick) if sure[at]}
    rest = [place for place in range(len(rows)) if place not in done and place not in errors]
    found = by_characters(
        [rows[place] for place in rest],
        [layouts[place] for place in rest],
        tokenizer,
        [numbers[place] for place in rest],
    )
    for place, result in zip(rest, found, strict=True):
        if isinstance(result, DataError):
            errors[place] = result
        else:
            done[place] = result
    none = (np.empty(0, np.int32), np.zeros(SLOTS, np.int32))
    ordered = [done.get(place, none) for place in range(len(rows))]
    starts = np.concatenate(([0], np.cumsum([len(ids) for ids, _ in ordered], dtype=np.int64)))
    flat = np.concatenate([none[0], *(ids for ids, _ in ordered)])
    return Batch(
        flat, starts, np.reshape([ends for _, ends in ordered], (len(rows), SLOTS)).astype(np.int32), present, errors
    )


def _no_stray_end(ids: Ints, starts: Any, tokenizer: TextTokenizer) -> Any:
    """For each row, whether its only end of sequence is its last token."""
    import numpy as np

    stops = np.zeros(max(tokenizer.vocab_size, max(tokenizer.stop_ids) + 1), np.bool_)
    stops[list(tokenizer.stop_ids)] = True
    return np.add.reduceat(stops[ids], starts[:-1], dtype=np.int64) == 1
