"""What differs between two texts, as lines a person can read without colours: `-` before, `+` after. Pure; knows no
widgets.

Long texts stay quick: what both begin and end with is set aside first, and where too much is left it is shown as
replaced whole.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import NamedTuple

MOST_LINES = 2_000  # of the differing middle, that are compared with each other
MOST_WORDS = 3_000
CONTEXT = 2  # equal lines shown around a difference
_WORD = re.compile(r"[A-Za-z0-9_]+|\s+|.", re.DOTALL)  # a script without spaces goes by characters


class DiffLine(NamedTuple):
    """sign: `-`, `+`, a space, or `…` for lines left out; pieces: text as it stands in the field, and whether it is
    what differs."""

    sign: str
    pieces: list[tuple[str, bool]]


def differences(before: str, after: str) -> list[DiffLine]:
    """The lines of a difference, equal ones far from it left out; none where the texts are the same."""
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
            equal = kind == "equal"
            lines += (
                [DiffLine(" ", [(line, False)]) for line in middle_old[a:b]]
                if equal
                else _replaced(middle_old[a:b], middle_new[c:d])
            )
    lines += [DiffLine(" ", [(line, False)]) for line in old[len(old) - tail :]]
    return _shortened(lines)


def _common(one: list[str], other: list[str]) -> int:
    count = 0
    for left, right in zip(one, other, strict=False):
        if left != right:
            break
        count += 1
    return count


def _replaced(old: list[str], new: list[str]) -> list[DiffLine]:
    """Lines that gave way to others; where they are as many, word by word."""
    if len(old) == len(new):
        pairs = [_words(left, right) for left, right in zip(old, new, strict=True)]
        return [DiffLine("-", left) for left, _ in pairs] + [DiffLine("+", right) for _, right in pairs]
    return [DiffLine("-", [(line, True)]) for line in old] + [DiffLine("+", [(line, True)]) for line in new]


def _words(old: str, new: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    left, right = _WORD.findall(old), _WORD.findall(new)
    head = _common(left, right)
    tail = _common(left[head:][::-1], right[head:][::-1])
    begin, end = "".join(left[:head]), "".join(left[len(left) - tail :])
    left, right = left[head : len(left) - tail], right[head : len(right) - tail]
    if max(len(left), len(right)) > MOST_WORDS:
        return [(begin, False), ("".join(left), True), (end, False)], [
            (begin, False),
            ("".join(right), True),
            (end, False),
        ]
    gone, come = [(begin, False)], [(begin, False)]
    for kind, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        gone.append(("".join(left[a:b]), kind != "equal"))
        come.append(("".join(right[c:d]), kind != "equal"))
    return [piece for piece in [*gone, (end, False)] if piece[0]], [
        piece for piece in [*come, (end, False)] if piece[0]
    ]


def _shortened(lines: list[DiffLine]) -> list[DiffLine]:
    """Without the equal lines that no difference stands near."""
    near = [False] * len(lines)
    for place, line in enumerate(lines):
        if line.sign != " ":
            for neighbour in range(max(0, place - CONTEXT), min(len(lines), place + CONTEXT + 1)):
                near[neighbour] = True
    kept: list[DiffLine] = []
    left_out = 0
    for place, line in enumerate([*lines, DiffLine("", [])]):
        if place < len(lines) and not near[place]:
            left_out += 1
            continue
        if left_out:
            kept.append(DiffLine("…", [(f"{left_out:,} equal line{'s' if left_out > 1 else ''}", False)]))
            left_out = 0
        if place < len(lines):
            kept.append(line)
    return kept
