"""A data set as the rest of the program sees it: length, rows, filters, order and counts.

Knows neither where the rows are stored nor how they are edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from core.base.errors import DataError
from core.base.row import COLUMNS, CONTEXT, Row
from core.data.filters import RowFilters
from core.data.formats.row_collector import SourceFacts
from core.data.origin import SourceOrigin
from core.data.problems import ProblemKind, RowProblem, kinds_of
from core.data.search import row_search
from core.data.search.filter_rules import checked_filters
from core.data.search.running_queries import QueryTicket, RunningQueries
from core.data.storage.row_store import EditCounts, RowPages, RowStore

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


_BATCH_ROWS = 256  # at once from `batches`


class EditsInForce(Protocol):
    """The edits that a data set shows. Only the editor uses `history` and `position`."""

    rows: RowStore
    """The rows of the source as edited."""
    digest: str
    """Names the edits; empty if there are none."""
    problems: list[RowProblem]
    """Edits that could not be read or no longer fit."""
    columns: set[str]
    """Columns that the source lacks and that now have a text in some row."""
    running_queries: RunningQueries
    """The queries over the source and all its edited states."""
    history: Any
    """The `editing.history.EditHistory` that made these edits."""
    position: Any
    """The `editing.journal.JournalPosition` up to which the journal was read."""

    @property
    def counts(self) -> EditCounts:
        """How far the rows differ from the source."""
        ...


class DataSet:
    """The good rows of one source, with the user's edits. Never changes: an edit makes a new data set. Safe to use from
    several threads."""

    def __init__(
        self,
        name: str,
        source: str,
        split: str,
        rows: RowPages,
        facts: SourceFacts,
        origin: SourceOrigin | None = None,
        edits: EditsInForce | None = None,
    ) -> None:
        self.name = name
        """A short label, foreign text."""
        self.source = source
        """The source as the user named it, foreign text."""
        self.split = split
        """The split that is open; empty where the source has none."""
        self.origin = origin
        """The files, and how far they are read; None for rows that are from no file."""
        self.facts = facts
        """What the reader found in the source."""
        self.mapping = facts.mapping
        """Which columns of the source make which of the six."""
        self.extra = facts.extra
        """Columns of the source that are not used."""
        self.not_used = facts.not_used
        """What of the source is not used."""
        self.not_used_words = facts.not_used.words()
        """The same as a sentence without its full stop; empty where everything is used."""
        self.source_columns = frozenset(facts.mapping.columns)
        """Which of the six columns the source has."""
        filled = edits.columns if edits is not None else set()
        self.columns: tuple[str, ...] = tuple(
            column for column in COLUMNS if column in self.source_columns or column in filled
        )
        """Which of the six columns the source or the edits have."""
        self.context: tuple[str, ...] = tuple(column for column in CONTEXT if column in self.source_columns)
        """Which of system, history and tools the source has."""
        edit_problems = edits.problems if edits is not None else []
        self.problems: list[RowProblem] = [*facts.problems, *edit_problems]
        """The first thousand bad rows of the source, and edits that no longer fit."""
        self.problem_count: int = facts.problem_count + len(edit_problems)
        """How many problems there are, in rows and edits."""
        self.problem_kinds: list[ProblemKind] = [*facts.problem_kinds, *kinds_of(edit_problems)]
        """All problems by kind: of the source, the most frequent first, then of the edits."""
        self.notes: list[str] = facts.notes
        """How the source was read where that is not plain: sentences without full stops, foreign text."""
        self.base = rows
        """The rows of the source without edits."""
        self.edits = edits
        """The edits, None if there are none."""
        self.running_queries = edits.running_queries if edits is not None else RunningQueries()
        """The queries over this source that run now."""
        self._rows = edits.rows if edits is not None else rows
        self._facets: dict[str, list[tuple[str, int]]] | None = None

    @property
    def ready(self) -> bool:
        """Whether all rows are imported. Before that there are pages and a length, but no search, counts or edits."""
        return self.origin is None or self.origin.ready

    @property
    def counted(self) -> bool:
        """Whether the length is exact. If not, there are at least as many rows."""
        return self.origin is None or self.origin.counted

    @property
    def revision(self) -> str:
        """The commit of a hub data set, empty for anything else."""
        return self.origin.files.revision if self.origin is not None else ""

    @property
    def other_splits(self) -> tuple[str, ...]:
        """The splits of the source that could be opened instead of `split`."""
        return self.origin.files.other_splits if self.origin is not None else ()

    @property
    def fingerprint(self) -> str:
        """A key for results computed from the rows: it changes whenever a row might have changed. Undone edits do not
        change it."""
        key = self.origin.key if self.origin is not None else ""
        return f"{key}+{self.edits.digest}" if self.edits is not None and self.edits.digest else key

    @property
    def changes(self) -> EditCounts:
        """How far the rows differ from the source."""
        return self.edits.counts if self.edits is not None else EditCounts()

    @property
    def highest(self) -> int:
        """The largest index a row can have, -1 if there are no rows."""
        return self._rows.highest

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        """The row with this index. Raises IndexError if there is none, or it was deleted."""
        return self._rows.row(index)

    def changed(self, index: int) -> bool:
        """Whether the row differs from the source's, or was added."""
        return self.edits is not None and self.before(index) != self._rows.row(index)

    def before(self, index: int) -> Row | None:
        """The row as in the source, even if it was deleted; None if it was added."""
        return self.base.row(index) if index < len(self.base) else None

    def select(self, filters: RowFilters) -> RowSelection:
        """The rows that pass all filters, in the order the filters name. Text is searched literally and in any case.

        May take a second for a million rows. Raises DataError if a condition, a column or an order is wrong or the rows
        are not imported yet, `QueryInterrupted` after `interrupt`.
        """
        for selection in self.search(filters):
            last = selection
        return last

    def search(self, filters: RowFilters) -> Iterator[RowSelection]:
        """Like `select`, but growing: each selection covers its `share` of the rows, the last covers all. Sorted rows
        are in one selection."""
        filters = checked_filters(filters)
        return self._search(filters, self.running_queries.ticket())

    def _search(self, filters: RowFilters, ticket: QueryTicket) -> Iterator[RowSelection]:
        if filters == RowFilters():
            yield RowSelection(self._rows, self._rows.order())
            return
        for share, indices in row_search.find_rows(self._imported_rows(), filters, ticket):
            yield RowSelection(self._rows, indices, share)

    def unedited(self) -> DataSet:
        """The same source without edits."""
        if self.edits is None:
            return self
        plain = DataSet(self.name, self.source, self.split, self.base, self.facts, self.origin)
        plain.running_queries = self.running_queries
        return plain

    def interrupt(self) -> None:
        """Cancel the searches that run in other threads: they raise `QueryInterrupted`."""
        self.running_queries.interrupt()

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """Each value of syslang and sysflag with its number of rows, the most frequent first; no values for a missing
        column."""
        if self._facets is None:
            self._facets = {column: self._value_counts(column) for column in ("syslang", "sysflag")}
        return self._facets

    def _value_counts(self, column: str) -> list[tuple[str, int]]:
        if column not in self.columns:
            return []
        counts = row_search.count_values(self._imported_rows(), column)
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    def batches(self, sysflag: str = "") -> Iterator[list[Row]]:
        """All rows in order, a few hundred at a time; only those with `sysflag`, if it is not empty and there is a
        sysflag column."""
        return row_search.row_batches(self._imported_rows(), self._present_sysflag(sysflag), _BATCH_ROWS)

    def record_batches(self, indices: Sequence[int] | np.ndarray[Any, Any] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows `indices` in that order, all rows if None: a string column without nulls for each of
        `FIELDS`, and `row`, the index as int64."""
        return self._imported_rows().record_batches(indices)  # type: ignore[arg-type]  # an array is a sequence in every way used here

    def extras(self, indices: Sequence[int]) -> list[str]:
        """For each of the rows `indices`, the values of the source's other columns, see `extra_columns.extra_text`;
        empty for a row that the user added."""
        base: RowStore = self.base if self.ready else self._imported_rows()  # type: ignore[assignment]
        return base.extras(indices)

    def empty_reasoning(self, sysflag: str = "") -> int:
        """How many rows of `batches(sysflag)` have no reasoning, or only white space."""
        return row_search.count_empty_reasoning(self._imported_rows(), self._present_sysflag(sysflag))

    def _present_sysflag(self, sysflag: str) -> str:
        return sysflag if "sysflag" in self.columns else ""

    def _imported_rows(self) -> RowStore:
        if not self.ready:
            raise DataError(
                "its rows are still being imported",
                self.source,
                "Wait until the import has ended. Until then, only pages can be shown",
            )
        return self._rows  # type: ignore[return-value]  # rows that are imported are a RowStore


class RowSelection:
    """Some rows of a data set, in an order."""

    def __init__(self, rows: RowPages, indices: Sequence[int], share: float = 1.0) -> None:
        self._rows = rows
        self._indices = indices
        self.share = share
        """How much of the data set was searched, 0 to 1."""

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def indices(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The indices of the rows in this order, shape (rows selected,)."""
        import numpy as np

        return np.asarray(self._indices, dtype=np.int64)

    def page(self, offset: int, limit: int) -> list[Row]:
        """At most `limit` rows from position `offset` on; fewer at the end, none beyond."""
        first = max(0, offset)
        return self._rows.take(self._indices[first : first + max(0, limit)])

    def at(self, position: int) -> int:
        """The index of the row at `position`, from 0. Raises IndexError beyond the end."""
        return int(self._indices[position])

    def position(self, index: int) -> int | None:
        """The position in the selection of the row `index`, None if it is not selected."""
        if isinstance(self._indices, range | list):
            try:
                return self._indices.index(index)
            except ValueError:
                return None
        import numpy as np

        positions = np.nonzero(np.asarray(self._indices) == index)[0]
        return int(positions[0]) if len(positions) else None
