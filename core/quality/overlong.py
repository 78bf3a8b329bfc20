"""Rows that do not fit the maximum length, by the encoder that training uses. A row of few bytes fits without being
encoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.examples.lengths import Trained
from core.quality.blocks import TEXTS, Block
from core.quality.findings import Findings
from core.tokens.tokenizer import TextTokenizer

_HARMLESS = ("Prepend", "Replace", "NFC")  # normalisers that make a text little longer, if at all


class Overlong:
    def __init__(self, tokenizer: TextTokenizer, trained: Trained, max_length: int) -> None:
        self._trained, self._max_length = trained, max_length
        self._template_bytes = trained.most_bytes
        self._bounded = bounded(tokenizer)

    def check(self, block: Block, findings: Findings) -> None:
        rows = [block.row(place) for place in range(len(block)) if not self._surely_fits(block, place)]
        for row, measure in zip(rows, self._trained.measure(rows), strict=True):
            if measure.readable and measure.size > self._max_length:
                findings.add("too_long", row.index)

    def _surely_fits(self, block: Block, place: int) -> bool:
        """A token of a bounded tokenizer stands for a byte or more, so the bytes of a text are the most tokens it can
        have."""
        if not self._bounded:
            return False
        most = self._template_bytes + 8
        for column in TEXTS:
            text = block[column][place]
            most += (
                len(text) if text.isascii() else 3 * len(text.encode("utf-8", "surrogatepass"))
            )  # NFC makes up to three times as many of a few
        return most <= self._max_length


def bounded(tokenizer: TextTokenizer) -> bool:
    """Whether this tokenizer cannot give a text more tokens than it has bytes (three times as many beyond ASCII)."""
    import msgspec

    try:
        normalizer: Any = msgspec.json.decode(tokenizer.raw.to_str()).get("normalizer")
    except msgspec.DecodeError:
        return False
    return all(part.get("type") in _HARMLESS for part in _parts(normalizer))


def _parts(normalizer: Any) -> Iterator[dict[str, Any]]:
    if not normalizer:
        return
    if normalizer.get("type") == "Sequence":
        for part in normalizer.get("normalizers", []):
            yield from _parts(part)
    else:
        yield normalizer
