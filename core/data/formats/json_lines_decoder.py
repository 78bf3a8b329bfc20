"""Decodes blocks of JSON lines in one call, where every line is an object with known columns.

Any other block is refused, so that its lines are read one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from core.base.row import FIELDS
from core.data.cell_text import NumberText, cell_text
from core.data.columns.mapping import is_blank_row
from core.data.formats.json_lines_blocks import Arrays, ArrowBlockReader, count_object_lines
from core.data.formats.marker_search import texts_have_markers
from core.data.formats.row_collector import RowCollector

_Value = str | int | bool | None | msgspec.UnsetType


class BlockDecoder:
    """Reads a block of lines in one call, ten times as fast as line by line.

    Where every column is taken unchanged and has texts, integers, true, false or null, records are not processed one by
    one. A decoder has the columns known when it is made: new columns need a new decoder.
    """

    def __init__(self, collector: RowCollector) -> None:
        columns = collector.columns
        self.names = list(columns.names)
        self._collector = collector
        self._watched = columns.mapping.watched
        self._fields = {
            column: f"c{self.names.index(source)}"
            for column in FIELDS
            if (source := columns.root(columns.mapping.source(column))) and source in self.names
        }
        self._text_decoder: msgspec.json.Decoder[Any] | None = None
        self._any_decoder: msgspec.json.Decoder[Any] | None = None
        self._arrow_reader: ArrowBlockReader | None = None
        self._others = [name for name in dict.fromkeys(self.names) if name not in columns.taken]
        self._other_values = _getter([f"c{self.names.index(name)}" for name in self._others])
        if columns.crowded or not {"instruction", "output"} <= self._fields.keys():
            return
        if columns.plain:
            self._text_decoder = self._decoder(set(self._fields.values()), _Value, msgspec.UNSET)
            if collector.arrays is not None and not self._others:
                sources = [columns.mapping.source(column) if column in self._fields else "" for column in FIELDS]
                self._arrow_reader = ArrowBlockReader(sources, self._watched)
        fields = [f"c{self.names.index(name)}" if name in self.names else "none" for name in columns.reader.sources]
        self._any_decoder = self._decoder(set(fields), Any, None)
        self._values = _getter(fields)

    def _decoder(self, needed: set[str], value_type: Any, default: Any) -> msgspec.json.Decoder[Any]:
        fields: list[tuple[str, Any, Any]] = [
            (f"c{i}", value_type, default) if f"c{i}" in needed else (f"c{i}", msgspec.Raw, msgspec.Raw())
            for i in range(len(self.names))
        ]
        rename = {f"c{i}": name for i, name in enumerate(self.names)}
        record = msgspec.defstruct(
            "Record", fields, rename=rename, forbid_unknown_fields=True, gc=False, namespace={"none": None}
        )
        return msgspec.json.Decoder(record, float_hook=NumberText)

    def read_arrays(self, block: bytes) -> list[Arrays] | None:
        """The rows of `block` as Arrow arrays, None where it must be read another way. Called by several threads.

        The result stays correct when more names are found later, since the block has none of them. None before the
        first row, because the guess of the columns may still change.
        """
        return self._arrow_reader.read(block) if self._arrow_reader is not None and self._collector.rows else None

    def read(self, block: bytes, number: int) -> bool:
        """Pass the rows of `block`, whose first line has this number, to the collector; False where the block is
        refused and no row was passed."""
        if self._text_decoder is not None:
            records = _decode_block(self._text_decoder, block)
            if records is not None and self._put_texts(records):
                return True
        if self._any_decoder is None or (records := _decode_block(self._any_decoder, block)) is None:
            return False
        extras = map(self._extra, records)
        self._collector.put_values(range(number, number + len(records)), list(map(self._values, records)), extras)
        return True

    def _put_texts(self, records: list[Any]) -> bool:
        columns = []
        for column in FIELDS:
            field = self._fields.get(column)
            values = [getattr(record, field) for record in records] if field else [""] * len(records)
            if column in ("instruction", "output") and (None in values or msgspec.UNSET in values):
                return False
            columns.append([value if type(value) is str else _text(value) for value in values])
        if any(is_blank_row(instruction, output) for instruction, output in zip(columns[0], columns[3], strict=True)):
            return False
        if texts_have_markers(columns, self._watched):
            return False
        columns.append(list(map(self._collector.extra_keeper(), map(self._extra, records))))
        self._collector.put(columns)
        return True

    def _extra(self, record: Any) -> dict[str, Any]:
        """The values of the columns that are in no row; the JSON of those that no reader looked at."""
        return dict(zip(self._others, self._other_values(record), strict=True)) if self._others else {}


def _decode_block(decoder: msgspec.json.Decoder[Any], block: bytes) -> list[Any] | None:
    """The objects of the lines, one per line; None where a line is not an object, is blank, or has several."""
    lines = count_object_lines(block)
    if not lines:
        return None
    try:
        records = decoder.decode_lines(block)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return records if len(records) == lines else None


def _getter(fields: Sequence[str]) -> Callable[[Any], Sequence[Any]]:
    if not fields:
        return lambda _: ()
    get = attrgetter(*fields)
    return get if len(fields) > 1 else lambda record: (get(record),)


def _text(value: Any) -> str:
    if value is msgspec.UNSET:
        return ""
    return str(value) if type(value) is int else cell_text(value)
