"""Figures with the limits they are held against, as lines of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Line(NamedTuple):
    """One figure. limit: what it must stay below; None where there is none."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def missed(self) -> bool:
        return self.limit is not None and self.value > self.limit


def show(title: str, lines: Iterable[Line]) -> int:
    """Print the lines. Returns how many missed their limit."""
    print(f"\n{title}")
    missed = 0
    for line in lines:
        digits = {"s": 3, "ms": 1}.get(line.unit, 0)
        limit = "" if line.limit is None else f"{'MISSED' if line.missed else 'under'} {line.limit:g} {line.unit}"
        print(
            f"  {line.name:<52} {line.value:>9.{digits}f} {line.unit:<3} {limit:<16} {line.note}".rstrip(), flush=True
        )
        missed += line.missed
    return missed
