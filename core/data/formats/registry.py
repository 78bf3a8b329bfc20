"""The table of file formats: name, suffixes, and the module that reads, pages and writes files of it.

A new format is one module beside this file and one entry here. A module is imported when a file of its format is read
or written, never earlier: the terminal knows the table from its first moment.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from core.data.columns.mapping import ColumnMapping
    from core.data.formats.early_rows import EarlyRows
    from core.data.formats.row_collector import RowCollector, SourceFacts
    from core.data.formats.written_rows import WrittenColumn, WrittenRows

FormatName = Literal["lines", "json", "csv", "tsv", "parquet", "arrow"]
"""Part of the key of an imported source: after a name changes, every file of the format is imported again."""

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
"""The compressions of text formats, by suffix. Parquet and Arrow compress inside the file."""


class ReadableFormat(Protocol):
    """The interface of every format: a module, or an object where several formats share the code."""

    def read_files(self, paths: Sequence[Path], collector: RowCollector) -> None:
        """Pass every row of the files, in order, to `collector`. Raises DataError, OSError."""

    def open_early(
        self, paths: Sequence[Path], where: str, mapping: ColumnMapping | None
    ) -> tuple[EarlyRows, SourceFacts]:
        """The rows that can be shown before the import, and the facts known by then.

        where: the source's name in errors; mapping: the user's mapping, None to guess. Raises DataError, OSError.
        """


class WritableFormat(ReadableFormat, Protocol):
    """A format that rows can also be saved in."""

    def open_writer(
        self, stream: Any, columns: tuple[WrittenColumn, ...]
    ) -> AbstractContextManager[Callable[[WrittenRows], None]]:
        """A function that writes one batch with these columns to the binary `stream`; the file is complete when the
        context ends. Raises OSError, DataError."""


@dataclass(frozen=True)
class FileFormat:
    """One format of files with rows."""

    name: FormatName
    """Identifies the format inside Suiron."""
    suffixes: tuple[str, ...]
    """Endings of its files' names, in lower case, with the dot; the usual one first."""
    load: Callable[[], ReadableFormat]
    """Imports the code of the format."""
    is_text: bool = False
    """Whether files are text that is read row by row and may be compressed."""
    load_writer: Callable[[], WritableFormat] | None = None
    """Imports the code that writes it; None where rows are never saved in this format."""
    description: str = ""
    """A description for the user where rows can be saved in the format."""


def _json_lines() -> WritableFormat:
    from core.data.formats import json_lines

    return json_lines


def _json_document() -> WritableFormat:
    from core.data.formats import json_document

    return json_document


def _csv() -> WritableFormat:
    from core.data.formats.delimited import DelimitedFormat

    return DelimitedFormat(",")


def _tsv() -> WritableFormat:
    from core.data.formats.delimited import DelimitedFormat

    return DelimitedFormat("\t")


def _parquet() -> WritableFormat:
    from core.data.formats import parquet

    return parquet


def _arrow() -> WritableFormat:
    from core.data.formats import arrow

    return arrow


FILE_FORMATS: tuple[FileFormat, ...] = (
    FileFormat("lines", (".jsonl", ".ndjson"), _json_lines, True, _json_lines, "JSON Lines: one row a line"),
    FileFormat("json", (".json",), _json_document, True, _json_document, "JSON: one array of all rows"),
    FileFormat("csv", (".csv",), _csv, True, _csv, "CSV: for spreadsheets"),
    FileFormat("tsv", (".tsv",), _tsv, True, _tsv, "TSV: columns between tabs"),
    FileFormat("parquet", (".parquet",), _parquet, False, _parquet, "Parquet: compact, quick to open"),
    FileFormat("arrow", (".arrow", ".feather"), _arrow, False, _arrow, "Arrow: quick to open, large"),
)

_BY_SUFFIX = {suffix: file_format for file_format in FILE_FORMATS for suffix in file_format.suffixes}
_BY_NAME = {file_format.name: file_format for file_format in FILE_FORMATS}


def format_named(name: FormatName) -> FileFormat:
    """The table's entry of this name."""
    return _BY_NAME[name]


def format_of_file(name: str | Path) -> FileFormat | None:
    """The format of a file, judged only by its name; None for an unknown suffix."""
    stem, suffix = os.path.splitext(str(name).lower())
    if suffix not in COMPRESSIONS:
        return _BY_SUFFIX.get(suffix)
    inside = _BY_SUFFIX.get(os.path.splitext(stem)[1])
    return inside if inside is not None and inside.is_text else None


def compression_of_file(name: str | Path) -> str:
    """The compression of a file, judged only by its name: `gzip`, `zstd`, or empty."""
    return COMPRESSIONS.get(os.path.splitext(str(name).lower())[1], "")


def readable_formats() -> str:
    """The suffixes that can be opened, in words, for messages."""
    return _suffix_words(FILE_FORMATS)


def writable_formats() -> str:
    """The suffixes with which rows can be saved, in words, for messages."""
    return _suffix_words([file_format for file_format in FILE_FORMATS if file_format.load_writer is not None])


def _suffix_words(file_formats: Sequence[FileFormat]) -> str:
    """Such as `jsonl and csv (each also as .gz or .zst), parquet`."""
    texts = [file_format.suffixes[0][1:] for file_format in file_formats if file_format.is_text]
    others = [suffix[1:] for file_format in file_formats if not file_format.is_text for suffix in file_format.suffixes]
    text_words = f"{', '.join(texts[:-1])} and {texts[-1]} (each also as {' or '.join(COMPRESSIONS)})"
    return ", ".join([text_words, *others])
