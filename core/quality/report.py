"""The results of statistics and of the doctor, as frozen structs for other processes. Imports nothing heavy.

They have no row texts. The row indices of a million findings are kept as bytes of 64-bit integers and read in place;
distributions of lengths keep the exact count of every length.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from core.base.row import COLUMNS
from core.data.problems import ProblemKind

Severity = Literal["error", "warning", "hint"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "hint")
"""The most severe first."""
LengthUnit = Literal["tokens", "characters"]


def pack_integers(numbers: Iterable[int]) -> bytes:
    """Integers as bytes, eight each, in the byte order of this machine (results never leave it)."""
    from array import array

    return array("q", numbers).tobytes()


def unpack_integers(packed: bytes) -> memoryview:
    """Packed integers, read in place like a list."""
    return memoryview(packed).cast("q")


class LengthBin(msgspec.Struct, frozen=True):
    """One bar of a histogram of lengths."""

    low: int
    """The shortest length in it."""
    high: int
    """The longest length in it."""
    count: int
    """Rows."""


class LengthDistribution(msgspec.Struct, frozen=True):
    """How many rows have each length, exactly."""

    sizes: bytes = b""
    """The lengths that occur, ascending, packed."""
    counts: bytes = b""
    """The number of rows with each length, packed."""

    @classmethod
    def of(cls, counted: Mapping[int, int]) -> LengthDistribution:
        """counted: the number of rows by length."""
        sizes = sorted(counted)
        return cls(pack_integers(sizes), pack_integers(counted[size] for size in sizes))

    @property
    def rows(self) -> int:
        return sum(unpack_integers(self.counts))

    @property
    def total(self) -> int:
        """The sum of all lengths."""
        return sum(
            size * count for size, count in zip(unpack_integers(self.sizes), unpack_integers(self.counts), strict=True)
        )

    @property
    def mean(self) -> float:
        """0 where there are no rows."""
        rows = self.rows
        return self.total / rows if rows else 0.0

    @property
    def max(self) -> int:
        """0 where there are no rows."""
        return unpack_integers(self.sizes)[-1] if self.sizes else 0

    def length_keeping(self, share: float) -> int:
        """The smallest length that at least `share` (0 to 1) of the rows do not exceed: the nearest-rank percentile
        (0.95 for p95). 0 where there are no rows."""
        rows = self.rows
        so_far = 0
        for size, count in zip(unpack_integers(self.sizes), unpack_integers(self.counts), strict=True):
            so_far += count
            if so_far >= share * rows - 1e-9 * rows:  # 0.95 * 100 is a little more than 95 in binary
                return size
        return 0

    def rows_above(self, limit: int) -> int:
        """How many rows are longer than `limit`."""
        first = bisect_right(unpack_integers(self.sizes), limit)
        return sum(unpack_integers(self.counts)[first:])

    def bins(self, number: int, upto: int | None = None) -> list[LengthBin]:
        """At most `number` bins of the same integer width, from 0 on. The last bin also has all lengths above `upto`,
        which is the maximum by default."""
        if not self.sizes:
            return []
        longest = self.max if upto is None else max(upto, 1)
        width = -(-(longest + 1) // max(number, 1))
        counts = [0] * min(number, self.max // width + 1)
        for size, count in zip(unpack_integers(self.sizes), unpack_integers(self.counts), strict=True):
            counts[min(size // width, len(counts) - 1)] += count
        last = len(counts) - 1
        return [
            LengthBin(i * width, self.max if i == last else (i + 1) * width - 1, count)
            for i, count in enumerate(counts)
        ]


class MaxLengthEffect(msgspec.Struct, frozen=True):
    """The effect of a maximum length on the rows of a data set."""

    max_length: int
    """Tokens that a row may have."""
    rows: int
    """Trained rows in all."""
    lose_eos: int
    """Rows that are longer and so lose their EOS. Such a row is left out of training, unless the run truncates."""
    lose_answer: int
    """Those among them that lose the complete answer, because it begins beyond the maximum."""

    @property
    def kept(self) -> float:
        """The share of rows that stay complete, 0 to 1."""
        return 1 - self.lose_eos / self.rows if self.rows else 1.0


class DataSetStatistics(msgspec.Struct, frozen=True, tag=True):
    """A data set in numbers."""

    source: str
    """As the data set was opened: a path, a pattern or a hub name."""
    split: str
    """The split of the source, empty for none."""
    fingerprint: str
    """`DataSet.fingerprint` of the rows that were counted."""
    rows: int
    """Rows in all."""
    pairs: tuple[tuple[str, str, int], ...]
    """(syslang, sysflag, rows), the most frequent pair first."""
    empty: dict[str, int]
    """Rows in which a column is empty or only white space, by column of the source."""
    unit: LengthUnit
    """The unit of all lengths."""
    columns: dict[str, LengthDistribution]
    """The lengths of each text column."""
    whole: LengthDistribution
    """The lengths of the trained rows as they are trained, with the tokens at the beginning and end of the sequence."""
    answer_start: LengthDistribution
    """The positions of the first token of the answer in each trained row."""
    templates: dict[str, int]
    """Rows that are trained with each template of the mixture."""
    tokenizer: str = ""
    """The name of the model whose tokenizer counted, empty where characters are counted."""
    note: str = ""
    """Why characters are counted, or what is not counted; may be empty."""
    max_length: int = 0
    """The initial maximum length, in tokens; 0 for none."""
    unreadable: int = 0
    """Trained rows that the tokenizer cannot encode; they have no length."""
    without_reasoning: int = 0
    """Trained rows that have no reasoning and so are trained with a template without it."""
    no_template: int = 0
    """Rows of those to train on that no template of the mixture fits; they have no length."""
    seconds: float = 0.0
    """How long counting took."""
    trained: int = 0
    """Rows that a run would train on: those with its sysflag, all where the source has no flags."""
    about_source: dict[str, Any] = {}
    """What of the source is not used, left out or cannot be read: `source_record`."""
    not_used_words: str = ""
    """The same as `DataSet.not_used_words`."""

    def _rows_by(self, part: Literal[0, 1]) -> dict[str, int]:
        counts: dict[str, int] = {}
        for pair in self.pairs:
            counts[pair[part]] = counts.get(pair[part], 0) + pair[2]
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))

    @property
    def rows_by_syslang(self) -> dict[str, int]:
        """Rows by syslang, the most frequent first."""
        return self._rows_by(0)

    @property
    def rows_by_sysflag(self) -> dict[str, int]:
        """Rows by sysflag, the most frequent first."""
        return self._rows_by(1)

    def effect_of_max_length(self, max_length: int) -> MaxLengthEffect:
        """The effect of a maximum of `max_length` tokens, without counting again. Meaningful where `unit` is tokens."""
        return MaxLengthEffect(
            max_length, self.whole.rows, self.whole.rows_above(max_length), self.answer_start.rows_above(max_length - 1)
        )


class FindingGroup(msgspec.Struct, frozen=True):
    """All findings of one kind. A finding has a position in the group, from 0."""

    kind: str
    """The name of the kind."""
    severity: Severity
    """The severity in this data set; may be milder than the kind's."""
    title: str
    """The problem, as a short phrase."""
    why: str
    """Why it matters, one sentence without its full stop."""
    do: str
    """What to do about it, one sentence without its full stop."""
    rows: bytes
    """Row indices, ascending, each once, packed."""
    others: bytes = b""
    """The index of the other row of each finding (the first of the duplicates, the test row), or -1, packed; empty
    where no finding has one."""
    fields: bytes = b""
    """A byte for each row, with bit i set where the finding is in column i of `COLUMNS`; empty where none is in a
    column."""
    fix: str = ""
    """What the safe fix does, as an imperative phrase; empty where there is none."""

    @property
    def count(self) -> int:
        return len(self.rows) // 8

    @property
    def indices(self) -> memoryview:
        """The row indices, ascending, read like a list."""
        return unpack_integers(self.rows)

    def columns(self, position: int) -> tuple[str, ...]:
        """The columns of the finding; empty for the complete row."""
        bits = self.fields[position] if self.fields else 0
        return tuple(column for i, column in enumerate(COLUMNS) if bits >> i & 1)

    def other(self, position: int) -> int | None:
        """The index of the other row of the finding, or None."""
        other = unpack_integers(self.others)[position] if self.others else -1
        return other if other >= 0 else None


