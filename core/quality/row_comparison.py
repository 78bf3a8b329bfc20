"""Compares the rows of a data set: rows with equal signatures, and pairs that are almost the same. Knows no finding.

Signatures only find candidates: rows count as almost the same only after their texts are read and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from core.base.child_main import ReportProgress
from core.examples.trained_rows import TrainedRows, is_held_out
from core.quality.row_blocks import RowSource
from core.quality.row_signatures import BANDS, LONGEST, RowSignatures
from core.quality.text.comparable_text import (
    differ_in_one_word,
    join_row_text,
    normalise_question,
    normalise_text,
    numbers_in_order,
    shingle_similarity,
)

_SIMILAR = 0.8  # from this similarity on, two questions or two rows are almost the same
MOST_COMPARED = 4
"""The maximum number of other rows with which one row is compared, for each kind of comparison."""


class RowTexts(NamedTuple):
    """The normalised texts of a row."""

    question: str
    """The turns before it, its instruction and input."""
    whole: str
    """All its texts."""
    output: str
    """Its output."""
    system: str
    """Its system prompt."""


class RowComparison:
    """The rows of a data set with their signatures. Rows are addressed by their position in the signatures, from 0;
    `row_index` returns the index into the data set.

    signatures: by name as in `RowSignatures`, whose arrays move here. held_out, trained: whether a row's sysflag keeps
    it out of training, or is `train_flag`; bool, shape (rows,).
    """

    def __init__(
        self, data: RowSource, signatures: RowSignatures, train_flag: str, report_progress: ReportProgress
    ) -> None:
        self._data, self._report_progress = data, report_progress
        flags = signatures.flags
        self.signatures = signatures.finish()
        flag_of_row = self.signatures["flag"]
        trained_rows = TrainedRows(train_flag)
        self.held_out = np.array([is_held_out(flag) for flag in flags], np.bool_)[flag_of_row]
        self.trained = np.array([trained_rows.compares_as_trained(flag) for flag in flags], np.bool_)[flag_of_row]
        self.texts = lru_cache(4096)(self._read_texts)

    def __len__(self) -> int:
        return len(self.signatures["row"])

    def row_index(self, position: int) -> int:
        return int(self.signatures["row"][position])

    def _read_texts(self, position: int) -> RowTexts:
        row = self._data.row(self.row_index(position))
        question, output = normalise_question(row.instruction, row.input, row.history), normalise_text(row.output)
        whole = join_row_text(question, normalise_text(row.reasoning), output)
        return RowTexts(question, whole, output, normalise_text(row.system))

    def within_flag(self, name: str) -> Any:
        """A key for each row that is equal where the signature `name` and the sysflag are, uint64, shape (rows,)."""
        return _mixed(self.signatures[name], self.signatures["flag"])

    def groups_within_flag(self, name: str) -> Iterator[list[int]]:
        """Groups of two or more positions with the same signature `name` and sysflag, each ascending."""
        return _equal_groups(self.within_flag(name))

    def groups_in_all(self, name: str) -> Iterator[list[int]]:
        """Groups of two or more positions with the same signature `name`, each ascending."""
        return _equal_groups(self.signatures[name])

    def groups_among(self, name: str, positions: Any) -> Iterator[list[int]]:
        """Groups of two or more of `positions` (an array, ascending) with the same signature `name`."""
        for group in _equal_groups(self.signatures[name][positions]):
            yield positions[group].tolist()

    def band_groups(
        self, name: str, band: int, positions: Any, key: Any = None, with_any: Any = None
    ) -> Iterator[list[int]]:
        """Groups of `positions` (an array, ascending) with the same value of a band, or of a half, and the same `key`
        where there is one; texts too short for bands are in no group. with_any: only groups with one of these rows,
        bool, shape (rows,)."""
        values = self.signatures[name][positions, band]
        long_enough = values != 0
        positions, values = positions[long_enough], values[long_enough]
        keys = values if key is None else _mixed(values, key[positions])
        if with_any is not None:
            is_wanted = np.isin(keys, keys[with_any[positions]])
            positions, keys = positions[is_wanted], keys[is_wanted]
        for group in _equal_groups(keys):
            yield positions[group].tolist()

    def bands(self, words: str) -> Iterator[int]:
        """The number of each band; reports progress with `words`."""
        for band in range(BANDS):
            self._report_progress(words, band, BANDS)
            yield band

    def have_similar_questions(self, position: int, other: int) -> bool:
        """Whether the questions of two rows are almost the same, with the same numbers."""
        first, second = self.texts(position).question, self.texts(other).question
        return numbers_in_order(first) == numbers_in_order(second) and _are_similar(first, second)

    def ask_with_one_other_word(self, position: int, other: int) -> bool:
        """Whether the questions of two rows differ in one word, not only in numbers, and the answers are equal."""
        forms, outputs = self.signatures["form"], self.signatures["output"]
        if forms[position] == forms[other] or outputs[position] != outputs[other]:
            return False
        return differ_in_one_word(self.texts(position).question, self.texts(other).question)

    def have_similar_texts(self, position: int, other: int) -> bool:
        """Whether all texts of two rows are almost the same, with the same system prompt and the same numbers in their
        questions."""
        first, second = self.texts(position), self.texts(other)
        if first.system != second.system:
            return False
        if numbers_in_order(first.question) != numbers_in_order(second.question):
            return False
        return _are_similar(first.whole, second.whole)


def _are_similar(text: str, other: str) -> bool:
    return shingle_similarity(text[:LONGEST], other[:LONGEST]) >= _SIMILAR


def _mixed(keys: Any, others: Any) -> Any:
    """One key for each pair of keys, uint64."""
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + others.astype(np.uint64)
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0xBF58476D1CE4E5B9)


def _equal_groups(keys: Any) -> Iterator[list[int]]:
    """Groups of two or more positions with equal keys, each ascending."""
    if not len(keys):
        return
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(keys)]])
    several = np.flatnonzero(ends - starts > 1)
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end].tolist()
