"""A data set as the rest of the house sees it: length, rows, filters, order, counts. Knows neither where rows lie nor
how they are edited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from core.base.row import COLUMNS, Row
from core.data.filters import Filters
from core.data.formats.record_intake import Facts
from core.data.origin import Origin
from core.data.problems import Problem
from core.data.search.row_query import Asking, Ticket, prepared
from core.data.storage.row_store import Changes, InForce, Rows

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


_BATCH = 256  # rows handed out at once by `batches`


class DataSet:
    """The good rows of one source, with a person's edits. Never changes (an edit makes a new one); safe to use from
    several threads.

    name: a short label, foreign text; mapping: the source's column -> canonical; extra: columns that are not used;
    columns: the canonical ones that are there; problems: the first thousand bad rows, of problem_count; edits that no
    longer fit are among them.
    """

    def __init__(
        self,
        name: str,
        source: str,
        split: str,
        rows: Rows,
        facts: Facts,
        origin: Origin | None = None,
        edits: InForce | None = None,
    ) -> None:
        self.name, self.source, self.split, self.origin, self.facts = name, source, split, origin, facts
        self.mapping, self.extra = facts.mapping, facts.extra
        self.facts_columns = frozenset(facts.mapping.columns)
        there = self.facts_columns | (edits.columns if edits is not None else set())
        self.columns: tuple[str, ...] = tuple(column for column in COLUMNS if column in there)
        unfit: list[Problem] = edits.problems if edits is not None else []
        self.problems: list[Problem] = [*facts.problems, *unfit]
        self.problem_count: int = facts.problem_count + len(unfit)
        self.base = rows  # as in the source
        self.edits = edits
        self._rows = edits.rows if edits is not None else rows
        self.asking = edits.asking if edits is not None else Asking()
        self._facets: dict[str, list[tuple[str, int]]] | None = None

    @property
    def ready(self) -> bool:
        """Whether every row is at hand. Until then there are pages and a length, and neither search nor counts nor
        edits."""
        return self.origin is None or self.origin.ready

    @property
    def counted(self) -> bool:
        """Whether the length is exact; else there are at least so many rows."""
        return self.origin is None or self.origin.counted

    @property
    def revision(self) -> str:
        """The commit of a hub data set, empty for anything else."""
        return self.origin.found.revision if self.origin is not None else ""

    @property
    def fingerprint(self) -> str:
        """Changes whenever a row could: a key for what is computed from the rows. Edits that were undone leave no trace
        in it."""
        key = self.origin.key if self.origin is not None else ""
        return f"{key}+{self.edits.digest}" if self.edits is not None and self.edits.digest else key

    @property
    def changes(self) -> Changes:
        return self.edits.changes if self.edits is not None else Changes()

    @property
    def highest(self) -> int:
        """The largest index that a row of it can have; -1 where there is none."""
        return self._rows.highest

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, index: int) -> Row:
        """The row of this index. Raises IndexError where it never was, or was deleted."""
        return self._rows.row(index)

    def changed(self, index: int) -> bool:
        """Whether the row differs from the source's, or came by hand."""
        return self.edits is not None and self.before(index) != self._rows.row(index)

    def before(self, index: int) -> Row | None:
        """The row as in the source, also where it was deleted; None where it came by hand."""
        return self.base.row(index) if index < len(self.base) else None

    def select(self, filters: Filters) -> Selection:
        """The rows that pass all filters, in the order asked for. Text is sought as it stands, in any case, in the
        columns named or in all six.

        May take a second on a million rows. Raises DataError for a condition or an order that cannot be,
        `query.Interrupted` after `interrupt`.
        """
        for selection in self.search(filters):
            last = selection
        return last

    def search(self, filters: Filters) -> Iterator[Selection]:
        """As `select`, but growing: each selection has looked at its `share` of the rows, the last at all. One alone
        comes where they are sorted."""
        filters = prepared(filters)
        return self._search(filters, self.asking.ticket())

    def _search(self, filters: Filters, ticket: Ticket) -> Iterator[Selection]:
        if filters == Filters():
            yield Selection(self._rows, self._rows.order())
            return
        for share, indices in self._rows.find(filters, ticket):
            yield Selection(self._rows, indices, share)

    def unedited(self) -> DataSet:
        """The same source without edits."""
        if self.edits is None:
            return self
        plain = DataSet(self.name, self.source, self.split, self.base, self.facts, self.origin)
        plain.asking = self.asking
        return plain

    def interrupt(self) -> None:
        """A search that runs now, in another thread, raises `query.Interrupted`."""
        self.asking.interrupt()

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """For syslang and sysflag, each value with its count, the most frequent first; no values where the column is
        not there."""
        if self._facets is None:
            self._facets = {
                column: sorted(self._rows.counts(column).items(), key=lambda pair: (-pair[1], pair[0]))
                if column in self.columns
                else []
                for column in ("syslang", "sysflag")
            }
        return self._facets

    def batches(self, flag: str = "") -> Iterator[list[Row]]:
        """All rows in order, a few hundred at a time; only those whose sysflag is `flag` where the column is there and
        `flag` is not empty."""
        return self._rows.batches(self._flag(flag), _BATCH)

    def record_batches(self, indices: Sequence[int] | np.ndarray[Any, Any] | None = None) -> Iterator[pa.RecordBatch]:
        """The rows of `indices`, all where None, in that order: six string columns without nulls and `row`, the index
        as int64."""
        return self._rows.record_batches(indices)  # type: ignore[arg-type]  # an array is a sequence in all that is used

    def empty_reasoning(self, flag: str = "") -> int:
        """How many of the rows that `batches(flag)` gives have no reasoning, or nothing but space."""
        return self._rows.empty_reasoning(self._flag(flag))

    def _flag(self, flag: str) -> str:
        return flag if "sysflag" in self.columns else ""


class Selection:
    """Some rows of a data set in the order asked for. share: how much of the data set was looked at, from 0 to 1."""

    def __init__(self, rows: Rows, indices: Sequence[int], share: float = 1.0) -> None:
        self._rows = rows
        self._indices = indices
        self.share = share

    def __len__(self) -> int:
        return len(self._indices)

    @property
    def indices(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The indices of its rows, in its order."""
        import numpy as np

        return np.asarray(self._indices, dtype=np.int64)

    def page(self, offset: int, limit: int) -> list[Row]:
        """At most `limit` rows from place `offset` of the selection on; fewer at its end, none beyond."""
        return self._rows.take(self._indices[max(0, offset) : max(0, offset) + max(0, limit)])

    def at(self, place: int) -> int:
        """The index of the row at `place`, from 0. Raises IndexError beyond the end."""
        return int(self._indices[place])

    def position(self, index: int) -> int | None:
        """The place in the selection of the row `index`, or None where it is not selected."""
        if isinstance(self._indices, range | list):
            try:
                return self._indices.index(index)
            except ValueError:
                return None
        import numpy as np

        places = np.nonzero(np.asarray(self._indices) == index)[0]
        return int(places[0]) if len(places) else None