class QualityReport(msgspec.Struct, frozen=True, tag=True):
    """The doctor's findings in a data set."""

    source: str
    """As the data set was opened: a path, a pattern or a hub name."""
    split: str
    """The split of the source, empty for none."""
    fingerprint: str
    """`DataSet.fingerprint` of the rows that were checked."""
    rows: int
    """Rows that were checked."""
    groups: tuple[FindingGroup, ...]
    """The most severe kind first, then the most frequent; none is empty."""
    notes: tuple[str, ...] = ()
    """Checks that were not made, and why."""
    skipped: int = 0
    """Rows of the source that could not be read; `DataSet.problems` lists them."""
    problems: tuple[ProblemKind, ...] = ()
    """Why they could not be read, the most frequent kind first."""
    tokenizer: str = ""
    """The name of the model whose tokenizer measured rows, empty for none."""
    max_length: int = 0
    """Tokens that a row may have; 0 where this was not checked."""
    seconds: float = 0.0
    """How long checking took."""
    about_source: dict[str, Any] = {}
    """What of the source is not used, left out or cannot be read: `source_record`."""
    not_used_words: str = ""
    """The same as `DataSet.not_used_words`."""

    def group(self, kind: str) -> FindingGroup | None:
        """The findings of one kind, or None where there are none."""
        return next((group for group in self.groups if group.kind == kind), None)


def encode_result(result: DataSetStatistics | QualityReport) -> bytes:
    return msgspec.msgpack.encode(result)


def decode_result(content: bytes) -> DataSetStatistics | QualityReport:
    """An encoded result. Raises msgspec.DecodeError for other bytes and for those of another version."""
    return msgspec.msgpack.decode(content, type=DataSetStatistics | QualityReport)
