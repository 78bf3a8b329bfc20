"""Rows as a file: JSON lines, CSV, TSV (each also .gz or .zst) or Parquet, by its name. Whole or absent, whatever
happens on the way.

What is written are the six columns in the order shown; other columns of the source are not rows of Suiron and stay
where they are. The new file is made beside the old one, flushed to disk and put in its place, so a full disk or a kill
leaves the old one as it was.
"""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.dataset import DataSet, Selection
from core.data.formats.record_intake import Progress
from core.data.locate.source_files import PACKED, format_of

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP = 50_000  # rows of a Parquet row group: small enough to page in, large enough to pack
_KNOWN = "jsonl, csv and tsv (each also as .gz or .zst), and parquet"


class Saved(int):
    """The number of rows written. aside: where the journal of edits lies now, when the source itself was overwritten:
    its edits are in the file, and would otherwise be made twice. Whoever edits must open the data again then."""

    aside: Path | None = None


def save(
    dataset: DataSet, path: Path | str, selection: Selection | None = None, progress: Progress | None = None
) -> Saved:
    """Writes the rows, of `selection` where one is given, to `path`. `progress(done, total)` is in rows; what it raises
    ends the saving, and the old file stays.

    Read back, the file gives the rows as shown. Raises DataError where the name's ending is not known or the file
    cannot be written.
    """
    path = Path(path).expanduser()
    writer = _writer(path)
    target = path.resolve()
    if target.is_dir():
        raise DataError("this is a folder", str(path), "Name a file in it")
    total = len(selection) if selection is not None else len(dataset)
    if not total:
        raise DataError("there are no rows to write", str(path), "Choose at least one")
    part, number = _part(target)
    try:
        written = 0
        with (
            os.fdopen(os.dup(number), "wb") as file,
            writer(file) as write,
        ):  # a copy: a stream that packs closes what it is given
            for batch in dataset.record_batches(selection.indices if selection is not None else None):
                write(batch)
                written += len(batch)
                if progress is not None:
                    progress(written, total)
        os.fsync(number)
        saved = Saved(written)
        saved.aside = _aside(dataset, target)
        os.replace(part, target)
    except OSError as error:
        raise _unwritten(error, path) from error
    finally:
        os.close(number)
        part.unlink(missing_ok=True)
    _flush_folder(target.parent)
    return saved


def _writer(
    path: Path,
) -> Callable[[io.BufferedWriter], contextlib.AbstractContextManager[Callable[[pa.RecordBatch], None]]]:
    kind, packed = format_of(path), path.suffix.lower() if path.suffix.lower() in PACKED else ""
    if kind == "parquet":
        return _parquet
    if kind in ("lines", "csv", "tsv"):
        text = _lines if kind == "lines" else _separated("," if kind == "csv" else "\t")
        return lambda file: _text(file, packed, text)
    raise DataError(
        f"rows cannot be written as {path.suffix or 'a file without an ending'}", str(path), f"Known are {_KNOWN}"
    )


@contextlib.contextmanager
def _parquet(file: io.BufferedWriter) -> Iterator[Callable[[pa.RecordBatch], None]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([pa.field(column, pa.string(), nullable=False) for column in COLUMNS])
    waiting: list[Any] = []
    with pq.ParquetWriter(file, schema, compression="zstd") as parquet:

        def flush() -> None:
            if waiting:
                parquet.write_table(pa.Table.from_batches(waiting, schema), row_group_size=_GROUP)
                waiting.clear()

        def write(batch: pa.RecordBatch) -> None:
            waiting.append(pa.record_batch(batch.columns[: len(COLUMNS)], schema=schema))
            if sum(map(len, waiting)) >= _GROUP:
                flush()

        yield write
        flush()


@contextlib.contextmanager
def _text(
    file: io.BufferedWriter, packed: str, text: Callable[[Sequence[Sequence[str]]], bytes]
) -> Iterator[Callable[[pa.RecordBatch], None]]:
    import pyarrow as pa

    def into(stream: Any) -> Callable[[pa.RecordBatch], None]:
        if text is not _lines:
            stream.write(text([[column] for column in COLUMNS]))

        def write(batch: pa.RecordBatch) -> None:
            stream.write(text([batch.column(place).to_pylist() for place in range(len(COLUMNS))]))

        return write

    if packed:
        with pa.CompressedOutputStream(pa.PythonFile(file, "w"), "gzip" if packed == ".gz" else "zstd") as stream:
            yield into(stream)
    else:
        yield into(file)


def _lines(columns: Sequence[Sequence[str]]) -> bytes:
    encode = msgspec.json.Encoder().encode_into
    out, line = bytearray(), bytearray()
    for texts in zip(*columns, strict=True):
        encode(dict(zip(COLUMNS, texts, strict=True)), line)
        out += line
        out += b"\n"
    return bytes(out)


def _separated(delimiter: str) -> Callable[[Sequence[Sequence[str]]], bytes]:
    def text(columns: Sequence[Sequence[str]]) -> bytes:
        out = io.StringIO(newline="")
        csv.writer(out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(
            zip(*columns, strict=True)
        )
        return out.getvalue().encode()

    return text


def _part(target: Path) -> tuple[Path, int]:
    """A new file beside the target, with the rights a new file gets, or those of the old one."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
        part.unlink(missing_ok=True)
        return part, os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    except OSError as error:
        raise _unwritten(error, target) from error


def _aside(dataset: DataSet, target: Path) -> Path | None:
    """Where the target is the source: its edits, which are in the rows written, must not be made again."""
    if dataset.origin is None or not any(
        source.exists() and target.exists() and source.samefile(target) for source in dataset.origin.found.paths
    ):
        return None
    from core.data.editing.journal import dated
    from core.data.sidecar import sidecar

    journal = sidecar(dataset.origin.found).edits
    if not journal.exists():
        return None
    aside = dated(journal)
    os.rename(journal, aside)
    return aside


def _unwritten(error: OSError, path: Path) -> DataError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DataError(
            "the disk is full; nothing was changed", str(path), "Free space there, or save to another disk"
        )
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
