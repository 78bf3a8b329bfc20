"""JSON: which of its shapes a file has, and JSON lines. Streams: what is in memory is a block and the longest row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from json import JSONDecodeError
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from core.base.row import COLUMNS
from core.data.cells import JSON, Number, cell, not_json
from core.data.columns.mapping import blank
from core.data.columns.settled_columns import SAMPLE_CHARS
from core.data.formats.json_array import read_array
from core.data.formats.json_blocks import Arrays, QuickLines, ahead, object_lines
from core.data.formats.json_object import read_object
from core.data.formats.record_intake import Intake
from core.data.formats.text_decoding import BLOCK, Source, blocks, explain, open_utf8

_Value = str | int | bool | None | msgspec.UnsetType


def read_json(path: Path, intake: Intake) -> None:
    """A .json file: an array, an object with one list, one row, or (by its first line) JSON lines."""
    source = open_utf8(path)
    try:
        shape = _shape(source)
    finally:
        source.close()
    source = open_utf8(path, intake.problems)
    try:
        if shape == "lines":
            _read_lines(source, path.stat().st_size, intake)
        elif shape == "array":
            read_array(source, path.stat().st_size, intake)
        else:
            read_object(source.read(), intake)
    finally:
        source.close()


def read_lines(path: Path, intake: Intake) -> None:
    """A .jsonl file: one object a line. A line that is none is a problem, the others stay."""
    source = open_utf8(path, intake.problems)
    try:
        _read_lines(source, path.stat().st_size, intake)
    finally:
        source.close()


def _shape(source: Source) -> str:
    head = source.read(1 << 16).lstrip()
    if not head.startswith(b"{"):
        return "array" if head.startswith(b"[") else "lines"
    pieces = [head]
    while b"\n" not in pieces[-1] and (piece := source.read(BLOCK)):
        pieces.append(piece)
    line, _, rest = b"".join(pieces).partition(b"\n")
    try:
        JSON.decode(line.decode("utf-8", "replace"))
    except (JSONDecodeError, RecursionError):
        return "object"  # pretty-printed over several lines
    return "lines" if rest.strip() or source.read(BLOCK).strip() else "object"


# -- one object a line --


def _read_lines(source: Source, total: int, intake: Intake) -> None:
    number = 1
    quick: _Quick | None = None
    pieces = ahead(
        blocks(source, SAMPLE_CHARS),
        lambda block: quick.arrays(block) if quick is not None else None,
        intake.arrays is not None,
    )
    for block, arrays in pieces:
        if quick is None and intake.columns.settled and intake.columns.names:
            quick = _Quick(intake)  # of a shard that is not the first
        if arrays is not None:
            intake.put_arrays(arrays)
        elif quick is None or not quick.read(block, number):
            _read_slowly(block, number, intake)
            intake.flush()
            if quick is None or quick.names != intake.columns.names:
                quick = _Quick(intake)
        number += block.count(b"\n")
        intake.progress(source.done, total)


def _read_slowly(block: bytes, number: int, intake: Intake) -> None:
    """Line by line: finds the bad ones, keeps each number's digits, and learns new columns."""
    for offset, line in enumerate(block.split(b"\n")):
        line = line.strip()
        if not line:
            continue
        try:
            record = JSON.decode(line.decode())
        except UnicodeDecodeError as error:
            intake.problems.add(number + offset, *explain(line, error.start))
        except JSONDecodeError as error:
            intake.problems.add(number + offset, not_json(error))
        except RecursionError:
            intake.problems.add(number + offset, "nested too deeply")
        else:
            intake.take(number + offset, record, len(line))


class _Quick:
    """Reads a block of lines in one call where every line is an object of the known columns.

    Ten times as fast as line by line; a block with anything else is refused whole, and nothing of it is taken. Where
    every column is taken as it stands and holds texts, whole numbers, true, false or null, no single record is looked
    at.
    """

    def __init__(self, intake: Intake) -> None:
        columns = intake.columns
        self.names = list(columns.names)
        self._intake = intake
        self._places = {
            column: f"c{self.names.index(source)}"
            for column in COLUMNS
            if (source := columns.mapping.source(column)) in self.names
        }
        self._texts: msgspec.json.Decoder[Any] | None = None
        self._any: msgspec.json.Decoder[Any] | None = None
        self._lines: QuickLines | None = None
        if columns.crowded or not {"instruction", "output"} <= self._places.keys():
            return
        if columns.mapping.plain:
            self._texts = self._decoder(set(self._places.values()), _Value, msgspec.UNSET)
            if intake.arrays is not None:
                self._lines = QuickLines(
                    self.names, [columns.mapping.source(column) if column in self._places else "" for column in COLUMNS]
                )
        sources = [f"c{self.names.index(name)}" if name in self.names else "none" for name in columns.reader.sources]
        self._any = self._decoder(set(sources), Any, None)
        self._values = _getter(sources)

    def _decoder(self, wanted: set[str], kind: Any, default: Any) -> msgspec.json.Decoder[Any]:
        fields: list[tuple[str, Any, Any]] = [
            (f"c{i}", kind, default) if f"c{i}" in wanted else (f"c{i}", msgspec.Raw, msgspec.Raw())
            for i in range(len(self.names))
        ]
        rename = {f"c{i}": name for i, name in enumerate(self.names)}
        record = msgspec.defstruct(
            "Record", fields, rename=rename, forbid_unknown_fields=True, gc=False, namespace={"none": None}
        )
        return msgspec.json.Decoder(record, float_hook=Number)

    def arrays(self, block: bytes) -> list[Arrays] | None:
        """The rows of `block` for a storage that takes Arrow arrays. What was read by names known earlier stays right
        when more are learnt: the block holds none of them. Before the first row nothing is, as the guess may still
        change."""
        return self._lines.read(block) if self._lines is not None and self._intake.rows else None

    def read(self, block: bytes, number: int) -> bool:
        """Take the lines of `block`, of which the first is line `number`, or refuse them."""
        if (
            self._texts is not None
            and (records := _decoded(self._texts, block)) is not None
            and self._put_texts(records)
        ):
            return True
        if self._any is None or (records := _decoded(self._any, block)) is None:
            return False
        self._intake.put_values(range(number, number + len(records)), list(map(self._values, records)))
        return True

    def _put_texts(self, records: list[Any]) -> bool:
        columns = []
        for column in COLUMNS:
            place = self._places.get(column)
            values = [getattr(record, place) for record in records] if place else [""] * len(records)
            if column in ("instruction", "output") and (None in values or msgspec.UNSET in values):
                return False
            columns.append(
                [value if type(value) is str else "" if value is msgspec.UNSET else _plain(value) for value in values]
            )
        if any(blank(instruction, output) for instruction, output in zip(columns[0], columns[3], strict=True)):
            return False
        self._intake.put(columns)
        return True


def _decoded(decoder: msgspec.json.Decoder[Any], block: bytes) -> list[Any] | None:
    """The objects of the lines, one a line; None where some line is nothing of the kind, blank, or holds several."""
    lines = object_lines(block)
    if not lines:
        return None
    try:
        records = decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return records if len(records) == lines else None


def _getter(places: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    get = attrgetter(*places)
    return get if len(places) > 1 else lambda record: (get(record),)


def _plain(value: Any) -> str:
    return str(value) if type(value) is int else cell(value)
