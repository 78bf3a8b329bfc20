"""Rows encoded one at a time, with what production calls for many: a template's segments, `encode_batch`,
`encoded_row`."""

from __future__ import annotations

from typing import Protocol

from core.base.row import Row
from core.tokens.encode import EncodedRow, encode_batch, encode_prompt, encoded_row
from core.tokens.loss_mask import LossOn, is_weighted, slot_weights
from core.tokens.segments import Segment
from core.tokens.tokenizer import TextTokenizer


class AnyTemplate(Protocol):
    """A template of text, or one bound to a model's chat template."""

    def segments(self, row: Row, drop_empty_input: bool = False) -> list[Segment]: ...


def encode_row(
    row: Row,
    template: AnyTemplate,
    tokenizer: TextTokenizer,
    *,
    loss_on: LossOn = "completion",
    drop_empty_input: bool = False,
) -> EncodedRow:
    """Raises the row's DataError where it cannot be encoded."""
    segments = template.segments(row, drop_empty_input)
    batch = encode_batch([segments], tokenizer, [row.index])
    if batch.errors:
        raise batch.errors[0]
    text = "".join(segment.text for segment in segments)
    return encoded_row(
        batch.ids, batch.ends[0], int(batch.present[0]), text, slot_weights(loss_on), is_weighted(loss_on)
    )


def prompt_is_prefix(row: Row, template: AnyTemplate, tokenizer: TextTokenizer) -> bool:
    """Whether the row's training ids begin with the ids of its inference prompt; not so where a token merges across the
    end of the prompt."""
    prompt = [segment for segment in template.segments(row, False) if segment.kind == "prompt"]
    prompt_ids = encode_prompt(prompt, tokenizer)
    return encode_row(row, template, tokenizer).ids[: len(prompt_ids)] == prompt_ids
