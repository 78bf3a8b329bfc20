"""Problems of single rows: kept up to a limit, counted beyond it by kind. Knows nothing of formats.

Also keeps what a reader has to say about the source that is no problem, such as the encoding in which it was read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from core.base.plural import counted

MAX_KEPT = 1000  # problems kept with their text; a file with a million bad lines must not fill memory
_MAX_KINDS = 50  # kinds counted by themselves; quoted text may make every problem another kind
_OTHER_KINDS = "other problems"
_ROWS_KEPT = 20  # rows kept of each kind
_VARIES = re.compile(r"0x[0-9A-Fa-f]+|\d[\d,.]*|\"[^\"]*\"|'[^']*'|\([^()]*\)")


class RowProblem(msgspec.Struct, frozen=True):
    """A problem of one row, or of a complete file."""

    row: int
    """The line of a text file, or the record's number in other files, from 1; 0 for the complete file."""
    what: str
    """A sentence without its full stop; may quote foreign text."""
    file: str = ""
    """The name of the file, foreign text; empty where the source is one file."""


class ProblemPlace(msgspec.Struct, frozen=True):
    """Where a problem is."""

    row: int
    """As in `RowProblem.row`."""
    file: str = ""
    """As in `RowProblem.file`."""


class ProblemKind(msgspec.Struct):
    """All problems of a source that differ only in numbers and quoted text."""

    what: str
    """The first of them, as in `RowProblem.what`."""
    count: int = 0
    """How many there are."""
    places: list[ProblemPlace] = []
    """Where the first of them are."""


class RowProblems:
    """The problems found while a source is read, and notes on it.

    `advice`: what to do about the first problem that can be fixed, such as a wrong encoding. `file`: the current file,
    set by the reader; new problems belong to it. `encoding`: the likely encoding of that file where it is not UTF-8 and
    was not certain enough to be read (a name that iconv knows), else empty. `kinds`: all problems by kind, counted
    without a limit.
    """

    def __init__(self) -> None:
        self.kept: list[RowProblem] = []
        self.count = 0
        self.advice = ""
        self.file = ""
        self.encoding = ""
        self._kinds: dict[str, ProblemKind] = {}
        self._notes: dict[str, dict[str, None]] = {}

    def add(self, row: int, what: str, advice: str = "") -> None:
        """Count one more problem, and keep it unless there are too many. row, what: as in `RowProblem`."""
        self.count += 1
        if len(self.kept) < MAX_KEPT:
            self.kept.append(RowProblem(row, what, self.file))
        self._count_kind(row, what)
        self.advice = self.advice or advice

    def _count_kind(self, row: int, what: str) -> None:
        name = _VARIES.sub("…", what)
        kind = self._kinds.get(name)
        if kind is None:
            if len(self._kinds) >= _MAX_KINDS:
                name, what = _OTHER_KINDS, _OTHER_KINDS
            kind = self._kinds.setdefault(name, ProblemKind(what))
        kind.count += 1
        if len(kind.places) < _ROWS_KEPT:
            kind.places.append(ProblemPlace(row, self.file))

    @property
    def kinds(self) -> list[ProblemKind]:
        """All problems by kind, the most frequent first."""
        return sorted(self._kinds.values(), key=lambda kind: -kind.count)

    def note(self, words: str) -> None:
        """Say something about the current file that is no problem: a sentence without its full stop. The same sentence
        is said once for all files."""
        self._notes.setdefault(words, {})[self.file] = None

    @property
    def notes(self) -> list[str]:
        """What was said about the files, each sentence once, with the name of the first file where there are
        several."""
        return [joined_note(words, [file for file in files if file]) for words, files in self._notes.items()]


def kinds_of(problems: Iterable[RowProblem]) -> list[ProblemKind]:
    """The problems by kind, the most frequent first."""
    counted_problems = RowProblems()
    for problem in problems:
        counted_problems.file = problem.file
        counted_problems.add(problem.row, problem.what)
    return counted_problems.kinds


def unread_words(kinds: Sequence[ProblemKind]) -> str:
    """Such as `3 rows and 1 file`: what has problems; empty where nothing has."""
    files = sum(kind.count for kind in kinds if not kind.places[0].row)
    rows = sum(kind.count for kind in kinds) - files
    parts = [counted(number, noun) for number, noun in ((rows, "row"), (files, "file")) if number]
    return " and ".join(parts)


def joined_note(words: str, files: list[str]) -> str:
    """A sentence about `files`, with the name of the first of them; without names where there are none."""
    if not files:
        return words
    more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
    return f"{files[0]}{more}: {words}"


def problem_words(kinds: Sequence[ProblemKind], limit: int = 3) -> str:
    """Such as `3 not JSON: Extra data at character 24 (rows 1, 2, 3); 1 …`: the most frequent kinds, for a sentence."""
    parts = []
    for kind in kinds[:limit]:
        places = [f"{place.file}:{place.row}" if place.file else str(place.row) for place in kind.places if place.row]
        places = places or [place.file for place in kind.places if place.file]
        shown = f" ({', '.join(places[:5])}{', …' if kind.count > 5 else ''})" if places else ""
        parts.append(f"{kind.count:,} × {kind.what}{shown}")
    if len(kinds) > limit:
        parts.append(f"and {sum(kind.count for kind in kinds[limit:]):,} of other kinds")
    return "; ".join(parts)


def problems_record(kinds: Sequence[ProblemKind]) -> dict[str, Any]:
    """All problems for --json and for the facts of a run: counts with reasons and places."""
    return {
        "count": sum(kind.count for kind in kinds),
        "kinds": [
            {
                "what": kind.what,
                "count": kind.count,
                "places": [{"row": place.row, "file": place.file} for place in kind.places],
            }
            for kind in kinds
        ],
    }
