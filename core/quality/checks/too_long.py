"""Rows that exceed the maximum length, measured by the encoder of training. Rows of few bytes need not be encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.row import TEXTS
from core.quality.check_interface import CheckBlock, CheckContext, RowCheck
from core.quality.finding_kind import FindingKind

if TYPE_CHECKING:
    from core.examples.lengths import RowLengths
    from core.quality.findings import Findings
    from core.quality.row_blocks import RowBlock
    from core.tokens.tokenizer import TextTokenizer

_HARMLESS_NORMALIZERS = ("Prepend", "Replace", "NFC")  # these make a text hardly longer
_SPECIAL_TOKENS = 8  # more than any template adds to a row

KINDS = (
    FindingKind(
        "too_long",
        "error",
        "longer than the maximum length",
        "A row that does not fit is left out of training, or truncated where the run says so; truncated at its end, it "
        "teaches the model never to stop",
        "Raise the maximum length, or shorten the row",
    ),
)


class LengthCheck:
    """Finds rows of more than `max_length` tokens."""

    def __init__(self, tokenizer: TextTokenizer, trained: RowLengths, max_length: int) -> None:
        self._trained, self._max_length = trained, max_length
        self._template_bytes = trained.template_bytes
        self._is_bounded = tokens_are_bounded(tokenizer)

    def __call__(self, block: RowBlock, findings: Findings) -> None:
        rows = [block.row(position) for position in range(len(block)) if not self._surely_fits(block, position)]
        for row, measure in zip(rows, self._trained.measure(rows), strict=True):
            if measure.readable and measure.length > self._max_length:
                findings.add("too_long", row.index)

    def _surely_fits(self, block: RowBlock, position: int) -> bool:
        """Whether the row certainly fits: with a bounded tokenizer, a text has at most as many tokens as bytes."""
        if not self._is_bounded:
            return False
        most = self._template_bytes + _SPECIAL_TOKENS
        for column in TEXTS:
            text = block[column][position]
            # NFC can triple the bytes of some characters beyond ASCII
            most += len(text) if text.isascii() else 3 * len(text.encode("utf-8", "surrogatepass"))
        return most <= self._max_length


def tokens_are_bounded(tokenizer: TextTokenizer) -> bool:
    """Whether this tokenizer cannot give a text more tokens than it has bytes (three times as many beyond ASCII)."""
    try:
        normalizer: Any = msgspec.json.decode(tokenizer.raw.to_str()).get("normalizer")
    except msgspec.DecodeError:
        return False
    return all(part.get("type") in _HARMLESS_NORMALIZERS for part in _normalizers(normalizer))


def _normalizers(normalizer: Any) -> Iterator[dict[str, Any]]:
    if not normalizer:
        return
    if normalizer.get("type") == "Sequence":
        for part in normalizer.get("normalizers", []):
            yield from _normalizers(part)
    else:
        yield normalizer


def _prepare(context: CheckContext) -> CheckBlock | None:
    if context.tokenizer is None or not context.options.max_length:
        return None
    return LengthCheck(context.tokenizer, context.trained, context.options.max_length)


CHECK = RowCheck(KINDS, _prepare)
