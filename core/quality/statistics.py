"""A data set in numbers, by one pass over its rows. Lengths are counted exactly, one counter a length, so memory does
not grow with the rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from core.examples.lengths import Trained, Unbound
from core.quality.blocks import TEXTS, Block, blocks
from core.quality.report import Lengths, Statistics
from core.quality.request import Options
from core.tokens.tokenizer import TextTokenizer, is_unicode

Tell = Callable[[str, int, int], None]
_BATCH = 512  # rows encoded at once


def compute(data: Any, options: Options, tokenizer: TextTokenizer | None, why: str, tell: Tell) -> Statistics:
    """The statistics of all rows of `data`, an open DataSet. tokenizer: of the chosen model, or None because of
    `why`."""
    counted = _Counts(Trained(data.source, options, tokenizer), tokenizer)
    done = 0
    for block in blocks(data):
        counted.take_flags(block)
        for first in range(0, len(block), _BATCH):
            counted.take_lengths(block, first, min(first + _BATCH, len(block)))
            tell(
                "counting tokens" if tokenizer is not None else "counting characters",
                done + min(first + _BATCH, len(block)),
                len(data),
            )
        done += len(block)
    return Statistics(
        data.source,
        data.split,
        data.fingerprint,
        done,
        tuple(
            (lang, flag, count)
            for (lang, flag), count in sorted(counted.pairs.items(), key=lambda item: (-item[1], item[0]))
        ),
        {column: counted.empty[column] for column in data.columns},
        "tokens" if tokenizer is not None else "characters",
        {column: Lengths.of(counted.columns[column]) for column in TEXTS if column in data.columns},
        Lengths.of(counted.whole),
        Lengths.of(counted.answer_start),
        dict(counted.templates),
        options.model if tokenizer is not None else "",
        "; ".join(filter(None, (why, counted.unbound))),
        0,
        counted.unreadable,
        counted.without_reasoning,
        counted.no_template,
    )


class _Counts:
    def __init__(self, trained: Trained, tokenizer: TextTokenizer | None) -> None:
        self._trained, self._tokenizer = trained, tokenizer
        self._names = [template.name for template in trained.templates]
        chat = [template.name for template in trained.templates if isinstance(template, Unbound)]
        self.unbound = (
            f"what the model's own form ({', '.join(chat)}) writes around a row is not counted without the model"
            if chat
            else ""
        )
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.empty: Counter[str] = Counter()
        self.columns: dict[str, Counter[int]] = {column: Counter() for column in TEXTS}
        self.whole: Counter[int] = Counter()
        self.answer_start: Counter[int] = Counter()
        self.templates: Counter[str] = Counter(dict.fromkeys(self._names, 0))
        self.unreadable = self.without_reasoning = self.no_template = 0

    def take_flags(self, block: Block) -> None:
        self.pairs.update(zip(block["syslang"], block["sysflag"], strict=True))
        for column, texts in block.columns.items():
            self.empty[column] += sum(not text or text.isspace() for text in texts)

    def take_lengths(self, block: Block, first: int, last: int) -> None:
        texts = {column: block[column][first:last] for column in TEXTS}
        rows = [block.row(place) for place in range(first, last)]
        for column in TEXTS:
            if self._tokenizer is None:
                self.columns[column].update(map(len, texts[column]))
                continue
            readable = [text for text in texts[column] if is_unicode(text)]
            filled = [text for text in readable if text]
            self.columns[column][0] += len(readable) - len(filled)
            if not self.columns[column][0]:
                del self.columns[column][0]
            self.columns[column].update(
                map(len, self._tokenizer.raw.encode_batch_fast(filled, add_special_tokens=False))
            )
        for row, measure in zip(rows, self._trained.measure(rows), strict=True):
            if measure.place is None:
                self.no_template += 1
            elif not measure.readable:
                self.unreadable += 1
            else:
                self.whole[measure.size] += 1
                self.answer_start[measure.answer] += 1
                self.templates[self._names[measure.place]] += 1
                self.without_reasoning += not row.reasoning or row.reasoning.isspace()
