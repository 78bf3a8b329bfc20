"""What is wrong with single rows: kept up to a limit, counted beyond it. Knows nothing of formats."""

from __future__ import annotations

import msgspec

MAX_KEPT = 1000  # problems kept with their words; a file of a million bad lines must not fill memory


class RowProblem(msgspec.Struct, frozen=True):
    """What is wrong with one row, or with a whole file."""

    row: int
    """From 1: the line of a text file, the record's number in any other; 0 where the whole file is meant."""
    what: str
    """A sentence without its full stop; may quote foreign text."""
    file: str = ""
    """The name of the file, foreign text; empty where the source is one file."""


class RowProblems:
    """The problems found while a source is read.

    `advice` is what to do about the first problem that can be fixed, as a wrong encoding can. `file` is set by whoever
    goes through the files: what is added belongs to it.
    """

    def __init__(self) -> None:
        self.kept: list[RowProblem] = []
        self.count = 0
        self.advice = ""
        self.file = ""

    def add(self, row: int, what: str, advice: str = "") -> None:
        """Count one more problem, and keep it unless there are too many. row, what: as in `Problem`."""
        self.count += 1
        if len(self.kept) < MAX_KEPT:
            self.kept.append(RowProblem(row, what, self.file))
        self.advice = self.advice or advice
