"""Computes the statistics of a data set in one pass over its rows.

Lengths are counted exactly, with one counter for each length, so that memory does not grow with the rows.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from core.base.child_main import ReportProgress
from core.base.row import COLUMNS, TEXTS, is_blank
from core.examples.lengths import RowLengths, UnboundChatTemplate
from core.examples.trained_rows import TrainedRows
from core.quality.quality_request import QualityOptions
from core.quality.report import DataSetStatistics, LengthDistribution
from core.quality.row_blocks import RowBlock, read_blocks
from core.tokens.tokenizer import TextTokenizer, is_unicode

_BATCH = 512  # rows encoded at once


def compute_statistics(
    data: Any, options: QualityOptions, tokenizer: TextTokenizer | None, why: str, report_progress: ReportProgress
) -> DataSetStatistics:
    """The statistics of all rows of `data`, an open DataSet.

    tokenizer: of the chosen model, or None to count characters; `why` is then the reason. Raises UsageError for a
    template that does not exist.
    """
    trained_rows = TrainedRows.of_source(options.train_flag, data.columns)
    counts = _RowCounts(RowLengths(data.source, options.prompt, tokenizer), tokenizer, trained_rows)
    words = "counting tokens" if tokenizer is not None else "counting characters"
    done = 0
    for block in read_blocks(data):
        counts.add_flags(block)
        for first in range(0, len(block), _BATCH):
            last = min(first + _BATCH, len(block))
            counts.add_lengths(block, first, last)
            report_progress(words, done + last, len(data))
        done += len(block)
    if done and not counts.trained:
        counts.notes.append(f"no row has the sysflag {options.train_flag!r}, so none would be trained")
    pairs = sorted(counts.pairs.items(), key=lambda item: (-item[1], item[0]))
    return DataSetStatistics(
        source=data.source,
        split=data.split,
        fingerprint=data.fingerprint,
        rows=done,
        pairs=tuple((syslang, sysflag, count) for (syslang, sysflag), count in pairs),
        empty={column: counts.empty[column] for column in data.columns},
        unit="tokens" if tokenizer is not None else "characters",
        columns={column: LengthDistribution.of(counts.columns[column]) for column in TEXTS if column in data.columns},
        whole=LengthDistribution.of(counts.whole),
        answer_start=LengthDistribution.of(counts.answer_start),
        templates=dict(counts.templates),
        tokenizer=options.model if tokenizer is not None else "",
        note="; ".join(filter(None, (why, *counts.notes))),
        unreadable=counts.unreadable,
        without_reasoning=counts.without_reasoning,
        no_template=counts.no_template,
        trained=counts.trained,
    )


class _RowCounts:
    """The counts of the rows so far."""

    def __init__(self, lengths: RowLengths, tokenizer: TextTokenizer | None, trained_rows: TrainedRows) -> None:
        self._lengths, self._tokenizer, self._trained_rows = lengths, tokenizer, trained_rows
        self._names = [template.name for template in lengths.templates]
        unbound = [template.name for template in lengths.templates if isinstance(template, UnboundChatTemplate)]
        self.notes: list[str] = []
        if unbound:
            names = ", ".join(unbound)
            self.notes = [
                f"the text that the model's own chat template ({names}) adds is not counted without the model"
            ]
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.empty: Counter[str] = Counter()
        self.columns: dict[str, Counter[int]] = {column: Counter() for column in TEXTS}
        self.whole: Counter[int] = Counter()
        self.answer_start: Counter[int] = Counter()
        self.templates: Counter[str] = Counter(dict.fromkeys(self._names, 0))
        self.trained = self.unreadable = self.without_reasoning = self.no_template = 0

    def add_flags(self, block: RowBlock) -> None:
        self.pairs.update(zip(block["syslang"], block["sysflag"], strict=True))
        for column in COLUMNS:
            self.empty[column] += sum(map(is_blank, block[column]))

    def add_lengths(self, block: RowBlock, first: int, last: int) -> None:
        """Counts the lengths of the rows from position `first` up to, but not including, `last`: of every text, and as
        trained of the rows that are trained."""
        for column in TEXTS:
            self._add_column(column, block[column][first:last])
        rows, _ = self._trained_rows.part([block.row(position) for position in range(first, last)])
        self.trained += len(rows)
        for row, measure in zip(rows, self._lengths.measure(rows), strict=True):
            if measure.template_index is None:
                self.no_template += 1
            elif not measure.readable:
                self.unreadable += 1
            else:
                self.whole[measure.length] += 1
                self.answer_start[measure.answer_start] += 1
                self.templates[self._names[measure.template_index]] += 1
                self.without_reasoning += not row.has_reasoning

    def _add_column(self, column: str, texts: list[str]) -> None:
        lengths = self.columns[column]
        if self._tokenizer is None:
            lengths.update(map(len, texts))
            return
        readable = [text for text in texts if is_unicode(text)]
        filled = [text for text in readable if text]
        if len(filled) < len(readable):
            lengths[0] += len(readable) - len(filled)
        lengths.update(map(len, self._tokenizer.raw.encode_batch_fast(filled, add_special_tokens=False)))
