"""Rows that do not fit the maximum length, by the encoder that training uses. A row of few bytes fits without being encoded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from core.errors import DataError
from core.prompts.encoding import EncodedRow, encode_many, encode_row
from core.prompts.mixture import Why, choose
from core.prompts.templates import Template, get_template
from core.prompts.tokenizer import TextTokenizer
from core.quality.blocks import Block
from core.quality.findings import Findings
from core.quality.request import Options
from core.row import Row

_HARMLESS = ("Prepend", "Replace", "NFC")  # normalisers that make a text little longer, if at all


class Overlong:
    def __init__(self, tokenizer: TextTokenizer, options: Options) -> None:
        self._tokenizer, self._options = tokenizer, options
        self._vanilla, self._reasoning = get_template(options.vanilla), get_template(options.reasoning)
        self._template_bytes = max(len(template.pattern.encode()) for template in (self._vanilla, self._reasoning))
        self._bounded = bounded(tokenizer)

    def check(self, block: Block, findings: Findings) -> None:
        rows = [block.row(place) for place in range(len(block)) if not self._surely_fits(block, place)]
        for row, encoded in zip(rows, encode(rows, self._tokenizer, self._options), strict=True):
            if isinstance(encoded[0], EncodedRow) and len(encoded[0].ids) > self._options.max_length:
                findings.add("too_long", row.index)

    def _surely_fits(self, block: Block, place: int) -> bool:
        """A token of a bounded tokenizer stands for a byte or more, so the bytes of a text are the most tokens it can have."""
        if not self._bounded:
            return False
        most = self._template_bytes + 8
        for column in ("instruction", "input", "reasoning", "output"):
            text = block[column][place]
            most += len(text) if text.isascii() else 3 * len(text.encode("utf-8", "surrogatepass"))  # NFC makes up to three times as many of a few
        return most <= self._options.max_length


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


def encode(rows: Iterable[Row], tokenizer: TextTokenizer, options: Options) -> list[tuple[EncodedRow | DataError, Why]]:
    """Each row as training would encode it, with the template that the mixture gives it; a row that cannot be is an error in its place."""
    vanilla, reasoning = get_template(options.vanilla), get_template(options.reasoning)
    pairs: list[tuple[Row, Template]] = []
    whys: list[Why] = []
    for row in rows:
        template, why = choose(row, options.vanilla_share, options.seed, vanilla, reasoning)
        pairs.append((row, template))
        whys.append(why)
    drop = options.drop_empty_input
    results: list[EncodedRow | DataError] = []
    try:
        results += encode_many(pairs, tokenizer, drop_empty_input=drop)
    except DataError:
        results = []
        for row, template in pairs:
            try:
                results.append(encode_row(row, template, tokenizer, drop_empty_input=drop))
            except DataError as error:
                results.append(error)
    return list(zip(results, whys, strict=True))
