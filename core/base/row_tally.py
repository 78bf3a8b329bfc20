"""How many rows something happened to, and the first of them. Knows no rows."""

from __future__ import annotations

import msgspec

from core.base.plural import counted

ROWS_KEPT = 20  # numbers of rows kept as examples
_ROWS_SHOWN = 5


class RowTally(msgspec.Struct):
    """How many rows something happened to, and the first of them."""

    count: int = 0
    """Rows."""
    rows: list[int] = []
    """The first rows, at most `ROWS_KEPT`: their indices, or their numbers in the source, as the owner says."""

    def add(self, row: int) -> None:
        """Count one more row."""
        self.count += 1
        if len(self.rows) < ROWS_KEPT:
            self.rows.append(row)

    def row_words(self) -> str:
        """`12 rows (0, 4, 5, 9, 11, …)`."""
        return f"{counted(self.count, 'row')} {self._first_rows()}"

    def words(self) -> str:
        """`12 (0, 4, 5, 9, 11, …)`."""
        return f"{self.count:,} {self._first_rows()}"

    def _first_rows(self) -> str:
        first_rows = ", ".join(map(str, self.rows[:_ROWS_SHOWN]))
        return f"({first_rows}{', …' if self.count > _ROWS_SHOWN else ''})"
