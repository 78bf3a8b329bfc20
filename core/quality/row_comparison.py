"""All rows of a data set, ready to be compared with each other: which have equal signatures, and whether two of them
are almost the same. Knows no finding.

Signatures only propose: rows are called almost the same after their texts were read and compared.
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
    join_row_text,
    normalise_question,
    normalise_text,
    numbers_in_order,
    shingle_similarity,
)

_SIMILAR = 0.8  # similarity from which on two questions, or two rows, are almost the same
MOST_COMPARED = 4
"""Other rows that one row is compared with at most, for each way of comparing."""


class RowTexts(NamedTuple):
    """The normalised texts of a row."""

    question: str
    """Its instruction and input."""
    whole: str
    """All that it says."""
    output: str
    """Its output alone."""


class RowComparison:
    """Rows are named by their position among those that were signed, from 0; `row_index` gives the index into the data
    set. Takes the signatures over.

    signatures: by name as in `RowSignatures`. held_out, trained: of each position whether its sysflag keeps it out of
    training, or is `train_flag`; bool, shape (rows,).
    """

    def __init__(
        self, data: RowSource, signatures: RowSignatures, train_flag: str, report_progress: ReportProgress
    ) -> None:
        self._data, self._report_progress = data, report_progress
        flags = signatures.flags
        self.signatures = signatures.finish()
        flag_of_row = self.signatures["flag"]
        self.held_out = np.array([is_held_out(flag) for flag in flags], np.bool_)[flag_of_row]
        self.trained = np.array([TrainedRows(train_flag).compares_as_trained(flag) for flag in flags], np.bool_)[
            flag_of_row
        ]
        self.texts = lru_cache(4096)(self._read_texts)

    def __len__(self) -> int:
        return len(self.signatures["row"])

    def row_index(self, position: int) -> int:
        return int(self.signatures["row"][position])

    def _read_texts(self, position: int) -> RowTexts:
        row = self._data.row(self.row_index(position))
        question, output = normalise_question(row.instruction, row.input), normalise_text(row.output)
        return RowTexts(question, join_row_text(question, normalise_text(row.reasoning), output), output)

    def within_flag(self, name: str) -> Any:
        """A key for each row that is equal where the signature `name` and the sysflag are, uint64, shape (rows,)."""
        return _mixed(self.signatures[name], self.signatures["flag"])

    def groups_within_flag(self, name: str) -> Iterator[list[int]]:
        """Positions with the same signature `name` and sysflag, two or more, each group rising."""
        return _equal_groups(self.within_flag(name))

    def groups_in_all(self, name: str) -> Iterator[list[int]]:
        """Positions with the same signature `name`, two or more, each group rising."""
        return _equal_groups(self.signatures[name])

    def band_groups(self, name: str, band: int, positions: Any, key: Any = None) -> Iterator[list[int]]:
        """Groups of the given `positions` (an array, rising) that share a value of a band, and the `key` where one is
        given; texts too short for bands are in none."""
        values = self.signatures[name][positions, band]
        long_enough = values != 0
        positions, values = positions[long_enough], values[long_enough]
        keys = values if key is None else _mixed(values, key[positions])
        for group in _equal_groups(keys):
            yield positions[group].tolist()

    def bands(self, words: str) -> Iterator[int]:
        """The number of each band; reports progress as what `words` say."""
        for band in range(BANDS):
            self._report_progress(words, band, BANDS)
            yield band

    def ask_the_same(self, one: int, other: int) -> bool:
        """Whether the questions of two rows are almost the same, with the same numbers."""
        first, second = self.texts(one).question, self.texts(other).question
        return numbers_in_order(first) == numbers_in_order(second) and _are_similar(first, second)

    def say_the_same(self, one: int, other: int) -> bool:
        """Whether all that two rows say is almost the same, with the same numbers in their questions."""
        first, second = self.texts(one), self.texts(other)
        return numbers_in_order(first.question) == numbers_in_order(second.question) and _are_similar(
            first.whole, second.whole
        )


def _are_similar(one: str, other: str) -> bool:
    return shingle_similarity(one[:LONGEST], other[:LONGEST]) >= _SIMILAR


def _mixed(keys: Any, others: Any) -> Any:
    """One key for each pair of keys, uint64."""
    mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + others.astype(np.uint64)
    mixed ^= mixed >> np.uint64(31)
    return mixed * np.uint64(0xBF58476D1CE4E5B9)


def _equal_groups(keys: Any) -> Iterator[list[int]]:
    """Positions with equal keys, two or more, each group rising."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    edges = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
    starts, ends = np.concatenate([[0], edges]), np.concatenate([edges, [len(keys)]])
    several = np.flatnonzero(ends - starts > 1)
    for start, end in zip(starts[several].tolist(), ends[several].tolist(), strict=True):
        yield order[start:end].tolist()
