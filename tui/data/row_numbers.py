"""The numbers of rows near one that was typed: those shown, and the typed one itself where filters hide it.

Called in threads: it reads a few rows. Knows no widget.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from core.data.dataset import DataSet, RowSelection

OFFERED = 9  # rows shown near a number


class NumberedRow(NamedTuple):
    """A row that can be gone to."""

    number: int
    """Its index in the source."""
    words: str
    """Its instruction, foreign text."""
    is_hidden: bool = False
    """Whether the filters hide it."""


def rows_near(dataset: DataSet, selection: RowSelection, number: int) -> list[NumberedRow]:
    """At most `OFFERED` of the rows shown, those with the nearest numbers, in the order of their numbers; the row
    `number` itself comes first where the filters hide it. Raises whatever reading the source raises."""
    positions = _nearest_positions(selection, number)
    rows = sorted((selection.page(position, 1)[0] for position in positions), key=lambda row: row.index)
    found = [NumberedRow(row.index, row.instruction) for row in rows]
    if any(row.number == number for row in found):
        return found
    try:
        hidden = dataset.row(number) if 0 <= number <= dataset.highest else None
    except IndexError:  # it could not be read, or was deleted
        hidden = None
    return [NumberedRow(number, hidden.instruction, True), *found] if hidden is not None else found


def _nearest_positions(selection: RowSelection, number: int) -> list[int]:
    """The positions of the rows whose numbers are nearest."""
    count = len(selection)
    window = range(max(number - OFFERED // 2, 0), max(number - OFFERED // 2, 0) + OFFERED)
    if number >= 0 and window.stop <= count and all(selection.at(position) == position for position in window):
        return list(window)  # as in most sources, each row is at the position of its number
    import numpy as np

    distances: np.ndarray[tuple[int], np.dtype[np.int64]] = np.abs(np.asarray(selection.indices) - number)
    if count > OFFERED:
        return [int(position) for position in np.argpartition(distances, OFFERED)[:OFFERED]]
    return list(range(count))
