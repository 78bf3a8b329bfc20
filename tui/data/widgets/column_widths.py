"""How wide the columns of the table of rows are, in terminal cells: chosen once from the first rows, so that they stand
still while paging."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from rich.cells import cell_len

from core.base.row import Row
from core.base.safe_text import safe_line

LOOKED_AT = 100  # rows
LONGEST = 240  # cells that a value counts for: no line is wider
LABEL = 12  # cells of syslang and sysflag at most
SPARSE = 20  # cells at most for a column that is empty in most rows
CRAMPED = 48  # cells of the whole table, below which labels show their beginning only
WEIGHTS = {"instruction": 5, "reasoning": 4, "output": 3}  # what they share where all want more than there is


class Column(NamedTuple):
    """name: of the row's field, `#` for its number; title: what stands over it; width: in cells."""

    name: str
    title: str
    width: int


def measure(rows: Sequence[Row]) -> dict[str, int]:
    """How many cells nine of ten values need, by column; for the labels, the widest."""
    needs = {}
    for name in ("instruction", "reasoning", "output", "syslang", "sysflag"):
        values = [text for row in rows[:LOOKED_AT] if (text := shown(row, name))]
        cells = sorted(cell_len(safe_line(text, LONGEST)) for text in values)
        if cells:
            needs[name] = min(cells[-1], LABEL) if name.startswith("sys") else cells[len(cells) * 9 // 10]
            if len(cells) < len(rows[:LOOKED_AT]) // 3:  # mostly empty
                needs[name] = min(needs[name], SPARSE)
        elif rows:
            needs[name] = 0
    return needs


def shown(row: Row, name: str) -> str:
    """What the table shows of a row in the column `name`: the input stands behind the instruction."""
    return f"{row.instruction} ▸ {row.input}" if name == "instruction" and row.input else getattr(row, name)


def lay_out(width: int, highest: int, needs: dict[str, int], lacks: Collection[str]) -> list[Column]:
    """Columns that fill `width` cells: one for marks, then each with one cell after it. highest: the largest row
    number."""
    columns = [Column("#", "#", max(3, len(str(highest))))]
    for name in ("syslang", "sysflag"):
        if name not in lacks:
            usual = 8 if name == "syslang" else 7  # Japanese; and the title of the other
            columns.append(Column(name, name, min(LABEL, max(needs.get(name, 0), usual)) if width >= CRAMPED else 4))
    texts = [name for name in WEIGHTS if name == "instruction" or name not in lacks]
    room = width - 1 - sum(column.width + 1 for column in columns) - len(texts)
    titles = {name: "instruction ▸ input" if name == "instruction" and "input" not in lacks else name for name in texts}
    widths = _share(room, {name: max(needs.get(name, LONGEST), cell_len(name)) for name in texts})
    return columns + [Column(name, titles[name], widths[name]) for name in texts if widths[name] > 0]


def _share(room: int, needs: dict[str, int]) -> dict[str, int]:
    """Give each what it needs, the others in proportion to their weights; what is left over goes to the last."""
    widths: dict[str, int] = {}
    left = dict(needs)
    while left:
        total = sum(WEIGHTS[name] for name in left)
        content = [name for name, need in left.items() if need <= room * WEIGHTS[name] // total]
        for name in content or list(left):
            widths[name] = max(0, min(left[name], room * WEIGHTS[name] // total if not content else left[name]))
        room -= sum(widths[name] for name in (content or list(left)))
        left = {name: need for name, need in left.items() if name not in widths}
    last = list(needs)[-1]
    widths[last] += max(0, room)
    return widths
