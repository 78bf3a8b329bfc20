"""A data set in numbers, by one pass over its rows. Lengths are counted exactly, one counter a length, so memory does not grow with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from core.prompts.encoding import EncodedRow
from core.prompts.mixture import choose
from core.prompts.templates import get_template
from core.prompts.tokenizer import TextTokenizer, is_unicode
from core.quality.blocks import TEXTS, Block, blocks
from core.quality.overlong import encode
from core.quality.report import Lengths, Statistics
from core.quality.request import Options

Tell = Callable[[str, int, int], None]
_BATCH = 512  # rows encoded at once


def compute(data: Any, options: Options, tokenizer: TextTokenizer | None, why: str, tell: Tell) -> Statistics:
    """The statistics of all rows of `data`, an open DataSet. tokenizer: of the chosen model, or None because of `why`."""
    counted = _Counts(options, tokenizer)
    done = 0
    for block in blocks(data):
        counted.take_flags(block)
        for first in range(0, len(block), _BATCH):
            counted.take_lengths(block, first, min(first + _BATCH, len(block)))
            tell("counting tokens" if tokenizer is not None else "counting characters", done + min(first + _BATCH, len(block)), len(data))
        done += len(block)
    return Statistics(
        data.source,
        data.split,
        data.fingerprint,
        done,
        tuple((lang, flag, count) for (lang, flag), count in sorted(counted.pairs.items(), key=lambda item: (-item[1], item[0]))),
        {column: counted.empty[column] for column in data.columns},
        "tokens" if tokenizer is not None else "characters",
        {column: Lengths.of(counted.columns[column]) for column in TEXTS if column in data.columns},
        Lengths.of(counted.whole),
        Lengths.of(counted.answer_start),
        dict(counted.templates),
        options.model if tokenizer is not None else "",
        why,
        0,
        counted.unreadable,
    )


class _Counts:
    def __init__(self, options: Options, tokenizer: TextTokenizer | None) -> None:
        self._options, self._tokenizer = options, tokenizer
        self._vanilla, self._reasoning = get_template(options.vanilla), get_template(options.reasoning)
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.empty: Counter[str] = Counter()
        self.columns: dict[str, Counter[int]] = {column: Counter() for column in TEXTS}
        self.whole: Counter[int] = Counter()
        self.answer_start: Counter[int] = Counter()
        self.templates: Counter[str] = Counter({"vanilla": 0, "reasoning": 0, "without_reasoning": 0})
        self.unreadable = 0

    def take_flags(self, block: Block) -> None:
        self.pairs.update(zip(block["syslang"], block["sysflag"], strict=True))
        for column, texts in block.columns.items():
            self.empty[column] += sum(not text or text.isspace() for text in texts)

    def take_lengths(self, block: Block, first: int, last: int) -> None:
        texts = {column: block[column][first:last] for column in TEXTS}
        rows = [block.row(place) for place in range(first, last)]
        if self._tokenizer is None:
            for column in TEXTS:
                self.columns[column].update(map(len, texts[column]))
            for row in rows:
                template, why = choose(row, self._options.vanilla_share, self._options.seed, self._vanilla, self._reasoning)
                segments = template.segments(row, self._options.drop_empty_input)
                size = sum(len(segment.text) for segment in segments)
                self.whole[size] += 1
                self.answer_start[size - len(segments[-1].text)] += 1
                self.templates[why] += 1
            return
        for column in TEXTS:
            readable = [text for text in texts[column] if is_unicode(text)]
            filled = [text for text in readable if text]
            self.columns[column][0] += len(readable) - len(filled)
            if not self.columns[column][0]:
                del self.columns[column][0]
            self.columns[column].update(map(len, self._tokenizer.raw.encode_batch_fast(filled, add_special_tokens=False)))
        for encoded, why in encode(rows, self._tokenizer, self._options):
            if isinstance(encoded, EncodedRow):
                self.whole[len(encoded.ids)] += 1
                self.answer_start[encoded.spans[-2].start] += 1
                self.templates[why] += 1
            else:
                self.unreadable += 1
