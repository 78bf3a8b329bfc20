"""The pages of fixed size in which rows are fetched and kept. Knows no widget."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.base.row import Row

if TYPE_CHECKING:
    from core.data.dataset import RowSelection

PAGE = 200  # rows


def pages_around(selection: RowSelection, cursor: int) -> dict[int, list[Row]]:
    """Rows by page number: the page of the position `cursor`, first, and the nearer of its neighbours, which may be in
    sight too."""
    page = cursor // PAGE
    neighbour = page + (1 if cursor % PAGE >= PAGE // 2 else -1)
    numbers = [page]
    if 0 <= neighbour * PAGE < len(selection):
        numbers.append(neighbour)
    return {number: selection.page(number * PAGE, PAGE) for number in numbers}
