"""Which rows of a large source can be shown at once, by its format. Knows the early readers; they know nothing of each
other."""

from __future__ import annotations

import codecs
from itertools import islice
from pathlib import Path

import msgspec

from core.data.columns.guess import guess
from core.data.columns.mapping import Mapping
from core.data.columns.settled_columns import SAMPLE_ROWS, Columns
from core.data.formats.early_rows import EarlyRows, HeadRows
from core.data.formats.record_intake import Facts
from core.data.formats.text_decoding import open_utf8
from core.data.importing.import_source import read_head
from core.data.locate.source_files import TEXT, Found

_COUNTING = 0.04  # seconds that counting lines may take before the first page is shown without the count
_LINE = 1 << 20  # bytes of a first line that is looked at whole
_OPEN = 200  # files held open for pages; a process may open a thousand or so
_PLAIN = (b"{", b" ", b"\t", b"\r", b"\n")  # what JSON lines that are neither packed nor UTF-16 begin with


def open_early(found: Found, mapping: Mapping | None) -> tuple[EarlyRows, Facts, bool]:
    """Rows to be shown before the import, what is known of the source, and whether their number is exact. Raises
    DataError, OSError."""
    if found.format == "parquet" and not any(
        set("*?[]") & set(str(path)) for path in found.paths
    ):  # DuckDB would take these for a pattern
        return _parquet(found, mapping)
    if found.format == "arrow" and len(found.paths) <= _OPEN:
        return _arrow(found, mapping)
    if found.format not in TEXT or (found.format == "json" and _is_object(found.paths[0])):
        return HeadRows(found.where, found.paths, []), Facts(mapping or Mapping(), (), [], 0), False
    rows, facts, whole = read_head(found, mapping)
    if found.format == "lines" and not whole and len(found.paths) <= _OPEN and all(map(_plain, found.paths)):
        from core.data.formats.early_lines import EarlyLines

        lines = EarlyLines(found.where, found.paths, facts.mapping, [*facts.extra, *_sources(facts.mapping)], _COUNTING)
        if len(lines):
            return lines, facts, lines.counted
    return HeadRows(found.where, found.paths, rows), facts, whole


def _is_object(path: Path) -> bool:
    """Whether a .json file is one object, which is read whole or not at all: not by the process that has the screen."""
    source = open_utf8(path)
    try:
        head = source.read(_LINE).lstrip()
    finally:
        source.close()
    line, end, _ = head.partition(b"\n")
    try:
        return head.startswith(b"{") and not (end and msgspec.json.decode(line) is not None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return True


def _plain(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(64).removeprefix(codecs.BOM_UTF8).startswith(_PLAIN)


def _sources(mapping: Mapping) -> list[str]:
    return [pick.column for pick in mapping.picks.values() if pick.column]


def _facts(names: list[str], mapping: Mapping, where: str) -> Facts:
    columns = Columns(mapping)
    columns.learn(names)
    columns.check(where)
    return Facts(columns.mapping, columns.extra, [], 0)


def _parquet(found: Found, mapping: Mapping | None) -> tuple[EarlyRows, Facts, bool]:
    from core.data.formats.early_parquet import EarlyParquet, Shards

    shards = Shards(found.paths)
    if mapping is None:
        first = shards.read(shards.names, 0, 0, SAMPLE_ROWS)
        sample = [] if isinstance(first, str) else [dict(zip(shards.names, values, strict=True)) for values in first]
        mapping = guess(shards.names, sample)
    facts = _facts(shards.names, mapping, found.where)
    return EarlyParquet(found.where, found.paths, shards, facts.mapping), facts, True


def _arrow(found: Found, mapping: Mapping | None) -> tuple[EarlyRows, Facts, bool]:
    from core.data.formats.early_arrow import Batches, EarlyArrow

    files = [Batches(path) for path in found.paths]
    names = files[0].names
    if not all(file.usable for file in files):
        if mapping is None:
            mapping = guess(names, [])
        return HeadRows(found.where, found.paths, []), _facts(names, mapping, found.where), False
    if mapping is None:
        first = islice(files[0].read(names, 0, SAMPLE_ROWS), SAMPLE_ROWS)
        mapping = guess(names, [dict(zip(names, values, strict=True)) for values in first])
    facts = _facts(names, mapping, found.where)
    return EarlyArrow(found.where, found.paths, files, facts.mapping), facts, True
