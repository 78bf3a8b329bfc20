"""Safe fixes as data: what would be changed or deleted, row by row. A fix reads each row again, and leaves alone what
it is not sure of.

Applied by whoever may write, through an editor; to be undone there like any other edit. Light: the terminal may import
it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from core.base.errors import UsageError
from core.base.row import TEXTS, Row
from core.data.columns.thinking import cut
from core.examples.held_out import held_out
from core.quality.kinds import KINDS
from core.quality.report import Group
from core.quality.wording import question

_MOST = 100_000  # rows of one fix: their new texts are in memory
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u05ff\u0600-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_BLACK_FLAG = "\U0001f3f4"  # the tags behind it make it a region's flag


class Rows(Protocol):
    """What a fix reads from."""

    def row(self, index: int) -> Row: ...


class Editing(Protocol):
    """What a fix is applied with."""

    def rewrite(self, texts: Mapping[int, Mapping[str, str]], words: str) -> int: ...

    def delete(self, indices: Sequence[int]) -> int: ...


class Fix(msgspec.Struct, frozen=True):
    """changes: by row index the columns that get a new text; deletes: rows to take out, rising; left: findings that it
    leaves to a person."""

    kind: str
    words: str
    changes: dict[int, dict[str, str]]
    deletes: tuple[int, ...]
    left: int

    @property
    def rows(self) -> int:
        """How many rows it touches."""
        return len(self.changes) + len(self.deletes)


def plan(data: Rows, group: Group) -> Fix:
    """The fix for a group of findings about `data`, at most a hundred thousand rows of it. Raises UsageError for a kind
    that has no safe fix."""
    if not group.fix:
        possible = ", ".join(kind.name for kind in KINDS.values() if kind.fix)
        raise UsageError(
            f"{group.title}: there is no safe fix for this",
            group.kind,
            f"Mend the rows by hand; there are fixes for: {possible}",
        )
    changes: dict[int, dict[str, str]] = {}
    deletes: list[int] = []
    for place, index in enumerate(group.indices[:_MOST]):
        try:
            row = data.row(index)
            other = group.other(place)
            if group.kind in _DELETES:
                if other is not None and _DELETES[group.kind](row, data.row(other)):
                    deletes.append(index)
            elif changed := _changed(group.kind, row):
                changes[index] = changed
        except IndexError:  # deleted since
            continue
    return Fix(group.kind, group.fix, changes, tuple(deletes), group.count - len(changes) - len(deletes))


def apply(editor: Editing, fix: Fix) -> int:
    """Does it, as one edit; the number of rows that changed. Raises DataError where they cannot be, as the editor
    does."""
    if fix.deletes:
        return editor.delete(fix.deletes)
    return editor.rewrite(fix.changes, fix.words) if fix.changes else 0


def _changed(kind: str, row: Row) -> dict[str, str]:
    """The columns that the fix gives another text."""
    if kind == "template_marker":
        return _moved(row)
    texts = {column: getattr(row, column) for column in TEXTS}
    return {
        column: new
        for column, text in texts.items()
        if (new := _MENDS[kind](text)) != text and (new.strip() or not text.strip())
    }


def _moved(row: Row) -> dict[str, str]:
    """Reasoning that stands at the beginning of the output goes into its column, where that is empty."""
    parts = cut(row.output) if not row.reasoning.strip() else None
    if (
        parts is None
        or parts.answer is None
        or not parts.answer.strip()
        or not parts.reasoning.strip()
        or cut(parts.answer) is not None
    ):
        return {}
    return {"reasoning": parts.reasoning, "output": parts.answer}


def without_controls(text: str) -> str:
    """Garbled text is left alone: its control characters are halves of letters."""
    return text if not _CONTROL.search(text) or _garbled(text) else _CONTROL.sub("", text)


def without_hidden(text: str) -> str:
    """Text with letters that run from right to left is left alone: it may need such characters."""
    return text if _RIGHT_TO_LEFT.search(text) or _BLACK_FLAG in text else _HIDDEN.sub("", text)


def ungarbled(text: str) -> str:
    """Decoded again, line by line, where ftfy finds a way that leaves nothing garbled and loses no letter; other lines
    stay as they are."""
    return "\n".join(map(_decoded, text.split("\n"))) if _garbled(text) else text


def _decoded(line: str) -> str:
    from ftfy import fix_encoding

    new = fix_encoding(line) if _garbled(line) else line
    return line if _garbled(new) or "\ufffd" in new or _CONTROL.search(new) else new


def _garbled(text: str) -> bool:
    from ftfy.badness import is_bad

    return not text.isascii() and is_bad(text)


_MENDS: dict[str, Callable[[str], str]] = {
    "control_character": without_controls,
    "hidden_character": without_hidden,
    "mojibake": ungarbled,
    "blank_edges": str.strip,
}
_DELETES: dict[str, Callable[[Row, Row], bool]] = {
    "duplicate": lambda row, first: (
        row.identity() == first.identity() and row.sysflag == first.sysflag and row.index != first.index
    ),
    "leakage": lambda row, test: (
        held_out(test.sysflag)
        and not held_out(row.sysflag)
        and question(row.instruction, row.input) == question(test.instruction, test.input)
    ),
}
