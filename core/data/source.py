"""`open_data`: from what a person typed to a `DataSet`. The one door of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.dataset import DataSet
from core.data.intake import Intake, Progress
from core.data.locate import Found, locate
from core.errors import DataError

if TYPE_CHECKING:
    from core.data.cache import Writer

_SMALL = 2_000_000  # bytes of text that are parsed sooner than pyarrow is imported


def open_data(source: str, split: str = "", progress: Progress | None = None) -> DataSet:
    """The data set `source`: `demo`, a csv, tsv, json, jsonl or parquet file, a folder, or a hub name with `split`.

    The first opening of a large source imports it, calling `progress(done, total)` in bytes, rows or files now and then; later ones take no time.
    Without `split`, a source that has several gives `train`. Raises DataError; single bad rows are in `problems` instead.
    """
    found = locate(source, split)
    try:
        return _open(found, source, progress)
    except DataError as error:
        if error.where:
            raise
        raise DataError(error.what, found.where, error.do) from error
    except OSError as error:
        raise DataError(f"it cannot be read ({error.strerror or error})", found.where, "Check the file and who may read it") from error


def _open(found: Found, source: str, progress: Progress | None) -> DataSet:
    text = found.format not in ("parquet", "streams")
    if text and sum(path.stat().st_size for path in found.paths) <= _SMALL:
        from core.data.held import HeldRows

        held = HeldRows()
        intake = Intake(found.where, held.put, progress)
        _read_text(found, intake)
        return DataSet(found.name, source, found.split, held, intake.finish())

    from core.data.cache import open_cached

    def read(intake: Intake, writer: Writer) -> None:
        if text:
            _read_text(found, intake)
            return
        from core.data import read_arrow

        reader = read_arrow.read_parquet if found.format == "parquet" else read_arrow.read_streams
        reader(found.paths, intake, writer.put_arrays)

    mapped, facts = open_cached(found.paths, found.format, found.where, read, progress)
    return DataSet(found.name, source, found.split, mapped, facts)


def _read_text(found: Found, intake: Intake) -> None:
    path = found.paths[0]
    if found.format in ("csv", "tsv"):
        from core.data.read_csv import read_csv

        read_csv(path, intake, "\t" if found.format == "tsv" else ",")
    else:
        from core.data.read_json import read_json, read_lines

        (read_json if found.format == "json" else read_lines)(path, intake)
