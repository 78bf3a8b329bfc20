"""Finds records that have one key several times, of which parsers keep only the last.

A block of lines is judged by counting: every key ends in `":`, and where there are as many of these as keys, no key
comes again. Only where there are more is each key searched for, and only a line that has one twice is parsed again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json import JSONDecodeError
from typing import Any

from core.base.safe_text import safe_line
from core.data.cell_text import NumberText

_KEY_END = int.from_bytes(b'":', "little")

_BLANK_BEFORE_COLON = re.compile(rb'\{\s*"(?:[^"\\]|\\.)*"\s+:')


class RepeatingRecord(dict[str, Any]):
    """An object that has a key several times in its source; it holds the last value of each."""

    repeated: tuple[str, ...] = ()
    """The keys that it has several times, each once."""


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) == len(pairs):
        return values
    keys = [key for key, _ in pairs]
    record = RepeatingRecord(values)
    record.repeated = tuple(key for key in values if keys.count(key) > 1)
    return record


RECORD_JSON = json.JSONDecoder(
    object_pairs_hook=_object_of,
    parse_int=NumberText,
    parse_float=NumberText,
    parse_constant=lambda name: None if name == "NaN" else name,
)
"""Reads as `TOLERANT_JSON` does; an object with repeated keys is a `RepeatingRecord`."""


def repeated_parts(record: dict[str, Any]) -> list[str]:
    """What of a record is not used since its key comes again, such as `several values of question, of which the last is
    used`."""
    repeated = record.repeated if isinstance(record, RepeatingRecord) else ()
    return [f"several values of {safe_line(name, 60)}, of which the last is used" for name in repeated]


def block_repeats_keys(block: bytes, present: Mapping[str, int]) -> bool:
    """Whether a line of `block` has one of its own keys several times.

    block: lines, each an object; present: the names of all keys, and how many of the lines have each, at least.
    """
    import numpy as np

    size = len(block)
    views = [np.frombuffer(block, dtype="<u2", count=(size - offset) // 2, offset=offset) for offset in (0, 1)]
    are_ends = [view == _KEY_END for view in views]
    ends = sum(int(np.count_nonzero(mask)) for mask in are_ends)
    expected = sum(present.values())
    has_blanks = _BLANK_BEFORE_COLON.match(block) is not None
    if ends == expected and not has_blanks:
        return False
    if ends < expected or has_blanks or not all(map(_is_plain, present)):
        return any(_line_repeats_keys(line) for line in block.split(b"\n"))
    at = [np.flatnonzero(mask) for mask in are_ends]
    positions = np.concatenate([indices * 2 + offset for offset, indices in enumerate(at)])
    before = np.concatenate([view[indices - 1] for view, indices in zip(views, at, strict=True)])  # two bytes each
    text = np.frombuffer(block, dtype=np.uint8)
    line_ends = None
    doubtful: set[int] = set()
    for name, least in present.items():
        keys = _spellings(name)
        alike = [positions[before == int.from_bytes(key[-2:], "little")] for key in keys]
        if sum(map(len, alike)) <= least:
            continue
        if line_ends is None:
            line_ends = np.flatnonzero(text == ord("\n"))
        found = np.concatenate([_ends_of(key, text, ends) for key, ends in zip(keys, alike, strict=True)])
        times = np.bincount(np.searchsorted(line_ends, found))
        doubtful.update(np.flatnonzero(times > 1).tolist())
    if not doubtful:
        return False
    all_lines = block.split(b"\n")
    return any(_line_repeats_keys(all_lines[number]) for number in sorted(doubtful))


def _ends_of(key: bytes, text: Any, positions: Any) -> Any:
    """Those of `positions` in `text` before which `key` stands."""
    found = positions[positions >= len(key)]
    for distance, byte in enumerate(reversed(key), 1):
        found = found[text[found - distance] == byte]
    return found


def _is_plain(name: str) -> bool:
    """Whether JSON has few ways to write a name."""
    return name != "" and name.isprintable() and not any(character in name for character in '"\\/')


def _spellings(name: str) -> list[bytes]:
    """A name as JSON writes it, with and without escapes, up to its closing quote."""
    plain = f'"{name}'.encode("utf-8", "replace")
    escaped = json.dumps(name)[:-1].encode()
    return [plain] if plain == escaped else [plain, escaped]


def _line_repeats_keys(line: bytes) -> bool:
    try:
        return isinstance(RECORD_JSON.decode(line.decode()), RepeatingRecord)
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        return False
