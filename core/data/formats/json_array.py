"""A JSON array of records, from a stream. What is in memory is a block and the longest record."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from json import JSONDecodeError
from typing import Any

from core.data.cells import JSON
from core.data.formats.record_intake import Intake
from core.data.formats.text_decoding import BLOCK, Source, explain

_SPACE = re.compile(r"[ \t\r\n]*")
_ESCAPED = re.compile("[\udc80-\udcff]")  # bytes that were not UTF-8, as surrogateescape carries them
# an error this close to the end of what was read may be cured by reading on: no JSON token but a string or number is
# longer
_NEAR = 16


def read_array(source: Source, total: int, intake: Intake) -> None:
    number = 0
    elements = Elements(source)
    try:
        for text, record in elements:
            number += 1
            if elements.foreign and (bad := _ESCAPED.search(text)):
                start = len(text[: bad.start()].encode("utf-8", "surrogateescape"))
                what, advice = explain(text.encode("utf-8", "surrogateescape"), start)
                intake.problems.add(number, what.replace("of the line", "of the record"), advice)
            else:
                intake.take(number, record, len(text))
            intake.progress(source.done, total)
    except JSONDecodeError as error:
        _, advice = explain(elements.foreign, 0) if elements.foreign else ("", "")
        hint = "; the file is not UTF-8" if elements.foreign else ""
        line = elements.lines + elements.text.count("\n", 0, error.pos) + 1
        intake.problems.add(
            number + 1, f"the list breaks at line {line}: {error.msg}{hint}; what follows cannot be read", advice
        )
    except RecursionError:
        intake.problems.add(number + 1, "nested too deeply; what follows cannot be read")


class Elements:
    """The elements of a JSON array, each with its own text, from a stream of bytes.

    `foreign` holds some bytes around the first that are not UTF-8; `lines` counts the line ends before `text`.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text, self.at, self.lines = "", 0, 0
        self.foreign = b""
        self._ended = False

    def _more(self) -> None:
        block = self._source.read(max(BLOCK, len(self.text) - self.at))
        self._ended = not block
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
                    raise JSONDecodeError(
                        "the end of the list is missing" if not char else "Expecting ',' delimiter", self.text, self.at
                    )
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
