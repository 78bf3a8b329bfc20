"""Questions to rows: what they mean, apart from where the rows lie, and how a newer one ends an older. Text, order and
the words of errors.

Case: a letter meets itself, its lower, upper and title form where these are one character. Both storages answer by this
one rule.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable

from core.base.errors import DataError
from core.base.row import COLUMNS
from core.data.cells import clean
from core.data.filters import Filters

LONG = 200  # characters of a needle that are sought by expression; what they find is then compared whole
_SORT = re.compile(r"length(?:\((\w+)\))?")


class Interrupted(Exception):
    """A newer question came: nobody waits for this answer."""


class Asking:
    """The questions that run over one source, in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now = 0
        self._ends: dict[int, Callable[[], None]] = {}

    def ticket(self) -> Ticket:
        with self._lock:
            return Ticket(self, self._now)

    def interrupt(self) -> None:
        """Ends all questions asked before now."""
        with self._lock:
            self._now += 1
            ends = list(self._ends.values())
            self._ends.clear()
        for end in ends:
            end()

    def stale(self, number: int) -> bool:
        return number != self._now

    def watch(self, number: int, key: int, end: Callable[[], None]) -> None:
        with self._lock:
            stale = number != self._now
            if not stale:
                self._ends[key] = end
        if stale:
            end()

    def forget(self, key: int) -> None:
        with self._lock:
            self._ends.pop(key, None)


class Ticket:
    """One question's leave to go on."""

    def __init__(self, asking: Asking, number: int) -> None:
        self._asking, self._number = asking, number

    @property
    def stale(self) -> bool:
        return self._asking.stale(self._number)

    def check(self) -> None:
        """Raises Interrupted once a newer question has come."""
        if self.stale:
            raise Interrupted

    def watch(self, end: Callable[[], None]) -> None:
        """Call `end` when a newer question comes, at once where it has come."""
        self._asking.watch(self._number, id(self), end)

    def forget(self) -> None:
        self._asking.forget(id(self))


def prepared(filters: Filters) -> Filters:
    """The filters as rows can meet them (what a person pasted may hold lone surrogates, rows never do). Raises
    DataError for unknown columns."""
    for column in filters.columns:
        if column not in COLUMNS:
            raise DataError(f"there is no column {column}", "", f"Columns are {', '.join(COLUMNS)}")
    order(filters.sort)
    cleaned = {name: clean(getattr(filters, name)) for name in ("syslang", "sysflag", "text", "where")}
    columns = filters.columns if cleaned["text"] and set(filters.columns) != set(COLUMNS) else ()
    if not cleaned["where"].strip():
        cleaned["where"] = ""
    return Filters(**cleaned, columns=columns, sort=filters.sort, descending=filters.descending and bool(filters.sort))


def order(sort: str) -> tuple[str, tuple[str, ...]]:
    """What `Filters.sort` asks for: `text` or `length`, and of which columns; no columns for the source's own order.
    Raises DataError."""
    if not sort:
        return "text", ()
    if sort in COLUMNS:
        return "text", (sort,)
    length = _SORT.fullmatch(sort)
    if length and (length[1] is None or length[1] in COLUMNS):
        return "length", (length[1],) if length[1] else COLUMNS
    raise DataError(f"rows cannot be sorted by {sort}", "", f"Name {', '.join(COLUMNS)}, length or length(COLUMN)")


def spellings(character: str) -> list[str]:
    """The characters that meet `character` in any case, itself first."""
    forms = (character, character.lower(), character.upper(), character.title())
    return list(dict.fromkeys(form for form in forms if len(form) == 1))


def held_pattern(text: str) -> re.Pattern[str]:
    """For Python's `re`, the whole needle."""
    return re.compile("".join(_class(spellings(character), re.escape) for character in text))


def mapped_patterns(text: str) -> tuple[str, str]:
    """For RE2, of the first `LONG` characters of the needle: one that may find too much and is quick, and the true one.

    RE2 skips fastest to a literal in any case; by its own rule, which takes the Kelvin sign for a k and the long s for
    an s.
    """
    begin = text[:LONG]
    true = "".join(_class(spellings(character), _hex) for character in begin)
    if not begin.isascii():
        return true, true
    quick = "(?i)" + "".join(map(_hex, begin))
    return quick, true if set(begin) & set("kKsS") else quick


def _class(forms: list[str], escape: Callable[[str], str]) -> str:
    return escape(forms[0]) if len(forms) == 1 else "[" + "".join(map(escape, forms)) + "]"


def _hex(character: str) -> str:
    return character if character.isalnum() else f"\\x{{{ord(character):x}}}"
