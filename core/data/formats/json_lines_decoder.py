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
from core.data.formats.repeated_keys import block_repeats_keys
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
        self._text_decoder: _Decoder | None = None
        self._any_decoder: _Decoder | None = None
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

    def _decoder(self, needed: set[str], value_type: Any, default: Any) -> _Decoder:
        columns = {f"c{i}": name for i, name in enumerate(self.names)}
        return _Decoder(columns, {field: (value_type, default) for field in columns if field in needed})

    def read_arrays(self, block: bytes) -> list[Arrays] | None:
        """The rows of `block` as Arrow arrays, None where it must be read another way. Called by several threads.

        The result stays correct when more names are found later, since the block has none of them. None before the
        first row, because the guess of the columns may still change.
        """
        return self._arrow_reader.read(block) if self._arrow_reader is not None and self._collector.rows else None

    def read(self, block: bytes, number: int) -> bool:
        """Pass the rows of `block`, whose first line has this number, to the collector; False where the block is
        refused and no row was passed."""
        for decoder in filter(None, (self._text_decoder, self._any_decoder)):
            if (decoded := decoder.decode(block)) is not None:
                break
        else:
            return False
        if block_repeats_keys(block, decoder.present(decoded)):
            return False
        if decoder is self._text_decoder:
            if self._put_texts(decoded):
                return True
            if self._any_decoder is None or (decoded := self._any_decoder.decode(block)) is None:
                return False
        extras = map(self._extra, decoded)
        self._collector.put_values(range(number, number + len(decoded)), list(map(self._values, decoded)), extras)
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


class _Decoder:
    """Decodes lines that are objects whose names are all among the values of `columns`, to records with its keys as
    fields. A field has the type and the default of `needed`, or is the JSON of its value.

    As long as every object has every column, a decoder that requires them shows it without looking at any record.
    """

    def __init__(self, columns: dict[str, str], needed: dict[str, tuple[Any, Any]]) -> None:
        def decoder(fields: Sequence[tuple[str, Any] | tuple[str, Any, Any]]) -> msgspec.json.Decoder[Any]:
            record = msgspec.defstruct(
                "Record", fields, rename=columns, forbid_unknown_fields=True, gc=False, namespace={"none": None}
            )
            return msgspec.json.Decoder(record, float_hook=NumberText)

        self._columns = columns
        typed = {field: needed.get(field, (msgspec.Raw, msgspec.Raw())) for field in columns}
        self._defaults = {field: default for field, (_, default) in typed.items()}
        self._tolerant = decoder([(field, *typed[field]) for field in columns])
        self._complete: msgspec.json.Decoder[Any] | None = decoder([(field, typed[field][0]) for field in columns])

    def decode(self, block: bytes) -> list[Any] | None:
        """The objects of the lines; None where a line is not an object, is blank, or has several."""
        lines = count_object_lines(block)
        if not lines:
            return None
        if self._complete is not None and (records := _decode_lines(self._complete, block, lines)) is not None:
            return records
        if (records := _decode_lines(self._tolerant, block, lines)) is not None:
            self._complete = None
        return records

    def present(self, records: Sequence[Any]) -> dict[str, int]:
        """How many of the records decoded last have each column, at least: null may count as missing."""
        if self._complete is not None:
            return dict.fromkeys(self._columns.values(), len(records))
        return {
            name: len(records) - list(map(attrgetter(field), records)).count(self._defaults[field])
            for field, name in self._columns.items()
        }


def _decode_lines(decoder: msgspec.json.Decoder[Any], block: bytes, lines: int) -> list[Any] | None:
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
