"""JSON Lines: reading, pages before the import, and writing. Keeps a block and the longest line in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from core.data.columns.mapping import ColumnMapping
from core.data.columns.settled_columns import SAMPLE_CHARS
from core.data.formats.early_rows import MAX_OPEN_FILES, EarlyRows
from core.data.formats.json_line import COMMAS, read_line, without_commas
from core.data.formats.json_lines_blocks import read_blocks_ahead
from core.data.formats.json_lines_decoder import BlockDecoder
from core.data.formats.row_collector import RowCollector, SourceFacts
from core.data.formats.text_decoding import ByteSource, open_utf8, split_blocks
from core.data.formats.text_encoding import explain_encoding
from core.data.formats.text_files import open_head, read_text_files
from core.data.formats.written_rows import WrittenColumn, WrittenRows, json_objects

_COUNTING = 0.04  # seconds that counting lines may take before the first page is shown without the count


def read_files(paths: Sequence[Path], collector: RowCollector) -> None:
    """Pass every row to `collector`. A line that is not an object becomes a problem; the others are read."""
    read_text_files(paths, collector, read_file)


def open_early(paths: Sequence[Path], where: str, mapping: ColumnMapping | None) -> tuple[EarlyRows, SourceFacts]:
    """All lines by number where the files are uncompressed UTF-8, else the first rows. Raises DataError, OSError."""
    head, facts = open_head(paths, where, mapping, read_file)
    if head.counted or len(paths) > MAX_OPEN_FILES or not all(map(_is_plain, paths)):
        return head, facts
    from core.data.formats.json_lines_pages import EarlyLines

    lines = EarlyLines(where, paths, facts.mapping, facts.names, _COUNTING)
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

    blocks = _tidied(split_blocks(source, SAMPLE_CHARS), collector)
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
            text = line.decode()
        except UnicodeDecodeError as error:
            what, advice = explain_encoding(line, error.start, collector.problems.encoding)
            collector.problems.add(number + offset, what, advice)
            continue
        content = read_line(text)
        if content.note:
            collector.problems.note(content.note)
        if content.fault:
            collector.problems.add(number + offset, content.fault, content.advice)
        for record in content.records:
            collector.take(number + offset, record, len(line))


def _tidied(blocks: Iterator[bytes], collector: RowCollector) -> Iterator[bytes]:
    """The blocks without commas at the ends of lines, so that they are read as fast as others."""
    for block in blocks:
        tidy = without_commas(block)
        if tidy is not block:
            collector.problems.note(COMMAS)
        yield tidy


def _is_plain(path: Path) -> bool:
    """Whether the bytes of the file are UTF-8: neither compressed nor in another encoding."""
    source = open_utf8(path)
    source.close()
    return source.is_plain
