"""The columns of one source as a reader finds them, and the mapping with which they are read.

A pick never changes once rows were read with it: otherwise those rows would change their meaning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Record
from typing import Any

from core.base.errors import DataError
from core.base.row import COLUMNS, OPTIONAL
from core.data.columns.column_names import RELEVANT_NAMES, name_prefix, normalized_name
from core.data.columns.guess import extend_mapping, guess_mapping
from core.data.columns.mapping import ColumnMapping, RowReader

REQUIRED_COLUMNS = tuple(column for column in COLUMNS if column not in OPTIONAL)
SAMPLE_ROWS, SAMPLE_CHARS = 200, 256 << 10  # the sample for a guess, whichever limit is reached first
_MAX_NAMES = 200  # names kept for the user to see; a file where every row has other keys may have a million


class SourceColumns:
    """The columns found so far, and their mapping: the caller's, or a guess once there are rows to judge by.

    `names` contains a name twice where a header has it twice; `settled` tells whether the mapping is more than a guess
    from names only.
    """

    def __init__(self, mapping: ColumnMapping | None = None) -> None:
        self.names: list[str] = []
        self.mapping = mapping or ColumnMapping()
        self.settled = self._is_given = mapping is not None
        self._known: set[str] = set()
        self._reader: RowReader | None = None

    def add_names(self, names: Iterable[str], sample: Sequence[Record[str, Any]] = (), free: bool = False) -> bool:
        """Add the names of a header or of records; True where any was new.

        The first call with rows settles the mapping, by the first `SAMPLE_ROWS` of them. `free`: no row was passed on
        yet, so that new names may still change the mapping. Later names only fill columns that have no source, and none
        where the user chose the mapping.
        """
        new = [name for name in names if name not in self._known and (len(self.names) < _MAX_NAMES or _relevant(name))]
        self.names += new
        self._known.update(new)
        if not self.settled or (free and new and not self._is_given):
            self.mapping = guess_mapping(self.names, sample[:SAMPLE_ROWS])
            self.settled = bool(sample)
            self._reader = None
        elif new and not self.mapping.by_hand:
            self.mapping = extend_mapping(self.mapping, new)
            self._reader = None
        elif new:
            self._reader = None  # the reader looks for marks of generations among all names
        return bool(new)

    @property
    def reader(self) -> RowReader:
        """A reader for records with the current mapping; a new one after new names."""
        if self._reader is None:
            self._reader = RowReader(self.mapping, self.names)
        return self._reader

    @property
    def crowded(self) -> bool:
        """Whether there were more names than are kept."""
        return len(self.names) >= _MAX_NAMES

    @property
    def extra(self) -> tuple[str, ...]:
        """The names of columns that are not used."""
        used = self.taken | self.marks
        return tuple(name for name in self.names if name not in used)

    @property
    def taken(self) -> frozenset[str]:
        """The names of columns whose values are in a row."""
        return frozenset(pick.column for pick in self.mapping.picks.values() if pick.column)

    @property
    def marks(self) -> frozenset[str]:
        """The names of columns that are only read to choose among generations, or to leave rows out."""
        return frozenset(self.reader.sources) - self.taken

    def check(self, where: str) -> None:
        """Raises DataError where instruction or output has no source, with the columns found, or where two columns have
        the name of its source."""
        for column in REQUIRED_COLUMNS:
            source = self.mapping.source(column)
            if self.names.count(source) > 1:
                several = ", ".join([source] * self.names.count(source))
                raise DataError(
                    f"more than one column could be {column}: {several}", where, "Give each column a different name"
                )
        missing = [column for column in REQUIRED_COLUMNS if self.mapping.source(column) not in self._known]
        if not missing:
            return
        names = ", ".join(name if len(name) <= 60 else name[:60] + "…" for name in self.names[:30]) or "none"
        if len(self.names) > 30:
            names += ", …"
        if absent := [self.mapping.source(column) for column in missing if self.mapping.source(column)]:
            what = f"the mapping takes {missing[0]} from {absent[0]}, which does not exist; the columns are: {names}"
            raise DataError(what, where, "Choose another column for it, or remove the saved mapping")
        word = "columns" if len(missing) > 1 else "column"
        raise DataError(
            f"the {word} {' and '.join(missing)} cannot be found; its columns are: {names}",
            where,
            "Map the columns (python -m core data map), or rename them: "
            f"{' and '.join(REQUIRED_COLUMNS)} are required, {', '.join(OPTIONAL)} optional",
        )


def _relevant(name: str) -> bool:
    return normalized_name(name) in RELEVANT_NAMES or any(
        name_prefix(name, column) for column in ("instruction", "reasoning", "output")
    )
