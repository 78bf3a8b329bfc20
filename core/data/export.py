"""Saves rows as a file, in the format of its suffix. The file is complete or absent even after a crash.

Only the six columns are written, in the order shown; other columns of the source are not part of Suiron's rows. The new
file is made beside the old one, flushed to disk and then renamed over it, so that a full disk or a kill leaves the old
file unchanged.
"""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

from core.base.errors import DataError
from core.data.dataset import DataSet, RowSelection
from core.data.formats.compression import compressed_stream
from core.data.formats.registry import compression_of_file, format_of_file, writable_formats
from core.data.formats.row_collector import ProgressCallback


class SavedRows(int):
    """The number of rows that were written."""

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
    part, number = _open_part(target)
    try:
        written = 0
        with (
            os.fdopen(os.dup(number), "wb") as file,  # a copy: a stream that compresses closes its file
            compressed_stream(file, compression_of_file(path)) as stream,
            file_format.load_writer().open_writer(stream) as write,
        ):
            for batch in dataset.record_batches(selection.indices if selection is not None else None):
                write(batch)
                written += len(batch)
                if progress is not None:
                    progress(written, total)
        os.fsync(number)
        saved = SavedRows(written)
        saved.aside = _put_journal_aside(dataset, target)
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


def _put_journal_aside(dataset: DataSet, target: Path) -> Path | None:
    """Rename the journal where the target is the source: the written rows have the edits already."""
    if dataset.origin is None or not target.exists():
        return None
    if not any(source.exists() and source.samefile(target) for source in dataset.origin.files.paths):
        return None
    from core.data.editing.journal import backup_path
    from core.data.sidecar import sidecar_of

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
