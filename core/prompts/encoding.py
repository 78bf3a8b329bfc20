"""A row as token ids, with spans and labels: the one encoder behind the preview, the trainer and the scorer.

The whole text is tokenised once, so that training sees the ids inference sees; spans are found by characters afterwards. A token that
straddles two segments belongs to the one where its last character lies. Knows nothing of runs, models or files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate, islice, pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from core.errors import DataError, ModelError
from core.prompts.templates import Kind, Segment, Template
from core.prompts.tokenizer import TextTokenizer, is_unicode
from core.row import Row

if TYPE_CHECKING:
    from tokenizers import Encoding

IGNORED = -100  # the label that cross-entropy leaves out
LossOn = Literal["completion", "all"]
SpanKind = Literal[Kind, "eos"]
_BATCH = 512  # rows given to the library at once: enough for all cores, little in memory


class Span(msgspec.Struct, frozen=True):
    """Tokens `start` up to, not including, `end`."""

    kind: SpanKind
    start: int
    end: int


class EncodedRow(msgspec.Struct, frozen=True):
    """ids: beginning of sequence where the tokenizer has one, text, EOS. labels: as many, IGNORED where nothing is learnt, else the id.

    spans tile ids in order, one for each segment of the template (it may be empty; the prompt's holds the beginning of sequence), then "eos".
    text: what the ids say, without beginning and EOS.
    """

    ids: list[int]
    labels: list[int]
    spans: list[Span]
    text: str


def encode_row(
    row: Row, template: Template, tokenizer: TextTokenizer, *, loss_on: LossOn = "completion", drop_empty_input: bool = False
) -> EncodedRow:
    """Raises DataError for a row that is no Unicode, or that holds an end of sequence within its text."""
    return next(encode_many([(row, template)], tokenizer, loss_on=loss_on, drop_empty_input=drop_empty_input))


def encode_many(
    rows: Iterable[tuple[Row, Template]], tokenizer: TextTokenizer, *, loss_on: LossOn = "completion", drop_empty_input: bool = False
) -> Iterator[EncodedRow]:
    """`encode_row` for many, on all cores, in order; reads `rows` a batch at a time."""
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        segments = [template.segments(row, drop_empty_input) for row, template in batch]
        texts = ["".join(segment.text for segment in of_row) for of_row in segments]
        try:
            encodings = tokenizer.encode_batch(texts)
        except DataError as error:
            broken = next(row for (row, _), text in zip(batch, texts, strict=True) if not is_unicode(text))
            raise DataError(error.what, f"row {broken.index}", error.do) from error
        for (row, _), of_row, text, encoding in zip(batch, segments, texts, encodings, strict=True):
            yield _assemble(row, of_row, text, encoding, tokenizer, loss_on)


def encode_prompt(text: str, tokenizer: TextTokenizer) -> list[int]:
    """What inference feeds: the beginning of sequence where there is one, and the text."""
    return tokenizer.bos_ids + tokenizer.encode_batch([text])[0].ids


def prefix_kept(row: Row, template: Template, tokenizer: TextTokenizer, *, drop_empty_input: bool = False) -> bool:
    """Do the row's training ids begin with the ids of its inference prompt? False where a token merges across the end of the prompt: then the
    model is trained on a first token that it is not asked for."""
    trained = encode_row(row, template, tokenizer, drop_empty_input=drop_empty_input).ids
    prompt = encode_prompt(template.prompt(row.instruction, row.input, drop_empty_input), tokenizer)
    return trained[: len(prompt)] == prompt


def fits(encoded: EncodedRow, max_seq_length: int) -> bool:
    """A row that does not fit is left out and counted, never cut: cutting its end would teach a model to think without ever ending."""
    return len(encoded.ids) <= max_seq_length


def _assemble(row: Row, segments: list[Segment], text: str, encoding: Encoding, tokenizer: TextTokenizer, loss_on: LossOn) -> EncodedRow:
    body = encoding.ids
    if not tokenizer.stop_ids.isdisjoint(body):
        raise DataError(f"its text is encoded to an end of sequence ({tokenizer.eos})", f"row {row.index}", "Take that word out of the row")
    ids = [*tokenizer.bos_ids, *body, tokenizer.eos_id]
    if ids[-1] != tokenizer.eos_id:
        raise ModelError("the last trained token is not the end of sequence", tokenizer.where, "Report this: the encoder is at fault")
    shift, last = len(tokenizer.bos_ids), len(ids) - 1
    ends = accumulate(len(segment.text) for segment in segments[:-1])
    bounds = [0, *(shift + _token_at(encoding, end, len(text)) for end in ends), last]
    spans = [Span(segment.kind, start, end) for segment, (start, end) in zip(segments, pairwise(bounds), strict=True)]
    spans.append(Span("eos", last, last + 1))
    given = 0 if loss_on == "all" else spans[0].end
    return EncodedRow(ids, [IGNORED] * given + ids[given:], spans, text)


def _token_at(encoding: Encoding, place: int, length: int) -> int:
    """The first token whose last character stands at `place` or later."""
    if place < length:
        token = encoding.char_to_token(place)
        if token is not None:
            return int(token)
    # No token holds that character (the tokenizer dropped it), or nothing follows.
    return next((token for token, (_, end) in enumerate(encoding.offsets) if end > place), len(encoding.ids))
