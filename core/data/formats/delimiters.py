"""The delimiter of a table, and whether its first line is a header, judged by its first lines. Reads no file."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence

from core.data.columns.column_names import RELEVANT_NAMES, normalized_name

DELIMITERS = (",", "\t", ";", "|")
_LONGEST_NAME = 60  # characters; longer ones are texts
_MOST_WORDS = 6
_SENTENCE = re.compile(r"[。？！?!\n…]|[^.\s]\.(\s|$)|://")
_ASIAN = "[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_ASIAN_SENTENCE = re.compile(
    # a question word, an ending of sentences, or more characters than a name has
    f"何|什么|怎么|如何|多少|谁|哪|どこ|いつ|だれ|誰|なぜ|どう|いくつ|"
    f"{_ASIAN}(?:です|ます|ました|ません|ですか|ますか|でしょう|ください|なさい|だった|吗|呢|吧|了|요|니다|까)$|{_ASIAN}{{9}}"
)
_NUMBER = re.compile(r"[-+]?\d[\d,.]*(e[-+]?\d+)?%?", re.IGNORECASE)
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def separator_line(line: str) -> str:
    """The delimiter that a line such as `sep=;` names, which Excel reads and writes before the header; else empty."""
    found = _SEPARATOR.fullmatch(line)
    return found[1] if found else ""


def likely_delimiter(lines: Sequence[str], default: str, width: int = 0) -> str:
    """The delimiter by which most lines are as wide as the first, or have `width` fields where that is not 0. lines:
    the first lines of the table; default: taken where it is as good as any other."""
    best, chosen = 0.0, default
    for delimiter in (default, *DELIMITERS):
        if not lines or delimiter not in lines[0]:
            continue
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        share = widths.count(width or widths[0]) / len(widths)
        if share > best:
            best, chosen = share, delimiter
    return chosen


def _is_asian_sentence(cell: str) -> bool:
    return _ASIAN_SENTENCE.search(cell.strip()) is not None


def looks_like_row(cells: Sequence[str]) -> bool:
    """Whether the first line of a table is a row and not the names of its columns: it has a number, a sentence or a
    long text, and in Chinese, Japanese and Korean what only a sentence has, where no cell is a known name."""
    if not any(normalized_name(cell) in RELEVANT_NAMES for cell in cells) and any(map(_is_asian_sentence, cells)):
        return True
    return any(
        _NUMBER.fullmatch(cell.strip()) is not None
        or len(cell) > _LONGEST_NAME
        or len(cell.split()) > _MOST_WORDS
        or _SENTENCE.search(cell.strip()) is not None
        for cell in cells
    )
