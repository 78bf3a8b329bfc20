"""Turns plotext's output into rows of styled cells. Knows colour codes and roles, neither numbers nor charts."""

from __future__ import annotations

import re
from collections.abc import Mapping

_COLOUR = re.compile(r"\x1b\[(?:0|38;5;(\d+))m")


def plot_row(line: str, roles: Mapping[str, str], plain: str) -> list[tuple[str, str]]:
    """One line of plotext's output, its colours turned into roles by their code; plain: the role of text without a
    colour."""
    row: list[tuple[str, str]] = []
    role, start = plain, 0
    for match in _COLOUR.finditer(line):
        if match.start() > start:
            row.append((line[start : match.start()], role))
        role, start = roles.get(match[1] or "", plain), match.end()
    if start < len(line):
        row.append((line[start:], role))
    return row
