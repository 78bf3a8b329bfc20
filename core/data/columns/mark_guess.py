"""Guesses which columns mark rows as not to be learnt, from their names and the values of a few rows.

A column of classes is no mark: `label` counts only beside a question and an answer of their own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Record
from typing import Any

from core.data.columns.candidates import ColumnCandidates
from core.data.columns.column_names import normalized_name
from core.data.columns.generations import mark_columns
from core.data.columns.mapping import ColumnMapping, ColumnPick, RowReader
from core.data.columns.marks import RowMark, holds_false, truth_of
from core.data.columns.row_views import REPLY_HOWS

_CORRECT = (
    "iscorrect", "correctness", "correctnessmathverify", "correctnessllama", "iscorrectanswer", "answercorrect",
    "answeriscorrect",
)  # fmt: skip
_PASSED = (
    "correct", "verified", "isverified", "passed", "success", "reward", "score", "accuracy", "acc", "keep", "accepted",
    "isaccepted", "approved", "isapproved", "valid", "isvalid", "train", "istrain", "trainable", "usefortraining",
    "include", "included",
)  # fmt: skip
_LABELS = ("label", "labels", "ktotag")
_REJECTED = (
    "rejected", "isrejected", "discard", "discarded", "excluded", "exclude", "flagged", "isbad", "iswrong", "deleted",
    "isdeleted", "removed", "isremoved", "ignore", "ignored", "skip", "skipped", "cancelled", "wascancelled",
    "donottrain",
)  # fmt: skip
_STATES = ("status", "state", "reviewstatus", "decision", "verdict", "annotationstatus")
"""Names of columns with words, some of which may say that a row was rejected."""
_FEW_ROWS = 4  # fewer tell nothing about classes
_SORTED_ROWS = 100  # as many rows that are not to be learnt are the beginning of a sorted file


def guess_marks(
    sources: ColumnCandidates, picks: Record[str, ColumnPick], rows: Sequence[Record[str, Any]]
) -> tuple[RowMark, ...]:
    """The marks beside the `picks` of a mapping; none without a question and an answer."""
    if not {"instruction", "output"} <= {column for column, pick in picks.items() if pick.column}:
        return ()
    taken = {pick.column for pick in picks.values()}
    if picks["output"].how == "best_answer":  # they choose among the generations
        taken.update(name for names in mark_columns(sources.names) for name in names)
    marks = [
        RowMark(name, "true" if normalized_name(name) in _REJECTED else "false")
        for name in sources.names
        if name not in taken and _is_mark(name, [row[name] for row in rows if row.get(name) not in (None, "")])
    ]
    marks = [mark for mark in marks if normalized_name(mark.column) not in _LABELS or not _is_class(mark, picks, rows)]
    output = picks["output"]
    return (*marks, RowMark(output.column, "reply")) if output.how in REPLY_HOWS else tuple(marks)


def late_marks(names: Iterable[str]) -> tuple[RowMark, ...]:
    """The marks among columns that appeared late, by their names alone."""
    return tuple(
        RowMark(name, "true" if normalized_name(name) in _REJECTED else "false")
        for name in names
        if normalized_name(name) in (*_CORRECT, *_REJECTED)
    )


def _is_mark(name: str, values: Sequence[Any]) -> bool:
    normalized = normalized_name(name)
    if normalized not in (*_CORRECT, *_PASSED, *_LABELS, *_REJECTED, *_STATES):
        return False
    if normalized == "labels" and values and all(isinstance(value, list) for value in values):
        return any(map(holds_false, values))
    truths = [truth_of(value) for value in values]
    if normalized in _STATES:  # any other word says nothing
        return False in truths and set(truths) != {False} and not any(isinstance(value, bool) for value in values)
    if None in truths:
        return False
    if normalized in _CORRECT or not truths:
        return normalized in _CORRECT
    if normalized in _LABELS and not all(isinstance(value, bool) for value in values):
        return len(set(truths)) == 2
    learnt = normalized not in _REJECTED
    is_sorted = len(values) >= _SORTED_ROWS and all(isinstance(value, bool) for value in values)
    return learnt in truths or is_sorted  # or no row would be left


def _is_class(mark: RowMark, picks: Record[str, ColumnPick], rows: Sequence[Record[str, Any]]) -> bool:
    """Whether the mark only repeats which of a few answers a row has."""
    reader = RowReader(ColumnMapping(dict(picks)), list(dict.fromkeys(name for row in rows for name in row)))
    seen: dict[str, set[bool | None]] = {}
    read = 0
    for row in rows:
        texts = reader.read([row.get(name) for name in reader.sources])
        if not isinstance(texts, str):
            read += 1
            seen.setdefault(texts[3].strip(), set()).add(truth_of(row.get(mark.column)))
    few = len(seen) <= max(2, read // 10)
    return read >= _FEW_ROWS and few and all(len(truths) == 1 for truths in seen.values())
