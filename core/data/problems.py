"""What was wrong with single rows: kept up to a limit, counted beyond it. Knows nothing of formats."""

from __future__ import annotations

import msgspec

KEPT = 1000  # problems kept with their words; a file of a million bad lines must not fill memory


class Problem(msgspec.Struct, frozen=True):
    """row: 1-based, the line of a text file or the record's number in any other source, 0 where the file as a whole is
    meant; what: a sentence without its full stop; file: the name of the shard, empty where the source is one file.

    `what` and `file` may quote foreign text.
    """

    row: int
    what: str
    file: str = ""


class Problems:
    """Collects while a source is read. `advice` is what to do about the first problem that had a cure (a wrong encoding
    has one).

    `file` is set by whoever goes through the shards: what is added belongs to it.
    """

    def __init__(self) -> None:
        self.kept: list[Problem] = []
        self.count = 0
        self.advice = ""
        self.file = ""

    def add(self, row: int, what: str, advice: str = "") -> None:
        self.count += 1
        if len(self.kept) < KEPT:
            self.kept.append(Problem(row, what, self.file))
        self.advice = self.advice or advice
