"""How wide the columns of the table of rows are, in terminal cells.

The widths are chosen once from the first rows, so that they do not change while paging.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from core.base.row import Row
from core.base.safe_text import safe_line

MEASURED_ROWS = 100
MOST_CELLS = 240  # measured of a value: no line is wider
LABEL_CELLS = 12  # at most, of syslang and sysflag
SPARSE_CELLS = 20  # at most, of a column that is empty in most rows
CRAMPED = 48  # cells of the table below which labels show only their beginning
WEIGHTS = {"instruction": 5, "reasoning": 4, "output": 3}  # how they share a width that is too small for all


class TableColumn(NamedTuple):
    """A column of the table."""

    name: str
    """The field of the row; `#` for its number."""
    title: str
    """The words in the header."""
    width: int
    """In cells."""


def measure_columns(rows: Sequence[Row]) -> dict[str, int]:
    """Cells that nine of ten values need, by column; for syslang and sysflag, the widest."""
    needs = {}
    for name in ("instruction", "reasoning", "output", "syslang", "sysflag"):
        values = [text for row in rows[:MEASURED_ROWS] if (text := cell_text(row, name))]
        cells = sorted(cell_len(safe_line(text, MOST_CELLS)) for text in values)
        if cells:
            needs[name] = min(cells[-1], LABEL_CELLS) if name.startswith("sys") else cells[len(cells) * 9 // 10]
            if len(cells) < len(rows[:MEASURED_ROWS]) // 3:  # mostly empty
                needs[name] = min(needs[name], SPARSE_CELLS)
        elif rows:
            needs[name] = 0
    return needs


def cell_text(row: Row, name: str) -> str:
    """What the table shows of a row in the column `name`; the input follows the instruction."""
    if name == "instruction" and row.input:
        return f"{row.instruction} ▸ {row.input}"
    text: str = getattr(row, name)
    return text


def lay_out_columns(width: int, highest: int, needs: dict[str, int], lacks: Collection[str]) -> list[TableColumn]:
    """Columns that fill `width` cells: one cell for marks, then each column with one cell after it.

    highest: the largest row number; needs: cells by column, from `measure_columns`; lacks: columns to leave out.
    """
    columns = [TableColumn("#", "#", max(3, len(str(highest))))]
    for name in ("syslang", "sysflag"):
        if name not in lacks:
            usual = 8 if name == "syslang" else 7  # "Japanese", and the title "sysflag"
            label = min(LABEL_CELLS, max(needs.get(name, 0), usual))
            columns.append(TableColumn(name, name, label if width >= CRAMPED else 4))
    texts = [name for name in WEIGHTS if name == "instruction" or name not in lacks]
    room = width - 1 - sum(column.width + 1 for column in columns) - len(texts)
    titles = {name: name for name in texts}
    if "input" not in lacks:
        titles["instruction"] = "instruction ▸ input"
    widths = _share_cells(room, {name: max(needs.get(name, MOST_CELLS), cell_len(name)) for name in texts})
    return columns + [TableColumn(name, titles[name], widths[name]) for name in texts if widths[name] > 0]


def _share_cells(room: int, needs: dict[str, int]) -> dict[str, int]:
    """Cells by column: those that need little get it, the others share in proportion to their weights, and the last
    takes what is left over."""
    widths: dict[str, int] = {}
    left = dict(needs)
    while left:
        total = sum(WEIGHTS[name] for name in left)
        shares = {name: room * WEIGHTS[name] // total for name in left}
        modest = [name for name, need in left.items() if need <= shares[name]]
        for name in modest or left:
            widths[name] = max(0, left[name] if modest else min(left[name], shares[name]))
        room -= sum(widths[name] for name in modest or left)
        left = {name: need for name, need in left.items() if name not in widths}
    widths[list(needs)[-1]] += max(0, room)
    return widths
