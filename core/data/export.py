"""Saves rows as a file, in the format of its suffix. The file is complete or absent even after a crash.

The six columns are written, the context of the rows, and the source's other columns as they are (see
`export_columns`), in the order shown. The new file is made beside the old one, flushed to disk and then renamed over
it, so that a full disk or a kill leaves the old file unchanged.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from core.base.errors import DataError
from core.data.dataset import DataSet, RowSelection
from core.data.export_columns import export_columns
from core.data.extra_columns import read_extra
from core.data.filters import RowFilters
from core.data.formats.compression import compressed_stream
from core.data.formats.registry import compression_of_file, format_of_file, writable_formats
from core.data.formats.row_collector import ProgressCallback
from core.data.formats.written_rows import written_rows

_SAMPLE = 200  # rows by which a reader of the file guesses its columns


class SavedRows(int):
    """The number of rows that were written."""

    not_written: dict[str, int]
    """Columns of the source that a file of rows cannot keep, such as pictures, with their rows."""
    old_file: Path | None = None
    """Where the source is now, when it was overwritten by a file that lacks some of its rows."""
    aside: Path | None = None
    """The new path of the journal of edits, when the source itself was overwritten: the file has the edits already, so
    that applying the journal would repeat them. An open editor must then open the data again."""


def save_rows(
    dataset: DataSet, path: Path | str, selection: RowSelection | None = None, progress: ProgressCallback | None = None
) -> SavedRows:
    """Write all rows, or the rows of `selection`, to `path`. `progress(done, total)` is in rows; an exception that it
    raises ends the saving, and the old file stays.

    Reading the file returns the rows as shown. Raises DataError where the suffix is not known or the file cannot be
    written.
    """
    path = Path(path).expanduser()
    file_format = format_of_file(path)
    if file_format is None or file_format.load_writer is None:
        suffix = path.suffix or "a file without a suffix"
        raise DataError(f"rows cannot be written as {suffix}", str(path), f"Use one of {writable_formats()}")
    target = path.resolve()
    if target.is_dir():
        raise DataError("this is a folder", str(path), "Name a file in it")
    total = len(selection) if selection is not None else len(dataset)
    if not total:
        raise DataError("there are no rows to write", str(path), "Select at least one row")
    chosen = selection if selection is not None else dataset.select(RowFilters())
    written_columns = export_columns(dataset, chosen.page(0, _SAMPLE))
    columns = written_columns.columns
    fields = [column.field for column in columns if column.field]
    has_others = len(fields) < len(columns)
    part, number = _open_part(target)
    try:
        written = 0
        with (
            os.fdopen(os.dup(number), "wb") as file,  # a copy: a stream that compresses closes its file
            compressed_stream(file, compression_of_file(path)) as stream,
            file_format.load_writer().open_writer(stream, columns) as write,
        ):
            for batch in dataset.record_batches(selection.indices if selection is not None else None):
                texts = {field: batch.column(field).to_pylist() for field in fields}
                extras = dataset.extras(batch.column("row").to_pylist()) if has_others else []
                write(written_rows(columns, texts, list(map(read_extra, extras))))
                written += len(batch)
                if progress is not None:
                    progress(written, total)
        os.fsync(number)
        saved = SavedRows(written)
        saved.not_written = written_columns.not_written
        if _is_source(dataset, target):
            saved.old_file = _keep_old_file(dataset, target, written)
            saved.aside = _put_journal_aside(dataset)
        os.replace(part, target)
    except OSError as error:
        raise _not_writable(error, path) from error
    finally:
        os.close(number)
        part.unlink(missing_ok=True)
    _flush_folder(target.parent)
    return saved


def _open_part(target: Path) -> tuple[Path, int]:
    """A new file beside the target and its descriptor. It has the permissions of the old file, else the usual ones."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
        part.unlink(missing_ok=True)
        return part, os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise _not_writable(error, target) from error


def _is_source(dataset: DataSet, target: Path) -> bool:
    """Whether the target is a file of the source."""
    if dataset.origin is None or not target.exists():
        return False
    return any(source.exists() and source.samefile(target) for source in dataset.origin.files.paths)


def _keep_old_file(dataset: DataSet, target: Path, written: int) -> Path | None:
    """Keep the source under another name where the new file lacks rows or values of it; None where it has them all."""
    facts = dataset.facts
    lost = facts.problem_count or facts.not_used.left_out or facts.not_used.parts or written < len(dataset.base)
    if not lost:
        return None
    from core.data.editing.journal import backup_path

    kept = backup_path(target)
    os.link(target, kept)
    return kept


def _put_journal_aside(dataset: DataSet) -> Path | None:
    """Rename the journal of a source that is overwritten: the written rows have the edits already."""
    from core.data.editing.journal import backup_path
    from core.data.sidecar import sidecar_of

    assert dataset.origin is not None  # noqa: S101 - only a source has a journal
    journal = sidecar_of(dataset.origin.files).edits
    if not journal.exists():
        return None
    aside = backup_path(journal)
    os.rename(journal, aside)
    return aside


def _not_writable(error: OSError, path: Path) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DataError("the disk is full; nothing is changed", str(path), "Free some space, or save to another disk")
    return DataError(
        f"the file cannot be written ({error.strerror or error})", str(path), "Check the folder and who may write there"
    )


def _flush_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot; the file itself is on disk
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
