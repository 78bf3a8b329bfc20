"""What was wrong with single rows: kept up to a limit, counted beyond it. Knows nothing of formats."""

from __future__ import annotations

import msgspec

KEPT = 1000  # problems kept with their words; a file of a million bad lines must not fill memory


class Problem(msgspec.Struct, frozen=True):
    """row: 1-based, the line of a text file or the record's number in any other source; what: a sentence without its full stop.

    `what` may quote foreign text.
    """

    row: int
    what: str


class Problems:
    """Collects while a source is read. `advice` is what to do about the first problem that had a cure (a wrong encoding has one)."""

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0
        self.advice = ""

    def add(self, row: int, what: str, advice: str = "") -> None:
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Problem(row, what))
        self.advice = self.advice or advice
