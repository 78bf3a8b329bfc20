"""JSON Lines: reading, pages before the import, and writing. Keeps a block and the longest line in memory."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import msgspec

from core.data.cell_text import TOLERANT_JSON, explain_not_json
from core.data.columns.mapping import ColumnMapping
from core.data.columns.settled_columns import SAMPLE_CHARS
from core.data.formats.early_rows import MAX_OPEN_FILES, EarlyRows
from core.data.formats.json_lines_blocks import read_blocks_ahead
from core.data.formats.json_lines_decoder import BlockDecoder
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.text_decoding import ByteSource, explain_encoding, open_utf8, split_blocks
from core.data.formats.text_files import open_head, read_text_files
from core.data.formats.written_rows import WrittenColumn, WrittenRows, json_objects

_COUNTING = 0.04  # seconds that counting lines may take before the first page is shown without the count
_UNCOMPRESSED = (b"{", b" ", b"\t", b"\r", b"\n")  # first bytes of JSON lines that are neither compressed nor UTF-16


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`. A line that is not an object becomes a problem; the others are read."""
    read_text_files(paths, collector, read_file)


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """All lines by number where the files are uncompressed UTF-8, else the first rows. Raises DataError, OSError."""
    head, facts = open_head(paths, where, mapping, read_file)
    if head.counted or len(paths) > MAX_OPEN_FILES or not all(map(_is_uncompressed, paths)):
        return head, facts
    from core.data.formats.json_lines_pages import EarlyLines

    sources = [pick.column for pick in facts.mapping.picks.values() if pick.column]
    lines = EarlyLines(where, paths, facts.mapping, [*facts.extra, *sources], _COUNTING)
    return (lines, facts) if len(lines) else (head, facts)


@contextmanager
def open_writer(stream: Any, columns: tuple[WrittenColumn, ...]) -> Iterator[Callable[[WrittenRows], None]]:
    """The function that writes one batch to the binary `stream`, a line for each row."""
    encode = msgspec.json.Encoder().encode_lines
    yield lambda rows: stream.write(encode(json_objects(rows)))


def read_file(path: Path, collector: RowCollector) -> None:
    """Pass every row of one file to `collector`."""
    source = open_utf8(path, collector.problems)
    try:
        read_lines(source, path.stat().st_size, collector)
    finally:
        source.close()


def read_lines(source: ByteSource, total: int, collector: RowCollector) -> None:
    """Pass every row of an open stream to `collector`. total: bytes of the file, for the progress."""
    number = 1
    decoder: BlockDecoder | None = None

    def read_arrays(block: bytes) -> list[Sequence[Any]] | None:
        return decoder.read_arrays(block) if decoder is not None else None

    blocks = split_blocks(source, SAMPLE_CHARS)
    for block, arrays in read_blocks_ahead(blocks, read_arrays, collector.arrays is not None):
        if decoder is None and collector.columns.settled and collector.columns.names:
            decoder = BlockDecoder(collector)  # for the second file and later ones
        if arrays is not None:
            collector.put_arrays(arrays)
        elif decoder is None or not decoder.read(block, number):
            _read_line_by_line(block, number, collector)
            collector.flush()
            if decoder is None or decoder.names != collector.columns.names:
                decoder = BlockDecoder(collector)
        number += block.count(b"\n")
        collector.progress(source.done, total)


def _read_line_by_line(block: bytes, number: int, collector: RowCollector) -> None:
    """Finds the bad lines, keeps each number's digits, and learns new columns. number: of the block's first line."""
    for offset, line in enumerate(block.split(b"\n")):
        line = line.strip()
        if not line:
            continue
        try:
            record = TOLERANT_JSON.decode(line.decode())
        except UnicodeDecodeError as error:
            collector.problems.add(number + offset, *explain_encoding(line, error.start))
        except JSONDecodeError as error:
            collector.problems.add(number + offset, explain_not_json(error))
        except RecursionError:
            collector.problems.add(number + offset, "nested too deeply")
        else:
            collector.take(number + offset, record, len(line))


def _is_uncompressed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(codecs.BOM_UTF8).startswith(_UNCOMPRESSED)
