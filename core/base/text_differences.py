"""The differences between two texts as lines that need no colours: `-` before, `+` after; or as words within the text.

Knows no widget. Long texts are quick too: the common beginning and end are set aside first, and a remainder that is too
long is shown as replaced.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_LINES = 2_000  # of the middle that differs, to be compared line by line
MOST_WORDS = 3_000  # of the middle of a line, to be compared word by word
CONTEXT = 2  # equal lines shown around a difference
_WORD = re.compile(r"[A-Za-z0-9_]+|\s+|.", re.DOTALL)  # a script without spaces is compared by characters


class DiffLine(NamedTuple):
    """One line of a difference."""

    sign: str
    """`-` before, `+` after, a space for an equal line, `…` for equal lines left out."""
    pieces: list[tuple[str, bool]]
    """Text as in the field, foreign, and whether it differs."""


class WordChange(NamedTuple):
    """Words of a text that was compared with an earlier one."""

    sign: str
    """`-` only in the earlier text, `+` only in this one, a space in both."""
    text: str
    """The words, foreign."""


def marked_words(change: WordChange) -> str:
    """The words with marks that need no colour: `[-gone-]`, `{+new+}`; words in both texts as they are."""
    opening, closing = {"-": ("[-", "-]"), "+": ("{+", "+}")}.get(change.sign, ("", ""))
    return f"{opening}{change.text}{closing}"


def word_changes(before: str, after: str) -> list[WordChange]:
    """The text `after` with what it has lost in its place: the pieces without `-` are `after`, those without `+` are
    `before`."""
    left, right = _WORD.findall(before), _WORD.findall(after)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    old, new = left[head : len(left) - tail], right[head : len(right) - tail]
    if max(len(old), len(new)) > MOST_WORDS:
        middle = [("".join(old), "".join(new))]
    else:
        steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
        middle = _without_lone_space([("".join(old[a:b]), "".join(new[c:d])) for _, a, b, c, d in steps])
    begin, end = "".join(right[:head]), "".join(right[len(right) - tail :])
    changes = []
    for lost, got in [(begin, begin), *middle, (end, end)]:
        changes += [WordChange(" ", got)] if lost == got else [WordChange("-", lost), WordChange("+", got)]
    return [change for change in changes if change.text]


def _without_lone_space(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Pairs of what was and what is, with the white space between two changes taken into them: they read as one."""
    joined: list[tuple[str, str]] = []
    for index, (lost, got) in enumerate(pairs):
        is_space = lost == got and lost.isspace() and 0 < index < len(pairs) - 1
        if joined and (is_space or lost != got) and joined[-1][0] != joined[-1][1]:
            joined[-1] = (joined[-1][0] + lost, joined[-1][1] + got)
        else:
            joined.append((lost, got))
    return joined


def text_differences(before: str, after: str) -> list[DiffLine]:
    """The lines of the differences, with the equal lines near them; none where the texts are the same."""
    if before == after:
        return []
    old, new = before.split("\n"), after.split("\n")
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    lines = [DiffLine(" ", [(line, False)]) for line in old[:head]]
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(middle_old), len(middle_new)) > MOST_LINES:
        lines += _replaced(middle_old, middle_new)
    else:
        for kind, a, b, c, d in SequenceMatcher(None, middle_old, middle_new, autojunk=False).get_opcodes():
            if kind == "equal":
                lines += [DiffLine(" ", [(line, False)]) for line in middle_old[a:b]]
            else:
                lines += _replaced(middle_old[a:b], middle_new[c:d])
    lines += [DiffLine(" ", [(line, False)]) for line in old[len(old) - tail :]]
    return _shortened(lines)


def _common(left_items: list[str], right_items: list[str]) -> int:
    """How many items both begin with."""
    count = 0
    for left, right in zip(left_items, right_items, strict=False):
        if left != right:
            break
        count += 1
    return count


def _replaced(old: list[str], new: list[str]) -> list[DiffLine]:
    """Lines replaced by others; compared word by word where there are equally many."""
    if len(old) == len(new):
        pairs = [_words(left, right) for left, right in zip(old, new, strict=True)]
        return [DiffLine("-", left) for left, _ in pairs] + [DiffLine("+", right) for _, right in pairs]
    return [DiffLine("-", [(line, True)]) for line in old] + [DiffLine("+", [(line, True)]) for line in new]


def _words(old: str, new: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both lines as pieces, and whether each differs."""
    left, right = _WORD.findall(old), _WORD.findall(new)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    begin, end = "".join(left[:head]), "".join(left[len(left) - tail :])
    left, right = left[head : len(left) - tail], right[head : len(right) - tail]
    if max(len(left), len(right)) > MOST_WORDS:
        removed = [(begin, False), ("".join(left), True), (end, False)]
        added = [(begin, False), ("".join(right), True), (end, False)]
        return removed, added
    removed, added = [(begin, False)], [(begin, False)]
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        removed.append(("".join(left[a:b]), kind != "equal"))
        added.append(("".join(right[c:d]), kind != "equal"))
    removed.append((end, False))
    added.append((end, False))
    return [piece for piece in removed if piece[0]], [piece for piece in added if piece[0]]


def _shortened(lines: list[DiffLine]) -> list[DiffLine]:
    """The lines without the equal ones that are far from any difference."""
    near = [False] * len(lines)
    for index, line in enumerate(lines):
        if line.sign != " ":
            for neighbour in range(max(0, index - CONTEXT), min(len(lines), index + CONTEXT + 1)):
                near[neighbour] = True
    shown: list[DiffLine] = []
    left_out = 0
    for index, line in enumerate([*lines, DiffLine("", [])]):
        if index < len(lines) and not near[index]:
            left_out += 1
            continue
        if left_out:
            shown.append(DiffLine("…", [(f"{left_out:,} equal line{'s' if left_out > 1 else ''}", False)]))
            left_out = 0
        if index < len(lines):
            shown.append(line)
    return shown
