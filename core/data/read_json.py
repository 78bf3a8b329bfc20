"""JSON lines, a JSON array, or an object that holds one list of rows. Streams: what is in memory is a block and the longest row."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import msgspec

from core.data.cells import JSON, cell
from core.data.encoding import BLOCK, Source, blocks, explain, open_utf8
from core.data.intake import Intake, blank
from core.errors import DataError
from core.row import COLUMNS

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that were not UTF-8, as surrogateescape carries them
_NEAR = 16  # an error this close to the end of what was read may be cured by reading on: no JSON token but a string or number is longer
_Value = str | int | bool | None | msgspec.UnsetType


def read_json(path: Path, intake: Intake) -> None:
    """A .json file: an array, an object with one list, one row, or (by its first line) JSON lines."""
    source = open_utf8(path)
    try:
        shape = _shape(source)
    finally:
        source.close()
    source = open_utf8(path)
    try:
        if shape == "lines":
            _read_lines(source, path.stat().st_size, intake)
        elif shape == "array":
            _read_array(source, path.stat().st_size, intake)
        else:
            _read_object(source.read(), intake)
    finally:
        source.close()


def read_lines(path: Path, intake: Intake) -> None:
    """A .jsonl file: one object a line. A line that is none is a problem, the others stay."""
    source = open_utf8(path)
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
    number, done = 1, 0
    quick: _Quick | None = None
    for block in blocks(source):
        if quick is None or not quick.read(block):
            _read_slowly(block, number, intake)
            intake.flush()
            if quick is None or quick.names != intake.columns.names:
                quick = _Quick(intake)
        number += block.count(b"\n")
        done += len(block)
        intake.progress(done, total)


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
            intake.problems.add(number + offset, f"not JSON: {error.msg} at character {error.pos + 1}")
        except RecursionError:
            intake.problems.add(number + offset, "nested too deeply")
        else:
            intake.take(number + offset, record, len(line))


class _Quick:
    """Reads a block of lines in one call where every line is an object of the known columns, with texts, whole numbers, true, false or null.

    Ten times as fast as line by line; a block with anything else is refused whole, and nothing of it is taken.
    """

    def __init__(self, intake: Intake) -> None:
        self.names = list(intake.columns.names)
        self._intake = intake
        self._places = {column: f"c{self.names.index(name)}" for column, name in intake.columns.used.items()}
        self._decode: msgspec.json.Decoder[Any] | None = None
        if not intake.columns.crowded and {"instruction", "output"} <= self._places.keys():
            wanted = set(self._places.values())
            fields: list[tuple[str, Any, Any]] = [
                (f"c{i}", _Value, msgspec.UNSET) if f"c{i}" in wanted else (f"c{i}", msgspec.Raw, msgspec.Raw()) for i in range(len(self.names))
            ]
            rename = {f"c{i}": name for i, name in enumerate(self.names)}
            self._decode = msgspec.json.Decoder(msgspec.defstruct("Record", fields, rename=rename, forbid_unknown_fields=True, gc=False))

    def read(self, block: bytes) -> bool:
        if self._decode is None:
            return False
        try:
            records = self._decode.decode_lines(block)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        if len(records) != block.count(b"\n") + (not block.endswith(b"\n")):
            return False  # blank lines, or several objects in one
        columns = []
        for column in COLUMNS:
            place = self._places.get(column)
            values = [getattr(record, place) for record in records] if place else [""] * len(records)
            if column in ("instruction", "output") and (None in values or msgspec.UNSET in values):
                return False
            columns.append([value if type(value) is str else "" if value is msgspec.UNSET else _plain(value) for value in values])
        if any(blank(instruction, output) for instruction, output in zip(columns[0], columns[3], strict=True)):
            return False
        self._intake.put(columns)
        return True


def _plain(value: Any) -> str:
    return str(value) if type(value) is int else cell(value)


# -- an array --


def _read_array(source: Source, total: int, intake: Intake) -> None:
    number = 0
    elements = _Elements(source)
    try:
        for text, record in elements:
            number += 1
            if elements.foreign and (bad := _ESCAPED.search(text)):
                start = len(text[: bad.start()].encode("utf-8", "surrogateescape"))
                what, advice = explain(text.encode("utf-8", "surrogateescape"), start)
                intake.problems.add(number, what.replace("of the line", "of the record"), advice)
            else:
                intake.take(number, record, len(text))
            intake.progress(elements.done, total)
    except JSONDecodeError as error:
        _, advice = explain(elements.foreign, 0) if elements.foreign else ("", "")
        hint = "; the file is not UTF-8" if elements.foreign else ""
        line = elements.lines + elements.text.count("\n", 0, error.pos) + 1
        intake.problems.add(number + 1, f"the list breaks at line {line}: {error.msg}{hint}; what follows cannot be read", advice)
    except RecursionError:
        intake.problems.add(number + 1, "nested too deeply; what follows cannot be read")


class _Elements:
    """The elements of a JSON array, each with its own text, from a stream of bytes.

    `foreign` holds some bytes around the first that are not UTF-8; `lines` counts the line ends before `text`; `done` is in bytes.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.at, self.done, self.lines = "", 0, 0, 0
        self.foreign = b""
        self._ended = False

    def _more(self) -> None:
        block = self._source.read(max(BLOCK, len(self.text) - self.at))
        self._ended = not block
        self.done += len(block)
        new = self._decoder.decode(block, final=self._ended)
        if not self.foreign and (bad := _ESCAPED.search(new)):
            self.foreign = new[bad.start() : bad.start() + 4096].encode("utf-8", "surrogateescape")
        self.lines += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :] + new, 0

    def _next(self) -> str:
        """The next character that is no space, or "" at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text):
                return self.text[self.at]
            if self._ended:
                return ""
            self._more()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        self._next()
        self.at += 1  # the bracket that made this an array
        first = True
        while (char := self._next()) != "]":
            if not first:
                if char != ",":
                    raise JSONDecodeError("the end of the list is missing" if not char else "Expecting ',' delimiter", self.text, self.at)
                self.at += 1
                self._next()
            first = False
            end, value = self._value()
            yield self.text[self.at : end], value
            self.at = end

    def _value(self) -> tuple[int, Any]:
        while True:
            try:
                value, end = JSON.raw_decode(self.text, self.at)
                if end < len(self.text) or self._ended:
                    return end, value
            except JSONDecodeError as error:
                cut = error.pos >= len(self.text) - _NEAR or error.msg.startswith("Unterminated")
                if self._ended or not cut:
                    raise
            self._more()


# -- an object --


class _View:
    """Bytes that are held already, read as a stream without a second copy of the whole."""

    def __init__(self, view: memoryview) -> None:
        self._view = view

    def read(self, size: int = -1, /) -> bytes:
        size = len(self._view) if size < 0 else size
        block, self._view = bytes(self._view[:size]), self._view[size:]
        return block

    def close(self) -> None:
        self._view = self._view[:0]


def _read_object(content: bytes, intake: Intake) -> None:
    try:
        members = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataError(f"this is not JSON: {error}", intake.where, "Mend it at the place named, or save one object a line as .jsonl") from error
    heads = {name: bytes(memoryview(value)[:4096]) for name, value in members.items()}
    lists = [name for name, head in heads.items() if head.startswith(b"[")]
    with_rows = [name for name in lists if heads[name][1:].lstrip().startswith(b"{")]
    if len(with_rows) == 1:
        _read_array(_View(memoryview(members[with_rows[0]])), len(content), intake)
        return
    do = "Keep one list of objects in it, or save one object a line as .jsonl (pandas: to_json(path, orient='records', lines=True))"
    if len(lists) > 1:
        raise DataError(f"it holds {len(lists)} lists ({', '.join(lists[:10])}), and it is unclear which has the rows", intake.where, do)
    intake.columns.learn(members)
    if any(heads[name].startswith((b"{", b"[")) for name in intake.columns.used.values()):
        raise DataError("it holds columns, not rows", intake.where, do)
    record: Any = JSON.decode(content.decode("utf-8", "replace"))
    intake.take(1, record, len(content))
