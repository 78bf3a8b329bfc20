"""Reads the records of a JSON array from a stream. Keeps a block and the longest record in memory."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from core.data.cell_text import TOLERANT_JSON
from core.data.formats.row_collector import RowCollector
from core.data.formats.text_decoding import BLOCK, ByteSource, explain_encoding

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that were not UTF-8, as surrogateescape carries them
# an error this close to the end of the text may only be due to missing text: except for strings and numbers, no JSON
# token is longer
_NEAR = 16


def read_array(source: ByteSource, total: int, collector: RowCollector) -> None:
    """Pass every record of the array to `collector`. A syntax error becomes a problem, and the text after it is not
    read. total: bytes of the file, for the progress."""
    number = 0
    elements = ArrayElements(source)
    try:
        for text, record in elements:
            number += 1
            if elements.not_utf8 and (bad := _ESCAPED.search(text)):
                start = len(text[: bad.start()].encode("utf-8", "surrogateescape"))
                what, advice = explain_encoding(text.encode("utf-8", "surrogateescape"), start)
                collector.problems.add(number, what.replace("of the line", "of the record"), advice)
            else:
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
    """The elements of a JSON array, each with its own text, from a stream of bytes.

    `text` is unread from `position` on; `lines` counts the line ends before `text`; `not_utf8` has some bytes from the
    first one on that is not UTF-8.
    """

    def __init__(self, source: ByteSource) -> None:
        self._source = source
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
        self._next()
        self.position += 1  # the bracket that made this an array
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
                self._next()
            first = False
            end, value = self._value()
            yield self.text[self.position : end], value
            self.position = end

    def _value(self) -> tuple[int, Any]:
        while True:
            try:
                value, end = TOLERANT_JSON.raw_decode(self.text, self.position)
                if end < len(self.text) or self._ended:
                    return end, value
            except JSONDecodeError as error:
                incomplete = error.pos >= len(self.text) - _NEAR or error.msg.startswith("Unterminated")
                if self._ended or not incomplete:
                    raise
            self._more()
