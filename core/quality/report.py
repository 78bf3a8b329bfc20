"""What statistics and the doctor found, as structs that cross processes: small, frozen, without row texts. Imports
nothing heavy.

Row numbers of a million findings are kept as bytes of 64-bit integers and read in place; distributions keep the exact
count of every length.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from core.base.row import COLUMNS

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")
Unit = Literal["tokens", "characters"]


def pack(numbers: Iterable[int]) -> bytes:
    """Integers as bytes, eight each, in this machine's order (results never leave it)."""
    from array import array

    return array("q", numbers).tobytes()


def unpack(packed: bytes) -> memoryview:
    """What `pack` packed, to be read in place like a list of integers."""
    return memoryview(packed).cast("q")


class Bin(msgspec.Struct, frozen=True):
    """`count` rows have a length from `low` up to and including `high`."""

    low: int
    high: int
    count: int


class Lengths(msgspec.Struct, frozen=True):
    """How many rows have each length, exactly. sizes: the lengths that occur, rising; counts: for each its rows; both
    packed."""

    sizes: bytes = b""
    counts: bytes = b""

    @classmethod
    def of(cls, counted: Mapping[int, int]) -> Lengths:
        sizes = sorted(counted)
        return cls(pack(sizes), pack(counted[size] for size in sizes))

    @property
    def rows(self) -> int:
        return sum(unpack(self.counts))

    @property
    def total(self) -> int:
        """All lengths added up."""
        return sum(size * count for size, count in zip(unpack(self.sizes), unpack(self.counts), strict=True))

    @property
    def mean(self) -> float:
        """0 where there are no rows."""
        return self.total / rows if (rows := self.rows) else 0.0

    @property
    def max(self) -> int:
        """0 where there are no rows."""
        return unpack(self.sizes)[-1] if self.sizes else 0

    def keeping(self, share: float) -> int:
        """The smallest length that at least `share` (0 to 1) of the rows do not exceed: p95 is `keeping(0.95)`. 0 where
        there are no rows."""
        rows = self.rows
        so_far = 0
        for size, count in zip(unpack(self.sizes), unpack(self.counts), strict=True):
            so_far += count
            if so_far >= share * rows - 1e-9 * rows:  # 0.95 * 100 is a little more than 95 in binary
                return size
        return 0

    def above(self, limit: int) -> int:
        """How many rows are longer than `limit`."""
        first = bisect_right(unpack(self.sizes), limit)
        return sum(unpack(self.counts)[first:])

    def bins(self, number: int, upto: int | None = None) -> list[Bin]:
        """At most `number` bins of one whole width from 0 on; the last one holds whatever is longer than `upto` (the
        maximum where it is None)."""
        if not self.sizes:
            return []
        width = -(-((self.max if upto is None else max(upto, 1)) + 1) // max(number, 1))
        counts = [0] * min(number, self.max // width + 1)
        for size, count in zip(unpack(self.sizes), unpack(self.counts), strict=True):
            counts[min(size // width, len(counts) - 1)] += count
        last = len(counts) - 1
        return [Bin(i * width, self.max if i == last else (i + 1) * width - 1, count) for i, count in enumerate(counts)]


class Cut(msgspec.Struct, frozen=True):
    """What a maximum length does to `rows` rows: how many are longer and so lose their EOS (here such a row is left out
    of training, never cut), and how many of these lose the whole answer because it only begins beyond the maximum."""

    max_length: int
    rows: int
    lose_eos: int
    lose_answer: int

    @property
    def kept(self) -> float:
        """The share of rows that stay whole, 0 to 1."""
        return 1 - self.lose_eos / self.rows if self.rows else 1.0


class Statistics(msgspec.Struct, frozen=True, tag=True):
    """A data set in numbers.

    pairs: rows for each (syslang, sysflag), the most frequent first; empty: for each column that is there, rows with
    nothing but space in it. unit: what lengths count; `tokenizer` is the model's name, and `note` says why characters
    are counted where it is empty. columns: the length of each column's text alone. whole: the text as it is trained,
    with the beginning and end of sequence. answer_start: the place of the answer's first token in it. templates: how
    many rows take each, of the mixture, by name; without_reasoning: those among them that one without reasoning takes
    because they have none; no_template: rows that no template of the mixture is for, in none of these lengths.
    unreadable: rows the tokenizer refuses, counted nowhere else.
    """

    source: str
    split: str
    fingerprint: str
    rows: int
    pairs: tuple[tuple[str, str, int], ...]
    empty: dict[str, int]
    unit: Unit
    columns: dict[str, Lengths]
    whole: Lengths
    answer_start: Lengths
    templates: dict[str, int]
    tokenizer: str = ""
    note: str = ""
    max_length: int = 0
    unreadable: int = 0
    without_reasoning: int = 0
    no_template: int = 0
    seconds: float = 0.0

    def by(self, place: Literal[0, 1]) -> dict[str, int]:
        """Rows per syslang (0) or sysflag (1), the most frequent first."""
        counts: dict[str, int] = {}
        for pair in self.pairs:
            counts[pair[place]] = counts.get(pair[place], 0) + pair[2]
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def languages(self) -> dict[str, int]:
        return self.by(0)

    @property
    def flags(self) -> dict[str, int]:
        return self.by(1)

    def cut(self, max_length: int) -> Cut:
        """What this maximum does, for any maximum: nothing is counted again. Means something where `unit` is tokens."""
        return Cut(max_length, self.whole.rows, self.whole.above(max_length), self.answer_start.above(max_length - 1))


class Group(msgspec.Struct, frozen=True):
    """All findings of one kind. severity may be milder than the kind's own; why: one sentence why it matters; do: what
    to do about it.

    rows: packed row indices, rising, each once. others: packed, as many: the other row that it is about (the first of
    the duplicates, the test row), or -1. fields: one byte a row, bit i set where the finding is in column i of
    `COLUMNS`. fix: what the safe fix does, in words, empty where none is safe.
    """

    kind: str
    severity: Severity
    title: str
    why: str
    do: str
    rows: bytes
    others: bytes = b""
    fields: bytes = b""
    fix: str = ""

    @property
    def count(self) -> int:
        return len(self.rows) // 8

    @property
    def indices(self) -> memoryview:
        """The row indices, rising; to be read like a list."""
        return unpack(self.rows)

    def columns(self, place: int) -> tuple[str, ...]:
        """The columns in which the finding at `place` of `indices` is; empty where it is about the whole row."""
        bits = self.fields[place] if self.fields else 0
        return tuple(column for i, column in enumerate(COLUMNS) if bits >> i & 1)

    def other(self, place: int) -> int | None:
        """The other row that the finding at `place` of `indices` is about."""
        other = unpack(self.others)[place] if self.others else -1
        return other if other >= 0 else None

    def place(self, row: int) -> int | None:
        """Where `row` stands in `indices`, or None."""
        place = bisect_left(self.indices, row)
        return place if place < self.count and self.indices[place] == row else None

    def next(self, row: int) -> int | None:
        """The first row after `row` with this finding, or None."""
        place = bisect_right(self.indices, row)
        return self.indices[place] if place < self.count else None

    def previous(self, row: int) -> int | None:
        """The last row before `row` with this finding, or None."""
        place = bisect_left(self.indices, row)
        return self.indices[place - 1] if place else None


class Report(msgspec.Struct, frozen=True, tag=True):
    """What the doctor says of `rows` rows. groups: the worst first, then the most frequent; none is empty. notes: what
    it could not check, or need not. skipped: rows of the source that could not be read at all, which are listed
    elsewhere."""

    source: str
    split: str
    fingerprint: str
    rows: int
    groups: tuple[Group, ...]
    notes: tuple[str, ...] = ()
    skipped: int = 0
    tokenizer: str = ""
    max_length: int = 0
    seconds: float = 0.0

    @property
    def worst(self) -> Severity | None:
        return min((group.severity for group in self.groups), key=SEVERITIES.index, default=None)

    def group(self, kind: str) -> Group | None:
        return next((group for group in self.groups if group.kind == kind), None)

    def of_row(self, row: int) -> list[tuple[Group, int]]:
        """The findings about one row: each group with the place in it."""
        return [(group, place) for group in self.groups if (place := group.place(row)) is not None]


def encode(result: Statistics | Report) -> bytes:
    return msgspec.msgpack.encode(result)


def decode(content: bytes) -> Statistics | Report:
    """Raises msgspec.DecodeError for what is none of them, or was written by another version."""
    return msgspec.msgpack.decode(content, type=Statistics | Report)
