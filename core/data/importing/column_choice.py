"""The data for choosing a column mapping: names, some records and the current mapping. Saves the choice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Record
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.base.errors import DataError
from core.base.files import private_dir
from core.data.column_names_file import TABLES, save_names, with_names
from core.data.columns import guess as column_guess
from core.data.columns.mapping import ColumnMapping, ColumnPick, load_mapping, read_row, save_mapping
from core.data.columns.marks import RowMark
from core.data.columns.settled_columns import SAMPLE_ROWS, SourceColumns
from core.data.formats.delimiters import looks_like_row
from core.data.formats.row_collector import RowCollector
from core.data.importing.import_source import naming_source, read_source
from core.data.locate.source_files import SourceFiles, locate_source
from core.data.not_used import not_used_record
from core.data.problems import problem_words, problems_record, unread_words
from core.data.sidecar import sidecar_of


@dataclass(frozen=True)
class ColumnChoice:
    """The columns of a source, and the current mapping of the canonical columns."""

    files: SourceFiles
    """The files of the source."""
    names: tuple[str, ...]
    """The source's columns."""
    rows: tuple[Record[str, Any], ...]
    """At most 200 records from its beginning, the same from which a guess is made."""
    mapping: ColumnMapping
    """The saved mapping, else the guess."""
    saved: bool
    """Whether `mapping` is the saved one."""

    @property
    def lacks_names(self) -> bool:
        """Whether the file seems to be a table whose first line is a row and not the names of its columns."""
        return self.files.format in TABLES and not self.files.names and looks_like_row(self.names)

    @property
    def known_marks(self) -> tuple[RowMark, ...]:
        """The marks of the mapping; where it has none, because the user switched them off, those of a guess."""
        return self.mapping.marks or column_guess.guess_mapping(self.names, self.rows).marks

    def candidates(self, column: str) -> list[ColumnPick]:
        """The possible picks for the canonical `column`: the current one first, nothing last."""
        picks = column_guess.pick_candidates(column, self.names, self.rows)
        saved = self.mapping.picks.get(column, picks[-1])
        current = next((pick for pick in picks if (pick.column, pick.how) == (saved.column, saved.how)), saved)
        return [current, *(pick for pick in picks if pick is not current)]

    def read(self, mapping: ColumnMapping, limit: int = 3) -> list[list[str] | str]:
        """The first `limit` rows, read with `mapping`: the six texts of each, or its fault."""
        return [read_row(mapping, record) for record in self.rows[:limit]]

    def sample_record(self, mapping: ColumnMapping) -> dict[str, Any]:
        """What of `rows` is not used, left out or cannot be read with `mapping`: `not_used`, `left_out` and `problems`
        as in `source_record`, and `words`, the same as a sentence without its full stop."""
        collector = RowCollector(self.files.where, lambda _: None, None, mapping)
        for number, record in enumerate(self.rows, 1):
            collector.take(number, record, 0)
        collector.flush()
        words = [collector.not_used.words()]
        if kinds := collector.problems.kinds:
            words.append(f"{unread_words(kinds)} cannot be read: {problem_words(kinds)}")
        return {
            **not_used_record(collector.not_used),
            "problems": problems_record(collector.problems.kinds),
            "words": "; ".join(filter(None, words)),
        }

    def keep(self, mapping: ColumnMapping) -> Path:
        """Save `mapping`, and names that the user gave, as the user's choice, with which the source is opened from now
        on; returns the file. Raises DataError."""
        path = sidecar_of(self.files).mapping
        try:
            private_dir(path.parent)
            if self.files.names:
                save_names(self.files.names, sidecar_of(self.files).names)
            save_mapping(mapping.chosen(), path)
        except OSError as error:
            do = "Free some space, or check who may write there"
            raise DataError(f"the column mapping cannot be saved ({error.strerror or error})", str(path), do) from error
        return path


def read_column_choice(source: str, split: str = "", names: Sequence[str] = ()) -> ColumnChoice:
    """The columns of a source, named as for `open_data`; reads only its beginning. names: of the columns of a table
    without a header. Raises DataError."""
    with naming_source(with_names(locate_source(source, split), names)) as located:
        saved = load_mapping(sidecar_of(located).mapping)
        found, rows = _beginning(located)
    mapping = saved if saved is not None else column_guess.guess_mapping(found, rows)
    return ColumnChoice(located, tuple(found), tuple(rows), mapping, saved is not None)


class _EnoughRows(Exception):
    """Ends the reading once there are rows to judge by."""


class _SampleColumns(SourceColumns):
    """Keeps the first records, and ends the reading."""

    rows: Sequence[Record[str, Any]] = ()

    def add_names(self, names: Iterable[str], sample: Sequence[Record[str, Any]] = (), free: bool = False) -> bool:
        new = super().add_names(names, sample, free)
        if sample:
            self.rows = sample[:SAMPLE_ROWS]
            raise _EnoughRows
        return new


def _beginning(located: SourceFiles) -> tuple[list[str], Sequence[Record[str, Any]]]:
    collector = RowCollector(located.where, lambda _: None)
    collector.columns = sample = _SampleColumns()
    collector.arrays = lambda _: None
    try:
        read_source(located, collector)
        collector.flush()
    except _EnoughRows:
        return sample.names, sample.rows
    if not sample.names:
        collector.finish()  # raises the reason why nothing could be read
    return sample.names, []
