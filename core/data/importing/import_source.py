"""Reading a located source: all of it into memory or into the import cache, or its first rows. Knows every format's
reader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.base.errors import DataError
from core.base.row import Row
from core.data.columns.mapping import Mapping
from core.data.formats.record_intake import Facts, Intake, Progress
from core.data.locate.source_files import TEXT, Found
from core.data.storage.memory_rows import HeldRows

if TYPE_CHECKING:
    from core.data.importing.import_cache import Writer
    from core.data.storage.mapped_rows import MappedRows

_ROOM = 32 << 20  # characters held in memory at most; what a small packed file unpacks to may be any size


class TooLarge(Exception):
    """What looked small is not."""


@contextmanager
def named(found: Found) -> Iterator[Found]:
    """Whatever a reader raises comes out as a DataError that names the source."""
    try:
        yield found
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, found.where, error.do) from error
    except OSError as error:
        raise DataError(
            f"it cannot be read ({error.strerror or error})", found.where, "Check the file and who may read it"
        ) from error
    except UnicodeDecodeError as error:  # pyarrow, of names inside a damaged file
        raise DataError(
            f"the file is damaged: a name in it is not UTF-8 ({error.reason})", found.where, "Copy or write it again"
        ) from error


def read_held(found: Found, mapping: Mapping | None, progress: Progress | None) -> tuple[HeldRows, Facts]:
    """All rows of a small text source. Raises DataError, OSError, TooLarge."""
    held, chars = HeldRows(), 0

    def put(columns: Sequence[Sequence[str]]) -> None:
        nonlocal chars
        chars += sum(len(text) for column in columns for text in column)
        if chars > _ROOM:
            raise TooLarge
        held.put(columns)

    intake = Intake(found.where, put, progress, mapping)
    read_text(found, intake)
    return held, intake.finish()


class _Enough(Exception):
    pass


def read_head(found: Found, mapping: Mapping | None) -> tuple[list[Row], Facts, bool]:
    """The first rows of a text source, a few at least, what is known of it by then, and whether these are all. Raises
    DataError, OSError."""
    held = HeldRows()

    def put(columns: Sequence[Sequence[str]]) -> None:
        if not len(held):
            held.put(columns)
            raise _Enough

    intake = Intake(found.where, put, None, mapping)
    try:
        read_text(found, intake)
        whole = True
        facts = intake.finish()
    except _Enough:
        whole = False
        facts = Facts(intake.columns.mapping, intake.columns.extra, [], 0)
    return held.take(range(len(held))), facts, whole


def read_text(found: Found, intake: Intake) -> None:
    """Hand every row of a text source to the intake, shard by shard."""
    for path in found.paths:
        if len(found.paths) > 1:
            intake.problems.file = path.name
        try:
            _read_one(found, path, intake)
        except DataError as error:
            if len(found.paths) > 1:  # the other files stay
                intake.flush()
                intake.problems.add(0, error.what, error.do)
                continue
            if intake.rows or not intake.problems.kept or intake.problems.kept[0].row:
                raise
            broken = intake.problems.kept[0]  # what is missing is missing because the packed file breaks off
            raise DataError(broken.what, str(path), intake.problems.advice) from error


def _read_one(found: Found, path: Path, intake: Intake) -> None:
    if found.format in ("csv", "tsv"):
        from core.data.formats.read_csv import read_csv

        read_csv(path, intake, "\t" if found.format == "tsv" else ",")
    else:
        from core.data.formats.read_json import read_json, read_lines

        (read_json if found.format == "json" else read_lines)(path, intake)
    intake.flush()


def fill_cache(found: Found, mapping: Mapping | None, progress: Progress | None) -> None:
    """Import in this process. Raises DataError, OSError."""
    from core.data.importing import import_cache

    import_cache.fill(what(found, mapping), _reader(found), progress)


def imported(found: Found, mapping: Mapping | None, progress: Progress | None) -> tuple[MappedRows, Facts, str]:
    """The rows from the import_cache, imported in this process where they are not there; their facts and key. Raises
    DataError, OSError."""
    from core.data.importing import import_cache

    return import_cache.open_cached(what(found, mapping), _reader(found), progress)


def look(found: Found, mapping: Mapping | None) -> tuple[MappedRows, Facts, str] | None:
    """The same where they were imported before, else None."""
    from core.data.importing import import_cache

    return import_cache.look(what(found, mapping))


def what(found: Found, mapping: Mapping | None) -> Any:
    from core.data.importing.import_cache import Import

    return Import(found.paths, found.format, found.where, mapping)


def _reader(found: Found) -> Any:
    def read(intake: Intake, writer: Writer) -> None:
        if found.format in TEXT:
            read_text(found, intake)
            return
        from core.data.formats import read_arrow

        reader = read_arrow.read_parquet if found.format == "parquet" else read_arrow.read_streams
        reader(found.paths, intake, writer.put_arrays)

    return read
