"""Problems of single rows: kept up to a limit, counted beyond it. Knows nothing of formats."""

from __future__ import annotations

import msgspec

MAX_KEPT = 1000  # problems kept with their text; a file with a million bad lines must not fill memory


class RowProblem(msgspec.Struct, frozen=True):
    """A problem of one row, or of a complete file."""

    row: int
    """The line of a text file, or the record's number in other files, from 1; 0 for the complete file."""
    what: str
    """A sentence without its full stop; may quote foreign text."""
    file: str = ""
    """The name of the file, foreign text; empty where the source is one file."""


class RowProblems:
    """The problems found while a source is read.

    `advice`: what to do about the first problem that can be fixed, such as a wrong encoding. `file`: the current file,
    set by the reader; new problems belong to it.
    """

    def __init__(self) -> None:
        self.kept: list[RowProblem] = []
        self.count = 0
        self.advice = ""
        self.file = ""

    def add(self, row: int, what: str, advice: str = "") -> None:
        """Count one more problem, and keep it unless there are too many. row, what: as in `RowProblem`."""
        self.count += 1
        if len(self.kept) < MAX_KEPT:
            self.kept.append(RowProblem(row, what, self.file))
        self.advice = self.advice or advice
