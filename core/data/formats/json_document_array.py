"""Reads the records of a JSON array, or objects one after the other, from a stream.

Keeps a block and the longest record in memory.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from core.data.formats.repeated_keys import RECORD_JSON
from core.data.formats.row_collector import RowCollector
from core.data.formats.text_decoding import BLOCK, ByteSource
from core.data.formats.text_encoding import explain_encoding

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that were not UTF-8, as surrogateescape carries them
# an error this close to the end of the text may only be due to missing text: except for strings and numbers, no JSON
# token is longer
_NEAR = 16


def read_array(source: ByteSource, total: int, collector: RowCollector, flag: str = "") -> None:
    """Pass every record of the array to `collector`. A syntax error becomes a problem, and the text after it is not
    read. total: bytes of the file, for the progress; flag: the sysflag of records that have none."""
    _read_elements(ArrayElements(source), source, total, collector, flag)


def read_values(source: ByteSource, total: int, collector: RowCollector) -> None:
    """Pass every object of a text with objects one after the other to `collector`, with or without commas between
    them. total: as for `read_array`."""
    collector.problems.note("its objects stand one after the other, not one to a line; each is a row")
    _read_elements(ArrayElements(source, brackets=False), source, total, collector, "")


def _read_elements(elements: ArrayElements, source: ByteSource, total: int, collector: RowCollector, flag: str) -> None:
    number = 0
    try:
        for text, record in elements:
            number += 1
            if elements.not_utf8 and (bad := _ESCAPED.search(text)):
                start = len(text[: bad.start()].encode("utf-8", "surrogateescape"))
                content = text.encode("utf-8", "surrogateescape")
                what, advice = explain_encoding(content, start, collector.problems.encoding)
                collector.problems.add(number, what.replace("of the line", "of the record"), advice)
            else:
                if flag and isinstance(record, dict):
                    record.setdefault("sysflag", flag)
                collector.take(number, record, len(text))
            collector.progress(source.done, total)
    except JSONDecodeError as error:
        _, advice = explain_encoding(elements.not_utf8, 0) if elements.not_utf8 else ("", "")
        hint = "; the file is not UTF-8" if elements.not_utf8 else ""
        line = elements.lines + elements.text.count("\n", 0, error.pos) + 1
        collector.problems.add(
            number + 1, f"the list breaks at line {line}: {error.msg}{hint}; the rest cannot be read", advice
        )
    except RecursionError:
        collector.problems.add(number + 1, "nested too deeply; the rest cannot be read")


class ArrayElements:
    """The elements of a JSON array, each with its own text, from a stream of bytes; of several arrays where they stand
    one after the other. brackets: False where the values stand in no array.

    `text` is unread from `position` on; `lines` counts the line ends before `text`; `not_utf8` has some bytes from the
    first one on that is not UTF-8.
    """

    def __init__(self, source: ByteSource, brackets: bool = True) -> None:
        self._source, self._brackets = source, brackets
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.position = 0
        self.lines = 0
        self.not_utf8 = b""
        self._ended = False

    def _more(self) -> None:
        block = self._source.read(max(BLOCK, len(self.text) - self.position))
        self._ended = not block
        new = self._decoder.decode(block, final=self._ended)
        if not self.not_utf8 and (bad := _ESCAPED.search(new)):
            self.not_utf8 = new[bad.start() : bad.start() + 4096].encode("utf-8", "surrogateescape")
        self.lines += self.text.count("\n", 0, self.position)
        self.text, self.position = self.text[self.position :] + new, 0

    def _next(self) -> str:
        """The next character that is no space, or "" at the end."""
        while True:
            self.position = _SPACE.match(self.text, self.position).end()  # type: ignore[union-attr]
            if self.position < len(self.text):
                return self.text[self.position]
            if self._ended:
                return ""
            self._more()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        if not self._brackets:
            yield from self._bare_values()
            return
        while self._next() == "[":
            yield from self._in_brackets()
        if self._next():
            raise JSONDecodeError("text follows the end of the list", self.text, self.position)

    def _bare_values(self) -> Iterator[tuple[str, Any]]:
        while char := self._next():
            if char in ",\x1e":
                self.position += 1
            else:
                yield from self._element()

    def _in_brackets(self) -> Iterator[tuple[str, Any]]:
        self.position += 1
        first = True
        while (char := self._next()) != "]":
            if not first:
                if char != ",":
                    raise JSONDecodeError(
                        "the end of the list is missing" if not char else "Expecting ',' delimiter",
                        self.text,
                        self.position,
                    )
                self.position += 1
                if self._next() == "]":  # a comma after the last record
                    break
            first = False
            yield from self._element()
        self.position += 1

    def _element(self) -> Iterator[tuple[str, Any]]:
        end, value = self._value()
        yield self.text[self.position : end], value
        self.position = end

    def _value(self) -> tuple[int, Any]:
        while True:
            try:
                value, end = RECORD_JSON.raw_decode(self.text, self.position)
                if end < len(self.text) or self._ended:
                    return end, value
            except JSONDecodeError as error:
                incomplete = error.pos >= len(self.text) - _NEAR or error.msg.startswith("Unterminated")
                if self._ended or not incomplete:
                    raise
            self._more()
